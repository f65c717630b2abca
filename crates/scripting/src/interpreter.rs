//! Compiling and running scripts.
//!
//! One Lua state with the sandbox of `prelude.lua` around everything that it runs. A run is one call of the
//! prelude's driver, which catches whatever the script throws where it throws it; meanwhile the server is lent
//! to the callbacks of [`crate::api`]. What outlives a run, besides what libraries keep for themselves, is in
//! [`Shared`].

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

use mlua::{
    ChunkMode, Function, HookTriggers, Lua, LuaOptions, MultiValue, RegistryKey, StdLib, Table, Value,
    Variadic, VmState,
};
use slipstream_resp::{Args, Protocol, Reply, RequestBuffer};

use crate::library::Registered;
use crate::position::{PRELUDE, Position};
use crate::random::Random;
use crate::replies::{self, Written};
use crate::server::{self, Server, Tick};
use crate::thrown::{self, ErrorReply, Failure, Thrown};
use crate::{api, bits, cjson, cmsgpack, pairs, structs};

/// How many instructions of Lua lie between two ticks.
const TICK: u32 = 100_000;
/// Programs that nobody has any more are given up every so many runs. The rest is the collector's, at its own pace:
/// made to work by the clock it would walk all of the sandbox again and again for what a few short scripts leave.
const FORGET_EVERY: u32 = 50;
/// So many keys and arguments are handed over as they are: making the tables is cheaper within Lua. The stack that
/// calls share has room for a few thousand.
const FEW_WORDS: usize = 64;
/// Stands for the number of keys where tables of them come instead.
const IN_TABLES: i32 = -1;

/// What an interpreter is for. Scripts and libraries belong in two of them, as in Redis: a script's keys are
/// globals, which no function is to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Scripts of EVAL. Only these have what is left of the debugger and of the replication of whole scripts.
    Scripts,
    /// Libraries of FUNCTION.
    Libraries,
}

/// A Lua state in which scripts, or the functions of libraries, run one at a time.
pub struct Interpreter {
    lua: Lua,
    shared: Rc<Shared>,
    json: Rc<Cell<cjson::Settings>>,
    run_script: Function,
    run_function: Function,
    run_library: Function,
    /// Changes whether calls may be long.
    set_long_calls: Function,
    has_long_calls: bool,
    runs: u32,
}

/// What callbacks and the interpreter both see.
pub(crate) struct Shared {
    /// The reply of the command that runs, in the protocol that the script chose.
    pub(crate) reply: RefCell<Reply>,
    /// The command itself.
    pub(crate) request: RefCell<RequestBuffer>,
    pub(crate) random: Cell<Random>,
    /// The functions of the library that is being loaded.
    pub(crate) registering: RefCell<Option<Vec<Registered>>>,
    /// What ended the script.
    failure: RefCell<Option<Failure>>,
    /// Where the script ends.
    last: RefCell<Option<Rc<Position>>>,
}

/// Code that is compiled and can be run by the interpreter that compiled it.
#[derive(Clone, Debug)]
pub struct Program {
    /// Where Lua keeps it. There may be more programs than values that Rust can hold, see [`crate::pairs`].
    key: Rc<RegistryKey>,
    kind: Kind,
    /// Where the code ends, which is where it most likely left off if it left no trace: a call in a `return`.
    last: Option<Rc<Position>>,
    /// Whether calls may have more arguments than the binding has slots: only `unpack` yields that many.
    names_unpack: bool,
}

/// How a program gets its keys and arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// As the globals KEYS and ARGV.
    Script,
    /// As its two arguments.
    Function,
}

impl Program {
    /// A function of a library.
    pub(crate) fn of_library(lua: &Lua, function: &Function) -> mlua::Result<Self> {
        let key = Rc::new(lua.create_registry_value(function)?);
        Ok(Program { key, kind: Kind::Function, last: None, names_unpack: false })
    }
}

/// One run.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// What runs.
    pub program: &'a Program,
    /// What errors call it: a script's digest, a function's name.
    pub name: &'a str,
    /// Its keys, and its arguments behind them.
    pub arguments: Args<'a>,
    /// How many of those are keys.
    pub keys: usize,
}

/// What came of a run, besides the reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Whether an error ended it.
    pub failed: bool,
    /// Errors in the reply, without the dash, that the script made itself. Those of the commands that it called
    /// are counted with them.
    pub errors: Vec<String>,
}

/// Code that is no Lua: the message, with chunk and line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileError(pub String);

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CompileError {}

impl fmt::Debug for Interpreter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interpreter").field("memory", &self.used_memory()).finish_non_exhaustive()
    }
}

impl Interpreter {
    /// A fresh state. `seed` is where `math.random` begins.
    pub fn new(purpose: Purpose, seed: i32) -> Self {
        let shared = Rc::new(Shared {
            reply: RefCell::new(Reply::default()),
            request: RefCell::new(RequestBuffer::default()),
            random: Cell::new(Random::new(seed)),
            registering: RefCell::new(None),
            failure: RefCell::new(None),
            last: RefCell::new(None),
        });
        let libraries = StdLib::STRING | StdLib::TABLE | StdLib::MATH;
        // A panic of ours must not become an error that a script catches.
        let lua = Lua::new_with(libraries, LuaOptions::new().catch_rust_panics(false))
            .expect("these libraries are safe");
        let json = Rc::default();
        let driver = open(&lua, purpose, &shared, &json).expect("the sandbox's own code is good");
        let function = |name| driver.get::<Function>(name).expect("the driver has it");
        let [run_script, run_function, run_library, set_long_calls] =
            ["script", "function", "library", "set_long_calls"].map(function);
        let has_long_calls = false;
        Interpreter {
            lua,
            shared,
            json,
            run_script,
            run_function,
            run_library,
            set_long_calls,
            has_long_calls,
            runs: 0,
        }
    }

    /// Compiles a script, whose shebang is taken off.
    ///
    /// # Errors
    /// It is no Lua.
    pub fn compile(&mut self, code: &[u8]) -> Result<Program, CompileError> {
        let function = self.function(code, "@user_script")?;
        let key =
            self.lua.create_registry_value(function).map_err(|error| CompileError(error.to_string()))?;
        let last = Some(Rc::new(Position::last_line(code)));
        Ok(Program { key: Rc::new(key), kind: Kind::Script, last, names_unpack: names_unpack(code) })
    }

    /// Runs a program and writes one reply: what it returned, or the error that ended it.
    pub fn run(&mut self, run: &Run<'_>, server: &mut dyn Server, reply: &mut Reply) -> Outcome {
        self.shared.reply.borrow_mut().set_protocol(Protocol::Resp2);
        self.shared.last.borrow_mut().clone_from(&run.program.last);
        self.json.set(cjson::Settings::default());
        let returned = without_overflow(|| server::lend(server, || self.call(run)))
            .unwrap_or_else(|| Err(unexpected(run.name, TOO_MANY)));
        self.forget_programs();
        let failure = match returned {
            Ok(value) => {
                let script = self.shared.reply.borrow().protocol();
                match replies::write(&self.lua, &value, script, reply) {
                    Ok(Written { errors }) => return Outcome { failed: false, errors },
                    Err(error) => unexpected(run.name, &error.to_string()),
                }
            }
            Err(failure) => failure,
        };
        let Written { errors } = Written::failure(&failure, reply);
        Outcome { failed: true, errors }
    }

    /// Runs the code of a library, whose shebang is taken off, and returns the functions that it registered.
    /// `server` is asked for nothing but [`Server::log`] and [`Server::tick`].
    ///
    /// # Errors
    /// The text of the refusal. Nothing of the library is kept.
    pub fn load_library(&mut self, code: &[u8], server: &mut dyn Server) -> Result<Vec<Registered>, String> {
        let names_unpack = names_unpack(code);
        let code = self
            .function(code, "@user_function")
            .map_err(|CompileError(message)| format!("Error compiling function: {message}"))?;
        self.shared.registering.replace(Some(Vec::new()));
        let ran = without_overflow(|| server::lend(server, || self.run_library.call::<(bool, Value)>(code)))
            .unwrap_or_else(|| Err(mlua::Error::runtime(TOO_MANY)));
        let mut registered = self.shared.registering.take().unwrap_or_default();
        registered.iter_mut().for_each(|function| function.program.names_unpack = names_unpack);
        let refusal = match ran {
            Ok((true, _)) if registered.is_empty() => return Err("No functions registered".to_owned()),
            Ok((true, _)) => return Ok(registered),
            Ok((false, thrown)) => thrown::uncaught_reply(&thrown, "").text,
            Err(error) => error.to_string().into_bytes(),
        };
        Err(format!("Error registering functions: {}", String::from_utf8_lossy(&refusal)))
    }

    /// Bytes that Lua has allocated.
    pub fn used_memory(&self) -> usize {
        self.lua.used_memory()
    }

    fn function(&self, code: &[u8], name: &str) -> Result<Function, CompileError> {
        let chunk = self.lua.load(code).set_name(name).set_mode(ChunkMode::Text);
        chunk.into_function().map_err(|error| match error {
            mlua::Error::SyntaxError { message, .. } => CompileError(message),
            other => CompileError(other.to_string()),
        })
    }

    fn call(&mut self, run: &Run<'_>) -> Result<Value, ErrorReply> {
        self.choose_calls(run.program.names_unpack);
        let called = self.driven(run);
        let failure = self.shared.failure.take();
        match (called, failure) {
            (Ok((true, value)), _) => Ok(value),
            (Ok((false, _)), Some(failure)) => Err(failure.into_reply(run.name)),
            (Ok((false, reason)), None) => Err(unexpected(run.name, &reason.to_string().unwrap_or_default())),
            (Err(error), _) => Err(unexpected(run.name, &error.to_string())),
        }
    }

    fn choose_calls(&mut self, long: bool) {
        if self.has_long_calls != long {
            self.set_long_calls.call::<()>(long).expect("it sets two fields");
            self.has_long_calls = long;
        }
    }

    /// What the driver returned: whether the program came to its end, and what it returned there.
    fn driven(&self, run: &Run<'_>) -> mlua::Result<(bool, Value)> {
        let driver = match run.program.kind {
            Kind::Script => &self.run_script,
            Kind::Function => &self.run_function,
        };
        let program = &*run.program.key;
        match few_words(run.arguments) {
            Some(words) => driver.call((program, run.keys, words)),
            None => {
                let mut words = run.arguments.iter();
                let keys = self.table(words.by_ref().take(run.keys))?;
                driver.call((program, IN_TABLES, keys, self.table(words)?))
            }
        }
    }

    fn table<'a>(&self, words: impl ExactSizeIterator<Item = &'a [u8]>) -> mlua::Result<Table> {
        let table = self.lua.create_table_with_capacity(words.len(), 0)?;
        for (index, word) in words.enumerate() {
            table.raw_seti(index + 1, self.lua.create_string(word)?)?;
        }
        Ok(table)
    }

    fn forget_programs(&mut self) {
        self.runs += 1;
        if self.runs == FORGET_EVERY {
            self.runs = 0;
            self.lua.expire_registry_values();
        }
    }
}

/// The words, if they are few and UTF-8: only such strings does the binding take without a slot for each, see
/// [`crate::pairs`].
fn few_words(words: Args<'_>) -> Option<Variadic<&str>> {
    let few = (words.len() <= FEW_WORDS).then(|| words.iter());
    few?.map(|word| std::str::from_utf8(word).ok()).collect()
}

impl Failure {
    /// The error that the client gets, with the place at which it happened.
    fn into_reply(self, name: &str) -> ErrorReply {
        let Failure { mut reply, place } = self;
        if let Some(place) = place {
            reply.text.extend_from_slice(format!(" script: {name}, on {place}.").as_bytes());
        }
        reply
    }
}

fn names_unpack(code: &[u8]) -> bool {
    code.windows(b"unpack".len()).any(|word| word == b"unpack")
}

const TOO_MANY: &str = "too many values at once";

/// Runs what may hand a callback more values than the binding can hold, see [`crate::pairs`]: it panics then, and
/// says that its state is good. `None` in that case.
fn without_overflow<R>(run: impl FnOnce() -> R) -> Option<R> {
    match panic::catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => Some(result),
        Err(payload) => match payload.downcast_ref::<String>() {
            Some(text) if text.starts_with("cannot create a Lua reference") => None,
            _ => panic::resume_unwind(payload),
        },
    }
}

/// An error that no handler has described: there was no stack left for one.
fn unexpected(name: &str, reason: &str) -> ErrorReply {
    let reason: String = reason.chars().take(100).collect();
    ErrorReply { text: format!("ERR Error running script {name}, {reason}").into_bytes(), counted: false }
}

/// Makes the sandbox and returns its driver.
fn open(
    lua: &Lua,
    purpose: Purpose,
    shared: &Rc<Shared>,
    json: &Rc<Cell<cjson::Settings>>,
) -> mlua::Result<Table> {
    pairs::install(lua)?;
    let rust = lua.create_table()?;
    let redis = api::for_runs(lua, shared)?;
    if purpose == Purpose::Scripts {
        api::add_for_scripts(lua, &redis)?;
    }
    rust.set("redis", redis)?;
    rust.set("by_list", api::calls_by_list(lua, shared)?)?;
    rust.set("library", api::for_libraries(lua, shared)?)?;
    rust.set("bit", bits::open(lua)?)?;
    rust.set("cjson", cjson::open(lua, json)?)?;
    rust.set("cmsgpack", cmsgpack::open(lua)?)?;
    rust.set("struct", structs::open(lua)?)?;
    api::add_random(lua, shared, &rust)?;
    rust.set("clock", lua.create_function(|_, _: MultiValue| Ok(server::reach(|server| server.clock())))?)?;
    rust.set("reveal", lua.create_function(|lua, caught: Value| thrown::reveal(lua, caught))?)?;
    rust.set("is_killed", lua.create_function(|_, caught: Value| Ok(thrown::is_killed(&caught)))?)?;
    let failure = Rc::clone(shared);
    let describe = move |lua: &Lua, uncaught: Value| {
        failure.failure.replace(Some(thrown::describe(lua, &uncaught, failure.last.borrow().as_deref())));
        Ok(())
    };
    rust.set("describe", lua.create_function(describe)?)?;
    let prelude = lua.load(include_str!("prelude.lua")).set_name(format!("={PRELUDE}"));
    let driver: Table = prelude.set_mode(ChunkMode::Text).call(rust)?;
    lua.set_globals(driver.get("environment")?)?;
    lua.set_global_hook(HookTriggers::new().every_nth_instruction(TICK), |_, _| {
        match server::reach(|server| server.tick()) {
            Some(Tick::Kill(text)) => Err(Thrown::Killed(text).into()),
            Some(Tick::GoOn) | None => Ok(VmState::Continue),
        }
    })?;
    Ok(driver)
}

#[cfg(test)]
mod tests;
