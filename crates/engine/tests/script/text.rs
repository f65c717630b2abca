//! Wire bytes as the one-line text of scripts.

use slipstream_resp::{Limits, Progress, RequestDecoder};

/// All replies in `bytes`, with a space between two of them.
pub(crate) fn replies(bytes: &[u8]) -> String {
    let mut rest = bytes;
    let mut texts = Vec::new();
    while !rest.is_empty() {
        texts.push(reply(&mut rest));
    }
    texts.join(" ")
}

fn reply(rest: &mut &[u8]) -> String {
    let line = take_line(rest);
    let length = line[1..].parse::<usize>();
    match (line.as_bytes()[0], length) {
        (b'$' | b'=', Ok(length)) => {
            let bulk = word(&rest[..length]);
            *rest = &rest[length + 2..];
            bulk
        }
        (b'*', Ok(members)) => aggregate("", members, rest),
        (b'%', Ok(pairs)) => aggregate("%", pairs * 2, rest),
        (b'|', Ok(pairs)) => aggregate("|", pairs * 2, rest),
        (b'~', Ok(members)) => aggregate("~", members, rest),
        (b'>', Ok(members)) => aggregate(">", members, rest),
        _ => line,
    }
}

fn aggregate(marker: &str, members: usize, rest: &mut &[u8]) -> String {
    let members: Vec<String> = (0..members).map(|_| reply(rest)).collect();
    format!("{marker}[{}]", members.join(" "))
}

fn take_line(rest: &mut &[u8]) -> String {
    let end = rest.windows(2).position(|pair| pair == b"\r\n").expect("replies are whole");
    let line = String::from_utf8_lossy(&rest[..end]).into_owned();
    *rest = &rest[end + 2..];
    line
}

/// All requests in `bytes`, with `; ` between two of them.
pub(crate) fn commands(bytes: &[u8]) -> String {
    let mut decoder = RequestDecoder::default();
    let limits = Limits { authenticated: true, ..Limits::default() };
    let mut texts = Vec::new();
    let mut rest = bytes;
    while let Progress::Complete { consumed } = decoder.decode(rest, &limits).expect("the log is well-formed")
    {
        let words: Vec<&[u8]> = decoder.args(rest).iter().collect();
        texts.push(command(&words));
        rest = &rest[consumed..];
    }
    assert!(rest.is_empty(), "the log ends within a command");
    texts.join("; ")
}

/// One request.
pub(crate) fn command<T: AsRef<[u8]>>(words: &[T]) -> String {
    words.iter().map(|w| word(w.as_ref())).collect::<Vec<_>>().join(" ")
}

/// Bare where that is unmistakable, else quoted with escapes.
fn word(bytes: &[u8]) -> String {
    let marked = bytes.first().is_some_and(|b| b"+:$*_,#(%~>|[".contains(b)) && bytes.len() > 1
        || matches!(bytes, [b'-', b'A'..=b'Z', ..] | [b'_'] | [b'[', ..]);
    let plain = |b: &u8| (b'!'..=b'~').contains(b) && !b"\"'\\[];".contains(b);
    if !bytes.is_empty() && !marked && bytes.iter().all(plain) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    format!("\"{}\"", bytes.escape_ascii().to_string().replace("\\'", "'"))
}
