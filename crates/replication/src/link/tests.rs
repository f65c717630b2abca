//! Stories of one link: what the primary does, and the whole list of what the link wants done.
//!
//! Time is virtual. Histories are named by one repeated digit.

use super::*;
use crate::{Level, Mark};

const TIMEOUT_MS: u64 = 60_000;

fn id(digit: u8) -> ReplicationId {
    ReplicationId::parse(&[digit; 40]).unwrap()
}

fn position(digit: u8, offset: u64) -> Position {
    Position { id: id(digit), offset: Offset(offset) }
}

fn settings() -> Settings {
    Settings {
        user: None,
        password: None,
        announced_port: 6380,
        announced_ip: None,
        timeout_ms: TIMEOUT_MS,
        two_links: false,
        buffer_limit: 200_000,
    }
}

fn primary() -> Endpoint {
    Endpoint { host: "10.0.0.1".into(), port: 6379 }
}

fn ack(offset: u64) -> Action<'static> {
    Action::Send(wire::ack(Offset(offset), None))
}

fn send(words: &[&str]) -> Action<'static> {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    Action::Send(wire::request(&words))
}

/// What a link says that it understands.
fn capabilities() -> Vec<u8> {
    let words: [&[u8]; 9] =
        [b"REPLCONF", b"capa", b"eof", b"capa", b"psync2", b"capa", wire::DIALECT, b"capa", wire::STAYS];
    wire::request(&words)
}

fn newline() -> Action<'static> {
    Action::Send(b"\n".to_vec())
}

fn apply(bytes: &[u8]) -> Action<'_> {
    Action::Apply(Cow::Borrowed(bytes))
}

fn snapshot_bytes(bytes: &[u8]) -> Action<'_> {
    Action::SnapshotBytes(Cow::Borrowed(bytes))
}

/// A link on a virtual clock.
struct Story {
    link: Link,
    now: Moment,
}

impl Story {
    /// The link has just been told whom to follow.
    fn new(settings: Settings) -> Story {
        let mut story = Story { link: Link::new(settings), now: Moment(0) };
        story.act(|link, now, actions| link.follow(now, primary(), actions));
        story
    }

    /// The handshake is over and PSYNC has been sent.
    fn asking(resume: Option<Position>) -> Story {
        let mut story = Story::new(settings());
        story.connected(resume);
        story.receive(b"+PONG\r\n");
        story.receive(b"+OK\r\n+OK\r\n+OK\r\n");
        if resume.is_some() {
            // It does not tell of its history.
            story.receive(b"-NOPERM\r\n");
        }
        story
    }

    /// The stream flows from offset 100 of history `a`.
    fn streaming() -> Story {
        let mut story = Story::asking(Some(position(b'a', 100)));
        story.receive(b"+CONTINUE\r\n");
        story
    }

    /// A snapshot of history `a` at offset 100 has arrived.
    fn loading() -> Story {
        let mut story = Story::asking(None);
        story.receive(format!("+FULLRESYNC {} 100\r\n$4\r\nabcd", id(b'a')).as_bytes());
        story
    }

    fn act<'a>(&mut self, event: impl FnOnce(&mut Link, Moment, &mut Vec<Action<'a>>)) -> Vec<Action<'a>> {
        let mut actions = Vec::new();
        event(&mut self.link, self.now, &mut actions);
        actions
    }

    fn connected(&mut self, resume: Option<Position>) -> Vec<Action<'static>> {
        self.act(|link, now, actions| {
            link.on_connected(now, Standing { resume, ..Standing::default() }, actions)
        })
    }

    fn receive<'a>(&mut self, input: &'a [u8]) -> Vec<Action<'a>> {
        self.act(|link, now, actions| link.on_received(now, input, actions))
    }

    fn closed(&mut self) -> Vec<Action<'static>> {
        self.act(|link, now, actions| link.on_closed(now, "connection lost", actions))
    }

    fn loaded(&mut self, offset: u64) -> Vec<Action<'static>> {
        self.act(|link, now, actions| link.on_loaded(now, Offset(offset), actions))
    }

    /// Lets the clock run to the next deadline.
    fn wait(&mut self) -> Vec<Action<'static>> {
        self.now = self.link.deadline().expect("something is due");
        self.act(|link, now, actions| link.on_deadline(now, actions))
    }

    /// Lets the clock run to `ms` after the start, doing what is due on the way.
    fn wait_until(&mut self, ms: u64) -> Vec<Action<'static>> {
        let mut all = Vec::new();
        while self.link.deadline().is_some_and(|deadline| deadline <= Moment(ms)) {
            all.extend(self.wait());
        }
        self.now = Moment(ms);
        all
    }
}

/// Without the lines for the log.
fn deeds<'a>(actions: Vec<Action<'a>>) -> Vec<Action<'a>> {
    actions.into_iter().filter(|action| !matches!(action, Action::Log(..))).collect()
}

mod changing;
mod handshake;
mod loss;
mod pairing;
mod restoring;
mod snapshot;
mod stream;
mod takeover;
mod upstream;
