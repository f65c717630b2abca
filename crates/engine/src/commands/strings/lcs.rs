//! LCS: the longest common subsequence of two strings, its length, or where it lies.
//!
//! By the textbook table of lengths of all pairs of prefixes, walked back from its end. The table
//! counts against `proto-max-bulk-len` before it is allocated.

use slipstream_resp::Reply;
use slipstream_resp::reply::Aggregate;

use crate::call::{Call, integer, is_word};
use crate::errors::CommandError;

#[derive(Default)]
struct Options {
    length_only: bool,
    indexes: bool,
    with_match_length: bool,
    min_match_length: usize,
}

impl Options {
    fn parse(call: &Call<'_>) -> Result<Options, CommandError> {
        let mut options = Options::default();
        let mut words = call.args.iter().skip(3);
        while let Some(word) = words.next() {
            if is_word(word, "IDX") {
                options.indexes = true;
            } else if is_word(word, "LEN") {
                options.length_only = true;
            } else if is_word(word, "WITHMATCHLEN") {
                options.with_match_length = true;
            } else if is_word(word, "MINMATCHLEN") && words.len() > 0 {
                let length = integer(words.next().expect("one is left"))?;
                options.min_match_length = usize::try_from(length.max(0)).unwrap_or(usize::MAX);
            } else {
                return Err(CommandError::SYNTAX);
            }
        }
        if options.length_only && options.indexes {
            return Err(CommandError::LCS_LEN_AND_IDX);
        }
        Ok(options)
    }
}

pub(super) fn lcs(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let a = text(call, &args[1]);
    let b = text(call, &args[2]);
    let (a, b) = (a?, b?);
    let options = Options::parse(call)?;
    let table = Table::new(&a, &b, call.core.config.proto_max_bulk_len)?;
    if options.indexes {
        reply_matches(call.reply, &table, &options);
    } else if options.length_only {
        call.reply.integer(table.length().into());
    } else {
        call.reply.bulk(&table.subsequence());
    }
    Ok(())
}

fn text(call: &mut Call<'_>, key: &[u8]) -> Result<Vec<u8>, CommandError> {
    let value = call.db.string(key);
    let found = !matches!(value, Ok(None));
    let text = match value {
        Ok(value) => Ok(value.map_or_else(Vec::new, |value| value.to_vec())),
        Err(_) => Err(CommandError::LCS_NOT_STRINGS),
    };
    call.count_lookup(key, found);
    text
}

fn reply_matches(reply: &mut Reply, table: &Table<'_>, options: &Options) {
    reply.map(2);
    reply.bulk(b"matches");
    let written: Result<(), std::convert::Infallible> = reply.deferred(Aggregate::Array, |reply| {
        let matches = table.matches();
        let shown = matches.iter().filter(|found| found.length >= options.min_match_length);
        Ok(shown.map(|found| found.write(reply, options.with_match_length)).count())
    });
    let Ok(()) = written;
    reply.bulk(b"len");
    reply.integer(table.length().into());
}

/// A run of bytes that both strings have, and where.
struct Match {
    a: usize,
    b: usize,
    length: usize,
}

impl Match {
    fn write(&self, reply: &mut Reply, with_length: bool) {
        reply.array(if with_length { 3 } else { 2 });
        for start in [self.a, self.b] {
            reply.array(2);
            reply.count(start);
            reply.count(start + self.length - 1);
        }
        if with_length {
            reply.count(self.length);
        }
    }
}

/// For each prefix of `a` and each of `b` the length of their longest common subsequence.
struct Table<'a> {
    a: &'a [u8],
    b: &'a [u8],
    lengths: Vec<u32>,
}

impl<'a> Table<'a> {
    fn new(a: &'a [u8], b: &'a [u8], limit: usize) -> Result<Self, CommandError> {
        const TOO_LONG: usize = (u32::MAX - 1) as usize;
        if a.len() >= TOO_LONG || b.len() >= TOO_LONG {
            return Err(CommandError::LCS_TOO_LONG);
        }
        let cells = (a.len() + 1).saturating_mul(b.len() + 1);
        if cells.saturating_mul(size_of::<u32>()) > limit {
            return Err(CommandError::LCS_EXCEEDS_LIMIT);
        }
        let mut lengths = Vec::new();
        lengths.try_reserve_exact(cells).map_err(|_| CommandError::LCS_NO_MEMORY)?;
        lengths.resize(cells, 0);
        let mut table = Table { a, b, lengths };
        table.fill();
        Ok(table)
    }

    fn fill(&mut self) {
        let width = self.b.len() + 1;
        for (row, byte) in self.a.iter().enumerate() {
            let (above, below) = self.lengths[row * width..].split_at_mut(width);
            for (column, other) in self.b.iter().enumerate() {
                below[column + 1] =
                    if byte == other { above[column] + 1 } else { above[column + 1].max(below[column]) };
            }
        }
    }

    fn at(&self, i: usize, j: usize) -> u32 {
        self.lengths[i * (self.b.len() + 1) + j]
    }

    fn length(&self) -> u32 {
        self.at(self.a.len(), self.b.len())
    }

    /// The positions of the bytes in common, from the last to the first.
    fn walk_back(&self) -> impl Iterator<Item = (usize, usize)> {
        let (mut i, mut j) = (self.a.len(), self.b.len());
        std::iter::from_fn(move || {
            while i > 0 && j > 0 {
                if self.a[i - 1] == self.b[j - 1] {
                    (i, j) = (i - 1, j - 1);
                    return Some((i, j));
                }
                if self.at(i - 1, j) > self.at(i, j - 1) {
                    i -= 1;
                } else {
                    j -= 1;
                }
            }
            None
        })
    }

    fn subsequence(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.walk_back().map(|(i, _)| self.a[i]).collect();
        bytes.reverse();
        bytes
    }

    /// Runs without a gap in either string, from the last to the first.
    fn matches(&self) -> Vec<Match> {
        let mut matches: Vec<Match> = Vec::new();
        for (i, j) in self.walk_back() {
            match matches.last_mut() {
                Some(last) if (last.a, last.b) == (i + 1, j + 1) => {
                    *last = Match { a: i, b: j, length: last.length + 1 };
                }
                _ => matches.push(Match { a: i, b: j, length: 1 }),
            }
        }
        matches
    }
}
