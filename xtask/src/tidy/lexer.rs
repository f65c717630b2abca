//! Tells code, comments and literals of a Rust source apart, as far as the house rules need it.
//!
//! A rule about code must not see the words of a string or a comment, and a rule about comments must not see code.
//! Both views keep every byte's place: what is not shown is blank, so an offset means the same in all of them.

/// The two views of a source.
pub(super) struct Views {
    /// Code alone: comments and literals (with their quotes) are blank.
    pub(super) code: String,
    /// Comments alone.
    pub(super) comments: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// Splits a source into its views.
pub(super) fn split(text: &str) -> Views {
    let mut code = String::with_capacity(text.len());
    let mut comments = String::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let (kind, length) = next_region(text, at);
        let region = &text[at..at + length];
        let blank = blanked(region);
        code.push_str(if kind == Kind::Code { region } else { &blank });
        comments.push_str(if kind == Kind::Comment { region } else { &blank });
        at += length;
    }
    Views { code, comments }
}

fn blanked(region: &str) -> String {
    region.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect()
}

/// The region that starts at `at`, and its length in bytes (at least 1).
fn next_region(text: &str, at: usize) -> (Kind, usize) {
    let rest = &text[at..];
    let first = rest.chars().next().expect("the caller stops at the end");
    if rest.starts_with("//") {
        return (Kind::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Kind::Comment, block_comment_length(rest));
    }
    if first == '"' {
        return (Kind::Literal, quoted_length(rest, '"'));
    }
    if first == '\'' {
        return match char_literal_length(rest) {
            Some(length) => (Kind::Literal, length),
            None => (Kind::Code, 1),
        };
    }
    let inside_word = text[..at].chars().next_back().is_some_and(is_word);
    if !inside_word && let Some(length) = raw_string_length(rest) {
        return (Kind::Literal, length);
    }
    (Kind::Code, first.len_utf8())
}

pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn block_comment_length(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while at < bytes.len() {
        match &bytes[at..(at + 2).min(bytes.len())] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

/// The length of a literal that starts with a quote and ends with the next one that no backslash escapes.
fn quoted_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + quote.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// `'x'` and `'\n'` are literals; `'a` of a lifetime or a label is not.
fn char_literal_length(rest: &str) -> Option<usize> {
    let mut chars = rest.char_indices().skip(1);
    let (_, first) = chars.next()?;
    if first == '\\' {
        return Some(quoted_length(rest, '\''));
    }
    let (at, second) = chars.next()?;
    (second == '\'').then_some(at + 1)
}

/// `r"…"`, `r#"…"#` and their `b` and `c` kin.
fn raw_string_length(rest: &str) -> Option<usize> {
    let after_prefix = rest.strip_prefix(['b', 'c']).unwrap_or(rest).strip_prefix('r')?;
    let hashes = after_prefix.len() - after_prefix.trim_start_matches('#').len();
    let body = after_prefix[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(rest.len() - body.len() + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, code: &str, comments: &str) {
        let views = split(text);
        assert_eq!(views.code.len(), text.len(), "every byte keeps its place");
        let words = |view: &str| view.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(&views.code), code, "code of {text}");
        assert_eq!(words(&views.comments), comments, "comments of {text}");
    }

    #[test]
    fn comments_end_with_their_line_or_their_last_nesting() {
        check("a // b\nc", "a c", "// b");
        check("a /* b /* c */ d */ e", "a e", "/* b /* c */ d */");
        check("a /* never closed", "a", "/* never closed");
    }

    #[test]
    fn literals_are_neither_code_nor_comment() {
        check(r#"a "b // \" c" d"#, "a d", "");
        check("a r##\"b \"# c\"## d", "a d", "");
        check("a br\"b\\\" d", "a d", "");
        check(r"a '\'' b '/' c", "a b c", "");
        check("a 'é' b", "a b", "");
    }

    #[test]
    fn lifetimes_and_raw_identifiers_are_code() {
        check("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}", "");
        check("r#type for_bar\"x\" y", "r#type for_bar y", "");
    }
}
