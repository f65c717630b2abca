//! The process as the engine's host: clocks, figures, log, configuration file.
//!
//! CONFIG SET exchanges the listening sockets here; the loop is told that it did. A command that runs for long has
//! clients served from here.

use std::cell::RefCell;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use slipstream_engine::config::{Config, title};
use slipstream_engine::{Arrival, Clock, Door, Host, Level, ProcessFacts, Refused, Shipment, Shipped};
use slipstream_storage::{Replaced, Unreplaced, replace};

use crate::allocator;
use crate::log_file::LogFile;
use crate::memory;
use crate::migrator::Migrator;
use crate::mptcp;
use crate::net::SharedNet;
use crate::oom_score::OomScore;
use crate::system_files::SystemFiles;
use crate::title::Title;

/// The process as the engine sees it.
#[derive(Debug)]
pub struct Process {
    started: Instant,
    /// Wall-clock time at the monotonic time, both in microseconds: asked for again each millisecond, so
    /// that most readings of the clock ask the system once.
    wall: (i64, u64),
    log: LogFile,
    /// Where the configuration came from, as an absolute path.
    config_file: Option<PathBuf>,
    net: SharedNet,
    migrator: Rc<RefCell<Migrator>>,
    facts: ProcessFacts,
    oom_score: OomScore,
    /// What started it, and its title if it has one.
    program: String,
    title: Option<Title>,
}

impl Process {
    /// The host of a node with this configuration.
    pub fn new(config: &Config, config_file: Option<PathBuf>, net: SharedNet) -> Result<Process, String> {
        Ok(Process {
            started: Instant::now(),
            wall: (0, 0),
            log: LogFile::open(config)?,
            facts: fixed_facts(config_file.as_deref()),
            config_file,
            net,
            migrator: Rc::default(),
            oom_score: OomScore::new(config),
            program: String::new(),
            title: None,
        })
    }

    /// Acts on directives that concern the process as a whole, before it has other threads. What the system does not
    /// let it do is a line of the log.
    pub fn begin(&mut self, config: &Config, program: String) {
        let is_replica = config.replicaof.is_some();
        self.program = program;
        if config.set_proc_title {
            match Title::begin(&self.title_text(config)) {
                Ok(title) => self.title = Some(title),
                Err(error) => {
                    let text = format!("set-proc-title: the system keeps the title: {error}");
                    self.log(Level::Notice, is_replica, &text);
                }
            }
        }
        if let Err(error) = self.oom_score.configure(config) {
            self.log(
                Level::Warning,
                is_replica,
                &format!("oom-score-adj: the system keeps the score: {error}"),
            );
        }
    }

    fn title_text(&self, config: &Config) -> String {
        let config_file = self.config_file.as_deref().map(Path::to_string_lossy);
        let facts = title::Facts { program: &self.program, config_file: config_file.as_deref() };
        title::title(config, facts)
    }

    /// Does it all, or fails on one of the directives, with some of it done.
    fn act_on(&mut self, config: &mut Config, changed: &[&'static str]) -> Result<(), Refused> {
        let first_of = |names: &[&'static str]| changed.iter().copied().find(|name| names.contains(name));
        let refused = |directive, reason: String| Refused { directive, reason };
        // What can fail comes first.
        let log = first_of(&["logfile", "loglevel"])
            .map(|directive| LogFile::open(config).map_err(|reason| refused(directive, reason)))
            .transpose()?;
        if let Some(directive) = first_of(&["mptcp", "repl-mptcp"]) {
            mptcp::check(config).map_err(|reason| refused(directive, reason))?;
        }
        if let Some(directive) = first_of(&["appendonly"]).filter(|_| config.appendonly) {
            let folder = Path::new(&config.appenddirname);
            can_make_folder(folder).map_err(|error| {
                let reason =
                    format!("Unable to turn on AOF. Check server logs. {}: {error}", folder.display());
                refused(directive, reason)
            })?;
        }
        if let Some(directive) = first_of(&["oom-score-adj", "oom-score-adj-values"]) {
            self.oom_score.configure(config).map_err(|error| {
                refused(directive, format!("Failed to set current oom_score_adj. Check server logs. {error}"))
            })?;
        }
        if let Some(directive) = first_of(&["bind", "port", "mptcp"]) {
            self.net.borrow_mut().listening.rebind(config).map_err(|reason| match directive {
                "bind" => refused(directive, format!("Failed to bind to specified addresses. {reason}")),
                _ => {
                    refused(directive, format!("Unable to listen on this port. Check server logs. {reason}"))
                }
            })?;
        }
        if let Some(directive) = first_of(&["dir"]) {
            config.dir = change_folder(&config.dir).map_err(|reason| refused(directive, reason))?;
        }
        if let Some(log) = log {
            self.log = log;
        }
        Ok(())
    }
}

impl Process {
    /// What brings keys to other servers.
    pub(crate) fn migrator(&self) -> Rc<RefCell<Migrator>> {
        Rc::clone(&self.migrator)
    }
}

impl Host for Process {
    fn clock(&mut self) -> Clock {
        const REFRESH: u64 = 1000;
        let micros = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        if self.wall.0 == 0 || micros - self.wall.1 >= REFRESH {
            let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
            self.wall = (i64::try_from(unix.as_micros()).unwrap_or(i64::MAX), micros);
        }
        Clock { unix_micros: self.wall.0.saturating_add_unsigned(micros - self.wall.1), micros }
    }

    fn processor_micros(&mut self) -> u64 {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        let [seconds, nanos] = [time.tv_sec, time.tv_nsec].map(|part| u64::try_from(part).unwrap_or(0));
        seconds * 1_000_000 + nanos / 1_000
    }

    fn facts(&mut self) -> ProcessFacts {
        let mut facts = self.facts.clone();
        facts.used_memory = memory::used();
        facts.migration_sockets = self.migrator.borrow().sockets();
        facts.peak_memory = memory::peak().max(facts.used_memory);
        facts.resident = resident();
        let figures = allocator::figures();
        facts.allocator_allocated = figures.allocated;
        facts.allocator_active = figures.active;
        facts.allocator_resident = figures.resident;
        facts.cpu_micros = cpu_micros();
        facts
    }

    fn used_memory(&mut self) -> usize {
        memory::used()
    }

    fn release_memory(&mut self) {
        allocator::release();
    }

    fn allocator_report(&mut self) -> Option<String> {
        allocator::report()
    }

    fn log(&mut self, level: Level, replica: bool, text: &str) {
        self.log.line(level, replica, text);
    }

    fn apply(&mut self, config: &mut Config, changed: &[&'static str]) -> Result<(), Refused> {
        let before = self.oom_score;
        self.act_on(config, changed).inspect_err(|_| {
            // The system let it have that score a moment ago.
            self.oom_score.restore(before).ok();
        })?;
        if let Some(title) = &self.title {
            title.show(&self.title_text(config));
        }
        Ok(())
    }

    fn act_as(&mut self, is_replica: bool) {
        if let Err(error) = self.oom_score.act_as(is_replica) {
            self.log(
                Level::Warning,
                is_replica,
                &format!("oom-score-adj: the system keeps the score: {error}"),
            );
        }
    }

    fn read_config(&mut self) -> Result<String, String> {
        let path = self.config_file.as_ref().ok_or("The server is running without a config file")?;
        fs::read_to_string(path).map_err(|error| error.to_string())
    }

    fn write_config(&mut self, text: &[u8]) -> Result<(), String> {
        let path = self.config_file.clone().ok_or("The server is running without a config file")?;
        replace_file(&path, text).map_err(|error| error.to_string())
    }

    fn read_file(&mut self, path: &str) -> Result<Option<Vec<u8>>, String> {
        match fs::read(path) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    fn write_file(&mut self, path: &str, content: &[u8]) -> Result<(), String> {
        replace_file(Path::new(path), content).map_err(|error| error.to_string())
    }

    fn fill_secret(&mut self, bytes: &mut [u8]) -> Result<(), String> {
        let mut source = fs::File::open("/dev/urandom").map_err(|error| error.to_string())?;
        source.read_exact(bytes).map_err(|error| error.to_string())
    }

    fn is_program(&mut self, path: &str) -> bool {
        rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
    }

    fn stall(&mut self, micros: u64) {
        std::thread::sleep(Duration::from_micros(micros));
    }

    fn while_busy(&mut self, door: &mut Door<'_>) -> Vec<Arrival> {
        self.net.borrow_mut().serve_aside(door)
    }

    fn ship(&mut self, shipment: Box<Shipment>) -> Shipped {
        self.migrator.borrow_mut().ship_and_wait(shipment)
    }
}

/// Whether there is this folder, or could be: whoever uses it makes it, and brings its name to disk, which takes longer
/// than clients should wait.
fn can_make_folder(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Ok(()) => fs::remove_dir(folder),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes `folder` the current one; its full path.
pub fn change_folder(folder: &str) -> Result<String, String> {
    std::env::set_current_dir(folder).map_err(|error| format!("Can't chdir to '{folder}': {error}"))?;
    let path = std::env::current_dir().map_err(|error| error.to_string())?;
    Ok(path.display().to_string())
}

/// Replaces a file so that a crash at any moment leaves the old text or the new one.
pub fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_file_by(path, |file| file.write_all(bytes))
}

/// The same with what `write` writes. If that fails, the old file stays.
pub fn replace_file_by<T, E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut fs::File) -> Result<T, E>,
) -> Result<T, E> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let names = Replaced { path, temporary: Path::new(&temporary) };
    replace(&SystemFiles, names, |file| write(&mut file.0), || Ok(())).map_err(Unreplaced::into_reason)
}

fn fixed_facts(config_file: Option<&Path>) -> ProcessFacts {
    let uname = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    ProcessFacts {
        pid: std::process::id(),
        system: format!("{} {} {}", text(uname.sysname()), text(uname.release()), text(uname.machine())),
        executable: std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_default(),
        config_file: config_file.map(|path| path.display().to_string()).unwrap_or_default(),
        allocator: allocator::NAME.into(),
        multiplexing: if cfg!(target_os = "linux") { "epoll" } else { "kqueue" }.into(),
        system_memory: memory_total(),
        ..ProcessFacts::default()
    }
}

fn memory_total() -> Option<usize> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    line.split_whitespace().nth(1)?.parse::<usize>().ok().map(|kib| kib * 1024)
}

fn resident() -> Option<usize> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size())
}

/// In the kernel and outside: of the process, of its children, of this thread.
fn cpu_micros() -> [Option<u64>; 6] {
    let process = stat_times("/proc/self/stat");
    let thread = stat_times("/proc/thread-self/stat");
    let pick = |times: &Option<[u64; 4]>, index: usize| times.as_ref().map(|times| times[index]);
    [
        pick(&process, 1),
        pick(&process, 0),
        pick(&process, 3),
        pick(&process, 2),
        pick(&thread, 1),
        pick(&thread, 0),
    ]
}

/// User, system, children's user and children's system time in microseconds.
fn stat_times(path: &str) -> Option<[u64; 4]> {
    let text = fs::read_to_string(path).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let tick = 1_000_000 / rustix::param::clock_ticks_per_second();
    let mut times = [0; 4];
    for (time, field) in times.iter_mut().zip(fields.get(11..15)?) {
        *time = field.parse::<u64>().ok()? * tick;
    }
    Some(times)
}
