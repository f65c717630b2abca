//! FUNCTION and FCALL, and where libraries are kept.

use slipstream_engine::{LoadOptions, LoadedData, Source, load};
use slipstream_rdb::{Preface, WriteOptions};

use crate::script::Script;

const LIBRARY: &str = "#!lua name=lib\n\
    redis.register_function('put', function(keys, args) return redis.call('set', keys[1], args[1]) end)\n\
    redis.register_function{function_name='look', callback=function(keys) return redis.call('get', keys[1]) end,\n\
      description='looks', flags={'no-writes'}}";

fn load_library(script: &mut Script, code: &str) -> String {
    let client = script.client();
    script.ask_words(client, &["FUNCTION", "LOAD", code])
}

/// A library with one function that returns a number.
fn library(name: &str, function: &str, number: u32) -> String {
    format!("#!lua name={name}\nredis.register_function('{function}', function() return {number} end)")
}

#[track_caller]
fn with_library() -> Script {
    let mut script = Script::new();
    assert_eq!(load_library(&mut script, LIBRARY), "lib");
    assert_eq!(script.propagated(), format!("FUNCTION LOAD {LIBRARY:?}").replace("\\'", "'"));
    script
}

#[test]
fn functions_get_keys_and_arguments_and_their_effects_are_propagated() {
    let mut script = with_library();
    script.check("FCALL put 1 k v", "+OK", "set k v");
    script.check_read("FCALL look 1 k", "v");
    script.check_read("FCALL_RO look 1 k", "v");
    for (request, error) in [
        ("FCALL_RO put 1 k w", "-ERR Can not execute a script with write flag using *_ro command."),
        ("FCALL nosuch 0", "-ERR Function not found"),
        ("FCALL put x", "-ERR Bad number of keys provided"),
        ("FCALL put 2 k", "-ERR Number of keys can't be greater than number of args"),
        ("FCALL put -1 k", "-ERR Number of keys can't be negative"),
        ("FCALL put", "-ERR wrong number of arguments for 'fcall' command"),
    ] {
        script.check_read(request, error);
    }
}

#[test]
fn functions_are_found_in_any_case_and_libraries_are_not() {
    let mut script = Script::new();
    assert_eq!(load_library(&mut script, &library("Lib", "Foo", 1)), "Lib");
    for request in ["FCALL foo 0", "FCALL FOO 0", "FCALL Foo 0"] {
        assert_eq!(script.ask(request), ":1", "{request}");
    }
    assert_eq!(load_library(&mut script, &library("lib", "fOO", 2)), "-ERR Function fOO already exists");
    assert_eq!(load_library(&mut script, &library("lib", "bar", 2)), "lib");
    assert_eq!(script.ask("FUNCTION DELETE LIB"), "-ERR Library not found");
    assert_eq!(script.ask("FUNCTION DELETE Lib"), "+OK");
    assert_eq!(script.ask("FCALL foo 0"), "-ERR Function not found");
    let twice = "#!lua name=twice\nredis.register_function('baz', function() return 1 end) \
        redis.register_function('BAZ', function() return 2 end)";
    assert_eq!(load_library(&mut script, twice), "twice");
    assert_eq!(script.ask("FCALL baz 0"), ":2", "the first by name");
}

#[test]
fn libraries_are_described() {
    let mut script = with_library();
    let functions = "[[name look description looks flags [+no-writes]] [name put description $-1 flags []]]";
    let described = format!("[library_name lib engine LUA functions {functions}");
    script.check_read("FUNCTION LIST", &format!("[{described}]]"));
    script.check_read("FUNCTION LIST LIBRARYNAME L*", &format!("[{described}]]"));
    script.check_read("FUNCTION LIST libraryname x*", "[]");
    assert!(script.ask("FUNCTION LIST WITHCODE").contains("library_code"));
    let stats = "[running_script $-1 engines [LUA [libraries_count :1 functions_count :2]]]";
    script.check_read("FUNCTION STATS", stats);
    for (request, error) in [
        ("FUNCTION LIST what", "-ERR Unknown argument what"),
        ("FUNCTION LIST LIBRARYNAME", "-ERR library name argument was not given"),
        ("FUNCTION LIST WITHCODE WITHCODE", "-ERR Unknown argument WITHCODE"),
    ] {
        script.check_read(request, error);
    }
    let info = script.ask("INFO memory");
    assert!(info.contains("number_of_functions:2") && info.contains("number_of_libraries:1"), "{info}");
}

#[test]
fn a_library_is_replaced_only_where_that_is_asked_for() {
    let mut script = Script::new();
    assert_eq!(load_library(&mut script, &library("a", "f", 1)), "a");
    assert_eq!(load_library(&mut script, &library("a", "f", 2)), "-ERR Library 'a' already exists");
    assert_eq!(load_library(&mut script, &library("b", "f", 2)), "-ERR Function f already exists");
    assert_eq!(script.ask("FCALL f 0"), ":1");
    let client = script.client();
    let replaced = script.ask_words(client, &["FUNCTION", "LOAD", "replace", &library("a", "f", 3)]);
    assert_eq!(replaced, "a");
    assert_eq!(script.ask("FCALL f 0"), ":3");
    assert_eq!(load_library(&mut script, &library("b", "g", 4)), "b");
    let clash = script.ask_words(client, &["FUNCTION", "LOAD", "REPLACE", &library("a", "g", 5)]);
    assert_eq!(clash, "-ERR Function g already exists");
    assert_eq!(script.ask("FCALL f 0"), ":3", "what it would have replaced is still there");
    script.propagated();
}

#[test]
fn what_is_no_library_is_refused() {
    let mut script = Script::new();
    for (code, error) in [
        ("return 1", "Missing library metadata"),
        ("#!js name=a\n", "Engine 'js' not found"),
        ("#!lua name=a\n", "No functions registered"),
        (
            "#!lua name=a\nreturn (",
            "Error compiling function: user_function:2: unexpected symbol near '<eof>'",
        ),
        (
            "#!lua name=a\nredis.call('ping')",
            "Error registering functions: ERR user_function:2: Script attempted to access nonexistent global \
             variable 'call'",
        ),
    ] {
        let reply = load_library(&mut script, code);
        assert!(reply.starts_with(&format!("-ERR {error}")), "{code}: {reply}");
    }
    script.check_read("FUNCTION LOAD what x", "-ERR Unknown option given: what");
    script.check_read("FUNCTION LIST", "[]");
}

#[test]
fn a_library_that_takes_too_long_to_register_is_refused() {
    let mut script = Script::new();
    script.run_clock(100_000);
    let reply = load_library(&mut script, "#!lua name=a\nwhile 1 do end");
    assert_eq!(reply, "-ERR Error registering functions: ERR FUNCTION LOAD timeout");
}

#[test]
fn libraries_go_by_delete_and_by_flush_and_not_by_flushall() {
    let mut script = with_library();
    script.check_write("FLUSHALL", "+OK");
    script.check_read("FCALL look 1 k", "$-1");
    script.check_write("FUNCTION DELETE lib", "+OK");
    script.check_read("FCALL look 1 k", "-ERR Function not found");
    script.check_read("FUNCTION DELETE lib", "-ERR Library not found");
    load_library(&mut script, LIBRARY);
    script.propagated();
    script.check_write("FUNCTION FLUSH ASYNC", "+OK");
    script.check_read("FUNCTION LIST", "[]");
    script.check_read("FUNCTION FLUSH NOW", "-ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
}

/// The payload of FUNCTION DUMP, which is no text.
fn dump(script: &mut Script) -> Vec<u8> {
    let client = script.client();
    let mut request = Vec::new();
    slipstream_resp::encode_request(&mut request, [&b"FUNCTION"[..], b"DUMP"].into_iter());
    script.node.receive(client, &request);
    let session = script.node.core.sessions.get_mut(client).unwrap();
    let reply = session.sendable().to_vec();
    session.output.consume(reply.len());
    let start = reply.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    reply[start..reply.len() - 2].to_vec()
}

fn restore(script: &mut Script, payload: &[u8], policy: &str) -> String {
    let client = script.client();
    script.ask_words(client, &[b"FUNCTION".as_slice(), b"RESTORE", payload, policy.as_bytes()])
}

#[test]
fn libraries_are_dumped_and_restored() {
    let mut script = Script::new();
    load_library(&mut script, &library("a", "f", 1));
    load_library(&mut script, &library("b", "g", 2));
    let payload = dump(&mut script);
    script.ask("FUNCTION FLUSH");
    load_library(&mut script, &library("b", "h", 3));
    assert_eq!(restore(&mut script, &payload, "APPEND"), "-ERR Library b already exists");
    assert_eq!(script.ask("FCALL f 0"), "-ERR Function not found");
    assert_eq!(restore(&mut script, &payload, "REPLACE"), "+OK");
    for (request, reply) in
        [("FCALL f 0", ":1"), ("FCALL g 0", ":2"), ("FCALL h 0", "-ERR Function not found")]
    {
        assert_eq!(script.ask(request), reply, "{request}");
    }
    load_library(&mut script, &library("c", "h", 3));
    assert_eq!(restore(&mut script, &payload, "FLUSH"), "+OK");
    assert_eq!(script.ask("FCALL h 0"), "-ERR Function not found");
    script.ask("FUNCTION FLUSH");
    load_library(&mut script, &library("c", "f", 4));
    assert_eq!(restore(&mut script, &payload, "APPEND"), "-ERR Function f already exists");
    assert_eq!(
        restore(&mut script, &payload, "SOMEHOW"),
        "-ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE."
    );
    let cut = &payload[1..];
    assert_eq!(restore(&mut script, cut, "FLUSH"), "-ERR DUMP payload version or checksum are wrong");
    script.propagated();
}

/// A snapshot without keys and with these libraries, loaded.
fn loaded(script: &mut Script, codes: &[&str]) -> LoadedData {
    let functions = codes.iter().map(|code| code.as_bytes().to_vec()).collect();
    let preface = Preface { functions, ..Preface::default() };
    let snapshot = script.node.keyspace.snapshot();
    let mut bytes = Vec::new();
    slipstream_rdb::write(snapshot, &preface, WriteOptions::default(), &mut bytes).unwrap();
    let options: LoadOptions = script.node.load_options(Source::File);
    load(bytes.as_slice(), options).unwrap()
}

#[test]
fn libraries_of_a_snapshot_are_those_of_the_node() {
    let mut script = with_library();
    let data = loaded(&mut script, &[&library("a", "f", 7)]);
    script.node.loaded_file(Ok(Some(data)));
    assert_eq!(script.ask("FCALL f 0"), ":7");
    assert_eq!(script.ask("FCALL look 1 k"), "-ERR Function not found");
    let job = script.node.core.snapshot_job(&script.node.keyspace);
    assert_eq!(job.preface.functions, [library("a", "f", 7).into_bytes()]);
}

#[test]
fn a_snapshot_whose_library_cannot_be_loaded_is_refused() {
    let mut script = with_library();
    let data = loaded(&mut script, &["#!lua name=a\nnosuch()"]);
    script.effects();
    script.node.loaded_file(Ok(Some(data)));
    let exits = |effect: &slipstream_engine::Effect| matches!(effect, slipstream_engine::Effect::Exit(1));
    assert!(script.effects().iter().any(exits));
    assert_eq!(script.ask("FCALL look 1 k"), "$-1", "what was there is still there");
}

#[test]
fn a_function_that_writes_nothing_runs_on_a_replica() {
    let mut script = with_library();
    script.ask("REPLICAOF 127.0.0.1 1");
    assert_eq!(script.ask("FCALL look 1 k"), "$-1");
    assert_eq!(script.ask("FCALL put 1 k v"), "-READONLY You can't write against a read only replica.");
    assert_eq!(script.ask("FUNCTION FLUSH"), "-READONLY You can't write against a read only replica.");
}
