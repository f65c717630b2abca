//! Values to MessagePack.
//!
//! Each value takes the shortest form that it has. What MessagePack cannot say (functions, threads, tables that
//! are nested too deeply) is nil.

use mlua::{Lua, MultiValue, Table, Value};

use crate::arguments::{Arguments, number_of, truncate};
use crate::pairs;

/// A table this deep is packed as nil, so tables that contain themselves end.
const MAX_NESTING: usize = 16;

/// The markers and lengths of a string, an array or a map: up to `short` in the first byte, then by the
/// markers of 8, 16 and 32 bits.
struct Header {
    short: (u8, usize),
    byte: Option<u8>,
    word: u8,
    double_word: u8,
}

const STRING: Header = Header { short: (0xa0, 31), byte: Some(0xd9), word: 0xda, double_word: 0xdb };
const ARRAY: Header = Header { short: (0x90, 15), byte: None, word: 0xdc, double_word: 0xdd };
const MAP: Header = Header { short: (0x80, 15), byte: None, word: 0xde, double_word: 0xdf };

/// `cmsgpack.pack(...)`: all arguments, one behind the other.
pub(crate) fn pack(lua: &Lua, args: MultiValue) -> mlua::Result<mlua::String> {
    let args = Arguments::new(lua, "pack", args);
    if args.len() == 0 {
        return Err(args.error(0, "MessagePack pack needs input."));
    }
    let mut out = Vec::new();
    for value in args.values() {
        put(lua, &mut out, value, 0)?;
    }
    lua.create_string(&out)
}

fn put(lua: &Lua, out: &mut Vec<u8>, value: &Value, level: usize) -> mlua::Result<()> {
    match value {
        Value::String(text) => {
            let text = text.as_bytes();
            put_header(out, &STRING, text.len());
            out.extend_from_slice(&text);
        }
        Value::Boolean(value) => out.push(if *value { 0xc3 } else { 0xc2 }),
        Value::Integer(number) => put_integer(out, *number),
        Value::Number(number) => put_number(out, *number),
        Value::Table(table) if level < MAX_NESTING => put_table(lua, out, table, level)?,
        _ => out.push(0xc0),
    }
    Ok(())
}

fn put_table(lua: &Lua, out: &mut Vec<u8>, table: &Table, level: usize) -> mlua::Result<()> {
    if let Some(length) = array_length(table)? {
        put_header(out, &ARRAY, length);
        for index in 1..=length {
            put(lua, out, &table.raw_get(index)?, level + 1)?;
        }
    } else {
        let (pairs, last) = pairs::list(lua, table)?;
        put_header(out, &MAP, last / 2);
        for index in 1..=last {
            put(lua, out, &pairs.raw_get(index)?, level + 1)?;
        }
    }
    Ok(())
}

/// How many values there are, if their keys are 1 to this number.
fn array_length(table: &Table) -> mlua::Result<Option<usize>> {
    let (mut greatest, mut count) = (0.0_f64, 0);
    for pair in table.pairs::<Value, Value>() {
        match number_of(&pair?.0) {
            Some(key) if key > 0.0 && key.fract() == 0.0 && key <= f64::from(i32::MAX) => {
                greatest = greatest.max(key);
                count += 1;
            }
            _ => return Ok(None),
        }
    }
    Ok((usize::try_from(truncate(greatest)) == Ok(count)).then_some(count))
}

fn put_number(out: &mut Vec<u8>, number: f64) {
    let integer = truncate(number);
    #[expect(clippy::cast_precision_loss, reason = "it is compared with what it came from")]
    if number.is_finite() && integer as f64 == number {
        return put_integer(out, integer);
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is used only if nothing is lost")]
    let short = number as f32;
    if f64::from(short) == number {
        out.push(0xca);
        out.extend(short.to_be_bytes());
    } else {
        out.push(0xcb);
        out.extend(number.to_be_bytes());
    }
}

/// In as few bytes as hold it.
fn put_integer(out: &mut Vec<u8>, number: i64) {
    if let Ok(number) = u64::try_from(number) {
        match (u8::try_from(number), u16::try_from(number), u32::try_from(number)) {
            (Ok(number @ 0..=127), ..) => out.push(number),
            (Ok(number), ..) => out.extend([0xcc, number]),
            (_, Ok(number), _) => put_marked(out, 0xcd, number.to_be_bytes()),
            (_, _, Ok(number)) => put_marked(out, 0xce, number.to_be_bytes()),
            _ => put_marked(out, 0xcf, number.to_be_bytes()),
        }
    } else {
        match (i8::try_from(number), i16::try_from(number), i32::try_from(number)) {
            (Ok(number @ -32..=-1), ..) => out.push(number.cast_unsigned()),
            (Ok(number), ..) => put_marked(out, 0xd0, number.to_be_bytes()),
            (_, Ok(number), _) => put_marked(out, 0xd1, number.to_be_bytes()),
            (_, _, Ok(number)) => put_marked(out, 0xd2, number.to_be_bytes()),
            _ => put_marked(out, 0xd3, number.to_be_bytes()),
        }
    }
}

fn put_marked<const N: usize>(out: &mut Vec<u8>, marker: u8, bytes: [u8; N]) {
    out.push(marker);
    out.extend(bytes);
}

fn put_header(out: &mut Vec<u8>, header: &Header, length: usize) {
    let (base, most) = header.short;
    match (u8::try_from(length), u16::try_from(length), header.byte) {
        (Ok(short), ..) if length <= most => out.push(base | short),
        (Ok(short), _, Some(marker)) => out.extend([marker, short]),
        (_, Ok(length), _) => put_marked(out, header.word, length.to_be_bytes()),
        _ => {
            // A string of Lua that is longer than four gigabytes has no form.
            let length = u32::try_from(length).unwrap_or(u32::MAX);
            put_marked(out, header.double_word, length.to_be_bytes());
        }
    }
}
