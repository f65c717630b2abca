//! Which keys a command of the log reads and writes.
//!
//! Said from the command's key specs, without running it. What they cannot say of a command that changes data (a
//! script, two databases that change places) is unknown, and then nothing may be concluded from its arguments.

use slipstream_resp::Args;

use crate::call::{integer, is_word};
use crate::command::{Command, flag};
use crate::commands::introspection::keys_of;

/// A database and a key in it.
pub(super) type Place<'a> = (usize, &'a [u8]);

/// What a command touches.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Touched<'a> {
    /// No key.
    Nothing,
    /// Every key of a database or of all, whatever is there.
    All,
    /// Some keys.
    Keys(Keys<'a>),
    /// Nobody knows.
    Unknown,
}

/// The keys of one command.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Keys<'a> {
    pub(super) read: Vec<Place<'a>>,
    /// Those that it may change, by what they are.
    pub(super) changed: Vec<Place<'a>>,
    /// Those that are afterwards what the keys that are read make them, whatever they were.
    pub(super) replaced: Vec<Place<'a>>,
    /// Whether it reads keys that its arguments do not name.
    pub(super) reads_others: bool,
}

impl<'a> Keys<'a> {
    /// Those that it may write.
    pub(super) fn written(&self) -> impl Iterator<Item = &Place<'a>> {
        self.changed.iter().chain(&self.replaced)
    }
}

impl<'a> Touched<'a> {
    /// What a request touches that runs in database `db`.
    pub(super) fn by(command: &Command, args: Args<'a>, db: usize) -> Touched<'a> {
        match command.name {
            "ping" | "replconf" | "select" | "multi" | "exec" | "publish" | "spublish" => {
                return Touched::Nothing;
            }
            "flushall" | "flushdb" => return Touched::All,
            "swapdb" => return Touched::Unknown,
            _ => {}
        }
        // PFCOUNT reads, but comes down the stream when it keeps what it found.
        let changes = command.has(flag::WRITE) || command.name == "pfcount";
        let found = keys_of(command, args).filter(|found| !found.is_empty() && changes);
        let (Some(found), Some(target)) = (found, target_database(command, args, db)) else {
            return Touched::Unknown;
        };
        let mut keys = Keys {
            // Their patterns name keys by what is in others.
            reads_others: command.name == "sort"
                && args.iter().skip(2).any(|word| is_word(word, "BY") || is_word(word, "GET")),
            ..Keys::default()
        };
        let replaces = replaces(command, args);
        for (at, flags) in found {
            let Some(key) = args.get(at) else { return Touched::Unknown };
            if flags.contains(&"RO") {
                keys.read.push((db, key));
            } else if replaces {
                keys.replaced.push((target, key));
            } else {
                keys.changed.push((target, key));
            }
            if command.name == "move" {
                keys.changed.push((db, key));
            }
        }
        Touched::Keys(keys)
    }
}

/// Whether a command makes the keys that it writes what they are to be without a look at what they were.
fn replaces(command: &Command, args: Args<'_>) -> bool {
    match command.name {
        "del" | "unlink" | "mset" => true,
        "sunionstore" | "sinterstore" | "sdiffstore" | "zunionstore" | "zinterstore" | "zdiffstore"
        | "zrangestore" | "sort" | "bitop" => true,
        // NX, XX, GET and KEEPTTL ask what was there.
        "set" => args.len() == 3 || args.len() == 5 && is_word(&args[3], "PXAT"),
        _ => false,
    }
}

/// The database that a command writes to; `None` if its arguments make no sense.
fn target_database(command: &Command, args: Args<'_>, db: usize) -> Option<usize> {
    let number = |arg: &[u8]| usize::try_from(integer(arg).ok()?).ok();
    match command.name {
        "move" => number(args.get(2)?),
        "copy" => match (3..args.len()).find(|at| is_word(&args[*at], "DB")) {
            Some(at) => number(args.get(at + 1)?),
            None => Some(db),
        },
        _ => Some(db),
    }
}

#[cfg(test)]
mod tests {
    use slipstream_resp::OwnedRequest;

    use super::*;
    use crate::table::{CommandTable, Mode};

    #[track_caller]
    fn check(line: &str, expected: &str) {
        let table = CommandTable::new(Mode::Server, &[]).unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let request = OwnedRequest::from_parts(&words);
        let entry = table.resolve(request.args()).unwrap();
        let show = |places: &[Place<'_>]| -> String {
            let one = |(db, key): &Place<'_>| format!("{db}:{} ", key.escape_ascii());
            places.iter().map(one).collect()
        };
        let shown = match Touched::by(entry.command, request.args(), 2) {
            Touched::Keys(keys) => {
                let others = if keys.reads_others { "others " } else { "" };
                let [read, changed, replaced] =
                    [keys.read, keys.changed, keys.replaced].map(|keys| show(&keys));
                format!("reads {read}{others}changes {changed}replaces {replaced}")
            }
            other => format!("{other:?}"),
        };
        assert_eq!(shown.trim_end(), expected, "{line}");
    }

    #[test]
    fn what_a_command_touches_is_in_its_arguments() {
        check("INCR k", "reads changes 2:k replaces");
        check("SET k v", "reads changes replaces 2:k");
        check("SET k v PXAT 5", "reads changes replaces 2:k");
        check("SET k v NX", "reads changes 2:k replaces");
        check("SET k v KEEPTTL", "reads changes 2:k replaces");
        check("DEL a b", "reads changes replaces 2:a 2:b");
        check("MSET a 1 b 2", "reads changes replaces 2:a 2:b");
        check("SUNIONSTORE d a b", "reads 2:a 2:b changes replaces 2:d");
        check("ZUNIONSTORE d 2 a b WEIGHTS 1 2", "reads 2:a 2:b changes replaces 2:d");
        check("LMOVE a b LEFT RIGHT", "reads changes 2:a 2:b replaces");
        check("RENAME a b", "reads changes 2:a 2:b replaces");
        check("XADD s 1-1 f v", "reads changes 2:s replaces");
        check("XGROUP SETID s g 1-1 ENTRIESREAD 1", "reads changes 2:s replaces");
        check("XGROUP CREATE s g $ MKSTREAM", "reads changes 2:s replaces");
        check("XGROUP DESTROY s g", "reads changes 2:s replaces");
        check("XACK s g 1-1", "reads changes 2:s replaces");
        check("XCLAIM s g c 0 1-1 FORCE JUSTID", "reads changes 2:s replaces");
        check("PEXPIREAT k 5", "reads changes 2:k replaces");
        check("SETBIT k 7 1", "reads changes 2:k replaces");
        check("BITFIELD k SET u8 0 1", "reads changes 2:k replaces");
        check("BITOP AND d a b", "reads 2:a 2:b changes replaces 2:d");
        check("PFADD k a", "reads changes 2:k replaces");
        check("PFCOUNT k", "reads changes 2:k replaces");
        check("PFMERGE d a b", "reads 2:a 2:b changes 2:d replaces");
        check("PFDEBUG TODENSE k", "reads changes 2:k replaces");
    }

    #[test]
    fn some_write_to_another_database_or_read_what_they_do_not_name() {
        check("MOVE k 7", "reads changes 7:k 2:k replaces");
        check("COPY a b", "reads 2:a changes 2:b replaces");
        check("COPY a b REPLACE DB 7", "reads 2:a changes 7:b replaces");
        check("SORT a BY w_* STORE d", "reads 2:a others changes replaces 2:d");
        check("SORT a ALPHA STORE d", "reads 2:a changes replaces 2:d");
    }

    #[test]
    fn what_is_no_matter_of_keys_is_known_as_such() {
        check("SELECT 3", "Nothing");
        check("ping", "Nothing");
        check("PUBLISH c m", "Nothing");
        check("SPUBLISH c m", "Nothing");
        check("FLUSHALL ASYNC", "All");
        check("SWAPDB 0 1", "Unknown");
        check("COPY a b DB x", "Unknown");
        check("CONFIG SET maxmemory 5", "Unknown");
    }
}
