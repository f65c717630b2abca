//! All pairs of a table, as a list.
//!
//! The binding keeps each value that Rust holds in a slot of a stack of 8000, so nothing may hold as many values
//! as a script can make. Who walks a table holds the table or this list, and one value at a time.

use mlua::{Function, Lua, Table};

struct Lister(Function);

const CODE: &str = "
local next = next
return function(t)
  local list, count = {}, 0
  for key, value in next, t do
    list[count + 1], list[count + 2] = key, value
    count = count + 2
  end
  return list, count
end";

/// Prepares a state for [`list`].
pub(crate) fn install(lua: &Lua) -> mlua::Result<()> {
    let lister = lua.load(CODE).set_name(format!("={}", crate::position::PRELUDE)).eval()?;
    lua.set_app_data(Lister(lister));
    Ok(())
}

/// Keys and values in turn, from 1, and how many that are together.
pub(crate) fn list(lua: &Lua, table: &Table) -> mlua::Result<(Table, usize)> {
    let lister = lua.app_data_ref::<Lister>().expect("it is installed before any script").0.clone();
    lister.call(table)
}
