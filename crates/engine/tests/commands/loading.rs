//! Data that takes the place of what was there.

use slipstream_engine::{Source, Stored, load};

use crate::script::Script;

/// What a file without keys holds.
fn empty_file() -> Vec<u8> {
    let mut script = Script::new();
    let job = script.node.core.snapshot_job(&script.node.keyspace);
    let write = slipstream_rdb::WriteOptions { target: job.disk_target(), compress: true, checksum: true };
    let mut bytes = Vec::new();
    slipstream_rdb::write(job.snapshot.clone(), &job.preface, write, &mut bytes).unwrap();
    bytes
}

#[test]
fn directives_set_while_a_file_is_loaded_hold_for_its_data() {
    let mut script = Script::new();
    script.node.start(Stored::Snapshot(100));
    let options = script.node.load_options(Source::File);
    script.ask("CONFIG SET set-max-intset-entries 1 set-max-listpack-entries 1");
    let data = load(empty_file().as_slice(), options).unwrap();
    script.node.loaded_file(Ok(Some(data)));
    script.ask("SADD s 1 2 3");
    assert_eq!(script.ask("OBJECT ENCODING s"), "hashtable");
}

#[test]
fn a_node_without_a_file_serves_at_once() {
    let mut script = Script::new();
    script.node.start(Stored::Nothing);
    script.check("SET k v", "+OK", "SET k v");
}

#[test]
fn who_watches_a_node_is_answered_while_it_loads() {
    let mut script = Script::new();
    script.node.start(Stored::Snapshot(100));
    assert!(script.ask("INFO persistence").contains("loading:1"));
    assert!(script.ask("ROLE").starts_with("[master"));
    assert_eq!(script.ask("REPLCONF listening-port 1"), "+OK");
    assert_eq!(script.ask("CONFIG SET repl-timeout 9"), "+OK");
    let refused = "-LOADING Redis is loading the dataset in memory";
    for request in ["GET k", "SET k v", "PING", "PSYNC ? -1", "SYNC", "REPLICAOF a 1"] {
        assert_eq!(script.ask(request), refused, "{request}");
    }
}

#[test]
fn a_file_of_an_unknown_version_is_refused_or_tried_as_told() {
    let mut file = empty_file();
    file[..9].copy_from_slice(b"REDIS0099");
    // No sum: the head was changed.
    let sum = file.len() - 8;
    file[sum..].fill(0);
    let mut script = Script::new();
    let refused = load(file.as_slice(), script.node.load_options(Source::File)).unwrap_err().to_string();
    assert!(refused.contains("cannot handle the format of Redis, version 99"), "{refused}");
    script.ask("CONFIG SET rdb-version-check relaxed");
    assert!(load(file.as_slice(), script.node.load_options(Source::File)).is_ok());
    let at = file.len() - 9;
    file[at] = 200;
    let refused = load(file.as_slice(), script.node.load_options(Source::File)).unwrap_err().to_string();
    assert!(refused.contains("200"), "{refused}");
}
