//! Texts as servers send them, and what is read of them.

use super::*;

#[test]
fn a_primary_names_its_replicas() {
    let text = "# Server\r\nrun_id:abc\r\n# Replication\r\nrole:master\r\nconnected_slaves:2\r\n\
                slave0:ip=10.0.0.1,port=6380,state=online,offset=9,lag=0\r\nslave1:10.0.0.2,6381,online\r\n\
                slave_read_repl_offset:3\r\nmaster_repl_offset:9\r\n";
    let report = Report::parse(text);
    assert_eq!(report.replicas, [Address::new("10.0.0.1", 6380), Address::new("10.0.0.2", 6381)]);
    assert_eq!((report.role, report.offset), (Some(Role::Primary), 9));
    assert_eq!(report.run_id, "abc");
}

#[test]
fn a_replica_tells_whom_it_follows_and_how_far_it_is() {
    let text = "role:slave\r\nmaster_host:10.0.0.9\r\nmaster_port:6379\r\nmaster_link_status:down\r\n\
                master_link_down_since_seconds:7\r\nslave_repl_offset:1234\r\nslave_priority:5\r\n\
                replica_announced:0\r\nmaster_repl_offset:99\r\n";
    let report = Report::parse(text);
    assert_eq!(report.primary, Some(Address::new("10.0.0.9", 6379)));
    assert_eq!((report.offset, report.priority, report.link_down_ms), (1234, 5, 7000));
    assert!(!report.is_announced && !report.is_link_up);
}

#[test]
fn what_cannot_be_read_is_skipped() {
    for text in [
        "",
        "role:king",
        "slave0:ip=,port=1",
        "slave0:ip=a,port=0",
        "slaveX:ip=a,port=1",
        "master_port:99999",
    ] {
        let report = Report::parse(text);
        assert!(report.replicas.is_empty() && report.primary.is_none() && report.role.is_none(), "{text}");
    }
}

#[test]
fn no_more_replicas_are_read_than_a_group_may_have() {
    let rows = (0..MOST_REPLICAS + 9).map(|row| format!("slave{row}:ip=10.0.0.1,port={}\r\n", row + 1));
    let report = Report::parse(&format!("role:master\r\n{}", rows.collect::<String>()));
    assert_eq!(report.replicas.len(), MOST_REPLICAS);
}

#[test]
fn who_waits_for_another_and_does_not_know_where_it_stood_has_no_history() {
    let check = |wait: &str, offset: u64, history: &str| {
        let text = format!("role:master\r\n{wait}:9\r\nmaster_replid:abc\r\nmaster_repl_offset:{offset}\r\n");
        let report = Report::parse(&text);
        assert_eq!((report.awaits_claim, report.history.as_str()), (true, history), "{text}");
    };
    check("empty_start_wait_seconds_left", 9, "");
    check("short_start_wait_seconds_left", 0, "");
    check("short_start_wait_seconds_left", 9, "abc");
}
