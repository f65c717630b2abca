//! Errors that this crate raises in a script, and what scripts make of errors.
//!
//! A callback's error travels through Lua as a value that scripts have no use for. It is turned into what Redis
//! would have thrown where a script can see it: `reveal` does that for whatever `pcall` and its likes caught,
//! `describe` for what nobody caught. A killed script's error is thrown again by `reveal`, so no script can
//! swallow it.

use std::fmt;

use mlua::{Error, Lua, Table, Value};

use crate::position::{self, PRELUDE, Position};

/// What a callback throws.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Thrown {
    /// A text, its position included.
    Text(Vec<u8>),
    /// A table with the field `err`.
    Reply(ErrorReply),
    /// The script is to end.
    Killed(&'static str),
}

/// An error as `redis.call` throws it and `redis.pcall` returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ErrorReply {
    /// The code and the text, without the dash.
    pub(crate) text: Vec<u8>,
    /// Whether the command that failed is counted as failed already.
    pub(crate) counted: bool,
}

/// The field that tells that an error is counted already.
pub(crate) const COUNTED: &str = "ignore_error_stats_update";

/// What ended a script, for its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) reply: ErrorReply,
    /// `@user_script:1`
    pub(crate) place: Option<String>,
}

impl fmt::Display for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Thrown::Text(text) => f.write_str(&String::from_utf8_lossy(text)),
            Thrown::Reply(reply) => f.write_str(&String::from_utf8_lossy(&reply.text)),
            Thrown::Killed(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Thrown {}

impl From<Thrown> for Error {
    fn from(thrown: Thrown) -> Self {
        Error::external(thrown)
    }
}

impl ErrorReply {
    /// From an error's line: `-CODE text`, or a text that gets the code ERR.
    pub(crate) fn parse(line: &[u8], counted: bool) -> Self {
        let (code, text): (&[u8], &[u8]) = match line.strip_prefix(b"-") {
            None => (b"ERR", line),
            Some(line) => match line.iter().position(|&byte| byte == b' ') {
                Some(space) => (&line[..space], &line[space + 1..]),
                None => (b"ERR", line),
            },
        };
        ErrorReply { text: [code, b" ", trim_line_breaks(text)].concat(), counted }
    }

    /// The table that stands for it in Lua.
    pub(crate) fn to_table(&self, lua: &Lua) -> mlua::Result<Table> {
        let table = lua.create_table()?;
        table.raw_set("err", lua.create_string(&self.text)?)?;
        if self.counted {
            table.raw_set(COUNTED, true)?;
        }
        Ok(table)
    }
}

fn trim_line_breaks(text: &[u8]) -> &[u8] {
    let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let start = text.iter().position(|byte| !is_break(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_break(byte)).map_or(start, |last| last + 1);
    &text[start..end]
}

/// An error of a library's function, as `luaL_error` raises it: with its caller's position.
pub(crate) fn text(lua: &Lua, message: impl AsRef<[u8]>) -> Error {
    let prefix = position::of_caller(lua).map(|position| position.prefix()).unwrap_or_default();
    Thrown::Text([prefix.as_bytes(), message.as_ref()].concat()).into()
}

/// An error of the API, as a table.
pub(crate) fn reply(message: &str) -> Error {
    Thrown::Reply(ErrorReply::parse(message.as_bytes(), false)).into()
}

/// What a script sees of what it caught; fails if that is its end.
pub(crate) fn reveal(lua: &Lua, caught: Value) -> mlua::Result<Value> {
    match caught {
        Value::Error(error) => match thrown(&error) {
            Some(killed @ Thrown::Killed(_)) => Err(killed.clone().into()),
            Some(Thrown::Text(text)) => Ok(Value::String(lua.create_string(text)?)),
            Some(Thrown::Reply(reply)) => Ok(Value::Table(reply.to_table(lua)?)),
            None => Ok(Value::String(lua.create_string(foreign(&error))?)),
        },
        Value::String(text) => match without_prelude(&text.as_bytes()) {
            Some(rest) => Ok(Value::String(lua.create_string(rest)?)),
            None => Ok(Value::String(text.clone())),
        },
        other => Ok(other),
    }
}

/// Whether this is a script's end.
pub(crate) fn is_killed(caught: &Value) -> bool {
    matches!(caught, Value::Error(error) if matches!(thrown(error), Some(Thrown::Killed(_))))
}

/// What ended a script. Called where it was thrown, so that the place is known; `last` is where the script ends.
pub(crate) fn describe(lua: &Lua, uncaught: &Value, last: Option<&Position>) -> Failure {
    let position = position::of_script(lua).or_else(|| last.cloned());
    let prefix = position.as_ref().map(|position| position.prefix()).unwrap_or_default();
    let place = position.map(|position| format!("{}:{}", position.source, position.line));
    Failure { reply: uncaught_reply(uncaught, &prefix), place }
}

/// The error that `uncaught` stands for; `prefix` is the position for messages of the sandbox.
pub(crate) fn uncaught_reply(uncaught: &Value, prefix: &str) -> ErrorReply {
    let plain = |text: &[u8]| ErrorReply { text: [b"ERR ", text].concat(), counted: false };
    match uncaught {
        Value::Error(error) => match thrown(error) {
            Some(Thrown::Reply(reply)) => reply.clone(),
            Some(Thrown::Text(text)) => plain(text),
            Some(Thrown::Killed(text)) => plain(text.as_bytes()),
            None => plain(foreign(error).as_bytes()),
        },
        Value::Table(table) => ErrorReply {
            text: string_field(table, "err").unwrap_or_else(|| b"ERR unknown error".to_vec()),
            counted: matches!(table.raw_get(COUNTED), Ok(Value::Boolean(true))),
        },
        Value::String(text) => match without_prelude(&text.as_bytes()) {
            Some(rest) => plain(&[prefix.as_bytes(), rest].concat()),
            None => plain(&text.as_bytes()),
        },
        Value::Integer(number) => plain(number.to_string().as_bytes()),
        Value::Number(number) => plain(crate::number::general(*number, 14).as_bytes()),
        Value::Boolean(value) => plain(value.to_string().as_bytes()),
        Value::Nil => plain(b"nil"),
        other => plain(crate::arguments::type_name(other).as_bytes()),
    }
}

/// A field that is a string, or a number as one.
pub(crate) fn string_field(table: &Table, name: &str) -> Option<Vec<u8>> {
    match table.raw_get(name).ok()? {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Integer(number) => Some(number.to_string().into_bytes()),
        Value::Number(number) => Some(crate::number::general(number, 14).into_bytes()),
        _ => None,
    }
}

fn thrown(error: &Error) -> Option<&Thrown> {
    match error {
        Error::CallbackError { cause, .. } => thrown(cause),
        other => other.downcast_ref(),
    }
}

/// An error of the binding: the stack's end, a value that no callback takes.
fn foreign(error: &Error) -> String {
    match error {
        Error::CallbackError { cause, .. } => foreign(cause),
        Error::StackError => "stack overflow".to_owned(),
        other => other.to_string().lines().next().unwrap_or_default().to_owned(),
    }
}

/// The text of a message that begins with a position in the sandbox.
fn without_prelude(text: &[u8]) -> Option<&[u8]> {
    let rest = text.strip_prefix(PRELUDE.as_bytes())?.strip_prefix(b":")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    rest[digits..].strip_prefix(b": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errors_line_has_a_code() {
        for (line, expected) in [
            ("-WRONGTYPE no", "WRONGTYPE no"),
            ("no", "ERR no"),
            ("-FOO", "ERR FOO"),
            ("-", "ERR "),
            ("-A b c\r\n", "A b c"),
        ] {
            assert_eq!(ErrorReply::parse(line.as_bytes(), false).text, expected.as_bytes(), "{line}");
        }
    }

    #[test]
    fn a_position_in_the_sandbox_is_not_shown() {
        assert_eq!(without_prelude(b"[prelude]:12: bad"), Some(&b"bad"[..]));
        assert_eq!(without_prelude(b"user_script:1: bad"), None);
    }
}
