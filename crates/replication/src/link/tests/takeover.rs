//! Stories of a primary that asks its replica to take over.

use super::*;

/// A link that asks its other end to take over, up to the request.
fn handing_over() -> Story {
    let mut story = Story { link: Link::new(settings()), now: Moment(0) };
    story.act(|link, now, actions| link.hand_over(now, (primary(), true), actions));
    ask_again(&mut story);
    story
}

fn ask_again(story: &mut Story) {
    story.connected(Some(position(b'a', 100)));
    story.receive(b"+PONG\r\n");
    let asked = story.receive(b"+OK\r\n+OK\r\n+OK\r\n");
    let request = send(&["PSYNC", &id(b'a').to_string(), "101", "FAILOVER", "COMPLETE"]);
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
