//! Values of the keyspace beside the shapes that they should have: made, changed and compared side by side.

use std::collections::{BTreeMap, BTreeSet};

use slipstream_keyspace::{Encoding, Hash, Item, List, Set, SortedSet, Str, UnixMillis, Value};

use super::operation::{Edit, Kind, Run, element};
use super::reference::Shape;

/// What an edit needs to know besides the value.
pub(crate) struct Circumstances<'a> {
    pub(crate) encoding: &'a Encoding,
    pub(crate) now: i64,
    pub(crate) rng: &'a mut fastrand::Rng,
}

impl Run {
    pub(crate) fn numbers(self) -> impl DoubleEndedIterator<Item = u16> {
        (self.from..).take(self.count).collect::<Vec<_>>().into_iter()
    }

    fn elements(self) -> impl DoubleEndedIterator<Item = Vec<u8>> {
        self.numbers().map(element)
    }
}

/// A value of a kind, and its shape.
pub(crate) fn make(kind: &Kind, encoding: &Encoding) -> (Value<'static>, Shape) {
    match kind {
        Kind::Plain(bytes) => (Str::from_bytes(bytes).into(), Shape::String(bytes.clone())),
        Kind::Raw(bytes) => (Str::raw(bytes.clone()).into(), Shape::String(bytes.clone())),
        Kind::List(run) => {
            let mut list = List::new();
            run.elements().for_each(|element| list.push_back(&element, encoding));
            (list.into(), Shape::List(run.elements().collect()))
        }
        Kind::Set(run) => {
            let mut set = Set::new();
            run.elements().for_each(|element| assert!(set.insert(&element, encoding)));
            (set.into(), Shape::Set(run.elements().collect()))
        }
        Kind::Hash(run) => {
            let mut hash = Hash::new();
            run.elements().for_each(|element| assert!(hash.insert(&element, &element, encoding)));
            (hash.into(), Shape::Hash(run.elements().map(|name| (name.clone(), (name, None))).collect()))
        }
        Kind::SortedSet(run) => {
            let score = |number| f64::from(number % 7);
            let mut set = SortedSet::new();
            for number in run.numbers() {
                assert_eq!(set.insert(&element(number), score(number), encoding), None);
            }
            let members = run.numbers().map(|number| (element(number), score(number)));
            (set.into(), Shape::SortedSet(members.collect()))
        }
    }
}

/// An empty value of the kind that an edit is for, and its shape.
pub(crate) fn empty_for(edit: &Edit) -> (Value<'static>, Shape) {
    match edit {
        Edit::Append(_) | Edit::SetRange(..) | Edit::SetInt(_) => {
            (Str::from_bytes(b"").into(), Shape::String(Vec::new()))
        }
        Edit::PushFront(_)
        | Edit::PushBack(_)
        | Edit::PopFront
        | Edit::PopBack
        | Edit::SetAt(..)
        | Edit::InsertAt(..)
        | Edit::RemoveRange(..)
        | Edit::RemoveEqual(..) => (List::new().into(), Shape::List(Vec::new())),
        Edit::AddMembers(_) | Edit::RemoveMembers(_) | Edit::PopMember => {
            (Set::new().into(), Shape::Set(BTreeSet::new()))
        }
        Edit::SetFields(..) | Edit::RemoveFields(_) | Edit::SetFieldDeadline(..) | Edit::TakeDueFields => {
            (Hash::new().into(), Shape::Hash(BTreeMap::new()))
        }
        Edit::SetScores(..) | Edit::RemoveScores(_) | Edit::RemoveRanks(..) => {
            (SortedSet::new().into(), Shape::SortedSet(BTreeMap::new()))
        }
    }
}

/// Changes value and shape alike. An edit for another kind of value changes nothing.
pub(crate) fn edit(value: &mut Value<'_>, shape: &mut Shape, edit: &Edit, at: &mut Circumstances<'_>) {
    match (value, shape) {
        (Value::String(string), Shape::String(bytes)) => edit_string(string, bytes, edit),
        (Value::List(list), Shape::List(elements)) => edit_list(list, elements, edit, at),
        (Value::Set(set), Shape::Set(members)) => edit_set(set, members, edit, at),
        (Value::Hash(hash), Shape::Hash(fields)) => edit_hash(hash, fields, edit, at),
        (Value::SortedSet(set), Shape::SortedSet(members)) => edit_sorted_set(set, members, edit, at),
        (value, shape) => panic!("{} is no {shape:?}", value.type_name()),
    }
}

fn edit_string(string: &mut Str<'_>, bytes: &mut Vec<u8>, edit: &Edit) {
    match edit {
        Edit::Append(more) => {
            bytes.extend_from_slice(more);
            assert_eq!(string.append(more), bytes.len());
        }
        Edit::SetRange(offset, more) => {
            bytes.resize(bytes.len().max(offset + more.len()), 0);
            bytes[*offset..offset + more.len()].copy_from_slice(more);
            assert_eq!(string.set_range(*offset, more), bytes.len());
        }
        Edit::SetInt(number) => {
            *bytes = number.to_string().into_bytes();
            string.set_int(*number);
        }
        _ => {}
    }
}

fn edit_list(list: &mut List<'_>, elements: &mut Vec<Vec<u8>>, edit: &Edit, at: &mut Circumstances<'_>) {
    let encoding = at.encoding;
    match edit {
        Edit::PushFront(run) => {
            run.elements().for_each(|element| list.push_front(&element, encoding));
            elements.splice(0..0, run.elements().rev());
        }
        Edit::PushBack(run) => {
            run.elements().for_each(|element| list.push_back(&element, encoding));
            elements.extend(run.elements());
        }
        Edit::PopFront => {
            let expected = (!elements.is_empty()).then(|| elements.remove(0));
            assert_eq!(list.pop_front(encoding), expected);
        }
        Edit::PopBack => assert_eq!(list.pop_back(encoding), elements.pop()),
        Edit::SetAt(index, element) => {
            let index = index % (elements.len() + 1);
            assert_eq!(list.set(index, element, encoding), index < elements.len());
            if let Some(place) = elements.get_mut(index) {
                place.clone_from(element);
            }
        }
        Edit::InsertAt(index, element) => {
            let index = index % (elements.len() + 1);
            list.insert(index, element, encoding);
            elements.insert(index, element.clone());
        }
        Edit::RemoveRange(start, count) => {
            let start = start % (elements.len() + 1);
            let end = elements.len().min(start + count);
            assert_eq!(list.remove_range(start, *count, encoding), end - start);
            elements.drain(start..end);
        }
        Edit::RemoveEqual(element, limit, from_tail) => {
            let removed = list.remove_equal(element, *limit, *from_tail, encoding);
            assert_eq!(removed, remove_equal(elements, element, *limit, *from_tail));
        }
        _ => {}
    }
}

fn remove_equal(elements: &mut Vec<Vec<u8>>, element: &[u8], limit: usize, from_tail: bool) -> usize {
    if from_tail {
        elements.reverse();
    }
    let mut removed = 0;
    elements.retain(|other| {
        let goes = removed < limit && other == element;
        removed += usize::from(goes);
        !goes
    });
    if from_tail {
        elements.reverse();
    }
    removed
}

fn edit_set(set: &mut Set<'_>, members: &mut BTreeSet<Vec<u8>>, edit: &Edit, at: &mut Circumstances<'_>) {
    match edit {
        Edit::AddMembers(run) => {
            run.elements().for_each(|member| {
                assert_eq!(set.insert(&member, at.encoding), members.insert(member.clone()));
            });
        }
        Edit::RemoveMembers(run) => {
            run.elements().for_each(|member| assert_eq!(set.remove(&member), members.remove(&member)));
        }
        Edit::PopMember => match set.pop_random(at.rng) {
            Some(member) => assert!(members.remove(&member)),
            None => assert!(members.is_empty()),
        },
        _ => {}
    }
}

type Fields = BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>;

fn edit_hash(hash: &mut Hash<'_>, fields: &mut Fields, edit: &Edit, at: &mut Circumstances<'_>) {
    match edit {
        Edit::SetFields(run, value) => {
            for field in run.elements() {
                let is_new = hash.insert(&field, value, at.encoding);
                assert_eq!(is_new, fields.insert(field, (value.clone(), None)).is_none());
            }
        }
        Edit::RemoveFields(run) => {
            for field in run.elements() {
                assert_eq!(hash.remove(&field), fields.remove(&field).is_some());
            }
        }
        Edit::SetFieldDeadline(field, ahead) => {
            let deadline = ahead.map(|ahead| at.now + ahead);
            let known = fields.get_mut(field);
            match deadline {
                Some(deadline) => {
                    let set = hash.set_deadline(field, UnixMillis(deadline), at.encoding);
                    assert_eq!(set, known.is_some());
                }
                None => {
                    let had_one = known.as_ref().is_some_and(|known| known.1.is_some());
                    assert_eq!(hash.clear_deadline(field), had_one);
                }
            }
            if let Some(known) = known {
                known.1 = deadline;
            }
        }
        Edit::TakeDueFields => {
            let mut taken = hash.take_due(UnixMillis(at.now), usize::MAX);
            taken.sort_unstable();
            let is_due = |field: &(Vec<u8>, Option<i64>)| field.1.is_some_and(|deadline| deadline < at.now);
            let due = fields.iter().filter(|(_, field)| is_due(field));
            assert_eq!(taken, due.map(|(name, _)| name.clone()).collect::<Vec<_>>());
            fields.retain(|_, field| !is_due(field));
        }
        _ => {}
    }
}

fn edit_sorted_set(
    set: &mut SortedSet<'_>,
    members: &mut BTreeMap<Vec<u8>, f64>,
    edit: &Edit,
    at: &mut Circumstances<'_>,
) {
    match edit {
        Edit::SetScores(run, score) => {
            for (member, step) in run.elements().zip(0u16..) {
                // Some share a score, some do not.
                let score = score + f64::from(step % 3);
                let old = members.get(&member).copied();
                assert_eq!(set.insert(&member, score, at.encoding), old);
                if old != Some(score) {
                    members.insert(member, score);
                }
            }
        }
        Edit::RemoveScores(run) => {
            run.elements().for_each(|member| assert_eq!(set.remove(&member), members.remove(&member)));
        }
        Edit::RemoveRanks(start, count) => {
            let start = start % (members.len() + 1);
            let gone: Vec<_> = in_order(members).into_iter().skip(start).take(*count).collect();
            let mut visited = Vec::new();
            set.remove_ranks(start, *count, |member, score| visited.push((member.to_vec(), score)));
            assert_eq!(visited, gone);
            for (member, _) in &gone {
                members.remove(member);
            }
        }
        _ => {}
    }
}

fn in_order(members: &BTreeMap<Vec<u8>, f64>) -> Vec<(Vec<u8>, f64)> {
    let mut pairs: Vec<_> = members.iter().map(|(member, score)| (member.clone(), *score)).collect();
    pairs.sort_by(|a, b| a.1.partial_cmp(&b.1).expect("no score is NaN").then_with(|| a.0.cmp(&b.0)));
    pairs
}

/// Fails unless the value has this shape, by all ways of looking at it.
pub(crate) fn compare(value: &Value<'_>, shape: &Shape) {
    assert_eq!(value.len(), shape.len(), "length of a {}", value.type_name());
    match (value, shape) {
        (Value::String(string), Shape::String(bytes)) => assert!(string.item().is(bytes)),
        (Value::List(list), Shape::List(elements)) => {
            assert!(list.iter().zip(elements).all(|(item, element)| item.is(element)));
            let backwards = list.iter_rev_from(elements.len().wrapping_sub(1));
            assert_eq!(backwards.zip(elements.iter().rev()).filter(|(a, b)| a.is(b)).count(), elements.len());
            let middle = elements.len() / 2;
            assert!(list.get(middle).is_none_or(|item| item.is(&elements[middle])));
        }
        (Value::Set(set), Shape::Set(members)) => {
            assert_eq!(owned(set.iter()), *members);
            assert!(members.iter().all(|member| set.contains(member)));
        }
        (Value::Hash(hash), Shape::Hash(fields)) => compare_hash(hash, fields),
        (Value::SortedSet(set), Shape::SortedSet(members)) => compare_sorted_set(set, members),
        (value, shape) => panic!("{} is no {shape:?}", value.type_name()),
    }
}

fn owned<'a>(items: impl Iterator<Item = Item<'a>>) -> BTreeSet<Vec<u8>> {
    items.map(|item| item.to_vec()).collect()
}

fn compare_hash(hash: &Hash<'_>, fields: &Fields) {
    assert_eq!(hash.iter().count(), fields.len());
    for (field, value) in hash.iter() {
        assert!(fields.get(&field.to_vec()).is_some_and(|known| value.is(&known.0)));
    }
    for (field, (value, deadline)) in fields {
        assert!(hash.get(field).is_some_and(|item| item.is(value)));
        assert_eq!(hash.deadline(field), deadline.map(UnixMillis));
    }
    let first = fields.values().filter_map(|field| field.1).min();
    assert_eq!(hash.next_deadline(), first.map(UnixMillis));
    assert_eq!(hash.has_deadlines(), first.is_some());
}

fn compare_sorted_set(set: &SortedSet<'_>, members: &BTreeMap<Vec<u8>, f64>) {
    let pairs = in_order(members);
    assert_eq!(set.iter().count(), pairs.len());
    assert!(set.iter().zip(&pairs).all(|(found, pair)| found.0.is(&pair.0) && found.1 == pair.1));
    for (rank, (member, score)) in pairs.iter().enumerate().step_by(1 + pairs.len() / 16) {
        assert_eq!((set.rank(member), set.score(member)), (Some(rank), Some(*score)));
        assert!(set.iter_from_rank(rank).next().is_some_and(|(item, _)| item.is(member)));
    }
}

/// One step of the scan that the value's type has; the names of what it returns go to `visit`.
pub(crate) fn scan(value: &Value<'_>, cursor: u64, count: usize, mut visit: impl FnMut(Vec<u8>)) -> u64 {
    match value {
        Value::Set(set) => set.scan(cursor, count, |member| visit(member.to_vec())),
        Value::Hash(hash) => hash.scan(cursor, count, |field, _| visit(field.to_vec())),
        Value::SortedSet(set) => set.scan(cursor, count, |member, _| visit(member.to_vec())),
        _ => 0,
    }
}

/// An element that chance chose.
pub(crate) fn random(value: &Value<'_>, rng: &mut fastrand::Rng) -> Option<Vec<u8>> {
    match value {
        Value::Set(set) => set.random(rng).map(|member| member.to_vec()),
        Value::Hash(hash) => hash.random(rng).map(|(field, _)| field.to_vec()),
        Value::SortedSet(set) => set.random(rng).map(|(member, _)| member.to_vec()),
        _ => None,
    }
}
