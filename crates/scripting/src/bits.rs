//! The library `bit`: operations on 32-bit integers, as Lua BitOp has them.
//!
//! A number is taken modulo 2^32, and results are signed.

use mlua::{Lua, MultiValue, Table};

use crate::arguments::Arguments;

pub(crate) fn open(lua: &Lua) -> mlua::Result<Table> {
    let bit = lua.create_table()?;
    add(lua, &bit, "tobit", |args| operand(args, 1))?;
    add(lua, &bit, "bnot", |args| Ok(!operand(args, 1)?))?;
    add(lua, &bit, "bswap", |args| Ok(operand(args, 1)?.swap_bytes()))?;
    add(lua, &bit, "band", |args| fold(args, |a, b| a & b))?;
    add(lua, &bit, "bor", |args| fold(args, |a, b| a | b))?;
    add(lua, &bit, "bxor", |args| fold(args, |a, b| a ^ b))?;
    add(lua, &bit, "lshift", |args| shift(args, |value, count| value << count))?;
    add(lua, &bit, "rshift", |args| shift(args, |value, count| value >> count))?;
    add(lua, &bit, "arshift", |args| {
        shift(args, |value, count| (value.cast_signed() >> count).cast_unsigned())
    })?;
    add(lua, &bit, "rol", |args| shift(args, u32::rotate_left))?;
    add(lua, &bit, "ror", |args| shift(args, u32::rotate_right))?;
    bit.set("tohex", lua.create_function(tohex)?)?;
    Ok(bit)
}

fn add(
    lua: &Lua,
    bit: &Table,
    name: &'static str,
    operation: fn(&Arguments<'_>) -> mlua::Result<u32>,
) -> mlua::Result<()> {
    let function = move |lua: &Lua, args: MultiValue| {
        operation(&Arguments::new(lua, name, args)).map(|bits| f64::from(bits.cast_signed()))
    };
    bit.set(name, lua.create_function(function)?)
}

/// An argument modulo 2^32, rounded to the nearest integer, to the even one of two.
fn operand(args: &Arguments<'_>, index: usize) -> mlua::Result<u32> {
    // Added to a smaller number, this leaves its integer in the low bits of the mantissa.
    const INTEGER_BITS: f64 = 6_755_399_441_055_744.0;
    let bits = (args.number(index)? + INTEGER_BITS).to_bits();
    Ok(u32::try_from(bits & u64::from(u32::MAX)).expect("32 bits"))
}

fn fold(args: &Arguments<'_>, operation: fn(u32, u32) -> u32) -> mlua::Result<u32> {
    let mut result = operand(args, 1)?;
    for index in (2..=args.len()).rev() {
        result = operation(result, operand(args, index)?);
    }
    Ok(result)
}

fn shift(args: &Arguments<'_>, operation: fn(u32, u32) -> u32) -> mlua::Result<u32> {
    let value = operand(args, 1)?;
    Ok(operation(value, operand(args, 2)? & 31))
}

/// The last digits of the number, capital ones for a negative count.
fn tohex(lua: &Lua, args: MultiValue) -> mlua::Result<String> {
    let args = Arguments::new(lua, "tohex", args);
    let value = operand(&args, 1)?;
    let count = if args.len() < 2 { 8 } else { operand(&args, 2)?.cast_signed() };
    let digits = if count < 0 { format!("{value:08X}") } else { format!("{value:08x}") };
    let shown = usize::try_from(count.unsigned_abs()).map_or(8, |count| count.min(8));
    Ok(digits[8 - shown..].to_owned())
}
