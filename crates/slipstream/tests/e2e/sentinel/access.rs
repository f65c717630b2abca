//! Passwords and users between sentinels and servers, and between sentinels.

use std::fs;

use super::group::{Group, NAME, Plan, state};
use super::with_each_kind;
use crate::client::Client;
use crate::peer::Kind::{self, Ours, Redis7, Valkey9};
use crate::peer::all_found;
use crate::wait::wait_until;

/// What docs/users.md says that a sentinel needs at servers, but for what stock servers do not know.
const WATCHER: &str = "watcher on >secret allchannels -@all +multi +exec +ping +info +role +publish +subscribe +slaveof +config|rewrite +client|setname +client|kill +client|pause +client|unpause +script|kill";

/// The same at other sentinels.
const PEER: &str =
    "peer on >secret allchannels -@all +auth +client|setname +ping +publish +sentinel +subscribe";

/// Without it all they hear is that they must authenticate, which is no sign of life.
#[test]
fn a_password_of_the_servers_can_be_told_later() {
    with_each_kind(|kind| {
        let group = Group::start(&Plan::situation(1, &[kind]));
        let sentinel = &group.sentinels[0];
        let mut server = group.nodes[0].server.client();
        server.call::<()>("CONFIG SET requirepass secret");
        server.call::<()>("AUTH secret");
        server.call::<()>("CLIENT KILL TYPE normal SKIPME yes");
        wait_until("it is down", || state(sentinel)["flags"].contains("s_down"));
        wait_until("it is not connected", || state(sentinel)["flags"].contains("disconnected"));
        sentinel.client().call::<()>(&format!("SENTINEL SET {NAME} auth-pass secret"));
        wait_until("it is up", || state(sentinel)["flags"] == "master");

        server.call::<()>("CONFIG SET requirepass other");
        server.call::<()>("CLIENT KILL TYPE normal SKIPME yes");
        wait_until("it is down", || state(sentinel)["flags"].contains("s_down"));
        let told = format!("SENTINEL SET {NAME} auth-user default auth-pass other");
        sentinel.client().call::<()>(&told);
        wait_until("it is up", || state(sentinel)["flags"] == "master");
    });
}

#[test]
fn sentinels_can_ask_each_other_for_a_password() {
    with_each_kind(|kind| {
        let plan = Plan::situation(1, &[kind; 2])
            .with_line("requirepass secret")
            .with_line("sentinel sentinel-pass secret");
        let group = Group::start(&plan);
        let mut client = group.sentinels[0].client();
        let check = format!("SENTINEL CKQUORUM {NAME}");
        client.call::<String>(&check);
        client.call::<()>("SENTINEL CONFIG SET sentinel-pass wrong");
        wait_until("the other does not let it in", || client.try_call::<String>(&check).is_err());
        client.call::<()>("SENTINEL CONFIG SET sentinel-user default");
        client.call::<()>("SENTINEL CONFIG SET sentinel-pass secret");
        wait_until("it does", || client.try_call::<String>(&check).is_ok());
    });
}

#[test]
fn a_sentinel_needs_few_rights_at_servers() {
    with_each_kind(|kind| check_watcher(Ours, kind));
}

#[test]
fn our_sentinel_needs_few_rights_at_stock_servers() {
    check_watcher(Redis7, Ours);
    check_watcher(Valkey9, Ours);
}

#[track_caller]
fn check_watcher(servers: Kind, sentinel: Kind) {
    if !all_found(&[servers, sentinel]) {
        return;
    }
    let lease = if servers == Ours { " +replica|lease +replica|detach" } else { "" };
    let plan = Plan { servers: vec![servers; 2], ..Plan::situation(2, &[sentinel]) }
        .with_argument(&format!("--user {WATCHER}{lease}"))
        .with_line(&format!("sentinel auth-user {NAME} watcher"))
        .with_line(&format!("sentinel auth-pass {NAME} secret"));
    let group = Group::start(&plan);
    assert!(group.nodes[0].server.client().call::<String>("CLIENT LIST").contains(" user=watcher "));
    group.sentinels[0].client().call::<()>(&format!("SENTINEL FAILOVER {NAME}"));
    // The sentinel closes clients as it turns a server.
    let tells = |node: usize, field: &str| {
        Client::try_connect(group.nodes[node].server.port).ok()?.info("replication", field)
    };
    wait_until("the replica is promoted", || tells(1, "role").as_deref() == Some("master"));
    wait_until("the old primary follows it", || tells(0, "master_link_status").as_deref() == Some("up"));
    for node in &group.nodes {
        let denied = node.server.client().info("stats", "acl_access_denied_cmd");
        assert!(
            denied.is_none_or(|count| count == "0"),
            "{}",
            node.server.client().call::<String>("INFO stats")
        );
    }
}

#[test]
fn sentinels_have_users_of_their_own() {
    with_each_kind(|kind| {
        let plan = Plan::situation(1, &[kind; 2])
            .with_line("requirepass admin")
            .with_line(&format!("user {PEER}"))
            .with_line("sentinel sentinel-user peer")
            .with_line("sentinel sentinel-pass secret");
        let group = Group::start(&plan);
        let mut client = group.sentinels[0].client();
        client.call::<String>(&format!("SENTINEL CKQUORUM {NAME}"));
        assert!(client.call::<String>("CLIENT LIST").contains(" user=peer "));
        client.call::<()>("ACL SETUSER later on >pw +ping");
        client.call::<()>("SENTINEL FLUSHCONFIG");
        let text = fs::read_to_string(group.sentinels[0].folder.join("sentinel.conf"));
        let text = text.expect("the folder is ours");
        let lines = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
        assert_eq!((lines("user later on"), lines("user peer on")), (1, 1), "{text}");
        let mut other = Client::try_connect(group.sentinels[0].port).expect("it listens");
        other.call::<()>("AUTH later pw");
        other.call::<()>("PING");
        let refused = other.try_call::<()>("SENTINEL MYID").expect_err("no rule allows it");
        assert_eq!(refused.code(), Some("NOPERM"));
    });
}
