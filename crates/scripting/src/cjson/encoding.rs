//! Values to JSON.
//!
//! Tables that are being written lie on a stack of our own: a script may allow more depth than the process'
//! stack has.

use mlua::{Error, Lua, MultiValue, Table, Value};

use super::MAX_DEPTH;
use super::settings::{Invalid, Settings};
use crate::arguments::{Arguments, number_of, truncate, type_name};
use crate::{number, pairs, thrown};

/// How long a text may become.
const MAX_BYTES: usize = 1 << 30;

/// `cjson.encode(value)`
pub(crate) fn encode(lua: &Lua, settings: Settings, args: MultiValue) -> mlua::Result<mlua::String> {
    let args = Arguments::new(lua, "encode", args);
    let [value] = args.values() else { return Err(args.error(1, "expected 1 argument")) };
    let mut encoder = Encoder { lua, settings, out: Vec::new(), open: Vec::new() };
    encoder.value(value)?;
    while let Some(open) = encoder.open.last_mut() {
        if encoder.out.len() > MAX_BYTES {
            return Err(thrown::text(lua, "not enough memory"));
        }
        match open.next()? {
            Next::Value { key, value, is_first } => encoder.member(key.as_ref(), &value, is_first)?,
            Next::End(bracket) => {
                encoder.out.push(bracket);
                encoder.open.pop();
            }
        }
    }
    lua.create_string(&encoder.out)
}

struct Encoder<'a> {
    lua: &'a Lua,
    settings: Settings,
    out: Vec<u8>,
    /// The tables that are being written, the innermost last.
    open: Vec<Open>,
}

enum Open {
    Array { table: Table, index: i64, length: i64 },
    Object { pairs: Table, index: usize, last: usize },
}

enum Next {
    Value { key: Option<Value>, value: Value, is_first: bool },
    End(u8),
}

impl Open {
    fn next(&mut self) -> mlua::Result<Next> {
        match self {
            Open::Array { index, length, .. } if index == length => Ok(Next::End(b']')),
            Open::Array { table, index, .. } => {
                *index += 1;
                Ok(Next::Value { key: None, value: table.raw_get(*index)?, is_first: *index == 1 })
            }
            Open::Object { index, last, .. } if index == last => Ok(Next::End(b'}')),
            Open::Object { pairs, index, .. } => {
                *index += 2;
                let key = Some(pairs.raw_get(*index - 1)?);
                Ok(Next::Value { key, value: pairs.raw_get(*index)?, is_first: *index == 2 })
            }
        }
    }
}

impl Encoder<'_> {
    fn member(&mut self, key: Option<&Value>, value: &Value, is_first: bool) -> mlua::Result<()> {
        if !is_first {
            self.out.push(b',');
        }
        match key {
            None => {}
            Some(Value::String(key)) => {
                self.string(&key.as_bytes());
                self.out.push(b':');
            }
            Some(key) => {
                let Some(number) = number_of(key) else {
                    return Err(self.refuse(key, "table key must be a number or string"));
                };
                self.out.push(b'"');
                self.number(key, number)?;
                self.out.extend_from_slice(b"\":");
            }
        }
        self.value(value)
    }

    fn value(&mut self, value: &Value) -> mlua::Result<()> {
        match value {
            Value::String(text) => self.string(&text.as_bytes()),
            Value::Boolean(true) => self.out.extend_from_slice(b"true"),
            Value::Boolean(false) => self.out.extend_from_slice(b"false"),
            Value::Nil => self.out.extend_from_slice(b"null"),
            Value::LightUserData(pointer) if pointer.0.is_null() => self.out.extend_from_slice(b"null"),
            Value::Table(table) => self.open_table(table)?,
            other => match number_of(other) {
                Some(number) => self.number(other, number)?,
                None => return Err(self.refuse(other, "type not supported")),
            },
        }
        Ok(())
    }

    fn open_table(&mut self, table: &Table) -> mlua::Result<()> {
        let depth = self.open.len() + 1;
        if i64::try_from(depth).map_or(true, |depth| depth > self.settings.encode_max_depth)
            || depth > MAX_DEPTH
        {
            return Err(thrown::text(self.lua, format!("Cannot serialise, excessive nesting ({depth})")));
        }
        let length = self.array_length(table)?;
        self.out.push(if length.is_some() { b'[' } else { b'{' });
        self.open.push(match length {
            Some(length) => Open::Array { table: table.clone(), index: 0, length },
            None => {
                let (pairs, last) = pairs::list(self.lua, table)?;
                Open::Object { pairs, index: 0, last }
            }
        });
        Ok(())
    }

    /// The last index, if the table is an array and not empty.
    fn array_length(&self, table: &Table) -> mlua::Result<Option<i64>> {
        let (mut last, mut count) = (0, 0_i64);
        for pair in table.pairs::<Value, Value>() {
            match number_of(&pair?.0) {
                Some(key) if key >= 1.0 && key.floor() == key => {
                    last = last.max(truncate(key));
                    count += 1;
                }
                _ => return Ok(None),
            }
        }
        let Settings { sparse_ratio, sparse_safe, .. } = self.settings;
        let is_sparse = sparse_ratio > 0 && last > count.saturating_mul(sparse_ratio) && last > sparse_safe;
        if !is_sparse {
            return Ok((last > 0).then_some(last));
        } else if self.settings.sparse_convert {
            return Ok(None);
        }
        Err(self.refuse(&Value::Table(table.clone()), "excessively sparse array"))
    }

    fn number(&mut self, value: &Value, number: f64) -> mlua::Result<()> {
        if !number.is_finite() {
            match self.settings.encode_invalid {
                Invalid::Refused => return Err(self.refuse(value, "must not be NaN or Inf")),
                Invalid::Null => {
                    self.out.extend_from_slice(b"null");
                    return Ok(());
                }
                Invalid::Written if number.is_nan() => {
                    self.out.extend_from_slice(b"nan");
                    return Ok(());
                }
                Invalid::Written => {}
            }
        }
        let precision = usize::try_from(self.settings.precision).expect("it is between 1 and 14");
        self.out.extend_from_slice(number::general(number, precision).as_bytes());
        Ok(())
    }

    fn string(&mut self, text: &[u8]) {
        self.out.push(b'"');
        for &byte in text {
            match byte {
                b'"' | b'\\' | b'/' => self.out.extend_from_slice(&[b'\\', byte]),
                0x08 => self.out.extend_from_slice(b"\\b"),
                b'\t' => self.out.extend_from_slice(b"\\t"),
                b'\n' => self.out.extend_from_slice(b"\\n"),
                0x0c => self.out.extend_from_slice(b"\\f"),
                b'\r' => self.out.extend_from_slice(b"\\r"),
                0..0x20 | 0x7f => self.out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
                _ => self.out.push(byte),
            }
        }
        self.out.push(b'"');
    }

    fn refuse(&self, value: &Value, reason: &str) -> Error {
        thrown::text(self.lua, format!("Cannot serialise {}: {reason}", type_name(value)))
    }
}
