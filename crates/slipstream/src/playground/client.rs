//! A small blocking client: requests out, replies in, never for longer than a second.
//!
//! Used to write to the nodes and to ask them how they are. A connection that failed once is of no more use: its
//! owner drops it and connects anew.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use slipstream_resp::{Value, decode_value, encode_request};

const PATIENCE: Duration = Duration::from_secs(1);
const READ_SIZE: usize = 64 * 1024;

/// Why there is no reply.
#[derive(Debug)]
pub(super) enum ClientError {
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

/// A connection to a node.
#[derive(Debug)]
pub(super) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Client {
    pub(super) fn connect(port: u16) -> io::Result<Self> {
        let node = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = TcpStream::connect_timeout(&node, PATIENCE)?;
        if stream.local_addr()? == node {
            // Nobody listens, and the system chose the very port as this end's own: TCP then connects to itself.
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, received: Vec::new() })
    }

    /// Sends one request and returns its reply, which is no error.
    pub(super) fn call(&mut self, words: &[&str]) -> Result<Value, ClientError> {
        self.send(&[words])?;
        match self.receive()? {
            Value::Error(text) => Err(ClientError::Refused(text)),
            reply => Ok(reply),
        }
    }

    /// Sends requests without waiting for replies.
    pub(super) fn send<Request, Word>(&mut self, requests: &[Request]) -> io::Result<()>
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
    pub(super) fn receive(&mut self) -> Result<Value, ClientError> {
        loop {
            match decode_value(&self.received) {
                Ok(Some((value, length))) => {
                    self.received.drain(..length);
                    return Ok(value);
                }
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
