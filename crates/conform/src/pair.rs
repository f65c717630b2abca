//! Two servers to which the same is said.
//!
//! After each request both replies and both streams are compared, at the end of each case also what any client was
//! sent and did not read. A step that is not for the peer's version is left out on both sides, so that both go on
//! from the same state.

use std::collections::BTreeSet;
use std::fmt;
use std::io;

use crate::script::{Case, Step};
use crate::side::Side;
use crate::stream::{Propagated, is_same};
use crate::{Comparison, Reply, comparable};

/// How much of a reply is shown.
const SHOWN: usize = 600;

/// Our server and a peer.
pub struct Pair {
    ours: Side,
    peer: Side,
}

/// What two servers do not do alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The line of the script.
    pub line: usize,
    /// The request as it is written, or what else was compared.
    pub request: String,
    /// The protocol of the clients, 2 or 3.
    pub protocol: u8,
    /// Ours.
    pub ours: String,
    /// The peer's.
    pub theirs: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, request, protocol, ours, theirs } = self;
        write!(f, "{line}: (RESP{protocol}) {request}\n    ours  {ours}\n    peer  {theirs}")
    }
}

/// What playing a script came to.
#[derive(Debug, Default)]
pub struct Played {
    /// How many requests were sent to each.
    pub requests: usize,
    /// What differs and should not.
    pub differences: Vec<Difference>,
    /// The lines that differ as they say.
    pub expected: BTreeSet<usize>,
}

impl Pair {
    /// Connects to both by their ports on loopback. They need a moment to send the snapshots that their streams
    /// begin with.
    ///
    /// # Errors
    /// A server cannot be reached, or is none.
    pub fn connect(ours: u16, peer: u16) -> io::Result<Self> {
        Ok(Self { ours: Side::connect(ours)?, peer: Side::connect(peer)? })
    }

    /// Plays a script with clients of this protocol, 2 or 3. A server that does not answer at all ends it: that is
    /// the last difference.
    pub fn play(&mut self, cases: &[Case], protocol: u8) -> Played {
        let mut played = Played::default();
        for case in cases {
            let mut last = (0, String::new());
            if let Err(error) = self.case(case, protocol, &mut played, &mut last) {
                let (line, request) = last;
                let ours = format!("broken off: {error}");
                played.differences.push(Difference { line, request, protocol, ours, theirs: String::new() });
                break;
            }
        }
        played
    }

    fn case(
        &mut self,
        case: &Case,
        protocol: u8,
        played: &mut Played,
        last: &mut (usize, String),
    ) -> io::Result<()> {
        self.ours.begin(protocol)?;
        self.peer.begin(protocol)?;
        let version = self.peer.version;
        for step in case.steps.iter().filter(|step| step.only.holds(version, protocol)) {
            *last = (step.line, step.text.clone());
            played.requests += 1;
            let found = self.step(step, protocol)?;
            if step.differs.is_some() {
                played.expected.extend(found.first().map(|difference| difference.line));
            } else {
                played.differences.extend(found);
            }
        }
        let (ours, theirs) = (self.ours.end()?, self.peer.end()?);
        for ((number, ours), (_, theirs)) in ours.iter().zip(&theirs) {
            let request = format!("what client {number} did not read in the case that ends here");
            let [ours, theirs] = [ours, theirs].map(|replies| comparable(replies, Comparison::Bytes));
            if ours != theirs {
                let (ours, theirs) = (shown(&ours), shown(&theirs));
                played.differences.push(Difference { line: last.0, request, protocol, ours, theirs });
            }
        }
        Ok(())
    }

    fn step(&mut self, step: &Step, protocol: u8) -> io::Result<Vec<Difference>> {
        let mut found = Vec::new();
        let mut report = |request: String, ours, theirs| {
            found.push(Difference { line: step.line, request, protocol, ours, theirs });
        };
        let text = if step.text.is_empty() {
            format!("what client {} reads", step.client)
        } else {
            step.text.clone()
        };
        let (ours, theirs) = (self.ours.step(step)?, self.peer.step(step)?);
        let compared = |replies: &[Reply]| comparable(replies, step.comparison);
        if compared(&ours) != compared(&theirs) {
            let raw = |replies: &[Reply]| shown(&comparable(replies, Comparison::Bytes));
            report(text.clone(), raw(&ours), raw(&theirs));
        }
        let (ours, theirs) = (self.ours.propagated()?, self.peer.propagated()?);
        if !is_same(&ours, &theirs, step.comparison == Comparison::Type) {
            report(format!("{text}, propagated"), words(&ours), words(&theirs));
        }
        Ok(found)
    }
}

fn shown(bytes: &[u8]) -> String {
    let text = bytes.escape_ascii().to_string().replace("\\r\\n", " ");
    if text.len() > SHOWN { format!("{}… ({} bytes)", &text[..SHOWN], bytes.len()) } else { text }
}

fn words(requests: &[Propagated]) -> String {
    let request = |words: &Propagated| {
        words.iter().map(|word| word.escape_ascii().to_string()).collect::<Vec<_>>().join(" ")
    };
    requests.iter().map(request).collect::<Vec<_>>().join("; ")
}
