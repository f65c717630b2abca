//! Rules and what follows from them, as tables.

use slipstream_resp::OwnedRequest;

use super::check::Denied;
use super::file::{read_file, write_file};
use super::log::{AclLog, Context, Reason, Refusal};
use super::user::{Rules, User};
use super::users::{UserId, Users};
use crate::table::{CommandTable, Mode};

fn table() -> CommandTable {
    CommandTable::new(Mode::Server, &[]).unwrap()
}

fn words(rules: &str) -> impl Iterator<Item = &[u8]> {
    rules.split(' ').filter(|word| !word.is_empty()).map(str::as_bytes)
}

/// Whom these rules make of nobody.
fn make(rules: &str) -> Result<User, String> {
    let table = table();
    let context = Rules { table: &table, all_channels: false };
    Users::new(&context, None).changed(&context, b"u", words(rules))
}

fn describe(rules: &str) -> String {
    make(rules).map_or_else(|error| error, |user| String::from_utf8(user.describe()).unwrap())
}

#[test]
fn rules_read_back_as_they_are_shown() {
    let check = |rules: &str, shown: &str| {
        assert_eq!(describe(rules), shown, "{rules}");
        assert_eq!(describe(shown), shown, "again");
    };
    check("", "off sanitize-payload resetchannels -@all");
    check("on nopass ~* &* +@all", "on nopass sanitize-payload ~* &* +@all");
    check("ON NoPass AllKeys AllChannels AllCommands", "on nopass sanitize-payload ~* &* +@all");
    check("allkeys resetkeys ~a &b &c ~d ~a", "off sanitize-payload ~a ~d resetchannels &b &c -@all");
    check("%R~a %w~a %RW~b %wr~c %W~d", "off sanitize-payload ~a ~b ~c %W~d resetchannels -@all");
    check("on ~a on off skip-sanitize-payload", "off skip-sanitize-payload ~a resetchannels -@all");
    check("on ~a +@all (+get ~b) reset", "off sanitize-payload resetchannels -@all");
    check(
        "(+get ~a) (%R~b &c)",
        "off sanitize-payload resetchannels -@all (~a resetchannels -@all +get) (%R~b resetchannels &c -@all)",
    );
    check("(~a) (~b) clearselectors", "off sanitize-payload resetchannels -@all");
    assert_eq!(describe("( ~a ) (+get ~b"), "Unmatched parenthesis in acl selector starting at '(+get'.");
    check(
        "( ~a ) ( ~b )",
        "off sanitize-payload resetchannels -@all (~a resetchannels -@all) (~b resetchannels -@all)",
    );
    check("(\"~it's\")", "off sanitize-payload resetchannels -@all (\"~it's\" resetchannels -@all)");
}

#[test]
fn passwords_are_kept_as_hashes() {
    let hash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
    let with = format!("off sanitize-payload #{hash} resetchannels -@all");
    assert_eq!(describe(">secret"), with);
    assert_eq!(describe(&format!("#{hash} >secret")), with);
    assert_eq!(
        describe(&format!(
            ">other >secret !{}",
            "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa"
        )),
        with
    );
    let none = "off sanitize-payload resetchannels -@all";
    for rules in [">secret <secret", ">secret resetpass", "nopass resetpass"] {
        assert_eq!(describe(rules), none, "{rules}");
    }
    assert_eq!(describe(">secret nopass"), "off nopass sanitize-payload resetchannels -@all");
    assert!(make("on >secret").unwrap().opens_with(b"secret"));
    assert!(!make("on >secret").unwrap().opens_with(b"Secret"));
    assert!(!make(">secret").unwrap().opens_with(b"secret"), "it is off");
    assert!(make("on nopass").unwrap().opens_with(b"anything"));
    assert!(!make("on").unwrap().opens_with(b""), "no password is not any password");
}

#[test]
fn newer_rules_on_commands_replace_older_ones_on_the_same() {
    let check = |rules: &str, commands: &str| {
        let shown = make(rules).map_or_else(|error| error, |user| user.root.command_rules());
        assert_eq!(shown, commands, "{rules}");
    };
    check("+@all -@hash -@slow +hget", "+@all -@hash -@slow +hget");
    check("+@all -@hash -@slow +hget -@hash", "+@all -@slow +hget -@hash");
    check("+@all -@hash +@HASH", "+@all +@hash");
    check("+@all -@string -@all", "-@all");
    check("+HGET +hget +hGeT", "-@all +hget");
    check("+client|list +client|list +config|get +config +acl|list -acl", "-@all +client|list +config -acl");
    check("+select|0 +select|0 +debug|segfault +debug", "-@all +select|0 +debug");
    check("-@dangerous", "-@all -@dangerous");
    check("+config +config|get -config|set +config", "-@all +config");
    check("+@all +client|id", "+@all +client|id");
    check("+memory|doctor +memory", "-@all +memory");
    check("+get +getex", "-@all +get +getex");
}

#[test]
fn a_rule_that_is_none_is_named_with_the_reason() {
    let check = |rules: &str, rule: &str, reason: &str| {
        assert_eq!(make(rules), Err(format!("Error in ACL SETUSER modifier '{rule}': {reason}")), "{rules}");
    };
    let unknown = "Unknown command or category name in ACL";
    for rule in
        ["+nosuch", "-nosuch", "+@nosuch", "-get|x", "+config|nosuch", "+get|a|b", "-config|nosuch", "+"]
    {
        check(rule, rule, unknown);
    }
    for rule in ["nosuch", "%~x", "%RX~x", "%RR~x", "%R", "+select|", ")", "@all", "~a\tb", "&a\tb"] {
        check(rule, rule, "Syntax error");
    }
    check("on (nosuch) off", "(nosuch)", "Syntax error");
    check("+config|get|x", "+config|get|x", "Allowing first-arg of a subcommand is not supported");
    check("#abc", "#abc", &super::user::RuleError::BadHash.to_string());
    check("<secret", "<secret", &super::user::RuleError::NoSuchPassword.to_string());
    check("~* ~a", "~a", &super::user::RuleError::KeysAfterAll.to_string());
    check("~* %R~a", "%R~a", &super::user::RuleError::KeysAfterAll.to_string());
    check("(&* &a)", "(&* &a)", &super::user::RuleError::ChannelsAfterAll.to_string());
}

#[test]
fn what_is_refused_is_the_nearest_miss_of_all_selectors() {
    let table = table();
    let check = |rules: &str, request: &str, expected: Result<(), Denied>| {
        let request = OwnedRequest::from_parts(&request.split(' ').collect::<Vec<_>>());
        let entry = table.resolve(request.args()).unwrap();
        assert_eq!(make(rules).unwrap().check(entry, request.args()), expected, "{rules}: {request:?}");
    };
    use Denied::{Channel, Command, Key};
    check("", "GET k", Err(Command));
    check("", "AUTH x", Ok(()));
    check("+get", "GET k", Err(Key(1)));
    check("+get ~k", "GET k", Ok(()));
    check("+@read -get +@write ~k", "GET k", Err(Command));
    check("+mget ~a* ~b", "MGET a1 b a2 c", Err(Key(4)));
    check("+get %W~k", "GET k", Err(Key(1)));
    check("+set %W~k", "SET k v", Ok(()));
    check("+set %W~k", "SET k v GET", Err(Key(1)));
    check("+copy %R~r %W~w", "COPY r w", Ok(()));
    check("+copy %R~r %W~w", "COPY w r", Err(Key(1)));
    check("+copy (%R~r +copy) (%W~w +copy)", "COPY r w", Err(Key(2)));
    check("+exists %W~w", "EXISTS w", Ok(()));
    check("+exists %W~w", "EXISTS r", Err(Key(1)));
    check("+eval ~k", "EVAL x 1 k", Ok(()));
    check("+eval ~k", "EVAL x 1 j", Err(Key(3)));
    check("+eval ~k", "EVAL x 3 j", Ok(()));
    check("+georadius ~a ~b", "GEORADIUS a 1 1 1 m STORE b", Ok(()));
    check("+georadius ~a ~b", "GEORADIUS a 1 1 1 m STORE c", Err(Key(7)));
    check("+georadius ~a ~b", "GEORADIUS a 1 1 1 m STORE b STORE c STORE b", Err(Key(9)));
    check("+mget ~a (+mget ~a ~b)", "MGET a b c", Err(Key(3)));
    check("+mget ~a (+mget ~a ~b)", "GET c", Err(Command));
    check("(+@write ~w:*) (+@read ~r:*)", "SET w:1 x", Ok(()));
    check("(+@write ~w:*) (+@read ~r:*)", "SET r:1 x", Err(Key(1)));
    check("+client|id", "CLIENT ID", Ok(()));
    check("+client|id", "CLIENT LIST", Err(Command));
    check("+client -client|id", "CLIENT ID", Err(Command));
    check("+select|0 +select|2", "SELECT 2", Ok(()));
    check("+select|0", "SELECT 1", Err(Command));
    check("+publish &a*", "PUBLISH a1 x", Ok(()));
    check("+publish &a*", "PUBLISH b x", Err(Channel(1)));
    check("+subscribe &a* &b", "SUBSCRIBE a1 b c", Err(Channel(3)));
    check("+psubscribe &a* &b", "PSUBSCRIBE a* b", Ok(()));
    check("+psubscribe &a*", "PSUBSCRIBE a1", Err(Channel(1)));
    check("+@pubsub &a", "SSUBSCRIBE a b", Err(Channel(2)));
    check("+@pubsub &a", "SPUBLISH b x", Err(Channel(1)));
    check("+unsubscribe", "UNSUBSCRIBE a", Ok(()));
}

#[test]
fn who_is_allowed_everything_is_known_as_such() {
    let table = table();
    let context = Rules { table: &table, all_channels: false };
    for (rules, expected) in [
        ("~* &* +@all", true),
        ("~* &* +@all -get +get", true),
        ("~* &* +@all -get", false),
        ("~a &* +@all", false),
        ("~* +@all", false),
        ("(~* &* +@all)", true),
        ("~* &* (+@all)", false),
    ] {
        assert_eq!(make(rules).unwrap().is_unrestricted(&context), expected, "{rules}");
    }
}

#[test]
fn who_is_allowed_everything_is_known_whatever_becomes_of_the_others() {
    let table = table();
    let context = Rules { table: &table, all_channels: false };
    let make = |rng: &mut fastrand::Rng| make(rng.choice(["~* &* +@all", "+get", "~a"]).unwrap()).unwrap();
    for seed in 0..50 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut users = Users::new(&context, None);
        let mut ids = vec![UserId::DEFAULT];
        for _ in 0..50 {
            let name: &[u8] = rng.choice([&b"default"[..], b"a", b"b"]).unwrap();
            match rng.u8(..10) {
                0 => users.set_default_password(&context, None),
                1 => drop(users.replace(&context, [(b"a".to_vec(), make(&mut rng))].into())),
                2..=4 => drop(users.remove(name)),
                _ => users.put(&context, name, make(&mut rng)),
            }
            ids.extend(users.find(name));
            for id in &ids {
                // One who is gone counts as the default user, and may be asked by its rules.
                let (is_known, is) = (users.is_unrestricted(*id), users.get(*id).is_unrestricted(&context));
                let is_gone = users.find(users.name(*id)) != Some(*id);
                assert!(is_known == is || (is_gone && is), "{seed}: {id:?}");
            }
        }
    }
}

#[test]
fn a_number_is_never_that_of_another_user() {
    let table = table();
    let context = Rules { table: &table, all_channels: false };
    let mut users = Users::new(&context, None);
    let add = |users: &mut Users, name: &[u8]| {
        let user = users.changed(&context, name, words("on ~* &* +@all")).unwrap();
        users.put(&context, name, user);
        users.find(name).unwrap()
    };
    let first = add(&mut users, b"a");
    assert!(users.is_unrestricted(first));
    assert_eq!(users.remove(b"a"), Some(first));
    assert_eq!(users.remove(b"a"), None);
    let second = add(&mut users, b"b");
    assert_ne!(first, second);
    assert_eq!((users.name(first), users.name(second)), (b"default".as_slice(), b"b".as_slice()));
    assert_eq!(users.remove(b"default"), None);
    assert_eq!(users.find(b"default"), Some(UserId::DEFAULT));
}

#[test]
fn a_file_counts_as_a_whole() {
    let table = table();
    let context = Rules { table: &table, all_channels: false };
    let text = "\nuser a on >x ~* +@all\r\n\n  user b off (~k +get)\nuser default on nopass -@all\n";
    let mut users = Users::new(&context, None);
    let gone = users.replace(&context, read_file(&context, "f", text.as_bytes()).ok().unwrap());
    assert!(gone.is_empty());
    let written = String::from_utf8(write_file(&users)).unwrap();
    assert_eq!(
        written,
        "user a on sanitize-payload #2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 ~* resetchannels +@all\n\
         user b off sanitize-payload resetchannels -@all (~k resetchannels -@all +get)\n\
         user default on nopass sanitize-payload resetchannels -@all\n"
    );
    let gone = users.replace(&context, read_file(&context, "f", b"user b on").ok().unwrap());
    assert_eq!(gone.len(), 2);
    assert!(users.is_open() && users.is_unrestricted(UserId::DEFAULT), "it is not named");

    let check = |text: &str, expected: &str| {
        let problems = read_file(&context, "f", text.as_bytes()).err().unwrap().into_text();
        let (found, ending) = problems.split_at(problems.find("WARNING: ACL").unwrap());
        assert_eq!(found, expected, "{text}");
        assert!(ending.ends_with("no change to the previously active ACL rules was performed"));
    };
    check("user a on\nuser a off", "WARNING: Duplicate user 'a' found on line 2. ");
    check("# no", "f:1 should start with user keyword followed by the username. ");
    check(
        "\nuser a +nosuch on\nuser b >x <y",
        "f:2: Error in applying operation '+nosuch': Unknown command or category name in ACL. f:3: The password you are trying to remove from the user does not exist. ",
    );
    check("user a (+get", "f:1: Unmatched parenthesis in selector definition.");
}

#[test]
fn equal_refusals_within_a_minute_are_one_entry() {
    let mut log = AclLog::default();
    let refusal = |object: &str| Refusal {
        reason: Reason::Key,
        context: Context::TopLevel,
        object: object.into(),
        user: b"u".to_vec(),
    };
    let shown = |log: &AclLog| {
        let entries = log.iter().map(|entry| {
            let object = String::from_utf8_lossy(&entry.refusal.object).into_owned();
            format!("{} {object} {} {} {} {}", entry.id, entry.count, entry.client, entry.first, entry.last)
        });
        entries.collect::<Vec<_>>().join(", ")
    };
    log.note(refusal("a"), "1".into(), 0, 3);
    log.note(refusal("b"), "2".into(), 1, 3);
    log.note(refusal("a"), "3".into(), 60_000, 3);
    assert_eq!(shown(&log), "0 a 2 3 0 60000, 1 b 1 2 1 1");
    log.note(refusal("b"), "4".into(), 60_002, 3);
    log.note(refusal("c"), "5".into(), 60_003, 3);
    assert_eq!(shown(&log), "3 c 1 5 60003 60003, 2 b 1 4 60002 60002, 0 a 2 3 0 60000");
    log.note(Refusal { context: Context::Multi, ..refusal("c") }, "6".into(), 60_004, 1);
    assert_eq!(shown(&log), "4 c 1 6 60004 60004");
    log.clear();
    assert_eq!(log.iter().len(), 0);
    log.note(refusal("a"), "7".into(), 0, 0);
    assert_eq!(log.iter().len(), 0, "acllog-max-len 0");
}
