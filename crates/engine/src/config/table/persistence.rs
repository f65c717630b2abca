//! Directives on snapshot files and the append-only file.
//!
//! There is no fork: a snapshot is a value, so directives on forks and on its temporary files have no effect.

use super::*;

pub(super) const ROWS: &[Directive] = &[
    row(
        "save",
        Kind::Own("pairs of seconds and changes"),
        own!(save),
        "Save a snapshot once so many seconds have passed with so many changes; several lines \
         add up, `\"\"` is never.",
    ),
    checked("dbfilename", checks::dump_file, field!(dbfilename), "Name of the snapshot file.").protected(),
    text(
        "dir",
        field!(dir),
        "Working directory, where snapshots and append-only files live; shown as an absolute \
         path once the server runs.",
    )
    .protected()
    .denied_while_loading(),
    yes_no("rdbcompression", field!(rdbcompression), "Compress long strings in snapshots."),
    yes_no("rdbchecksum", field!(rdbchecksum), "End snapshots with a checksum, and check it on loading.")
        .immutable(),
    one_of(
        "rdb-version-check",
        &["strict", "relaxed"],
        field!(rdb_version_check),
        "Whether a snapshot of a version that is not known is refused or tried, as Valkey has it; what is not known \
         in it is refused even then.",
    ),
    one_of(
        "sanitize-dump-payload",
        &["no", "yes", "clients"],
        moot("no", "whatever comes from a file, a peer or RESTORE is always checked in full"),
        "Check the insides of what is loaded or restored.",
    ),
    yes_no(
        "stop-writes-on-bgsave-error",
        field!(stop_writes_on_bgsave_error),
        "Refuse writes after a failed save until one succeeds.",
    ),
    yes_no(
        "rdb-save-incremental-fsync",
        field!(rdb_save_incremental_fsync),
        "Bring a snapshot to disk every few megabytes instead of all at its end.",
    ),
    yes_no(
        "rdb-del-sync-files",
        moot("no", "a full sync leaves no files behind: it goes straight to the socket"),
        "Remove the snapshot files of full syncs where nothing else needs them.",
    ),
    integer(
        "rdb-key-save-delay",
        (MIN_I32, MAX_I32),
        field!(rdb_key_save_delay),
        "Microseconds to wait per saved key, for tests; a negative number is keys per \
         microsecond.",
    )
    .hidden(),
    integer(
        "key-load-delay",
        (MIN_I32, MAX_I32),
        field!(key_load_delay),
        "Microseconds to wait per loaded key, for tests; a negative number is keys per \
         microsecond.",
    )
    .hidden(),
    integer(
        "loading-process-events-interval-bytes",
        (1024, MAX_I32),
        moot("2097152", "loading runs beside the event loop, which is never held up by it"),
        "Loaded bytes between two looks at the sockets.",
    )
    .hidden(),
    yes_no("appendonly", field!(appendonly), "Log every write to the append-only file.")
        .denied_while_loading(),
    checked("appendfilename", checks::append_file, field!(appendfilename), "Base name of its files.")
        .immutable(),
    checked(
        "appenddirname",
        checks::append_directory,
        field!(appenddirname),
        "Directory of its files, within dir.",
    )
    .immutable(),
    one_of(
        "appendfsync",
        &["everysec", "always", "no"],
        field!(appendfsync),
        "When it is brought to disk: every second, before each reply, or when the system likes.",
    ),
    yes_no(
        "no-appendfsync-on-rewrite",
        field!(no_appendfsync_on_rewrite),
        "Leave that out while a snapshot or a rewrite keeps the disk busy.",
    ),
    count(
        "auto-aof-rewrite-percentage",
        field!(auto_aof_rewrite_percentage),
        "Growth since the last rewrite, in percent, that starts another; 0 starts none.",
    ),
    bytes(
        "auto-aof-rewrite-min-size",
        (0, MAX_I64),
        field!(auto_aof_rewrite_min_size),
        "Size below which none is started.",
    ),
    yes_no(
        "aof-load-truncated",
        field!(aof_load_truncated),
        "Load a file whose end is cut off, up to its last whole command.",
    ),
    bytes(
        "aof-load-corrupt-tail-max-size",
        (0, MAX_I64),
        field!(aof_load_corrupt_tail_max_size),
        "Cut off that much at most from the end of another program's file whose end is no command; a directive of \
         Redis 8's.",
    ),
    yes_no("aof-use-rdb-preamble", field!(aof_use_rdb_preamble), "Begin a rewritten file with a snapshot."),
    yes_no(
        "aof-timestamp-enabled",
        field!(aof_timestamp_enabled),
        "Note the time in the file, to restore to a point in time.",
    ),
    yes_no(
        "aof-rewrite-incremental-fsync",
        field!(aof_rewrite_incremental_fsync),
        "Bring a rewritten file to disk every few megabytes instead of all at its end.",
    ),
    yes_no(
        "aof-disable-auto-gc",
        field!(aof_disable_auto_gc),
        "Keep files that a rewrite has made superfluous.",
    )
    .hidden(),
];
