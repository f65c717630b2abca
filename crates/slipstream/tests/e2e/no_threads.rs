//! A system that has no room for another thread: what would run on one fails, is said, and is tried again.
//!
//! A limit on the process's address space stands for it: none is left for a stack.

use std::fs;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::client::Client;
use crate::copies::{assert_same_strings, follow, wait_until_linked};
use crate::peer::Kind::Ours;
use crate::server::Server;
use crate::wait::wait_until;

/// The process may map nothing more than it has; `false` lifts that.
fn limit_memory(server: &Server, limited: bool) {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).expect("it runs");
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).expect("it has a size");
    let kibibytes: u64 = size.trim().trim_end_matches(" kB").parse().expect("a number");
    let limit = Rlimit { current: limited.then_some(kibibytes << 10), maximum: None };
    let pid = Pid::from_raw(server.id()).expect("a process has a number");
    prlimit(Some(pid), Resource::As, limit).expect("the process is our child");
}

fn is_saved(client: &mut Client, status: &str) -> bool {
    client.info("persistence", "rdb_last_bgsave_status").as_deref() == Some(status)
}

#[test]
fn what_has_no_thread_fails_and_the_server_goes_on() {
    let [primary, server] = [(); 2].map(|()| Server::start(Ours, &[]));
    primary.client().call::<()>("SET key value");
    let mut client = server.client();
    limit_memory(&server, true);
    client.call::<()>("BGSAVE");
    wait_until("the save has failed", || is_saved(&mut client, "err"));
    let told =
        |text: &str| server.log().lines().any(|line| line.contains(text) && line.contains("no thread"));
    assert!(told("saving"), "{}", server.log());
    follow(&server, primary.port);
    wait_until("the connection has failed", || told("SYNC"));

    limit_memory(&server, false);
    wait_until_linked(&server);
    assert_same_strings(&primary, &server);
    client.call::<()>("BGSAVE");
    wait_until("it is saved", || is_saved(&mut client, "ok"));
}
