//! Requests that came together: their keys are read ahead of the first one's turn.
//!
//! A look-up in a big database waits for memory several times. What the look-ups of the next
//! requests wait for is fetched for all of them at a time
//! ([`Database::prefetch`](slipstream_keyspace::Database::prefetch)); then they run one after the
//! other as if nothing had been done. It is a guess at what they will need: a request may be
//! refused, or mean another database than the one that is selected now.
//! To find the keys the requests are decoded, and that is kept for their turn.
//! Invariant: nothing is answered, counted, changed or refused here.

use slipstream_keyspace::{Batch, Database};
use slipstream_resp::{Args, DecodedRequests, Limits, Progress, RequestDecoder};

use crate::command::{BeginSearch, FindKeys, KeySpec};
use crate::table::CommandTable;

/// Fewer keys stay in the processor's caches by themselves.
const WORTHWHILE_KEYS: usize = 20_000;
/// The most keys of one request that are read ahead.
const MOST_KEYS: usize = 256;
/// Requests with fewer arguments have one key as a rule.
const MANY_ARGS: usize = 4;

/// What becomes of the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Whatever the commands of a client do.
    Any,
    /// They are written, and many may be new.
    Write,
}

/// What came together.
pub(crate) struct Received<'a> {
    /// All of it, and where in it the first request begins that was not looked at yet.
    pub(crate) bytes: &'a [u8],
    pub(crate) from: usize,
    /// That request and how many bytes it takes.
    pub(crate) first: (Args<'a>, usize),
    /// What holds for all of them: commands that change it have no keys.
    pub(crate) limits: &'a Limits,
}

/// What reading ahead needs; nothing of it outlives a call but allocated memory.
#[derive(Debug, Default)]
pub(crate) struct LookAhead {
    decoder: RequestDecoder,
    batch: Batch,
}

impl LookAhead {
    /// Reads ahead the keys of the whole requests that were received, as far as a batch goes, and adds all but the
    /// first to `decoded`; returns up to where it has taken notice of what was received.
    pub(crate) fn read(
        &mut self,
        (database, what_for): (&Database, Use),
        table: &CommandTable,
        received: &Received<'_>,
        decoded: &mut DecodedRequests,
    ) -> usize {
        let Received { bytes, from, first: (args, length), limits } = *received;
        let is_alone = from + length == bytes.len() && args.len() < MANY_ARGS;
        if is_alone || database.len() < WORTHWHILE_KEYS {
            return bytes.len();
        }
        self.batch.clear();
        decoded.clear();
        let (mut noticed, mut args, mut keys) = (from + length, args, 0);
        loop {
            let specs = keys_of(table, args);
            for spec in specs {
                keys += expect(database, &mut self.batch, spec, args);
            }
            // What has no keys may be SELECT: what comes behind is looked at when it has run.
            if specs.is_empty() || keys >= Batch::CAPACITY {
                break;
            }
            let Ok(Progress::Complete { consumed }) = self.decoder.decode(&bytes[noticed..], limits) else {
                self.decoder.restart();
                noticed = bytes.len();
                break;
            };
            if !decoded.keep(&self.decoder, noticed, consumed) {
                // It may have grown for a request of millions of arguments.
                self.decoder = RequestDecoder::default();
                break;
            }
            args = self.decoder.args(&bytes[noticed..]);
            noticed += consumed;
        }
        if self.batch.len() > 1 {
            match what_for {
                Use::Any => database.prefetch(&self.batch),
                Use::Write => database.prefetch_writes(&self.batch),
            }
        }
        noticed
    }
}

fn keys_of(table: &CommandTable, args: Args<'_>) -> &'static [KeySpec] {
    args.get(0).and_then(|name| table.find(name)).map_or(&[], |entry| entry.command.keys)
}

/// Adds the keys that `spec` finds, if it says where they are; returns how many there are.
fn expect(database: &Database, batch: &mut Batch, spec: &KeySpec, args: Args<'_>) -> usize {
    let Some((first, end, step)) = places(spec, args) else { return 0 };
    let keys = args.from(first);
    let keys = keys.iter().take(end.saturating_sub(first)).step_by(step).take(MOST_KEYS);
    let count = keys.len();
    for key in keys {
        if batch.is_full() {
            database.prefetch(batch);
            batch.clear();
        }
        database.expect(key, batch);
    }
    count
}

/// Where the first key stands, where the keys end, and at what distance they follow.
fn places(spec: &KeySpec, args: Args<'_>) -> Option<(usize, usize, usize)> {
    let BeginSearch::Index(begin) = spec.begin else { return None };
    match spec.find {
        FindKeys::Range { last, step, limit: 0 } => {
            let behind = usize::try_from(last.unsigned_abs()).expect("the table's numbers are small");
            let end = if last < 0 { (args.len() + 1).saturating_sub(behind) } else { begin + behind + 1 };
            Some((begin, end, usize::try_from(step).unwrap_or(1).max(1)))
        }
        FindKeys::Count { count_at, first, step } => {
            // More than a digit is more than is worth it.
            let &[digit @ b'1'..=b'9'] = args.get(begin + count_at)? else { return None };
            let (first, count) = (begin + first, usize::from(digit - b'0'));
            (first < args.len()).then_some((first, first + count * step, step))
        }
        FindKeys::Range { .. } | FindKeys::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use slipstream_resp::OwnedRequest;

    use super::*;
    use crate::command::READ_KEY;

    #[track_caller]
    fn check(spec: &KeySpec, words: &[&str], expected: &[&str]) {
        let request = OwnedRequest::from_parts(words);
        let found: Vec<&[u8]> = match places(spec, request.args()) {
            Some((first, end, step)) => {
                let args = request.args().from(first);
                args.iter().take(end.saturating_sub(first)).step_by(step).collect()
            }
            None => Vec::new(),
        };
        let expected: Vec<&[u8]> = expected.iter().map(|word| word.as_bytes()).collect();
        assert_eq!(found, expected, "{words:?}");
    }

    #[test]
    fn keys_are_where_their_specification_says() {
        check(&READ_KEY[0], &["GET", "a"], &["a"]);
        check(&READ_KEY[0], &["GET"], &[]);
        check(&KeySpec::range(1, -1, &[]), &["MGET", "a", "b"], &["a", "b"]);
        check(&KeySpec::stepped(1, 2, &[]), &["MSET", "a", "1", "b", "2"], &["a", "b"]);
        let counted = KeySpec::counted(2, &[]);
        check(&counted, &["EVAL", "code", "2", "a", "b", "c"], &["a", "b"]);
        check(&counted, &["EVAL", "code", "9", "a"], &["a"]);
        for count in ["0", "x", "-1", "10", ""] {
            check(&counted, &["EVAL", "code", count, "a"], &[]);
        }
        check(&counted, &["EVAL", "code", "1"], &[]);
        check(&counted, &["EVAL", "code"], &[]);
    }
}
