//! Packed collections of foreign origin: checked, then taken over as they are, or rebuilt element by element.
//!
//! The keyspace checks what its packed forms rely on: valid blocks, no field or member twice, sorted sets in order.
//! What only lacks the order is rebuilt; the rest is refused with its reason.

use slipstream_keyspace::{Encoding, Hash, Intset, Item, List, Listpack, Set, SortedSet, UnixMillis};

type Checked<T> = Result<T, &'static str>;

/// Elements of lists and whole blocks must be shorter.
const BLOCK_LIMIT: usize = 1 << 30;

const FIELD_TWICE: &str = "hash: the same field twice";
const MEMBER_TWICE: &str = "set: the same member twice";
const SCORED_TWICE: &str = "sorted set: the same member twice";
const NO_NUMBER: &str = "sorted set: a score that is not a number";
const PAIR_CUT: &str = "listpack: a pair without its second half";
const NO_TIME: &str = "hash: a field's deadline is no point in time";

fn listpack(block: &[u8]) -> Checked<Listpack<'static>> {
    if block.len() >= BLOCK_LIMIT {
        return Err("listpack: of 1 GiB or more");
    }
    Listpack::from_bytes(block).map_err(|malformed| malformed.reason)
}

/// Adds an element at the list's end.
pub(super) fn add_element(list: &mut List<'_>, element: &[u8], encoding: &Encoding) -> Checked<()> {
    if element.len() >= BLOCK_LIMIT {
        return Err("list: an element of 1 GiB or more");
    }
    list.push_back(element, encoding);
    Ok(())
}

/// Adds a pair that must be new to `hash`.
pub(super) fn add_field(hash: &mut Hash<'_>, field: &[u8], value: &[u8], encoding: &Encoding) -> Checked<()> {
    if hash.insert(field, value, encoding) { Ok(()) } else { Err(FIELD_TWICE) }
}

/// Adds a member that must be new to `set`.
pub(super) fn add_member(set: &mut Set<'_>, member: &[u8], encoding: &Encoding) -> Checked<()> {
    if set.insert(member, encoding) { Ok(()) } else { Err(MEMBER_TWICE) }
}

/// Adds a member that must be new to `set`, with a score that must be a number.
pub(super) fn add_scored(
    set: &mut SortedSet<'_>,
    member: &[u8],
    score: f64,
    encoding: &Encoding,
) -> Checked<()> {
    if score.is_nan() {
        return Err(NO_NUMBER);
    }
    if set.insert(member, score, encoding).is_none() { Ok(()) } else { Err(SCORED_TWICE) }
}

/// Adds a quicklist's node at the list's end.
pub(super) fn append_listpack(list: &mut List<'_>, block: &[u8], encoding: &Encoding) -> Checked<()> {
    list.push_back_packed(listpack(block)?, encoding);
    Ok(())
}

pub(super) fn hash_from_listpack(block: &[u8], encoding: &Encoding) -> Checked<Hash<'static>> {
    let pack = listpack(block)?;
    if pack.len() % 2 != 0 {
        return Err(PAIR_CUT);
    }
    Hash::from_packed(pack, encoding).ok_or(FIELD_TWICE)
}

/// A hash of fields and values in turn.
pub(super) fn hash_from_items<'a>(
    mut items: impl Iterator<Item = Item<'a>>,
    encoding: &Encoding,
) -> Checked<Hash<'static>> {
    let mut hash = Hash::new();
    let (mut first, mut second) = (itoa::Buffer::new(), itoa::Buffer::new());
    while let Some(field) = items.next() {
        let value = items.next().ok_or(PAIR_CUT)?;
        add_field(&mut hash, field.bytes(&mut first), value.bytes(&mut second), encoding)?;
    }
    Ok(hash)
}

/// Redis' packed hash with field expiry: triples of field, value and deadline, 0 for none.
pub(super) fn hash_from_triples(block: &[u8], encoding: &Encoding) -> Checked<Hash<'static>> {
    let pack = listpack(block)?;
    let mut hash = Hash::new();
    let mut items = pack.iter();
    let (mut first, mut second) = (itoa::Buffer::new(), itoa::Buffer::new());
    while let Some(field) = items.next() {
        let (value, deadline) =
            items.next().zip(items.next()).ok_or("listpack: a field without its value or deadline")?;
        let field = field.bytes(&mut first);
        add_field(&mut hash, field, value.bytes(&mut second), encoding)?;
        match deadline.as_int() {
            Some(0) => {}
            Some(millis) => set_deadline(&mut hash, field, millis, encoding)?,
            None => return Err(NO_TIME),
        }
    }
    Ok(hash)
}

/// Gives a field that is there its deadline.
pub(super) fn set_deadline(
    hash: &mut Hash<'_>,
    field: &[u8],
    millis: i64,
    encoding: &Encoding,
) -> Checked<()> {
    if millis < 0 {
        return Err(NO_TIME);
    }
    hash.set_deadline(field, UnixMillis(millis), encoding);
    Ok(())
}

pub(super) fn set_from_intset(block: &[u8], encoding: &Encoding) -> Checked<Set<'static>> {
    let ints = Intset::from_bytes(block).map_err(|malformed| malformed.reason)?;
    Ok(Set::from_ints(ints, encoding))
}

pub(super) fn set_from_listpack(block: &[u8], encoding: &Encoding) -> Checked<Set<'static>> {
    Set::from_packed(listpack(block)?, encoding).ok_or(MEMBER_TWICE)
}

pub(super) fn sorted_set_from_listpack(block: &[u8], encoding: &Encoding) -> Checked<SortedSet<'static>> {
    let pack = listpack(block)?;
    match SortedSet::from_packed(pack.clone(), encoding) {
        Some(set) => Ok(set),
        None => sorted_set_from_items(pack.iter(), encoding),
    }
}

/// A sorted set of members and scores in turn.
pub(super) fn sorted_set_from_items<'a>(
    mut items: impl Iterator<Item = Item<'a>>,
    encoding: &Encoding,
) -> Checked<SortedSet<'static>> {
    let mut set = SortedSet::new();
    let mut digits = itoa::Buffer::new();
    while let Some(member) = items.next() {
        let score = score(items.next().ok_or(PAIR_CUT)?)?;
        add_scored(&mut set, member.bytes(&mut digits), score, encoding)?;
    }
    Ok(set)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a score is a double: Redis rounds a stored integer the same way"
)]
fn score(item: Item<'_>) -> Checked<f64> {
    match item {
        Item::Int(number) => Ok(number as f64),
        Item::Bytes(text) => parse_score(text),
    }
}

/// A score in decimal, `inf` and `-inf` included.
pub(super) fn parse_score(text: &[u8]) -> Checked<f64> {
    let score: Option<f64> = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    score.filter(|score| !score.is_nan()).ok_or(NO_NUMBER)
}
