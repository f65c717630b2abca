//! The scenario in which Redis syncs in a loop: a backlog of 1 MB, a tight limit on replicas, and heavy writes.
//!
//! Each replica's snapshot is held up until more was written than any limit or memory allows for. With a buffer for
//! each replica it is cut off, comes back and needs the next snapshot, for ever; here each needs one.

use redis::Cmd;

use crate::copies::{assert_same_strings, follow, wait_until_linked};
use crate::dataset;
use crate::peer::Kind::{Ours, Redis7, Valkey9};
use crate::peer::all_found;
use crate::proxy::Proxy;
use crate::seed::Seed;
use crate::server::Server;
use crate::wait::wait_until;

const LIMITS: &[&str] = &["--repl-backlog-size 1mb", "--client-output-buffer-limit replica 8mb 8mb 10"];

const KEYS: usize = 40_000;
const VALUE_BYTES: usize = 200;

/// More than is kept in memory for attached replicas.
const WRITTEN_MEANWHILE: usize = 80 << 20;
const WRITE_BYTES: usize = 50_000;

#[test]
fn heavy_writes_during_full_syncs_cost_no_other() {
    if !all_found(&[Redis7, Valkey9]) {
        return;
    }
    let seed = Seed::new(3);
    let mut random = seed.random();
    let primary = Server::start(Ours, LIMITS);
    let mut client = primary.client();
    dataset::fill_noise(&mut client, &mut random, KEYS, VALUE_BYTES);
    let two_links = "--dual-channel-replication-enabled yes";
    let one_link = "--dual-channel-replication-enabled no";
    let replicas = [
        (Server::start(Ours, &[LIMITS, &[one_link]].concat()), Proxy::start_held(primary.port, 1 << 20)),
        (Server::start(Ours, &[LIMITS, &[two_links]].concat()), Proxy::start_held(primary.port, 1 << 20)),
        (Server::start(Redis7, LIMITS), Proxy::start_held(primary.port, 1 << 20)),
        (Server::start(Valkey9, &[LIMITS, &[one_link]].concat()), Proxy::start_held(primary.port, 1 << 20)),
    ];
    for (replica, proxy) in &replicas {
        follow(replica, proxy.port);
        wait_until("its snapshot is held up", || proxy.is_holding());
    }
    let value: Vec<u8> = (0..WRITE_BYTES).map(|_| random.u8(..)).collect();
    let set = |number: usize| -> Cmd {
        let mut command = redis::cmd("SET");
        command.arg(format!("written:{}", number % 20)).arg(&value);
        command
    };
    for batch in 0..WRITTEN_MEANWHILE / WRITE_BYTES / 20 {
        client.pipeline::<()>((0..20).map(|number| set(batch * 20 + number)));
    }
    replicas.iter().for_each(|(_, proxy)| proxy.release());
    for number in 0..200 {
        client.pipeline::<()>([set(number)]);
    }
    for (replica, _) in &replicas {
        wait_until_linked(replica);
        assert_same_strings(&primary, replica);
    }
    // One that stood still for a second may have been cut off, and then continued.
    assert_eq!(client.info_number("stats", "sync_full"), 4, "one for each");
}
