//! Lines against real sockets on loopback.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream as Blocking};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use mio::{Events, Poll, Token, Waker};

use super::*;
use crate::jobs::Report;
use crate::net::Whose;
use crate::sentinel::News;

/// Lines, and what a loop has besides.
struct Loop {
    lines: Lines,
    poll: Poll,
    reports: Receiver<Report>,
}

impl Loop {
    fn new() -> Loop {
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
        let (sender, reports) = channel();
        let reporter = Reporter::new(sender, waker, poll.registry().try_clone().unwrap());
        Loop { lines: Lines::new(reporter, poll.registry().try_clone().unwrap()), poll, reports }
    }

    fn connect(&mut self, id: u64, host: &str, port: u16) -> Told {
        let route = Route { host: host.to_owned(), port, source: None, keepalive: 300 };
        self.lines.connect(LineId(id), route)
    }

    /// What happens next, after what was told at once.
    fn until_told(&mut self, at_once: Told) -> Event<'static> {
        if let Some(told) = at_once {
            return told;
        }
        let mut events = Events::with_capacity(16);
        loop {
            self.poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
            assert!(!events.is_empty(), "nothing happens");
            for event in &events {
                let ready = Ready::from(event);
                let told = match ready.whose() {
                    Whose::Line(id) => self.lines.ready(id, &ready),
                    _ => None,
                };
                if let Some(told) = told {
                    return told;
                }
            }
            while let Ok(Report::Sentinel(News::Named(answer))) = self.reports.try_recv() {
                if let Some(told) = self.lines.named(answer).pop() {
                    return told;
                }
            }
        }
    }

    /// What the line brings next.
    fn hear(&mut self, id: u64) -> Result<Vec<u8>, Failure> {
        let mut buffer = [0; 16];
        loop {
            match self.lines.read(LineId(id), &mut buffer) {
                Heard::Bytes(count, _) => return Ok(buffer[..count].to_vec()),
                Heard::Failed(failure) => return Err(failure),
                Heard::Nothing => {}
            }
            let mut events = Events::with_capacity(16);
            self.poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
            assert!(!events.is_empty(), "nothing comes");
        }
    }
}

fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn accepted(listener: &TcpListener) -> Blocking {
    listener.accept().unwrap().0
}

#[test]
fn a_number_is_connected_and_tells_both_ends() {
    let (listener, port) = listen();
    let mut this = Loop::new();
    let at_once = this.connect(1, "127.0.0.1", port);
    let told = this.until_told(at_once);
    let Event::Connected { line, local, remote } = told else { panic!("{told:?}") };
    assert_eq!((line, local.as_str(), remote.as_str()), (LineId(1), "127.0.0.1", "127.0.0.1"));
    let mut peer = accepted(&listener);
    assert!(this.lines.send(LineId(1), b"PING").is_none());
    let mut got = [0; 4];
    peer.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"PING");
    peer.write_all(b"a reply that is longer than it").unwrap();
    drop(peer);
    let mut all = Vec::new();
    let end = loop {
        match this.hear(1) {
            Ok(bytes) => all.extend(bytes),
            Err(failure) => break failure,
        }
    };
    assert_eq!(all, b"a reply that is longer than it");
    assert_eq!(end, Failure::Closed);
    assert_eq!(this.lines.read(LineId(1), &mut [0; 1]), Heard::Nothing, "it is told once");
}

#[test]
fn a_name_is_looked_up_first() {
    let (listener, port) = listen();
    let mut this = Loop::new();
    assert!(this.connect(1, "localhost", port).is_none());
    let told = this.until_told(None);
    assert!(matches!(told, Event::Connected { line: LineId(1), .. }), "{told:?}");
    accepted(&listener);
    assert!(this.connect(2, "no such name", 1).is_none());
    let told = this.until_told(None);
    let Event::Failed(LineId(2), Failure::Other(reason)) = told else { panic!("{told:?}") };
    assert!(reason.starts_with("no such name: "), "{reason}");
}

#[test]
fn the_machine_may_ask_what_a_name_stands_for() {
    let mut this = Loop::new();
    for (host, is_found) in [("localhost", true), ("no such name", false)] {
        let at_once = this.lines.look_up(host.to_owned());
        let told = this.until_told(at_once);
        let Event::Named(named, numbers) = told else { panic!("{told:?}") };
        assert_eq!(named, host);
        let is_loopback = |number: &String| ["127.0.0.1", "::1"].contains(&number.as_str());
        assert!(numbers.iter().all(is_loopback) && numbers.is_empty() != is_found, "{numbers:?}");
    }
}

#[test]
fn nobody_listens_is_refused() {
    let (listener, port) = listen();
    drop(listener);
    let mut this = Loop::new();
    let at_once = this.connect(1, "127.0.0.1", port);
    let told = this.until_told(at_once);
    assert!(matches!(told, Event::Failed(LineId(1), Failure::Refused)), "{told:?}");
    assert!(this.lines.lines.is_empty());
}

#[test]
fn what_nobody_reads_ends_the_line() {
    let (listener, port) = listen();
    let mut this = Loop::new();
    let at_once = this.connect(1, "127.0.0.1", port);
    this.until_told(at_once);
    let _peer = accepted(&listener);
    let piece = vec![0; 256 * 1024];
    let told = (0..1000).find_map(|_| this.lines.send(LineId(1), &piece)).expect("there is a bound");
    assert!(matches!(told, Event::Failed(LineId(1), Failure::Other(_))), "{told:?}");
    assert!(this.lines.send(LineId(1), &piece).is_none(), "it is told once");
}

#[test]
fn what_the_socket_did_not_take_goes_when_it_does() {
    let (listener, port) = listen();
    let mut this = Loop::new();
    let at_once = this.connect(1, "127.0.0.1", port);
    this.until_told(at_once);
    let mut peer = accepted(&listener);
    let mut sent = 0;
    while matches!(this.lines.lines.get(&1), Some(Line::Open(open)) if open.unsent.is_empty()) {
        assert!(this.lines.send(LineId(1), &[7; 100_000]).is_none());
        sent += 100_000;
    }
    let reader = std::thread::spawn(move || {
        let mut all = vec![0; sent];
        peer.read_exact(&mut all).unwrap();
        all.iter().all(|byte| *byte == 7)
    });
    let mut events = Events::with_capacity(16);
    while matches!(this.lines.lines.get(&1), Some(Line::Open(open)) if !open.unsent.is_empty()) {
        this.poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
        assert!(!events.is_empty(), "there is no room");
        for event in &events {
            assert!(this.lines.ready(LineId(1), &Ready::from(event)).is_none());
        }
    }
    assert!(reader.join().unwrap());
}

#[test]
fn of_a_closed_line_nothing_is_told() {
    let (_listener, port) = listen();
    let mut this = Loop::new();
    assert!(this.connect(1, "localhost", port).is_none());
    this.lines.close(LineId(1));
    let Ok(Report::Sentinel(News::Named(answer))) = this.reports.recv() else { panic!() };
    assert!(this.lines.named(answer).is_empty());
    this.connect(2, "127.0.0.1", port);
    this.lines.close(LineId(2));
    assert!(this.lines.send(LineId(2), b"x").is_none());
    assert!(this.lines.lines.is_empty());
}

#[test]
fn a_source_that_is_not_here_is_said() {
    let (_listener, port) = listen();
    let mut this = Loop::new();
    let route = |source: &str| Route {
        host: "127.0.0.1".to_owned(),
        port,
        source: Some(source.to_owned()),
        keepalive: 0,
    };
    let told = this.lines.connect(LineId(1), route("192.0.2.1"));
    let Some(Event::Failed(_, Failure::Other(reason))) = told else { panic!("{told:?}") };
    assert_eq!(reason, "bind-source-addr 192.0.2.1: Cannot assign requested address");
    let told = this.lines.connect(LineId(2), route("127.0.0.2"));
    let told = this.until_told(told);
    assert!(matches!(&told, Event::Connected { local, .. } if local == "127.0.0.2"), "{told:?}");
    let told = this.lines.connect(LineId(3), route("::1"));
    assert!(matches!(told, Some(Event::Failed(_, Failure::Other(_)))), "{told:?}");
}

#[test]
fn a_line_to_itself_is_refused() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    let own = socket.local_addr().unwrap();
    socket.connect(&own).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut stream = TcpStream::from_std(socket.into());
    let mut this = Loop::new();
    this.poll.registry().register(&mut stream, token_of_line(LineId(1)), Interest::READABLE).unwrap();
    let told = this.lines.opened(LineId(1), stream);
    assert!(matches!(told, Some(Event::Failed(LineId(1), Failure::Refused))), "{told:?}");
}
