//! The three servers, the three sentinels, and the temporary folder that they share.
//!
//! Ports are consecutive from a base, or free ones from the system. Dropping the cluster ends the processes and
//! then removes the folder, in that order.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::{env, fs, process};

use super::node::{Node, free_port};
use super::reading::{NODES, Readings};
use super::sentinel::{self, SENTINELS};

/// The place of the first sentinel among the nodes.
pub(super) const FIRST_SENTINEL: usize = NODES;

const NAMES: [&str; NODES + SENTINELS] =
    ["node-1", "node-2", "node-3", "sentinel-1", "sentinel-2", "sentinel-3"];
const FOLDER_ATTEMPTS: u32 = 100;

#[derive(Debug)]
pub(super) struct Cluster {
    // Dropped in this order.
    /// The servers, and behind them the sentinels.
    pub(super) nodes: Vec<Node>,
    _folder: Folder,
    port_base: Option<u16>,
}

impl Cluster {
    /// All nodes, none of them started.
    pub(super) fn new(port_base: Option<u16>) -> io::Result<Self> {
        let folder = Folder::create()?;
        // The command line leaves room for all of them. The forwarder's is between the servers' and the sentinels'.
        let servers_first = |base: u16| (base..=u16::MAX).enumerate().filter(|&(index, _)| index != NODES);
        let mut given = port_base.map(servers_first).into_iter().flatten();
        let mut nodes = Vec::new();
        for name in NAMES {
            let port = given.next().map_or_else(free_port, |(_, port)| Ok(port))?;
            nodes.push(Node::new(name, folder.0.join(name), port)?);
        }
        Ok(Self { nodes, _folder: folder, port_base })
    }

    /// The port behind the servers' own, or 0 for a free one.
    pub(super) fn forwarder_port(&self) -> u16 {
        // The command line leaves room for it.
        self.port_base.map_or(0, |base| base.saturating_add(3))
    }

    /// Gives a node another port if the system chose it and somebody else was quicker to take it.
    pub(super) fn change_lost_port(&mut self, index: usize) -> io::Result<bool> {
        let node = &mut self.nodes[index];
        let is_lost = self.port_base.is_none() && node.log_end().contains("in use");
        if is_lost {
            node.port = free_port()?;
        }
        Ok(is_lost)
    }

    /// How all servers are. The one at `first` is asked first: what it then says is behind is truly behind.
    pub(super) fn read(&mut self, first: usize) -> Readings {
        let mut readings = [const { None }; NODES];
        readings[first] = self.nodes[first].read();
        for index in (0..NODES).filter(|&index| index != first) {
            readings[index] = self.nodes[index].read();
        }
        readings
    }

    pub(super) fn servers(&self) -> &[Node] {
        &self.nodes[..FIRST_SENTINEL]
    }

    pub(super) fn sentinels(&mut self) -> &mut [Node] {
        &mut self.nodes[FIRST_SENTINEL..]
    }

    /// Whom each sentinel names as the primary: one of the servers, if it answers.
    pub(super) fn ask_sentinels(&mut self) -> Vec<Option<usize>> {
        let named: Vec<Option<u16>> = self.sentinels().iter_mut().map(sentinel::named_by).collect();
        let server_at = |port| self.servers().iter().position(|node| node.port == port);
        named.into_iter().map(|port| server_at(port?)).collect()
    }
}

/// A new folder of this process in the system's place for temporary files, for its owner's eyes only.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn create() -> io::Result<Self> {
        let mut attempt = 0;
        loop {
            let path = env::temp_dir().join(format!("slipstream-playground-{}-{attempt}", process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < FOLDER_ATTEMPTS => {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // One that somebody else removed is gone all the same.
        fs::remove_dir_all(&self.0).unwrap_or_default();
    }
}
