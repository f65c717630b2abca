//! What a manifest is taken for, in tables.

use super::*;

fn file(name: &str, sequence: u64) -> File {
    File { name: name.to_owned(), sequence }
}

fn names(files: &[File]) -> Vec<&str> {
    files.iter().map(|file| file.name.as_str()).collect()
}

fn parse(text: &str) -> Manifest {
    Manifest::parse(text.as_bytes()).unwrap()
}

#[test]
fn a_manifest_of_redis_is_read() {
    let manifest = parse(
        "# a remark, however it goes on: file x\n\
         file appendonly.aof.2.base.rdb seq 2 type b\n\
         file appendonly.aof.1.incr.aof seq 1 type h\n\
         file \"a \\\"b\\\" \\xc3\\xa9.aof\" seq 4 type i\n\
         FILE appendonly.aof.5.incr.aof Seq 5 tYpE i startoffset 77\r\n",
    );
    assert_eq!(manifest.base, Some(file("appendonly.aof.2.base.rdb", 2)));
    assert_eq!(names(&manifest.history), ["appendonly.aof.1.incr.aof"]);
    let increments: Vec<File> = manifest.increments.iter().map(|increment| increment.file.clone()).collect();
    assert_eq!(increments, [file("a \"b\" é.aof", 4), file("appendonly.aof.5.incr.aof", 5)]);
    assert!(manifest.increments.iter().all(|increment| increment.start.is_none()));
}

#[test]
fn what_is_written_is_read_again() {
    let start = Start { offset: Offset(5000), history: ReplicationId::parse(&[b'c'; 40]).unwrap() };
    let names = ["plain", "a b", "#b", "a\"b", "a'b", "tab\t", "line\nend", "é", "\u{1}"];
    let increment = |(index, name): (usize, &&str)| Increment {
        file: file(name, index as u64 + 3),
        start: (index % 2 == 0).then_some(start),
    };
    let manifest = Manifest {
        base: Some(file("base one", 9)),
        history: vec![file("old", 1), file("older \\x", 7)],
        increments: names.iter().enumerate().map(increment).collect(),
    };
    // A name with a separator is none.
    let encoded = String::from_utf8(manifest.encode()).unwrap();
    assert!(Manifest::parse(encoded.as_bytes()).is_err());
    let manifest = Manifest { history: vec![file("old", 1)], ..manifest };
    assert_eq!(Manifest::parse(&manifest.encode()), Ok(manifest));
}

#[test]
fn what_redis_refuses_is_refused_in_its_words() {
    let valid = "file a seq 1 type b\n";
    let long = format!("file a seq 1 type i x {}\n", "y".repeat(1024));
    for (text, line, reason) in [
        ("", None, "Found an empty AOF manifest"),
        ("file a seq 1 type i", Some(1), "The AOF manifest file contains too long line"),
        (&long, Some(1), "The AOF manifest file contains too long line"),
        ("\n", Some(1), INVALID),
        ("file a seq 1\n", Some(1), INVALID),
        ("file a seq 1 type i more\n", Some(1), INVALID),
        ("file a seq 0 type i\n", Some(1), INVALID),
        ("file a seq x type i\n", Some(1), INVALID),
        ("file \"a seq 1 type i\n", Some(1), INVALID),
        ("file a seq 1 type \"\"\n", Some(1), INVALID),
        ("file a seq 1 type x\n", Some(1), "Unknown AOF file type"),
        ("file ../a seq 1 type i\n", Some(1), "File can't be a path, just a filename"),
        ("file .. seq 1 type i\n", Some(1), "File can't be a path, just a filename"),
        ("file a seq 1 type b\nfile b seq 2 type b\n", Some(2), "Found duplicate base file information"),
        ("file a seq 2 type i\nfile b seq 2 type i\n", Some(2), "Found a non-monotonic sequence number"),
        ("file a seq 1 type b\nfile a seq 2 type i\n", Some(2), "Found a file name twice"),
    ] {
        let error = Manifest::parse(text.as_bytes()).unwrap_err();
        assert_eq!((error.line.map(|(number, _)| number), error.reason), (line, reason), "{text}");
    }
    assert!(!parse(valid).is_empty());
    assert!(parse("# nothing\n").is_empty());
}

#[test]
fn what_is_written_can_be_read_however_long_a_name_is() {
    // The longest that a file can have.
    for character in ["\u{e9}", "\u{85}", "\u{1f600}"] {
        let name = character.repeat(255 / character.len());
        let start = Start { offset: Offset(u64::MAX), history: ReplicationId::parse(&[b'a'; 40]).unwrap() };
        let increments = vec![Increment { file: file(&name, MAX_SEQUENCE), start: Some(start) }];
        let manifest = Manifest { increments, ..Manifest::default() };
        assert_eq!(Manifest::parse(&manifest.encode()), Ok(manifest));
    }
}

#[test]
fn both_of_our_pairs_say_where_an_increment_begins() {
    let id = "0123456789abcdef0123456789abcdef01234567";
    let start = |pairs: &str| parse(&format!("file a seq 1 type i{pairs}\n")).increments[0].start;
    let history = ReplicationId::parse(id.as_bytes()).unwrap();
    assert_eq!(start(&format!(" history {id} startoffset 7")), Some(Start { offset: Offset(7), history }));
    assert_eq!(start(" startoffset 7"), None);
    assert_eq!(start(&format!(" history {id}")), None);
    assert_eq!(start(&format!(" history {id}0 startoffset 7")), None);
}

#[test]
fn numbers_go_on_behind_what_is_there() {
    let mut manifest = Manifest::default();
    assert_eq!(manifest.next_base("a.aof", BaseFormat::Rdb, 0), file("a.aof.1.base.rdb", 1));
    assert_eq!(manifest.next_increment("a.aof", 0), file("a.aof.1.incr.aof", 1));
    manifest.history = vec![file("a.aof.1.incr.aof", 1), file("a.aof.2.incr.aof", 2)];
    assert_eq!(manifest.next_increment("a.aof", 0), file("a.aof.3.incr.aof", 3));
    manifest.base = Some(file("a.aof.4.base.rdb", 4));
    assert_eq!(manifest.next_base("a.aof", BaseFormat::Commands, 0), file("a.aof.5.base.aof", 5));
}

#[test]
fn a_new_base_makes_what_it_is_made_of_history() {
    let increment = |sequence| Increment { file: file(&format!("i{sequence}"), sequence), start: None };
    let mut manifest = Manifest {
        base: Some(file("b1", 1)),
        history: vec![file("h", 1)],
        increments: vec![increment(2), increment(3), increment(5)],
    };
    manifest.replace_base(file("b2", 2), 5);
    assert_eq!(manifest.base, Some(file("b2", 2)));
    assert_eq!(names(&manifest.history), ["h", "b1", "i2", "i3"]);
    assert_eq!(manifest.increments, [increment(5)]);
    assert_eq!(names(&manifest.files().cloned().collect::<Vec<_>>()), ["b2", "i5"]);
}

#[test]
fn names_are_made_of_the_file_name() {
    assert_eq!(manifest_name("a.aof"), "a.aof.manifest");
    assert_eq!(temporary_name(&manifest_name("a.aof")), "temp-a.aof.manifest");
}
