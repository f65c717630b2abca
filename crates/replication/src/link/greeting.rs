//! The handshake: what the replica says of itself before it asks for data.
//!
//! `PING` goes first and alone, since it shows whether anyone sensible listens; the rest is written at once
//! and answered in order. Only `AUTH` can fail: the others tell a primary what it may not understand, and a
//! primary that does not understand them serves us all the same.
//!
//! `REPLCONF version` is announced as 9.0.0. A Valkey 9 primary writes version 11 of the snapshot format for
//! whoever gives no version or an older one, and then *cannot* write hashes whose fields expire: the full
//! sync fails, for ever. To 9.0.0 it writes its own format, which this project reads. Redis answers that it
//! does not know the option, and that is all.
//!
//! A primary of this project names itself in its answer to `capa`: what goes beyond the protocol of Redis is
//! spoken only where both sides have said so.

use super::Settings;
use crate::{Moment, wire};

/// The version of Valkey whose snapshots and stream are understood here.
const UNDERSTOOD_VERSION: &[u8] = b"9.0.0";

/// Whether the answer to `capa` comes from a node that speaks this project's dialect.
pub(super) fn speaks_dialect(line: &str) -> bool {
    line.split_ascii_whitespace().nth(1).is_some_and(|word| word.as_bytes() == wire::DIALECT)
}

/// The primary's clock, which it tells behind the dialect.
pub(super) fn clock(line: &str) -> Option<Moment> {
    line.split_ascii_whitespace().nth(2)?.parse().ok().map(Moment)
}

/// A request of the handshake whose answer is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Auth,
    ListeningPort,
    IpAddress,
    Capabilities,
    Version,
}

impl Step {
    /// What the wire and the log call it.
    pub(super) fn option(self) -> &'static str {
        match self {
            Step::Auth => "AUTH",
            Step::ListeningPort => "listening-port",
            Step::IpAddress => "ip-address",
            Step::Capabilities => "capa",
            Step::Version => "version",
        }
    }
}

/// Whether the answer to PING lets the handshake go on: anything friendly, or a demand for a password that is
/// about to be given.
pub(super) fn is_welcome(line: &str) -> bool {
    let accepted = ["+", "-NOAUTH", "-NOPERM", "-ERR operation not permitted"];
    accepted.iter().any(|start| line.starts_with(start))
}

/// All requests after PING, and the order in which they will be answered.
pub(super) fn introduction(settings: &Settings, two_links: bool) -> (Vec<u8>, Vec<Step>) {
    let (mut out, mut steps) = (Vec::new(), Vec::new());
    if let Some(words) = auth(settings) {
        wire::push_request(&mut out, &words);
        steps.push(Step::Auth);
    }
    let (profile, further) = profile(settings, two_links);
    out.extend(profile);
    steps.extend(further);
    (out, steps)
}

/// What the node says of itself, and the order in which it will be answered.
pub(super) fn profile(settings: &Settings, two_links: bool) -> (Vec<u8>, Vec<Step>) {
    let mut out = Vec::new();
    let mut steps = Vec::new();
    let mut say = |step, words: &[&[u8]]| {
        wire::push_request(&mut out, words);
        steps.push(step);
    };
    let port = settings.announced_port.to_string();
    say(Step::ListeningPort, &[b"REPLCONF", b"listening-port", port.as_bytes()]);
    if let Some(address) = &settings.announced_ip {
        say(Step::IpAddress, &[b"REPLCONF", b"ip-address", address.as_bytes()]);
    }
    let mut words: Vec<&[u8]> =
        vec![b"REPLCONF", b"capa", b"eof", b"capa", b"psync2", b"capa", wire::DIALECT, b"capa", wire::STAYS];
    if two_links {
        words.extend([b"capa".as_slice(), b"rdb-channel-repl", b"capa", b"dual-channel"]);
    }
    say(Step::Capabilities, &words);
    say(Step::Version, &[b"REPLCONF", b"version", UNDERSTOOD_VERSION]);
    (out, steps)
}

/// What the connection for a snapshot says of itself, and how many answers there will be. `main` is the
/// primary's number for the main connection, where it has told one; `dialect` whether the primary speaks ours, and
/// so may write what only this project reads.
pub(super) fn side_introduction(settings: &Settings, main: Option<u64>, dialect: bool) -> (Vec<u8>, usize) {
    let mut out = Vec::new();
    let auth = auth(settings);
    if let Some(words) = &auth {
        wire::push_request(&mut out, words);
    }
    let (port, main) = (settings.announced_port.to_string(), main.map(|main| main.to_string()));
    let mut words: Vec<&[u8]> = vec![b"REPLCONF", b"capa", b"eof", b"rdb-only", b"1", b"rdb-channel", b"1"];
    match &main {
        Some(main) => words.extend([b"main-ch-client-id".as_slice(), main.as_bytes()]),
        // Redis does not know the option, and takes the version from nobody.
        None => words.extend([b"version".as_slice(), UNDERSTOOD_VERSION]),
    }
    if dialect {
        words.extend([b"capa".as_slice(), wire::DIALECT]);
    }
    words.extend([b"listening-port".as_slice(), port.as_bytes()]);
    if let Some(address) = &settings.announced_ip {
        words.extend([b"ip-address".as_slice(), address.as_bytes()]);
    }
    wire::push_request(&mut out, &words);
    (out, 1 + usize::from(auth.is_some()))
}

fn auth(settings: &Settings) -> Option<Vec<&[u8]>> {
    let password = settings.password.as_deref()?;
    let user = settings.user.as_deref();
    Some([Some(b"AUTH".as_slice()), user, Some(password)].into_iter().flatten().collect())
}
