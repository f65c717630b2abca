//! A node that follows a primary: what its shell tells it of the link, in time and too late.

use slipstream_engine::aof::{Order, Report};
use slipstream_engine::config::{Config, DisklessLoad};
use slipstream_engine::{Effect, LoadedData, Phase, Source, load};

use slipstream_rdb::Reached;

use crate::script::Script;

const ID: &str = "8de1787ba490483314a4d30f1c628bc5025eb761";

/// What the node wants done with its link.
fn wanted(script: &mut Script) -> Vec<String> {
    let name = |effect: Effect| match effect {
        Effect::Connect { number, host, .. } => Some(format!("connect {number} to {host}")),
        Effect::LinkClose => Some("close".into()),
        Effect::LinkSend(bytes) => {
            Some(format!("send {}", String::from_utf8_lossy(&bytes).replace("\r\n", " ").trim_end()))
        }
        Effect::LoadBegin(order) => Some(format!("load {}", order.number)),
        Effect::LoadAbort => Some("abort".into()),
        _ => None,
    };
    script.node.take_effects().into_iter().filter_map(name).collect()
}

/// The primary greets the node and says what is to come.
fn answer_handshake(script: &mut Script, connection: u64, decision: &str) {
    script.node.link_connected(connection);
    script.node.link_received(connection, b"+PONG\r\n");
    script.node.link_received(connection, b"+OK\r\n+OK\r\n+OK\r\n");
    // A node with data asks for the primary's history: this one does not tell.
    if wanted(script).iter().any(|deed| deed.contains("INFO")) {
        script.node.link_received(connection, b"-NOPERM\r\n");
    }
    script.node.link_received(connection, format!("{decision}\r\n").as_bytes());
    script.node.take_effects();
}

#[test]
fn what_is_told_of_an_earlier_connection_is_not_heard() {
    let mut script = Script::new();
    script.ask("REPLICAOF a 1");
    assert_eq!(wanted(&mut script), ["connect 1 to a"]);
    script.ask("REPLICAOF b 1");
    script.node.link_connected(1);
    script.node.link_received(1, b"+PONG\r\n");
    script.node.link_closed(1, "Connection refused");
    assert_eq!(wanted(&mut script), ["close", "connect 3 to b"]);
    script.node.link_connected(3);
    assert_eq!(wanted(&mut script), ["send *1 $4 PING"]);
}

#[test]
fn what_is_told_of_a_link_that_is_given_up_is_not_heard() {
    let mut script = Script::new();
    script.ask("REPLICAOF a 1");
    script.ask("REPLICAOF NO ONE");
    script.node.link_connected(1);
    script.node.link_closed(1, "reset");
    assert_eq!(script.ask("SET k v"), "+OK");
}

#[test]
fn the_load_of_a_sync_that_was_given_up_is_not_heard() {
    let mut script = Script::new();
    script.ask("REPLICAOF a 1");
    answer_handshake(&mut script, 1, &format!("+FULLRESYNC {ID} 7"));
    script.node.link_received(1, b"$100\r\n");
    assert_eq!(wanted(&mut script), ["load 1"]);
    script.ask("REPLICAOF NO ONE");
    assert_eq!(wanted(&mut script), ["abort", "close"]);
    script.node.loaded_sync(1, Err("the transfer was cut off".into()));
    assert_eq!(script.ask("SET k v"), "+OK");
}

/// A snapshot whose data ends at an offset of the primary's history.
fn snapshot_at(offset: i64, stream_database: usize) -> Vec<u8> {
    let mut source = Script::new();
    let mut job = source.node.core.snapshot_job(&source.node.keyspace);
    let id = ID.as_bytes().try_into().unwrap();
    let point = slipstream_rdb::ReplicationPoint { stream_database, id, offset };
    let target = job.disk_target();
    let maker = slipstream_rdb::Maker { version_name: "redis-ver", version: "7", created: 0, used_memory: 0 };
    job.preface.aux = slipstream_rdb::Aux::describe(maker, Some(&point), false);
    let write = slipstream_rdb::WriteOptions { target, compress: true, checksum: true };
    let mut bytes = Vec::new();
    slipstream_rdb::write(job.snapshot, &job.preface, write, &mut bytes).unwrap();
    bytes
}

#[test]
fn a_snapshot_becomes_the_base_if_it_says_that_it_is_from_where_the_stream_joins_it() {
    let becomes_base = |offset: i64| {
        let mut config = Config::default();
        config.appendonly = true;
        let mut script = Script::with_config(config);
        script.node.tick();
        script.node.aof_reported(Report::Opened(Ok(None)));
        script.ask("REPLICAOF a 1");
        answer_handshake(&mut script, 1, &format!("+FULLRESYNC {ID} 7"));
        script.node.link_received(1, b"$4\r\nxxxx");
        let options = script.node.load_options(Source::Sync);
        let data = load(snapshot_at(offset, 0).as_slice(), options).unwrap();
        script.node.loaded_sync(1, Ok(LoadedData { kept: Some(100), ..data }));
        script.node.tick();
        let effects = script.node.take_effects();
        let of_data = effects.iter().any(|effect| matches!(effect, Effect::AofBase(_)));
        let removed = |effect: &Effect| matches!(effect, Effect::Aof(Order::Remove { names, .. }) if names == &["temp-sync-1.rdb"]);
        assert_eq!(of_data, effects.iter().any(removed), "{effects:?}");
        !of_data
    };
    assert!(becomes_base(7));
    assert!(!becomes_base(8), "the increment begins at 7");
}

/// A node that follows a primary's stream, at offset 0 of the history that its log is active under.
fn streaming() -> Script {
    let mut script = Script::new();
    script.ask("REPLICAOF a 1");
    answer_handshake(&mut script, 1, "+CONTINUE");
    assert!(script.node.core.replication.link.is_up());
    script
}

fn stream(script: &mut Script, commands: &[&str]) {
    for command in commands {
        let words: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
        let mut bytes = Vec::new();
        slipstream_resp::encode_request(&mut bytes, words.into_iter());
        script.node.link_received(1, &bytes);
    }
}

/// The same of a primary of this project.
fn streaming_in_dialect() -> Script {
    let mut script = Script::new();
    script.ask("REPLICAOF a 1");
    script.node.link_connected(1);
    script.node.link_received(1, b"+PONG\r\n+OK\r\n+OK slipstream1 1000\r\n+OK\r\n-NOPERM\r\n+CONTINUE\r\n");
    assert!(script.node.core.replication.link.is_up());
    script.node.take_effects();
    script
}

#[test]
fn a_line_that_ends_the_history_is_no_part_of_it_at_every_split() {
    let line = b"+HISTORY\r\n";
    for split in 0..=line.len() {
        let mut script = streaming_in_dialect();
        stream(&mut script, &["SET k v"]);
        script.node.link_received(1, &line[..split]);
        script.node.link_received(1, &line[split..]);
        let asked = wanted(&mut script).pop().unwrap_or_default();
        assert!(asked.contains("REPLCONF"), "split at {split}: {asked}");
        script.node.link_received(1, b"+OK\r\n+OK slipstream1 1000\r\n+OK\r\n-NOPERM\r\n");
        assert!(
            wanted(&mut script).pop().is_some_and(|asked| asked.contains("PSYNC") && asked.ends_with(" 28"))
        );
        assert!(script.ask("INFO replication").contains("master_link_status:up"));
        script.node.link_received(1, format!("+CONTINUE {ID}\r\n").as_bytes());
        stream(&mut script, &["SET l w"]);
        assert_eq!((script.node.core.log.end().0, script.ask("GET l").as_str()), (54, "w"));
        assert_eq!(script.node.core.log.history().id.as_str(), ID);
    }
}

#[test]
fn a_line_that_ends_the_history_is_understood_of_this_projects_nodes_between_two_commands_only() {
    let mut script = streaming();
    script.node.link_received(1, b"+HISTORY\r\n");
    assert!(script.node.core.replication.link.halted().is_some(), "a primary that never spoke our dialect");
    let mut script = streaming_in_dialect();
    stream(&mut script, &["MULTI", "SET k v"]);
    script.node.link_received(1, b"+HISTORY\r\n");
    assert!(script.node.core.replication.link.halted().is_some(), "within a transaction");
    assert!(!script.has("k"));
    let mut script = streaming_in_dialect();
    script.node.link_received(1, b"*1\r\n$10\r\n+HISTORY\r\n");
    assert_eq!(script.node.core.log.end().0, 0, "the beginning of a longer request");
    assert!(script.node.core.replication.link.is_up());
}

#[test]
fn a_command_that_cannot_be_applied_halts_the_link_until_it_is_told_to_follow_again() {
    let mut script = streaming();
    stream(&mut script, &["SET k v", "NOSUCH"]);
    assert!(script.node.core.replication.link.halted().is_some());
    assert_eq!(script.node.core.stats.unexpected_error_replies, 1);
    assert_eq!(script.node.core.log.end().0, 27, "what could be applied stays acknowledged");
    assert_eq!(wanted(&mut script), ["close"]);
    assert_eq!(script.ask("REPLICAOF a 1"), "+OK");
    assert_eq!(wanted(&mut script), ["connect 3 to a"]);
}

#[test]
fn a_pause_of_clients_holds_the_stream_back() {
    let pauses: [(&str, &[&str], u64); 3] = [
        ("CLIENT PAUSE 1000 WRITE", &["SET k v"], 14),
        ("CLIENT PAUSE 1000 WRITE", &["MULTI", "SET k v", "EXEC"], 14),
        ("CLIENT PAUSE 1000 ALL", &["PING", "SET k v"], 0),
    ];
    for (pause, commands, applied) in pauses {
        let mut script = streaming();
        script.ask(pause);
        stream(&mut script, &["PING"]);
        stream(&mut script, commands);
        stream(&mut script, &["PING"]);
        assert_eq!(script.node.core.log.end().0, applied, "{pause}: {commands:?}");
        script.advance(999);
        script.node.tick();
        assert_eq!(script.node.core.log.end().0, applied);
        script.advance(1);
        script.node.tick();
        assert!(script.has("k") && script.node.core.log.end().0 >= 28 + 27);
    }
}

#[test]
fn a_link_is_not_read_while_too_much_is_held_back() {
    let mut script = streaming();
    script.ask("CLIENT PAUSE 100000 WRITE");
    stream(&mut script, &[&format!("SET k {}", "x".repeat(1 << 20))]);
    let told = |script: &mut Script| {
        let effects = script.effects().into_iter();
        effects.filter(|effect| matches!(effect, Effect::LinkPause | Effect::LinkResume)).count()
    };
    assert_eq!(told(&mut script), 1);
    script.advance(90_000);
    script.node.tick();
    assert!(script.node.core.replication.link.is_up(), "its silence is ours");
    assert_eq!(told(&mut script), 0);
    script.ask("CLIENT UNPAUSE");
    script.node.tick();
    assert_eq!(told(&mut script), 1);
    assert!(script.has("k"));
}

#[test]
fn an_operators_command_in_the_stream_halts_the_link() {
    for command in ["SHUTDOWN NOSAVE", "REPLICAOF b 1", "MONITOR", "CONFIG SET timeout 1"] {
        let mut script = streaming();
        stream(&mut script, &[command]);
        assert!(script.node.core.replication.link.halted().is_some(), "{command}");
        assert_eq!(wanted(&mut script), ["close"], "{command}");
    }
}

#[test]
fn a_command_in_a_database_that_is_not_there_halts_the_link() {
    let halted = |script: &Script| script.node.core.replication.link.halted().unwrap().to_owned();
    let mut script = streaming();
    stream(&mut script, &["SET k v", "SELECT 16", "SET k w"]);
    assert!(halted(&script).starts_with("cannot apply 'SELECT' from the primary's stream at offset 27"));
    assert_eq!(script.ask("GET k"), "v");
    // What a snapshot says of the stream behind it may name one, too.
    let mut script = Script::new();
    script.ask("REPLICAOF a 1");
    answer_handshake(&mut script, 1, &format!("+FULLRESYNC {ID} 7"));
    script.node.link_received(1, b"$4\r\nxxxx");
    let options = script.node.load_options(Source::Sync);
    script.node.loaded_sync(1, Ok(load(snapshot_at(7, 16).as_slice(), options).unwrap()));
    stream(&mut script, &["SET k w"]);
    assert!(halted(&script).ends_with("it goes on in database 16, and there are 16 here"));
    assert!(!script.has("k"));
}

#[test]
fn what_was_kept_of_a_sync_that_was_given_up_is_removed() {
    let mut script = Script::new();
    let options = script.node.load_options(Source::Sync);
    let data = || load(snapshot_at(7, 0).as_slice(), options).unwrap();
    for (kept, is_removed) in [(Some(100), true), (None, false)] {
        script.node.loaded_sync(99, Ok(LoadedData { kept, ..data() }));
        let removed = |effect: Effect| matches!(effect, Effect::Aof(Order::Remove { names, .. }) if names == ["temp-sync-99.rdb"]);
        assert_eq!(script.node.take_effects().into_iter().any(removed), is_removed);
    }
}

#[test]
fn a_transaction_that_was_applied_in_part_is_the_end_of_its_history() {
    let mut script = streaming();
    let before = script.node.core.log.history().id;
    stream(&mut script, &["SET text v", "MULTI", "INCR n", "LPUSH text x", "EXEC"]);
    assert!(script.node.core.replication.link.halted().is_some());
    assert_ne!(script.node.core.log.history().id, before);
    script.ask("REPLICAOF a 1");
    script.node.take_effects();
    script.node.link_connected(3);
    script.node.link_received(3, b"+PONG\r\n+OK\r\n+OK\r\n+OK\r\n");
    let asked = wanted(&mut script).pop();
    assert_eq!(asked.as_deref(), Some("send *3 $5 PSYNC $1 ? $2 -1"), "counting n twice would go unseen");
}

#[test]
fn a_transaction_within_a_transaction_halts_the_link() {
    let mut script = streaming();
    let end = script.node.core.log.end();
    stream(&mut script, &["MULTI", "MULTI", "EXEC", "SET k v"]);
    assert!(script.node.core.replication.link.halted().is_some(), "it would take SET for queued, and go on");
    assert_eq!(script.node.core.log.end(), end);
}

#[test]
fn a_transaction_is_of_one_history_and_its_node_follows_behind_it() {
    let mut script = Script::new();
    for request in ["MULTI", "SET a 1", "REPLICAOF other 1", "SET b 2", "FAILOVER"] {
        script.ask(request);
    }
    let refused = "-ERR FAILOVER is not valid when server is a replica.";
    script.check("EXEC", &format!("[+OK +OK +OK {refused}]"), "MULTI; SET a 1; SET b 2; EXEC");
    assert_eq!(script.ask("SET c 3"), "-READONLY You can't write against a read only replica.");
    assert_eq!(wanted(&mut script), ["connect 1 to other"]);
    assert_eq!(script.ask("CONFIG GET replicaof"), "[replicaof \"other 1\"]");
}

#[test]
fn the_last_word_of_a_transaction_on_whom_to_follow_counts() {
    let last = |words: &[&str]| {
        let mut script = Script::new();
        script.ask("MULTI");
        for word in words {
            script.ask(word);
        }
        script.ask("EXEC");
        (wanted(&mut script), script.ask("CONFIG GET replicaof"))
    };
    assert_eq!(last(&["REPLICAOF a 1", "REPLICAOF b 2"]).0, ["connect 1 to b"]);
    let nobody = (Vec::<String>::new(), "[replicaof \"\"]".to_owned());
    assert_eq!(last(&["REPLICAOF a 1", "REPLICAOF NO ONE"]), nobody);
}

#[test]
fn a_snapshot_within_a_transaction_names_no_offset() {
    let mut script = Script::new();
    script.ask("MULTI");
    script.ask("SET a 1");
    script.ask("BGSAVE");
    script.ask("EXEC");
    let mut effects = script.node.take_effects().into_iter();
    let job = effects.find_map(|effect| match effect {
        Effect::Save { job, .. } => Some(job),
        _ => None,
    });
    assert!(job.unwrap().preface.aux.replication().is_none());
}

#[test]
fn a_message_to_subscribers_is_told_and_relayed_and_changes_nothing() {
    let mut script = streaming();
    let listener = script.connect();
    script.ask_as(listener, "SUBSCRIBE __sentinel__:hello own");
    script.ask_as(listener, "SSUBSCRIBE c");
    stream(
        &mut script,
        &["PUBLISH __sentinel__:hello 127.0.0.1,7831", "MULTI", "SPUBLISH c m", "SET k v", "EXEC"],
    );
    assert_eq!(script.node.core.replication.link.halted(), None);
    assert_eq!(script.ask("GET k"), "v");
    let published = "*3\r\n$7\r\nPUBLISH\r\n$18\r\n__sentinel__:hello\r\n$14\r\n127.0.0.1,7831\r\n".len();
    let transaction = "*1\r\n$5\r\nMULTI\r\n*3\r\n$8\r\nSPUBLISH\r\n$1\r\nc\r\n$1\r\nm\r\n".len()
        + "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n*1\r\n$4\r\nEXEC\r\n".len();
    assert_eq!(script.node.core.log.end().0, (published + transaction) as u64);
    assert_eq!(script.received(listener), "[message \"__sentinel__:hello\" 127.0.0.1,7831] [smessage c m]");
    // What its own clients say stays here.
    assert_eq!(script.ask("PUBLISH own words"), ":1");
    assert_eq!(script.received(listener), "[message own words]");
    assert_eq!(script.node.core.log.end().0, (published + transaction) as u64);
}

#[test]
fn the_old_word_of_a_primary_is_understood() {
    let mut script = Script::new();
    assert_eq!(script.ask("SLAVEOF a 1"), "+OK");
    assert_eq!(wanted(&mut script), ["connect 1 to a"]);
    assert_eq!(script.ask("SLAVEOF NO ONE"), "+OK");
    assert_eq!(wanted(&mut script), ["close"]);
}

#[test]
fn the_link_is_a_client_that_can_be_listed_and_killed() {
    use slipstream_engine::session::Endpoint;
    for word in ["master", "primary"] {
        let mut script = Script::new();
        script.ask("REPLICAOF a 1");
        script.node.link_opened(Endpoint::Internal, Endpoint::Internal, 9);
        answer_handshake(&mut script, 1, "+CONTINUE");
        assert!(script.ask(&format!("CLIENT LIST TYPE {word}")).contains(" flags=M "));
        assert_eq!(script.ask("CLIENT LIST TYPE replica"), "\"\"");
        assert_eq!(script.ask("CLIENT KILL TYPE replica"), ":0");
        assert_eq!(script.ask(&format!("CLIENT KILL TYPE {word}")), ":1");
        assert!(!script.node.core.replication.link.is_up());
        assert_eq!(wanted(&mut script)[0], "close");
    }
}

#[test]
fn who_is_demoted_by_a_transaction_of_sentinel_hears_all_of_its_replies() {
    let mut script = Script::new();
    let other = script.connect();
    for request in ["MULTI", "SLAVEOF a 1", "CONFIG REWRITE", "CLIENT KILL TYPE normal"] {
        script.ask(request);
    }
    let no_file = "-ERR no configuration file";
    assert_eq!(script.ask("EXEC"), format!("[+OK {no_file} :1]"));
    assert_eq!(script.disconnected(), [other]);
    assert_eq!(script.ask("PING"), "+PONG");
}

#[test]
fn limits_on_clients_are_not_limits_on_the_stream() {
    let mut script = Script::new();
    script.ask("CONFIG SET client-query-buffer-limit 1mb proto-max-bulk-len 1mb maxmemory 1");
    script.ask("CONFIG SET min-replicas-to-write 3");
    script.ask("REPLICAOF a 1");
    answer_handshake(&mut script, 1, "+CONTINUE");
    let value = "x".repeat(300_000);
    stream(&mut script, &["MULTI"]);
    for key in 0..8 {
        stream(&mut script, &[&format!("SET key:{key} {value}")]);
    }
    assert!(!script.has("key:0"), "half a transaction is not applied");
    stream(&mut script, &["EXEC", &format!("SET long {}", "x".repeat(2 << 20))]);
    assert_eq!(script.node.core.replication.link.halted(), None);
    assert_eq!(script.ask("DBSIZE"), ":9");
}

#[test]
fn an_empty_line_in_the_stream_counts_and_is_nothing_else() {
    let mut script = streaming();
    script.node.link_received(1, b"\r\n");
    stream(&mut script, &["SET k v"]);
    assert_eq!(script.node.core.replication.link.halted(), None);
    assert_eq!(script.node.core.log.end().0, 2 + 27);
    assert_eq!(script.ask("GET k"), "v");
}

/// A replica that takes writes of its own clients.
fn writable() -> Script {
    let mut script = streaming();
    script.ask("CONFIG SET replica-read-only no");
    script
}

#[test]
fn what_clients_write_to_a_replica_stays_there() {
    let mut script = writable();
    let end = script.node.core.log.end();
    assert_eq!(script.ask("SET own 1 PX 50"), "+OK");
    assert_eq!(script.node.core.log.end(), end);
    stream(&mut script, &["SET k v"]);
    assert_eq!(script.node.core.log.end().0, end.0 + 27);
}

#[test]
fn keys_of_a_replicas_own_clients_go_when_they_are_due() {
    let mut script = writable();
    stream(&mut script, &["SET primarys v PXAT 1050"]);
    for request in ["SET own v PX 50", "SET kept v PX 50", "SET later v PX 50", "SET moved v PX 50"] {
        assert_eq!(script.ask(request), "+OK");
    }
    script.ask("PERSIST kept");
    script.ask("PEXPIRE later 5000");
    script.ask("MOVE moved 3");
    let tracked = |script: &mut Script| {
        let info = script.ask("INFO stats");
        info.split("slave_expires_tracked_keys:").nth(1).unwrap().split('\\').next().unwrap().to_owned()
    };
    assert_eq!(tracked(&mut script), "5", "a key that moved is looked for in both places");
    script.advance(200);
    assert_eq!(script.ask("GET own"), "$-1");
    assert_eq!(script.ask("DBSIZE"), ":4", "it is hidden, and there");
    script.node.tick();
    assert_eq!(script.ask("DBSIZE"), ":3", "the primary's own waits for the primary");
    assert_eq!(script.ask("EXISTS kept later"), ":2");
    script.ask("SELECT 3");
    assert_eq!(script.ask("DBSIZE"), ":0");
    assert_eq!(tracked(&mut script), "1");
    script.ask("REPLICAOF NO ONE");
    script.advance(200);
    script.node.tick();
    assert_eq!(tracked(&mut script), "0", "a primary expires everything by itself");
}

#[test]
fn a_load_into_an_emptied_node_ends_no_shutdown() {
    let mut config = Config::default();
    config.repl_diskless_load = DisklessLoad::FlushBeforeLoad;
    let mut script = Script::with_config(config);
    script.ask("REPLICAOF a 1");
    answer_handshake(&mut script, 1, &format!("+FULLRESYNC {ID} 7"));
    script.node.link_received(1, b"$4\r\nxx");
    script.ask("SHUTDOWN SAVE");
    assert_eq!(script.node.core.phase, Phase::ShuttingDown);
    script.node.load_progress(1, Reached { bytes: 2, ..Reached::default() });
    assert_eq!(script.node.core.phase, Phase::Loading);
    script.node.loaded_sync(1, Err("the transfer was cut off".into()));
    assert_eq!(script.node.core.phase, Phase::ShuttingDown);
    let other = script.connect();
    script.ask_as(other, "SHUTDOWN ABORT");
    assert_eq!(script.node.core.phase, Phase::Serving);
}

#[test]
fn the_old_data_is_served_until_the_new_is_whole_and_stays_if_it_is_not() {
    let mut script = Script::new();
    script.ask("SET k old");
    script.ask("REPLICAOF a 1");
    answer_handshake(&mut script, 1, &format!("+FULLRESYNC {ID} 7"));
    script.node.link_received(1, b"$4\r\nxx");
    assert_eq!(script.ask("GET k"), "old");
    script.node.link_received(1, b"xx");
    assert_eq!(script.ask("GET k"), "old");
    script.node.loaded_sync(1, Err("Wrong signature".into()));
    assert_eq!(script.ask("GET k"), "old");
    assert!(script.ask("INFO replication").contains("master_link_status:down"));
}

#[test]
fn a_replica_keeps_away_from_its_primary_while_a_new_one_is_chosen() {
    let mut script = Script::new();
    for (request, reply) in [
        ("REPLICA DETACH 1000 1", "-ERR this node follows no primary"),
        ("REPLICA DETACH 600001 1", "-ERR a replica is kept away for 0 to 600000 milliseconds"),
        ("REPLICA DETACH -1 1", "-ERR a replica is kept away for 0 to 600000 milliseconds"),
        ("REPLICA DETACH 1 x", "-ERR value is not an integer or out of range"),
    ] {
        assert_eq!(script.ask(request), reply);
    }
    script.ask("REPLICAOF a 1");
    answer_handshake(&mut script, 1, &format!("+FULLRESYNC {ID} 100"));
    assert_eq!(script.ask("REPLICA DETACH 10000 7"), "+OK");
    assert!(wanted(&mut script).contains(&"close".to_owned()));
    assert!(script.ask("INFO replication").contains("master_link_status:down"));
    assert_eq!(script.ask("REPLICA DETACH 0 6"), "-ERR a later epoch keeps this replica away");
    assert_eq!(wanted(&mut script), Vec::<String>::new());
    assert_eq!(script.ask("REPLICA DETACH 0 7"), "+OK");
    assert_eq!(wanted(&mut script).len(), 1, "it connects at once");

    let mut script = Script::new();
    script.ask("REPLICAOF a 1");
    answer_handshake(&mut script, 1, &format!("+FULLRESYNC {ID} 100"));
    script.ask("REPLICA DETACH 10000 7");
    wanted(&mut script);
    assert_eq!(script.ask("REPLICAOF a 1"), "+OK Already connected to specified master");
    assert_eq!(wanted(&mut script).len(), 1, "it is told whom to follow, and goes there");
}
