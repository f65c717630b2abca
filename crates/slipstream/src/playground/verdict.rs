//! The end: writes stop, and all three copies must become equal, in offset and in every key.
//!
//! Equality is that of DEBUG DIGEST, which covers all databases, types and expiries. Copies are given time to
//! become equal, since the last writes and expiries are still on their way; once none of them has changed for a
//! while, what differs is named.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use slipstream_resp::Value;

use super::Halt;
use super::load::{COUNTER, Tally};
use super::node::Node;
use super::reading::NODES;
use super::stage::Stage;
use super::table::grouped;
use crate::client::ClientError;

/// How long copies that differ must stand still; longer than the shortest-lived keys live.
const STANDSTILL: Duration = Duration::from_secs(5);
const KEYS_NAMED: usize = 10;

/// How it ended.
#[derive(Debug)]
pub(super) struct Verdict {
    lines: Vec<String>,
    is_equal: bool,
}

impl Verdict {
    pub(super) fn lines(&self) -> &[String] {
        &self.lines
    }

    pub(super) fn exit_status(&self) -> i32 {
        if self.is_equal { 0 } else { 1 }
    }
}

/// What a node holds, in short.
#[derive(Debug, PartialEq, Eq)]
struct Copy {
    offset: u64,
    keys: u64,
    digest: String,
}

/// Stops the writes and compares all copies with the primary's.
pub(super) fn reach(stage: &mut Stage) -> Result<Verdict, Halt> {
    stage.open_chapter("6. Writes stop, the copies are compared")?;
    stage.load.stop();
    // What they publish on the primary every two seconds is in the stream too: it would never stand still.
    stage.cluster.sentinels().iter_mut().for_each(Node::kill);
    let mut copies = take_copies(stage);
    let mut changed = Instant::now();
    while !are_equal(&copies) && changed.elapsed() < STANDSTILL {
        stage.turn()?;
        let taken = take_copies(stage);
        if taken != copies {
            (copies, changed) = (taken, Instant::now());
        }
    }
    stage.close_chapter()?;
    let mut lines = summary(stage);
    let is_equal = are_equal(&copies);
    if is_equal {
        lines.extend(copies[stage.primary].as_ref().map(equality).ok());
    } else {
        lines.push("The copies are NOT equal:".to_owned());
        lines.extend(differences(stage, &copies));
    }
    Ok(Verdict { lines, is_equal })
}

type Copies = [Result<Copy, String>; NODES];

fn take_copies(stage: &mut Stage) -> Copies {
    std::array::from_fn(|index| take_copy(&mut stage.cluster.nodes[index]).map_err(|error| error.to_string()))
}

fn take_copy(node: &mut Node) -> Result<Copy, ClientError> {
    let digest = node.call(&["DEBUG", "DIGEST"])?.text();
    let reading = node.read().ok_or(ClientError::Broken)?;
    Ok(Copy { offset: reading.offset, keys: reading.keys, digest })
}

fn are_equal(copies: &Copies) -> bool {
    copies.iter().all(|copy| copy.is_ok() && *copy == copies[0])
}

fn equality(copy: &Copy) -> String {
    let (offset, keys) = (grouped(copy.offset), grouped(copy.keys));
    format!("All copies are equal: offset {offset}, {keys} keys, digest {}.", copy.digest)
}

fn summary(stage: &mut Stage) -> Vec<String> {
    let tally = stage.load.tally();
    let (acknowledged, failed) = (grouped(tally.acknowledged), grouped(tally.failed));
    let mut lines =
        vec![format!("{acknowledged} writes were acknowledged, {failed} failed while nobody took them.")];
    let counter = stage.cluster.nodes[stage.primary].call(&["GET", COUNTER]);
    if let Some(count) = counter.ok().and_then(|count| count.text().parse().ok()) {
        lines.extend(loss(tally, count));
    }
    lines
}

/// What the killed primaries took along. It may also be that a write happened whose acknowledgement was lost.
fn loss(tally: Tally, count: u64) -> Option<String> {
    let lost = tally.increments.checked_sub(count).filter(|&lost| lost > 0)?;
    Some(format!(
        "Of {} acknowledged INCR {COUNTER}, {lost} went down with a killed primary: replication is asynchronous.",
        grouped(tally.increments)
    ))
}

fn differences(stage: &mut Stage, copies: &Copies) -> Vec<String> {
    let mut lines = Vec::new();
    for index in 0..NODES {
        let name = stage.name(index);
        match (&copies[index], &copies[stage.primary]) {
            (Err(reason), _) => lines.push(format!("  {name} does not answer: {reason}")),
            (Ok(copy), Ok(expected)) if copy != expected => {
                lines.push(format!(
                    "  {name} is at offset {}, with digest {}",
                    grouped(copy.offset),
                    copy.digest
                ));
                lines.extend(differing_keys(stage, index));
            }
            _ => {}
        }
    }
    lines
}

/// The first keys of database 0 that a node holds otherwise than the primary.
fn differing_keys(stage: &mut Stage, index: usize) -> Vec<String> {
    let nodes = &mut stage.cluster.nodes;
    let held =
        digests(&mut nodes[stage.primary]).and_then(|expected| Ok((expected, digests(&mut nodes[index])?)));
    match held {
        Ok((expected, found)) => name_differences(&expected, &found),
        Err(error) => vec![format!("    its keys cannot be read: {error}")],
    }
}

fn name_differences(expected: &BTreeMap<String, String>, found: &BTreeMap<String, String>) -> Vec<String> {
    let keys: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    let difference = |key: &String| match (expected.get(key), found.get(key)) {
        (Some(_), None) => Some(format!("    {key} is missing")),
        (None, Some(_)) => Some(format!("    {key} is not on the primary")),
        (theirs, ours) => (theirs != ours).then(|| format!("    {key} has another value")),
    };
    keys.into_iter().filter_map(difference).take(KEYS_NAMED).collect()
}

fn digests(node: &mut Node) -> Result<BTreeMap<String, String>, ClientError> {
    let Value::Array(keys) = node.call_patiently(&["KEYS", "*"])? else { return Err(ClientError::Broken) };
    let keys: Vec<String> = keys.iter().map(Value::text).collect();
    let mut digests = BTreeMap::new();
    for key in keys {
        if let Value::Array(found) = node.call_patiently(&["DEBUG", "DIGEST-VALUE", &key])? {
            digests.extend(found.first().map(|digest| (key, digest.text())));
        }
    }
    Ok(digests)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|&(key, digest)| (key.to_owned(), digest.to_owned())).collect()
    }

    #[test]
    fn keys_that_differ_are_named() {
        let expected = map(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let found = map(&[("b", "2"), ("c", "9"), ("d", "4")]);
        assert_eq!(
            name_differences(&expected, &found),
            ["    a is missing", "    c has another value", "    d is not on the primary"]
        );
        assert!(name_differences(&expected, &expected).is_empty());
    }

    #[test]
    fn only_what_is_missing_counts_as_lost() {
        let tally = Tally { increments: 100, ..Tally::default() };
        assert_eq!(loss(tally, 100), None);
        assert_eq!(loss(tally, 101), None);
        assert!(
            loss(tally, 97).is_some_and(|line| line.contains("100 acknowledged INCR writes, 3 went down"))
        );
    }

    #[test]
    fn a_node_that_does_not_answer_is_not_equal() {
        let copy = || Ok(Copy { offset: 1, keys: 1, digest: "d".to_owned() });
        assert!(are_equal(&[copy(), copy(), copy()]));
        assert!(!are_equal(&[copy(), Err("gone".to_owned()), copy()]));
        assert!(!are_equal(&[copy(), copy(), Ok(Copy { offset: 2, keys: 1, digest: "d".to_owned() })]));
        let silent = || Err("gone".to_owned());
        assert!(!are_equal(&[silent(), silent(), silent()]));
    }
}
