//! Words of a configuration line, written so that [`crate::split_line`] gives them back.
//! What needs no quotes gets none, so that a file that was written by hand stays as it is.

use std::fmt::Write as _;

/// In double quotes, with escapes for what is not printable ASCII.
pub fn quoted(bytes: &[u8]) -> Vec<u8> {
    let mut out = String::from("\"");
    for byte in bytes {
        match byte {
            b'\\' | b'"' => out.extend(['\\', char::from(*byte)]),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x07 => out.push_str("\\a"),
            0x08 => out.push_str("\\b"),
            b' '..=b'~' => out.push(char::from(*byte)),
            _ => write!(out, "\\x{byte:02x}").expect("writing to a string"),
        }
    }
    out.push('"');
    out.into_bytes()
}

/// Bare where that reads back as the same word, else in quotes: a word can never end its line.
pub fn word(bytes: &[u8]) -> Vec<u8> {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'');
    if !bytes.is_empty() && bytes.iter().all(plain) { bytes.to_vec() } else { quoted(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split_line;

    #[test]
    fn every_word_reads_back() {
        for bytes in [b"".as_slice(), b"a", b"a b", b"a\"b'", b"\n\r\t\x07\x08\\", b"\xff\x00", b"#"] {
            assert_eq!(split_line(&quoted(bytes)), Some(vec![bytes.to_vec()]));
            assert_eq!(split_line(&word(bytes)), Some(vec![bytes.to_vec()]));
            assert!(!word(bytes).contains(&b'\n'));
        }
    }
}
