//! What a node holds, in a form that can be compared.
//!
//! A picture knows values by their digests, and deadlines exactly, of keys and of fields. It never changes the
//! node that it is taken of.

use std::collections::BTreeMap;

use slipstream_engine::Node;
use slipstream_keyspace::{Digest, ScoreFormat, UnixMillis, Value, value_digest};

/// All data of a node by database and key.
pub type Picture = BTreeMap<(usize, Vec<u8>), Seen>;

/// What is compared of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    digest: Digest,
    deadline: Option<UnixMillis>,
    /// Of a hash: the fields that have a deadline.
    fields: BTreeMap<Vec<u8>, UnixMillis>,
}

impl Seen {
    fn of(value: &Value<'_>, deadline: Option<UnixMillis>) -> Seen {
        let digest = value_digest(value, deadline, ScoreFormat::default());
        let mut fields = BTreeMap::new();
        if let Value::Hash(hash) = value {
            let names = hash.iter().map(|(field, _)| field.to_vec());
            fields.extend(names.filter_map(|field| hash.deadline(&field).map(|deadline| (field, deadline))));
        }
        Seen { digest, deadline, fields }
    }
}

/// Takes the picture of a node.
pub fn picture(node: &Node) -> Picture {
    let snapshot = node.keyspace.snapshot();
    let mut picture = Picture::new();
    for (number, database) in snapshot.databases().enumerate() {
        for (key, value, deadline) in database.iter() {
            picture.insert((number, key.to_vec()), Seen::of(&value, deadline));
        }
    }
    picture
}

/// The keys in which two pictures differ, for whoever reads the story.
pub fn difference(a: &Picture, b: &Picture) -> String {
    let keys = a.keys().chain(b.keys()).filter(|key| a.get(*key) != b.get(*key));
    let show = |picture: &Picture, key: &(usize, Vec<u8>)| match picture.get(key) {
        None => "nothing".to_owned(),
        Some(Seen { digest, deadline, fields }) => {
            format!("{:.8} {deadline:?} {fields:?}", digest.to_string())
        }
    };
    let line = |key: &(usize, Vec<u8>)| {
        format!("db {} {}: {} / {}", key.0, key.1.escape_ascii(), show(a, key), show(b, key))
    };
    let mut lines: Vec<String> = keys.map(line).collect();
    lines.sort();
    lines.dedup();
    lines.join("; ")
}
