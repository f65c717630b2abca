//! The rule on claims in documents: a test that they name exists.
//!
//! A line or a cell of a table of the form ``- `path.rs`: `name`, `other` `` names tests of one file; the dash is the
//! line's. The rest is free text.

use super::Finding;

const RULE: &str = "claim";

/// The documents whose lists of tests are checked.
pub(super) const DOCUMENTS: [&str; 2] = ["docs/lessons.md", "docs/compat.md"];

/// Checks the document with this name; `read` gives the text of a file below the root.
pub(super) fn check(name: &str, document: &str, read: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let cells =
        document.lines().enumerate().flat_map(|(index, line)| line.split('|').map(move |cell| (index, cell)));
    for (index, cell) in cells {
        let Some((path, tests)) = named(cell) else { continue };
        let mut report = |message| {
            findings.push(Finding { path: name.into(), line: index + 1, rule: RULE, message });
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

/// The file and the tests that a line or a cell names.
fn named(cell: &str) -> Option<(&str, impl Iterator<Item = &str>)> {
    let cell = cell.trim_start();
    let (path, tests) = cell.strip_prefix("- ").unwrap_or(cell).strip_prefix('`')?.split_once("`: ")?;
    path.ends_with(".rs").then(|| (path, tests.split('`').skip(1).step_by(2)))
}

#[cfg(test)]
mod tests {
    use super::super::shown;
    use super::*;

    #[test]
    fn a_test_that_is_named_must_exist() {
        let read = |path: &str| (path == "a/b.rs").then(|| "fn one() {}\nfn two() {}".to_owned());
        let lines = "Text on `three`.\n- `a/b.rs`: `one`, `two`\n- `a/b.rs`: `one`, `three`\n- `c.rs`: `one`\n| x | `a/b.rs`: `four` |\n";
        let expected = [
            "3: claim: a/b.rs has no test three",
            "4: claim: there is no file c.rs",
            "5: claim: a/b.rs has no test four",
        ];
        assert_eq!(shown(&check("x.md", lines, read)), expected);
    }
}
