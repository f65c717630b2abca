//! Ziplist, the packed list of Redis before 7.0, decoded only.
//!
//! ```text
//! bytes u32 | tail u32 | count u16 | entry … | 0xff           integers little-endian
//! entry = previous entry's size: 1 byte below 254, else 0xfe and u32
//!       | 00llllll                     string of l bytes
//!       | 01llllll llllllll            string of l bytes, big-endian
//!       | 10xxxxxx l l l l             string of l bytes, big-endian
//!       | 0xc0 i16  0xd0 i32  0xe0 i64  0xf0 i24  0xfe i8
//!       | 0xf1..=0xfd                  0 to 12
//! ```
//! All of it is checked, the redundant fields too; a fault is told by its reason.

use slipstream_keyspace::Item;

const HEADER: usize = 10;
const COUNT_UNKNOWN: u16 = u16::MAX;

/// The entries of the ziplist in order, all of which have been checked, or the reason why it is none.
pub(crate) fn decode(bytes: &[u8]) -> Result<Entries<'_>, &'static str> {
    let Some((header, _)) = bytes.split_first_chunk::<HEADER>() else {
        return Err("ziplist: header is cut off");
    };
    let [b0, b1, b2, b3, t0, t1, t2, t3, c0, c1] = *header;
    let (declared, tail) = (u32::from_le_bytes([b0, b1, b2, b3]), u32::from_le_bytes([t0, t1, t2, t3]));
    let count = u16::from_le_bytes([c0, c1]);
    if usize::try_from(declared) != Ok(bytes.len()) {
        return Err("ziplist: its size differs from the string's");
    }
    let start = Cursor { bytes, at: HEADER, entry: HEADER, previous: 0 };
    let mut cursor = start.clone();
    let mut found = 0;
    while cursor.next()?.is_some() {
        found += 1;
    }
    if cursor.at + 1 != bytes.len() {
        return Err("ziplist: ends before its last byte");
    }
    if usize::try_from(tail) != Ok(cursor.entry) {
        return Err("ziplist: tail does not point to the last entry");
    }
    if count != COUNT_UNKNOWN && usize::from(count) != found {
        return Err("ziplist: holds another number of entries than it declares");
    }
    Ok(Entries(start))
}

/// The entries of a ziplist that has been checked.
#[derive(Debug, PartialEq)]
pub(crate) struct Entries<'a>(Cursor<'a>);

impl<'a> Iterator for Entries<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        self.0.next().expect("all entries have been checked")
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the entry read last starts.
    entry: usize,
    /// Its size.
    previous: usize,
}

impl<'a> Cursor<'a> {
    fn next(&mut self) -> Result<Option<Item<'a>>, &'static str> {
        if self.bytes.get(self.at) == Some(&0xff) {
            return Ok(None);
        }
        let start = self.at;
        let previous = match self.take::<1>()? {
            [0xfe] => usize::try_from(u32::from_le_bytes(self.take()?)).expect("usize has 32 bits or more"),
            [short] => usize::from(short),
        };
        if previous != self.previous {
            return Err("ziplist: an entry misstates the size of the one before it");
        }
        let item = self.item()?;
        self.entry = start;
        self.previous = self.at - start;
        Ok(Some(item))
    }

    fn item(&mut self) -> Result<Item<'a>, &'static str> {
        let [kind] = self.take()?;
        Ok(match kind {
            0..=0x3f => self.string(u32::from(kind))?,
            0x40..=0x7f => {
                let [low] = self.take()?;
                self.string(u32::from(u16::from_be_bytes([kind & 0x3f, low])))?
            }
            0x80..=0xbf => {
                let length = u32::from_be_bytes(self.take()?);
                self.string(length)?
            }
            0xc0 => Item::Int(i64::from(i16::from_le_bytes(self.take()?))),
            0xd0 => Item::Int(i64::from(i32::from_le_bytes(self.take()?))),
            0xe0 => Item::Int(i64::from_le_bytes(self.take()?)),
            0xf0 => {
                let [a, b, c] = self.take()?;
                Item::Int(i64::from(i32::from_le_bytes([0, a, b, c]) >> 8))
            }
            0xfe => Item::Int(i64::from(i8::from_le_bytes(self.take()?))),
            0xf1..=0xfd => Item::Int(i64::from(kind) - 0xf1),
            _ => return Err("ziplist: unknown entry encoding"),
        })
    }

    fn string(&mut self, length: u32) -> Result<Item<'a>, &'static str> {
        let length = usize::try_from(length).expect("usize has 32 bits or more");
        let string = self.bytes[self.at..].get(..length).ok_or("ziplist: an entry reaches past the end")?;
        self.at += length;
        Ok(Item::Bytes(string))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let bytes =
            self.bytes.get(self.at..).and_then(<[u8]>::first_chunk).ok_or("ziplist: an entry is cut off")?;
        self.at += N;
        Ok(*bytes)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A ziplist of `entries`, each the bytes from its encoding on.
    pub(crate) fn assemble(entries: &[&[u8]]) -> Vec<u8> {
        let (mut body, mut previous, mut tail) = (Vec::new(), 0usize, HEADER);
        for entry in entries {
            tail = HEADER + body.len();
            match u8::try_from(previous) {
                Ok(short) if short < 254 => body.push(short),
                _ => {
                    body.push(254);
                    body.extend_from_slice(&u32::try_from(previous).unwrap().to_le_bytes());
                }
            }
            body.extend_from_slice(entry);
            previous = HEADER + body.len() - tail;
        }
        let mut list = u32::try_from(HEADER + body.len() + 1).unwrap().to_le_bytes().to_vec();
        list.extend_from_slice(&u32::try_from(tail).unwrap().to_le_bytes());
        list.extend_from_slice(&u16::try_from(entries.len()).unwrap().to_le_bytes());
        list.extend_from_slice(&body);
        list.push(0xff);
        list
    }

    /// The entry of a string below 64 bytes.
    pub(crate) fn short(text: &str) -> Vec<u8> {
        let mut entry = vec![u8::try_from(text.len()).unwrap()];
        entry.extend_from_slice(text.as_bytes());
        entry
    }

    fn items(bytes: &[u8]) -> Vec<Item<'_>> {
        decode(bytes).unwrap().collect()
    }

    #[test]
    fn the_two_element_list_of_the_format_s_description() {
        let bytes = [0x0f, 0, 0, 0, 0x0c, 0, 0, 0, 2, 0, 0, 0xf3, 2, 0xf6, 0xff];
        assert_eq!(assemble(&[&[0xf3], &[0xf6]]), bytes);
        assert_eq!(items(&bytes), [Item::Int(2), Item::Int(5)]);
    }

    #[test]
    fn every_entry_encoding_is_read() {
        let check = |entry: &[u8], expected: Item<'_>| {
            assert_eq!(items(&assemble(&[entry, &[0xf1]])), [expected, Item::Int(0)]);
        };
        check(&[0xf1], Item::Int(0));
        check(&[0xfd], Item::Int(12));
        check(&[0xfe, 0x80], Item::Int(-128));
        check(&[0xc0, 0x00, 0x80], Item::Int(-32768));
        check(&[0xf0, 0xff, 0xff, 0xff], Item::Int(-1));
        check(&[0xf0, 0x00, 0x00, 0x80], Item::Int(-8_388_608));
        check(&[0xd0, 0xff, 0xff, 0xff, 0x7f], Item::Int(i64::from(i32::MAX)));
        check(&[0xe0, 0, 0, 0, 0, 0, 0, 0, 0x80], Item::Int(i64::MIN));
        check(&[0], Item::Bytes(b""));
        check(&short("abc"), Item::Bytes(b"abc"));
        let mut long = vec![0x41, 0x2c];
        long.extend_from_slice(&[b'x'; 300]);
        check(&long, Item::Bytes(&[b'x'; 300]));
        let mut huge = vec![0x80, 0, 1, 0, 0];
        huge.extend_from_slice(&[b'y'; 65536]);
        check(&huge, Item::Bytes(&[b'y'; 65536]));
        assert_eq!(items(&assemble(&[])), []);
    }

    #[test]
    fn each_inconsistency_has_its_reason() {
        let good = assemble(&[&short("field"), &[0xf3]]);
        let check = |at: usize, value: u8, expected: &str| {
            let mut bytes = good.clone();
            bytes[at] = value;
            assert_eq!(decode(&bytes), Err(expected), "byte {at} = {value}");
        };
        check(0, 99, "ziplist: its size differs from the string's");
        check(4, 10, "ziplist: tail does not point to the last entry");
        check(8, 3, "ziplist: holds another number of entries than it declares");
        check(10, 1, "ziplist: an entry misstates the size of the one before it");
        check(11, 0x3f, "ziplist: an entry reaches past the end");
        check(17, 0xff, "ziplist: ends before its last byte");
        check(18, 0xff, "ziplist: unknown entry encoding");
        check(18, 0xe0, "ziplist: an entry is cut off");
        check(19, 2, "ziplist: an entry is cut off");
        assert_eq!(decode(&good[..9]), Err("ziplist: header is cut off"));
    }
}
