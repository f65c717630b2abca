//! Libraries: what they see while they are loaded, what they register, how it runs.

use super::*;
use crate::shebang::{Flags, NAMES};

#[test]
fn both_forms_register_functions() {
    let mut stage = Stage::of(Purpose::Libraries);
    let code =
        "redis.register_function('a', function(keys, args) return {#keys, #args, keys[1], args[1]} end)
        server.register_function{function_name = 'b', callback = function() return redis.call('ping') end,
            description = 'says pong', flags = {'no-writes', 'ALLOW-OOM'}}";
    let functions = stage.load(code).unwrap();
    let [a, b] = functions.as_slice() else { panic!("{functions:?}") };
    assert_eq!((a.name.as_str(), a.description.as_deref(), a.flags), ("a", None, Flags::default()));
    assert_eq!((b.name.as_str(), b.description.as_deref()), ("b", Some(&b"says pong"[..])));
    assert_eq!(b.flags.names().collect::<Vec<_>>(), ["no-writes", "allow-oom"]);
    assert_eq!(stage.run(&a.program, 1, &["k", "x", "y"]), "*4|:1|:2|$1|k|$1|x|");
    assert_eq!(stage.run(&a.program, 0, &[]), "*2|:0|:0|");
    assert_eq!(stage.run(&b.program, 0, &[]), "+PONG|");
}

#[test]
fn a_library_keeps_what_it_has_and_shares_it_with_nobody() {
    let mut stage = Stage::of(Purpose::Libraries);
    let counter = "local n = 0 redis.register_function('f', function() n = n + 1 return n end)";
    let one = stage.load(counter).unwrap();
    let two = stage.load(counter).unwrap();
    assert_eq!(stage.run(&one[0].program, 0, &[]), ":1|");
    assert_eq!(stage.run(&one[0].program, 0, &[]), ":2|");
    assert_eq!(stage.run(&two[0].program, 0, &[]), ":1|");
}

#[test]
fn errors_of_functions_name_them() {
    let mut stage = Stage::of(Purpose::Libraries);
    let functions =
        stage.load("\nredis.register_function('f', function()\nreturn redis.call('nope') end)").unwrap();
    let reply = stage.run(&functions[0].program, 0, &[]);
    assert_eq!(reply, "-ERR Unknown Redis command called from script script: SHA, on @user_function:3.|");
    let functions = stage.load("redis.register_function('f', function() return KEYS end)").unwrap();
    let reply = stage.run(&functions[0].program, 0, &[]);
    let expected = "-ERR user_function:1: Script attempted to access nonexistent global variable 'KEYS'";
    assert_eq!(reply, format!("{expected} script: SHA, on @user_function:1.|"));
}

#[track_caller]
fn check_refused(table: &[(&str, &str)]) {
    let mut stage = Stage::of(Purpose::Libraries);
    for (code, expected) in table {
        let refusal = stage.load(code).unwrap_err();
        let refusal = refusal.strip_prefix("Error registering functions: ERR ").unwrap_or(&refusal);
        assert_eq!(refusal, *expected, "{code}");
    }
}

#[test]
fn code_that_is_wrong_is_refused() {
    check_refused(&[
        ("return 1", "No functions registered"),
        ("x x", "Error compiling function: user_function:1: '=' expected near 'x'"),
        ("error('boom')", "user_function:1: Script attempted to access nonexistent global variable 'error'"),
        ("local x = nil + 1", "user_function:1: attempt to perform arithmetic on a nil value"),
        ("a = 1", "user_function:1: Attempt to modify a readonly table"),
        ("redis.call = 1", "user_function:1: Attempt to modify a readonly table"),
        ("math.random()", "user_function:1: Script attempted to access nonexistent global variable 'math'"),
        ("redis.call('x')", "user_function:1: Script attempted to access nonexistent global variable 'call'"),
        (
            "local m = getmetatable(_G)",
            "user_function:1: Script attempted to access nonexistent global variable 'getmetatable'",
        ),
    ]);
}

#[test]
fn a_registration_that_is_wrong_is_refused() {
    check_refused(&[
        ("redis.register_function()", "wrong number of arguments to redis.register_function"),
        (
            "redis.register_function(1)",
            "calling redis.register_function with a single argument is only applicable to Lua table (representing \
             named arguments).",
        ),
        ("redis.register_function('a', 1)", "second argument to redis.register_function must be a function"),
        (
            "redis.register_function({}, function() end)",
            "first argument to redis.register_function must be a string",
        ),
        (
            "redis.register_function{function_name='a'}",
            "redis.register_function must get a callback argument",
        ),
        (
            "redis.register_function{callback=function() end}",
            "redis.register_function must get a function name argument",
        ),
        (
            "redis.register_function{function_name='a', bad=1}",
            "unknown argument given to redis.register_function",
        ),
        ("redis.register_function{flags={'bad'}}", "unknown flag given"),
        (
            "redis.register_function{flags='x'}",
            "flags argument to redis.register_function must be a table representing function flags",
        ),
        (
            "redis.register_function{description={}}",
            "description argument given to redis.register_function must be a string",
        ),
        (
            "redis.register_function{callback=1}",
            "callback argument given to redis.register_function must be a function",
        ),
        ("redis.register_function('a-b', function() end)", NAMES),
        ("redis.register_function('', function() end)", NAMES),
        (
            "local f = function() end redis.register_function('a', f) redis.register_function('a', f)",
            "Function already exists in the library",
        ),
    ]);
}

#[test]
fn loading_ends_when_its_time_is_over() {
    let mut stage = Stage::of(Purpose::Libraries);
    stage.server.patience = Some(3);
    let refusal = stage.load("local a = 1 while true do a = a + 1 end").unwrap_err();
    assert_eq!(refusal, format!("Error registering functions: ERR {KILLED}"));
    stage.server.patience = None;
    assert!(stage.load("redis.register_function('f', function() end)").is_ok());
}

#[test]
fn the_api_of_loading_is_of_no_use_later() {
    let mut stage = Stage::of(Purpose::Libraries);
    let code = "local lib = redis
        lib.register_function('f1', function() lib.redis = redis return 1 end)
        lib.register_function('f2', function() lib.register_function('f3', function() end) end)
        lib.register_function('f4', function() redis.register_function('f3', function() end) end)
        lib.register_function('f5', function() return {type(redis.call), type(math.random), type(redis.debug)} end)";
    let functions = stage.load(code).unwrap();
    let mut run = |index: usize| stage.run(&functions[index].program, 0, &[]);
    assert!(run(0).contains("Attempt to modify a readonly table"));
    assert!(run(1).contains("redis.register_function can only be called on FUNCTION LOAD command"));
    assert!(run(2).contains("attempt to call field 'register_function' (a nil value)"));
    assert_eq!(run(3), "*3|$8|function|$8|function|$3|nil|");
    let refusal = stage.load("redis.redis.call('ping')").unwrap_err();
    assert!(refusal.contains("nonexistent global variable 'redis'"), "{refusal}");
}

#[test]
fn the_log_works_while_loading() {
    let mut stage = Stage::of(Purpose::Libraries);
    stage.load("redis.log(redis.LOG_NOTICE, 'hi') redis.register_function('f', function() end)").unwrap();
    assert_eq!(stage.server.logged, [(Level::Notice, "hi".to_owned())]);
}

#[test]
fn functions_that_are_dropped_free_their_memory() {
    let mut stage = Stage::of(Purpose::Libraries);
    let code = "local s = ('x'):rep(1000000) redis.register_function('f', function() return #s end)";
    let before = stage.interpreter.used_memory();
    for _ in 0..100 {
        let functions = stage.load(code).unwrap();
        assert_eq!(stage.run(&functions[0].program, 0, &[]), ":1000000|");
    }
    stage.eval("return collectgarbage()");
    let after = stage.interpreter.used_memory();
    assert!(after < before + 3_000_000, "{before} {after}");
}
