//! Load on a server: SETs of random keys, written ahead so that making them costs the machine nothing while it
//! measures; as fast as they are taken, or at a given rate.
//!
//! Every SET must be answered +OK, which is also how the answers are counted.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::pace::pause;

/// Batches written ahead; they are sent again and again.
const BATCHES: u64 = 256;
const ANSWER: &[u8] = b"+OK\r\n";
/// A load at a given rate sends one batch per beat.
const BEAT: Duration = Duration::from_millis(10);

/// A connection that sends SETs of random keys among so many.
pub(super) struct RandomSets {
    stream: TcpStream,
    batches: Vec<Vec<u8>>,
    answers: Vec<u8>,
    size: usize,
    next: usize,
}

impl RandomSets {
    /// Keys are named as `fullsync::fill` names them; each batch has so many SETs.
    pub(super) fn connect(port: u16, keys: usize, size: usize, length: usize) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        let value = "x".repeat(length);
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut command = || {
            // An xorshift generator: any spread over the keys will do.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let key = format!("key:{:012}", usize::try_from(state >> 1).unwrap_or(0) % keys);
            format!("*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${length}\r\n{value}\r\n", key.len())
        };
        let batches = (0..BATCHES).map(|_| (0..size).map(|_| command()).collect::<String>().into_bytes());
        let batches = batches.collect();
        Ok(Self { stream, batches, answers: vec![0; size * ANSWER.len()], size, next: 0 })
    }

    /// Sends one batch and waits for its answers.
    fn send(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.batches[self.next])?;
        self.next = (self.next + 1) % self.batches.len();
        self.stream.read_exact(&mut self.answers)?;
        if self.answers.chunks(ANSWER.len()).all(|answer| answer == ANSWER) {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&self.answers[..80.min(self.answers.len())]).into_owned();
        Err(io::Error::new(io::ErrorKind::InvalidData, text))
    }

    /// Sends as fast as it can while `goes_on`, which is asked once in a while; SETs per second.
    pub(super) fn rate_while(&mut self, mut goes_on: impl FnMut() -> bool) -> io::Result<f64> {
        let (began, mut batches) = (Instant::now(), 0_u32);
        while goes_on() {
            for _ in 0..8 {
                self.send()?;
                batches += 1;
            }
        }
        let sent = f64::from(batches) * f64::from(u32::try_from(self.size).unwrap_or(u32::MAX));
        Ok(sent / began.elapsed().as_secs_f64())
    }

    /// Sends one batch per beat until told to stop.
    pub(super) fn beat(mut self, stop: &AtomicBool) -> io::Result<()> {
        let mut due = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            self.send()?;
            due += BEAT;
            pause(due.saturating_duration_since(Instant::now()));
        }
        Ok(())
    }
}

/// How many SETs per batch make this rate.
pub(super) fn per_beat(rate: usize) -> usize {
    rate / 100
}
