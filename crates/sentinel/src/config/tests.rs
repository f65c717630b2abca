//! Configurations and what they make; texts and what rewriting makes of them; random machines there and back.

mod commanded;
mod documents;
mod loading;
mod random;
mod rewriting;

use slipstream_replication::Moment;

use super::{ConfigError, ConfigLine};
use crate::options::{Globals, GroupOptions};
use crate::{Address, Sentinel};

/// A sentinel before it has read anything.
fn blank() -> Sentinel {
    Sentinel::new(Moment(0), Globals::default(), fastrand::Rng::with_seed(1))
}

fn loaded(text: &str) -> Result<Sentinel, ConfigError> {
    let mut sentinel = blank();
    sentinel.load(&ConfigLine::all(text.as_bytes())?)?;
    Ok(sentinel)
}

#[track_caller]
fn load(text: &str) -> Sentinel {
    loaded(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// What must be the same after a restart.
#[derive(Debug, PartialEq)]
struct Kept {
    id: String,
    epoch: u64,
    globals: Globals,
    groups: Vec<KeptGroup>,
}

#[derive(Debug, PartialEq)]
struct KeptGroup {
    name: String,
    options: GroupOptions,
    primary: Address,
    replicas: Vec<Address>,
    sentinels: Vec<(String, Address)>,
    config_epoch: u64,
    vote_epoch: u64,
    copies_told: u32,
}

fn kept(sentinel: &Sentinel) -> Kept {
    let named = sentinel.named();
    let groups = sentinel.groups.values().zip(named.groups).map(|(group, named)| KeptGroup {
        name: named.name,
        options: group.options.clone(),
        primary: named.primary,
        replicas: named.replicas,
        sentinels: named.sentinels,
        config_epoch: group.config_epoch,
        vote_epoch: group.vote.epoch,
        copies_told: group.copies_told,
    });
    Kept {
        id: named.id,
        epoch: sentinel.core.epoch,
        globals: sentinel.core.globals.clone(),
        groups: groups.collect(),
    }
}
