//! REPLICA VERIFY finds what was planted, and nothing else, while clients write.
//!
//! Keys of a database that no other client uses are changed on one replica, past all commands and its log. What the
//! verification names must be these keys, with what was done to each; all other replicas are equal.

use std::collections::BTreeSet;

use slipstream_keyspace::UnixMillis;
use slipstream_resp::Value;

use super::World;
use crate::checker::witness::DATABASE;
use crate::environment::Event;
use crate::process::{PORT, address};

/// Commands that clients send meanwhile.
const COMMANDS: u32 = 60;

/// How long to wait before another try, in milliseconds.
const AGAIN_MS: u64 = 100;

/// Keys that may be changed, in the database that no other client uses.
const KEYS: usize = 8;

/// A deadline that no world reaches, in milliseconds since 1970.
const LATER: UnixMillis = UnixMillis(4_000_000_000_000);

/// What was done to a key of one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Removed,
    Added,
    Rewritten,
    Postponed,
}

impl Change {
    /// What a verification calls it.
    fn verdict(self) -> &'static str {
        match self {
            Change::Removed => "missing",
            Change::Added => "extra",
            Change::Rewritten | Change::Postponed => "different",
        }
    }
}

/// What a verification says of one replica: its name, its status, and how which keys differ.
type Found = (String, String, BTreeSet<(String, String)>);

impl World {
    /// Plants differences in one replica, has them found, and takes them back.
    pub(super) fn verify_planted(&mut self) {
        let primary = self.primary();
        let replicas: Vec<usize> = self.topology.children(primary).collect();
        for key in 0..KEYS {
            let lines = [format!("SELECT {DATABASE}"), format!("SET plant:{key} {key}")];
            // A handover that comes to its end may hold writes back for a while.
            while self.pipeline(primary, &[&lines[0], &lines[1]]) != ["OK", "OK"] {
                self.run(AGAIN_MS);
            }
        }
        self.converge();
        let victim = replicas[self.env.rng.usize(..replicas.len())];
        let changes = self.plant(victim);
        self.checker.changed = Some(victim);
        self.verdicts.planted.set(!changes.is_empty());
        let expected: BTreeSet<(String, String)> =
            changes.iter().map(|(key, change)| (key.clone(), change.verdict().to_owned())).collect();
        let mut found = self.verify_under_writes(primary);
        found.sort();
        let mut all: Vec<Found> = replicas
            .iter()
            .map(|replica| {
                let differs = *replica == victim && !expected.is_empty();
                let status = if differs { "different" } else { "equal" };
                let keys = if differs { expected.clone() } else { BTreeSet::new() };
                (format!("{}:{PORT}", address(*replica)), status.to_owned(), keys)
            })
            .collect();
        all.sort();
        assert_eq!(found, all, "what REPLICA VERIFY found, and what was planted");
        self.planted += expected.len() as u64;
        self.replant(victim, &changes);
        self.checker.changed = None;
        self.converge();
        self.verdicts.planted.set(false);
    }

    /// Changes some keys of a replica, past all commands.
    fn plant(&mut self, victim: usize) -> Vec<(String, Change)> {
        let count = self.env.rng.usize(..4);
        let mut changes = Vec::new();
        for key in 0..count {
            let kinds = [Change::Removed, Change::Added, Change::Rewritten, Change::Postponed];
            let change = kinds[self.env.rng.usize(..kinds.len())];
            let name = if change == Change::Added { format!("weed:{key}") } else { format!("plant:{key}") };
            let database = self.database_of(victim);
            match change {
                Change::Removed => drop(database.remove(name.as_bytes())),
                Change::Postponed => drop(database.set_deadline(name.as_bytes(), Some(LATER))),
                Change::Added | Change::Rewritten => {
                    database.set_string(name.as_bytes(), b"changed", None, UnixMillis(0));
                }
            }
            changes.push((name, change));
        }
        self.env.tell(self.processes[victim].place(), format_args!("--- is changed: {changes:?}"));
        changes
    }

    /// Takes that back.
    fn replant(&mut self, victim: usize, changes: &[(String, Change)]) {
        for (name, change) in changes {
            let database = self.database_of(victim);
            match change {
                Change::Added => drop(database.remove(name.as_bytes())),
                Change::Removed | Change::Rewritten | Change::Postponed => {
                    let value = name.trim_start_matches("plant:");
                    database.set_string(name.as_bytes(), value.as_bytes(), None, UnixMillis(0));
                }
            }
        }
    }

    fn database_of(&mut self, node: usize) -> &mut slipstream_keyspace::Database {
        let node = self.processes[node].node.as_mut().expect("all is healed");
        node.keyspace.db_mut(DATABASE)
    }

    /// Runs REPLICA VERIFY while the clients write; what it says.
    fn verify_under_writes(&mut self, primary: usize) -> Vec<Found> {
        self.commands_left = COMMANDS;
        for index in 0..self.clients.len() {
            self.env.after_delay(Event::Client(index));
        }
        let operator = self.connect_client(primary);
        let reply = self.ask_for_verification(operator);
        self.disconnect_client(operator);
        let Value::Array(copies) = &reply else { panic!("REPLICA VERIFY replies {reply:?}") };
        copies.iter().map(found).collect()
    }
}

/// One that runs by itself goes first.
impl World {
    fn ask_for_verification(&mut self, operator: usize) -> Value {
        let primary = self.primary();
        let count = self.topology.children(primary).count();
        self.command(primary, "CONFIG SET replica-verify-interval 0");
        self.run_until(|world| {
            let replicas = &world.node(primary).core.replication.replicas;
            replicas.iter().filter(|replica| replica.is_online()).count() == count
        });
        loop {
            self.client_sends(operator, &["REPLICA VERIFY"]);
            self.run_until(|world| !world.clients[operator].replies.is_empty());
            match self.clients[operator].replies.remove(0) {
                Value::Error(text) if text.starts_with("INPROG") => self.run(AGAIN_MS),
                reply => return reply,
            }
        }
    }
}

/// Reads what is said of one replica.
fn found(copy: &Value) -> Found {
    let Value::Array(pairs) = copy else { panic!("no map: {copy:?}") };
    let field = |name: &str| {
        let at = pairs.iter().step_by(2).position(|key| key.text() == name);
        at.map(|at| &pairs[2 * at + 1])
    };
    let text = |name: &str| field(name).map(Value::text).unwrap_or_default();
    let status = match text("reason") {
        reason if reason.is_empty() => text("status"),
        reason => format!("{}: {reason}", text("status")),
    };
    let mut keys = BTreeSet::new();
    if let Some(Value::Array(differences)) = field("keys") {
        for difference in differences {
            let Value::Array(words) = difference else { panic!("no triple: {difference:?}") };
            assert_eq!(words[0].text(), DATABASE.to_string());
            keys.insert((words[1].text(), words[2].text()));
        }
    }
    (text("replica"), status, keys)
}
