//! What clients are told of replicas: how many have what was written, and when.

use slipstream_engine::aof::{Progress, Report};
use slipstream_engine::config::{AppendFsync, Config, OutputLimit, ProtectedAction};
use slipstream_engine::{Effect, Endpoint, Replayed, SessionId, Source, load};

use crate::script::Script;

/// A replica that continues from where the log stands, and says so.
fn attach(script: &mut Script) -> SessionId {
    let replica = script.attach();
    ack(script, replica);
    replica
}

/// The replica has everything.
fn ack(script: &mut Script, replica: SessionId) {
    let end = script.node.core.log.end();
    script.ask_as(replica, &format!("REPLCONF ACK {end}"));
    script.node.tick();
}

#[test]
fn waitaof_reads_its_arguments_as_redis_does() {
    let mut script = Script::new();
    for (request, reply) in [
        ("WAITAOF 2 0 0", "-ERR value is out of range, value must between 0 and 1"),
        ("WAITAOF -1 0 0", "-ERR value is out of range, value must between 0 and 1"),
        ("WAITAOF x 0 0", "-ERR value is not an integer or out of range"),
        ("WAITAOF 0 -1 0", "-ERR value is out of range, must be positive"),
        ("WAITAOF 0 abc 0", "-ERR value is out of range, must be positive"),
        ("WAITAOF abc 0 0", "-ERR value is not an integer or out of range"),
        ("WAITAOF 0 0 -1", "-ERR timeout is negative"),
        ("WAITAOF 0 0 x", "-ERR timeout is not an integer or out of range"),
        ("WAITAOF 1 0 0", "-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."),
        ("WAITAOF 0 0 0", "[:0 :0]"),
    ] {
        script.check_read(request, reply);
    }
    script.ask("REPLICAOF other 1");
    let refusal = "-ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just local and are not propagated.";
    script.check_read("WAITAOF 1 0 0", refusal);
}

#[test]
fn waitaof_ends_when_the_disks_of_enough_replicas_have_the_last_write() {
    let mut script = Script::new();
    let replica = attach(&mut script);
    let client = script.client();
    script.ask("SET k v");
    assert_eq!(script.ask("WAITAOF 0 1 0"), "");
    let end = script.node.core.log.end();
    script.ask_as(replica, &format!("REPLCONF ACK {end}"));
    assert_eq!(script.received(client), "", "it is applied, not on disk");
    script.ask_as(replica, &format!("REPLCONF ACK {end} FACK {end}"));
    assert_eq!(script.received(client), "[:0 :1]");
    assert_eq!(script.ask("WAITAOF 0 2 20"), "");
    script.advance(20);
    script.node.tick();
    assert_eq!(script.received(client), "[:0 :1]", "as many as there are");
}

#[test]
fn nobody_waits_inside_multi() {
    let mut script = Script::new();
    for request in ["MULTI", "WAIT 1 0", "WAITAOF 0 1 0"] {
        script.ask(request);
    }
    script.check_read("EXEC", "[:0 [:0 :0]]");
}

#[test]
fn unblock_answers_waitaof_as_its_time_would() {
    let mut script = Script::new();
    let waiter = script.connect();
    assert_eq!(script.ask_as(waiter, "WAITAOF 0 1 0"), "");
    script.check_read("CLIENT UNBLOCK 2", ":1");
    assert_eq!(script.received(waiter), "[:0 :0]");
}

#[test]
fn who_becomes_a_replica_unblocks_those_who_wait() {
    let mut script = Script::new();
    let (wait, waitaof) = (script.connect(), script.connect());
    assert_eq!(script.ask_as(wait, "WAIT 1 0"), "");
    assert_eq!(script.ask_as(waitaof, "WAITAOF 0 1 0"), "");
    script.ask("REPLICAOF other 1");
    let reply =
        "-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)";
    assert_eq!(script.received(wait), reply);
    assert_eq!(script.received(waitaof), reply);
}

#[test]
fn wait_is_for_the_last_command_that_put_something_into_the_log() {
    let mut script = Script::new();
    let (replica, reader) = (attach(&mut script), script.connect());
    script.ask("SET k v PX 10");
    ack(&mut script, replica);
    script.advance(20);
    assert_eq!(script.ask("GET k"), "$-1");
    assert_eq!(script.ask("WAIT 1 10"), "", "its read deleted a key");
    assert_eq!(script.ask_as(reader, "WAIT 1 10"), ":1", "it wrote nothing");
}

/// A node that wants one replica to have a write before it is answered, and that replica.
fn synchronous(timeout_ms: u64) -> (Script, SessionId) {
    let mut config = Config::default();
    config.min_replicas_to_ack = 1;
    config.min_replicas_ack_timeout = timeout_ms;
    let mut script = Script::with_config(config);
    let replica = attach(&mut script);
    (script, replica)
}

const LATE: &str = "-NOREPLACK The write was done here, but too few replicas acknowledged it in time.";

#[test]
fn the_reply_of_a_write_is_held_until_a_replica_has_it() {
    let (mut script, replica) = synchronous(0);
    let (client, other) = (script.client(), script.connect());
    assert_eq!(script.ask("SET k v"), "");
    assert_eq!(script.ask_as(other, "GET k"), "v", "others see what was written");
    ack(&mut script, replica);
    assert_eq!(script.received(client), "+OK");
}

#[test]
fn what_a_client_waited_for_is_held_until_a_replica_has_it_gone() {
    let (mut script, replica) = synchronous(0);
    let waiting = script.connect();
    assert_eq!(script.ask_as(waiting, "BLPOP x 0"), "");
    assert_eq!(script.ask("RPUSH x 1"), "");
    let (client, pushed) =
        (script.client(), script.node.core.log.end().0 - "*2\r\n$4\r\nLPOP\r\n$1\r\nx\r\n".len() as u64);
    script.ask_as(replica, &format!("REPLCONF ACK {pushed}"));
    script.node.tick();
    assert_eq!((script.received(client), script.received(waiting)), (":1".into(), "".into()));
    ack(&mut script, replica);
    assert_eq!(script.received(waiting), "[x 1]");
}

#[test]
fn commands_behind_a_held_reply_run_and_are_answered_in_order() {
    let (mut script, replica) = synchronous(0);
    let client = script.client();
    script.node.receive(client, b"PING\r\nSET a 1\r\nGET a\r\nINCR a\r\nGET a\r\n");
    assert_eq!(script.received(client), "+PONG");
    let end = script.node.core.log.end();
    assert_eq!(script.node.keyspace.db(0).len(), 1);
    ack(&mut script, replica);
    assert!(script.node.core.log.end() > end, "the replicas were asked at the end of the turn");
    assert_eq!(script.received(client), "+OK 1 :2 2");
    assert_eq!(script.ask("GET a"), "2");
}

#[test]
fn each_reply_goes_with_the_acknowledgement_of_its_own_write() {
    let (mut script, replica) = synchronous(0);
    let client = script.client();
    script.ask("SET a 1");
    let first = script.node.core.log.end();
    script.ask("SET b 2");
    script.ask_as(replica, &format!("REPLCONF ACK {first}"));
    assert_eq!(script.received(client), "+OK");
    ack(&mut script, replica);
    assert_eq!(script.received(client), "+OK");
}

#[test]
fn the_replicas_are_asked_once_for_all_writes_of_a_turn() {
    let (mut script, _) = synchronous(0);
    let other = script.connect();
    script.ask("SET a 1");
    script.ask("SET b 2");
    script.ask_as(other, "SET c 3");
    script.node.tick();
    script.node.tick();
    assert_eq!(script.propagated(), "SET a 1; SET b 2; SET c 3; REPLCONF GETACK *");
}

#[test]
fn an_error_takes_the_place_of_a_reply_that_is_late_and_the_write_stands() {
    let (mut script, replica) = synchronous(100);
    let client = script.client();
    script.ask("SET a 1");
    script.advance(50);
    script.node.receive(client, b"SET b 2\r\nGET a\r\n");
    script.advance(50);
    script.node.tick();
    assert_eq!(script.received(client), LATE);
    ack(&mut script, replica);
    assert_eq!(script.received(client), "+OK 1");
    let (info, stats) = (script.ask("INFO errorstats"), script.node.core.stats.error_replies);
    assert!(info.contains("errorstat_NOREPLACK:count=1"), "{info}");
    assert_eq!(stats, 1);
}

#[test]
fn a_write_that_changed_nothing_waits_for_what_it_saw() {
    let (mut script, replica) = synchronous(0);
    let (client, other) = (script.client(), script.connect());
    script.ask("SADD s a");
    assert_eq!(script.ask_as(other, "SADD s a"), "", "the element may be lost yet");
    ack(&mut script, replica);
    assert_eq!((script.received(client), script.received(other)), (":1".into(), ":0".into()));
    script.node.tick();
    assert_eq!(script.ask("SADD s a"), ":0", "all that changed data is acknowledged");
}

#[test]
fn errors_and_reads_are_not_held() {
    let (mut script, _) = synchronous(0);
    let other = script.connect();
    assert_eq!(script.ask("LPUSH l a"), "");
    assert_eq!(
        script.ask_as(other, "INCR l"),
        "-WRONGTYPE Operation against a key holding the wrong kind of value"
    );
    assert_eq!(script.ask_as(other, "LLEN l"), ":1");
}

/// Scripts that fail, and whether they wrote before.
const FAILING: [(&str, bool); 4] = [
    ("EVAL \"redis.call('SET','a','1') return redis.error_reply('E no')\" 0", true),
    ("EVAL \"redis.call('SET','a','1') redis.call('LPOP','a')\" 0", true),
    ("FCALL fails 0", true),
    ("EVAL \"redis.call('GET','a') error('no')\" 0", false),
];
const LIBRARY: &[u8] =
    b"#!lua name=l\nredis.register_function('fails', function() redis.call('SET','a','1') error('no') end)";

#[test]
fn the_error_of_a_script_that_wrote_is_held() {
    let (mut script, replica) = synchronous(0);
    let client = script.client();
    script.ask_words(client, &[&b"FUNCTION"[..], b"LOAD", LIBRARY]);
    ack(&mut script, replica);
    script.received(client);
    for (request, wrote) in FAILING {
        assert_eq!(script.ask(request).is_empty(), wrote, "{request}");
        ack(&mut script, replica);
        assert_eq!(script.received(client).starts_with('-'), wrote, "{request}");
    }
    for (request, reply) in [("MULTI", "+OK"), ("FCALL fails 0", "+QUEUED"), ("EXEC", "")] {
        assert_eq!(script.ask(request), reply, "{request}");
    }
    ack(&mut script, replica);
    assert!(script.received(client).starts_with("[-"));
}

#[test]
fn the_error_of_a_script_that_wrote_waits_for_the_disk() {
    let mut script = on_disk();
    let client = script.client();
    script.ask_words(client, &[&b"FUNCTION"[..], b"LOAD", LIBRARY]);
    sync(&mut script);
    script.received(client);
    for (request, wrote) in FAILING {
        assert_eq!(script.ask(request).is_empty(), wrote, "{request}");
        sync(&mut script);
        assert_eq!(script.received(client).starts_with('-'), wrote, "{request}");
    }
}

#[test]
fn a_transaction_is_held_whole_if_it_may_write() {
    let (mut script, replica) = synchronous(0);
    let client = script.client();
    for (request, reply) in [("MULTI", "+OK"), ("SET a 1", "+QUEUED"), ("GET a", "+QUEUED"), ("EXEC", "")] {
        assert_eq!(script.ask(request), reply, "{request}");
    }
    ack(&mut script, replica);
    assert_eq!(script.received(client), "[+OK 1]");
    for (request, reply) in [("MULTI", "+OK"), ("GET a", "+QUEUED"), ("EXEC", "[1]")] {
        assert_eq!(script.ask(request), reply, "{request}");
    }
}

#[test]
fn a_late_transaction_is_one_error() {
    let (mut script, _) = synchronous(100);
    script.use_resp3();
    let client = script.client();
    script.node.receive(client, b"MULTI\r\nSET a 1\r\nHSET h f v\r\nEXEC\r\nHGETALL h\r\n");
    assert_eq!(script.received(client), "+OK +QUEUED +QUEUED");
    script.advance(100);
    script.node.tick();
    assert_eq!(script.received(client), format!("{LATE} %[f v]"));
}

#[test]
fn who_wants_no_replies_waits_for_nothing() {
    let (mut script, replica) = synchronous(0);
    let client = script.client();
    script.ask("CLIENT REPLY OFF");
    script.ask("SET a 1");
    assert_eq!(script.ask("CLIENT REPLY ON"), "+OK");
    script.node.receive(client, b"CLIENT REPLY SKIP\r\nSET a 2\r\nGET a\r\nSET a 3\r\n");
    assert_eq!(script.received(client), "2");
    ack(&mut script, replica);
    assert_eq!(script.received(client), "+OK");
}

#[test]
fn wait_behind_a_held_reply_is_answered_behind_it() {
    let (mut script, replica) = synchronous(0);
    let client = script.client();
    script.node.receive(client, b"SET a 1\r\nWAIT 1 10\r\nPING\r\n");
    script.advance(10);
    script.node.tick();
    assert_eq!(script.received(client), "");
    ack(&mut script, replica);
    assert_eq!(script.received(client), "+OK :0 +PONG");
}

#[test]
fn without_replicas_nothing_is_confirmed_until_one_has_loaded_it_all() {
    let mut config = Config::default();
    config.min_replicas_to_ack = 1;
    let mut script = Script::with_config(config);
    script.node.core.log.deactivate(&mut fastrand::Rng::with_seed(1));
    let client = script.client();
    assert_eq!(script.ask("SET a 1"), "");
    let replica = script.node.accept(Endpoint::Internal, Endpoint::Internal, 9).unwrap();
    script.ask_as(replica, "PSYNC ? -1");
    script.node.tick();
    let sent = script.effects().into_iter().any(|effect| matches!(effect, Effect::StartSync(_)));
    assert!(sent, "a snapshot with what was written before");
    script.node.sync_sent(replica, Ok(()));
    script.node.tick();
    assert_eq!(script.received(client), "", "it is sent, not loaded");
    script.ask_as(replica, "REPLCONF ACK 0");
    assert_eq!(script.received(client), "+OK");
}

#[test]
fn a_connection_has_its_own_durability() {
    let (mut script, replica) = synchronous(0);
    let client = script.client();
    script.check_read("CLIENT DURABILITY 0", "+OK");
    script.check_write("SET a 1", "+OK");
    script.check_read("CLIENT DURABILITY 2", "+OK");
    assert_eq!(script.ask("SET a 2"), "");
    ack(&mut script, replica);
    assert_eq!(script.received(client), "", "one of two");
    attach(&mut script);
    assert_eq!(script.received(client), "+OK");
    assert_eq!(script.ask("CLIENT DURABILITY default"), "+OK");
    assert_eq!(script.ask("SET a 3"), "");
    ack(&mut script, replica);
    assert_eq!(script.received(client), "+OK");
    script.ask("CLIENT DURABILITY 0");
    script.ask("RESET");
    assert_eq!(script.ask("SET a 4"), "", "RESET goes back to the directive");
    for (word, error) in [
        ("-1", "-ERR value is out of range, must be positive"),
        ("x", "-ERR value is not an integer or out of range"),
    ] {
        let other = script.connect();
        assert_eq!(script.ask_as(other, &format!("CLIENT DURABILITY {word}")), error);
    }
}

#[test]
fn relaxing_the_directive_lets_go_what_is_held() {
    let (mut script, _) = synchronous(0);
    let (client, other) = (script.client(), script.connect());
    script.ask("SET a 1");
    assert_eq!(script.ask_as(other, "CONFIG SET min-replicas-to-ack 0"), "+OK");
    script.node.tick();
    assert_eq!(script.received(client), "+OK");
    script.ask_as(other, "CONFIG SET min-replicas-to-ack 1");
    script.ask("SET a 2");
    assert_eq!(script.ask_as(other, "CONFIG SET min-replicas-ack-timeout 100"), "+OK");
    script.node.tick();
    script.advance(100);
    script.node.tick();
    assert_eq!(script.received(client), LATE);
}

#[test]
fn who_becomes_a_replica_says_that_held_writes_are_not_acknowledged() {
    let (mut script, _) = synchronous(0);
    let (client, other) = (script.client(), script.connect());
    let lost = "-NOREPLACK The write was done here, but this node became a replica before enough replicas acknowledged it.";
    script.ask_as(other, "SET a 1");
    script.node.receive(client, b"SET b 2\r\nREPLICAOF other 1\r\nPING\r\n");
    assert_eq!(script.received(client), format!("{lost} +OK +PONG"));
    assert_eq!(script.received(other), lost);
}

/// A node with an append-only file under `always`.
fn on_disk() -> Script {
    let mut config = Config::default();
    config.appendonly = true;
    config.appendfsync = AppendFsync::Always;
    let mut script = Script::with_config(config);
    script.node.tick();
    script.node.aof_reported(Report::Opened(Ok(None)));
    script.node.tick();
    script.node.aof_reported(Report::Begun(1, Ok(())));
    script.node.aof_base_written(1, Ok(0));
    script.node.aof_reported(Report::Published(1, Ok(())));
    script
}

/// The disk has everything.
fn sync(script: &mut Script) {
    let end = script.node.core.log.end();
    let progress = Progress { number: 1, written: end, durable: end, size: 0 };
    script.node.aof_reported(Report::Progress(progress));
}

#[test]
fn a_file_that_does_not_load_leaves_the_data_as_it_was() {
    let mut script = on_disk();
    script.node.core.config.enable_debug_command = ProtectedAction::Yes;
    let (client, other) = (script.client(), script.connect());
    script.node.receive(client, b"SET a 1\r\n");
    sync(&mut script);
    assert_eq!(script.received(client), "+OK");
    script.node.receive(client, b"SET b 2\r\nDEBUG LOADAOF\r\n");
    script.node.tick();
    let asks =
        |script: &mut Script| script.effects().iter().any(|effect| matches!(effect, Effect::LoadLog(_)));
    assert!(!asks(&mut script), "the file does not have b yet");
    sync(&mut script);
    assert!(asks(&mut script));
    assert_eq!(script.received(client), "+OK");
    assert_eq!(script.ask_as(other, "GET a"), "-LOADING Redis is loading the dataset in memory");
    script.node.replay(Replayed::Plain, b"*3\r\n$3\r\nSET\r\n$1\r\nc\r\n$1\r\n1\r\n").expect("a command");
    script.node.loaded_log(Err("damaged".to_owned()));
    assert_eq!(script.received(client), "-ERR Error trying to load the AOF files, check server logs.");
    assert_eq!(script.ask_as(other, "MGET a b c"), "[1 2 $-1]");
}

#[test]
fn who_becomes_a_replica_lets_those_wait_who_wait_for_its_disk_alone() {
    let mut script = on_disk();
    let (client, other) = (script.client(), script.connect());
    assert_eq!(script.ask("SET a 1"), "");
    assert_eq!(script.ask_as(other, "REPLICAOF other 1"), "+OK");
    assert_eq!(script.received(client), "");
    sync(&mut script);
    assert_eq!(script.received(client), "+OK");
}

/// The node becomes a replica, and gets other data that ends at an offset of another history.
fn sync_from_another(script: &mut Script, offset: u64) {
    let other = script.connect();
    script.ask_as(other, "REPLICAOF other 1");
    let id = "8de1787ba490483314a4d30f1c628bc5025eb761";
    let decision = format!("+PONG\r\n+OK\r\n+OK\r\n+OK\r\n-NOPERM\r\n+FULLRESYNC {id} {offset}\r\n$1\r\nx");
    script.node.link_connected(1);
    script.node.link_received(1, decision.as_bytes());
    let mut source = Script::new();
    source.ask("SET theirs 1");
    let job = source.node.core.snapshot_job(&source.node.keyspace);
    let write = slipstream_rdb::WriteOptions { target: job.disk_target(), compress: true, checksum: true };
    let mut bytes = Vec::new();
    slipstream_rdb::write(job.snapshot, &job.preface, write, &mut bytes).unwrap();
    let options = script.node.load_options(Source::Sync);
    script.node.loaded_sync(1, Ok(load(bytes.as_slice(), options).unwrap()));
    assert_eq!(script.node.core.log.end().0, offset);
}

#[test]
fn data_that_is_replaced_before_the_disk_had_it_is_not_acknowledged() {
    for (is_lost, is_primary_again) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut script = on_disk();
        let (client, other) = (script.client(), script.connect());
        script.ask("SET a 1");
        if is_lost {
            script.node.aof_reported(Report::Lost("Input/output error".to_owned()));
        }
        sync_from_another(&mut script, 5);
        if is_primary_again {
            script.ask_as(other, "REPLICAOF NO ONE");
        }
        script.node.tick();
        assert!(script.received(client).starts_with("-NOREPLACK"), "{is_lost} {is_primary_again}");
    }
}

#[test]
fn a_file_that_is_switched_off_is_brought_to_disk_before_its_replies_go() {
    let mut script = on_disk();
    let (client, other) = (script.client(), script.connect());
    script.ask("SET a 1");
    assert_eq!(script.ask_as(other, "CONFIG SET appendonly no"), "+OK");
    script.node.tick();
    assert_eq!(script.received(client), "");
    assert_eq!(script.ask_as(other, "SET b 1"), "+OK", "what comes now waits for nothing");
    sync(&mut script);
    assert_eq!(script.received(client), "+OK");
}

#[test]
fn a_file_that_is_switched_off_answers_no_write_that_it_never_had_on_disk() {
    let mut script = on_disk();
    let (client, second, other) = (script.client(), script.connect(), script.connect());
    script.ask("SET a 1");
    let had = script.node.core.log.end();
    script.ask_as(second, "SET b 1");
    script.node.tick();
    let end = script.node.core.log.end();
    assert_eq!(script.ask_as(other, "CONFIG SET appendonly no"), "+OK");
    script.node.tick();
    let progress = Progress { number: 1, written: end, durable: had, size: 0 };
    script.node.aof_reported(Report::Progress(progress));
    assert_eq!((&*script.received(client), &*script.received(second)), ("+OK", ""));
    script.node.aof_reported(Report::Lost("Input/output error".to_owned()));
    let never = "-NOREPLACK The write was done here, but the append-only file was switched off before it was on disk.";
    assert_eq!(script.received(second), never);
}

#[test]
fn a_file_that_is_switched_off_leaves_what_waits_for_replicas_to_them() {
    let mut script = on_disk();
    let (client, other) = (script.client(), script.connect());
    let replica = attach(&mut script);
    script.node.receive(client, b"CLIENT DURABILITY 1\r\nSET a 1\r\nCLIENT DURABILITY 0\r\n");
    assert_eq!(script.received(client), "+OK");
    let had = script.node.core.log.end();
    script.ask("SET b 1");
    script.ask_as(other, "CONFIG SET appendonly no");
    script.node.tick();
    let progress = Progress { number: 1, written: had, durable: had, size: 0 };
    script.node.aof_reported(Report::Progress(progress));
    script.node.aof_reported(Report::Lost("Input/output error".to_owned()));
    assert_eq!(script.received(client), "");
    ack(&mut script, replica);
    let received = script.received(client);
    assert!(received.starts_with("+OK +OK -NOREPLACK"), "{received}");
}

#[test]
fn a_client_that_is_closed_gets_nothing_that_is_held() {
    let (mut script, replica) = synchronous(0);
    let (client, other) = (script.client(), script.connect());
    script.ask("SET a 1");
    assert_eq!(script.ask_as(other, "CLIENT KILL ID 1"), ":1");
    script.node.closed(client);
    ack(&mut script, replica);
    assert!(!script.node.core.replication.replicas.is_awaited());
}

#[test]
fn held_replies_count_in_the_output_limit() {
    let (mut script, _) = synchronous(0);
    script.node.core.config.client_output_buffer_limit.normal =
        OutputLimit { hard: 4000, soft: 0, soft_seconds: 0 };
    let client = script.client();
    let closed = |script: &mut Script| script.disconnected().contains(&client);
    for _ in 0..20 {
        script.ask("SET a 1");
    }
    assert!(!closed(&mut script));
    for _ in 0..200 {
        script.ask("SET a 1");
    }
    assert!(closed(&mut script), "each takes more than its five bytes");
}
