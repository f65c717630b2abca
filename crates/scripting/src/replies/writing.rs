//! What a script returned, as a reply.
//!
//! A table is what its fields say: `err`, `ok`, `double`, `big_number`, `verbatim_string`, `map`, `set`, in
//! this order; otherwise an array that ends before its first nil. Tables may contain themselves, so depth and
//! size have limits. Nothing here recurses.

use mlua::{Lua, Table, Value};
use slipstream_resp::reply::Aggregate;
use slipstream_resp::{Protocol, Reply};

use crate::arguments::{number_of, truncate};
use crate::pairs;
use crate::thrown::{COUNTED, ErrorReply, string_field};

/// How deep values may be nested. Each open table takes a slot of the binding's stack, see [`crate::pairs`].
const MAX_DEPTH: usize = 3_900;
/// How many bytes they may take.
const MAX_BYTES: usize = 1 << 29;

const TOO_DEEP: &[u8] = b"ERR reached lua stack limit";

/// What was found while writing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// Errors in the reply that no command has counted.
    pub(crate) errors: Vec<String>,
}

/// Writes `value` as one reply. `script` is the protocol that the script chose.
pub(crate) fn write(lua: &Lua, value: &Value, script: Protocol, reply: &mut Reply) -> mlua::Result<Written> {
    // What holds nothing else needs no place of its own.
    if let Value::String(text) = value {
        reply.bulk(&text.as_bytes());
        return Ok(Written::default());
    }
    let out = Reply::new(reply.protocol());
    let mut writer = Writer { lua, script, out, open: Vec::new(), bytes: 0, written: Written::default() };
    writer.value(value)?;
    while let Some(open) = writer.open.last_mut() {
        match open.next()? {
            Some(_) if writer.bytes > MAX_BYTES => {
                return Ok(Written { errors: vec![shown(&write_error(reply, TOO_DEEP))] });
            }
            Some(value) => writer.value(&value)?,
            None => drop(writer.open.pop()),
        }
    }
    reply.raw(writer.out.as_bytes());
    Ok(writer.written)
}

/// Writes an error; line breaks within it become spaces. Returns what was written.
pub(crate) fn write_error(reply: &mut Reply, text: &[u8]) -> Vec<u8> {
    let end = text.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
    let line: Vec<u8> =
        text[..end].iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }).collect();
    reply.raw(b"-");
    reply.raw(&line);
    reply.raw(b"\r\n");
    line
}

struct Writer<'a> {
    lua: &'a Lua,
    script: Protocol,
    /// What is written.
    out: Reply,
    open: Vec<Open>,
    bytes: usize,
    written: Written,
}

/// A table whose members are being written.
struct Open {
    aggregate: Aggregate,
    members: Table,
    /// The last index that was taken, and the last one that there is.
    index: usize,
    last: usize,
}

impl Open {
    fn next(&mut self) -> mlua::Result<Option<Value>> {
        // A set's members are the keys of a list of pairs.
        self.index += if self.aggregate == Aggregate::Set && self.index > 0 { 2 } else { 1 };
        if self.index > self.last { Ok(None) } else { Ok(Some(self.members.raw_get(self.index)?)) }
    }
}

impl Writer<'_> {
    fn value(&mut self, value: &Value) -> mlua::Result<()> {
        let before = self.out.len();
        match value {
            Value::String(text) => self.out.bulk(&text.as_bytes()),
            Value::Integer(number) => self.out.integer(*number),
            Value::Number(number) => self.out.integer(truncate(*number)),
            Value::Boolean(value) => match (self.script, value) {
                (Protocol::Resp3, _) => self.out.boolean(*value),
                (Protocol::Resp2, true) => self.out.integer(1),
                (Protocol::Resp2, false) => self.out.null(),
            },
            Value::Table(_) if self.open.len() >= MAX_DEPTH => self.error(TOO_DEEP, false),
            Value::Table(table) => return self.table(table),
            _ => self.out.null(),
        }
        self.bytes += self.out.len() - before;
        Ok(())
    }

    fn table(&mut self, table: &Table) -> mlua::Result<()> {
        if let Value::String(_) = table.raw_get("err")? {
            let counted = matches!(table.raw_get(COUNTED)?, Value::Boolean(true));
            self.error(&string_field(table, "err").unwrap_or_default(), counted);
        } else if let Value::String(text) = table.raw_get("ok")? {
            self.out.simple(&one_line(&text));
        } else if let Some(number) = number_of(&table.raw_get("double")?) {
            self.out.double(number);
        } else if let Value::String(digits) = table.raw_get("big_number")? {
            self.out.big_number(&one_line(&digits));
        } else if let Some((format, text)) = verbatim(table)? {
            self.out.verbatim(&format, &text.as_bytes());
        } else if let Value::Table(map) = table.raw_get("map")? {
            let (members, last) = pairs::list(self.lua, &map)?;
            self.open(Aggregate::Map, members, last);
        } else if let Value::Table(set) = table.raw_get("set")? {
            let (members, last) = pairs::list(self.lua, &set)?;
            self.open(Aggregate::Set, members, last);
        } else {
            self.open(Aggregate::Array, table.clone(), before_first_nil(table)?);
        }
        Ok(())
    }

    fn open(&mut self, aggregate: Aggregate, members: Table, last: usize) {
        self.bytes += 4;
        match aggregate {
            Aggregate::Map => self.out.map(last / 2),
            Aggregate::Set => self.out.set(last / 2),
            Aggregate::Array => self.out.array(last),
        }
        self.open.push(Open { aggregate, members, index: 0, last });
    }

    fn error(&mut self, text: &[u8], counted: bool) {
        let line = write_error(&mut self.out, text);
        if !counted {
            self.written.errors.push(shown(&line));
        }
    }
}

/// Where an array ends for a reply.
fn before_first_nil(array: &Table) -> mlua::Result<usize> {
    let mut last = 0;
    while !matches!(array.raw_get(last + 1)?, Value::Nil) {
        last += 1;
    }
    Ok(last)
}

fn shown(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}

/// The format, of three characters, and the text.
fn verbatim(table: &Table) -> mlua::Result<Option<(String, mlua::String)>> {
    let Value::Table(fields) = table.raw_get("verbatim_string")? else { return Ok(None) };
    let (Value::String(format), Value::String(text)) = (fields.raw_get("format")?, fields.raw_get("string")?)
    else {
        return Ok(None);
    };
    let format = format!("{:<3.3}", format.to_string_lossy());
    Ok(Some((format, text)))
}

fn one_line(text: &mlua::String) -> String {
    text.to_string_lossy().replace(['\r', '\n'], " ")
}

impl Written {
    /// What a failed script leaves: its error, unless a command has counted that.
    pub(crate) fn failure(error: &ErrorReply, reply: &mut Reply) -> Written {
        let line = write_error(reply, &error.text);
        let errors = if error.counted { Vec::new() } else { vec![shown(&line)] };
        Written { errors }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(lua: &Lua, code: &str, script: Protocol, client: Protocol) -> (String, Vec<String>) {
        pairs::install(lua).unwrap();
        let value: Value = lua.load(code).eval().unwrap();
        let mut reply = Reply::new(client);
        let written = write(lua, &value, script, &mut reply).unwrap();
        (String::from_utf8_lossy(reply.as_bytes()).replace("\r\n", "|"), written.errors)
    }

    fn check(code: &str, resp2: &str, resp3: &str) {
        let lua = Lua::new();
        for (client, expected) in [(Protocol::Resp2, resp2), (Protocol::Resp3, resp3)] {
            assert_eq!(written(&lua, code, Protocol::Resp2, client).0, expected, "{code}, {client:?}");
        }
    }

    #[test]
    fn values_become_replies() {
        check("return 3.99", ":3|", ":3|");
        check("return -3.99", ":-3|", ":-3|");
        check("return 0/0", ":-9223372036854775808|", ":-9223372036854775808|");
        check("return 1e300", ":-9223372036854775808|", ":-9223372036854775808|");
        check("return 'x'", "$1|x|", "$1|x|");
        check("return true", ":1|", ":1|");
        check("return false", "$-1|", "_|");
        check("return nil", "$-1|", "_|");
        check("return print", "$-1|", "_|");
        check("return {1, 'b', {}, nil, 5}", "*3|:1|$1|b|*0|", "*3|:1|$1|b|*0|");
        check("return {ok = 'a\\r\\nb'}", "+a  b|", "+a  b|");
        check("return {err = 'My a\\nb\\r\\n'}", "-My a b|", "-My a b|");
        check("return {err = 5, 1}", "*1|:1|", "*1|:1|");
        check("return {double = 2.5}", "$3|2.5|", ",2.5|");
        check("return {big_number = '12'}", "$2|12|", "(12|");
        check("return {map = {a = 1}}", "*2|$1|a|:1|", "%1|$1|a|:1|");
        check("return {set = {a = true}}", "*1|$1|a|", "~1|$1|a|");
        check("return {verbatim_string = {format = 'txt', string = 'x'}}", "$1|x|", "=5|txt:x|");
        check("return {verbatim_string = {string = 'x'}, 1}", "*1|:1|", "*1|:1|");
    }

    #[test]
    fn booleans_are_booleans_for_a_script_that_speaks_resp3() {
        let lua = Lua::new();
        for (code, client, expected) in [
            ("return true", Protocol::Resp3, "#t|"),
            ("return false", Protocol::Resp3, "#f|"),
            ("return true", Protocol::Resp2, ":1|"),
            ("return false", Protocol::Resp2, ":0|"),
        ] {
            assert_eq!(written(&lua, code, Protocol::Resp3, client).0, expected, "{code} {client:?}");
        }
    }

    #[test]
    fn errors_are_reported_unless_a_command_counted_them() {
        let lua = Lua::new();
        let code = "return {{err = 'A b'}, {err = 'C d', ignore_error_stats_update = true}}";
        let (reply, errors) = written(&lua, code, Protocol::Resp2, Protocol::Resp2);
        assert_eq!(reply, "*2|-A b|-C d|");
        assert_eq!(errors, ["A b"]);
    }

    #[test]
    fn a_table_within_itself_ends_at_the_limit() {
        let lua = Lua::new();
        let (reply, _) = written(&lua, "local a = {} a[1] = a return a", Protocol::Resp2, Protocol::Resp2);
        assert_eq!(reply.matches("*1|").count(), MAX_DEPTH);
        assert!(reply.ends_with("*1|-ERR reached lua stack limit|"));
    }
}
