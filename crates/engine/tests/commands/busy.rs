//! Scripts that run for long: what others may do meanwhile, and how they end.

use slipstream_engine::{Arrival, Effect, SessionId};

use crate::script::Script;

const BUSY: &str = "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
const WROTE: &str = "-UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.";
const FOREVER: &str = "EVAL 'while true do end' 0";
/// Is asked often enough whether it may go on, and ends by itself.
const FOR_LONG: &str = "EVAL 'for i = 1, 2000000 do end return 1' 0";

/// A node on which a second passes whenever a script is asked.
fn slow() -> (Script, SessionId) {
    let mut script = Script::new();
    script.run_clock(1_000_000);
    let other = script.connect();
    (script, other)
}

fn sends(id: SessionId, requests: &[&str]) -> Vec<Arrival> {
    requests.iter().map(|request| Arrival::Bytes(id, format!("{request}\r\n").into_bytes())).collect()
}

#[track_caller]
fn assert_killed(reply: &str) {
    assert!(reply.starts_with("-ERR Script killed by user with SCRIPT KILL... script: "), "{reply}");
}

#[test]
fn others_are_refused_until_the_script_is_killed() {
    let (mut script, other) = slow();
    script.arrives_while_busy(sends(other, &["GET k", "PING", "SCRIPT KILL"]));
    assert_killed(&script.ask(FOREVER));
    assert_eq!(script.received(other), format!("{BUSY} {BUSY} +OK"));
    assert_eq!(script.ask_as(other, "PING"), "+PONG");
    assert_eq!(script.ask("GET k"), "$-1");
    assert_eq!(script.propagated(), "");
}

#[test]
fn no_script_swallows_its_end() {
    for body in [
        "while true do pcall(function() while true do end end) end",
        "while true do xpcall(function() while true do end end, function() return 1 end) end",
        "local f = coroutine.wrap(function() while true do pcall(function() while true do end end) end end) f()",
        "while true do redis.pcall('GET', 'k') end",
    ] {
        let (mut script, other) = slow();
        script.arrives_while_busy(sends(other, &["SCRIPT KILL"]));
        let client = script.client();
        assert_killed(&script.ask_words(client, &["EVAL", body, "0"]));
        assert_eq!(script.received(other), "+OK", "{body}");
    }
}

#[test]
fn a_script_that_wrote_is_not_killed() {
    let (mut script, other) = slow();
    script.arrives_while_busy(sends(other, &["SCRIPT KILL"]));
    let request = "EVAL 'redis.call(\"SET\", \"k\", \"v\") for i = 1, 2000000 do end return 1' 0";
    script.check(request, ":1", "SET k v");
    assert_eq!(script.received(other), WROTE);
}

#[test]
fn what_a_primary_sends_is_not_killed() {
    let (mut script, other) = slow();
    let primary = script.connect();
    script.node.core.sessions.get_mut(primary).unwrap().role = slipstream_engine::session::Role::Primary;
    script.arrives_while_busy(sends(other, &["SCRIPT KILL"]));
    assert_eq!(script.ask_as(primary, FOR_LONG), ":1");
    let reply = script.received(other);
    assert_eq!(
        reply,
        "-UNKILLABLE The busy script was sent by a master instance in the context of replication and cannot be killed."
    );
}

#[test]
fn nothing_is_busy_before_the_threshold_and_without_one() {
    for (threshold, pace) in [("1000000", 1000), ("0", 1_000_000)] {
        let mut script = Script::new();
        let other = script.connect();
        script.ask(&format!("CONFIG SET busy-reply-threshold {threshold}"));
        script.run_clock(pace);
        script.arrives_while_busy(sends(other, &["SCRIPT KILL"]));
        assert_eq!(script.ask(FOR_LONG), ":1");
        assert_eq!(script.received(other), "", "it is still to be read");
        assert_eq!(script.ask_as(other, "SCRIPT KILL"), "-NOTBUSY No scripts in execution right now.");
    }
}

#[test]
fn a_transaction_that_a_script_interrupts_is_not_run_by_half() {
    let (mut script, other) = slow();
    let operator = script.connect();
    let mut arrivals = sends(other, &["MULTI", "SET k v", "EXEC", "MULTI", "SET k v", "UNWATCH"]);
    arrivals.extend(sends(operator, &["SCRIPT KILL"]));
    script.arrives_while_busy(arrivals);
    assert_killed(&script.ask(FOREVER));
    let aborted = BUSY.replace("-BUSY", "-EXECABORT Transaction discarded because of: BUSY");
    assert_eq!(script.received(other), format!("+OK {BUSY} {aborted} +OK {BUSY} +QUEUED"));
    let reply = script.ask_as(other, "EXEC");
    assert_eq!(reply, "-EXECABORT Transaction discarded because of previous errors.");
}

#[test]
fn time_stands_still_for_the_script_whatever_others_look_at() {
    let (mut script, other) = slow();
    script.ask("SET k v PX 15000");
    script.arrives_while_busy(sends(other, &["WATCH k"]));
    let client = script.client();
    let body = "redis.call('GET', 'k') for i = 1, 2000000 do end return redis.call('GET', 'k')";
    assert_eq!(script.ask_words(client, &["EVAL", body, "0"]), "v");
    assert_eq!(script.received(other), "+OK");
    assert_eq!(script.ask("GET k"), "$-1", "it was due long before the end");
}

#[test]
fn a_script_that_waits_for_a_replica_to_go_sees_it_go() {
    let (mut script, _) = slow();
    let log = &script.node.core.log;
    let psync = format!("PSYNC {} {}", log.history().id, log.end().0 + 1);
    let replica = script.connect();
    for request in ["REPLCONF listening-port 1 capa psync2", &psync] {
        script.ask_as(replica, request);
    }
    script.node.tick();
    script.arrives_while_busy([Arrival::Closed(replica)]);
    let body = "repeat local info = redis.call('INFO', 'replication') \
        until info:match('connected_slaves:0') return redis.call('SET', 'k', 'v')";
    let client = script.client();
    assert_eq!(script.ask_words(client, &["EVAL", body, "0"]), "+OK");
    assert!(script.node.core.sessions.get(replica).is_none());
    // The loop, too, is told in the end.
    script.node.closed(replica);
    assert!(script.ask("INFO replication").contains("connected_slaves:0"));
}

#[test]
fn who_leaves_meanwhile_is_gone_and_who_quits_is_to_be() {
    let (mut script, other) = slow();
    let third = script.connect();
    let mut arrivals = vec![Arrival::Closed(other)];
    arrivals.extend(sends(third, &["QUIT"]));
    script.arrives_while_busy(arrivals);
    assert_eq!(script.ask(FOR_LONG), ":1");
    assert!(script.node.core.sessions.get(other).is_none());
    assert_eq!(script.received(third), "+OK");
}

#[test]
fn a_script_within_a_transaction_is_killed_alone() {
    let (mut script, other) = slow();
    script.arrives_while_busy(sends(other, &["SCRIPT KILL"]));
    script.ask("MULTI");
    script.ask("SET a 1");
    script.ask(FOREVER);
    script.ask("SET b 2");
    let reply = script.ask("EXEC");
    assert!(reply.starts_with("[+OK -ERR Script killed by user"), "{reply}");
    assert_eq!(script.propagated(), "MULTI; SET a 1; SET b 2; EXEC");
}

/// What the node wants to exit with.
fn exits(script: &mut Script) -> Vec<i32> {
    let status = |effect| if let Effect::Exit(status) = effect { Some(status) } else { None };
    script.effects().into_iter().filter_map(status).collect()
}

#[test]
fn a_shutdown_without_saving_takes_the_script_along() {
    let (mut script, other) = slow();
    script.arrives_while_busy(sends(other, &["SHUTDOWN", "SHUTDOWN NOSAVE"]));
    let end = script.node.core.log.end();
    script.ask("MULTI");
    script.ask("SET a 1");
    script.ask("EVAL 'redis.call(\"SET\", \"k\", \"v\") while true do end' 0");
    script.ask("SET b 2");
    script.ask("EXEC");
    assert_eq!(script.received(other), BUSY);
    assert_eq!(exits(&mut script), [0]);
    assert!(!script.has("b"), "the process ends with the script");
    assert_eq!(script.node.core.log.end(), end, "half a transaction reaches nobody");
}

const BUSY_FUNCTION: &str =
    "-BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.";

/// A node on which a second passes whenever a function is asked, and that knows one that never ends.
fn slow_library() -> (Script, SessionId) {
    let (mut script, other) = slow();
    let code = "#!lua name=l\nredis.register_function('f', function() while true do end end)";
    let client = script.client();
    assert_eq!(script.ask_words(client, &["FUNCTION", "LOAD", code]), "l");
    (script, other)
}

#[test]
fn a_function_is_killed_by_its_own_word() {
    let (mut script, other) = slow_library();
    script.arrives_while_busy(sends(other, &["PING", "SCRIPT KILL", "FUNCTION KILL"]));
    let reply = script.ask("FCALL f 0 x");
    assert!(reply.starts_with("-ERR Script killed by user with SCRIPT KILL... script: f, "), "{reply}");
    assert_eq!(script.received(other), format!("{BUSY_FUNCTION} {BUSY_FUNCTION} +OK"));
    script.arrives_while_busy(sends(other, &["FUNCTION KILL", "FUNCTION STATS", "SCRIPT KILL"]));
    assert_killed(&script.ask(FOREVER));
    assert_eq!(script.received(other), format!("{BUSY} {BUSY} +OK"));
    assert_eq!(script.ask("FUNCTION KILL"), "-NOTBUSY No scripts in execution right now.");
}

#[test]
fn the_function_that_runs_is_described() {
    let (mut script, other) = slow_library();
    script.arrives_while_busy(sends(other, &["FUNCTION STATS", "FUNCTION KILL"]));
    script.ask("FCALL f 0 x");
    let told = script.received(other);
    let shown = "[running_script [name f command [FCALL f 0 x] duration_ms :";
    assert!(told.starts_with(shown), "{told}");
    assert!(told.ends_with(" engines [LUA [libraries_count :1 functions_count :1]]] +OK"), "{told}");
    assert_eq!(
        script.ask("FUNCTION STATS"),
        "[running_script $-1 engines [LUA [libraries_count :1 functions_count :1]]]"
    );
}
