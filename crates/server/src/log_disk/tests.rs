//! Files of the log, in a folder of their own each: what is written is read, what is damaged is found.

use super::*;

fn id() -> ReplicationId {
    ReplicationId::parse(&[b'a'; 40]).unwrap()
}

/// A segment in the current folder, removed with the value.
struct Kept(Option<Segment>);

impl Kept {
    fn new(start: u64) -> Kept {
        Kept(Some(Segment::create(&id(), Offset(start)).unwrap()))
    }

    fn segment(&mut self) -> &mut Segment {
        self.0.as_mut().unwrap()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(Segment::remove);
    }
}

#[test]
fn a_block_is_found_by_each_of_its_offsets() {
    let mut kept = Kept::new(1_000_000_000_100);
    let segment = kept.segment();
    let base = 1_000_000_000_100;
    for (start, text) in [(base, "abc"), (base + 3, "d"), (base + 4, "efgh")] {
        segment.append(&Slice::new(Offset(start), text.into())).unwrap();
    }
    let check = |offset: u64, expected: Option<(u64, &str)>| {
        let found = segment.read(Offset(offset)).unwrap();
        let found = found.as_ref().map(|block| (block.start().0, str::from_utf8(block).unwrap()));
        assert_eq!(found, expected, "{offset}");
    };
    check(base - 1, None);
    check(base, Some((base, "abc")));
    check(base + 2, Some((base, "abc")));
    check(base + 3, Some((base + 3, "d")));
    check(base + 7, Some((base + 4, "efgh")));
    check(base + 8, None);
}

#[test]
fn damage_is_found() {
    let mut kept = Kept::new(2_000_000_000_000);
    let segment = kept.segment();
    segment.append(&Slice::new(Offset(2_000_000_000_000), b"abcdef".to_vec())).unwrap();
    segment.file.write_all_at(b"X", (HEADER_LEN + FRAME_HEADER_LEN + 2) as u64).unwrap();
    let error = segment.read(Offset(2_000_000_000_000)).unwrap_err().to_string();
    assert!(error.ends_with("is damaged at byte 64"), "{error}");
}

#[test]
fn a_name_tells_its_process() {
    assert_eq!(process_of("backlog-17-00000000000000000420.log"), Some(17));
    for name in ["backlog-17.log", "backlog-x-1.log", "backlog-17-x.log", "backlog-17-1.txt", "dump.rdb"] {
        assert_eq!(process_of(name), None, "{name}");
    }
}

#[test]
fn only_a_file_that_begins_as_ours_is_ours() {
    let path = std::env::temp_dir().join(format!("slipstream-{}-foreign", std::process::id()));
    let check = |content: &[u8], expected| {
        fs::write(&path, content).unwrap();
        assert_eq!(is_ours(&path), expected, "{content:?}");
    };
    check(&header(&id(), Offset(5)), true);
    check(b"SLIP", true);
    check(b"something else", false);
    fs::remove_file(&path).unwrap();
}
