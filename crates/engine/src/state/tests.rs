//! The state file as text: what is written and read, and what is wrong with a damaged one.

use super::*;

const ID: &str = "8de1787ba490483314a4d30f1c628bc5025eb761";
const BEFORE: &str = "04a5f75d0a8e5dd8a1cdd2f9e6b1c3a79b3a0c11";

fn position(id: &str, offset: u64) -> Position {
    Position { id: ReplicationId::parse(id.as_bytes()).unwrap(), offset: Offset(offset) }
}

fn endpoint(host: &str, port: u16) -> Endpoint {
    Endpoint { host: host.to_owned(), port }
}

fn state() -> NodeState {
    NodeState {
        primary: None,
        position: Some(position(ID, 1_000)),
        previous: Some(position(BEFORE, 700)),
        keys: 17,
        replicas: vec![
            KnownReplica { address: endpoint("10.0.0.2", 6379), offset: Offset(990) },
            KnownReplica { address: endpoint("replica.example", 7002), offset: Offset(1_000) },
        ],
        refused: Some((ReplicationId::parse(BEFORE.as_bytes()).unwrap(), "it has 0 keys".to_owned())),
        waiting_since: Some(1_700_000_000_123),
        promised: 2,
        is_watched: true,
        has_ended: true,
    }
}

/// The lines with the sum that belongs to them.
fn file(lines: &[&str]) -> Vec<u8> {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let sum = crc64(text.as_bytes());
    format!("{text}sum {sum:016x}\n").into_bytes()
}

#[test]
fn what_is_written_is_read_again() {
    let replica = NodeState { primary: Some(endpoint("::1", 7001)), ..NodeState::default() };
    for state in [state(), replica, NodeState::default()] {
        assert_eq!(NodeState::parse(&state.encode()), Ok(state));
    }
}

#[test]
fn the_file_is_text_of_a_line_for_each_fact() {
    let lines = [
        "slipstream-state 1",
        "role primary",
        &format!("history {ID} 1000"),
        &format!("previous {BEFORE} 700"),
        "keys 17",
        "replica 990 6379 10.0.0.2",
        "replica 1000 7002 replica.example",
        &format!("refused {BEFORE} it has 0 keys"),
        "waiting 1700000000123",
        "promised 2",
        "watched",
        "ended",
    ];
    assert_eq!(String::from_utf8(state().encode()), String::from_utf8(file(&lines)));
}

#[test]
fn lines_of_later_versions_are_passed_over() {
    let lines = ["slipstream-state 1", "role primary", "appended 77 files", "keys 3", "flag"];
    assert_eq!(NodeState::parse(&file(&lines)), Ok(NodeState { keys: 3, ..NodeState::default() }));
}

#[test]
fn a_file_that_is_cut_off_or_changed_tells_nothing() {
    let whole = state().encode();
    for length in 0..whole.len() {
        assert!(NodeState::parse(&whole[..length]).is_err(), "cut off at {length}");
    }
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        assert!(NodeState::parse(&changed).is_err(), "changed at {at}");
    }
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    let check = |content: &[u8], error| assert_eq!(NodeState::parse(content), Err(error));
    check(b"", StateError::Foreign);
    check(b"REDIS0010\xfa", StateError::Foreign);
    check(&file(&["slipstream-state 2", "role primary"]), StateError::Format(2));
    check(b"slipstream-state 1\nrole primary\n", StateError::Damaged);
    check(&file(&["slipstream-state 1", "history abc 1"]), StateError::Damaged);
    check(&file(&["slipstream-state 1", "replica 1 70000 host"]), StateError::Damaged);
}

#[test]
fn no_host_makes_a_line_of_its_own() {
    let strange = NodeState { primary: Some(endpoint("a\nkeys 9\u{7f}", 1)), ..NodeState::default() };
    let read = NodeState::parse(&strange.encode()).unwrap();
    assert_eq!(read.primary, Some(endpoint("a?keys 9?", 1)));
    assert_eq!(read.keys, 0);
}

#[test]
fn how_far_things_went_makes_no_difference() {
    let mut later = state();
    later.position = Some(position(ID, 2_000));
    later.replicas[0].offset = Offset(1_999);
    later.keys = 18;
    assert!(state().is_like(&later));
    let check = |what: &str, change: &dyn Fn(&mut NodeState)| {
        let mut other = state();
        change(&mut other);
        assert!(!state().is_like(&other), "{what}");
    };
    check("another history", &|state| state.position = Some(position(BEFORE, 1_000)));
    check("no data any more", &|state| state.keys = 0);
    check("a replica less", &|state| drop(state.replicas.pop()));
    check("nothing refused any more", &|state| state.refused = None);
    check("another role", &|state| state.primary = Some(endpoint("a", 1)));
}
