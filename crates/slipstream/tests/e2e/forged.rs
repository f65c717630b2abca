//! A primary that is none: it answers a replica's handshake and then sends whatever the test has made as a snapshot.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

pub(crate) struct ForgedPrimary {
    pub(crate) port: u16,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ForgedPrimary {
    /// One that sends everybody this snapshot, and nothing behind it.
    pub(crate) fn start(snapshot: Vec<u8>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
        let port = listener.local_addr().expect("the listener is bound").port();
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            for socket in listener.incoming() {
                if seen.load(Ordering::Relaxed) {
                    return;
                }
                serve(socket.expect("the listener works"), &snapshot);
            }
        });
        Self { port, is_over, thread: Some(thread) }
    }
}

impl Drop for ForgedPrimary {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // Wakes the thread, which then sees that it is over.
        TcpStream::connect(("127.0.0.1", self.port)).map(drop).unwrap_or_default();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap_or_default();
        }
    }
}

/// Answers what is asked until the replica hangs up; one that goes early has seen enough.
fn serve(mut socket: TcpStream, snapshot: &[u8]) {
    let mut heard = Vec::new();
    let mut answered = [0; 4];
    let mut piece = [0; 4096];
    loop {
        match socket.read(&mut piece) {
            Ok(0) => return,
            Ok(count) => heard.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
        let text = String::from_utf8_lossy(&heard).to_uppercase();
        let head = format!("+FULLRESYNC {} 0\r\n${}\r\n", "f".repeat(40), snapshot.len());
        let whole = [head.as_bytes(), snapshot].concat();
        let answers: [(&str, &[u8]); 4] = [
            ("$4\r\nPING\r\n", b"+PONG\r\n"),
            ("$8\r\nREPLCONF\r\n", b"+OK\r\n"),
            ("$4\r\nINFO\r\n", b"-NOPERM\r\n"),
            ("$5\r\nPSYNC\r\n", &whole),
        ];
        for ((request, answer), answered) in answers.iter().zip(&mut answered) {
            for _ in *answered..text.matches(request).count() {
                *answered += 1;
                if socket.write_all(answer).is_err() {
                    return socket.shutdown(Shutdown::Both).unwrap_or_default();
                }
            }
        }
    }
}
