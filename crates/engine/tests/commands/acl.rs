//! ACL, and what users may do.

use slipstream_engine::Effect;
use slipstream_engine::config::{Config, load};
use slipstream_engine::session::SessionId;

use crate::script::Script;

struct NoFiles;

impl slipstream_engine::config::Files for NoFiles {
    fn read(&mut self, path: &str) -> Result<Vec<u8>, String> {
        Err(path.to_owned())
    }

    fn list(&mut self, _: &str) -> Vec<String> {
        Vec::new()
    }
}

fn config(text: &str) -> Config {
    let mut config = Config::default();
    load(&mut config, text.as_bytes(), &mut NoFiles).unwrap();
    config
}

/// A further client, logged in as a user with these rules.
fn log_in(script: &mut Script, name: &str, rules: &str) -> SessionId {
    script.check_read(&format!("ACL SETUSER {name} on nopass {rules}"), "+OK");
    let client = script.connect();
    assert_eq!(script.ask_as(client, &format!("AUTH {name} any")), "+OK");
    client
}

fn closed(script: &mut Script) -> Vec<SessionId> {
    let ids = script.effects().into_iter().filter_map(|effect| match effect {
        Effect::Disconnect(id) => Some(id),
        _ => None,
    });
    ids.collect()
}

#[test]
fn users_are_made_shown_and_deleted() {
    let mut script = Script::new();
    script.check_read("ACL WHOAMI", "default");
    script.check_read("ACL USERS", "[default]");
    script.check_read("ACL LIST", "[\"user default on nopass sanitize-payload ~* &* +@all\"]");
    script.check_read("ACL SETUSER al on >pw ~a* +@read", "+OK");
    script.check_read("ACL USERS", "[al default]");
    script.check_read("ACL GETUSER nobody", "$-1");
    let hash = "30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4";
    script.check_read(
        "ACL GETUSER al",
        &format!("[flags [on sanitize-payload] passwords [{hash}] commands \"-@all +@read\" keys \"~a*\" channels \"\" selectors []]"),
    );
    script.use_resp3();
    script.check_read(
        "ACL GETUSER default",
        "%[flags ~[on nopass sanitize-payload] passwords [] commands \"+@all\" keys \"~*\" channels &* selectors []]",
    );
    script.check_read("ACL SETUSER al (%W~w &c +set)", "+OK");
    assert!(
        script
            .ask("ACL GETUSER al")
            .ends_with("selectors [%[commands \"-@all +set\" keys \"%W~w\" channels &c]]]")
    );
    script.check_read("ACL DELUSER al nobody al", ":1");
    script.check_read("ACL DELUSER default", "-ERR The 'default' user cannot be removed");
    script.check_read("ACL SETUSER \"a b\"", "-ERR Usernames can't contain spaces or null characters");
}

#[test]
fn a_user_is_changed_by_all_rules_or_by_none() {
    let mut script = Script::new();
    script.check_read("ACL SETUSER al on +get", "+OK");
    let before = script.ask("ACL LIST");
    script.check_read(
        "ACL SETUSER al off -@all nosuch",
        "-ERR Error in ACL SETUSER modifier 'nosuch': Syntax error",
    );
    script.check_read(
        "ACL SETUSER new on (+nosuch)",
        "-ERR Error in ACL SETUSER modifier '(+nosuch)': Unknown command or category name in ACL",
    );
    assert_eq!(script.ask("ACL LIST"), before);
}

#[test]
fn a_client_logs_in_as_a_user_who_is_on() {
    let mut script = Script::new();
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.";
    script.check_read("ACL SETUSER al >pw", "+OK");
    script.check_read("AUTH al pw", wrong);
    script.check_read("ACL SETUSER al on +acl|whoami", "+OK");
    script.check_read("AUTH al wrong", wrong);
    script.check_read("AUTH nobody pw", wrong);
    script.check_read("HELLO 2 AUTH al pw AUTH nobody pw", wrong);
    script.check_read("ACL WHOAMI", "default");
    assert!(script.ask("HELLO 2 AUTH nobody pw AUTH al pw SETNAME me").starts_with("[server"));
    script.check_read("ACL WHOAMI", "al");
    script.check_read("PING", "-NOPERM User al has no permissions to run the 'ping' command");
    script.check_read("RESET", "+RESET");
    script.check_read("ACL WHOAMI", "default");
    let info = script.ask("INFO stats");
    assert!(info.contains("acl_access_denied_auth:4") && info.contains("acl_access_denied_cmd:1"), "{info}");
}

#[test]
fn who_is_not_logged_in_must_do_so() {
    let mut script = Script::new();
    let noauth = "-NOAUTH Authentication required.";
    script.check_read("ACL SETUSER al on >pw +@all", "+OK");
    script.check_read("CONFIG SET requirepass secret", "+OK");
    script.check_read("PING", "+PONG");
    let other = script.connect();
    assert_eq!(script.ask_as(other, "PING"), noauth);
    assert_eq!(script.ask_as(other, "AUTH wrong").split(' ').next(), Some("-WRONGPASS"));
    assert_eq!(script.ask_as(other, "AUTH secret"), "+OK");
    assert_eq!(script.ask_as(other, "PING"), "+PONG");
    script.check_read("CONFIG SET requirepass \"\"", "+OK");
    script.check_read("ACL SETUSER default off", "+OK");
    let third = script.connect();
    assert_eq!(script.ask_as(third, "PING"), noauth);
    assert_eq!(script.ask_as(third, "AUTH al pw"), "+OK");
    assert_eq!(script.ask_as(third, "PING"), "+PONG");
    script.check_read("ACL SETUSER default on resetpass >other", "+OK");
    script.check_read("CONFIG GET requirepass", "[requirepass \"\"]");
    assert_eq!(script.ask_as(third, "AUTH other"), "+OK");
}

#[test]
fn commands_keys_and_channels_are_checked() {
    let mut script = Script::new();
    let al = log_in(&mut script, "al", "+@all -config|set %R~r %W~w &c");
    for (request, reply) in [
        ("GET r", "$-1"),
        ("GET w", "-NOPERM No permissions to access a key"),
        ("GET nosuch", "-NOPERM No permissions to access a key"),
        ("CONFIG GET nosuch", "[]"),
        ("CONFIG SET hz 10", "-NOPERM User al has no permissions to run the 'config|set' command"),
        ("PUBLISH c x", ":0"),
        ("PUBLISH d x", "-NOPERM No permissions to access a channel"),
        ("GET", "-ERR wrong number of arguments for 'get' command"),
    ] {
        assert_eq!(script.ask_as(al, request), reply, "{request}");
    }
    script.propagated();
    assert_eq!(script.ask_as(al, "SET w 1"), "+OK");
    assert_eq!(script.propagated(), "SET w 1");
    let info = script.ask("INFO stats");
    for line in ["acl_access_denied_cmd:1", "acl_access_denied_key:2", "acl_access_denied_channel:1"] {
        assert!(info.contains(line), "{line} in {info}");
    }
    assert!(
        script
            .ask("INFO commandstats")
            .contains("cmdstat_config|set:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1")
    );
}

#[test]
fn a_transaction_is_checked_when_it_is_queued_and_when_it_runs() {
    let mut script = Script::new();
    let al = log_in(&mut script, "al", "+@all -incr ~a ~b");
    for (request, reply) in [
        ("MULTI", "+OK"),
        ("INCR a", "-NOPERM User al has no permissions to run the 'incr' command"),
        ("EXEC", "-EXECABORT Transaction discarded because of previous errors."),
        ("MULTI", "+OK"),
        ("SET a 1", "+QUEUED"),
        ("SET b 1", "+QUEUED"),
    ] {
        assert_eq!(script.ask_as(al, request), reply, "{request}");
    }
    script.check_read("ACL SETUSER al resetkeys ~b", "+OK");
    let reason = "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no longer allowed for the following reason: no permission to touch the specified keys";
    assert_eq!(script.ask_as(al, "EXEC"), format!("[-{reason} +OK]"));
    assert_eq!(script.propagated(), "SET b 1");
    let log = script.ask("ACL LOG 1");
    assert!(
        log.starts_with("[[count :1 reason key context multi object a username al age-seconds 0"),
        "{log}"
    );
    assert!(log.contains("cmd=exec user=al"), "{log}");
}

#[test]
fn a_script_may_what_its_user_may() {
    let mut script = Script::new();
    let al = log_in(&mut script, "al", "+eval +get ~k");
    assert_eq!(script.ask_as(al, "EVAL \"return redis.call('get', 'k')\" 0"), "$-1");
    let error = script.ask_as(al, "EVAL \"return redis.call('incr', 'k')\" 0");
    assert!(
        error.starts_with("-ERR ACL failure in script: User al has no permissions to run the 'incr' command"),
        "{error}"
    );
    assert!(script.ask("ACL LOG").contains("context lua object incr"));
    assert!(script.ask("ACL LOG").contains("cmd=eval user=al"));
    for (call, allowed) in [("'get', 'k'", ":1"), ("'get', 'j'", "$-1"), ("'incr', 'k'", "$-1")] {
        let request = format!("EVAL \"return redis.acl_check_cmd({call})\" 0");
        assert_eq!(script.ask_as(al, &request), allowed, "{call}");
    }
    script.check_read("EVAL \"return redis.acl_check_cmd('incr', 'k')\" 0", ":1");
}

#[test]
fn keys_that_sort_looks_up_must_all_be_readable() {
    let mut script = Script::new();
    let al = log_in(&mut script, "al", "+sort ~l");
    let error =
        |option: &str| format!("-ERR {option} option of SORT denied due to insufficient ACL permissions.");
    assert_eq!(script.ask_as(al, "SORT l"), "[]");
    assert_eq!(script.ask_as(al, "SORT l BY nosort"), "[]");
    assert_eq!(script.ask_as(al, "SORT l BY w_*"), error("BY"));
    assert_eq!(script.ask_as(al, "SORT l GET #"), error("GET"));
    script.check_read("ACL SETUSER al %R~*", "+OK");
    assert_eq!(script.ask_as(al, "SORT l BY w_* GET x_*"), "[]");
}

#[test]
fn who_waits_is_refused_if_its_rights_are_gone_by_then() {
    let mut script = Script::new();
    let al = log_in(&mut script, "al", "+@all ~*");
    assert_eq!(script.ask_as(al, "BLPOP list 0"), "");
    script.check_read("ACL SETUSER al resetkeys", "+OK");
    script.check_write("LPUSH list x", ":1");
    assert_eq!(script.received(al), "-NOPERM No permissions to access a key");
    assert_eq!(script.ask_as(al, "PING"), "+PONG");
}

#[test]
fn refusals_are_kept_newest_first() {
    let mut script = Script::new();
    let al = log_in(&mut script, "al", "+get");
    script.check_read("ACL LOG", "[]");
    script.ask_as(al, "SET k v");
    script.advance(1500);
    for _ in 0..2 {
        script.ask_as(al, "GET k");
    }
    script.advance(500);
    script.ask_as(al, "AUTH al2 x");
    let log = script.ask("ACL LOG");
    let objects: Vec<&str> = log.split("object ").skip(1).filter_map(|rest| rest.split(' ').next()).collect();
    assert_eq!(objects, ["AUTH", "k", "set"]);
    assert!(
        log.contains("count :2 reason key context toplevel object k username al age-seconds 0.5"),
        "{log}"
    );
    assert!(log.contains("entry-id :0 timestamp-created :1000 timestamp-last-updated :1000"), "{log}");
    assert!(log.contains("reason auth context toplevel object AUTH username al2"), "{log}");
    assert_eq!(script.ask("ACL LOG 2").matches("object").count(), 2);
    script.check_read("ACL LOG -1", "[]");
    script.check_read("ACL LOG x", "-ERR value is not an integer or out of range");
    script.check_read("ACL LOG RESET", "+OK");
    script.check_read("ACL LOG", "[]");
    script.check_read("CONFIG SET acllog-max-len 1", "+OK");
    script.ask_as(al, "SET k v");
    script.ask_as(al, "DEL k");
    assert_eq!(script.ask("ACL LOG").matches("object").count(), 1);
}

#[test]
fn whose_user_is_deleted_is_closed() {
    let mut script = Script::new();
    let al = log_in(&mut script, "al", "+@all");
    let other = log_in(&mut script, "other", "+@all");
    assert_eq!(script.ask_as(other, "ACL DELUSER al other"), ":2");
    assert_eq!(closed(&mut script), [al]);
    assert!(script.node.core.sessions.get(other).unwrap().flow == slipstream_engine::Flow::Closing);
}

#[test]
fn subscribers_who_lose_a_channel_are_closed() {
    let mut script = Script::new();
    let listens = |script: &mut Script, request: &str| {
        let client = log_in(script, "al", "resetchannels &a &b* &s +@all");
        assert!(!script.ask_as(client, request).contains("NOPERM"), "{request}");
        client
    };
    let by_name = listens(&mut script, "SUBSCRIBE a");
    let by_pattern = listens(&mut script, "PSUBSCRIBE b*");
    let shard = listens(&mut script, "SSUBSCRIBE s");
    script.check_read("ACL SETUSER al &more", "+OK");
    assert_eq!(closed(&mut script), []);
    script.check_read("ACL SETUSER al resetchannels &a &s", "+OK");
    assert_eq!(closed(&mut script), [by_pattern]);
    script.check_read("ACL SETUSER al allchannels", "+OK");
    assert_eq!(closed(&mut script), []);
    script.check_read("ACL SETUSER al resetchannels", "+OK");
    assert_eq!(closed(&mut script), [by_name, shard]);
}

#[test]
fn clients_are_listed_and_closed_by_their_users() {
    let mut script = Script::new();
    let al = log_in(&mut script, "al", "+@all");
    assert!(script.ask("CLIENT LIST").contains(&format!("id={} ", al.0)));
    assert!(script.ask("CLIENT LIST").contains(" user=al "));
    script.check_read("CLIENT KILL USER nobody", "-ERR No such user 'nobody'");
    script.check_read("CLIENT KILL USER al", ":1");
    assert_eq!(closed(&mut script), [al]);
}

#[test]
fn dryrun_tells_what_would_be_refused() {
    let mut script = Script::new();
    script.check_read("ACL SETUSER al +@all -set %R~r &c", "+OK");
    script.check_read("ACL DRYRUN al GET r", "+OK");
    script.check_read("ACL DRYRUN al GET x", "\"User al has no permissions to access the 'x' key\"");
    script
        .check_read("ACL DRYRUN al PUBLISH x m", "\"User al has no permissions to access the 'x' channel\"");
    script.check_read("ACL DRYRUN al SET r x", "\"User al has no permissions to run the 'set' command\"");
    script.check_read("ACL SETUSER writer +xsetid %W~s", "+OK");
    script.check_read("ACL DRYRUN writer XSETID s 1-1", "+OK");
    script.check_read("ACL DRYRUN nobody GET r", "-ERR User 'nobody' not found");
    script.check_read("ACL DRYRUN al NOSUCH", "-ERR Command 'NOSUCH' not found");
    script.check_read("ACL DRYRUN al GET", "-ERR wrong number of arguments for 'get' command");
    script.check_read("ACL LOG", "[]");
}

#[test]
fn categories_are_listed() {
    let mut script = Script::new();
    assert_eq!(script.ask("ACL CAT").split(' ').count(), 21);
    script.check_read("ACL CAT TRANSACTION", "[multi exec discard watch unwatch]");
    assert!(script.ask("ACL CAT scripting").contains("function|list"));
    script.check_read("ACL CAT nosuch", "-ERR Unknown category 'nosuch'");
    script.check_read(
        "ACL CAT a b",
        "-ERR unknown subcommand or wrong number of arguments for 'CAT'. Try ACL HELP.",
    );
}

#[test]
fn passwords_are_made_up_in_any_length() {
    let mut script = Script::new();
    script.check_read("ACL GENPASS", &"ab".repeat(32));
    script.check_read("ACL GENPASS 1", "a");
    script.check_read("ACL GENPASS 12", "aba");
    script.check_read("ACL GENPASS 13", "abab");
    assert_eq!(script.ask("ACL GENPASS 4096").len(), 1024);
    for bits in ["0", "-5", "4097"] {
        let error = "-ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096";
        script.check_read(&format!("ACL GENPASS {bits}"), error);
    }
}

#[test]
fn the_configuration_names_users() {
    let text = "acl-pubsub-default allchannels\nuser al on >pw (+get ~k)\nuser default on nopass ~* +@all -flushall\n";
    let mut script = Script::with_files(config(text), &[("redis.conf", text)]);
    script.check_read("FLUSHALL", "-NOPERM User default has no permissions to run the 'flushall' command");
    script.check_read("ACL SETUSER new", "+OK");
    script.check_read("CONFIG REWRITE", "+OK");
    let added = "# Generated by CONFIG REWRITE\nuser new off sanitize-payload &* -@all\n";
    assert_eq!(script.file("redis.conf"), format!("{text}{added}"));
    script.check_read("ACL DELUSER al", ":1");
    script.check_read("ACL SETUSER default +flushall -flushdb", "+OK");
    script.check_read("CONFIG REWRITE", "+OK");
    let text = script.file("redis.conf");
    assert_eq!(
        text,
        "acl-pubsub-default allchannels\nuser default on nopass sanitize-payload ~* &* +@all +flushall -flushdb\n\
         # Generated by CONFIG REWRITE\nuser new off sanitize-payload &* -@all\n"
    );
    assert_eq!(Script::with_config(config(&text)).ask("ACL LIST"), script.ask("ACL LIST"));
}

#[test]
fn the_default_user_is_written_only_where_rules_changed_it() {
    let mut script = Script::with_files(Config::default(), &[("redis.conf", "")]);
    script.check_read("CONFIG SET requirepass pw", "+OK");
    script.check_read("CONFIG REWRITE", "+OK");
    assert_eq!(script.file("redis.conf"), "# Generated by CONFIG REWRITE\nrequirepass \"pw\"\n");
}

#[test]
fn a_file_holds_users_instead() {
    let text = "user al on >pw ~* +@all\n";
    let mut script = Script::with_files(
        config("aclfile users.acl"),
        &[("users.acl", text), ("redis.conf", "aclfile users.acl\nuser x on\n")],
    );
    script.check_read("ACL USERS", "[al default]");
    let al = script.connect();
    assert_eq!(script.ask_as(al, "AUTH al pw"), "+OK");
    script.check_read("ACL SETUSER new on", "+OK");
    script.check_read("CONFIG REWRITE", "+OK");
    assert_eq!(script.file("redis.conf"), "aclfile users.acl\n");
    script.check_read("ACL SAVE", "+OK");
    assert!(
        script.file("users.acl").contains("user default on nopass sanitize-payload ~* &* +@all\nuser new on")
    );
    script.put_file("users.acl", "user al on nopass\nuser al off\n");
    let error = "-ERR WARNING: Duplicate user 'al' found on line 2. WARNING: ACL errors detected, no change to the previously active ACL rules was performed";
    script.check_read("ACL LOAD", error);
    script.check_read("ACL USERS", "[al default new]");
    assert_eq!(closed(&mut script), []);
    script.put_file("users.acl", "user al on nopass\n");
    script.check_read("ACL LOAD", "+OK");
    script.check_read("ACL USERS", "[al default]");
    assert_eq!(closed(&mut script), [al]);
}

#[test]
fn without_a_file_there_is_nothing_to_load() {
    let mut script = Script::new();
    for request in ["ACL LOAD", "ACL SAVE"] {
        assert!(
            script.ask(request).starts_with("-ERR This Redis instance is not configured to use an ACL file.")
        );
    }
}

#[test]
fn users_that_are_none_end_the_start() {
    let refused =
        |text: &str| load(&mut Config::default(), text.as_bytes(), &mut NoFiles).unwrap_err().to_string();
    let ends_with = |text: &str, reason: &str| {
        let error = refused(text);
        assert!(error.ends_with(reason), "{error}");
    };
    ends_with(
        "user a on\nuser a off",
        "Error in user declaration 'a': Duplicate user found. A user can only be defined once in config files",
    );
    ends_with("user a on nosuch", "Error in user declaration 'nosuch': Syntax error");
    ends_with(
        "user a +nosuch",
        "Error in user declaration '+nosuch': Unknown command or category name in ACL",
    );
    ends_with("user \"a b\" on", "Spaces not allowed in ACL usernames");
    ends_with("user a (+get", "Error in user declaration '(+get': Unmatched parenthesis in acl selector");
}
