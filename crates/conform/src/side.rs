//! One of the two servers while a script is played to it: its clients, its stream, a connection of our own.
//!
//! Waits by reading: for a reply, for the mark in the stream, or for the server's word that a client sleeps. What a
//! server closes is an answer like any other, so that both may close and be alike.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::TcpStream;
use std::time::Duration;

use slipstream_resp::encode_request;

use crate::Reply;
use crate::script::{Kept, Replies, Step};
use crate::stream::{CHANNEL, Propagated, Stream};

/// Beyond what a busy machine needs for any answer.
const REPLY_LIMIT: Duration = Duration::from_secs(120);

/// The version of a server: of Valkey its own, not the one of Redis that it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(u32, u32, u32);

impl Version {
    /// `7`, `7.2` or `7.2.4`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| part.parse().ok());
        Some(Self(parts.next()??, parts.next().unwrap_or(Some(0))?, parts.next().unwrap_or(Some(0))?))
    }
}

struct Connection {
    input: BufReader<TcpStream>,
}

impl Connection {
    fn open(port: u16) -> io::Result<Self> {
        let socket = TcpStream::connect(("127.0.0.1", port))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(REPLY_LIMIT))?;
        Ok(Self { input: BufReader::new(socket) })
    }

    fn send<T: AsRef<[u8]>>(&mut self, words: &[T]) -> io::Result<()> {
        let mut bytes = Vec::new();
        encode_request(&mut bytes, words.iter().map(AsRef::as_ref));
        self.input.get_mut().write_all(&bytes)
    }

    /// The next reply, pushes before it left out.
    fn ask(&mut self, line: &str) -> io::Result<Reply> {
        self.send(&line.split(' ').collect::<Vec<_>>())?;
        loop {
            let reply = Reply::read(&mut self.input)?;
            if !reply.is_push() {
                return Ok(reply);
            }
        }
    }

    /// Whether something was sent to it that nobody has read.
    fn has_more(&mut self) -> io::Result<bool> {
        if !self.input.buffer().is_empty() {
            return Ok(true);
        }
        self.input.get_ref().set_nonblocking(true)?;
        let found = self.input.fill_buf().map(|_| true);
        self.input.get_ref().set_nonblocking(false)?;
        match found {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(false),
            found => found,
        }
    }
}

pub(crate) struct Side {
    pub(crate) version: Version,
    port: u16,
    control: Connection,
    stream: Stream,
    /// A server may begin the stream at an older snapshot, and so tell of earlier runs: marks are of one run.
    run: u16,
    marks: u64,
    protocol: u8,
    clients: BTreeMap<usize, Connection>,
    kept: Kept,
}

impl Side {
    pub(crate) fn connect(port: u16) -> io::Result<Self> {
        let mut control = Connection::open(port)?;
        let info = control.ask("INFO server")?;
        let info = String::from_utf8_lossy(&info.text).into_owned();
        let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let version = field("valkey_version").or_else(|| field("redis_version")).and_then(Version::parse);
        let version = version.ok_or_else(|| io::Error::other("INFO names no version"))?;
        // The stream begins with a snapshot of what is there, which a replica of the oldest kind might not understand.
        control.ask("FLUSHALL")?;
        let socket = Connection::open(port)?.input.into_inner();
        let run = socket.local_addr()?.port();
        let stream = Stream::open(socket)?;
        Ok(Self {
            version,
            port,
            control,
            stream,
            run,
            marks: 0,
            protocol: 2,
            clients: BTreeMap::new(),
            kept: Kept::new(),
        })
    }

    /// Empties the databases; clients from here on are new and speak this protocol.
    pub(crate) fn begin(&mut self, protocol: u8) -> io::Result<()> {
        self.protocol = protocol;
        self.kept.clear();
        self.control.ask("FLUSHALL")?;
        self.propagated().map(drop)
    }

    /// What was propagated since the last call.
    pub(crate) fn propagated(&mut self) -> io::Result<Vec<Propagated>> {
        self.marks += 1;
        let mark = format!("{}:{}", self.run, self.marks);
        self.control.ask(&format!("SPUBLISH {CHANNEL} {mark}"))?;
        let mut requests = self.stream.until(mark.as_bytes())?;
        // What differs by itself, as payloads of DUMP do, is called by its name.
        for word in requests.iter_mut().flatten() {
            if let Some((name, _)) = self.kept.iter().find(|(_, value)| value.len() > 8 && *value == word) {
                *word = format!("%{name}%").into_bytes();
            }
        }
        Ok(requests)
    }

    /// Does a step and returns what its client was sent.
    pub(crate) fn step(&mut self, step: &Step) -> io::Result<Vec<Reply>> {
        if !self.clients.contains_key(&step.client) {
            self.open(step.client)?;
        }
        let words = step.words(&self.kept);
        let client = self.clients.get_mut(&step.client).expect("just opened");
        let replies = exchange(client, &words, step.replies);
        let replies = match replies {
            Err(error) if is_close(&error) => {
                self.clients.remove(&step.client);
                vec![closed()]
            }
            replies => replies?,
        };
        if step.replies == Replies::Blocks {
            self.wait_until_blocked(step.client)?;
        }
        if let (Some(name), Some(reply)) = (&step.keep, replies.last()) {
            self.kept.insert(name.clone(), reply.bytes().to_vec());
        }
        Ok(replies)
    }

    fn open(&mut self, number: usize) -> io::Result<()> {
        let mut client = Connection::open(self.port)?;
        if self.protocol == 3 {
            client.ask("HELLO 3")?;
        }
        let id = client.ask("CLIENT ID")?.bytes().to_vec();
        let address = client.input.get_ref().local_addr()?.to_string().into_bytes();
        self.kept.insert(format!("id{number}"), id);
        self.kept.insert(format!("addr{number}"), address);
        self.clients.insert(number, client);
        Ok(())
    }

    /// Returns once the server says that the client sleeps, or has answered it.
    fn wait_until_blocked(&mut self, number: usize) -> io::Result<()> {
        let id = self.kept.get(&format!("id{number}")).cloned().unwrap_or_default();
        let ask = format!("CLIENT LIST ID {}", String::from_utf8_lossy(&id));
        loop {
            let line = self.control.ask(&ask)?;
            let line = String::from_utf8_lossy(&line.text).into_owned();
            let mut words = line.split_whitespace();
            if words.any(|word| word.strip_prefix("flags=").is_some_and(|flags| flags.contains('b'))) {
                return Ok(());
            }
            let Some(client) = self.clients.get_mut(&number) else { return Ok(()) };
            if client.has_more()? {
                return Ok(());
            }
        }
    }

    /// Ends the clients and returns what each was sent and has not read.
    pub(crate) fn end(&mut self) -> io::Result<Vec<(usize, Vec<Reply>)>> {
        let mut left = Vec::new();
        for (number, mut client) in std::mem::take(&mut self.clients) {
            let id = self.kept.get(&format!("id{number}")).cloned().unwrap_or_default();
            self.control.ask(&format!("CLIENT UNBLOCK {}", String::from_utf8_lossy(&id)))?;
            let unread = match unread(&mut client) {
                Err(error) if is_close(&error) => vec![closed()],
                unread => unread?,
            };
            left.push((number, unread));
        }
        Ok(left)
    }
}

/// Sends the words, if there are any, and reads what is awaited.
fn exchange(client: &mut Connection, words: &[Vec<u8>], awaited: Replies) -> io::Result<Vec<Reply>> {
    if !words.is_empty() {
        client.send(words)?;
    }
    let mut replies = Vec::new();
    match awaited {
        Replies::Blocks => {}
        Replies::Count(count) => {
            for _ in 0..count {
                replies.push(Reply::read(&mut client.input)?);
            }
        }
        Replies::One => {
            while replies.last().is_none_or(Reply::is_push) {
                replies.push(Reply::read(&mut client.input)?);
            }
        }
    }
    Ok(replies)
}

/// What comes before the answer to a RESET, which ends every state that a client may be in.
fn unread(client: &mut Connection) -> io::Result<Vec<Reply>> {
    client.send(&["RESET"])?;
    let mut replies = Vec::new();
    loop {
        let reply = Reply::read(&mut client.input)?;
        if reply.head == b"+RESET" {
            return Ok(replies);
        }
        replies.push(reply);
    }
}

fn is_close(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

fn closed() -> Reply {
    Reply { head: b"(closed)".to_vec(), text: Vec::new(), members: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_their_numbers() {
        let version = |text| Version::parse(text).unwrap();
        assert!(
            version("7.0.15") < version("7.2")
                && version("7.2.4") < version("9.1.0")
                && version("10") > version("9.9")
        );
        assert_eq!(version("7"), version("7.0.0"));
        assert_eq!(Version::parse("x"), None);
    }
}
