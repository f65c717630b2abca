//! What a node has behind a fork: the commands that its new primary never had.
//!
//! Read from the log's own bytes. Those that change data are kept as they are, with what they need around them, and
//! the keys that they wrote are named, as far as their arguments tell.

use std::collections::BTreeSet;

use slipstream_replication::link::Key;
use slipstream_resp::{Args, Limits, Progress, RequestDecoder};

use super::touched::Touched;
use crate::call::integer;
use crate::table::CommandTable;

/// What a primary wrote itself, or had from one: no limit of a client.
const LIMITS: Limits = Limits { max_bulk: 4 << 30, max_args: 1 << 30, authenticated: true };

/// What is known of the databases that the log selects.
#[derive(Clone, Copy, Debug)]
pub(super) struct Selected {
    /// The one at the fork.
    pub(super) at_fork: Option<usize>,
    /// The one at the end.
    pub(super) at_end: usize,
}

/// The commands behind a fork.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tail {
    /// Those that change data, and what they need around them; `None` if that is more than may be kept.
    pub(super) kept: Option<Vec<u8>>,
    pub(super) writes: u64,
    /// The database that is selected at the fork, if that is known.
    pub(super) database: Option<usize>,
    /// The keys written; `None` if there may be others.
    pub(super) keys: Option<BTreeSet<Key>>,
}

/// What is to be known of a tail at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    /// Keys that are named.
    pub(super) keys: usize,
    /// Bytes that are kept.
    pub(super) kept: u64,
}

/// A tail that is being read, piece by piece: all of it at once would take too long.
#[derive(Debug)]
pub(super) struct TailReader {
    decoder: RequestDecoder,
    /// A command that is not complete, or not read yet.
    rest: Vec<u8>,
    /// The database that is selected now.
    db: usize,
    selected: Selected,
    most: Most,
    tail: Tail,
}

/// What is there are no commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Garbled;

impl TailReader {
    pub(super) fn new(selected: Selected, most: Most) -> TailReader {
        // Without a SELECT in between it is the same at both ends.
        let db = selected.at_fork.unwrap_or(selected.at_end);
        let (database, kept, keys) = (Some(db), Some(Vec::new()), Some(BTreeSet::new()));
        let tail = Tail { database, kept, keys, writes: 0 };
        TailReader { decoder: RequestDecoder::default(), rest: Vec::new(), db, selected, most, tail }
    }

    /// Reads what comes next.
    pub(super) fn push(&mut self, table: &CommandTable, bytes: &[u8]) -> Result<(), Garbled> {
        let mut rest = std::mem::take(&mut self.rest);
        rest.extend_from_slice(bytes);
        let mut decoder = std::mem::take(&mut self.decoder);
        let mut at = 0;
        while at < rest.len() {
            match decoder.decode(&rest[at..], &LIMITS).map_err(|_| Garbled)? {
                Progress::Incomplete => break,
                Progress::Complete { consumed } => {
                    self.take(table, decoder.args(&rest[at..]), &rest[at..at + consumed]);
                    at += consumed;
                }
            }
        }
        rest.drain(..at);
        (self.rest, self.decoder) = (rest, decoder);
        Ok(())
    }

    /// All of it has been read, if that were whole commands.
    pub(super) fn finish(self) -> Result<Tail, Garbled> {
        if self.rest.is_empty() { Ok(self.tail) } else { Err(Garbled) }
    }

    fn take(&mut self, table: &CommandTable, args: Args<'_>, raw: &[u8]) {
        let name = args.iter().next().unwrap_or_default().to_ascii_lowercase();
        match name.as_slice() {
            b"" | b"ping" | b"replconf" | b"publish" | b"spublish" => {}
            b"multi" | b"exec" => self.keep(raw),
            b"select" => {
                self.keep(raw);
                let tail = &mut self.tail;
                tail.database = tail.database.filter(|_| self.selected.at_fork.is_some());
                match args.get(1).and_then(|arg| usize::try_from(integer(arg).ok()?).ok()) {
                    Some(number) => self.db = number,
                    None => tail.keys = None,
                }
            }
            _ => {
                self.keep(raw);
                let (db, most, tail) = (self.db, self.most.keys, &mut self.tail);
                tail.writes += 1;
                tail.keys = tail.keys.take().and_then(|keys| with_written(keys, table, args, db, most));
            }
        }
    }

    fn keep(&mut self, raw: &[u8]) {
        let most = self.most.kept;
        self.tail.kept = self.tail.kept.take().filter(|kept| (kept.len() + raw.len()) as u64 <= most);
        if let Some(kept) = &mut self.tail.kept {
            kept.extend_from_slice(raw);
        }
    }
}

/// The keys with those that a command writes.
fn with_written(
    mut keys: BTreeSet<Key>,
    table: &CommandTable,
    args: Args<'_>,
    db: usize,
    most: usize,
) -> Option<BTreeSet<Key>> {
    let entry = table.resolve(args).ok()?;
    let Touched::Keys(touched) = Touched::by(entry.command, args, db) else { return None };
    keys.extend(touched.written().map(|(db, name)| Key { db: *db, name: name.to_vec() }));
    (keys.len() <= most).then_some(keys)
}

#[cfg(test)]
mod tests {
    use slipstream_resp::encode_request;

    use super::*;
    use crate::table::Mode;

    fn requests(lines: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in lines {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            encode_request(&mut bytes, words.into_iter());
        }
        bytes
    }

    /// What is read of it, in pieces of any length.
    #[track_caller]
    fn read_as(bytes: &[u8], selected: Selected, most: Most) -> Option<Tail> {
        let table = CommandTable::new(Mode::Server, &[]).unwrap();
        let read = |piece: usize| {
            let mut reader = TailReader::new(selected, most);
            bytes.chunks(piece).try_for_each(|piece| reader.push(&table, piece)).ok()?;
            reader.finish().ok()
        };
        let whole = read(bytes.len().max(1));
        (1..bytes.len()).for_each(|piece| assert_eq!(read(piece), whole, "in pieces of {piece}"));
        whole
    }

    fn read(bytes: &[u8]) -> Option<Tail> {
        read_as(bytes, Selected { at_fork: Some(9), at_end: 8 }, Most { keys: 3, kept: 1000 })
    }

    #[test]
    fn only_what_changes_data_is_a_write() {
        let check = |lines: &[&str], writes: u64, kept: &[&str]| {
            let tail = read(&requests(lines)).unwrap();
            assert_eq!((tail.kept, tail.writes), (Some(requests(kept)), writes), "{lines:?}");
        };
        check(&[], 0, &[]);
        check(&["ping", "REPLCONF GETACK *", "PUBLISH __sentinel__:hello x", "SPUBLISH c m"], 0, &[]);
        check(&["SELECT 3", "ping"], 0, &["SELECT 3"]);
        check(&["SELECT 3", "SET k v", "ping", "DEL k"], 2, &["SELECT 3", "SET k v", "DEL k"]);
        check(&["MULTI", "SET k v", "EXEC"], 1, &["MULTI", "SET k v", "EXEC"]);
    }

    #[test]
    fn no_more_is_kept_than_may_be() {
        let bytes = requests(&["SET k v", "SET l v"]);
        let selected = Selected { at_fork: Some(9), at_end: 8 };
        let kept = |most: usize| {
            let tail = read_as(&bytes, selected, Most { keys: 3, kept: most as u64 }).unwrap();
            (tail.writes, tail.kept.is_some())
        };
        assert_eq!([kept(bytes.len()), kept(bytes.len() - 1)], [(2, true), (2, false)]);
    }

    #[test]
    fn half_a_command_is_not_taken_for_a_tail() {
        let bytes = requests(&["SET k v"]);
        assert_eq!(read(&bytes[..bytes.len() - 1]), None);
        assert_eq!(read(b"*1\r\n$x\r\n"), None);
    }

    #[test]
    fn the_keys_written_are_those_that_its_commands_name() {
        let check = |lines: &[&str], expected: Option<&[&str]>| {
            let keys = read(&requests(lines)).unwrap().keys;
            let shown = keys.map(|keys| {
                let one = |key: &Key| format!("{}:{}", key.db, key.name.escape_ascii());
                keys.iter().map(one).collect::<Vec<_>>()
            });
            let expected = expected.map(|keys| keys.iter().map(|key| (*key).to_owned()).collect());
            assert_eq!(shown, expected, "{lines:?}");
        };
        check(&["SET k v", "INCR k"], Some(&["9:k"]));
        check(&["SET k v", "SELECT 3", "SET k v", "SUNIONSTORE d k x"], Some(&["3:d", "3:k", "9:k"]));
        check(&["MOVE k 4"], Some(&["4:k", "9:k"]));
        check(&["SET k v", "FLUSHDB"], None);
        check(&["SWAPDB 0 1"], None);
        check(&["NOSUCH k v"], None);
        check(&["SELECT x", "SET k v"], None);
        check(&["MSET a 1 b 1 c 1"], Some(&["9:a", "9:b", "9:c"]));
        check(&["MSET a 1 b 1 c 1 d 1"], None);
    }

    #[test]
    fn the_database_at_the_fork_is_that_at_the_end_if_none_is_selected_in_between() {
        let check = |lines: &[&str], at_fork: Option<usize>, expected: Option<usize>| {
            let selected = Selected { at_fork, at_end: 8 };
            let tail = read_as(&requests(lines), selected, Most { keys: 3, kept: 1000 }).unwrap();
            assert_eq!(tail.database, expected, "{lines:?}");
        };
        check(&["SET k v"], None, Some(8));
        check(&["SET k v"], Some(2), Some(2));
        check(&["SELECT 8", "SET k v"], Some(2), Some(2));
        check(&["SELECT 8", "SET k v"], None, None);
    }
}
