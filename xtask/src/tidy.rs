//! `cargo xtask tidy`: the house rules that no compiler knows, as a test.
//!
//! Reads every Rust source, the manifests and the names of all files, and prints each breach as
//! `file:line: rule: message`. A rule is one function over one [`Source`], over the manifests ([`manifest`]),
//! over the list of files ([`layout`]), over the claims of a document ([`claims`]) or over what the conform files say
//! differs ([`differences`]). It never edits a file and
//! never runs the compiler.
//!
//! Exceptions to a rule stand in a table beside it, each with its reason; there is no way to switch a rule off
//! from within a source.

mod claims;
mod differences;
mod layout;
mod lexer;
mod manifest;
mod source;
mod words;

use std::fmt;
use std::fs;
use std::path::Path;

use crate::process::root;
use crate::{Outcome, say};
use source::Source;

/// A breach of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// Relative to the root, with forward slashes.
    path: String,
    /// From 1.
    line: usize,
    rule: &'static str,
    message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}: {}", self.path, self.line, self.rule, self.message)
    }
}

/// An exception to a rule: the path of a file, or of a folder when it ends in `/`, and why.
type Exception = (&'static str, &'static str);

fn is_excepted(path: &str, exceptions: &[Exception]) -> bool {
    exceptions.iter().any(|(place, _)| path == *place || (place.ends_with('/') && path.starts_with(place)))
}

/// Checks the whole workspace.
pub(crate) fn run(_arguments: &[String]) -> Outcome {
    let root = root();
    let mut paths = Vec::new();
    list_files(&root, "", &mut paths)?;
    paths.sort();

    let mut findings = layout::check(&paths);
    for name in claims::DOCUMENTS {
        let document = fs::read_to_string(root.join(name))?;
        findings.extend(claims::check(name, &document, |path| fs::read_to_string(root.join(path)).ok()));
    }
    let compatibility = fs::read_to_string(root.join(differences::DOCUMENT))?;
    for path in &paths {
        if path.starts_with(differences::FOLDER) {
            let text = fs::read_to_string(root.join(path))?;
            findings.extend(differences::check(path, &text, &compatibility));
        } else if path.ends_with(".rs") {
            let text = fs::read_to_string(root.join(path))?;
            findings.extend(check_source(&Source::new(path, &text)));
        } else if path.ends_with("Cargo.toml") && !path.starts_with("fuzz/") {
            let text = fs::read_to_string(root.join(path))?;
            findings.extend(manifest::check(path, &text));
        }
    }
    findings.sort();
    for finding in &findings {
        say(finding);
    }
    match findings.len() {
        0 => Ok(()),
        1 => Err("1 breach of the house rules".into()),
        count => Err(format!("{count} breaches of the house rules").into()),
    }
}

fn check_source(source: &Source) -> Vec<Finding> {
    let mut findings = source::check(source);
    findings.extend(words::check(source));
    findings
}

/// Lists the files below `folder`, leaving out what is built, hidden or stored for fuzzing.
fn list_files(root: &Path, folder: &str, paths: &mut Vec<String>) -> Outcome {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{folder}{name}");
        if name.starts_with('.') || ["target", "fuzz/corpus", "fuzz/artifacts"].contains(&path.as_str()) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            list_files(root, &format!("{path}/"), paths)?;
        } else {
            paths.push(path);
        }
    }
    Ok(())
}

/// For the tests of all rules: the findings as lines without the path.
#[cfg(test)]
fn shown(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|f| format!("{}: {}: {}", f.line, f.rule, f.message)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_as_file_line_rule_message() {
        let finding = Finding { path: "a/b.rs".into(), line: 7, rule: "sleep", message: "why".into() };
        assert_eq!(finding.to_string(), "a/b.rs:7: sleep: why");
    }

    #[test]
    fn an_exception_is_a_file_or_a_folder() {
        let exceptions: &[Exception] = &[("a/one.rs", "reason"), ("b/", "reason")];
        assert!(is_excepted("a/one.rs", exceptions));
        assert!(is_excepted("b/any.rs", exceptions));
        assert!(!is_excepted("a/two.rs", exceptions));
        assert!(!is_excepted("bb/any.rs", exceptions));
    }
}
