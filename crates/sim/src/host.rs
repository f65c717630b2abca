//! The process around a simulated node: two clocks and a log that becomes part of the story.
//!
//! The monotonic clock counts from the node's start. The clock on the wall is off by as much as the world
//! decides, and may jump.

use std::cell::Cell;
use std::rc::Rc;

use slipstream_engine::config::Config;
use slipstream_engine::{
    Arrival, Clock, Door, Host, Level, ProcessFacts, Refused, Shipment, Shipped, Trouble,
};

use crate::checker::{Announced, Verdicts};
use crate::story::Story;

/// When the world begins, in microseconds since 1970.
const GENESIS_MICROS: i64 = 1_700_000_000_000_000;

/// The time of the world in microseconds since it began.
pub type Time = Rc<Cell<u64>>;

/// What a sentinel begins with.
#[derive(Debug)]
pub struct SentinelAtStart {
    /// Its number.
    pub machine: usize,
    /// Who hears what it says.
    pub announced: Rc<Announced>,
    /// Its file of state.
    pub state: Option<Vec<u8>>,
}

/// One life of a simulated process.
#[derive(Debug)]
pub struct SimulatedHost {
    /// The name of its machine.
    pub name: String,
    /// The time of the world.
    pub time: Time,
    /// When this life began.
    pub started: u64,
    /// How far the machine's wall clock is off, in microseconds.
    pub skew: Rc<Cell<i64>>,
    /// Where log lines go.
    pub story: Story,
    /// What they say of verifications.
    pub verdicts: Rc<Verdicts>,
    /// If it is a sentinel: who hears it, and its file of state.
    pub sentinel: Option<SentinelAtStart>,
}

impl Host for SimulatedHost {
    fn clock(&mut self) -> Clock {
        let now = self.time.get();
        let true_time = GENESIS_MICROS + i64::try_from(now).expect("worlds are short");
        Clock { unix_micros: true_time + self.skew.get(), micros: now - self.started }
    }

    /// A turn takes no time.
    fn processor_micros(&mut self) -> u64 {
        0
    }

    fn facts(&mut self) -> ProcessFacts {
        ProcessFacts { pid: 1, ..ProcessFacts::default() }
    }

    fn used_memory(&mut self) -> usize {
        0
    }

    fn release_memory(&mut self) {}

    fn allocator_report(&mut self) -> Option<String> {
        None
    }

    fn log(&mut self, level: Level, replica: bool, text: &str) {
        let mark = match level {
            Level::Warning => '#',
            _ => '*',
        };
        let role = if replica { 'S' } else { 'M' };
        self.story.tell(self.time.get(), &self.name, format_args!("{role} {mark} {text}"));
        self.verdicts.hear(text);
        if let Some(sentinel) = &self.sentinel {
            sentinel.announced.hear(self.time.get(), sentinel.machine, text);
        }
    }

    fn apply(&mut self, _: &mut Config, _: &[&'static str]) -> Result<(), Refused> {
        Ok(())
    }

    fn act_as(&mut self, _: bool) {}

    fn read_config(&mut self) -> Result<String, String> {
        Err("there is no configuration file".to_owned())
    }

    fn write_config(&mut self, _: &[u8]) -> Result<(), String> {
        Err("there is no configuration file".to_owned())
    }

    fn read_file(&mut self, _: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(self.sentinel.as_ref().and_then(|sentinel| sentinel.state.clone()))
    }

    fn write_file(&mut self, _path: &str, _content: &[u8]) -> Result<(), String> {
        Err("nodes of a world have no users to keep".to_owned())
    }

    fn fill_secret(&mut self, _bytes: &mut [u8]) -> Result<(), String> {
        Err("a world is the same again from its seed".to_owned())
    }

    fn is_program(&mut self, _path: &str) -> bool {
        true
    }

    fn stall(&mut self, micros: u64) {
        self.time.set(self.time.get() + micros);
    }

    /// There is nobody to migrate to.
    fn ship(&mut self, _: Box<Shipment>) -> Shipped {
        Shipped::failed(Trouble::Connecting)
    }

    /// No time passes while a script runs.
    fn while_busy(&mut self, _: &mut Door<'_>) -> Vec<Arrival> {
        Vec::new()
    }
}
