//! Rules on the shape of one Rust source: its header, its length, the length of its functions, its attributes.
//!
//! Reads the source through [`Source`], which knows what is code, what is comment, and where the tests begin.

use super::lexer::{Views, is_word, split};
use super::{Exception, Finding, is_excepted};

const HEADER_MIN_LINES: usize = 2;
const FILE_MAX_LINES: usize = 800;
const FUNCTION_MAX_LINES: usize = 70;

/// Files that need `unsafe`. Each holds nothing else and proves each block with a `SAFETY:` comment.
const UNSAFE_FILES: &[Exception] = &[
    ("crates/server/src/allocator/jemalloc.rs", "the functions of a C library"),
    ("crates/server/src/allocator/mimalloc.rs", "the functions of a C library"),
    ("crates/server/src/kernel.rs", "system calls that no safe library offers"),
    ("crates/server/src/memory.rs", "an allocator is an unsafe trait; this one counts and forwards"),
];

/// A Rust source, as the rules see it.
pub(super) struct Source<'a> {
    pub(super) path: &'a str,
    pub(super) text: &'a str,
    pub(super) code: String,
    pub(super) comments: String,
}

impl<'a> Source<'a> {
    pub(super) fn new(path: &'a str, text: &'a str) -> Self {
        let Views { code, comments } = split(text);
        Self { path, text, code, comments }
    }

    /// Whether the whole file is tests.
    fn is_tests(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// The number of lines before a closing `mod tests { … }`.
    fn lines_without_tests(&self) -> usize {
        let lines: Vec<&str> = self.code.lines().collect();
        let tests = lines.iter().rposition(|line| line.starts_with("mod tests {"));
        tests.map_or(lines.len(), |at| at.saturating_sub(1))
    }

    /// The line, from 1, of a byte of the source.
    pub(super) fn line_of(&self, at: usize) -> usize {
        self.text[..at].matches('\n').count() + 1
    }

    pub(super) fn finding(&self, line: usize, rule: &'static str, message: impl Into<String>) -> Finding {
        Finding { path: self.path.to_owned(), line, rule, message: message.into() }
    }

    /// Where `word` stands in the code as a whole word.
    pub(super) fn places_of(&self, word: &str) -> Vec<usize> {
        let whole = |at: &usize| {
            let before = self.code[..*at].chars().next_back();
            let after = self.code[at + word.len()..].chars().next();
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        };
        self.code.match_indices(word).map(|(at, _)| at).filter(whole).collect()
    }
}

/// Checks all rules of this file.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    [header, file_length, function_length, attributes, unsafe_code]
        .iter()
        .flat_map(|rule| rule(source))
        .collect()
}

fn header(source: &Source) -> Vec<Finding> {
    let lines = source.text.lines().take_while(|line| line.starts_with("//!")).count();
    // The tests of a module need not say what the module's own header says.
    let least = if source.is_tests() { 1 } else { HEADER_MIN_LINES };
    if lines >= least {
        return Vec::new();
    }
    let message =
        format!("starts with {lines} lines of //!, at least {least} say what it is, owns and never does");
    vec![source.finding(1, "header", message)]
}

fn file_length(source: &Source) -> Vec<Finding> {
    let lines = source.lines_without_tests();
    if source.is_tests() || lines <= FILE_MAX_LINES {
        return Vec::new();
    }
    vec![source.finding(
        FILE_MAX_LINES + 1,
        "file-length",
        format!("{lines} lines without tests, at most {FILE_MAX_LINES}: split it by what it is about"),
    )]
}

/// As clippy's `too_many_lines`, which is the one to silence: with `#[expect(…, reason)]` on that function.
fn function_length(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for at in source.places_of("fn") {
        let Some((name, body)) = body_of_function(&source.code[at..]) else { continue };
        let lines = body.lines().filter(|line| !line.trim().is_empty()).count();
        if lines > FUNCTION_MAX_LINES && !attributes_before(source, at).contains("clippy::too_many_lines") {
            findings.push(source.finding(
                source.line_of(at),
                "function-length",
                format!("{name} has {lines} lines, at most {FUNCTION_MAX_LINES}"),
            ));
        }
    }
    findings
}

/// The name and the lines between the braces of the function whose `fn` starts `code`.
fn body_of_function(code: &str) -> Option<(&str, &str)> {
    let declaration = code.strip_prefix("fn")?.trim_start();
    let name_length = declaration.find(|c| !is_word(c)).filter(|&length| length > 0)?;
    let name = &declaration[..name_length];
    let (mut nesting, mut braces, mut start) = (0_usize, 0_usize, None);
    for (at, c) in declaration.char_indices() {
        match c {
            '(' | '[' if start.is_none() => nesting += 1,
            ')' | ']' if start.is_none() => nesting = nesting.saturating_sub(1),
            ';' if nesting == 0 && start.is_none() => return None,
            '{' => {
                braces += 1;
                start = start.or(Some(at + 1));
            }
            '}' => {
                braces = braces.saturating_sub(1);
                if let Some(start) = start.filter(|_| braces == 0) {
                    return Some((name, &declaration[start..at]));
                }
            }
            _ => {}
        }
    }
    None
}

/// What stands between the item before and this one: attributes, visibility, comments.
fn attributes_before<'a>(source: &Source<'a>, at: usize) -> &'a str {
    let start = source.code[..at].rfind(['{', '}', ';']).map_or(0, |end| end + 1);
    &source.text[start..at]
}

/// A lint is silenced on the smallest item and with a reason, so that it comes back when the reason is gone.
fn attributes(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (pattern, message) in [
        ("#[allow(", "#[expect(lint, reason = …)] instead: it reports when the reason is gone"),
        ("#![allow(", "no lint is silenced for a whole file: #[expect(lint, reason = …)] on the item"),
        ("#![expect(", "no lint is silenced for a whole file: #[expect(lint, reason = …)] on the item"),
    ] {
        for (at, _) in source.code.match_indices(pattern) {
            let lint = &source.code[at + pattern.len()..];
            let is_known = (lint.starts_with("unsafe_code") && is_excepted(source.path, UNSAFE_FILES))
                || (lint.starts_with("clippy::unwrap_used") && source.is_tests());
            if !is_known {
                findings.push(source.finding(source.line_of(at), "attributes", message));
            }
        }
    }
    for (at, _) in source.code.match_indices("[expect(") {
        let end = source.code[at..].find(")]").map_or(source.code.len(), |length| at + length);
        if !source.code[at..end].contains("reason =") {
            findings.push(source.finding(source.line_of(at), "attributes", "#[expect] without a reason"));
        }
    }
    findings
}

fn unsafe_code(source: &Source) -> Vec<Finding> {
    if is_excepted(source.path, UNSAFE_FILES) {
        return Vec::new();
    }
    let message = "unsafe outside the files that tidy names with a reason";
    let finding = |at| source.finding(source.line_of(at), "unsafe", message);
    source.places_of("unsafe").into_iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::super::shown;
    use super::*;

    fn check_at(path: &str, text: &str, expected: &[&str]) {
        assert_eq!(shown(&check(&Source::new(path, text))), expected, "{text}");
    }

    fn check_body(body: &str, expected: &[&str]) {
        check_at("crates/log/src/lib.rs", &format!("//! One.\n//! Two.\n{body}"), expected);
    }

    #[test]
    fn every_source_says_what_it_is() {
        let message = "starts with 1 lines of //!, at least 2 say what it is, owns and never does";
        check_at("a.rs", "//! One.\nfn f() {}\n", &[&format!("1: header: {message}")]);
        check_at("a.rs", "//! One.\n//!\nfn f() {}\n", &[]);
        check_at("log/tests.rs", "//! One.\nfn f() {}\n", &[]);
    }

    #[test]
    fn a_file_has_at_most_800_lines_without_its_tests() {
        let long = "const A: u8 = 0;\n".repeat(799);
        check_body(
            &long,
            &["801: file-length: 801 lines without tests, at most 800: split it by what it is about"],
        );
        let tested = format!("{}#[cfg(test)]\nmod tests {{\n{long}}}\n", "const A: u8 = 0;\n".repeat(798));
        check_body(&tested, &[]);
        check_at("crates/log/src/x/tests.rs", &format!("//! One.\n//! Two.\n{long}"), &[]);
    }

    #[test]
    fn a_function_has_at_most_70_lines() {
        let function =
            |lines: usize| format!("fn long(a: [u8; 2]) {{\n{}}}\n", "    call();\n".repeat(lines));
        check_body(&function(70), &[]);
        check_body(&function(71), &["3: function-length: long has 71 lines, at most 70"]);
        let comments = format!("fn f() {{\n{}}}\n", "    // why\n\n".repeat(71));
        check_body(&comments, &[]);
        let excused = format!("#[expect(clippy::too_many_lines, reason = \"table\")]\npub {}", function(71));
        check_body(&excused, &[]);
    }

    #[test]
    fn a_lint_is_silenced_by_item_and_with_a_reason() {
        let whole = "no lint is silenced for a whole file: #[expect(lint, reason = …)] on the item";
        check_body("#![allow(dead_code)]\n", &[&format!("3: attributes: {whole}")]);
        check_body("#![expect(dead_code, reason = \"x\")]\n", &[&format!("3: attributes: {whole}")]);
        check_body(
            "#[allow(dead_code)]\nfn f() {}\n",
            &["3: attributes: #[expect(lint, reason = …)] instead: it reports when the reason is gone"],
        );
        check_body("#[expect(dead_code)]\nfn f() {}\n", &["3: attributes: #[expect] without a reason"]);
        check_body("#[expect(dead_code, reason = \"x\")]\nfn f() {}\n", &[]);
        // clippy.toml allows it in test functions, but does not see that a whole file serves them.
        let unwrapping = "//! One.\n#![expect(clippy::unwrap_used, reason = \"x\")]\n";
        check_at("crates/log/tests/all.rs", unwrapping, &[]);
    }

    #[test]
    fn unsafe_code_lives_in_named_files() {
        let message = "3: unsafe: unsafe outside the files that tidy names with a reason";
        check_body("fn f() { unsafe { g() } }\n", &[message]);
        let named =
            "//! One.\n//! Two.\n#![expect(unsafe_code, reason = \"x\")]\nfn f() { unsafe { g() } }\n";
        check_at("crates/server/src/memory.rs", named, &[]);
        check_body("// unsafe\nconst A: &str = \"unsafe\";\nconst unsafe_code: u8 = 0;\n", &[]);
    }
}
