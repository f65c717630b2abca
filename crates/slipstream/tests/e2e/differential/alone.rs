//! One client and the commands of every type.

use fastrand::Rng;
use redis::{Cmd, RedisResult, Value};

use super::families::FAMILIES;
use super::words::{self, Keys};
use crate::content::Content;
use crate::peer::Kind::{Ours, Redis7};
use crate::peer::all_found;
use crate::seed::Seed;
use crate::server::Server;

const COMMANDS: usize = 20_000;
/// So many commands at once: one round trip.
const BATCH: usize = 200;
const KEYS: Keys = Keys { each: 12, shared: &["string", "bitmap", "list", "set", "hash", "zset", "stream"] };

#[test]
fn random_commands_are_answered_as_redis_answers_them() {
    if !all_found(&[Redis7]) {
        return;
    }
    let seed = Seed::new(7);
    // Blocks of few entries, so that approximate trimming has whole ones to take, and HyperLogLogs that turn dense soon.
    let servers = [Ours, Redis7]
        .map(|kind| Server::start(kind, &["--stream-node-max-entries 5", "--hll-sparse-max-bytes 400"]));
    let mut clients = [servers[0].client(), servers[1].client()];
    let mut random = seed.random();
    for _ in 0..COMMANDS / BATCH {
        let lines = batch(&mut random);
        let commands: Vec<Cmd> = lines.iter().map(|line| command(line)).collect();
        let answers = clients.each_mut().map(|client| client.replies(&commands));
        for (line, (found, expected)) in lines.iter().zip(answers[0].iter().zip(&answers[1])) {
            let (found, expected) = (comparable(line, found), comparable(line, expected));
            assert_eq!(found, expected, "{}", line.join(" "));
        }
    }
    let [ours, redis] = clients.each_mut().map(Content::read);
    assert!(redis.len() > 50, "only {} keys are left", redis.len());
    ours.assert_equal(&redis);
}

/// Single commands and whole transactions.
fn batch(random: &mut Rng) -> Vec<Vec<String>> {
    let mut lines = Vec::new();
    while lines.len() < BATCH {
        if random.u8(..30) > 0 {
            lines.push(line(random));
            continue;
        }
        lines.push(vec!["MULTI".to_owned()]);
        lines.extend((0..random.u8(1..6)).map(|_| line(random)));
        lines.push(vec![["EXEC", "EXEC", "EXEC", "DISCARD"][random.usize(..4)].to_owned()]);
    }
    lines
}

fn line(random: &mut Rng) -> Vec<String> {
    words::line(&FAMILIES, KEYS, random)
}

fn command(line: &[String]) -> Cmd {
    let mut command = redis::cmd(&line[0]);
    for word in &line[1..] {
        command.arg(word);
    }
    command
}

/// The reply as text, its elements sorted where their order means nothing.
fn comparable(line: &[String], reply: &RedisResult<Value>) -> String {
    let unordered = ["SMEMBERS", "SINTER", "SUNION", "SDIFF", "HKEYS", "HVALS", "HGETALL", "KEYS"];
    match (line[0].as_str(), reply) {
        (_, Err(error)) => error.to_string(),
        ("EXEC", Ok(Value::Array(replies))) => {
            replies.iter().map(|reply| sorted(&lasting(reply))).collect::<Vec<_>>().join("; ")
        }
        ("XPENDING" | "XINFO", Ok(reply)) => format!("{:?}", lasting(reply)),
        (name, Ok(reply)) if unordered.contains(&name) => sorted(reply),
        (_, Ok(reply)) => format!("{reply:?}"),
    }
}

/// A list of pending entries without the times since they were delivered, one of groups without how many consumers
/// they have.
fn lasting(reply: &Value) -> Value {
    let Value::Array(entries) = reply else { return reply.clone() };
    let without = |parts: &[Value], at: usize| Value::Array([&parts[..at], &parts[at + 1..]].concat());
    let shown = entries.iter().map(|entry| match entry {
        Value::Array(parts) if matches!(parts[..], [_, _, Value::Int(_), Value::Int(_)]) => without(parts, 2),
        Value::Array(parts) if parts.len() == 12 => without(parts, 3),
        other => other.clone(),
    });
    Value::Array(shown.collect())
}

fn sorted(reply: &Value) -> String {
    let Value::Array(elements) = reply else { return format!("{reply:?}") };
    let mut elements: Vec<String> = elements.iter().map(|element| format!("{element:?}")).collect();
    elements.sort();
    elements.join(", ")
}
