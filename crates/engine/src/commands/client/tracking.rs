//! CLIENT TRACKING, CACHING, TRACKINGINFO and GETREDIR: what a client says and asks about keys that it keeps copies of.
//!
//! What follows from it is in [`crate::tracking`].

use slipstream_resp::Args;

use super::COMMON;
use crate::call::{Call, is_word};
use crate::command::{Command, Group, flag};
use crate::errors::CommandError;
use crate::session::SessionId;
use crate::tracking::{Mode, Tracker};

pub(super) const TRACKING: Command = Command::new("client|tracking", -3, tracking)
    .flags(COMMON | flag::SENTINEL)
    .doc(
        Group::Connection,
        "6.0.0",
        "Says whether this connection is told when keys change that it read.",
        "O(1), and O(N) for N prefixes",
    )
    .syntax("status:(ON | OFF) [REDIRECT client-id:integer] [PREFIX prefix]... BCAST:[BCAST] OPTIN:[OPTIN] OPTOUT:[OPTOUT] NOLOOP:[NOLOOP]");

pub(super) const CACHING: Command = Command::new("client|caching", 3, caching)
    .flags(COMMON | flag::SENTINEL)
    .doc(Group::Connection, "6.0.0", "Says whether the keys of the next request are remembered.", "O(1)")
    .syntax("mode:(YES | NO)");

pub(super) const TRACKINGINFO: Command = Command::new("client|trackinginfo", 2, trackinginfo)
    .flags(COMMON | flag::SENTINEL)
    .doc(Group::Connection, "6.2.0", "Tells how this connection tracks keys.", "O(1)");

pub(super) const GETREDIR: Command = Command::new("client|getredir", 2, getredir)
    .flags(COMMON | flag::SENTINEL)
    .doc(Group::Connection, "6.0.0", "Tells the connection that invalidations are redirected to.", "O(1)");

/// The options of CLIENT TRACKING, as they stand there.
#[derive(Default)]
struct Options<'a> {
    redirect: Option<SessionId>,
    prefixes: Vec<&'a [u8]>,
    broadcast: bool,
    opt_in: bool,
    opt_out: bool,
    no_loop: bool,
}

impl<'a> Options<'a> {
    fn parse(call: &Call<'a>, args: Args<'a>) -> Result<Self, CommandError> {
        let mut options = Options::default();
        let mut words = args.iter().skip(3);
        while let Some(word) = words.next() {
            if is_word(word, "BCAST") {
                options.broadcast = true;
            } else if is_word(word, "OPTIN") {
                options.opt_in = true;
            } else if is_word(word, "OPTOUT") {
                options.opt_out = true;
            } else if is_word(word, "NOLOOP") {
                options.no_loop = true;
            } else if is_word(word, "PREFIX") {
                options.prefixes.push(words.next().ok_or(CommandError::SYNTAX)?);
            } else if is_word(word, "REDIRECT") {
                let id = words.next().ok_or(CommandError::SYNTAX)?;
                if options.redirect.is_some() {
                    return Err(CommandError::TRACKING_REDIRECTS_TWICE);
                }
                options.redirect = Some(client(call, id)?);
            } else {
                return Err(CommandError::SYNTAX);
            }
        }
        Ok(options)
    }

    /// What does not go together, or not with how the client tracks already.
    fn check(&self, old: Option<&Tracker>) -> Result<(), CommandError> {
        if !self.broadcast && !self.prefixes.is_empty() {
            return Err(CommandError::TRACKING_PREFIX_WITHOUT_BCAST);
        }
        if old.is_some_and(|old| old.mode.is_broadcast() != self.broadcast) {
            return Err(CommandError::TRACKING_SWITCHES_BCAST);
        }
        if self.broadcast && (self.opt_in || self.opt_out) {
            return Err(CommandError::TRACKING_OPTS_WITH_BCAST);
        }
        if self.opt_in && self.opt_out {
            return Err(CommandError::TRACKING_OPTIN_AND_OPTOUT);
        }
        let is = |mode: Mode| old.is_some_and(|old| old.mode == mode);
        if (self.opt_in && is(Mode::OptOut)) || (self.opt_out && is(Mode::OptIn)) {
            return Err(CommandError::TRACKING_SWITCHES_OPTS);
        }
        self.check_prefixes(old)
    }

    /// A key with two prefixes of one client would be told twice.
    fn check_prefixes(&self, old: Option<&Tracker>) -> Result<(), CommandError> {
        let overlap = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
        for (index, prefix) in self.prefixes.iter().enumerate() {
            let mut existing = old.into_iter().flat_map(Tracker::prefixes);
            if let Some(other) = existing.find(|other| overlap(prefix, other)) {
                return Err(CommandError::prefix_overlaps(prefix, "an existing prefix", other));
            }
            if let Some(other) = self.prefixes[index + 1..].iter().find(|other| overlap(prefix, other)) {
                return Err(CommandError::prefix_overlaps(prefix, "another provided prefix", other));
            }
        }
        Ok(())
    }

    fn mode(&self, old: Option<&Tracker>) -> Mode {
        if self.broadcast {
            let existing = old.into_iter().flat_map(Tracker::prefixes);
            let all: &[&[u8]] = if self.prefixes.is_empty() { &[b""] } else { &self.prefixes };
            Mode::Broadcast(existing.chain(all.iter().copied()).map(Box::from).collect())
        } else if self.opt_in {
            Mode::OptIn
        } else if self.opt_out {
            Mode::OptOut
        } else {
            Mode::Default
        }
    }
}

/// A client that is there.
fn client(call: &Call<'_>, word: &[u8]) -> Result<SessionId, CommandError> {
    let id = SessionId(u64::try_from(crate::call::integer(word)?).unwrap_or(0));
    let is_there = id == call.session.id || call.core.sessions.get(id).is_some();
    if is_there { Ok(id) } else { Err(CommandError::TRACKING_REDIRECTS_TO_NOBODY) }
}

fn tracking(call: &mut Call<'_>) -> Result<(), CommandError> {
    let options = Options::parse(call, call.args)?;
    if call.is_word(2, "ON") {
        let old = call.core.tracking.of(call.session.id);
        options.check(old)?;
        let tracker = Tracker {
            mode: options.mode(old),
            no_loop: options.no_loop,
            redirect: options.redirect,
            is_broken: false,
            caching: old.is_some_and(|old| old.caching),
        };
        call.core.start_tracking(call.session, tracker);
    } else if call.is_word(2, "OFF") {
        call.core.stop_tracking(call.session);
    } else {
        return Err(CommandError::SYNTAX);
    }
    call.reply.ok();
    Ok(())
}

fn caching(call: &mut Call<'_>) -> Result<(), CommandError> {
    let yes = call.is_word(2, "YES");
    let no = call.is_word(2, "NO");
    let tracker = call.core.tracking.of_mut(call.session.id).ok_or(CommandError::CACHING_WITHOUT_TRACKING)?;
    if yes && tracker.mode != Mode::OptIn {
        return Err(CommandError::CACHING_YES);
    }
    if no && tracker.mode != Mode::OptOut {
        return Err(CommandError::CACHING_NO);
    }
    if !yes && !no {
        return Err(CommandError::SYNTAX);
    }
    tracker.caching = true;
    call.reply.ok();
    Ok(())
}

fn getredir(call: &mut Call<'_>) -> Result<(), CommandError> {
    let tracker = call.core.tracking.of(call.session.id);
    call.reply.integer(tracker.map_or(-1, Tracker::shown_redirect));
    Ok(())
}

fn trackinginfo(call: &mut Call<'_>) -> Result<(), CommandError> {
    let tracker = call.core.tracking.of(call.session.id);
    let flags = flags(tracker);
    call.reply.map(3);
    call.reply.bulk(b"flags");
    call.reply.set(flags.len());
    flags.iter().for_each(|flag| call.reply.bulk(flag.as_bytes()));
    call.reply.bulk(b"redirect");
    call.reply.integer(tracker.map_or(-1, Tracker::shown_redirect));
    call.reply.bulk(b"prefixes");
    call.reply.array(tracker.map_or(0, |tracker| tracker.prefixes().len()));
    tracker.into_iter().flat_map(Tracker::prefixes).for_each(|prefix| call.reply.bulk(prefix));
    Ok(())
}

fn flags(tracker: Option<&Tracker>) -> Vec<&'static str> {
    let Some(tracker) = tracker else { return vec!["off"] };
    let (mode, said) = match tracker.mode {
        Mode::Default => (None, None),
        Mode::Broadcast(_) => (Some("bcast"), None),
        Mode::OptIn => (Some("optin"), Some("caching-yes")),
        Mode::OptOut => (Some("optout"), Some("caching-no")),
    };
    [
        Some("on"),
        mode,
        said.filter(|_| tracker.caching),
        tracker.no_loop.then_some("noloop"),
        tracker.is_broken.then_some("broken_redirect"),
    ]
    .into_iter()
    .flatten()
    .collect()
}
