//! Stories of full syncs over two connections.

use super::*;

impl Story {
    fn side_connected(&mut self) -> Vec<Action<'static>> {
        self.act(|link, now, actions| link.on_side_connected(now, actions))
    }

    fn side_receive<'a>(&mut self, input: &'a [u8]) -> Vec<Action<'a>> {
        self.act(|link, now, actions| link.on_side_received(now, input, actions))
    }

    fn side_closed(&mut self) -> Vec<Action<'static>> {
        self.act(|link, now, actions| link.on_side_closed(now, "connection lost", actions))
    }

    /// A Valkey primary has told the offset of its snapshot, 100 of history `a`.
    fn at_point() -> Story {
        let mut story = Story::asking(None);
        story.receive(b"+DUALCHANNELSYNC\r\n");
        story.side_connected();
        story.side_receive(b"+OK\r\n");
        story.side_receive(end_offset().as_bytes());
        story
    }

    /// Both connections flow; nothing of the snapshot's data has come.
    fn paired() -> Story {
        let mut story = Story::at_point();
        story.side_receive(head().as_bytes());
        story.receive(b"+OK\r\n");
        story.receive(b"+CONTINUE\r\n");
        story
    }

    /// The snapshot is being loaded, and the stream is kept.
    fn loading_beside() -> Story {
        let mut story = Story::paired();
        story.side_receive(body().as_bytes());
        story
    }
}

fn end_offset() -> String {
    format!("$ENDOFF:100 {} 0 9\r\n", id(b'a'))
}

fn head() -> String {
    format!("$EOF:{}\r\n", "m".repeat(40))
}

fn body() -> String {
    format!("abcd{}", "m".repeat(40))
}

fn begin() -> Action<'static> {
    Action::SnapshotBegin { position: Some(position(b'a', 100)), length: None }
}

fn send_side(words: &[&str]) -> Action<'static> {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    Action::SendSide(wire::request(&words))
}

/// What the side connection begins with; the two ways differ by `own`.
fn introduction(own: &str) -> Action<'static> {
    let all = format!("REPLCONF capa eof rdb-only 1 rdb-channel 1 {own} listening-port 6380");
    send_side(&all.split(' ').collect::<Vec<_>>())
}

#[test]
fn valkeys_way_from_the_answer_to_the_stream() {
    let mut story = Story::asking(None);
    assert_eq!(deeds(story.receive(b"+DUALCHANNELSYNC\r\n")), [Action::ConnectSide(primary())]);
    assert_eq!(story.link.state(), State::Handshake);
    assert_eq!(deeds(story.side_connected()), [introduction("version 9.0.0")]);
    assert_eq!(deeds(story.side_receive(b"+OK\r\n")), [Action::SendSide(b"SYNC\r\n".to_vec())]);
    assert_eq!(deeds(story.side_receive(b"\n")), [], "a sign of life");
    let named = send(&["REPLCONF", "set-rdb-client-id", "9"]);
    assert_eq!(deeds(story.side_receive(end_offset().as_bytes())), [named]);
    let asks = send(&["PSYNC", id(b'a').as_str(), "101"]);
    assert_eq!(deeds(story.receive(b"+OK\r\n")), [asks]);
    assert_eq!(deeds(story.side_receive(head().as_bytes())), [begin()]);
    assert_eq!(deeds(story.receive(b"+CONTINUE\r\nxyz")), [], "the stream is kept");
    assert_eq!(story.link.buffered(), 3);
    let end = [snapshot_bytes(b"abcd"), Action::CloseSide, Action::SnapshotEnd];
    assert_eq!(deeds(story.side_receive(body().as_bytes())), end);
    assert_eq!(deeds(story.receive(b"more")), [], "and goes on to be, while the snapshot is loaded");
    let stream = [ack(100), Action::Apply(Cow::Borrowed(b"xyzmore"))];
    assert_eq!(deeds(story.loaded(100)), stream);
    assert_eq!((story.link.buffered(), story.link.buffered_peak()), (0, 7));
    assert_eq!(story.link.offsets(), Some((Offset(107), Offset(100))));
    assert_eq!(deeds(story.receive(b"abc")), [apply(b"abc")]);
}

#[test]
fn the_way_of_redis_8_keeps_the_stream_from_its_first_byte() {
    let mut story = Story::asking(Some(position(b'b', 7)));
    assert_eq!(deeds(story.receive(b"+RDBCHANNELSYNC 17\r\n")), [Action::ConnectSide(primary())]);
    assert_eq!(deeds(story.side_connected()), [introduction("main-ch-client-id 17")]);
    assert_eq!(deeds(story.side_receive(b"+OK\r\n")), [send_side(&["PSYNC", "?", "-1"])]);
    assert_eq!(deeds(story.receive(b"early")), [], "the other connection may be the slower one");
    let answer = format!("\n+FULLRESYNC {} 100\r\n{}{}", id(b'a'), head(), body());
    let end = [begin(), snapshot_bytes(b"abcd"), Action::CloseSide, Action::SnapshotEnd];
    assert_eq!(deeds(story.side_receive(answer.as_bytes())), end);
    assert_eq!(deeds(story.loaded(100)), [ack(100), Action::Apply(Cow::Borrowed(b"early"))]);
}

#[test]
fn a_snapshot_that_is_here_first_waits_for_the_stream() {
    let mut story = Story::at_point();
    let all = format!("{}{}", head(), body());
    let actions = deeds(story.side_receive(all.as_bytes()));
    assert_eq!(actions, [begin(), snapshot_bytes(b"abcd"), Action::CloseSide]);
    story.receive(b"+OK\r\n");
    assert_eq!(deeds(story.receive(b"+CONTINUE\r\n")), [Action::SnapshotEnd]);
}

#[test]
fn the_loss_of_either_connection_ends_both() {
    let aborted = |close| [Action::SnapshotAbort, close];
    assert_eq!(deeds(Story::paired().closed()), aborted(Action::CloseSide));
    assert_eq!(deeds(Story::paired().side_closed()), aborted(Action::Close));
    assert_eq!(deeds(Story::at_point().closed()), [Action::CloseSide]);
    assert_eq!(deeds(Story::at_point().side_closed()), [Action::Close]);
    let stop = |mut story: Story| deeds(story.act(|link, _, actions| link.stop(actions)));
    assert_eq!(stop(Story::paired()), [Action::SnapshotAbort, Action::CloseSide, Action::Close]);
    assert_eq!(stop(Story::at_point()), [Action::CloseSide, Action::Close]);
    assert_eq!(stop(Story::loading_beside()), [Action::SnapshotAbort, Action::Close]);
}

#[test]
fn a_load_survives_the_loss_of_the_main_connection() {
    let mut story = Story::loading_beside();
    story.receive(b"kept in vain");
    assert_eq!(deeds(story.side_closed()), [], "its work is done");
    assert_eq!(deeds(story.closed()), []);
    assert!(deeds(story.loaded(100)).iter().all(|action| !matches!(action, Action::Apply(_))));
}

#[test]
fn a_refusal_on_either_connection_ends_both() {
    for refusal in ["-ERR no", "$EOF:short", "$ENDOFF:x y z", "+FULLRESYNC"] {
        let mut story = Story::asking(None);
        story.receive(b"+DUALCHANNELSYNC\r\n");
        story.side_connected();
        story.side_receive(b"+OK\r\n");
        let line = format!("{refusal}\r\n");
        assert_eq!(
            deeds(story.side_receive(line.as_bytes())),
            [Action::CloseSide, Action::Close],
            "{refusal}"
        );
    }
    let refused = deeds(Story::at_point().receive(b"-ERR Unrecognized RDB client id 9\r\n"));
    assert_eq!(refused, [Action::CloseSide, Action::Close]);
    let mut story = Story::at_point();
    story.receive(b"+OK\r\n");
    assert_eq!(deeds(story.receive(b"+DUALCHANNELSYNC\r\n")), [Action::CloseSide, Action::Close]);
}

#[test]
fn at_the_limit_the_primary_keeps_the_rest() {
    let mut story = Story::loading_beside();
    let piece = [b'x'; 50_000];
    for _ in 0..3 {
        assert_eq!(deeds(story.receive(&piece)), []);
    }
    assert_eq!(deeds(story.receive(&piece)), [Action::PauseReading]);
    assert_eq!(story.link.buffered(), 200_000);
    let applied = || Action::Apply(Cow::Owned(piece.to_vec()));
    assert_eq!(deeds(story.loaded(100)), [ack(100), applied()], "a piece at a time");
    assert_eq!((deeds(story.wait()), deeds(story.wait())), (vec![applied()], vec![applied()]));
    assert_eq!(deeds(story.wait()), [applied(), Action::ResumeReading]);
    assert_eq!(story.link.offsets(), Some((Offset(200_100), Offset(100))));
    assert_eq!(story.wait(), [ack(100)], "as usual");
}

#[test]
fn silence_of_the_snapshots_connection_ends_both_whatever_the_other_brings() {
    let mut story = Story::paired();
    for second in 1..=59 {
        story.wait_until(second * 1000);
        story.receive(b"x");
    }
    let actions = deeds(story.wait_until(TIMEOUT_MS));
    assert!(actions.ends_with(&[Action::SnapshotAbort, Action::CloseSide, Action::Close]), "{actions:?}");
}

#[test]
fn while_the_snapshot_comes_the_primary_gets_signs_of_life() {
    let mut story = Story::paired();
    assert_eq!(story.wait(), [newline()]);
    assert_eq!(story.wait(), [newline()]);
    let mut story = Story::at_point();
    assert_eq!(deeds(story.wait_until(2000)), [], "not before it knows the connection as a replica's");
}

#[test]
fn what_fails_twice_over_two_connections_is_tried_over_one() {
    let offers = |failures: u32| {
        let mut story = Story::new(Settings { two_links: true, ..settings() });
        for _ in 0..failures {
            story.connected(None);
            story.receive(b"+PONG\r\n");
            story.receive(b"+OK\r\n+OK\r\n+OK\r\n");
            story.receive(b"+DUALCHANNELSYNC\r\n");
            story.side_closed();
            story.wait();
        }
        story.connected(None);
        let actions = deeds(story.receive(b"+PONG\r\n"));
        let [Action::Send(bytes)] = &actions[..] else { panic!("{actions:?}") };
        String::from_utf8_lossy(bytes).contains("dual-channel")
    };
    assert_eq!((0..=2).map(offers).collect::<Vec<_>>(), [true, true, false]);
}
