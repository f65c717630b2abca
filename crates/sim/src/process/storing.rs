//! What a machine has on its disk: the files that are replaced as a whole, and what has left memory of the log.
//!
//! One job at a time works on the log's files, in the order in which the node asked for it, as the server's thread
//! does. What is found out is told to the node with a turn of its own. The append-only file is in `appending.rs`.

use std::io::Write;
use std::path::Path;

use slipstream_engine::{SessionId, SnapshotJob, Source};
use slipstream_log::{Offset, ReplicationId};
use slipstream_storage::{Replaced, Unreplaced, replace};

use super::Process;
use crate::disk::{DUMP, HandFile, STATE};
use crate::environment::{Environment, Inside};
use crate::transfer;

/// How long a small file takes, in microseconds.
const STATE_MICROS: u64 = 2000;

impl Process {
    pub(super) fn save(&mut self, env: &mut Environment, number: u64, job: &SnapshotJob) {
        self.newest_save = number;
        if let Some(point) = job.preface.aux.replication() {
            let id = ReplicationId::parse(&point.id).expect("it was written here");
            self.wrote = Some((id, Offset(u64::try_from(point.offset).expect("a place in a log"))));
        }
        let bytes = transfer::encode(job, job.disk_target());
        let micros = env.draw(&env.options.disk_delay.clone());
        self.later(env, micros, Inside::Save(number, bytes));
    }

    pub(super) fn write_save(&mut self, env: &mut Environment, number: u64, bytes: &[u8]) {
        let (micros, result) = match number == self.newest_save {
            true => {
                self.disk.supersede(env.now());
                self.replace(env, DUMP, &format!("temp-{}-{number}.rdb", self.life), bytes)
            }
            false => (0, Err("a newer snapshot was begun".to_owned())),
        };
        self.later(env, micros, Inside::Saved(number, result));
    }

    /// Replaces a file as the server does; how long that takes, and how it ends.
    pub(super) fn replace(
        &self,
        env: &Environment,
        name: &str,
        temporary: &str,
        bytes: &[u8],
    ) -> (u64, Result<(), String>) {
        let hand = self.disk.hand(env.now());
        let names = Replaced { path: Path::new(name), temporary: Path::new(temporary) };
        let result = replace(&hand, names, |file: &mut HandFile| file.write_all(bytes), || Ok(()));
        let result = result.map_err(|error: Unreplaced| error.into_reason().to_string());
        (hand.now() - env.now(), result)
    }

    pub(super) fn load_file(&mut self, env: &mut Environment) {
        let Some(node) = &mut self.node else { return };
        let options = node.load_options(Source::File);
        let decode = |bytes: Vec<u8>| transfer::decode(&bytes, options).map(Box::new);
        let result = self.disk.read(env.now(), DUMP).map(decode).transpose();
        let micros = env.draw(&env.options.disk_delay.clone());
        self.later(env, micros, Inside::LoadedFile(result));
    }

    pub(super) fn keep_file(&mut self, env: &mut Environment, name: &str, content: &[u8]) {
        let (micros, result) = self.replace(env, name, &format!("{name}.tmp"), content);
        self.later(env, micros, Inside::KeptFile(result));
    }

    /// Hands on what the log wants done with its files.
    pub(super) fn order_from_disk(&mut self, env: &mut Environment) {
        let actions = self.node.as_mut().map(|node| node.core.log.take_disk_actions()).unwrap_or_default();
        if !actions.is_empty() && self.disk.log.order(actions) {
            self.begin_disk_turn(env);
        }
    }

    fn begin_disk_turn(&self, env: &mut Environment) {
        let micros = env.draw(&env.options.disk_delay.clone());
        self.later(env, micros, Inside::DiskTurn);
    }

    pub(super) fn disk_turn(&mut self, env: &mut Environment) {
        let done = self.disk.log.perform(self.disk.is_full(env.now()));
        if !self.disk.log.is_settled() {
            self.begin_disk_turn(env);
        }
        self.turn(env, |node| {
            if let Some(reason) = done.failed {
                node.disk_failed(&reason);
            }
            if let Some((number, offset)) = done.wrote {
                node.core.log.disk_wrote(number, offset);
            }
        });
    }

    /// A replica's stream is older than what is in memory.
    pub(super) fn ask_disk(&self, env: &mut Environment, id: SessionId) {
        let micros = env.draw(&env.options.disk_delay.clone());
        self.later(env, micros, Inside::DiskRead(id));
    }

    pub(super) fn disk_read(&mut self, env: &mut Environment, id: SessionId) {
        let Some(from) = self.cursor_of(id) else { return };
        match self.disk.log.read(from) {
            Ok(blocks) => self.supply(env, id, blocks),
            Err(reason) => {
                self.turn(env, |node| node.disk_failed(&reason));
                self.supply(env, id, Default::default());
            }
        }
    }

    /// The state file is written after all that were to be written before.
    pub(super) fn keep_state(&mut self, env: &mut Environment, content: Vec<u8>) {
        self.disk.states.push_back(content);
        if self.disk.states.len() == 1 {
            self.later(env, STATE_MICROS, Inside::KeepState);
        }
    }

    pub(super) fn write_state(&mut self, env: &mut Environment) {
        let Some(content) = self.disk.states.front() else { return };
        let (micros, result) = self.replace(env, STATE, &format!("{STATE}.tmp"), content);
        self.later(env, micros, Inside::KeptState(result));
    }

    pub(super) fn kept_state(&mut self, env: &mut Environment, result: Result<(), String>) {
        self.disk.states.pop_front();
        if !self.disk.states.is_empty() {
            self.later(env, STATE_MICROS, Inside::KeepState);
        }
        self.turn(env, |node| node.kept_state(result));
    }
}
