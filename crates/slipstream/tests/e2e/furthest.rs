//! kill -9 of a primary that keeps no files: what it answered is on the replica that is furthest.
//!
//! A reply to a write leaves when one replica's socket has the write (`repl-send-before-reply`), and the system goes on
//! with what a killed process has sent.

use crate::copies::wait_until_online;
use crate::ledger::Writers;
use crate::peer::Kind::Ours;
use crate::seed::Seed;
use crate::server::Server;
use crate::wait::wait_until;

const ROUNDS: u64 = 6;
/// A round ends within so many steps of the writers.
const MOST_STEPS: u64 = 3000;

#[test]
fn the_only_replica_has_what_a_killed_primary_answered() {
    check(1);
}

#[test]
fn the_furthest_replica_has_what_a_killed_primary_answered() {
    check(2);
}

fn check(replicas: usize) {
    let seed = Seed::new(31);
    let mut random = seed.random();
    for _ in 0..ROUNDS {
        let mut primary = Server::start(Ours, &[]);
        let following = format!("--replicaof 127.0.0.1 {}", primary.port);
        let replicas: Vec<Server> = (0..replicas).map(|_| Server::start(Ours, &[&following])).collect();
        wait_until_online(&primary, replicas.len());
        let writers = Writers::start(&primary);
        writers.let_pass(random.u64(..MOST_STEPS));
        primary.kill();
        let tallies = writers.stop();
        let furthest = replicas.iter().max_by_key(|replica| end_without_primary(replica));
        let mut client = furthest.expect("there is one").client();
        tallies.iter().for_each(|tally| tally.assert_answered(&mut client));
    }
}

/// How far it is when all that its primary sent has arrived.
fn end_without_primary(replica: &Server) -> u64 {
    let mut client = replica.client();
    let mut status = || client.info("replication", "master_link_status");
    wait_until("the link is gone", || status().as_deref() == Some("down"));
    client.info_number("replication", "slave_repl_offset")
}
