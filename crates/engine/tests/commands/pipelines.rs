//! Requests that arrive together are answered as one after the other, in databases so big that their
//! keys are read ahead.

use slipstream_keyspace::{Str, UnixMillis};
use slipstream_resp::encode_request;

use crate::script::Script;

const KEYS: u32 = 21_000;

fn big() -> Script {
    let mut script = Script::new();
    script.on_both(|keyspace| {
        for number in 0..KEYS {
            // Some are due at once: the scripts' clocks stand at one second.
            let deadline = number.is_multiple_of(50).then_some(UnixMillis(500));
            let value = Str::from_int(i64::from(number)).into();
            keyspace.db_mut(0).insert(format!("key:{number}").as_bytes(), value, deadline);
        }
    });
    script.advance(5000);
    script
}

/// A request in words; the keys of some do not stand where the command says, or there are none.
fn request(rng: &mut fastrand::Rng) -> String {
    let mut key = || format!("key:{}", rng.u32(..KEYS + KEYS / 8));
    let (a, b, c) = (key(), key(), key());
    match rng.u32(..18) {
        0..=3 => format!("GET {a}"),
        4 => format!("SET {a} {b}"),
        5 => format!("DEL {a} {b} {c}"),
        6 => format!("MGET {a} {b} {c} {}", [a.as_str(); 300].join(" ")),
        7 => format!("MSET {a} 1 {b} 2 {c}"),
        8 => format!("MSET {a} 1 {b} 2"),
        9 => format!("RENAME {a} {b}"),
        10 => format!("OBJECT IDLETIME {a}"),
        11 => format!("SELECT {}", rng.u32(..3)),
        12 => "MULTI".into(),
        13 => "EXEC".into(),
        14 => "GET".into(),
        15 => format!("NONSENSE {a} {b}"),
        16 => format!("ZUNIONSTORE {a} 2 {b} {c}"),
        _ => format!("SORT {a} STORE {b}"),
    }
}

fn encoded(request: &str, rng: &mut fastrand::Rng) -> Vec<u8> {
    if rng.u32(..8) == 0 {
        return format!("{request}\r\n").into_bytes();
    }
    let words: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
    let mut bytes = Vec::new();
    encode_request(&mut bytes, words.into_iter());
    bytes
}

fn check(seed: u64, tail: &[u8]) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut requests: Vec<Vec<u8>> = (0..300).map(|_| encoded(&request(&mut rng), &mut rng)).collect();
    requests.push(tail.to_vec());
    let (mut together, mut apart) = (big(), big());
    let clients = (together.client(), apart.client());
    together.node.receive(clients.0, &requests.concat());
    requests.iter().for_each(|request| apart.node.receive(clients.1, request));
    assert_eq!(together.received(clients.0), apart.received(clients.1), "seed {seed}");
    assert_eq!(together.propagated(), apart.propagated(), "seed {seed}");
    assert_eq!(together.node.core.stats.expired_keys, apart.node.core.stats.expired_keys, "seed {seed}");
    together.advance(1000);
    apart.advance(1000);
    for number in (0..KEYS).step_by(7) {
        let look = format!("OBJECT IDLETIME key:{number}");
        assert_eq!(together.ask(&look), apart.ask(&look), "seed {seed}");
    }
}

#[test]
fn requests_that_arrive_together_are_answered_as_if_they_came_one_by_one() {
    (1..=4).for_each(|seed| check(seed, b"SELECT 0\r\nDISCARD\r\n"));
}

#[test]
fn a_broken_request_is_answered_behind_those_before_it() {
    check(9, b"SELECT 0\r\nDISCARD\r\nPING\r\n*1\r\n$4\r\nPING\r\n*-5x\r\n");
}

#[test]
fn a_request_that_comes_in_pieces_behind_others_is_answered_when_it_is_whole() {
    let mut script = big();
    let client = script.client();
    script.node.receive(client, b"GET key:1\r\n*3\r\n$4\r\nMGET\r\n$5\r\nkey:2\r\n$5\r\nke");
    assert_eq!(script.received(client), "1");
    script.node.receive(client, b"y:3\r\n*2\r\n$3\r\nGET\r\n$5\r\nkey:4\r\n");
    assert_eq!(script.received(client), "[2 3] 4");
}
