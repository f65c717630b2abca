//! A small blocking client: requests out, replies in, never for longer than it is told to wait.
//!
//! Used to write to servers and to ask them how they are. A connection that failed once is of no more use: its
//! owner drops it and connects anew.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use slipstream_resp::{Value, decode_value, encode_request};

const PATIENCE: Duration = Duration::from_secs(1);
const READ_SIZE: usize = 64 * 1024;
/// The longest reply that is taken.
const LONGEST_REPLY: usize = 64 << 20;

/// Why there is no reply.
#[derive(Debug)]
pub(crate) enum ClientError {
    Connection(io::Error),
    /// What was received is no reply.
    Broken,
    /// The reply is an error: its text.
    Refused(String),
}

impl fmt::Display for ClientError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Connection(error) => error.fmt(out),
            ClientError::Broken => out.write_str("not a reply"),
            ClientError::Refused(text) => out.write_str(text),
        }
    }
}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        ClientError::Connection(error)
    }
}

/// A connection to a server.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Client {
    /// To a server on this machine, which answers within a second.
    pub(crate) fn connect(port: u16) -> io::Result<Self> {
        Self::connect_to(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), PATIENCE)
    }

    /// To a server that takes the connection, and answers each request, within `patience`.
    pub(crate) fn connect_to(server: SocketAddr, patience: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&server, patience)?;
        if stream.local_addr()? == server {
            // Nobody listens, and the system chose the very port as this end's own: TCP then connects to itself.
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self { stream, received: Vec::new() })
    }

    /// Sends one request and returns its reply, which is no error.
    pub(crate) fn call(&mut self, words: &[&str]) -> Result<Value, ClientError> {
        self.send(&[words])?;
        match self.receive()? {
            Value::Error(text) => Err(ClientError::Refused(text)),
            reply => Ok(reply),
        }
    }

    /// Sends requests without waiting for replies.
    pub(crate) fn send<Request, Word>(&mut self, requests: &[Request]) -> io::Result<()>
    where
        Request: AsRef<[Word]>,
        Word: AsRef<str>,
    {
        let mut bytes = Vec::new();
        for request in requests {
            encode_request(&mut bytes, request.as_ref().iter().map(|word| word.as_ref().as_bytes()));
        }
        self.stream.write_all(&bytes)
    }

    /// The next reply.
    pub(crate) fn receive(&mut self) -> Result<Value, ClientError> {
        loop {
            match decode_value(&self.received) {
                Ok(Some((value, length))) => {
                    self.received.drain(..length);
                    return Ok(value);
                }
                Ok(None) if self.received.len() > LONGEST_REPLY => return Err(ClientError::Broken),
                Ok(None) => self.read()?,
                Err(_) => return Err(ClientError::Broken),
            }
        }
    }

    fn read(&mut self) -> io::Result<()> {
        let mut chunk = [0; READ_SIZE];
        // A read with a time limit ends early when the process is stopped and continued.
        let count = loop {
            match self.stream.read(&mut chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.received.extend_from_slice(&chunk[..count]);
        Ok(())
    }
}
