//! Stories of the stream: what is handed on, acknowledged and told of time.

use super::*;

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
fn acknowledgements_go_out_every_second_and_when_asked_for() {
    let mut story = Story::streaming();
    let input = [b'x'; 51];
    assert_eq!(story.receive(&input), [apply(&input)]);
    story.link.on_applied(Offset(114));
    assert_eq!(story.wait_until(2000), [ack(114), ack(114)]);
    story.link.on_getack(story.now);
    story.link.on_applied(Offset(151));
    assert_eq!(story.act(|link, now, actions| link.on_turn(now, actions)), [ack(151)], "with the question");
    assert_eq!(story.act(|link, now, actions| link.on_turn(now, actions)), [], "once");
}

#[test]
fn an_acknowledgement_tells_what_is_on_disk_here() {
    let mut story = dialect();
    let on_turn = |story: &mut Story| story.act(|link, now, actions| link.on_turn(now, actions));
    let told = |applied: u64, durable: u64| {
        let words = [applied, durable].map(|offset| offset.to_string());
        let request = [b"REPLCONF".as_slice(), b"ACK", words[0].as_bytes(), b"FACK", words[1].as_bytes()];
        [Action::Send(wire::request(&request))]
    };
    story.link.set_durable(Some(Offset(90)));
    assert_eq!(on_turn(&mut story), [], "nobody asked");
    story.link.on_getack(story.now);
    assert_eq!(on_turn(&mut story), told(100, 90));
    story.link.set_durable(Some(Offset(100)));
    assert_eq!(on_turn(&mut story), told(100, 100), "somebody may wait for it");
    assert_eq!(on_turn(&mut story), []);
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
    story.link.on_getack(story.now);
    story.link.on_getack(story.now);
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
fn a_primary_that_speaks_the_dialect_is_told_the_rank() {
    let mut story = dialect();
    let priority = |text: &str| [send(&["REPLCONF", "priority", text])];
    assert_eq!(story.act(|link, _, actions| link.set_priority(100, actions)), priority("100"));
    assert_eq!(story.act(|link, _, actions| link.set_priority(100, actions)), []);
    assert_eq!(story.act(|link, _, actions| link.set_priority(0, actions)), priority("0"));
    let mut story = Story::streaming();
    assert_eq!(story.act(|link, _, actions| link.set_priority(0, actions)), [], "Redis would refuse it");
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
