//! The rule on claims in documents: a test that docs/lessons.md names exists.
//!
//! A line of the form ``- `path.rs`: `name`, `other` `` names tests of one file. Other lines are free text.

use super::Finding;

const RULE: &str = "claim";

/// The document whose lists of tests are checked.
pub(super) const DOCUMENT: &str = "docs/lessons.md";

/// Checks the document; `read` gives the text of a file below the root.
pub(super) fn check(document: &str, read: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in document.lines().enumerate() {
        let Some((path, tests)) = named(line) else { continue };
        let mut report = |message| {
            findings.push(Finding { path: DOCUMENT.into(), line: index + 1, rule: RULE, message });
        };
        match read(path) {
            None => report(format!("there is no file {path}")),
            Some(source) => {
                let missing = tests.filter(|test| !source.contains(&format!("fn {test}(")));
                missing.for_each(|test| report(format!("{path} has no test {test}")));
            }
        }
    }
    findings
}

/// The file and the tests that a line names.
fn named(line: &str) -> Option<(&str, impl Iterator<Item = &str>)> {
    let (path, tests) = line.trim_start().strip_prefix("- `")?.split_once("`: ")?;
    path.ends_with(".rs").then(|| (path, tests.split('`').skip(1).step_by(2)))
}

#[cfg(test)]
mod tests {
    use super::super::shown;
    use super::*;

    #[test]
    fn a_test_that_is_named_must_exist() {
        let read = |path: &str| (path == "a/b.rs").then(|| "fn one() {}\nfn two() {}".to_owned());
        let lines =
            "Text on `three`.\n- `a/b.rs`: `one`, `two`\n- `a/b.rs`: `one`, `three`\n- `c.rs`: `one`\n";
        let expected = ["3: claim: a/b.rs has no test three", "4: claim: there is no file c.rs"];
        assert_eq!(shown(&check(lines, read)), expected);
    }
}
