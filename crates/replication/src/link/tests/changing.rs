//! Stories of a primary whose history changes: what is asked again over the same connection, and what the link is
//! meanwhile.

use super::*;

/// The stream of a primary that speaks the dialect flows from offset 100 of history `a` on.
fn streaming() -> Story {
    let mut story = Story::new(settings());
    story.connected(Some(position(b'a', 100)));
    story.receive(b"+PONG\r\n+OK\r\n+OK slipstream1 1000\r\n+OK\r\n-NOPERM\r\n+CONTINUE\r\n");
    assert!(story.link.is_up() && story.link.is_asked_by_stream());
    story
}

/// The line comes behind offset `at`, where all is applied.
fn told(story: &mut Story, at: u64) -> Vec<Action<'static>> {
    told_with(story, at, wire::HISTORY_CHANGED)
}

fn told_with(story: &mut Story, at: u64, bytes: &[u8]) -> Vec<Action<'static>> {
    story.receive(bytes);
    let standing = Standing { resume: Some(position(b'a', at)), ..Standing::default() };
    story.act(|link, now, actions| link.on_history_changed(now, standing, actions))
}

fn info(second: &str) -> Vec<u8> {
    let text = format!(
        "role:slave\r\nmaster_link_status:up\r\nmaster_replid:{}\r\nmaster_replid2:{}\r\nsecond_repl_offset:{second}\r\n",
        id(b'b'),
        id(b'a')
    );
    format!("${}\r\n{text}\r\n", text.len()).into_bytes()
}

#[test]
fn a_renamed_history_is_continued_over_the_same_connection_and_the_link_stays_up() {
    let mut story = streaming();
    story.now = Moment(500);
    let requests = [
        wire::request(&[b"REPLCONF", b"listening-port", b"6380"]),
        capabilities(),
        wire::request(&[b"REPLCONF", b"version", b"9.0.0"]),
    ];
    assert_eq!(deeds(told(&mut story, 100)), [Action::Send(requests.concat())]);
    assert_eq!(deeds(story.wait_until(1500)), [], "nothing is acknowledged until it is asked for again");
    assert_eq!(story.receive(b"+OK\r\n+OK slipstream1\r\n+OK\r\n"), [send(&["INFO", "replication"])]);
    assert!(!story.link.is_asked_by_stream(), "this time it did not say that it writes the log");
    let answer = info("101");
    let asked = deeds(story.receive(&answer));
    assert_eq!(asked, [send(&["PSYNC", id(b'a').as_str(), "101"])]);
    assert_eq!((story.link.is_up(), story.link.state()), (true, State::Connected));
    assert_eq!(story.link.offsets(), Some((Offset(100), Offset(100))));
    let answer = format!("+CONTINUE {}\r\nSET", id(b'b'));
    let went_on = deeds(story.receive(answer.as_bytes()));
    assert_eq!(went_on, [Action::Continue { id: Some(id(b'b')) }, ack(100), apply(b"SET")]);
    let tries = story.link.tries();
    assert_eq!((tries.total, tries.up_since), (1, Some(Moment(0))), "as if nothing had been");
    assert_eq!(story.link.down_since(), None);
}

#[test]
fn the_line_counts_in_no_offset() {
    let mut story = streaming();
    story.receive(b"0123456789");
    story.link.on_applied(Offset(110));
    told(&mut story, 110);
    story.receive(b"+OK\r\n+OK slipstream1\r\n+OK\r\n-NOPERM\r\n");
    story.receive(b"+CONTINUE\r\n");
    assert_eq!(story.link.offsets(), Some((Offset(110), Offset(110))));
}

#[test]
fn other_data_comes_over_the_same_connection_and_the_link_is_down_until_it_is_loaded() {
    let mut story = streaming();
    story.now = Moment(500);
    told(&mut story, 100);
    story.receive(b"+OK\r\n+OK slipstream1\r\n+OK\r\n-NOPERM\r\n");
    assert!(story.link.is_up());
    story.receive(format!("+FULLRESYNC {} 40\r\n", id(b'c')).as_bytes());
    assert_eq!((story.link.is_up(), story.link.down_since()), (false, Some(Moment(500))));
    story.receive(b"$4\r\nabcd");
    let loaded = deeds(story.loaded(40));
    assert_eq!(loaded, [Action::ResumeReading, ack(40)]);
    assert!(story.link.is_up());
}

#[test]
fn who_is_further_on_than_the_fork_goes_back_over_the_same_connection() {
    let mut story = streaming();
    told(&mut story, 100);
    story.receive(b"+OK\r\n+OK slipstream1\r\n+OK\r\n");
    let fork = position(b'a', 90);
    assert_eq!(deeds(story.receive(&info("91"))), [Action::Rewind { to: fork }]);
    assert!(!story.link.is_up(), "what it has is not the primary's");
    let asked = story.act(|link, now, actions| link.on_rewound(now, Rewound::There, actions));
    assert_eq!(deeds(asked), [send(&["PSYNC", id(b'a').as_str(), "91"])]);
    story.receive(format!("+CONTINUE {}\r\n", id(b'b')).as_bytes());
    assert!(story.link.is_up());
}

#[test]
fn a_primary_that_does_not_answer_is_down() {
    let mut story = streaming();
    told(&mut story, 100);
    assert!(story.wait_until(5000).contains(&Action::Close));
    assert!(!story.link.is_up());
    let mut story = streaming();
    told(&mut story, 100);
    story.receive(b"+OK\r\n+OK slipstream1\r\n+OK\r\n-NOPERM\r\n");
    assert!(story.receive(b"-NOMASTERLINK not now\r\n").contains(&Action::Close));
    assert!(!story.link.is_up());
    let mut story = streaming();
    told(&mut story, 100);
    story.closed();
    assert!(!story.link.is_up());
}

#[test]
fn nothing_goes_on_behind_the_line() {
    let mut story = streaming();
    let bytes = [wire::HISTORY_CHANGED, b"SET"].concat();
    assert!(told_with(&mut story, 100, &bytes).contains(&Action::Close));
}

#[test]
fn only_this_projects_nodes_are_understood() {
    assert!(streaming().link.may_be_told());
    assert!(!Story::streaming().link.may_be_told());
}

#[test]
fn a_history_that_changes_for_ever_is_given_up() {
    let change = |story: &mut Story, at: u64| {
        let actions = told(story, at);
        story.receive(b"+OK\r\n+OK slipstream1\r\n+OK\r\n-NOPERM\r\n+CONTINUE\r\n");
        actions.contains(&Action::Close)
    };
    let mut story = streaming();
    let closed: Vec<bool> = (0..17).map(|_| change(&mut story, 100)).collect();
    assert_eq!((closed[..16].contains(&true), closed[16]), (false, true));
    let mut story = streaming();
    for at in 101..200 {
        story.receive(b"x");
        story.link.on_applied(Offset(at));
        assert!(!change(&mut story, at), "with a stream in between");
    }
}

#[test]
fn a_primary_that_cannot_answer_by_now_has_it_ask_again() {
    let fork = info("101");
    let ask = |story: &mut Story| {
        story.receive(b"+OK\r\n+OK slipstream1\r\n+OK\r\n");
        deeds(story.receive(&fork))
    };
    let mut story = streaming();
    told(&mut story, 100);
    let asked = [send(&["PSYNC", id(b'a').as_str(), "101"])];
    assert_eq!(ask(&mut story), asked);
    story.now = Moment(9000);
    assert!(matches!(deeds(story.receive(b"+HISTORY\r\n"))[..], [Action::Send(_)]));
    assert!(story.link.is_up());
    assert_eq!(ask(&mut story), asked);
    story.receive(format!("+CONTINUE {}\r\n", id(b'b')).as_bytes());
    assert_eq!((story.link.is_up(), story.link.tries().total), (true, 1));
    let mut story = Story::new(settings());
    story.connected(Some(position(b'a', 100)));
    story.receive(b"+PONG\r\n+OK\r\n+OK\r\n+OK\r\n-NOPERM\r\n");
    assert!(story.receive(b"+HISTORY\r\n").contains(&Action::Close), "nobody but ours says so");
}
