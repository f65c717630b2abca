//! The packed form of a sorted set: a block of members and scores in turn, in order.
//!
//! A score that is an integer is stored as one, any other as the text Redis prints.

use super::bound::order;
use crate::item::Item;
use crate::items::{Items, Position};
use crate::listpack::Listpack;
use crate::number::{ScoreFormat, parse_score, write_score};

/// Redis packs whole scores up to this as integers: half of what 64 bits hold.
const EXACT: f64 = 4_611_686_018_427_387_904.0;

/// The score that an element holds; None when it is no number.
fn score_of(item: Item<'_>) -> Option<f64> {
    match item {
        #[expect(
            clippy::cast_precision_loss,
            reason = "Redis reads a foreign score beyond 2^53 the same way"
        )]
        Item::Int(number) => Some(number as f64),
        Item::Bytes(text) => parse_score(text),
    }
}

pub(super) fn known_score(item: Item<'_>) -> f64 {
    score_of(item).expect("scores are checked when a block comes in")
}

fn score_text(score: f64) -> Vec<u8> {
    let mut text = Vec::new();
    match whole(score) {
        Some(number) => text.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        None => write_score(score, ScoreFormat::Shortest, &mut text),
    }
    text
}

/// The integer that a score is; minus zero loses its sign here, as in Redis.
fn whole(score: f64) -> Option<i64> {
    let is_whole = score.fract() == 0.0 && score.abs() <= EXACT;
    #[expect(clippy::cast_possible_truncation, reason = "whole and at most 2^62")]
    is_whole.then_some(score as i64)
}

/// Each member with its score, in order.
pub(super) fn pairs<'a>(block: &'a Items<'_>) -> impl Iterator<Item = (Item<'a>, f64)> {
    let mut items = block.iter();
    std::iter::from_fn(move || Some((items.next()?, known_score(items.next()?))))
}

/// Whether the block is pairs of member and score in ascending order.
pub(super) fn is_ordered(block: &Listpack<'_>) -> bool {
    let mut items = block.iter();
    let mut last: Option<(f64, Item<'_>)> = None;
    let (mut first, mut second) = (itoa::Buffer::new(), itoa::Buffer::new());
    while let Some(member) = items.next() {
        let Some(score) = items.next().and_then(score_of) else { return false };
        if let Some((before, name)) = last
            && order((before, name.bytes(&mut first)), (score, member.bytes(&mut second))).is_gt()
        {
            return false;
        }
        last = Some((score, member));
    }
    true
}

/// Where `member` is, and its score.
pub(super) fn find(block: &Items<'_>, member: &[u8]) -> Option<(Position, f64)> {
    let position = block.find(member, 2)?;
    Some((position, known_score(block.at(block.next(position)?))))
}

/// Adds a member or moves it to its new score's place, and returns its old score.
pub(super) fn insert(block: &mut Items<'_>, member: &[u8], score: f64) -> Option<f64> {
    let old = find(block, member);
    if let Some((position, _)) = old {
        block.remove(position, 2);
    }
    let index = 2 * count_while(block, |other| order(other, (score, member)).is_lt());
    let text = score_text(score);
    match block.seek(index) {
        Some(position) => {
            block.insert(position, &text);
            block.insert(position, member);
        }
        None => {
            block.push_back(member);
            block.push_back(&text);
        }
    }
    old.map(|(_, score)| score)
}

/// How many leading members `before` holds for.
pub(super) fn count_while(block: &Items<'_>, before: impl Fn((f64, &[u8])) -> bool) -> usize {
    let held = |(member, score): &(Item<'_>, f64)| before((*score, member.bytes(&mut itoa::Buffer::new())));
    pairs(block).take_while(held).count()
}
