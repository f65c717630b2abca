//! Values of a configuration line on the way out: the units of memory, and the quoting that
//! `slipstream_resp::split_line` undoes.

pub(super) use slipstream_resp::quoting::{quoted, word};

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
    use super::*;

    #[test]
    fn memory_is_written_in_the_largest_whole_unit() {
        for (bytes, expected) in
            [(0, "0"), (1023, "1023"), (1024, "1kb"), (1536, "1536"), (1 << 20, "1mb"), (3 << 30, "3gb")]
        {
            assert_eq!(memory(bytes), expected);
        }
    }
}
