//! Zipmap, the packed hash of Redis before 2.6, decoded only.
//!
//! ```text
//! count u8 (254: unknown) | { length field | length free u8 value, free bytes unused } … | 0xff
//! length = 1 byte below 254, else 0xfe and u32 little-endian
//! ```

const BIG: u8 = 254;
const END: u8 = 255;
const PAST_END: &str = "zipmap: an entry reaches past the end";

type Pair<'a> = (&'a [u8], &'a [u8]);

/// The pairs of the zipmap in order, or the reason why it is none.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<Pair<'_>>, &'static str> {
    let (&count, mut rest) = bytes.split_first().ok_or("zipmap: empty")?;
    let mut pairs = Vec::new();
    while rest.first() != Some(&END) {
        let (length, tail) = take_length(rest)?;
        let (field, tail) = tail.split_at_checked(length).ok_or(PAST_END)?;
        let (length, tail) = take_length(tail)?;
        let (&free, tail) = tail.split_first().ok_or(PAST_END)?;
        let (value, tail) = tail.split_at_checked(length).ok_or(PAST_END)?;
        rest = tail.get(usize::from(free)..).ok_or(PAST_END)?;
        pairs.push((field, value));
    }
    if rest.len() != 1 {
        return Err("zipmap: ends before its last byte");
    }
    if count < BIG && usize::from(count) != pairs.len() {
        return Err("zipmap: holds another number of pairs than it declares");
    }
    Ok(pairs)
}

fn take_length(bytes: &[u8]) -> Result<(usize, &[u8]), &'static str> {
    match bytes.split_first().ok_or(PAST_END)? {
        (&END, _) => Err("zipmap: a field without a value"),
        (&BIG, tail) => {
            let (length, tail) = tail.split_first_chunk().ok_or(PAST_END)?;
            Ok((usize::try_from(u32::from_le_bytes(*length)).expect("usize has 32 bits or more"), tail))
        }
        (&short, tail) => Ok((usize::from(short), tail)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_values_and_unused_bytes() {
        let bytes = b"\x02\x03foo\x03\x00bar\x05hello\x05\x02world..\xff";
        let pairs: Vec<(&[u8], &[u8])> = vec![(b"foo", b"bar"), (b"hello", b"world")];
        assert_eq!(decode(bytes), Ok(pairs));
        assert_eq!(decode(b"\x00\xff"), Ok(vec![]));
        assert_eq!(decode(b"\xfe\x01a\xfe\x02\x00\x00\x00\x00bc\xff"), Ok(vec![(&b"a"[..], &b"bc"[..])]));
    }

    #[test]
    fn each_inconsistency_has_its_reason() {
        let check =
            |bytes: &[u8], expected| assert_eq!(decode(bytes), Err(expected), "{}", bytes.escape_ascii());
        check(b"", "zipmap: empty");
        check(b"\x01", PAST_END);
        check(b"\x01\x09a\x01\x00b\xff", PAST_END);
        check(b"\x01\x01a\x01\x09b\xff", PAST_END);
        check(b"\x01\x01a\xfe\x01\x00", PAST_END);
        check(b"\x01\x01a\xff", "zipmap: a field without a value");
        check(b"\x02\x01a\x01\x00b\xff", "zipmap: holds another number of pairs than it declares");
        check(b"\x01\x01a\x01\x00b\xff\xff", "zipmap: ends before its last byte");
    }
}
