//! DEBUG.

use slipstream_engine::{Effect, LoadOptions, LoadedData, Source};
use slipstream_keyspace::{Keyspace, Str, UnixMillis, Value};
use slipstream_rdb::Preface;

use crate::script::Script;

#[test]
fn digests_depend_on_the_data_alone() {
    let mut script = Script::with_debug();
    script.check_read("DEBUG DIGEST", "+0000000000000000000000000000000000000000");
    script.check_write("ZADD z 1 a 2 b", ":2");
    let digest = script.ask("DEBUG DIGEST");
    let value = script.ask("DEBUG DIGEST-VALUE z");
    script.check_write("ZADD y 2 b 1 a", ":2");
    assert_eq!(script.ask("DEBUG DIGEST-VALUE y"), value);
    script.check_read("DEBUG DIGEST-VALUE nosuch", "[+0000000000000000000000000000000000000000]");
    script.check_read("DEBUG DIGEST-VALUE", "[]");
    script.check_write("ZREM y a b", ":2");
    assert_eq!(script.ask("DEBUG DIGEST"), digest);
}

#[test]
fn populate_makes_keys_that_reach_replicas() {
    let mut script = Script::with_debug();
    script.check("DEBUG POPULATE 2", "+OK", "SET key:0 value:0; SET key:1 value:1");
    script.check("DEBUG POPULATE 3", "+OK", "SET key:2 value:2");
    script.check("DEBUG POPULATE 1 a 3", "+OK", "SET a:0 val");
    script.check("DEBUG POPULATE 1 b 9", "+OK", "SET b:0 \"value:0\\x00\\x00\"");
    script.check_read("DEBUG POPULATE -1", "-ERR value is out of range, must be positive");
    script.check_read("DEBUG POPULATE x", "-ERR value is out of range, must be positive");
}

#[test]
fn replicate_writes_to_the_stream() {
    let mut script = Script::with_debug();
    script.check("DEBUG REPLICATE PING text", "+OK", "PING text");
}

#[test]
fn object_tells_where_a_value_is_and_how_long() {
    let mut script = Script::with_debug();
    script.check("DEBUG POPULATE 1", "+OK", "SET key:0 value:0");
    script.advance(3000);
    let text = script.ask("DEBUG OBJECT key:0");
    assert!(text.starts_with("+Value at:0x"), "{text}");
    assert!(
        text.ends_with("refcount:1 encoding:embstr serializedlength:8 lru:1 lru_seconds_idle:3"),
        "{text}"
    );
    script.check_read("DEBUG OBJECT nosuch", "-ERR no such key");
}

#[test]
fn tables_are_described_by_their_segments() {
    let mut script = Script::with_debug();
    let empty = "\"[Dictionary HT]\\nNo stats available for empty dictionaries\\n[Expires HT]\\nDeadlines lie beside their keys: 0\\n\"";
    script.check_read("DEBUG HTSTATS 0", empty);
    script.check_write("ZADD z 1 a", ":1");
    assert!(script.ask("DEBUG HTSTATS 0 full").contains("number of elements: 1\\n segments: 1 of"));
    script.check_read("DEBUG HTSTATS 99", "-ERR Out of range database");
    let refusal = "-ERR The value stored at the specified key is not represented using an hash table";
    script.check_read("DEBUG HTSTATS-KEY z", refusal);
    script.check_read("DEBUG LISTPACK z", "+Listpack structure written to the log");
    script.check("CONFIG SET zset-max-listpack-entries 0", "+OK", "");
    script.check_write("ZADD z 2 b", ":1");
    assert!(script.ask("DEBUG HTSTATS-KEY z").contains("number of elements: 2\\n"));
    script.check_read("DEBUG LISTPACK z", "-ERR Not a listpack encoded object.");
    script.check_read("DEBUG HTSTATS-KEY nosuch", "-ERR no such key");
}

#[test]
fn protocol_answers_with_each_type() {
    let mut script = Script::with_debug();
    script.check_read("DEBUG PROTOCOL push", "-ERR RESP2 is not supported by this command");
    script.check_read("DEBUG PROTOCOL null", "$-1");
    script.check_read("DEBUG PROTOCOL true", ":1");
    script.use_resp3();
    for (name, reply) in [
        ("string", "\"Hello World\""),
        ("integer", ":12345"),
        ("double", ",3.141"),
        ("bignum", "(1234567999999999999999999999999999999"),
        ("null", "_"),
        ("array", "[:0 :1 :2]"),
        ("set", "~[:0 :1 :2]"),
        ("map", "%[:0 #f :1 #t :2 #f]"),
        ("attrib", "|[key-popularity [key:123 :90]] \"Some real reply following the attribute\""),
        ("push", ">[server-cpu-usage :42] \"Some real reply following the push reply\""),
        ("verbatim", "\"txt:This is a verbatim\\nstring\""),
        ("true", "#t"),
        ("false", "#f"),
    ] {
        script.check_read(&format!("DEBUG PROTOCOL {name}"), reply);
    }
}

#[test]
fn small_switches() {
    let mut script = Script::with_debug();
    script.check_read("DEBUG SET-ACTIVE-EXPIRE 0", "+OK");
    assert!(!script.node.core.active_expire);
    script.check_read("DEBUG SET-ACTIVE-EXPIRE 1", "+OK");
    assert!(script.node.core.active_expire);
    script.check_read("DEBUG PAUSE-CRON 1", "+OK");
    assert!(script.node.core.cron_paused);
    script.check_read("DEBUG LOG text", "+OK");
    script.check_read("DEBUG ERROR \"CODE text\\r\\n\"", "-CODE text  ");
    script.check_read("DEBUG STRINGMATCH-LEN a* abc", ":1");
    script.check_read("DEBUG STRINGMATCH-LEN a*d abc", ":0");
    script.check_read("DEBUG QUICKLIST-PACKED-THRESHOLD 200b", "+OK");
    script.check_read(
        "DEBUG QUICKLIST-PACKED-THRESHOLD 5gb",
        "-ERR argument must be a memory value bigger than 1 and smaller than 4gb",
    );
    script.check_read(
        "DEBUG SLEEP",
        "-ERR unknown subcommand or wrong number of arguments for 'SLEEP'. Try DEBUG HELP.",
    );
    assert!(script.ask("DEBUG HELP").starts_with("[+DEBUG <subcommand> "));
}

#[test]
fn a_new_replication_id_has_nothing_before_it() {
    let mut script = Script::with_debug();
    let before = script.node.core.log.history().id;
    script.check_read("DEBUG CHANGE-REPL-ID", "+OK");
    let history = script.node.core.log.history();
    assert!(history.id != before && history.previous.is_none());
}

#[test]
fn reload_keeps_the_data_and_writes_it_to_disk() {
    let mut script = Script::with_debug();
    script.check_write("ZADD z 1 a 2 b", ":2");
    let digest = script.ask("DEBUG DIGEST");
    script.check_read("DEBUG RELOAD", "");
    let effects = script.effects();
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Save { .. })), "{effects:?}");
    script.node.saved(1, Ok(()));
    script.check_read("PING", "+OK +PONG");
    assert_eq!(script.ask("DEBUG DIGEST"), digest);
    assert_eq!(script.node.core.loaded.0, 1);
    script.check_read("OBJECT IDLETIME z", ":0");
    script.check_read(
        "DEBUG RELOAD ALL",
        "-ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
    );
    script.check_read("DEBUG RELOAD NOFLUSH", "-ERR Error trying to load the RDB dump, check server logs.");
}

#[test]
fn reload_deletes_what_is_due_here_and_on_replicas() {
    let mut script = Script::with_debug();
    script.check_read("DEBUG SET-ACTIVE-EXPIRE 0", "+OK");
    let value = Value::String(Str::from_bytes(b"v"));
    script.node.keyspace.db_mut(0).insert(b"k", value, Some(UnixMillis(1500)));
    script.advance(1000);
    script.check("DEBUG RELOAD", "", "DEL k");
}

#[test]
fn a_watched_key_breaks_at_a_reload() {
    let mut script = Script::with_debug();
    script.check_write("ZADD z 1 a", ":1");
    script.check_read("WATCH z", "+OK");
    script.check_read("DEBUG RELOAD", "");
    script.node.saved(1, Ok(()));
    script.check_read("MULTI", "+OK +OK");
    script.check_read("EXEC", "*-1");
}

/// What a file with the key `k` holds.
fn file(options: LoadOptions, value: &str) -> LoadedData {
    file_with(options, value, Preface::default())
}

fn file_with(options: LoadOptions, value: &str, preface: Preface) -> LoadedData {
    let mut keyspace = Keyspace::new(16, [0; 4], Default::default());
    keyspace.db_mut(0).insert(b"k", Value::String(Str::from_bytes(value.as_bytes())), None);
    let mut bytes = Vec::new();
    slipstream_rdb::write(keyspace.snapshot(), &preface, Default::default(), &mut bytes).unwrap();
    slipstream_engine::load(bytes.as_slice(), options).unwrap()
}

/// Sends a RELOAD with NOSAVE and lets the shell have loaded a file whose `k` is "file".
fn reload(script: &mut Script, options: &str) -> String {
    assert_eq!(script.ask(&format!("DEBUG RELOAD NOSAVE {options}")), "");
    assert!(matches!(script.effects()[..], [Effect::LoadFile]));
    let data = file(script.node.load_options(Source::File), "file");
    script.node.loaded_file(Ok(Some(data)));
    script.ask("PING").replace(" +PONG", "")
}

#[test]
fn nosave_takes_the_data_of_the_file() {
    let mut script = Script::with_debug();
    script.ask("ZADD z 1 a");
    let id = script.node.core.log.history().id;
    assert_eq!(reload(&mut script, ""), "+OK");
    assert!(script.ask("DEBUG HTSTATS 0").contains("elements: 1\\n"));
    assert_eq!(script.ask("ZCARD z"), ":0");
    assert!(script.node.core.log.history().id != id, "followers must copy this node anew");
}

#[test]
fn a_replica_that_knows_how_copies_the_reloaded_data_over_the_same_connection() {
    let mut script = Script::with_debug();
    let replica = script.connect();
    script.ask_as(replica, "REPLCONF capa eof capa psync2 capa slipstream1 capa slipstream-history");
    let asks = format!("PSYNC {} 1", script.node.core.log.history().id);
    assert!(script.ask_as(replica, &asks).starts_with("+CONTINUE"));
    script.node.tick();
    script.effects();
    assert_eq!(reload(&mut script, ""), "+OK");
    for effect in script.effects() {
        match effect {
            Effect::EndStream { replica, end, .. } => script.node.stream_ended(replica, end),
            Effect::Disconnect(id) => panic!("session {} is closed", id.0),
            _ => {}
        }
    }
    script.node.tick();
    assert_eq!(script.received(replica), "+HISTORY");
    assert_eq!(script.ask_as(replica, &asks), "", "it waits for a snapshot");
    assert_eq!(script.node.core.replication.replicas.counters().full, 1);
}

#[test]
fn other_clients_wait_for_a_load() {
    let mut script = Script::with_debug();
    let other = script.connect();
    script.check_read("DEBUG RELOAD NOSAVE", "");
    assert_eq!(script.ask_as(other, "ZCARD z"), "-LOADING Redis is loading the dataset in memory");
    assert_eq!(script.ask_as(other, "DEBUG RELOAD"), "-LOADING Redis is loading the dataset in memory");
    // A sentinel that could say hello only would be taken for a stock one.
    let lease = format!("REPLICA LEASE {:040x} 2 3 1000 0", 1);
    assert!(script.ask_as(other, &lease).starts_with(':'));
    script.node.loaded_file(Ok(None));
    script.check_read("PING", "-ERR Error trying to load the RDB dump, check server logs. +PONG");
    assert_eq!(script.ask_as(other, "ZCARD z"), ":0");
}

#[test]
fn noflush_keeps_what_is_there() {
    let mut script = Script::with_debug();
    script.ask("ZADD z 1 a");
    assert_eq!(reload(&mut script, "NOFLUSH"), "+OK");
    assert_eq!(script.ask("ZCARD z"), ":1");
    let refusal = "-ERR Error trying to load the RDB dump, check server logs.";
    assert_eq!(reload(&mut script, "NOFLUSH"), refusal);
    assert_eq!(reload(&mut script, "NOFLUSH MERGE"), "+OK");
    assert_eq!(script.ask("ZCARD z"), ":1");
}

#[test]
fn libraries_that_clash_are_refused_or_give_way() {
    let code =
        |number: u32| format!("#!lua name=lib\nredis.register_function('f', function() return {number} end)");
    for (options, reply, result) in [
        ("NOFLUSH", "-ERR Error trying to load the RDB dump, check server logs.", ":1"),
        ("NOFLUSH MERGE", "+OK", ":2"),
    ] {
        let mut script = Script::with_debug();
        let client = script.client();
        script.ask_words(client, &["FUNCTION", "LOAD", &code(1)]);
        assert_eq!(script.ask(&format!("DEBUG RELOAD NOSAVE {options}")), "");
        let preface = Preface { functions: vec![code(2).into_bytes()], ..Preface::default() };
        let data = file_with(script.node.load_options(Source::File), "file", preface);
        script.node.loaded_file(Ok(Some(data)));
        assert_eq!(script.ask("PING"), format!("{reply} +PONG"), "{options}");
        assert_eq!(script.ask("FCALL f 0"), result, "{options}");
    }
}

#[test]
fn reload_without_a_flush_is_refused_where_a_library_would_come_twice() {
    const FAILED: &str = "-ERR Error trying to load the RDB dump, check server logs.";
    let mut script = Script::with_debug();
    script.check_read("DEBUG RELOAD NOFLUSH", "");
    script.effects();
    script.node.saved(1, Ok(()));
    script.ask(r##"FUNCTION LOAD "#!lua name=lib\nredis.register_function('f', function() return 1 end)""##);
    script.propagated();
    script.check_read("DEBUG RELOAD NOFLUSH", FAILED);
}
