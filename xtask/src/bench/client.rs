//! A small blocking RESP2 client: enough to fill a server, to ask it, and to stand in for a replica.
//!
//! Not the product's parser: a measure of the product should not lean on it.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const REPLY_LIMIT: Duration = Duration::from_secs(120);
/// Replies that may be outstanding before a pipeline waits for them.
const DEPTH: usize = 1_000;

pub(super) struct Client {
    input: BufReader<TcpStream>,
}

/// A reply, as far as the measures look into one.
#[derive(Debug, PartialEq)]
pub(super) enum Reply {
    Text(String),
    Number(i64),
    Bytes(Vec<u8>),
    Nil,
    Array(VecDeque<Reply>),
}

impl Client {
    pub(super) fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(REPLY_LIMIT))?;
        Ok(Self { input: BufReader::with_capacity(1 << 16, stream) })
    }

    /// Sends one command, written as a line of words, and returns its reply.
    pub(super) fn call(&mut self, line: &str) -> io::Result<Reply> {
        self.send(line)?;
        self.reply()
    }

    /// Sends one command and leaves its reply to be read.
    pub(super) fn send(&mut self, line: &str) -> io::Result<()> {
        let mut bytes = Vec::new();
        encode(&mut bytes, line.split(' '));
        self.input.get_mut().write_all(&bytes)
    }

    /// Sends many commands, many at a time; any error among the replies is an error.
    pub(super) fn pipeline(&mut self, commands: impl Iterator<Item = Vec<String>>) -> io::Result<()> {
        let (mut bytes, mut pending) = (Vec::new(), 0);
        for command in commands {
            encode(&mut bytes, command.iter());
            pending += 1;
            if pending == DEPTH {
                self.exchange(&mut bytes, &mut pending)?;
            }
        }
        self.exchange(&mut bytes, &mut pending)
    }

    fn exchange(&mut self, bytes: &mut Vec<u8>, pending: &mut usize) -> io::Result<()> {
        self.input.get_mut().write_all(bytes)?;
        bytes.clear();
        for _ in 0..std::mem::take(pending) {
            self.reply()?;
        }
        Ok(())
    }

    /// The value of one field of a section of INFO.
    pub(super) fn info(&mut self, section: &str, field: &str) -> io::Result<String> {
        let Reply::Bytes(text) = self.call(&format!("INFO {section}"))? else {
            return Err(malformed("INFO is not a bulk string"));
        };
        let text = String::from_utf8_lossy(&text).into_owned();
        let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value.map(str::to_owned).ok_or_else(|| malformed(&format!("INFO {section} has no {field}")))
    }

    /// One line without its end.
    pub(super) fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        if self.input.read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// The stream itself, for what is no reply.
    pub(super) fn input(&mut self) -> &mut BufReader<TcpStream> {
        &mut self.input
    }

    pub(super) fn reply(&mut self) -> io::Result<Reply> {
        let line = self.line()?;
        let Some((kind, rest)) = line.split_at_checked(1) else { return Err(malformed("an empty line")) };
        match kind {
            "+" => Ok(Reply::Text(rest.to_owned())),
            ":" => Ok(Reply::Number(number(rest)?)),
            "$" => match usize::try_from(number(rest)?) {
                Ok(length) => self.bulk(length),
                Err(_) => Ok(Reply::Nil),
            },
            "*" => (0..number(rest)?).map(|_| self.reply()).collect::<io::Result<_>>().map(Reply::Array),
            _ => Err(malformed(&line)),
        }
    }

    fn bulk(&mut self, length: usize) -> io::Result<Reply> {
        let mut bytes = vec![0; length + 2];
        self.input.read_exact(&mut bytes)?;
        bytes.truncate(length);
        Ok(Reply::Bytes(bytes))
    }
}

/// Appends a command as an array of bulk strings.
fn encode<T: AsRef<str>>(bytes: &mut Vec<u8>, words: impl Iterator<Item = T> + Clone) {
    bytes.extend_from_slice(format!("*{}\r\n", words.clone().count()).as_bytes());
    for word in words {
        let word = word.as_ref();
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
}

fn number(text: &str) -> io::Result<i64> {
    text.parse().map_err(|_| malformed(text))
}

fn malformed(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}
