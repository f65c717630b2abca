//! Libraries of functions, and how they come to be.
//!
//! A library is its code, which registers functions when it runs. Code is all that is stored and sent: each node
//! runs it by itself. Names of functions are one space for all libraries, and their case does not matter there; that
//! of libraries' names does. A library that cannot be loaded leaves everything as it was; a whole set (of a snapshot,
//! of FUNCTION RESTORE) is loaded beside what there is.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use slipstream_resp::{Args, Reply};
use slipstream_scripting::{Interpreter, Purpose, Registered, Replication, Server, Tick, library_header};

use crate::errors::CommandError;
use crate::node::Core;

/// How long the code of a library may take to register its functions.
const LOAD_LIMIT_MICROS: u64 = 500_000;

/// One library.
#[derive(Clone, Debug)]
pub(crate) struct Library {
    pub(crate) name: String,
    /// Its first line included.
    pub(crate) code: Rc<[u8]>,
    /// By name.
    pub(crate) functions: Vec<Rc<Registered>>,
}

/// All libraries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Libraries {
    libraries: BTreeMap<String, Library>,
    /// By name in lower case. Of those in one library that differ by case alone, the first is called.
    functions: BTreeMap<String, Rc<Registered>>,
}

impl Libraries {
    /// The function of this name, in any case.
    pub(crate) fn function(&self, name: &[u8]) -> Option<&Rc<Registered>> {
        self.functions.get(&*folded(std::str::from_utf8(name).ok()?))
    }

    /// All of them by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Library> {
        self.libraries.values()
    }

    /// How many libraries.
    pub(crate) fn len(&self) -> usize {
        self.libraries.len()
    }

    /// How many functions.
    pub(crate) fn functions_len(&self) -> usize {
        self.functions.len()
    }

    /// The code of all of them.
    pub(crate) fn codes(&self) -> Vec<Vec<u8>> {
        self.iter().map(|library| library.code.to_vec()).collect()
    }

    /// Bytes that they take, without what the interpreter holds of them.
    pub(crate) fn memory(&self) -> usize {
        let functions: usize = self.functions.values().map(|function| memory_of(function)).sum();
        let of_library = |library: &Library| library.code.len() + library.name.len() + size_of::<Library>();
        self.iter().map(of_library).sum::<usize>() + functions
    }

    fn contains(&self, name: &str) -> bool {
        self.libraries.contains_key(name)
    }

    /// Takes a library out.
    pub(crate) fn remove(&mut self, name: &[u8]) -> Option<Library> {
        let library = self.libraries.remove(std::str::from_utf8(name).ok()?)?;
        for function in &library.functions {
            self.functions.remove(&*folded(&function.name));
        }
        Some(library)
    }

    /// Puts one in, in the place of that of its name.
    ///
    /// # Errors
    /// Another library has a function of the same name; nothing is changed.
    fn put(&mut self, library: Library) -> Result<(), CommandError> {
        let old = self.remove(library.name.as_bytes());
        let mut functions = library.functions.iter();
        let taken = functions.find(|function| self.functions.contains_key(&*folded(&function.name)));
        let refused = taken.map(|function| CommandError::function_exists(&function.name));
        let kept = if refused.is_some() { old } else { Some(library) };
        if let Some(library) = kept {
            for function in &library.functions {
                let name = folded(&function.name).into_owned();
                self.functions.entry(name).or_insert_with(|| Rc::clone(function));
            }
            self.libraries.insert(library.name.clone(), library);
        }
        refused.map_or(Ok(()), Err)
    }

    /// These with those of `others`, which replace any of the same name if they may.
    ///
    /// # Errors
    /// Two have the same name, or two functions have.
    pub(crate) fn joined(&self, others: Libraries, replace: bool) -> Result<Libraries, CommandError> {
        let known = others.libraries.keys().find(|name| self.contains(name));
        if let Some(name) = known.filter(|_| !replace) {
            return Err(CommandError::library_exists_already(name));
        }
        let mut joined = self.clone();
        others.libraries.keys().for_each(|name| drop(joined.remove(name.as_bytes())));
        others.libraries.into_values().try_for_each(|library| joined.put(library))?;
        Ok(joined)
    }
}

/// What a function is found by.
fn folded(name: &str) -> Cow<'_, str> {
    match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => name.to_ascii_lowercase().into(),
        false => name.into(),
    }
}

fn memory_of(function: &Registered) -> usize {
    let description = function.description.as_ref().map_or(0, Vec::len);
    function.name.len() + description + size_of::<Registered>()
}

/// A set of libraries that was loaded beside the present one, with the interpreter that knows them.
#[derive(Debug, Default)]
pub(crate) struct LoadedLibraries {
    libraries: Libraries,
    interpreter: Option<Box<Interpreter>>,
}

impl Core {
    /// FUNCTION LOAD: runs the code of a library and takes it in. Returns its name.
    pub(crate) fn load_library(
        &mut self,
        code: &[u8],
        replace: bool,
        obeys: bool,
    ) -> Result<String, CommandError> {
        let mut interpreter = self.scripting.take(Purpose::Libraries, &mut self.rng);
        let known = std::mem::take(&mut self.scripting.libraries);
        let allows = |name: &str| match known.contains(name) && !replace {
            true => Err(CommandError::library_exists(name)),
            false => Ok(()),
        };
        let loaded = self.run_library(&mut interpreter, code, obeys, allows);
        self.scripting.libraries = known;
        self.scripting.put_back(Purpose::Libraries, interpreter);
        let library = loaded?;
        let name = library.name.clone();
        self.scripting.libraries.put(library)?;
        Ok(name)
    }

    /// FUNCTION RESTORE: runs the code of libraries, which are not taken in yet.
    pub(crate) fn run_libraries(
        &mut self,
        codes: &[Vec<u8>],
        obeys: bool,
    ) -> Result<Libraries, CommandError> {
        let mut interpreter = self.scripting.take(Purpose::Libraries, &mut self.rng);
        let loaded = self.run_all(&mut interpreter, codes, obeys);
        self.scripting.put_back(Purpose::Libraries, interpreter);
        loaded
    }

    /// The libraries of a snapshot, before its data takes the place of what is here.
    ///
    /// # Errors
    /// One of them cannot be loaded: neither can the snapshot.
    pub(crate) fn prepare_libraries(&mut self, codes: &[Vec<u8>]) -> Result<LoadedLibraries, String> {
        if codes.is_empty() {
            return Ok(LoadedLibraries::default());
        }
        let mut interpreter = Box::new(Interpreter::new(Purpose::Libraries, self.rng.i32(..)));
        let refuse = |error: CommandError| format!("a function library cannot be loaded: {error}");
        let libraries = self.run_all(&mut interpreter, codes, true).map_err(refuse)?;
        Ok(LoadedLibraries { libraries, interpreter: Some(interpreter) })
    }

    /// Takes in the libraries of a snapshot beside the present ones; those of the same name give way if they may.
    ///
    /// # Errors
    /// One of them cannot be loaded, or clashes with what is here: nothing is changed.
    pub(crate) fn join_libraries(&mut self, codes: &[Vec<u8>], replace: bool) -> Result<(), String> {
        let refuse = |error: CommandError| format!("a function library cannot be loaded: {error}");
        let loaded = self.run_libraries(codes, true).map_err(refuse)?;
        self.scripting.libraries = self.scripting.libraries.joined(loaded, replace).map_err(refuse)?;
        Ok(())
    }

    /// Takes them in place of the present ones.
    pub(crate) fn replace_libraries(&mut self, loaded: LoadedLibraries) {
        self.scripting.libraries = loaded.libraries;
        self.scripting.for_libraries = loaded.interpreter;
    }

    fn run_all(
        &mut self,
        interpreter: &mut Interpreter,
        codes: &[Vec<u8>],
        obeys: bool,
    ) -> Result<Libraries, CommandError> {
        let mut libraries = Libraries::default();
        for code in codes {
            let allows = |name: &str| match libraries.contains(name) {
                true => Err(CommandError::library_exists(name)),
                false => Ok(()),
            };
            let library = self.run_library(interpreter, code, obeys, allows)?;
            libraries.put(library)?;
        }
        Ok(libraries)
    }

    /// Runs the code of a library whose name is allowed.
    fn run_library(
        &mut self,
        interpreter: &mut Interpreter,
        code: &[u8],
        obeys: bool,
        allows: impl FnOnce(&str) -> Result<(), CommandError>,
    ) -> Result<Library, CommandError> {
        let refuse = |text: String| CommandError::text(format!("ERR {text}"));
        let header = library_header(code).map_err(refuse)?;
        allows(&header.name)?;
        let began = self.clock.micros;
        let mut loader = Loader { core: self, until: (!obeys).then(|| began + LOAD_LIMIT_MICROS) };
        let registered = interpreter.load_library(header.code, &mut loader).map_err(refuse)?;
        let mut functions: Vec<Rc<Registered>> = registered.into_iter().map(Rc::new).collect();
        functions.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Library { name: header.name, code: code.into(), functions })
    }
}

/// What the code of a library has of the node while it registers its functions.
struct Loader<'a> {
    core: &'a mut Core,
    /// When it has taken too long, in microseconds since the start.
    until: Option<u64>,
}

impl Server for Loader<'_> {
    fn call(&mut self, _: Args<'_>, reply: &mut Reply) {
        reply.error(CommandError::SCRIPT_FORBIDS.as_str());
    }

    fn log(&mut self, level: slipstream_scripting::Level, text: &[u8]) {
        self.core.log_of_script(level, text);
    }

    fn is_allowed(&mut self, _: Args<'_>) -> Option<bool> {
        None
    }

    fn set_replication(&mut self, _: Replication) {}

    fn clock(&mut self) -> f64 {
        self.core.processor_seconds()
    }

    fn tick(&mut self) -> Tick {
        self.core.tick_clock();
        match self.until {
            Some(until) if self.core.clock.micros > until => Tick::Kill("FUNCTION LOAD timeout"),
            _ => Tick::GoOn,
        }
    }
}
