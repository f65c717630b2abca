//! The library `struct`: values to and from packed bytes, by a format of one letter each.
//!
//! | letter | value |
//! |---|---|
//! | `>` `<` | big, little endian from here on |
//! | `!n` | alignment of at most `n` from here on |
//! | `x` | a byte of padding |
//! | `b` `h` `l` `T` `in` | signed integer of 1, 2, 8, 8 and n bytes; unsigned for a capital letter |
//! | `f` `d` | float, double |
//! | `cn` | n bytes; all of a string, or as many as the number before says, for `c0` |
//! | `s` | bytes up to a zero |

use mlua::{Lua, MultiValue, Table, Value};

use crate::arguments::{Arguments, as_number, truncate};
use crate::thrown;

const MAX_INTEGER: usize = 32;
const MAX_ALIGNMENT: usize = 8;
/// How many values a function may return.
const MAX_RESULTS: usize = 7_900;

pub(crate) fn open(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.set("pack", lua.create_function(pack)?)?;
    table.set("unpack", lua.create_function(unpack)?)?;
    table.set("size", lua.create_function(size)?)?;
    Ok(table)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Endian {
    Big,
    Little,
}

/// A format that is read from the front, and what its options said so far.
struct Format<'a> {
    lua: &'a Lua,
    args: &'a Arguments<'a>,
    text: Vec<u8>,
    at: usize,
    endian: Endian,
    alignment: usize,
}

/// One letter of a format.
#[derive(Clone, Copy)]
struct Item {
    letter: u8,
    size: usize,
    padding: usize,
}

impl<'a> Format<'a> {
    fn new(lua: &'a Lua, args: &'a Arguments<'a>) -> mlua::Result<Self> {
        let text = args.string(1)?.as_bytes().to_vec();
        Ok(Format { lua, args, text, at: 0, endian: Endian::Little, alignment: 1 })
    }

    /// The next letter, for a value that begins at `position`. A zero byte ends a format.
    fn next(&mut self, position: usize) -> mlua::Result<Option<Item>> {
        let Some(&letter) = self.text.get(self.at).filter(|&&letter| letter != 0) else { return Ok(None) };
        self.at += 1;
        let size = match letter {
            b'b' | b'B' | b'x' => 1,
            b'h' | b'H' => 2,
            b'l' | b'L' | b'T' | b'd' => 8,
            b'f' => 4,
            b'c' => self.number(1)?,
            b'i' | b'I' => match self.number(4)? {
                size if size > MAX_INTEGER => {
                    let message = format!("integral size {size} is larger than limit of {MAX_INTEGER}");
                    return Err(thrown::text(self.lua, message));
                }
                size => size,
            },
            _ => 0,
        };
        Ok(Some(Item { letter, size, padding: self.padding(letter, size, position) }))
    }

    fn padding(&self, letter: u8, size: usize, position: usize) -> usize {
        if size == 0 || letter == b'c' {
            return 0;
        }
        let size = size.min(self.alignment);
        (size - (position & (size - 1))) & (size - 1)
    }

    /// The digits that follow, or `default`.
    fn number(&mut self, default: usize) -> mlua::Result<usize> {
        let mut value: Option<i32> = None;
        while let Some(digit) = self.text.get(self.at).filter(|byte| byte.is_ascii_digit()) {
            let grown = value.unwrap_or(0).checked_mul(10);
            let grown = grown.and_then(|value| value.checked_add(i32::from(digit - b'0')));
            value = Some(grown.ok_or_else(|| thrown::text(self.lua, "integral size overflow"))?);
            self.at += 1;
        }
        Ok(value.map_or(default, |value| usize::try_from(value).expect("digits have no sign")))
    }

    /// A letter that is no value.
    fn option(&mut self, letter: u8) -> mlua::Result<()> {
        match letter {
            b' ' => {}
            b'>' => self.endian = Endian::Big,
            b'<' => self.endian = Endian::Little,
            b'!' => {
                let alignment = self.number(MAX_ALIGNMENT)?;
                if !alignment.is_power_of_two() {
                    let message = format!("alignment {alignment} is not a power of 2");
                    return Err(thrown::text(self.lua, message));
                }
                self.alignment = alignment;
            }
            other => {
                return Err(self.args.error(1, &format!("invalid format option '{}'", char::from(other))));
            }
        }
        Ok(())
    }

    /// Little-endian bytes in the order that holds here, and back.
    fn ordered<const N: usize>(&self, mut bytes: [u8; N]) -> [u8; N] {
        if self.endian == Endian::Big {
            bytes.reverse();
        }
        bytes
    }
}

fn pack(lua: &Lua, args: MultiValue) -> mlua::Result<mlua::String> {
    let mut args = Arguments::new(lua, "pack", args);
    // Redis' own function puts a nil behind its arguments, which its messages show.
    args.push(Value::Nil);
    let mut format = Format::new(lua, &args)?;
    let mut out = Vec::new();
    let mut argument = 2;
    while let Some(Item { letter, size, padding }) = format.next(out.len())? {
        out.resize(out.len() + padding, 0);
        match letter {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                put_integer(&mut out, args.number(argument)?, size, format.endian);
                argument += 1;
            }
            b'x' => out.push(0),
            b'f' => {
                #[expect(clippy::cast_possible_truncation, reason = "a float has fewer digits")]
                let number = args.number(argument)? as f32;
                out.extend(format.ordered(number.to_le_bytes()));
                argument += 1;
            }
            b'd' => {
                out.extend(format.ordered(args.number(argument)?.to_le_bytes()));
                argument += 1;
            }
            b'c' | b's' => {
                let text = args.string(argument)?;
                argument += 1;
                let text = text.as_bytes();
                let length = if size == 0 { text.len() } else { size };
                let bytes = text.get(..length).ok_or_else(|| args.error(argument, "string too short"))?;
                out.extend_from_slice(bytes);
                if letter == b's' {
                    out.push(0);
                }
            }
            other => format.option(other)?,
        }
    }
    lua.create_string(&out)
}

fn put_integer(out: &mut Vec<u8>, number: f64, size: usize, endian: Endian) {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bits beyond 64 are lost in C too"
    )]
    let value = if number < 0.0 { truncate(number).cast_unsigned() } else { number as u64 };
    let mut bytes = value.to_le_bytes().to_vec();
    bytes.resize(size, 0);
    if endian == Endian::Big {
        bytes.reverse();
    }
    out.extend(bytes);
}

fn unpack(lua: &Lua, args: MultiValue) -> mlua::Result<MultiValue> {
    let args = Arguments::new(lua, "unpack", args);
    let mut format = Format::new(lua, &args)?;
    let data = args.string(2)?;
    let data = data.as_bytes();
    let position = args.optional_integer(3, 1)?;
    if position == 0 {
        return Err(args.error(3, "offset must be 1 or greater"));
    }
    let too_short = || args.error(2, "data string too short");
    let mut position = usize::try_from(position - 1).map_err(|_| too_short())?;
    let mut results: Vec<Value> = Vec::new();
    while let Some(Item { letter, size, padding }) = format.next(position)? {
        position = position.checked_add(padding).ok_or_else(too_short)?;
        let rest = data.get(position..).ok_or_else(too_short)?;
        let bytes = rest.get(..size).ok_or_else(too_short)?;
        if results.len() >= MAX_RESULTS {
            return Err(thrown::text(lua, "stack overflow (too many results)"));
        }
        position += size;
        match letter {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                results.push(Value::Number(integer(bytes, format.endian, letter.is_ascii_lowercase())));
            }
            b'x' => {}
            b'f' => {
                let bytes = format.ordered(bytes.try_into().expect("a float has four bytes"));
                results.push(Value::Number(f64::from(f32::from_le_bytes(bytes))));
            }
            b'd' => {
                let bytes = format.ordered(bytes.try_into().expect("a double has eight bytes"));
                results.push(Value::Number(f64::from_le_bytes(bytes)));
            }
            b'c' if size > 0 => results.push(Value::String(lua.create_string(bytes)?)),
            b'c' => {
                let length = results.pop().and_then(|length| as_number(lua, &length));
                let length = length.ok_or_else(|| thrown::text(lua, "format 'c0' needs a previous size"))?;
                let length = usize::try_from(truncate(length)).map_err(|_| too_short())?;
                let bytes = rest.get(..length).ok_or_else(too_short)?;
                results.push(Value::String(lua.create_string(bytes)?));
                position += length;
            }
            b's' => {
                let end = rest.iter().position(|&byte| byte == 0);
                let end = end.ok_or_else(|| thrown::text(lua, "unfinished string in data"))?;
                results.push(Value::String(lua.create_string(&rest[..end])?));
                position += end + 1;
            }
            other => format.option(other)?,
        }
    }
    results.push(lua.convert(position + 1)?);
    Ok(MultiValue::from_vec(results))
}

/// What C's shifts on common processors make of it, sizes of more than eight bytes included.
fn integer(bytes: &[u8], endian: Endian, is_signed: bool) -> f64 {
    let add = |value: u64, byte: &u8| (value << 8) | u64::from(*byte);
    let value = match endian {
        Endian::Big => bytes.iter().fold(0, add),
        Endian::Little => bytes.iter().rev().fold(0, add),
    };
    if !is_signed {
        #[expect(clippy::cast_precision_loss, reason = "Lua's numbers are doubles")]
        return value as f64;
    }
    let sign_bit = u32::try_from(bytes.len() * 8).expect("at most 32 bytes").wrapping_sub(1);
    let mask = u64::MAX.wrapping_shl(sign_bit);
    let extended = if value & mask == 0 { value } else { value | mask };
    #[expect(clippy::cast_precision_loss, reason = "Lua's numbers are doubles")]
    return extended.cast_signed() as f64;
}

fn size(lua: &Lua, args: MultiValue) -> mlua::Result<usize> {
    let args = Arguments::new(lua, "size", args);
    let mut format = Format::new(lua, &args)?;
    let mut position: usize = 0;
    while let Some(Item { letter, size, padding }) = format.next(position)? {
        match letter {
            b's' => return Err(args.error(1, "option 's' has no fixed size")),
            b'c' if size == 0 => return Err(args.error(1, "option 'c0' has no fixed size")),
            other if !other.is_ascii_alphanumeric() => format.option(other)?,
            _ => {}
        }
        position = position.saturating_add(padding).saturating_add(size);
    }
    Ok(position)
}
