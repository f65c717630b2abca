//! Bitmaps: the rows of the family, and single bits of a string.
//!
//! A bitmap is a string, whose first bit is the highest one of its first byte. What works on many bits lies beside this
//! file: [`count`] counts and searches in ranges, [`operation`] combines whole strings, [`field`] holds integers of any
//! width. [`words`] is what they share: pure functions that take eight bytes at a time.

mod count;
mod field;
mod operation;
mod words;

pub(crate) use field::writes as bitfield_writes;
use slipstream_keyspace::{Str, Value};
use slipstream_resp::number::parse_i64;

use crate::call::Call;
use crate::command::{Command, Group, KeySpec, READ_KEY, UPDATE_KEY, flag};
use crate::errors::CommandError;
use crate::event;
use crate::session::Role;

const WRITE: u32 = flag::WRITE | flag::DENYOOM;

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("bitcount", -2, count::bitcount)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .history(&[("7.0.0", "BYTE and BIT.")])
        .doc(Group::Bitmap, "2.6.0", "Counts the set bits of a string or of a part of it.", "O(N), N being the length of the part")
        .syntax("key range:[start:integer end:integer unit:[BYTE | BIT]!7.0.0]"),
    Command::new("bitfield", -2, field::bitfield)
        .flags(WRITE)
        .keys(&[KeySpec::at(1, &["RW", "access", "update", "variable_flags"]).notes("Read only where no operation writes")])
        .doc(Group::Bitmap, "3.2.0", "Reads and changes integers of any width within a string.", "O(1) for each operation")
        .syntax("key operation:[get-block:(GET encoding offset:integer) | write:(overflow-block:[OVERFLOW (WRAP | SAT | FAIL)] write-operation:(set-block:(SET encoding offset:integer value:integer) | incrby-block:(INCRBY encoding offset:integer increment:integer)))]..."),
    Command::new("bitfield_ro", -2, field::bitfield_ro)
        .flags(flag::READONLY | flag::FAST)
        .keys(READ_KEY)
        .doc(Group::Bitmap, "6.0.0", "Reads integers of any width within a string.", "O(1) for each operation")
        .syntax("key get-block:[GET encoding offset:integer]..."),
    Command::new("bitop", -4, operation::bitop)
        .flags(WRITE)
        .keys(&[KeySpec::at(2, &["OW", "update"]), KeySpec::range(3, -1, &["RO", "access"])])
        .doc(Group::Bitmap, "2.6.0", "Combines strings bit by bit and stores the result.", "O(N), N being the bytes of all strings")
        .syntax("operation:(AND | OR | XOR | NOT) destkey:key key..."),
    Command::new("bitpos", -3, count::bitpos)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .history(&[("7.0.0", "BYTE and BIT.")])
        .doc(Group::Bitmap, "2.8.7", "Finds the first set or clear bit of a string or of a part of it.", "O(N), N being the length of the part")
        .syntax("key bit:integer range:[start:integer end-unit-block:[end:integer unit:[BYTE | BIT]!7.0.0]]"),
    Command::new("getbit", 3, getbit)
        .flags(flag::READONLY | flag::FAST)
        .keys(READ_KEY)
        .doc(Group::Bitmap, "2.2.0", "Answers one bit of a string.", "O(1)")
        .syntax("key offset:integer"),
    Command::new("setbit", 4, setbit)
        .flags(WRITE)
        .keys(UPDATE_KEY)
        .doc(Group::Bitmap, "2.2.0", "Sets or clears one bit of a string, which it creates if missing.", "O(1)")
        .syntax("key offset:integer value:integer"),
];

fn getbit(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let at = Reach::of(call).offset(&args[2])?;
    let value = call.db.string(&args[1]);
    let found = !matches!(value, Ok(None));
    let bit = value.map(|value| value.is_some_and(|value| bit_of(&value, at)));
    call.count_lookup(&args[1], found);
    call.reply.integer(bit?.into());
    Ok(())
}

fn setbit(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let key = &args[1];
    let at = Reach::of(call).offset(&args[2])?;
    let bit = match parse_i64(&args[3]) {
        Some(0) => false,
        Some(1) => true,
        _ => return Err(CommandError::BIT_VALUE),
    };
    let there = call.db.string_mut(key)?.map(|mut value| {
        let was = bit_of(&value, at);
        let changes = was != bit || at / 8 >= value.len();
        if changes {
            write_bit(value.make_raw(), at, bit);
        }
        (was, changes)
    });
    let (was, changes) = there.unwrap_or((false, true));
    if there.is_none() {
        let mut bytes = vec![0; at / 8 + 1];
        write_bit(&mut bytes, at, bit);
        call.db.insert(key, Value::String(Str::raw(bytes)), None);
    }
    if changes {
        call.changed(key, event::SETBIT);
    }
    call.reply.integer(was.into());
    Ok(())
}

/// One bit of a string; behind its end all are clear.
fn bit_of(value: &Str<'_>, at: usize) -> bool {
    let mut digits = itoa::Buffer::new();
    value.bytes(&mut digits).get(at / 8).is_some_and(|byte| byte & mask(at) != 0)
}

/// Sets or clears one bit; the string grows to hold it.
fn write_bit(bytes: &mut Vec<u8>, at: usize, bit: bool) {
    if bytes.len() <= at / 8 {
        bytes.resize(at / 8 + 1, 0);
    }
    let byte = &mut bytes[at / 8];
    *byte = if bit { *byte | mask(at) } else { *byte & !mask(at) };
}

fn mask(at: usize) -> u8 {
    0x80 >> (at % 8)
}

/// How many bytes a string that is addressed by bits may have.
#[derive(Clone, Copy)]
struct Reach(usize);

impl Reach {
    /// Of what comes down a primary's stream: as much as one of its arguments may be.
    const OF_STREAM: usize = 4 << 30;

    fn of(call: &Call<'_>) -> Reach {
        match call.session.role {
            Role::Primary => Reach(Self::OF_STREAM.max(call.core.config.proto_max_bulk_len)),
            _ => Reach(call.core.config.proto_max_bulk_len),
        }
    }

    /// The place of a bit, in bits.
    fn offset(self, arg: &[u8]) -> Result<usize, CommandError> {
        self.checked(parse_i64(arg))
    }

    /// The place of a field of `width` bits: `#n` is the place of the nth of such fields in a row.
    fn field_offset(self, arg: &[u8], width: u32) -> Result<usize, CommandError> {
        match arg.strip_prefix(b"#") {
            Some(number) => {
                self.checked(parse_i64(number).and_then(|number| number.checked_mul(width.into())))
            }
            None => self.offset(arg),
        }
    }

    fn checked(self, offset: Option<i64>) -> Result<usize, CommandError> {
        offset
            .and_then(|offset| usize::try_from(offset).ok())
            .filter(|offset| offset / 8 < self.0)
            .ok_or(CommandError::BIT_OFFSET)
    }
}
