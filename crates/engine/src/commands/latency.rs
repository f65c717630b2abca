//! LATENCY: what [`crate::latency`] and the commands' histograms hold, for clients.
//!
//! Events that took long are drawn in [`graph`] and put into words in
//! [`report`]; nothing here measures.

mod graph;
mod report;

use crate::call::Call;
use crate::command::{Command, Group, flag};
use crate::commands::introspection::look_up;
use crate::errors::CommandError;
use crate::latency::EventHistory;
use crate::table::Entry;

const COMMON: u32 = flag::LOADING | flag::STALE;
const ADMIN: u32 = COMMON | flag::ADMIN | flag::NOSCRIPT;

const PER_NODE: &[&str] = &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"];

/// The rows.
pub const COMMANDS: &[Command] = &[Command::container("latency", -2, SUBCOMMANDS).doc(
    Group::Server,
    "2.8.13",
    "Tells how long events and commands take.",
    "Depends on the subcommand",
)];

const SUBCOMMANDS: &[Command] = &[
    Command::new("latency|latest", 2, latest).flags(ADMIN).tips(PER_NODE).doc(
        Group::Server,
        "2.8.13",
        "Tells the latest sample of each event.",
        "O(1)",
    ),
    Command::new("latency|history", 3, history)
        .flags(ADMIN)
        .tips(PER_NODE)
        .doc(Group::Server, "2.8.13", "Tells the samples of one event.", "O(1)")
        .syntax("event"),
    Command::new("latency|reset", -2, reset)
        .flags(ADMIN)
        .tips(&["request_policy:all_nodes", "response_policy:agg_sum"])
        .doc(Group::Server, "2.8.13", "Forgets the samples of some events, or of all.", "O(1)")
        .syntax("[event...]"),
    Command::new("latency|graph", 3, draw)
        .flags(ADMIN)
        .tips(PER_NODE)
        .doc(Group::Server, "2.8.13", "Draws the samples of one event.", "O(1)")
        .syntax("event"),
    Command::new("latency|doctor", 2, doctor).flags(ADMIN).tips(PER_NODE).doc(
        Group::Server,
        "2.8.13",
        "Looks at all events, and says in words what stands out.",
        "O(1)",
    ),
    Command::new("latency|histogram", -2, histogram)
        .flags(ADMIN)
        .tips(PER_NODE)
        .doc(
            Group::Server,
            "7.0.0",
            "Tells how the durations of commands are distributed.",
            "O(N), N being the number of commands that have run",
        )
        .syntax("[COMMAND:string]..."),
    Command::new("latency|help", 2, help).flags(COMMON).doc(
        Group::Server,
        "2.8.13",
        "Lists the subcommands.",
        "O(1)",
    ),
];

fn wire(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn latest(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.reply.array(call.core.latency.events.len());
    for (event, history) in &call.core.latency.events {
        let (second, millis) = history.samples.back().expect("an event has a sample");
        call.reply.array(4);
        call.reply.bulk(event.as_bytes());
        call.reply.integer(*second);
        call.reply.integer(wire(*millis));
        call.reply.integer(wire(history.worst));
    }
    Ok(())
}

fn event<'a>(call: &'a Call<'_>) -> Option<(&'static str, &'a EventHistory)> {
    let name = std::str::from_utf8(&call.args[2]).ok()?;
    call.core.latency.events.get_key_value(name).map(|(name, history)| (*name, history))
}

fn history(call: &mut Call<'_>) -> Result<(), CommandError> {
    let samples: Vec<(i64, u64)> =
        event(call).map(|(_, history)| history.samples.iter().copied().collect()).unwrap_or_default();
    call.reply.array(samples.len());
    for (second, millis) in samples {
        call.reply.array(2);
        call.reply.integer(second);
        call.reply.integer(wire(millis));
    }
    Ok(())
}

fn reset(call: &mut Call<'_>) -> Result<(), CommandError> {
    let events = &mut call.core.latency.events;
    let before = events.len();
    if call.args.len() == 2 {
        events.clear();
    }
    for name in call.args.from(2).iter() {
        events.retain(|event, _| event.as_bytes() != name);
    }
    call.reply.count(before - events.len());
    Ok(())
}

fn draw(call: &mut Call<'_>) -> Result<(), CommandError> {
    let Some((name, history)) = event(call) else {
        let name = String::from_utf8_lossy(&call.args[2]);
        return Err(CommandError::text(format!("ERR No samples available for event '{name}'")));
    };
    let text = graph::draw(name, history, call.core.clock.unix_micros.div_euclid(1_000_000));
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn doctor(call: &mut Call<'_>) -> Result<(), CommandError> {
    let text = report::write(&call.core.latency, &call.core.config);
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn histogram(call: &mut Call<'_>) -> Result<(), CommandError> {
    let table = &call.core.table;
    let mut entries: Vec<Entry> = Vec::new();
    if call.args.len() == 2 {
        entries.extend(table.entries());
    }
    for entry in call.args.from(2).iter().filter_map(|name| look_up(table, name)) {
        entries.push(entry);
        let subcommands = entry.command.subcommands.iter();
        entries
            .extend(subcommands.filter_map(|row| table.find_subcommand(entry.command, row.name.as_bytes())));
    }
    entries.retain(|entry| call.core.command_stats[entry.index].latency.count() > 0);
    call.reply.map(entries.len());
    for entry in entries {
        let distribution = &call.core.command_stats[entry.index].latency;
        let powers = distribution.cumulative_powers();
        call.reply.bulk(entry.command.full_name.as_bytes());
        call.reply.map(2);
        call.reply.bulk(b"calls");
        call.reply.integer(wire(distribution.count()));
        call.reply.bulk(b"histogram_usec");
        call.reply.map(powers.len());
        for (micros, calls) in powers {
            call.reply.integer(wire(micros));
            call.reply.integer(wire(calls));
        }
    }
    Ok(())
}

fn help(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.help(&[
        "DOCTOR",
        "    Looks at all events, and says in words what stands out.",
        "GRAPH <event>",
        "    Draws the samples of one event.",
        "HISTOGRAM [<command> ...]",
        "    Tells how the durations of these commands, or of all, are distributed:",
        "    calls of at most so many microseconds, by powers of two.",
        "HISTORY <event>",
        "    Tells the samples of one event: unix time and milliseconds.",
        "LATEST",
        "    Tells the latest sample of each event, and the worst ever.",
        "RESET [<event> ...]",
        "    Forgets the samples of these events, or of all.",
    ]);
    Ok(())
}
