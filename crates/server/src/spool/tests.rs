//! Senders of every pace around one spool, on real threads; bounds small enough that each rule shows.

use std::thread;

use super::*;

const BOUNDS: Bounds = Bounds { window: 1000, kept_for_late: 300, ahead_of_fastest: 200 };

fn spool(way: Way) -> Arc<Spool> {
    Arc::new(Spool::new(way, BOUNDS, std::env::temp_dir()))
}

fn chunk(number: u8) -> Vec<u8> {
    vec![number; 100]
}

/// Pushes chunks of these numbers, and ends.
fn push_all(spool: &Spool, numbers: std::ops::Range<u8>) {
    for number in numbers {
        spool.push(chunk(number)).expect("nobody cancels");
    }
    spool.end(Ok(()));
}

fn read_all(mut reader: Reader) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(chunk) = reader.next().expect("it ends well") {
        all.extend_from_slice(&chunk);
    }
    all
}

fn expected(numbers: std::ops::Range<u8>) -> Vec<u8> {
    numbers.flat_map(chunk).collect()
}

#[test]
fn through_a_file_the_encoder_waits_for_nobody() {
    let spool = spool(Way::ThroughFile);
    let early = spool.read();
    push_all(&spool, 0..50);
    assert_eq!((spool.resident(), spool.produced()), (1000, 5000), "the rest is in the file");
    assert_eq!(read_all(spool.read()), expected(0..50), "who comes late gets all of it");
    assert_eq!(read_all(early), expected(0..50));
}

#[test]
fn straight_the_encoder_keeps_pace_with_the_fastest() {
    let spool = spool(Way::Straight);
    let mut fast = spool.read();
    let slow = spool.read();
    let encoder = thread::spawn({
        let spool = Arc::clone(&spool);
        move || push_all(&spool, 0..50)
    });
    for number in 0..50 {
        let taken = fast.next().expect("no error").expect("not the end");
        assert_eq!(*taken, chunk(number));
        let lead = spool.produced() - u64::from(number) * 100;
        assert!(lead <= 400, "{lead} bytes ahead of the fastest");
    }
    encoder.join().expect("the slow one is not waited for");
    assert!(spool.resident() <= 1000);
    assert_eq!(read_all(slow), expected(0..50));
}

#[test]
fn a_sealed_spool_forgets_what_all_have_taken() {
    let spool = spool(Way::Straight);
    let mut reader = spool.read();
    let mut answers = Vec::new();
    for number in 0..6 {
        answers.push(spool.push(chunk(number)).expect("nobody cancels"));
        reader.next().expect("no error");
    }
    let asks = answers.iter().filter(|answer| **answer == Pushed::Outgrown).count();
    assert_eq!((asks, answers[3].clone()), (1, Pushed::Outgrown), "asked once, beyond 300 bytes");
    assert_eq!(spool.resident(), 600, "kept until that is answered");
    spool.seal();
    spool.push(chunk(6)).expect("nobody cancels");
    assert_eq!(spool.resident(), 100, "what is not taken yet");
    spool.end(Ok(()));
    assert_eq!(read_all(reader), chunk(6));
}

#[test]
fn when_the_disk_fails_the_slowest_is_waited_for() {
    let nowhere = PathBuf::from("/nowhere/at/all");
    let spool = Arc::new(Spool::new(Way::ThroughFile, BOUNDS, nowhere));
    let mut slow = spool.read();
    let encoder = thread::spawn({
        let spool = Arc::clone(&spool);
        move || {
            let answers: Vec<Pushed> =
                (0..11).map(|number| spool.push(chunk(number)).expect("nobody cancels")).collect();
            assert!(matches!(&answers[10], Pushed::Cramped(_)), "the first that has no room: {answers:?}");
            spool.seal();
            push_all(&spool, 11..50);
        }
    });
    let mut most = 0;
    let mut all = Vec::new();
    while let Some(chunk) = slow.next().expect("it ends well") {
        most = most.max(spool.resident());
        all.extend_from_slice(&chunk);
    }
    assert!(most <= 1200, "{most} bytes in memory");
    assert_eq!(all, expected(0..50));
    encoder.join().expect("the encoder ends");
}

#[test]
fn a_sender_that_leaves_is_not_waited_for() {
    let spool = spool(Way::Straight);
    let reader = spool.read();
    let encoder = thread::spawn({
        let spool = Arc::clone(&spool);
        move || push_all(&spool, 0..50)
    });
    drop(reader);
    encoder.join().expect("the encoder ends");
}

#[test]
fn a_cancelled_spool_stops_both_sides() {
    let spool = spool(Way::Straight);
    let mut reader = spool.read();
    spool.cancel();
    assert_eq!(
        spool.push(chunk(0)).map_err(|error| error.to_string()),
        Err("the snapshot was given up".into())
    );
    reader.next().expect("what is there can be taken");
    assert_eq!(reader.next().map_err(|error| error.to_string()), Err("the snapshot was given up".into()));
}
