//! What the story happens on: the nodes, the write load, the screen and the clock, kept going together.
//!
//! Whatever the story waits for, it waits here: each turn reads the nodes, shows them, and ends the play when a
//! signal came. Every wait has a limit, after which the play has failed.

use std::time::{Duration, Instant};

use slipstream_resp::Value;

use super::Halt;
use super::cluster::{Cluster, FIRST_SENTINEL};
use super::interrupts::Interrupts;
use super::load::Load;
use super::node::Part;
use super::options::Options;
use super::reading::{NODES, Reading, Readings, Role, Syncs};
use super::screen::Screen;
use super::sentinel::{QUORUM, SENTINELS};
use super::table::{self, Row};

const TURN: Duration = Duration::from_millis(100);
/// Far beyond what any step takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);
const PORT_ATTEMPTS: usize = 10;

#[derive(Debug)]
pub(super) struct Stage {
    // The load first: once it is dropped, nobody writes to the nodes any more.
    pub(super) load: Load,
    pub(super) cluster: Cluster,
    /// The server that takes the writes: by the sentinels' word, as soon as they have one.
    pub(super) primary: usize,
    /// Whom each sentinel names.
    named: Vec<Option<usize>>,
    readings: Readings,
    screen: Screen,
    interrupts: Interrupts,
    started: Instant,
}

impl Stage {
    pub(super) fn build(options: &Options) -> Result<Self, Halt> {
        Ok(Self {
            interrupts: Interrupts::install()?,
            cluster: Cluster::new(options.port_base)?,
            load: Load::start(options.writes_per_second),
            primary: 0,
            named: Vec::new(),
            readings: [const { None }; NODES],
            screen: Screen::new(),
            started: Instant::now(),
        })
    }

    /// Starts a node and returns once it answers.
    pub(super) fn start(&mut self, index: usize, part: Part) -> Result<(), Halt> {
        for _ in 0..PORT_ATTEMPTS {
            self.cluster.nodes[index].start(part)?;
            self.wait_until("a node answers", |stage| {
                let node = &mut stage.cluster.nodes[index];
                node.is_answering() || node.has_ended()
            })?;
            if self.cluster.nodes[index].is_answering() {
                return self.introduce(index);
            }
            if !self.cluster.change_lost_port(index)? {
                break;
            }
        }
        Err(Halt::Failure(format!("{} does not start.", self.name(index))))
    }

    fn introduce(&mut self, index: usize) -> Result<(), Halt> {
        let node = &self.cluster.nodes[index];
        let (name, port) = (node.name, node.port);
        let process = node.process().expect("it has just answered");
        self.say(&format!("{name} starts at 127.0.0.1:{port}, process {process}."))
    }

    pub(super) fn name(&self, index: usize) -> &'static str {
        self.cluster.nodes[index].name
    }

    pub(super) fn port(&self, index: usize) -> u16 {
        self.cluster.nodes[index].port
    }

    pub(super) fn sentinel_ports(&self) -> [u16; SENTINELS] {
        std::array::from_fn(|index| self.port(FIRST_SENTINEL + index))
    }

    /// How a node is, as soon as it answers.
    pub(super) fn reading(&mut self, index: usize) -> Result<&Reading, Halt> {
        if self.readings[index].is_none() {
            let what = format!("{} answers", self.name(index));
            self.wait_until(&what, |stage| stage.readings[index].is_some())?;
        }
        Ok(self.readings[index].as_ref().expect("it has just answered"))
    }

    /// What a node that answered has served as a primary.
    pub(super) fn syncs(&self, index: usize) -> Option<Syncs> {
        self.readings[index].as_ref().map(|reading| reading.syncs)
    }

    /// Whether a node is a replica whose link is up.
    pub(super) fn is_linked(&self, index: usize) -> bool {
        self.readings[index].as_ref().is_some_and(Reading::is_linked)
    }

    /// Whether a node is a replica whose link is down.
    pub(super) fn is_cut_off(&self, index: usize) -> bool {
        self.readings[index].as_ref().is_some_and(|reading| !reading.is_linked())
    }

    /// Sends a request to a node, again if it does not answer: one that may be done twice. An error ends the play.
    pub(super) fn command(&mut self, index: usize, words: &[&str]) -> Result<Value, Halt> {
        let name = self.name(index);
        let failed = |error| Halt::Failure(format!("{name}: {}: {error}", words.join(" ")));
        self.cluster.nodes[index].call_patiently(words).map_err(failed)
    }

    pub(super) fn open_chapter(&mut self, title: &str) -> Result<(), Halt> {
        Ok(self.screen.open_chapter(title)?)
    }

    pub(super) fn say(&mut self, text: &str) -> Result<(), Halt> {
        Ok(self.screen.say(text)?)
    }

    /// Lets the play go on until this long after its start.
    pub(super) fn run_until(&mut self, time: Duration) -> Result<(), Halt> {
        loop {
            self.turn()?;
            if self.started.elapsed() >= time {
                return Ok(());
            }
        }
    }

    /// Lets the play go on until a signal comes, whatever it is.
    pub(super) fn run_until_signal(&mut self) -> Result<(), Halt> {
        loop {
            match self.turn() {
                Ok(()) => {}
                Err(Halt::Signal(_)) => return Ok(()),
                failure => return failure,
            }
        }
    }

    /// Lets the play go on until `holds`, but not forever.
    pub(super) fn wait_until(&mut self, what: &str, holds: impl Fn(&mut Self) -> bool) -> Result<(), Halt> {
        let deadline = Instant::now() + LIMIT;
        self.refresh();
        while !holds(self) {
            if Instant::now() >= deadline {
                return Err(Halt::Failure(format!("{LIMIT:?} passed and still not: {what}.")));
            }
            self.turn()?;
        }
        Ok(())
    }

    /// Lets the play go on for a moment.
    pub(super) fn turn(&mut self) -> Result<(), Halt> {
        self.interrupts.wait(TURN)?;
        if let Some(signal) = self.interrupts.take() {
            return Err(Halt::Signal(signal));
        }
        self.refresh();
        if self.screen.is_live() { self.show_table() } else { Ok(()) }
    }

    fn refresh(&mut self) {
        self.named = self.cluster.ask_sentinels();
        let votes = |index| self.named.iter().filter(|&&named| named == Some(index)).count();
        if let Some(agreed) = (0..NODES).find(|&index| votes(index) >= QUORUM) {
            self.primary = agreed;
        }
        self.readings = self.cluster.read(self.primary);
    }

    /// Whether all sentinels name this server as the primary.
    pub(super) fn is_named_by_all(&self, index: usize) -> bool {
        self.named.iter().all(|&named| named == Some(index))
    }

    /// Whether a server says of itself that it is a primary.
    pub(super) fn is_primary(&self, index: usize) -> bool {
        self.readings[index].as_ref().is_some_and(|reading| reading.role == Role::Primary)
    }

    /// In plain lines, the end of a chapter shows where it led; a live table shows that all the time.
    pub(super) fn close_chapter(&mut self) -> Result<(), Halt> {
        if self.screen.is_live() { Ok(()) } else { self.show_table() }
    }

    fn show_table(&mut self) -> Result<(), Halt> {
        let rows = self.cluster.servers().iter().zip(&self.readings);
        let rows: Vec<_> = rows
            .map(|(node, reading)| Row { name: node.name, port: node.port, reading: reading.as_ref() })
            .collect();
        let offset = self.readings[self.primary].as_ref().map_or(0, |reading| reading.offset);
        let mut lines = table::lines(&rows, offset, self.load.tally(), self.screen.ink());
        if self.cluster.nodes[FIRST_SENTINEL].process().is_some() {
            let named = self.named.iter().map(|named| named.map(|index| self.name(index)));
            lines.push(table::word_of_sentinels(&named.collect::<Vec<_>>()));
        }
        Ok(self.screen.show(lines)?)
    }

    /// Whether somebody watches a table that changes.
    pub(super) fn is_live(&self) -> bool {
        self.screen.is_live()
    }

    pub(super) fn clear(&mut self) -> Result<(), Halt> {
        Ok(self.screen.clear()?)
    }

    /// The end of every node's log, for whoever has to find out what went wrong.
    pub(super) fn logs(&self) -> String {
        let log = |node: &super::node::Node| format!("--- {}\n{}", node.name, node.log_end());
        self.cluster.nodes.iter().map(log).collect::<Vec<_>>().join("\n")
    }
}
