//! What a node holds, in a form that can be compared.
//!
//! A print is a sum over all keys of 128 bits each, of everything that replication copies: names, types, values in
//! their order, deadlines of keys and fields to the millisecond, scores to the bit, what a stream knows beyond its
//! entries, its groups and what is pending in them. Not in it is how a node stores that, nor in which order. A picture has a print for each key, for whoever
//! wants to know where two nodes differ; it is several times as dear. Neither changes the node that it is taken of.

use std::collections::BTreeMap;

use ahash::RandomState;
use slipstream_engine::Node;
use slipstream_keyspace::{Group, Item, Stream, UnixMillis, Value};

/// Of one key, or the sum of those of all: equal data has equal prints, and other data has others.
pub type Print = u128;

/// The prints of all keys of a node by database and name.
pub type Picture = BTreeMap<(usize, Vec<u8>), Print>;

/// Takes the print of all that a node holds.
pub fn print(node: &Node) -> Print {
    let mut sum = 0;
    walk(node, |_, _, print| sum = Print::wrapping_add(sum, print));
    sum
}

/// Takes the picture of a node.
pub fn picture(node: &Node) -> Picture {
    let mut picture = Picture::new();
    walk(node, |database, key, print| {
        picture.insert((database, key.to_vec()), print);
    });
    picture
}

/// The keys in which two nodes differ, for whoever reads the story.
pub fn difference(a: &Picture, b: &Picture) -> String {
    let keys = a.keys().chain(b.keys()).filter(|key| a.get(*key) != b.get(*key));
    let show = |picture: &Picture, key: &(usize, Vec<u8>)| match picture.get(key) {
        None => "nothing".to_owned(),
        Some(print) => format!("{:08x}", print & 0xffff_ffff),
    };
    let line = |key: &(usize, Vec<u8>)| {
        format!("db {} {}: {} / {}", key.0, key.1.escape_ascii(), show(a, key), show(b, key))
    };
    let mut lines: Vec<String> = keys.map(line).collect();
    lines.sort();
    lines.dedup();
    lines.join("; ")
}

fn walk(node: &Node, mut each: impl FnMut(usize, &[u8], Print)) {
    let mut ink = Ink::default();
    for number in 0..node.keyspace.databases() {
        for (key, value, deadline) in node.keyspace.db(number).iter() {
            let print = ink.key((number, key), &value, deadline);
            each(number, key, print);
        }
    }
}

/// Bytes that make one print: what is of fixed length as it is, all else behind its length.
struct Ink {
    bytes: Vec<u8>,
    hashers: [RandomState; 2],
    digits: itoa::Buffer,
}

impl Default for Ink {
    fn default() -> Ink {
        let hashers = [RandomState::with_seeds(1, 2, 3, 4), RandomState::with_seeds(5, 6, 7, 8)];
        Ink { bytes: Vec::new(), hashers, digits: itoa::Buffer::new() }
    }
}

impl Ink {
    fn key(
        &mut self,
        (database, key): (usize, &[u8]),
        value: &Value<'_>,
        deadline: Option<UnixMillis>,
    ) -> Print {
        self.bytes.clear();
        self.number(database as u64);
        self.text(key);
        self.deadline(deadline);
        self.value(value);
        self.print_from(0)
    }

    fn value(&mut self, value: &Value<'_>) {
        match value {
            Value::String(value) => {
                self.bytes.push(b's');
                self.item(value.item());
            }
            Value::List(list) => {
                self.bytes.push(b'l');
                list.iter().for_each(|item| self.item(item));
            }
            Value::Set(set) => {
                self.bytes.push(b'u');
                self.unordered(set.iter(), |ink, item| ink.item(item));
            }
            Value::Hash(hash) => {
                self.bytes.push(b'h');
                let has_deadlines = hash.has_deadlines();
                self.unordered(hash.iter(), |ink, (field, value)| {
                    ink.item(field);
                    ink.item(value);
                    if has_deadlines {
                        let deadline = hash.deadline(field.bytes(&mut ink.digits));
                        ink.deadline(deadline);
                    }
                });
            }
            Value::SortedSet(set) => {
                self.bytes.push(b'z');
                for (member, score) in set.iter() {
                    self.item(member);
                    self.number(score.to_bits());
                }
            }
            Value::Stream(stream) => {
                self.bytes.push(b'x');
                self.stream(stream);
            }
        }
    }

    fn stream(&mut self, stream: &Stream) {
        for id in [stream.last_id(), stream.max_deleted_id()] {
            self.bytes.extend_from_slice(&id.to_be_bytes());
        }
        self.number(stream.entries_added());
        for (name, group) in stream.groups() {
            self.text(name);
            self.group(group);
        }
        for entry in stream.iter() {
            self.bytes.extend_from_slice(&entry.id.to_be_bytes());
            let count = self.bytes.len();
            self.number(0);
            let mut fields = 0u64;
            for (name, value) in entry.fields {
                self.item(name);
                self.item(value);
                fields += 1;
            }
            self.bytes[count..count + 8].copy_from_slice(&fields.to_le_bytes());
        }
    }

    /// When its consumers were last seen is each node's own.
    fn group(&mut self, group: &Group) {
        self.bytes.extend_from_slice(&group.last_id().to_be_bytes());
        self.number(group.entries_read().unwrap_or(u64::MAX));
        self.unordered(group.consumers(), |ink, consumer| ink.text(consumer.name()));
        for (id, pending) in group.pending().iter() {
            self.bytes.extend_from_slice(&id.to_be_bytes());
            self.deadline(Some(pending.delivery.time));
            self.number(pending.delivery.count);
            let consumer = pending.consumer.and_then(|consumer| group.consumer(consumer));
            self.text(consumer.map_or(&[][..], |consumer| consumer.name()));
        }
    }

    /// The sum of the prints of parts whose order says nothing.
    fn unordered<T>(&mut self, parts: impl Iterator<Item = T>, mut take: impl FnMut(&mut Ink, T)) {
        let start = self.bytes.len();
        let mut sum: Print = 0;
        for part in parts {
            take(self, part);
            sum = sum.wrapping_add(self.print_from(start));
            self.bytes.truncate(start);
        }
        self.bytes.extend_from_slice(&sum.to_le_bytes());
    }

    fn item(&mut self, item: Item<'_>) {
        let mut digits = itoa::Buffer::new();
        self.text(item.bytes(&mut digits));
    }

    fn text(&mut self, text: &[u8]) {
        self.number(text.len() as u64);
        self.bytes.extend_from_slice(text);
    }

    fn number(&mut self, number: u64) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    fn deadline(&mut self, deadline: Option<UnixMillis>) {
        // No deadline is that early.
        let UnixMillis(at) = deadline.unwrap_or(UnixMillis(i64::MIN));
        self.bytes.extend_from_slice(&at.to_le_bytes());
    }

    fn print_from(&self, start: usize) -> Print {
        let [high, low] = &self.hashers;
        let bytes = &self.bytes[start..];
        Print::from(high.hash_one(bytes)) << 64 | Print::from(low.hash_one(bytes))
    }
}
