//! A dataset with every type and every encoding that Redis gives it, in several databases, with and without expiry.
//!
//! Built by ordinary commands, so that any server can be filled with it; the same for every server, from one seed.

use fastrand::Rng;
use redis::Cmd;

use crate::client::{Client, command};

/// Keys beside the special ones, so that a full sync takes long enough for writes to fall into it.
const PLAIN_KEYS: usize = 20_000;
const BATCH: usize = 2_000;

/// Fills an empty server.
#[track_caller]
pub(crate) fn fill(client: &mut Client) {
    let mut random = Rng::with_seed(1);
    send(client, [special(&mut random), plain(&mut random)].concat());
}

/// The same without the mass of plain keys.
#[track_caller]
pub(crate) fn fill_special(client: &mut Client) {
    send(client, special(&mut Rng::with_seed(1)));
}

/// Strings alone, `key:0` and on, of so many bytes that no compression makes fewer.
#[track_caller]
pub(crate) fn fill_noise(client: &mut Client, random: &mut Rng, keys: usize, bytes: usize) {
    let set = |key| with("SET", [format!("key:{key}").into_bytes(), noise(random, bytes)]);
    send(client, (0..keys).map(set).collect());
}

#[track_caller]
fn send(client: &mut Client, mut commands: Vec<Cmd>) {
    while !commands.is_empty() {
        let batch = commands.drain(..BATCH.min(commands.len()));
        client.pipeline::<redis::Value>(batch);
    }
}

fn special(random: &mut Rng) -> Vec<Cmd> {
    let mut commands = strings(random);
    commands.extend(lists(random));
    commands.extend(sets());
    commands.extend(hashes(random));
    commands.extend(sorted_sets(random));
    commands.extend(streams(random));
    commands.extend(expiries());
    commands.extend(other_databases());
    commands
}

fn with(name: &str, arguments: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Cmd {
    let mut command = redis::cmd(name);
    for argument in arguments {
        command.arg(argument.as_ref());
    }
    command
}

fn noise(random: &mut Rng, length: usize) -> Vec<u8> {
    (0..length).map(|_| random.u8(..)).collect()
}

fn strings(random: &mut Rng) -> Vec<Cmd> {
    let values: [(&str, Vec<u8>); 9] = [
        ("empty", Vec::new()),
        ("int", b"12345".to_vec()),
        ("int-min", i64::MIN.to_string().into_bytes()),
        ("int-beyond", b"9223372036854775808".to_vec()),
        ("not-quite-int", b"007".to_vec()),
        ("embedded", b"at most forty-four bytes".to_vec()),
        ("binary", (0..=255).collect()),
        ("compressible", b"slipstream ".repeat(50_000)),
        ("incompressible", noise(random, 300_000)),
    ];
    let mut commands: Vec<Cmd> = values
        .iter()
        .map(|(name, value)| with("SET", [format!("string:{name}").as_bytes(), value]))
        .collect();
    commands.push(with("SET", [&noise(random, 40)[..], b"under a binary key"]));
    commands.push(command("SET string:appended 1"));
    commands.push(command("APPEND string:appended 2"));
    commands
}

fn lists(random: &mut Rng) -> Vec<Cmd> {
    let elements = (0..5_000).map(|i| format!("element:{i}"));
    let mut long = with("RPUSH", ["list:long"]);
    elements.for_each(|element| {
        long.arg(element);
    });
    let huge = [noise(random, 20_000), b"small".to_vec(), b"z".repeat(70_000)];
    let mut big_elements = with("RPUSH", ["list:big-elements"]);
    huge.iter().for_each(|element| {
        big_elements.arg(element);
    });
    let numbers =
        command("RPUSH list:numbers 0 -1 127 128 -32768 8388607 2147483648 -9223372036854775808 1.5");
    vec![command("RPUSH list:short a b c"), numbers, long, big_elements]
}

fn sets() -> Vec<Cmd> {
    let many = |key: &str, member: fn(u32) -> String| {
        with("SADD", std::iter::once(key.to_owned()).chain((0..2_000).map(member)))
    };
    vec![
        command("SADD set:int16 1 2 3 -32768"),
        command("SADD set:int32 1 2147483647"),
        command("SADD set:int64 1 -9223372036854775808"),
        command("SADD set:listpack a b c 1 2 3"),
        many("set:hashtable", |i| format!("member:{i}")),
        many("set:many-ints", |i| (i * 7919).to_string()),
        with("SADD", ["set:long-member", &"m".repeat(500)]),
    ]
}

fn hashes(random: &mut Rng) -> Vec<Cmd> {
    let mut big = with("HSET", ["hash:hashtable"]);
    for i in 0..2_000 {
        big.arg(format!("field:{i}")).arg(noise(random, 12));
    }
    let long_value = with("HSET", ["hash:long-value", "field", &"v".repeat(1_000)]);
    vec![command("HSET hash:listpack name ada born 1815 1 -1"), big, long_value]
}

fn sorted_sets(random: &mut Rng) -> Vec<Cmd> {
    let mut big = with("ZADD", ["zset:skiplist"]);
    for i in 0..2_000 {
        big.arg(random.f64() * 1e6 - 5e5).arg(format!("member:{i}"));
    }
    let scores = "ZADD zset:listpack 0.1 tenth -0 zero 3 three inf most -inf least 1e300 large 5e-324 tiny";
    vec![command(scores), command("ZADD zset:ties 1 b 1 a 1 c"), big]
}

/// Short and long, with entries of the same names and of others, trimmed, with holes, and without any entry left.
fn streams(random: &mut Rng) -> Vec<Cmd> {
    let mut commands = vec![
        command("XADD stream:short 5-1 name ada born 1815"),
        command("XADD stream:short 5-2 name alan"),
        with("XADD", [b"stream:binary", &b"1700000000000-7"[..], b"", &noise(random, 5_000)]),
        command("XADD stream:emptied 18446744073709551615-18446744073709551614 f v"),
        command("XDEL stream:emptied 18446744073709551615-18446744073709551614"),
        command("EXPIRE stream:emptied 100000"),
    ];
    for number in 0..2_500_u32 {
        let id = format!("{}-{}", 1_700_000_000_000 + u64::from(number) / 3 * 7, number % 3);
        let temperature = random.i32(-400..400).to_string();
        commands.push(match number % 50 {
            0 => with("XADD", ["stream:long", &id, "event", "restart"]),
            _ => with("XADD", ["stream:long", &id, "sensor", "7", "temperature", &temperature]),
        });
    }
    commands.push(command("XDEL stream:long 1700000000700-0 1700000000700-1 1700000005829-0"));
    commands.push(command("XTRIM stream:long MAXLEN 2222"));
    commands
}

fn expiries() -> Vec<Cmd> {
    [
        "SET expires:string value EX 100000",
        "RPUSH expires:list a",
        "PEXPIREAT expires:list 4102444800123",
        "HSET expires:hash a 1",
        "EXPIRE expires:hash 100000",
        "ZADD expires:zset 1 a",
        "EXPIRE expires:zset 100000",
        "SADD expires:set 1",
        "EXPIRE expires:set 100000",
        "SET short:gone value PX 20",
    ]
    .map(command)
    .into()
}

fn plain(random: &mut Rng) -> Vec<Cmd> {
    (0..PLAIN_KEYS).map(|i| with("SET", [format!("plain:{i}").into_bytes(), noise(random, 100)])).collect()
}

/// Ends in database 0, as it began.
fn other_databases() -> Vec<Cmd> {
    ["SELECT 1", "SET one first", "RPUSH two a b", "SELECT 15", "SET last key EX 100000", "SELECT 0"]
        .map(command)
        .into()
}
