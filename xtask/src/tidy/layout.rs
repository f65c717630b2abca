//! Rules on which files there are: what lies at the root, and what files are called.
//!
//! Sees paths alone, never contents.

use super::Finding;

const ROOT_DOCUMENTS: &[&str] =
    &["README.md", "ARCHITECTURE.md", "STYLE.md", "CONTRIBUTING.md", "CHANGELOG.md"];

/// Names that say nothing of what a file is about, and so end up holding everything.
const EMPTY_NAMES: &[&str] =
    &["utils", "util", "helpers", "helper", "types", "constants", "common", "misc", "manager"];

/// Checks the list of all files, relative to the root.
pub(super) fn check(paths: &[String]) -> Vec<Finding> {
    let finding =
        |path: &str, rule, message: String| Finding { path: path.to_owned(), line: 1, rule, message };
    let mut findings = Vec::new();
    for path in paths {
        if path.ends_with(".md") && !path.contains('/') && !ROOT_DOCUMENTS.contains(&path.as_str()) {
            let message = format!("Markdown at the root is one of {}", ROOT_DOCUMENTS.join(", "));
            findings.push(finding(path, "root-document", message));
        }
        for part in path.split('/').map(|part| part.split_once('.').map_or(part, |(stem, _)| stem)) {
            let words = |name: &&&str| part.split(['_', '-']).any(|word| word.eq_ignore_ascii_case(name));
            if let Some(name) = EMPTY_NAMES.iter().find(words) {
                findings.push(finding(path, "file-name", format!("{name}: name what it is about")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::shown;
    use super::*;

    #[track_caller]
    fn check_path(path: &str, expected: &[&str]) {
        assert_eq!(shown(&check(&[path.to_owned()])), expected, "{path}");
    }

    #[test]
    fn the_root_holds_the_listed_documents_alone() {
        check_path("README.md", &[]);
        check_path("docs/plan.md", &[]);
        check_path(
            "PLAN.md",
            &["1: root-document: Markdown at the root is one of \
               README.md, ARCHITECTURE.md, STYLE.md, CONTRIBUTING.md, CHANGELOG.md"],
        );
    }

    #[test]
    fn a_file_is_named_for_what_it_is_about() {
        check_path("crates/log/src/utils.rs", &["1: file-name: utils: name what it is about"]);
        check_path("crates/log/src/common/mod.rs", &["1: file-name: common: name what it is about"]);
        check_path("crates/log/src/link_manager.rs", &["1: file-name: manager: name what it is about"]);
        check_path("crates/log/src/commonwealth.rs", &[]);
    }
}
