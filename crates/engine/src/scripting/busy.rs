//! A script that runs for long: others are told of it, and may end it.
//!
//! While a script runs, the request that it belongs to is on the stack, and nobody else is served. So the
//! interpreter asks every now and then whether it may go on ([`tick`]), and beyond `busy-reply-threshold` clients
//! are served from there: only commands run that touch no data, all others are refused. What they lead to is no
//! part of the script's effects, and no key comes or goes by them.
//!
//! Not served meanwhile are the script's own client, replicas, the stream of a primary, whoever waits, signals, and
//! all that is due: the turn in which the script began goes on when it is over. But a replica that is gone is gone at
//! once: a script may wait for that.

use slipstream_keyspace::Keyspace;
use slipstream_resp::{Args, OwnedRequest};
use slipstream_scripting::{Purpose, Tick};

use crate::config::ShutdownOn;
use crate::delivery::Push;
use crate::door::Arrival;
use crate::errors::CommandError;
use crate::host::Level;
use crate::node::Core;
use crate::propagate::Group;
use crate::session::SessionId;

/// What comes is looked at so often before the script goes on, since replies lead to requests.
const ROUNDS: usize = 4;

/// What runs, as its runner knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Running<'a> {
    pub(crate) purpose: Purpose,
    /// A script's digest, a function's name.
    pub(crate) name: &'a str,
    /// The request that runs it.
    pub(crate) request: Args<'a>,
    /// When it began, in microseconds since the process did.
    pub(crate) began: u64,
    /// Whether it called a command that writes.
    pub(crate) has_written: bool,
    /// Whether the stream of a primary brought it.
    pub(crate) obeys: bool,
}

/// A script that runs for long.
#[derive(Debug)]
pub(crate) struct Busy {
    pub(crate) purpose: Purpose,
    /// A script's digest, a function's name.
    pub(crate) name: String,
    /// The request that runs it.
    pub(crate) request: OwnedRequest,
    /// When it began, in microseconds since the process did.
    pub(crate) began: u64,
    has_written: bool,
    obeys: bool,
    end: Option<End>,
}

/// Why a script is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// SCRIPT KILL or FUNCTION KILL.
    Killed,
    /// SHUTDOWN NOSAVE: nothing that it did outlives it.
    ShutDown,
}

impl Busy {
    fn new(running: &Running<'_>) -> Busy {
        Busy {
            purpose: running.purpose,
            name: running.name.to_owned(),
            request: OwnedRequest::new(running.request),
            began: running.began,
            has_written: running.has_written,
            obeys: running.obeys,
            end: None,
        }
    }

    /// What clients are refused with.
    #[cold]
    pub(crate) fn refusal(&self) -> CommandError {
        match self.purpose {
            Purpose::Scripts => CommandError::BUSY_SCRIPT,
            Purpose::Libraries => CommandError::BUSY_FUNCTION,
        }
    }
}

/// Whether a script may go on. Serves clients if it has run for long.
pub(crate) fn tick(keyspace: &mut Keyspace, core: &mut Core, running: &Running<'_>) -> Tick {
    core.tick_clock();
    let Some(mut busy) = core.busy.take().or_else(|| core.found_busy(running)) else { return Tick::GoOn };
    busy.has_written = running.has_written;
    let ends = busy.end.is_some();
    core.busy = Some(busy);
    if !ends {
        serve(keyspace, core);
    }
    match core.end_of_script() {
        None => Tick::GoOn,
        Some(_) => Tick::Kill("Script killed by user with SCRIPT KILL..."),
    }
}

/// Serves clients, for whom nothing of the running command is to be seen.
fn serve(keyspace: &mut Keyspace, core: &mut Core) {
    let aside = Aside::put(core);
    keyspace.set_deletes_due(false);
    for _ in 0..ROUNDS {
        let (mut door, host) = core.door();
        let arrivals = host.while_busy(&mut door);
        if arrivals.is_empty() {
            break;
        }
        for arrival in arrivals {
            match arrival {
                Arrival::Bytes(id, bytes) => core.receive(keyspace, id, &bytes),
                Arrival::Closed(id) => core.closed(id),
                Arrival::Trouble(text) => core.notice(Level::Warning, &text),
            }
        }
        if core.end_of_script().is_some() {
            // Whoever asked for it is answered when it has come.
            break;
        }
    }
    core.rest_or_expire(keyspace);
    aside.put_back(core);
}

/// What belongs to the command that runs, while others do.
struct Aside {
    running: Option<SessionId>,
    own_pushes: Vec<(SessionId, Push)>,
    group: Group,
}

impl Aside {
    fn put(core: &mut Core) -> Aside {
        Aside {
            running: core.running.take(),
            own_pushes: std::mem::take(&mut core.own_pushes),
            group: core.propagation.set_aside(),
        }
    }

    fn put_back(self, core: &mut Core) {
        core.running = self.running;
        core.own_pushes = self.own_pushes;
        let is_over = core.end_of_script() == Some(End::ShutDown);
        core.propagation.go_on(if is_over { Group::default() } else { self.group });
    }
}

impl Core {
    /// A script that has run for longer than `busy-reply-threshold` by now.
    fn found_busy(&mut self, running: &Running<'_>) -> Option<Box<Busy>> {
        let elapsed = (self.clock.micros - running.began) / 1000;
        let threshold = self.config.busy_reply_threshold;
        if threshold == 0 || elapsed < threshold {
            return None;
        }
        let (name, command) = match running.purpose {
            Purpose::Scripts => (running.name, "SCRIPT KILL"),
            Purpose::Libraries => (running.name, "FUNCTION KILL"),
        };
        let text = format!(
            "Slow script detected: still in execution after {elapsed} milliseconds. You can try killing the script \
             using the {command} command. Script name is: {name}."
        );
        self.notice(Level::Warning, &text);
        Some(Box::new(Busy::new(running)))
    }

    fn end_of_script(&self) -> Option<End> {
        self.busy.as_ref().and_then(|busy| busy.end)
    }

    /// A script is over, and clients are served as ever; not so if the process is about to end.
    pub(crate) fn end_busy(&mut self) {
        let over = self.busy.take_if(|busy| busy.end != Some(End::ShutDown));
        if over.is_some_and(|busy| busy.end == Some(End::Killed)) {
            self.notice(Level::Notice, "Lua script killed by user with SCRIPT KILL.");
        }
    }

    /// SCRIPT KILL and FUNCTION KILL.
    pub(crate) fn kill_script(&mut self, purpose: Purpose) -> Result<(), CommandError> {
        let busy = self.busy.as_mut().ok_or(CommandError::NOT_BUSY)?;
        if busy.obeys {
            return Err(CommandError::UNKILLABLE_BY_PRIMARY);
        }
        if busy.has_written {
            return Err(CommandError::UNKILLABLE_BY_WRITES);
        }
        if busy.purpose != purpose {
            return Err(busy.refusal());
        }
        busy.end.get_or_insert(End::Killed);
        Ok(())
    }

    /// What SHUTDOWN does in the middle of a script: it ends the script too, and waits for nobody, since nothing that
    /// could be waited for goes on.
    pub(crate) fn shut_down_script(&mut self, options: ShutdownOn) -> Result<ShutdownOn, CommandError> {
        let Some(busy) = &mut self.busy else { return Ok(options) };
        if !options.nosave {
            return Err(busy.refusal());
        }
        busy.end = Some(End::ShutDown);
        self.shutdown = None;
        Ok(ShutdownOn { now: true, force: true, ..options })
    }
}
