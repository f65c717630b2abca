//! Glob-style patterns as Redis' KEYS, SCAN and CONFIG GET take them, over bytes.
//!
//! `*` is any run of bytes, `?` one byte, `[abc]` `[a-z]` `[^a]` one byte of a set, and `\` takes the next
//! byte as it is. Only the last `*` is ever retried, so the cost is bounded by pattern length times text
//! length for any pattern: there is no exponential case.
//!
//! Oddities of Redis that are kept: no pattern but the empty one matches the empty text (not even `*`), a
//! set that is never closed ends with the pattern, and an escaped byte within a set is compared with its
//! case.

/// Whether the case of ASCII letters counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// `a` and `A` differ: names of keys and channels.
    Sensitive,
    /// `a` and `A` are one: names of directives.
    Insensitive,
}

/// Whether the whole of `text` matches `pattern`.
pub fn matches(pattern: &[u8], text: &[u8], case: Case) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut p, mut t) = (0, 0);
    // Where to go on after a mismatch: behind the last `*`, and the first byte that it has not swallowed yet.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            p += pattern[p..].iter().take_while(|byte| **byte == b'*').count();
            if p == pattern.len() {
                return true;
            }
            retry = Some((p, t + 1));
        }
        match match_one(&pattern[p..], text[t], case) {
            Some(used) => {
                p += used;
                t += 1;
            }
            None => match retry {
                Some((after_star, next)) => {
                    (p, t) = (after_star, next);
                    retry = Some((after_star, next + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Matches one byte against the head of `pattern`, which is not a `*`; gives the length of that head.
fn match_one(pattern: &[u8], byte: u8, case: Case) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', set @ ..] => {
            let (found, length) = match_set(set, byte, case);
            found.then_some(length + 1)
        }
        [b'\\', literal, ..] => equal(*literal, byte, case).then_some(2),
        [literal, ..] => equal(*literal, byte, case).then_some(1),
    }
}

/// Matches one byte against a set, given from behind its `[`; gives also the set's length with its `]`.
fn match_set(set: &[u8], byte: u8, case: Case) -> (bool, usize) {
    let negated = set.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut found = false;
    loop {
        match &set[at..] {
            [] => return (found != negated, at),
            [b'\\', literal, ..] => {
                found |= *literal == byte;
                at += 2;
            }
            [b']', ..] => return (found != negated, at + 1),
            [from, b'-', to, ..] => {
                found |= in_range(*from, *to, byte, case);
                at += 3;
            }
            [literal, ..] => {
                found |= equal(*literal, byte, case);
                at += 1;
            }
        }
    }
}

fn in_range(from: u8, to: u8, byte: u8, case: Case) -> bool {
    let (from, to) = (from.min(to), from.max(to));
    match case {
        Case::Sensitive => (from..=to).contains(&byte),
        Case::Insensitive => {
            (from.to_ascii_lowercase()..=to.to_ascii_lowercase()).contains(&byte.to_ascii_lowercase())
        }
    }
}

fn equal(a: u8, b: u8, case: Case) -> bool {
    match case {
        Case::Sensitive => a == b,
        Case::Insensitive => a.eq_ignore_ascii_case(&b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        for text in matching {
            assert!(matches(pattern.as_bytes(), text.as_bytes(), Case::Sensitive), "{pattern} / {text}");
        }
        for text in others {
            assert!(!matches(pattern.as_bytes(), text.as_bytes(), Case::Sensitive), "{pattern} / {text}");
        }
    }

    #[test]
    fn a_star_is_any_run_of_bytes() {
        check("*", &["a", "ab"], &[""]);
        check("a*", &["a", "ab", "abc"], &["", "ba"]);
        check("*a", &["a", "ba", "aaa"], &["ab"]);
        check("a**b", &["ab", "acb", "abab"], &["a", "abc"]);
        check("*a*b*", &["ab", "xaxbx", "aab"], &["ba", "a"]);
        check("h*llo", &["hllo", "heeeello"], &["hell", "hellos"]);
    }

    #[test]
    fn a_question_mark_is_one_byte() {
        check("h?llo", &["hello", "hxllo"], &["hllo", "heello"]);
        check("?", &["a"], &["", "ab"]);
        check("*?", &["a", "ab"], &[""]);
    }

    #[test]
    fn a_set_is_one_of_its_bytes() {
        check("h[ae]llo", &["hello", "hallo"], &["hillo", "h[llo"]);
        check("[^e]", &["a", "^"], &["e", "", "ab"]);
        check("[a-c]x", &["ax", "cx"], &["dx", "-x"]);
        check("[c-a]", &["a", "b", "c"], &["d"]);
        check("[\\]]", &["]"], &["\\"]);
        check("[\\-a]", &["-", "a"], &["b"]);
        check("[]", &[], &["a", "]"]);
        check("[^]", &["a"], &[]);
        check("[ab", &["a", "b"], &["c", "[ab"]);
        check("[a-", &["a", "-"], &["b"]);
    }

    #[test]
    fn a_backslash_takes_the_next_byte_as_it_is() {
        check("\\*", &["*"], &["a", "\\*"]);
        check("a\\?", &["a?"], &["ab"]);
        check("\\", &["\\"], &["a"]);
    }

    #[test]
    fn only_the_empty_pattern_matches_nothing() {
        check("", &[""], &["a"]);
        check("**", &["a"], &[""]);
    }

    #[test]
    fn case_counts_only_when_asked() {
        for (pattern, text, expected) in [
            ("REPL-*", "repl-timeout", true),
            ("[A-C]", "b", true),
            ("[X]", "x", true),
            ("\\A", "a", true),
            ("[\\A]", "a", false),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes(), Case::Insensitive),
                expected,
                "{pattern}"
            );
        }
        assert!(!matches(b"A", b"a", Case::Sensitive));
    }

    #[test]
    fn a_hostile_pattern_costs_no_more_than_pattern_times_text() {
        let pattern = [b"a*".repeat(5_000), b"b".to_vec()].concat();
        assert!(!matches(&pattern, &b"a".repeat(20_000), Case::Sensitive));
    }
}
