//! What goes wrong with connections, machines, clocks and disks.
//!
//! Each fault is one step with its own end planned, so that any of them overlap. How often each kind comes is
//! drawn for each world: one in which a fault never happens lets others go further. What an operator does is in
//! `orders.rs`.

use crate::environment::Event;
use crate::network::{Place, Side};
use crate::world::World;

/// A kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A connection breaks.
    Cut,
    /// A connection breaks, and one side is never told.
    HalfOpen,
    /// Nothing passes from one machine to another, or in both directions.
    Silence,
    /// A process is killed.
    Crash,
    /// A machine is gone without a word to anybody.
    PowerLoss,
    /// A process is asked to end.
    Terminate,
    /// A process stands still for a while.
    Freeze,
    /// A wall clock jumps.
    Clock,
    /// A machine reads slowly.
    SlowReader,
    /// A disk is full for a while.
    FullDisk,
    /// What a disk holds of the log cannot be read any more.
    BadDisk,
    /// Nothing that a machine writes comes to disk for a while, and it is told so.
    NoSync,
    /// A snapshot is saved.
    Save,
    /// An append-only file is written anew.
    Rewrite,
    /// Any replica takes the primary's place, whatever it has.
    Promote,
    /// The primary dies, and the replica that is furthest takes its place.
    Replace,
    /// A replica is made a primary by mistake, and put back later.
    Mistake,
    /// The primary is told to hand over.
    HandOver,
    /// A replica follows another node than before.
    Move,
    /// A replica changes places with the one above it.
    Swap,
    /// A directive is changed.
    Configure,
}

impl Fault {
    /// All kinds, and how often each comes.
    pub const ALL: [(Fault, u32); 21] = [
        (Fault::Cut, 24),
        (Fault::HalfOpen, 8),
        (Fault::Silence, 14),
        (Fault::Crash, 12),
        (Fault::PowerLoss, 4),
        (Fault::Terminate, 6),
        (Fault::Freeze, 8),
        (Fault::Clock, 6),
        (Fault::SlowReader, 4),
        (Fault::FullDisk, 4),
        (Fault::BadDisk, 2),
        (Fault::NoSync, 2),
        (Fault::Save, 6),
        (Fault::Rewrite, 4),
        (Fault::Promote, 5),
        (Fault::Replace, 5),
        (Fault::Mistake, 3),
        (Fault::HandOver, 5),
        (Fault::Move, 5),
        (Fault::Swap, 4),
        (Fault::Configure, 3),
    ];

    /// How often each kind comes in one world.
    pub fn draw_weights(rng: &mut fastrand::Rng) -> [u32; Fault::ALL.len()] {
        Fault::ALL.map(|(_, weight)| weight * [0, 1, 1, 3][rng.usize(..4)])
    }

    fn draw(weights: &[u32; Fault::ALL.len()], rng: &mut fastrand::Rng) -> Option<Fault> {
        let total: u32 = weights.iter().sum();
        let mut lot = (total > 0).then(|| rng.u32(..total))?;
        Fault::ALL.iter().zip(weights).find_map(|((fault, _), weight)| match lot.checked_sub(*weight) {
            Some(left) => {
                lot = left;
                None
            }
            None => Some(*fault),
        })
    }
}

impl World {
    /// Something goes wrong.
    pub(crate) fn fault(&mut self) {
        let weights = self.env.options.faults;
        let Some(fault) = Fault::draw(&weights, &mut self.env.rng) else { return };
        let node = self.env.rng.usize(..self.processes.len());
        match fault {
            Fault::Cut => self.break_something(false),
            Fault::HalfOpen => self.break_something(true),
            Fault::Silence => self.silence(node),
            Fault::Crash => self.crash(node, false),
            Fault::PowerLoss => self.crash(node, true),
            Fault::Terminate => self.terminate(node),
            Fault::Freeze => self.freeze(node),
            Fault::Clock => self.jump_clock(node),
            Fault::SlowReader => self.slow_down(node),
            Fault::FullDisk => self.fill_disk(node),
            Fault::BadDisk => self.damage_disk(node),
            Fault::NoSync => self.fail_syncs(node),
            Fault::Save => self.save(node),
            Fault::Rewrite => self.rewrite(node),
            Fault::Promote => self.promote_any(node),
            Fault::Replace => self.replace_primary(),
            Fault::Mistake => self.promote_by_mistake(node),
            Fault::HandOver => self.hand_over(node),
            Fault::Move => self.move_replica(node),
            Fault::Swap => self.swap_replicas(node),
            Fault::Configure => self.configure(node),
        }
    }

    pub(crate) fn fault_length(&mut self) -> u64 {
        self.env.draw(&self.env.options.fault_length.clone())
    }

    pub(crate) fn break_something(&mut self, half: bool) {
        let wires = self.env.network.wires();
        if wires.is_empty() {
            return;
        }
        let wire = wires[self.env.rng.usize(..wires.len())];
        if half {
            let told = if self.env.rng.bool() { Side::Caller } else { Side::Server };
            self.env.tell("--", format_args!("half a cut: {wire:?}, the {told:?} is told"));
            self.env.network.sever(wire, told);
        } else {
            self.env.tell("--", format_args!("cut: {wire:?}"));
            self.env.network.cut(wire);
        }
    }

    /// One direction, or both, between two nodes.
    fn silence(&mut self, node: usize) {
        let other = self.env.rng.usize(..self.processes.len());
        let length = self.fault_length();
        let (a, b) = (Place::Node(node), Place::Node(other));
        self.env.tell("--", format_args!("silence from {a} to {b} for {length} µs"));
        self.env.silence(a, b, length);
        if self.env.rng.bool() {
            self.env.silence(b, a, length);
        }
    }

    /// A process is gone, with or without a word; now and then its files are another's from then on.
    pub(crate) fn crash(&mut self, node: usize, silently: bool) {
        if self.processes[node].node.is_none() {
            return;
        }
        if silently {
            self.processes[node].vanish(&mut self.env);
        } else {
            self.processes[node].kill(&mut self.env);
        }
        // Where an append-only file is loaded, nothing is to be wrong with it but what the crash did.
        let lot = match self.processes[node].config.appendonly {
            true => self.env.rng.u32(..48),
            false => self.env.rng.u32(..12),
        };
        let lot = if self.processes[node].config.appendonly && lot > 2 { u32::MAX } else { lot };
        let what = match lot {
            0..3 => "loses its disk",
            3 => "finds its snapshot torn",
            4 => "is set back to the snapshot before",
            _ => "keeps its disk",
        };
        self.env.tell(Place::Node(node), format_args!("--- {what}"));
        let cut = self.env.rng.usize(..1000);
        let (now, disk) = (self.env.now(), &mut self.processes[node].disk);
        match lot {
            0..3 => disk.lose(),
            3 => disk.tear(now, cut),
            4 => disk.set_back(),
            _ => {}
        }
        let length = self.fault_length();
        self.env.after(length, Event::Start(node));
    }

    fn terminate(&mut self, node: usize) {
        if !self.processes[node].is_serving(self.env.now()) {
            return;
        }
        let length = self.fault_length();
        self.processes[node].terminate(&mut self.env);
        self.observe(node);
        // It may take a while to end; the start waits for that.
        self.env.after(length, Event::Start(node));
    }

    pub(crate) fn freeze(&mut self, node: usize) {
        let length = self.fault_length();
        self.env.tell(Place::Node(node), format_args!("--- stands still for {length} µs"));
        self.processes[node].stalled_until = self.env.now() + length;
    }

    pub(crate) fn save(&mut self, node: usize) {
        if self.processes[node].is_serving(self.env.now()) {
            self.processes[node].command(&mut self.env, &["BGSAVE"]);
        }
    }

    pub(crate) fn jump_clock(&mut self, node: usize) {
        let most = self.env.options.skew;
        let skew = self.env.rng.i64(-most..=most);
        self.env.tell(Place::Node(node), format_args!("--- its wall clock is {skew} µs off"));
        self.processes[node].skew.set(skew);
    }

    fn slow_down(&mut self, node: usize) {
        let rate = [200, 2000, 20_000][self.env.rng.usize(..3)];
        let length = self.fault_length();
        self.env.tell(Place::Node(node), format_args!("--- reads {rate} bytes a second for {length} µs"));
        self.env.network.set_rate(Place::Node(node), Some(rate));
        self.env.after(length, Event::FullSpeed(node));
    }

    fn fill_disk(&mut self, node: usize) {
        let length = self.fault_length();
        self.env.tell(Place::Node(node), format_args!("--- its disk is full for {length} µs"));
        let until = self.env.now() + length;
        self.processes[node].disk.fill_until(until);
    }

    fn fail_syncs(&mut self, node: usize) {
        if !self.env.options.durable {
            return;
        }
        let length = self.fault_length();
        self.env.tell(Place::Node(node), format_args!("--- nothing comes to its disk for {length} µs"));
        let until = self.env.now() + length;
        self.processes[node].disk.fail_until(until);
    }

    fn rewrite(&mut self, node: usize) {
        if self.env.options.durable && self.processes[node].is_serving(self.env.now()) {
            self.processes[node].command(&mut self.env, &["BGREWRITEAOF"]);
        }
    }

    fn damage_disk(&mut self, node: usize) {
        self.env.tell(Place::Node(node), "--- its log's files are damaged");
        self.processes[node].disk.log.damage();
    }
}
