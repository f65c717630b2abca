//! Keys, arguments, calls and what they return.

use super::*;

#[test]
fn keys_and_arguments_are_tables_of_strings() {
    let mut stage = Stage::new();
    let code = "return {#KEYS, #ARGV, KEYS[1], ARGV[1], ARGV[2]}";
    assert_eq!(stage.eval_with(code, 1, &["k", "a", "b"]), "*5|:1|:2|$1|k|$1|a|$1|b|");
    assert_eq!(stage.eval("return {#KEYS, #ARGV}"), "*2|:0|:0|", "nothing is left of the last run");
    assert_eq!(stage.eval_with("return select('#', ...)", 1, &["k"]), ":0|");
    assert_eq!(stage.eval_with("KEYS[1] = 'x' return KEYS[1]", 1, &["k"]), "$1|x|", "they may be changed");
}

#[test]
fn many_words_and_words_that_are_no_text_come_as_few_do() {
    let mut stage = Stage::new();
    let code = "return {#KEYS, #ARGV, KEYS[#KEYS] or '', ARGV[#ARGV] or '', KEYS[#KEYS + 1] == nil}";
    for (keys, all) in [(0, 0), (0, 3), (3, 3), (2, 5), (64, 64), (30, 64), (1, 65), (100, 7000)] {
        let words: Vec<String> = (1..=all).map(|number| number.to_string()).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let last = |count: usize, upto: usize| if count == 0 { String::new() } else { upto.to_string() };
        let (key, word) = (last(keys, keys), last(all - keys, all));
        let expected = format!("*5|:{keys}|:{}|${}|{key}|${}|{word}|:1|", all - keys, key.len(), word.len());
        assert_eq!(stage.eval_with(code, keys, &words), expected, "{keys} of {all}");
    }
    let program = stage.interpreter.compile(b"return KEYS[1] .. ARGV[1]").unwrap();
    let reply = stage.reply_with(&program, 1, &[b"\xff\0", b"x"]);
    assert_eq!(reply, b"$3\r\n\xff\0x\r\n");
}

#[test]
fn calls_reach_the_server_and_their_replies_the_script() {
    let mut stage = Stage::new();
    for (code, expected) in [
        ("return redis.call('echo', 'x\\0y')", "$3|x\0y|"),
        ("return redis.call('ping')", "+PONG|"),
        ("return redis.call('ping').ok", "$4|PONG|"),
        ("return redis.call('get', 'k') == false", ":1|"),
        ("return server.call('hgetall', 'k')", "*2|$1|f|$1|v|"),
    ] {
        assert_eq!(stage.eval(code), expected, "{code}");
    }
    assert_eq!(stage.server.calls.last().unwrap(), &["hgetall", "k"]);
}

#[test]
fn numbers_are_written_as_short_as_they_can_be() {
    check(&[
        ("return redis.call('echo', 3.3)", "$3|3.3|"),
        ("return redis.call('echo', 1000000000)", "$10|1000000000|"),
        ("return redis.call('echo', -5)", "$2|-5|"),
        ("return redis.call('echo', 1e20)", "$5|1e+20|"),
        ("return redis.call('echo', 0.1 + 0.2)", "$19|0.30000000000000004|"),
    ]);
}

#[test]
fn setresp_holds_for_the_run() {
    let mut stage = Stage::new();
    for (client, code, expected) in [
        (Protocol::Resp2, "redis.setresp(3) return redis.call('hgetall', 'k').map.f", "$1|v|"),
        (Protocol::Resp2, "redis.setresp(3) return redis.call('get', 'k') == nil", ":1|"),
        (Protocol::Resp2, "redis.setresp(3) return redis.call('zscore').double * 2", ":3|"),
        (Protocol::Resp2, "return redis.call('hgetall', 'k')[1]", "$1|f|"),
        (Protocol::Resp3, "redis.setresp(3) return redis.call('hgetall', 'k')", "%1|$1|f|$1|v|"),
        (Protocol::Resp3, "redis.setresp(3) redis.setresp(2) return redis.call('hgetall')[2]", "$1|v|"),
        (Protocol::Resp3, "redis.setresp(3) return true", "#t|"),
        (Protocol::Resp3, "return true", ":1|"),
    ] {
        stage.client = client;
        assert_eq!(stage.eval(code), expected, "{client:?} {code}");
    }
}

#[test]
fn the_log_is_the_servers() {
    let mut stage = Stage::new();
    stage.eval("redis.log(redis.LOG_WARNING, 'a', 1, {}, 'b') redis.log('0', 'x')");
    let expected = [(Level::Warning, "a 1 b".to_owned()), (Level::Debug, "x".to_owned())];
    assert_eq!(stage.server.logged, expected);
}

#[test]
fn set_repl_says_where_effects_go() {
    let mut stage = Stage::new();
    for (name, to_file, to_replicas) in [
        ("NONE", false, false),
        ("AOF", true, false),
        ("SLAVE", false, true),
        ("REPLICA", false, true),
        ("ALL", true, true),
    ] {
        assert_eq!(stage.eval(&format!("return redis.set_repl(redis.REPL_{name})")), "$-1|");
        assert_eq!(stage.server.replication, Some(Replication { to_file, to_replicas }), "{name}");
    }
}

#[test]
fn the_rest_of_the_api_answers_as_redis() {
    check(&[
        ("return redis.acl_check_cmd('get', 'k')", ":1|"),
        ("return redis.acl_check_cmd('set', 'k')", "$-1|"),
        ("return redis.sha1hex('')", "$40|da39a3ee5e6b4b0d3255bfef95601890afd80709|"),
        ("return redis.sha1hex(nil)", "$40|da39a3ee5e6b4b0d3255bfef95601890afd80709|"),
        ("return redis.sha1hex(1)", "$40|356a192b7913b04c54574d18c28d46e6395428ab|"),
        ("return redis.status_reply('FINE')", "+FINE|"),
        ("return redis.error_reply('My Err')", "-My Err|"),
        ("return redis.error_reply('-My Err')", "-My Err|"),
        ("return redis.error_reply('foo')", "-ERR foo|"),
        ("return redis.error_reply('')", "-ERR |"),
        ("return redis.error_reply(1)", "-ERR wrong number or type of arguments|"),
        ("return redis.status_reply()", "-ERR wrong number or type of arguments|"),
        ("return redis.replicate_commands()", ":1|"),
        ("return redis.breakpoint()", "$-1|"),
        ("return redis.debug('x')", "$-1|"),
        ("return redis.REDIS_VERSION", "$5|7.2.4|"),
        ("return redis.REDIS_VERSION_NUM == 0x00070204", ":1|"),
        ("return redis.register_function", "$-1|"),
        ("return os.clock() * 4", ":5|"),
        ("return redis == server", ":1|"),
    ]);
}

#[test]
fn random_numbers_follow_from_the_seed() {
    check(&[
        (
            "math.randomseed(1) return {tostring(math.random()), tostring(math.random()), math.random(10), \
             math.random(5, 9)}",
            "*4|$17|0.041630344484761|$15|0.4544924448498|:9|:6|",
        ),
        ("math.randomseed(1) local a = math.random() math.randomseed(1) return a == math.random()", ":1|"),
    ]);
}

#[test]
fn a_slow_script_ticks() {
    for code in [
        "for i = 1, 1000000 do end return 1",
        "return coroutine.wrap(function() for i = 1, 1000000 do end return 1 end)()",
    ] {
        let mut stage = Stage::new();
        assert_eq!(stage.eval(code), ":1|");
        assert!(stage.server.ticks >= 5, "{code}: {}", stage.server.ticks);
    }
}

#[test]
fn a_killed_script_ends_whatever_it_does_about_that() {
    for code in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do pcall(redis.call, 'ping') end",
        "local function f() pcall(f) while true do end end while true do pcall(f) end",
        "while true do xpcall(function() while true do end end, function() while true do end end) end",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "while true do pcall(coroutine.wrap(function() while true do end end)) end",
        "while true do pcall(string.gsub, 'x', 'x', function() while true do end end) end",
        "while true do pcall(table.sort, {1, 2, 3}, function() while true do end end) end",
        "local t = setmetatable({}, {__index = function() while true do end end}) \
         while true do pcall(function() return t.x end) end",
        "while true do load(function() while true do end end) end",
        "while true do pcall(setmetatable({}, {__call = function() while true do end end})) end",
    ] {
        let mut stage = Stage::new();
        stage.server.patience = Some(2);
        let reply = stage.eval(code);
        let expected = format!("-ERR {KILLED} script: SHA, on @user_script:1.|");
        assert_eq!(reply, expected, "{code}");
        stage.server.patience = None;
        assert_eq!(stage.eval("return 1"), ":1|", "{code}: the next script runs");
    }
}

#[test]
fn memory_is_counted_and_given_back() {
    let mut stage = Stage::new();
    let before = stage.interpreter.used_memory();
    assert!(before > 10_000, "{before}");
    for _ in 0..2_000 {
        assert_eq!(stage.eval("local s = string.rep('x', 100000) return #s"), ":100000|");
    }
    let after = stage.interpreter.used_memory();
    assert!(after < before + 20_000_000, "{before} {after}");
}

#[test]
fn settings_of_json_last_for_the_run() {
    check(&[
        ("cjson.encode_number_precision(3) return cjson.encode(1.23456)", "$4|1.23|"),
        ("return cjson.encode(1.23456)", "$7|1.23456|"),
    ]);
}

#[test]
fn big_tables_go_both_ways() {
    let big = "local t = {} for i = 1, 100000 do t[i] = 'v' .. i end ";
    let maps = "local t = {} for i = 1, 30000 do t['k' .. i] = {i} end ";
    for (code, expected) in [
        (format!("{big} return #cjson.encode(t)"), ":888896|"),
        (format!("{big} return #cjson.decode(cjson.encode(t))"), ":100000|"),
        (format!("{big} return #cmsgpack.pack(t)"), ":688900|"),
        (format!("{big} return #cmsgpack.unpack(cmsgpack.pack(t))"), ":100000|"),
        (format!("{maps} return #cjson.encode(t)"), ":487789|"),
        (
            format!(
                "{maps} local n = 0 for k in pairs(cmsgpack.unpack(cmsgpack.pack(t))) do n = n + 1 end return n"
            ),
            ":30000|",
        ),
        (
            "local t = {} for i = 1, 7900 do t[i] = 'v' .. i end return redis.call('echo', unpack(t))"
                .to_owned(),
            "$2|v1|",
        ),
        (
            "local t = {} for i = 1, 7999 do t[i] = 'v' .. i end return redis.call('echo', 'l', unpack(t))"
                .to_owned(),
            "$1|l|",
        ),
        (
            "local t = {} for i = 1, 7999 do t[i] = i end return redis.pcall('incr', 'l', unpack(t)).err"
                .to_owned(),
            "$65|WRONGTYPE Operation against a key holding the wrong kind of value|",
        ),
        (
            "local t = {} for i = 1, 7998 do t[i] = i end t[7999] = {} return redis.call('echo', 'l', unpack(t))"
                .to_owned(),
            "-ERR Lua redis lib command arguments must be strings or integers script: SHA, on @user_script:1.|",
        ),
        (
            "local t = {} for i = 1, 7000 do t[i] = i end t[5] = nil return redis.pcall(unpack(t, 1, 7000)).err"
                .to_owned(),
            "$63|ERR Lua redis lib command arguments must be strings or integers|",
        ),
        ("return select('#', unpack({}, 1, 7997))".to_owned(), ":7997|"),
        ("return {pcall(unpack, {}, 1, 8000)}".to_owned(), "*2|$-1|$26|too many results to unpack|"),
        ("return select('#', pcall(unpack, {}, 1, 100))".to_owned(), ":101|"),
    ] {
        let mut stage = Stage::new();
        assert_eq!(stage.eval(&code), expected, "{code}");
    }
    let mut stage = Stage::new();
    let reply = stage.eval(&format!("{big} return t"));
    assert!(reply.starts_with("*100000|$2|v1|") && reply.ends_with("$7|v100000|"));
    assert!(stage.eval(&format!("{maps} return {{map = t}}")).starts_with("*60000|"));
    let words: Vec<&str> = vec!["x"; 100_000];
    assert_eq!(stage.eval_with("return #KEYS + #ARGV", 50_000, &words), ":100000|");
}

#[test]
fn more_values_than_a_callback_takes_are_an_error() {
    let grow = "local function grow(n, f, ...) if n == 0 then return f(...) end \
                return grow(n - 1, f, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', ...) end ";
    for call in ["return grow(1000, redis.call)", "return pcall(grow, 1000, cjson.encode)"] {
        let mut stage = Stage::new();
        let reply = stage.eval(&format!("{grow} {call}"));
        assert_eq!(reply, "-ERR Error running script SHA, too many values at once|", "{call}");
        assert_eq!(stage.eval("return redis.call('ping')"), "+PONG|");
    }
}

#[test]
fn there_may_be_any_number_of_programs() {
    let mut stage = Stage::new();
    let compile =
        |stage: &mut Stage, number: i32| stage.interpreter.compile(format!("return {number}").as_bytes());
    let programs: Vec<Program> = (0..20_000).map(|number| compile(&mut stage, number).unwrap()).collect();
    assert_eq!(stage.run(&programs[19_999], 0, &[]), ":19999|");
    let used = stage.interpreter.used_memory();
    drop(programs);
    for _ in 0..100 {
        stage.eval("return collectgarbage()");
    }
    assert!(stage.interpreter.used_memory() < used / 2);
}

#[test]
fn a_panic_of_the_server_is_no_error_of_the_script() {
    for code in [
        "redis.call('panic')",
        "pcall(redis.call, 'panic')",
        "xpcall(function() redis.call('panic') end, function() end)",
        "pcall(coroutine.wrap(function() redis.call('panic') end))",
    ] {
        let run = || Stage::new().eval(code);
        let payload = panic::catch_unwind(run).unwrap_err();
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"a bug of the server's"), "{code}");
    }
}

#[test]
fn every_word_of_a_long_call_arrives() {
    let long = "local t = {} for i = 1, 7999 do t[i] = i % 2 == 0 and i or i .. '\\255' end \
                return redis.call('echo', 'l', unpack(t))";
    let mut stage = Stage::new();
    for code in [long, "return redis.call('echo', 'l')", long] {
        assert_eq!(stage.eval(code), "$1|l|", "{code}");
        let words = stage.server.calls.pop().unwrap();
        let expected = if code == long { vec![8001, 1, 7999] } else { vec![2] };
        assert_eq!(words.len(), expected[0]);
        if code == long {
            assert_eq!(words[2..4], ["1\u{fffd}".to_owned(), "2".to_owned()]);
            assert_eq!(words[8000], "7999\u{fffd}");
        }
    }
}

#[test]
fn functions_make_long_calls_too() {
    let mut stage = Stage::of(Purpose::Libraries);
    let code = "redis.register_function('f', function() local t = {} for i = 1, 7999 do t[i] = 'v' .. i end \
                return redis.call('echo', 'l', unpack(t)) end)";
    let functions = stage.load(code).unwrap();
    assert_eq!(stage.run(&functions[0].program, 0, &[]), "$1|l|");
    assert_eq!(stage.server.calls[0].len(), 8001);
}
