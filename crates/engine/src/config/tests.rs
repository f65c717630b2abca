//! The table and all that loops over it: files, CONFIG GET, SET and REWRITE.
//!
//! Error texts are those that a real Redis 7 answers.

use std::collections::BTreeMap;

use slipstream_keyspace::Encoding;

use super::directive::{Home, Mode};
use super::*;

const ON_THIS_MACHINE: Circumstances = Circumstances { is_local: true, is_loading: false };

#[derive(Default)]
struct MemoryFiles(BTreeMap<String, String>);

impl MemoryFiles {
    fn new(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }
}

impl Files for MemoryFiles {
    fn read(&mut self, path: &str) -> Result<Vec<u8>, String> {
        self.0.get(path).map(|text| text.clone().into()).ok_or_else(|| "No such file or directory".to_owned())
    }

    fn list(&mut self, directory: &str) -> Vec<String> {
        let prefix = match directory {
            "." => String::new(),
            "/" => "/".to_owned(),
            other => format!("{other}/"),
        };
        let below = self.0.keys().filter_map(|path| path.strip_prefix(prefix.as_str()));
        let mut names: Vec<_> =
            below.map(|rest| rest.split('/').next().unwrap_or_default().to_owned()).collect();
        names.retain(|name| !name.is_empty());
        names.dedup();
        names
    }
}

fn loaded(text: &str) -> Config {
    let mut config = Config::default();
    load(&mut config, text.as_bytes(), &mut MemoryFiles::default())
        .unwrap_or_else(|error| panic!("{text}: {error}"));
    config
}

/// What is wrong with a one-line file.
fn load_error(line: &str) -> String {
    match load(&mut Config::default(), line.as_bytes(), &mut MemoryFiles::default()) {
        Err(LoadError::Line { reason, .. }) => reason,
        other => panic!("{line}: {other:?}"),
    }
}

fn set_pairs(config: &Config, pairs: &[(&str, &str)], when: Circumstances) -> Result<Change, SetError> {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    set(config, &pairs, when)
}

fn set_ok(config: &Config, pairs: &[(&str, &str)]) -> Config {
    set_pairs(config, pairs, ON_THIS_MACHINE).unwrap_or_else(|error| panic!("{pairs:?}: {error}")).config
}

#[track_caller]
fn check_set_error(pairs: &[(&str, &str)], expected: &str) {
    let error = set_pairs(&Config::default(), pairs, ON_THIS_MACHINE).err().expect("an error");
    assert_eq!(error.to_string(), expected);
}

#[track_caller]
fn check_get(config: &Config, patterns: &[&str], expected: &[(&str, &str)]) {
    let patterns: Vec<_> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
    let pairs = get(config, &patterns);
    let shown: Vec<_> = pairs.iter().map(|(name, value)| (utf8(name), utf8(value))).collect();
    assert_eq!(shown, expected);
}

fn utf8(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

#[track_caller]
fn check_rewrite(old: &str, config: &Config, expected: &str) {
    let new = rewrite(old.as_bytes(), config, Additions::Changed);
    assert_eq!(utf8(&new), expected);
    assert_eq!(loaded(expected), *config, "the new file gives the configuration");
    assert_eq!(rewrite(&new, config, Additions::Changed), new, "a second rewrite changes nothing");
}

/// The names that Redis 7.2.4 answers to CONFIG GET, hidden ones included.
const REDIS_7_2: &str = "\
    rdbchecksum daemonize io-threads-do-reads always-show-logo protected-mode rdbcompression \
    rdb-del-sync-files activerehashing stop-writes-on-bgsave-error set-proc-title dynamic-hz \
    lazyfree-lazy-eviction lazyfree-lazy-expire lazyfree-lazy-server-del lazyfree-lazy-user-del \
    lazyfree-lazy-user-flush repl-disable-tcp-nodelay repl-diskless-sync aof-rewrite-incremental-fsync \
    no-appendfsync-on-rewrite cluster-require-full-coverage rdb-save-incremental-fsync \
    aof-load-truncated aof-use-rdb-preamble aof-timestamp-enabled cluster-replica-no-failover \
    cluster-slave-no-failover replica-lazy-flush slave-lazy-flush replica-serve-stale-data \
    slave-serve-stale-data replica-read-only slave-read-only replica-ignore-maxmemory \
    slave-ignore-maxmemory jemalloc-bg-thread activedefrag syslog-enabled cluster-enabled appendonly \
    cluster-allow-reads-when-down cluster-allow-pubsubshard-when-down crash-log-enabled \
    crash-memcheck-enabled use-exit-on-panic disable-thp cluster-allow-replica-migration \
    replica-announced latency-tracking aof-disable-auto-gc replica-ignore-disk-write-errors aclfile \
    unixsocket pidfile replica-announce-ip slave-announce-ip masteruser cluster-announce-ip \
    cluster-config-file cluster-announce-hostname cluster-announce-human-nodename syslog-ident \
    dbfilename appendfilename appenddirname server_cpulist bio_cpulist aof_rewrite_cpulist \
    bgsave_cpulist ignore-warnings proc-title-template bind-source-addr logfile locale-collate \
    masterauth requirepass supervised syslog-facility repl-diskless-load loglevel maxmemory-policy \
    appendfsync oom-score-adj acl-pubsub-default sanitize-dump-payload enable-protected-configs \
    enable-debug-command enable-module-command cluster-preferred-endpoint-type \
    propagation-error-behavior shutdown-on-sigint shutdown-on-sigterm databases port io-threads \
    auto-aof-rewrite-percentage cluster-replica-validity-factor cluster-slave-validity-factor \
    list-max-listpack-size list-max-ziplist-size tcp-keepalive cluster-migration-barrier \
    active-defrag-cycle-min active-defrag-cycle-max active-defrag-threshold-lower \
    active-defrag-threshold-upper lfu-log-factor lfu-decay-time replica-priority slave-priority \
    repl-diskless-sync-delay maxmemory-samples maxmemory-eviction-tenacity timeout replica-announce-port \
    slave-announce-port tcp-backlog cluster-port cluster-announce-bus-port cluster-announce-port \
    cluster-announce-tls-port repl-timeout repl-ping-replica-period repl-ping-slave-period \
    list-compress-depth rdb-key-save-delay key-load-delay active-expire-effort hz min-replicas-to-write \
    min-slaves-to-write min-replicas-max-lag min-slaves-max-lag watchdog-period shutdown-timeout \
    repl-diskless-sync-max-replicas maxclients unixsocketperm socket-mark-id \
    active-defrag-max-scan-fields slowlog-max-len acllog-max-len busy-reply-threshold lua-time-limit \
    cluster-node-timeout cluster-ping-interval slowlog-log-slower-than latency-monitor-threshold \
    proto-max-bulk-len stream-node-max-entries repl-backlog-size maxmemory cluster-link-sendbuf-limit \
    hash-max-listpack-entries hash-max-ziplist-entries set-max-intset-entries set-max-listpack-entries \
    set-max-listpack-value zset-max-listpack-entries zset-max-ziplist-entries active-defrag-ignore-bytes \
    hash-max-listpack-value hash-max-ziplist-value stream-node-max-bytes zset-max-listpack-value \
    zset-max-ziplist-value hll-sparse-max-bytes tracking-table-max-keys client-query-buffer-limit \
    maxmemory-clients repl-backlog-ttl auto-aof-rewrite-min-size loading-process-events-interval-bytes \
    tls-port tls-session-cache-size tls-session-cache-timeout tls-cluster tls-replication \
    tls-auth-clients tls-prefer-server-ciphers tls-session-caching tls-cert-file tls-key-file \
    tls-key-file-pass tls-client-cert-file tls-client-key-file tls-client-key-file-pass \
    tls-dh-params-file tls-ca-cert-file tls-ca-cert-dir tls-protocols tls-ciphers tls-ciphersuites dir \
    save client-output-buffer-limit oom-score-adj-values notify-keyspace-events bind replicaof slaveof \
    latency-tracking-info-percentiles";

mod the_table {
    use super::*;

    #[test]
    fn every_name_of_redis_is_known() {
        for name in REDIS_7_2.split_whitespace() {
            assert!(Directive::find(name.as_bytes()).is_some(), "{name}");
        }
    }

    #[test]
    fn no_name_stands_twice() {
        let mut names: Vec<_> = directives().flat_map(Directive::names).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn every_default_is_a_value_that_its_row_accepts() {
        for row in directives() {
            let shown = row.default();
            let args: Vec<&[u8]> = match row.flags.many && !shown.is_empty() {
                true => shown.split(|byte| *byte == b' ').collect(),
                false => vec![shown.as_slice()],
            };
            let mut config = Config::default();
            if row.name != "replicaof" {
                row.set(&mut config, &args, Mode::Replace)
                    .unwrap_or_else(|error| panic!("{}: {error}", row.name));
            }
            assert_eq!(config, Config::default(), "{}", row.name);
        }
    }

    #[test]
    fn every_doc_is_a_sentence() {
        for row in directives() {
            assert!(row.doc.ends_with('.') && !row.doc.contains('|'), "{}", row.name);
        }
    }

    #[test]
    fn what_is_still_to_come_is_refused_unless_it_is_the_default() {
        let refused: Vec<_> = directives().filter(|row| row.awaited_feature().is_some()).collect();
        assert!(refused.len() > 50);
        for (line, feature) in [
            ("cluster-enabled yes", "not supported yet (cluster mode): the only accepted value is 'no'"),
            ("tls-port 7000", "not supported yet (TLS): the only accepted value is '0'"),
            (
                "io-threads 4",
                "not supported yet (serving by several threads): the only accepted value is '1'",
            ),
            (
                "supervised systemd",
                "not supported yet (telling a supervisor of readiness): the only accepted value is 'no'",
            ),
            ("loadmodule a.so", "not supported yet (modules)"),
            ("graph.threads 3", "not supported yet (modules)"),
        ] {
            assert_eq!(load_error(line), feature);
        }
        for row in refused {
            if let Home::Later { default, .. } = row.home {
                let value = if default.is_empty() { "\"\"" } else { default };
                let quoted = format!("{} \"{default}\"", row.name);
                let line = if row.flags.many { format!("{} {value}", row.name) } else { quoted };
                assert_eq!(loaded(&line), Config::default(), "{line}");
            }
        }
        assert_ne!(loaded("supervised auto"), Config::default());
    }

    #[test]
    fn what_is_needless_is_refused_with_the_reason() {
        let error = load_error("activedefrag yes");
        assert!(error.starts_with("there is no active defragmentation: the pages"), "{error}");
        assert_eq!(loaded("activedefrag no"), Config::default());
    }

    #[test]
    fn what_has_no_effect_is_kept_for_those_who_ask() {
        let config = loaded("lazyfree-lazy-expire YES\nsanitize-dump-payload clients");
        check_get(
            &config,
            &["lazyfree-lazy-expire", "sanitize-dump-payload"],
            &[("lazyfree-lazy-expire", "yes"), ("sanitize-dump-payload", "clients")],
        );
        assert_eq!(
            set_ok(&config, &[("lazyfree-lazy-expire", "no"), ("sanitize-dump-payload", "no")]),
            Config::default()
        );
    }
}

mod values {
    use super::*;

    #[test]
    fn each_kind_refuses_in_its_own_words() {
        for (line, expected) in [
            ("daemonize maybe", "argument must be 'yes' or 'no'"),
            ("port x", "argument couldn't be parsed into an integer"),
            ("port 01", "argument couldn't be parsed into an integer"),
            ("port 65536", "argument must be between 0 and 65535 inclusive"),
            ("port -1", "argument must be between 0 and 65535 inclusive"),
            ("databases 0", "argument must be between 1 and 2147483647 inclusive"),
            ("maxclients -1", "argument must be between 1 and 4294967295 inclusive"),
            ("maxmemory 1q", "argument must be a memory value"),
            ("maxmemory -1", "argument must be a memory value"),
            ("maxmemory mb", "argument must be a memory value"),
            ("repl-backlog-size 0", "argument must be between 1 and 9223372036854775807 inclusive"),
            ("maxmemory-clients x", "argument must be a memory or percent value"),
            ("maxmemory-clients 101%", "percentage argument must be less or equal to 100"),
            ("unixsocketperm 999", "argument couldn't be parsed as an octal number"),
            ("unixsocketperm 1000", "argument must be between 0 and 777 inclusive"),
            (
                "loglevel x",
                "argument(s) must be one of the following: debug, verbose, notice, warning, nothing",
            ),
            (
                "shutdown-on-sigterm x",
                "argument(s) must be one of the following: default, save, nosave, now, force",
            ),
            (
                "shutdown-on-sigterm save nosave",
                "shutdown options SAVE and NOSAVE can't be used simultaneously",
            ),
            ("dbfilename a/b", "dbfilename can't be a path, just a filename"),
            ("appendfilename \"\"", "appendfilename can't be empty"),
            ("appenddirname a/b", "appenddirname can't be a path, just a dirname"),
            ("notify-keyspace-events y", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
            ("save 1", "Invalid save parameters"),
            ("save 0 1", "Invalid save parameters"),
            ("save 1 x", "Invalid save parameters"),
            ("replicaof a", "wrong number of arguments"),
            ("replicaof a 65536", "Invalid master port"),
            ("slaveof a b", "Invalid master port"),
            (
                "client-output-buffer-limit normal 0 0",
                "Wrong number of arguments in buffer limit configuration.",
            ),
            (
                "client-output-buffer-limit master 0 0 0",
                "Invalid client class specified in buffer limit configuration.",
            ),
            (
                "client-output-buffer-limit normal 1x 0 0",
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
            ),
            ("latency-tracking-info-percentiles x", "Invalid latency-tracking-info-percentiles parameters"),
            (
                "latency-tracking-info-percentiles 101",
                "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]",
            ),
            ("oom-score-adj-values 1 2", "wrong number of arguments"),
            (
                "oom-score-adj-values 0 0 2001",
                "Invalid oom-score-adj-values, elements must be between -2000 and 2000.",
            ),
            ("logfile \"\\xff\"", "argument must be UTF-8"),
        ] {
            assert_eq!(load_error(line), expected, "{line}");
        }
        assert_eq!(load_error("bind a \"b c\""), "Failed to bind to specified addresses.");
        let addresses = ["127.0.0.1"; 17].join(" ");
        assert_eq!(load_error(&format!("bind {addresses}")), "Too many bind addresses specified.");
    }

    #[test]
    fn memory_has_units() {
        for (value, bytes) in [
            ("2000000", 2_000_000),
            ("2000000b", 2_000_000),
            ("2000k", 2_000_000),
            ("2048kb", 2 << 20),
            ("2M", 2_000_000),
            ("2mB", 2 << 20),
            ("2g", 2_000_000_000),
            ("2Gb", 2 << 30),
        ] {
            assert_eq!(loaded(&format!("repl-backlog-size {value}")).repl_backlog_size, bytes, "{value}");
        }
        let huge = "repl-backlog-size 99999999999999999999999gb";
        assert_eq!(load_error(huge), "argument must be between 1 and 9223372036854775807 inclusive");
    }

    #[test]
    fn the_keyspace_has_the_same_thresholds_by_default() {
        let mut encoding = Encoding::default();
        Config::default().update_encoding(&mut encoding);
        assert_eq!(format!("{encoding:?}"), format!("{:?}", Encoding::default()));
        loaded("zset-max-ziplist-entries 7").update_encoding(&mut encoding);
        assert_eq!(encoding.zset_max_listpack_entries, 7);
    }

    #[test]
    fn each_value_reaches_its_field() {
        let config = loaded(
            "bind 10.0.0.1 -::1\nport 7000\nunixsocket /tmp/s\nunixsocketperm 700\nloglevel DEBUG\n\
             replicaof example.com 7001\nmasterauth \"p\\xff\"\nreplica-read-only no\nmin-replicas-to-write 2\n\
             enable-debug-command local\nshutdown-on-sigint now force\n\
             client-output-buffer-limit replica 1gb 2mb 3 pubsub 0 0 0\nlist-max-listpack-size -1\n\
             slowlog-log-slower-than -1\nlatency-tracking-info-percentiles 50 99.99\nhz 1000\nrename-command GET \"\"",
        );
        assert_eq!(config.bind, ["10.0.0.1", "-::1"]);
        assert_eq!(config.port, 7000);
        assert_eq!(config.unixsocket.as_deref(), Some("/tmp/s"));
        assert_eq!(config.unixsocketperm, 0o700);
        assert_eq!(config.loglevel, LogLevel::Debug);
        assert_eq!(config.replicaof, Some(Upstream { host: "example.com".into(), port: 7001 }));
        assert_eq!(config.primary_password.as_deref(), Some(b"p\xff".as_slice()));
        assert!(!config.replica_read_only);
        assert_eq!(config.min_replicas_to_write, 2);
        assert_eq!(config.enable_debug_command, ProtectedAction::Local);
        assert_eq!(config.shutdown_on_sigint, ShutdownOn { now: true, force: true, ..ShutdownOn::default() });
        let limits = config.client_output_buffer_limit;
        assert_eq!(limits.replica, OutputLimit { hard: 1 << 30, soft: 2 << 20, soft_seconds: 3 });
        assert_eq!(limits.pubsub, limits.normal);
        assert_eq!(config.list_max_listpack_size, -1);
        assert_eq!(config.slowlog_log_slower_than, -1);
        assert_eq!(config.latency_tracking_info_percentiles, [50.0, 99.99]);
        assert_eq!(config.hz, 500);
        assert_eq!(config.renamed_commands, [(b"GET".to_vec(), Vec::new())]);
    }
}

mod files {
    use super::*;

    #[test]
    fn comments_blanks_case_and_spaces_do_not_matter() {
        let config = loaded("# a comment\n\n  \t PORT \t 7000 \r\n#port 1\n");
        assert_eq!(config, Config { port: 7000, ..Config::default() });
    }

    #[test]
    fn the_later_line_wins() {
        assert_eq!(loaded("port 1\nport 2").port, 2);
        assert_eq!(loaded("slave-read-only no\nreplica-read-only yes"), Config::default());
    }

    #[test]
    fn save_lines_add_up_and_replace_the_defaults() {
        let point = |seconds, changes| SavePoint { seconds, changes };
        assert_eq!(loaded("save 60 1\nsave 30 2 20 3").save, [point(60, 1), point(30, 2), point(20, 3)]);
        assert_eq!(loaded("save \"60 1 30 2\"").save, [point(60, 1), point(30, 2)]);
        assert_eq!(loaded("save 60 1\nsave \"\"").save, []);
        assert_eq!(loaded("save \"\"\nsave 60 1").save, [point(60, 1)]);
    }

    #[test]
    fn an_error_names_the_line() {
        let error = load(&mut Config::default(), b"port 1\n\n  port \"x\" \n", &mut MemoryFiles::default());
        assert_eq!(
            error.unwrap_err().to_string(),
            "\n*** FATAL CONFIG FILE ERROR (Redis 7.2.4) ***\n\
             Reading the configuration file, at line 3\n\
             >>> 'port \"x\"'\n\
             argument couldn't be parsed into an integer"
        );
        for (line, expected) in [
            ("foo bar", "Bad directive or wrong number of arguments"),
            ("include", "Bad directive or wrong number of arguments"),
            ("rename-command a", "Bad directive or wrong number of arguments"),
            ("port", "wrong number of arguments"),
            ("port 1 2", "wrong number of arguments"),
            ("port \"1", "Unbalanced quotes in configuration line"),
            ("save \"'1 2\"", "Unbalanced quotes in configuration line"),
            ("sentinel monitor a b 1 2", "sentinel directive while not in sentinel mode"),
            ("a.b", "Module config specified without value"),
        ] {
            assert_eq!(load_error(line), expected, "{line}");
        }
        assert_eq!(loaded("lua-replicate-commands no"), Config::default());
    }

    fn load_files(files: &[(&str, &str)], text: &str) -> Result<Config, LoadError> {
        let mut config = Config::default();
        load(&mut config, text.as_bytes(), &mut MemoryFiles::new(files)).map(|()| config)
    }

    #[test]
    fn an_included_file_stands_where_it_is_named() {
        let files = [("a.conf", "port 2\ntimeout 3")];
        assert_eq!(load_files(&files, "port 1\ninclude a.conf").unwrap().port, 2);
        assert_eq!(load_files(&files, "INCLUDE a.conf\nport 1").unwrap().port, 1);
        let error = load_files(&files, "include b.conf").unwrap_err();
        assert_eq!(
            error.to_string(),
            "Fatal error, can't open config file 'b.conf': No such file or directory"
        );
        let error = load_files(&[("a.conf", "\nport x")], "include a.conf").unwrap_err();
        assert!(matches!(error, LoadError::Line { number: 2, .. }), "{error}");
    }

    #[test]
    fn a_pattern_includes_all_files_that_match_in_order() {
        let files = [
            ("/etc/conf.d/20.conf", "port 20"),
            ("/etc/conf.d/10.conf", "port 10\ntimeout 10"),
            ("/etc/conf.d/.30.conf", "port 30"),
            ("/etc/conf.d/40.txt", "port 40"),
            ("/etc/conf.d/deep/50.conf", "port 50"),
            ("/etc/main.conf", "port 60"),
        ];
        let config = load_files(&files, "include /etc/conf.d/*.conf").unwrap();
        assert_eq!((config.port, config.timeout), (20, 10));
        assert_eq!(load_files(&files, "include /etc/*/??.conf").unwrap().port, 20);
        assert_eq!(load_files(&files, "include /etc/*/*/[45]0.conf").unwrap().port, 50);
        assert_eq!(load_files(&files, "include /nowhere/*.conf").unwrap(), Config::default());
        assert_eq!(load_files(&[("a.conf", "port 1")], "include *.conf").unwrap().port, 1);
    }

    #[test]
    fn a_file_that_includes_itself_is_an_error() {
        let error = load_files(&[("a.conf", "include a.conf")], "include a.conf").unwrap_err();
        assert!(error.to_string().ends_with("include goes deeper than 16 files"), "{error}");
    }

    #[test]
    fn the_command_line_comes_last() {
        let arguments =
            ["--port", "3", "--save", "--replicaof", "h 1"].map(|argument| argument.as_bytes().to_vec());
        let command_line::CommandLine::Serve(sources) = command_line::parse(&arguments) else { panic!() };
        let text = sources.text(b"port 1\ntimeout 5", b"port 2");
        let config = loaded(utf8(&text));
        assert_eq!((config.port, config.timeout, config.save.len()), (3, 5, 0));
        assert_eq!(config.replicaof, Some(Upstream { host: "h".into(), port: 1 }));
    }
}

mod config_get {
    use super::*;

    #[test]
    fn patterns_answer_in_the_order_of_the_table_and_names_as_asked() {
        let config = Config::default();
        check_get(&config, &["PORT", "repl-t*"], &[("PORT", "6379"), ("repl-timeout", "60")]);
        check_get(&config, &["port", "po*", "Port"], &[("port", "6379")]);
        check_get(&config, &["*-read-only"], &[("replica-read-only", "yes"), ("slave-read-only", "yes")]);
        check_get(&config, &["slave-priority"], &[("slave-priority", "100")]);
        check_get(&config, &["nosuch", "nosuch*"], &[]);
    }

    #[test]
    fn hidden_directives_answer_to_their_name_alone() {
        let config = Config::default();
        check_get(&config, &["key-load-delay"], &[("key-load-delay", "0")]);
        check_get(&config, &["key-load-*"], &[]);
    }

    #[test]
    fn lists_are_shown_as_config_set_takes_them() {
        check_get(
            &Config::default(),
            &["save", "bind", "client-output-*", "latency-tracking-*"],
            &[
                ("save", "3600 1 300 100 60 10000"),
                ("bind", "* -::*"),
                (
                    "client-output-buffer-limit",
                    "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
                ),
                ("latency-tracking-info-percentiles", "50 99 99.9"),
            ],
        );
        check_get(
            &loaded("unixsocketperm 770\nshutdown-on-sigterm force save"),
            &["unixsocketperm", "shutdown-on-sigterm"],
            &[("unixsocketperm", "770"), ("shutdown-on-sigterm", "save force")],
        );
    }
}

mod config_set {
    use super::*;

    #[test]
    fn all_pairs_or_none_are_set() {
        let start = Config::default();
        let change = set_pairs(
            &start,
            &[("port", "7000"), ("timeout", "0"), ("slave-priority", "1")],
            ON_THIS_MACHINE,
        )
        .unwrap_or_else(|error| panic!("{error}"));
        let names: Vec<_> = change.changed.iter().map(|row| row.name).collect();
        assert_eq!(names, ["port", "replica-priority"], "what differs from before");
        assert_eq!(change.config, Config { port: 7000, replica_priority: 1, ..start });
        check_set_error(
            &[("port", "7000"), ("timeout", "x")],
            "CONFIG SET failed (possibly related to argument 'timeout') - argument couldn't be parsed into an integer",
        );
    }

    #[test]
    fn a_name_must_be_known_mutable_and_single() {
        check_set_error(
            &[("foo", "x"), ("port", "3")],
            "Unknown option or number of arguments for CONFIG SET - 'foo'",
        );
        check_set_error(
            &[("save", "1"), ("foo", "x")],
            "Unknown option or number of arguments for CONFIG SET - 'foo'",
        );
        check_set_error(
            &[("DAEMONIZE", "no")],
            "CONFIG SET failed (possibly related to argument 'DAEMONIZE') - can't set immutable config",
        );
        check_set_error(
            &[("port", "1"), ("PORT", "2")],
            "CONFIG SET failed (possibly related to argument 'PORT') - duplicate parameter",
        );
        check_set_error(
            &[("replica-read-only", "no"), ("slave-read-only", "no")],
            "CONFIG SET failed (possibly related to argument 'slave-read-only') - duplicate parameter",
        );
        check_set_error(
            &[("dir", "/tmp")],
            "CONFIG SET failed (possibly related to argument 'dir') - can't set protected config",
        );
    }

    #[test]
    fn protected_directives_ask_who_is_there() {
        for (allowed, is_local, expected) in
            [("no", true, false), ("local", true, true), ("local", false, false), ("yes", false, true)]
        {
            let config = loaded(&format!("enable-protected-configs {allowed}"));
            let when = Circumstances { is_local, is_loading: false };
            assert_eq!(
                set_pairs(&config, &[("dbfilename", "x")], when).is_ok(),
                expected,
                "{allowed} {is_local}"
            );
        }
    }

    #[test]
    fn some_wait_until_a_dataset_is_loaded() {
        let when = Circumstances { is_local: true, is_loading: true };
        let error = set_pairs(&Config::default(), &[("repl-diskless-load", "swapdb")], when).err();
        assert_eq!(error, Some(SetError::Loading));
        assert_eq!(set_pairs(&Config::default(), &[("port", "1")], when).err(), None);
    }

    #[test]
    fn several_arguments_are_one_value() {
        let config = set_ok(
            &Config::default(),
            &[("save", "60 1"), ("bind", "a b"), ("shutdown-on-sigint", "save now")],
        );
        assert_eq!(config.save, [SavePoint { seconds: 60, changes: 1 }], "not on top of the former ones");
        assert_eq!(config.bind, ["a", "b"]);
        let config =
            set_ok(&config, &[("save", ""), ("bind", ""), ("latency-tracking-info-percentiles", "")]);
        assert_eq!((config.save.len(), config.bind.len()), (0, 0));
        let failed =
            |name, reason| format!("CONFIG SET failed (possibly related to argument '{name}') - {reason}");
        check_set_error(&[("save", "60  1")], &failed("save", "Invalid save parameters"));
        check_set_error(
            &[("oom-score-adj-values", "")],
            &failed("oom-score-adj-values", "wrong number of arguments"),
        );
    }

    #[test]
    fn every_directive_takes_its_own_value() {
        let config = loaded(
            "save \"\"\nbind \"\"\nport 7\nrequirepass \"a b\\xff\"\nenable-protected-configs yes\nhz 3",
        );
        for (name, value) in get(&config, &[b"*"]) {
            match set(&config, &[(&name, &value)], ON_THIS_MACHINE) {
                Ok(change) => assert_eq!(change.config, config, "{}", utf8(&name)),
                Err(error) => assert!(error.to_string().ends_with("immutable config"), "{error}"),
            }
        }
    }
}

mod config_rewrite {
    use super::*;

    #[test]
    fn what_still_holds_stays_as_it_is() {
        let old = "# my server\n\nport   7000\nslave-read-only no # not a comment\n";
        let same = "# my server\n\nport   7000\nslave-read-only no\n\n\n# save\nrepl-backlog-size 1024mb\nsave 60 1\nSAVE 30 2\n";
        assert_eq!(load_error(old.lines().last().unwrap_or_default()), "wrong number of arguments");
        check_rewrite(same, &loaded(same), same);
        check_rewrite("", &Config::default(), "");
        let limits =
            "client-output-buffer-limit normal 0 0 0\nclient-output-buffer-limit slave 256mb 64mb 60\n";
        check_rewrite(limits, &Config::default(), limits);
    }

    #[test]
    fn all_of_it_may_be_written() {
        let config = set_ok(&loaded("# a\nport 7000\n"), &[("hz", "20")]);
        let text = rewrite(b"# a\nport 7000\n", &config, Additions::All);
        let text = utf8(&text);
        assert!(text.starts_with("# a\nport 7000\n# Generated by CONFIG REWRITE\n"), "{text}");
        for line in ["hz 20", "maxmemory-policy noeviction", "save 3600 1", "repl-backlog-size 64mb"] {
            assert!(text.lines().any(|own| own == line), "{line} in {text}");
        }
        assert_eq!(loaded(text), config);
    }

    #[test]
    fn a_changed_value_takes_the_old_place() {
        let old = "# a\nport 7000\n# b\ntimeout 5\n";
        let config = set_ok(&loaded(old), &[("port", "7001"), ("repl-backlog-size", "2097152")]);
        let new = "# a\nport 7001\n# b\ntimeout 5\n# Generated by CONFIG REWRITE\nrepl-backlog-size 2mb\n";
        check_rewrite(old, &config, new);
        check_rewrite(
            new,
            &set_ok(&config, &[("hz", "20")]),
            &format!("{new}hz 20\n").replace("hz 20\nrepl", "repl"),
        );
    }

    #[test]
    fn a_default_is_written_only_over_another_value() {
        let old = "port 7000\nmasterauth secret\nreplicaof h 1\n";
        let config = set_ok(&loaded(old), &[("port", "6379"), ("masterauth", "")]);
        check_rewrite(old, &Config { replicaof: None, ..config }, "port 6379\n");
    }

    #[test]
    fn what_is_set_at_run_time_stands_behind_what_is_included() {
        let check = |old: &str, level: &str, expected: &str| {
            let config = loaded(&format!("loglevel {level}"));
            let new = rewrite_one(old.as_bytes(), &config, "loglevel");
            assert_eq!(String::from_utf8_lossy(&new), expected, "{old}");
            assert_eq!(rewrite_one(&new, &config, "loglevel"), new, "{old}");
        };
        check("port 1\nloglevel debug\n# c\n", "notice", "port 1\nloglevel notice\n# c\n");
        check("port 1\n", "notice", "port 1\n");
        let added = "# Generated by CONFIG REWRITE\nloglevel notice\n";
        check("INCLUDE a\nport 1\n", "notice", &format!("INCLUDE a\nport 1\n{added}"));
        check("loglevel debug\ninclude a\n", "notice", &format!("include a\n{added}"));
        check("include a\nloglevel debug\n", "notice", "include a\nloglevel notice\n");
        check("loglevel notice\ninclude a\nloglevel notice\n", "notice", "include a\nloglevel notice\n");
    }

    #[test]
    fn surplus_lines_go() {
        check_rewrite("port 1\n# c\nport 2\n", &loaded("port 2"), "# c\nport 2\n");
        check_rewrite("port 1\nport 2\n", &loaded("port 3"), "port 3\n");
        check_rewrite(
            "save 1 1\n# c\nsave 2 2\nsave 3 3\n",
            &loaded("save 2 2\nsave 4 4"),
            "save 2 2\n# c\nsave 4 4\n",
        );
        check_rewrite("save 1 1\nsave 2 2\n", &loaded("save \"\""), "save \"\"\n");
    }

    #[test]
    fn defaults_that_come_in_several_lines_are_written_in_full() {
        check_rewrite(
            "save 1 1\n",
            &Config::default(),
            "save 3600 1\n# Generated by CONFIG REWRITE\nsave 300 100\nsave 60 10000\n",
        );
    }

    #[test]
    fn a_class_of_limits_keeps_its_line() {
        let old = "client-output-buffer-limit pubsub 1mb 2mb 3\n";
        let config = set_ok(&loaded(old), &[("client-output-buffer-limit", "slave 0 0 0")]);
        check_rewrite(
            old,
            &config,
            &format!("{old}# Generated by CONFIG REWRITE\nclient-output-buffer-limit replica 0 0 0\n"),
        );
    }

    #[test]
    fn lines_that_are_no_directives_stay_and_bad_ones_become_comments() {
        let old = b"include a.conf\nrename-command GET \"\"\nfoo bar\nport \"1\n";
        let new = rewrite(old, &Config::default(), Additions::Changed);
        assert_eq!(utf8(&new), "include a.conf\nrename-command GET \"\"\n# ??? foo bar\n# ??? port \"1\n");
    }

    #[test]
    fn no_value_can_end_its_line() {
        let config = Config {
            bind: vec!["a\u{7f}".to_owned(), "b".to_owned()],
            replicaof: Some(Upstream { host: "h\nsave \"\"".to_owned(), port: 1 }),
            requirepass: Some(b"x\n\"\xff".to_vec()),
            logfile: "\nport 2".to_owned(),
            ..Config::default()
        };
        let new = rewrite(b"", &config, Additions::Changed);
        assert_eq!(loaded(utf8(&new)), config);
    }

    #[test]
    fn whatever_the_old_file_said_the_new_one_says_what_is() {
        const LINES: [&str; 20] = [
            "# a comment",
            "",
            "port 1",
            "port 6379",
            "save 1 1",
            "save 2 2",
            "save 3600 1 300 100 60 10000",
            "save \"\"",
            "bind a b",
            "bind * -::*",
            "slave-priority 1",
            "replica-priority 100",
            "masterauth \"a b\"",
            "masterauth \"\"",
            "replicaof h 1",
            "slaveof no one",
            "client-output-buffer-limit slave 0 0 0",
            "client-output-buffer-limit normal 1 1 1 pubsub 2kb 2 2",
            "lazyfree-lazy-expire yes",
            "latency-tracking-info-percentiles 1.5",
        ];
        for seed in 0..2_000 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut text =
                || (0..rng.usize(..12)).map(|_| LINES[rng.usize(..LINES.len())].to_owned() + "\n").collect();
            let (old, wanted): (String, String) = (text(), text());
            let config = loaded(&wanted);
            let new = rewrite(old.as_bytes(), &config, Additions::Changed);
            assert_eq!(
                loaded(utf8(&new)),
                config,
                "seed {seed}:\n{old}\n--- with\n{wanted}\n--- gave\n{}",
                utf8(&new)
            );
            assert_eq!(rewrite(&new, &config, Additions::Changed), new, "seed {seed}");
        }
    }

    #[test]
    fn every_directive_reads_back_from_its_own_lines() {
        let config = loaded(
            "unixsocket \"/a b\"\nunixsocketperm 700\nsave \"\"\nbind \"\"\nhz 7\nlazyfree-lazy-expire yes\n\
             supervised auto\nclient-output-buffer-limit pubsub 1 2 3\nlatency-tracking-info-percentiles \"\"\n\
             maxclients 5\nshutdown-on-sigint now force\nloglevel warning\nproto-max-bulk-len 1048577",
        );
        assert_eq!(loaded(utf8(&rewrite(b"", &config, Additions::Changed))), config);
        assert_eq!(
            loaded(utf8(&rewrite(b"save 1 2\nbind a\nhz 1\nhz 2", &config, Additions::Changed))),
            config
        );
    }
}
