//! Silence longer than `repl-timeout`: a process that stands still, or a link that lets nothing through.
//!
//! Whoever waits gives the link up, and when the silence is over the stream goes on where it was. A full sync that
//! is silent for so long is begun again.

use crate::copies::{assert_same, follow, wait_until_linked};
use crate::dataset;
use crate::peer::Kind::{self, Ours, Redis7, Valkey9};
use crate::peer::all_found;
use crate::proxy::Proxy;
use crate::server::Server;
use crate::wait::wait_until;

/// In the middle of the snapshot's strings.
const MIDDLE: u64 = 200_000;

#[derive(Debug, Clone, Copy)]
enum Silent {
    Replica,
    Primary,
    Link,
}

const ALL: [Silent; 3] = [Silent::Replica, Silent::Primary, Silent::Link];

#[test]
fn the_stream_between_ours_outlasts_silence() {
    check([Ours, Ours]);
}

#[test]
fn the_stream_to_redis_outlasts_silence() {
    check([Ours, Redis7]);
}

#[test]
fn the_stream_from_redis_outlasts_silence() {
    check([Redis7, Ours]);
}

#[test]
fn the_stream_to_valkey_outlasts_silence() {
    check([Ours, Valkey9]);
}

#[test]
fn the_stream_from_valkey_outlasts_silence() {
    check([Valkey9, Ours]);
}

struct Pair {
    primary: Server,
    replica: Server,
    proxy: Proxy,
}

#[track_caller]
fn check(kinds: [Kind; 2]) {
    if !all_found(&kinds) {
        return;
    }
    let [primary, replica] = kinds.map(|kind| Server::start(kind, &["--repl-ping-replica-period 1"]));
    dataset::fill_special(&mut primary.client());
    let proxy = Proxy::start_held(primary.port, MIDDLE);
    let pair = Pair { primary, replica, proxy };
    follow(&pair.replica, pair.proxy.port);
    wait_until("the snapshot is on its way", || pair.proxy.is_holding());
    // The pair is in the middle of a full sync.
    pair.outlast(Silent::Link);
    wait_until_linked(&pair.replica);
    assert_same(&pair.primary, &pair.replica);

    let full_syncs = || pair.primary.client().info_number("stats", "sync_full");
    let before = full_syncs();
    for silent in ALL {
        pair.outlast(silent);
        pair.primary.client().call::<()>(&format!("RPUSH silences {silent:?}"));
        wait_until_linked(&pair.replica);
        assert_same(&pair.primary, &pair.replica);
        assert_eq!(full_syncs(), before, "{silent:?}: the stream goes on");
    }
}

impl Pair {
    /// One is silent until everybody else has noticed.
    #[track_caller]
    fn outlast(&self, silent: Silent) {
        self.set_timeout(1);
        match silent {
            Silent::Replica => {
                self.replica.signal("STOP");
                self.wait_until_primary_notices();
            }
            Silent::Primary => {
                self.primary.signal("STOP");
                self.wait_until_replica_notices();
            }
            Silent::Link => {
                self.proxy.silence();
                self.wait_until_replica_notices();
                self.wait_until_primary_notices();
            }
        }
        // From here on a slow machine may take its time.
        [&self.replica, &self.primary].iter().for_each(|server| server.signal("CONT"));
        self.set_timeout(60);
        self.proxy.release();
    }

    fn set_timeout(&self, seconds: u32) {
        for server in [&self.primary, &self.replica] {
            server.client().call::<()>(&format!("CONFIG SET repl-timeout {seconds}"));
        }
    }

    #[track_caller]
    fn wait_until_primary_notices(&self) {
        let mut client = self.primary.client();
        wait_until("the primary drops it", || client.info_number("replication", "connected_slaves") == 0);
    }

    #[track_caller]
    fn wait_until_replica_notices(&self) {
        let mut client = self.replica.client();
        let mut is = |field, value: &str| client.info("replication", field).as_deref() == Some(value);
        wait_until("the replica gives up", || {
            is("master_link_status", "down") && is("master_sync_in_progress", "0")
        });
    }
}
