//! `redis.register_function`: what a library makes of its code.
//!
//! Two forms: a name and a function, or one table of named arguments. Redis calls a field's name in any case by
//! it, and refuses one that it does not know.

use mlua::{Function, Lua, MultiValue, Table, Value};

use crate::arguments::as_string;
use crate::interpreter::{Program, Shared};
use crate::shebang::{Flags, NAMES, checked_name};
use crate::thrown;

/// A function that a library registered.
#[derive(Clone, Debug)]
pub struct Registered {
    /// Its name: letters, digits and underscores.
    pub name: String,
    /// What it says about itself.
    pub description: Option<Vec<u8>>,
    /// What it declares.
    pub flags: Flags,
    /// What runs.
    pub program: Program,
}

/// The callback `redis.register_function`.
pub(crate) fn register(lua: &Lua, shared: &Shared, args: MultiValue) -> mlua::Result<()> {
    if shared.registering.borrow().is_none() {
        return Err(thrown::reply("redis.register_function can only be called on FUNCTION LOAD command"));
    }
    let registered = match args.into_vec().as_slice() {
        [named] => by_name(lua, named),
        [name, callback] => by_place(lua, name, callback),
        _ => Err("wrong number of arguments to redis.register_function"),
    };
    let registered = registered.map_err(thrown::reply)?;
    let mut functions = shared.registering.borrow_mut();
    let functions = functions.as_mut().expect("a library is being loaded");
    if functions.iter().any(|function| function.name == registered.name) {
        return Err(thrown::reply("Function already exists in the library"));
    }
    functions.push(registered);
    Ok(())
}

type Refusal = &'static str;

fn by_place(lua: &Lua, name: &Value, callback: &Value) -> Result<Registered, Refusal> {
    let name = string(lua, name).ok_or("first argument to redis.register_function must be a string")?;
    let Value::Function(callback) = callback else {
        return Err("second argument to redis.register_function must be a function");
    };
    finish(lua, &name, None, Flags::default(), callback)
}

fn by_name(lua: &Lua, named: &Value) -> Result<Registered, Refusal> {
    let Value::Table(named) = named else {
        return Err(
            "calling redis.register_function with a single argument is only applicable to Lua table \
                    (representing named arguments).",
        );
    };
    let (mut name, mut description, mut callback, mut flags) = (None, None, None, Flags::default());
    for pair in named.pairs::<Value, Value>() {
        let (key, value) =
            pair.map_err(|_| "named argument key given to redis.register_function is not a string")?;
        let key =
            string(lua, &key).ok_or("named argument key given to redis.register_function is not a string")?;
        match key.to_ascii_lowercase().as_slice() {
            b"function_name" => {
                let text = string(lua, &value);
                name = Some(
                    text.ok_or("function_name argument given to redis.register_function must be a string")?,
                );
            }
            b"description" => {
                let text = string(lua, &value);
                description = Some(
                    text.ok_or("description argument given to redis.register_function must be a string")?,
                );
            }
            b"callback" => match value {
                Value::Function(function) => callback = Some(function),
                _ => return Err("callback argument given to redis.register_function must be a function"),
            },
            b"flags" => match value {
                Value::Table(names) => flags = read_flags(lua, &names).ok_or("unknown flag given")?,
                _ => {
                    return Err(
                        "flags argument to redis.register_function must be a table representing function \
                                flags",
                    );
                }
            },
            _ => return Err("unknown argument given to redis.register_function"),
        }
    }
    let name = name.ok_or("redis.register_function must get a function name argument")?;
    let callback = callback.ok_or("redis.register_function must get a callback argument")?;
    finish(lua, &name, description, flags, &callback)
}

fn finish(
    lua: &Lua,
    name: &[u8],
    description: Option<Vec<u8>>,
    flags: Flags,
    callback: &Function,
) -> Result<Registered, Refusal> {
    let name = checked_name(name).ok_or(NAMES)?;
    let program = Program::of_library(lua, callback)
        .map_err(|_| "second argument to redis.register_function must be a function")?;
    Ok(Registered { name, description, flags, program })
}

/// The flags that an array names.
fn read_flags(lua: &Lua, names: &Table) -> Option<Flags> {
    let mut flags = Flags::default();
    for index in 1_i64.. {
        match names.raw_get(index).ok()? {
            Value::Nil => break,
            name => flags.insert(Flags::named(&string(lua, &name)?)?),
        }
    }
    Some(flags)
}

fn string(lua: &Lua, value: &Value) -> Option<Vec<u8>> {
    as_string(lua, value).ok().flatten().map(|text| text.as_bytes().to_vec())
}
