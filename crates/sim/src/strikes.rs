//! What goes wrong in a world with sentinels: the network falls apart in every shape, and whoever watches dies as well.
//!
//! Each strike has its own end planned, so that any of them overlap. Nobody gives nodes orders.

use crate::environment::Event;
use crate::network::Place;
use crate::options::GROUP;
use crate::world::World;

/// A kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strike {
    /// A connection breaks, and perhaps one side is never told.
    Cut,
    /// The network falls into two parts, in one direction or both.
    Partition,
    /// One machine is cut off from some others, in one direction or both.
    CutOff,
    /// Two machines hear each other now and then.
    Flap,
    /// Much of what a machine sends, or what is sent to it, is lost on the way and has to be sent again.
    Lossy,
    /// A process is killed.
    Kill,
    /// A machine is gone without a word to anybody.
    PowerLoss,
    /// A process is asked to end.
    Terminate,
    /// A process stands still for a while.
    Freeze,
    /// A wall clock jumps.
    Clock,
    /// A disk takes nothing for a while.
    Disk,
    /// A snapshot is saved.
    Save,
    /// An operator wants another primary.
    Order,
    /// A sentinel is told to die when it is elected, or has promoted.
    Simulate,
}

/// All kinds, and how often each comes.
const ALL: [(Strike, u32); 14] = [
    (Strike::Cut, 8),
    (Strike::Partition, 16),
    (Strike::CutOff, 16),
    (Strike::Flap, 6),
    (Strike::Lossy, 8),
    (Strike::Kill, 16),
    (Strike::PowerLoss, 6),
    (Strike::Terminate, 5),
    (Strike::Freeze, 12),
    (Strike::Clock, 3),
    (Strike::Disk, 3),
    (Strike::Save, 4),
    (Strike::Order, 8),
    (Strike::Simulate, 2),
];

/// How often two machines that flap lose each other, and for how long at most, in microseconds.
const FLAPS: u64 = 6;
const FLAP: u64 = 600_000;

impl World {
    /// Something goes wrong.
    pub(crate) fn strike(&mut self) {
        let total: u32 = ALL.iter().map(|(_, weight)| weight).sum();
        let mut lot = self.env.rng.u32(..total);
        let mut kind = Strike::Cut;
        for (strike, weight) in ALL {
            kind = strike;
            match lot.checked_sub(weight) {
                Some(left) => lot = left,
                None => break,
            }
        }
        let machine = self.draw_machine();
        match kind {
            Strike::Cut => {
                let half = self.env.rng.u32(..3) == 0;
                self.break_something(half);
            }
            Strike::Partition => self.fall_apart(),
            Strike::CutOff => self.cut_off(machine),
            Strike::Flap => self.flap(machine),
            Strike::Lossy => self.lose_much(machine),
            Strike::Kill => self.strike_down(machine, false),
            Strike::PowerLoss => self.strike_down(machine, true),
            Strike::Terminate => self.end_politely(machine),
            Strike::Freeze => self.freeze(machine),
            Strike::Clock => self.jump_clock(machine),
            Strike::Disk => self.spoil_disk(machine),
            Strike::Save if machine < self.topology.len() => self.save(machine),
            Strike::Order => self.order_failover(),
            Strike::Simulate => self.simulate_failure(),
            Strike::Save => {}
        }
    }

    /// Any machine, and often the one that matters.
    fn draw_machine(&mut self) -> usize {
        let any = self.env.rng.usize(..self.processes.len());
        let primary = self.agreed().map(|(primary, _)| primary);
        if self.env.rng.u32(..3) == 0 { primary.unwrap_or(any) } else { any }
    }

    /// Nothing passes from one to another for a while.
    fn silence_for(&mut self, (from, to): (usize, usize), length: u64) {
        let (from, to) = (Place::Node(from), Place::Node(to));
        self.env.silence(from, to, length);
    }

    fn fall_apart(&mut self) {
        let machines = self.processes.len();
        let mut sides: Vec<bool> = (0..machines).map(|_| self.env.rng.bool()).collect();
        if self.env.options.watch.as_ref().is_some_and(|watch| watch.beside) {
            for sentinel in self.sentinels() {
                sides[sentinel] = sides[(sentinel - self.topology.len()) % self.topology.len()];
            }
        }
        let length = self.fault_length();
        let (there, back) =
            [(true, true), (true, true), (true, false), (false, true)][self.env.rng.usize(..4)];
        self.env
            .tell("--", format_args!("the network falls apart for {length} µs: {sides:?} {there} {back}"));
        for from in 0..machines {
            for to in 0..machines {
                let is_blocked = if sides[from] { there } else { back };
                if sides[from] != sides[to] && is_blocked {
                    self.silence_for((from, to), length);
                }
            }
        }
        self.part_callers(&sides, length);
    }

    /// Clients are on one side, too.
    fn part_callers(&mut self, sides: &[bool], length: u64) {
        for client in 0..self.clients() {
            let side = self.env.rng.bool();
            for (machine, other) in sides.iter().enumerate() {
                if *other != side {
                    let (from, to) = (Place::Client(client), Place::Node(machine));
                    self.env.silence(from, to, length);
                }
            }
        }
    }

    fn cut_off(&mut self, machine: usize) {
        let length = self.fault_length();
        // From all, from the nodes, from the sentinels, or from one.
        let (nodes, machines) = (self.topology.len(), self.processes.len());
        let one = self.env.rng.usize(..machines);
        let others = [0..machines, 0..nodes, nodes..machines, one..one + 1][self.env.rng.usize(..4)].clone();
        let (out, back) = [(true, true), (true, false), (false, true)][self.env.rng.usize(..3)];
        self.env.tell(
            Place::Node(machine),
            format_args!("--- is cut off from {others:?} for {length} µs, out {out}, in {back}"),
        );
        for other in others.filter(|other| *other != machine) {
            if out {
                self.silence_for((machine, other), length);
            }
            if back {
                self.silence_for((other, machine), length);
            }
        }
    }

    fn flap(&mut self, machine: usize) {
        let other = self.env.rng.usize(..self.processes.len());
        self.env.tell(Place::Node(machine), format_args!("--- and n{other} hear each other now and then"));
        let (a, b) = (Place::Node(machine), Place::Node(other));
        let mut at = 0;
        for _ in 0..FLAPS {
            let (length, pause) = (self.env.rng.u64(1000..FLAP), self.env.rng.u64(1000..FLAP));
            self.env.after(at, Event::Block(a, b, length));
            at += length + pause;
        }
    }

    fn lose_much(&mut self, machine: usize) {
        let (length, percent) = (self.fault_length(), self.env.rng.u32(10..80));
        let is_out = self.env.rng.bool();
        let what = if is_out { "sends" } else { "is sent" };
        self.env.tell(
            Place::Node(machine),
            format_args!("--- {percent} % of what it {what} are lost for {length} µs"),
        );
        for other in (0..self.processes.len()).filter(|other| *other != machine) {
            let (from, to) = if is_out { (machine, other) } else { (other, machine) };
            self.env.lose(Place::Node(from), Place::Node(to), (percent, length));
        }
    }

    fn strike_down(&mut self, machine: usize, silently: bool) {
        if machine < self.topology.len() {
            return self.crash(machine, silently);
        }
        if self.processes[machine].node.is_none() {
            return;
        }
        match silently {
            true => self.processes[machine].vanish(&mut self.env),
            false => self.processes[machine].kill(&mut self.env),
        }
        let length = self.fault_length();
        self.env.after(length, Event::Start(machine));
    }

    fn end_politely(&mut self, machine: usize) {
        let process = &self.processes[machine];
        let is_ending = process.node.as_ref().is_none_or(|node| node.core.shutdown.is_some());
        if is_ending || process.stalled_until > self.env.now() {
            return;
        }
        let length = self.fault_length();
        self.processes[machine].terminate(&mut self.env);
        self.observe(machine);
        self.env.after(length, Event::Start(machine));
    }

    fn spoil_disk(&mut self, machine: usize) {
        let (length, is_full) = (self.fault_length(), self.env.rng.bool());
        let until = self.env.now() + length;
        self.env.tell(Place::Node(machine), format_args!("--- its disk takes nothing for {length} µs"));
        match is_full {
            true => self.processes[machine].disk.fill_until(until),
            false => self.processes[machine].disk.fail_until(until),
        }
    }

    /// A sentinel that can be asked.
    fn draw_sentinel(&mut self) -> Option<usize> {
        let sentinel = self.env.rng.usize(self.sentinels());
        let process = &self.processes[sentinel];
        (process.node.is_some() && process.stalled_until <= self.env.now()).then_some(sentinel)
    }

    fn order_failover(&mut self) {
        let is_wanted = self.env.options.watch.as_ref().is_some_and(|watch| watch.orders);
        let Some(sentinel) = self.draw_sentinel().filter(|_| is_wanted) else { return };
        let reply = self.command(sentinel, &format!("SENTINEL FAILOVER {GROUP}"));
        self.env.tell(Place::Node(sentinel), format_args!("--- is told SENTINEL FAILOVER: {reply}"));
    }

    fn simulate_failure(&mut self) {
        let Some(sentinel) = self.draw_sentinel() else { return };
        let mode = ["crash-after-election", "crash-after-promotion"][self.env.rng.usize(..2)];
        self.command(sentinel, &format!("SENTINEL SIMULATE-FAILURE {mode}"));
        self.env.tell(Place::Node(sentinel), format_args!("--- is told SIMULATE-FAILURE {mode}"));
    }
}
