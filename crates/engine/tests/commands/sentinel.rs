//! SENTINEL, and what a sentinel answers otherwise.

use slipstream_engine::config::{self, Config};
use slipstream_engine::{Effect, SessionId};
use slipstream_sentinel::{Action, Event, LineId, Version};

use crate::script::Script;

const OTHER: &str = "0123456789012345678901234567890123456789";

/// A sentinel that watches one group and has stored that.
fn sentinel() -> Script {
    let mut script = configured("sentinel monitor mymaster 10.0.0.1 6379 2\n");
    stored(&mut script, Ok(()));
    script
}

/// A sentinel with these lines, and `sentinel state-file state`.
fn configured(lines: &str) -> Script {
    let mut config = Config::for_sentinel();
    let text = format!("sentinel state-file state\n{lines}");
    config::load(&mut config, text.as_bytes(), &mut NoFiles).unwrap();
    let mut script = Script::with_config(config);
    script.node.tick();
    script
}

struct NoFiles;

impl config::Files for NoFiles {
    fn read(&mut self, path: &str) -> Result<Vec<u8>, String> {
        Err(path.to_owned())
    }

    fn list(&mut self, _: &str) -> Vec<String> {
        Vec::new()
    }
}

/// Takes all effects; the last text that is to be stored and its version.
fn to_store(script: &mut Script) -> Option<(Version, String)> {
    let stores = script.effects().into_iter().filter_map(|effect| match effect {
        Effect::SentinelStore { version, content, .. } => {
            Some((version, String::from_utf8(content).unwrap()))
        }
        _ => None,
    });
    stores.last()
}

/// What was to be stored is, or could not be; its text.
fn stored(script: &mut Script, result: Result<(), &str>) -> String {
    let (version, text) = to_store(script).expect("something is to be stored");
    script.node.sentinel_event(Event::Stored(version, result.map_err(str::to_owned)));
    text
}

/// The connections that are to be made.
fn wanted(script: &mut Script) -> Vec<(LineId, String)> {
    let wanted = script.effects().into_iter().filter_map(|effect| match effect {
        Effect::Sentinel(Action::Connect(line, address)) => Some((line, address.to_string())),
        _ => None,
    });
    wanted.collect()
}

/// What came to who subscribed, without quotes.
fn heard(script: &mut Script, listener: SessionId) -> String {
    script.received(listener).replace('"', "")
}

#[test]
fn it_says_what_it_is() {
    let mut script = sentinel();
    for (request, reply) in [
        ("PING", "+PONG"),
        ("ROLE", "[sentinel [mymaster]]"),
        ("SENTINEL GET-MASTER-ADDR-BY-NAME mymaster", "[10.0.0.1 6379]"),
        ("SENTINEL GET-PRIMARY-ADDR-BY-NAME mymaster", "[10.0.0.1 6379]"),
        ("SENTINEL GET-MASTER-ADDR-BY-NAME nobody", "*-1"),
        ("SENTINEL MASTER nobody", "-ERR No such master with that name"),
        ("SENTINEL REPLICAS mymaster", "[]"),
        ("SENTINEL SENTINELS mymaster", "[]"),
        ("SENTINEL INFO-CACHE mymaster nobody", "[mymaster [[:0 $-1]]]"),
        ("SENTINEL PENDING-SCRIPTS", "[]"),
        (
            "SENTINEL CKQUORUM mymaster",
            "-NOQUORUM 1 usable Sentinels. Not enough available Sentinels to reach the specified quorum for this \
             master",
        ),
        ("SENTINEL FAILOVER mymaster", "-NOGOODSLAVE No suitable replica to promote"),
        (
            "SENTINEL FAILOVER mymaster FORCE NOW",
            "-ERR wrong number of arguments for 'sentinel|failover' command",
        ),
        ("SENTINEL FAILOVER mymaster NOW", "-ERR Unknown failover option specified"),
        ("SENTINEL NOPE", "-ERR unknown subcommand 'NOPE'. Try SENTINEL HELP."),
        ("SENTINEL MASTER", "-ERR wrong number of arguments for 'sentinel|master' command"),
        ("GET k", "-ERR unknown command 'GET', with args beginning with: 'k' "),
        ("CLIENT NO-TOUCH on", "-ERR unknown subcommand 'NO-TOUCH'. Try CLIENT HELP."),
        ("PUBLISH news hello", "-ERR Only HELLO messages are accepted by Sentinel instances."),
        ("COMMAND COUNT", ":15"),
    ] {
        script.check_read(request, reply);
    }
    assert!(script.ask("HELLO 2").contains("mode sentinel modules []"));
    let id = script.ask("SENTINEL MYID");
    assert!(id.len() == 40 && id.bytes().all(|digit| digit.is_ascii_hexdigit()), "{id}");
    let info = script.ask("INFO");
    for part in [
        "redis_mode:sentinel",
        "sentinel_masters:1",
        "sentinel_tilt_since_seconds:-1",
        "master0:name=mymaster,status=ok,address=10.0.0.1:6379,slaves=0,sentinels=1",
    ] {
        assert!(info.contains(part), "{part} in {info}");
    }
    assert!(!info.contains("# Memory") && !info.contains("# Replication"), "{info}");
}

#[test]
fn a_primary_has_redis_fields_in_its_order() {
    let mut script = sentinel();
    script.advance(500);
    assert_eq!(
        script.ask("SENTINEL MASTER mymaster"),
        "[name mymaster ip 10.0.0.1 port 6379 runid \"\" flags master,disconnected link-pending-commands 0 \
         link-refcount 1 last-ping-sent 500 last-ok-ping-reply 500 last-ping-reply 500 down-after-milliseconds 30000 \
         info-refresh 0 role-reported master role-reported-time 500 config-epoch 0 num-slaves 0 \
         num-other-sentinels 0 quorum 2 failover-timeout 180000 parallel-syncs 1]"
    );
    script.use_resp3();
    assert!(script.ask("SENTINEL PRIMARIES").starts_with("[%[name mymaster ip 10.0.0.1 "));
}

#[test]
fn another_sentinel_is_known_by_its_hello() {
    let mut script = sentinel();
    let listener = script.connect();
    script.ask_as(listener, "SUBSCRIBE +sentinel +new-epoch");
    let hello = format!("10.0.0.9,26379,{OTHER},3,mymaster,10.0.0.1,6379,0");
    script.check_read(&format!("PUBLISH __sentinel__:hello {hello}"), ":1");
    assert_eq!(
        heard(&mut script, listener),
        format!(
            "[message +new-epoch 3] [message +sentinel sentinel {OTHER} 10.0.0.9 26379 @ mymaster 10.0.0.1 6379]"
        )
    );
    assert!(wanted(&mut script).iter().any(|(_, address)| address == "10.0.0.9:26379"));
    let sentinels = script.ask("SENTINEL SENTINELS mymaster");
    let fields =
        format!("[[name {OTHER} ip 10.0.0.9 port 26379 runid {OTHER} flags sentinel,disconnected link-");
    assert!(sentinels.starts_with(&fields), "{sentinels}");
    assert!(sentinels.ends_with("last-hello-message 0 voted-leader ? voted-leader-epoch 0]]"), "{sentinels}");
    script.check_read(
        "SENTINEL CKQUORUM mymaster",
        "+OK 2 usable Sentinels. Quorum and failover authorization can be reached",
    );
}

#[test]
fn a_change_is_answered_when_it_is_on_disk() {
    let mut script = sentinel();
    let listener = script.connect();
    script.ask_as(listener, "SUBSCRIBE +set +monitor -monitor");
    script.check_read("SENTINEL SET mymaster quorum 3 auth-pass secret", "");
    let place = "master mymaster 10.0.0.1 6379";
    assert_eq!(
        heard(&mut script, listener),
        format!("[message +set {place} quorum 3] [message +set {place} auth-pass ******]")
    );
    let text = stored(&mut script, Ok(()));
    assert!(text.contains("sentinel auth-pass mymaster secret\n"), "{text}");
    assert_eq!(script.received(script.client()), "+OK");

    script.check_read("SENTINEL MONITOR other 10.0.0.2 6380 1", "");
    let text = stored(&mut script, Ok(()));
    assert!(text.contains("sentinel monitor other 10.0.0.2 6380 1\n"), "{text}");
    assert_eq!(script.received(script.client()), "+OK");
    assert_eq!(heard(&mut script, listener), "[message +monitor master other 10.0.0.2 6380 quorum 1]");

    script.check_read("SENTINEL REMOVE other", "");
    stored(&mut script, Err("no space"));
    let failed = "-ERR Failed to save config file. Check server logs.";
    assert_eq!(script.received(script.client()), failed);
    assert_eq!(heard(&mut script, listener), "[message -monitor master other 10.0.0.2 6380]");

    script.check_read("SENTINEL FLUSHCONFIG", "");
    script.advance(2000);
    script.node.tick();
    assert_eq!(script.received(script.client()), failed, "nobody waits for a disk for ever");
}

#[test]
fn a_change_is_made_as_a_whole_or_not_at_all() {
    let mut script = sentinel();
    let scripts = "Reconfiguration of scripts path is denied for security reasons. Check the deny-scripts-reconfig \
                   configuration directive in your Sentinel configuration";
    for (request, error) in [
        ("SET nobody quorum 1", "No such master with that name"),
        ("SET mymaster quorum 5 quorum 0", "Invalid argument '0' for SENTINEL SET 'quorum'"),
        ("SET mymaster nope 1", "Unknown option or number of arguments for SENTINEL SET 'nope'"),
        ("SET mymaster quorum 5 quorum", "Unknown option or number of arguments for SENTINEL SET 'quorum'"),
        (
            "SET mymaster rename-command a",
            "Unknown option or number of arguments for SENTINEL SET 'rename-command'",
        ),
        (
            "SET mymaster auth-pass \"a\\nsentinel\"",
            "Invalid argument 'a sentinel' for SENTINEL SET 'auth-pass'",
        ),
        ("SET mymaster notification-script /bin/true", scripts),
        ("MONITOR a 10.0.0.1 6379 x", "Invalid quorum"),
        ("MONITOR a 10.0.0.1 x 1", "Invalid port"),
        ("MONITOR a 10.0.0.1 6379 0", "Quorum must be 1 or greater."),
        ("MONITOR a host 6379 1", "Invalid IP address or hostname specified"),
        ("MONITOR a 10.0.0.1 99999 1", "Invalid port number."),
        ("MONITOR a,b 10.0.0.1 6379 1", "Invalid master name."),
        (&format!("MONITOR {} 10.0.0.1 6379 1", "a".repeat(256)), "Invalid master name."),
        ("MONITOR mymaster 10.0.0.1 6379 1", "Duplicate master name."),
        ("REMOVE nobody", "No such master with that name"),
        ("CONFIG SET nope 1", "Invalid argument 'nope' to SENTINEL CONFIG SET"),
        ("CONFIG SET announce-port 1 nope 1", "Invalid argument 'nope' to SENTINEL CONFIG SET"),
        ("CONFIG SET announce-port 1 announce-ip", "Missing argument 'announce-ip' value"),
        ("CONFIG SET loglevel debug LOGLEVEL debug", "Duplicate argument 'LOGLEVEL' to SENTINEL CONFIG SET"),
        ("CONFIG SET loglevel loud", "Invalid value 'loud' to SENTINEL CONFIG SET 'loglevel'"),
        ("CONFIG SET resolve-hostnames 1", "Invalid value '1' to SENTINEL CONFIG SET 'resolve-hostnames'"),
        ("DEBUG nope 1", "Unknown option or number of arguments for SENTINEL DEBUG 'nope'"),
        ("DEBUG info-period", "Unknown option or number of arguments for SENTINEL DEBUG 'info-period'"),
        ("DEBUG info-period 5 ask-period 0", "Invalid argument '0' for SENTINEL DEBUG 'ask-period'"),
        ("IS-MASTER-DOWN-BY-ADDR 10.0.0.1 x 1 *", "value is not an integer or out of range"),
        ("SIMULATE-FAILURE nope", "Unknown failure simulation specified"),
    ] {
        script.check_read(&format!("SENTINEL {request}"), &format!("-ERR {error}"));
    }
    assert_eq!(to_store(&mut script), None);
    assert!(script.ask("SENTINEL MASTER mymaster").contains(" quorum 2 "));
    assert!(script.ask("SENTINEL DEBUG").starts_with("[INFO-PERIOD 10000 PING-PERIOD 1000 "));
    script.check_read(
        "SENTINEL CONFIG GET *hostnames announce-p* loglevel",
        "[resolve-hostnames no announce-hostnames no announce-port 0 loglevel notice]",
    );
}

#[test]
fn what_is_set_for_the_whole_is_told() {
    let mut script = sentinel();
    script.check_read("SENTINEL CONFIG SET announce-ip 10.9.9.9 loglevel Warning sentinel-pass x", "");
    let text = stored(&mut script, Ok(()));
    assert!(text.contains("sentinel announce-ip 10.9.9.9\n"), "{text}");
    assert!(text.ends_with("\nloglevel warning\n"), "{text}");
    assert_eq!(script.received(script.client()), "+OK");
    script.check_read(
        "SENTINEL CONFIG GET a*ip log* sentinel-p*",
        "[announce-ip 10.9.9.9 loglevel warning sentinel-pass x]",
    );
    script.check_read("SENTINEL DEBUG info-period 5 ASK-PERIOD 6", "+OK");
    assert!(script.ask("SENTINEL DEBUG").starts_with("[INFO-PERIOD 5 PING-PERIOD 1000 ASK-PERIOD 6 "));
    script.check_read("SENTINEL SIMULATE-FAILURE help", "[crash-after-election crash-after-promotion]");
    script.check_read("SENTINEL SIMULATE-FAILURE crash-after-promotion", "+OK");
    assert!(script.ask("INFO sentinel").contains("sentinel_simulate_failure_flags:2"));
    script.check_read("SENTINEL RESET nobody", ":0");
    script.check_read("SENTINEL RESET my*", ":1");
}

#[test]
fn a_vote_is_told_when_it_is_on_disk() {
    let mut script = sentinel();
    let ask = format!("SENTINEL IS-MASTER-DOWN-BY-ADDR 10.0.0.1 6379 7 {OTHER}");
    script.check_read("SENTINEL IS-MASTER-DOWN-BY-ADDR 10.0.0.1 6379 7 *", "[:0 * :0]");
    script.check_read(&ask, "");
    let text = stored(&mut script, Ok(()));
    assert!(text.contains("sentinel leader-epoch mymaster 7\n"), "{text}");
    assert_eq!(script.received(script.client()), format!("[:0 {OTHER} :7]"));
    let rival = "9".repeat(40);
    script.check_read(
        &format!("SENTINEL IS-MASTER-DOWN-BY-ADDR 10.0.0.1 6379 7 {rival}"),
        &format!("[:0 {OTHER} :7]"),
    );
    script.check_read(&format!("SENTINEL IS-MASTER-DOWN-BY-ADDR 10.0.0.8 6379 9 {rival}"), "[:0 * :0]");
}

#[test]
fn a_vote_that_does_not_reach_the_disk_in_time_is_not_told() {
    let mut script = sentinel();
    script.check_read(&format!("SENTINEL IS-PRIMARY-DOWN-BY-ADDR 10.0.0.1 6379 7 {OTHER}"), "");
    script.advance(1999);
    script.node.tick();
    assert_eq!(script.received(script.client()), "");
    script.advance(1);
    script.node.tick();
    assert_eq!(script.received(script.client()), "[:0 * :0]");
}

#[test]
fn events_are_published_and_effects_come_in_order() {
    let mut script = configured(
        "sentinel monitor mymaster 10.0.0.1 6379 1\nsentinel down-after-milliseconds mymaster 100\n\
         sentinel notification-script mymaster /bin/true\n",
    );
    let listener = script.connect();
    script.ask_as(listener, "PSUBSCRIBE *");
    assert!(wanted(&mut script).iter().all(|(_, address)| address == "10.0.0.1:6379"));
    // In small steps, since it forgives a process that stood still.
    for _ in 0..15 {
        script.advance(10);
        script.node.tick();
    }
    let told = heard(&mut script, listener);
    assert!(told.starts_with("[pmessage * +sdown master mymaster 10.0.0.1 6379]"), "{told}");
    let runs = script.effects().into_iter().filter_map(|effect| match effect {
        Effect::Sentinel(Action::RunScript { path, arguments, .. }) => Some((path, arguments.join(" "))),
        _ => None,
    });
    let run = ("/bin/true".to_owned(), "+sdown master mymaster 10.0.0.1 6379".to_owned());
    assert!(runs.into_iter().any(|one| one == run));
}

#[test]
fn a_wrong_line_is_named() {
    let load = |lines: &str| {
        let mut config = Config::for_sentinel();
        config::load(&mut config, lines.as_bytes(), &mut NoFiles).map_err(|error| error.to_string())?;
        slipstream_engine::Node::new(config, Script::new().into_host(), 1).map(drop)
    };
    assert_eq!(load("sentinel\nsentinel monitor m 10.0.0.1 1 1"), Ok(()));
    for (lines, number, reason) in [
        ("port 1\nsentinel monitor m 10.0.0.1 1 0", 2, "Quorum must be 1 or greater."),
        ("sentinel nope m 1", 1, "Unrecognized sentinel configuration statement."),
        (
            "sentinel monitor m 10.0.0.1 1 1\nsentinel notification-script m /etc/nope",
            2,
            "Notification script seems non existing or non executable.",
        ),
    ] {
        let error = load(lines).unwrap_err();
        assert!(error.contains(&format!("at line {number}\n")) && error.ends_with(reason), "{error}");
    }
    assert_eq!(load("replicaof 10.0.0.1 6379"), Err("replicaof directive while in sentinel mode".to_owned()));
}
