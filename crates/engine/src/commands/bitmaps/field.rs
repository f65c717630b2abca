//! BITFIELD and BITFIELD_RO: integers of 1 to 64 bits anywhere in a string.
//!
//! All operations are read before the first one runs. A string that is written to grows to hold every field that the
//! command names for writing, even where an operation then fails.

use slipstream_keyspace::{Str, Value};
use slipstream_resp::Args;
use slipstream_resp::number::parse_i64;

use super::Reach;
use crate::call::{Call, integer, is_word};
use crate::errors::CommandError;
use crate::event;

pub(super) fn bitfield(call: &mut Call<'_>) -> Result<(), CommandError> {
    let operations = parse(call)?;
    if operations.iter().any(Operation::writes) { write(call, &operations) } else { read(call, &operations) }
}

pub(super) fn bitfield_ro(call: &mut Call<'_>) -> Result<(), CommandError> {
    let operations = parse(call)?;
    if operations.iter().any(Operation::writes) {
        return Err(CommandError::BITFIELD_READ_ONLY);
    }
    read(call, &operations)
}

/// Whether a BITFIELD may write, as far as its words tell.
pub(crate) fn writes(args: Args<'_>) -> bool {
    let mut at = 2;
    while let Some(word) = args.get(at) {
        let behind = args.len() - at - 1;
        at += match () {
            () if is_word(word, "GET") && behind >= 2 => 3,
            () if is_word(word, "OVERFLOW") && behind >= 1 => 2,
            () => return true,
        };
    }
    false
}

/// An integer of `width` bits whose highest one is bit `at` of a string.
#[derive(Clone, Copy, Debug)]
struct Field {
    signed: bool,
    width: u32,
    at: usize,
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Get,
    Set(i64),
    Add(i64),
}

/// What becomes of a number that its field cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

#[derive(Clone, Copy, Debug)]
struct Operation {
    field: Field,
    action: Action,
    overflow: Overflow,
}

fn parse(call: &Call<'_>) -> Result<Vec<Operation>, CommandError> {
    let (args, reach) = (call.args, Reach::of(call));
    let mut operations = Vec::new();
    let mut overflow = Overflow::Wrap;
    let mut at = 2;
    while let Some(word) = args.get(at) {
        let behind = args.len() - at - 1;
        let writes = is_word(word, "SET") || is_word(word, "INCRBY");
        if is_word(word, "OVERFLOW") && behind >= 1 {
            overflow = Overflow::parse(&args[at + 1])?;
            at += 2;
            continue;
        }
        if !(is_word(word, "GET") && behind >= 2 || writes && behind >= 3) {
            return Err(CommandError::SYNTAX);
        }
        let field = Field::parse(reach, &args[at + 1], &args[at + 2])?;
        let action = match writes {
            false => Action::Get,
            true if is_word(word, "SET") => Action::Set(integer(&args[at + 3])?),
            true => Action::Add(integer(&args[at + 3])?),
        };
        operations.push(Operation { field, action, overflow });
        at += if writes { 4 } else { 3 };
    }
    Ok(operations)
}

fn read(call: &mut Call<'_>, operations: &[Operation]) -> Result<(), CommandError> {
    let args = call.args;
    let value = call.db.string(&args[1]).map(|value| value.map(Str::into_owned));
    call.count_lookup(&args[1], !matches!(value, Ok(None)));
    let value = value?.unwrap_or_else(|| Str::plain(b""));
    let mut digits = itoa::Buffer::new();
    let bytes = value.bytes(&mut digits);
    call.reply.array(operations.len());
    for operation in operations {
        call.reply.integer(reply_of(operation.field.read(bytes)));
    }
    Ok(())
}

fn write(call: &mut Call<'_>, operations: &[Operation]) -> Result<(), CommandError> {
    let args = call.args;
    let key = &args[1];
    let end = operations.iter().filter(|operation| operation.writes()).map(|operation| operation.field.end());
    let length = end.max().unwrap_or(0).div_ceil(8);
    let there = call.db.string_mut(key)?.map(|mut value| {
        let bytes = value.make_raw();
        let grown = bytes.len() < length;
        if grown {
            bytes.resize(length, 0);
        }
        (grown, run_all(operations, bytes))
    });
    let (grown, done) = there.unwrap_or_else(|| {
        let mut bytes = vec![0; length];
        let done = run_all(operations, &mut bytes);
        call.db.insert(key, Value::String(Str::raw(bytes)), None);
        (true, done)
    });
    // A string that only grew, since each of its operations failed, is a change that replicas must see.
    let changes = done.iter().filter(|done| done.wrote && (grown || done.changed)).count();
    if changes > 0 || grown {
        call.changed(key, event::SETBIT);
        call.outcome.changes += u64::try_from(changes.max(1)).expect("operations fit into a request") - 1;
    }
    call.reply.array(done.len());
    for done in done {
        match done.answer {
            Some(answer) => call.reply.integer(reply_of(answer)),
            None => call.reply.null(),
        }
    }
    Ok(())
}

/// What one operation did and answers; nothing if its number did not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Done {
    answer: Option<i128>,
    wrote: bool,
    changed: bool,
}

fn run_all(operations: &[Operation], bytes: &mut [u8]) -> Vec<Done> {
    operations.iter().map(|operation| operation.run(bytes)).collect()
}

impl Operation {
    fn writes(&self) -> bool {
        !matches!(self.action, Action::Get)
    }

    fn run(&self, bytes: &mut [u8]) -> Done {
        let field = self.field;
        let old = field.read(bytes);
        let wanted = match self.action {
            Action::Get => return Done { answer: Some(old), wrote: false, changed: false },
            // To an unsigned field a negative number is a very big one.
            Action::Set(value) if !field.signed || field.is_misread(value) => value.cast_unsigned().into(),
            Action::Set(value) => value.into(),
            Action::Add(increment) => old + i128::from(increment),
        };
        let Some(new) = self.overflow.fit(field, wanted) else {
            return Done { answer: None, wrote: false, changed: false };
        };
        field.write(bytes, new);
        let answer = if matches!(self.action, Action::Set(_)) { old } else { new };
        Done { answer: Some(answer), wrote: true, changed: old != new }
    }
}

impl Overflow {
    fn parse(word: &[u8]) -> Result<Overflow, CommandError> {
        let named = [("WRAP", Overflow::Wrap), ("SAT", Overflow::Saturate), ("FAIL", Overflow::Fail)];
        let found = named.into_iter().find(|(name, _)| is_word(word, name));
        found.map(|(_, overflow)| overflow).ok_or(CommandError::BITFIELD_OVERFLOW)
    }

    /// What is written for `value`, if anything is.
    fn fit(self, field: Field, value: i128) -> Option<i128> {
        let (least, most) = field.limits();
        match self {
            _ if (least..=most).contains(&value) => Some(value),
            Overflow::Wrap => Some(field.value(field.pattern(value))),
            Overflow::Saturate => Some(value.clamp(least, most)),
            Overflow::Fail => None,
        }
    }
}

impl Field {
    fn parse(reach: Reach, encoding: &[u8], offset: &[u8]) -> Result<Field, CommandError> {
        let (signed, widest, width) = match encoding {
            [b'i', width @ ..] => (true, 64, width),
            [b'u', width @ ..] => (false, 63, width),
            _ => return Err(CommandError::BITFIELD_TYPE),
        };
        let width = parse_i64(width)
            .and_then(|width| u32::try_from(width).ok())
            .filter(|width| (1..=widest).contains(width))
            .ok_or(CommandError::BITFIELD_TYPE)?;
        Ok(Field { signed, width, at: reach.field_offset(offset, width)? })
    }

    /// The bit behind it.
    fn end(self) -> usize {
        self.at + usize::try_from(self.width).expect("at most 64")
    }

    fn limits(self) -> (i128, i128) {
        match self.signed {
            true => (-(1 << (self.width - 1)), (1 << (self.width - 1)) - 1),
            false => (0, (1 << self.width) - 1),
        }
    }

    /// Whether Redis takes a number that is far below a signed field for one above it, which shows where it saturates.
    /// Copies of a primary of Redis have to agree.
    fn is_misread(self, value: i64) -> bool {
        let (_, most) = self.limits();
        self.width < 64 && most - i128::from(value) > i64::MAX.into()
    }

    /// The lowest bits of a number, as many as it has.
    fn pattern(self, value: i128) -> u128 {
        value.cast_unsigned() & ((1 << self.width) - 1)
    }

    /// The number that such bits are.
    fn value(self, pattern: u128) -> i128 {
        let unused = 128 - self.width;
        let shifted = pattern << unused;
        match self.signed {
            true => shifted.cast_signed() >> unused,
            false => (shifted >> unused).cast_signed(),
        }
    }

    /// What it holds; behind the end of the string all bits are clear.
    fn read(self, bytes: &[u8]) -> i128 {
        let (window, _) = self.window(bytes);
        self.value((window << (self.at % 8)) >> (128 - self.width))
    }

    /// Writes a number that fits. The string holds the whole field.
    fn write(self, bytes: &mut [u8], value: i128) {
        let (window, length) = self.window(bytes);
        let behind = 128 - self.width - u32::try_from(self.at % 8).expect("below 8");
        let mask = self.pattern(-1) << behind;
        let window = window & !mask | self.pattern(value) << behind;
        let start = self.at / 8;
        bytes[start..start + length].copy_from_slice(&window.to_be_bytes()[..length]);
    }

    /// The up to 9 bytes that it lies in, at the upper end of a word, and how many there are of them.
    fn window(self, bytes: &[u8]) -> (u128, usize) {
        let mut window = [0; 16];
        let rest = bytes.get(self.at / 8..).unwrap_or_default();
        let length = rest.len().min(9);
        window[..length].copy_from_slice(&rest[..length]);
        (u128::from_be_bytes(window), length)
    }
}

fn reply_of(value: i128) -> i64 {
    i64::try_from(value).expect("no field is wider than the integers of the protocol")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(encoding: &str, at: usize) -> Field {
        Field::parse(Reach(1 << 20), encoding.as_bytes(), at.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_field_keeps_what_is_written_and_touches_nothing_else() {
        let mut random = fastrand::Rng::with_seed(9);
        for _ in 0..5_000 {
            let signed = random.bool();
            let width = random.u32(1..=if signed { 64 } else { 63 });
            let field = Field { signed, width, at: random.usize(..40) };
            let mut bytes: Vec<u8> = (0..16).map(|_| random.u8(..)).collect();
            let before = bytes.clone();
            let (least, most) = field.limits();
            let value = random.i128(least..=most);
            field.write(&mut bytes, value);
            assert_eq!(field.read(&bytes), value, "{field:?}");
            let bit = |bytes: &[u8], at: usize| bytes[at / 8] & (0x80 >> (at % 8)) != 0;
            for at in (0..128).filter(|at| !(field.at..field.end()).contains(at)) {
                assert_eq!(bit(&bytes, at), bit(&before, at), "bit {at} beside {field:?}");
            }
        }
    }

    #[test]
    fn the_end_of_a_string_is_followed_by_clear_bits() {
        assert_eq!(field("u16", 0).read(&[0xff]), 0xff00);
        assert_eq!(field("i8", 4).read(&[0xff]), -16);
        assert_eq!(field("u8", 800).read(&[0xff]), 0);
    }

    #[track_caller]
    fn check(encoding: &str, overflow: Overflow, start: i128, action: Action, expected: Option<i128>) {
        let mut bytes = [0; 9];
        let field = field(encoding, 0);
        field.write(&mut bytes, start);
        let done = Operation { field, action, overflow }.run(&mut bytes);
        let left = done.answer.map(|_| field.read(&bytes));
        assert_eq!(left, expected, "{encoding} {overflow:?} {start} {action:?}");
        if expected.is_none() {
            assert_eq!(field.read(&bytes), start, "a refused number leaves the field");
        }
    }

    #[test]
    fn a_number_that_does_not_fit_wraps_saturates_or_fails() {
        use Overflow::{Fail, Saturate, Wrap};
        check("u8", Wrap, 250, Action::Add(10), Some(4));
        check("u8", Saturate, 250, Action::Add(10), Some(255));
        check("u8", Fail, 250, Action::Add(10), None);
        check("u8", Wrap, 5, Action::Add(-10), Some(251));
        check("u8", Saturate, 5, Action::Add(-10), Some(0));
        check("u8", Saturate, 5, Action::Set(-1), Some(255));
        check("u8", Wrap, 5, Action::Set(257), Some(1));
        check("i8", Wrap, 120, Action::Add(10), Some(-126));
        check("i8", Saturate, -120, Action::Add(-10), Some(-128));
        check("i8", Fail, 0, Action::Set(128), None);
        check("i8", Saturate, 0, Action::Set(-i64::MAX + 127), Some(-128));
        check("i8", Saturate, 0, Action::Set(-i64::MAX + 126), Some(127));
        check("i8", Wrap, 0, Action::Set(i64::MIN + 3), Some(3));
        check("i64", Wrap, i64::MAX.into(), Action::Add(1), Some(i64::MIN.into()));
        check("i64", Saturate, i64::MIN.into(), Action::Add(-1), Some(i64::MIN.into()));
        check("u63", Wrap, i64::MAX.into(), Action::Add(1), Some(0));
        check("u63", Saturate, 7, Action::Set(i64::MIN), Some(i64::MAX.into()));
    }
}
