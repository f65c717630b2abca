//! A snapshot into data beside the old: one thread reads and decodes, and where there are processors for it a second
//! one inserts.
//!
//! Batches go from the one to the other through a queue with a bound and come back empty, so that neither memory nor
//! the allocator's work grows with the snapshot. Inserting is the longer half: on one processor, or where whoever
//! sends the snapshot and its clients need the others, two threads would only take time from each other, and the one
//! thread does both in turn ([`Halves::of_sync`]).
//! Invariant: both halves let the loop run after each piece, and neither outlives the call.

use std::io::Read;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use slipstream_engine::{LoadOptions, LoadedData, Loading};
use slipstream_rdb::{Insertion, Progress, Reached, Records};

use crate::jobs::Reporter;
use crate::key_delay::{DelaySetting, KeyDelay};

/// Batches that wait to be inserted, at most.
const QUEUED_BATCHES: usize = 8;

/// Processors from which on a full sync is decoded and inserted on two threads: the primary's end may be on the same
/// machine, and both ends have clients.
const PROCESSORS_FOR_SYNC: usize = 4;

/// How the two halves of a load run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halves {
    InTurn,
    AtOnce,
}

impl Halves {
    /// Of a full sync.
    pub(crate) fn of_sync() -> Halves {
        Halves::on(PROCESSORS_FOR_SYNC)
    }

    /// Of a file: nobody is served meanwhile.
    pub(crate) fn of_file() -> Halves {
        Halves::on(2)
    }

    /// At once if this process may use so many processors.
    fn on(processors: usize) -> Halves {
        match thread::available_parallelism() {
            Ok(there) if there.get() >= processors => Halves::AtOnce,
            _ => Halves::InTurn,
        }
    }
}

/// Loads what `input` brings; an error is said in words for the log.
pub(crate) fn load(
    input: impl Read,
    options: LoadOptions,
    halves: Halves,
    reporter: &Reporter,
    progress: Progress<'_>,
) -> Result<Box<LoadedData>, String> {
    let mut delay = KeyDelay::new(DelaySetting::new(options.key_delay));
    let mut progress = |reached: Reached| {
        delay.reach(reached.keys);
        progress(reached)
    };
    let mut loading = Loading::open(input, options, &mut progress).map_err(|error| error.to_string())?;
    let mut keyspace = loading.keyspace();
    let insertion = loading.insertion(&mut keyspace);
    let keys = match halves {
        Halves::InTurn => in_turn(&mut loading, insertion, reporter)?,
        Halves::AtOnce => at_once(&mut loading, insertion, reporter)?,
    };
    Ok(Box::new(loading.finish(keyspace, keys)))
}

fn in_turn(
    loading: &mut Loading<'_, impl Read>,
    mut insertion: Insertion<'_>,
    reporter: &Reporter,
) -> Result<u64, String> {
    let mut records = Records::default();
    let mut more = true;
    while more {
        more = loading.decode(&mut records).map_err(|error| error.to_string())?;
        insertion.insert(&mut records).map_err(|error| error.to_string())?;
        reporter.give_way();
    }
    finish(insertion, reporter)
}

fn at_once(
    loading: &mut Loading<'_, impl Read>,
    insertion: Insertion<'_>,
    reporter: &Reporter,
) -> Result<u64, String> {
    let (full, filled) = sync_channel(QUEUED_BATCHES);
    let (empty, emptied) = channel();
    thread::scope(|scope| {
        let insert = move || insert_all(insertion, reporter, filled, &empty);
        // It has the priority of the thread that starts it.
        let inserter = thread::Builder::new().name("load-insert".to_owned());
        let inserter =
            inserter.spawn_scoped(scope, insert).map_err(|error| format!("no thread for it: {error}"))?;
        let decoded = decode_all(loading, full, &emptied);
        // What is wrong with a batch comes before what is wrong with a later one.
        let keys = inserter.join().expect("inserting does not panic")?;
        decoded.map(|()| keys)
    })
}

/// Until the end, or until nobody takes batches any more.
fn decode_all(
    loading: &mut Loading<'_, impl Read>,
    full: SyncSender<Records>,
    emptied: &Receiver<Records>,
) -> Result<(), String> {
    let mut more = true;
    while more {
        let mut records = emptied.try_recv().unwrap_or_default();
        more = loading.decode(&mut records).map_err(|error| error.to_string())?;
        if full.send(records).is_err() {
            break;
        }
    }
    Ok(())
}

fn insert_all(
    mut insertion: Insertion<'_>,
    reporter: &Reporter,
    filled: Receiver<Records>,
    empty: &Sender<Records>,
) -> Result<u64, String> {
    for mut records in filled {
        insertion.insert(&mut records).map_err(|error| error.to_string())?;
        // The last ones come back to nobody.
        empty.send(records).ok();
        reporter.give_way();
    }
    finish(insertion, reporter)
}

/// Inserts what is still to be, and returns how many keys there are.
fn finish(mut insertion: Insertion<'_>, reporter: &Reporter) -> Result<u64, String> {
    while insertion.advance().map_err(|error| error.to_string())? {
        reporter.give_way();
    }
    Ok(insertion.keys())
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::sync::Arc;

    use mio::{Poll, Token, Waker};
    use slipstream_engine::config::Config;
    use slipstream_engine::{Node, Source};
    use slipstream_keyspace::{Keyspace, ScoreFormat, Str, Value, dataset_digest};
    use slipstream_rdb::{Preface, WriteOptions};

    use super::*;
    use crate::net::Net;
    use crate::process::Process;

    fn node() -> Node {
        let config = Config::default();
        let process = Process::new(&config, None, Net::shared().unwrap()).unwrap();
        Node::new(config, Box::new(process), 1).unwrap()
    }

    fn digest(keyspace: &Keyspace) -> String {
        dataset_digest(&keyspace.snapshot(), ScoreFormat::Shortest).to_string()
    }

    /// What comes of it: the digest of the data, or an error.
    fn outcome(node: &mut Node, input: &[u8], halves: Halves) -> Result<String, String> {
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
        let reporter = Reporter::new(channel().0, waker, poll.registry().try_clone().unwrap());
        let options = node.load_options(Source::File);
        let mut on_progress = |_| ControlFlow::Continue(());
        let data = load(input, options, halves, &reporter, &mut on_progress)?;
        Ok(digest(&data.keyspace))
    }

    #[test]
    fn at_once_or_in_turn_the_data_and_the_error_are_the_same() {
        let mut node = node();
        for number in 0..30_000 {
            let value = Value::String(Str::from_vec(vec![b'v'; number % 2000]));
            node.keyspace.db_mut(number % 3).insert(format!("key:{number}").as_bytes(), value, None);
        }
        let mut file = Vec::new();
        let snapshot = node.keyspace.snapshot();
        slipstream_rdb::write(snapshot, &Preface::default(), WriteOptions::default(), &mut file).unwrap();
        let mut damaged = file.clone();
        *damaged.last_mut().unwrap() ^= 1;
        let mut twice = b"REDIS0010\xfe\x00\x00\x01k\x01v\x00\x01k\x01v".to_vec();
        twice.extend_from_slice(&file[9..]);
        let inputs =
            [&file[..], &damaged, &twice, &file[..file.len() / 2], b"REDIS0999", b"", b"REDIS0010\xff"];
        let mut outcomes = inputs.map(|input| {
            let in_turn = outcome(&mut node, input, Halves::InTurn);
            assert_eq!(outcome(&mut node, input, Halves::AtOnce), in_turn);
            in_turn
        });
        outcomes.reverse();
        let [_, empty, version, cut, twice, damaged, whole] =
            outcomes.map(|outcome| outcome.unwrap_or_else(|e| e));
        assert_eq!(whole, digest(&node.keyspace));
        for (error, expected) in [
            (empty, "unexpected end"),
            (version, "version 999"),
            (cut, "unexpected end"),
            (twice, "duplicate key"),
            (damaged, "RDB CRC error"),
        ] {
            assert!(error.contains(expected), "{error}");
        }
    }
}
