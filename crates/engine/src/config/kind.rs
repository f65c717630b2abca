//! What a directive's value looks like: parsing with Redis' error texts, showing, and writing to a file.
//!
//! Parsing checks everything that can be checked without the world; units of memory are those of Redis
//! (`1k` is 1000, `1kb` is 1024). Showing is CONFIG GET's form, which parses back to the same value.

use slipstream_resp::number::parse_i64;

use super::text;
use super::value::Value;

/// The shape of a value.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Bool,
    Integer {
        min: i128,
        max: i128,
    },
    /// Bytes, with units.
    Memory {
        min: i128,
        max: i128,
    },
    /// Bytes, or a share of the memory limit; a share is kept as a negative number.
    MemoryOrPercent,
    /// Permissions in octal.
    Octal {
        max: i128,
    },
    Word(&'static [&'static str]),
    /// One or several of these words.
    Words(&'static [&'static str]),
    /// UTF-8 that passes a check.
    Text(fn(&str) -> Result<(), &'static str>),
    /// Any bytes.
    Secret,
    /// Parsed by its own functions; the text is the syntax for the documentation.
    Own(&'static str),
}

impl Kind {
    /// Parses the arguments of a directive.
    pub(super) fn parse(self, args: &[&[u8]]) -> Result<Value, String> {
        if let Kind::Words(words) = self {
            return parse_words(args, words);
        }
        let [arg] = args else { return Err(WRONG_NUMBER.to_owned()) };
        match self {
            Kind::Bool => parse_bool(arg),
            Kind::Word(words) => match find_word(arg, words) {
                Some(word) => Ok(Value::Word(word)),
                None => Err(one_of(words)),
            },
            Kind::Integer { min, max } => {
                let number = parse_i64(arg).ok_or("argument couldn't be parsed into an integer")?;
                within(number.into(), min, max)
            }
            Kind::Memory { min, max } => {
                within(parse_memory(arg).ok_or("argument must be a memory value")?, min, max)
            }
            Kind::MemoryOrPercent => parse_memory_or_percent(arg),
            Kind::Octal { max } => parse_octal(arg, max),
            Kind::Text(check) => parse_text(arg, check),
            Kind::Secret | Kind::Own(_) | Kind::Words(_) => Ok(Value::Bytes(arg.to_vec())),
        }
    }

    /// The value as CONFIG GET shows it.
    pub(super) fn show(self, value: &Value) -> Vec<u8> {
        match (self, value) {
            (Kind::MemoryOrPercent, Value::Number(number)) if *number < 0 => {
                format!("{}%", -number).into_bytes()
            }
            (Kind::Octal { .. }, Value::Number(number)) => format!("{number:o}").into_bytes(),
            (_, Value::Number(number)) => number.to_string().into_bytes(),
            (_, Value::Bool(yes)) => if *yes { "yes" } else { "no" }.into(),
            (_, Value::Word(word)) => (*word).into(),
            (_, Value::Words(words)) => words.join(" ").into_bytes(),
            (_, Value::Bytes(bytes)) => bytes.clone(),
        }
    }

    /// The value as a configuration file has it: memory in the largest whole unit, texts in quotes.
    pub(super) fn write(self, value: &Value) -> Vec<u8> {
        match (self, value) {
            (Kind::Memory { .. } | Kind::MemoryOrPercent, Value::Number(bytes)) if *bytes >= 0 => {
                text::memory(*bytes).into_bytes()
            }
            (_, Value::Bytes(bytes)) => text::quoted(bytes),
            _ => self.show(value),
        }
    }

    /// The values that it takes, for the documentation.
    pub(super) fn syntax(self) -> String {
        match self {
            Kind::Bool => "yes, no".to_owned(),
            Kind::Integer { min, max } => range(min, max, "integer"),
            Kind::Memory { min, max } => range(min, max, "memory"),
            Kind::MemoryOrPercent => "memory, or percent of maxmemory".to_owned(),
            Kind::Octal { max } => format!("octal, 0 to {max:o}"),
            Kind::Word(words) => words.join(", "),
            Kind::Words(words) => format!("any of {}", words.join(", ")),
            Kind::Text(_) | Kind::Secret => "text".to_owned(),
            Kind::Own(syntax) => syntax.to_owned(),
        }
    }
}

/// The answer to too few or too many arguments.
pub(super) const WRONG_NUMBER: &str = "wrong number of arguments";

fn parse_bool(arg: &[u8]) -> Result<Value, String> {
    match arg.to_ascii_lowercase().as_slice() {
        b"yes" => Ok(Value::Bool(true)),
        b"no" => Ok(Value::Bool(false)),
        _ => Err("argument must be 'yes' or 'no'".to_owned()),
    }
}

fn find_word(arg: &[u8], words: &[&'static str]) -> Option<&'static str> {
    words.iter().copied().find(|word| word.as_bytes().eq_ignore_ascii_case(arg))
}

fn one_of(words: &[&str]) -> String {
    format!("argument(s) must be one of the following: {}", words.join(", "))
}

fn parse_words(args: &[&[u8]], words: &'static [&'static str]) -> Result<Value, String> {
    let found: Option<Vec<_>> = args.iter().map(|arg| find_word(arg, words)).collect();
    let found = found.filter(|found| !found.is_empty()).ok_or_else(|| one_of(words))?;
    if found.contains(&"save") && found.contains(&"nosave") {
        return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".to_owned());
    }
    Ok(Value::Words(found))
}

fn within(number: i128, min: i128, max: i128) -> Result<Value, String> {
    if (min..=max).contains(&number) {
        return Ok(Value::Number(number));
    }
    Err(format!("argument must be between {min} and {max} inclusive"))
}

fn parse_octal(arg: &[u8], max: i128) -> Result<Value, String> {
    let number = std::str::from_utf8(arg).ok().and_then(|digits| i64::from_str_radix(digits, 8).ok());
    let number = i128::from(number.ok_or("argument couldn't be parsed as an octal number")?);
    match within(number, 0, max) {
        Err(_) => Err(format!("argument must be between 0 and {max:o} inclusive")),
        good => good,
    }
}

fn parse_memory_or_percent(arg: &[u8]) -> Result<Value, String> {
    if let Some(bytes) = parse_memory(arg) {
        return within(bytes, 0, i64::MAX.into());
    }
    let percent = arg.strip_suffix(b"%").and_then(parse_i64).filter(|percent| *percent >= 0);
    match percent.ok_or("argument must be a memory or percent value")? {
        percent @ 0..=100 => Ok(Value::Number(i128::from(-percent))),
        _ => Err("percentage argument must be less or equal to 100".to_owned()),
    }
}

fn parse_text(arg: &[u8], check: fn(&str) -> Result<(), &'static str>) -> Result<Value, String> {
    let text = std::str::from_utf8(arg).map_err(|_| "argument must be UTF-8")?;
    check(text)?;
    Ok(Value::Bytes(arg.to_vec()))
}

/// Bytes with an optional unit; more than 64 bits hold is the most that they hold.
pub(crate) fn parse_memory(arg: &[u8]) -> Option<i128> {
    let digits = arg.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, unit) = arg.split_at(digits);
    let unit: i128 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    if !(1..=127).contains(&number.len()) {
        return None;
    }
    let most = i128::from(u64::MAX);
    let value = number.iter().fold(0, |sum, digit| most.min(sum * 10 + i128::from(digit - b'0')));
    Some(most.min(value * unit))
}

fn range(min: i128, max: i128, what: &str) -> String {
    // Limits of the field's own type say nothing to a reader.
    let bounded_above =
        ![i128::from(i32::MAX), u32::MAX.into(), i64::MAX.into(), u64::MAX.into()].contains(&max);
    match (min == i128::from(i32::MIN), bounded_above) {
        (true, _) => what.to_owned(),
        (false, true) => format!("{what}, {min} to {max}"),
        (false, false) => format!("{what}, {min} or more"),
    }
}
