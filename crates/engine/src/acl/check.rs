//! Whether a user may run a command with its arguments.
//! Looks at commands, keys and channels in this order. Decides nothing but that: who asks, notes and tells.

use slipstream_resp::Args;

use super::selector::{Access, Selector};
use super::user::User;
use crate::call::is_word;
use crate::command::{BeginSearch, Command, Group, flag};
use crate::commands::introspection::{FoundKey, keys_of};
use crate::table::Entry;

/// What is not allowed. The later of two is the nearer miss, and is what is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Denied {
    /// The command.
    Command,
    /// The key at this argument.
    Key(usize),
    /// The channel at this argument.
    Channel(usize),
}

/// A request with what is looked up in it once for all selectors.
struct Request<'a> {
    entry: Entry,
    args: Args<'a>,
    keys: Option<Vec<FoundKey>>,
}

impl Request<'_> {
    fn keys(&mut self) -> &[FoundKey] {
        let (command, args) = (self.entry.command, self.args);
        self.keys.get_or_insert_with(|| {
            if command.keys.is_empty() {
                return Vec::new();
            }
            let mut keys = keys_of(command, args).unwrap_or_default();
            keys.extend(further_destinations(command, args));
            keys
        })
    }

    /// The channels in it, and whether they are patterns.
    fn channels(&self) -> (std::ops::Range<usize>, bool) {
        let count = self.args.len();
        match self.entry.command.full_name {
            "subscribe" | "ssubscribe" => (1..count, false),
            "psubscribe" => (1..count, true),
            "publish" | "spublish" => (1..count.min(2), false),
            _ => (0..0, false),
        }
    }
}

/// Of several STORE the last counts, where the key specs name the first.
fn further_destinations<'a>(command: &'a Command, args: Args<'a>) -> impl Iterator<Item = FoundKey> + 'a {
    let specs = command.keys.iter().filter(|_| command.group == Group::Geo);
    specs.flat_map(move |spec| match spec.begin {
        BeginSearch::Keyword(word, from) => {
            let from = usize::try_from(from).unwrap_or_default();
            let places = (from..args.len().saturating_sub(1)).filter(move |at| is_word(&args[*at], word));
            places.map(|at| (at + 1, spec.flags)).collect()
        }
        _ => Vec::new(),
    })
}

impl User {
    /// Whether one selector allows all of a request.
    pub(crate) fn check(&self, entry: Entry, args: Args<'_>) -> Result<(), Denied> {
        let mut request = Request { entry, args, keys: None };
        let mut nearest = Denied::Command;
        for selector in self.selectors() {
            match selector.check(&mut request) {
                Ok(()) => return Ok(()),
                Err(denied) => nearest = nearest.max(denied),
            }
        }
        Err(nearest)
    }

    /// Whether one selector allows all of a request and lets it read every key.
    pub(crate) fn may_read_all(&self, entry: Entry, args: Args<'_>) -> bool {
        let mut request = Request { entry, args, keys: None };
        self.selectors()
            .any(|selector| selector.check(&mut request).is_ok() && selector.allows_all_keys(Access::READ))
    }
}

impl Selector {
    fn check(&self, request: &mut Request<'_>) -> Result<(), Denied> {
        let (entry, args) = (request.entry, request.args);
        let is_allowed = entry.command.has(flag::NO_AUTH) || self.commands.allows(entry);
        if !is_allowed && !self.commands.allows_with(entry, args.get(1)) {
            return Err(Denied::Command);
        }
        if !self.has_all_keys() {
            let denied = |(at, flags): &&FoundKey| !self.allows_key(&args[*at], Access::of(flags));
            if let Some((at, _)) = request.keys().iter().find(denied) {
                return Err(Denied::Key(*at));
            }
        }
        if !self.all_channels {
            let (mut places, is_pattern) = request.channels();
            if let Some(at) = places.find(|at| !self.allows_channel(&args[*at], is_pattern)) {
                return Err(Denied::Channel(at));
            }
        }
        Ok(())
    }
}
