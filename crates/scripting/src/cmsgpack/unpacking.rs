//! MessagePack to values.
//!
//! Containers that are not complete yet lie on a stack of our own, so that no input can exhaust the process'.

use mlua::{Lua, MultiValue, Table, Value};

use crate::arguments::Arguments;
use crate::thrown::{self, Thrown};

/// How deep containers may be nested, and how many values returned: what the binding's stack holds, see
/// [`crate::pairs`].
const MAX_NESTING: usize = 3_000;
const MAX_RESULTS: usize = 7_900;

/// `cmsgpack.unpack(bytes)`: all values.
pub(crate) fn unpack(lua: &Lua, args: MultiValue) -> mlua::Result<MultiValue> {
    let args = Arguments::new(lua, "unpack", args);
    unpack_part(lua, &args, 0, 0)
}

/// `cmsgpack.unpack_one(bytes, offset)`: where the next value begins, and one value.
pub(crate) fn unpack_one(lua: &Lua, args: MultiValue) -> mlua::Result<MultiValue> {
    let args = Arguments::new(lua, "unpack_one", args);
    let offset = args.optional_integer(2, 0)?;
    unpack_part(lua, &args, 1, offset)
}

/// `cmsgpack.unpack_limit(bytes, limit, offset)`: where the next value begins, and up to `limit` values.
pub(crate) fn unpack_limit(lua: &Lua, args: MultiValue) -> mlua::Result<MultiValue> {
    let args = Arguments::new(lua, "unpack_limit", args);
    let limit = args.integer(2)?;
    let offset = args.optional_integer(3, 0)?;
    unpack_part(lua, &args, limit, offset)
}

/// Without limit and offset: everything, and no place where to go on.
fn unpack_part(lua: &Lua, args: &Arguments<'_>, limit: i64, offset: i64) -> mlua::Result<MultiValue> {
    let text = args.string(1)?;
    let bytes = text.as_bytes();
    let (Ok(count), Ok(start)) = (usize::try_from(limit), usize::try_from(offset)) else {
        let length = bytes.len();
        let message = format!("Invalid request to unpack with offset of {offset} and limit of {length}.");
        return Err(thrown::text(lua, message));
    };
    let Some(rest) = bytes.get(start..) else {
        let length = bytes.len();
        return Err(thrown::text(lua, format!("Start offset {start} greater than input length {length}.")));
    };
    let takes_all = count == 0 && start == 0;
    let mut unpacker = Unpacker { lua, rest, open: Vec::new() };
    let mut values = MultiValue::new();
    while !unpacker.rest.is_empty() && (takes_all || values.len() < count) {
        if values.len() >= MAX_RESULTS {
            let message =
                "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)";
            return Err(thrown::text(lua, message));
        }
        values.push_back(unpacker.value().map_err(|bad| bad.into_error(lua))?);
    }
    if !takes_all {
        let rest = unpacker.rest.len();
        values.push_front(if rest == 0 { Value::Integer(-1) } else { lua.convert(bytes.len() - rest)? });
    }
    Ok(values)
}

enum Bad {
    /// The input ends within a value.
    Missing,
    /// A type that is not known.
    Format,
    Nesting,
    Key(&'static str),
    Lua(mlua::Error),
}

impl Bad {
    fn into_error(self, lua: &Lua) -> mlua::Error {
        match self {
            Bad::Missing => thrown::text(lua, "Missing bytes in input."),
            Bad::Format => thrown::text(lua, "Bad data format in input."),
            Bad::Nesting => thrown::text(lua, "stack overflow (in function mp_decode_to_lua_array)"),
            Bad::Key(text) => Thrown::Text(text.into()).into(),
            Bad::Lua(error) => error,
        }
    }
}

impl From<mlua::Error> for Bad {
    fn from(error: mlua::Error) -> Self {
        Bad::Lua(error)
    }
}

/// A container that is not complete: how many of its values are left.
enum Open {
    Array { table: Table, index: usize, left: usize },
    Map { table: Table, key: Option<Value>, left: usize },
}

enum Item {
    Value(Value),
    Array(usize),
    Map(usize),
}

struct Unpacker<'a> {
    lua: &'a Lua,
    rest: &'a [u8],
    open: Vec<Open>,
}

impl<'a> Unpacker<'a> {
    fn value(&mut self) -> Result<Value, Bad> {
        loop {
            let container = match self.item()? {
                Item::Value(value) => match self.complete(value)? {
                    Some(value) => return Ok(value),
                    None => continue,
                },
                // Not sized by what the input announces.
                Item::Array(left) => Open::Array { table: self.lua.create_table()?, index: 1, left },
                Item::Map(left) => Open::Map { table: self.lua.create_table()?, key: None, left: left * 2 },
            };
            if self.open.len() >= MAX_NESTING {
                return Err(Bad::Nesting);
            }
            self.open.push(container);
            if let Some(value) = self.close()? {
                return Ok(value);
            }
        }
    }

    /// Puts a value where it belongs. Returns the outermost one when it is complete.
    fn complete(&mut self, value: Value) -> Result<Option<Value>, Bad> {
        match self.open.last_mut() {
            None => return Ok(Some(value)),
            Some(Open::Array { table, index, left }) => {
                table.raw_seti(*index, value)?;
                *index += 1;
                *left -= 1;
            }
            Some(Open::Map { table, key, left }) => {
                *left -= 1;
                match key.take() {
                    None => *key = Some(value),
                    Some(Value::Nil) => return Err(Bad::Key("table index is nil")),
                    Some(Value::Number(number)) if number.is_nan() => {
                        return Err(Bad::Key("table index is NaN"));
                    }
                    Some(key) => table.raw_set(key, value)?,
                }
            }
        }
        self.close()
    }

    /// Closes the containers that are complete.
    fn close(&mut self) -> Result<Option<Value>, Bad> {
        match self.open.last() {
            Some(Open::Array { left: 0, table, .. } | Open::Map { left: 0, table, .. }) => {
                let value = Value::Table(table.clone());
                self.open.pop();
                self.complete(value)
            }
            _ => Ok(None),
        }
    }

    fn item(&mut self) -> Result<Item, Bad> {
        let marker = self.take::<1>()?[0];
        Ok(Item::Value(match marker {
            0x00..=0x7f => number(marker),
            0x80..=0x8f => return Ok(Item::Map(usize::from(marker & 0xf))),
            0x90..=0x9f => return Ok(Item::Array(usize::from(marker & 0xf))),
            0xa0..=0xbf => self.string(usize::from(marker & 0x1f))?,
            0xc0 => Value::Nil,
            0xc2 => Value::Boolean(false),
            0xc3 => Value::Boolean(true),
            0xca => Value::Number(f64::from(f32::from_be_bytes(self.take()?))),
            0xcb => Value::Number(f64::from_be_bytes(self.take()?)),
            0xcc => number(u8::from_be_bytes(self.take()?)),
            0xcd => number(u16::from_be_bytes(self.take()?)),
            0xce => number(u32::from_be_bytes(self.take()?)),
            // What is beyond 63 bits is negative in Redis too.
            0xcf | 0xd3 => big_number(i64::from_be_bytes(self.take()?)),
            0xd0 => number(i8::from_be_bytes(self.take()?)),
            0xd1 => number(i16::from_be_bytes(self.take()?)),
            0xd2 => number(i32::from_be_bytes(self.take()?)),
            0xd9 => {
                let length = u8::from_be_bytes(self.take()?);
                self.string(usize::from(length))?
            }
            0xda => {
                let length = u16::from_be_bytes(self.take()?);
                self.string(usize::from(length))?
            }
            0xdb => {
                let length = self.length()?;
                self.string(length)?
            }
            0xdc => return Ok(Item::Array(usize::from(u16::from_be_bytes(self.take()?)))),
            0xdd => return Ok(Item::Array(self.length()?)),
            0xde => return Ok(Item::Map(usize::from(u16::from_be_bytes(self.take()?)))),
            0xdf => return Ok(Item::Map(self.length()?)),
            0xe0..=0xff => number(marker.cast_signed()),
            0xc1 | 0xc4..=0xc9 | 0xd4..=0xd8 => return Err(Bad::Format),
        }))
    }

    fn length(&mut self) -> Result<usize, Bad> {
        let length = u32::from_be_bytes(self.take()?);
        Ok(usize::try_from(length).expect("a processor of 64 bits"))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Bad> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Bad::Missing)?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn string(&mut self, length: usize) -> Result<Value, Bad> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Bad::Missing)?;
        self.rest = rest;
        Ok(Value::String(self.lua.create_string(bytes)?))
    }
}

fn number(number: impl Into<f64>) -> Value {
    Value::Number(number.into())
}

#[expect(clippy::cast_precision_loss, reason = "Lua's numbers are doubles")]
fn big_number(number: i64) -> Value {
    Value::Number(number as f64)
}
