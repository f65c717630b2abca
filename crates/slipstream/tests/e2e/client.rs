//! A client of a server under test: the `redis` crate's commands and values over a socket of our own, and a tiny
//! vocabulary on top.
//!
//! A command is written as one line of words, as at redis-cli's prompt; one with binary arguments is built with
//! [`redis::cmd`]. A call that the server refuses fails the test and names the command.
//!
//! The socket is ours because a read that has a time limit ends early when this process is stopped and continued,
//! which busy machines do, and the library takes that for the connection's end.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use redis::{Cmd, ConnectionLike, FromRedisValue, Parser, Pipeline, RedisResult, Value};

const REPLY_LIMIT: Duration = Duration::from_secs(180);

pub(crate) struct Client {
    socket: Socket,
    parser: Parser,
}

impl Client {
    #[track_caller]
    pub(crate) fn connect(port: u16) -> Self {
        Self::try_connect(port).unwrap_or_else(|error| panic!("no connection to port {port}: {error}"))
    }

    pub(crate) fn try_connect(port: u16) -> RedisResult<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(REPLY_LIMIT))?;
        Ok(Self::over(Socket(Box::new(stream))))
    }

    /// As [`Client::try_connect`], of one that gives up on a silent server after a while.
    pub(crate) fn try_connect_within(port: u16, limit: Duration) -> RedisResult<Self> {
        let stream = TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), limit)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(limit))?;
        Ok(Self::over(Socket(Box::new(stream))))
    }

    pub(crate) fn over_socket(path: &Path) -> RedisResult<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(REPLY_LIMIT))?;
        Ok(Self::over(Socket(Box::new(stream))))
    }

    fn over(socket: Socket) -> Self {
        Self { socket, parser: Parser::new() }
    }

    /// Sends one command and returns its reply.
    #[track_caller]
    pub(crate) fn call<T: FromRedisValue>(&mut self, line: &str) -> T {
        self.try_call(line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    pub(crate) fn try_call<T: FromRedisValue>(&mut self, line: &str) -> RedisResult<T> {
        command(line).query(self)
    }

    /// Sends the commands as one pipeline and returns their replies; none may be an error.
    #[track_caller]
    pub(crate) fn pipeline<T: FromRedisValue>(&mut self, commands: impl IntoIterator<Item = Cmd>) -> Vec<T> {
        let mut pipeline = Pipeline::new();
        for command in commands {
            pipeline.add_command(command);
        }
        pipeline.query(self).unwrap_or_else(|error| panic!("pipeline: {error}"))
    }

    /// Sends the commands at once and returns the reply to each, refusals among them.
    #[track_caller]
    pub(crate) fn replies(&mut self, commands: &[Cmd]) -> Vec<RedisResult<Value>> {
        let packed: Vec<u8> = commands.iter().flat_map(Cmd::get_packed_command).collect();
        // That the server has gone is seen by the reads.
        self.socket.write_all(&packed).unwrap_or_default();
        commands.iter().map(|_| self.receive()).collect()
    }

    /// One field of a section of INFO.
    pub(crate) fn info(&mut self, section: &str, field: &str) -> Option<String> {
        let text: String = self.try_call(&format!("INFO {section}")).ok()?;
        fields(&text).remove(field)
    }

    /// One number of a section of INFO.
    #[track_caller]
    pub(crate) fn info_number(&mut self, section: &str, field: &str) -> u64 {
        let value = self.info(section, field);
        let number = value.as_deref().and_then(|value| value.parse().ok());
        number.unwrap_or_else(|| panic!("INFO {section}: {field} is {value:?}"))
    }
}

impl Client {
    /// The next reply; what the server pushes in between is left out.
    pub(crate) fn receive(&mut self) -> RedisResult<Value> {
        loop {
            match self.parser.parse_value(&mut self.socket)? {
                Value::Push { .. } => {}
                reply => return Ok(reply),
            }
        }
    }
}

impl ConnectionLike for Client {
    fn req_packed_command(&mut self, command: &[u8]) -> RedisResult<Value> {
        self.socket.write_all(command)?;
        self.receive()
    }

    fn req_packed_commands(&mut self, commands: &[u8], skip: usize, count: usize) -> RedisResult<Vec<Value>> {
        self.socket.write_all(commands)?;
        let replies: RedisResult<Vec<Value>> = (0..skip + count).map(|_| self.receive()).collect();
        Ok(replies?.split_off(skip))
    }

    fn get_db(&self) -> i64 {
        0
    }

    fn check_connection(&mut self) -> bool {
        self.try_call::<String>("PING").is_ok()
    }

    fn is_open(&self) -> bool {
        true
    }
}

trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// A stream whose reads survive that the process is stopped for a while.
struct Socket(Box<dyn Stream>);

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A command from a line of words.
pub(crate) fn command(line: &str) -> Cmd {
    let mut words = line.split_whitespace();
    let mut command = redis::cmd(words.next().expect("a command has a name"));
    for word in words {
        command.arg(word);
    }
    command
}

fn fields(info: &str) -> BTreeMap<String, String> {
    let pairs = info.lines().filter_map(|line| line.split_once(':'));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
