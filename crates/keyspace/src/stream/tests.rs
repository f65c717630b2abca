//! Streams against a plain map, blocks against the rules by which Redis cuts them, and nodes
//! against damage.

use std::collections::BTreeMap;

use super::*;
use crate::listpack::Listpack;

type OwnedFields = Vec<(Vec<u8>, Vec<u8>)>;
type Model = BTreeMap<StreamId, OwnedFields>;

fn append(stream: &mut Stream, id: StreamId, fields: &[(Vec<u8>, Vec<u8>)], encoding: &Encoding) {
    stream.append(id, fields.iter().map(|(name, value)| (&**name, &**value)), encoding);
}

fn add(stream: &mut Stream, ms: u64, value: &[u8]) {
    append(stream, StreamId::new(ms, 0), &[(b"f".to_vec(), value.to_vec())], &Encoding::default());
}

/// Entries of three sizes in blocks of three: enough of everything in a short test.
fn small_blocks() -> Encoding {
    Encoding { stream_node_max_entries: 3, ..Encoding::default() }
}

fn owned<'a>(entries: impl Iterator<Item = StreamEntry<'a>>) -> Vec<(StreamId, OwnedFields)> {
    let fields = |fields: Fields<'_>| fields.map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
    entries.map(|entry| (entry.id, fields(entry.fields))).collect()
}

fn check(stream: &Stream, model: &Model) {
    let expected: Vec<_> = model.clone().into_iter().collect();
    assert_eq!(owned(stream.iter()), expected);
    let mut backwards = owned(stream.range_rev(StreamId::MIN, StreamId::MAX));
    backwards.reverse();
    assert_eq!(backwards, expected);
    assert_eq!(stream.len(), model.len());
    assert_eq!(stream.first_id(), model.keys().next().copied().unwrap_or_default());
    assert_eq!(stream.newest_id(), model.keys().last().copied());
    let again = rebuilt(stream);
    assert_eq!(owned(again.iter()), expected);
    assert_eq!(again.first_id(), stream.first_id());
    assert!(again.nodes().map(|(id, node)| (id, node.bytes().to_vec())).eq(nodes(stream)));
}

fn nodes(stream: &Stream) -> Vec<(StreamId, Vec<u8>)> {
    stream.nodes().map(|(id, node)| (id, node.bytes().to_vec())).collect()
}

fn facts(stream: &Stream) -> StreamFacts {
    StreamFacts {
        length: stream.0.len,
        last_id: stream.last_id(),
        history: Some((stream.max_deleted_id(), stream.entries_added())),
    }
}

fn rebuilt(stream: &Stream) -> Stream {
    let mut builder = StreamBuilder::new();
    stream.nodes().for_each(|(id, node)| builder.push_node(id, &node).unwrap());
    builder.finish(facts(stream)).unwrap()
}

fn random_fields(rng: &mut fastrand::Rng) -> OwnedFields {
    let names: &[&[u8]] = match rng.u8(..6) {
        0 => &[b"other"],
        1 => &[b"temp"],
        2 => &[b"id", b"temp"],
        _ => &[b"temp", b"id"],
    };
    let value = |rng: &mut fastrand::Rng| match rng.u8(..8) {
        0 => vec![b'x'; rng.usize(..40)],
        1 => rng.i64(..).to_string().into_bytes(),
        _ => rng.u32(..100_000).to_string().into_bytes(),
    };
    names.iter().map(|name| (name.to_vec(), value(rng))).collect()
}

fn next_id(rng: &mut fastrand::Rng, last: StreamId) -> StreamId {
    match rng.u8(..10) {
        0 => StreamId::new(last.ms, last.seq + 1 + rng.u64(..500)),
        1 => StreamId::new(last.ms + rng.u64(1..1000), rng.u64(..3)),
        2 => StreamId::new(last.ms + rng.u64(50..1_000_000), 0),
        3..6 => StreamId::new(last.ms + rng.u64(1..5), 0),
        _ => StreamId::new(last.ms, last.seq + 1),
    }
}

fn trim_model(model: &mut Model, to: TrimTo) -> u64 {
    let before = model.len();
    match to {
        TrimTo::Length(length) => {
            while u64::try_from(model.len()).unwrap() > length {
                model.pop_first();
            }
        }
        TrimTo::From(id) => *model = model.split_off(&id),
    }
    u64::try_from(before - model.len()).unwrap()
}

fn run(seed: u64, steps: usize, encoding: &Encoding) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut stream = Stream::new();
    let mut model = Model::new();
    let mut snapshots = Vec::new();
    for _ in 0..steps {
        let nth = model.keys().nth(rng.usize(..model.len().max(1))).copied().unwrap_or_default();
        match rng.u8(..40) {
            0 => {
                let length = u64::try_from(model.len()).unwrap() * rng.u64(80..=100) / 100;
                let to = if rng.bool() { TrimTo::Length(length) } else { TrimTo::From(nth) };
                let deleted = stream.trim(Trim { to, approximate: false, limit: None });
                assert_eq!(deleted, trim_model(&mut model, to));
            }
            1 => snapshots.push((stream.clone(), model.clone())),
            2 => {
                let end = nth.next().unwrap();
                assert_eq!(owned(stream.range(nth, end)).len(), model.range(nth..=end).count());
                let start = StreamId::new(nth.ms / 2, 0);
                assert_eq!(owned(stream.range_rev(start, nth)).len(), model.range(start..=nth).count());
            }
            3..12 => assert_eq!(stream.delete(nth), model.remove(&nth).is_some()),
            _ => {
                let (id, fields) = (next_id(&mut rng, stream.last_id()), random_fields(&mut rng));
                append(&mut stream, id, &fields, encoding);
                model.insert(id, fields);
            }
        }
        let known = stream.0.open_bytes.zip(stream.0.blocks.len().checked_sub(1));
        if let Some((open, last)) = known {
            assert_eq!(open, node::body_len(stream.0.blocks.chunk_at(last).unwrap().0));
        }
    }
    check(&stream, &model);
    snapshots.iter().for_each(|(stream, model)| check(stream, model));
}

#[test]
fn edits_from_seeds_match_a_map_and_leave_clones_alone() {
    for seed in 0..40 {
        run(seed, 300, &small_blocks());
        run(seed, 300, &Encoding { stream_node_max_bytes: 200, ..Encoding::default() });
    }
    run(100, 20_000, &Encoding::default());
    run(101, 6000, &Encoding { stream_node_max_entries: 1, ..Encoding::default() });
}

#[test]
fn computed_lengths_are_those_of_the_nodes() {
    let mut rng = fastrand::Rng::with_seed(3);
    let encoding = Encoding { stream_node_max_entries: 0, ..Encoding::default() };
    let mut stream = Stream::new();
    for _ in 0..3000 {
        let id = next_id(&mut rng, stream.last_id());
        append(&mut stream, id, &random_fields(&mut rng), &encoding);
        if rng.u8(..3) == 0 {
            stream.delete(id);
        }
    }
    let mut next = 0;
    while let Some((block, _)) = stream.0.blocks.chunk_at(next) {
        let node = stream.nodes().find(|(id, _)| *id == block.first()).unwrap().1;
        assert_eq!(node.byte_len(), node::frame_len(block) + node::body_len(block));
        assert!(block.heap_size() < node.byte_len(), "a block is smaller than its listpack");
        next += block.weight();
    }
}

#[test]
fn a_block_ends_at_either_limit() {
    let mut stream = Stream::new();
    (1..=250).for_each(|ms| add(&mut stream, ms, b"1"));
    assert_eq!(stream.block_count(), 3);
    let mut stream = Stream::new();
    // What Redis 7.0 does with these entries.
    (1..=80).for_each(|ms| add(&mut stream, ms, &[b'x'; 100]));
    let sizes: Vec<_> = stream.nodes().map(|(_, node)| node.get(0).unwrap().as_int().unwrap()).collect();
    assert_eq!(sizes, [36, 36, 8]);
    let single = Encoding { stream_node_max_bytes: 1, ..Encoding::default() };
    let mut stream = Stream::new();
    (1..=5).for_each(|ms| append(&mut stream, StreamId::new(ms, 0), &[(vec![], vec![])], &single));
    assert_eq!(stream.block_count(), 5);
}

#[test]
fn approximate_trimming_takes_whole_blocks_within_its_limit() {
    let check = |to, limit, deleted| {
        let mut stream = Stream::new();
        (1..=250).for_each(|ms| add(&mut stream, ms, b"1"));
        stream.delete(StreamId::new(1, 0));
        assert_eq!(stream.trim(Trim { to, approximate: true, limit }), deleted, "{to:?} {limit:?}");
        assert_eq!(stream.len(), 249 - usize::try_from(deleted).unwrap());
    };
    check(TrimTo::Length(150), None, 99);
    check(TrimTo::Length(151), None, 0);
    check(TrimTo::Length(0), None, 249);
    check(TrimTo::Length(0), Some(99), 99);
    check(TrimTo::Length(0), Some(98), 0);
    check(TrimTo::From(StreamId::new(101, 0)), None, 99);
    check(TrimTo::From(StreamId::new(100, 0)), None, 0);
    check(TrimTo::From(StreamId::MAX), None, 249);
}

#[test]
fn a_block_of_deleted_entries_goes_with_a_trim_only() {
    let encoding = small_blocks();
    let mut stream = Stream::new();
    for ms in 1..=4 {
        append(&mut stream, StreamId::new(ms, 0), &[(b"f".to_vec(), b"1".to_vec())], &encoding);
    }
    stream.delete(StreamId::new(3, 0));
    let exact = |to| Trim { to, approximate: false, limit: None };
    assert_eq!(stream.trim(exact(TrimTo::From(StreamId::new(3, 0)))), 2);
    assert_eq!((stream.first_id(), stream.first_stored_id()), (StreamId::new(4, 0), StreamId::new(1, 0)));
    assert_eq!(stream.trim(exact(TrimTo::From(StreamId::new(4, 0)))), 0);
    assert_eq!(stream.first_stored_id(), StreamId::new(4, 0));
    stream.delete(StreamId::new(4, 0));
    assert_eq!(stream.first_stored_id(), StreamId::MAX);
    assert_eq!((stream.first_id(), stream.last_id()), (StreamId::MIN, StreamId::new(4, 0)));
    assert_eq!((stream.max_deleted_id(), stream.entries_added()), (StreamId::new(4, 0), 4));
}

#[test]
fn an_emptied_last_block_leaves_the_one_before_open() {
    let encoding = small_blocks();
    let mut stream = Stream::new();
    for ms in 1..=4 {
        append(&mut stream, StreamId::new(ms, 0), &[(b"f".to_vec(), b"1".to_vec())], &encoding);
    }
    stream.delete(StreamId::new(4, 0));
    append(&mut stream, StreamId::new(5, 0), &[(b"f".to_vec(), b"1".to_vec())], &encoding);
    assert_eq!(stream.block_count(), 2);
    let wider = Encoding { stream_node_max_entries: 4, ..encoding };
    stream.delete(StreamId::new(5, 0));
    append(&mut stream, StreamId::new(6, 0), &[(b"f".to_vec(), b"1".to_vec())], &wider);
    assert_eq!(stream.block_count(), 1);
}

/// Entries read where `first..=last` are there, of ten added.
#[test]
fn entries_read_is_known_at_the_ends_of_a_stream_without_gaps() {
    let mut stream = Stream::new();
    assert_eq!(stream.entries_read_at(StreamId::new(7, 7)), Some(0));
    (1..=10).for_each(|ms| add(&mut stream, ms, b"1"));
    stream.trim(Trim { to: TrimTo::Length(6), approximate: false, limit: None });
    let check = |stream: &Stream, ms, expected| {
        assert_eq!(stream.entries_read_at(StreamId::new(ms, 0)), expected, "{ms}");
    };
    for (ms, expected) in [(1, Some(4)), (5, Some(5)), (7, None), (10, Some(10)), (11, None)] {
        check(&stream, ms, expected);
    }
    stream.delete(StreamId::new(7, 0));
    for (ms, expected) in [(1, None), (5, None), (10, Some(10))] {
        check(&stream, ms, expected);
    }
    (1..=10).for_each(|ms| _ = stream.delete(StreamId::new(ms, 0)));
    for (ms, expected) in [(1, Some(10)), (10, Some(10)), (11, None)] {
        check(&stream, ms, expected);
    }
}

#[test]
fn damaged_nodes_are_refused() {
    let check = |elements: &[&str], expected: &str| {
        let mut node = Listpack::new();
        elements.iter().for_each(|element| node.push_back(element.as_bytes()));
        let mut builder = StreamBuilder::new();
        let added = builder.push_node(StreamId::new(5, 5), &node);
        assert_eq!(added.err().unwrap_or("taken"), expected, "{elements:?}");
    };
    let (cut, counts) = ("stream: a block without its end", node_error_counts());
    check(&["1", "0", "1", "f", "0", "2", "0", "0", "v", "4"], "taken");
    check(&["0", "1", "1", "f", "0", "3", "0", "0", "v", "4"], "taken");
    check(&["1", "0", "0", "0", "0", "0", "0", "1", "f", "v", "6"], "taken");
    check(&["1", "0", "1", "f", "0", "2", "-5", "-5", "v", "4"], "taken");
    check(&[], cut);
    check(&["1", "0", "9223372036854775807", "f", "0"], cut);
    check(&["1", "0", "1", "f", "0", "2", "0", "0", "v"], cut);
    check(&["1", "0", "1", "f", "0", "0", "0", "0", "9223372036854775807", "f", "v", "6"], cut);
    check(&["1", "x", "1", "f", "0"], "stream: a number of a block is none");
    check(&["1", "0", "-1", "0"], "stream: a number of a block is none");
    check(&["1", "0", "1", "f", "1"], "stream: no end of a block's names");
    check(&["0", "0", "1", "f", "0"], "stream: a block without entries");
    check(&["1", "0", "1", "f", "0", "4", "0", "0", "v", "4"], "stream: an unknown flag");
    check(
        &["1", "0", "1", "f", "0", "2", "0", "0", "v", "5"],
        "stream: an entry of another length than it says",
    );
    check(&["2", "0", "1", "f", "0", "2", "0", "0", "v", "4"], counts);
    check(&["1", "0", "1", "f", "0", "3", "0", "0", "v", "4"], counts);
    let twice = ["2", "0", "1", "f", "0", "2", "0", "0", "v", "4", "2", "0", "0", "v", "4"];
    check(&twice, "stream: ids that do not grow");
}

fn node_error_counts() -> &'static str {
    "stream: a block with another number of entries than it says"
}

#[test]
fn facts_that_do_not_fit_the_blocks_are_refused() {
    let mut stream = Stream::new();
    add(&mut stream, 5, b"1");
    let finish = |change: fn(&mut StreamFacts)| {
        let mut builder = StreamBuilder::new();
        stream.nodes().for_each(|(id, node)| builder.push_node(id, &node).unwrap());
        let mut facts = facts(&stream);
        change(&mut facts);
        builder.finish(facts).map(|stream| stream.entries_added())
    };
    assert_eq!(finish(|facts| facts.history = None), Ok(1));
    assert_eq!(finish(|facts| facts.length = 2), Err("stream: another number of entries than it says"));
    assert_eq!(finish(|facts| facts.last_id = StreamId::MIN), Err("stream: an entry above the last id"));
}

#[test]
fn a_group_knows_each_pending_entry_once() {
    let mut group = Group::new(StreamId::new(3, 0), Some(3));
    let delivery = Delivery { time: crate::UnixMillis(9), count: 1 };
    let ids = [1, 2, 3].map(|ms| StreamId::new(ms, 0));
    assert!(ids.iter().all(|id| group.add_pending(*id, delivery)));
    assert!(!group.add_pending(ids[0], delivery));
    let bob = group.add_consumer(b"bob", crate::UnixMillis(1), None).unwrap();
    let ann = group.add_consumer(b"ann", crate::UnixMillis(2), Some(crate::UnixMillis(2))).unwrap();
    assert_eq!(group.add_consumer(b"bob", crate::UnixMillis(1), None), None);
    assert!(group.assign(ids[0], bob) && group.assign(ids[2], ann));
    assert!(!group.assign(ids[0], ann), "it is bob's");
    assert!(!group.assign(StreamId::MAX, ann), "it is not pending");
    assert!(!group.is_assigned());
    assert!(group.assign(ids[1], bob));
    assert!(group.is_assigned());
    assert!(group.consumers().map(Consumer::name).eq([b"ann", b"bob"]));
    assert!(group.consumer(bob).unwrap().pending().iter().map(|(id, ())| id).eq([ids[0], ids[1]]));

    let mut stream = Stream::new();
    assert!(stream.add_group(b"g", group));
    assert!(!stream.add_group(b"g", Group::default()));
    let copy = stream.clone();
    stream.group_mut(b"g").unwrap().add_consumer(b"eve", crate::UnixMillis(1), None).unwrap();
    assert_eq!((copy.group(b"g").unwrap().consumers().len(), copy.groups().len()), (2, 1));
    assert_eq!(stream.remove_group(b"g").unwrap().consumers().len(), 3);
    assert_eq!(stream.groups().len(), 0);
    assert!(stream.remove_group(b"g").is_none());
}
