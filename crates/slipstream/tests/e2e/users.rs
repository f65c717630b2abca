//! Users: who replicates with few rights, where users are kept over a restart, and the command line client.

use std::fs;

use crate::copies::{follow, wait_until_linked};
use crate::peer::Kind::{self, Ours, Redis7, Valkey9};
use crate::peer::all_found;
use crate::server::Server;
use crate::wait::wait_until;

/// What docs/users.md says that a replica needs.
const REPLICA: &str = "ACL SETUSER copy on >secret -@all +psync +replconf +ping";

#[test]
fn our_replica_needs_few_rights_at_redis() {
    check_replica(Redis7, Ours);
}

#[test]
fn a_valkey_replica_needs_few_rights_at_ours() {
    check_replica(Ours, Valkey9);
}

#[test]
fn our_replica_needs_few_rights_at_ours() {
    check_replica(Ours, Ours);
}

#[track_caller]
fn check_replica(primary: Kind, replica: Kind) {
    if !all_found(&[primary, replica]) {
        return;
    }
    let primary = Server::start(primary, &[]);
    let replica = Server::start(replica, &["--masteruser copy", "--masterauth secret"]);
    let mut client = primary.client();
    client.call::<()>(REPLICA);
    client.call::<()>("SET key value");
    follow(&replica, primary.port);
    wait_until_linked(&replica);
    client.call::<()>("SET key other");
    wait_until("it arrives", || replica.client().call::<String>("GET key") == "other");
    assert!(client.call::<String>("CLIENT LIST TYPE replica").contains(" user=copy "));

    client.call::<()>("ACL DELUSER copy");
    wait_until("its link is cut", || {
        replica.client().info("replication", "master_link_status").as_deref() == Some("down")
    });
    client.call::<()>(REPLICA);
    wait_until_linked(&replica);
}

#[test]
fn users_are_kept_over_a_restart() {
    let mut server = Server::start(Ours, &[]);
    let file = server.folder.join("users.acl");
    fs::write(&file, "").expect("the folder is ours");
    server.kill();
    server.set("--aclfile users.acl");
    server.restart();
    let mut client = server.client();
    client.call::<()>("ACL SETUSER app on >secret ~app:* +@all");
    client.call::<()>("ACL SAVE");
    drop(client);
    server.kill();
    server.restart();
    let mut client = server.client();
    client.call::<()>("AUTH app secret");
    client.call::<()>("SET app:1 x");
    let refused = client.try_call::<()>("SET other x").expect_err("no rule names it");
    assert_eq!(refused.code(), Some("NOPERM"));

    fs::write(&file, "user app on\nuser app off\n").expect("the folder is ours");
    server.client().try_call::<()>("ACL LOAD").expect_err("it is named twice");
    server.kill();
    server.start_again();
    assert!(!server.wait_for_end().success());
    assert!(server.log().contains("Duplicate user 'app' found on line 2"), "{}", server.log());
}
