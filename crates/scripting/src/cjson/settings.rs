//! What a script can set of `cjson`.
//!
//! Each setter returns what holds then, and changes nothing without arguments. Limits and messages are those of
//! lua-cjson 2.1.

use std::cell::Cell;
use std::rc::Rc;

use mlua::{Lua, MultiValue, Table, Value};

use crate::arguments::Arguments;

/// How values become JSON and back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Whether sparse arrays become objects; else they are refused.
    pub(crate) sparse_convert: bool,
    /// An array is sparse whose last index is more than so many times the number of its values; 0: never.
    pub(crate) sparse_ratio: i64,
    /// An array is not sparse up to this index.
    pub(crate) sparse_safe: i64,
    pub(crate) encode_max_depth: i64,
    pub(crate) decode_max_depth: i64,
    /// Significant digits.
    pub(crate) precision: i64,
    keep_buffer: bool,
    pub(crate) encode_invalid: Invalid,
    /// Whether numbers that JSON does not have are read.
    pub(crate) decode_invalid: bool,
}

/// What becomes of NaN and the infinities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invalid {
    Refused,
    Written,
    Null,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            sparse_convert: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_max_depth: 1000,
            decode_max_depth: 1000,
            precision: 14,
            keep_buffer: true,
            encode_invalid: Invalid::Refused,
            decode_invalid: true,
        }
    }
}

type Setter = fn(&mut Settings, &Arguments<'_>, &Lua) -> mlua::Result<MultiValue>;

/// Name, number of arguments, function.
const SETTERS: [(&str, usize, Setter); 7] = [
    ("encode_sparse_array", 3, |settings, args, _| {
        let convert = switch(args, 1, &mut settings.sparse_convert)?;
        let ratio = integer(args, 2, &mut settings.sparse_ratio, 0, i32::MAX)?;
        let safe = integer(args, 3, &mut settings.sparse_safe, 0, i32::MAX)?;
        Ok(MultiValue::from_vec(vec![convert, ratio, safe]))
    }),
    ("encode_max_depth", 1, |settings, args, _| {
        one(integer(args, 1, &mut settings.encode_max_depth, 1, i32::MAX))
    }),
    ("decode_max_depth", 1, |settings, args, _| {
        one(integer(args, 1, &mut settings.decode_max_depth, 1, i32::MAX))
    }),
    ("encode_number_precision", 1, |settings, args, _| one(integer(args, 1, &mut settings.precision, 1, 14))),
    ("encode_keep_buffer", 1, |settings, args, _| one(switch(args, 1, &mut settings.keep_buffer))),
    ("encode_invalid_numbers", 1, |settings, args, lua| {
        one(invalid_numbers(lua, args, &mut settings.encode_invalid))
    }),
    ("decode_invalid_numbers", 1, |settings, args, _| one(switch(args, 1, &mut settings.decode_invalid))),
];

/// Adds the setters.
pub(crate) fn add(lua: &Lua, settings: &Rc<Cell<Settings>>, table: &Table) -> mlua::Result<()> {
    for (name, most, set) in SETTERS {
        let settings = Rc::clone(settings);
        let function = move |lua: &Lua, args: MultiValue| {
            let args = Arguments::new(lua, name, args);
            if args.len() > most {
                return Err(args.error(most + 1, "found too many arguments"));
            }
            let mut changed = settings.get();
            let result = set(&mut changed, &args, lua);
            settings.set(changed);
            result
        };
        table.set(name, lua.create_function(function)?)?;
    }
    Ok(())
}

fn one(value: mlua::Result<Value>) -> mlua::Result<MultiValue> {
    value.map(|value| MultiValue::from_vec(vec![value]))
}

fn integer(
    args: &Arguments<'_>,
    index: usize,
    setting: &mut i64,
    least: i32,
    most: i32,
) -> mlua::Result<Value> {
    if !args.get(index).is_nil() {
        let value = args.int(index)?;
        if !(least..=most).contains(&value) {
            return Err(args.error(1, &format!("expected integer between {least} and {most}")));
        }
        *setting = i64::from(value);
    }
    Ok(Value::Integer(*setting))
}

/// true, false, "on" or "off".
fn switch(args: &Arguments<'_>, index: usize, setting: &mut bool) -> mlua::Result<Value> {
    match args.get(index) {
        Value::Nil => {}
        Value::Boolean(value) => *setting = *value,
        _ => *setting = option(args, index, &["off", "on"])? == 1,
    }
    Ok(Value::Boolean(*setting))
}

/// As a switch, or "null".
fn invalid_numbers(lua: &Lua, args: &Arguments<'_>, setting: &mut Invalid) -> mlua::Result<Value> {
    match args.get(1) {
        Value::Nil => {}
        Value::Boolean(true) => *setting = Invalid::Written,
        Value::Boolean(false) => *setting = Invalid::Refused,
        _ => {
            *setting = match option(args, 1, &["off", "on", "null"])? {
                0 => Invalid::Refused,
                1 => Invalid::Written,
                _ => Invalid::Null,
            };
        }
    }
    match setting {
        Invalid::Refused => Ok(Value::Boolean(false)),
        Invalid::Written => Ok(Value::Boolean(true)),
        Invalid::Null => lua.create_string("null").map(Value::String),
    }
}

/// Which of the names the argument is.
fn option(args: &Arguments<'_>, index: usize, names: &[&str]) -> mlua::Result<usize> {
    let given = args.string(index)?;
    let found = names.iter().position(|name| *name.as_bytes() == *given.as_bytes());
    found.ok_or_else(|| args.error(index, &format!("invalid option '{}'", given.to_string_lossy())))
}
