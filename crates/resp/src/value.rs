//! Replies as a client sees them: encoded bytes to a tree of values.
//!
//! Used wherever Slipstream is the client: tests, the simulator, the playground
//! and the benchmarks. Depth and announced lengths are bounded, and an
//! incomplete reply is told apart from a broken one.

/// One reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `+…`
    Simple(String),
    /// `-…`
    Error(String),
    /// `:…`
    Integer(i64),
    /// `,…`
    Double(f64),
    /// `#…`
    Boolean(bool),
    /// `$…`, `=…` and `(…`
    Bulk(Vec<u8>),
    /// Any of the nulls.
    Null,
    /// Arrays, sets, pushes, and maps as their keys and values in turn.
    Array(Vec<Value>),
}

impl Value {
    /// The text of a bulk, simple or error reply, and the digits of an integer.
    pub fn text(&self) -> String {
        match self {
            Value::Simple(text) | Value::Error(text) => text.clone(),
            Value::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Value::Integer(value) => value.to_string(),
            other => format!("{other:?}"),
        }
    }
}

/// What was sent is no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenReply;

const MAX_DEPTH: usize = 32;

/// The first reply in `buffer` and the bytes it takes, or `None` while it is incomplete.
pub fn decode_value(buffer: &[u8]) -> Result<Option<(Value, usize)>, BrokenReply> {
    decode_at(buffer, 0, MAX_DEPTH)
}

fn decode_at(buffer: &[u8], start: usize, depth: usize) -> Result<Option<(Value, usize)>, BrokenReply> {
    let Some(line_end) = find_line_end(buffer, start) else { return Ok(None) };
    let (marker, line) = (buffer[start], &buffer[start + 1..line_end]);
    let next = line_end + 2;
    let text = || String::from_utf8_lossy(line).into_owned();
    let value = match marker {
        b'+' => Value::Simple(text()),
        b'-' => Value::Error(text()),
        b':' => Value::Integer(text().parse().map_err(|_| BrokenReply)?),
        b',' => Value::Double(text().parse().map_err(|_| BrokenReply)?),
        b'#' => Value::Boolean(line == b"t"),
        b'(' => Value::Bulk(line.to_vec()),
        b'_' => Value::Null,
        b'$' | b'=' => return bulk(buffer, next, length(line)?),
        b'*' | b'~' | b'>' => return members(buffer, next, length(line)?, depth),
        b'%' | b'|' => return members(buffer, next, length(line)?.map(|pairs| pairs * 2), depth),
        _ => return Err(BrokenReply),
    };
    Ok(Some((value, next)))
}

fn find_line_end(buffer: &[u8], start: usize) -> Option<usize> {
    let rest = buffer.get(start + 1..)?;
    rest.windows(2).position(|pair| pair == b"\r\n").map(|at| start + 1 + at)
}

fn length(line: &[u8]) -> Result<Option<usize>, BrokenReply> {
    if line == b"-1" {
        return Ok(None);
    }
    let text = std::str::from_utf8(line).map_err(|_| BrokenReply)?;
    let length: usize = text.parse().map_err(|_| BrokenReply)?;
    if length > 1 << 30 { Err(BrokenReply) } else { Ok(Some(length)) }
}

fn bulk(buffer: &[u8], start: usize, length: Option<usize>) -> Result<Option<(Value, usize)>, BrokenReply> {
    let Some(length) = length else { return Ok(Some((Value::Null, start))) };
    match buffer.get(start..start + length + 2) {
        None => Ok(None),
        Some(bytes) => Ok(Some((Value::Bulk(bytes[..length].to_vec()), start + length + 2))),
    }
}

fn members(
    buffer: &[u8],
    start: usize,
    count: Option<usize>,
    depth: usize,
) -> Result<Option<(Value, usize)>, BrokenReply> {
    let Some(count) = count else { return Ok(Some((Value::Null, start))) };
    let depth = depth.checked_sub(1).ok_or(BrokenReply)?;
    let mut values = Vec::new();
    let mut position = start;
    for _ in 0..count {
        match decode_at(buffer, position, depth)? {
            None => return Ok(None),
            Some((value, next)) => {
                values.push(value);
                position = next;
            }
        }
    }
    Ok(Some((Value::Array(values), position)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: Result<Option<Value>, BrokenReply>) {
        assert_eq!(
            decode_value(input.as_bytes()).map(|found| found.map(|(value, _)| value)),
            expected,
            "{input:?}"
        );
    }

    #[test]
    fn replies_decode_to_values() {
        check("+OK\r\n", Ok(Some(Value::Simple("OK".into()))));
        check("$-1\r\n", Ok(Some(Value::Null)));
        check(
            "*2\r\n:1\r\n$1\r\na\r\n",
            Ok(Some(Value::Array(vec![Value::Integer(1), Value::Bulk(b"a".to_vec())]))),
        );
        check(
            "%1\r\n+a\r\n#t\r\n",
            Ok(Some(Value::Array(vec![Value::Simple("a".into()), Value::Boolean(true)]))),
        );
    }

    #[test]
    fn incomplete_is_not_broken() {
        check("*2\r\n:1\r\n", Ok(None));
        check("$5\r\nab", Ok(None));
        check("?\r\n", Err(BrokenReply));
        check(&"*1\r\n".repeat(40), Err(BrokenReply));
    }
}
