//! Which lines are taken, what they mean, and how the others are refused.

use super::*;
use crate::SafeFailover;
use crate::config::Named;

const ID: &str = "0123456789abcdef0123456789abcdef01234567";
const OTHER: &str = "89abcdef0123456789abcdef0123456789abcdef";

#[track_caller]
fn refused(text: &str, number: usize, reason: &str) {
    let error = loaded(text).map(|_| ()).expect_err(text);
    assert_eq!((error.number, error.reason.as_str()), (number, reason), "{text}");
}

#[test]
fn a_file_of_redis_is_taken_in_full() {
    let sentinel = load(&format!(
        "port 26379\nprotected-mode no\ndir \"/tmp\"\n# a comment\n\n\
         sentinel resolve-hostnames yes\nsentinel announce-hostnames yes\n\
         sentinel announce-ip \"10.0.0.9\"\nsentinel announce-port 5000\n\
         sentinel deny-scripts-reconfig no\n\
         sentinel sentinel-user watcher\nsentinel sentinel-pass \"a b\"\n\
         sentinel monitor mymaster db.example.org 6379 2\n\
         sentinel down-after-milliseconds mymaster 5000\n\
         sentinel failover-timeout mymaster 60000\n\
         SENTINEL Parallel-Syncs mymaster 3\n\
         sentinel notification-script mymaster /bin/true\n\
         sentinel client-reconfig-script mymaster /bin/false\n\
         sentinel auth-pass mymaster \"p\\\"w\"\nsentinel auth-user mymaster app\n\
         sentinel master-reboot-down-after-period mymaster 7000\n\
         sentinel rename-command mymaster config SECRET\n\
         sentinel myid {ID}\n\
         sentinel config-epoch mymaster 7\nsentinel leader-epoch mymaster 9\n\
         sentinel known-replica mymaster 10.0.0.2 6380\nsentinel known-slave mymaster 10.0.0.3 6380\n\
         sentinel known-sentinel mymaster 10.0.0.4 26379\n\
         sentinel known-sentinel mymaster 10.0.0.4 26379 {OTHER}\n\
         sentinel current-epoch 8\nuser default on nopass ~* &* +@all\n"
    ));
    let kept = kept(&sentinel);
    assert_eq!((kept.id.as_str(), kept.epoch), (ID, 8));
    let globals = kept.globals;
    assert!(globals.resolve_hostnames && globals.announce_hostnames && !globals.deny_scripts_reconfig);
    assert_eq!((globals.announce_ip.as_deref(), globals.announce_port), (Some("10.0.0.9"), Some(5000)));
    assert_eq!((globals.sentinel_user.as_str(), globals.sentinel_pass.as_str()), ("watcher", "a b"));
    let group = &kept.groups[0];
    let options = &group.options;
    assert_eq!(group.primary, Address::new("db.example.org", 6379));
    assert_eq!((options.quorum, options.down_after, options.failover_timeout), (2, 5000, 60_000));
    assert_eq!((options.parallel_syncs, options.reboot_down_after), (3, 7000));
    assert_eq!((options.auth_user.as_str(), options.auth_pass.as_str()), ("app", "p\"w"));
    assert_eq!(options.notification_script, "/bin/true");
    assert_eq!(options.client_reconfig_script, "/bin/false");
    assert_eq!(options.command("CONFIG"), "SECRET");
    assert_eq!(group.replicas, [Address::new("10.0.0.2", 6380), Address::new("10.0.0.3", 6380)]);
    assert_eq!(group.sentinels, [(OTHER.to_owned(), Address::new("10.0.0.4", 26379))]);
    assert_eq!((group.config_epoch, group.vote_epoch), (7, 9));
}

#[test]
fn lines_may_be_in_any_order() {
    let sentinel = load(
        "sentinel known-replica a 10.0.0.2 1\nsentinel fast-down a yes\nsentinel down-after-milliseconds a 1\n\
         sentinel monitor a example.org 6379 1\nsentinel fast-down no\nsentinel resolve-hostnames yes\n\
         sentinel monitor b example.org 6379 1\n",
    );
    let groups = kept(&sentinel).groups;
    assert!(groups[0].options.fast_down && !groups[1].options.fast_down);
    assert_eq!((groups[0].options.down_after, groups[0].replicas.len()), (1, 1));
}

#[test]
fn our_options_are_for_a_group_or_for_all() {
    let sentinel = load(
        "sentinel monitor a 1.1.1.1 1 1\nsentinel monitor b 1.1.1.2 1 1\n\
         sentinel fast-down no\nsentinel switchover-timeout 5\nsentinel safe-failover yes\n\
         sentinel promote-max-lag-bytes 7\nsentinel promote-zone east\nsentinel forget-after 0\n\
         sentinel fast-down b YES\nsentinel switchover-timeout b 6\nsentinel safe-failover b Auto\n\
         sentinel promote-max-lag-bytes b 8\nsentinel promote-zone b \"\"\nsentinel forget-after b 9\n\
         sentinel seed b 1.1.1.3 2\nsentinel seed b 1.1.1.4 2\nsentinel state-file /var/lib/s\n",
    );
    assert_eq!(sentinel.state_file(), Some("/var/lib/s"));
    let groups = kept(&sentinel).groups;
    let [a, b] = [0, 1].map(|at| groups[at].options.clone());
    assert_eq!((a.fast_down, a.switchover_timeout, a.safe_failover), (false, 5, SafeFailover::Yes));
    assert_eq!((a.promote_max_lag_bytes, a.promote_zone.as_str(), a.forget_after), (7, "east", 0));
    assert_eq!((b.fast_down, b.switchover_timeout, b.safe_failover), (true, 6, SafeFailover::Auto));
    assert_eq!((b.promote_max_lag_bytes, b.promote_zone.as_str(), b.forget_after), (8, "", 9));
    assert_eq!(b.seeds, [Address::new("1.1.1.3", 2), Address::new("1.1.1.4", 2)]);
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let group = "sentinel monitor a 1.1.1.1 6379 2\n";
    for (line, reason) in [
        ("sentinel", "Unrecognized sentinel configuration statement."),
        ("sentinel nonsense a 1", "Unrecognized sentinel configuration statement."),
        ("sentinel quorum a 1", "Unrecognized sentinel configuration statement."),
        ("sentinel current-primary a 1.1.1.1 1", "Unrecognized sentinel configuration statement."),
        ("sentinel monitor b 1.1.1.1 6379", "Wrong number of arguments."),
        ("sentinel down-after-milliseconds a", "Wrong number of arguments."),
        ("sentinel down-after-milliseconds a 1 2", "Wrong number of arguments."),
        ("sentinel fast-down", "Wrong number of arguments."),
        ("sentinel announce-ip", "Wrong number of arguments."),
        ("sentinel known-sentinel a 1.1.1.1", "Wrong number of arguments."),
        ("sentinel down-after-milliseconds b 1", "No such master with specified name."),
        ("sentinel config-epoch b 1", "No such master with specified name."),
        ("sentinel known-replica b 1.1.1.1 1", "No such master with specified name."),
        ("sentinel monitor a 1.1.1.1 6379 2", "Duplicate master name."),
        ("sentinel monitor b 1.1.1.1 6379 0", "Quorum must be 1 or greater."),
        ("sentinel monitor b 1.1.1.1 6379 -1", "Quorum must be 1 or greater."),
        ("sentinel monitor b 1.1.1.1 0 1", "Invalid port number."),
        ("sentinel monitor b 1.1.1.1 65536 1", "Invalid port number."),
        ("sentinel monitor b example.org 1 1", "Can't resolve instance hostname."),
        ("sentinel monitor \"b c\" 1.1.1.1 1 1", "Invalid name of a master: no spaces, quotes or commas."),
        ("sentinel monitor b,c 1.1.1.1 1 1", "Invalid name of a master: no spaces, quotes or commas."),
        ("sentinel monitor \"\" 1.1.1.1 1 1", "Invalid name of a master: no spaces, quotes or commas."),
        ("sentinel seed a example.org 1", "Can't resolve instance hostname."),
        ("sentinel seed a 1.1.1.1 0", "Invalid port number."),
        ("sentinel down-after-milliseconds a 0", "negative or zero time parameter."),
        ("sentinel down-after-milliseconds a 5s", "negative or zero time parameter."),
        ("sentinel failover-timeout a -1", "negative or zero time parameter."),
        ("sentinel failover-timeout a 99999999999999999", "negative or zero time parameter."),
        ("sentinel master-reboot-down-after-period a -1", "negative time parameter."),
        ("sentinel parallel-syncs a 0", "value must be 1 or greater."),
        ("sentinel promote-max-lag-bytes a -1", "value is not a number, or is negative."),
        ("sentinel fast-down a maybe", "Please specify yes or no."),
        ("sentinel resolve-hostnames 1", "Please specify yes or no."),
        ("sentinel safe-failover sometimes", "Please specify auto, yes or no."),
        ("sentinel myid abc", "Malformed Sentinel id in myid option."),
        ("sentinel current-epoch x", "Invalid epoch."),
        ("sentinel config-epoch a 18446744073709551615", "Invalid epoch."),
        ("sentinel current-epoch 4611686018427387905", "Invalid epoch."),
        ("sentinel known-min-replicas-to-ack a -1", "Invalid number of replicas."),
        ("sentinel announce-port 65536", "Invalid port number."),
        ("sentinel announce-ip \"a,b\"", "Invalid address to announce."),
        ("sentinel auth-pass a \"x\\ny\"", "Control characters are not allowed."),
        ("sentinel auth-pass a \"x", "Unbalanced quotes in configuration line"),
        ("sentinel auth-pass a \"\\xff\"", "argument must be UTF-8"),
        ("sentinel rename-command a GET \"\"", "a command's name is empty."),
    ] {
        refused(&format!("{group}# more\n{line}\n"), 3, reason);
    }
}

#[test]
fn what_is_said_twice_is_refused() {
    let begin = "sentinel monitor a 1.1.1.1 6379 2\n";
    for (line, again, reason) in [
        (
            "rename-command a get X",
            "rename-command a GET Y",
            "Same command renamed multiple times with rename-command.",
        ),
        ("known-replica a 1.1.1.2 1", "known-slave a 1.1.1.2 1", "Duplicate hostname and port for replica."),
        ("known-sentinel a 1.1.1.2 1 x", "known-sentinel a 1.1.1.3 1 x", "Duplicate runid for sentinel."),
        ("seed a 1.1.1.2 1", "seed a 1.1.1.2 1", "Duplicate seed."),
    ] {
        refused(&format!("{begin}sentinel {line}\nsentinel {again}\n"), 3, reason);
    }
}

#[test]
fn a_later_line_of_an_option_wins() {
    let sentinel = load(
        "sentinel monitor a 1.1.1.1 1 1\nsentinel auth-pass a x\nsentinel auth-pass a y\n\
         sentinel fast-down no\nsentinel fast-down yes\n",
    );
    let options = kept(&sentinel).groups.remove(0).options;
    assert_eq!((options.auth_pass.as_str(), options.fast_down), ("y", true));
}

#[test]
fn what_cannot_be_another_is_passed_over() {
    let sentinel = load(&format!(
        "sentinel myid {ID}\nsentinel monitor a 1.1.1.1 6379 2\nsentinel known-replica a 1.1.1.1 6379\n\
         sentinel known-replica a 1.1.1.2 0\nsentinel known-replica a name 1\n\
         sentinel known-sentinel a 1.1.1.3 26379 {ID}\nsentinel known-sentinel a name 26379 {OTHER}\n"
    ));
    let kept = kept(&sentinel);
    assert!(kept.groups[0].replicas.is_empty() && kept.groups[0].sentinels.is_empty());
    assert!(sentinel.peers.is_empty());
}

#[test]
fn a_sentinel_of_several_groups_is_one() {
    let sentinel = load(
        "sentinel monitor a 1.1.1.1 1 1\nsentinel monitor b 1.1.1.2 1 1\n\
         sentinel known-sentinel a 1.1.1.3 26379 x\nsentinel known-sentinel b 1.1.1.3 26379 x\n",
    );
    assert_eq!(sentinel.peers.len(), 1);
    assert!(sentinel.groups.values().all(|group| group.members.contains_key("x")));
}

#[test]
fn scripts_are_named_with_their_lines() {
    let text = "port 1\nsentinel monitor a 1.1.1.1 1 1\nsentinel notification-script a /x\n\
                sentinel client-reconfig-script a \"/y z\"\nsentinel notification-script a \"\"\n";
    let lines = ConfigLine::all(text.as_bytes()).expect("it is in order");
    let named = Sentinel::scripts_named(&lines);
    let found: Vec<_> = named.iter().map(|one| (one.number, one.path.as_str())).collect();
    assert_eq!(found, [(3, "/x"), (4, "/y z")]);
    assert!(named[0].complaint.starts_with("Notification script"), "{}", named[0].complaint);
}

#[test]
fn only_lines_of_sentinels_are_taken() {
    let text = "sentinels x\n sentinel a\n\"sentinel\" b\n'SENTINEL' c\n#sentinel d\nport 1\n";
    let lines = ConfigLine::all(text.as_bytes()).expect("it is in order");
    let numbers: Vec<usize> = lines.iter().map(|line| line.number).collect();
    assert_eq!(numbers, [2, 3, 4]);
}

#[test]
fn what_could_not_be_read_again_is_not_learned() {
    let hello = |host: &str| format!("{host},26379,{OTHER},1,a,{host},6379,1");
    let mut sentinel = load("sentinel monitor a 1.1.1.1 6379 1\n");
    sentinel.hear_hello(&hello("db.example.org"));
    assert!(sentinel.peers.is_empty() && sentinel.groups["a"].config_epoch == 0);
    let group = sentinel.groups.get_mut("a").expect("it is there");
    assert!(!group.add_replica(&mut sentinel.core, Address::new("db.example.org", 1)));

    sentinel.core.globals.resolve_hostnames = true;
    sentinel.hear_hello(&hello("db.example.org"));
    assert!(!sentinel.peers.is_empty() && sentinel.groups["a"].config_epoch == 1);
}

#[test]
fn a_file_of_state_is_whole_or_empty() {
    let whole = format!("# A comment\nsentinel myid {ID}\n\nloglevel verbose\nsentinel current-epoch 5\n");
    let of_state = |text: &[u8]| ConfigLine::all_of_state(text).map(|lines| lines.len());
    assert_eq!(of_state(whole.as_bytes()), Ok(2));
    assert_eq!(of_state(b""), Ok(0));
    let cut = whole.find("sentinel current").expect("it is there");
    for (text, number) in
        [(&whole.as_bytes()[..cut], 5), (&[0; 100], 1), (b"\xff\xfe\n", 1), (b"# a\nport 1\n", 2), (b"\n", 2)]
    {
        let error = of_state(text).expect_err("it is no state");
        assert_eq!(error.number, number, "{error}");
        assert!(error.reason.contains("votes"), "{error}");
    }
}

#[test]
fn groups_that_are_told_of_and_not_watched_are_named() {
    let lines = |text: &str| ConfigLine::all(text.as_bytes()).expect("it is in order");
    let named = |configuration: &str, state: &str| {
        let named = Named::read(&lines(configuration), &lines(state), "").expect("it is taken");
        (named.unset, named.removed)
    };
    let watched = "sentinel state-file /s\nsentinel monitor a 1.1.1.1 1 1\nsentinel auth-pass a x\n";
    let nobody: Vec<String> = Vec::new();
    assert_eq!(named(watched, "sentinel config-epoch a 1\n"), (nobody.clone(), nobody.clone()));
    assert_eq!(named(watched, "sentinel removed a\n"), (nobody.clone(), vec!["a".to_owned()]));
    for state in ["sentinel current-primary b 1.1.1.1 1\n", "sentinel quorum b 7\n"] {
        assert_eq!(named(watched, state), (vec!["b".to_owned()], nobody.clone()));
    }
    let left = "sentinel current-primary b 1.1.1.1 1\nsentinel auth-pass b x\n";
    assert_eq!(named(left, ""), (vec!["b".to_owned()], nobody));
}
