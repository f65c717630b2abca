//! JSON to values.
//!
//! Containers that are not complete lie on a stack of our own. A zero byte ends the text, as in C; messages name
//! the character, counted from 1, and what was found there.

use mlua::{Error, Lua, MultiValue, Table, Value};

use super::MAX_DEPTH;
use super::settings::Settings;
use crate::arguments::Arguments;
use crate::{number, thrown};

/// `cjson.decode(text)`
pub(crate) fn decode(lua: &Lua, settings: Settings, args: MultiValue) -> mlua::Result<Value> {
    let args = Arguments::new(lua, "decode", args);
    if args.len() != 1 {
        return Err(args.error(1, "expected 1 argument"));
    }
    let text = args.string(1)?;
    let text = text.as_bytes();
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        return Err(thrown::text(lua, "JSON parser does not support UTF-16 or UTF-32"));
    }
    let mut decoder = Decoder { lua, settings, text: &text, at: 0, open: Vec::new() };
    let value = decoder.value()?;
    match decoder.token() {
        (Token::End, _) => Ok(value),
        found => Err(decoder.unexpected("the end", found)),
    }
}

struct Decoder<'a> {
    lua: &'a Lua,
    settings: Settings,
    text: &'a [u8],
    at: usize,
    open: Vec<Open>,
}

/// A container that is not complete.
enum Open {
    Array { table: Table, length: usize },
    Object { table: Table, key: mlua::String },
}

#[derive(Debug)]
enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    String(Vec<u8>),
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Error(&'static str),
}

/// A token and where it begins, or where it is wrong.
type Found = (Token, usize);

impl Token {
    fn name(&self) -> &'static str {
        match self {
            Token::ObjectBegin => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ArrayBegin => "T_ARR_BEGIN",
            Token::ArrayEnd => "T_ARR_END",
            Token::String(_) => "T_STRING",
            Token::Number(_) => "T_NUMBER",
            Token::Boolean(_) => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::End => "T_END",
            Token::Error(reason) => reason,
        }
    }
}

impl Decoder<'_> {
    fn value(&mut self) -> mlua::Result<Value> {
        let mut found = self.token();
        loop {
            let value = match found {
                (Token::String(text), _) => Value::String(self.lua.create_string(text)?),
                (Token::Number(number), _) => Value::Number(number),
                (Token::Boolean(value), _) => Value::Boolean(value),
                (Token::Null, _) => Value::NULL,
                (Token::ArrayBegin, _) => {
                    let table = self.descend()?;
                    found = self.token();
                    if !matches!(found, (Token::ArrayEnd, _)) {
                        self.open.push(Open::Array { table, length: 0 });
                        continue;
                    }
                    Value::Table(table)
                }
                (Token::ObjectBegin, _) => {
                    let table = self.descend()?;
                    let first = self.token();
                    if !matches!(first, (Token::ObjectEnd, _)) {
                        let key = self.key(first)?;
                        self.open.push(Open::Object { table, key });
                        found = self.token();
                        continue;
                    }
                    Value::Table(table)
                }
                other => return Err(self.unexpected("value", other)),
            };
            if let Some(value) = self.complete(value)? {
                return Ok(value);
            }
            found = self.token();
        }
    }

    /// Puts a value where it belongs, and closes what ends behind it. Returns the outermost one when it is
    /// complete; otherwise a value follows.
    fn complete(&mut self, mut value: Value) -> mlua::Result<Option<Value>> {
        loop {
            let (table, expected) = match self.open.last_mut() {
                None => return Ok(Some(value)),
                Some(Open::Array { table, length }) => {
                    *length += 1;
                    table.raw_seti(*length, value)?;
                    (table.clone(), "comma or array end")
                }
                Some(Open::Object { table, key }) => {
                    table.raw_set(key.clone(), value)?;
                    (table.clone(), "comma or object end")
                }
            };
            let is_array = matches!(self.open.last(), Some(Open::Array { .. }));
            match self.token() {
                (Token::ArrayEnd, _) if is_array => {}
                (Token::ObjectEnd, _) if !is_array => {}
                (Token::Comma, _) if is_array => return Ok(None),
                (Token::Comma, _) => {
                    let next = self.token();
                    let key = self.key(next)?;
                    self.open.pop();
                    self.open.push(Open::Object { table, key });
                    return Ok(None);
                }
                found => return Err(self.unexpected(expected, found)),
            }
            self.open.pop();
            value = Value::Table(table);
        }
    }

    fn descend(&self) -> mlua::Result<Table> {
        let depth = self.open.len() + 1;
        if i64::try_from(depth).map_or(true, |depth| depth > self.settings.decode_max_depth)
            || depth > MAX_DEPTH
        {
            let message = format!("Found too many nested data structures ({depth}) at character {}", self.at);
            return Err(thrown::text(self.lua, message));
        }
        self.lua.create_table()
    }

    /// An object's key and the colon behind it.
    fn key(&mut self, found: Found) -> mlua::Result<mlua::String> {
        let (Token::String(key), _) = found else {
            return Err(self.unexpected("object key string", found));
        };
        match self.token() {
            (Token::Colon, _) => self.lua.create_string(key),
            found => Err(self.unexpected("colon", found)),
        }
    }

    fn unexpected(&self, expected: &str, (token, at): Found) -> Error {
        let message = format!("Expected {expected} but found {} at character {}", token.name(), at + 1);
        thrown::text(self.lua, message)
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn token(&mut self) -> Found {
        while matches!(self.peek(0), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        let start = self.at;
        let token = match self.peek(0) {
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b':' => Token::Colon,
            b',' => Token::Comma,
            0 => return (Token::End, start),
            b'"' => return self.string(start),
            b'-' | b'0'..=b'9' if !self.settings.decode_invalid && self.is_invalid_number() => {
                return (Token::Error("invalid number"), start);
            }
            b'-' | b'0'..=b'9' => return self.number(start),
            _ => return self.word(start),
        };
        self.at += 1;
        (token, start)
    }

    fn word(&mut self, start: usize) -> Found {
        let rest = &self.text[start..];
        for (word, token) in
            [("true", Token::Boolean(true)), ("false", Token::Boolean(false)), ("null", Token::Null)]
        {
            if rest.starts_with(word.as_bytes()) {
                self.at += word.len();
                return (token, start);
            }
        }
        let begins_number = matches!(rest.first(), Some(b'+' | b'i' | b'I' | b'n' | b'N'));
        if begins_number && self.settings.decode_invalid && self.is_invalid_number() {
            return self.number(start);
        }
        (Token::Error("invalid token"), start)
    }

    /// Whether C would read a number here that JSON does not have.
    fn is_invalid_number(&self) -> bool {
        if self.peek(0) == b'+' {
            return true;
        }
        let rest = &self.text[self.at + usize::from(self.peek(0) == b'-')..];
        match rest {
            [b'0', b'x' | b'X' | b'0'..=b'9', ..] => true,
            [first, ..] if *first <= b'9' => false,
            _ => rest
                .get(..3)
                .is_some_and(|name| name.eq_ignore_ascii_case(b"inf") || name.eq_ignore_ascii_case(b"nan")),
        }
    }

    fn number(&mut self, start: usize) -> Found {
        match number::prefix(&self.text[start..]) {
            Some((number, length)) => {
                self.at += length;
                (Token::Number(number), start)
            }
            None => (Token::Error("invalid number"), start),
        }
    }

    fn string(&mut self, start: usize) -> Found {
        self.at += 1;
        let mut text = Vec::new();
        loop {
            match self.peek(0) {
                b'"' => break,
                0 => return (Token::Error("unexpected end of string"), self.at),
                b'\\' if self.peek(1) == b'u' => match self.unicode_escape() {
                    Some((character, length)) => {
                        text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                        self.at += length;
                    }
                    None => return (Token::Error("invalid unicode escape code"), self.at),
                },
                b'\\' => match escaped(self.peek(1)) {
                    Some(byte) => {
                        text.push(byte);
                        self.at += 2;
                    }
                    None => return (Token::Error("invalid escape code"), self.at),
                },
                byte => {
                    text.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        (Token::String(text), start)
    }

    /// `\u00e9`, or two of them for one character, and their length.
    fn unicode_escape(&self) -> Option<(char, usize)> {
        let high = self.hex4(2)?;
        if !(0xD800..0xE000).contains(&high) {
            return char::from_u32(high).map(|character| (character, 6));
        }
        if high >= 0xDC00 || self.peek(6) != b'\\' || self.peek(7) != b'u' {
            return None;
        }
        let low = self.hex4(8).filter(|low| (0xDC00..0xE000).contains(low))?;
        let character = char::from_u32(0x1_0000 + ((high & 0x3FF) << 10 | (low & 0x3FF)))?;
        Some((character, 12))
    }

    fn hex4(&self, ahead: usize) -> Option<u32> {
        (0..4).try_fold(0, |value, index| {
            let digit = char::from(self.peek(ahead + index)).to_digit(16)?;
            Some(value * 16 + digit)
        })
    }
}

fn escaped(byte: u8) -> Option<u8> {
    match byte {
        b'"' | b'\\' | b'/' => Some(byte),
        b'b' => Some(0x08),
        b't' => Some(b'\t'),
        b'n' => Some(b'\n'),
        b'f' => Some(0x0c),
        b'r' => Some(b'\r'),
        _ => None,
    }
}
