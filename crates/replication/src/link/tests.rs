//! Stories of one link: what the primary does, and the whole list of what the link wants done.
//!
//! Time is virtual. Histories are named by one repeated digit.

use slipstream_log::ReplicationId;

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
    Action::Send(wire::ack(Offset(offset)))
}

fn send(words: &[&str]) -> Action<'static> {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    Action::Send(wire::request(&words))
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
        self.act(|link, now, actions| link.on_connected(now, resume, None, actions))
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

#[test]
fn the_handshake_goes_in_the_order_of_redis() {
    let mut story = Story { link: Link::new(settings()), now: Moment(0) };
    let actions = story.act(|link, now, actions| link.follow(now, primary(), actions));
    let connecting = [
        Action::notice("Connecting to MASTER 10.0.0.1:6379"),
        Action::Connect(primary()),
        Action::notice("MASTER <-> REPLICA sync started"),
    ];
    assert_eq!(actions, connecting);
    assert_eq!(
        story.connected(None),
        [Action::notice("Non blocking connect for SYNC fired the event."), send(&["PING"])]
    );
    let introduction = [
        wire::request(&[b"REPLCONF", b"listening-port", b"6380"]),
        wire::request(&[b"REPLCONF", b"capa", b"eof", b"capa", b"psync2", b"capa", wire::DIALECT]),
        wire::request(&[b"REPLCONF", b"version", b"9.0.0"]),
    ];
    assert_eq!(
        story.receive(b"+PONG\r\n"),
        [
            Action::notice("Master replied to PING, replication can continue..."),
            Action::Send(introduction.concat()),
        ]
    );
    assert_eq!(story.receive(b"+OK\r\n+OK\r\n"), []);
    let refused = "(Non critical) Master does not understand REPLCONF version: \
                   -ERR Unrecognized REPLCONF option: version";
    assert_eq!(
        story.receive(b"-ERR Unrecognized REPLCONF option: version\r\n"),
        [
            Action::notice(refused),
            Action::notice("Partial resynchronization not possible (no cached master)"),
            send(&["PSYNC", "?", "-1"]),
        ]
    );
    assert_eq!(story.link.state(), State::Handshake);
}

#[test]
fn a_password_and_an_address_are_given_in_their_place() {
    let user = Some(b"replicator".to_vec());
    let announced_ip = Some("replica.example".to_owned());
    let settings = Settings { user, password: Some(b"secret".to_vec()), announced_ip, ..settings() };
    let mut story = Story::new(settings);
    story.connected(None);
    let introduction = [
        wire::request(&[b"AUTH", b"replicator", b"secret"]),
        wire::request(&[b"REPLCONF", b"listening-port", b"6380"]),
        wire::request(&[b"REPLCONF", b"ip-address", b"replica.example"]),
        wire::request(&[b"REPLCONF", b"capa", b"eof", b"capa", b"psync2", b"capa", wire::DIALECT]),
        wire::request(&[b"REPLCONF", b"version", b"9.0.0"]),
    ];
    let answer = deeds(story.receive(b"-NOAUTH Authentication required.\r\n"));
    assert_eq!(answer, [Action::Send(introduction.concat())]);
    let text = "Unable to AUTH to MASTER: -WRONGPASS invalid username-password pair or user is disabled.";
    assert_eq!(
        story.receive(b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"),
        [Action::warning(text), Action::Close]
    );
    assert_eq!(story.link.deadline(), Some(Moment(1000)), "once a second");
}

#[test]
fn the_answer_to_ping_decides_whether_to_go_on() {
    let check = |line: &str, goes_on: bool| {
        let mut story = Story::new(settings());
        story.connected(None);
        story.receive(format!("{line}\r\n").as_bytes());
        let expected = if goes_on { State::Handshake } else { State::Connect };
        assert_eq!(story.link.state(), expected, "{line}");
    };
    check("+PONG", true);
    check("+anything", true);
    check("-NOAUTH Authentication required.", true);
    check("-NOPERM this user has no permissions to run the 'ping' command", true);
    check("-ERR operation not permitted", true);
    check("-LOADING Redis is loading the dataset in memory", false);
    check("-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", false);
    check("-ERR max number of clients reached", false);
}

#[test]
fn who_has_data_asks_to_continue_with_the_next_byte() {
    let mut story = Story::new(settings());
    story.connected(Some(position(b'a', 100)));
    story.receive(b"+PONG\r\n");
    story.receive(b"+OK\r\n+OK\r\n+OK\r\n");
    let asked = story.receive(b"-NOPERM\r\n");
    let a = id(b'a').to_string();
    let text = format!("Trying a partial resynchronization (request {a}:101).");
    assert_eq!(asked, [Action::notice(text), send(&["PSYNC", &a, "101"])]);
}

#[test]
fn a_continued_stream_is_handed_on_from_its_first_byte() {
    let mut story = Story::asking(Some(position(b'a', 100)));
    let input = format!("\n+CONTINUE {}\r\nSET", id(b'b'));
    assert_eq!(
        story.receive(input.as_bytes()),
        [
            Action::notice("Successful partial resynchronization with master."),
            Action::notice(format!("Master replication ID changed to {}", id(b'b'))),
            Action::Continue { id: Some(id(b'b')) },
            ack(100),
            apply(b"SET"),
        ]
    );
    assert_eq!(story.link.offsets(), Some((Offset(103), Offset(100))));
    assert!(story.link.is_up());
}

#[test]
fn nobody_continues_without_having_asked() {
    let mut story = Story::asking(None);
    assert_eq!(deeds(story.receive(b"+CONTINUE\r\nSET")), [Action::Close]);
}

#[test]
fn a_snapshot_with_a_mark_is_the_same_at_every_split() {
    let mark = Mark::parse(b"0123456789abcdef0123456789abcdef01234567").unwrap();
    let body: Vec<u8> = [
        format!("\n\n+FULLRESYNC {} 100\r\n\n$EOF:", id(b'a')).as_bytes(),
        mark.as_bytes(),
        b"\r\nREDIS0010 0123456789",
        mark.as_bytes(),
    ]
    .concat();
    for at in 0..=body.len() {
        let mut story = Story::asking(None);
        let mut actions = deeds(story.receive(&body[..at]));
        actions.extend(deeds(story.receive(&body[at..])));
        let data: Vec<u8> = actions
            .iter()
            .filter_map(
                |action| if let Action::SnapshotBytes(bytes) = action { Some(&**bytes) } else { None },
            )
            .flatten()
            .copied()
            .collect();
        assert_eq!(data, b"REDIS0010 0123456789", "split at {at}");
        actions.retain(|action| !matches!(action, Action::SnapshotBytes(_)));
        let begin = Action::SnapshotBegin { position: Some(position(b'a', 100)), length: None };
        assert_eq!(actions, [begin, Action::PauseReading, Action::SnapshotEnd], "split at {at}");
    }
}

#[test]
fn a_snapshot_with_a_length_is_the_same_at_every_split() {
    let body = format!("\n+FULLRESYNC {} 100\r\n\n$10\r\nREDIS0010 stream", id(b'a')).into_bytes();
    for at in 0..=body.len() {
        let mut story = Story::asking(None);
        let mut actions = deeds(story.receive(&body[..at]));
        actions.extend(deeds(story.receive(&body[at..])));
        actions.retain(|action| !matches!(action, Action::SnapshotBytes(_)));
        let begin = Action::SnapshotBegin { position: Some(position(b'a', 100)), length: Some(10) };
        assert_eq!(actions, [begin, Action::PauseReading, Action::SnapshotEnd], "split at {at}");
        let loaded = deeds(story.loaded(100));
        assert_eq!(loaded, [Action::ResumeReading, ack(100), apply(b"stream")], "split at {at}");
    }
}

#[test]
fn a_full_sync_from_begin_to_end() {
    let mut story = Story::asking(None);
    let answer = format!("+FULLRESYNC {} 100\r\n", id(b'a'));
    let text = format!("Full resync from master: {}:100", id(b'a'));
    assert_eq!(story.receive(answer.as_bytes()), [Action::notice(text)]);
    assert_eq!(story.receive(b"\n"), []);
    assert_eq!(
        story.receive(b"$10\r\nREDIS"),
        [
            Action::notice("MASTER <-> REPLICA sync: receiving 10 bytes from master"),
            Action::SnapshotBegin { position: Some(position(b'a', 100)), length: Some(10) },
            snapshot_bytes(b"REDIS"),
        ]
    );
    assert_eq!(story.link.transfer(), Some(Transfer { received: 5, total: Some(10) }));
    assert_eq!(
        story.receive(b"0010 "),
        [snapshot_bytes(b"0010 "), Action::PauseReading, Action::SnapshotEnd]
    );
    assert_eq!(story.wait_until(2500), [newline(), newline()], "signs of life while loading");
    assert_eq!(
        story.loaded(100),
        [Action::notice("MASTER <-> REPLICA sync: Finished with success"), Action::ResumeReading, ack(100)]
    );
    assert_eq!((story.link.state(), story.link.down_since()), (State::Connected, None));
}

#[test]
fn an_old_primary_is_asked_with_sync() {
    let mut story = Story::asking(Some(position(b'a', 100)));
    let refused = deeds(story.receive(b"-ERR unknown command 'PSYNC'\r\n"));
    assert_eq!(refused, [Action::Send(b"SYNC\r\n".to_vec())]);
    assert_eq!(
        deeds(story.receive(b"$2\r\nxx")),
        [
            Action::SnapshotBegin { position: None, length: Some(2) },
            snapshot_bytes(b"xx"),
            Action::PauseReading,
            Action::SnapshotEnd,
        ]
    );
    assert_eq!(deeds(story.loaded(0)), [Action::ResumeReading], "it knows no acknowledgements");
    assert_eq!(story.wait_until(5000), []);
}

#[test]
fn a_primary_that_cannot_yet_is_asked_again_in_a_second() {
    for answer in ["-NOMASTERLINK Can't SYNC while not connected with my master\r\n", "-LOADING busy\r\n"] {
        let mut story = Story::asking(Some(position(b'a', 100)));
        assert_eq!(deeds(story.receive(answer.as_bytes())), [Action::Close]);
        assert_eq!(deeds(story.wait()), [Action::Connect(primary())]);
        assert_eq!(story.now, Moment(1000));
    }
}

#[test]
fn foreign_talk_closes_the_link() {
    let check = |input: &[u8], text: &str| {
        let mut story = Story::asking(None);
        assert_eq!(story.receive(input), [Action::warning(text), Action::Close]);
    };
    check(b"+FULLRESYNC junk 1\r\n", "Master replied with wrong +FULLRESYNC syntax.");
    let too_long = "Master sent a line that is too long during the handshake";
    check(&[b'x'; 5000], too_long);
    let mut story = Story::asking(None);
    story.receive(format!("+FULLRESYNC {} 100\r\n", id(b'a')).as_bytes());
    let text = "MASTER aborted replication with an error: ERR BGSAVE failed";
    assert_eq!(story.receive(b"-ERR BGSAVE failed\r\nrest"), [Action::warning(text), Action::Close]);
}

#[test]
fn acknowledgements_go_out_every_second_and_when_asked_for() {
    let mut story = Story::streaming();
    let input = [b'x'; 51];
    assert_eq!(story.receive(&input), [apply(&input)]);
    story.link.on_applied(Offset(114));
    assert_eq!(story.wait_until(2000), [ack(114), ack(114)]);
    let asked = story.act(|link, now, actions| link.on_getack(now, Offset(120), actions));
    assert_eq!(asked, [ack(120)]);
    assert_eq!(story.link.offsets(), Some((Offset(151), Offset(120))));
}

/// The stream of a primary of this project flows from offset 100 on; its clock is 5000 behind.
fn dialect() -> Story {
    let mut story = Story::new(settings());
    story.now = Moment(6000);
    story.connected(Some(position(b'a', 100)));
    story.receive(b"+PONG\r\n+OK\r\n+OK slipstream1 1000\r\n+OK\r\n-NOPERM\r\n+CONTINUE\r\n");
    assert!(story.link.is_up());
    story
}

/// Bytes of the stream come and are applied, and the turn ends.
fn stream(story: &mut Story, bytes: usize) -> Vec<Action<'static>> {
    story.receive(&vec![b'x'; bytes]);
    let (received, _) = story.link.offsets().unwrap();
    story.link.on_applied(received);
    story.act(|link, now, actions| link.on_turn(now, actions))
}

#[test]
fn a_primary_of_this_project_that_asks_once_is_told_each_turn_for_a_second() {
    let mut story = dialect();
    assert_eq!(stream(&mut story, 10), [], "nobody waits");
    story.act(|link, now, actions| link.on_getack(now, Offset(110), actions));
    story.act(|link, now, actions| link.on_getack(now, Offset(110), actions));
    assert_eq!(stream(&mut story, 5), [ack(115)], "once a turn, with all of it");
    story.now = Moment(6900);
    assert_eq!(stream(&mut story, 5), [ack(120)], "unasked");
    assert_eq!(stream(&mut story, 0), [], "that is known");
    story.now = Moment(7000);
    assert_eq!(stream(&mut story, 5), [ack(125)], "the beat");
    assert_eq!(stream(&mut story, 5), [], "it would have asked again");
}

#[test]
fn the_primarys_clock_tells_how_old_the_data_is() {
    let mut story = dialect();
    assert_eq!(story.link.age_ms(story.now), None);
    story.act(|link, now, _| link.on_clock(now, Moment(1000)));
    assert_eq!(story.link.age_ms(Moment(6000)), Some(0));
    story.now = Moment(8000);
    stream(&mut story, 10);
    assert_eq!(story.link.age_ms(Moment(8000)), Some(2000), "bytes alone prove nothing");
    story.act(|link, now, _| link.on_clock(now, Moment(2500)));
    assert_eq!(story.link.age_ms(Moment(8000)), Some(500));
    story.closed();
    assert_eq!(story.link.age_ms(Moment(9000)), Some(1500), "it goes on to age without a link");
}

#[test]
fn a_primary_that_speaks_the_dialect_is_asked_for_its_clock() {
    let mut story = dialect();
    let beat = |ms: &str| [send(&["REPLCONF", "beat", ms])];
    assert_eq!(story.act(|link, _, actions| link.set_beat(Some(50), actions)), beat("50"));
    assert_eq!(story.act(|link, _, actions| link.set_beat(Some(50), actions)), []);
    assert_eq!(story.act(|link, _, actions| link.set_beat(None, actions)), beat("0"));
    let mut story = Story::streaming();
    assert_eq!(story.act(|link, _, actions| link.set_beat(Some(50), actions)), [], "Redis would refuse it");
}

#[test]
fn the_link_remembers_what_happened_to_it() {
    let mut story = Story::streaming();
    story.closed();
    let texts: Vec<&str> = story.link.events().iter().map(|event| event.text.as_str()).collect();
    assert_eq!(texts, ["partial resync from 100", "closed: connection lost"]);
    story.act(|link, _, actions| link.stop(actions));
    assert_eq!(story.link.events().iter().count(), 2, "also what it was before a change of roles");
}

#[test]
fn a_lost_stream_is_taken_up_again_at_once() {
    let mut story = Story::streaming();
    story.wait_until(5000);
    let lost = [
        Action::warning("Connection with master lost."),
        Action::notice("Connecting to MASTER 10.0.0.1:6379"),
        Action::Connect(primary()),
        Action::notice("MASTER <-> REPLICA sync started"),
    ];
    assert_eq!(story.closed(), lost);
    assert_eq!(story.link.down_since(), Some(Moment(5000)));
    let refused = story.closed();
    assert_eq!(refused, [Action::warning("Error condition on socket for SYNC: connection lost")]);
    assert_eq!(deeds(story.wait()), [Action::Connect(primary())]);
    assert_eq!((story.now, story.link.down_since()), (Moment(6000), Some(Moment(5000))));
}

#[test]
fn attempts_and_times_are_counted_for_info() {
    let mut story = Story::new(settings());
    story.closed();
    story.wait();
    assert_eq!((story.link.tries().current, story.link.tries().total), (2, 2));
    story.connected(None);
    story.receive(b"+PONG\r\n");
    story.receive(b"+OK\r\n+OK\r\n+OK\r\n");
    story.receive(format!("+FULLRESYNC {} 100\r\n$4\r\nabcd", id(b'a')).as_bytes());
    story.wait_until(3500);
    story.loaded(100);
    let tries = story.link.tries();
    assert_eq!((tries.current, tries.total, tries.up_since), (0, 2, Some(Moment(3500))));
    assert_eq!(tries.last_sync_ms, Some(2500));
    story.wait_until(10_000);
    assert_eq!(tries.down_seconds(story.now, story.link.down_since()), 3);
    story.closed();
    story.now = Moment(12_000);
    let tries = story.link.tries();
    assert_eq!((tries.current, tries.total, tries.up_since), (1, 3, None));
    assert_eq!(tries.down_seconds(story.now, story.link.down_since()), 5);
}

#[test]
fn silence_closes_the_link() {
    let check = |mut story: Story, after_ms: u64, text: &str| {
        let start = story.now.0;
        let before = story.wait_until(start + after_ms - 1);
        assert!(!before.contains(&Action::Close), "too early: {text}");
        let actions = story.wait();
        assert_eq!(story.now.0, start + after_ms, "{text}");
        assert!(actions.contains(&Action::warning(text)), "{text}: {actions:?}");
    };
    check(Story::new(settings()), TIMEOUT_MS, "Timeout connecting to the MASTER...");
    let no_answer = "Master did not respond to command during SYNC handshake";
    let mut story = Story::new(settings());
    story.connected(None);
    check(story, 5000, no_answer);
    let mut story = Story::new(settings());
    story.connected(None);
    story.receive(b"+PONG\r\n");
    story.receive(b"+OK\r\n");
    check(story, 5000, no_answer);
    check(Story::asking(None), TIMEOUT_MS, "Timeout connecting to the MASTER...");
    let mut story = Story::asking(None);
    story.receive(format!("+FULLRESYNC {} 100\r\n$4\r\nab", id(b'a')).as_bytes());
    let no_bytes = "Timeout receiving bulk data from MASTER... If the problem persists try to set the \
                    'repl-timeout' parameter to a larger value.";
    check(story, TIMEOUT_MS, no_bytes);
    check(Story::streaming(), TIMEOUT_MS, "MASTER timeout: no data nor PING received...");
}

#[test]
fn newlines_keep_the_wait_for_a_snapshot_alive() {
    let mut story = Story::asking(None);
    for second in 1..=300 {
        assert_eq!(story.wait_until(second * 1000), []);
        assert_eq!(story.receive(b"\n"), []);
    }
    assert_eq!(story.link.state(), State::Handshake);
}

#[test]
fn a_slow_loader_is_not_the_primarys_silence() {
    let mut story = Story::asking(None);
    story.receive(format!("+FULLRESYNC {} 100\r\n$4\r\nab", id(b'a')).as_bytes());
    for minute in 1..=10 {
        story.wait_until(minute * 59_000);
        story.link.on_load_progress(story.now);
    }
    assert!(story.link.is_syncing());
}

#[test]
fn a_loss_during_the_transfer_aborts_the_snapshot() {
    let mut story = Story::asking(None);
    story.receive(format!("+FULLRESYNC {} 100\r\n$4\r\nab", id(b'a')).as_bytes());
    let text = "I/O error trying to sync with MASTER: connection lost";
    assert_eq!(story.closed(), [Action::warning(text), Action::SnapshotAbort]);
}

#[test]
fn a_loss_while_loading_does_not_waste_the_snapshot() {
    let mut story = Story::loading();
    assert_eq!(story.closed(), []);
    assert_eq!(story.link.deadline(), None, "nobody to send newlines to");
    story.now = Moment(9000);
    assert_eq!(deeds(story.loaded(100)), [Action::Connect(primary())]);
    story.connected(Some(position(b'a', 100)));
    assert_eq!(story.link.state(), State::Handshake);
}

#[test]
fn a_snapshot_that_cannot_be_loaded_is_asked_for_ever_more_rarely() {
    let mut story = Story::loading();
    for wait_s in [1, 2, 4, 8, 16, 32, 64, 64] {
        let failed = story.now;
        let actions = story.act(|link, now, actions| link.on_load_failed(now, "version 80", actions));
        let text = "Failed trying to load the MASTER synchronization DB: version 80";
        assert_eq!(actions, [Action::warning(text), Action::Close]);
        assert_eq!(deeds(story.wait()), [Action::Connect(primary())]);
        assert_eq!(story.now.ms_since(failed), wait_s * 1000);
        story.connected(None);
        story.receive(b"+PONG\r\n");
        story.receive(b"+OK\r\n+OK\r\n+OK\r\n");
        story.receive(format!("+FULLRESYNC {} 100\r\n$4\r\nabcd", id(b'a')).as_bytes());
    }
    story.loaded(100);
    story.now = story.now.after_ms(1000);
    assert_eq!(deeds(story.closed()), [Action::Connect(primary())], "success is a fresh start");
}

#[test]
fn another_primary_or_none_ends_what_was_under_way() {
    let check = |story: Story, expected: &[Action<'_>]| {
        let Story { mut link, now } = story;
        let mut actions = Vec::new();
        link.stop(&mut actions);
        assert_eq!(actions, expected, "{now:?}");
        assert_eq!((link.state(), link.primary(), link.deadline()), (State::None, None, None));
    };
    check(Story::new(settings()), &[Action::Close]);
    check(Story::asking(None), &[Action::Close]);
    check(Story::loading(), &[Action::SnapshotAbort, Action::Close]);
    check(Story::streaming(), &[Action::Close]);
    let mut lost = Story::loading();
    lost.closed();
    check(lost, &[Action::SnapshotAbort]);

    let other = Endpoint { host: "10.0.0.2".into(), port: 6379 };
    let mut story = Story::streaming();
    let followed = story.act(|link, now, actions| link.follow(now, other.clone(), actions));
    assert_eq!(deeds(followed), [Action::Close, Action::Connect(other)]);
}

#[test]
fn a_stream_that_cannot_be_applied_stops_for_good() {
    let mut story = Story::streaming();
    let reason = "unknown command 'FOO' at offset 100".to_owned();
    let actions = story.act(|link, now, actions| link.halt(now, reason, actions));
    let text = "== CRITICAL == Replication stopped: unknown command 'FOO' at offset 100";
    assert_eq!(actions, [Action::Log(Level::Warning, text.into()), Action::Close]);
    assert_eq!(story.link.deadline(), None);
    assert_eq!(story.link.halted(), Some("unknown command 'FOO' at offset 100"));
    assert_eq!(story.link.primary(), Some(&primary()));
}

#[test]
fn a_primary_of_this_project_names_itself_in_its_answer() {
    let check = |answer: &[u8], expected: bool| {
        let mut story = Story::new(settings());
        story.connected(None);
        story.receive(b"+PONG\r\n+OK\r\n");
        story.receive(answer);
        assert_eq!(story.link.primary_speaks_dialect(), expected);
    };
    check(b"+OK slipstream1\r\n", true);
    check(b"+OK\r\n", false);
    check(b"-ERR unknown\r\n", false);
}

/// A link that asks its other end to take over, up to the request.
fn handing_over() -> Story {
    let mut story = Story { link: Link::new(settings()), now: Moment(0) };
    story.act(|link, now, actions| link.hand_over(now, primary(), actions));
    ask_again(&mut story);
    story
}

fn ask_again(story: &mut Story) {
    story.connected(Some(position(b'a', 100)));
    story.receive(b"+PONG\r\n");
    let asked = story.receive(b"+OK\r\n+OK\r\n+OK\r\n");
    let request = send(&["PSYNC", &id(b'a').to_string(), "101", "FAILOVER"]);
    assert_eq!(deeds(asked), [Action::Takeover(Takeover::Asked), request]);
}

const IS_PRIMARY: &[u8] = b"-ERR PSYNC FAILOVER can't be sent to a master.\r\n";

#[test]
fn who_takes_over_is_followed() {
    let mut story = handing_over();
    let answer = format!("+CONTINUE {}\r\n", id(b'b'));
    let expected = [Action::Takeover(Takeover::Accepted), Action::Continue { id: Some(id(b'b')) }, ack(100)];
    assert_eq!(deeds(story.receive(answer.as_bytes())), expected);

    let mut story = handing_over();
    let answer = format!("+FULLRESYNC {} 7\r\n", id(b'b'));
    assert_eq!(deeds(story.receive(answer.as_bytes())), [Action::Takeover(Takeover::Accepted)]);
    assert!(story.link.is_syncing());
}

#[test]
fn after_a_takeover_the_next_request_is_an_ordinary_one() {
    let mut story = handing_over();
    story.receive(b"+CONTINUE\r\n");
    story.closed();
    story.wait();
    story.connected(Some(position(b'a', 100)));
    story.receive(b"+PONG\r\n");
    story.receive(b"+OK\r\n+OK\r\n+OK\r\n");
    let asked = story.receive(b"-NOPERM\r\n");
    assert_eq!(deeds(asked), [send(&["PSYNC", &id(b'a').to_string(), "101"])]);
}

#[test]
fn a_refused_takeover_is_never_a_sync() {
    let check = |answer: &str| {
        let mut story = handing_over();
        let expected = [Action::Close, Action::Takeover(Takeover::Refused)];
        assert_eq!(deeds(story.receive(answer.as_bytes())), expected, "{answer}");
    };
    check("-ERR PSYNC FAILOVER replid must match my replid.\r\n");
    check("-LOADING Redis is loading the dataset in memory\r\n");
    check("-NOMASTERLINK Can't SYNC while not connected with my master\r\n");
    check("-ERR unknown command 'PSYNC'\r\n");
}

#[test]
fn a_primary_that_continues_our_stream_has_taken_over() {
    let mut story = handing_over();
    assert_eq!(deeds(story.receive(IS_PRIMARY)), [send(&["PSYNC", &id(b'a').to_string(), "101"])]);
    let expected = [Action::Takeover(Takeover::Accepted), Action::Continue { id: None }, ack(100)];
    assert_eq!(deeds(story.receive(b"+CONTINUE\r\n")), expected);
}

#[test]
fn a_primary_of_something_else_has_not() {
    let mut story = handing_over();
    story.receive(IS_PRIMARY);
    let answer = format!("+FULLRESYNC {} 7\r\n", id(b'b'));
    let expected = [Action::Close, Action::Takeover(Takeover::Refused)];
    assert_eq!(deeds(story.receive(answer.as_bytes())), expected);
}

#[test]
fn a_lost_answer_leaves_a_doubt_that_the_next_request_settles() {
    let doubtful = || {
        let mut story = handing_over();
        assert_eq!(deeds(story.closed()), [], "nobody knows");
        story.wait();
        ask_again(&mut story);
        story
    };
    // It had taken over and has come further than our log reaches.
    let mut story = doubtful();
    story.receive(IS_PRIMARY);
    let answer = format!("+FULLRESYNC {} 7\r\n", id(b'b'));
    assert_eq!(deeds(story.receive(answer.as_bytes())), [Action::Takeover(Takeover::Accepted)]);
    // It is on its way up again.
    let mut story = doubtful();
    assert_eq!(deeds(story.receive(b"-LOADING Redis is loading the dataset in memory\r\n")), [Action::Close]);
    // It had not.
    let mut story = doubtful();
    let expected = [Action::Takeover(Takeover::Accepted), Action::Continue { id: None }, ack(100)];
    assert_eq!(deeds(story.receive(b"+CONTINUE\r\n")), expected);
}

/// A node at offset 150 of history `a` has introduced itself to another, and asks where that one's forks.
fn inquiring() -> Story {
    let mut story = Story::new(settings());
    story.connected(Some(position(b'a', 150)));
    story.receive(b"+PONG\r\n");
    let actions = deeds(story.receive(b"+OK\r\n+OK\r\n+OK\r\n"));
    assert_eq!(actions, [send(&["INFO", "replication"])]);
    story
}

/// What a primary with history `b`, which it began at `fork` of history `a`, answers.
fn upstream(fork: u64) -> Vec<u8> {
    let (new, old) = (id(b'b'), id(b'a'));
    let text = format!("master_replid:{new}\r\nmaster_replid2:{old}\r\nsecond_repl_offset:{}\r\n", fork + 1);
    format!("${}\r\n{text}\r\n", text.len()).into_bytes()
}

#[test]
fn a_node_that_is_beyond_the_fork_goes_back_and_continues_there() {
    let mut story = inquiring();
    assert_eq!(deeds(story.receive(&upstream(100))), [Action::Rewind { to: position(b'a', 100) }]);
    let actions = story.act(|link, now, actions| link.on_rewound(now, true, actions));
    assert_eq!(deeds(actions), [send(&["PSYNC", &id(b'a').to_string(), "101"])]);
    let answer = format!("+CONTINUE {}\r\n", id(b'b'));
    let actions = deeds(story.receive(answer.as_bytes()));
    assert_eq!(actions[0], Action::Continue { id: Some(id(b'b')) });
    assert_eq!(story.link.offsets(), Some((Offset(100), Offset(100))));
}

#[test]
fn a_node_that_cannot_go_back_asks_as_it_is() {
    let mut story = inquiring();
    story.receive(&upstream(100));
    let actions = story.act(|link, now, actions| link.on_rewound(now, false, actions));
    assert_eq!(deeds(actions), [send(&["PSYNC", &id(b'a').to_string(), "151"])]);
}

#[test]
fn a_node_that_is_not_beyond_the_fork_has_nothing_to_go_back_for() {
    let mut story = inquiring();
    assert_eq!(deeds(story.receive(&upstream(150))), [send(&["PSYNC", &id(b'a').to_string(), "151"])]);
}

#[test]
fn who_comes_back_to_a_primary_asks_whether_that_went_back() {
    let mut story = Story::streaming();
    story.closed();
    story.wait();
    story.connected(Some(position(b'a', 150)));
    story.receive(b"+PONG\r\n");
    let actions = deeds(story.receive(b"+OK\r\n+OK\r\n+OK\r\n"));
    assert_eq!(actions, [send(&["INFO", "replication"])]);
    assert_eq!(deeds(story.receive(&upstream(100))), [Action::Rewind { to: position(b'a', 100) }]);
}

#[test]
fn a_primary_that_never_ends_its_answer_is_given_up() {
    let mut story = inquiring();
    story.receive(b"$100\r\nmaster_replid:");
    assert_eq!(story.link.deadline(), Some(story.now.after_ms(5000)));
    let actions = story.wait();
    assert!(actions.contains(&Action::Close), "{actions:?}");
}

#[test]
fn data_that_was_refused_is_not_received_again() {
    let mut story = Story::loading();
    let reason = "it is empty";
    let refused = story.act(|link, now, actions| link.on_load_refused(now, reason, actions));
    let failed = Action::warning("Failed trying to load the MASTER synchronization DB: it is empty");
    assert_eq!(refused, [failed, Action::Close]);
    assert_eq!(story.link.blocked(), Some(reason));

    for wait in [1000, 2000, 4000] {
        let before = story.now;
        story.wait();
        assert_eq!(story.now.ms_since(before), wait, "each attempt costs the primary a snapshot");
        story.connected(Some(position(b'b', 70)));
        story.receive(b"+PONG\r\n");
        story.receive(b"+OK\r\n+OK\r\n+OK\r\n-NOPERM\r\n");
        let offer = format!("+FULLRESYNC {} 200\r\n$4\r\nabcd", id(b'a'));
        assert_eq!(deeds(story.receive(offer.as_bytes())), [Action::Close]);
    }
    assert!(!story.link.is_up());
}

#[test]
fn a_refusal_ends_with_another_history_or_another_order() {
    let mut story = Story::loading();
    story.act(|link, now, actions| link.on_load_refused(now, "it is empty", actions));
    story.wait();
    story.connected(Some(position(b'b', 70)));
    story.receive(b"+PONG\r\n");
    story.receive(b"+OK\r\n+OK\r\n+OK\r\n-NOPERM\r\n");
    story.receive(format!("+FULLRESYNC {} 200\r\n", id(b'c')).as_bytes());
    assert!(story.link.is_syncing());
    assert_eq!(story.link.blocked(), Some("it is empty"), "until there is a stream");
    story.receive(b"$4\r\nabcd");
    story.loaded(200);
    assert_eq!(story.link.blocked(), None);

    let mut story = Story::loading();
    story.act(|link, now, actions| link.on_load_refused(now, "it is empty", actions));
    story.act(|link, now, actions| link.follow(now, primary(), actions));
    assert_eq!(story.link.blocked(), None);
}

/// Full syncs over two connections.
mod pairing;
