//! A bare connection: exact bytes in both directions, for what no client library would send or hide.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::server::Server;

const READ_LIMIT: Duration = Duration::from_secs(180);

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

    /// The next line, without its end.
    #[track_caller]
    pub(crate) fn read_line(&mut self) -> String {
        let mut line = self.read_until(b"\n");
        line.truncate(line.trim_ascii_end().len());
        String::from_utf8(line).expect("a line is text")
    }

    /// The next line that is not empty: empty ones are signs of life.
    #[track_caller]
    pub(crate) fn read_filled_line(&mut self) -> String {
        loop {
            let line = self.read_line();
            if !line.is_empty() {
                return line;
            }
        }
    }

    /// All bytes up to the next `end`, and that.
    #[track_caller]
    pub(crate) fn read_until(&mut self, end: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(end) {
            bytes.extend(self.read(1));
        }
        bytes
    }

    /// The next request, an array of bulk strings.
    #[track_caller]
    pub(crate) fn read_request(&mut self) -> Vec<String> {
        let count = self.read_filled_line();
        let count: usize = count.trim_start_matches('*').parse().expect("an array");
        let mut word = || {
            let length = self.read_line();
            let length: usize = length.trim_start_matches('$').parse().expect("a bulk string");
            let word = self.read(length + 2);
            String::from_utf8_lossy(&word[..length]).into_owned()
        };
        (0..count).map(|_| word()).collect()
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
