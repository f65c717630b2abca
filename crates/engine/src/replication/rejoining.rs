//! A node whose history has parted from its new primary's goes back to the fork.
//!
//! A primary that was cut off, or a replica that was ahead of the one that was promoted, has bytes behind the
//! fork that the new primary never had. If they changed no data (PING, SELECT, requests for acknowledgements,
//! messages), they are dropped, and the node continues at the fork as if it had never had them. If they hold
//! writes, those were never copied to the new primary: they are counted, told in the log and kept in a file for
//! the operator. The keys that they wrote are taken from the new primary one by one where that is cheaper than all
//! its data (`restoring.rs` goes on from there), and else the data is taken anew.

use std::collections::{BTreeSet, VecDeque};

use slipstream_keyspace::Keyspace;
use slipstream_log::{Offset, Slice};
use slipstream_replication::Level;
use slipstream_replication::link::{Key, Position, Rewound};
use slipstream_replication::replicas::Change;
use slipstream_resp::encode_request;

use super::restoring::Restored;
use super::tail::{Garbled, Most, Selected, Tail, TailReader};
use crate::apply::Stream;
use crate::host::Effect;
use crate::node::{Core, Node};

/// A longer tail is taken for one with writes, without a look at it.
const LONGEST_TAIL: u64 = 1 << 30;

/// So many bytes of a tail are looked at in one turn, and what is left of a block: others wait meanwhile.
const LOOK_BYTES: usize = 256 << 10;

/// A portion of the keys that are asked for has no more keys, and not much more than so many bytes: the primary
/// serves nobody else meanwhile.
const PORTION_KEYS: usize = 256;
const PORTION_BYTES: usize = 1 << 20;

/// Keys that take more than this in all, in bytes, are no less than a snapshot.
const MOST_BYTES: usize = 64 << 20;

/// Elements of a collection that are measured.
const SAMPLES: usize = 5;

/// So many keys are few, however small the data is.
const FEW_KEYS: usize = 1000;

/// Else no more than one in so many keys: each costs more on its own than in a snapshot.
const SHARE: usize = 10;

/// A look at what is behind a fork. It ends with the connection that asked for it.
#[derive(Debug)]
pub(super) struct Look {
    fork: Position,
    slices: VecDeque<Slice>,
    reader: TailReader,
}

/// What was behind a fork, for INFO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Divergence {
    /// The fork.
    pub(crate) offset: Offset,
    /// Bytes behind it.
    pub(crate) bytes: u64,
    /// Commands among them that change data; `None` if nobody has looked.
    pub(crate) writes: Option<u64>,
    /// The file that keeps them.
    pub(crate) file: Option<String>,
    /// What was taken from the new primary since.
    pub(crate) restored: Restored,
}

impl Divergence {
    fn new(offset: Offset, bytes: u64, writes: Option<u64>, file: Option<String>) -> Divergence {
        Divergence { offset, bytes, writes, file, restored: Restored::default() }
    }
}

impl Core {
    /// Goes back to the fork if what lies behind it changed no data; else says what it takes to be there. `None` if
    /// that is known in a later turn: see [`Core::go_on_looking`].
    pub(super) fn rewind(&mut self, keyspace: &Keyspace, fork: Position) -> Option<Rewound> {
        let bytes = self.log.end().0.checked_sub(fork.offset.0);
        let Some(bytes) = bytes else { return Some(Rewound::Refused) };
        let slices = self.log.slices_from(fork.offset).filter(|_| bytes <= LONGEST_TAIL);
        let Some(slices) = slices.map(Iterator::collect) else {
            return Some(self.refuse_unseen(fork.offset));
        };
        let at_fork = self.propagation.selected_at(fork.offset);
        let selected = Selected { at_fork, at_end: self.stream_database() };
        let most = Most { keys: self.most_restored(keyspace), kept: self.config.replica_keep_divergent_tail };
        self.replication.look = Some(Look { fork, slices, reader: TailReader::new(selected, most) });
        self.go_on_looking(keyspace)
    }

    /// Looks at the next bytes behind the fork, so many as take no long; what is found when it has come to the end.
    pub(super) fn go_on_looking(&mut self, keyspace: &Keyspace) -> Option<Rewound> {
        let Look { fork, mut slices, mut reader } = self.replication.look.take()?;
        let mut left = LOOK_BYTES;
        while left > 0
            && let Some(slice) = slices.pop_front()
        {
            left = left.saturating_sub(slice.len());
            if reader.push(&self.table, &slice).is_err() {
                return Some(self.refuse_unseen(fork.offset));
            }
        }
        if !slices.is_empty() {
            self.replication.look = Some(Look { fork, slices, reader });
            return None;
        }
        Some(match reader.finish() {
            Ok(tail) => self.rewind_behind(keyspace, fork, tail),
            Err(Garbled) => self.refuse_unseen(fork.offset),
        })
    }

    fn refuse_unseen(&mut self, to: Offset) -> Rewound {
        let bytes = self.log.end().since(to);
        self.tell_divergence(Divergence::new(to, bytes, None, None), false);
        Rewound::Refused
    }

    fn rewind_behind(&mut self, keyspace: &Keyspace, fork: Position, mut tail: Tail) -> Rewound {
        let to = fork.offset;
        let bytes = self.log.end().since(to);
        if tail.writes == 0 && !self.has_stale_keys() {
            return self.drop_tail(fork, tail.database);
        }
        let portions = self.portions(keyspace, tail.keys.take());
        let portions = portions.filter(|_| tail.database.is_some());
        if tail.writes > 0 {
            let file = self.keep_tail(to, tail.kept);
            let divergence = Divergence::new(to, bytes, Some(tail.writes), file);
            self.tell_divergence(divergence, portions.is_some());
        }
        match (portions, tail.database) {
            (Some(portions), Some(database)) => {
                self.replication.restoring.plan(database);
                Rewound::Needs(portions)
            }
            _ => Rewound::Refused,
        }
    }

    fn drop_tail(&mut self, fork: Position, database: Option<usize>) -> Rewound {
        let bytes = self.log.end().since(fork.offset);
        if !self.go_back(fork, database) {
            return Rewound::Refused;
        }
        let to = fork.offset;
        let text =
            format!("The {bytes} bytes behind offset {to} change no data and are dropped: continuing there");
        self.notice(Level::Notice, &text);
        Rewound::There
    }

    /// Goes back to the fork, where the stream goes on in this database.
    pub(super) fn go_back(&mut self, fork: Position, database: Option<usize>) -> bool {
        // Who follows this node may be further on than the fork: it asks again, and goes back there itself.
        let is_held = self.log.slices_from(fork.offset).is_some();
        self.change_history(if is_held { Change::Rewound(fork.offset) } else { Change::Replaced });
        let is_there = self.log.rewind(&fork.id, fork.offset);
        if is_there {
            self.propagation.rewind(fork.offset);
            self.replication.stream = Stream::starting_in(database.unwrap_or(self.stream_database()));
        }
        is_there
    }

    /// No more keys than this are taken one by one.
    pub(super) fn most_restored(&self, keyspace: &Keyspace) -> usize {
        let all: usize = (0..keyspace.databases()).map(|db| keyspace.db(db).len()).sum();
        let limit = usize::try_from(self.config.replica_restore_max_keys).unwrap_or(usize::MAX);
        limit.min(FEW_KEYS.max(all / SHARE))
    }

    /// The keys that a tail wrote and those that are stale anyway, as they are asked for; `None` if that is too much.
    fn portions(&self, keyspace: &Keyspace, written: Option<BTreeSet<Key>>) -> Option<Vec<Vec<Key>>> {
        let mut keys = written?;
        keys.extend(self.replication.restoring.stale());
        if keys.len() > self.most_restored(keyspace) {
            return None;
        }
        let (mut portions, mut portion, mut all, mut size) = (Vec::new(), Vec::new(), 0, 0);
        for key in keys {
            let database = (key.db < keyspace.databases()).then(|| keyspace.db(key.db))?;
            let bytes = database.memory_usage(&key.name, SAMPLES).unwrap_or(0) + key.name.len();
            (all, size) = (all + bytes, size + bytes);
            portion.push(key);
            if portion.len() == PORTION_KEYS || size >= PORTION_BYTES {
                portions.push(std::mem::take(&mut portion));
                size = 0;
            }
        }
        portions.extend(Some(portion).filter(|portion| !portion.is_empty()));
        (all <= MOST_BYTES).then_some(portions)
    }

    fn tell_divergence(&mut self, divergence: Divergence, is_restored: bool) {
        let Divergence { offset, bytes, writes, file, .. } = &divergence;
        if self.replication.divergence.as_ref() != Some(&divergence) {
            let writes =
                writes.map_or_else(|| "an unknown number of".to_owned(), |writes| writes.to_string());
            let kept = match file {
                Some(file) => format!("they are kept in {file}"),
                None => "they are not kept (replica-keep-divergent-tail)".to_owned(),
            };
            let taken = if is_restored { "Their keys are taken" } else { "The data is taken anew" };
            let text = format!(
                "This node has {writes} commands that its new primary never had, {bytes} bytes behind offset \
                 {offset}; {kept}. {taken} from the primary."
            );
            self.notice(Level::Warning, &text);
        }
        self.replication.divergence = Some(divergence);
    }

    /// Has the commands written to a file; its name, if they may be kept.
    fn keep_tail(&mut self, fork: Offset, kept: Option<Vec<u8>>) -> Option<String> {
        let name = format!("divergence-{}-{fork}.aof", self.log.history().id);
        let known = self.replication.divergence.as_ref().is_some_and(|last| {
            last.file.as_deref() == Some(&name) && last.bytes == self.log.end().since(fork)
        });
        if known {
            return Some(name);
        }
        let kept = kept?;
        let mut content = Vec::with_capacity(kept.len() + 64);
        match self.propagation.selected_at(fork) {
            Some(db) => {
                let number = db.to_string();
                encode_request(&mut content, [b"SELECT".as_slice(), number.as_bytes()].into_iter());
            }
            None => content.extend(b"#The database before the first SELECT is not known.\r\n"),
        }
        content.extend(kept);
        self.effects.push(Effect::KeepFile { name: name.clone(), content });
        Some(name)
    }
}

impl Node {
    /// The shell kept a file, or could not.
    pub fn kept_file(&mut self, result: Result<(), String>) {
        if let Err(reason) = result {
            self.core.notice(Level::Warning, &format!("The commands behind the fork are not kept: {reason}"));
            if let Some(divergence) = &mut self.core.replication.divergence {
                divergence.file = None;
            }
        }
    }
}
