//! Whether replicas stay attached to a node whose history changes.
//!
//! All nodes of a world speak this project's dialect. Who streams from one, from what it has in memory, and has been
//! heard of late, is there afterwards, whatever becomes of the history in one step. Who is in a full sync, far behind or
//! about to be given up anyway may go.

use slipstream_engine::{Node, SessionId};
use slipstream_log::ReplicationId;
use slipstream_replication::replicas::Replica;

use crate::environment::Environment;
use crate::process::Process;

/// Those who stream from a node and would not be closed for another reason, with whose history they get.
#[derive(Debug)]
pub(super) struct Attached {
    history: ReplicationId,
    life: u32,
    replicas: Vec<SessionId>,
}

impl Attached {
    pub(super) fn to(process: &Process, node: &Node, env: &Environment) -> Attached {
        let (log, now) = (&node.core.log, node.core.clock.moment());
        let half_ms = u64::from(env.options.timeout) * 500;
        let stays = |replica: &&Replica| {
            let is_near = replica.cursor().is_some_and(|cursor| {
                let limit = env.options.output_limit;
                cursor >= log.start() && (limit == 0 || log.end().since(cursor) < limit / 2)
            });
            replica.is_online() && is_near && now.ms_since(replica.heard) < half_ms
        };
        let replicas = node.core.replication.replicas.iter().filter(stays);
        let replicas = replicas.map(|replica| SessionId(replica.id.0)).collect();
        Attached { history: log.history().id, life: process.life, replicas }
    }

    /// After a step, or after all those in which the node loaded its data: how many connections have outlived a change
    /// of the history in it.
    pub(super) fn check(self, process: &Process, node: &Node) -> u64 {
        if self.life != process.life || self.history == node.core.log.history().id {
            return 0;
        }
        let stayed: Vec<_> = self.replicas.iter().filter(|id| !process.left.contains(id)).collect();
        for id in &stayed {
            let is_there = node.core.sessions.get(**id).is_some();
            assert!(is_there, "{} closed session {} since its history changed", process.place(), id.0);
        }
        stayed.len() as u64
    }
}
