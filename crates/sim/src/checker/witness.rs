//! A client that counts: what it was answered under min-replicas-to-ack must outlive the primary.
//!
//! It sets one key, in a database of its own, to numbers that grow, and sends the next when the last was answered.
//! A reply is right when as many replicas have had the number as were asked for. When the primary dies and the
//! replica that is furthest among all that can be asked takes its place, the number that was answered last must be
//! there: as long as none of those that had it has been restarted or has left the primary's history meanwhile, and
//! all of them can be asked. That is the rule of `docs/replication.md` for whoever promotes.

use slipstream_keyspace::{UnixMillis, Value};
use slipstream_log::ReplicationId;

use super::position;
use crate::process::Process;

/// The database that nobody else uses.
pub const DATABASE: usize = 3;

/// The key.
pub const KEY: &str = "witness";

/// What the client knows, and what the nodes had.
#[derive(Debug, Default)]
pub struct Witness {
    /// The client, if there is one.
    pub client: Option<usize>,
    /// The number that was sent last.
    pub(crate) sent: u64,
    /// When.
    pub(crate) asked: u64,
    /// How many replicas an answer stands for.
    pub wanted: usize,
    /// The highest number that each node ever had.
    had: Vec<u64>,
    answered: Option<Answered>,
    /// Successors of primaries that had what was answered.
    pub survived: u64,
}

/// The number that was answered last.
#[derive(Debug)]
struct Answered {
    number: u64,
    primary: usize,
    history: ReplicationId,
    /// Who had it then, with the life of each.
    holders: Vec<(usize, u32)>,
}

impl Witness {
    /// The next request.
    pub(crate) fn ask(&mut self) -> String {
        self.sent += 1;
        format!("SET {KEY} {}", self.sent)
    }

    /// Looks at a node after something happened to it.
    pub fn observe(&mut self, process: &Process) {
        if self.client.is_none() {
            return;
        }
        if self.had.len() <= process.index {
            self.had.resize(process.index + 1, 0);
        }
        let had = &mut self.had[process.index];
        *had = number_of(process).max(*had);
    }

    /// The primary has answered the last request.
    pub(crate) fn is_answered(&mut self, primary: usize, processes: &[Process]) {
        let number = self.sent;
        let replicas = |node: &usize| *node != primary;
        let had = (0..self.had.len()).filter(replicas).filter(|node| self.had[*node] >= number).count();
        assert!(
            had >= self.wanted,
            "n{primary} answered that {} replicas have {number}, {had} ever had it",
            self.wanted
        );
        let holders =
            (0..processes.len()).filter(replicas).filter(|node| number_of(&processes[*node]) >= number);
        let holders = holders.map(|node| (node, processes[node].life)).collect();
        self.answered = processes[primary].node.as_ref().and_then(position).map(|(history, _)| Answered {
            number,
            primary,
            history,
            holders,
        });
    }

    /// A primary of `history` is gone, and `new` is the furthest of those that were asked.
    pub fn check_successor(
        &mut self,
        (old, new): (usize, usize),
        asked: &[usize],
        processes: &[Process],
        history: ReplicationId,
    ) {
        let Some(answered) = self.answered.take() else { return };
        let is_held = |(node, life): &(usize, u32)| {
            let process = &processes[*node];
            let id = process.node.as_ref().and_then(position).map(|(id, _)| id);
            process.life == *life && asked.contains(node) && id == Some(history)
        };
        let counts = answered.primary == old
            && answered.history == history
            && self.wanted > 0
            && !answered.holders.is_empty()
            && answered.holders.iter().all(is_held);
        if counts {
            let number = number_of(&processes[new]);
            assert!(
                number >= answered.number,
                "n{old} answered {} to be on {} replicas, and its successor n{new} has {number}",
                answered.number,
                self.wanted
            );
            self.survived += 1;
        }
    }
}

/// The number that a node holds.
pub(super) fn number_of(process: &Process) -> u64 {
    let Some(node) = &process.node else { return 0 };
    let value = node.keyspace.db(DATABASE).peek(KEY.as_bytes(), UnixMillis(0));
    match value {
        Some(Value::String(text)) => {
            let text = text.to_vec();
            std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
        }
        _ => 0,
    }
}
