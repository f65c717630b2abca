//! A bare connection: exact bytes in both directions, for what no client library would send or hide.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::server::Server;

const READ_LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Raw(TcpStream);

impl Raw {
    #[track_caller]
    pub(crate) fn connect(server: &Server) -> Self {
        Self::over(TcpStream::connect(("127.0.0.1", server.port)).expect("the server listens"))
    }

    #[track_caller]
    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(READ_LIMIT)).expect("a time limit can be set");
        Self(stream)
    }

    /// A second handle, to write while this one reads.
    pub(crate) fn twin(&self) -> Self {
        Self(self.0.try_clone().expect("a socket can be cloned"))
    }

    /// Sends; a server that has closed already is seen by the next read.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap_or_default();
    }

    /// The next `length` bytes.
    #[track_caller]
    pub(crate) fn read(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).expect("the server sends so much");
        bytes
    }

    /// Fails the test unless the server's next bytes are these.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) {
        let read = self.read(text.len());
        assert_eq!(String::from_utf8_lossy(&read), text);
    }

    /// All bytes up to the server's close. A close with our bytes unread counts too.
    #[track_caller]
    pub(crate) fn read_to_end(&mut self) -> String {
        let mut bytes = Vec::new();
        match self.0.read_to_end(&mut bytes) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("not closed: {error}"),
            _ => String::from_utf8_lossy(&bytes).into_owned(),
        }
    }
}
