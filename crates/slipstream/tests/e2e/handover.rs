//! A planned failover under writes: FAILOVER between all implementations, there and back.
//!
//! What must hold: every write that was answered is there afterwards, nobody is sent the data again, and whoever
//! writes to the old primary is told so.

use std::thread::{self, JoinHandle};

use crate::client::command;
use crate::copies::{assert_same, follow, wait_until_linked};
use crate::dataset;
use crate::peer::Kind::{self, Ours, Redis7, Valkey9};
use crate::peer::all_found;
use crate::server::{self, Server};
use crate::wait::wait_until;

/// How many writes each of the clients sends at once.
const BATCHES: [usize; 3] = [1, 20, 200];

#[test]
fn ours_hands_over_to_ours_and_back() {
    check_there_and_back(Ours, Ours);
}

#[test]
fn ours_hands_over_to_redis_and_back() {
    check_there_and_back(Ours, Redis7);
}

#[test]
fn ours_hands_over_to_valkey_and_back() {
    check_there_and_back(Ours, Valkey9);
}

#[track_caller]
fn check_there_and_back(first: Kind, second: Kind) {
    if !all_found(&[first, second]) {
        return;
    }
    let [first, second] = [first, second].map(|kind| Server::start(kind, &["--repl-backlog-size 64mb"]));
    dataset::fill(&mut first.client());
    let sibling = Server::start(Ours, &[&format!("--replicaof 127.0.0.1 {}", first.port)]);
    wait_until_linked(&sibling);
    follow(&second, first.port);
    wait_until_linked(&second);

    check_handover(&first, &second, "there");
    wait_until_linked(&sibling);
    check_handover(&second, &first, "back");
    assert_same(&first, &sibling);
    assert_eq!(first.client().info_number("stats", "sync_full"), 2, "those at the beginning");
    assert_eq!(second.client().info_number("stats", "sync_full"), 0);
}

#[track_caller]
fn check_handover(old: &Server, new: &Server, name: &str) {
    let lists = BATCHES.map(|batch| format!("{name}:{batch}"));
    let writers: Vec<_> =
        lists.iter().zip(BATCHES).map(|(list, batch)| write_until_refused(old, list, batch)).collect();
    let mut client = old.client();
    for list in &lists {
        wait_until("writes pass", || client.call::<usize>(&format!("LLEN {list}")) > 100);
    }
    let order = format!("FAILOVER TO 127.0.0.1 {} TIMEOUT 120000", new.port);
    wait_until("the target is a replica in good standing", || client.try_call::<()>(&order).is_ok());
    wait_until("the roles are exchanged", || role(old) == "slave" && role(new) == "master");
    wait_until_linked(old);
    for (list, writer) in lists.iter().zip(writers) {
        let answered = writer.join().expect("the writer does not fail");
        let kept: Vec<usize> = new.client().call(&format!("LRANGE {list} 0 -1"));
        assert!(kept.len() >= answered, "{} of {answered} answered writes are left", kept.len());
        assert!(kept.iter().copied().eq(0..kept.len()), "in the order in which they were answered");
    }
    assert_eq!(client.info("replication", "master_failover_state").as_deref(), Some("no-failover"));
    assert_same(new, old);
}

fn role(server: &Server) -> String {
    server.client().info("replication", "role").unwrap_or_default()
}

/// Appends numbers to a list, so many at once, until READONLY or the server's end; returns how many were answered.
fn write_until_refused(server: &Server, list: &str, batch: usize) -> JoinHandle<usize> {
    let (mut client, list) = (server.client(), list.to_owned());
    thread::spawn(move || {
        let mut answered = 0;
        loop {
            let commands: Vec<_> = (answered..answered + batch)
                .map(|number| command(&format!("RPUSH {list} {number}")))
                .collect();
            for reply in client.replies(&commands) {
                match reply.and_then(redis::Value::extract_error) {
                    Ok(_) => answered += 1,
                    Err(error) => {
                        assert!(error.is_io_error() || error.code() == Some("READONLY"), "{error}");
                        return answered;
                    }
                }
            }
        }
    })
}

#[test]
fn ours_hands_over_to_ours_when_it_is_terminated() {
    check_termination(Ours);
}

#[test]
fn ours_hands_over_to_redis_when_it_is_terminated() {
    check_termination(Redis7);
}

/// SIGTERM under writes, with `shutdown-handover`; the old primary is started again and is a replica.
#[track_caller]
fn check_termination(target: Kind) {
    if !all_found(&[target]) {
        return;
    }
    let file = server::new_folder(Ours).join("conf");
    std::fs::write(&file, "shutdown-handover yes\nshutdown-timeout 120\nrepl-backlog-size 64mb\n")
        .expect("the folder is ours");
    let path = file.to_str().expect("cargo's folder has a name of text");
    let mut old = Server::start(Ours, &[path, "--save 3600 1"]);
    let new = Server::start(target, &[&format!("--replicaof 127.0.0.1 {}", old.port)]);
    wait_until_linked(&new);
    let mut client = old.client();
    let writer = write_until_refused(&old, "list", 20);
    wait_until("writes pass", || client.call::<usize>("LLEN list") > 1000);
    old.signal("TERM");
    assert!(old.wait_for_end().success());
    let answered = writer.join().expect("the writer does not fail");
    assert_eq!(role(&new), "master");
    let kept: usize = new.client().call("LLEN list");
    assert!(kept >= answered, "{kept} of {answered} answered writes are left");
    old.restart();
    wait_until_linked(&old);
    assert_same(&new, &old);
    assert_eq!(new.client().info_number("stats", "sync_full"), 0);
    std::fs::remove_dir_all(file.parent().expect("it is in a folder")).expect("nobody else uses it");
}

#[test]
fn a_terminated_primary_hands_over_by_itself_to_whom_its_sentinels_will_find() {
    check_default_termination(2, "master");
}

#[test]
fn a_terminated_primary_that_no_sentinel_watches_ends_as_one() {
    check_default_termination(0, "slave");
}

/// SIGTERM with the default configuration, while so many sentinels of three prove that they watch.
#[track_caller]
fn check_default_termination(sentinels: usize, role_of_other: &str) {
    let mut old = Server::start(Ours, &[]);
    let other = Server::start(Ours, &[&format!("--replicaof 127.0.0.1 {}", old.port)]);
    wait_until_linked(&other);
    let mut client = old.client();
    client.call::<()>("SET key value");
    for number in 0..sentinels {
        let lease = |token: u64| format!("REPLICA LEASE {number:040x} 2 3 600000 {token}");
        let token = client.call::<u64>(&lease(0));
        client.call::<u64>(&lease(token));
    }
    old.signal("TERM");
    assert!(old.wait_for_end().success());
    assert_eq!(role(&other), role_of_other);
    assert_eq!(other.client().call::<String>("GET key"), "value");
}

#[test]
fn a_failover_is_aborted_and_writes_go_on() {
    let primary = Server::start(Ours, &[]);
    let replica = Server::start(Ours, &[&format!("--replicaof 127.0.0.1 {}", primary.port)]);
    wait_until_linked(&replica);
    let mut client = primary.client();
    client.call::<()>("SET key before");
    wait_until("the replica has it", || client.call::<usize>("WAIT 1 1000") == 1);
    replica.signal("STOP");
    client.call::<()>("SET key value");
    client.call::<()>(&format!("FAILOVER TO 127.0.0.1 {}", replica.port));
    assert_eq!(client.info("replication", "master_failover_state").as_deref(), Some("waiting-for-sync"));
    let refused = client.try_call::<()>("REPLICAOF NO ONE").expect_err("a failover is under way");
    assert_eq!(refused.detail(), Some("REPLICAOF not allowed while failing over."));
    let mut writer = primary.client();
    let held = thread::spawn(move || writer.call::<usize>("APPEND key more"));
    wait_until("a write is held back", || {
        client.call::<String>("CLIENT LIST").lines().any(|line| line.contains("cmd=append"))
    });
    client.call::<()>("FAILOVER ABORT");
    assert_eq!(held.join().expect("it is answered"), "valuemore".len());
    replica.signal("CONT");
    wait_until("the copy is whole", || client.call::<usize>("WAIT 1 1000") == 1);
    assert_same(&primary, &replica);
}
