//! Memory limits of a real process: it stays below them, its replica agrees, and freed memory goes back.
//!
//! What the allocator and the system make of it shows nowhere else.

use redis::Cmd;

use crate::client::Client;
use crate::copies::{follow, wait_until_linked};
use crate::peer::Kind::Ours;
use crate::server::Server;
use crate::wait::wait_until;

const MIB: u64 = 1 << 20;

fn sets(keys: std::ops::Range<usize>, size: usize) -> Vec<Cmd> {
    let value = "v".repeat(size);
    keys.map(|key| redis::cmd("SET").arg(format!("key:{key:012}")).arg(&value).to_owned()).collect()
}

/// Bytes that count against the limit.
fn counted(client: &mut Client) -> u64 {
    let used = client.info_number("memory", "used_memory");
    used.saturating_sub(client.info_number("memory", "mem_not_counted_for_evict"))
}

#[test]
fn memory_stays_below_its_limit_and_the_replica_agrees() {
    let primary = Server::start(
        Ours,
        &["--maxmemory 50mb", "--maxmemory-policy allkeys-lru", "--repl-backlog-size 1mb"],
    );
    let replica = Server::start(Ours, &[]);
    follow(&replica, primary.port);
    wait_until_linked(&replica);
    let mut client = primary.client();
    for batch in 0..100 {
        let replies: Vec<String> = client.pipeline(sets(batch * 5000..(batch + 1) * 5000, 200));
        assert!(replies.iter().all(|reply| reply == "OK"));
        // What is kept for a replica that is behind has memory around it that is counted.
        assert_eq!(client.call::<u32>("WAIT 1 120000"), 1);
        let used = counted(&mut client);
        // The requests and replies of a batch are memory too.
        assert!(used < 54 * MIB, "{used} bytes after batch {batch}");
    }
    let mut copy = replica.client();
    wait_until("both hold the same", || {
        client.call::<String>("DEBUG DIGEST") == copy.call::<String>("DEBUG DIGEST")
    });
    let keys = copy.call::<u64>("DBSIZE");
    assert!((50_000..300_000).contains(&keys), "{keys} keys in 50 MiB");
    assert!(client.info_number("stats", "evicted_keys") >= 500_000 - keys);
    assert_eq!(copy.info_number("stats", "evicted_keys"), 0);
}

#[test]
fn freed_memory_goes_back_to_the_system() {
    let server = Server::start(Ours, &[]);
    let mut client = server.client();
    let resident = |client: &mut Client| client.info_number("memory", "used_memory_rss");
    let empty = resident(&mut client);
    for (fill, deletion) in [(strings as fn(&mut Client), "FLUSHALL"), (one_hash, "DEL big")] {
        fill(&mut client);
        let full = resident(&mut client);
        assert!(full > empty + 50 * MIB, "{full} bytes of {empty} when empty");
        client.call::<()>(deletion);
        wait_until("memory goes back", || resident(&mut client) < empty + 20 * MIB);
        wait_until("none of it is left", || client.info_number("memory", "lazyfree_pending_objects") == 0);
    }
}

fn strings(client: &mut Client) {
    for batch in 0..40 {
        client.pipeline::<String>(sets(batch * 5000..(batch + 1) * 5000, 300));
    }
}

fn one_hash(client: &mut Client) {
    let value = "v".repeat(300);
    for batch in 0..40 {
        let fields = batch * 5000..(batch + 1) * 5000;
        let fields = fields.map(|field| redis::cmd("HSET").arg("big").arg(field).arg(&value).to_owned());
        client.pipeline::<i64>(fields);
    }
}

#[test]
fn the_figures_agree_with_each_other() {
    let server = Server::start(Ours, &[]);
    let mut client = server.client();
    client.pipeline::<String>(sets(0..20_000, 1000));
    let used = client.info_number("memory", "used_memory");
    assert!((20 * MIB..40 * MIB).contains(&used), "{used}");
    assert!(client.info_number("memory", "used_memory_dataset") > 19 * MIB);
    assert!(client.info_number("memory", "used_memory_peak") >= used);
    let usage = client.call::<u64>("MEMORY USAGE key:000000000001");
    assert!((1000..1500).contains(&usage), "{usage}");
    let report = client.call::<String>("MEMORY MALLOC-STATS");
    assert!(!report.is_empty());
    client.call::<()>("MEMORY PURGE");
}
