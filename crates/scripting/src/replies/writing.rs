//! What a script returned, as a reply.
//!
//! A table is what its fields say: `err`, `ok`, `double`, `big_number`, `verbatim_string`, `map`, `set`, in
//! this order; otherwise an array that ends before its first nil. Tables may contain themselves, so depth and
//! size have limits. Nothing here recurses.

use mlua::{Table, Value};
use slipstream_resp::{Protocol, Reply};

use crate::arguments::truncate;
use crate::thrown::{COUNTED, ErrorReply, string_field};

/// How deep values may be nested: what fits on Lua's C stack.
const MAX_DEPTH: usize = 7_995;
/// How many bytes they may take.
const MAX_BYTES: usize = 1 << 30;

/// What was found while writing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// Errors in the reply that no command has counted.
    pub(crate) errors: Vec<String>,
}

/// Writes `value` as one reply. `script` is the protocol that the script chose.
pub(crate) fn write(value: Value, script: Protocol, reply: &mut Reply) -> mlua::Result<Written> {
    let start = reply.len();
    let mut writer = Writer { script, reply, pending: vec![(value, 0)], written: Written::default() };
    while let Some((value, depth)) = writer.pending.pop() {
        if depth >= MAX_DEPTH {
            writer.error(b"ERR reached lua stack limit", false);
        } else {
            writer.value(&value, depth + 1)?;
        }
        if writer.reply.len() - start > MAX_BYTES {
            writer.pending.clear();
            writer.reply.truncate(start);
            writer.error(b"ERR reached lua stack limit", false);
        }
    }
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
    script: Protocol,
    reply: &'a mut Reply,
    /// What is still to be written, the next one last, and how deep it lies.
    pending: Vec<(Value, usize)>,
    written: Written,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value, depth: usize) -> mlua::Result<()> {
        match value {
            Value::String(text) => self.reply.bulk(&text.as_bytes()),
            Value::Integer(number) => self.reply.integer(*number),
            Value::Number(number) => self.reply.integer(truncate(*number)),
            Value::Boolean(value) => match (self.script, value) {
                (Protocol::Resp3, _) => self.reply.boolean(*value),
                (Protocol::Resp2, true) => self.reply.integer(1),
                (Protocol::Resp2, false) => self.reply.null(),
            },
            Value::Table(table) => self.table(table, depth)?,
            _ => self.reply.null(),
        }
        Ok(())
    }

    fn table(&mut self, table: &Table, depth: usize) -> mlua::Result<()> {
        if let Value::String(_) = table.raw_get("err")? {
            let counted = matches!(table.raw_get(COUNTED)?, Value::Boolean(true));
            self.error(&string_field(table, "err").unwrap_or_default(), counted);
        } else if let Value::String(text) = table.raw_get("ok")? {
            self.reply.simple(&one_line(&text));
        } else if let number @ (Value::Number(_) | Value::Integer(_)) = table.raw_get("double")? {
            self.reply.double(crate::arguments::number_of(&number).unwrap_or_default());
        } else if let Value::String(digits) = table.raw_get("big_number")? {
            self.reply.big_number(&one_line(&digits));
        } else if let Some((format, text)) = verbatim(table)? {
            self.reply.verbatim(&format, &text.as_bytes());
        } else if let Value::Table(map) = table.raw_get("map")? {
            self.map(&map, depth)?;
        } else if let Value::Table(set) = table.raw_get("set")? {
            self.set(&set, depth)?;
        } else {
            self.array(table, depth)?;
        }
        Ok(())
    }

    fn map(&mut self, map: &Table, depth: usize) -> mlua::Result<()> {
        let start = self.pending.len();
        map.for_each(|key: Value, value: Value| {
            self.pending.extend([(key, depth), (value, depth)]);
            Ok(())
        })?;
        self.pending[start..].reverse();
        self.reply.map((self.pending.len() - start) / 2);
        Ok(())
    }

    fn set(&mut self, set: &Table, depth: usize) -> mlua::Result<()> {
        let start = self.pending.len();
        set.for_each(|member: Value, _: Value| {
            self.pending.push((member, depth));
            Ok(())
        })?;
        self.pending[start..].reverse();
        self.reply.set(self.pending.len() - start);
        Ok(())
    }

    fn array(&mut self, table: &Table, depth: usize) -> mlua::Result<()> {
        let start = self.pending.len();
        for index in 1_i64.. {
            match table.raw_get(index)? {
                Value::Nil => break,
                value => self.pending.push((value, depth)),
            }
        }
        self.pending[start..].reverse();
        self.reply.array(self.pending.len() - start);
        Ok(())
    }

    fn error(&mut self, text: &[u8], counted: bool) {
        let line = write_error(self.reply, text);
        if !counted {
            self.written.errors.push(String::from_utf8_lossy(&line).into_owned());
        }
    }
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
        let errors =
            if error.counted { Vec::new() } else { vec![String::from_utf8_lossy(&line).into_owned()] };
        Written { errors }
    }
}

#[cfg(test)]
mod tests {
    use mlua::Lua;

    use super::*;

    fn written(lua: &Lua, code: &str, script: Protocol, client: Protocol) -> (String, Vec<String>) {
        let value: Value = lua.load(code).eval().unwrap();
        let mut reply = Reply::new(client);
        let written = write(value, script, &mut reply).unwrap();
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
