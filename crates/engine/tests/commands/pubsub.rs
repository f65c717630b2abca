//! SUBSCRIBE and its kin, PUBLISH, SPUBLISH, PUBSUB.

use slipstream_engine::config::{Config, OutputLimit};

use crate::script::Script;

const REFUSED: &str =
    "only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context";

#[test]
fn each_subscription_is_answered_by_itself_with_the_number_of_all() {
    let mut script = Script::new();
    for (request, reply) in [
        ("SUBSCRIBE c c d", "[subscribe c :1] [subscribe c :1] [subscribe d :2]"),
        ("PSUBSCRIBE c* *", "[psubscribe c* :3] [psubscribe * :4]"),
        ("SSUBSCRIBE c", "[ssubscribe c :1]"),
        ("UNSUBSCRIBE d nobody", "[unsubscribe d :3] [unsubscribe nobody :3]"),
        ("UNSUBSCRIBE", "[unsubscribe c :2]"),
        ("UNSUBSCRIBE", "[unsubscribe $-1 :2]"),
        ("PUNSUBSCRIBE", "[punsubscribe * :1] [punsubscribe c* :0]"),
        ("SUNSUBSCRIBE", "[sunsubscribe c :0]"),
        ("SUNSUBSCRIBE", "[sunsubscribe $-1 :0]"),
        ("GET k", "$-1"),
    ] {
        script.check_read(request, reply);
    }
}

#[test]
fn a_message_reaches_the_channel_then_the_patterns_and_is_propagated_as_it_came() {
    let mut script = Script::new();
    let (first, second) = (script.connect(), script.connect());
    script.ask_as(first, "PSUBSCRIBE n* [x]");
    script.ask_as(first, "SUBSCRIBE news");
    script.ask_as(second, "SUBSCRIBE news");
    script.ask_as(second, "SSUBSCRIBE news");
    script.check_write("PUBLISH news hello", ":3");
    assert_eq!(script.received(first), "[message news hello] [pmessage n* news hello]");
    assert_eq!(script.received(second), "[message news hello]");
    script.check_write("SPUBLISH news all", ":1");
    assert_eq!(script.received(first), "");
    assert_eq!(script.received(second), "[smessage news all]");
    script.check_write("PUBLISH nobody hears", ":1");
    assert_eq!(script.received(first), "[pmessage n* nobody hears]");
}

#[test]
fn messages_of_a_transaction_travel_within_it() {
    let mut script = Script::new();
    script.ask("MULTI");
    script.ask("SET k v");
    script.ask("PUBLISH c m");
    script.check("EXEC", "[+OK :0]", "MULTI; SET k v; PUBLISH c m; EXEC");
}

#[test]
fn a_subscriber_in_resp2_may_ask_for_little() {
    let mut script = Script::new();
    script.ask("SUBSCRIBE c");
    for (request, reply) in [
        ("PING", "[pong \"\"]".to_owned()),
        ("PING m", "[pong m]".to_owned()),
        ("PING a b", "-ERR wrong number of arguments for 'ping' command".to_owned()),
        ("GET k", format!("-ERR Can't execute 'get': {REFUSED}")),
        ("CONFIG GET x", format!("-ERR Can't execute 'config|get': {REFUSED}")),
        ("MULTI", format!("-ERR Can't execute 'multi': {REFUSED}")),
        ("GET", "-ERR wrong number of arguments for 'get' command".to_owned()),
        ("SUNSUBSCRIBE", "[sunsubscribe $-1 :0]".to_owned()),
        ("RESET", "+RESET".to_owned()),
        ("GET k", "$-1".to_owned()),
        ("PUBSUB CHANNELS", "[]".to_owned()),
    ] {
        script.check_read(request, &reply);
    }
}

#[test]
fn in_resp3_messages_are_pushes_and_everything_may_be_asked() {
    let mut script = Script::resp3();
    script.check_read("SUBSCRIBE c", ">[subscribe c :1]");
    script.check_read("PING", "+PONG");
    script.check_read("GET k", "_");
    script.check_read("UNSUBSCRIBE c", ">[unsubscribe c :0]");
    script.check_read("UNSUBSCRIBE", ">[unsubscribe _ :0]");
    let other = script.connect();
    script.ask("PSUBSCRIBE *");
    assert_eq!(script.ask_as(other, "PUBLISH c m"), ":1");
    let client = script.client();
    assert_eq!(script.received(client), ">[pmessage * c m]");
}

#[test]
fn a_message_to_oneself_comes_behind_the_whole_reply() {
    let mut script = Script::resp3();
    script.ask("SUBSCRIBE c");
    script.check_write("PUBLISH c m", ":1 >[message c m]");
    script.ask("MULTI");
    script.ask("PUBLISH c 1");
    script.ask("PING");
    script.ask("PUBLISH c 2");
    let reply = "[:1 +PONG :1] >[message c 1] >[message c 2]";
    script.check("EXEC", reply, "MULTI; PUBLISH c 1; PUBLISH c 2; EXEC");
}

#[test]
fn silence_that_was_asked_for_holds_no_push_back() {
    let mut script = Script::resp3();
    script.ask("SUBSCRIBE c");
    script.check_read("CLIENT REPLY OFF", "");
    script.check_write("PUBLISH c m", ">[message c m]");
    script.check_read("SUBSCRIBE d", ">[subscribe d :2]");
    script.check_read("PING", "");
    script.check_read("CLIENT REPLY ON", "+OK");
    script.check_read("CLIENT REPLY SKIP", "");
    script.check_read("UNSUBSCRIBE d", ">[unsubscribe d :1]");
    script.check_read("PING", "+PONG");
}

#[test]
fn within_a_transaction_each_name_is_an_answer_and_shard_channels_are_refused() {
    let mut script = Script::new();
    script.ask("MULTI");
    script.ask("SUBSCRIBE a b");
    script.ask("SSUBSCRIBE s");
    script.ask("GET k");
    let client = script.client();
    let exec = script.node.core.sessions.get(client).map(|_| b"*1\r\n$4\r\nEXEC\r\n").unwrap();
    script.node.receive(client, exec);
    let session = script.node.core.sessions.get_mut(client).unwrap();
    assert_eq!(
        session.sendable(),
        b"*3\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n\
          -ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client\r\n$-1\r\n"
    );
}

#[test]
fn who_listens_is_told() {
    let mut script = Script::new();
    let (first, second) = (script.connect(), script.connect());
    script.ask_as(first, "SUBSCRIBE one two");
    script.ask_as(second, "SUBSCRIBE two");
    script.ask_as(first, "PSUBSCRIBE a* b*");
    script.ask_as(second, "PSUBSCRIBE b*");
    script.ask_as(second, "SSUBSCRIBE part");
    for (request, reply) in [
        ("PUBSUB CHANNELS", "[one two]"),
        ("PUBSUB CHANNELS t*", "[two]"),
        ("PUBSUB NUMSUB two none", "[two :2 none :0]"),
        ("PUBSUB NUMSUB", "[]"),
        ("PUBSUB NUMPAT", ":2"),
        ("PUBSUB SHARDCHANNELS", "[part]"),
        ("PUBSUB SHARDCHANNELS x*", "[]"),
        ("PUBSUB SHARDNUMSUB part two", "[part :1 two :0]"),
        (
            "PUBSUB CHANNELS a b",
            "-ERR unknown subcommand or wrong number of arguments for 'CHANNELS'. Try PUBSUB HELP.",
        ),
        ("PUBSUB NUMPAT a", "-ERR wrong number of arguments for 'pubsub|numpat' command"),
    ] {
        script.check_read(request, reply);
    }
    let info = script.ask("INFO everything");
    for field in ["pubsub_channels:2", "pubsub_patterns:2", "pubsubshard_channels:1", "pubsub_clients:2"] {
        assert!(info.contains(field), "{field}");
    }
    let listed = script.ask("CLIENT LIST TYPE pubsub");
    assert!(listed.contains("flags=P db=0 sub=2 psub=2 ssub=0"), "{listed}");
    assert!(listed.contains("flags=P db=0 sub=1 psub=1 ssub=1"), "{listed}");
    assert!(!script.ask("CLIENT LIST TYPE normal").contains("flags=P"));
}

#[test]
fn who_is_gone_listens_no_more() {
    let mut script = Script::new();
    let other = script.connect();
    script.ask_as(other, "SUBSCRIBE c");
    script.ask_as(other, "PSUBSCRIBE *");
    script.ask_as(other, "SSUBSCRIBE c");
    script.node.closed(other);
    script.check_write("PUBLISH c m", ":0");
    script.check_write("SPUBLISH c m", ":0");
    script.check_read("PUBSUB NUMPAT", ":0");
    assert!(script.ask("INFO clients").contains("pubsub_clients:0"));
}

#[test]
fn a_subscriber_that_does_not_read_is_cut_off_by_the_limit_of_its_class() {
    let mut config = Config::default();
    config.client_output_buffer_limit.pubsub = OutputLimit { hard: 100, soft: 0, soft_seconds: 0 };
    let mut script = Script::with_config(config);
    let (slow, quick) = (script.connect(), script.connect());
    script.ask_as(slow, "SUBSCRIBE c");
    script.ask_as(quick, "SUBSCRIBE c");
    for _ in 0..3 {
        script.ask("PUBLISH c 0123456789");
        script.received(quick);
    }
    assert_eq!(script.ask("PUBLISH c 0123456789"), ":2");
    assert_eq!(script.received(quick), "[message c 0123456789]");
    assert_eq!(script.received(slow), "");
    assert!(script.ask("INFO stats").contains("client_output_buffer_limit_disconnections:1"));
}

#[test]
fn a_transaction_runs_at_one_time() {
    let mut script = Script::new();
    script.ask("SET k v PX 100");
    script.ask("MULTI");
    script.ask("PTTL k");
    script.ask("GET k");
    script.ask("PTTL k");
    script.ask("GET k");
    script.run_clock(40_000);
    let reply = script.ask("EXEC");
    script.run_clock(0);
    let words: Vec<&str> = reply.trim_matches(['[', ']']).split(' ').collect();
    assert_eq!((words[0], words[1], words[3]), (words[2], "v", "v"), "{reply}");
}
