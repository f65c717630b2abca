//! What an element costs: resident memory that a shape of data adds, divided by its elements.
//!
//! Each shape fills a server of its own, so that no memory freed by another shape is found and used again.

use std::time::Duration;

use super::Settings;
use super::contender::Contender;
use super::pace::pause;
use super::samples::Samples;
use crate::Outcome;

/// Time for a server's allocator and its own tasks to settle before it is weighed.
const SETTLE: Duration = Duration::from_millis(500);

/// A shape of data: so many commands, each of so many elements.
struct Shape {
    name: &'static str,
    commands: u32,
    elements_each: u32,
    command: fn(u32) -> Vec<String>,
}

const SHAPES: &[Shape] = &[
    Shape {
        name: "string of 8 B",
        commands: 1_000_000,
        elements_each: 1,
        command: |i| words(["SET", &format!("k:{i:010}"), &hex(i, 8)]),
    },
    Shape {
        name: "string of 64 B",
        commands: 1_000_000,
        elements_each: 1,
        command: |i| words(["SET", &format!("user:session:{i:010}"), &hex(i, 64)]),
    },
    Shape {
        name: "integer",
        commands: 1_000_000,
        elements_each: 1,
        command: |i| words(["SET", &format!("counter:{i:010}"), &(u64::from(i) * 7919).to_string()]),
    },
    Shape {
        name: "string of 64 B with expiry",
        commands: 1_000_000,
        elements_each: 1,
        command: |i| {
            words([
                "SET",
                &format!("user:session:{i:010}"),
                &hex(i, 64),
                "EX",
                &(100_000 + i % 5_000).to_string(),
            ])
        },
    },
    Shape {
        name: "field of a hash of 10",
        commands: 100_000,
        elements_each: 10,
        command: |i| {
            let fields = (0..10).flat_map(|field| [format!("f{field}"), hex(i * 10 + field, 10)]);
            words(["HSET", &format!("user:{i:08}")]).into_iter().chain(fields).collect()
        },
    },
    Shape {
        name: "field of a big hash",
        commands: 1_000_000,
        elements_each: 1,
        command: |i| words(["HSET", &format!("bh:{}", i % 10), &format!("field:{i:08}"), &hex(i, 16)]),
    },
    Shape {
        name: "member of a sorted set",
        commands: 1_000_000,
        elements_each: 1,
        command: |i| {
            let score = u64::from(i) * 37 % 1_000_003;
            words(["ZADD", &format!("board:{}", i % 10), &score.to_string(), &format!("member:{i:08}")])
        },
    },
    Shape {
        name: "element of a list",
        commands: 1_000_000,
        elements_each: 1,
        command: |i| words(["RPUSH", &format!("q:{}", i % 100), &format!("job:{i:08}:{}", hex(i, 16))]),
    },
    Shape {
        name: "member of a set",
        commands: 1_000_000,
        elements_each: 1,
        command: |i| words(["SADD", &format!("tags:{}", i % 10), &format!("member:{i:08}")]),
    },
    Shape {
        name: "entry of a stream",
        commands: 1_000_000,
        elements_each: 1,
        command: |i| {
            let (key, temperature) = (format!("st:{}", i % 10), (i % 100).to_string());
            words(["XADD", &key, "*", "temp", &temperature, "id", &i.to_string()])
        },
    },
];

pub(super) fn run(contender: &Contender, settings: &Settings, samples: &mut Samples) -> Outcome {
    for shape in SHAPES {
        let server = contender.start(settings.pinning, &[])?;
        let before = server.resident_bytes()?;
        server.client()?.pipeline((0..shape.commands).map(shape.command))?;
        pause(SETTLE);
        let elements = f64::from(shape.commands) * f64::from(shape.elements_each);
        samples.record(
            "resident bytes per element",
            shape.name,
            (server.resident_bytes()? - before) / elements,
        );
    }
    Ok(())
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).into()
}

/// Digits that no two elements share, so that nothing can be folded away.
fn hex(seed: u32, length: usize) -> String {
    // A round of splitmix64, whose output looks random.
    let mixed = (u64::from(seed) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    format!("{:016x}", mixed ^ (mixed >> 27)).repeat(length / 16 + 1)[..length].to_owned()
}
