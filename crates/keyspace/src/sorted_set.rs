//! Sorted sets.
//!
//! Few short members: one block of members and scores in turn, in order (`items.rs`); else a tree,
//! see `big.rs`. A set becomes big by Redis 7.2's thresholds and stays so.
//! Invariant: no score is NaN.

mod big;
mod bound;
mod iter;
mod packed;
#[cfg(test)]
mod tests;

use triomphe::Arc;

use big::BigSortedSet;
pub use bound::{LexBound, ScoreBound};
pub use iter::{SortedSetIter, SortedSetRevIter};

use crate::encoding::Encoding;
use crate::item::Item;
use crate::items::Items;
use crate::listpack::Listpack;
use crate::set::{MAX_PACKED_BYTES, has_duplicates};
use crate::table::Fill;

/// A sorted set value.
#[derive(Clone)]
pub struct SortedSet<'a>(Body<'a>);

#[derive(Clone)]
enum Body<'a> {
    Packed(Items<'a>),
    Tree(Arc<BigSortedSet>),
}

impl Default for SortedSet<'_> {
    fn default() -> Self {
        SortedSet::new()
    }
}

impl SortedSet<'static> {
    /// An empty sorted set.
    pub fn new() -> Self {
        SortedSet(Body::Packed(Items::new()))
    }

    /// An empty sorted set in the encoding that Redis chooses when it expects `members` members
    /// of up to `longest` bytes.
    pub fn with_hint(members: usize, longest: usize, encoding: &Encoding) -> Self {
        let fits =
            members <= encoding.zset_max_listpack_entries && longest <= encoding.zset_max_listpack_value;
        if fits { SortedSet::new() } else { SortedSet(Body::Tree(Arc::new(BigSortedSet::new(encoding)))) }
    }

    /// A sorted set from a checked block of members and scores in turn; None when it is not
    /// pairs in order without duplicates. A block above the thresholds becomes big.
    pub fn from_packed(block: Listpack<'static>, encoding: &Encoding) -> Option<Self> {
        if !packed::is_ordered(&block) || has_duplicates(block.iter().step_by(2)) {
            return None;
        }
        let fits = block.len() / 2 <= encoding.zset_max_listpack_entries
            && block.iter().step_by(2).all(|item| item.len() <= encoding.zset_max_listpack_value);
        let mut set = SortedSet(Body::Packed(Items::of_listpack(&block)));
        if !fits {
            set.make_big(encoding);
        }
        Some(set)
    }
}

impl<'a> SortedSet<'a> {
    /// The sorted set whose members and scores are `block`, which `items` of another one gave.
    #[inline]
    pub(crate) fn of_items(block: Items<'a>) -> Self {
        SortedSet(Body::Packed(block))
    }

    /// The same set; a small one is borrowed, a big one shared.
    #[inline]
    pub fn view(&self) -> SortedSet<'_> {
        SortedSet(match &self.0 {
            Body::Packed(block) => Body::Packed(block.view()),
            Body::Tree(big) => Body::Tree(Arc::clone(big)),
        })
    }

    /// The same set, owned.
    pub fn into_owned(self) -> SortedSet<'static> {
        SortedSet(match self.0 {
            Body::Packed(block) => Body::Packed(block.into_owned()),
            Body::Tree(big) => Body::Tree(big),
        })
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Body::Packed(block) => block.len() / 2,
            Body::Tree(big) => big.len(),
        }
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The score of `member`.
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.0 {
            Body::Packed(block) => packed::find(block, member).map(|(_, score)| score),
            Body::Tree(big) => big.score(member),
        }
    }

    /// Whether `member` is one.
    pub fn contains(&self, member: &[u8]) -> bool {
        self.score(member).is_some()
    }

    /// Adds a member or gives it another score, which is never NaN, and returns its old score.
    pub fn insert(&mut self, member: &[u8], score: f64, encoding: &Encoding) -> Option<f64> {
        assert!(!score.is_nan(), "commands refuse NaN");
        if let Body::Packed(block) = &self.0 {
            let old = packed::find(block, member);
            if let Some((_, same)) = old.filter(|(_, old)| *old == score) {
                return Some(same);
            }
            let fits = block.len() / 2 < encoding.zset_max_listpack_entries
                && member.len() <= encoding.zset_max_listpack_value
                && block.byte_len() + member.len() <= MAX_PACKED_BYTES;
            if old.is_none() && !fits {
                self.make_big(encoding);
            }
        }
        match &mut self.0 {
            Body::Packed(block) => packed::insert(block, member, score),
            Body::Tree(big) => Arc::make_mut(big).insert(member, score),
        }
    }

    /// Removes a member and returns its score.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        if !self.contains(member) {
            return None;
        }
        match &mut self.0 {
            Body::Packed(block) => {
                let (position, score) = packed::find(block, member)?;
                block.remove(position, 2);
                Some(score)
            }
            Body::Tree(big) => Arc::make_mut(big).remove(member),
        }
    }

    /// Removes the members of the ranks from `start` on, `count` at most; each goes to `visit`.
    pub fn remove_ranks(&mut self, start: usize, count: usize, mut visit: impl FnMut(Item<'_>, f64)) {
        let count = count.min(self.len().saturating_sub(start));
        if count == 0 {
            return;
        }
        self.iter_from_rank(start).take(count).for_each(|(member, score)| visit(member, score));
        match &mut self.0 {
            Body::Packed(block) => {
                let position = block.seek(2 * start).expect("the range was checked");
                block.remove(position, 2 * count);
            }
            Body::Tree(big) => Arc::make_mut(big).remove_ranks(start, count),
        }
    }

    /// How many members come before `member`.
    pub fn rank(&self, member: &[u8]) -> Option<usize> {
        match &self.0 {
            Body::Packed(block) => block.iter().step_by(2).position(|item| item.is(member)),
            Body::Tree(big) => big.rank(member),
        }
    }

    /// The rank of the first member whose score is within `min`: how many are below it.
    pub fn rank_of_first_score(&self, min: ScoreBound) -> usize {
        self.count_while(|(score, _)| min.is_above(score))
    }

    /// The rank after the last member whose score is within `max`: how many are not beyond it.
    pub fn rank_after_last_score(&self, max: ScoreBound) -> usize {
        self.count_while(|(score, _)| !max.is_below(score))
    }

    /// As `rank_of_first_score` by member, for sets whose scores are all equal.
    pub fn rank_of_first_lex(&self, min: LexBound<'_>) -> usize {
        self.count_while(|(_, member)| min.is_above(member))
    }

    /// As `rank_after_last_score` by member, for sets whose scores are all equal.
    pub fn rank_after_last_lex(&self, max: LexBound<'_>) -> usize {
        self.count_while(|(_, member)| !max.is_below(member))
    }

    /// How many leading members `before` holds for; it holds for none after the first it does
    /// not hold for.
    fn count_while(&self, before: impl Fn((f64, &[u8])) -> bool) -> usize {
        match &self.0 {
            Body::Packed(block) => packed::count_while(block, before),
            Body::Tree(big) => big.count_while(before),
        }
    }

    /// Members and scores in order, from `rank` to the last.
    pub fn iter_from_rank(&self, rank: usize) -> SortedSetIter<'_> {
        SortedSetIter::new(&self.0, rank)
    }

    /// Members and scores in reverse order, from `rank` to the first.
    pub fn iter_rev_from_rank(&self, rank: usize) -> SortedSetRevIter<'_> {
        SortedSetRevIter::new(&self.0, rank)
    }

    /// All members and scores in order.
    pub fn iter(&self) -> SortedSetIter<'_> {
        self.iter_from_rank(0)
    }

    /// A member chosen fairly, and its score.
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<(Item<'_>, f64)> {
        if self.is_empty() {
            return None;
        }
        match &self.0 {
            Body::Packed(_) => self.iter_from_rank(rng.usize(..self.len())).next(),
            Body::Tree(big) => big.random(rng),
        }
    }

    /// One step of ZSCAN, as `Table::scan`; a packed set is visited whole in one step.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Item<'_>, f64)) -> u64 {
        if let Body::Tree(big) = &self.0 {
            return big.scan(cursor, count, visit);
        }
        self.iter().for_each(|(member, score)| visit(member, score));
        0
    }

    /// Whether the sorted set is packed.
    pub fn is_packed(&self) -> bool {
        matches!(self.0, Body::Packed(_))
    }

    /// The listpack that a packed sorted set is in Redis, made for the caller.
    pub fn packed(&self) -> Option<Listpack<'static>> {
        self.items().map(Items::listpack)
    }

    /// The members and scores of a packed sorted set.
    #[inline]
    pub(crate) fn items(&self) -> Option<&Items<'_>> {
        match &self.0 {
            Body::Packed(block) => Some(block),
            Body::Tree(_) => None,
        }
    }

    /// How the elements fill the table's segments, if there is a table.
    pub fn fill(&self) -> Option<Fill> {
        match &self.0 {
            Body::Tree(big) => Some(big.fill()),
            Body::Packed(_) => None,
        }
    }

    /// What OBJECT ENCODING says.
    pub fn encoding_name(&self) -> &'static str {
        match &self.0 {
            Body::Packed(_) => "listpack",
            Body::Tree(_) => "skiplist",
        }
    }

    /// About how many allocations freeing the set gives back.
    pub fn block_count(&self) -> usize {
        match &self.0 {
            Body::Packed(_) => 1,
            Body::Tree(big) => big.block_count(),
        }
    }

    /// Bytes allocated beside the value itself.
    pub fn heap_size(&self) -> usize {
        match &self.0 {
            Body::Packed(block) => block.heap_size(),
            Body::Tree(big) => 16 + size_of::<BigSortedSet>() + big.heap_size(),
        }
    }

    fn make_big(&mut self, encoding: &Encoding) {
        let mut big = BigSortedSet::new(encoding);
        for (member, score) in self.iter() {
            big.insert(member.bytes(&mut itoa::Buffer::new()), score);
        }
        self.0 = Body::Tree(Arc::new(big));
    }
}
