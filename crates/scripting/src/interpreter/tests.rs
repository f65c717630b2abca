//! What scripts see. Expectations are what redis-server 7.0 answered, or what the source of 7.2.4 says where
//! that differs.

use slipstream_resp::OwnedRequest;

use super::*;
use crate::server::{Level, Replication};

mod errors;
mod functions;
mod libraries;
mod running;
mod sandbox;

/// A server that knows a few commands, and what it was asked for.
#[derive(Debug, Default)]
pub(super) struct Fake {
    pub(super) calls: Vec<Vec<String>>,
    pub(super) logged: Vec<(Level, String)>,
    pub(super) replication: Option<Replication>,
    pub(super) ticks: u32,
    /// After how many ticks the script is killed.
    pub(super) patience: Option<u32>,
}

pub(super) const KILLED: &str = "Script killed by user with SCRIPT KILL...";

impl Server for Fake {
    fn call(&mut self, args: Args<'_>, reply: &mut Reply) {
        let words: Vec<String> = args.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        match words[0].as_str() {
            "echo" => reply.bulk(&args[1]),
            "ping" => reply.simple("PONG"),
            "get" => reply.null(),
            "hgetall" => {
                reply.map(1);
                reply.bulk(b"f");
                reply.bulk(b"v");
            }
            "zscore" => reply.double(1.5),
            "panic" => panic!("a bug of the server's"),
            "incr" => reply.error("WRONGTYPE Operation against a key holding the wrong kind of value"),
            _ => reply.error("ERR Unknown Redis command called from script"),
        }
        self.calls.push(words);
    }

    fn log(&mut self, level: Level, text: &[u8]) {
        self.logged.push((level, String::from_utf8_lossy(text).into_owned()));
    }

    fn is_allowed(&mut self, args: Args<'_>) -> Option<bool> {
        match &args[0] {
            b"get" => Some(true),
            b"set" => Some(false),
            _ => None,
        }
    }

    fn set_replication(&mut self, replication: Replication) {
        self.replication = Some(replication);
    }

    fn clock(&mut self) -> f64 {
        1.25
    }

    fn tick(&mut self) -> Tick {
        self.ticks += 1;
        match self.patience {
            Some(patience) if self.ticks > patience => Tick::Kill(KILLED),
            _ => Tick::GoOn,
        }
    }
}

/// An interpreter, a server, and what came of the last run.
pub(super) struct Stage {
    pub(super) interpreter: Interpreter,
    pub(super) server: Fake,
    pub(super) outcome: Outcome,
    pub(super) client: Protocol,
}

impl Stage {
    pub(super) fn new() -> Self {
        Stage::of(Purpose::Scripts)
    }

    pub(super) fn of(purpose: Purpose) -> Self {
        let server = Fake::default();
        Stage {
            interpreter: Interpreter::new(purpose, 0),
            server,
            outcome: Outcome::default(),
            client: Protocol::Resp2,
        }
    }

    /// Runs a script without keys and returns its reply, line breaks as `|`.
    pub(super) fn eval(&mut self, code: &str) -> String {
        self.eval_with(code, 0, &[])
    }

    pub(super) fn eval_with(&mut self, code: &str, keys: usize, arguments: &[&str]) -> String {
        match self.interpreter.compile(code.as_bytes()) {
            Ok(program) => self.run(&program, keys, arguments),
            Err(CompileError(message)) => format!("does not compile: {message}"),
        }
    }

    pub(super) fn run(&mut self, program: &Program, keys: usize, arguments: &[&str]) -> String {
        let arguments: Vec<&[u8]> = arguments.iter().map(|argument| argument.as_bytes()).collect();
        let reply = self.reply_with(program, keys, &arguments);
        String::from_utf8_lossy(&reply).replace("\r\n", "|")
    }

    /// As [`Self::eval`], in bytes.
    pub(super) fn eval_bytes(&mut self, code: &str) -> Vec<u8> {
        let program = self.interpreter.compile(code.as_bytes()).unwrap();
        let reply = self.reply(&program, &[]);
        reply
            .iter()
            .filter(|byte| **byte != b'\r')
            .map(|byte| if *byte == b'\n' { b'|' } else { *byte })
            .collect()
    }

    /// Runs a program without keys, all in bytes.
    pub(super) fn reply(&mut self, program: &Program, arguments: &[&[u8]]) -> Vec<u8> {
        self.reply_with(program, 0, arguments)
    }

    pub(super) fn reply_with(&mut self, program: &Program, keys: usize, arguments: &[&[u8]]) -> Vec<u8> {
        let arguments = OwnedRequest::from_parts(arguments);
        let run = Run { program, name: "SHA", arguments: arguments.args(), keys };
        let mut reply = Reply::new(self.client);
        self.outcome = self.interpreter.run(&run, &mut self.server, &mut reply);
        reply.as_bytes().to_vec()
    }

    pub(super) fn load(&mut self, code: &str) -> Result<Vec<Registered>, String> {
        self.interpreter.load_library(code.as_bytes(), &mut self.server)
    }
}

/// Each script's reply, all in one interpreter.
#[track_caller]
pub(super) fn check(table: &[(&str, &str)]) {
    let mut stage = Stage::new();
    for (code, expected) in table {
        assert_eq!(stage.eval(code), *expected, "{code}");
    }
}

/// Each script's error, without what every error ends with. Scripts have one line.
#[track_caller]
pub(super) fn check_errors(table: &[(&str, &str)]) {
    let mut stage = Stage::new();
    for (code, expected) in table {
        let expected = format!("-{expected} script: SHA, on @user_script:1.|");
        assert_eq!(stage.eval(code), expected, "{code}");
        assert!(stage.outcome.failed, "{code}");
    }
}
