//! The process's own log: lines in Redis' shape, to a file or standard output.
//!
//! ```text
//! 1234:M 20 Nov 2026 23:46:00.123 * Ready to accept connections tcp
//! pid:role date.milliseconds level message
//! ```
//! Roles: `M` a primary, `S` a replica, `X` a sentinel. Levels: `.` debug, `-` verbose,
//! `*` notice, `#` warning. A file is opened anew for each line, so that it may
//! be moved away at any time.

use std::fs::OpenOptions;
use std::io::{self, Write};

use slipstream_engine::Level;
use slipstream_engine::config::{Config, LogLevel};

/// Where lines go and which ones.
#[derive(Debug, Default)]
pub struct LogFile {
    path: String,
    threshold: Option<Level>,
    is_sentinel: bool,
}

impl LogFile {
    /// As `logfile` and `loglevel` say; refuses a file that cannot be written.
    pub fn open(config: &Config) -> Result<LogFile, String> {
        let log = LogFile {
            path: config.logfile.clone(),
            threshold: threshold(config.loglevel),
            is_sentinel: config.sentinel.is_some(),
        };
        match log.append(b"") {
            Ok(()) => Ok(log),
            Err(error) => Err(format!("Can't open the log file '{}': {error}", log.path)),
        }
    }

    /// Writes one line, unless its level is below the threshold.
    pub fn line(&self, level: Level, replica: bool, text: &str) {
        if self.threshold.is_none_or(|threshold| level < threshold) {
            return;
        }
        let role = match (self.is_sentinel, replica) {
            (true, _) => 'X',
            (false, true) => 'S',
            (false, false) => 'M',
        };
        let pid = std::process::id();
        let date = jiff::Zoned::now().strftime("%d %b %Y %H:%M:%S.%3f").to_string();
        let line = format!("{pid}:{role} {date} {} {text}\n", mark(level));
        // There is nowhere left to report that the log itself cannot be written.
        self.append(line.as_bytes()).ok();
    }

    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        if self.path.is_empty() {
            let mut out = io::stdout().lock();
            out.write_all(bytes)?;
            return out.flush();
        }
        OpenOptions::new().create(true).append(true).open(&self.path)?.write_all(bytes)
    }
}

fn threshold(level: LogLevel) -> Option<Level> {
    match level {
        LogLevel::Debug => Some(Level::Debug),
        LogLevel::Verbose => Some(Level::Verbose),
        LogLevel::Notice => Some(Level::Notice),
        LogLevel::Warning => Some(Level::Warning),
        LogLevel::Nothing => None,
    }
}

fn mark(level: Level) -> char {
    match level {
        Level::Debug => '.',
        Level::Verbose => '-',
        Level::Notice => '*',
        Level::Warning => '#',
    }
}
