//! Sets.
//!
//! Integers only: an intset; few short members: one block (`items.rs`); else a table. Conversions go that way
//! only, by Redis 7.2's rules.
//! Invariant: a set that is an intset or packed is within the thresholds that held at its last
//! insertion.

mod iter;
#[cfg(test)]
mod tests;

use triomphe::Arc;

pub use iter::SetIter;

use crate::encoding::Encoding;
use crate::intset::Intset;
use crate::item::Item;
use crate::items::Items;
use crate::listpack::Listpack;
use crate::number::{decimal_len, parse_int};
use crate::table::{EntryRef, Fill, Layout, NewEntry, Table};

/// Redis' own bound of an intset, whatever the directive says.
const MAX_INTSET: usize = 1 << 30;
/// Packed blocks stay below 1 GiB.
pub(crate) const MAX_PACKED_BYTES: usize = 1 << 30;

/// A set value.
#[derive(Clone)]
pub struct Set<'a>(Body<'a>);

#[derive(Clone)]
enum Body<'a> {
    Ints(Intset<'a>),
    Packed(Items<'a>),
    Table(Arc<Table<Members>>),
}

/// The table of a big set: its entries are nothing but keys.
#[derive(Clone)]
struct Members;

impl Layout for Members {
    type Beside = ();
    const REST: bool = false;
}

fn member<'a>(entry: EntryRef<'a, ()>) -> Item<'a> {
    Item::Bytes(entry.key)
}

impl Default for Set<'_> {
    fn default() -> Self {
        Set::new()
    }
}

impl Set<'static> {
    /// An empty set.
    pub fn new() -> Self {
        Set(Body::Ints(Intset::new()))
    }

    /// An empty set in the encoding that Redis chooses when it expects `hint` members, of which
    /// `first` is the first.
    pub fn with_hint(first: &[u8], hint: usize, encoding: &Encoding) -> Self {
        if parse_int(first).is_some() && hint <= encoding.set_max_intset_entries {
            Set::new()
        } else if hint <= encoding.set_max_listpack_entries {
            Set(Body::Packed(Items::new()))
        } else {
            Set(Body::Table(Arc::new(Table::new(encoding.seed))))
        }
    }

    /// A set from a checked block; None when a member is there twice. A block above the
    /// thresholds becomes a table.
    pub fn from_packed(packed: Listpack<'static>, encoding: &Encoding) -> Option<Self> {
        if has_duplicates(packed.iter()) {
            return None;
        }
        let fits = packed.len() <= encoding.set_max_listpack_entries
            && packed.iter().all(|item| item.len() <= encoding.set_max_listpack_value);
        let mut set = Set(Body::Packed(Items::of_listpack(&packed)));
        if !fits {
            set.make_table(encoding);
        }
        Some(set)
    }

    /// A set from a checked intset, a table when that is above the threshold.
    pub fn from_ints(ints: Intset<'static>, encoding: &Encoding) -> Self {
        let fits = ints.len() <= encoding.set_max_intset_entries.min(MAX_INTSET);
        let mut set = Set(Body::Ints(ints));
        if !fits {
            set.make_table(encoding);
        }
        set
    }
}

impl<'a> Set<'a> {
    /// The same set; a small one is borrowed, a big one shared.
    #[inline]
    pub fn view(&self) -> Set<'_> {
        Set(match &self.0 {
            Body::Ints(ints) => Body::Ints(ints.view()),
            Body::Packed(packed) => Body::Packed(packed.view()),
            Body::Table(table) => Body::Table(Arc::clone(table)),
        })
    }

    /// The same set, owned.
    pub fn into_owned(self) -> Set<'static> {
        Set(match self.0 {
            Body::Ints(ints) => Body::Ints(ints.into_owned()),
            Body::Packed(packed) => Body::Packed(packed.into_owned()),
            Body::Table(table) => Body::Table(table),
        })
    }

    /// The set whose members are `packed`, which `items` of another one gave.
    #[inline]
    pub(crate) fn of_items(packed: Items<'a>) -> Self {
        Set(Body::Packed(packed))
    }

    /// The set whose intset is `ints`, which `ints` of another one gave.
    pub(crate) fn of_ints(ints: Intset<'a>) -> Self {
        Set(Body::Ints(ints))
    }

    /// Whether every member is an integer, and the set small enough, then an intset: what Redis
    /// makes of the result of a set operation over intsets.
    pub fn make_ints(&mut self, encoding: &Encoding) {
        if matches!(self.0, Body::Ints(_)) || self.len() > encoding.set_max_intset_entries.min(MAX_INTSET) {
            return;
        }
        let Some(mut numbers) = self.iter().map(|item| item.as_int()).collect::<Option<Vec<_>>>() else {
            return;
        };
        numbers.sort_unstable();
        let mut ints = Intset::new();
        for number in numbers {
            ints.insert(number);
        }
        self.0 = Body::Ints(ints);
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Body::Ints(ints) => ints.len(),
            Body::Packed(packed) => packed.len(),
            Body::Table(table) => table.len(),
        }
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether `member` is one.
    pub fn contains(&self, member: &[u8]) -> bool {
        match &self.0 {
            Body::Ints(ints) => parse_int(member).is_some_and(|number| ints.contains(number)),
            Body::Packed(packed) => packed.find(member, 1).is_some(),
            Body::Table(table) => table.find(member).is_ok(),
        }
    }

    /// Adds a member; false when it was one.
    pub fn insert(&mut self, member: &[u8], encoding: &Encoding) -> bool {
        if let Body::Table(table) = &mut self.0 {
            let Err(hash) = table.find(member) else { return false };
            add(Arc::make_mut(table), hash, member);
            return true;
        }
        if self.contains(member) {
            return false;
        }
        self.make_fit(member, encoding);
        match &mut self.0 {
            Body::Ints(ints) => {
                ints.insert(parse_int(member).expect("made to fit"));
                if ints.len() > encoding.set_max_intset_entries.min(MAX_INTSET) {
                    self.make_table(encoding);
                }
            }
            Body::Packed(packed) => packed.push_back(member),
            Body::Table(table) => {
                let hash = table.hash(member);
                add(Arc::make_mut(table), hash, member);
            }
        }
        true
    }

    /// Removes a member; false when it was none.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        if let Body::Table(table) = &mut self.0 {
            let Ok(place) = table.find(member) else { return false };
            Arc::make_mut(table).remove_at(place);
            return true;
        }
        if !self.contains(member) {
            return false;
        }
        match &mut self.0 {
            Body::Ints(ints) => ints.remove(parse_int(member).expect("it is contained")),
            Body::Packed(packed) => {
                let position = packed.find(member, 1).expect("it is contained");
                packed.remove(position, 1) == 1
            }
            Body::Table(_) => unreachable!("returned above"),
        }
    }

    /// A member chosen fairly.
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<Item<'_>> {
        if self.is_empty() {
            return None;
        }
        match &self.0 {
            Body::Ints(ints) => ints.get(rng.usize(..ints.len())).map(Item::Int),
            Body::Packed(packed) => packed.get(rng.usize(..packed.len())),
            Body::Table(table) => table.random(rng).map(member),
        }
    }

    /// Removes and returns a member chosen fairly.
    pub fn pop_random(&mut self, rng: &mut fastrand::Rng) -> Option<Vec<u8>> {
        let member = self.random(rng)?.to_vec();
        self.remove(&member);
        Some(member)
    }

    /// All members: ascending for an intset, as inserted for a packed set.
    pub fn iter(&self) -> SetIter<'_> {
        SetIter::new(&self.0)
    }

    /// One step of SSCAN, as `Table::scan`; a small set is visited whole in one step.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Item<'_>)) -> u64 {
        if let Body::Table(table) = &self.0 {
            return table.scan(cursor, count, |entry| visit(member(entry)));
        }
        self.iter().for_each(visit);
        0
    }

    /// Whether the set is packed.
    pub fn is_packed(&self) -> bool {
        matches!(self.0, Body::Packed(_))
    }

    /// The listpack that a packed set is in Redis, made for the caller.
    pub fn packed(&self) -> Option<Listpack<'static>> {
        self.items().map(Items::listpack)
    }

    /// The members of a packed set.
    #[inline]
    pub(crate) fn items(&self) -> Option<&Items<'_>> {
        match &self.0 {
            Body::Packed(packed) => Some(packed),
            _ => None,
        }
    }

    /// The intset of a set of integers.
    pub fn ints(&self) -> Option<&Intset<'_>> {
        match &self.0 {
            Body::Ints(ints) => Some(ints),
            _ => None,
        }
    }

    /// How the elements fill the table's segments, if there is a table.
    pub fn fill(&self) -> Option<Fill> {
        match &self.0 {
            Body::Table(table) => Some(table.fill()),
            Body::Ints(_) | Body::Packed(_) => None,
        }
    }

    /// What OBJECT ENCODING says.
    pub fn encoding_name(&self) -> &'static str {
        match &self.0 {
            Body::Ints(_) => "intset",
            Body::Packed(_) => "listpack",
            Body::Table(_) => "hashtable",
        }
    }

    /// Bytes allocated beside the value itself.
    pub fn heap_size(&self) -> usize {
        match &self.0 {
            Body::Ints(ints) => ints.heap_size(),
            Body::Packed(packed) => packed.heap_size(),
            Body::Table(table) => 16 + size_of::<Table<Members>>() + table.heap_size(),
        }
    }

    /// Changes the encoding if `member`, which is absent, does not fit into the present one.
    fn make_fit(&mut self, member: &[u8], encoding: &Encoding) {
        let small =
            member.len() <= encoding.set_max_listpack_value && self.len() < encoding.set_max_listpack_entries;
        match &self.0 {
            Body::Ints(_) if parse_int(member).is_some() => {}
            Body::Ints(ints) => {
                let widest = [ints.min(), ints.max()].into_iter().flatten().map(decimal_len).max();
                if small && widest.unwrap_or(0) <= encoding.set_max_listpack_value {
                    let mut packed = Items::new();
                    ints.iter().for_each(|number| packed.push_back_item(Item::Int(number)));
                    self.0 = Body::Packed(packed);
                } else {
                    self.make_table(encoding);
                }
            }
            Body::Packed(packed) if small && packed.byte_len() + member.len() <= MAX_PACKED_BYTES => {}
            _ => self.make_table(encoding),
        }
    }

    fn make_table(&mut self, encoding: &Encoding) {
        let mut table = Table::new(encoding.seed);
        for item in self.iter() {
            let mut digits = itoa::Buffer::new();
            let member = item.bytes(&mut digits);
            let hash = table.hash(member);
            add(&mut table, hash, member);
        }
        self.0 = Body::Table(Arc::new(table));
    }
}

/// Adds a member that is known to be absent.
fn add(table: &mut Table<Members>, hash: u64, member: &[u8]) {
    table.insert_new(NewEntry { hash, key: member, rest: [b"", b""], beside: None });
}

/// Whether any two of the items are the same bytes.
pub(crate) fn has_duplicates<'a>(items: impl Iterator<Item = Item<'a>> + Clone) -> bool {
    let mut fingerprints: Vec<u64> = items.clone().map(|item| fingerprint(&item)).collect();
    fingerprints.sort_unstable();
    if fingerprints.windows(2).all(|pair| pair[0] != pair[1]) {
        return false;
    }
    let mut sorted: Vec<Vec<u8>> = items.map(|item| item.to_vec()).collect();
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| pair[0] == pair[1])
}

/// Equal for equal elements however they are stored, mostly different for others.
fn fingerprint(item: &Item<'_>) -> u64 {
    const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |sum: u64, word: u64| (sum ^ word).wrapping_mul(MIX).rotate_left(29);
    match (item.as_int(), *item) {
        (Some(number), _) | (None, Item::Int(number)) => mix(1, number.cast_unsigned()),
        (None, Item::Bytes(bytes)) => {
            let (words, tail) = bytes.as_chunks::<8>();
            let sum = words.iter().fold(MIX, |sum, word| mix(sum, u64::from_le_bytes(*word)));
            let mut last = [0; 8];
            last[..tail.len()].copy_from_slice(tail);
            mix(mix(sum, u64::from_le_bytes(last)), u64::try_from(bytes.len()).expect("usize fits in u64"))
        }
    }
}
