//! Scripts and what runs them.
//!
//! [`Scripting`] owns the interpreters and the scripts they know. A command that runs one ([`running`]) lends
//! it the node: what the script calls goes through the same function as a client's commands ([`calling`]), and
//! its effects are one group in the log. An interpreter is made when something is compiled for the first time,
//! and is out of its place while it runs: scripts do not nest.
//!
//! Read next: [`running`], then [`cache`] and [`libraries`].

pub(crate) mod busy;
pub(crate) mod cache;
pub(crate) mod calling;
pub(crate) mod libraries;
pub(crate) mod running;

use std::rc::Rc;

use slipstream_resp::Args;
use slipstream_scripting::{Flags, Interpreter, Purpose, ScriptHeader, script_header};

use crate::command::{Command, flag};
use crate::errors::CommandError;
use crate::node::Core;
use crate::scripting::cache::{Origin, Script, Scripts};
use crate::scripting::libraries::Libraries;
use crate::session::Session;

/// Scripts and the interpreters that know them.
#[derive(Debug, Default)]
pub struct Scripting {
    /// Scripts of EVAL.
    pub(crate) scripts: Scripts,
    /// Libraries of FUNCTION.
    pub(crate) libraries: Libraries,
    for_scripts: Option<Box<Interpreter>>,
    for_libraries: Option<Box<Interpreter>>,
    /// The session that scripts speak as, kept from one run to the next.
    session: Option<Box<Session>>,
    /// DEBUG SET-DISABLE-DENY-SCRIPTS.
    pub(crate) may_debug: bool,
}

impl Scripting {
    /// The interpreter for `purpose`, out of its place.
    fn take(&mut self, purpose: Purpose, rng: &mut fastrand::Rng) -> Box<Interpreter> {
        let taken = self.place(purpose).take();
        taken.unwrap_or_else(|| Box::new(Interpreter::new(purpose, rng.i32(..))))
    }

    fn put_back(&mut self, purpose: Purpose, interpreter: Box<Interpreter>) {
        *self.place(purpose) = Some(interpreter);
    }

    fn place(&mut self, purpose: Purpose) -> &mut Option<Box<Interpreter>> {
        match purpose {
            Purpose::Scripts => &mut self.for_scripts,
            Purpose::Libraries => &mut self.for_libraries,
        }
    }

    /// Bytes that an interpreter has allocated.
    pub(crate) fn interpreter_memory(&self, purpose: Purpose) -> usize {
        let place = match purpose {
            Purpose::Scripts => &self.for_scripts,
            Purpose::Libraries => &self.for_libraries,
        };
        place.as_ref().map_or(0, |interpreter| interpreter.used_memory())
    }
}

impl Scripting {
    /// FUNCTION FLUSH: forgets the libraries, and all that their interpreter holds.
    pub(crate) fn forget_libraries(&mut self) {
        self.libraries = Libraries::default();
        self.for_libraries = None;
    }

    /// SCRIPT FLUSH: forgets the scripts, and all that their interpreter holds.
    pub(crate) fn forget_scripts(&mut self) {
        self.scripts.clear();
        self.for_scripts = None;
    }
}

impl Core {
    /// Takes in a script that is not known.
    pub(crate) fn compile_script(&mut self, body: &[u8], origin: Origin) -> Result<Rc<Script>, CommandError> {
        let refuse = |text: String| CommandError::text(format!("ERR {text}"));
        let ScriptHeader { flags, code } = script_header(body).map_err(refuse)?;
        let mut interpreter = self.scripting.take(Purpose::Scripts, &mut self.rng);
        let compiled = interpreter.compile(code);
        self.scripting.put_back(Purpose::Scripts, interpreter);
        let program = compiled.map_err(|error| CommandError::script_compilation(&error.0))?;
        Ok(self.scripting.scripts.add(body, flags, program, origin))
    }

    /// The flags of a request that runs a script: its command's, changed by what the script declares.
    pub(crate) fn script_flags(&mut self, command: &Command, args: Args<'_>) -> u32 {
        match self.declared_flags(command, args) {
            Some(declared) => with_declared(command.flags, declared),
            None => command.flags,
        }
    }

    fn declared_flags(&mut self, command: &Command, args: Args<'_>) -> Option<Flags> {
        let Scripting { scripts, libraries, .. } = &mut self.scripting;
        let known = match command.name {
            "fcall" | "fcall_ro" => return Some(libraries.function(&args[1])?.flags),
            "evalsha" | "evalsha_ro" => return scripts.by_digest(&args[1])?.flags,
            _ => scripts.by_body(&args[1]),
        };
        match known {
            Some(script) => script.flags,
            None => script_header(&args[1]).ok()?.flags,
        }
    }
}

/// A script that says what it does is judged by that.
fn with_declared(flags: u32, declared: Flags) -> u32 {
    let mut flags = flags & !(flag::STALE | flag::DENYOOM | flag::WRITE | flag::MAY_REPLICATE);
    if !declared.contains(Flags::NO_WRITES) {
        flags |= flag::WRITE;
        if !declared.contains(Flags::ALLOW_OOM) {
            flags |= flag::DENYOOM;
        }
    }
    if declared.contains(Flags::ALLOW_STALE) {
        flags |= flag::STALE;
    }
    flags
}
