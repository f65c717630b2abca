//! MIGRATE: keys to another server. How they get there is in [`crate::migrating`].
//!
//! The options are read in one way for the command, for COMMAND GETKEYS and for whoever hides passwords. The command
//! may run twice: to send what is there, and to delete what arrived.

use std::ops::Range;

use slipstream_resp::Args;

use crate::call::{Call, integer, is_word};
use crate::errors::CommandError;
use crate::event;
use crate::migrating::{Parcel, Shipment};

/// Where options begin.
const OPTIONS: usize = 6;
/// For how long the target may be silent where a client says nothing of use.
const DEFAULT_TIMEOUT_MS: u64 = 1000;

/// A word among the options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Copy,
    Replace,
    Auth,
    Auth2,
    Keys,
    Unknown,
}

impl Word {
    fn of(arg: &[u8]) -> Word {
        let known = [
            ("COPY", Word::Copy),
            ("REPLACE", Word::Replace),
            ("AUTH", Word::Auth),
            ("AUTH2", Word::Auth2),
            ("KEYS", Word::Keys),
        ];
        known.into_iter().find(|(word, _)| is_word(arg, word)).map_or(Word::Unknown, |(_, word)| word)
    }

    /// How many arguments it has, but for the keys.
    fn operands(self) -> usize {
        match self {
            Word::Auth => 1,
            Word::Auth2 => 2,
            Word::Copy | Word::Replace | Word::Keys | Word::Unknown => 0,
        }
    }
}

/// The options with their places. Nothing but keys is behind KEYS.
fn words(args: Args<'_>) -> impl Iterator<Item = (usize, Word)> {
    let mut at = OPTIONS;
    std::iter::from_fn(move || {
        let (found, word) = (at, Word::of(args.get(at)?));
        at = if word == Word::Keys { args.len() } else { at + 1 + word.operands() };
        Some((found, word))
    })
}

/// Whether an argument belongs to a login.
pub(crate) fn is_secret(args: Args<'_>, index: usize) -> bool {
    words(args).any(|(at, word)| (at + 1..=at + word.operands()).contains(&index))
}

/// Where its keys are, or nowhere if the options contradict that.
pub(crate) fn places(args: Args<'_>) -> Range<usize> {
    match words(args).find(|(at, word)| *word == Word::Keys && at + 1 < args.len()) {
        None => 3..4,
        Some((at, _)) if args[3].is_empty() => at + 1..args.len(),
        Some(_) => 0..0,
    }
}

/// MIGRATE's options.
struct Options {
    copy: bool,
    replace: bool,
    /// Where the words for AUTH stand.
    login: Range<usize>,
    /// Where the keys stand.
    keys: Range<usize>,
}

impl Options {
    fn parse(args: Args<'_>) -> Result<Options, CommandError> {
        let mut options = Options { copy: false, replace: false, login: 0..0, keys: 3..4 };
        for (at, word) in words(args) {
            let operands = at + 1..at + 1 + word.operands();
            if operands.end > args.len() {
                return Err(CommandError::SYNTAX);
            }
            match word {
                Word::Copy => options.copy = true,
                Word::Replace => options.replace = true,
                Word::Auth | Word::Auth2 => options.login = operands,
                Word::Keys if !args[3].is_empty() => return Err(CommandError::MIGRATE_TWO_KEYS),
                Word::Keys => options.keys = at + 1..args.len(),
                Word::Unknown => return Err(CommandError::SYNTAX),
            }
        }
        Ok(options)
    }
}

pub(super) fn migrate(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let options = Options::parse(args)?;
    let timeout = u64::try_from(integer(&args[5])?).ok().filter(|ms| *ms > 0);
    let db = integer(&args[4])?;
    let shipped = match call.core.migrating.take_outcome() {
        Some(shipped) => shipped,
        None => {
            let parcels: Vec<Parcel> = options.keys.filter_map(|at| parcel(call, &args[at])).collect();
            if parcels.is_empty() {
                call.reply.simple("NOKEY");
                return Ok(());
            }
            let shipment = Shipment {
                number: call.core.migrating.next_number(),
                host: String::from_utf8_lossy(&args[1]).into_owned(),
                // A port beyond all ports is nobody's.
                port: integer(&args[2]).ok().and_then(|port| u16::try_from(port).ok()).unwrap_or(0),
                timeout_ms: timeout.unwrap_or(DEFAULT_TIMEOUT_MS),
                login: options.login.map(|at| args[at].to_vec()).collect(),
                db,
                replace: options.replace,
                compress: call.core.config.rdbcompression,
                parcels,
            };
            match call.ship(shipment) {
                Some(shipped) => shipped,
                None => return Ok(()),
            }
        }
    };
    if !options.copy {
        delete(call, &shipped.taken);
    }
    match shipped.trouble {
        Some(trouble) => Err(trouble.error()),
        None => {
            call.reply.ok();
            Ok(())
        }
    }
}

fn parcel(call: &mut Call<'_>, key: &[u8]) -> Option<Parcel> {
    let value = call.db.get(key).map(slipstream_keyspace::Value::into_owned);
    call.count_lookup(key, value.is_some());
    let deadline = call.db.database().deadline(key);
    Some(Parcel { key: key.into(), value: value?, deadline })
}

/// Deletes what the target has.
fn delete(call: &mut Call<'_>, taken: &[Box<[u8]>]) {
    let mut effect: Vec<&[u8]> = vec![b"DEL"];
    for key in taken {
        if call.db.remove(key) {
            call.changed(key, event::DEL);
            effect.push(key);
        }
    }
    if effect.len() > 1 {
        call.propagate(&effect);
    }
}
