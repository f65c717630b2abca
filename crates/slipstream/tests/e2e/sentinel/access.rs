//! Passwords between sentinels and servers, and between sentinels.

use super::group::{Group, NAME, Plan, state};
use super::with_each_kind;
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
