//! MEMORY: where the memory is, in figures and in words.
//!
//! The figures are those of INFO memory; one that cannot be measured is left
//! out.

use crate::call::Call;
use crate::command::{Command, Group, KeySpec, flag};
use crate::errors::CommandError;
use crate::host::ProcessFacts;
use crate::info::Subject;
use crate::info::memory::{Pages, Usage};

/// Elements of a collection that are measured unless asked for more.
const DEFAULT_SAMPLES: usize = 5;

const REPORT: &[&str] = &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"];

/// The rows.
pub const COMMANDS: &[Command] = &[Command::container("memory", -2, SUBCOMMANDS).doc(
    Group::Server,
    "4.0.0",
    "Tells where the memory is.",
    "Depends on the subcommand",
)];

const SUBCOMMANDS: &[Command] = &[
    Command::new("memory|usage", -3, usage)
        .flags(flag::READONLY)
        .keys(&[KeySpec::at(2, &["RO"])])
        .doc(
            Group::Server,
            "4.0.0",
            "Estimates how many bytes a key and its value take.",
            "O(N), N being the number of samples",
        )
        .syntax("key [SAMPLES count:integer]"),
    Command::new("memory|doctor", 2, doctor).tips(REPORT).doc(
        Group::Server,
        "4.0.0",
        "Looks for trouble with memory, and says so in words.",
        "O(1)",
    ),
    Command::new("memory|stats", 2, stats).tips(REPORT).doc(
        Group::Server,
        "4.0.0",
        "Tells how much memory is used, and for what.",
        "O(1)",
    ),
    Command::new("memory|purge", 2, purge)
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .doc(
            Group::Server,
            "4.0.0",
            "Asks for unused memory to be given back to the system.",
            "Depends on how much memory is allocated",
        ),
    Command::new("memory|malloc-stats", 2, malloc_stats).tips(REPORT).doc(
        Group::Server,
        "4.0.0",
        "Shows the allocator's own figures.",
        "Depends on how much memory is allocated",
    ),
    Command::new("memory|help", 2, help).flags(flag::LOADING | flag::STALE).doc(
        Group::Server,
        "4.0.0",
        "Lists the subcommands.",
        "O(1)",
    ),
];

fn usage(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut samples = DEFAULT_SAMPLES;
    let mut index = 3;
    while index < call.args.len() {
        if !call.is_word(index, "SAMPLES") || index + 1 == call.args.len() {
            return Err(CommandError::SYNTAX);
        }
        // 0 measures all, here and below.
        samples = usize::try_from(call.integer(index + 1)?).map_err(|_| CommandError::SYNTAX)?;
        index += 2;
    }
    match call.db.keyspace.db(call.db.index).memory_usage(&call.args[2], samples) {
        Some(bytes) => call.reply.count(bytes),
        None => call.reply.null(),
    }
    Ok(())
}

fn measure(call: &mut Call<'_>) -> (Usage, ProcessFacts) {
    let facts = call.core.facts(call.db.keyspace);
    let subject = Subject { core: call.core, keyspace: call.db.keyspace, facts };
    let mut usage = Usage::of(&subject);
    // The session whose command runs is not among the others.
    let own = call.session.memory() + call.reply.capacity();
    match call.session.role.is_replica() {
        true => usage.replicas += own,
        false => usage.clients += own,
    }
    (usage, subject.facts)
}

/// Figures in the order and under the names of Redis; what the allocator does not tell is left out.
fn stats(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (usage, facts) = measure(call);
    let keyspace = &*call.db.keyspace;
    let keys: usize = (0..keyspace.databases()).map(|db| keyspace.db(db).len()).sum();
    let functions = call.core.scripting.libraries.memory();
    let data = usage.used.saturating_sub(usage.startup);
    let mut map = Map::default();
    map.bytes("peak.allocated", facts.peak_memory);
    map.bytes("total.allocated", usage.used);
    map.bytes("startup.allocated", usage.startup);
    map.bytes("replication.backlog", usage.log);
    map.bytes("clients.slaves", usage.replicas);
    map.bytes("clients.normal", usage.clients);
    map.bytes("cluster.links", 0);
    map.bytes("aof.buffer", 0);
    map.bytes("lua.caches", call.core.scripting.scripts.memory());
    map.bytes("functions.caches", functions);
    for index in (0..keyspace.databases()).filter(|index| !keyspace.db(*index).is_empty()) {
        map.database(index, keyspace.db(index).overhead());
    }
    map.bytes("overhead.total", usage.overhead());
    map.bytes("keys.count", keys);
    map.bytes("keys.bytes-per-key", data.checked_div(keys).unwrap_or(0));
    map.bytes("dataset.bytes", usage.dataset());
    map.ratio("dataset.percentage", 100 * usage.dataset(), data);
    map.ratio("peak.percentage", 100 * usage.used, facts.peak_memory);
    map.pages(&Pages::of(&facts));
    if let Some(resident) = facts.resident {
        map.share("fragmentation", "fragmentation.bytes", resident, usage.used);
    }
    map.write(call);
    Ok(())
}

/// A reply's fields, collected since their number goes first.
#[derive(Default)]
struct Map(Vec<(String, Figure)>);

enum Figure {
    Integer(i64),
    Double(f64),
    Tables(usize),
}

impl Map {
    fn bytes(&mut self, name: &str, value: usize) {
        self.0.push((name.into(), Figure::Integer(i64::try_from(value).unwrap_or(i64::MAX))));
    }

    fn ratio(&mut self, name: &str, part: usize, whole: usize) {
        #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
        let value = if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        self.0.push((name.into(), Figure::Double(value)));
    }

    /// How `part` compares to `whole`: the ratio, and the difference.
    fn share(&mut self, ratio: &str, difference: &str, part: usize, whole: usize) {
        self.ratio(ratio, part, whole);
        self.0.push((difference.into(), Figure::Integer(crate::info::memory::difference(part, whole))));
    }

    /// What the allocator makes of it, as far as it tells.
    fn pages(&mut self, pages: &Pages) {
        let figures = [
            ("allocator.allocated", Some(pages.allocated)),
            ("allocator.active", pages.active),
            ("allocator.resident", pages.resident),
        ];
        for (name, figure) in figures {
            figure.into_iter().for_each(|bytes| self.bytes(name, bytes));
        }
        for share in pages.shares() {
            let name = share.name.replacen("_frag", "-fragmentation", 1).replace('_', "-");
            self.share(&format!("{name}.ratio"), &format!("{name}.bytes"), share.part, share.whole);
        }
    }

    fn database(&mut self, index: usize, tables: usize) {
        self.0.push((format!("db.{index}"), Figure::Tables(tables)));
    }

    fn write(self, call: &mut Call<'_>) {
        call.reply.map(self.0.len());
        for (name, figure) in self.0 {
            call.reply.bulk(name.as_bytes());
            match figure {
                Figure::Integer(value) => call.reply.integer(value),
                Figure::Double(value) => call.reply.double(value),
                Figure::Tables(bytes) => write_tables(call, bytes),
            }
        }
    }
}

/// A database has one table: deadlines and hash slots take nothing beside it.
fn write_tables(call: &mut Call<'_>, bytes: usize) {
    let parts = [
        ("overhead.hashtable.main", bytes),
        ("overhead.hashtable.expires", 0),
        ("overhead.hashtable.slot-to-keys", 0),
    ];
    call.reply.map(parts.len());
    for (name, value) in parts {
        call.reply.bulk(name.as_bytes());
        call.reply.count(value);
    }
}

fn doctor(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (usage, facts) = measure(call);
    let replicas = call.core.sessions.iter().filter(|session| session.role.is_replica()).count();
    let clients = call.core.sessions.len() + 1 - replicas;
    let text = diagnose(&usage, &facts, clients, replicas);
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

/// Below this much there is nothing to judge.
const TOO_LITTLE: usize = 5 << 20;
/// A difference that is worth a word.
const NOTEWORTHY: usize = 10 << 20;
/// More than this per client points to one that does not read.
const CLIENT_BUFFERS: usize = 200 << 10;

fn diagnose(usage: &Usage, facts: &ProcessFacts, clients: usize, replicas: usize) -> String {
    if usage.used < TOO_LITTLE {
        return "There is hardly any data: nothing that could be judged yet.\n".into();
    }
    let resident = facts.resident.unwrap_or(0);
    let findings = [
        (
            facts.peak_memory > usage.used + usage.used / 2,
            "Past peak: more than one and a half times of today's memory was in use once. The process may still hold it; new data will use it, and a restart gives it back.",
        ),
        (
            resident > usage.used + 2 * usage.used / 5 && resident - usage.used > NOTEWORTHY,
            "Fragmentation: the process holds over 1.4 times of what is allocated. After a peak that is normal; if it grows without one, look at values that are rewritten with changing sizes.",
        ),
        (
            usage.clients / clients.max(1) > CLIENT_BUFFERS,
            "Client buffers: above 200 KiB per client. CLIENT LIST shows in omem and qbuf who does not read, or sends huge requests; client-output-buffer-limit bounds it.",
        ),
        (
            replicas > 0 && usage.replicas > NOTEWORTHY,
            "Replica buffers: above 10 MiB. A replica is slow or its line is; INFO replication shows which one lags.",
        ),
    ];
    let found: Vec<&str> = findings.into_iter().filter(|(holds, _)| *holds).map(|(_, text)| text).collect();
    match found.is_empty() {
        true => "No trouble with memory found.\n".into(),
        false => found.iter().map(|text| format!("* {text}\n")).collect(),
    }
}

fn purge(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.core.host.release_memory();
    call.reply.ok();
    Ok(())
}

fn malloc_stats(call: &mut Call<'_>) -> Result<(), CommandError> {
    match call.core.host.allocator_report() {
        Some(text) => call.reply.verbatim("txt", text.as_bytes()),
        None => call.reply.bulk(b"Stats not supported for the current allocator"),
    }
    Ok(())
}

fn help(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.help(&[
        "DOCTOR",
        "    Looks for trouble with memory.",
        "MALLOC-STATS",
        "    Shows the allocator's own figures, if it has any.",
        "PURGE",
        "    Asks for unused memory to be given back to the system.",
        "STATS",
        "    Tells how much memory is used, and for what.",
        "USAGE <key> [SAMPLES <count>]",
        "    Estimates the bytes of a key and its value from <count> elements",
        "    (5 unless told otherwise, 0: all).",
    ]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_doctor_names_what_is_out_of_proportion() {
        let healthy = Usage { used: 100 << 20, startup: 0, log: 0, replicas: 0, clients: 0, tables: 0 };
        let facts = ProcessFacts { peak_memory: 100 << 20, resident: Some(110 << 20), ..Default::default() };
        let check = |usage: Usage, facts: &ProcessFacts, expected: &str| {
            let text = diagnose(&usage, facts, 2, 1);
            assert!(text.contains(expected), "{text}");
        };
        check(healthy, &facts, "No trouble");
        check(Usage { used: 1 << 20, ..healthy }, &facts, "hardly any data");
        check(healthy, &ProcessFacts { peak_memory: 200 << 20, ..facts.clone() }, "Past peak");
        check(healthy, &ProcessFacts { resident: Some(150 << 20), ..facts.clone() }, "Fragmentation");
        check(Usage { clients: 1 << 20, ..healthy }, &facts, "Client buffers");
        check(Usage { replicas: 11 << 20, ..healthy }, &facts, "Replica buffers");
    }
}
