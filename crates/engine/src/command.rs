//! What a command is: one row of data and one function.
//!
//! Rows are constants next to their functions (see [`crate::commands`]); the
//! table in [`crate::table`] only collects them. Everything that COMMAND
//! answers, that the gates check and that documentation prints comes from here.

use crate::call::Call;
use crate::errors::CommandError;

/// The function behind a row: parse options, change the keyspace, write one reply.
pub type Run = fn(&mut Call<'_>) -> Result<(), CommandError>;

/// A set of [`flag`]s.
pub type Flags = u32;

/// What a command may do and where it may run, by the names that COMMAND INFO prints.
pub mod flag {
    use super::Flags;

    /// May modify the data.
    pub const WRITE: Flags = 1;
    /// Only reads the data.
    pub const READONLY: Flags = 1 << 1;
    /// Refused when memory is over its limit.
    pub const DENYOOM: Flags = 1 << 2;
    /// For administrators.
    pub const ADMIN: Flags = 1 << 3;
    /// Publish and subscribe.
    pub const PUBSUB: Flags = 1 << 4;
    /// Not from scripts.
    pub const NOSCRIPT: Flags = 1 << 5;
    /// May block its client.
    pub const BLOCKING: Flags = 1 << 6;
    /// Runs while the data is being loaded.
    pub const LOADING: Flags = 1 << 7;
    /// Runs on a replica whose data is stale.
    pub const STALE: Flags = 1 << 8;
    /// Not shown to MONITOR.
    pub const SKIP_MONITOR: Flags = 1 << 9;
    /// Not kept in the slow log.
    pub const SKIP_SLOWLOG: Flags = 1 << 10;
    /// Constant or logarithmic time.
    pub const FAST: Flags = 1 << 11;
    /// Runs before authentication.
    pub const NO_AUTH: Flags = 1 << 12;
    /// Not a write, but may be propagated.
    pub const MAY_REPLICATE: Flags = 1 << 13;
    /// Runs while a script is busy.
    pub const ALLOW_BUSY: Flags = 1 << 14;
    /// Off unless a directive allows it.
    pub const PROTECTED: Flags = 1 << 15;
    /// Not inside MULTI.
    pub const NO_MULTI: Flags = 1 << 16;
    /// Not while a replica loads beside its old data.
    pub const NO_ASYNC_LOADING: Flags = 1 << 17;
    /// Its key specs may match nothing.
    pub const NO_MANDATORY_KEYS: Flags = 1 << 18;
    /// Its keys cannot be found by position alone.
    pub const MOVABLE_KEYS: Flags = 1 << 19;
    /// Also runs in the middle of a MULTI instead of being queued.
    pub const NOT_QUEUED: Flags = 1 << 20;
    /// Asking for a moved slot comes along.
    pub const ASKING: Flags = 1 << 21;
    /// Its replies are pushes: a subscriber may ask for it in RESP2, and CLIENT REPLY does not hold them back.
    pub const PUSHES: Flags = 1 << 22;
    /// It runs a script, which may say itself what it does.
    pub const RUNS_SCRIPT: Flags = 1 << 23;

    /// A sentinel has it.
    pub const SENTINEL: Flags = 1 << 24;
    /// Only a sentinel has it.
    pub const ONLY_SENTINEL: Flags = 1 << 25;

    /// Names in COMMAND INFO, in its order. A flag without a name there is nobody else's business.
    pub const NAMES: &[(Flags, &str)] = &[
        (WRITE, "write"),
        (READONLY, "readonly"),
        (DENYOOM, "denyoom"),
        (ADMIN, "admin"),
        (PUBSUB, "pubsub"),
        (NOSCRIPT, "noscript"),
        (BLOCKING, "blocking"),
        (LOADING, "loading"),
        (STALE, "stale"),
        (SKIP_MONITOR, "skip_monitor"),
        (SKIP_SLOWLOG, "skip_slowlog"),
        (ASKING, "asking"),
        (FAST, "fast"),
        (NO_AUTH, "no_auth"),
        (NO_MANDATORY_KEYS, "no_mandatory_keys"),
        (NO_ASYNC_LOADING, "no_async_loading"),
        (NO_MULTI, "no_multi"),
        (MOVABLE_KEYS, "movablekeys"),
        (ALLOW_BUSY, "allow_busy"),
    ];
}

/// The family a command belongs to: its ACL category and its group in COMMAND DOCS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Keys of any type.
    Generic,
    /// Strings.
    String,
    /// Lists.
    List,
    /// Sets.
    Set,
    /// Hashes.
    Hash,
    /// Sorted sets.
    SortedSet,
    /// Streams.
    Stream,
    /// Transactions.
    Transactions,
    /// Connections.
    Connection,
    /// The server itself.
    Server,
    /// Publish and subscribe.
    PubSub,
    /// Bits of strings.
    Bitmap,
    /// Estimates of how many different elements there are.
    HyperLogLog,
    /// Places on the earth.
    Geo,
    /// Scripts and functions.
    Scripting,
    /// Clusters.
    Cluster,
    /// Sentinels.
    Sentinel,
}

impl Group {
    /// Its name in COMMAND DOCS.
    pub const fn name(self) -> &'static str {
        match self {
            Group::Generic => "generic",
            Group::String => "string",
            Group::List => "list",
            Group::Set => "set",
            Group::Hash => "hash",
            Group::SortedSet => "sorted-set",
            Group::Stream => "stream",
            Group::Transactions => "transactions",
            Group::Connection => "connection",
            Group::Server => "server",
            Group::PubSub => "pubsub",
            Group::Bitmap => "bitmap",
            Group::HyperLogLog => "hyperloglog",
            Group::Geo => "geo",
            Group::Scripting => "scripting",
            Group::Cluster => "cluster",
            Group::Sentinel => "sentinel",
        }
    }
}

/// How a command uses the keys of one spec, as in COMMAND INFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySpec {
    /// Access and purpose, e.g. `["RW", "access", "update"]`.
    pub flags: &'static [&'static str],
    /// Where the first key is looked for.
    pub begin: BeginSearch,
    /// How the others follow.
    pub find: FindKeys,
    /// A remark, or empty.
    pub notes: &'static str,
}

/// Where the first key is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeginSearch {
    /// At this argument.
    Index(usize),
    /// Behind this word, searched from an argument on (from the end if negative).
    Keyword(&'static str, i32),
    /// It cannot be said.
    Unknown,
}

/// How the other keys follow the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindKeys {
    /// Up to `last` (relative to the first; -1: the last argument), every `step`th; a `limit` above 1
    /// divides what is left.
    Range {
        /// Last key, relative to the first, or from the end if negative.
        last: i32,
        /// Distance of two keys.
        step: i32,
        /// Only this fraction of what follows holds keys.
        limit: i32,
    },
    /// A count stands at `count_at`, the first key at `first`, both relative to the beginning.
    Count {
        /// Where the count stands.
        count_at: usize,
        /// Where the first key stands.
        first: usize,
        /// Distance of two keys.
        step: usize,
    },
    /// It cannot be said.
    Unknown,
}

/// Reads the key at argument 1.
pub const READ_KEY: &[KeySpec] = &[KeySpec::at(1, &["RO", "access"])];
/// Looks at the key at argument 1 but returns none of its data.
pub const INSPECT_KEY: &[KeySpec] = &[KeySpec::at(1, &["RO"])];
/// Overwrites the key at argument 1.
pub const OVERWRITE_KEY: &[KeySpec] = &[KeySpec::at(1, &["OW", "update"])];
/// Reads and updates the key at argument 1.
pub const UPDATE_KEY: &[KeySpec] = &[KeySpec::at(1, &["RW", "access", "update"])];
/// Adds to the key at argument 1.
pub const INSERT_KEY: &[KeySpec] = &[KeySpec::at(1, &["RW", "insert"])];
/// Removes from the key at argument 1.
pub const DELETE_KEY: &[KeySpec] = &[KeySpec::at(1, &["RW", "delete"])];
/// Reads and removes from the key at argument 1.
pub const TAKE_KEY: &[KeySpec] = &[KeySpec::at(1, &["RW", "access", "delete"])];

impl KeySpec {
    /// One key at argument `index`.
    pub const fn at(index: usize, flags: &'static [&'static str]) -> Self {
        Self::range(index, 0, flags)
    }

    /// Keys from argument `index` to `last` relative to it (-1: to the end).
    pub const fn range(index: usize, last: i32, flags: &'static [&'static str]) -> Self {
        let find = FindKeys::Range { last, step: 1, limit: 0 };
        KeySpec { flags, begin: BeginSearch::Index(index), find, notes: "" }
    }

    /// Keys from argument `index` to the end, every `step`th.
    pub const fn stepped(index: usize, step: i32, flags: &'static [&'static str]) -> Self {
        let find = FindKeys::Range { last: -1, step, limit: 0 };
        KeySpec { flags, begin: BeginSearch::Index(index), find, notes: "" }
    }

    /// A count at argument `index` and as many keys behind it.
    pub const fn counted(index: usize, flags: &'static [&'static str]) -> Self {
        let find = FindKeys::Count { count_at: 0, first: 1, step: 1 };
        KeySpec { flags, begin: BeginSearch::Index(index), find, notes: "" }
    }

    /// Keys behind the word `keyword`, looked for from argument `from` on.
    pub const fn keyword(keyword: &'static str, from: i32, flags: &'static [&'static str]) -> Self {
        let find = FindKeys::Range { last: 0, step: 1, limit: 0 };
        KeySpec { flags, begin: BeginSearch::Keyword(keyword, from), find, notes: "" }
    }

    /// The same with a remark.
    pub const fn notes(mut self, notes: &'static str) -> Self {
        self.notes = notes;
        self
    }
}

/// One row of the command table.
#[derive(Debug)]
pub struct Command {
    /// Lower-case name; of a subcommand, the part behind the container's.
    pub name: &'static str,
    /// The container's name and `|` before it, for errors and statistics.
    pub full_name: &'static str,
    /// Number of arguments with the name; negative: at least that many.
    pub arity: i32,
    /// What it may do and where it may run.
    pub flags: Flags,
    /// ACL categories beyond those that flags and group imply.
    pub categories: &'static [&'static str],
    /// Where its keys stand.
    pub keys: &'static [KeySpec],
    /// Its family.
    pub group: Group,
    /// The version of Redis that brought it.
    pub since: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Time complexity.
    pub complexity: &'static str,
    /// Changes by version.
    pub history: &'static [(&'static str, &'static str)],
    /// The version since which it is discouraged, and what replaces it.
    pub deprecated: Option<(&'static str, &'static str)>,
    /// Hints for proxies and clients, as in COMMAND TIPS.
    pub tips: &'static [&'static str],
    /// Where it differs from Redis 7.2, for docs/commands.md; empty if nowhere.
    pub differs: &'static str,
    /// The arguments behind the name, in the notation of [`crate::syntax`].
    pub syntax: &'static str,
    /// Subcommands; a container without a function of its own answers only these.
    pub subcommands: &'static [Command],
    /// The function; `None` for a container.
    pub run: Option<Run>,
}

impl Command {
    /// A row with the parts that every command has. `full_name` is `name`, or
    /// `container|name` for a subcommand.
    pub const fn new(full_name: &'static str, arity: i32, run: Run) -> Self {
        let mut row = Self::container(full_name, arity, &[]);
        row.run = Some(run);
        row
    }

    /// A row that only groups its subcommands.
    pub const fn container(full_name: &'static str, arity: i32, subcommands: &'static [Command]) -> Self {
        Command {
            name: last_part(full_name),
            full_name,
            arity,
            flags: 0,
            categories: &[],
            keys: &[],
            group: Group::Server,
            since: "1.0.0",
            summary: "",
            complexity: "O(1)",
            history: &[],
            deprecated: None,
            tips: &[],
            differs: "",
            syntax: "",
            subcommands,
            run: None,
        }
    }

    /// Sets the subcommands of a command that also runs by itself.
    pub const fn subcommands(mut self, subcommands: &'static [Command]) -> Self {
        self.subcommands = subcommands;
        self
    }

    /// Sets its flags.
    pub const fn flags(mut self, flags: Flags) -> Self {
        self.flags = flags;
        self
    }

    /// Adds ACL categories.
    pub const fn categories(mut self, categories: &'static [&'static str]) -> Self {
        self.categories = categories;
        self
    }

    /// Sets where its keys stand.
    pub const fn keys(mut self, keys: &'static [KeySpec]) -> Self {
        self.keys = keys;
        self
    }

    /// Sets family, version, summary and complexity.
    pub const fn doc(
        mut self,
        group: Group,
        since: &'static str,
        summary: &'static str,
        complexity: &'static str,
    ) -> Self {
        self.group = group;
        self.since = since;
        self.summary = summary;
        self.complexity = complexity;
        self
    }

    /// Sets the arguments' notation.
    pub const fn syntax(mut self, syntax: &'static str) -> Self {
        self.syntax = syntax;
        self
    }

    /// Sets the changes by version.
    pub const fn history(mut self, history: &'static [(&'static str, &'static str)]) -> Self {
        self.history = history;
        self
    }

    /// Sets since when it is discouraged, and what to use instead.
    pub const fn deprecated(mut self, since: &'static str, instead: &'static str) -> Self {
        self.deprecated = Some((since, instead));
        self
    }

    /// Says where it differs from Redis 7.2.
    pub const fn differs(mut self, differs: &'static str) -> Self {
        self.differs = differs;
        self
    }

    /// Sets the hints.
    pub const fn tips(mut self, tips: &'static [&'static str]) -> Self {
        self.tips = tips;
        self
    }

    /// Whether any of `flags` is set.
    pub fn has(&self, flags: Flags) -> bool {
        self.flags & flags != 0
    }

    /// Whether `count` arguments, the name included, suit it.
    pub fn accepts(&self, count: usize) -> bool {
        let wanted = usize::try_from(self.arity.unsigned_abs()).expect("an arity is small");
        if self.arity < 0 { count >= wanted } else { count == wanted }
    }
}

const fn last_part(full_name: &'static str) -> &'static str {
    let bytes = full_name.as_bytes();
    let mut index = bytes.len();
    while index > 0 && bytes[index - 1] != b'|' {
        index -= 1;
    }
    full_name.split_at(index).1
}
