//! The primitives of the format, good and broken, however the bytes arrive.
//!
//! Nothing here knows of keys; see `read/tests.rs` for those.

use super::*;

fn source<'a>(bytes: &'a [u8]) -> Source<'a, &'a [u8]> {
    Source::new(bytes, 1 << 20)
}

fn string(bytes: &[u8]) -> std::result::Result<Vec<u8>, String> {
    source(bytes).owned_string().map_err(|error| error.to_string())
}

#[test]
fn lengths_in_all_forms() {
    let check = |bytes: &[u8], expected: u64| assert_eq!(source(bytes).length().unwrap(), expected);
    check(&[0], 0);
    check(&[63], 63);
    check(&[0x40, 64], 64);
    check(&[0x7f, 0xff], 16383);
    check(&[0x80, 0, 0, 0x40, 0], 16384);
    check(&[0x80, 0xff, 0xff, 0xff, 0xff], u64::from(u32::MAX));
    check(&[0x81, 0, 0, 0, 1, 0, 0, 0, 0], 1 << 32);
    let refused = |bytes: &[u8], expected: &str| {
        assert_eq!(source(bytes).length().unwrap_err().to_string(), expected);
    };
    refused(&[0x82], "at offset 1: unknown encoding of a length");
    refused(&[0xc0], "at offset 1: a string's encoding where a length belongs");
    refused(&[0x80, 0, 0], "at offset 3: unexpected end of the snapshot");
    refused(&[], "at offset 0: unexpected end of the snapshot");
}

#[test]
fn strings_in_all_forms() {
    let check = |bytes: &[u8], expected: &str| {
        let found = string(bytes).map_or_else(|error| error, |string| String::from_utf8(string).unwrap());
        assert_eq!(found, expected);
    };
    check(&[0], "");
    check(b"\x03abc", "abc");
    check(&[0xc0, 0x80], "-128");
    check(&[0xc1, 0x39, 0x30], "12345");
    check(&[0xc2, 0xff, 0xff, 0xff, 0x7f], "2147483647");
    check(&[0xc3, 4, 6, 0, b'a', 0x60, 0], "aaaaaa");
    check(&[0xc4], "at offset 1: unknown encoding of a string");
    check(b"\x05abc", "at offset 4: unexpected end of the snapshot");
    check(&[0xc3, 4, 7, 0, b'a', 0x60, 0], "at offset 3: compressed string: shorter than it declares");
    check(
        &[0xc3, 4, 0x7f, 0xff, 0, b'a', 0x60, 0],
        "at offset 4: compressed string: declares more than its bytes can hold",
    );
    check(
        &[0x80, 0xff, 0xff, 0xff, 0xff, 1],
        "at offset 5: a string of 4294967295 bytes is beyond the limit of 1048576",
    );
}

#[test]
fn a_declared_length_is_not_believed() {
    let mut input = vec![0x80, 0, 0x0f, 0xff, 0xff];
    input.extend_from_slice(&[7; 100_000]);
    let mut source = source(&input);
    let mut scratch = Vec::new();
    let error = source.item(&mut scratch).unwrap_err();
    assert_eq!(error.to_string(), "at offset 100005: unexpected end of the snapshot");
    assert!(source.trusted <= STEP, "trusted {}", source.trusted);
    assert!(scratch.capacity() <= 3 * STEP);
}

#[test]
fn sums_and_offsets_hold_however_the_bytes_arrive() {
    struct Drops<'a>(&'a [u8], usize);
    impl Read for Drops<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(buffer.len());
            self.0.read(&mut buffer[..count])
        }
    }
    let bytes: Vec<u8> = (0..300_000u32).map(|i| (i * 31 % 251).to_le_bytes()[0]).collect();
    for drop in [1, 7, 65_535, 65_536, 1 << 20] {
        let mut source = Source::new(Drops(&bytes, drop), u64::MAX);
        let mut output = Vec::new();
        assert_eq!(source.array::<3>().unwrap(), bytes[..3]);
        source.bytes(200_000, &mut output).unwrap();
        source.bytes(10, &mut output).unwrap();
        assert!(output == bytes[3..200_013]);
        assert_eq!(source.offset(), 200_013);
        assert_eq!(source.checksum(), crc64::update(0, &bytes[..200_013]));
    }
}

#[test]
fn the_progress_function_can_stop_it() {
    let bytes = vec![1; 200_000];
    let mut seen = Vec::new();
    let mut progress = |reached: Reached| {
        seen.push(reached.bytes);
        if reached.bytes >= 100_000 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let mut source = Source::new(&bytes[..], u64::MAX);
    source.watch(Some(&mut progress)).unwrap();
    let error = source.bytes(200_000, &mut Vec::new()).unwrap_err();
    assert!(matches!(error.reason, Reason::Interrupted));
    assert_eq!(seen.len(), 3, "at first, and twice on the way");
}

#[test]
fn progress_is_told_within_a_long_string() {
    let bytes = vec![1; 5_000_000];
    let mut last = 0;
    let mut progress = |reached: Reached| {
        let offset = reached.bytes;
        assert!(offset - last <= 256 * 1024, "silent from {last} to {offset}");
        last = offset;
        ControlFlow::Continue(())
    };
    let mut source = Source::new(&bytes[..], u64::MAX);
    source.watch(Some(&mut progress)).unwrap();
    source.bytes(5_000_000, &mut Vec::new()).unwrap();
    assert!(last >= 5_000_000 - 256 * 1024);
}
