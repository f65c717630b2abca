//! Stories: the log goes on, the writer reports, and what it is told is compared.

use slipstream_log::ReplicationId;

use super::*;
use crate::propagate::Propagation;

/// A machine with its log, at a time in milliseconds.
struct Story {
    aof: Aof,
    config: Config,
    log: Log,
    propagation: Propagation,
    now: u64,
    is_settled: bool,
    is_saving: bool,
    is_ending: bool,
}

impl Story {
    fn new() -> Story {
        let mut log = Log::new(1 << 20, &mut fastrand::Rng::with_seed(1));
        log.adopt_snapshot(id(b'a'), Offset(100));
        let mut config = Config::default();
        config.appendonly = true;
        let (aof, propagation) = (Aof::default(), Propagation::default());
        let (is_saving, is_ending) = (false, false);
        Story { aof, config, log, propagation, now: 10, is_settled: true, is_saving, is_ending }
    }

    /// One whose first base is written, and about to be named.
    fn publishing() -> Story {
        let mut story = Story::new();
        story.with(|aof, turn| aof.start(turn, None));
        story.report(Report::Opened(Ok(None)));
        story.rewrite();
        story.report(Report::Begun(1, Ok(())));
        story.with(|aof, turn| aof.on_base_written(turn, 1, Ok(10)));
        story.told();
        story
    }

    /// One whose first base is named.
    fn on() -> Story {
        let mut story = Story::new();
        story.with(|aof, turn| aof.start(turn, None));
        story.report(Report::Opened(Ok(None)));
        assert!(story.turn());
        story.rewrite();
        story.finish_rewrite(1);
        assert!(story.aof.is_on());
        story.told();
        story
    }

    fn with<R>(&mut self, run: impl FnOnce(&mut Aof, Turn<'_>) -> R) -> R {
        let turn = Turn {
            clock: Clock { unix_micros: 0, micros: self.now * 1000 },
            config: &self.config,
            log: &self.log,
            propagation: &self.propagation,
            database: 0,
            is_settled: self.is_settled,
            is_saving: self.is_saving,
            is_ending: self.is_ending,
            needs_snapshot: false,
            keys: 0,
        };
        run(&mut self.aof, turn)
    }

    fn turn(&mut self) -> bool {
        self.with(Aof::on_turn)
    }

    fn rewrite(&mut self) -> u64 {
        self.with(Aof::begin_rewrite).number
    }

    /// What the next rewrite begins behind.
    fn next_begun(&mut self) -> String {
        self.rewrite();
        self.told().pop().unwrap()
    }

    fn report(&mut self, report: Report) {
        self.with(|aof, turn| aof.on_report(turn, report));
    }

    fn finish_rewrite(&mut self, number: u64) {
        self.report(Report::Begun(number, Ok(())));
        self.with(|aof, turn| aof.on_base_written(turn, number, Ok(10)));
        self.report(Report::Published(number, Ok(())));
    }

    fn progress(&mut self, number: u64, written: u64, durable: u64) {
        let (written, durable) = (Offset(written), Offset(durable));
        self.report(Report::Progress(Progress { number, written, durable, size: 7 }));
    }

    fn append(&mut self, bytes: &str) {
        self.log.append(bytes.as_bytes());
    }

    fn feed(&mut self) {
        self.with(|aof, turn| aof.feed(turn, false));
    }

    /// What the writer was told since the last time.
    fn told(&mut self) -> Vec<String> {
        self.aof.orders.drain(..).map(shown).collect()
    }

    #[track_caller]
    fn check(&mut self, expected: &[&str]) {
        assert_eq!(self.told(), expected);
    }
}

fn id(digit: u8) -> ReplicationId {
    ReplicationId::parse(&[digit; 40]).unwrap()
}

/// The offsets, and the first letters of the histories.
fn shown_head(head: &[u8]) -> String {
    let text = String::from_utf8_lossy(head);
    let words: Vec<&str> = text.lines().next().unwrap_or_default().split(' ').collect();
    let short = |word: &&str| word.chars().take(if word.len() == 40 { 1 } else { 40 }).collect::<String>();
    words[1..words.len() - 1].iter().map(short).collect::<Vec<_>>().join(" ")
}

fn shown_manifest(manifest: &[u8]) -> String {
    let manifest = Manifest::parse(manifest).unwrap();
    let files = |names: Vec<&str>| names.join("+").replace("appendonly.aof.", "");
    let now = files(manifest.files().map(|file| file.name.as_str()).collect());
    let history = files(manifest.history.iter().map(|file| file.name.as_str()).collect());
    if history.is_empty() { now } else { format!("{now}, not {history}") }
}

fn shown(order: Order) -> String {
    match order {
        Order::Open { folder, .. } => format!("open {folder}"),
        Order::Policy(policy) => format!("policy {policy:?}"),
        Order::Resume { number, name, length, head, .. } => {
            format!("resume {number} {name} at {length}: {}", shown_head(&head))
        }
        Order::Begin { number, head, manifest, behind, .. } => {
            let manifest = manifest.map_or("unnamed".to_owned(), |manifest| shown_manifest(&manifest));
            let behind = behind.map_or(String::new(), |name| format!(", behind {name}"));
            format!("begin {number}: {}; {manifest}{behind}", shown_head(&head))
        }
        Order::Append { blocks, .. } => {
            let bytes: Vec<u8> = blocks.iter().flat_map(|block| block.to_vec()).collect();
            format!("append {}", String::from_utf8(bytes).unwrap())
        }
        Order::Note(note) => format!("note {}", shown_head(&note)),
        Order::Leave => "leave".to_owned(),
        Order::Publish { number, manifest, .. } => format!("publish {number}: {}", shown_manifest(&manifest)),
        Order::Remove { names, manifest } => {
            let manifest = manifest.map_or("as it is".to_owned(), |manifest| shown_manifest(&manifest));
            format!("remove {}; {manifest}", names.join("+").replace("appendonly.aof.", ""))
        }
        Order::Finish(end) => format!("finish: {}", String::from_utf8_lossy(&end[..end.len().min(19)])),
    }
}

#[test]
fn the_first_base_is_named_before_anything_counts_as_durable() {
    let mut story = Story::new();
    assert!(!story.turn());
    story.check(&["open appendonlydir", "policy EverySecond"]);
    story.report(Report::Opened(Ok(None)));
    story.is_settled = false;
    assert!(!story.turn(), "the data is that of no offset");
    story.is_settled = true;
    assert!(story.turn());
    assert_eq!(story.rewrite(), 1);
    story.check(&["begin 1: AT 100 0 a; unnamed"]);
    story.append("more");
    story.feed();
    story.check(&["append more"]);
    story.progress(1, 104, 104);
    story.with(|aof, turn| aof.on_base_written(turn, 1, Ok(10)));
    story.check(&[]);
    story.report(Report::Begun(1, Ok(())));
    story.check(&["publish 1: 1.base.rdb+1.incr.aof"]);
    assert_eq!(story.aof.durable(), Offset(0));
    story.report(Report::Published(1, Ok(())));
    assert_eq!((story.aof.durable(), story.aof.sizes()), (Offset(104), (17, 17)));
}

#[test]
fn a_rewrite_names_its_increment_at_once_and_its_base_when_that_is_there() {
    let mut story = Story::on();
    story.append("before");
    story.with(|aof, _| aof.schedule());
    assert!(story.turn());
    story.rewrite();
    story.check(&["append before", "begin 2: AT 106 0 a; 1.base.rdb+1.incr.aof+2.incr.aof"]);
    story.now = 20;
    story.append("behind");
    story.feed();
    story.finish_rewrite(2);
    story.check(&[
        "append behind",
        "publish 2: 2.base.rdb+2.incr.aof, not 1.base.rdb+1.incr.aof",
        "remove 1.base.rdb+1.incr.aof; 2.base.rdb+2.incr.aof",
    ]);
    assert!(!story.turn(), "one is enough");
}

#[test]
fn a_rewrite_waits_for_the_snapshot_that_is_being_saved() {
    let mut story = Story::on();
    story.is_saving = true;
    story.with(|aof, _| aof.schedule());
    assert!(!story.turn());
    story.is_saving = false;
    assert!(story.turn());
}

#[test]
fn switched_on_while_a_snapshot_is_saved_it_begins_behind_that() {
    let mut story = Story::new();
    story.is_saving = true;
    story.turn();
    let told = |story: &Story| (story.aof.is_under_way(true), story.aof.is_scheduled(true));
    assert_eq!(told(&story), (false, true));
    assert!(story.aof.is_under_way(false), "while its folder is looked at");
    story.report(Report::Opened(Ok(None)));
    assert!(!story.turn());
    assert_eq!(told(&story), (false, true));
    story.is_ending = true;
    assert!(story.turn(), "who ends waits for the file alone");
    story.is_ending = false;
    story.is_saving = false;
    assert!(story.turn());
    story.rewrite();
    assert_eq!(told(&story), (true, false));
    // Other data than is in the file: it is begun anew at once.
    story.finish_rewrite(1);
    story.log.adopt_snapshot(id(b'b'), Offset(7));
    story.is_saving = true;
    assert!(story.turn());
}

#[test]
fn superfluous_files_stay_where_that_is_wanted() {
    let mut story = Story::on();
    story.config.aof_disable_auto_gc = true;
    story.rewrite();
    story.finish_rewrite(2);
    let told = story.told();
    assert_eq!(told.last().unwrap(), "publish 2: 2.base.rdb+2.incr.aof, not 1.base.rdb+1.incr.aof");
}

#[test]
fn writes_in_a_row_are_handed_over_every_two_milliseconds() {
    let mut story = Story::on();
    story.now = 10;
    for (now, bytes, expected) in
        [(10, "a", &["append a"][..]), (10, "b", &[]), (11, "c", &[]), (12, "d", &["append bcd"])]
    {
        story.now = now;
        story.append(bytes);
        story.feed();
        story.check(expected);
    }
    story.append("e");
    assert_eq!(story.aof.feed_deadline(&story.log), Some(Moment(14)));
    story.config.appendfsync = AppendFsync::Always;
    story.turn();
    story.feed();
    story.check(&["policy Always", "append e"]);
    assert_eq!(story.aof.feed_deadline(&story.log), None);
}

#[test]
fn another_name_of_the_history_stands_where_it_begins() {
    let mut story = Story::on();
    story.append("old");
    story.log.promote(&mut fastrand::Rng::with_seed(2));
    story.append("new");
    let new = story.log.history().id.to_string();
    story.feed();
    let note = format!("note AT 103 0 {} a 103", &new[..1]);
    story.check(&["append old", &note, "append new"]);
    assert!(!story.turn());
    story.check(&[]);
}

#[test]
fn replaced_data_makes_a_new_base_and_nothing_goes_behind_the_old_state() {
    let mut story = Story::on();
    story.progress(1, 100, 100);
    story.append("lost");
    story.log.adopt_snapshot(id(b'b'), Offset(5000));
    story.append("new");
    story.feed();
    story.check(&[]);
    assert!(story.turn());
    story.check(&["leave"]);
    story.progress(1, 104, 104);
    assert_eq!((story.aof.durable(), story.aof.needs()), (Offset(0), None));
    story.rewrite();
    story.check(&["begin 2: AT 5003 0 b; unnamed"]);
    story.finish_rewrite(2);
    story.check(&[
        "publish 2: 2.base.rdb+2.incr.aof, not 1.base.rdb+1.incr.aof",
        "remove 1.base.rdb+1.incr.aof; 2.base.rdb+2.incr.aof",
    ]);
    story.progress(2, 5003, 5003);
    assert_eq!(story.aof.durable(), Offset(5003));
}

#[test]
fn data_that_is_replaced_meanwhile_ends_a_rewrite() {
    let mut story = Story::on();
    story.rewrite();
    story.told();
    story.log.adopt_snapshot(id(b'b'), Offset(5000));
    story.turn();
    story.check(&["remove temp-2-2.base.rdb; as it is", "leave"]);
    story.report(Report::Begun(2, Ok(())));
    story.with(|aof, turn| aof.on_base_written(turn, 2, Ok(10)));
    story.check(&[]);
}

#[test]
fn a_rewrite_that_fails_leaves_all_as_it_was_and_is_tried_ever_more_rarely() {
    let mut story = Story::on();
    let mut pauses = Vec::new();
    for _ in 0..6 {
        let number = story.rewrite();
        story.report(Report::Begun(number, Ok(())));
        story.with(|aof, turn| aof.on_base_written(turn, number, Err("full".to_owned())));
        assert!(story.aof.is_on() && !story.aof.stats().last_rewrite_ok);
        story.with(|aof, turn| aof.rewrite_if_grown(turn));
        assert!(!story.aof.is_scheduled(false));
        pauses.push(story.aof.retry_at.unwrap().ms_since(Moment(0)) / 1000);
    }
    assert_eq!(pauses, [1, 1, 60, 120, 240, 480]);
    let told = story.told();
    assert!(told.last().unwrap().starts_with("remove temp-7-"), "{told:?}");
    story.with(|aof, _| aof.schedule());
    assert!(story.turn(), "an operator does not wait");
    assert_eq!(story.aof.refusal(), None, "writes go on");
}

#[test]
fn a_file_that_is_begun_behind_a_rewrite_that_has_failed_stays_named() {
    let mut story = Story::on();
    let number = story.rewrite();
    story.with(|aof, turn| aof.on_base_written(turn, number, Err("full".to_owned())));
    story.told();
    story.with(|aof, _| aof.schedule());
    assert!(!story.turn(), "what the manifest names is not known yet");
    story.report(Report::Begun(number, Ok(())));
    assert_eq!(story.next_begun(), "begin 3: AT 100 0 a; 1.base.rdb+1.incr.aof+2.incr.aof+3.incr.aof");
}

#[test]
fn files_that_grow_are_rewritten_again_some_time_after_a_failure() {
    let mut story = Story::on();
    let number = story.rewrite();
    story.report(Report::Begun(number, Ok(())));
    story.with(|aof, turn| aof.on_base_written(turn, number, Err("full".to_owned())));
    story.config.auto_aof_rewrite_min_size = 0;
    let is_due = |story: &mut Story| {
        story.with(|aof, turn| aof.rewrite_if_grown(turn));
        story.aof.is_scheduled(false)
    };
    story.report(Report::Progress(Progress {
        number,
        written: Offset(200),
        durable: Offset(200),
        size: 1 << 20,
    }));
    assert!(!is_due(&mut story));
    story.now += 1001;
    assert!(is_due(&mut story));
}

#[test]
fn a_file_that_cannot_be_begun_is_named_by_nothing() {
    let mut story = Story::on();
    let number = story.rewrite();
    story.report(Report::Begun(number, Err("full".to_owned())));
    story.told();
    story.config.auto_aof_rewrite_percentage = 0;
    story.with(|aof, _| aof.schedule());
    assert_eq!(story.next_begun(), "begin 3: AT 100 0 a; 1.base.rdb+1.incr.aof+3.incr.aof");
}

#[test]
fn writes_are_refused_while_the_file_cannot_be_written() {
    let mut story = Story::on();
    story.report(Report::Failing(Some("No space left on device".to_owned())));
    assert_eq!(story.aof.refusal(), Some("No space left on device"));
    story.report(Report::Failing(None));
    assert_eq!(story.aof.refusal(), None);
}

#[test]
fn a_lost_file_is_replaced_by_a_new_base() {
    let mut story = Story::on();
    story.config.appendfsync = AppendFsync::Always;
    story.turn();
    story.told();
    story.append("held");
    story.feed();
    story.report(Report::Lost("Input/output error".to_owned()));
    story.check(&["append held", "leave"]);
    assert!(story.aof.refusal().is_some() && story.aof.holds_replies());
    assert!(!story.turn(), "not at once");
    story.now = 1010;
    assert!(story.turn());
    story.rewrite();
    story.finish_rewrite(2);
    story.progress(2, 104, 104);
    assert_eq!((story.aof.durable(), story.aof.refusal()), (Offset(104), None));
}

#[test]
fn switched_off_it_leaves_its_files_and_switched_on_it_reads_the_folder() {
    let mut story = Story::on();
    story.append("last");
    story.config.appendonly = false;
    story.turn();
    story.check(&["append last", "leave"]);
    assert!(!story.aof.is_enabled());
    story.config.appendonly = true;
    story.turn();
    story.check(&["open appendonlydir", "policy EverySecond"]);
    let manifest = b"file appendonly.aof.4.base.rdb seq 4 type b\n";
    story.report(Report::Opened(Ok(Some(manifest.to_vec()))));
    assert!(story.turn());
    story.rewrite();
    story.check(&["begin 2: AT 104 0 a; unnamed"]);
    story.config.appendfsync = AppendFsync::Always;
    story.turn();
    assert!(!story.aof.holds_replies(), "there is no whole file yet");
    story.finish_rewrite(2);
    assert!(story.aof.holds_replies());
}

#[test]
fn a_folder_that_cannot_be_used_is_tried_again() {
    let mut story = Story::new();
    story.turn();
    story.told();
    story.report(Report::Opened(Err("Permission denied".to_owned())));
    assert!(!story.turn());
    story.check(&[]);
    story.now = 1010;
    story.turn();
    story.check(&["open appendonlydir"]);
}

/// Found by a seed: then it was never tried again.
#[test]
fn a_folder_that_cannot_be_used_is_tried_at_once_for_a_rewrite() {
    let mut story = Story::new();
    story.turn();
    story.told();
    story.report(Report::Opened(Err("No space left on device".to_owned())));
    story.with(|aof, _| aof.schedule());
    story.turn();
    story.check(&["open appendonlydir"]);
    story.turn();
    story.check(&[]);
}

#[test]
fn what_was_loaded_goes_on_where_it_was_good() {
    let manifest = b"file a.2.base.rdb seq 2 type b\nfile a.3.incr.aof seq 3 type i\n";
    let found =
        LoadedLog { manifest: Manifest::parse(manifest).unwrap(), resume: Some(50), base_size: 20, size: 70 };
    let mut story = Story::new();
    story.with(|aof, turn| aof.start(turn, Some(found.clone())));
    story.check(&["open appendonlydir", "policy EverySecond", "resume 1 a.3.incr.aof at 50: AT 100 0 a"]);
    story.progress(1, 100, 100);
    assert!(story.aof.is_on());
    assert_eq!(story.aof.sizes(), (27, 20));
    let mut story = Story::new();
    story.with(|aof, turn| aof.start(turn, Some(LoadedLog { resume: None, ..found })));
    let told = story.told();
    assert_eq!(
        told.last().unwrap(),
        "begin 1: AT 100 0 a; a.2.base.rdb+a.3.incr.aof+4.incr.aof, behind a.3.incr.aof"
    );
}

#[test]
fn the_end_is_told_when_all_before_it_is_there() {
    let mut story = Story::on();
    story.append("last");
    story.with(Aof::finish);
    story.check(&["append last", "finish: #SLIPSTREAM END 104"]);
    let mut story = Story::on();
    story.log.adopt_snapshot(id(b'b'), Offset(100));
    story.with(Aof::finish);
    story.check(&["finish: "]);
}

/// A machine whose second base, after the data was replaced, is on its way.
fn starting() -> Story {
    let mut story = Story::on();
    story.log.adopt_snapshot(id(b'b'), Offset(5000));
    story.turn();
    story.rewrite();
    story.told();
    story
}

#[test]
fn an_increment_that_nothing_will_name_is_removed() {
    let mut story = starting();
    story.log.adopt_snapshot(id(b'c'), Offset(9000));
    story.turn();
    story.check(&["remove temp-2-2.base.rdb+2.incr.aof; as it is", "leave"]);
    let mut story = starting();
    story.report(Report::Begun(2, Ok(())));
    story.with(|aof, turn| aof.on_base_written(turn, 2, Ok(10)));
    story.told();
    story.log.adopt_snapshot(id(b'c'), Offset(9000));
    story.turn();
    story.check(&["remove temp-2-2.base.rdb; as it is", "leave"]);
}

#[test]
fn what_is_before_a_file_is_not_still_to_be_written_to_it() {
    let mut story = starting();
    assert_eq!(story.aof.unwritten(&story.log), 0);
    story.append("more");
    assert_eq!(story.aof.unwritten(&story.log), 4);
    story.progress(2, 5004, 5000);
    assert_eq!(story.aof.unwritten(&story.log), 0);
}

#[test]
fn the_disk_is_not_asked_during_a_rewrite_where_that_is_wanted() {
    let mut story = Story::on();
    story.config.appendfsync = AppendFsync::Always;
    story.config.no_appendfsync_on_rewrite = true;
    story.is_saving = true;
    story.turn();
    story.check(&["policy No"]);
    assert!(!story.aof.holds_replies());
    story.is_saving = false;
    story.turn();
    story.check(&["policy Always"]);
}

/// A machine under `always` with a reply that waits for what was appended last.
fn holding() -> Story {
    let mut story = Story::on();
    story.config.appendfsync = AppendFsync::Always;
    story.turn();
    story.append("held");
    story.feed();
    story.aof.holds.push_back((story.log.end(), SessionId(1)));
    story.told();
    story
}

#[test]
fn switched_off_it_lets_replies_go_when_the_disk_has_what_they_wait_for() {
    let mut story = holding();
    story.config.appendonly = false;
    story.turn();
    story.check(&["leave"]);
    assert!(!story.aof.is_enabled() && !story.aof.holds_replies());
    assert_eq!(story.aof.mark(), Offset(0));
    story.config.appendonly = true;
    assert!(!story.turn());
    story.check(&[]);
    story.progress(1, 104, 100);
    assert_eq!(story.aof.mark(), Offset(100));
    story.progress(1, 104, 104);
    assert_eq!(story.aof.mark(), Offset(u64::MAX));
    story.turn();
    story.check(&["open appendonlydir", "policy Always"]);
}

#[test]
fn switched_off_it_waits_for_no_disk_that_fails() {
    for report in [
        Report::Failing(Some("full".to_owned())),
        Report::Lost("broken".to_owned()),
        Report::Begun(1, Err("full".to_owned())),
    ] {
        let mut story = holding();
        story.config.appendonly = false;
        story.turn();
        assert_eq!(story.aof.ended, None);
        story.progress(1, 104, 102);
        story.report(report);
        assert_eq!(story.aof.ended, Some(Offset(102)));
        assert!(story.aof.has_moved && story.aof.holds.len() == 1);
    }
}

#[test]
fn switched_off_while_no_files_lead_there_it_waits_for_nothing() {
    fn lost(story: &mut Story) {
        story.report(Report::Lost("broken".to_owned()));
        story.now += 2000;
        assert!(story.turn());
    }
    fn starting(story: &mut Story) {
        lost(story);
        story.rewrite();
        // An increment that no manifest names.
        story.progress(2, 104, 104);
    }
    for before in [lost as fn(&mut Story), starting] {
        let mut story = holding();
        before(&mut story);
        story.config.appendonly = false;
        story.turn();
        assert_eq!(story.aof.ended, Some(Offset(0)));
        assert!(matches!(story.aof.phase, Phase::Off));
    }
}

#[test]
fn a_received_snapshot_is_the_base_and_what_came_behind_it_is_in_the_increment() {
    let mut story = Story::on();
    story.log.adopt_snapshot(id(b'b'), Offset(5000));
    story.with(|aof, turn| aof.take_received(turn, 7, 30));
    story.append("behind");
    assert!(story.turn());
    assert!(story.with(Aof::begin_received));
    story.feed();
    story.check(&["leave", "begin 2: AT 5000 0 b; unnamed", "append behind"]);
    story.report(Report::Begun(2, Ok(())));
    story.check(&["publish 2: 2.base.rdb+2.incr.aof, not 1.base.rdb+1.incr.aof"]);
    story.report(Report::Published(2, Ok(())));
    story.progress(2, 5006, 5006);
    assert_eq!(story.aof.durable(), Offset(5006));
}

#[test]
fn a_received_snapshot_that_the_data_does_not_go_on_from_is_removed() {
    let mut story = Story::on();
    story.log.adopt_snapshot(id(b'b'), Offset(5000));
    story.with(|aof, turn| aof.take_received(turn, 7, 30));
    story.log.adopt_snapshot(id(b'c'), Offset(5000));
    story.turn();
    assert!(!story.with(Aof::begin_received));
    story.check(&["leave", "remove temp-sync-7.rdb; as it is"]);
}

/// Found by a seed: the writer was told to name the files before it was told that they are given up, and the next ones
/// had their names: a crash left a base with another one's increment.
#[test]
fn names_that_may_yet_be_named_are_not_used_again() {
    let mut story = Story::publishing();
    story.log.adopt_snapshot(id(b'b'), Offset(500));
    assert!(story.turn());
    story.rewrite();
    story.report(Report::Published(1, Ok(())));
    story.told();
    story.finish_rewrite(2);
    story.check(&[
        "publish 2: 2.base.rdb+2.incr.aof, not 1.base.rdb+1.incr.aof",
        "remove 1.base.rdb+1.incr.aof; 2.base.rdb+2.incr.aof",
    ]);
}

/// The writer may be about to remove the file of that name.
#[test]
fn a_name_that_was_given_up_is_not_used_again_after_a_switch_off() {
    let mut story = Story::new();
    story.with(|aof, turn| aof.start(turn, None));
    story.report(Report::Opened(Ok(None)));
    story.rewrite();
    story.report(Report::Begun(1, Ok(())));
    story.told();
    story.config.appendonly = false;
    story.turn();
    story.check(&["remove temp-1-1.base.rdb+1.incr.aof; as it is", "leave"]);
    story.config.appendonly = true;
    story.turn();
    story.report(Report::Opened(Ok(None)));
    story.told();
    story.rewrite();
    story.finish_rewrite(2);
    let told = story.told();
    assert!(told.contains(&"publish 2: 2.base.rdb+2.incr.aof".to_owned()), "{told:?}");
}

#[test]
fn what_the_manifest_may_name_stays_until_another_one_is_there() {
    let mut story = Story::publishing();
    story.report(Report::Published(1, Err("the folder cannot be synced".to_owned())));
    story.check(&["remove temp-1-1.base.rdb; as it is", "leave"]);
    story.rewrite();
    story.told();
    story.finish_rewrite(2);
    story.check(&[
        "publish 2: 2.base.rdb+2.incr.aof, not 1.base.rdb+1.incr.aof",
        "remove 1.base.rdb+1.incr.aof; 2.base.rdb+2.incr.aof",
    ]);
}
