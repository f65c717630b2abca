//! Files of others, whole and broken, and what is said and done about them.

use std::fs;
use std::path::PathBuf;

use super::*;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("slipstream-check-aof-{name}-{}", std::process::id()));
        fs::remove_dir_all(&path).ok();
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.join(name)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";

/// Checks a file and answers `answer` to what is asked; whether it is right, and what was said.
fn run(path: &Path, mending: Mending, answer: &str) -> (bool, String) {
    let mut out = Vec::new();
    let mut answers = answer.as_bytes();
    let right = check(path, mending, &mut Talk { out: &mut out, answers: &mut answers }).unwrap();
    (right, String::from_utf8(out).unwrap())
}

const FIX: Mending = Mending { fixes: true, until: None };

#[track_caller]
fn says(said: &str, lines: &[&str]) {
    for line in lines {
        assert!(said.lines().any(|said| said == *line), "{line} in\n{said}");
    }
}

#[test]
fn a_whole_file_is_valid_and_counted_as_redis_does() {
    let folder = Folder::new("whole");
    let path = folder.write("a.aof", &[b"#TS:5\r\n", SET, MULTI, SET, b"*1\r\n$4\r\nEXEC\r\n"].concat());
    let (right, said) = run(&path, Mending::default(), "");
    assert!(right, "{said}");
    let name = path.display();
    says(
        &said,
        &[
            "Start checking Old-Style AOF",
            &format!("AOF analyzed: filename={name}, size=90, ok_up_to=90, ok_up_to_line=21, diff=0"),
            &format!("AOF {name} is valid"),
            "[info] 4 commands, 0 sealed batches",
            "[info] the last timestamp is 5",
        ],
    );
    let empty = folder.write("empty.aof", b"");
    assert_eq!(run(&empty, FIX, "").1.lines().last(), Some(&*format!("AOF {} is empty", empty.display())));
}

#[test]
fn what_is_broken_is_named_and_cut_off_after_a_question() {
    let folder = Folder::new("broken");
    for (tail, good, fault) in [
        (&b"*2\r\n$3"[..], SET.len(), "Unexpected end of file"),
        (b"nonsense", SET.len(), "expected '*', got 'n'"),
        (&[MULTI, SET].concat(), SET.len(), "Reached EOF before reading EXEC for MULTI"),
    ] {
        let content = [SET, tail].concat();
        let path = folder.write("a.aof", &content);
        let (right, said) = run(&path, Mending::default(), "");
        assert!(!right && said.contains(fault), "{said}");
        let name = path.display();
        says(&said, &[&format!("AOF {name} is not valid. Use the --fix option to try fixing it.")]);
        for refusal in ["", "n\n", "no\n"] {
            let (right, said) = run(&path, FIX, refusal);
            assert!(!right && said.ends_with("Continue? [y/N]: Aborting...\n"), "{said}");
        }
        assert_eq!(folder.read("a.aof"), content);
        let (right, said) = run(&path, FIX, "y\n");
        assert!(right, "{said}");
        let (size, bad) = (content.len(), content.len() - good);
        says(
            &said,
            &[
                &format!(
                    "This will shrink the AOF {name} from {size} bytes, with {bad} bytes, to {good} bytes"
                ),
                &format!("Continue? [y/N]: Successfully truncated AOF {name}"),
            ],
        );
        assert_eq!(folder.read("a.aof"), content[..good]);
    }
}

#[test]
fn a_manifest_is_checked_with_all_it_names_and_only_the_last_is_cut() {
    let folder = Folder::new("manifest");
    let text = "file b.aof seq 1 type b\nfile i1 seq 1 type i\nfile i2 seq 2 type i\n";
    let path = folder.write("a.manifest", text.as_bytes());
    let (right, said) = run(&path, FIX, "y\n");
    assert!(!right && said.contains("Cannot open file") && said.contains("b.aof"), "{said}");
    for name in ["b.aof", "i1", "i2"] {
        folder.write(name, SET);
    }
    let (right, said) = run(&path, Mending::default(), "");
    assert!(right, "{said}");
    says(
        &said,
        &[
            "Start checking Multi Part AOF",
            "Start to check BASE AOF (RESP format).",
            "BASE AOF b.aof is valid",
            "Start to check INCR files.",
            "INCR AOF i2 is valid",
            "All AOF files and manifest are valid",
        ],
    );
    let broken = [SET, b"*"].concat();
    folder.write("i1", &broken);
    let (right, said) = run(&path, FIX, "y\n");
    assert!(!right, "{said}");
    says(&said, &["Failed to truncate AOF i1 because it is not the last file"]);
    assert_eq!(folder.read("i1"), broken);
    folder.write("i1", SET);
    folder.write("i2", &broken);
    assert!(run(&path, FIX, "y\n").0);
    assert_eq!(folder.read("i2"), SET);
    let bad = folder.write("bad.manifest", b"file b.aof seq 1 type b\nfile c seq 1 type x\n");
    let (right, said) = run(&bad, FIX, "y\n");
    assert!(!right);
    says(
        &said,
        &["Reading the manifest file, at line 2", ">>> 'file c seq 1 type x'", "Unknown AOF file type"],
    );
}

#[test]
fn a_manifest_alone_tells_what_is_there() {
    let folder = Folder::new("named");
    let id = "0123456789abcdef0123456789abcdef01234567";
    let text = format!("file i1 seq 1 type i startoffset 7 history {id}\nfile old seq 1 type h\n");
    let path = folder.write("a.manifest", text.as_bytes());
    let mut out = Vec::new();
    assert!(!check_manifest(&path, &mut out).unwrap());
    folder.write("i1", SET);
    let mut out = Vec::new();
    assert!(check_manifest(&path, &mut out).unwrap());
    let said = String::from_utf8(out).unwrap();
    let begins = format!("INCR AOF i1: {} bytes, begins at offset 7 of {id}", SET.len());
    says(&said, &[&begins, "HISTORY AOF old: of no use any more"]);
}

#[test]
fn a_file_is_cut_to_a_time() {
    let folder = Folder::new("time");
    let content = [b"#TS:10\r\n", SET, b"#TS:20\r\n", SET].concat();
    let path = folder.write("a.aof", &content);
    let name = path.display();
    let until = |seconds| Mending { fixes: false, until: Some(seconds) };
    let (right, said) = run(&path, until(5), "");
    assert!(
        !right && said.contains(&format!("AOF {name} has nothing before timestamp 5, aborting...")),
        "{said}"
    );
    let (right, said) = run(&path, until(20), "");
    assert!(right && said.contains(&format!("Truncate nothing in AOF {name} to timestamp 20")), "{said}");
    assert_eq!(folder.read("a.aof"), content);
    let (right, said) = run(&path, until(15), "");
    assert!(right && said.contains(&format!("Successfully truncated AOF {name} to timestamp 15")), "{said}");
    assert_eq!(folder.read("a.aof"), content[..8 + SET.len()]);
}
