//! Verifications told as stories: who answers what, and what is found.

use super::*;

const ONE: ReplicaId = ReplicaId(1);
const TWO: ReplicaId = ReplicaId(2);

/// A primary's verification, and the actions of its last step.
struct Story {
    verify: Verify,
    actions: Vec<Action>,
}

fn able(id: ReplicaId) -> Candidate {
    Candidate { id, name: format!("10.0.0.{}:6379", id.0), unable: None }
}

impl Story {
    fn begin(candidates: Vec<Candidate>) -> Story {
        let mut story = Story { verify: Verify::default(), actions: Vec::new() };
        story.act(|verify, actions| {
            verify.start(Moment(1000), Offset(500), candidates, actions).expect("nothing is under way");
        });
        story
    }

    fn act(&mut self, step: impl FnOnce(&mut Verify, &mut Vec<Action>)) {
        self.actions.clear();
        step(&mut self.verify, &mut self.actions);
    }

    fn ranges(&mut self, from: Option<ReplicaId>, ranges: Vec<Range>) {
        self.act(|verify, actions| verify.on_ranges(Moment(1100), (from, 1), ranges, actions));
    }

    fn keys(&mut self, from: Option<ReplicaId>, names: &[(&str, u64)]) {
        let key = |&(name, digest): &(&str, u64)| Key { db: 0, name: name.into(), digest };
        let listing = Listing { keys: names.iter().map(key).collect(), complete: true };
        self.act(|verify, actions| verify.on_keys(Moment(1200), (from, 1), listing, actions));
    }

    /// What was found of the replicas, in order; the verification is over.
    fn outcomes(&self) -> Vec<Outcome> {
        assert_eq!(self.verify.running(), None, "over");
        let report = self.verify.last().expect("over, so there is a report");
        assert_eq!(self.actions.last(), Some(&Action::Finished(report.clone())));
        report.copies.iter().map(|copied| copied.outcome.clone()).collect()
    }
}

/// Digests that are 0 but for the given ranges.
fn digests(sums: &[(usize, u64)]) -> Vec<Range> {
    let mut ranges = vec![Range::default(); RANGES];
    for (range, sum) in sums {
        ranges[*range] = Range { keys: 10, sum: *sum };
    }
    ranges
}

fn mark(text: &str) -> Action {
    Action::Mark(text.to_owned())
}

#[test]
fn equal_copies_are_through_after_one_round() {
    let mut story = Story::begin(vec![able(ONE), able(TWO)]);
    assert_eq!(story.actions, [mark("slipstream:verify:1:ranges"), Action::DigestRanges { run: 1 }]);
    story.ranges(Some(ONE), digests(&[(3, 7)]));
    story.ranges(None, digests(&[(3, 7)]));
    assert_eq!(story.actions, [], "one is missing");
    story.ranges(Some(TWO), digests(&[(3, 7)]));
    assert_eq!(story.actions[0], mark("slipstream:verify:1:end"));
    assert_eq!(story.outcomes(), [Outcome::Equal, Outcome::Equal]);
    let report = story.verify.last().unwrap();
    assert_eq!((report.offset, report.took_ms, report.status()), (Offset(500), 100, "equal"));
}

#[test]
fn the_keys_of_ranges_that_differ_are_listed_and_compared() {
    let mut story = Story::begin(vec![able(ONE), able(TWO)]);
    story.ranges(None, digests(&[(3, 7), (9, 1)]));
    story.ranges(Some(ONE), digests(&[(3, 7), (9, 2)]));
    story.ranges(Some(TWO), digests(&[(3, 7), (9, 1)]));
    let listing = Action::ListKeys { run: 1, ranges: vec![9] };
    assert_eq!(story.actions, [mark("slipstream:verify:1:keys:9"), listing]);
    story.keys(Some(ONE), &[("same", 1), ("changed", 2), ("extra", 4)]);
    assert_eq!(story.actions, [], "this node's own list is missing");
    story.keys(None, &[("same", 1), ("changed", 3), ("missing", 5)]);
    let difference = |key: &str, how| Difference { db: 0, key: key.into(), how };
    let keys = vec![
        difference("changed", How::Different),
        difference("missing", How::Missing),
        difference("extra", How::Extra),
    ];
    let different = Outcome::Different { ranges: vec![9], keys, complete: true };
    assert_eq!(story.outcomes(), [different, Outcome::Equal]);
    assert_eq!(story.verify.last().unwrap().status(), "different");
}

#[test]
fn who_cannot_take_part_is_told_and_disturbs_nobody() {
    let stock = Candidate { unable: Some("it is no Slipstream".to_owned()), ..able(TWO) };
    let mut story = Story::begin(vec![able(ONE), stock.clone()]);
    story.ranges(None, digests(&[]));
    story.ranges(Some(ONE), digests(&[]));
    let incapable = Outcome::Incapable("it is no Slipstream".to_owned());
    assert_eq!(story.outcomes(), [Outcome::Equal, incapable.clone()]);
    let story = Story::begin(vec![stock]);
    assert_eq!(story.outcomes(), [incapable]);
    assert_eq!(story.actions.len(), 1, "nothing is marked and nothing digested");
}

#[test]
fn who_leaves_or_is_silent_is_never_called_equal() {
    let mut story = Story::begin(vec![able(ONE), able(TWO)]);
    story.ranges(None, digests(&[]));
    story.act(|verify, actions| verify.on_closed(Moment(1100), TWO, actions));
    let due = story.verify.deadline().expect("under way");
    story.act(|verify, actions| verify.on_deadline(due, actions));
    assert_eq!(
        story.outcomes(),
        [
            Outcome::Failed("it did not answer in time".to_owned()),
            Outcome::Failed("it disconnected meanwhile".to_owned())
        ]
    );
    assert_eq!(story.verify.last().unwrap().status(), "failed");
}

#[test]
fn answers_of_another_run_or_out_of_turn_are_not_heard() {
    let mut story = Story::begin(vec![able(ONE)]);
    story.act(|verify, actions| verify.on_ranges(Moment(0), (Some(ONE), 9), digests(&[]), actions));
    story.ranges(Some(TWO), digests(&[]));
    story.ranges(Some(ONE), vec![Range::default()]);
    story.keys(Some(ONE), &[]);
    story.ranges(None, digests(&[]));
    assert_eq!(story.actions, [], "still waiting for the one replica");
    let refused = story.verify.start(Moment(0), Offset(0), vec![able(ONE)], &mut Vec::new());
    assert_eq!(refused, Err(Refused::InProgress));
}

#[test]
fn a_list_that_was_cut_claims_nothing_about_what_is_not_in_it() {
    let listing = |names: &[&str], complete| Listing {
        keys: names.iter().map(|name| Key { db: 0, name: (*name).into(), digest: 1 }).collect(),
        complete,
    };
    let outcome = report::compare(&listing(&["a", "b"], true), &listing(&["a"], false), vec![1], true);
    assert_eq!(outcome, Outcome::Different { ranges: vec![1], keys: vec![], complete: false });
}

#[test]
fn no_more_ranges_are_listed_than_are_worth_it() {
    let all: BTreeMap<u16, u32> = [(1, 30_000), (2, 5)].into();
    assert_eq!(worth_listing(&all), [1], "the first in any case");
    let all: BTreeMap<u16, u32> = (0..4096).map(|range| (range, 1000)).collect();
    assert_eq!(worth_listing(&all).len(), 20);
}

#[test]
fn a_primary_that_cannot_digest_its_own_data_compares_nothing() {
    let mut story = Story::begin(vec![able(ONE)]);
    story.act(|verify, actions| verify.on_failed(Moment(1100), (None, 7), "of another", actions));
    assert_eq!(story.actions, []);
    story.act(|verify, actions| verify.on_failed(Moment(1100), (None, 1), "no thread", actions));
    assert_eq!(story.outcomes(), [Outcome::Failed("no thread".to_owned())]);
}

#[test]
fn a_replica_that_cannot_digest_its_data_keeps_nobody_waiting() {
    let mut story = Story::begin(vec![able(ONE), able(TWO)]);
    story.ranges(None, digests(&[]));
    story.act(|verify, actions| verify.on_failed(Moment(1100), (Some(ONE), 1), "no thread", actions));
    assert_eq!(story.actions, [], "the other is still at it");
    story.ranges(Some(TWO), digests(&[]));
    assert_eq!(story.outcomes(), [Outcome::Failed("no thread".to_owned()), Outcome::Equal]);
}
