//! The servers that are measured: which there are, how one is started, and what the system says of its process.
//!
//! `SLIPSTREAM_REDIS_SERVER` and `SLIPSTREAM_VALKEY_SERVER` name the peers' binaries; without them they are looked
//! for on `PATH`. Our own is the release build. A server runs on loopback in a folder of its own and is ended by
//! its own process id.

use std::env;
use std::error::Error;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::client::Client;
use super::pace::wait_until;
use crate::Outcome;
use crate::process::root;

const PORT_ATTEMPTS: usize = 10;
/// Key of the clock's ticks per second in the auxiliary vector of a process.
const AT_CLKTCK: u64 = 17;

/// An implementation under measure.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    program: PathBuf,
    arguments: &'static [&'static str],
    /// An allocator to preload, where the binary lacks the one that its users run it with.
    preload: Option<PathBuf>,
}

/// Whether the server under test has a core to itself. A value shows that this process, and so whatever it starts
/// without saying otherwise, stays on another one.
#[derive(Clone, Copy)]
pub(super) struct Pinning;

impl Pinning {
    /// Moves this process out of the way, if the machine has a second core and `taskset`.
    pub(super) fn of_this_process() -> Result<Option<Self>, Box<dyn Error>> {
        let cores = std::thread::available_parallelism()?.get();
        if cores < 2 || on_path("taskset").is_none() {
            return Ok(None);
        }
        let mut taskset = Command::new("taskset");
        taskset.args(["--cpu-list", "--pid", "1", &std::process::id().to_string()]);
        let moved = taskset.stdout(Stdio::null()).stderr(Stdio::null()).status()?.success();
        Ok(moved.then_some(Self))
    }
}

/// The contenders of these names that are installed, in this order. At least one must be.
pub(crate) fn find(names: &[&str]) -> Result<Vec<Contender>, String> {
    let mut found = Vec::new();
    for name in names {
        match by_name(name)? {
            Some(contender) => found.push(contender),
            None => crate::note(format_args!("skipped: {name} not found")),
        }
    }
    if found.is_empty() { Err("no server found".into()) } else { Ok(found) }
}

fn by_name(name: &str) -> Result<Option<Contender>, String> {
    let peer = |name, variable: &str, binary: &str| {
        let program = env::var_os(variable).map(PathBuf::from).or_else(|| on_path(binary))?;
        let preload = lacks_jemalloc(&program).then(installed_jemalloc).flatten();
        Some(Contender { name, program, arguments: &[], preload })
    };
    match name {
        "redis" => Ok(peer("redis", "SLIPSTREAM_REDIS_SERVER", "redis-server")),
        "valkey" => Ok(peer("valkey", "SLIPSTREAM_VALKEY_SERVER", "valkey-server")),
        "slipstream" => Ok(Some(Contender::ours(root().join("target/release/slipstream")))),
        _ => Err(format!("no server is called {name}: redis, valkey or slipstream")),
    }
}

/// Redis and Valkey are packaged with jemalloc; a build with the C library's allocator would be measured unfairly.
fn lacks_jemalloc(program: &Path) -> bool {
    version_of(program, &[]).contains("malloc=libc")
}

fn installed_jemalloc() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    folders.map(|folder| folder.join("libjemalloc.so.2")).find(|path| path.is_file())
}

pub(super) fn on_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file())
}

fn version_of(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).arg("--version").output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

impl Contender {
    /// A build of ours, wherever it lies.
    pub(crate) fn ours(program: PathBuf) -> Self {
        Self { name: "slipstream", program, arguments: &["server"], preload: None }
    }

    /// A server of this program, which is none of ours.
    pub(crate) fn peer(program: PathBuf) -> Self {
        Self { name: "peer", program, arguments: &[], preload: None }
    }

    pub(crate) fn version(&self) -> String {
        let version = version_of(&self.program, self.arguments);
        match &self.preload {
            Some(library) => format!("{version} (with {})", library.display()),
            None => version,
        }
    }

    /// Starts the server under measure: on the core of its own, if there is one.
    pub(super) fn start(
        &self,
        pinning: Option<Pinning>,
        arguments: &[&str],
    ) -> Result<Server, Box<dyn Error>> {
        self.start_on(pinning.map(|Pinning| "0"), arguments)
    }

    /// Starts a server that is not the one under measure, with everything else.
    pub(crate) fn start_aside(&self, arguments: &[&str]) -> Result<Server, Box<dyn Error>> {
        self.start_on(None, arguments)
    }

    /// Starts a server that was shut down again, on what it left.
    pub(super) fn start_again(
        &self,
        server: &mut Server,
        pinning: Option<Pinning>,
        arguments: &[&str],
    ) -> Outcome {
        let core = pinning.map(|Pinning| "0");
        server.child = self.command(core, server.port, &server.folder).args(arguments).spawn()?;
        if server.comes_up()? { Ok(()) } else { Err(format!("{} did not start again", self.name).into()) }
    }

    /// Starts a sentinel with these lines in its file: the one under measure where there is pinning.
    pub(super) fn start_sentinel(
        &self,
        pinning: Option<Pinning>,
        lines: &str,
    ) -> Result<Server, Box<dyn Error>> {
        self.start_at_any_port(|port, folder| {
            let file = folder.join("sentinel.conf");
            let head = format!("port {port}\nbind 127.0.0.1\ndir {}\n", folder.display());
            fs::write(&file, head + lines)?;
            let mut command = self.launch(pinning.map(|Pinning| "0"));
            command.arg(file).arg("--sentinel");
            Ok(command.spawn()?)
        })
    }

    fn start_on(&self, core: Option<&str>, arguments: &[&str]) -> Result<Server, Box<dyn Error>> {
        self.start_at_any_port(|port, folder| Ok(self.command(core, port, folder).args(arguments).spawn()?))
    }

    fn start_at_any_port(
        &self,
        start: impl Fn(u16, &Path) -> Result<Child, Box<dyn Error>>,
    ) -> Result<Server, Box<dyn Error>> {
        for _ in 0..PORT_ATTEMPTS {
            let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
            let folder = root().join("target/bench").join(format!("{}-{port}", self.name));
            fs::create_dir_all(&folder)?;
            let child = start(port, &folder)?;
            let mut server = Server { port, folder, child };
            if server.comes_up()? {
                return Ok(server);
            }
        }
        Err(format!("{} did not start in {PORT_ATTEMPTS} attempts", self.name).into())
    }

    fn command(&self, core: Option<&str>, port: u16, folder: &Path) -> Command {
        let mut command = self.launch(core);
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.arg("--dir").arg(folder);
        command
    }

    fn launch(&self, core: Option<&str>) -> Command {
        let mut command = match core {
            Some(core) => {
                let mut taskset = Command::new("taskset");
                taskset.args(["--cpu-list", core]).arg(&self.program);
                taskset
            }
            None => Command::new(&self.program),
        };
        if let Some(library) = &self.preload {
            command.env("LD_PRELOAD", library);
        }
        command.args(self.arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

/// A running server, ended when the value is dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    folder: PathBuf,
    child: Child,
}

impl Server {
    pub(super) fn client(&self) -> std::io::Result<Client> {
        Client::connect(self.port)
    }

    /// Ends the server as its operator does, without another snapshot.
    pub(super) fn shut_down(&mut self) -> Outcome {
        self.client()?.send("SHUTDOWN NOSAVE")?;
        self.child.wait()?;
        Ok(())
    }

    /// False when the process ended instead, as on a port that was taken meanwhile.
    fn comes_up(&mut self) -> Result<bool, Box<dyn Error>> {
        let mut ended = false;
        wait_until("the server answers", || {
            ended = matches!(self.child.try_wait(), Ok(Some(_)));
            let pid = Client::connect(self.port).and_then(|mut client| client.info("server", "process_id"));
            ended || pid.is_ok_and(|pid| pid == self.child.id().to_string())
        })?;
        Ok(!ended)
    }

    /// CPU time of all threads so far, in seconds.
    pub(super) fn cpu_seconds(&self) -> Result<f64, Box<dyn Error>> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, fields) = stat.rsplit_once(')').ok_or("a stat file without a name")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let user: f64 = fields.get(11).ok_or("a short stat file")?.parse()?;
        let system: f64 = fields.get(12).ok_or("a short stat file")?.parse()?;
        Ok((user + system) / ticks_per_second()?)
    }

    /// How long the threads that the process has now were on a processor, in seconds. Unlike [`Server::cpu_seconds`]
    /// it does not count in ticks, and misses threads that ended.
    pub(super) fn processor_seconds(&self) -> Result<f64, Box<dyn Error>> {
        let mut seconds = 0.0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let statistics = fs::read_to_string(thread?.path().join("schedstat"))?;
            let nanoseconds = statistics.split_whitespace().next().ok_or("an empty schedstat")?;
            seconds += nanoseconds.parse::<f64>()? / 1e9;
        }
        Ok(seconds)
    }

    /// Resident memory, in bytes.
    pub(super) fn resident_bytes(&self) -> Result<f64, Box<dyn Error>> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = kilobytes.ok_or("no VmRSS")?.trim().trim_end_matches(" kB");
        Ok(kilobytes.parse::<f64>()? * 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What fails here has ended or gone already.
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
        fs::remove_dir_all(&self.folder).unwrap_or_default();
    }
}

/// The unit of the times in `/proc`, which only the auxiliary vector tells: pairs of native words.
fn ticks_per_second() -> Result<f64, Box<dyn Error>> {
    let vector = fs::read("/proc/self/auxv")?;
    let words: Vec<u64> =
        vector.chunks_exact(8).filter_map(|word| Some(u64::from_ne_bytes(word.try_into().ok()?))).collect();
    let pair = words.chunks_exact(2).find(|pair| pair[0] == AT_CLKTCK).ok_or("no clock tick in auxv")?;
    Ok(f64::from(u32::try_from(pair[1])?))
}
