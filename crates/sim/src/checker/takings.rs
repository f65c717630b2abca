//! Who takes what comes into a list: nothing is given to two.
//!
//! One client adds numbers to a list in the witness's database, each once; others take them, and wait where there is
//! none, or move them to a second list, from which they are taken again. What was given at an offset of a history is
//! given to nobody else in that history, nor in one that goes on from there. And what was given under
//! min-replicas-to-ack or `appendfsync always` is on so many replicas, or on disk, at that moment.
//!
//! Only what is heard while the node still writes the history in which it was asked counts.

use std::collections::BTreeMap;

use slipstream_engine::Node;
use slipstream_log::{Offset, ReplicationId};
use slipstream_resp::Value;

use super::position;
use crate::process::Process;

/// What a client of takers asks, and from which list that takes.
const REQUESTS: &[(&str, &str)] = &[
    ("jobs", "BLPOP jobs 0.5"),
    ("jobs", "BLPOP jobs 0"),
    ("jobs", "BRPOP absent jobs 2"),
    ("jobs", "BLMPOP 0.5 2 absent jobs LEFT COUNT 3"),
    ("jobs", "BLMOVE jobs done RIGHT LEFT 0.5"),
    ("jobs", "BRPOPLPUSH jobs done 0.5"),
    ("done", "BLMPOP 0.1 1 done RIGHT COUNT 9"),
    ("done", "BRPOP done 0.5"),
];

/// What was given, and to whom something may be given.
#[derive(Debug, Default)]
pub(crate) struct Takings {
    /// The client that adds.
    pub(crate) giver: Option<usize>,
    added: u64,
    asked: BTreeMap<usize, Asked>,
    given: BTreeMap<(&'static str, u64), Vec<(ReplicationId, Offset)>>,
    /// How often something was given.
    pub(crate) count: u64,
}

#[derive(Debug)]
struct Asked {
    list: &'static str,
    history: ReplicationId,
    life: u32,
    at: u64,
}

/// Something that was given.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) history: ReplicationId,
    pub(crate) offset: Offset,
    /// When it was asked for.
    pub(crate) asked: u64,
}

impl Takings {
    /// Whether a client adds or takes.
    pub(crate) fn is_of(&self, client: usize) -> bool {
        self.giver.is_some_and(|giver| client >= giver)
    }

    /// The next request of a client to a node.
    pub(crate) fn ask(
        &mut self,
        client: usize,
        process: &Process,
        rng: &mut fastrand::Rng,
        now: u64,
    ) -> String {
        if self.giver == Some(client) {
            let count = rng.u64(1..4);
            let numbers: Vec<String> = (1..=count).map(|more| (self.added + more).to_string()).collect();
            self.added += count;
            let name = if rng.bool() { "RPUSH" } else { "LPUSH" };
            return format!("{name} jobs {}", numbers.join(" "));
        }
        let (list, request) = REQUESTS[rng.usize(..REQUESTS.len())];
        let place = process.node.as_ref().and_then(position);
        let asked = place.map(|(history, _)| Asked { list, history, life: process.life, at: now });
        self.asked.remove(&client);
        self.asked.extend(asked.map(|asked| (client, asked)));
        request.to_owned()
    }

    /// A client got a reply; what it was given, if it is known where exactly.
    pub(crate) fn hear(
        &mut self,
        client: usize,
        (process, node, wrote): (&Process, &Node, Option<Offset>),
        reply: &Value,
    ) -> Option<Given> {
        let asked = self.asked.remove(&client)?;
        let (history, end) = position(node)?;
        let numbers = numbers(reply);
        if asked.history != history || asked.life != process.life || numbers.is_empty() {
            return None;
        }
        let offset = wrote.unwrap_or(end);
        for number in numbers {
            let before = self.given.entry((asked.list, number)).or_default();
            let is_known = |(id, at): &(ReplicationId, Offset)| {
                *id == history || node.core.log.forks().any(|(known, fork)| known == *id && *at <= fork)
            };
            let first = before.iter().find(|place| is_known(place));
            let place = process.place();
            assert!(
                first.is_none(),
                "{place} gives {number} of {} to c{client} at {offset} of {history}, it was given at {first:?}",
                asked.list
            );
            before.push((history, offset));
            self.count += 1;
        }
        wrote.map(|offset| Given { history, offset, asked: asked.at })
    }
}

/// The numbers in a reply, however deep.
fn numbers(reply: &Value) -> Vec<u64> {
    match reply {
        Value::Array(parts) => parts.iter().flat_map(numbers).collect(),
        Value::Bulk(text) => {
            std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).into_iter().collect()
        }
        _ => Vec::new(),
    }
}
