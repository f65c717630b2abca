//! Categories of commands, as ACL CAT lists them and rules name them.
//! They follow from flags and family; a row adds what it belongs to besides.

use crate::command::{Command, Flags, Group, flag};

/// All of them, in the order in which Redis lists them.
pub(crate) const CATEGORIES: [&str; 21] = [
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Category(&'static str);

impl Category {
    /// The category of this name, in any case.
    pub(crate) fn find(name: &[u8]) -> Option<Category> {
        CATEGORIES.into_iter().find(|known| known.as_bytes().eq_ignore_ascii_case(name)).map(Category)
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        self.0
    }

    /// Whether a command belongs to it.
    pub(crate) fn has(self, command: &Command) -> bool {
        categories(command).contains(&self.0)
    }
}

/// All categories of a command, in the order of [`CATEGORIES`].
pub fn categories(command: &Command) -> Vec<&'static str> {
    const BY_FLAG: [(Flags, &[&str]); 5] = [
        (flag::WRITE, &["write"]),
        (flag::ADMIN, &["admin", "dangerous"]),
        (flag::PUBSUB, &["pubsub"]),
        (flag::FAST, &["fast"]),
        (flag::BLOCKING, &["blocking"]),
    ];
    let implied = BY_FLAG.iter().filter(|(flag, _)| command.has(*flag)).flat_map(|(_, names)| names.iter());
    let mut names: Vec<&str> = command.categories.iter().chain(implied).copied().collect();
    names.extend(group_category(command));
    // What a script reads depends on the script.
    if command.has(flag::READONLY) && !names.contains(&"scripting") {
        names.push("read");
    }
    if !command.has(flag::FAST) {
        names.push("slow");
    }
    CATEGORIES.into_iter().filter(|name| names.contains(name)).collect()
}

/// A family's category. Containers have none of their own, and a generic command may name another family.
fn group_category(command: &Command) -> Option<&'static str> {
    command.run?;
    let elsewhere = ["connection", "set"].iter().any(|name| command.categories.contains(name));
    match command.group {
        Group::Generic if elsewhere => None,
        Group::Generic => Some("keyspace"),
        Group::String => Some("string"),
        Group::List => Some("list"),
        Group::Set => Some("set"),
        Group::Hash => Some("hash"),
        Group::SortedSet => Some("sortedset"),
        Group::Stream => Some("stream"),
        Group::Transactions => Some("transaction"),
        Group::Connection => Some("connection"),
        Group::Bitmap => Some("bitmap"),
        Group::HyperLogLog => Some("hyperloglog"),
        Group::Geo => Some("geo"),
        Group::Scripting => Some("scripting"),
        Group::PubSub | Group::Server | Group::Cluster | Group::Sentinel => None,
    }
}
