//! MIGRATE: what is sent, who waits meanwhile, and what becomes of the keys.

use slipstream_engine::session::SessionId;
use slipstream_engine::{Effect, Endpoint as SessionEndpoint, Shipment, Shipped, Trouble};
use slipstream_keyspace::UnixMillis;
use slipstream_replication::link::Endpoint;

use crate::script::Script;

const UNBLOCKED: &str =
    "-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)";

/// What the node wants shipped, but for keys.
fn shipment(script: &mut Script) -> Shipment {
    let mut effects = script.effects();
    assert_eq!(effects.len(), 1, "{effects:?}");
    let Some(Effect::Ship(shipment)) = effects.pop() else { panic!("no shipment") };
    *shipment
}

fn keys(shipment: &Shipment) -> Vec<String> {
    shipment.parcels.iter().map(|parcel| String::from_utf8_lossy(&parcel.key).into_owned()).collect()
}

fn taken(keys: &[&str]) -> Shipped {
    Shipped { taken: keys.iter().map(|key| key.as_bytes().into()).collect(), trouble: None }
}

fn refused(keys: &[&str], words: &str) -> Shipped {
    Shipped { trouble: Some(Trouble::Refused(words.to_owned())), ..taken(keys) }
}

/// A node with `a`, `b` and `c`.
fn script() -> Script {
    let mut script = Script::new();
    script.ask("MSET a 1 b 2 c 3");
    script.propagated();
    script
}

/// Begins to migrate `a`; who asked for that.
fn begin(script: &mut Script) -> (SessionId, Shipment) {
    let client = script.connect();
    assert_eq!(script.ask_as(client, "MIGRATE host 7000 a 0 500"), "", "it waits");
    (client, shipment(script))
}

#[test]
fn what_the_target_has_is_deleted() {
    let mut script = script();
    let changes = script.node.core.saving.changes;
    assert_eq!(script.ask("MIGRATE host 7000 '' 9 500 AUTH2 me pw REPLACE KEYS a none b"), "");
    let shipment = shipment(&mut script);
    assert_eq!(keys(&shipment), ["a", "b"]);
    assert_eq!((shipment.host.as_str(), shipment.port, shipment.timeout_ms), ("host", 7000, 500));
    assert_eq!((shipment.db, shipment.replace, shipment.login.len()), (9, true, 2));
    assert_eq!(script.propagated(), "");
    script.node.shipped(shipment.number, taken(&["a", "b"]));
    assert_eq!(script.received(script.client()), "+OK");
    assert_eq!(script.propagated(), "DEL a b");
    assert_eq!(script.node.core.saving.changes - changes, 2);
    script.check_read("EXISTS a b c", ":1");
}

#[test]
fn keys_that_the_target_refuses_stay() {
    let mut script = script();
    script.ask("MIGRATE host 7000 '' 0 0 KEYS a b c");
    let shipment = shipment(&mut script);
    assert_eq!(shipment.timeout_ms, 1000, "no time is a second");
    script.node.shipped(shipment.number, refused(&["a", "c"], "BUSYKEY there is one"));
    let error = "-ERR Target instance replied with error: BUSYKEY there is one";
    assert_eq!(script.received(script.client()), error);
    assert_eq!(script.propagated(), "DEL a c");
    assert!(script.ask("INFO commandstats").contains("cmdstat_migrate:calls=1,"));
    assert!(script.ask("INFO commandstats").contains("failed_calls=1"));
}

#[test]
fn trouble_on_the_way_has_its_words() {
    for (trouble, words) in [
        (Trouble::Connecting, "-IOERR error or timeout connecting to the client"),
        (Trouble::Writing, "-IOERR error or timeout writing to target instance"),
        (Trouble::Reading, "-IOERR error or timeout reading to target instance"),
    ] {
        let mut script = script();
        let (client, shipment) = begin(&mut script);
        script.node.shipped(shipment.number, Shipped::failed(trouble));
        assert_eq!(script.received(client), words);
        assert_eq!(script.propagated(), "");
        script.check_write("SET a 2", "+OK");
    }
}

#[test]
fn a_copy_deletes_nothing() {
    let mut script = script();
    script.ask("MIGRATE host 7000 a 0 500 COPY");
    let shipment = shipment(&mut script);
    script.node.shipped(shipment.number, taken(&["a"]));
    assert_eq!(script.received(script.client()), "+OK");
    assert_eq!(script.propagated(), "");
    script.check_read("GET a", "1");
}

#[test]
fn times_to_live_go_along_and_keys_that_are_due_do_not() {
    let mut script = script();
    script.ask("PEXPIRE a 100");
    script.ask("PEXPIRE b 50");
    script.propagated();
    script.advance(60);
    script.ask("MIGRATE host 7000 '' 0 500 KEYS a b c");
    let shipment = shipment(&mut script);
    assert_eq!(script.propagated(), "DEL b");
    assert_eq!(keys(&shipment), ["a", "c"]);
    let deadlines: Vec<_> = shipment.parcels.iter().map(|parcel| parcel.deadline).collect();
    assert_eq!(deadlines, [Some(UnixMillis(1100)), None]);
}

#[test]
fn others_read_meanwhile_and_their_writes_wait() {
    let mut script = script();
    let (client, shipment) = begin(&mut script);
    let writer = script.connect();
    assert_eq!(script.ask("GET a"), "1");
    assert_eq!(script.ask_as(writer, "SET a 2"), "", "else it would be lost");
    assert_eq!(script.ask_as(writer, "GET a"), "", "behind its write");
    let info = script.ask("INFO clients");
    assert!(
        info.contains("paused_reason:migration_in_progress") && info.contains("blocked_clients:2"),
        "{info}"
    );
    script.node.tick();
    assert_eq!(script.propagated(), "");
    script.node.shipped(shipment.number, taken(&["a"]));
    assert_eq!(script.received(client), "+OK");
    assert_eq!(script.received(writer), "+OK 2");
    assert_eq!(script.propagated(), "DEL a; SET a 2");
    assert!(script.ask("INFO clients").contains("paused_reason:none"));
}

#[test]
fn who_migrates_again_comes_behind_those_who_wait_to_write() {
    let mut script = script();
    let (client, first) = begin(&mut script);
    let (other, writer) = (script.connect(), script.connect());
    assert_eq!(script.ask_as(client, "MIGRATE host 7000 c 0 500"), "");
    assert_eq!(script.ask_as(other, "MIGRATE host 7000 b 0 500"), "", "one at a time");
    assert_eq!(script.ask_as(writer, "SET x 1"), "");
    script.node.shipped(first.number, taken(&["a"]));
    assert_eq!(script.received(client), "+OK");
    assert_eq!(script.received(writer), "+OK");
    let second = shipment(&mut script);
    assert_eq!(keys(&second), ["b"]);
    script.node.shipped(second.number, taken(&["b"]));
    assert_eq!(script.received(other), "+OK");
    assert_eq!(keys(&shipment(&mut script)), ["c"]);
    assert_eq!(script.propagated(), "DEL a; SET x 1; DEL b");
}

#[test]
fn a_key_that_is_due_before_the_answer_comes_goes_once() {
    let mut script = script();
    script.ask("PEXPIRE a 100");
    script.propagated();
    let (client, shipment) = begin(&mut script);
    script.advance(200);
    script.node.tick();
    assert!(script.has("a"), "expiry rests");
    assert_eq!(script.ask("GET a"), "$-1");
    assert_eq!(script.propagated(), "");
    script.node.shipped(shipment.number, taken(&["a"]));
    assert_eq!(script.received(client), "+OK");
    assert_eq!(script.propagated(), "DEL a");
}

#[test]
fn a_migration_ends_without_its_client() {
    let mut script = script();
    let (client, shipment) = begin(&mut script);
    assert_eq!(script.ask(&format!("CLIENT UNBLOCK {}", client.0)), ":0");
    script.node.closed(client);
    let writer = script.connect();
    assert_eq!(script.ask_as(writer, "SET b x"), "", "the keys are still on their way");
    script.node.shipped(shipment.number, taken(&["a"]));
    assert_eq!(script.propagated(), "DEL a; SET b x");
    assert_eq!(script.received(writer), "+OK");
}

#[test]
fn a_migration_of_another_database_ends_there_without_its_client() {
    let mut script = script();
    let client = script.connect();
    script.ask_as(client, "SELECT 3");
    script.ask_as(client, "SET a there");
    script.propagated();
    script.ask_as(client, "MIGRATE host 7000 a 0 500");
    let shipment = shipment(&mut script);
    script.node.closed(client);
    script.node.shipped(shipment.number, taken(&["a"]));
    assert_eq!(script.propagated(), "DEL a");
    script.ask("SELECT 3");
    script.check_read("EXISTS a", ":0");
}

#[test]
fn a_pause_that_began_meanwhile_holds_the_deletion_back() {
    let mut script = script();
    let (client, shipment) = begin(&mut script);
    script.ask("CLIENT PAUSE 1000 WRITE");
    script.node.shipped(shipment.number, taken(&["a"]));
    script.node.tick();
    assert_eq!((script.received(client).as_str(), script.propagated().as_str()), ("", ""));
    script.advance(1001);
    script.node.tick();
    assert_eq!(script.received(client), "+OK");
    assert_eq!(script.propagated(), "DEL a");
}

#[test]
fn a_node_that_turns_replica_keeps_the_keys() {
    let mut script = script();
    let (client, shipment) = begin(&mut script);
    let writer = script.connect();
    script.ask_as(writer, "SET b x");
    let core = &mut script.node.core;
    core.follow(&mut script.node.keyspace, Endpoint { host: "primary".into(), port: 6379 });
    assert_eq!(script.received(client), UNBLOCKED);
    script.node.tick();
    assert!(script.received(writer).starts_with("-READONLY"));
    script.node.shipped(shipment.number, taken(&["a"]));
    assert!(script.has("a"));
}

#[test]
fn a_transaction_waits_itself() {
    let mut script = script();
    script.ask("MULTI");
    script.ask("INCR b");
    script.ask("MIGRATE host 7000 '' 0 500 KEYS a c");
    script.ships_at_once(refused(&["a"], "NO"));
    script.check("EXEC", "[:3 -ERR Target instance replied with error: NO]", "MULTI; INCR b; DEL a; EXEC");
    assert!(script.effects().is_empty());
}

#[test]
fn a_script_waits_itself() {
    let mut script = script();
    script.ships_at_once(taken(&["a"]));
    script.check("EVAL \"return redis.call('MIGRATE', 'host', 7000, 'a', 0, 500)\" 0", "+OK", "DEL a");
    script.ships_at_once(Shipped::failed(Trouble::Reading));
    let error = script.ask("EVAL \"return redis.pcall('MIGRATE', 'host', 7000, 'b', 0, 500)\" 0");
    assert!(error.starts_with("-IOERR error or timeout reading"), "{error}");
}

#[test]
fn a_replica_that_takes_writes_waits_itself() {
    let mut script = script();
    script.ask("CONFIG SET replica-read-only no");
    let core = &mut script.node.core;
    core.follow(&mut script.node.keyspace, Endpoint { host: "primary".into(), port: 6379 });
    script.ships_at_once(taken(&["a"]));
    assert_eq!(script.ask("MIGRATE host 7000 a 0 500"), "+OK");
    assert!(!script.has("a") && script.has("b"));
}

#[test]
fn a_shutdown_that_begins_meanwhile_holds_the_deletion_back() {
    let mut script = script();
    let (client, shipment) = begin(&mut script);
    let replica = script.node.accept(SessionEndpoint::Internal, SessionEndpoint::Internal, 9).unwrap();
    let id = script.node.core.log.history().id;
    script.ask_as(replica, &format!("PSYNC {id} 1"));
    assert_eq!(script.ask("SHUTDOWN NOSAVE"), "", "the replica is behind");
    script.node.shipped(shipment.number, taken(&["a"]));
    script.node.tick();
    assert_eq!((script.received(client).as_str(), script.has("a")), ("", true));
    let other = script.connect();
    assert_eq!(script.ask_as(other, "SHUTDOWN ABORT"), "+OK");
    script.node.tick();
    assert_eq!(script.received(client), "+OK");
    assert!(script.propagated().ends_with("; DEL a"));
}

#[test]
fn watchers_and_listeners_are_told() {
    let mut script = script();
    script.ask("CONFIG SET notify-keyspace-events KEA");
    let (watcher, listener) = (script.connect(), script.connect());
    script.ask_as(watcher, "WATCH a");
    script.ask_as(listener, "SUBSCRIBE __keyspace@0__:a");
    let (_, shipment) = begin(&mut script);
    script.node.shipped(shipment.number, taken(&["a"]));
    assert_eq!(script.received(listener), "[message \"__keyspace@0__:a\" del]");
    script.ask_as(watcher, "MULTI");
    assert_eq!(script.ask_as(watcher, "EXEC"), "*-1");
}
