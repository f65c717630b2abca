//! Words of a configuration line, written so that splitting the line gives them back.
//!
//! Owns quoting and the units of memory on the way out; the way in is `slipstream_resp::split_line`.

use std::fmt::Write as _;

/// In double quotes, with escapes for what is not printable ASCII.
pub(super) fn quoted(bytes: &[u8]) -> Vec<u8> {
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
pub(super) fn word(bytes: &[u8]) -> Vec<u8> {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'');
    if !bytes.is_empty() && bytes.iter().all(plain) { bytes.to_vec() } else { quoted(bytes) }
}

/// Bytes in the largest unit that divides them.
pub(super) fn memory(bytes: i128) -> String {
    for (unit, name) in [(1 << 30, "gb"), (1 << 20, "mb"), (1 << 10, "kb")] {
        if bytes != 0 && bytes % unit == 0 {
            return format!("{}{name}", bytes / unit);
        }
    }
    bytes.to_string()
}

#[cfg(test)]
mod tests {
    use slipstream_resp::split_line;

    use super::*;

    #[test]
    fn every_word_reads_back() {
        for bytes in [b"".as_slice(), b"a", b"a b", b"a\"b'", b"\n\r\t\x07\x08\\", b"\xff\x00", b"#"] {
            assert_eq!(split_line(&quoted(bytes)), Some(vec![bytes.to_vec()]));
            assert_eq!(split_line(&word(bytes)), Some(vec![bytes.to_vec()]));
            assert!(!word(bytes).contains(&b'\n'));
        }
    }

    #[test]
    fn memory_is_written_in_the_largest_whole_unit() {
        for (bytes, expected) in
            [(0, "0"), (1023, "1023"), (1024, "1kb"), (1536, "1536"), (1 << 20, "1mb"), (3 << 30, "3gb")]
        {
            assert_eq!(memory(bytes), expected);
        }
    }
}
