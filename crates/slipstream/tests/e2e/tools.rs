//! The command-line tools of Redis work against our server unchanged.

use std::process::Command;

use crate::content::Content;
use crate::dataset;
use crate::peer::Kind::{Ours, Redis7};
use crate::peer::{all_found, tool};
use crate::server::Server;

#[test]
fn redis_benchmark_runs_all_its_tests_for_these_types() {
    let Some(benchmark) = tool("redis-benchmark") else { return };
    let server = Server::start(Ours, &[]);
    let tests = "ping,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,lrange_100,mset";
    for pipeline in ["1", "16"] {
        let output = run(Command::new(&benchmark)
            .args(["-p", &server.port.to_string(), "-q", "-n", "2000", "-r", "1000"])
            .args(["-t", tests, "-P", pipeline]));
        // PING is measured inline and as a bulk, and LRANGE first pushes what it reads.
        assert_eq!(output.matches("requests per second").count(), 17, "{output}");
        assert!(!output.contains("ERR"), "{output}");
    }
}

#[test]
fn redis_cli_talks_scans_and_pipes() {
    let Some(cli) = tool("redis-cli") else { return };
    let server = Server::start(Ours, &[]);
    let port = server.port.to_string();
    let call = |words: &[&str]| run(Command::new(&cli).args(["-p", &port]).args(words));
    assert_eq!(call(&["SET", "greeting", "hello world"]), "OK\n");
    assert_eq!(call(&["GET", "greeting"]), "hello world\n");
    assert_eq!(call(&["-3", "HGETALL", "nothing"]), "\n");
    assert_eq!(call(&["--scan"]), "greeting\n");
    assert!(call(&["INFO", "replication"]).contains("role:master"));
    assert!(call(&["--bigkeys"]).contains("greeting"));
}

/// `redis-cli --rdb` is a replica of the oldest kind: it sends SYNC or PSYNC and keeps what it is sent.
#[test]
fn redis_cli_fetches_a_file_that_redis_loads() {
    let Some(cli) = tool("redis-cli") else { return };
    if !all_found(&[Redis7]) {
        return;
    }
    let server = Server::start(Ours, &[]);
    dataset::fill(&mut server.client());

    let mut redis = Server::start(Redis7, &[]);
    redis.kill();
    run(Command::new(cli).args(["-p", &server.port.to_string(), "--rdb"]).arg(redis.folder.join("dump.rdb")));
    redis.restart();
    Content::read(&mut server.client()).assert_equal(&Content::read(&mut redis.client()));
}

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().expect("the tool was found");
    let text = String::from_utf8_lossy(&output.stdout).replace('\r', "\n");
    assert!(output.status.success(), "{command:?}: {}\n{text}", output.status);
    text
}
