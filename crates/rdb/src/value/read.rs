//! One value of any layout, from the source to the keyspace's type.
//!
//! Counts that a file declares only bound a loop: what is allocated follows what arrives. An empty collection is no
//! error, Redis once wrote such; it is `None`.

use std::io::Read;

use slipstream_keyspace::{Encoding, Hash, Item, List, Set, SortedSet, Str, Value};

use super::packed;
use super::stream::StreamReader;
use crate::bytes::{ziplist, zipmap};
use crate::error::{ReadError, Reason};
use crate::format::{Deadlines, Layout, Scores};
use crate::input::{Result, Source};

/// How a quicklist's node lies in the file.
const NODE_PLAIN: u64 = 1;
const NODE_PACKED: u64 = 2;

/// Reads the value that follows its type and key; `None` if it has no elements.
pub(crate) fn read<R: Read>(
    source: &mut Source<'_, R>,
    layout: Layout,
    encoding: &Encoding,
) -> Result<Option<Value<'static>>> {
    if let Layout::Stream(form) = layout {
        let reader = StreamReader { source, form, scratch: Vec::new() };
        return reader.stream().map(|stream| Some(Value::Stream(stream)));
    }
    let mut reader = ValueReader { source, encoding, first: Vec::new(), second: Vec::new() };
    let value = match layout {
        Layout::String => return reader.string().map(|string| Some(Value::String(string))),
        Layout::List => Value::List(reader.list()?),
        Layout::ListZiplist => Value::List(reader.list_ziplist()?),
        Layout::QuicklistZiplist => Value::List(reader.quicklist_of_ziplists()?),
        Layout::Quicklist => Value::List(reader.quicklist()?),
        Layout::Set => Value::Set(reader.set()?),
        Layout::SetIntset => Value::Set(reader.block(packed::set_from_intset)?),
        Layout::SetListpack => Value::Set(reader.block(packed::set_from_listpack)?),
        Layout::SortedSet(scores) => Value::SortedSet(reader.sorted_set(scores)?),
        Layout::SortedSetZiplist => Value::SortedSet(
            reader
                .block(|block, encoding| packed::sorted_set_from_items(ziplist::decode(block)?, encoding))?,
        ),
        Layout::SortedSetListpack => Value::SortedSet(reader.block(packed::sorted_set_from_listpack)?),
        Layout::Hash => Value::Hash(reader.hash()?),
        Layout::HashDeadlines(deadlines) => Value::Hash(reader.hash_with_deadlines(deadlines)?),
        Layout::HashZipmap => Value::Hash(reader.block(hash_from_zipmap)?),
        Layout::HashZiplist => Value::Hash(
            reader.block(|block, encoding| packed::hash_from_items(ziplist::decode(block)?, encoding))?,
        ),
        Layout::HashListpack => Value::Hash(reader.block(packed::hash_from_listpack)?),
        Layout::HashListpackDeadlines { earliest_first } => {
            if earliest_first {
                reader.source.array::<8>()?;
            }
            Value::Hash(reader.block(packed::hash_from_triples)?)
        }
        Layout::Stream(_) => unreachable!("read above"),
    };
    Ok((!value.is_empty()).then_some(value))
}

fn hash_from_zipmap(block: &[u8], encoding: &Encoding) -> std::result::Result<Hash<'static>, &'static str> {
    let mut hash = Hash::new();
    for (field, value) in zipmap::decode(block)? {
        packed::add_field(&mut hash, field, value, encoding)?;
    }
    Ok(hash)
}

struct ValueReader<'r, 'a, R> {
    source: &'r mut Source<'a, R>,
    encoding: &'r Encoding,
    first: Vec<u8>,
    second: Vec<u8>,
}

impl<R: Read> ValueReader<'_, '_, R> {
    fn string(&mut self) -> Result<Str<'static>> {
        Ok(match self.source.item(&mut self.first)? {
            Item::Int(number) => Str::from_int(number),
            Item::Bytes(_) => Str::from_vec(std::mem::take(&mut self.first)),
        })
    }

    fn list(&mut self) -> Result<List<'static>> {
        let mut list = List::new();
        for _ in 0..self.source.length()? {
            self.element(&mut list)?;
        }
        Ok(list)
    }

    fn element(&mut self, list: &mut List<'_>) -> Result<()> {
        let element = self.source.string(&mut self.first)?;
        packed::add_element(list, element, self.encoding).map_err(|what| self.source.corrupt(what))
    }

    fn list_ziplist(&mut self) -> Result<List<'static>> {
        let mut list = List::new();
        self.append_ziplist(&mut list)?;
        Ok(list)
    }

    fn quicklist_of_ziplists(&mut self) -> Result<List<'static>> {
        let mut list = List::new();
        for _ in 0..self.source.length()? {
            self.append_ziplist(&mut list)?;
        }
        Ok(list)
    }

    fn append_ziplist(&mut self, list: &mut List<'_>) -> Result<()> {
        self.block(|block, encoding| {
            let mut digits = itoa::Buffer::new();
            for item in ziplist::decode(block)? {
                packed::add_element(list, item.bytes(&mut digits), encoding)?;
            }
            Ok(())
        })
    }

    fn quicklist(&mut self) -> Result<List<'static>> {
        let mut list = List::new();
        for _ in 0..self.source.length()? {
            match self.source.length()? {
                NODE_PLAIN => self.element(&mut list)?,
                NODE_PACKED => {
                    self.block(|block, encoding| packed::append_listpack(&mut list, block, encoding))?;
                }
                _ => return Err(self.source.corrupt("list: unknown kind of node")),
            }
        }
        Ok(list)
    }

    /// How many elements follow, as the file says; good for choosing an encoding and for nothing else.
    fn count(&mut self) -> Result<usize> {
        Ok(usize::try_from(self.source.length()?).unwrap_or(usize::MAX))
    }

    fn set(&mut self) -> Result<Set<'static>> {
        let count = self.count()?;
        let mut set = Set::new();
        for index in 0..count {
            let member = self.source.string(&mut self.first)?;
            if index == 0 {
                set = Set::with_hint(member, count, self.encoding);
            }
            let added = packed::add_member(&mut set, member, self.encoding);
            added.map_err(|what| self.source.corrupt(what))?;
        }
        Ok(set)
    }

    fn sorted_set(&mut self, scores: Scores) -> Result<SortedSet<'static>> {
        let count = self.count()?;
        let mut set = SortedSet::with_hint(count, 0, self.encoding);
        for _ in 0..count {
            self.source.string(&mut self.first)?;
            let score = match scores {
                Scores::Binary => f64::from_le_bytes(self.source.array()?),
                Scores::Text => self.text_score()?,
            };
            let added = packed::add_scored(&mut set, &self.first, score, self.encoding);
            added.map_err(|what| self.source.corrupt(what))?;
        }
        Ok(set)
    }

    /// A length in one byte and as many digits; 253 to 255 are no number, infinity and its negative.
    fn text_score(&mut self) -> Result<f64> {
        Ok(match self.source.byte()? {
            253 => f64::NAN,
            254 => f64::INFINITY,
            255 => f64::NEG_INFINITY,
            length => {
                self.second.clear();
                self.source.bytes(u64::from(length), &mut self.second)?;
                packed::parse_score(&self.second).map_err(|what| self.source.corrupt(what))?
            }
        })
    }

    fn hash(&mut self) -> Result<Hash<'static>> {
        let count = self.count()?;
        let mut hash = Hash::new();
        hash.prepare(count, 0, self.encoding);
        for _ in 0..count {
            self.pair(&mut hash)?;
        }
        Ok(hash)
    }

    /// Reads a field, which stays in `first`, and its value into the hash.
    fn pair(&mut self, hash: &mut Hash<'_>) -> Result<()> {
        let field = self.source.string(&mut self.first)?;
        let value = self.source.string(&mut self.second)?;
        let added = packed::add_field(hash, field, value, self.encoding);
        added.map_err(|what| self.source.corrupt(what))
    }

    fn hash_with_deadlines(&mut self, deadlines: Deadlines) -> Result<Hash<'static>> {
        let earliest = match deadlines {
            Deadlines::Relative => i64::from_le_bytes(self.source.array()?),
            Deadlines::Absolute | Deadlines::AfterValue => 0,
        };
        let mut hash = Hash::new();
        for _ in 0..self.source.length()? {
            let before = match deadlines {
                Deadlines::Absolute | Deadlines::Relative => self.source.length()?,
                Deadlines::AfterValue => 0,
            };
            self.pair(&mut hash)?;
            let deadline = match deadlines {
                Deadlines::AfterValue => Some(i64::from_le_bytes(self.source.array()?)).filter(|d| *d != -1),
                _ if before == 0 => None,
                Deadlines::Absolute => Some(i64::try_from(before).unwrap_or(-1)),
                Deadlines::Relative => Some(earliest.checked_add_unsigned(before - 1).unwrap_or(-1)),
            };
            if let Some(millis) = deadline {
                packed::set_deadline(&mut hash, &self.first, millis, self.encoding)
                    .map_err(|what| self.source.corrupt(what))?;
            }
        }
        Ok(hash)
    }

    /// Reads a string and hands it to `decode`; a fault in it is reported at the string's start.
    fn block<T>(
        &mut self,
        decode: impl FnOnce(&[u8], &Encoding) -> std::result::Result<T, &'static str>,
    ) -> Result<T> {
        let offset = self.source.offset();
        let block = self.source.string(&mut self.first)?;
        decode(block, self.encoding).map_err(|what| ReadError {
            offset,
            key: None,
            reason: Reason::Corrupt(what),
        })
    }
}
