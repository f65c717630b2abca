//! What a primary says of its own history, before it is asked to continue ours.
//!
//! A node that was a primary, or was ahead of the replica that took the primary's place, has bytes behind the
//! fork that the new primary never had: asked to continue from there, it could only refuse. INFO replication
//! tells where the fork is, whoever the primary is. One that does not tell is no failure: nothing is known then.

use slipstream_log::{Offset, ReplicationId};

use super::action::Position;

/// A primary's history, in its own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Upstream {
    pub(super) id: ReplicationId,
    /// The end of its log, if it says so.
    pub(super) end: Option<Offset>,
    /// Whether its data is that of the end of its log.
    pub(super) standing: Data,
    /// The histories before it, and up to where each is the same. The first of them is that of any server.
    forks: [Option<(ReplicationId, Offset)>; MOST_FORKS],
}

/// More than that are not looked at.
const MOST_FORKS: usize = 9;

/// A history of this node's that a primary's goes on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parent {
    /// The primary's.
    pub(super) child: ReplicationId,
    pub(super) id: ReplicationId,
    pub(super) fork: Offset,
}

/// Whether a node's data is that of the end of its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Data {
    /// It is the primary's.
    Own,
    /// It is a replica's, which hides what is due and not yet deleted.
    Copied,
    /// It is that of a replica without a link.
    Doubtful,
}

impl Upstream {
    /// Reads the text of INFO replication.
    pub(super) fn parse(info: &[u8]) -> Option<Upstream> {
        let info = std::str::from_utf8(info).ok()?;
        let field = |name: &str| {
            let mut values = info.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            values.next().map(str::trim_end)
        };
        let id = ReplicationId::parse(field("master_replid")?.as_bytes())?;
        let before = field("master_replid2").and_then(|id| ReplicationId::parse(id.as_bytes()));
        let next_byte = field("second_repl_offset").and_then(|offset| offset.parse::<i64>().ok());
        let fork = next_byte.and_then(Offset::from_next_byte);
        let end = field("master_repl_offset").and_then(|offset| offset.parse().ok()).map(Offset);
        let standing = match (field("role"), field("master_link_status")) {
            (Some("master"), _) => Data::Own,
            (_, Some("up")) => Data::Copied,
            _ => Data::Doubtful,
        };
        let mut known =
            before.zip(fork).into_iter().chain(field("earlier_replids").into_iter().flat_map(parse_forks));
        Some(Upstream { id, end, standing, forks: std::array::from_fn(|_| known.next()) })
    }

    /// Where a node that stands at `position` has to go back to, so that this primary may continue it; `None` if
    /// it need not, or cannot. `earlier` is where the node left the history before its own: a node that was
    /// promoted and wrote nothing, as by mistake, has its place there still.
    pub(super) fn fork_behind(&self, position: &Position, earlier: Option<&Position>) -> Option<Position> {
        match self.end_of(&position.id) {
            Some(fork) => (fork < position.offset).then_some(Position { offset: fork, ..*position }),
            None => {
                let earlier = earlier?;
                let fork = self.end_of(&earlier.id)?.min(earlier.offset);
                Some(Position { offset: fork, ..*earlier })
            }
        }
    }

    /// The history at `position`, with where it became this primary's, which has all of it.
    pub(super) fn parent(&self, position: &Position) -> Option<Parent> {
        let mut forks = self.forks.iter().flatten();
        let (id, fork) = *forks.find(|(id, fork)| *id == position.id && *fork >= position.offset)?;
        Some(Parent { child: self.id, id, fork })
    }

    /// Whether this is its history.
    pub(super) fn is(&self, id: &ReplicationId) -> bool {
        self.id == *id
    }

    /// Whether it knows any of these histories.
    pub(super) fn knows_any<'a>(&self, mut positions: impl Iterator<Item = &'a Position>) -> bool {
        positions.any(|position| self.end_of(&position.id).is_some())
    }

    /// Whether this primary can continue the stream at `position`, as far as its log is held.
    pub(super) fn continues(&self, position: &Position) -> bool {
        self.end_of(&position.id).is_some_and(|end| position.offset <= end)
    }

    /// How far this primary's history agrees with another, if it knows that.
    fn end_of(&self, id: &ReplicationId) -> Option<Offset> {
        if self.id == *id {
            return Some(Offset(u64::MAX));
        }
        self.forks.iter().flatten().find(|(known, _)| known == id).map(|(_, fork)| *fork)
    }
}

/// `id=next byte` of each, as `master_replid2` and `second_repl_offset` are.
fn parse_forks(text: &str) -> impl Iterator<Item = (ReplicationId, Offset)> {
    text.split(',').filter_map(|fork| {
        let (id, next_byte) = fork.split_once('=')?;
        let id = ReplicationId::parse(id.as_bytes())?;
        Some((id, Offset::from_next_byte(next_byte.parse().ok()?)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "8de1787ba490483314a4d30f1c628bc5025eb761";
    const NEW: &str = "04a5f75d0a8e5dd8a1cdd2f9e6b1c3a79b3a0c11";
    const OTHER: &str = "b0a5f75d0a8e5dd8a1cdd2f9e6b1c3a79b3a0c11";

    fn info(second_offset: &str) -> String {
        format!(
            "# Replication\r\nrole:master\r\nmaster_replid:{NEW}\r\nmaster_replid2:{OLD}\r\n\
             master_repl_offset:500\r\nsecond_repl_offset:{second_offset}\r\n"
        )
    }

    fn position(id: &str, offset: u64) -> Position {
        Position { id: ReplicationId::parse(id.as_bytes()).unwrap(), offset: Offset(offset) }
    }

    #[test]
    fn the_fork_lies_where_the_primary_says() {
        let upstream = Upstream::parse(info("101").as_bytes()).unwrap();
        let check = |at: Position, expected| assert_eq!(upstream.fork_behind(&at, None), expected, "{at:?}");
        check(position(OLD, 150), Some(position(OLD, 100)));
        check(position(OLD, 100), None);
        check(position(OLD, 50), None);
        check(position(NEW, 900), None);
        check(position(OTHER, 150), None);
        let never_promoted = Upstream::parse(info("-1").as_bytes()).unwrap();
        assert_eq!(never_promoted.fork_behind(&position(OLD, 150), None), None);
        assert_eq!(Upstream::parse(b"# Replication\r\nrole:master\r\n"), None);
    }

    #[test]
    fn a_node_of_ours_tells_the_forks_before_the_last_one_too() {
        let text = info("101") + &format!("earlier_replids:{OTHER}=81,?=9,{}=61\r\n", "c".repeat(40));
        let upstream = Upstream::parse(text.as_bytes()).unwrap();
        let check = |at: Position, expected| assert_eq!(upstream.fork_behind(&at, None), expected, "{at:?}");
        check(position(OLD, 150), Some(position(OLD, 100)));
        check(position(OTHER, 150), Some(position(OTHER, 80)));
        check(position(OTHER, 80), None);
        check(position(&"c".repeat(40), 61), Some(position(&"c".repeat(40), 60)));
        assert!(upstream.continues(&position(OTHER, 80)) && !upstream.continues(&position(OTHER, 81)));
    }

    #[test]
    fn a_replica_is_current_while_it_has_a_link() {
        let check = |role: &str, standing: Data| {
            let text = info("101").replace("role:master", role);
            let upstream = Upstream::parse(text.as_bytes()).unwrap();
            assert_eq!((upstream.end, upstream.standing), (Some(Offset(500)), standing), "{role}");
        };
        check("role:master", Data::Own);
        check("role:slave\r\nmaster_link_status:up", Data::Copied);
        check("role:slave\r\nmaster_link_status:down", Data::Doubtful);
    }

    #[test]
    fn a_node_with_a_history_of_its_own_may_go_back_to_where_it_began() {
        let upstream = Upstream::parse(info("101").as_bytes()).unwrap();
        let check = |earlier: Position, expected| {
            let fork = upstream.fork_behind(&position(OTHER, 150), Some(&earlier));
            assert_eq!(fork, expected, "{earlier:?}");
        };
        check(position(NEW, 140), Some(position(NEW, 140)));
        check(position(NEW, 150), Some(position(NEW, 150)));
        check(position(OLD, 90), Some(position(OLD, 90)));
        check(position(OLD, 140), Some(position(OLD, 100)));
    }
}
