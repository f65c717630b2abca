//! SENTINEL, and what other commands are to a sentinel. What they answer is in `slipstream-sentinel`.
//! Rows alone: each hands its words to the machine and does what the answer says.

use slipstream_sentinel::commands::Answered;

use crate::call::Call;
use crate::command::{Command, Group, flag};
use crate::errors::CommandError;
use crate::sentinel::Asked;

const ONLY: u32 = flag::SENTINEL | flag::ONLY_SENTINEL;

/// The rows.
pub const COMMANDS: &[Command] =
    &[Command::container("sentinel", -2, SUBCOMMANDS).flags(flag::ADMIN | ONLY).doc(
        Group::Sentinel,
        "2.8.4",
        "Watches primaries, and tells who they are.",
        "Depends on the subcommand",
    )];

const PER_GROUP: &str = "O(N), N being the number of groups";
const PER_REPLICA: &str = "O(N), N being the number of replicas";
const PER_SENTINEL: &str = "O(N), N being the number of sentinels";
const PER_OPTION: &str = "O(N), N being the number of options";
const VALKEY: &str = "the name in Valkey 9";

const SUBCOMMANDS: &[Command] = &[
    row(
        "sentinel|ckquorum",
        3,
        "2.8.4",
        "Tells whether enough sentinels are there for a failover.",
        PER_SENTINEL,
    )
    .syntax("master-name"),
    row("sentinel|config", -4, "6.2.0", "Tells and changes what is set for the sentinel.", PER_OPTION)
        .syntax("action:(SET (parameter value)... | GET parameter...)")
        .history(&[("7.2.0", "Takes several parameters.")])
        .differs("SET changes all that it names or nothing"),
    row("sentinel|debug", -2, "7.0.0", "Tells and changes periods.", PER_OPTION)
        .syntax("[data:(parameter value)...]")
        .differs("changes all that it names or nothing"),
    row("sentinel|failover", -3, "2.8.4", "Makes a replica the primary.", PER_REPLICA)
        .syntax("master-name mode:[COORDINATED | FORCE]")
        .differs("loses no write unless FORCE is said; COORDINATED is Valkey's word for that"),
    row("sentinel|flushconfig", 2, "2.8.4", "Writes the configuration file anew.", PER_GROUP),
    row("sentinel|get-master-addr-by-name", 3, "2.8.4", "Tells where a group's primary is.", "O(1)")
        .syntax("master-name"),
    row("sentinel|get-primary-addr-by-name", 3, "7.2.4", "Tells where a group's primary is.", "O(1)")
        .syntax("primary-name")
        .differs(VALKEY),
    Command::new("sentinel|help", 2, help).flags(flag::LOADING | flag::STALE | ONLY).doc(
        Group::Sentinel,
        "6.2.0",
        "Lists the subcommands.",
        "O(1)",
    ),
    row("sentinel|info-cache", -3, "3.2.0", "Tells the last INFO of the servers of groups.", PER_REPLICA)
        .syntax("nodename..."),
    row(
        "sentinel|is-master-down-by-addr",
        6,
        "2.8.4",
        "Tells another sentinel whether a primary is down, and votes.",
        PER_GROUP,
    )
    .syntax("ip port:integer current-epoch:integer runid"),
    row(
        "sentinel|is-primary-down-by-addr",
        6,
        "7.2.4",
        "Tells another sentinel whether a primary is down, and votes.",
        PER_GROUP,
    )
    .syntax("ip port:integer current-epoch:integer runid")
    .differs(VALKEY),
    row("sentinel|master", 3, "2.8.4", "Tells all about a group's primary.", "O(1)").syntax("master-name"),
    row("sentinel|masters", 2, "2.8.4", "Tells all about the primaries of all groups.", PER_GROUP),
    row("sentinel|monitor", 6, "2.8.4", "Watches another group.", "O(1)")
        .syntax("name ip port:integer quorum:integer")
        .differs("refuses port 0, and names that a configuration or a message could not hold"),
    row("sentinel|myid", 2, "6.2.0", "Tells the sentinel's id.", "O(1)"),
    row(
        "sentinel|pending-scripts",
        2,
        "2.8.4",
        "Tells which scripts run or wait.",
        "O(N), N being their number",
    ),
    row("sentinel|primaries", 2, "7.2.4", "Tells all about the primaries of all groups.", PER_GROUP)
        .differs(VALKEY),
    row("sentinel|primary", 3, "7.2.4", "Tells all about a group's primary.", "O(1)")
        .syntax("primary-name")
        .differs(VALKEY),
    row("sentinel|remove", 3, "2.8.4", "Watches a group no more.", "O(1)").syntax("master-name"),
    row("sentinel|replicas", 3, "5.0.0", "Tells all about a group's replicas.", PER_REPLICA)
        .syntax("master-name"),
    row("sentinel|reset", 3, "2.8.4", "Forgets the replicas and sentinels of groups.", PER_GROUP)
        .syntax("pattern:pattern"),
    row("sentinel|sentinels", 3, "2.8.4", "Tells all about a group's other sentinels.", PER_SENTINEL)
        .syntax("master-name"),
    row("sentinel|set", -5, "2.8.4", "Changes what is set for a group.", PER_OPTION)
        .syntax("master-name data:(option value)...")
        .differs("changes all that it names or nothing; refuses control characters"),
    row("sentinel|simulate-failure", -3, "3.2.0", "Ends the process in the middle of a failover.", "O(1)")
        .syntax(
            "mode:[crash-after-election:pure-token | crash-after-promotion:pure-token | help:pure-token]...",
        ),
    row("sentinel|slaves", 3, "2.8.0", "Tells all about a group's replicas.", PER_REPLICA)
        .syntax("master-name")
        .deprecated("5.0.0", "`SENTINEL REPLICAS`"),
];

const fn row(
    name: &'static str,
    arity: i32,
    since: &'static str,
    summary: &'static str,
    complexity: &'static str,
) -> Command {
    Command::new(name, arity, ask).flags(flag::ADMIN | ONLY).doc(Group::Sentinel, since, summary, complexity)
}

fn ask(call: &mut Call<'_>) -> Result<(), CommandError> {
    let asked = Asked { name: call.entry.command.name, args: call.args, is_late: false };
    let answered = call.core.ask_sentinel(&asked, call.reply)?;
    match answered {
        Answered::Yes | Answered::WithMore => {}
        Answered::OnceStored { .. } => call.wait_until_stored(),
        Answered::Later => call.wait_for_vote(),
    }
    Ok(())
}

fn help(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.help(&[
        "CKQUORUM <master-name>",
        "    Tells whether enough sentinels are there to agree that a primary is down,",
        "    and to elect who replaces it.",
        "CONFIG SET <param> <value> [<param> <value> ...]",
        "    Changes what is set for the sentinel: all of it, or nothing.",
        "CONFIG GET <param> [<param> ...]",
        "    Tells what is set for the sentinel.",
        "DEBUG [<param> <value> ...]",
        "    Tells the periods, in milliseconds, or changes them.",
        "FAILOVER <master-name> [COORDINATED | FORCE]",
        "    Makes a replica the primary once it has all writes, or with FORCE at once.",
        "FLUSHCONFIG",
        "    Writes the configuration file anew, the state with it.",
        "GET-MASTER-ADDR-BY-NAME <master-name>",
        "    Tells the ip and the port of a primary. GET-PRIMARY-ADDR-BY-NAME is the same.",
        "INFO-CACHE <master-name> [<master-name> ...]",
        "    Tells the last INFO of the primary and of all replicas.",
        "IS-MASTER-DOWN-BY-ADDR <ip> <port> <current-epoch> <runid>",
        "    Tells other sentinels whether a primary is down. IS-PRIMARY-DOWN-BY-ADDR is the same.",
        "MASTER <master-name>",
        "    Tells all about a primary. PRIMARY is the same.",
        "MASTERS",
        "    Tells all about all primaries. PRIMARIES is the same.",
        "MONITOR <name> <ip> <port> <quorum>",
        "    Watches another primary.",
        "MYID",
        "    Tells the id of this sentinel.",
        "PENDING-SCRIPTS",
        "    Tells which scripts run or wait.",
        "REMOVE <master-name>",
        "    Watches a primary no more.",
        "REPLICAS <master-name>",
        "    Tells all about the replicas of a primary.",
        "RESET <pattern>",
        "    Forgets the replicas and sentinels of the primaries whose names match.",
        "SENTINELS <master-name>",
        "    Tells all about the other sentinels of a primary.",
        "SET <master-name> <option> <value> [<option> <value> ...]",
        "    Changes what is set for a primary: all of it, or nothing.",
        "SIMULATE-FAILURE [CRASH-AFTER-ELECTION] [CRASH-AFTER-PROMOTION] [HELP]",
        "    Ends the process in the middle of a failover.",
    ]);
    Ok(())
}
