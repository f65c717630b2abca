//! The state file: what a node remembers across a restart besides its data.
//!
//! A snapshot says what the data was when it was taken; this says what became of the node since: whose history
//! it had, how far that went, and which replicas had a copy. It is text, so that whoever has to decide after an
//! accident can read it:
//!
//! ```text
//! slipstream-state 1                         the format
//! role primary                               or `role replica <port> <host>`
//! history <id> <offset>                      whose log it had, and its end; missing while it kept none
//! previous <id> <offset>                     the history before, and the fork
//! keys <count>                               in all databases
//! replica <offset> <port> <host>             a replica whose stream flowed; one line for each
//! refused <id> <reason>                      a history whose data it would not have, and why
//! waiting <milliseconds since 1970>          when it first started without what its replicas have
//! promised <count>                           writes were answered when so many replicas had them, and not this disk
//! watched                                    sentinels of this project watched it
//! ended                                      it ended in order: nothing was answered behind the end
//! sum <16 hexadecimal digits>                CRC-64 of all before this line
//! ```
//!
//! A reader passes over lines that it does not know, so that later versions may add some; the format's number
//! changes only when old lines change their meaning. Never reads or writes the file itself.

use std::fmt::{self, Write};

use slipstream_log::{Offset, ReplicationId};
use slipstream_rdb::crc64;
use slipstream_replication::link::{Endpoint, Position};

/// The first word of the file.
const NAME: &str = "slipstream-state";
/// The format that is written, and the only one that is read.
const FORMAT: u32 = 1;
/// A longer file is none of this kind, in bytes.
pub const MAX_STATE_LEN: u64 = 1 << 20;

/// What a node was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeState {
    /// The primary that it followed, if it did.
    pub(crate) primary: Option<Endpoint>,
    /// Whose log it had, and where that ended.
    pub(crate) position: Option<Position>,
    /// The history before, and the fork.
    pub(crate) previous: Option<Position>,
    /// How many keys it had.
    pub(crate) keys: u64,
    /// Replicas whose stream flowed, by address.
    pub(crate) replicas: Vec<KnownReplica>,
    /// A history whose data it would not have, and why.
    pub(crate) refused: Option<(ReplicationId, String)>,
    /// When it first started without what its replicas have, in milliseconds since 1970.
    pub(crate) waiting_since: Option<i64>,
    /// On how many replicas a write was when it was answered, if its own disk may have lacked it.
    pub(crate) promised: u32,
    /// Whether sentinels of this project watched it.
    pub(crate) is_watched: bool,
    /// Whether it ended in order: nothing was answered behind [`position`](Self::position).
    pub(crate) has_ended: bool,
}

/// A replica that had the data up to some offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownReplica {
    /// Where it listens.
    pub(crate) address: Endpoint,
    /// What it had acknowledged.
    pub(crate) offset: Offset,
}

/// Why a state file tells nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateError {
    /// It is something else.
    Foreign,
    /// It is of a version that is not known here.
    Format(u32),
    /// It is cut off, or was changed.
    Damaged,
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StateError::Foreign => f.write_str("it is no state file"),
            StateError::Format(format) => write!(f, "its format {format} is not known here"),
            StateError::Damaged => f.write_str("it is damaged"),
        }
    }
}

impl NodeState {
    /// On how many replicas a write was when it was answered, where sentinels would promote one of those.
    pub(crate) fn promised_copies(&self) -> Option<u32> {
        (self.is_watched && self.promised > 0).then_some(self.promised)
    }

    /// Whether some other node had the data too: one that led, and had no replica, was alone.
    pub(crate) fn had_copies(&self) -> bool {
        self.primary.is_some() || !self.replicas.is_empty()
    }

    /// The file's content.
    pub fn encode(&self) -> Vec<u8> {
        let mut text = String::new();
        self.write(&mut text).expect("a string takes any text");
        let sum = crc64(text.as_bytes());
        text.push_str(&format!("sum {sum:016x}\n"));
        text.into_bytes()
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        writeln!(text, "{NAME} {FORMAT}")?;
        match &self.primary {
            None => writeln!(text, "role primary")?,
            Some(Endpoint { host, port }) => writeln!(text, "role replica {port} {}", in_one_line(host))?,
        }
        for (word, position) in [("history", self.position), ("previous", self.previous)] {
            if let Some(Position { id, offset }) = position {
                writeln!(text, "{word} {id} {offset}")?;
            }
        }
        writeln!(text, "keys {}", self.keys)?;
        for KnownReplica { address: Endpoint { host, port }, offset } in &self.replicas {
            writeln!(text, "replica {offset} {port} {}", in_one_line(host))?;
        }
        if let Some((id, reason)) = &self.refused {
            writeln!(text, "refused {id} {}", in_one_line(reason))?;
        }
        if let Some(since) = self.waiting_since {
            writeln!(text, "waiting {since}")?;
        }
        if self.promised > 0 {
            writeln!(text, "promised {}", self.promised)?;
        }
        for (word, is_so) in [("watched", self.is_watched), ("ended", self.has_ended)] {
            if is_so {
                writeln!(text, "{word}")?;
            }
        }
        Ok(())
    }

    /// Reads a file's content.
    ///
    /// # Errors
    ///
    /// It is another kind of file, of another format, or damaged.
    pub fn parse(content: &[u8]) -> Result<NodeState, StateError> {
        let head = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let format =
            std::str::from_utf8(head).ok().and_then(|head| head.strip_prefix(NAME)?.strip_prefix(' '));
        match format.ok_or(StateError::Foreign)?.parse() {
            Ok(FORMAT) => {}
            Ok(other) => return Err(StateError::Format(other)),
            Err(_) => return Err(StateError::Damaged),
        }
        parse_body(content).ok_or(StateError::Damaged)
    }

    /// Whether `other` tells the same but for how far things went.
    pub(crate) fn is_like(&self, other: &NodeState) -> bool {
        let names = |state: &NodeState| {
            let replicas = state.replicas.iter().map(|replica| replica.address.clone());
            (state.primary.clone(), state.position.map(|at| at.id), replicas.collect::<Vec<_>>())
        };
        names(self) == names(other)
            && (self.keys == 0) == (other.keys == 0)
            && (self.previous, &self.refused) == (other.previous, &other.refused)
            && self.waiting_since == other.waiting_since
            && (self.promised, self.is_watched, self.has_ended)
                == (other.promised, other.is_watched, other.has_ended)
    }
}

fn parse_body(content: &[u8]) -> Option<NodeState> {
    let text = std::str::from_utf8(content).ok()?.strip_suffix('\n')?;
    let (before, last) = text.rsplit_once('\n')?;
    let sum = u64::from_str_radix(last.strip_prefix("sum ")?, 16).ok()?;
    if crc64(&content[..before.len() + 1]) != sum {
        return None;
    }
    let mut state = NodeState::default();
    for line in before.lines().skip(1) {
        let (word, value) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "role" => state.primary = parse_role(value)?,
            "history" => state.position = Some(parse_position(value)?),
            "previous" => state.previous = Some(parse_position(value)?),
            "keys" => state.keys = value.parse().ok()?,
            "replica" => state.replicas.push(parse_replica(value)?),
            "refused" => state.refused = Some(parse_refusal(value)?),
            "waiting" => state.waiting_since = Some(value.parse().ok()?),
            "promised" => state.promised = value.parse().ok()?,
            "watched" => state.is_watched = true,
            "ended" => state.has_ended = true,
            _ => {}
        }
    }
    Some(state)
}

fn parse_role(value: &str) -> Option<Option<Endpoint>> {
    match value.strip_prefix("replica ") {
        Some(primary) => Some(Some(parse_endpoint(primary)?)),
        None => (value == "primary").then_some(None),
    }
}

fn parse_position(value: &str) -> Option<Position> {
    let (id, offset) = value.split_once(' ')?;
    Some(Position { id: ReplicationId::parse(id.as_bytes())?, offset: Offset(offset.parse().ok()?) })
}

fn parse_replica(value: &str) -> Option<KnownReplica> {
    let (offset, address) = value.split_once(' ')?;
    Some(KnownReplica { address: parse_endpoint(address)?, offset: Offset(offset.parse().ok()?) })
}

fn parse_refusal(value: &str) -> Option<(ReplicationId, String)> {
    let (id, reason) = value.split_once(' ')?;
    Some((ReplicationId::parse(id.as_bytes())?, reason.to_owned()))
}

fn parse_endpoint(value: &str) -> Option<Endpoint> {
    let (port, host) = value.split_once(' ')?;
    Some(Endpoint { host: host.to_owned(), port: port.parse().ok()? })
}

/// A host or a reason is what a peer or an operator says it is.
fn in_one_line(host: &str) -> String {
    host.replace(char::is_control, "?")
}

#[cfg(test)]
mod tests;
