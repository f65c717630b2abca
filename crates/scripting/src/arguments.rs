//! Arguments of a library's function, checked as Lua's own libraries check theirs.
//!
//! Numbers stand for strings and strings of digits for numbers, as everywhere in Lua; what does not fit is
//! refused with Lua's words.

use mlua::{Error, Lua, MultiValue, Value};

use crate::thrown;

/// The arguments of one call. They are numbered from 1.
pub(crate) struct Arguments<'a> {
    lua: &'a Lua,
    function: &'static str,
    values: Vec<Value>,
}

impl<'a> Arguments<'a> {
    pub(crate) fn new(lua: &'a Lua, function: &'static str, values: MultiValue) -> Self {
        Arguments { lua, function, values: values.into_vec() }
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn values(&self) -> &[Value] {
        &self.values
    }

    /// The argument, nil if it is not there.
    pub(crate) fn get(&self, index: usize) -> &Value {
        self.values.get(index - 1).unwrap_or(&Value::Nil)
    }

    /// Puts a value behind the arguments, for functions that Redis writes so.
    pub(crate) fn push(&mut self, value: Value) {
        self.values.push(value);
    }

    /// A string, or a number as one.
    pub(crate) fn string(&self, index: usize) -> mlua::Result<mlua::String> {
        match self.get(index) {
            Value::String(text) => Ok(text.clone()),
            value => match as_string(self.lua, value)? {
                Some(text) => Ok(text),
                None => Err(self.type_error(index, "string")),
            },
        }
    }

    /// A number, or a string that reads as one.
    pub(crate) fn number(&self, index: usize) -> mlua::Result<f64> {
        as_number(self.lua, self.get(index)).ok_or_else(|| self.type_error(index, "number"))
    }

    /// A number without its fraction.
    pub(crate) fn integer(&self, index: usize) -> mlua::Result<i64> {
        self.number(index).map(truncate)
    }

    /// A number without its fraction and but 32 bits, as C's `int`.
    pub(crate) fn int(&self, index: usize) -> mlua::Result<i32> {
        #[expect(clippy::cast_possible_truncation, reason = "C's conversion keeps the low bits")]
        self.integer(index).map(|value| value as i32)
    }

    /// The same, or what holds if the argument is nil or not there.
    pub(crate) fn optional_integer(&self, index: usize, default: i64) -> mlua::Result<i64> {
        if self.get(index).is_nil() { Ok(default) } else { self.integer(index) }
    }

    /// `bad argument #1 to 'f' (message)`
    pub(crate) fn error(&self, index: usize, message: &str) -> Error {
        let function = self.function;
        thrown::text(self.lua, format!("bad argument #{index} to '{function}' ({message})"))
    }

    fn type_error(&self, index: usize, expected: &str) -> Error {
        let got = self.values.get(index - 1).map_or("no value", type_name);
        self.error(index, &format!("{expected} expected, got {got}"))
    }
}

/// Lua's name for the type.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Nil => "nil",
        Value::Boolean(_) => "boolean",
        Value::Integer(_) | Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Table(_) => "table",
        Value::Function(_) => "function",
        Value::Thread(_) => "thread",
        _ => "userdata",
    }
}

/// A number's value; strings are none.
pub(crate) fn number_of(value: &Value) -> Option<f64> {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "it was a double in Lua")]
        Value::Integer(number) => Some(*number as f64),
        Value::Number(number) => Some(*number),
        _ => None,
    }
}

/// A number, or a string that reads as one.
pub(crate) fn as_number(lua: &Lua, value: &Value) -> Option<f64> {
    match value {
        Value::String(_) => lua.coerce_number(value.clone()).ok().flatten(),
        other => number_of(other),
    }
}

/// A string, or a number as one.
pub(crate) fn as_string(lua: &Lua, value: &Value) -> mlua::Result<Option<mlua::String>> {
    match value {
        Value::String(_) | Value::Integer(_) | Value::Number(_) => lua.coerce_string(value.clone()),
        _ => Ok(None),
    }
}

/// C's conversion of a double to a 64-bit integer on common processors: what does not fit is the least one.
#[expect(clippy::cast_possible_truncation, reason = "it is within range")]
pub(crate) fn truncate(number: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&number) { number as i64 } else { i64::MIN }
}
