//! Hashes.
//!
//! Few short fields: one block of fields and values in turn (`items.rs`); else a table. It becomes a
//! table by Redis 7.2's thresholds and stays one. Deadlines of single fields sit in a map of their own,
//! which does not exist while no field has one.
//! Invariant: a field with a deadline exists.

pub(crate) mod deadlines;
mod iter;
mod table;
#[cfg(test)]
mod tests;

use triomphe::Arc;

use deadlines::Deadlines;
pub use iter::HashIter;
use table::FieldTable;

use crate::encoding::Encoding;
use crate::item::Item;
use crate::items::Items;
use crate::listpack::Listpack;
use crate::set::{MAX_PACKED_BYTES, has_duplicates};
use crate::table::Fill;
use crate::time::UnixMillis;

/// A hash value.
#[derive(Clone)]
pub struct Hash<'a> {
    fields: Fields<'a>,
    deadlines: Option<Arc<Deadlines>>,
}

#[derive(Clone)]
enum Fields<'a> {
    Packed(Items<'a>),
    Table(Arc<FieldTable>),
}

impl Default for Hash<'_> {
    fn default() -> Self {
        Hash::new()
    }
}

impl Hash<'static> {
    /// An empty hash.
    pub fn new() -> Self {
        Hash::of(Fields::Packed(Items::new()))
    }

    fn of(fields: Fields<'static>) -> Self {
        Hash { fields, deadlines: None }
    }

    /// A hash from a checked block of fields and values in turn; None when the last value is
    /// missing or a field is there twice. A block above the thresholds becomes a table.
    pub fn from_packed(packed: Listpack<'static>, encoding: &Encoding) -> Option<Self> {
        if !packed.len().is_multiple_of(2) || has_duplicates(packed.iter().step_by(2)) {
            return None;
        }
        let fits = packed.len() / 2 <= encoding.hash_max_listpack_entries
            && packed.iter().all(|item| item.len() <= encoding.hash_max_listpack_value);
        let mut hash = Hash::of(Fields::Packed(Items::of_listpack(&packed)));
        if !fits {
            hash.make_table(encoding);
        }
        Some(hash)
    }
}

impl<'a> Hash<'a> {
    /// The hash whose fields and values are `packed`, which `items` of another one gave.
    #[inline]
    pub(crate) fn of_items(packed: Items<'a>) -> Self {
        Hash { fields: Fields::Packed(packed), deadlines: None }
    }

    /// The same hash; a packed one is borrowed, a big one shared.
    #[inline]
    pub fn view(&self) -> Hash<'_> {
        let fields = match &self.fields {
            Fields::Packed(packed) => Fields::Packed(packed.view()),
            Fields::Table(table) => Fields::Table(Arc::clone(table)),
        };
        Hash { fields, deadlines: self.deadlines.clone() }
    }

    /// The same hash, owned.
    pub fn into_owned(self) -> Hash<'static> {
        let fields = match self.fields {
            Fields::Packed(packed) => Fields::Packed(packed.into_owned()),
            Fields::Table(table) => Fields::Table(table),
        };
        Hash { fields, deadlines: self.deadlines }
    }

    /// Becomes a table if `fields` more fields, of which the longest name or value has `longest`
    /// bytes, do not fit a packed hash: what Redis asks once per command.
    pub fn prepare(&mut self, fields: usize, longest: usize, encoding: &Encoding) {
        if fields > encoding.hash_max_listpack_entries || longest > encoding.hash_max_listpack_value {
            self.make_table(encoding);
        }
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        match &self.fields {
            Fields::Packed(packed) => packed.len() / 2,
            Fields::Table(table) => table.len(),
        }
    }

    /// Whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of `field`.
    pub fn get(&self, field: &[u8]) -> Option<Item<'_>> {
        match &self.fields {
            Fields::Packed(packed) => {
                let name = packed.find(field, 2)?;
                packed.next(name).map(|value| packed.at(value))
            }
            Fields::Table(table) => table.get(field),
        }
    }

    /// Whether there is such a field.
    pub fn contains(&self, field: &[u8]) -> bool {
        self.get(field).is_some()
    }

    /// Sets a field and clears its deadline; true when the field is new.
    pub fn insert(&mut self, field: &[u8], value: &[u8], encoding: &Encoding) -> bool {
        if self.has_deadlines() {
            deadlines::clear(&mut self.deadlines, field);
        }
        self.insert_keeping_deadline(field, value, encoding)
    }

    /// Sets a field and leaves its deadline as it is (HINCRBY); true when the field is new.
    pub fn insert_keeping_deadline(&mut self, field: &[u8], value: &[u8], encoding: &Encoding) -> bool {
        let longest = field.len().max(value.len());
        if let Fields::Packed(packed) = &self.fields
            && (longest > encoding.hash_max_listpack_value
                || packed.byte_len() + field.len() + value.len() > MAX_PACKED_BYTES)
        {
            self.make_table(encoding);
        }
        match &mut self.fields {
            Fields::Packed(packed) => {
                let is_new = insert_packed(packed, field, value);
                if is_new && packed.len() / 2 > encoding.hash_max_listpack_entries {
                    self.make_table(encoding);
                }
                is_new
            }
            Fields::Table(table) => Arc::make_mut(table).insert(field, value),
        }
    }

    /// Removes a field; false when there was none.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        if !self.contains(field) {
            return false;
        }
        deadlines::clear(&mut self.deadlines, field);
        match &mut self.fields {
            Fields::Packed(packed) => {
                let name = packed.find(field, 2).expect("it was found");
                packed.remove(name, 2);
            }
            Fields::Table(table) => {
                Arc::make_mut(table).remove(field);
            }
        }
        true
    }

    /// All fields and their values, as inserted for a packed hash.
    pub fn iter(&self) -> HashIter<'_> {
        HashIter::new(&self.fields)
    }

    /// A field chosen fairly, and its value.
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<(Item<'_>, Item<'_>)> {
        if self.is_empty() {
            return None;
        }
        match &self.fields {
            Fields::Packed(packed) => {
                let name = packed.seek(2 * rng.usize(..packed.len() / 2))?;
                Some((packed.at(name), packed.at(packed.next(name)?)))
            }
            Fields::Table(table) => table.random(rng),
        }
    }

    /// One step of HSCAN, as `Table::scan`; a packed hash is visited whole in one step.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Item<'_>, Item<'_>)) -> u64 {
        if let Fields::Table(table) = &self.fields {
            return table.scan(cursor, count, visit);
        }
        self.iter().for_each(|(name, value)| visit(name, value));
        0
    }

    /// When `field` is due, if it has a deadline.
    pub fn deadline(&self, field: &[u8]) -> Option<UnixMillis> {
        self.deadlines.as_ref()?.get(field)
    }

    /// Gives an existing field a deadline; false when there is no such field.
    pub fn set_deadline(&mut self, field: &[u8], deadline: UnixMillis, encoding: &Encoding) -> bool {
        let exists = self.contains(field);
        if exists {
            let deadlines = self.deadlines.get_or_insert_default();
            Arc::make_mut(deadlines).set(field, deadline, encoding);
        }
        exists
    }

    /// Takes the deadline of a field away; false when it has none.
    pub fn clear_deadline(&mut self, field: &[u8]) -> bool {
        let has_one = self.deadline(field).is_some();
        if has_one {
            deadlines::clear(&mut self.deadlines, field);
        }
        has_one
    }

    /// The earliest deadline of any field.
    pub fn next_deadline(&self) -> Option<UnixMillis> {
        self.deadlines.as_ref().map(|deadlines| deadlines.first())
    }

    /// Whether any field has a deadline.
    pub fn has_deadlines(&self) -> bool {
        self.deadlines.is_some()
    }

    /// How many fields are due at `now`.
    pub fn due_len(&self, now: UnixMillis) -> usize {
        self.deadlines.as_ref().map_or(0, |deadlines| deadlines.due_len(now))
    }

    /// Removes up to `limit` fields that are due at `now` and returns their names, earliest first.
    pub fn take_due(&mut self, now: UnixMillis, limit: usize) -> Vec<Vec<u8>> {
        let due = self.deadlines.as_ref().map(|deadlines| deadlines.due(now, limit)).unwrap_or_default();
        for field in &due {
            self.remove(field);
        }
        due
    }

    /// Whether the hash is packed.
    pub fn is_packed(&self) -> bool {
        matches!(self.fields, Fields::Packed(_))
    }

    /// The listpack that a packed hash is in Redis, made for the caller.
    pub fn packed(&self) -> Option<Listpack<'static>> {
        self.items().map(Items::listpack)
    }

    /// The fields and values of a packed hash.
    #[inline]
    pub(crate) fn items(&self) -> Option<&Items<'_>> {
        match &self.fields {
            Fields::Packed(packed) => Some(packed),
            Fields::Table(_) => None,
        }
    }

    /// How the elements fill the table's segments, if there is a table.
    pub fn fill(&self) -> Option<Fill> {
        match &self.fields {
            Fields::Table(table) => Some(table.fill()),
            Fields::Packed(_) => None,
        }
    }

    /// What OBJECT ENCODING says: Redis since 7.4 has a name of its own for a packed hash with deadlines.
    pub fn encoding_name(&self) -> &'static str {
        match &self.fields {
            Fields::Packed(_) if self.has_deadlines() => "listpackex",
            Fields::Packed(_) => "listpack",
            Fields::Table(_) => "hashtable",
        }
    }

    /// Bytes allocated beside the value itself.
    pub fn heap_size(&self) -> usize {
        let fields = match &self.fields {
            Fields::Packed(packed) => packed.heap_size(),
            Fields::Table(table) => 16 + size_of::<FieldTable>() + table.heap_size(),
        };
        let deadlines = self.deadlines.as_ref().map_or(0, |deadlines| 16 + deadlines.heap_size());
        fields + deadlines
    }

    fn make_table(&mut self, encoding: &Encoding) {
        if matches!(self.fields, Fields::Table(_)) {
            return;
        }
        let mut table = FieldTable::new(encoding.seed);
        let (mut name, mut value) = (itoa::Buffer::new(), itoa::Buffer::new());
        for (field, item) in self.iter() {
            table.insert(field.bytes(&mut name), item.bytes(&mut value));
        }
        self.fields = Fields::Table(Arc::new(table));
    }
}

/// Sets a field of a packed hash; true when it is new.
fn insert_packed(packed: &mut Items<'_>, field: &[u8], value: &[u8]) -> bool {
    let name = packed.find(field, 2);
    match name.and_then(|name| packed.next(name)) {
        Some(old) => {
            packed.replace(old, value);
            false
        }
        None => {
            packed.push_back(field);
            packed.push_back(value);
            true
        }
    }
}
