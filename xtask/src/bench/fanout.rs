//! What attached replicas cost the primary: its CPU time per SET with 0, 1, 4 and 8 of them.
//!
//! The replicas here keep nothing: each does the real handshake, reads the snapshot and the stream as fast as it
//! can, and acknowledges once a second.

use std::error::Error;
use std::io::{self, BufRead, Read, Write};
use std::net::Shutdown;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::Settings;
use super::client::Client;
use super::contender::Contender;
use super::samples::Samples;
use super::throughput::redis_benchmark;
use crate::Outcome;

const REPLICAS: &[usize] = &[0, 1, 4, 8];
const REQUESTS: u32 = 1_000_000;
const DEPTH: u32 = 16;
const ACK_PERIOD: Duration = Duration::from_secs(1);
const MARK_LENGTH: usize = 40;

pub(super) fn run(contender: &Contender, settings: &Settings, samples: &mut Samples) -> Outcome {
    for &count in REPLICAS {
        let server = contender.start(settings.pinning, &["--repl-diskless-sync-delay", "0"])?;
        let sinks: Vec<Sink> = (0..count).map(|_| Sink::attach(server.port)).collect::<Result<_, _>>()?;
        let before = server.cpu_seconds()?;
        redis_benchmark(server.port, &["-t", "set"], DEPTH, REQUESTS)?;
        let cpu = (server.cpu_seconds()? - before) / f64::from(REQUESTS) * 1e6;
        samples.record("primary's CPU µs per SET", format!("{count} replicas"), cpu);
        for sink in sinks {
            sink.detach()?;
        }
    }
    Ok(())
}

/// A replica that only reads.
pub(super) struct Sink {
    stream: std::net::TcpStream,
    reader: JoinHandle<io::Result<()>>,
}

impl Sink {
    /// Attaches a replica and returns once it has the whole snapshot.
    pub(super) fn attach(port: u16) -> Result<Self, Box<dyn Error>> {
        let mut client = Client::connect(port)?;
        client.call("PING")?;
        client.call("REPLCONF listening-port 1")?;
        client.call("REPLCONF capa eof capa psync2")?;
        client.send("PSYNC ? -1")?;
        let line = next_line(&mut client)?;
        let offset = line.strip_prefix("+FULLRESYNC ").and_then(|rest| rest.split(' ').nth(1));
        let offset: u64 = offset.ok_or_else(|| format!("PSYNC was answered {line}"))?.parse()?;
        skip_snapshot(&mut client)?;
        let stream = client.input().get_ref().try_clone()?;
        stream.set_read_timeout(Some(ACK_PERIOD))?;
        acknowledge(&mut client, offset)?;
        let reader = thread::spawn(move || swallow(client, offset));
        Ok(Self { stream, reader })
    }

    pub(super) fn detach(self) -> Outcome {
        self.stream.shutdown(Shutdown::Both)?;
        match self.reader.join().expect("a sink does not panic") {
            // What was on its way to a socket that is shut comes back as a reset.
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// A primary sends empty lines while it prepares.
fn next_line(client: &mut Client) -> io::Result<String> {
    loop {
        let line = client.line()?;
        if !line.is_empty() {
            return Ok(line);
        }
    }
}

/// Reads `$<length>` and as many bytes, or `$EOF:<mark>` and bytes up to the mark.
fn skip_snapshot(client: &mut Client) -> Result<(), Box<dyn Error>> {
    let line = next_line(client)?;
    let framing = line.strip_prefix('$').ok_or_else(|| format!("a snapshot starts with {line}"))?;
    match framing.strip_prefix("EOF:") {
        Some(mark) => skip_until(client.input(), mark.as_bytes())?,
        None => drop(io::copy(&mut client.input().take(framing.parse()?), &mut io::sink())?),
    }
    Ok(())
}

/// The mark is random and long: its first appearance is the end.
fn skip_until(input: &mut impl BufRead, mark: &[u8]) -> io::Result<()> {
    let mut tail: Vec<u8> = Vec::new();
    loop {
        let chunk = input.fill_buf()?;
        if chunk.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (kept, read) = (tail.len(), chunk.len());
        tail.extend_from_slice(chunk);
        if let Some(at) = tail.windows(MARK_LENGTH).position(|window| window == mark) {
            input.consume(at + MARK_LENGTH - kept);
            return Ok(());
        }
        input.consume(read);
        tail.drain(..tail.len().saturating_sub(MARK_LENGTH - 1));
    }
}

/// Reads the stream until the connection ends.
fn swallow(mut client: Client, mut offset: u64) -> io::Result<()> {
    let mut last = Instant::now();
    loop {
        match client.input().fill_buf().map(<[u8]>::len) {
            Ok(0) => return Ok(()),
            Ok(length) => {
                client.input().consume(length);
                offset += u64::try_from(length).expect("a length fits 64 bits");
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if last.elapsed() >= ACK_PERIOD {
            last = Instant::now();
            if acknowledge(&mut client, offset).is_err() {
                return Ok(());
            }
        }
    }
}

fn acknowledge(client: &mut Client, offset: u64) -> io::Result<()> {
    client.send(&format!("REPLCONF ACK {offset}"))?;
    client.input().get_mut().flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_begins_right_after_the_mark() {
        let mark = [b'm'; MARK_LENGTH];
        let bytes = [&b"snapshot"[..], &mark, b"stream"].concat();
        for capacity in [1, 7, 39, 64] {
            let mut input = io::BufReader::with_capacity(capacity, &bytes[..]);
            skip_until(&mut input, &mark).expect("the mark is there");
            let mut rest = Vec::new();
            input.read_to_end(&mut rest).expect("memory can be read");
            assert_eq!(rest, b"stream");
        }
    }
}
