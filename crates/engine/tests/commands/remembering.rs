//! The state file: when it is written, and with what.

use slipstream_engine::{Effect, SessionId};

use crate::script::Script;

/// The state file as it was asked for last since the last call.
fn kept(script: &mut Script) -> Option<String> {
    let content = |effect| match effect {
        Effect::KeepState { name, content } => Some((name, content)),
        _ => None,
    };
    let (name, content) = script.effects().into_iter().filter_map(content).last()?;
    assert_eq!(name, "dump.rdb.state");
    Some(String::from_utf8(content).unwrap())
}

/// Lets so much time pass, a cron period at a time, without a word from anybody.
fn pass(script: &mut Script, millis: u64) {
    for _ in 0..millis / 100 {
        script.advance(100);
        script.node.tick();
    }
}

fn attach(script: &mut Script, options: &str) -> SessionId {
    let replica = script.connect();
    if !options.is_empty() {
        script.ask_as(replica, &format!("REPLCONF {options}"));
    }
    let log = &script.node.core.log;
    let request = format!("PSYNC {} {}", log.history().id, log.end().0 + 1);
    script.ask_as(replica, &request);
    script.node.tick();
    replica
}

fn lines(file: &str, word: &str) -> Vec<String> {
    let start = format!("{word} ");
    file.lines().filter_map(|line| Some(line.strip_prefix(&start)?.to_owned())).collect()
}

#[test]
fn who_was_never_part_of_a_group_leaves_no_file() {
    let mut script = Script::new();
    script.ask("SET k v");
    pass(&mut script, 20_000);
    attach(&mut script, "");
    pass(&mut script, 2_000);
    assert_eq!(kept(&mut script), None, "what did not say where it listens is no replica");
}

#[test]
fn a_replica_is_written_down_when_its_stream_flows() {
    let mut script = Script::new();
    script.ask("SET k v");
    let offset = script.node.core.log.end();
    attach(&mut script, "listening-port 7002 ip-address replica.example");
    pass(&mut script, 100);
    let file = kept(&mut script).expect("it has a replica");
    assert_eq!(lines(&file, "role"), ["primary"]);
    assert_eq!(lines(&file, "keys"), ["1"]);
    assert_eq!(lines(&file, "replica"), [format!("{offset} 7002 replica.example")]);
    let id = script.node.core.log.history().id;
    assert_eq!(lines(&file, "history"), [format!("{id} {offset}")]);
}

#[test]
fn a_replica_is_forgotten_when_it_stays_away() {
    let mut script = Script::new();
    let replica = attach(&mut script, "listening-port 7002");
    pass(&mut script, 100);
    assert_eq!(lines(&kept(&mut script).unwrap(), "replica").len(), 1);
    script.node.closed(replica);
    pass(&mut script, 60_000);
    assert!(kept(&mut script).is_none_or(|file| lines(&file, "replica").len() == 1), "it may come back");
    pass(&mut script, 2_000);
    let file = kept(&mut script).expect("it is gone for good");
    assert!(lines(&file, "replica").is_empty());
}

#[test]
fn how_far_things_went_is_written_every_ten_seconds() {
    let mut script = Script::new();
    script.ask("SET k v");
    attach(&mut script, "listening-port 7002");
    pass(&mut script, 100);
    let first = kept(&mut script).unwrap();
    script.ask("SET k w");
    pass(&mut script, 9_000);
    assert_eq!(kept(&mut script), None);
    pass(&mut script, 1_000);
    let second = kept(&mut script).expect("the offset has moved");
    assert_ne!(lines(&first, "history"), lines(&second, "history"));
}

#[test]
fn whether_there_is_data_is_written_within_a_second() {
    let mut script = Script::new();
    attach(&mut script, "listening-port 7002");
    pass(&mut script, 100);
    kept(&mut script);
    for (request, keys) in [("SET k v", "1"), ("FLUSHALL", "0")] {
        script.ask(request);
        pass(&mut script, 1_100);
        let file = kept(&mut script).unwrap_or_else(|| panic!("{request} is written down"));
        assert_eq!(lines(&file, "keys"), [keys]);
    }
}

#[test]
fn a_change_of_role_and_history_is_written_down() {
    let mut script = Script::new();
    script.ask("REPLICAOF a 1");
    pass(&mut script, 100);
    assert_eq!(lines(&kept(&mut script).unwrap(), "role"), ["replica 1 a"]);
    let before = script.node.core.log.history().id;
    script.ask("REPLICAOF NO ONE");
    pass(&mut script, 1_100);
    let file = kept(&mut script).unwrap();
    assert_eq!(lines(&file, "role"), ["primary"]);
    assert!(lines(&file, "previous")[0].starts_with(&before.to_string()));
}

#[test]
fn the_last_word_is_written_before_the_process_ends() {
    let mut script = Script::new();
    attach(&mut script, "listening-port 7002");
    pass(&mut script, 100);
    kept(&mut script);
    script.ask("SET k v");
    script.ask("SHUTDOWN NOSAVE NOW");
    let file = kept(&mut script).expect("the offset has moved");
    assert_eq!(lines(&file, "keys"), ["1"]);
}

#[test]
fn a_file_with_another_name_is_written_at_once() {
    let mut script = Script::new();
    attach(&mut script, "listening-port 7002");
    pass(&mut script, 100);
    kept(&mut script);
    script.node.core.config.dbfilename = "other.rdb".to_owned();
    pass(&mut script, 1_100);
    let names: Vec<String> = script
        .effects()
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::KeepState { name, .. } => Some(name),
            _ => None,
        })
        .collect();
    assert_eq!(names, ["other.rdb.state"]);
}
