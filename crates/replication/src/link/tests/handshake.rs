//! Stories of the handshake: what is asked and told, and which answers are good enough.

use super::*;

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
        capabilities(),
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
        capabilities(),
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
fn nobody_continues_without_having_asked() {
    let mut story = Story::asking(None);
    assert_eq!(deeds(story.receive(b"+CONTINUE\r\nSET")), [Action::Close]);
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
fn a_primary_of_this_project_names_itself_in_its_answer() {
    let check = |answer: &[u8], dialect: bool, writes_log: bool| {
        let mut story = Story::new(settings());
        story.connected(None);
        story.receive(b"+PONG\r\n+OK\r\n");
        story.receive(answer);
        assert_eq!(story.link.dialect, dialect);
        assert_eq!(story.link.is_asked_by_stream(), writes_log);
    };
    check(b"+OK slipstream1 1000\r\n", true, true);
    check(b"+OK slipstream1\r\n", true, false);
    check(b"+OK 1000 1000\r\n", false, false);
    check(b"+OK\r\n", false, false);
    check(b"-ERR unknown\r\n", false, false);
}
