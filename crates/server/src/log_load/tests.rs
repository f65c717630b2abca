//! Files in a folder, loaded as at a start.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use mio::{Poll, Token, Waker};
use slipstream_aof::{At, BaseFormat, Increment, Manifest, Sealing, encode_end};
use slipstream_engine::config::Config;
use slipstream_engine::{Effect, Source, Stored};
use slipstream_log::{History, Offset, ReplicationId};

use super::*;
use crate::net::Net;
use crate::process::Process;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("slipstream-log-load-{name}-{}", std::process::id()));
        fs::remove_dir_all(&path).ok();
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn history() -> History {
    History::new(ReplicationId::parse(&[b'a'; 40]).unwrap())
}

fn command(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let words = line.split(' ').map(str::as_bytes).collect::<Vec<_>>();
    slipstream_resp::encode_request(&mut bytes, words.into_iter());
    bytes
}

/// An increment of ours with a batch per command, and where it ends in the stream.
fn sealed(offset: u64, lines: &[&str]) -> (Vec<u8>, u64) {
    let mut file = Vec::new();
    At { offset: Offset(offset), history: history(), database: 0 }.encode(&mut file);
    let mut end = offset;
    for line in lines {
        let bytes = command(line);
        let mut sealing = Sealing::default();
        sealing.push(&bytes);
        file.extend(sealing.seal(Offset(end), Offset(end)));
        end += bytes.len() as u64;
        file.extend(bytes);
    }
    (file, end)
}

fn ended((mut file, end): (Vec<u8>, u64)) -> Vec<u8> {
    encode_end(&mut file, Offset(end));
    file
}

/// What came of a load.
struct Outcome {
    node: Node,
    exited: bool,
}

impl Outcome {
    fn has(&self, key: &str) -> bool {
        self.node.keyspace.snapshot().db(0).get(key.as_bytes()).is_some()
    }

    fn keys(&self) -> usize {
        self.node.keyspace.db(0).len()
    }
}

/// Loads these increments behind each other.
fn load(folder: &Folder, increments: &[&[u8]], change: impl FnOnce(&mut LogLoadOptions)) -> Outcome {
    let config = Config::default();
    let process = Process::new(&config, None, Net::shared().unwrap()).unwrap();
    let mut node = Node::new(config, Box::new(process), 1).unwrap();
    let mut manifest = Manifest::default();
    for content in increments {
        let file = manifest.next_increment("a.aof", 0);
        fs::write(folder.0.join(&file.name), content).unwrap();
        manifest.increments.push(Increment { file, start: None });
    }
    node.start(Stored::Log { manifest: manifest.clone(), size: 1 });
    node.take_effects();
    let poll = Poll::new().unwrap();
    let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
    let reporter = Reporter::new(channel().0, waker, poll.registry().try_clone().unwrap());
    let base = node.load_options(Source::LogBase);
    let mut options =
        LogLoadOptions { manifest, folder: folder.0.clone(), base, cuts_tail: true, corrupt_tail: 0 };
    change(&mut options);
    let mut load = LogLoad::begin(reporter, options);
    while load.advance(&mut node) {
        thread::yield_now();
    }
    let exited = node.take_effects().iter().any(|effect| matches!(effect, Effect::Exit(1)));
    Outcome { node, exited }
}

fn unchanged(_: &mut LogLoadOptions) {}

fn length(folder: &Folder, name: &str) -> u64 {
    fs::metadata(folder.0.join(name)).unwrap().len()
}

#[test]
fn increments_follow_each_other_and_the_last_may_be_gone_on_in() {
    let folder = Folder::new("whole");
    let (first, end) = sealed(100, &["SET a 1", "SET b 2"]);
    let second = ended(sealed(end, &["DEL a", "SET c 3"]));
    let outcome = load(&folder, &[&first, &second], unchanged);
    assert!(!outcome.exited);
    assert!(outcome.keys() == 2 && !outcome.has("a"));
    let loaded = outcome.node.core.loaded_log.as_ref().unwrap();
    assert_eq!(loaded.resume, Some(second.len() as u64));
    assert_eq!(loaded.size, (first.len() + second.len()) as u64);
    let log = &outcome.node.core.log;
    let stream = ["SET a 1", "SET b 2", "DEL a", "SET c 3"].map(command).concat();
    assert_eq!(log.end(), Offset(100 + stream.len() as u64));
    let held: Vec<u8> = log.slices_from(Offset(100)).unwrap().flat_map(|slice| slice.to_vec()).collect();
    assert_eq!(held, stream);
}

#[test]
fn a_torn_tail_is_cut_off_the_last_file_and_no_other() {
    let folder = Folder::new("torn");
    let (first, end) = sealed(100, &["SET a 1"]);
    let (second, _) = sealed(end, &["SET b 2", "SET c 3"]);
    let torn = &second[..second.len() - 5];
    let outcome = load(&folder, &[&first, torn], unchanged);
    assert!(!outcome.exited);
    assert_eq!(outcome.keys(), 2);
    let good = sealed(end, &["SET b 2"]).0.len() as u64;
    assert_eq!(length(&folder, "a.aof.2.incr.aof"), good);
    assert_eq!(outcome.node.core.loaded_log.as_ref().unwrap().resume, Some(good));
    // So it is whole.
    let content = fs::read(folder.0.join("a.aof.2.incr.aof")).unwrap();
    assert_eq!(load(&folder, &[&first, &content], |options| options.cuts_tail = false).keys(), 2);
    assert!(load(&folder, &[&first, torn], |options| options.cuts_tail = false).exited);
    assert!(load(&folder, &[torn, &first], unchanged).exited);
    assert_eq!(length(&folder, "a.aof.1.incr.aof"), torn.len() as u64);
}

#[test]
fn a_damaged_middle_is_refused_and_left_as_it_is() {
    let folder = Folder::new("damaged");
    let (mut file, _) = sealed(100, &["SET a 1", "SET b 2", "SET c 3"]);
    let middle = sealed(100, &["SET a 1"]).0.len() + 60;
    file[middle] ^= 1;
    let outcome = load(&folder, &[&file], unchanged);
    assert!(outcome.exited && outcome.node.core.loaded_log.is_none());
    assert_eq!(fs::read(folder.0.join("a.aof.1.incr.aof")).unwrap(), file);
}

#[test]
fn files_of_others_give_no_place_and_are_not_gone_on_in() {
    let folder = Folder::new("foreign");
    let plain = [command("SELECT 0"), command("SET a 1"), b"#TS:5\r\n".to_vec(), command("SET b 1")].concat();
    let outcome = load(&folder, &[&plain], unchanged);
    assert_eq!((outcome.keys(), outcome.node.core.log.is_active()), (2, false));
    assert_eq!(outcome.node.core.loaded_log.as_ref().unwrap().resume, None);
    // What Redis appended to a file of ours.
    let mixed = [&ended(sealed(100, &["SET a 1"]))[..], &plain].concat();
    let outcome = load(&folder, &[&mixed], unchanged);
    assert_eq!((outcome.keys(), outcome.node.core.log.is_active()), (2, false));
    // And we went on behind it.
    let (ours, end) = sealed(7000, &["SET c 1"]);
    let outcome = load(&folder, &[&mixed, &ours], unchanged);
    assert_eq!((outcome.keys(), outcome.node.core.log.end()), (3, Offset(end)));
}

#[test]
fn tails_of_others_are_cut_by_the_rules_of_redis() {
    let folder = Folder::new("tails");
    let plain = [command("SET a 1"), command("SET b 1")].concat();
    let open = [&plain[..], &command("MULTI"), &command("SET c 1")].concat();
    for (tail, corrupt_tail, keys) in [
        (&b"*2\r\n$3"[..], 0, Some(2)),
        (b"garbage", 0, None),
        (b"garbage", 7, Some(2)),
        (b"garbage", 6, None),
    ] {
        let outcome =
            load(&folder, &[&[&plain[..], tail].concat()], |options| options.corrupt_tail = corrupt_tail);
        assert_eq!((!outcome.exited).then(|| outcome.keys()), keys, "{tail:?} {corrupt_tail}");
        let expected = if keys.is_some() { plain.len() } else { plain.len() + tail.len() };
        assert_eq!(length(&folder, "a.aof.1.incr.aof"), expected as u64);
    }
    assert_eq!(load(&folder, &[&open], unchanged).keys(), 2);
    assert_eq!(length(&folder, "a.aof.1.incr.aof"), plain.len() as u64);
}

#[test]
fn what_cannot_be_applied_leaves_a_torn_tail_where_it_is() {
    let folder = Folder::new("unknown");
    let file = [command("SET a 1"), command("NONSENSE x"), b"*2\r\n".to_vec()].concat();
    assert!(load(&folder, &[&file], unchanged).exited);
    assert_eq!(length(&folder, "a.aof.1.incr.aof"), file.len() as u64);
}

#[test]
fn many_batches_and_big_ones_come_through_the_bounded_queue() {
    let folder = Folder::new("big");
    let big = format!("SET big {}", "v".repeat(3 << 20));
    let lines: Vec<String> = (0..20_000).map(|n| format!("SET key:{n} {}", "v".repeat(n % 300))).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).chain([big.as_str()]).collect();
    let (file, end) = sealed(100, &lines);
    let outcome = load(&folder, &[&file], unchanged);
    assert_eq!((outcome.keys(), outcome.node.core.log.end()), (20_001, Offset(end)));
}

#[test]
fn a_base_is_a_snapshot_with_or_without_commands_behind_it() {
    let folder = Folder::new("base");
    let (file, _) = sealed(100, &["SET a 1"]);
    let source = load(&folder, &[&file], unchanged);
    let mut bytes = Vec::new();
    let snapshot = source.node.keyspace.snapshot();
    let preface = slipstream_rdb::Preface::default();
    slipstream_rdb::write(snapshot, &preface, slipstream_rdb::WriteOptions::default(), &mut bytes).unwrap();
    let check = |base: &[u8], keys: usize, exits: bool| {
        let outcome = load(&folder, &[&command("SET z 1")], |options| {
            let part = options.manifest.next_base("a.aof", BaseFormat::Rdb, 0);
            fs::write(folder.0.join(&part.name), base).unwrap();
            options.manifest.base = Some(part);
        });
        assert_eq!((outcome.keys(), outcome.exited), (keys, exits));
    };
    check(&bytes, 2, false);
    check(&[&bytes[..], &command("SET b 1")].concat(), 3, false);
    check(&command("SET b 1"), 2, false);
    check(b"", 1, false);
    let damaged = bytes.len() - 1;
    bytes[damaged] ^= 1;
    check(&bytes, 0, true);
}
