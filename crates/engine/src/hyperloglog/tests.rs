//! Both encodings against plain registers, and runs that anybody may have written.

use super::*;

const MOST: usize = 3000;

/// The runs of a sparse one, as PFDEBUG DECODE writes them.
fn shown(bytes: &[u8]) -> String {
    let one = |run: Result<sparse::Run, Corrupt>| match run {
        Ok(run) if run.value > 0 => format!("v:{},{}", run.value, run.length),
        Ok(run) if run.size == 1 => format!("z:{}", run.length),
        Ok(run) => format!("Z:{}", run.length),
        Err(Corrupt) => "corrupt".to_owned(),
    };
    runs(bytes).map(one).collect::<Vec<_>>().join(" ")
}

fn set_all(bytes: &mut Vec<u8>, most: usize, values: &[(usize, u8)]) {
    for (index, value) in values {
        let placed = Placed { index: *index, value: *value };
        set(bytes, placed, most, &mut Cursor::default()).unwrap();
    }
}

fn registers_of(bytes: &[u8]) -> Vec<u8> {
    let mut registers = Registers::default();
    registers.merge(encoding(bytes).unwrap(), bytes).unwrap();
    registers.values().to_vec()
}

#[track_caller]
fn check(values: &[(usize, u8)], expected: &str) {
    let mut bytes = empty();
    set_all(&mut bytes, MOST, values);
    assert_eq!(shown(&bytes), expected, "{values:?}");
}

#[test]
fn runs_are_split_where_a_register_is_set() {
    check(&[], "Z:16384");
    check(&[(0, 3)], "v:3,1 Z:16383");
    check(&[(16_383, 3)], "Z:16383 v:3,1");
    check(&[(100, 3)], "Z:100 v:3,1 Z:16283");
    check(&[(100, 3), (50, 1)], "z:50 v:1,1 z:49 v:3,1 Z:16283");
    check(&[(64, 1)], "z:64 v:1,1 Z:16319");
    check(&[(65, 1)], "Z:65 v:1,1 Z:16318");
    check(&[(0, 1), (2, 1), (1, 9)], "v:1,1 v:9,1 v:1,1 Z:16381");
    check(&[(5, 32)], "z:5 v:32,1 Z:16378");
}

#[test]
fn equal_neighbours_become_one_run_of_up_to_four() {
    check(&[(0, 2), (1, 2)], "v:2,2 Z:16382");
    check(&[(0, 2), (1, 2), (2, 2), (3, 2), (4, 2)], "v:2,4 v:2,1 Z:16379");
    check(&[(0, 2), (2, 2), (1, 2)], "v:2,3 Z:16381");
    check(&[(0, 1), (1, 1), (2, 1), (1, 2)], "v:1,1 v:2,1 v:1,1 Z:16381");
}

#[test]
fn a_register_only_rises() {
    let mut bytes = empty();
    let lower = Placed { index: 7, value: 4 };
    set_all(&mut bytes, MOST, &[(7, 5)]);
    assert_eq!(set(&mut bytes, lower, MOST, &mut Cursor::default()), Ok(false));
    assert_eq!(shown(&bytes), "z:7 v:5,1 Z:16376");
    assert_eq!(to_dense(&mut bytes), Ok(true));
    assert_eq!(set(&mut bytes, lower, MOST, &mut Cursor::default()), Ok(false));
    assert_eq!(registers_of(&bytes)[7], 5);
}

#[test]
fn what_is_too_big_for_runs_turns_dense() {
    let mut bytes = empty();
    set_all(&mut bytes, MOST, &[(9, 33)]);
    assert_eq!(encoding(&bytes), Some(Encoding::Dense));
    assert_eq!(registers_of(&bytes)[9], 33);
    let mut bytes = empty();
    set_all(&mut bytes, 21, &[(1000, 1)]);
    assert_eq!(bytes.len(), 21);
    set_all(&mut bytes, 21, &[(1000, 2)]);
    assert_eq!(encoding(&bytes), Some(Encoding::Sparse));
    set_all(&mut bytes, 21, &[(2000, 1)]);
    assert_eq!(encoding(&bytes), Some(Encoding::Dense));
    assert_eq!((registers_of(&bytes)[1000], registers_of(&bytes)[2000]), (2, 1));
}

#[test]
fn both_encodings_hold_what_was_set() {
    let mut random = fastrand::Rng::with_seed(3);
    for most in [200, 1000, 100_000] {
        let (mut either, mut dense) = (empty(), empty());
        to_dense(&mut dense).unwrap();
        let mut expected = vec![0; REGISTERS];
        for _ in 0..3000 {
            // Close together, so that runs meet.
            let (index, value) = (random.usize(..600), random.u8(1..4));
            set_all(&mut either, most, &[(index, value)]);
            set_all(&mut dense, most, &[(index, value)]);
            expected[index] = value.max(expected[index]);
        }
        assert_eq!(registers_of(&either), expected);
        assert_eq!(registers_of(&dense), expected);
        assert_eq!(estimate(&either), estimate(&dense));
    }
}

#[test]
fn merging_in_order_gives_the_bytes_of_setting_one_by_one() {
    let mut random = fastrand::Rng::with_seed(4);
    for most in [300, 3000] {
        for elements in [3_u32, 60, 400, 2000] {
            let mut registers = Registers::default();
            let (mut start, mut other) = (empty(), empty());
            for _ in 0..elements {
                add(&mut start, &random.u32(..).to_le_bytes(), most).unwrap();
                add(&mut other, &random.u32(..).to_le_bytes(), most).unwrap();
            }
            for bytes in [&start, &other] {
                registers.merge(encoding(bytes).unwrap(), bytes).unwrap();
            }
            let mut one_by_one = start.clone();
            set_all(&mut one_by_one, most, &registers.filled().collect::<Vec<_>>());
            invalidate(&mut one_by_one);
            raise_to(&mut start, &registers, most).unwrap();
            assert!(start == one_by_one, "{elements} elements, sparse up to {most}");
        }
    }
}

#[test]
fn registers_that_no_element_gives_are_counted_without_a_panic() {
    for value in [50, 51, 52, 63] {
        let mut registers = Registers::default();
        registers.values_mut().fill(value);
        assert_eq!(registers.cardinality(), 1 << 63, "{value}");
    }
    assert_eq!(Registers::default().cardinality(), 0);
}

#[test]
fn a_header_tells_what_a_string_is() {
    for (bytes, expected) in [
        (&b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0"[..], Some(Encoding::Sparse)),
        (b"HYLL\x01\0\0\0\0\0\0\0\0\0\0", None),
        (b"HYLX\x01\0\0\0\0\0\0\0\0\0\0\0", None),
        (b"HYLL\x00\0\0\0\0\0\0\0\0\0\0\0", None),
        (b"HYLL\x02\0\0\0\0\0\0\0\0\0\0\0", None),
        (b"", None),
    ] {
        assert_eq!(encoding(bytes), expected, "{bytes:?}");
    }
    let mut bytes = empty();
    to_dense(&mut bytes).unwrap();
    assert_eq!(encoding(&bytes), Some(Encoding::Dense));
    bytes.push(0);
    assert_eq!(encoding(&bytes), None);
}

#[test]
fn runs_of_anybody_are_read_to_their_end_and_no_further() {
    let mut random = fastrand::Rng::with_seed(8);
    for _ in 0..20_000 {
        let mut bytes = header(Encoding::Sparse);
        bytes.extend((0..random.usize(..12)).map(|_| random.u8(..)));
        if random.bool() {
            sparse::push_zeros(&mut bytes, random.usize(1..=REGISTERS));
        }
        bytes.extend((0..random.usize(..4)).map(|_| random.u8(..)));
        let covered: Option<usize> = runs(&bytes).map(|run| run.ok().map(|run| run.length)).sum();
        let is_whole = covered == Some(REGISTERS);
        assert_eq!(estimate(&bytes).is_ok(), is_whole, "{bytes:?}");
        assert_eq!(Registers::default().merge(Encoding::Sparse, &bytes).is_ok(), is_whole, "{bytes:?}");
        assert_eq!(to_dense(&mut bytes.clone()).is_ok(), is_whole, "{bytes:?}");
        let placed = Placed { index: random.usize(..REGISTERS), value: random.u8(1..=51) };
        let added = set(&mut bytes, placed, MOST, &mut Cursor::default());
        assert!(added.is_ok() || !is_whole, "{bytes:?}");
    }
}

#[test]
fn the_self_test_passes() {
    assert_eq!(self_test(&mut fastrand::Rng::with_seed(1), MOST), Ok(()));
}
