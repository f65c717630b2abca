//! What is taken of a file: whole, cut anywhere, changed anywhere, of others.

use slipstream_log::ReplicationId;

use super::*;
use crate::{Sealing, encode_end, encode_timestamp};

fn history(digit: u8) -> History {
    History::new(ReplicationId::parse(&[digit; 40]).unwrap())
}

fn at(offset: u64, digit: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    At { offset: Offset(offset), history: history(digit), database: 3 }.encode(&mut bytes);
    bytes
}

fn command(parts: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    slipstream_resp::encode_request(&mut bytes, parts.iter().map(|part| part.as_bytes()));
    bytes
}

fn batch(bytes: &[u8], offset: u64, durable: u64) -> Vec<u8> {
    let mut sealing = Sealing::default();
    sealing.push(bytes);
    let mut sealed = sealing.seal(Offset(offset), Offset(durable));
    sealed.extend_from_slice(bytes);
    sealed
}

fn end(offset: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_end(&mut bytes, Offset(offset));
    bytes
}

/// What came of a file.
#[derive(Clone, Debug, Default, PartialEq)]
struct Outcome {
    /// What was handed on: batches with their offsets, runs of plain commands with theirs.
    taken: Vec<u8>,
    said: Vec<String>,
    good: u64,
    /// How it ends.
    verdict: String,
}

/// Reads `file` as a loader does, so many bytes at a time.
fn read(file: &[u8], step: usize) -> Outcome {
    let (mut scanner, mut outcome) = (Scanner::default(), Outcome::default());
    let (mut from, mut to) = (0, 0);
    outcome.verdict = loop {
        match scanner.step(&file[from..to], (file.len() - from) as u64) {
            Ok(None) if to == file.len() => break format!("{:?}", scanner.ending(&file[from..])),
            Ok(None) => to = file.len().min(to + step),
            Ok(Some(Piece { consumed, content })) => {
                let buffer = &file[from..to];
                match content {
                    Content::Batch { bytes, .. } | Content::Commands { bytes, .. } => {
                        outcome.taken.extend_from_slice(&buffer[bytes]);
                    }
                    Content::At(at) => outcome.said.push(format!("at {} db {}", at.offset, at.database)),
                    Content::End(offset) => outcome.said.push(format!("end {offset}")),
                    Content::Timestamp(seconds) => outcome.said.push(format!("time {seconds}")),
                    Content::Remark => outcome.said.push("remark".to_owned()),
                }
                from += consumed;
                assert_eq!(scanner.position(), from as u64);
            }
            Err(fault) => {
                let proof = scanner.proven().map(|proven| {
                    let mut search = Search::new(proven);
                    file[from..].chunks(step).any(|chunk| search.push(chunk))
                });
                break match (fault, proof) {
                    (Fault::Seal(_), Some(false)) => "torn".to_owned(),
                    (fault, _) => format!("corrupt: {fault}"),
                };
            }
        }
    };
    outcome.good = scanner.good_end();
    outcome
}

/// The same however it comes.
fn check(file: &[u8], verdict: &str, good: usize, taken: &[u8]) {
    let whole = read(file, file.len().max(1));
    assert_eq!((whole.verdict.as_str(), whole.good), (verdict, good as u64), "{}", file.escape_ascii());
    assert_eq!(whole.taken, taken, "{}", file.escape_ascii());
    for step in [1, 7, 64] {
        assert_eq!(read(file, step), whole, "in steps of {step}: {}", file.escape_ascii());
    }
}

const WHOLE: &str = "Whole { has_ended: false }";
const ENDED: &str = "Whole { has_ended: true }";

fn set() -> Vec<u8> {
    command(&["SET", "key", "value"])
}

#[test]
fn batches_of_ours_are_taken_whole() {
    let set = set();
    let two = [&set[..], &set].concat();
    let length = set.len() as u64;
    let mut time = Vec::new();
    encode_timestamp(&mut time, 1_700_000_000);
    let file =
        [at(100, b'a'), batch(&set, 100, 100), time, batch(&two, 100 + length, 100), end(100 + 3 * length)]
            .concat();
    let taken = [&set[..], &two].concat();
    check(&file, ENDED, file.len(), &taken);
    assert_eq!(
        read(&file, 10).said,
        ["at 100 db 3", "time 1700000000", &format!("end {}", 100 + 3 * length)]
    );
    // A start that goes on in the file takes the end back.
    let more = [&file[..], &at(500, b'b'), &batch(&set, 500, 500)].concat();
    check(&more, WHOLE, more.len(), &[&taken[..], &set].concat());
    check(b"", WHOLE, 0, b"");
}

#[test]
fn wherever_it_is_cut_what_is_left_is_whole_batches() {
    let set = set();
    let length = set.len() as u64;
    let pieces: Vec<Vec<u8>> = [at(100, b'a')]
        .into_iter()
        .chain((0..3).map(|n| batch(&set, 100 + n * length, 100 + n * length)))
        .collect();
    let file = pieces.concat();
    for cut in 0..=file.len() {
        let mut good = 0;
        let mut batches = 0;
        for (index, piece) in pieces.iter().enumerate() {
            if good + piece.len() > cut {
                break;
            }
            good += piece.len();
            batches = index;
        }
        let outcome = read(&file[..cut], 16);
        assert_eq!((outcome.good, outcome.taken), (good as u64, set.repeat(batches)), "cut at {cut}");
        let expected: &[&str] = if good == cut { &[WHOLE] } else { &["Cut", "torn"] };
        assert!(expected.contains(&outcome.verdict.as_str()), "cut at {cut}: {}", outcome.verdict);
    }
}

#[test]
fn a_changed_byte_is_never_taken() {
    let set = set();
    let length = set.len() as u64;
    let file = [
        at(100, b'a'),
        batch(&set, 100, 100),
        batch(&set, 100 + length, 100 + length),
        end(100 + 2 * length),
    ]
    .concat();
    let good = set.repeat(2);
    for index in 0..file.len() {
        for flip in [1u8, 2, 4, 0x20, 0x80, 0xff] {
            let mut changed = file.clone();
            changed[index] ^= flip;
            let outcome = read(&changed, 50);
            // Without its name the first line is a remark: then the file is refused at the first seal.
            let is_refused = outcome.verdict.starts_with("corrupt");
            assert!(is_refused || good.starts_with(&outcome.taken), "byte {index} ^ {flip}: {outcome:?}");
            assert_ne!(outcome.verdict, ENDED, "byte {index} ^ {flip}");
        }
    }
}

#[test]
fn damage_before_what_was_durable_is_no_torn_tail() {
    let set = set();
    let length = set.len() as u64;
    let first = [at(100, b'a'), batch(&set, 100, 100)].concat();
    let mut damaged = batch(&set, 100 + length, 100);
    *damaged.last_mut().unwrap() ^= 1;
    let third = |durable| batch(&set, 100 + 2 * length, durable);
    let wrong = "corrupt: a batch whose checksum is wrong";
    let cases = [
        (third(100 + length), "torn"),
        (third(100 + length + 1), wrong),
        (third(100 + 2 * length), wrong),
        (end(100 + 2 * length), wrong),
        (end(100 + length), "torn"),
        (vec![0; 5000], "torn"),
        (third(100 + 2 * length)[..60].to_vec(), "torn"),
    ];
    for (rest, verdict) in cases {
        check(&[&first[..], &damaged, &rest].concat(), verdict, first.len(), &set);
        // As when the disk had got the later block, and not this one.
        check(
            &[&first[..], &vec![0; damaged.len()], &rest].concat(),
            &verdict.replace("a batch whose checksum is wrong", "neither a seal nor a command"),
            first.len(),
            &set,
        );
    }
    let gap = [&first[..], &batch(&set, 100 + length + 1, 100 + length + 1)].concat();
    check(&gap, "corrupt: a batch of another place", first.len(), &set);
}

/// Found by a seed: sectors that never came to disk made a remark of a seal, and then what was behind it was taken
/// without a look at its sum, or refused.
#[test]
fn what_a_crash_makes_of_a_seal_is_nobody_elses() {
    let set = set();
    let length = set.len() as u64;
    let first = [at(100, b'a'), batch(&set, 100, 100)].concat();
    let torn = batch(&set.repeat(2), 100 + length, 100);
    for (byte, from, to) in [(0, 3, 9), (0, 0, 1), (b'*', 0, 1), (b'*', 0, 30), (b' ', 1, 20)] {
        let mut torn = torn.clone();
        torn[from..to].fill(byte);
        check(&[&first[..], &torn].concat(), "torn", first.len(), &set);
        let proof = batch(&set, 100 + 3 * length, 100 + length + 1);
        let outcome = read(&[&first[..], &torn, &proof].concat(), 50);
        assert!(outcome.verdict.starts_with("corrupt"), "{outcome:?}");
    }
    // Redis and Valkey append these.
    let appended = [&first[..], b"#TS:5\r\n", &set].concat();
    check(&appended, WHOLE, appended.len(), &set.repeat(2));
}

#[test]
fn files_of_others_are_taken_command_by_command() {
    let (set, multi, exec) = (set(), command(&["MULTI"]), command(&["exec"]));
    let plain = set.repeat(3);
    check(&plain, WHOLE, plain.len(), &plain);
    let remarks = [b"#TS:5\r\n", &set[..], b"# a remark\n", &set].concat();
    check(&remarks, WHOLE, remarks.len(), &set.repeat(2));
    assert_eq!(read(&remarks, 9).said, ["time 5", "remark"]);
    for cut in 1..set.len() {
        check(&[&set[..], &set[..cut]].concat(), "Cut", set.len(), &set);
    }
    let transaction = [&set[..], &multi, b"#TS:5\r\n", &set, &exec].concat();
    let commands = [&set[..], &multi, &set, &exec].concat();
    check(&transaction, WHOLE, transaction.len(), &commands);
    // One that is open is cut off with its beginning.
    let open = [&set[..], &multi, &set].concat();
    check(&open, "WithinMulti", set.len(), &open);
    check(&[&open[..], b"*2\r\n$4"].concat(), "WithinMulti", set.len(), &open);
    for (bad, reason) in [
        (&b"PING\r\n"[..], "expected '*', got 'P'"),
        (b"*0\r\n", "a command without a name"),
        (b"*x\r\n", "Protocol error: invalid multibulk length"),
        (b"*1\r\nx", "Protocol error: expected '$', got 'x'"),
    ] {
        let file = [&set[..], bad].concat();
        check(&file, &format!("corrupt: {reason}"), set.len(), &set);
    }
}

#[test]
fn what_others_appended_to_ours_is_taken_until_we_go_on() {
    let set = set();
    let ours = [at(100, b'a'), batch(&set, 100, 100)].concat();
    let theirs = [b"#TS:5\r\n", &set[..]].concat();
    let file = [&ours[..], &set, &theirs].concat();
    check(&file, WHOLE, file.len(), &set.repeat(3));
    let file =
        [&ours[..], &end(100 + set.len() as u64), &set, &at(900, b'b'), &batch(&set, 900, 900)].concat();
    check(&file, WHOLE, file.len(), &set.repeat(3));
    let mut scanner = Scanner::default();
    let mut rest = &file[..];
    while let Some(piece) = scanner.step(rest, rest.len() as u64).unwrap() {
        rest = &rest[piece.consumed..];
    }
    assert_eq!(scanner.stream(), Some((history(b'b'), Offset(900 + set.len() as u64))));
    // A seal that lost its name hides no batch.
    let length = set.len() as u64;
    for (durable, verdict) in [(0, "torn"), (101 + length, "corrupt: neither a seal nor a command")] {
        let mut lost =
            [&ours[..], &batch(&set, 100 + length, 0), &batch(&set, 100 + 2 * length, durable)].concat();
        lost[ours.len() + 3] = b'x';
        check(&lost, verdict, ours.len(), &set);
    }
}

#[test]
fn what_is_announced_beyond_the_file_is_not_waited_for() {
    let line = Sealing::default().seal(Offset(100), Offset(100));
    let huge = String::from_utf8(line).unwrap().replace(" 0 100 ", " 99999999999999 100 ");
    let file = [at(100, b'a'), huge.into_bytes(), vec![b'x'; 100]].concat();
    let mut scanner = Scanner::default();
    let piece = scanner.step(&file, file.len() as u64).unwrap().unwrap();
    let rest = &file[piece.consumed..];
    let fault = scanner.step(rest, rest.len() as u64).unwrap_err();
    assert_eq!(fault, Fault::Seal("a batch that is not all there"));
}

#[test]
fn commands_are_counted_as_far_as_they_are_whole() {
    let set = set();
    let text = [b"#SLIPSTREAM SUM garbage\r\n", &set[..], &set, b"#TS:1\r\n", &set, b"*2\r\n$3"].concat();
    assert_eq!(count_commands(&text), 3);
    assert_eq!(count_commands(b""), 0);
    assert_eq!(count_commands(b"#without an end"), 0);
}
