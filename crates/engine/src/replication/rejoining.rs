//! A node whose history has parted from its new primary's goes back to the fork.
//!
//! A primary that was cut off, or a replica that was ahead of the one that was promoted, has bytes behind the
//! fork that the new primary never had. If they changed no data (PING, SELECT, requests for acknowledgements,
//! messages), they are dropped, and the node continues at the fork as if it had never had them. If they hold
//! writes, those were never copied to the new primary: they are counted, told in the log, kept in a file for
//! the operator, and the data is taken anew from the primary.

use slipstream_log::Offset;
use slipstream_replication::Level;
use slipstream_replication::link::Position;
use slipstream_resp::{Limits, Progress, RequestDecoder, encode_request};

use crate::host::Effect;
use crate::node::{Core, Node};

/// A longer tail is taken for one with writes, without a look at it.
const LONGEST_TAIL: u64 = 1 << 30;

/// What a primary wrote itself, or had from one: no limit of a client.
const LIMITS: Limits = Limits { max_bulk: 4 << 30, max_args: 1 << 30, authenticated: true };

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
}

/// The commands behind a fork.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tail {
    /// Those that change data, and what they need around them.
    kept: Vec<u8>,
    writes: u64,
}

impl Core {
    /// Goes back to the fork if what lies behind it changed no data; else keeps it, and the data stays as it is.
    pub(super) fn rewind(&mut self, fork: Position) -> bool {
        let to = fork.offset;
        if to > self.log.end() {
            return false;
        }
        let bytes = self.log.end().since(to);
        let Some(tail) = self.tail_behind(to) else {
            self.tell_divergence(Divergence { offset: to, bytes, writes: None, file: None });
            return false;
        };
        if tail.writes > 0 {
            let file = self.keep_tail(to, tail.kept);
            self.tell_divergence(Divergence { offset: to, bytes, writes: Some(tail.writes), file });
            return false;
        }
        // Who follows this node may be further on than the fork: it comes again and asks.
        self.disconnect_replicas();
        let is_there = self.log.rewind(&fork.id, to);
        if is_there {
            self.notice(
                Level::Notice,
                &format!(
                    "The {bytes} bytes behind offset {to} change no data and are dropped: continuing there"
                ),
            );
        }
        is_there
    }

    /// What is behind the fork; `None` if it is not all held or too long to be looked at.
    fn tail_behind(&self, fork: Offset) -> Option<Tail> {
        if self.log.end().since(fork) > LONGEST_TAIL {
            return None;
        }
        let slices: Vec<_> = self.log.slices_from(fork)?.collect();
        let bytes = slices.iter().flat_map(|slice| slice.iter().copied()).collect::<Vec<u8>>();
        read_tail(&bytes)
    }

    fn tell_divergence(&mut self, divergence: Divergence) {
        let Divergence { offset, bytes, writes, file } = &divergence;
        if self.replication.divergence.as_ref() != Some(&divergence) {
            let writes =
                writes.map_or_else(|| "an unknown number of".to_owned(), |writes| writes.to_string());
            let kept = match file {
                Some(file) => format!("they are kept in {file}"),
                None => "they are not kept (replica-keep-divergent-tail)".to_owned(),
            };
            let text = format!(
                "This node has {writes} commands that its new primary never had, {bytes} bytes behind offset \
                 {offset}; {kept}. The data is taken anew from the primary."
            );
            self.notice(Level::Warning, &text);
        }
        self.replication.divergence = Some(divergence);
    }

    /// Has the commands written to a file; its name, if they may be kept.
    fn keep_tail(&mut self, fork: Offset, kept: Vec<u8>) -> Option<String> {
        let name = format!("divergence-{}-{fork}.aof", self.log.history().id);
        let known = self.replication.divergence.as_ref().is_some_and(|last| {
            last.file.as_deref() == Some(&name) && last.bytes == self.log.end().since(fork)
        });
        if known {
            return Some(name);
        }
        if kept.len() as u64 > self.config.replica_keep_divergent_tail {
            return None;
        }
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

/// Reads the commands of a tail; `None` if these are no whole commands.
fn read_tail(mut bytes: &[u8]) -> Option<Tail> {
    let mut decoder = RequestDecoder::default();
    let mut tail = Tail::default();
    while !bytes.is_empty() {
        let Ok(Progress::Complete { consumed }) = decoder.decode(bytes, &LIMITS) else { return None };
        let args = decoder.args(bytes);
        let name = args.iter().next().unwrap_or_default().to_ascii_lowercase();
        match name.as_slice() {
            b"" | b"ping" | b"replconf" | b"publish" | b"spublish" => {}
            b"select" | b"multi" | b"exec" => tail.kept.extend_from_slice(&bytes[..consumed]),
            _ => {
                tail.kept.extend_from_slice(&bytes[..consumed]);
                tail.writes += 1;
            }
        }
        bytes = &bytes[consumed..];
    }
    Some(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(lines: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in lines {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            encode_request(&mut bytes, words.into_iter());
        }
        bytes
    }

    #[test]
    fn only_what_changes_data_is_a_write() {
        let check = |lines: &[&str], writes: u64, kept: &[&str]| {
            let expected = Tail { kept: requests(kept), writes };
            assert_eq!(read_tail(&requests(lines)), Some(expected), "{lines:?}");
        };
        check(&[], 0, &[]);
        check(&["ping", "REPLCONF GETACK *", "PUBLISH __sentinel__:hello x", "SPUBLISH c m"], 0, &[]);
        check(&["SELECT 3", "ping"], 0, &["SELECT 3"]);
        check(&["SELECT 3", "SET k v", "ping", "DEL k"], 2, &["SELECT 3", "SET k v", "DEL k"]);
        check(&["MULTI", "SET k v", "EXEC"], 1, &["MULTI", "SET k v", "EXEC"]);
    }

    #[test]
    fn half_a_command_is_not_taken_for_a_tail() {
        let bytes = requests(&["SET k v"]);
        assert_eq!(read_tail(&bytes[..bytes.len() - 1]), None);
        assert_eq!(read_tail(b"*1\r\n$x\r\n"), None);
    }
}
