//! A client of a server under test: the `redis` crate, and a tiny vocabulary on top of it.
//!
//! A command is written as one line of words, as at redis-cli's prompt; one with binary arguments is built with
//! [`redis::cmd`]. A call that the server refuses fails the test and names the command.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use redis::{Cmd, Connection, FromRedisValue, Pipeline, RedisResult, Value};

const REPLY_LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Client {
    connection: Connection,
}

impl Client {
    #[track_caller]
    pub(crate) fn connect(port: u16) -> Self {
        Self::try_connect(port).unwrap_or_else(|error| panic!("no connection to port {port}: {error}"))
    }

    pub(crate) fn try_connect(port: u16) -> RedisResult<Self> {
        Self::open(redis::Client::open(("127.0.0.1", port))?)
    }

    /// Speaks RESP3, which the library asks for by HELLO.
    #[track_caller]
    pub(crate) fn connect_resp3(port: u16) -> Self {
        let opened = redis::Client::open(format!("redis://127.0.0.1:{port}/?protocol=resp3"));
        opened.and_then(Self::open).unwrap_or_else(|error| panic!("no connection to port {port}: {error}"))
    }

    pub(crate) fn over_socket(path: &Path) -> RedisResult<Self> {
        Self::open(redis::Client::open(format!("unix:{}", path.display()))?)
    }

    fn open(client: redis::Client) -> RedisResult<Self> {
        let connection = client.get_connection_with_timeout(REPLY_LIMIT)?;
        connection.set_read_timeout(Some(REPLY_LIMIT))?;
        Ok(Self { connection })
    }

    /// Sends one command and returns its reply.
    #[track_caller]
    pub(crate) fn call<T: FromRedisValue>(&mut self, line: &str) -> T {
        self.try_call(line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    pub(crate) fn try_call<T: FromRedisValue>(&mut self, line: &str) -> RedisResult<T> {
        command(line).query(&mut self.connection)
    }

    /// The connection itself, for the library's typed commands.
    pub(crate) fn typed(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Sends the commands as one pipeline and returns their replies; none may be an error.
    #[track_caller]
    pub(crate) fn pipeline<T: FromRedisValue>(&mut self, commands: impl IntoIterator<Item = Cmd>) -> Vec<T> {
        let mut pipeline = Pipeline::new();
        for command in commands {
            pipeline.add_command(command);
        }
        pipeline.query(&mut self.connection).unwrap_or_else(|error| panic!("pipeline: {error}"))
    }

    /// Sends the commands at once and returns the reply to each, refusals among them.
    #[track_caller]
    pub(crate) fn replies(&mut self, commands: &[Cmd]) -> Vec<RedisResult<Value>> {
        let packed: Vec<u8> = commands.iter().flat_map(Cmd::get_packed_command).collect();
        self.connection.send_packed_command(&packed).expect("the server reads");
        commands.iter().map(|_| self.connection.recv_response()).collect()
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
