//! MONITOR: clients that see every command.
//!
//! A monitor is a session whose output also takes the words of every command that runs.

use std::fmt::Write;

use slipstream_resp::Args;

use crate::call::Call;
use crate::command::{Command, Group, flag};
use crate::errors::CommandError;
use crate::node::Core;
use crate::session::{Endpoint, Flow, Role, Session, SessionId};

/// The rows.
pub const COMMANDS: &[Command] = &[Command::new("monitor", 1, monitor)
    .flags(flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE)
    .doc(Group::Server, "1.0.0", "Shows every command that the server runs, as it comes.", "")];

/// The sessions that watch.
#[derive(Debug, Default)]
pub struct Monitors(Vec<SessionId>);

impl Monitors {
    /// Whether there is none: the common case, checked for each command.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets one.
    pub fn remove(&mut self, id: SessionId) {
        self.0.retain(|known| *known != id);
    }
}

fn monitor(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.in_exec() {
        return Err(CommandError::fixed("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    if call.session.role == Role::Client {
        call.session.role = Role::Monitor;
        call.core.monitors.0.push(call.session.id);
    }
    call.reply.ok();
    Ok(())
}

impl Core {
    /// Shows a command to all monitors.
    pub(crate) fn feed_monitors(&mut self, session: &Session, args: Args<'_>) {
        let line = describe(session, args, self.clock.unix_micros);
        for index in 0..self.monitors.0.len() {
            let id = self.monitors.0[index];
            let monitor = self.sessions.get_mut(id).filter(|monitor| monitor.flow != Flow::Closing);
            let Some(monitor) = monitor else { continue };
            monitor.output.simple(&line);
            self.sessions.mark(id);
        }
        for id in self.monitors.0.clone() {
            if let Some(mut monitor) = self.sessions.take(id) {
                self.check_limits(&mut monitor);
                self.sessions.insert(monitor);
            }
        }
    }
}

fn describe(session: &Session, args: Args<'_>, unix_micros: i64) -> String {
    let (seconds, micros) = (unix_micros.div_euclid(1_000_000), unix_micros.rem_euclid(1_000_000));
    let peer = match &session.peer {
        _ if session.is_script => "lua".to_owned(),
        Endpoint::Unix(path) => format!("unix:{path}"),
        other => other.to_string(),
    };
    let mut line = format!("{seconds}.{micros:06} [{} {peer}]", session.db);
    for arg in args.iter() {
        line.push(' ');
        quote(&mut line, arg);
    }
    line
}

/// Appends `bytes` in double quotes, printable ASCII as it is, everything else escaped.
pub(crate) fn quote(out: &mut String, bytes: &[u8]) {
    out.push('"');
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x07 => out.push_str("\\a"),
            0x08 => out.push_str("\\b"),
            0x20..=0x7e => out.push(char::from(byte)),
            _ => write!(out, "\\x{byte:02x}").expect("a String takes everything"),
        }
    }
    out.push('"');
}
