//! Data that takes the place of what was there.

use slipstream_engine::{Source, load};

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
    script.node.start(true);
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
    script.node.start(false);
    script.check("SET k v", "+OK", "SET k v");
}
