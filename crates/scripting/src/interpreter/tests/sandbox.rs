//! A script reaches nothing but what it is given, and cannot change what other scripts see.

use super::*;

#[test]
fn globals_and_libraries_cannot_be_assigned_to() {
    for code in [
        "foo = 1",
        "_G = {}",
        "_G.foo = 1",
        "_G._G.redis = 1",
        "KEYS = {}",
        "redis = 1",
        "redis.call = 1",
        "redis[1] = 1",
        "string.rep = 1",
        "cjson.encode = 1",
        "cmsgpack.pack = 1",
        "bit.lshift = 1",
        "getmetatable(_G).__index = {}",
        "getmetatable('').__index = {}",
        "getmetatable('').__index.rep = 1",
        "getfenv(0).x = 1",
        "getfenv(1).x = 1",
        "getfenv(redis.call).x = 1",
        "getfenv(pairs).x = 1",
        "local n, t, k = pairs(redis) t.call = 1",
        "local n, t = ipairs(redis) t.call = 1",
    ] {
        check_errors(&[(code, "ERR user_script:1: Attempt to modify a readonly table")]);
    }
}

#[test]
fn nothing_writes_past_the_protection() {
    for code in [
        "rawset(_G, 'x', 1)",
        "rawset(redis, 'call', 1)",
        "rawset(getmetatable(_G), '__index', {})",
        "rawset(getmetatable(''), '__index', {})",
        "rawset(getfenv(pcall), 'x', 1)",
        "table.insert(redis, 1)",
        "table.remove(redis)",
        "table.sort(redis)",
        "setmetatable(_G, {})",
        "setmetatable(redis, {})",
        "setmetatable(getmetatable(_G), {})",
        "setfenv(0, {})",
        "setfenv('0', {})",
        "setfenv(0.5, {})",
        "coroutine.wrap(function() getfenv(0).x = 1 end)()",
        "coroutine.wrap(function() setfenv(0, {}) end)()",
    ] {
        let mut stage = Stage::new();
        let reply = stage.eval(code);
        assert!(reply.contains("Attempt to modify a readonly table script"), "{code}: {reply}");
    }
    check_errors(&[("setfenv(pairs, {})", "ERR 'setfenv' cannot change environment of given object")]);
}

#[test]
fn names_that_do_not_exist_are_errors() {
    for name in [
        "foo",
        "print",
        "dofile",
        "loadfile",
        "require",
        "module",
        "io",
        "package",
        "debug",
        "__redis__err__handler",
    ] {
        let expected =
            format!("ERR user_script:1: Script attempted to access nonexistent global variable '{name}'");
        check_errors(&[(&format!("return {name}"), &expected), (&format!("return _G['{name}']"), &expected)]);
    }
    let expected = "ERR user_script:1: Second argument to luaProtectedTableError must be a string or number";
    check_errors(&[("return _G[{}]", expected)]);
    check(&[
        ("return rawget(_G, 'print')", "$-1|"),
        ("return redis.nothing", "$-1|"),
        ("return tostring(os.execute)", "$3|nil|"),
    ]);
}

#[test]
fn what_is_there_is_what_redis_has() {
    let names =
        "local r = {} for k in pairs(TABLE) do r[#r + 1] = k end table.sort(r) return table.concat(r, ' ')";
    let mut stage = Stage::new();
    for (table, expected) in [
        (
            "redis",
            "LOG_DEBUG LOG_NOTICE LOG_VERBOSE LOG_WARNING REDIS_VERSION REDIS_VERSION_NUM REPL_ALL REPL_AOF \
             REPL_NONE REPL_REPLICA REPL_SLAVE acl_check_cmd breakpoint call debug error_reply log pcall \
             replicate_commands set_repl setresp sha1hex status_reply",
        ),
        (
            "_G",
            "ARGV KEYS _G _VERSION assert bit cjson cmsgpack collectgarbage coroutine error gcinfo getfenv \
             getmetatable ipairs load loadstring math newproxy next os pairs pcall rawequal rawget rawset redis \
             select server setfenv setmetatable string struct table tonumber tostring type unpack xpcall",
        ),
        (
            "cjson",
            "_NAME _VERSION decode decode_invalid_numbers decode_max_depth encode encode_invalid_numbers \
             encode_keep_buffer encode_max_depth encode_number_precision encode_sparse_array new null",
        ),
        ("cmsgpack", "_COPYRIGHT _DESCRIPTION _NAME _VERSION pack unpack unpack_limit unpack_one"),
        ("struct", "pack size unpack"),
        ("bit", "arshift band bnot bor bswap bxor lshift rol ror rshift tobit tohex"),
        ("string", "byte char dump find format gfind gmatch gsub len lower match rep reverse sub upper"),
        ("table", "concat foreach foreachi getn insert maxn remove setn sort"),
        ("coroutine", "create resume running status wrap yield"),
        ("os", "clock"),
    ] {
        let reply = stage.eval(&names.replace("TABLE", table));
        assert_eq!(reply, format!("${}|{expected}|", expected.len()), "{table}");
    }
}

#[test]
fn reading_sees_through_protection() {
    check(&[
        ("local n = 0 for k, v in next, redis do n = n + 1 end return n", ":23|"),
        ("return type(rawget(redis, 'call'))", "$8|function|"),
        ("return type(rawget(_G, 'redis'))", "$5|table|"),
        ("return next({})", "$-1|"),
        ("local t = {} for k, v in pairs({a = 1}) do t[#t + 1] = k .. v end return t", "*1|$2|a1|"),
        ("return getmetatable(redis) and 1 or 0", ":0|"),
        ("return type(getmetatable(_G).__index)", "$8|function|"),
        ("return getmetatable('').__index == string", ":1|"),
        ("return ('x'):rep(3)", "$3|xxx|"),
    ]);
}

#[test]
fn bytecode_is_refused() {
    check(&[
        ("return {loadstring(string.dump(function() return 1 end))}", "*0|"),
        (
            "local d, n = string.dump(function() return 1 end), 0 \
             return {load(function() n = n + 1 return d:sub(n, n) end)}",
            "*0|",
        ),
        ("return loadstring('return 7')()", ":7|"),
        ("local t = {'return', ' 8'} return load(function() return table.remove(t, 1) end)()", ":8|"),
        ("return {loadstring('x x')}", "*0|"),
        ("return select(2, load(function() error('bad', 0) end))", "$3|bad|"),
    ]);
    let mut stage = Stage::new();
    let reply = stage.eval("\x1bLuaQ");
    assert!(reply.starts_with("does not compile: "), "{reply}");
}

#[test]
fn loaded_code_runs_in_the_same_sandbox() {
    let mut stage = Stage::new();
    for code in ["loadstring('x = 1')()", "coroutine.wrap(loadstring('x = 1'))()"] {
        let reply = stage.eval(code);
        assert!(reply.contains("Attempt to modify a readonly table"), "{code}: {reply}");
    }
}

#[test]
fn a_script_that_changes_its_environment_begins_anew() {
    let mut stage = Stage::new();
    let program = stage.interpreter.compile(b"local r = redis setfenv(1, {}) return r and 1").unwrap();
    for _ in 0..2 {
        assert_eq!(stage.run(&program, 0, &[]), ":1|");
    }
    stage.eval("setfenv(2, {})");
    stage.eval("setfenv(3, {})");
    assert_eq!(stage.eval("return redis.call('ping')"), "+PONG|");
    let code = "local f = function() return y end setfenv(f, {y = 2}) return f()";
    assert_eq!(stage.eval(code), ":2|", "its own functions are its own matter");
}

#[test]
fn no_finalizer_runs_in_another_script() {
    check_errors(&[
        (
            "getmetatable(newproxy(true)).__gc = error",
            "ERR user_script:1: finalizers are not available to scripts",
        ),
        (
            "rawset(getmetatable(newproxy(true)), '__gc', error)",
            "ERR finalizers are not available to scripts",
        ),
        (
            "setmetatable(getmetatable(newproxy(true)), {})",
            "ERR user_script:1: cannot change a protected metatable",
        ),
    ]);
    check(&[
        (
            "local p = newproxy(true) getmetatable(p).__index = function(_, k) return k end return p.name",
            "$4|name|",
        ),
        ("return type(newproxy())", "$8|userdata|"),
    ]);
}

#[test]
fn the_collector_cannot_be_stopped() {
    check(&[
        ("return collectgarbage('stop')", ":0|"),
        ("return collectgarbage('setpause', 1000)", ":0|"),
        ("return collectgarbage('count') > 0 and gcinfo() > 0", ":1|"),
        ("return collectgarbage()", ":0|"),
    ]);
}

/// On a stack as big as the server's.
#[test]
fn no_script_exhausts_the_stack() {
    let scripts = [
        "local function f() return coroutine.wrap(f)() end return f()",
        "local function f() return (coroutine.resume(coroutine.create(f))) end return f()",
        "local function f() return (('x'):gsub('x', f)) end return f()",
        "local function f() return pcall(f) end return f()",
        "local function f() local function g() return coroutine.wrap(f)() end return (('x'):gsub('x', g)) end \
         return f()",
        "local function deep(n) if n == 0 then return coroutine.wrap(deep)(150) end return pcall(deep, n - 1) end \
         return deep(150)",
        "local t = {} setmetatable(t, {__index = function(t, k) return t[k .. 'x'] end}) return t.x",
        "return (('a'):rep(300000):find(('a?'):rep(300000)))",
        "local s = ('('):rep(100000) return loadstring('return ' .. s)",
        "local t = {} for i = 1, 100000 do t = {t} end return cjson.encode(t)",
        "return cjson.decode(('['):rep(100000))",
        "cjson.decode_max_depth(1000000) return cjson.decode(('['):rep(1000000))",
        "cjson.encode_max_depth(1000000) local t = {} for i = 1, 100000 do t = {t} end return cjson.encode(t)",
        "local t = {} t.t = t return cmsgpack.pack(t)",
        "return cmsgpack.unpack(('\\145'):rep(1000000))",
        "return cmsgpack.unpack(('\\129'):rep(1000000))",
        "return cmsgpack.unpack('\\221\\255\\255\\255\\255')",
        "return ('x'):rep(2 ^ 45)",
        "local function f() return 1 + redis.call('ping', f()) end return f()",
    ];
    let run = move || {
        let mut stage = Stage::new();
        for code in scripts {
            stage.eval(code);
            assert_eq!(stage.eval("return 1"), ":1|", "{code}: the next script runs");
        }
    };
    std::thread::Builder::new().stack_size(8 << 20).spawn(run).unwrap().join().unwrap();
}

#[test]
fn nothing_is_left_of_a_script_that_failed_deep_down() {
    let mut stage = Stage::new();
    for _ in 0..100 {
        stage.eval("('x'):gsub('x', function() error('x') end)");
        stage.eval("coroutine.wrap(function() error('x') end)()");
        stage.eval("for i = 1, 100 do pcall(string.gsub, 'x', 'x', error) end");
    }
    let code = "return (('x'):gsub('x', function() return coroutine.wrap(function() return 'y' end)() end))";
    assert_eq!(stage.eval(code), "$1|y|");
}

#[test]
fn long_patterns_are_refused_only_if_they_nest() {
    check(&[
        ("local p = ('ab'):rep(10000) return ('x' .. p):find(p)", ":2|"),
        ("local p = ('a?'):rep(10000) return ('x' .. p):find(p, 1, true)", ":2|"),
    ]);
    check_errors(&[
        ("local x = ('x'):find(('a?'):rep(10000))", "ERR user_script:1: pattern too complex"),
        ("local x = ('x'):gsub(('a?'):rep(10000), '')", "ERR user_script:1: pattern too complex"),
    ]);
}
