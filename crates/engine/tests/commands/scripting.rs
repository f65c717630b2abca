//! EVAL and its kin, SCRIPT.

use slipstream_engine::config::Config;
use slipstream_engine::session::SessionId;

use crate::script::Script;

/// Runs a script without keys and returns its reply.
#[track_caller]
fn eval(script: &mut Script, code: &str) -> String {
    let client = script.client();
    eval_as(script, client, code)
}

#[track_caller]
fn eval_as(script: &mut Script, client: SessionId, code: &str) -> String {
    script.ask_words(client, &["EVAL", code, "0"])
}

/// Runs a script without keys; expects its reply and what it propagates.
#[track_caller]
fn check(script: &mut Script, code: &str, reply: &str, propagated: &str) {
    assert_eq!(eval(script, code), reply, "the reply to {code}");
    assert_eq!(script.propagated(), propagated, "what {code} propagates");
}

fn digest(code: &str) -> String {
    sha1_smol::Sha1::from(code).digest().to_string()
}

#[test]
fn what_a_script_returns_is_the_reply() {
    let mut script = Script::new();
    for (code, reply) in [
        ("return 1", ":1"),
        ("return 3.99", ":3"),
        ("return 'x'", "x"),
        ("return {1, {2, 'b'}, false}", "[:1 [:2 b] $-1]"),
        ("return nil", "$-1"),
        ("return redis.status_reply('FINE')", "+FINE"),
        ("return redis.error_reply('MY fault')", "-MY fault"),
        ("return redis.call('ping')", "+PONG"),
        ("return redis.call('get', 'nosuch')", "$-1"),
        ("return redis.sha1hex('')", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        ("return server.call('ECHO', 'x')", "x"),
    ] {
        check(&mut script, code, reply, "");
    }
}

#[test]
fn keys_and_arguments_are_globals() {
    let mut script = Script::new();
    script.check_read("EVAL 'return {KEYS[1], KEYS[2], ARGV[1], #ARGV}' 2 a b c d", "[a b c :2]");
    script.check_read("EVAL 'return #KEYS + #ARGV' 0", ":0");
    for (request, error) in [
        ("EVAL 'return 1' x", "-ERR value is not an integer or out of range"),
        ("EVAL 'return 1' 1", "-ERR Number of keys can't be greater than number of args"),
        ("EVAL 'return 1' -1 a", "-ERR Number of keys can't be negative"),
        ("EVAL 'return 1'", "-ERR wrong number of arguments for 'eval' command"),
    ] {
        script.check_read(request, error);
    }
}

#[test]
fn one_effect_travels_bare_and_several_as_a_transaction() {
    let mut script = Script::new();
    check(&mut script, "return redis.call('set', 'k', 1)", "+OK", "set k 1");
    check(
        &mut script,
        "redis.call('incr', 'k') redis.call('rpush', 'l', 'a', 'b') return redis.call('get', 'k')",
        "2",
        "MULTI; incr k; rpush l a b; EXEC",
    );
    check(&mut script, "return redis.call('del', 'nosuch')", ":0", "");
    check(
        &mut script,
        "redis.call('select', 1) redis.call('set', 'k', 1) return redis.call('dbsize')",
        ":1",
        "SELECT 1; set k 1",
    );
    // The client's database stays.
    script.check("GET k", "2", "");
    script.check("SET k 3", "+OK", "SELECT 0; SET k 3");
}

#[test]
fn effects_of_chance_and_time_are_named() {
    let mut script = Script::new();
    script.check_write("SADD s a", ":1");
    check(&mut script, "return redis.call('spop', 's')", "a", "SREM s a");
    check(&mut script, "return redis.call('set', 'k', 'v', 'EX', 10)", "+OK", "SET k v PXAT 11000");
}

#[test]
fn a_script_that_fails_keeps_what_it_did() {
    let mut script = Script::new();
    let code = "redis.call('set', 'k', 1) redis.call('incr', 'l', 2) return 1";
    let error = "-ERR Wrong number of args calling Redis command from script script: ";
    let reply = eval(&mut script, code);
    assert_eq!(reply, format!("{error}{}, on @user_script:1.", digest(code)));
    assert_eq!(script.propagated(), "set k 1");
}

#[test]
fn errors_tell_the_script_and_the_line() {
    let mut script = Script::new();
    let mut fails = |code: &str, error: &str, line: usize| {
        let expected = format!("-{error} script: {}, on @user_script:{line}.", digest(code));
        assert_eq!(eval(&mut script, code), expected, "{code}");
    };
    fails("redis.call('nosuch')", "ERR Unknown Redis command called from script", 1);
    fails("\nredis.call('client', 'nosuch')", "ERR Unknown Redis command called from script", 2);
    fails("redis.call('config')", "ERR Wrong number of args calling Redis command from script", 1);
    fails("redis.call('get')", "ERR Wrong number of args calling Redis command from script", 1);
    fails("redis.call('eval', 'return 1', 0)", "ERR This Redis command is not allowed from script", 1);
    fails("redis.call('multi')", "ERR This Redis command is not allowed from script", 1);
    fails(
        "redis.call('lpush', redis.call('set', 'k', 1).ok, 1) redis.call('incr', 'OK')",
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        1,
    );
    fails("redis.call()", "ERR Please specify at least one argument for this redis lib call", 1);
    fails("redis.call({})", "ERR Lua redis lib command arguments must be strings or integers", 1);
    fails("error('boom')", "ERR user_script:1: boom", 1);
    fails(
        "return nosuch",
        "ERR user_script:1: Script attempted to access nonexistent global variable 'nosuch'",
        1,
    );
    assert!(
        eval(&mut script, "return (")
            .starts_with("-ERR Error compiling script (new function): user_script:1:")
    );
    script.check("EXISTS k OK", ":2", "MULTI; set k 1; lpush OK 1; EXEC");
}

#[test]
fn pcall_returns_errors_and_passes_them_on() {
    let mut script = Script::new();
    check(
        &mut script,
        "redis.call('set', 'k', 'v') return redis.pcall('incr', 'k')",
        "-ERR value is not an integer or out of range",
        "set k v",
    );
    check(
        &mut script,
        "return redis.pcall('nosuch')['err']",
        "\"ERR Unknown Redis command called from script\"",
        "",
    );
}

#[test]
fn a_script_is_known_by_its_digest_afterwards() {
    let mut script = Script::new();
    let code = "return ARGV[1]";
    let sha = digest(code);
    let noscript = "-NOSCRIPT No matching script. Please use EVAL.";
    script.check_read(&format!("EVALSHA {sha} 0 x"), noscript);
    script.check_read("EVALSHA short 0", noscript);
    script.check_read("EVALSHA_RO short x", noscript);
    script.check_read(&format!("EVALSHA {sha} x"), "-ERR value is not an integer or out of range");
    script.check_read(&format!("EVAL '{code}' 0 x"), "x");
    script.check_read(&format!("EVALSHA {sha} 0 y"), "y");
    script.check_read(&format!("EVALSHA_RO {} 0 y", sha.to_uppercase()), "y");
    script.check_read(&format!("SCRIPT EXISTS {sha} nosuch"), "[:1 :0]");
    script.check_read("SCRIPT FLUSH", "+OK");
    script.check_read(&format!("EVALSHA {sha} 0 y"), noscript);
    script.check_read(&format!("SCRIPT LOAD '{code}'"), &sha);
    script.check_read(&format!("EVALSHA {sha} 0 z"), "z");
}

#[test]
fn script_refuses_what_it_has_not() {
    let mut script = Script::new();
    for (request, reply) in [
        ("SCRIPT FLUSH ASYNC", "+OK"),
        ("SCRIPT FLUSH sync", "+OK"),
        ("SCRIPT FLUSH NOW", "-ERR SCRIPT FLUSH only support SYNC|ASYNC option"),
        ("SCRIPT FLUSH SYNC SYNC", "-ERR SCRIPT FLUSH only support SYNC|ASYNC option"),
        ("SCRIPT DEBUG NO", "+OK"),
        ("SCRIPT DEBUG MAYBE", "-ERR Use SCRIPT DEBUG YES/SYNC/NO"),
        ("SCRIPT NOSUCH", "-ERR unknown subcommand 'NOSUCH'. Try SCRIPT HELP."),
        ("SCRIPT LOAD", "-ERR wrong number of arguments for 'script|load' command"),
        (
            "SCRIPT LOAD (",
            "-ERR Error compiling script (new function): user_script:1: unexpected symbol near '<eof>'",
        ),
        ("SCRIPT LOAD '#!lua'", "-ERR Invalid script shebang"),
    ] {
        script.check_read(request, reply);
    }
    assert!(script.ask("SCRIPT DEBUG YES").starts_with("-ERR There is no debugger"));
}

#[test]
fn forms_that_only_read_call_nothing_that_writes() {
    let mut script = Script::new();
    script.check_write("SET k v", "+OK");
    script.check_read("EVAL_RO \"return redis.call('get', KEYS[1])\" 1 k", "v");
    let refused = "ERR Write commands are not allowed from read-only scripts. script: ";
    for command in ["'set', 'k', 'w'", "'publish', 'c', 'm'", "'pfcount', 'h'"] {
        let reply = script.ask(&format!("EVAL_RO \"return redis.call({command})\" 0"));
        assert!(reply.starts_with(&format!("-{refused}")), "{command}: {reply}");
    }
    let declared = "\"#!lua\\nreturn 1\"";
    let error = "-ERR Can not execute a script with write flag using *_ro command.";
    script.check_read(&format!("EVAL_RO {declared} 0"), error);
    script.check_read("EVAL_RO \"#!lua flags=no-writes\\nreturn 1\" 0", ":1");
}

#[test]
fn a_transaction_runs_scripts_within_its_own_group() {
    let mut script = Script::new();
    script.ask("MULTI");
    script.ask("SET a 1");
    script.ask("EVAL \"redis.call('incr', 'a') return redis.call('incr', 'b')\" 0");
    script.check("EXEC", "[+OK :1]", "MULTI; SET a 1; incr a; incr b; EXEC");
}

#[test]
fn time_stands_still_for_a_script() {
    let mut script = Script::new();
    script.run_clock(3_000);
    let code = "redis.call('set', 'k', 'v', 'px', 5) local n = 0 \
                for i = 1, 10 do n = n + redis.call('exists', 'k') end return n";
    assert_eq!(eval(&mut script, code), ":10");
    assert_eq!(script.ask("EXISTS k"), ":0");
}

#[test]
fn a_set_that_a_script_sorts_by_nothing_is_in_order() {
    let mut script = Script::new();
    script.check_write("SADD s d a e c b", ":5");
    check(&mut script, "return redis.call('sort', 's', 'by', 'nosort', 'get', '#')", "[a b c d e]", "");
    check(&mut script, "return redis.call('sort', 's', 'by', 'nosort', 'desc')", "[e d c b a]", "");
}

#[test]
fn a_write_of_a_script_breaks_watches() {
    let mut script = Script::new();
    let other = script.connect();
    for client in [script.client(), other] {
        script.ask_as(client, "WATCH k");
        assert_eq!(eval(&mut script, "return redis.call('incr', 'k')").as_bytes()[0], b':');
        script.ask_as(client, "MULTI");
        assert_eq!(script.ask_as(client, "EXEC"), "*-1");
    }
}

#[test]
fn no_command_waits_within_a_script() {
    let mut script = Script::new();
    check(&mut script, "return redis.call('wait', 1, 0)", ":0", "");
}

#[test]
fn memory_at_its_limit_refuses_the_first_write_only() {
    let mut config = Config::default();
    config.maxmemory = 1000;
    let mut script = Script::with_config(config);
    script.set_memory(500_000_000);
    let oom = "OOM command not allowed when used memory > 'maxmemory'.";
    let code = "return redis.call('set', 'k', 1)";
    check(&mut script, code, &format!("-{oom} script: {}, on @user_script:1.", digest(code)), "");
    check(&mut script, "redis.call('del', 'k') return redis.call('set', 'k', 1)", "+OK", "set k 1");
    check(&mut script, "return redis.call('get', 'k')", "1", "");
    // A script that says what it does is judged before it runs.
    check(&mut script, "#!lua\nreturn 1", &format!("-{oom}"), "");
    check(&mut script, "#!lua flags=no-writes\nreturn 1", ":1", "");
    check(&mut script, "#!lua flags=allow-oom\nreturn redis.call('set', 'k', 2)", "+OK", "set k 2");
}

#[test]
fn a_replica_refuses_the_write_of_a_script() {
    let mut script = Script::new();
    script.ask("REPLICAOF 127.0.0.1 1");
    let readonly = "READONLY You can't write against a read only replica.";
    let code = "return redis.call('set', 'k', 1)";
    assert_eq!(eval(&mut script, code), format!("-{readonly} script: {}, on @user_script:1.", digest(code)));
    assert_eq!(eval(&mut script, "return redis.call('get', 'k')"), "$-1");
    assert_eq!(eval(&mut script, "#!lua\nreturn 1"), format!("-{readonly}"));
    assert_eq!(eval(&mut script, "#!lua flags=no-writes\nreturn 1"), ":1");
    script.ask("CONFIG SET replica-serve-stale-data no");
    let down = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
    assert_eq!(eval(&mut script, "return 1"), format!("-{down}"));
    assert_eq!(eval(&mut script, "#!lua flags=no-writes\nreturn 1"), format!("-{down}"));
    let stale = "#!lua flags=no-writes,allow-stale\n";
    assert_eq!(eval(&mut script, &format!("{stale}return 1")), ":1");
    let code = format!("{stale}return redis.call('get', 'k')");
    let refused = "-ERR Can not execute the command on a stale replica script: ";
    assert!(eval(&mut script, &code).starts_with(refused));
    assert_eq!(eval(&mut script, &format!("{stale}return redis.call('pubsub', 'numpat')")), ":0");
}

#[test]
fn effects_that_a_script_wants_kept_here_are() {
    let mut script = Script::new();
    let code = "redis.call('set', 'a', 1) redis.set_repl(redis.REPL_NONE) redis.call('set', 'a', 1) \
                redis.set_repl(redis.REPL_AOF) return redis.call('set', 'b', 1)";
    check(&mut script, code, "+OK", "MULTI; set a 1; set b 1; EXEC");
    // The next one starts anew.
    check(&mut script, "redis.set_repl(redis.REPL_NONE) return 1", ":1", "");
    check(&mut script, "return redis.call('set', 'c', 1)", "+OK", "set c 1");
}

#[test]
fn monitors_see_a_script_and_then_what_it_calls() {
    let mut script = Script::new();
    let monitor = script.connect();
    script.ask_as(monitor, "MONITOR");
    eval(&mut script, "redis.call('select', 1) return redis.call('get', 'k')");
    let seen = script.received(monitor);
    let places: Vec<usize> = ["[0 :0] \"EVAL\"", "[1 lua] \"get\" \"k\""]
        .iter()
        .map(|part| seen.find(part).unwrap_or_else(|| panic!("{part} in {seen}")))
        .collect();
    assert!(places[0] < places[1], "{seen}");
}

#[test]
fn an_error_is_counted_once() {
    let mut script = Script::new();
    let counts = |script: &mut Script| {
        let info = script.ask("INFO errorstats commandstats");
        let field = |name: &str| {
            let found = info.split("\\r\\n").find(|line| line.starts_with(name));
            found.map(|line| line.split_once(':').unwrap().1.to_owned()).unwrap_or_default()
        };
        ["errorstat_ERR", "cmdstat_eval:", "cmdstat_get:", "cmdstat_incr:"].map(|name| {
            let rejected_and_failed = field(name);
            let parts = rejected_and_failed.split(',').filter(|part| !part.contains("usec"));
            parts.collect::<Vec<_>>().join(",")
        })
    };
    eval(&mut script, "return redis.call('get')");
    assert_eq!(
        counts(&mut script)[..3],
        ["count=1", "calls=1,rejected_calls=0,failed_calls=1", "calls=0,rejected_calls=1,failed_calls=0"]
    );
    eval(&mut script, "redis.pcall('get') return 1");
    assert_eq!(counts(&mut script)[0..2], ["count=2", "calls=2,rejected_calls=0,failed_calls=1"]);
    eval(&mut script, "return redis.pcall('set', 'k', 'v', 'what')");
    assert_eq!(counts(&mut script)[0..2], ["count=3", "calls=3,rejected_calls=0,failed_calls=2"]);
    eval(&mut script, "error('mine')");
    assert_eq!(counts(&mut script)[0..2], ["count=4", "calls=4,rejected_calls=0,failed_calls=3"]);
}

#[test]
fn a_script_may_speak_resp3() {
    let mut script = Script::resp3();
    script.ask("HSET h f v");
    check(&mut script, "return redis.call('hgetall', 'h')", "[f v]", "HSET h f v");
    check(&mut script, "redis.setresp(3) return redis.call('hgetall', 'h')", "%[f v]", "");
    check(&mut script, "redis.setresp(3) return redis.call('get', 'nosuch')", "_", "");
    check(&mut script, "redis.setresp(3) return true", "#t", "");
    check(&mut script, "return {double = 1.5}", ",1.5", "");
}

#[test]
fn every_command_that_scripts_may_call_answers_them() {
    let mut script = Script::new();
    let code = "local reply = redis.pcall(unpack(ARGV)) return reply ~= 0";
    let names: Vec<(String, usize)> = {
        let entries = script.node.core.table.entries().iter();
        entries
            .map(|entry| {
                (
                    entry.command.full_name.to_owned(),
                    usize::try_from(entry.command.arity.unsigned_abs()).unwrap(),
                )
            })
            .collect()
    };
    for (name, arity) in names {
        for argument in ["0", "1", "x"] {
            let mut words: Vec<&str> = vec!["EVAL", code, "0"];
            words.extend(name.split('|'));
            while words.len() < arity + 3 {
                words.push(argument);
            }
            let client = script.client();
            let reply = script.ask_words(client, &words);
            assert!(!reply.is_empty(), "{name}");
        }
    }
}

#[test]
fn keys_of_a_script_are_those_that_it_counts() {
    let mut script = Script::new();
    for (request, reply) in [
        ("COMMAND GETKEYS EVAL 'return 1' 2 a b c", "[a b]"),
        ("COMMAND GETKEYS EVALSHA x 1 a b", "[a]"),
        ("COMMAND GETKEYS EVAL 'return 1' 0 a", "[]"),
        ("COMMAND GETKEYSANDFLAGS EVAL_RO 'return 1' 1 a", "[[a [+RO +access]]]"),
    ] {
        script.check_read(request, reply);
    }
}

#[test]
fn info_tells_what_scripts_take() {
    let mut script = Script::new();
    eval(&mut script, "return 1");
    eval(&mut script, "return 2");
    let info = script.ask("INFO memory");
    assert!(info.contains("number_of_cached_scripts:2"), "{info}");
    assert!(!info.contains("used_memory_vm_eval:0"), "{info}");
    assert!(!info.contains("used_memory_scripts_eval:0"), "{info}");
}

#[test]
fn tests_may_call_what_looks_or_waits_of_debug_from_scripts() {
    let mut script = Script::with_debug();
    let code = "redis.setresp(3) return redis.call('debug','protocol','bignum')";
    let refused = eval(&mut script, code);
    assert!(refused.contains("This Redis command is not allowed from script"), "{refused}");
    script.check_read("DEBUG SET-DISABLE-DENY-SCRIPTS 1", "+OK");
    assert_eq!(eval(&mut script, code), "1234567999999999999999999999999999999");
    let slept = eval(
        &mut script,
        "redis.call('set','k','v','px','1') redis.call('debug','sleep','0.01') return redis.call('exists','k')",
    );
    assert_eq!(slept, ":1");
    assert_eq!(script.propagated(), "SET k v PXAT 1001");
    let times = "local a = redis.call('time') redis.call('debug','sleep','0.01') local b = redis.call('time') return a[1] == b[1] and a[2] == b[2]";
    assert_eq!(eval(&mut script, times), ":1", "time stands still");
    let refused = eval(&mut script, "return redis.call('debug','reload')");
    assert!(refused.contains("not allowed from script"), "{refused}");
    script.check_read("DEBUG SET-DISABLE-DENY-SCRIPTS 0", "+OK");
    assert!(eval(&mut script, code).contains("not allowed from script"));
}

#[test]
fn a_call_takes_all_that_unpack_yields() {
    let mut script = Script::new();
    let list = "local t={} for i=1,7999 do t[i]='v'..i end ";
    assert_eq!(eval(&mut script, &format!("{list} return redis.call('rpush','l',unpack(t))")), ":7999");
    assert_eq!(script.ask("LINDEX l 0"), "v1");
    assert_eq!(script.ask("LINDEX l -1"), "v7999");
    let wrong = format!("{list} t[7000]=false return redis.pcall('rpush','l',unpack(t)).err");
    let error = "\"ERR Lua redis lib command arguments must be strings or integers\"";
    assert_eq!(eval(&mut script, &wrong), error);
    assert_eq!(script.ask("LLEN l"), ":7999");
}

#[test]
fn a_reply_that_does_not_fit_into_a_script_is_nobody_elses() {
    let mut script = Script::new();
    script.ask("SADD s secret");
    script.ask("SET a 2");
    let other = script.connect();
    for times in 0..8 {
        let own = "'s',".repeat(84 + times);
        // Whoever spells it out gets calls that need no room.
        let code = format!(
            "local t={{}} for i=1,7900 do t[i]='s' end return redis.call('sunion',{own}_G['un'..'pack'](t))"
        );
        eval(&mut script, &code);
        eval(&mut script, &code);
        assert_eq!(
            eval_as(&mut script, other, "return {redis.call('get','a'),redis.call('get','a')}"),
            "[2 2]"
        );
    }
}
