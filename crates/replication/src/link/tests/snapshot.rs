//! Stories of full syncs over one connection: the transfer, loading, and how both fail.

use super::*;

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

/// What a primary of this history answers that has never been promoted.
fn own_history(digit: u8) -> Vec<u8> {
    let text = format!("role:master\r\nmaster_replid:{}\r\nsecond_repl_offset:-1\r\n", id(digit));
    format!("${}\r\n{text}\r\n", text.len()).into_bytes()
}

/// A link whose data at 70 of history `b` is worth more than the snapshot of history `a`; it has connected again.
fn refusing() -> Story {
    let mut story = Story::loading();
    story.act(|link, now, actions| link.on_load_refused(now, "it is empty", actions));
    story.wait();
    story.connected(Some(position(b'b', 70)));
    story.receive(b"+PONG\r\n");
    let asked = deeds(story.receive(b"+OK\r\n+OK\r\n+OK\r\n"));
    assert_eq!(asked, [send(&["INFO", "replication"])]);
    story
}

#[test]
fn a_primary_that_tells_its_history_is_not_asked_for_what_was_refused() {
    let mut story = refusing();
    let answer = own_history(b'a');
    let said = story.receive(&answer);
    assert_eq!(said, [Action::warning("Full resync refused again: it is empty")]);
    for _ in 0..100 {
        let before = story.now;
        assert_eq!(story.wait(), [send(&["INFO", "replication"])]);
        assert_eq!(story.now.ms_since(before), 1000);
        assert_eq!(story.receive(&answer), [], "nothing new");
    }
    assert_eq!(story.link.blocked(), Some("it is empty"));
}

#[test]
fn a_primary_that_has_its_data_again_is_noticed_within_a_second() {
    let check = |digit: u8, previous: Option<u64>| {
        let mut story = refusing();
        let answer = own_history(b'a');
        story.receive(&answer);
        story.wait();
        let fork = previous
            .map(|fork| format!("master_replid2:{}\r\nsecond_repl_offset:{}\r\n", id(b'b'), fork + 1));
        let text = format!("master_replid:{}\r\n{}", id(digit), fork.unwrap_or_default());
        let answer = format!("${}\r\n{text}\r\n", text.len()).into_bytes();
        assert_eq!(deeds(story.receive(&answer)), [send(&["PSYNC", &id(b'b').to_string(), "71"])]);
    };
    check(b'c', None);
    check(b'c', Some(70));
    check(b'b', None);
}

#[test]
fn a_primary_that_is_lost_while_it_is_asked_is_tried_again_soon() {
    let mut story = refusing();
    let answer = own_history(b'a');
    story.receive(&answer);
    let lost = story.now;
    story.closed();
    assert_eq!(deeds(story.wait()), [Action::Connect(primary())]);
    assert_eq!(story.now.ms_since(lost), 1000);
}

#[test]
fn nothing_that_is_allowed_again_is_refused() {
    let mut story = refusing();
    let answer = own_history(b'a');
    story.receive(&answer);
    story.link.unblock();
    story.wait();
    let asked = deeds(story.receive(&answer));
    assert_eq!(asked, [send(&["PSYNC", &id(b'b').to_string(), "71"])]);
}

#[test]
fn a_node_without_a_history_asks_as_well_whether_it_is_still_refused() {
    let mut story = Story::new(settings());
    story.link.refuse(id(b'a'), "it was empty".to_owned());
    story.connected(None);
    story.receive(b"+PONG\r\n");
    let asked = deeds(story.receive(b"+OK\r\n+OK\r\n+OK\r\n"));
    assert_eq!(asked, [send(&["INFO", "replication"])]);
    let answer = own_history(b'a');
    let said = story.receive(&answer);
    assert_eq!(said, [Action::warning("Full resync refused again: it was empty")]);
    story.wait();
    assert_eq!(deeds(story.receive(b"-NOPERM\r\n")), [send(&["PSYNC", "?", "-1"])]);
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
