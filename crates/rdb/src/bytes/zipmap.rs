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

/// The pairs of the zipmap in order, all of which have been checked, or the reason why it is none.
pub(crate) fn decode(bytes: &[u8]) -> Result<Pairs<'_>, &'static str> {
    let (&count, body) = bytes.split_first().ok_or("zipmap: empty")?;
    let mut rest = body;
    let mut found = 0;
    while let Some((_, tail)) = take_pair(rest)? {
        rest = tail;
        found += 1;
    }
    if rest.len() != 1 {
        return Err("zipmap: ends before its last byte");
    }
    if count < BIG && usize::from(count) != found {
        return Err("zipmap: holds another number of pairs than it declares");
    }
    Ok(Pairs(body))
}

/// The pairs of a zipmap that has been checked.
#[derive(Debug, PartialEq)]
pub(crate) struct Pairs<'a>(&'a [u8]);

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    fn next(&mut self) -> Option<Pair<'a>> {
        let (pair, tail) = take_pair(self.0).expect("all pairs have been checked")?;
        self.0 = tail;
        Some(pair)
    }
}

fn take_pair(bytes: &[u8]) -> Result<Option<(Pair<'_>, &[u8])>, &'static str> {
    if bytes.first() == Some(&END) {
        return Ok(None);
    }
    let (length, tail) = take_length(bytes)?;
    let (field, tail) = tail.split_at_checked(length).ok_or(PAST_END)?;
    let (length, tail) = take_length(tail)?;
    let (&free, tail) = tail.split_first().ok_or(PAST_END)?;
    let (value, tail) = tail.split_at_checked(length).ok_or(PAST_END)?;
    let tail = tail.get(usize::from(free)..).ok_or(PAST_END)?;
    Ok(Some(((field, value), tail)))
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
        let check = |bytes: &[u8], expected: &[Pair<'_>]| {
            assert_eq!(decode(bytes).unwrap().collect::<Vec<_>>(), expected);
        };
        check(bytes, &[(b"foo", b"bar"), (b"hello", b"world")]);
        check(b"\x00\xff", &[]);
        check(b"\xfe\x01a\xfe\x02\x00\x00\x00\x00bc\xff", &[(b"a", b"bc")]);
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
