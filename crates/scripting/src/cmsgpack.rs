//! The library `cmsgpack`: values to and from MessagePack.
//!
//! A table whose keys are 1 to n is an array, any other a map; tables nested deeper than 16 are nil. Numbers
//! without a fraction are integers. Bytes that are not of a type Redis knows (binary, extension) are refused.

mod packing;
mod unpacking;

use mlua::{Lua, Table};

pub(crate) fn open(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.set("pack", lua.create_function(packing::pack)?)?;
    table.set("unpack", lua.create_function(unpacking::unpack)?)?;
    table.set("unpack_one", lua.create_function(unpacking::unpack_one)?)?;
    table.set("unpack_limit", lua.create_function(unpacking::unpack_limit)?)?;
    table.set("_NAME", "cmsgpack")?;
    table.set("_VERSION", "lua-cmsgpack 0.4.0")?;
    table.set("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo")?;
    table.set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    Ok(table)
}
