//! A primary that starts with data which may lack writes that it answered, since replicas had them: when it waits for
//! one of those, what it does not do meanwhile, and what the state file has to say for it.

use slipstream_engine::config::{AppendFsync, Config, Upstream};
use slipstream_engine::{Effect, LoadedData, Signal, Source, Stored, load};

use super::empty_start::{snapshot, state_file};
use crate::script::Script;

/// A node that loads a snapshot of three keys, one of which is soon due, beside a state file of these lines. `ID` and `END`
/// stand for where the snapshot is.
struct Short {
    script: Script,
    id: String,
    end: u64,
}

/// What a primary that was killed leaves behind.
const KILLED: [&str; 6] =
    ["role primary", "history ID END", "keys 10", "replica 990 7002 10.0.0.2", "promised 1", "watched"];

fn start(config: Config, lines: &[&str]) -> Short {
    start_late(config, lines, 0)
}

/// The same, so many milliseconds behind the snapshot.
fn start_late(config: Config, lines: &[&str], late: u64) -> Short {
    let requests = ["SET key:0 v PX 5000", "SET key:1 v", "SET key:2 v"];
    let (bytes, id, end) = snapshot(requests.map(str::to_owned));
    let (at, further) = (format!("{id} {end}"), format!("{id} {}", end + 1));
    let fill = |line: &&str| line.replace("ID END+1", &further).replace("ID END", &at);
    let lines: Vec<String> = lines.iter().map(fill).collect();
    let mut script = Script::with_config(config);
    script.advance(late);
    script.node.tick();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    script.node.remember(Ok(Some(state_file(&lines))));
    script.node.start(Stored::Snapshot(100));
    let options = script.node.load_options(Source::File);
    let data: LoadedData = load(bytes.as_slice(), options).unwrap();
    script.node.loaded_file(Ok(Some(data)));
    Short { script, id, end }
}

impl Short {
    fn waits(&mut self) -> bool {
        self.script.ask("GET k").starts_with("-LOADING This primary may have started without writes")
    }

    fn is_where_it_was_loaded(&mut self) -> bool {
        let info = self.script.ask("INFO replication");
        info.contains(&format!("master_replid:{}", self.id))
            && info.contains(&format!("master_repl_offset:{}\\r", self.end))
    }
}

#[test]
fn who_may_lack_what_it_answered_waits() {
    let check = |what: &str, change: &dyn Fn(&mut Vec<&'static str>), expected: bool| {
        let mut lines = KILLED.to_vec();
        change(&mut lines);
        assert_eq!(start(Config::default(), &lines).waits(), expected, "{what}: {lines:?}");
    };
    let without =
        |word: &'static str| move |lines: &mut Vec<&str>| lines.retain(|line| !line.starts_with(word));
    check("it was killed", &|_| {}, true);
    check("no sentinel would promote anybody", &without("watched"), false);
    check("it promised nothing", &without("promised"), false);
    check("it had no replica", &without("replica"), false);
    check("nobody knows what it had", &without("history"), true);
    check("it ended in order", &|lines| lines.push("ended"), false);
    check("its end is not on disk", &|lines| (lines[1], _) = ("history ID END+1", lines.push("ended")), true);
    check(
        "another history ended",
        &|lines| (lines[1], _) = ("history 04a5f75d0a8e5dd8a1cdd2f9e6b1c3a79b3a0c11 1", lines.push("ended")),
        true,
    );
    // It was promoted a moment ago, and answered since.
    check("it was a replica", &|lines| (lines[0], lines[3]) = ("role replica 1 a", "keys 9"), true);
}

#[test]
fn who_follows_another_or_is_told_not_to_wait_does_not() {
    let mut config = Config::default();
    config.primary_empty_start_wait = 0;
    assert!(!start(config, &KILLED).waits());
    let mut config = Config::default();
    config.replicaof = Some(Upstream { host: "a".into(), port: 1 });
    assert!(!start(config, &KILLED).waits());
}

#[test]
fn who_waits_says_why() {
    let mut short = start(Config::default(), &KILLED);
    let reply = short.script.ask("PING");
    assert_eq!(
        reply,
        "-NODATA This primary may have started without writes that its replicas have. It waits 60 s for one of them \
         to take its place; REPLICAOF NO ONE starts it as it is"
    );
    let info = short.script.ask("INFO replication");
    assert!(info.contains("short_start_wait_seconds_left:60"), "{info}");
    let reason = format!(
        "short_start_reason:writes were answered when 1 replicas had them, it did not end in order, and its disk has \
         its history up to offset {}\\r",
        short.end
    );
    assert!(info.contains(&reason), "{info}");
    // Who chooses whether one of them takes its place has to know them, and what was promised.
    assert!(info.contains("slave0:ip=10.0.0.2,port=7002,state=awaited,offset=990,lag=-1\\r"), "{info}");
    assert!(info.contains("min_replicas_to_ack:1\\r"), "{info}");
}

#[test]
fn who_waits_ends_when_it_is_told_to() {
    let mut config = Config::default();
    config.appendonly = true;
    let mut short = start(config, &KILLED);
    short.script.effects();
    short.script.node.signal(Signal::Terminate);
    assert!(short.script.effects().iter().any(|effect| matches!(effect, Effect::Exit(0))));
}

/// Whoever takes the place has the same history, and further: nothing of this node's own may stand behind what it loaded.
#[test]
fn nothing_is_added_to_the_history_meanwhile() {
    let mut short = start_late(Config::default(), &KILLED, 6000);
    assert!(short.is_where_it_was_loaded());
    for _ in 0..20 {
        short.script.advance(1000);
        short.script.node.tick();
        short.script.ask("PUBLISH __sentinel__:hello something");
    }
    assert!(short.waits());
    assert!(short.is_where_it_was_loaded());
    assert_eq!(
        short.script.node.keyspace.db(0).len(),
        3,
        "a key that is due is for the next primary to delete"
    );
    assert_eq!(short.script.ask("REPLICAOF 10.0.0.2 7002"), "+OK");
    assert!(!short.waits());
    assert!(short.is_where_it_was_loaded());
}

#[test]
fn a_history_of_its_own_begins_when_it_serves_after_all() {
    let no_one = |short: &mut Short| drop(short.script.ask("REPLICAOF NO ONE"));
    let too_late = |short: &mut Short| {
        short.script.advance(60_000);
        short.script.node.tick();
    };
    for end in [&no_one as &dyn Fn(&mut Short), &too_late] {
        let mut short = start(Config::default(), &KILLED);
        end(&mut short);
        assert_eq!(short.script.ask("GET key:1"), "v");
        let info = short.script.ask("INFO replication");
        assert!(info.contains(&format!("master_replid2:{}", short.id)), "{info}");
        assert!(!info.contains("short_start"), "{info}");
        assert_eq!(short.script.ask("SET k v"), "+OK");
    }
}

/// What a node with a state file writes into the next one.
fn kept(config: Config, then: impl Fn(&mut Script)) -> String {
    let mut script = Script::with_config(config);
    script.node.remember(Ok(Some(state_file(&["role primary", "keys 0"]))));
    script.node.start(Stored::Nothing);
    then(&mut script);
    // Not at once: it would have stood still.
    for _ in 0..20 {
        script.advance(100);
        script.node.tick();
    }
    let states = script.effects().into_iter().filter_map(|effect| match effect {
        Effect::KeepState { content, .. } => Some(String::from_utf8(content).unwrap()),
        _ => None,
    });
    states.last().expect("the state is written")
}

#[test]
fn the_state_file_says_what_was_promised_and_who_watches() {
    let mut config = Config::default();
    config.min_replicas_to_ack = 2;
    let lease = |script: &mut Script| drop(script.ask(&format!("REPLICA LEASE {:040x} 2 3 1000 0", 1)));
    let state = kept(config.clone(), |_| {});
    assert!(state.contains("promised 2\n") && !state.contains("watched"), "{state}");
    let state = kept(config.clone(), lease);
    assert!(state.contains("promised 2\nwatched\nsum"), "{state}");
    let state = kept(Config::default(), lease);
    assert!(!state.contains("promised"), "{state}");
    // All that is answered is on its own disk, too.
    (config.appendonly, config.appendfsync) = (true, AppendFsync::Always);
    let state = kept(config, lease);
    assert!(!state.contains("promised"), "{state}");
}

#[test]
fn the_state_file_says_that_it_ended_in_order() {
    let state = kept(Config::default(), |script| script.node.signal(Signal::Terminate));
    assert!(state.contains("ended\n"), "{state}");
    let state = kept(Config::default(), |_| {});
    assert!(!state.contains("ended\n"), "{state}");
}
