//! From a command line to a serving process.
//!
//! Everything that can be wrong is found before the process detaches or takes
//! a client: a bad directive, a port in use, a folder that is not there.

mod sentinel;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;

use slipstream_engine::config::command_line::{self, CommandLine, Sources};
use slipstream_engine::config::{self, Config};
use slipstream_engine::{Host, Level, Node, REDIS_VERSION, Stored};

pub use self::sentinel::sentinel_config;
use crate::event_loop::EventLoop;
use crate::listeners;
use crate::net::Net;
use crate::process::{Process, change_folder};
use crate::signals::Signals;
use crate::system_files::SystemFiles;
use crate::{allocator, kernel, mptcp, state_file};

/// Set for the process that `daemonize yes` leaves running.
const DETACHED: &str = "SLIPSTREAM_DETACHED";
/// Descriptors that are not clients': files, listeners, jobs.
const RESERVED_DESCRIPTORS: u64 = 32;
/// The same of a sentinel, where there is room for them: connections to whom it watches, scripts that start.
const RESERVED_BY_SENTINEL: u64 = 2048;

/// Runs a server, or a sentinel if the arguments ask for one; returns the process's exit status.
pub fn run(program: &str, arguments: &[OsString]) -> i32 {
    run_as(program, arguments, false)
}

/// Runs a sentinel, whether or not the arguments ask for one; returns the process's exit status.
pub fn run_sentinel(program: &str, arguments: &[OsString]) -> i32 {
    run_as(program, arguments, true)
}

fn run_as(program: &str, arguments: &[OsString], is_sentinel: bool) -> i32 {
    let arguments: Vec<Vec<u8>> = arguments.iter().map(|argument| argument.as_bytes().to_vec()).collect();
    match command_line::parse(&arguments) {
        CommandLine::Version => say(&version()),
        CommandLine::Help => say(command_line::USAGE.trim_end()),
        CommandLine::Refused(reason) => complain(reason),
        CommandLine::Serve(mut sources) => {
            sources.is_sentinel |= is_sentinel;
            serve(program, &sources).unwrap_or_else(|reason| complain(&reason))
        }
    }
}

/// What `--version` prints: the shape that scripts parse, and who it is.
fn version() -> String {
    let own = env!("CARGO_PKG_VERSION");
    format!(
        "Redis server v={REDIS_VERSION} sha=00000000:0 malloc={} bits=64 build=slipstream-{own}",
        allocator::NAME
    )
}

#[expect(clippy::print_stdout, reason = "the answer to --version and --help")]
fn say(text: &str) -> i32 {
    println!("{text}");
    0
}

#[expect(clippy::print_stderr, reason = "there is no log yet")]
fn complain(text: &str) -> i32 {
    eprintln!("{text}");
    1
}

fn serve(program: &str, sources: &Sources) -> Result<i32, String> {
    let config_file = sources.file.as_ref().map(|path| absolute(path)).transpose()?;
    let stdin = if sources.stdin { read_stdin()? } else { Vec::new() };
    let mut config = read_config(sources, config_file.as_deref(), &stdin)?;
    let started_in = std::env::current_dir().map_err(|error| error.to_string())?;
    config.dir = change_folder(&config.dir)?;
    if sources.is_sentinel {
        sentinel::without_data(&mut config);
        sentinel::check_state(&config, config_file.as_deref())?;
    }
    if std::env::var_os(DETACHED).is_some() {
        // The process leads a session already if it was started by hand with the variable set.
        rustix::process::setsid().ok();
    } else if config.daemonize {
        check(config, config_file)?;
        return detach(&started_in, &stdin);
    }
    let huge_pages = if config.disable_thp { kernel::disable_huge_pages() } else { Ok(()) };
    let net = Net::shared().map_err(|error| format!("Asking to be woken by sockets: {error}"))?;
    let mut process = Process::new(&config, config_file, Rc::clone(&net))?;
    process.begin(&config, command(program));
    // It may start threads.
    allocator::tune();
    announce(&mut process, program, &config, sources);
    if let Err(error) = huge_pages {
        process.log(Level::Warning, false, &format!("disable-thp: the system keeps its huge pages: {error}"));
    }
    let config = limit_clients(config, &mut process);
    mptcp::check(&config).inspect_err(|reason| process.log(Level::Warning, false, reason))?;
    net.borrow_mut().listening.sockets = listeners::bind_all(&config).inspect_err(|reason| {
        process.log(Level::Warning, false, &format!("Warning: {reason}"));
        process.log(
            Level::Warning,
            false,
            &format!("Failed listening on port {} (tcp), aborting.", config.port),
        );
    })?;
    if net.borrow().listening.sockets.is_empty() {
        let text = "Configured to not listen anywhere, exiting.";
        process.log(Level::Warning, false, text);
        return Err(text.to_owned());
    }
    let pidfile = PidFile::write(&config, &mut process);
    let seed = seed().map_err(|error| format!("Reading random bytes: {error}"))?;
    process.log(Level::Notice, config.replicaof.is_some(), "Server initialized");
    let migrator = process.migrator();
    let mut node = Node::new(config, Box::new(process), seed)?;
    if sources.is_sentinel {
        node.start(Stored::Nothing);
    } else {
        find_data(&mut node)?;
    }
    let signals = Signals::install().map_err(|error| format!("Installing signal handlers: {error}"))?;
    let event_loop = EventLoop::new(node, net, migrator, signals).map_err(|error| error.to_string())?;
    let status = event_loop.run().map_err(|error| error.to_string());
    drop(pidfile);
    status
}

/// Whether a node would begin with this configuration and what that names: users, scripts, a sentinel's state. Whoever
/// detaches has no terminal to say so any more.
fn check(config: Config, config_file: Option<PathBuf>) -> Result<(), String> {
    let net = Net::shared().map_err(|error| format!("Asking to be woken by sockets: {error}"))?;
    let process = Process::new(&config, config_file, net)?;
    Node::new(config, Box::new(process), 0).map(drop)
}

/// What the node knew, and the data that it had.
fn find_data(node: &mut Node) -> Result<(), String> {
    node.remember(state_file::read(&node.core.state_file()));
    let (stored, notice) = slipstream_storage::find(&SystemFiles, &node.core.config, Path::new(""))
        .inspect_err(|reason| node.warn(reason))?;
    if let Some(text) = notice {
        node.core.notice(Level::Notice, &text);
    }
    node.start(stored);
    Ok(())
}

/// The command as it was given, without arguments.
fn command(program: &str) -> String {
    let name = std::env::args_os().next().unwrap_or_default().to_string_lossy().into_owned();
    match program.split_once(' ') {
        Some((_, subcommand)) => format!("{name} {subcommand}"),
        None => name,
    }
}

fn absolute(path: &[u8]) -> Result<PathBuf, String> {
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    let missing =
        |error: io::Error| format!("Fatal error, can't open config file '{}': {error}", path.display());
    fs::canonicalize(path).map_err(missing)
}

fn read_stdin() -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    io::stdin().read_to_end(&mut text).map_err(|error| format!("Reading standard input: {error}"))?;
    Ok(text)
}

/// The file's text, standard input's, the options'; later wins.
fn read_config(sources: &Sources, path: Option<&Path>, stdin: &[u8]) -> Result<Config, String> {
    let file = match path {
        None => Vec::new(),
        Some(path) => fs::read(path)
            .map_err(|error| format!("Fatal error, can't open config file '{}': {error}", path.display()))?,
    };
    let mut config = if sources.is_sentinel { Config::for_sentinel() } else { Config::default() };
    config::load(&mut config, &sources.text(&file, stdin), &mut Disk).map_err(|error| error.to_string())?;
    Ok(config)
}

/// Included files.
struct Disk;

impl config::Files for Disk {
    fn read(&mut self, path: &str) -> Result<Vec<u8>, String> {
        fs::read(path).map_err(|error| error.to_string())
    }

    fn list(&mut self, directory: &str) -> Vec<String> {
        let directory = if directory.is_empty() { "." } else { directory };
        let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }
}

fn announce(process: &mut Process, program: &str, config: &Config, sources: &Sources) {
    let pid = std::process::id();
    let own = env!("CARGO_PKG_VERSION");
    let mut say = |text: &str| process.log(Level::Notice, config.replicaof.is_some(), text);
    say(&format!(
        "Slipstream {own} ({program}) starting, compatible with Redis {REDIS_VERSION}, 64 bit, PID: {pid}"
    ));
    if sources.is_sentinel {
        say(&format!("Running mode=sentinel, port={}.", config.port));
    }
    if sources.file.is_none() && !sources.stdin && sources.options.is_empty() {
        let text = "Warning: no config file specified, using the default config. In order to specify a config file use";
        process.log(Level::Warning, false, &format!("{text} {program} /path/to/redis.conf"));
    }
}

/// Raises the limit of open files for `maxclients`, or lowers `maxclients` to what there is.
fn limit_clients(mut config: Config, process: &mut Process) -> Config {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let lines = if config.sentinel.is_some() { RESERVED_BY_SENTINEL } else { 0 };
    let wanted = u64::from(config.maxclients) + RESERVED_DESCRIPTORS + lines;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return config;
    }
    let raised = Rlimit { current: Some(wanted), maximum: limit.maximum.map(|maximum| maximum.max(wanted)) };
    let within = Rlimit { current: limit.maximum.map(|maximum| maximum.min(wanted)), maximum: limit.maximum };
    if setrlimit(Resource::Nofile, raised).is_ok() || setrlimit(Resource::Nofile, within).is_ok() {
        let now = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        if now >= wanted {
            return config;
        }
    }
    let current = getrlimit(Resource::Nofile).current.unwrap_or(wanted);
    let left = current.saturating_sub(RESERVED_DESCRIPTORS);
    let left = left - lines.min(left / 2);
    let clients = u32::try_from(left).unwrap_or(u32::MAX).clamp(1, config.maxclients);
    let text = format!(
        "You requested maxclients of {} requiring at least {wanted} max file descriptors; the limit is {current}. Current maximum open files is {current}. maxclients has been reduced to {clients} to compensate for low ulimit. If you need higher maxclients increase 'ulimit -n'.",
        config.maxclients
    );
    process.log(Level::Warning, false, &text);
    config.maxclients = clients;
    config
}

/// The file that holds the process's number while it runs.
struct PidFile(PathBuf);

impl PidFile {
    fn write(config: &Config, process: &mut Process) -> Option<PidFile> {
        let path = match (&config.pidfile, config.daemonize) {
            (Some(path), _) => PathBuf::from(path),
            (None, true) => PathBuf::from("/var/run/redis.pid"),
            (None, false) => return None,
        };
        let text = format!("{}\n", std::process::id());
        match fs::write(&path, text) {
            Ok(()) => Some(PidFile(path)),
            Err(error) => {
                let text = format!("Failed to write PID file {}: {error}", path.display());
                process.log(Level::Notice, false, &text);
                None
            }
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // A file that somebody else removed is gone all the same.
        fs::remove_file(&self.0).ok();
    }
}

/// `daemonize yes`: the same program once more, in a session of its own, without a terminal. A fork of a
/// process with threads would need unsafe code; a second start does not. It reads what this one read: its paths
/// are relative to the same folder, and it is given the same standard input.
fn detach(folder: &Path, stdin: &[u8]) -> Result<i32, String> {
    let failed = |error: io::Error| format!("Detaching: {error}");
    let program = std::env::current_exe().map_err(failed)?;
    let mut arguments = std::env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = arguments.next() {
        use std::os::unix::process::CommandExt;
        command.arg0(name);
    }
    command.args(arguments).env(DETACHED, "1").current_dir(folder);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(failed)?;
    child.stdin.take().map_or(Ok(()), |mut pipe| pipe.write_all(stdin)).map_err(failed)?;
    // It lives on without its parent.
    drop(child);
    Ok(0)
}

/// What everything left to chance grows from.
fn seed() -> io::Result<u64> {
    let mut bytes = [0; 8];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}
