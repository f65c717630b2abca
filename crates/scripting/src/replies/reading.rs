//! A command's reply as a Lua value.
//!
//! | reply | Lua |
//! |---|---|
//! | integer | number |
//! | bulk string | string |
//! | status, error | table with `ok`, with `err` |
//! | array | table from 1 |
//! | null | false in RESP2, nil in RESP3 |
//! | boolean | boolean |
//! | map, set | table with `map`, with `set` whose members are keys |
//! | double, big number | table with `double`, with `big_number` |
//! | verbatim string | table with `verbatim_string`, a table with `format` and `string` |
//!
//! The bytes are the server's own, so what is not well-formed is our bug.

use mlua::{Lua, Table, Value};
use slipstream_resp::number as wire;

use crate::thrown::ErrorReply;

/// The value of the one reply in `bytes`.
pub(crate) fn read(lua: &Lua, bytes: &[u8]) -> mlua::Result<Value> {
    Reader { lua, rest: bytes }.value()
}

/// Copying more than that costs more than a slot.
const SHORT: usize = 4096;

/// The bulk string in `bytes`, if they are a short one and UTF-8.
pub(crate) fn read_text(bytes: &[u8]) -> Option<&str> {
    if bytes.len() > SHORT {
        return None;
    }
    let digits = bytes.strip_prefix(b"$")?;
    let end = digits.iter().position(|&byte| byte == b'\r')?;
    let length = wire::parse_i64(&digits[..end]).and_then(|length| usize::try_from(length).ok())?;
    std::str::from_utf8(digits.get(end + 2..)?.get(..length)?).ok()
}

struct Reader<'a> {
    lua: &'a Lua,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> mlua::Result<Value> {
        let line = self.line();
        let (&marker, text) = line.split_first().expect("a reply begins with its type");
        Ok(match marker {
            b'$' | b'=' if text == b"-1" => Value::Boolean(false),
            b'*' if text == b"-1" => Value::Boolean(false),
            b':' => number(parse::<i64>(text)),
            b'$' => self.string(parse(text))?,
            b'+' => self.field("ok", text)?,
            b'-' => Value::Table(ErrorReply::parse(line, true).to_table(self.lua)?),
            b'*' | b'>' => self.array(parse(text))?,
            b'_' => Value::Nil,
            b'#' => Value::Boolean(text == b"t"),
            b',' => self.double(text)?,
            b'(' => self.field("big_number", text)?,
            b'=' => self.verbatim(parse(text))?,
            b'%' => self.map(parse(text))?,
            b'~' => self.set(parse(text))?,
            b'|' => self.attribute(parse(text))?,
            _ => unreachable!("no reply begins with byte {marker}"),
        })
    }

    fn line(&mut self) -> &'a [u8] {
        let end = self.rest.iter().position(|&byte| byte == b'\r').expect("a reply's line ends");
        let line = &self.rest[..end];
        self.rest = &self.rest[end + 2..];
        line
    }

    fn bytes(&mut self, length: usize) -> &'a [u8] {
        let bytes = &self.rest[..length];
        self.rest = &self.rest[length + 2..];
        bytes
    }

    fn string(&mut self, length: usize) -> mlua::Result<Value> {
        Ok(Value::String(self.lua.create_string(self.bytes(length))?))
    }

    /// A table with one field, a string.
    fn field(&self, name: &str, text: &[u8]) -> mlua::Result<Value> {
        self.wrap(name, self.lua.create_string(text)?)
    }

    fn wrap(&self, name: &str, value: impl mlua::IntoLua) -> mlua::Result<Value> {
        let table = self.lua.create_table_with_capacity(0, 1)?;
        table.raw_set(name, value)?;
        Ok(Value::Table(table))
    }

    fn array(&mut self, length: usize) -> mlua::Result<Value> {
        let table = self.table(length, 0)?;
        for index in 1..=length {
            match self.text() {
                Some(text) => table.raw_seti(index, text)?,
                None => table.raw_seti(index, self.value()?)?,
            }
        }
        Ok(Value::Table(table))
    }

    /// A bulk string that comes next and is UTF-8: the binding takes it without a slot for a value between.
    fn text(&mut self) -> Option<&'a str> {
        if self.rest.first() != Some(&b'$') || self.rest.get(1) == Some(&b'-') {
            return None;
        }
        let start = self.rest;
        let length = parse(&self.line()[1..]);
        let text = std::str::from_utf8(self.bytes(length)).ok();
        if text.is_none() {
            self.rest = start;
        }
        text
    }

    fn map(&mut self, length: usize) -> mlua::Result<Value> {
        let table = self.table(0, length)?;
        for _ in 0..length {
            let key = self.value()?;
            let value = self.value()?;
            table.raw_set(key, value)?;
        }
        self.wrap("map", table)
    }

    fn set(&mut self, length: usize) -> mlua::Result<Value> {
        let table = self.table(0, length)?;
        for _ in 0..length {
            let member = self.value()?;
            table.raw_set(member, true)?;
        }
        self.wrap("set", table)
    }

    fn table(&self, array: usize, fields: usize) -> mlua::Result<Table> {
        self.lua.create_table_with_capacity(array, fields)
    }

    fn double(&self, text: &[u8]) -> mlua::Result<Value> {
        self.wrap("double", parse::<f64>(text))
    }

    /// `txt:...`
    fn verbatim(&mut self, length: usize) -> mlua::Result<Value> {
        let bytes = self.bytes(length);
        let fields = self.table(0, 2)?;
        fields.raw_set("format", self.lua.create_string(&bytes[..3])?)?;
        fields.raw_set("string", self.lua.create_string(&bytes[4..])?)?;
        self.wrap("verbatim_string", fields)
    }

    /// Attributes are not shown to scripts.
    fn attribute(&mut self, pairs: usize) -> mlua::Result<Value> {
        for _ in 0..pairs * 2 {
            self.value()?;
        }
        self.value()
    }
}

fn parse<T: std::str::FromStr>(text: &[u8]) -> T {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.expect("the server's replies have good numbers")
}

/// Lua's numbers are doubles.
#[expect(clippy::cast_precision_loss, reason = "as in Redis, big integers lose digits in scripts")]
fn number(value: i64) -> Value {
    Value::Number(value as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reply: &str, expression: &str) {
        let lua = Lua::new();
        let reply = reply.replace('|', "\r\n");
        lua.globals().set("r", read(&lua, reply.as_bytes()).unwrap()).unwrap();
        assert!(lua.load(expression).eval::<bool>().unwrap(), "{reply:?}: {expression}");
    }

    #[test]
    fn replies_become_lua_values() {
        check(":-3|", "r == -3");
        check(":9007199254740993|", "r == 9007199254740992");
        check("$4|a|b|", "r == 'a\\r\\nb'");
        check("$-1|", "r == false");
        check("*-1|", "r == false");
        check("_|", "r == nil");
        check("#t|", "r == true");
        check("#f|", "r == false");
        check("+OK|", "r.ok == 'OK'");
        check("*2|:1|*1|$1|x|", "r[1] == 1 and r[2][1] == 'x' and #r == 2");
        check("*2|$-1|$1|x|", "r[1] == false and r[2] == 'x'");
        check("*3|:1|_|:3|", "r[1] == 1 and r[2] == nil and r[3] == 3");
        check(",2.5|", "r.double == 2.5");
        check(",inf|", "r.double == math.huge");
        check("(123456789012345678901|", "r.big_number == '123456789012345678901'");
        check("=6|txt:hi|", "r.verbatim_string.format == 'txt' and r.verbatim_string.string == 'hi'");
        check("%1|$1|a|:1|", "r.map.a == 1");
        check("~2|$1|a|:7|", "r.set.a == true and r.set[7] == true");
    }

    #[test]
    fn bytes_that_are_no_text_are_kept() {
        let lua = Lua::new();
        let value = read(&lua, b"*2\r\n$2\r\n\xff\0\r\n$1\r\nx\r\n").unwrap();
        let members: Vec<Vec<u8>> = value
            .as_table()
            .unwrap()
            .sequence_values::<mlua::String>()
            .map(|text| text.unwrap().as_bytes().to_vec())
            .collect();
        assert_eq!(members, [b"\xff\0".to_vec(), b"x".to_vec()]);
    }

    #[test]
    fn errors_have_a_code_and_are_counted() {
        check("-WRONGTYPE no|", "r.err == 'WRONGTYPE no' and r.ignore_error_stats_update == true");
        check("-no|", "r.err == 'ERR no'");
    }

    #[test]
    fn attributes_are_left_out() {
        let lua = Lua::new();
        let value = read(&lua, b"|1\r\n+ttl\r\n:5\r\n:7\r\n").unwrap();
        assert_eq!(value, Value::Number(7.0));
    }
}
