//! A group against plain sorted maps.

use std::collections::BTreeMap;

use super::*;
use crate::encoding::Encoding;
use crate::stream::Stream;

/// A group as its user sees it: pending entries with their consumers, and the consumers' names.
#[derive(Clone, Default)]
struct Model {
    pending: BTreeMap<StreamId, (String, Delivery)>,
    /// When each was seen and active.
    consumers: BTreeMap<String, (UnixMillis, Option<UnixMillis>)>,
}

fn check(group: &Group, model: &Model) {
    let name = |consumer: Option<ConsumerId>| {
        let consumer = group.consumer(consumer.unwrap()).unwrap();
        String::from_utf8(consumer.name().to_vec()).unwrap()
    };
    let pending =
        group.pending().iter().map(|(id, pending)| (id, (name(pending.consumer), pending.delivery)));
    assert!(pending.eq(model.pending.clone()));
    assert_eq!(group.consumers().len(), model.consumers.len());
    for (consumer, (name, (seen, active))) in group.consumers().zip(&model.consumers) {
        assert_eq!(consumer.name(), name.as_bytes());
        assert_eq!((consumer.seen(), consumer.active()), (*seen, *active));
        let own = model.pending.iter().filter(|(_, (owner, _))| owner == name).map(|(id, _)| *id);
        assert!(consumer.pending().iter().map(|(id, ())| id).eq(own));
    }
}

#[test]
fn changes_from_a_seed_match_sorted_maps() {
    let mut rng = fastrand::Rng::with_seed(11);
    let mut group = Group::default();
    let mut model = Model::default();
    let mut copies = Vec::new();
    for step in 0..if cfg!(miri) { 300 } else { 6000 } {
        let id = StreamId::new(rng.u64(..30), rng.u64(..30));
        let consumer = format!("c{}", rng.u8(..6));
        let now = UnixMillis(step);
        let number = group.consumer_named(consumer.as_bytes());
        assert_eq!(number.is_some(), model.consumers.contains_key(&consumer));
        match (rng.u8(..20), number) {
            (0, _) => {
                let owned = model.pending.values().filter(|(owner, _)| *owner == consumer).count();
                let was_there = model.consumers.remove(&consumer).is_some();
                model.pending.retain(|_, (owner, _)| *owner != consumer);
                assert_eq!(group.remove_consumer(consumer.as_bytes()), was_there.then_some(owned));
            }
            (1, _) => copies.push((group.clone(), model.clone())),
            (2..7, _) => assert_eq!(group.take(id), model.pending.remove(&id).is_some()),
            (7, Some(number)) => {
                group.set_seen(number, now);
                model.consumers.get_mut(&consumer).unwrap().0 = now;
            }
            (8, Some(number)) => {
                group.set_active(number, now);
                model.consumers.get_mut(&consumer).unwrap().1 = Some(now);
            }
            (_, Some(number)) => {
                let delivery = Delivery { time: now, count: rng.u64(1..5) };
                group.give(id, number, delivery);
                model.pending.insert(id, (consumer, delivery));
            }
            (_, None) => {
                assert!(group.add_consumer(consumer.as_bytes(), now, None).is_some());
                model.consumers.insert(consumer, (now, None));
            }
        }
        if step % 97 == 0 {
            check(&group, &model);
        }
    }
    check(&group, &model);
    copies.iter().for_each(|(group, model)| check(group, model));
}

#[test]
fn numbers_of_consumers_are_found_when_the_last_is_taken() {
    let mut group = Group::default();
    let first = group.add_consumer(b"a", UnixMillis(0), None).unwrap();
    let mut last = (*group.consumers[&first]).clone();
    last.name = b"z".as_slice().into();
    group.names.insert(last.name.clone(), ConsumerId(u32::MAX));
    group.consumers.insert(ConsumerId(u32::MAX), Arc::new(last));
    assert_eq!(group.add_consumer(b"b", UnixMillis(0), None), Some(ConsumerId(1)));
}

/// A stream with entries of these milliseconds.
fn stream(entries: impl Iterator<Item = u64>) -> Stream {
    let mut stream = Stream::new();
    entries.for_each(|ms| {
        let fields: [(&[u8], &[u8]); 1] = [(b"f", b"v")];
        stream.append(StreamId::new(ms, 0), fields.into_iter(), &Encoding::default());
    });
    stream
}

#[test]
fn what_was_read_is_counted_as_long_as_nothing_is_deleted_ahead() {
    let mut stream = stream(1..=6);
    assert!(stream.add_group(b"g", Group::new(StreamId::MIN, None)));
    let read = |stream: &mut Stream, ms| {
        let (entries, group) = stream.with_group(b"g").unwrap();
        group.advance(StreamId::new(ms, 0), entries);
        (group.entries_read(), entries.lag(group))
    };
    assert_eq!(read(&mut stream, 1), (Some(1), Some(5)));
    assert_eq!(read(&mut stream, 2), (Some(2), Some(4)));
    assert_eq!(read(&mut stream, 2), (Some(2), Some(4)), "it was delivered before");
    assert!(stream.delete(StreamId::new(4, 0)));
    assert_eq!(read(&mut stream, 3), (None, None), "what is ahead has a gap");
    assert_eq!(read(&mut stream, 5), (None, None), "nor is it known how many that were");
    assert_eq!(read(&mut stream, 6), (Some(6), Some(0)), "but at the end it is");
}

#[test]
fn entries_are_found_beside_a_group() {
    let mut stream = stream(1..=300);
    assert!(stream.add_group(b"g", Group::default()));
    assert!(stream.with_group(b"other").is_none());
    assert!(stream.delete(StreamId::new(7, 0)));
    let (entries, _) = stream.with_group(b"g").unwrap();
    let ids = |from: u64| entries.after(StreamId::new(from, 0)).map(|entry| entry.id.ms);
    assert!(ids(250).eq(251..=300));
    assert!(ids(6).take(2).eq([8, 9]));
    assert_eq!(ids(300).next(), None);
    assert_eq!(entries.after(StreamId::MAX).next().map(|entry| entry.id), None);
    assert_eq!(entries.get(StreamId::new(8, 0)).map(|entry| entry.id.ms), Some(8));
    assert!(entries.get(StreamId::new(7, 0)).is_none());
    assert!(entries.get(StreamId::new(8, 1)).is_none());
    assert_eq!(stream.block_ids().map(|id| id.ms).collect::<Vec<_>>(), [1, 101, 201]);
}
