//! CLIENT.

use slipstream_engine::Effect;

use crate::script::Script;

/// The value of a field in the only line of `text`.
fn field(text: &str, name: &str) -> String {
    let text = text.trim_matches('"').trim_end_matches("\\n");
    let found = text.split(' ').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
}

fn killed(script: &mut Script) -> Vec<u64> {
    let ids = script.effects().into_iter().map(|effect| match effect {
        Effect::Disconnect(id) => id.0,
        other => panic!("{other:?}"),
    });
    ids.collect()
}

#[test]
fn fields_stand_in_their_order() {
    let mut script = Script::new();
    let text = script.ask("CLIENT LIST");
    let names: Vec<&str> =
        text.trim_matches('"').split(' ').map(|pair| pair.split_once('=').unwrap().0).collect();
    assert_eq!(
        names.join(" "),
        "id addr laddr fd name age idle flags db sub psub ssub multi qbuf qbuf-free argv-mem multi-mem rbs rbp \
         obl oll omem tot-mem events cmd user redir resp lib-name lib-ver"
    );
    assert_eq!(field(&text, "qbuf"), "26");
    assert_eq!(field(&text, "cmd"), "client|list");
    assert_eq!(field(&text, "fd"), "8");
    assert_eq!(field(&text, "omem"), "0");
}

#[test]
fn fields_tell_what_a_connection_did() {
    let mut script = Script::new();
    script.check_read("CLIENT SETNAME me", "+OK");
    script.check_read("CLIENT SETINFO LIB-NAME lib", "+OK");
    script.check_read("CLIENT SETINFO lib-ver 1.0", "+OK");
    script.check_read("SELECT 3", "+OK");
    script.check_read("MULTI", "+OK");
    script.check_read("PING", "+QUEUED");
    script.advance(2500);
    let other = script.connect();
    let text = script.ask_as(other, "CLIENT LIST ID 1");
    for (name, value) in [
        ("name", "me"),
        ("lib-name", "lib"),
        ("lib-ver", "1.0"),
        ("db", "3"),
        ("flags", "x"),
        ("multi", "1"),
        ("age", "2"),
        ("idle", "2"),
        ("cmd", "ping"),
        ("resp", "2"),
        ("user", "default"),
    ] {
        assert_eq!(field(&text, name), value, "{name}");
    }
    script.check_read("DISCARD", "+OK");
    let info = script.ask("CLIENT INFO");
    assert_eq!((field(&info, "flags"), field(&info, "multi")), ("N".into(), "-1".into()));
}

#[test]
fn flags_tell_monitors_and_switches() {
    let mut script = Script::new();
    let monitor = script.connect();
    script.ask_as(monitor, "CLIENT NO-EVICT on");
    script.ask_as(monitor, "CLIENT NO-TOUCH on");
    script.ask_as(monitor, "MONITOR");
    assert_eq!(field(&script.ask("CLIENT LIST ID 2"), "flags"), "OeT");
}

#[test]
fn lists_can_be_restricted() {
    let mut script = Script::new();
    script.connect();
    assert_eq!(script.ask("CLIENT LIST TYPE normal").matches("id=").count(), 2);
    script.check_read("CLIENT LIST TYPE pubsub", "\"\"");
    script.check_read("CLIENT LIST TYPE REPLICA", "\"\"");
    script.check_read("CLIENT LIST TYPE other", "-ERR Unknown client type 'other'");
    assert_eq!(script.ask("CLIENT LIST ID 2 99 2").matches("id=2 ").count(), 2);
    script.check_read("CLIENT LIST ID x", "-ERR Invalid client ID");
    script.check_read("CLIENT LIST ID", "-ERR syntax error");
}

#[test]
fn names_are_one_word() {
    let mut script = Script::new();
    script.check_read("CLIENT ID", ":1");
    script.check_read("CLIENT GETNAME", "$-1");
    let refusal = "-ERR Client names cannot contain spaces, newlines or special characters.";
    script.check_read("CLIENT SETNAME \"a b\"", refusal);
    script.check_read("CLIENT SETNAME a", "+OK");
    script.check_read("CLIENT GETNAME", "a");
    script.check_read("CLIENT SETNAME \"\"", "+OK");
    script.check_read("CLIENT GETNAME", "$-1");
    script.check_read("CLIENT SETINFO other x", "-ERR Unrecognized option 'other'");
    script.check_read(
        "CLIENT SETINFO lib-name \"a b\"",
        "-ERR lib-name cannot contain spaces, newlines or special characters.",
    );
}

#[test]
fn kill_closes_what_suits_all_options() {
    let mut script = Script::new();
    let (second, third) = (script.connect(), script.connect());
    script.check_read("CLIENT KILL ID 2", ":1");
    assert_eq!(killed(&mut script), [second.0]);
    script.check_read("CLIENT KILL TYPE normal ID 3 USER default", ":1");
    assert_eq!(killed(&mut script), [third.0]);
    script.check_read("CLIENT KILL TYPE replica ID 3", ":0");
    script.check_read("CLIENT KILL ID 1", ":0");
    script.check_read("CLIENT KILL 1.2.3.4:5", "-ERR No such client");
    assert!(script.effects().is_empty());
    script.check_read("CLIENT KILL ID 1 SKIPME no", ":1");
    script.check_read("PING", "");
}

#[test]
fn kill_refuses_what_it_does_not_know() {
    let mut script = Script::new();
    script.check_read("CLIENT KILL ID 0", "-ERR client-id should be greater than 0");
    script.check_read("CLIENT KILL ID x", "-ERR client-id should be greater than 0");
    script.check_read("CLIENT KILL TYPE x", "-ERR Unknown client type 'x'");
    script.check_read("CLIENT KILL USER x", "-ERR No such user 'x'");
    script.check_read("CLIENT KILL SKIPME maybe", "-ERR syntax error");
    script.check_read("CLIENT KILL ID 1 LADDR", "-ERR syntax error");
}

#[test]
fn a_killed_client_takes_up_nothing_more() {
    let mut script = Script::new();
    let other = script.connect();
    script.check_read("CLIENT KILL ID 2", ":1");
    assert_eq!(script.ask_as(other, "PING"), "");
}

#[test]
fn replies_can_be_turned_off() {
    let mut script = Script::new();
    script.check_read("CLIENT REPLY OFF", "");
    script.check_read("PING", "");
    script.check_read("CLIENT REPLY SKIP", "");
    script.check_read("NOSUCH", "");
    script.check_read("CLIENT REPLY ON", "+OK");
    script.check_read("CLIENT REPLY SKIP", "");
    script.check_read("PING", "");
    script.check_read("PING", "+PONG");
    script.check_read("CLIENT REPLY MAYBE", "-ERR syntax error");
}

#[test]
fn a_pause_holds_back_writes_until_it_ends() {
    let mut script = Script::new();
    let writer = script.connect();
    script.check_read("CLIENT PAUSE 1000 WRITE", "+OK");
    assert_eq!(script.ask_as(writer, "ZADD z 1 a"), "");
    assert_eq!(field(&script.ask("CLIENT LIST ID 2"), "flags"), "b");
    script.check_read("ZCARD z", ":0");
    script.advance(1001);
    script.node.tick();
    assert_eq!(script.received(writer), ":1");
    assert_eq!(script.propagated(), "ZADD z 1 a");
}

#[test]
fn unpause_takes_up_what_was_held_back() {
    let mut script = Script::new();
    let other = script.connect();
    assert_eq!(script.ask_as(other, "CLIENT PAUSE 100000"), "+OK");
    script.check_read("PING", "");
    let third = script.connect();
    assert_eq!(script.ask_as(third, "PING"), "");
    script.node.core.pause.end();
    script.node.tick();
    assert_eq!(script.received(third), "+PONG");
    script.check_read("CLIENT UNPAUSE", "+PONG +OK");
}

#[test]
fn pause_refuses_bad_arguments() {
    let mut script = Script::new();
    script.check_read("CLIENT PAUSE x", "-ERR timeout is not an integer or out of range");
    script.check_read("CLIENT PAUSE -1", "-ERR timeout is negative");
    script.check_read("CLIENT PAUSE 9223372036854775807", "-ERR timeout is out of range");
    script.check_read("CLIENT PAUSE 1 SOME", "-ERR CLIENT PAUSE mode must be WRITE or ALL");
    script.check_read("CLIENT PAUSE 0", "+OK");
    script.check_read("PING", "+PONG");
}

#[test]
fn unblock_ends_a_wait() {
    let mut script = Script::new();
    let waiter = script.connect();
    script.check_read("CLIENT UNBLOCK 2", ":0");
    assert_eq!(script.ask_as(waiter, "WAIT 1 0"), "");
    script.check_read("CLIENT UNBLOCK 2 TIMEOUT", ":1");
    assert_eq!(script.received(waiter), ":0");
    assert_eq!(script.ask_as(waiter, "WAIT 1 0"), "");
    script.check_read("CLIENT UNBLOCK 2 ERROR", ":1");
    assert_eq!(script.received(waiter), "-UNBLOCKED client unblocked via CLIENT UNBLOCK");
    script.check_read("CLIENT UNBLOCK 2 MAYBE", "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    script.check_read("CLIENT UNBLOCK x", "-ERR value is not an integer or out of range");
}

#[test]
fn no_touch_leaves_no_trace_but_by_touch() {
    let mut script = Script::new();
    script.check_write("SET k v", "+OK");
    script.check_read("CLIENT NO-TOUCH on", "+OK");
    script.advance(5000);
    script.check_read("GET k", "v");
    script.check_read("OBJECT IDLETIME k", ":5");
    script.check_read("TOUCH k", ":1");
    script.check_read("OBJECT IDLETIME k", ":0");
    script.advance(5000);
    script.check_read("CLIENT NO-TOUCH off", "+OK");
    script.check_read("GET k", "v");
    script.check_read("OBJECT IDLETIME k", ":0");
}

#[test]
fn keys_outlive_their_deadline_while_writes_are_paused() {
    let mut script = Script::new();
    script.check("SET k v PX 100", "+OK", "SET k v PXAT 1100");
    script.check_read("CLIENT PAUSE 1000 WRITE", "+OK");
    script.advance(200);
    script.check_read("GET k", "$-1");
    script.check_read("DBSIZE", ":1");
    script.check_read("CLIENT UNPAUSE", "+OK");
    script.check("GET k", "$-1", "DEL k");
}

#[test]
fn a_replica_sends_clients_that_can_be_redirected_to_its_primary() {
    let mut script = Script::new();
    let other = script.connect();
    script.ask("CLIENT CAPA something redirect");
    script.check_read("GET k", "$-1");
    script.ask("REPLICAOF 10.0.0.9 6380");
    let check = |script: &mut Script, request: &str, reply: &str| {
        assert_eq!(script.ask(request), reply, "{request}");
    };
    check(&mut script, "GET k", "-REDIRECT 10.0.0.9:6380");
    check(&mut script, "SET k v", "-REDIRECT 10.0.0.9:6380");
    check(&mut script, "PING", "+PONG");
    check(&mut script, "MULTI", "+OK");
    check(&mut script, "GET k", "-REDIRECT 10.0.0.9:6380");
    check(&mut script, "EXEC", "-EXECABORT Transaction discarded because of previous errors.");
    check(&mut script, "READONLY", "+OK");
    check(&mut script, "GET k", "$-1");
    check(&mut script, "SET k v", "-REDIRECT 10.0.0.9:6380");
    check(&mut script, "READWRITE", "+OK");
    check(&mut script, "GET k", "-REDIRECT 10.0.0.9:6380");
    assert_eq!(script.ask_as(other, "GET k"), "$-1", "who did not say so is served");
}

#[test]
fn a_pause_holds_back_the_writes_of_monitors_too() {
    let mut script = Script::new();
    let monitor = script.connect();
    script.ask_as(monitor, "MONITOR");
    script.ask("CLIENT PAUSE 1000 WRITE");
    assert_eq!(script.ask_as(monitor, "SET a 2"), "");
    assert_eq!(script.propagated(), "");
    script.advance(1001);
    script.node.tick();
    assert_eq!(script.propagated(), "SET a 2");
}
