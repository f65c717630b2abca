//! What a running script may reach of the server.
//!
//! The trait [`Server`] is lent for one run. Lua's callbacks outlive every run, so the loan lies in a scoped
//! variable of the thread: set for the length of the run, unreachable before and after it. Only one callback
//! has it at a time, and none of them calls back into Lua while it has.

use scoped_tls_hkt::scoped_thread_local;
use slipstream_resp::{Args, Reply};

/// What a script may ask for while it runs.
pub trait Server {
    /// `redis.call` and `redis.pcall`: runs a command and writes its reply, or the error that refuses it, as
    /// one value. `reply` is empty and speaks the protocol that the script chose.
    fn call(&mut self, args: Args<'_>, reply: &mut Reply);

    /// `redis.log`.
    fn log(&mut self, level: Level, text: &[u8]);

    /// `redis.acl_check_cmd`: whether the user may run this, `None` if there is no such command.
    fn is_allowed(&mut self, args: Args<'_>) -> Option<bool>;

    /// `redis.set_repl`: where the effects of the commands that follow go.
    fn set_replication(&mut self, replication: Replication);

    /// `os.clock`: processor time of this process, in seconds.
    fn clock(&mut self) -> f64;

    /// Called every 100,000 instructions of Lua.
    fn tick(&mut self) -> Tick;
}

/// What becomes of a script that has run for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tick {
    /// It goes on.
    GoOn,
    /// It ends with this error, whatever it does about that. The same answer is expected from then on.
    Kill(&'static str),
}

/// The levels of `redis.log`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// `redis.LOG_DEBUG`, 0.
    Debug,
    /// `redis.LOG_VERBOSE`, 1.
    Verbose,
    /// `redis.LOG_NOTICE`, 2.
    Notice,
    /// `redis.LOG_WARNING`, 3.
    Warning,
}

/// Where effects go after `redis.set_repl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replication {
    /// To the append-only file (`redis.REPL_AOF`).
    pub to_file: bool,
    /// To replicas (`redis.REPL_REPLICA`).
    pub to_replicas: bool,
}

scoped_thread_local!(static mut LENT: for<'a> &'a mut (dyn Server + 'a));

/// Lends `server` to the callbacks that `run` leads to.
pub(crate) fn lend<R>(server: &mut dyn Server, run: impl FnOnce() -> R) -> R {
    LENT.set(server, run)
}

/// The server that is lent, for a callback. `None` where no script runs: a finalizer, a leaked function.
pub(crate) fn reach<R>(ask: impl FnOnce(&mut dyn Server) -> R) -> Option<R> {
    LENT.is_set().then(|| LENT.with(|server| ask(server)))
}
