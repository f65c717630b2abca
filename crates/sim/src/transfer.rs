//! Snapshots on their way: out of a node to its replicas, and into one from its primary.
//!
//! Encoding and decoding are those of the real shell, only that no thread does them: a snapshot is encoded
//! when it is ordered and goes out in pieces, and it is decoded when its last piece is there.

use std::io::Write;
use std::rc::Rc;

use slipstream_engine::{
    LoadOptions, LoadOrder, LoadedData, SessionId, SnapshotJob, Source, SyncOrder, load,
};
use slipstream_rdb::frames::{Chunks, HashKey};
use slipstream_rdb::{Reached, Target, WriteOptions};
use slipstream_replication::replicas::{Framing, SnapshotSent};

use crate::disk::FULL;
use crate::environment::{Environment, Inside};
use crate::network::Side;
use crate::process::Process;

/// The pause between two pieces, and between the last one and the report, in microseconds.
const PIECE_PAUSE: u64 = 2000;

/// How often a job that makes progress says so, in microseconds.
const REPORT_PERIOD: u64 = 1_000_000;

/// Progress of a load begins behind the head of the snapshot, in bytes.
const LEAST_PROGRESS: usize = 200;

/// An encoded snapshot that replicas may join.
#[derive(Debug)]
pub(crate) struct Spool {
    rdb: Rc<[u8]>,
    pub(crate) sealed: bool,
}

/// A snapshot that goes out to one replica. Its socket is lent to the job meanwhile.
#[derive(Debug)]
pub(crate) struct Outgoing {
    body: Rc<[u8]>,
    sent: usize,
    progressed: u64,
    reported: u64,
}

/// A snapshot that comes in.
#[derive(Debug)]
pub(crate) struct Load {
    bytes: Vec<u8>,
    options: LoadOptions,
    /// Whether it lies in a file before it is decoded.
    through_file: bool,
}

/// The bytes of a snapshot.
pub(crate) fn encode(job: &SnapshotJob, target: Target) -> Vec<u8> {
    let mut bytes = Vec::new();
    let options = WriteOptions { target, ..WriteOptions::default() };
    slipstream_rdb::write(job.snapshot.clone(), &job.preface, options, &mut bytes)
        .expect("memory takes it all");
    bytes
}

/// The same as nodes of this project send it to each other.
fn in_frames(key: HashKey, rdb: &[u8]) -> Vec<u8> {
    let mut frames = Vec::new();
    let emit = |frame: Vec<u8>| {
        frames.extend_from_slice(&frame);
        Ok(())
    };
    let mut chunks = Chunks::framed(key, emit).expect("memory takes it all");
    chunks.write_all(rdb).and_then(|()| chunks.flush()).expect("memory takes it all");
    drop(chunks);
    frames
}

/// The data in them.
pub(crate) fn decode(bytes: &[u8], options: LoadOptions) -> Result<LoadedData, String> {
    load(bytes, options).map_err(|error| error.to_string())
}

/// Out.
impl Process {
    pub(crate) fn start_sync(&mut self, env: &mut Environment, order: &SyncOrder) {
        let rdb = encode(&order.content, order.target);
        let rdb: Rc<[u8]> = order.framed.map_or_else(|| rdb.clone(), |key| in_frames(key, &rdb)).into();
        let pauses = [env.rng.u64(..PIECE_PAUSE), env.rng.u64(..100 * PIECE_PAUSE)];
        let lacks_room = !env.options.diskless_sync && self.disk.is_full(env.now());
        if lacks_room || env.rng.bool() {
            let failure = lacks_room.then(|| FULL.to_owned());
            self.later(env, pauses[0], Inside::SyncOutgrown(order.job, failure));
        }
        self.later(env, pauses[1], Inside::SyncEncoded(order.job, rdb.len() as u64));
        self.spools.insert(order.job, Spool { rdb, sealed: false });
    }

    pub(crate) fn join_sync(&mut self, env: &mut Environment, job: u64, id: SessionId, framing: &Framing) {
        let spool = &self.spools[&job];
        assert!(!spool.sealed, "nobody joins what is not all there");
        let head = framing.head(spool.rdb.len() as u64);
        let body: Rc<[u8]> = [&head, &*spool.rdb, framing.tail()].concat().into();
        self.flush(env, id);
        if self.wire_of(id).is_none() {
            return self.later(env, 0, Inside::SyncSent(id, Err("it disconnected".to_owned())));
        }
        let now = env.now();
        self.outgoing.insert(id, Outgoing { body, sent: 0, progressed: now, reported: now });
        let pause = env.rng.u64(..PIECE_PAUSE);
        self.later(env, pause, Inside::SendPiece(id));
    }

    pub(crate) fn send_piece(&mut self, env: &mut Environment, id: SessionId) {
        let (wire, now) = (self.wire_of(id), env.now());
        let Some(outgoing) = self.outgoing.get_mut(&id) else { return };
        let pause = env.rng.u64(1..PIECE_PAUSE);
        let Some(wire) = wire else {
            return self.later(env, pause, Inside::SyncSent(id, Err("Broken pipe".to_owned())));
        };
        let rest = &outgoing.body[outgoing.sent..];
        let piece = env.rng.usize(1..=rest.len().min(8 * env.options.chunk));
        let count = env.network.write(wire, Side::Server, &rest[..piece]);
        outgoing.sent += count;
        if count > 0 {
            outgoing.progressed = now;
        }
        let silence = u64::from(env.options.timeout) * 1_000_000;
        if outgoing.sent == outgoing.body.len() {
            self.later(env, pause, Inside::SyncSent(id, Ok(())));
        } else if now - outgoing.progressed > silence {
            let reason = "it took nothing for repl-timeout seconds".to_owned();
            self.later(env, pause, Inside::SyncSent(id, Err(reason)));
        } else {
            let reports =
                now - outgoing.reported >= REPORT_PERIOD && outgoing.progressed >= outgoing.reported;
            if now - outgoing.reported >= REPORT_PERIOD {
                outgoing.reported = now;
            }
            if reports {
                let bytes = SnapshotSent { sent: outgoing.sent as u64, waiting: 0 };
                self.turn(env, |node| node.sync_progress(id, bytes));
            }
            self.later(env, pause, Inside::SendPiece(id));
        }
    }
}

/// In.
impl Process {
    pub(crate) fn begin_load(&mut self, order: LoadOrder) {
        let Some(node) = &mut self.node else { return };
        self.load_number = order.number;
        let options = node.load_options(Source::Sync);
        self.load = Some(Load { bytes: Vec::new(), options, through_file: order.through_file });
    }

    /// More of the snapshot. What is not written to a file first is decoded as it comes.
    pub(crate) fn load_bytes(&mut self, env: &mut Environment, piece: &[u8]) {
        let load = self.load.as_mut().expect("a load has begun");
        load.bytes.extend_from_slice(piece);
        if !load.through_file && env.rng.u32(..4) == 0 {
            let pause = env.rng.u64(..PIECE_PAUSE);
            self.later(env, pause, Inside::LoadProgress(self.load_number));
        }
    }

    /// The decoder has read what is there so far, if that has a head at all.
    pub(crate) fn progressed(&mut self, env: &mut Environment, number: u64) {
        let length = self.load.as_ref().map_or(0, |load| load.bytes.len());
        if number == self.load_number && length > LEAST_PROGRESS {
            self.turn(env, |node| {
                let reached = Reached { bytes: length as u64, ..Reached::default() };
                node.load_progress(number, reached);
            });
        }
    }

    pub(crate) fn end_load(&mut self, env: &mut Environment) {
        let load = self.load.as_ref().expect("a load has begun");
        let result = match env.options.bad_loads {
            lots if lots > 0 && env.rng.u32(..lots) == 0 => Err("out of luck".to_owned()),
            _ if load.through_file && self.disk.is_full(env.now()) => Err(FULL.to_owned()),
            _ => decode(&load.bytes, load.options).map(Box::new),
        };
        let micros = env.draw(&env.options.disk_delay.clone());
        self.later(env, micros, Inside::LoadedSync(self.load_number, result));
    }
}
