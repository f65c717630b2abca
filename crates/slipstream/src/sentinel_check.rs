//! `slipstream sentinel --check FILE`: whether a sentinel would start with this file, and find what it names.
//!
//! The file is read as a sentinel reads it, and each program, server and sentinel that it names is looked for, with no
//! more than a sentinel itself would ask. Nothing is changed anywhere. What is found is one line each.

mod asking;
mod judging;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use slipstream_sentinel::Sentinel;
use slipstream_sentinel::config::{ConfigLine, Named};
use slipstream_server::process::change_folder;

use self::judging::Finding;
use crate::check::reason;

const USAGE: &str = "\
Usage: slipstream sentinel --check FILE

Reads a sentinel's configuration as a sentinel does, and looks for all that it names: scripts, primaries, seeds,
replicas and other sentinels that are known, the files that its state and its log go to. Nothing is changed.

Exit status: 0 when a sentinel would work with it (warnings or not), 1 when it would not, 2 for a wrong command line.
";

/// Checks the file that the arguments name; returns the process's exit status.
pub(super) fn run(arguments: &[OsString]) -> i32 {
    let [path] = arguments else { return tell(&mut io::stderr().lock(), USAGE, 2) };
    if path == "--help" || path == "-h" {
        return tell(&mut io::stdout().lock(), USAGE, 0);
    }
    let mut report = Report { out: io::stdout().lock(), errors: 0, warnings: 0 };
    match report.check(Path::new(path)) {
        Ok(()) => i32::from(report.errors > 0),
        // Nobody reads on.
        Err(_) => 1,
    }
}

fn tell(to: &mut impl Write, text: &str, status: i32) -> i32 {
    to.write_all(text.as_bytes()).map_or(1, |()| status)
}

/// What is said, and how much of it is bad.
struct Report<W> {
    out: W,
    errors: usize,
    warnings: usize,
}

impl<W: Write> Report<W> {
    fn check(&mut self, path: &Path) -> io::Result<()> {
        let Some((lines, named)) = self.read(path)? else { return Ok(()) };
        for script in Sentinel::scripts_named(&lines) {
            let runs = fs::metadata(&script.path).is_ok_and(|known| known.is_file())
                && access(script.path.as_str(), Access::EXEC_OK).is_ok();
            if runs {
                self.say(&Finding::Good(format!("{}: can be run", script.path)))?;
            } else {
                let text = format!("{}, line {}: {}", path.display(), script.number, script.complaint);
                self.say(&Finding::Error(text))?;
            }
        }
        for name in &named.unset {
            let text = format!(
                "{name} is not watched: lines tell of it, and `sentinel monitor` is missing; they will be dropped"
            );
            self.say(&Finding::Warning(text))?;
        }
        for name in &named.removed {
            let text = format!("{name} is not watched since SENTINEL REMOVE; SENTINEL MONITOR adds it again");
            self.say(&Finding::Warning(text))?;
        }
        if named.groups.is_empty() {
            let text = "no group: `sentinel monitor` is missing, or SENTINEL MONITOR is to follow";
            self.say(&Finding::Warning(text.to_owned()))?;
        }
        let answers = asking::ask_all(&named);
        for finding in judging::judge(&named, &answers) {
            self.say(&finding)?;
        }
        let count =
            |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
        writeln!(self.out, "{}, {}", count(self.errors, "error"), count(self.warnings, "warning"))
    }

    /// Reads the file, and the file of state that it names.
    fn read(&mut self, path: &Path) -> io::Result<Option<(Vec<ConfigLine>, Named)>> {
        let path = &std::path::absolute(path)?;
        let read = slipstream_server::sentinel_config(path).and_then(|config| {
            // Other paths are relative to the folder that a sentinel runs in.
            change_folder(&config.dir)?;
            let log = PathBuf::from(&config.logfile);
            let requirepass = config.requirepass.unwrap_or_default();
            let requirepass = String::from_utf8_lossy(&requirepass).into_owned();
            let lines = config.sentinel.unwrap_or_default();
            let named = Named::read(&lines, &[], &requirepass).map_err(|error| error.to_string())?;
            Ok((lines, requirepass, named, log))
        });
        let (lines, requirepass, mut named, log) = match read {
            Ok(found) => found,
            Err(text) => {
                self.say(&Finding::Error(text.trim().to_owned()))?;
                return Ok(None);
            }
        };
        let groups = named.groups.len();
        let what = if groups == 1 { "1 group".to_owned() } else { format!("{groups} groups") };
        self.say(&Finding::Good(format!("{}: {what}", path.display())))?;
        if let Err(error) = may_append(&log) {
            let text = format!("{}: the log file cannot be opened ({})", log.display(), reason(&error));
            self.say(&Finding::Error(text))?;
        }
        let Some(state) = named.state_file.clone() else {
            self.check_writable(path)?;
            return Ok(Some((lines, named)));
        };
        let state = PathBuf::from(state);
        self.check_writable(&state)?;
        if state.exists() {
            let Some(text) = self.text_of(&state)? else { return Ok(None) };
            let read =
                ConfigLine::all_of_state(&text).and_then(|state| Named::read(&lines, &state, &requirepass));
            match read {
                Ok(found) => named = found,
                Err(error) => {
                    self.say(&Finding::Error(format!("{}: {error}", state.display())))?;
                    return Ok(None);
                }
            }
        }
        Ok(Some((lines, named)))
    }

    fn text_of(&mut self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        match fs::read(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) => {
                let text = format!("{} cannot be read: {}", path.display(), reason(&error));
                self.say(&Finding::Error(text))?;
                Ok(None)
            }
        }
    }

    /// The file is replaced by another of its name: the folder must allow that.
    fn check_writable(&mut self, path: &Path) -> io::Result<()> {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let is_allowed = access(folder, Access::WRITE_OK)
            .and_then(|()| if path.exists() { access(&path, Access::WRITE_OK) } else { Ok(()) });
        let finding = match is_allowed {
            Ok(()) => Finding::Good(format!("{}: the state can be kept there", path.display())),
            Err(error) => Finding::Error(format!(
                "{}: the state cannot be kept there ({}); a sentinel that cannot keep its votes does not vote. \
                 `sentinel state-file` names another place",
                path.display(),
                reason(&error.into())
            )),
        };
        self.say(&finding)
    }

    fn say(&mut self, finding: &Finding) -> io::Result<()> {
        let (word, text) = match finding {
            Finding::Good(text) => ("ok", text),
            Finding::Warning(text) => {
                self.warnings += 1;
                ("warning", text)
            }
            Finding::Error(text) => {
                self.errors += 1;
                ("error", text)
            }
        };
        writeln!(self.out, "[{word}] {text}")
    }
}

/// Whether lines can be added to a log file, which may not be there yet.
fn may_append(path: &Path) -> io::Result<()> {
    if path == Path::new("") {
        return Ok(());
    }
    if path.exists() {
        return match path.is_dir() {
            true => Err(io::ErrorKind::IsADirectory.into()),
            false => Ok(access(path, Access::WRITE_OK)?),
        };
    }
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    Ok(access(folder, Access::WRITE_OK)?)
}
