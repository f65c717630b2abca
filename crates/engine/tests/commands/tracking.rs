//! CLIENT TRACKING: who is told that a copy of a key is not valid any more.

use slipstream_engine::config::{Config, EvictionPolicy};
use slipstream_engine::session::SessionId;

use crate::script::Script;

/// A RESP3 client that tracks as `options` say, and another client that writes.
fn tracking(options: &str) -> (Script, SessionId) {
    let mut script = Script::resp3();
    script.check_read(&format!("CLIENT TRACKING ON {options}"), "+OK");
    let writer = script.connect();
    (script, writer)
}

/// Lets the turn end.
fn told(script: &mut Script, client: SessionId) -> String {
    script.node.tick();
    script.received(client)
}

#[test]
fn who_read_a_key_is_told_once_that_it_changed() {
    let (mut script, writer) = tracking("");
    let reader = script.client();
    script.check_read("GET k", "_");
    script.ask_as(writer, "SET k 1");
    assert_eq!(script.received(reader), ">[invalidate [k]]");
    script.ask_as(writer, "SET k 2");
    assert_eq!(script.received(reader), "");
    assert_eq!(script.ask("MGET k l"), "[2 _]");
    script.ask_as(writer, "MSET k 1 l 2");
    assert_eq!(script.received(reader), ">[invalidate [k]] >[invalidate [l]]");
    script.ask_as(writer, "SELECT 3");
    script.ask("GET k");
    script.ask_as(writer, "SET k 1");
    assert_eq!(script.received(reader), ">[invalidate [k]]");
}

#[test]
fn keys_are_what_the_row_of_a_command_says() {
    for (read, write, told) in [
        ("EXISTS a b", "SET b 1", true),
        ("ZUNION 2 y z", "ZADD z 1 m", true),
        ("SORT_RO k BY w*", "RPUSH k 1", true),
        ("XREAD STREAMS s 0", "XADD s 1-1 f v", true),
        ("GEOPOS g m", "GEOADD g 1 1 m", true),
        ("SCAN 0", "SET k 1", false),
        ("GETDEL k", "SET k 1", false),
        ("LPOP k", "RPUSH k 1", false),
        ("PFCOUNT a b", "PFADD a 1", true),
    ] {
        let (mut script, writer) = tracking("");
        let reader = script.client();
        script.ask(read);
        script.ask_as(writer, write);
        assert_eq!(!script.received(reader).is_empty(), told, "{read}, {write}");
    }
}

#[test]
fn own_changes_are_told_behind_the_whole_reply() {
    let (mut script, _) = tracking("");
    script.ask("GET k");
    script.check_write("SET k 1", "+OK >[invalidate [k]]");
    script.ask("MULTI");
    script.ask("GET k");
    script.ask("SET k 2");
    script.ask("PING");
    script.check("EXEC", "[1 +OK +PONG] >[invalidate [k]]", "SET k 2");
    script.ask("HSET h f v");
    script.ask("HGETALL h");
    script.propagated();
    script.check_write("HDEL h f", ":1 >[invalidate [h]]");
}

#[test]
fn noloop_leaves_out_own_changes() {
    let (mut script, writer) = tracking("NOLOOP");
    let reader = script.client();
    script.ask("GET k");
    script.check_write("SET k 1", "+OK");
    script.ask_as(writer, "SET k 2");
    assert_eq!(script.received(reader), "");
    script.ask("GET k");
    script.ask_as(writer, "SET k 2");
    assert_eq!(script.received(reader), ">[invalidate [k]]");
}

#[test]
fn optin_and_optout_go_by_what_is_said_before_a_request() {
    let (mut script, writer) = tracking("OPTIN");
    let reader = script.client();
    script.ask("GET a");
    script.check_read("CLIENT CACHING YES", "+OK");
    script.check_read("CLIENT TRACKINGINFO", "%[flags ~[on optin caching-yes] redirect :0 prefixes []]");
    script.ask("GET b");
    script.ask("GET c");
    script.ask_as(writer, "MSET a 1 b 1 c 1");
    assert_eq!(script.received(reader), ">[invalidate [b]]");
    // A transaction is one request.
    script.ask("CLIENT CACHING YES");
    script.ask("MULTI");
    script.ask("GET a");
    script.ask("GET b");
    script.ask("EXEC");
    script.ask("GET c");
    script.ask_as(writer, "MSET a 1 b 1 c 1");
    assert_eq!(script.received(reader), ">[invalidate [a]] >[invalidate [b]]");

    script.ask("CLIENT TRACKING OFF");
    script.ask("CLIENT TRACKING ON OPTOUT");
    script.ask("CLIENT CACHING NO");
    script.ask("GET a");
    script.ask("GET b");
    script.ask_as(writer, "MSET a 1 b 1");
    assert_eq!(script.received(reader), ">[invalidate [b]]");
}

#[test]
fn broadcasts_are_told_at_the_end_of_a_turn_by_prefix() {
    let (mut script, writer) = tracking("BCAST PREFIX a PREFIX b");
    let reader = script.client();
    script.ask_as(writer, "MSET a2 1 a1 1 b1 1 c 1 a1 2");
    assert_eq!(script.received(reader), "");
    assert_eq!(told(&mut script, reader), ">[invalidate [a1 a2]] >[invalidate [b1]]");
    assert_eq!(told(&mut script, reader), "");
    script.propagated();
    script.check_read("CLIENT TRACKING ON BCAST PREFIX c NOLOOP", "+OK");
    script.check_read("CLIENT TRACKINGINFO", "%[flags ~[on bcast noloop] redirect :0 prefixes [a b c]]");
    script.ask("MSET a1 1 c1 1");
    script.ask_as(writer, "SET c2 1");
    script.ask_as(writer, "SET a2 1");
    script.ask("SET a2 1");
    assert_eq!(told(&mut script, reader), ">[invalidate [c2]]");
    script.ask("CLIENT TRACKING OFF");
    script.ask_as(writer, "SET a1 2");
    assert_eq!(told(&mut script, reader), "");
}

#[test]
fn a_broadcast_without_a_prefix_is_of_all_keys() {
    let (mut script, writer) = tracking("BCAST");
    let reader = script.client();
    script.ask("GET k");
    script.ask_as(writer, "SET k 1");
    assert_eq!(told(&mut script, reader), ">[invalidate [k]]");
    script.ask_as(writer, "FLUSHDB");
    assert_eq!(told(&mut script, reader), ">[invalidate _]");
}

#[test]
fn another_client_may_be_told_in_its_place() {
    let mut script = Script::new();
    let (target, writer) = (script.connect(), script.connect());
    script.check_read(&format!("CLIENT TRACKING ON REDIRECT {}", target.0), "+OK");
    script.check_read("CLIENT GETREDIR", &format!(":{}", target.0));
    // It takes messages only while it listens to channels.
    script.ask("GET k");
    script.ask_as(writer, "SET k 1");
    assert_eq!(script.received(target), "");
    script.ask_as(target, "SUBSCRIBE __redis__:invalidate");
    script.ask("GET k");
    script.ask_as(writer, "SET k 1");
    assert_eq!(script.received(target), "[message \"__redis__:invalidate\" [k]]");
    script.ask_as(writer, "FLUSHALL");
    assert_eq!(script.received(target), "[message \"__redis__:invalidate\" $-1]");
    script.ask_as(target, "HELLO 3");
    script.ask_as(target, "RESET");
    script.ask_as(target, "HELLO 3");
    script.ask("GET k");
    script.ask_as(writer, "SET k 1");
    assert_eq!(script.received(target), ">[invalidate [k]]");
    // The target itself may be who writes.
    script.ask("GET k");
    assert_eq!(script.ask_as(target, "SET k 2"), "+OK >[invalidate [k]]");
    let client = script.client();
    assert_eq!(script.received(client), "");
}

#[test]
fn a_redirection_to_who_is_gone_is_told() {
    let (mut script, writer) = tracking("");
    let (client, target) = (script.client(), script.connect());
    let id = target.0;
    script.ask(&format!("CLIENT TRACKING ON REDIRECT {id}"));
    script.ask("GET k");
    script.node.closed(target);
    assert!(script.ask("CLIENT INFO").contains("flags=t db=0"));
    script.ask_as(writer, "SET k 1");
    assert_eq!(script.received(client), format!(">[tracking-redir-broken :{id}]"));
    let info = format!("%[flags ~[on broken_redirect] redirect :{id} prefixes []]");
    script.check("CLIENT TRACKINGINFO", &info, "SET k 1");
    let listed = script.ask("CLIENT INFO");
    assert!(listed.contains("flags=tR ") && listed.contains(&format!("redir={id} ")), "{listed}");
    script.check_read("CLIENT TRACKING ON", "+OK");
    script.check_read("CLIENT TRACKINGINFO", "%[flags ~[on] redirect :0 prefixes []]");
}

#[test]
fn resp2_without_redirection_is_told_nothing() {
    let mut script = Script::new();
    let writer = script.connect();
    script.check_read("CLIENT TRACKING ON", "+OK");
    script.ask("GET k");
    script.ask_as(writer, "SET k 1");
    script.propagated();
    let client = script.client();
    assert_eq!(script.received(client), "");
    script.check_read("CLIENT TRACKINGINFO", "[flags [on] redirect :0 prefixes []]");
    script.check_read("CLIENT TRACKING OFF", "+OK");
    script.check_read("CLIENT TRACKINGINFO", "[flags [off] redirect :-1 prefixes []]");
    script.check_read("CLIENT GETREDIR", ":-1");
}

#[test]
fn what_fades_by_itself_is_told_to_all_its_readers() {
    let (mut script, writer) = tracking("NOLOOP");
    let reader = script.client();
    script.ask_as(writer, "SET k 1 PX 100");
    script.ask("GET k");
    script.advance(200);
    script.check("GET k", "_ >[invalidate [k]]", "SET k 1 PXAT 1100; DEL k");
    // That there is none was read too.
    script.ask_as(writer, "SET k 1 PX 100");
    assert_eq!(script.received(reader), ">[invalidate [k]]");
    script.ask("GET k");
    script.advance(200);
    assert_eq!(told(&mut script, reader), ">[invalidate [k]]");
    script.ask_as(writer, "HSETEX h PX 100 FIELDS 1 f v");
    script.ask("HGETALL h");
    script.advance(200);
    assert_eq!(told(&mut script, reader), ">[invalidate [h]]");
}

#[test]
fn what_makes_room_is_told_before_the_reply() {
    let mut config = Config::default();
    config.maxmemory = 1 << 20;
    config.maxmemory_policy = EvictionPolicy::AllKeysRandom;
    let mut script = Script::with_config(config);
    script.use_resp3();
    script.ask("CLIENT TRACKING ON NOLOOP");
    script.ask("SET k v");
    script.ask("GET k");
    script.set_memory(2 << 20);
    assert_eq!(script.ask("PING"), ">[invalidate [k]] +PONG");
}

#[test]
fn when_all_data_goes_all_who_track_are_told() {
    let (mut script, writer) = tracking("");
    let reader = script.client();
    for request in ["FLUSHALL", "FLUSHDB ASYNC", "SWAPDB 0 1"] {
        script.ask("GET k");
        script.ask_as(writer, request);
        assert_eq!(script.received(reader), ">[invalidate _]", "{request}");
        assert!(script.ask("INFO stats").contains("tracking_total_keys:0"));
    }
    script.propagated();
    script.ask("MULTI");
    script.ask("FLUSHDB");
    script.ask("PING");
    script.check("EXEC", "[+OK +PONG] >[invalidate _]", "FLUSHDB");
}

#[test]
fn more_keys_than_may_be_remembered_count_as_changed() {
    let (mut script, writer) = tracking("");
    let reader = script.client();
    for index in 0..250 {
        script.ask(&format!("GET k{index}"));
    }
    script.ask_as(writer, "CONFIG SET tracking-table-max-keys 1");
    script.ask_as(writer, "PING");
    assert_eq!(script.received(reader).matches("invalidate").count(), 100);
    // What is left is more than it was allowed to do: it does more.
    script.ask_as(writer, "PING");
    assert_eq!(script.received(reader).matches("invalidate").count(), 149);
    script.ask_as(writer, "PING");
    assert_eq!(script.received(reader), "");
    let info = script.ask("INFO stats");
    assert!(info.contains("tracking_total_keys:1") && info.contains("tracking_total_items:1"), "{info}");
}

#[test]
fn what_is_tracked_is_counted() {
    let (mut script, other) = tracking("");
    script.ask_as(other, "HELLO 3");
    let third = script.connect();
    script.ask_as(third, "CLIENT TRACKING ON BCAST PREFIX a PREFIX b");
    script.ask_as(other, "CLIENT TRACKING ON");
    script.ask("MGET k l");
    script.ask_as(other, "MGET k m");
    let info = script.ask("INFO everything");
    for field in
        ["tracking_clients:3", "tracking_total_keys:3", "tracking_total_items:4", "tracking_total_prefixes:2"]
    {
        assert!(info.contains(field), "{field}");
    }
    let listed = script.ask("CLIENT LIST");
    assert!(listed.contains("flags=tB ") && listed.contains("redir=0 "), "{listed}");
    // Who leaves is forgotten, and with the last one the keys.
    script.node.closed(third);
    script.node.closed(other);
    script.ask("RESET");
    let info = script.ask("INFO everything");
    for field in
        ["tracking_clients:0", "tracking_total_keys:0", "tracking_total_items:0", "tracking_total_prefixes:0"]
    {
        assert!(info.contains(field), "{field}");
    }
    assert!(script.ask("CLIENT INFO").contains("redir=-1 "));
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let switch = "before disabling tracking for this client, and then re-enabling it with a different mode.";
    let overlap = "Prefixes for a single client must not overlap.";
    let switch_bcast = format!("-ERR You can't switch BCAST mode on/off {switch}");
    let only = |which: &str, mode: &str| {
        format!("-ERR CLIENT CACHING {which} is only valid when tracking is enabled in {mode} mode.")
    };
    let mut script = Script::new();
    for (request, reply) in [
        ("CLIENT TRACKING", "-ERR wrong number of arguments for 'client|tracking' command"),
        ("CLIENT TRACKING maybe", "-ERR syntax error"),
        ("CLIENT TRACKING ON x", "-ERR syntax error"),
        ("CLIENT TRACKING ON REDIRECT", "-ERR syntax error"),
        ("CLIENT TRACKING ON PREFIX", "-ERR syntax error"),
        ("CLIENT TRACKING ON REDIRECT x", "-ERR value is not an integer or out of range"),
        ("CLIENT TRACKING ON REDIRECT 999", "-ERR The client ID you want redirect to does not exist"),
        (
            "CLIENT TRACKING ON REDIRECT 1 REDIRECT 1",
            "-ERR A client can only redirect to a single other client",
        ),
        ("CLIENT TRACKING ON PREFIX a", "-ERR PREFIX option requires BCAST mode to be enabled"),
        ("CLIENT TRACKING ON BCAST OPTIN", "-ERR OPTIN and OPTOUT are not compatible with BCAST"),
        ("CLIENT TRACKING ON OPTIN OPTOUT", "-ERR You can't specify both OPTIN mode and OPTOUT mode"),
        (
            "CLIENT CACHING YES",
            "-ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
        ),
        (
            "CLIENT TRACKING ON BCAST PREFIX ab PREFIX a",
            &format!("-ERR Prefix 'ab' overlaps with another provided prefix 'a'. {overlap}"),
        ),
        ("CLIENT TRACKING ON BCAST PREFIX a", "+OK"),
        (
            "CLIENT TRACKING ON BCAST PREFIX ax",
            &format!("-ERR Prefix 'ax' overlaps with an existing prefix 'a'. {overlap}"),
        ),
        ("CLIENT TRACKING ON", &switch_bcast),
        ("CLIENT TRACKING OFF", "+OK"),
        ("CLIENT TRACKING ON OPTIN", "+OK"),
        ("CLIENT TRACKING ON OPTOUT", &format!("-ERR You can't switch OPTIN/OPTOUT mode {switch}")),
        ("CLIENT TRACKING ON BCAST", &switch_bcast),
        ("CLIENT CACHING NO", &only("NO", "OPTOUT")),
        ("CLIENT CACHING maybe", "-ERR syntax error"),
        ("CLIENT TRACKING ON", "+OK"),
        ("CLIENT CACHING YES", &only("YES", "OPTIN")),
    ] {
        script.check_read(request, reply);
    }
}

#[test]
fn a_script_reads_for_its_client() {
    for (script_of_reader, told) in [
        ("EVAL \"return redis.call('GET', 'k')\" 0", true),
        ("EVAL_RO \"return redis.call('GET', KEYS[1])\" 1 k", true),
        ("EVAL_RO \"return 1\" 1 k", false),
        ("EVAL \"return redis.call('TYPE', 'other')\" 0", false),
    ] {
        let (mut script, writer) = tracking("");
        let reader = script.client();
        script.ask(script_of_reader);
        script.ask_as(writer, "EVAL \"return redis.call('SET', 'k', 1)\" 0");
        assert_eq!(!script.received(reader).is_empty(), told, "{script_of_reader}");
    }
    let (mut script, _) = tracking("NOLOOP");
    script.ask("GET k");
    script.check("EVAL \"return redis.call('SET', 'k', 1)\" 0", "+OK", "SET k 1");
}
