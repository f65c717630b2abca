//! What a primary's lines mean: its answer to PSYNC, and the head of a snapshot.
//!
//! ```text
//! +FULLRESYNC <id> <offset>          a snapshot follows; it holds everything up to the offset
//! +DUALCHANNELSYNC                   a snapshot is to be fetched over another connection, as in Valkey
//! +RDBCHANNELSYNC <client>           the same, as in Redis 8
//! +CONTINUE [<id>]                   the stream follows, perhaps under a new id
//! +HISTORY                           ask again, from the introduction on
//! -NOMASTERLINK … | -LOADING …       not now, and so -MASTERDOWN and -BUSY
//! any other                          it does not know PSYNC
//!
//! $<length>                          a snapshot of so many bytes, then the stream
//! $EOF:<40 characters>               a snapshot that ends with these characters
//! -…                                 the snapshot failed
//! ```

use slipstream_log::{Offset, ReplicationId};

use super::action::Violation;
use super::pairing::Way;
use crate::{Mark, wire};

/// The answer to PSYNC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    FullSync { id: ReplicationId, offset: Offset },
    Continue { id: Option<ReplicationId> },
    TwoLinks(Way),
    AskAgain,
    NotNow,
    Unsupported,
}

impl Decision {
    pub(super) fn parse(line: &str) -> Result<Decision, Violation> {
        let mut words = line.split_ascii_whitespace();
        Ok(match words.next().unwrap_or_default() {
            "+FULLRESYNC" => {
                let id = words.next().and_then(|word| ReplicationId::parse(word.as_bytes()));
                let offset = words.next().and_then(|word| word.parse::<u64>().ok());
                // An offset is a signed number everywhere else; more would overflow as the stream flows.
                let offset = offset.filter(|offset| i64::try_from(*offset).is_ok()).map(Offset);
                let (Some(id), Some(offset)) = (id, offset) else { return Err(Violation::BadFullResync) };
                Decision::FullSync { id, offset }
            }
            "+CONTINUE" => {
                Decision::Continue { id: words.next().and_then(|word| ReplicationId::parse(word.as_bytes())) }
            }
            wire::ASK_AGAIN => Decision::AskAgain,
            "+DUALCHANNELSYNC" => Decision::TwoLinks(Way::Valkey),
            "+RDBCHANNELSYNC" => {
                let main = words.next().and_then(|word| word.parse().ok()).ok_or(Violation::BadFullResync)?;
                Decision::TwoLinks(Way::Redis { main })
            }
            // The last two are refusals of any command, before PSYNC is looked at.
            "-NOMASTERLINK" | "-LOADING" | "-MASTERDOWN" | "-BUSY" => Decision::NotNow,
            _ => Decision::Unsupported,
        })
    }
}

/// How a snapshot is delimited, read from its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    Length(u64),
    Marked(Mark),
}

impl Head {
    pub(super) fn parse(line: &str) -> Result<Head, Violation> {
        if let Some(error) = line.strip_prefix('-') {
            return Err(Violation::SnapshotAborted(error.to_owned()));
        }
        let parsed = line.strip_prefix('$').and_then(|head| match head.strip_prefix("EOF:") {
            Some(mark) => Mark::parse(mark.as_bytes()).map(Head::Marked),
            None => head.parse().ok().map(Head::Length),
        });
        parsed.ok_or_else(|| Violation::BadHead(line.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "8de1787ba490483314a4d30f1c628bc5025eb761";

    #[test]
    fn the_answer_to_psync() {
        let check = |line: &str, expected| assert_eq!(Decision::parse(line), expected, "{line}");
        let id = ReplicationId::parse(ID.as_bytes()).unwrap();
        check(&format!("+FULLRESYNC {ID} 0"), Ok(Decision::FullSync { id, offset: Offset(0) }));
        check(&format!("+FULLRESYNC {ID} 77"), Ok(Decision::FullSync { id, offset: Offset(77) }));
        check(&format!("+FULLRESYNC {ID}"), Err(Violation::BadFullResync));
        check(&format!("+FULLRESYNC {ID} -1"), Err(Violation::BadFullResync));
        check(&format!("+FULLRESYNC {ID} {}", u64::MAX), Err(Violation::BadFullResync));
        check("+FULLRESYNC abc 1", Err(Violation::BadFullResync));
        check(&format!("+CONTINUE {ID}"), Ok(Decision::Continue { id: Some(id) }));
        check("+CONTINUE", Ok(Decision::Continue { id: None }));
        check("-NOMASTERLINK Can't SYNC while not connected with my master", Ok(Decision::NotNow));
        check("-MASTERDOWN Link with MASTER is down", Ok(Decision::NotNow));
        check("-BUSY Redis is busy running a script.", Ok(Decision::NotNow));
        check("-LOADING Redis is loading the dataset in memory", Ok(Decision::NotNow));
        check("-ERR unknown command 'PSYNC'", Ok(Decision::Unsupported));
        check("+HISTORY", Ok(Decision::AskAgain));
        check("+DUALCHANNELSYNC", Ok(Decision::TwoLinks(Way::Valkey)));
        check("+RDBCHANNELSYNC 17", Ok(Decision::TwoLinks(Way::Redis { main: 17 })));
        check("+RDBCHANNELSYNC", Err(Violation::BadFullResync));
    }

    #[test]
    fn the_head_of_a_snapshot() {
        let check = |line: &str, expected| assert_eq!(Head::parse(line), expected, "{line}");
        let bad = |line: &str| Err(Violation::BadHead(line.to_owned()));
        check("$0", Ok(Head::Length(0)));
        check("$176", Ok(Head::Length(176)));
        check(&format!("$EOF:{ID}"), Ok(Head::Marked(Mark::parse(ID.as_bytes()).unwrap())));
        check("$EOF:short", bad("$EOF:short"));
        check("$-1", bad("$-1"));
        check("*1", bad("*1"));
        let failed = "ERR BGSAVE failed, replication can't continue";
        check(&format!("-{failed}"), Err(Violation::SnapshotAborted(failed.to_owned())));
    }
}
