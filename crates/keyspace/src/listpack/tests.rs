//! Listpacks against a plain vector, against bytes that Redis wrote, and against damage.

use super::*;

fn packed(elements: &[&[u8]]) -> Listpack<'static> {
    let mut listpack = Listpack::new();
    for element in elements {
        listpack.push_back(element);
    }
    listpack
}

fn check(listpack: &Listpack, expected: &[Vec<u8>]) {
    assert_eq!(validate(listpack.bytes()), Ok(expected.len()));
    assert_eq!(listpack.len(), expected.len());
    let forwards: Vec<_> = listpack.iter().map(|item| item.to_vec()).collect();
    assert_eq!(forwards, expected);
    let mut backwards: Vec<_> = listpack.iter_rev().map(|item| item.to_vec()).collect();
    backwards.reverse();
    assert_eq!(backwards, expected);
}

fn sample() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = vec![b"".to_vec(), b"a".to_vec(), b"007".to_vec(), b"-0".to_vec()];
    for bits in 0..64 {
        for number in
            [(1i64 << bits).wrapping_sub(1), 1i64 << bits, (1i64 << bits).wrapping_neg().wrapping_sub(1)]
        {
            all.push(number.to_string().into_bytes());
        }
    }
    for len in [63, 64, 125, 126, 127, 4095, 4096, 16380, 16383, 70000] {
        all.push(vec![b'x'; len]);
    }
    all
}

#[test]
fn every_encoding_reads_back() {
    let sample = sample();
    let slices: Vec<&[u8]> = sample.iter().map(Vec::as_slice).collect();
    let listpack = packed(&slices);
    check(&listpack, &sample);
    for (index, element) in sample.iter().enumerate() {
        assert_eq!(listpack.get(index).unwrap().to_vec(), *element);
        let found = listpack.find(listpack.first().unwrap(), element, 1).unwrap();
        assert!(listpack.at(found).is(element));
    }
    check(&Listpack::from_bytes(listpack.bytes()).unwrap(), &sample);
}

#[test]
fn edits_from_a_seed_match_a_vector() {
    let mut rng = fastrand::Rng::with_seed(1);
    let sample = sample();
    let mut model: Vec<Vec<u8>> = Vec::new();
    let mut listpack = Listpack::new();
    for _ in 0..4000 {
        let element = &sample[rng.usize(..sample.len() - 3)];
        let at = rng.usize(..=model.len());
        match rng.u8(..8) {
            0 | 1 => {
                listpack.push_front(element);
                model.insert(0, element.clone());
            }
            2 => {
                listpack.push_back(element);
                model.push(element.clone());
            }
            3 if at < model.len() => {
                listpack.insert(listpack.seek(at).unwrap(), element);
                model.insert(at, element.clone());
            }
            4 if at < model.len() => {
                listpack.replace(listpack.seek(at).unwrap(), element);
                model[at].clone_from(element);
            }
            5 | 6 if at < model.len() => {
                let count = rng.usize(1..4);
                let removed = listpack.remove(listpack.seek(at).unwrap(), count);
                assert_eq!(removed, model.drain(at..model.len().min(at + count)).count());
            }
            _ => {
                let right = listpack.split_off(at);
                check(&right, &model[at..]);
                check(&listpack, &model[..at]);
                listpack.absorb(&right);
            }
        }
        check(&listpack, &model);
    }
}

#[test]
fn find_with_a_stride_looks_at_fields_only() {
    let listpack = packed(&[b"1", b"2", b"2", b"1"]);
    let first = listpack.first().unwrap();
    assert_eq!(listpack.find(first, b"2", 2), listpack.seek(2));
    assert_eq!(listpack.find(first, b"2", 1), listpack.seek(1));
    assert_eq!(listpack.find(first, b"3", 2), None);
}

fn unhex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// The blocks inside what Valkey 9 answers to DUMP.
#[test]
fn the_bytes_are_those_of_redis() {
    for (elements, block) in [
        (&["a", "1", "-5", "1000", ""][..], "1400000005008161020101dffb02c3e8028001ff"),
        (&["f1", "v1", "f2", "22"], "1500000004008266310382763103826632031601ff"),
        (
            &["e", "-inf", "c", "0.1", "a", "1", "b", "2.5", "d", "1e+300"],
            "300000000a00816502842d696e660581630283302e3104816102010181620283322e35048164028631652b33303007ff",
        ),
    ] {
        let mut ours = Listpack::new();
        elements.iter().for_each(|element| ours.push_back(element.as_bytes()));
        assert_eq!(ours.bytes(), unhex(block));
        let theirs = Listpack::from_bytes(&unhex(block)).unwrap();
        assert!(
            theirs.iter().map(|item| item.to_vec()).eq(elements.iter().map(|element| element.as_bytes()))
        );
    }
}

#[test]
fn damaged_bytes_are_refused_or_stay_readable() {
    let whole = packed(&[b"field", b"12345", b"other", &[b'z'; 200], b"-7", b"x"]);
    for len in 0..whole.byte_len() {
        assert!(validate(&whole.bytes()[..len]).is_err(), "cut to {len}");
    }
    for at in 0..whole.byte_len() {
        for flip in 1..=255u8 {
            let mut bytes = whole.bytes().to_vec();
            bytes[at] ^= flip;
            if let Ok(listpack) = Listpack::from_bytes(&bytes) {
                assert_eq!(listpack.iter().count(), listpack.iter_rev().count());
            }
        }
    }
}
