//! The bodies of the fuzz targets over variations of known inputs.

mod bodies;

use slipstream_aof::{At, Sealing, encode_end, encode_timestamp};
use slipstream_log::{History, Offset, ReplicationId};

/// Each with bytes changed, left out and doubled at places from a seed.
fn vary(inputs: &[Vec<u8>], body: fn(&[u8])) {
    let mut rng = fastrand::Rng::with_seed(5);
    for input in inputs {
        body(input);
        for _ in 0..2000 {
            let mut changed = input.clone();
            for _ in 0..rng.usize(1..4) {
                let at = rng.usize(..changed.len());
                match rng.u8(..4) {
                    0 => changed[at] = rng.u8(..),
                    1 => changed.truncate(at + 1),
                    2 => drop(changed.drain(at..(at + rng.usize(1..20)).min(changed.len()))),
                    _ => {
                        let copy = changed[at..(at + 30).min(changed.len())].to_vec();
                        changed.splice(at..at, copy);
                    }
                }
                if changed.is_empty() {
                    changed.push(b'#');
                }
            }
            body(&changed);
        }
    }
}

fn file() -> Vec<u8> {
    let set = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
    let history = History::new(ReplicationId::parse(&[b'a'; 40]).expect("an id"));
    // The first byte is the step of the body.
    let mut file = vec![7];
    At { offset: Offset(10), history, database: 0 }.encode(&mut file);
    let mut offset = Offset(10);
    for number in 0..4 {
        if number == 2 {
            encode_timestamp(&mut file, 1_700_000_000);
        }
        let mut sealing = Sealing::default();
        sealing.push(set);
        file.extend(sealing.seal(offset, Offset(offset.0 - offset.0 % 2)));
        file.extend_from_slice(set);
        offset = offset.advanced(set.len());
    }
    encode_end(&mut file, offset);
    file
}

#[test]
fn files_of_any_bytes_are_read_the_same_in_any_pieces() {
    let mut foreign =
        b"\x05*1\r\n$5\r\nMULTI\r\n#TS:7\r\n*2\r\n$4\r\nINCR\r\n$1\r\na\r\n*1\r\n$4\r\nEXEC\r\n".to_vec();
    foreign.extend_from_within(1..);
    let mixed = [&file()[..], &foreign[1..], &file()[1..]].concat();
    vary(&[file(), foreign, mixed], bodies::aof_scan);
}

#[test]
fn manifests_of_any_bytes_are_refused_or_taken_again() {
    let id = "0123456789abcdef0123456789abcdef01234567";
    let text = format!(
        "# remark\nfile a.1.base.rdb seq 1 type b\nfile \"b \\x41\" seq 1 type h\n\
         file a.2.incr.aof seq 2 type i startoffset 5 history {id}\nfile c seq 3 type i x y\n"
    );
    vary(&[text.into_bytes()], bodies::aof_manifest);
}
