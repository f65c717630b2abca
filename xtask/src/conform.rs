//! `cargo xtask conform`: the scripts of `crates/engine/tests/conform` to our server and to each peer that is found.
//!
//! Prints each difference with the line of its script; what may differ is marked there. Our server is the release
//! build unless `--server` names another one. `--peer` names a peer's binary instead of those that are found.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use slipstream_conform::script::{self, Case};
use slipstream_conform::{Difference, Pair};

use crate::bench::contender::{self, Contender};
use crate::process::root;
use crate::{Outcome, say};

pub(crate) const ARGUMENTS: &str = "[--server PATH] [--peer PATH] [FAMILY…]";

/// Where the scripts lie.
const FOLDER: &str = "crates/engine/tests/conform";
const DIRECTIVES: &[&str] =
    &["--enable-debug-command", "yes", "--repl-diskless-sync", "no", "--repl-timeout", "3600"];

/// Plays the scripts of the named families, or all.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let options = Options::read(arguments)?;
    let ours = match &options.server {
        Some(path) => Contender::ours(path.clone()),
        None => contender::find(&["slipstream"])?.remove(0),
    };
    let peers = match &options.peer {
        Some(path) => vec![Contender::peer(path.clone())],
        None => contender::find(&["redis", "valkey"])?,
    };
    let families = families(&options.families)?;
    let mut differences = 0;
    for peer in &peers {
        say(format_args!("== {}", peer.version()));
        differences += play(&ours, peer, &families)?;
    }
    match differences {
        0 => Ok(()),
        count => Err(format!("{count} differences").into()),
    }
}

#[derive(Default)]
struct Options {
    server: Option<PathBuf>,
    peer: Option<PathBuf>,
    families: Vec<String>,
}

impl Options {
    fn read(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut path = || arguments.next().map(PathBuf::from).ok_or(format!("{argument} needs a path"));
            match argument.as_str() {
                "--server" => options.server = Some(path()?),
                "--peer" => options.peer = Some(path()?),
                _ if argument.starts_with('-') => return Err(format!("takes {ARGUMENTS}, got {argument}")),
                family => options.families.push(family.to_owned()),
            }
        }
        Ok(options)
    }
}

/// A script by its name.
type Family = (String, Vec<Case>);

fn families(names: &[String]) -> Result<Vec<Family>, Box<dyn Error>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(FOLDER))? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if names.is_empty() || names.contains(&name) {
            let cases = script::parse(&fs::read_to_string(&path)?);
            found.push((name.clone(), cases.map_err(|error| format!("{name}.txt: {error}"))?));
        }
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    if let Some(unknown) = names.iter().find(|name| found.iter().all(|(known, _)| known != *name)) {
        return Err(format!("no family is called {unknown}").into());
    }
    Ok(found)
}

/// Plays families to both; returns how many differences there are.
fn play(ours: &Contender, peer: &Contender, families: &[Family]) -> Result<usize, Box<dyn Error>> {
    let mut differences = 0;
    for (name, cases) in families {
        let servers = [ours.start_aside(DIRECTIVES)?, peer.start_aside(DIRECTIVES)?];
        let mut requests = 0;
        let mut found: Vec<Difference> = Vec::new();
        for protocol in [2, 3] {
            let played = Pair::connect(servers[0].port, servers[1].port)?.play(cases, protocol);
            requests += played.requests;
            let is_new = |new: &Difference| {
                !found.iter().any(|old| (old.line, &old.request) == (new.line, &new.request))
            };
            let new: Vec<Difference> = played.differences.into_iter().filter(is_new).collect();
            found.extend(new);
        }
        say(format_args!("{name:<16}{requests:>6} requests {:>4} differences", found.len()));
        for difference in &found {
            say(format_args!("{FOLDER}/{name}.txt:{difference}"));
        }
        differences += found.len();
    }
    Ok(differences)
}
