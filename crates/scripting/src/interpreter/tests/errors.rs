//! Errors: their texts, where they point, what a script catches.

use super::*;

#[test]
fn uncaught_errors_name_the_script_and_the_line() {
    check_errors(&[
        ("return redis.call('nonexist')", "ERR Unknown Redis command called from script"),
        ("local x = redis.call('nonexist')", "ERR Unknown Redis command called from script"),
        ("redis.call('incr', 'k')", "WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("error('boom')", "ERR user_script:1: boom"),
        ("error({err='My boom'})", "My boom"),
        ("error({})", "ERR unknown error"),
        ("error()", "ERR nil"),
        ("error(setmetatable({}, {__tostring = function() while true do end end}))", "ERR unknown error"),
        ("error(setmetatable({}, {__index = function() error('again') end}))", "ERR unknown error"),
        ("return (nil)()", "ERR user_script:1: attempt to call a nil value"),
        ("local t = nil; return t.x", "ERR user_script:1: attempt to index local 't' (a nil value)"),
        ("local function f() return 1+f() end return f()", "ERR user_script:1: stack overflow"),
        ("string.rep()", "ERR user_script:1: bad argument #1 to 'rep' (string expected, got no value)"),
        ("return cjson.decode('[1,')", "ERR user_script:1: Expected value but found T_END at character 4"),
        ("xpcall(error)", "ERR user_script:1: bad argument #2 to 'xpcall' (value expected)"),
        ("coroutine.wrap(function() error('x') end)()", "ERR user_script:1: user_script:1: x"),
    ]);
    // The sandbox's own functions take the place of a frame that returns what they do.
    check_errors(&[
        (
            "return string.rep()",
            "ERR user_script:1: bad argument #1 to 'rep' (string expected, got no value)",
        ),
        ("return next()", "ERR user_script:1: bad argument #1 to 'next' (table expected, got no value)"),
        ("return rawset({})", "ERR user_script:1: bad argument #2 to 'rawset' (value expected)"),
        (
            "return setmetatable({})",
            "ERR user_script:1: bad argument #2 to 'setmetatable' (nil or table expected)",
        ),
        (
            "return loadstring()",
            "ERR user_script:1: bad argument #1 to 'loadstring' (string expected, got no value)",
        ),
        ("return coroutine.wrap(1)", "ERR user_script:1: bad argument #1 to 'wrap' (Lua function expected)"),
        ("return coroutine.resume(1)", "ERR user_script:1: bad argument #1 to 'resume' (coroutine expected)"),
    ]);
    let mut stage = Stage::new();
    assert_eq!(stage.eval("\n\nerror('x')"), "-ERR user_script:3: x script: SHA, on @user_script:3.|");
    let expected = "-ERR user_script:2: bad argument #1 to 'pairs' (table expected, got nil) script: SHA, on @user_script:2.|";
    assert_eq!(stage.eval("local a\nreturn pairs(a)\n\n"), expected);
}

#[test]
fn misuse_of_the_api_is_an_error() {
    check_errors(&[
        ("return redis.sha1hex()", "ERR wrong number of arguments"),
        ("redis.log(1)", "ERR redis.log() requires two arguments or more."),
        ("redis.log('x','y')", "ERR First argument must be a number (log level)."),
        ("redis.log(7,'y')", "ERR Invalid debug level."),
        ("return redis.setresp(4)", "ERR RESP version must be 2 or 3."),
        ("return redis.setresp()", "ERR redis.setresp() requires one argument."),
        ("return redis.set_repl()", "ERR redis.set_repl() requires one argument."),
        (
            "return redis.set_repl(9)",
            "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.",
        ),
        ("return redis.call()", "ERR Please specify at least one argument for this redis lib call"),
        ("return redis.call({})", "ERR Lua redis lib command arguments must be strings or integers"),
        ("return redis.acl_check_cmd('foo')", "ERR Invalid command passed to redis.acl_check_cmd()"),
        ("return math.random(0)", "ERR user_script:1: bad argument #1 to 'random' (interval is empty)"),
        ("return math.random(2, 1)", "ERR user_script:1: bad argument #2 to 'random' (interval is empty)"),
        ("return math.random(1,2,3)", "ERR user_script:1: wrong number of arguments"),
        (
            "return math.random('x')",
            "ERR user_script:1: bad argument #1 to 'random' (number expected, got string)",
        ),
    ]);
}

#[test]
fn what_is_caught_is_a_text_or_a_table() {
    check(&[
        ("return {pcall(redis.call,'nonexist')}", "*2|$-1|$44|ERR Unknown Redis command called from script|"),
        ("return {pcall(error,{err='x y'})}", "*2|$-1|$3|x y|"),
        ("return {pcall(error,{1})}", "*2|$-1|*1|:1|"),
        ("return {pcall(error,'x')}", "*2|$-1|$1|x|"),
        ("return select(2, pcall(cjson.decode, '['))", "$45|Expected value but found T_END at character 2|"),
        ("return {pcall(function() return 1, nil, 3 end)}", "*2|:1|:1|"),
        ("return select('#', pcall(function() return 1, nil, nil end))", ":4|"),
        ("return redis.pcall('nonexist')", "-ERR Unknown Redis command called from script|"),
        ("return redis.pcall('nonexist').err", "$44|ERR Unknown Redis command called from script|"),
        ("return redis.pcall()", "-ERR Please specify at least one argument for this redis lib call|"),
        (
            "return select(2, xpcall(function() redis.call('nonexist') end, function(e) return type(e) end))",
            "$5|table|",
        ),
        (
            "local ok, e = coroutine.resume(coroutine.create(function() redis.call('nonexist') end)) return e.err",
            "$44|ERR Unknown Redis command called from script|",
        ),
        (
            "return select(2, pcall(string.find, 'x'))",
            "$57|bad argument #2 to 'find' (string expected, got no value)|",
        ),
    ]);
}

#[test]
fn errors_are_counted_once() {
    let mut stage = Stage::new();
    let mut check = |code: &str, failed: bool, errors: &[&str]| {
        stage.eval(code);
        let errors = errors.iter().map(ToString::to_string).collect();
        assert_eq!(stage.outcome, Outcome { failed, errors }, "{code}");
    };
    check("redis.call('incr', 'k')", true, &[]);
    check("return redis.pcall('incr', 'k')", false, &[]);
    check("return redis.error_reply('My Err')", false, &["My Err"]);
    check("error('x')", true, &["ERR user_script:1: x script: SHA, on @user_script:1."]);
}

#[test]
fn code_that_is_no_lua_is_refused_with_its_line() {
    check(&[
        ("return 1 1", "does not compile: user_script:1: '<eof>' expected near '1'"),
        ("\nx x", "does not compile: user_script:2: '=' expected near 'x'"),
    ]);
}
