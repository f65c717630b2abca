//! The library `cjson`: values to and from JSON.
//!
//! Null is `cjson.null`. Depth is limited to 1000 unless a script changes that; changes last for the run, so
//! that no script is surprised by another's. `cjson.new()` makes one with settings of its own.

mod decoding;
mod encoding;
mod settings;

use std::cell::Cell;
use std::rc::Rc;

use mlua::{Lua, MultiValue, Table, Value};

pub(crate) use settings::Settings;

/// Whatever depth a script allows: each level takes two slots of the binding's stack, see [`crate::pairs`].
const MAX_DEPTH: usize = 3_000;

/// The library, by the given settings.
pub(crate) fn open(lua: &Lua, settings: &Rc<Cell<Settings>>) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let shared = Rc::clone(settings);
    let encode = move |lua: &Lua, args: MultiValue| encoding::encode(lua, shared.get(), args);
    table.set("encode", lua.create_function(encode)?)?;
    let shared = Rc::clone(settings);
    let decode = move |lua: &Lua, args: MultiValue| decoding::decode(lua, shared.get(), args);
    table.set("decode", lua.create_function(decode)?)?;
    let new = |lua: &Lua, _: MultiValue| open(lua, &Rc::new(Cell::new(Settings::default())));
    table.set("new", lua.create_function(new)?)?;
    settings::add(lua, settings, &table)?;
    table.set("null", Value::NULL)?;
    table.set("_NAME", "cjson")?;
    table.set("_VERSION", "2.1.0")?;
    Ok(table)
}
