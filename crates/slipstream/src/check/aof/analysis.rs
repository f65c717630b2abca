//! What is known of one file of an append-only file, and what is said of it.
//!
//! Counts and remembers; reads nothing, and keeps none of the bytes.

use slipstream_aof::{Content, Ending, Fault, Scanner};
use slipstream_resp::{Limits, Progress, RequestDecoder};

/// What was found.
#[derive(Debug)]
pub(super) struct Analysis {
    /// Up to where the file is good.
    pub(super) good: u64,
    /// The line that this is, as redis-check-aof counts them.
    pub(super) line: u64,
    pub(super) fault: Option<String>,
    pub(super) fault_at: u64,
    /// Whether what lies behind the fault says that it is in bytes that were on disk.
    pub(super) is_proven: bool,
    /// Whole commands behind the good part.
    pub(super) lost: u64,
    /// Where what was written after the time asked for begins.
    pub(super) later_at: Option<u64>,
    commands: u64,
    batches: u64,
    /// Where it is in the stream, first and last.
    places: Option<(String, String)>,
    last_time: Option<i64>,
    has_ended: bool,
}

impl Analysis {
    pub(super) fn new(from: u64) -> Analysis {
        Analysis {
            good: from,
            line: 1,
            fault: None,
            fault_at: 0,
            is_proven: false,
            lost: 0,
            later_at: None,
            commands: 0,
            batches: 0,
            places: None,
            last_time: None,
            has_ended: false,
        }
    }

    /// A piece is good.
    pub(super) fn add(&mut self, content: &Content, bytes: &[u8]) {
        self.has_ended = matches!(content, Content::End(_));
        match content {
            Content::At(at) => {
                let place = format!("{} of history {}", at.offset, at.history.id);
                let first = self.places.take().map_or_else(|| place.clone(), |(first, _)| first);
                self.places = Some((first, place));
                // The SELECT behind it.
                self.line += 5;
            }
            Content::Batch { offset, .. } => {
                self.batches += 1;
                if let Some((_, last)) = &mut self.places {
                    let history = last.split_once(' ').map_or("", |(_, history)| history).to_owned();
                    *last = format!("{} {history}", offset.advanced(bytes.len()));
                }
                self.count(bytes);
            }
            Content::Commands { .. } => self.count(bytes),
            Content::Timestamp(seconds) => self.last_time = Some(*seconds),
            Content::End(_) | Content::Remark => {}
        }
    }

    fn count(&mut self, bytes: &[u8]) {
        let limits = Limits { max_bulk: usize::MAX / 2, max_args: 1 << 30, authenticated: true };
        let (mut decoder, mut rest) = (RequestDecoder::default(), bytes);
        while let Ok(Progress::Complete { consumed }) = decoder.decode(rest, &limits) {
            self.commands += 1;
            self.line += 1 + 2 * decoder.args(rest).len() as u64;
            rest = &rest[consumed..];
        }
    }

    /// The file ends.
    pub(super) fn end(&mut self, ending: &Ending, scanner: &Scanner) {
        (self.good, self.fault_at) = (scanner.good_end(), scanner.position());
        self.fault = match ending {
            Ending::Whole { .. } => None,
            Ending::Cut => Some("Unexpected end of file".to_owned()),
            Ending::WithinMulti => Some("Reached EOF before reading EXEC for MULTI".to_owned()),
        };
    }

    /// The file is not good any further.
    pub(super) fn fault(&mut self, fault: &Fault, scanner: &Scanner) {
        (self.good, self.fault_at) = (scanner.good_end(), scanner.position());
        self.fault = Some(fault.to_string());
    }

    /// What redis-check-aof does not say.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("{} commands, {} sealed batches", self.commands, self.batches)];
        if let Some((first, last)) = &self.places {
            lines.push(format!("from offset {first}"));
            lines.push(format!("to offset {last}"));
        }
        if let Some(seconds) = self.last_time {
            lines.push(format!("the last timestamp is {seconds}"));
        }
        if self.has_ended && self.fault.is_none() {
            lines.push("ended as it should: nobody was told of anything behind it".to_owned());
        }
        if self.fault.is_some() {
            lines.push(format!("{} whole commands lie behind the good part", self.lost));
        }
        if self.is_proven {
            lines.push("what is damaged was on disk: no crash did this".to_owned());
        }
        lines
    }
}
