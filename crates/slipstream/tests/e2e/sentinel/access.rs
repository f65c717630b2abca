//! Passwords between sentinels and servers, and between sentinels.

use super::group::{Group, NAME, Plan, state};
use super::with_each_kind;
use crate::client::Client;
use crate::wait::wait_until;

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
        let group = Group::start(&Plan::situation(1, &[kind; 2]));
        let mut clients: Vec<Client> = group.sentinels.iter().map(|sentinel| sentinel.client()).collect();
        for client in &mut clients {
            client.call::<()>("ACL SETUSER watcher on >secret allchannels +@all");
            client.call::<()>("AUTH watcher secret");
            client.call::<()>("ACL SETUSER default off");
            client.call::<()>("CLIENT KILL TYPE normal SKIPME yes");
        }
        let check = format!("SENTINEL CKQUORUM {NAME}");
        wait_until("they do not let each other in", || clients[0].try_call::<String>(&check).is_err());
        for client in &mut clients {
            client.call::<()>("SENTINEL CONFIG SET sentinel-user watcher");
            client.call::<()>("SENTINEL CONFIG SET sentinel-pass secret");
        }
        wait_until("they do", || clients[0].try_call::<String>(&check).is_ok());
        assert_eq!(clients[0].call::<String>("ACL WHOAMI"), "watcher");
    });
}
