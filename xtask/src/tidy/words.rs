//! Rules on the words of one Rust source: leftovers, sleeping, and the old words of the wire.
//!
//! Looks at code and comments apart, so a string may hold any of these words.

use super::source::Source;
use super::{Exception, Finding, is_excepted};
use crate::tidy::lexer::is_word;

/// Files that may wait for a while, each for want of an event to wait for.
const WAITING_FILES: &[Exception] = &[
    ("crates/server/src/process.rs", "DEBUG SLEEP stalls the server because a client asks for that"),
    ("crates/server/src/key_delay.rs", "a save or a load is slowed down because a test asks for that"),
    ("crates/slipstream/tests/e2e/wait.rs", "asks other processes again until a condition holds"),
    ("xtask/src/bench/pace.rs", "measures wait for servers that announce nothing, and keep a pace"),
];

/// Names that are what the wire says, to the letter.
const WIRE_NAMES: &[&str] = &["MASTERDOWN", "NOMASTERLINK"];

/// Names that a library has, each with the one file that calls it by that.
const FOREIGN_NAMES: &[(&str, &str)] = &[("crates/slipstream/tests/e2e/sentinel/libraries.rs", "Master")];

const LEFTOVERS: &[(&str, &str)] = &[
    ("todo!", "what is not done is not landed"),
    ("unimplemented!", "what is not done is not landed"),
    ("dbg!", "a trace of debugging"),
    ("#[ignore", "a test runs or does not exist"),
];

const NOTES: &[&str] = &["TODO", "FIXME", "XXX"];

/// Checks all rules of this file.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    [leftovers, notes, sleeping, wire_words].iter().flat_map(|rule| rule(source)).collect()
}

fn leftovers(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (pattern, why) in LEFTOVERS {
        for (at, _) in source.code.match_indices(pattern) {
            findings.push(source.finding(source.line_of(at), "leftover", format!("{pattern}: {why}")));
        }
    }
    findings
}

fn notes(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for word in NOTES {
        for (at, _) in source.comments.match_indices(word) {
            let message = format!("{word}: mend it, or open an issue");
            findings.push(source.finding(source.line_of(at), "leftover", message));
        }
    }
    findings
}

/// Waiting for a while instead of for an event makes tests slow and then wrong, and stalls a loop.
fn sleeping(source: &Source) -> Vec<Finding> {
    if is_excepted(source.path, WAITING_FILES) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for pattern in ["thread::sleep", "thread::park_timeout"] {
        for (at, _) in source.code.match_indices(pattern) {
            let message = format!("{pattern}: wait for the event, or for a condition with a deadline");
            findings.push(source.finding(source.line_of(at), "sleep", message));
        }
    }
    findings
}

/// Our own names say primary and replica. What the wire, INFO or a directive calls otherwise is a string there.
fn wire_words(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut at = 0;
    for word in source.code.split(|c| !is_word(c)) {
        let lower = word.to_ascii_lowercase();
        let is_old = lower.contains("master") || lower.contains("slave");
        if is_old && !WIRE_NAMES.contains(&word) && !FOREIGN_NAMES.contains(&(source.path, word)) {
            let message = format!("{word}: our names say primary and replica");
            findings.push(source.finding(source.line_of(at), "wire-word", message));
        }
        // The separator is one character of one to four bytes.
        at += word.len();
        at += source.code[at..].chars().next().map_or(0, char::len_utf8);
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::shown;
    use super::*;

    #[track_caller]
    fn check_text(text: &str, expected: &[&str]) {
        assert_eq!(shown(&check(&Source::new("crates/log/src/lib.rs", text))), expected, "{text}");
    }

    #[test]
    fn what_is_not_done_is_not_landed() {
        check_text("fn f() {\n    todo!()\n}", &["2: leftover: todo!: what is not done is not landed"]);
        check_text("unimplemented!()", &["1: leftover: unimplemented!: what is not done is not landed"]);
        check_text("dbg!(1)", &["1: leftover: dbg!: a trace of debugging"]);
        check_text("#[ignore]", &["1: leftover: #[ignore: a test runs or does not exist"]);
        check_text("#[ignore = \"slow\"]", &["1: leftover: #[ignore: a test runs or does not exist"]);
    }

    #[test]
    fn notes_to_self_are_issues() {
        check_text("a // TODO later", &["1: leftover: TODO: mend it, or open an issue"]);
        check_text("/* x\nFIXME */", &["2: leftover: FIXME: mend it, or open an issue"]);
        check_text("const A: &str = \"TODO\";", &[]);
    }

    #[test]
    fn nothing_sleeps() {
        check_text(
            "std::thread::sleep(pause);",
            &["1: sleep: thread::sleep: wait for the event, or for a condition with a deadline"],
        );
        check_text(
            "thread::park_timeout(pause);",
            &["1: sleep: thread::park_timeout: wait for the event, or for a condition with a deadline"],
        );
        check_text("// thread::sleep would be wrong here", &[]);
    }

    #[test]
    fn names_say_primary_and_replica() {
        check_text(
            "é;\nstruct MasterLink;",
            &["2: wire-word: MasterLink: our names say primary and replica"],
        );
        check_text("self.slave_count", &["1: wire-word: slave_count: our names say primary and replica"]);
        check_text("push(\"master_link_status\", CommandError::MASTERDOWN)", &[]);
    }
}
