//! Conform files: requests in words, and how their replies are compared.
//!
//! ```text
//! # A comment.
//! SET k v                  a request of client 1, with one reply
//! 2> GET k                 of client 2
//! 2> & BLPOP l 0           it blocks: the next line is for others, once the server has put it to sleep
//! RPUSH l a
//! 2<                       reads what client 2 is sent
//! *2 SUBSCRIBE a b         two replies; *0: none
//! ~ SMEMBERS s             in any order
//! ? TIME                   any reply of the same type
//! =dump DUMP k             kept: %dump% is the reply from here on
//! CLIENT KILL ID %id2%     client 2's number at that server
//! !since 7.2 OBJECT FREQ k not to older peers, nor to us beside them
//! !before 8 …  !resp2 …  !resp3 …
//! LLEN {str|list|set}      three requests, in this order
//! # differs: reason        the next request's reply may differ, as docs/compat.md says in these words
//! ```
//! An empty line begins a new case: the databases are empty, the clients new. A line of `!` marks alone is about
//! the rest of its case. Words and quotes are those of inline commands; in a word in double quotes braces mean
//! nothing. Every case is played twice, with all clients of RESP2 and with all of RESP3.

use std::collections::BTreeMap;
use std::fmt;

use slipstream_resp::split_line;

use crate::{Comparison, Version};

/// Requests that belong together, from empty databases on.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Its steps, in order.
    pub steps: Vec<Step>,
}

/// One request, or one reading.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Where it stands, from 1.
    pub line: usize,
    /// Which client.
    pub client: usize,
    /// The request as it is written; empty for a reading.
    pub text: String,
    /// What is awaited.
    pub replies: Replies,
    /// How the two replies are compared.
    pub comparison: Comparison,
    /// The name under which the reply is kept.
    pub keep: Option<String>,
    /// For whom it is.
    pub only: Only,
    /// Why it may differ.
    pub differs: Option<String>,
}

/// What is awaited behind a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replies {
    /// A reply, and the pushes before it.
    One,
    /// So many values, pushes counted.
    Count(usize),
    /// None yet: the client falls asleep.
    Blocks,
}

/// For which peers and protocols a step is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Only {
    /// Peers of this version on.
    pub since: Option<Version>,
    /// Peers of versions below this.
    pub before: Option<Version>,
    /// Clients of this protocol, 2 or 3.
    pub protocol: Option<u8>,
}

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenLine {
    /// Which, from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: &'static str,
}

impl fmt::Display for BrokenLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl std::error::Error for BrokenLine {}

/// What stands for `%name%`.
pub type Kept = BTreeMap<String, Vec<u8>>;

impl Only {
    /// Whether it holds beside a peer of this version, for clients of this protocol.
    pub fn holds(&self, peer: Version, protocol: u8) -> bool {
        self.since.is_none_or(|since| peer >= since)
            && self.before.is_none_or(|before| peer < before)
            && self.protocol.is_none_or(|only| only == protocol)
    }

    fn and(self, outer: Self) -> Self {
        Self {
            since: self.since.or(outer.since),
            before: self.before.or(outer.before),
            protocol: self.protocol.or(outer.protocol),
        }
    }
}

impl Step {
    /// The words of the request, with what was kept in its places.
    pub fn words(&self, kept: &Kept) -> Vec<Vec<u8>> {
        let words = split_line(self.text.as_bytes()).expect("was split when it was read");
        words.into_iter().map(|word| filled(word, kept)).collect()
    }
}

fn filled(word: Vec<u8>, kept: &Kept) -> Vec<u8> {
    let mut word = word;
    for (name, value) in kept {
        let mark = format!("%{name}%").into_bytes();
        while let Some(at) = word.windows(mark.len()).position(|part| part == mark) {
            word.splice(at..at + mark.len(), value.iter().copied());
        }
    }
    word
}

/// Reads a file.
pub fn parse(text: &str) -> Result<Vec<Case>, BrokenLine> {
    let mut cases = Vec::new();
    let mut reader = Reader::default();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            reader.end_case(&mut cases);
        } else {
            reader.line(index + 1, line.trim()).map_err(|reason| BrokenLine { line: index + 1, reason })?;
        }
    }
    reader.end_case(&mut cases);
    Ok(cases)
}

/// All reasons of `# differs:` lines, with their lines.
pub fn differences(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate();
    lines.filter_map(|(index, line)| Some((index + 1, line.trim().strip_prefix("# differs: ")?)))
}

#[derive(Default)]
struct Reader {
    steps: Vec<Step>,
    only: Only,
    differs: Option<String>,
}

impl Reader {
    fn end_case(&mut self, cases: &mut Vec<Case>) {
        let ended = std::mem::take(self);
        if !ended.steps.is_empty() {
            cases.push(Case { steps: ended.steps });
        }
    }

    fn line(&mut self, number: usize, line: &str) -> Result<(), &'static str> {
        if line.starts_with('#') {
            if let Some(reason) = line.strip_prefix("# differs: ") {
                self.differs = Some(reason.to_owned());
            }
            return Ok(());
        }
        let (marks, rest) = Marks::take(line)?;
        if rest.is_empty() && !marks.reads {
            self.only = marks.only.and(self.only);
            return Ok(());
        }
        let differs = self.differs.take();
        for text in expanded(rest)? {
            if split_line(text.as_bytes()).is_none() {
                return Err("quotes do not close");
            }
            self.steps.push(Step {
                line: number,
                client: marks.client,
                text,
                replies: marks.replies,
                comparison: marks.comparison,
                keep: marks.keep.clone(),
                only: marks.only.and(self.only),
                differs: differs.clone(),
            });
        }
        Ok(())
    }
}

/// What stands before a request.
struct Marks {
    client: usize,
    reads: bool,
    replies: Replies,
    comparison: Comparison,
    keep: Option<String>,
    only: Only,
}

impl Marks {
    fn take(line: &str) -> Result<(Self, &str), &'static str> {
        let mut marks = Marks {
            client: 1,
            reads: false,
            replies: Replies::One,
            comparison: Comparison::Bytes,
            keep: None,
            only: Only::default(),
        };
        let mut rest = line;
        loop {
            let (word, behind) = rest.split_once(' ').unwrap_or((rest, ""));
            match marks.apply(word, behind)? {
                Some(remaining) => rest = remaining.trim_start(),
                None => return Ok((marks, rest)),
            }
        }
    }

    /// What is left behind a mark; `None` if the word is none.
    fn apply<'a>(&mut self, word: &str, behind: &'a str) -> Result<Option<&'a str>, &'static str> {
        let mut rest = behind;
        let mut version = || {
            let (version, behind) = rest.split_once(' ').unwrap_or((rest, ""));
            rest = behind;
            Version::parse(version).ok_or("a version belongs here")
        };
        match word {
            "~" => self.comparison = Comparison::AnyOrder,
            "?" => self.comparison = Comparison::Type,
            "&" => self.replies = Replies::Blocks,
            "!since" => self.only.since = Some(version()?),
            "!before" => self.only.before = Some(version()?),
            "!resp2" => self.only.protocol = Some(2),
            "!resp3" => self.only.protocol = Some(3),
            _ => {
                let number = |text: &str| text.parse::<usize>().ok();
                if let Some(client) = word.strip_suffix('>').and_then(number) {
                    self.client = client;
                } else if let Some(client) = word.strip_suffix('<').and_then(number) {
                    (self.client, self.reads, self.replies) = (client, true, Replies::Count(1));
                } else if let Some(count) = word.strip_prefix('*').and_then(number) {
                    self.replies = Replies::Count(count);
                } else if let Some(name) = word.strip_prefix('=').filter(|name| !name.is_empty()) {
                    self.keep = Some(name.to_owned());
                } else {
                    return Ok(None);
                }
            }
        }
        Ok(Some(rest))
    }
}

/// The line once for each alternative of its first braces, and so on.
fn expanded(line: &str) -> Result<Vec<String>, &'static str> {
    let mut quoted = false;
    let mut start = None;
    for (at, byte) in line.bytes().enumerate() {
        match byte {
            b'"' if at == 0 || line.as_bytes()[at - 1] != b'\\' => quoted = !quoted,
            b'{' if !quoted && start.is_none() => start = Some(at),
            b'}' if start.is_some() => {
                let open = start.expect("just looked");
                let (before, after) = (&line[..open], &line[at + 1..]);
                let mut all = Vec::new();
                for choice in line[open + 1..at].split('|') {
                    all.extend(expanded(&format!("{before}{choice}{after}"))?);
                }
                return Ok(all);
            }
            _ => {}
        }
    }
    if start.is_some() { Err("a brace does not close") } else { Ok(vec![line.to_owned()]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<Vec<String>> {
        let cases = parse(text).unwrap();
        cases.into_iter().map(|case| case.steps.into_iter().map(|step| step.text).collect()).collect()
    }

    fn step(line: &str) -> Step {
        parse(line).unwrap().remove(0).steps.remove(0)
    }

    #[test]
    fn empty_lines_part_cases_and_comments_are_none() {
        assert_eq!(texts("\n# a\nA 1\nB\n\n\nC\n"), [vec!["A 1", "B"], vec!["C"]]);
    }

    #[test]
    fn braces_are_alternatives_outside_of_double_quotes() {
        assert_eq!(texts("A {x|y z} {1|2}"), [["A x 1", "A x 2", "A y z 1", "A y z 2"]]);
        assert_eq!(texts("A \"{x|y}\" b{|c}"), [["A \"{x|y}\" b", "A \"{x|y}\" bc"]]);
    }

    #[test]
    fn marks_stand_before_the_request() {
        let read = step("2> ? *3 =name !since 7.2 !resp3 GET a");
        assert_eq!((read.client, read.comparison, read.replies), (2, Comparison::Type, Replies::Count(3)));
        assert_eq!((read.keep.as_deref(), read.text.as_str()), (Some("name"), "GET a"));
        let [old, new] = ["7.0.15", "7.2.4"].map(|version| Version::parse(version).unwrap());
        assert!(read.only.holds(new, 3) && !read.only.holds(old, 3) && !read.only.holds(new, 2));
        assert_eq!((step("3<").client, step("3<").replies), (3, Replies::Count(1)));
        assert_eq!(step("2> & BLPOP a 0").replies, Replies::Blocks);
    }

    #[test]
    fn marks_alone_are_for_the_rest_of_their_case() {
        let cases = parse("A\n!before 8\nB\nC\n\nD").unwrap();
        let before = |case: usize, step: usize| cases[case].steps[step].only.before.is_some();
        assert!(!before(0, 0) && before(0, 1) && before(0, 2) && !before(1, 0));
    }

    #[test]
    fn what_was_kept_is_filled_in() {
        let kept = Kept::from([("a".to_owned(), b"\xff1".to_vec())]);
        assert_eq!(step("GET x%a%y%a% %b%").words(&kept), [&b"GET"[..], b"x\xff1y\xff1", b"%b%"]);
    }

    #[test]
    fn a_difference_is_of_the_next_request() {
        let cases = parse("# differs: why not\nA {1|2}\nB").unwrap();
        let differs: Vec<bool> = cases[0].steps.iter().map(|step| step.differs.is_some()).collect();
        assert_eq!(differs, [true, true, false]);
        assert_eq!(differences("x\n# differs: why not").collect::<Vec<_>>(), [(2, "why not")]);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for line in ["GET \"a", "GET {a", "!since x GET a"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
