//! A pair whose one side restarts: what an RDB file says of replication lets the stream go on.
//!
//! The file's AUX fields name a history and an offset. A replica asks to continue there; a primary lets those
//! continue who stand there. That holds as long as nothing was written behind the file, so no pings here.

use crate::copies::{assert_same, wait_until_linked};
use crate::dataset;
use crate::peer::Kind::{self, Ours, Redis7, Valkey9};
use crate::peer::all_found;
use crate::server::Server;
use crate::wait::wait_until;

const ARGUMENTS: &[&str] = &["--repl-backlog-size 64mb", "--repl-ping-replica-period 3600"];

const PAIRS: &[[Kind; 2]] = &[[Ours, Ours], [Ours, Redis7], [Redis7, Ours], [Ours, Valkey9], [Valkey9, Ours]];

/// How a process ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// It is told to, and saves.
    Shutdown,
    /// It has saved, and is killed.
    SaveThenKill,
    /// It never saves, and is killed.
    Kill,
}

/// A primary with data and a linked replica.
struct Pair {
    primary: Server,
    replica: Server,
}

impl Pair {
    fn start([primary, replica]: [Kind; 2], save: &str) -> Option<Self> {
        if !all_found(&[primary, replica]) {
            return None;
        }
        let primary = Server::start(primary, &[ARGUMENTS, &[save]].concat());
        dataset::fill(&mut primary.client());
        let following = format!("--replicaof 127.0.0.1 {}", primary.port);
        let replica = Server::start(replica, &[ARGUMENTS, &[&following, save]].concat());
        wait_until_linked(&replica);
        assert_same(&primary, &replica);
        Some(Self { primary, replica })
    }

    /// Both hold the same, and the primary counts full and partial syncs like this.
    #[track_caller]
    fn assert_synced(&self, full: u64, partial: u64) {
        wait_until_linked(&self.replica);
        self.primary.client().call::<()>("SET written-after-the-restart yes");
        assert_same(&self.primary, &self.replica);
        let mut client = self.primary.client();
        let count = |field, client: &mut crate::client::Client| client.info_number("stats", field);
        let counts = (count("sync_full", &mut client), count("sync_partial_ok", &mut client));
        assert_eq!(counts, (full, partial), "{:?} followed by {:?}", self.primary.kind, self.replica.kind);
    }
}

#[track_caller]
fn end(server: &mut Server, end: End) {
    match end {
        End::Shutdown => {
            server.signal("TERM");
            assert!(server.wait_for_end().success());
        }
        End::SaveThenKill => {
            server.client().call::<()>("SAVE");
            server.kill();
        }
        End::Kill => server.kill(),
    }
}

#[track_caller]
fn check_replica(how: End, save: &str, (full, partial): (u64, u64), pairs: &[[Kind; 2]]) {
    for kinds in pairs {
        let Some(mut pair) = Pair::start(*kinds, save) else { continue };
        end(&mut pair.replica, how);
        pair.primary.client().call::<()>("SET written-meanwhile yes");
        pair.replica.restart();
        pair.assert_synced(full, partial);
    }
}

#[track_caller]
fn check_primary(how: End, save: &str) {
    for kinds in PAIRS {
        let Some(mut pair) = Pair::start(*kinds, save) else { continue };
        end(&mut pair.primary, how);
        wait_until("the replica knows", || {
            pair.replica.client().info("replication", "master_link_status").as_deref() == Some("down")
        });
        pair.primary.restart();
        // Its counters began anew.
        pair.assert_synced(0, 1);
    }
}

#[test]
fn a_replica_that_was_shut_down_continues() {
    check_replica(End::Shutdown, "--save 3600 1", (1, 1), PAIRS);
}

#[test]
fn a_replica_that_was_killed_behind_a_save_continues() {
    check_replica(End::SaveThenKill, "--save ''", (1, 1), PAIRS);
}

/// Our full sync leaves no file behind, so there is nothing to start from.
#[test]
fn a_replica_that_keeps_nothing_is_sent_everything() {
    let pairs: Vec<[Kind; 2]> = PAIRS.iter().copied().filter(|[_, replica]| *replica == Ours).collect();
    check_replica(End::Kill, "--save ''", (2, 0), &pairs);
}

#[test]
fn a_primary_that_was_shut_down_is_continued() {
    check_primary(End::Shutdown, "--save 3600 1");
}

#[test]
fn a_primary_that_was_killed_behind_a_save_is_continued() {
    check_primary(End::SaveThenKill, "--save ''");
}
