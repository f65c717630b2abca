//! Stories of replicas that fall behind: what is kept for them, when they are closed, when writers wait for them.

use super::*;

#[test]
fn a_replica_too_far_behind_is_closed() {
    let text = "Client 10.0.0.9:6380 scheduled to be closed ASAP for overcoming of output buffer limits.";
    let closed = [Action::warning(text), Action::Close(A)];
    let mut story = Story::new(SETTINGS);
    story.online(A);
    story.log.append(&[b'x'; 199_999]);
    assert_eq!(story.turn(), []);
    story.log.append(b"x");
    assert_eq!(story.turn(), closed, "too far");
    assert_eq!(story.replicas.counters().output_limit_closes, 1);

    let mut story = Story::new(SETTINGS);
    story.online(A);
    story.log.append(&[b'x'; 60_000]);
    story.turn();
    let mut actions = Vec::new();
    for second in 1..=60 {
        actions.extend(story.wait_until(second * 1000));
        story.replconf(A, "ACK 1000");
    }
    actions.retain(|action| *action != Action::AppendPing);
    assert_eq!(actions, []);
    assert_eq!(deeds(story.wait_until(61_000)), [Action::Close(A)], "far for too long");
}

#[test]
fn a_replica_that_catches_up_starts_its_soft_limit_anew() {
    let mut story = Story::new(SETTINGS);
    story.online(A);
    story.log.append(&[b'x'; 60_000]);
    story.wait_until(50_000);
    story.replicas.on_sent(A, story.log.end());
    story.wait_until(59_000);
    story.replconf(A, "ACK 61000");
    story.log.append(&[b'x'; 60_000]);
    assert!(!story.wait_until(100_000).contains(&Action::Close(A)));
}

#[test]
fn what_the_log_keeps_anyway_is_the_least_limit() {
    let output_limit = OutputLimit { hard: 1000, soft: 0, soft_ms: 0 };
    let mut story = Story::new(Settings { output_limit, ..SETTINGS });
    story.online(A);
    story.log.append(&[b'x'; 60_000]);
    assert_eq!(story.turn(), []);
    let kept = usize::try_from(story.log.kept_anyway()).unwrap();
    story.log.append(&vec![b'x'; kept - 60_001]);
    assert_eq!(story.turn(), [], "who continues may be as far behind");
    story.log.append(b"x");
    assert_eq!(deeds(story.turn()), [Action::Close(A)]);
}

/// A story whose log goes on to disk when memory does not suffice for a replica, up to `most` bytes.
fn spilling(output_limit: OutputLimit, most: u64) -> Story {
    let mut story = Story::new(Settings { output_limit, ..SETTINGS });
    story.log.set_disk_size(DiskSize { kept: 0, most });
    story.online(A);
    story
}

const NARROW: OutputLimit = OutputLimit { hard: 1000, soft: 500, soft_ms: 10 };

#[test]
fn a_replica_that_reads_is_not_cut_off_for_being_behind() {
    let mut story = spilling(NARROW, 64 << 20);
    for step in 1..=50 {
        story.log.append(&[b'x'; 100_000]);
        let sent = story.replicas.get(A).unwrap().cursor().unwrap().advanced(10);
        story.replicas.on_sent(A, sent);
        assert!(!story.wait_until(step * 900).contains(&Action::Close(A)), "{step}");
        story.replconf(A, "ACK 1000");
    }
    assert_eq!(deeds(story.wait_until(50 * 900 + 1000)), [Action::Close(A)], "it took nothing for a second");
}

#[test]
fn who_outruns_the_disk_too_is_cut_off_though_it_reads() {
    let mut story = spilling(NARROW, 1);
    let kept = usize::try_from(story.log.most_for_readers().unwrap()).unwrap();
    story.log.append(&vec![b'x'; kept - 1000]);
    story.replicas.on_sent(A, Offset(1010));
    assert_eq!(story.turn(), []);
    story.log.append(&[b'x'; 2000]);
    story.replicas.on_sent(A, Offset(1020));
    assert_eq!(deeds(story.turn()), [Action::Close(A)]);
}

#[test]
fn who_was_cut_off_has_time_to_come_back_and_continue() {
    let mut story = spilling(NARROW, 64 << 20);
    story.log.append(&[b'x'; 10_000_000]);
    story.replconf(A, "ACK 1000");
    assert_eq!(deeds(story.wait_until(2000)), [Action::Close(A)]);
    assert_eq!(story.replicas.oldest_needed(), Some(Offset(1000)));
    story.wait_until(2000 + SETTINGS.timeout_ms);
    story.turn();
    assert_eq!(story.replicas.oldest_needed(), None, "and no longer");
}

#[test]
fn who_is_lost_while_it_loads_continues_behind_its_snapshot() {
    let mut story = Story::new(SETTINGS);
    story.log.set_disk_size(DiskSize { kept: 0, most: 1_000_000 });
    story.newcomer(A);
    story.wait_until(5000);
    story.started(0);
    story.encoded(0, 500);
    story.sent(A);
    story.closed(A);
    story.log.append(&[b'x'; 100_000]);
    story.turn();
    assert_eq!(story.replicas.oldest_needed(), Some(Offset(1000)));
    story.now = Moment(65_000);
    story.turn();
    assert_eq!(story.replicas.oldest_needed(), None, "within its time");
}

#[test]
fn the_log_is_kept_once_for_who_goes_again_and_again() {
    let mut story = Story::new(Settings { sync_delay_ms: 0, ..SETTINGS });
    story.log.set_disk_size(DiskSize { kept: 0, most: 1_000_000 });
    for (job, from) in [(0, 1000), (1, 3_001_000)] {
        story.newcomer(A);
        story.turn();
        story.started(job);
        story.encoded(job, 500);
        assert_eq!(story.replicas.oldest_needed(), Some(Offset(from)));
        story.log.append(&[b'x'; 3_000_000]);
        story.sent(A);
        story.closed(A);
        assert_eq!(story.replicas.oldest_needed(), Some(Offset(from)));
    }
}

#[test]
fn who_needs_what_the_log_has_lost_is_closed() {
    let mut story = Story::new(SETTINGS);
    story.online(A);
    story.log.append(&[b'x'; 4_000_000]);
    story.log.trim(None);
    assert_eq!(deeds(story.turn()), [Action::Close(A)]);
}

#[test]
fn writers_wait_for_a_link_that_they_outrun() {
    let output_limit = OutputLimit { hard: 0, soft: 0, soft_ms: 0 };
    let mut story = Story::new(Settings { output_limit, ping_period_ms: 1 << 40, ..SETTINGS });
    story.online(A);
    story.turn();
    let write = |story: &mut Story, quarter: u64, taken: u64| {
        story.log.append(&vec![b'x'; 2_000_000]);
        story.replicas.on_sent(A, Offset(1000 + taken));
        story.now = Moment(quarter * 250);
        story.turn();
        story.replicas.pace().map(|pace| pace.rate)
    };
    for quarter in 1..=4 {
        assert_eq!(write(&mut story, quarter, quarter * 1_000_000), None, "it is not far yet");
    }
    for quarter in 5..=8 {
        write(&mut story, quarter, quarter * 1_000_000);
    }
    assert_eq!(write(&mut story, 9, 9_000_000), Some(3_500_000), "7/8 of what it takes in a second");
    assert!(story.replicas.deadline().unwrap() <= Moment(2251));
    story.closed(A);
    story.turn();
    assert_eq!(story.replicas.pace(), None);
}

#[test]
fn nobody_waits_for_ever_for_a_replica_that_does_not_catch_up() {
    let output_limit = OutputLimit { hard: 0, soft: 0, soft_ms: 0 };
    let mut story = Story::new(Settings { output_limit, ping_period_ms: 1 << 40, ..SETTINGS });
    story.online(A);
    story.log.append(&vec![b'x'; 40_000_000]);
    story.turn();
    let (mut taken, mut written) = (0, 800_000);
    let mut quarter = |story: &mut Story, number: u64, takes: u64| {
        story.log.append(&vec![b'x'; written]);
        taken += takes;
        story.replicas.on_sent(A, Offset(1000 + taken));
        story.now = Moment(number * 250);
        let told = story
            .turn()
            .iter()
            .any(|action| matches!(action, Action::Log(_, text) if text.contains("no longer")));
        let pace = story.replicas.pace().map(|pace| pace.rate);
        written = pace.map_or(800_000, |rate| usize::try_from(rate / 4).unwrap().min(800_000));
        (pace, told)
    };
    quarter(&mut story, 1, 1);
    assert_eq!(quarter(&mut story, 2, 1000), (Some(320_000), false), "a tenth of what was written");
    let mut over = 0;
    for number in 3..300 {
        let (pace, told) = quarter(&mut story, number, 1000);
        assert!(pace.is_none_or(|rate| rate >= 320_000), "{pace:?}");
        over += usize::from(told);
        assert_eq!(over == 0, number < 243, "{number}: a minute");
        story.replconf(A, "ACK 1000");
        if number > 280 {
            assert_eq!(pace, None, "{number}");
        }
    }
    assert_eq!(over, 1, "that is told once");
}
