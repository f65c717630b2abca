//! Directives on the process: its start, its log, its timers, its end.
//!
//! What a signal, a log file or a process id file means is the shell's; here are their names and values.

use super::*;
use crate::config::value::Stored;

const SHUTDOWN: &[&str] = &["default", "save", "nosave", "now", "force"];
const PINNING: &str = "pinning to processors";

pub(super) const ROWS: &[Directive] = &[
    yes_no("daemonize", field!(daemonize), "Leave the terminal and run in the background.").immutable(),
    row(
        "supervised",
        Kind::Word(&["upstart", "systemd", "auto", "no"]),
        Home::Later { default: "no", feature: "telling a supervisor of readiness", also: &["auto"] },
        "The supervisor to tell when clients are served; `auto` finds none in this version.",
    )
    .immutable(),
    text("pidfile", field!(pidfile), "File that holds the process id while the server runs.").immutable(),
    one_of(
        "loglevel",
        &["debug", "verbose", "notice", "warning", "nothing"],
        field!(loglevel),
        "Least important level that is logged.",
    ),
    text("logfile", field!(logfile), "File to append the log to; empty is standard output.").immutable(),
    yes_no("syslog-enabled", later("no", "logging to syslog"), "Log to the system's log as well.")
        .immutable(),
    text("syslog-ident", later("redis", "logging to syslog"), "Name under which syslog shows the lines.")
        .immutable(),
    one_of(
        "syslog-facility",
        &["user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"],
        later("local0", "logging to syslog"),
        "Facility of those lines.",
    )
    .immutable(),
    yes_no(
        "crash-log-enabled",
        moot(
            "yes",
            "a crash leaves its message and its place, never a dump that one might want to leave out",
        ),
        "Log registers and memory at a crash.",
    ),
    yes_no(
        "crash-memcheck-enabled",
        moot("yes", "no memory test runs at a crash: safe code has no dangling pointers to look for"),
        "Test the memory at a crash.",
    ),
    yes_no(
        "hide-user-data-from-log",
        moot("yes", "keys and values are never logged"),
        "Keep data out of the log; a directive of Valkey's.",
    ),
    yes_no(
        "always-show-logo",
        field!(always_show_logo),
        "Show the banner also where the log is not a terminal.",
    )
    .immutable(),
    yes_no(
        "set-proc-title",
        field!(set_proc_title),
        "Show the server's state in its process title, where the system lets it.",
    )
    .immutable(),
    checked(
        "proc-title-template",
        checks::title_template,
        field!(proc_title_template),
        "What the process title says: text with `{title}`, `{listen-addr}`, `{server-mode}`, `{port}`, `{tls-port}`, \
         `{unixsocket}` and `{config-file}`; `{{` is a brace.",
    ),
    row(
        "locale-collate",
        Kind::Text(checks::any),
        Home::Later { default: "", feature: "collation by locale", also: &["C", "POSIX"] },
        "Locale by which texts are compared; bytes are compared as they are in this version.",
    ),
    text(
        "ignore-warnings",
        moot("", "the one warning that Redis knows is about a kernel's fork, and nothing forks here"),
        "Warnings at the start to pass over.",
    ),
    integer("databases", (1, MAX_I32), field!(databases), "Number of databases that SELECT can choose from.")
        .immutable(),
    row(
        "hz",
        Kind::Integer { min: 0, max: MAX_I32 },
        Home::Field {
            get: |config| config.hz.load(),
            // As in Redis, a value out of range is taken as the nearest in range.
            set: |config, value| config.hz = u32::store(value).clamp(1, 500),
        },
        "Turns per second of the periodic tasks, taken within 1 to 500.",
    ),
    yes_no(
        "dynamic-hz",
        moot(
            "yes",
            "each timer has its own deadline, so the number of clients does not stretch the \
         periodic tasks",
        ),
        "Raise hz with the number of clients.",
    ),
    yes_no(
        "disable-thp",
        field!(disable_thp),
        "Ask the system not to back the memory with huge pages: they cost memory, and gain a few percent of \
         speed in big data.",
    )
    .immutable(),
    one_of(
        "oom-score-adj",
        &["no", "yes", "relative", "absolute"],
        field!(oom_score_adj),
        "Whether to tell the kernel which process to kill first when memory runs out: `relative`, which is `yes`, adds \
         the values to the score that the process was started with, and `absolute` takes them as they are.",
    ),
    row(
        "oom-score-adj-values",
        Kind::Own("three integers, -2000 to 2000"),
        own!(oom_scores),
        "Scores of a primary, of a replica, and of children, which there are none of.",
    ),
    text("server_cpulist", later("", PINNING), "Processors of the main and the socket threads.")
        .alias(&["server-cpulist"]),
    text("bio_cpulist", later("", PINNING), "Processors of the background threads.").alias(&["bio-cpulist"]),
    text("aof_rewrite_cpulist", later("", PINNING), "Processors of the append-only file's rewriter.")
        .alias(&["aof-rewrite-cpulist"]),
    text("bgsave_cpulist", later("", PINNING), "Processors of a snapshot's writer.")
        .alias(&["bgsave-cpulist"]),
    count(
        "shutdown-timeout",
        field!(shutdown_timeout),
        "Seconds that a shutdown waits for lagging replicas to catch up.",
    ),
    one_of(
        "shutdown-handover",
        &["auto", "yes", "no"],
        field!(shutdown_handover),
        "Let a primary that is asked to end hand over to a replica first, as FAILOVER does, within `shutdown-timeout`, \
         and note in its configuration file whom it follows then. `auto` does so if most of its sentinels are of this \
         project and watch it: they learn the new primary at once, tell clients, and turn the old one when it comes \
         back. Otherwise, as in Redis, who starts it again counts on finding a primary.",
    ),
    row(
        "shutdown-on-sigint",
        Kind::Words(SHUTDOWN),
        field!(shutdown_on_sigint),
        "What SIGINT does: `default` saves if there are save points, the others are SHUTDOWN's \
         options.",
    ),
    row(
        "shutdown-on-sigterm",
        Kind::Words(SHUTDOWN),
        field!(shutdown_on_sigterm),
        "What SIGTERM does, likewise.",
    ),
    yes_no(
        "use-exit-on-panic",
        moot("no", "a failed assertion always ends the process by an exit, never by a signal"),
        "End with exit rather than abort after a failed assertion.",
    )
    .hidden(),
    count(
        "watchdog-period",
        later("0", "the watchdog"),
        "Milliseconds after which a stalled main loop is reported; 0 never is.",
    )
    .hidden(),
];
