//! Answers, and what is said of them.

use slipstream_sentinel::config::ConfigLine;

use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef01234567";
/// A group of three sentinels: this one, `x` and `y`.
const FILE: &str = "sentinel myid 0123456789abcdef0123456789abcdef01234567\nsentinel resolve-hostnames yes\n\
                    sentinel monitor g 10.0.0.1 6379 2\nsentinel known-replica g 10.0.0.2 6379\n\
                    sentinel known-sentinel g 10.0.0.8 26379 x\nsentinel known-sentinel g 10.0.0.9 26379 y\n";

fn server(role: Role) -> Result<Answer, Trouble> {
    Ok(Answer { version: "Redis 7".to_owned(), role: Some(role), ..Answer::default() })
}

fn replica_of(host: &str, link: &str) -> Result<Answer, Trouble> {
    server(Role::Replica(Address::new(host, 6379), link.to_owned()))
}

fn sentinel(id: &str, primary: Option<&str>) -> Result<Answer, Trouble> {
    let primary = primary.map(|host| Address::new(host, 6379));
    Ok(Answer { version: "Redis 7".to_owned(), id: id.to_owned(), primary, ..Answer::default() })
}

fn gone() -> Result<Answer, Trouble> {
    Err(Trouble::Unreachable("Connection refused".to_owned()))
}

fn refused(text: &str) -> Result<Answer, Trouble> {
    Err(Trouble::Refused { command: "PING".to_owned(), text: text.to_owned() })
}

/// What is said if the instance at `host` answers so, and the others as they should.
fn said(file: &str, host: &str, answer: Result<Answer, Trouble>) -> Vec<String> {
    let lines = ConfigLine::all(file.as_bytes()).expect("lines");
    let named = Named::read(&lines, &[], "").expect("it is in order");
    let mut answers = Answers::new();
    for group in &named.groups {
        let mut put = |address: &Address, is_sentinel: bool, usual: Result<Answer, Trouble>| {
            let answer = if address.host == host { answer.clone() } else { usual };
            let asked = Asked { group: group.name.clone(), address: address.clone(), is_sentinel };
            answers.insert(asked, answer);
        };
        put(&group.primary, false, server(Role::Primary(1)));
        for address in group.replicas.iter().chain(&group.options.seeds) {
            put(address, false, replica_of("10.0.0.1", "connected"));
        }
        for (id, address) in &group.sentinels {
            put(address, true, sentinel(id, Some("10.0.0.1")));
        }
    }
    let shown = |finding| match finding {
        Finding::Good(_) => None,
        Finding::Warning(text) => Some(format!("warning {text}")),
        Finding::Error(text) => Some(format!("error {text}")),
    };
    judge(&named, &answers).into_iter().filter_map(shown).collect()
}

#[track_caller]
fn check(host: &str, answer: Result<Answer, Trouble>, expected: &[&str]) {
    assert_eq!(said(FILE, host, answer), expected);
}

#[test]
fn a_group_in_order_is_not_complained_of() {
    check("nobody", gone(), &[]);
}

#[test]
fn a_primary_is_one_and_answers() {
    check("10.0.0.1", gone(), &["error g: primary 10.0.0.1:6379 cannot be reached: Connection refused"]);
    let hint = "error g: primary 10.0.0.1:6379 refuses PING: NOAUTH Authentication required. \
                (see `sentinel auth-pass` and `sentinel auth-user`)";
    check("10.0.0.1", refused("NOAUTH Authentication required."), &[hint]);
    let role = "error g: primary 10.0.0.1:6379 is a replica of 10.0.0.7:6379: `sentinel monitor` is to name that, \
                and finds this one there";
    check("10.0.0.1", replica_of("10.0.0.7", "connected"), &[role]);
    check(
        "10.0.0.1",
        server(Role::Primary(0)),
        &["warning g: primary 10.0.0.1:6379 has no replicas: none could take its place"],
    );
    let busy = Answer {
        role: Some(Role::Primary(1)),
        login: Some("ERR no password".to_owned()),
        busy: Some("LOADING x".to_owned()),
        ..Answer::default()
    };
    let expected = [
        "warning g: primary 10.0.0.1:6379 refuses the login and answers without: ERR no password",
        "warning g: primary 10.0.0.1:6379: LOADING x",
    ];
    check("10.0.0.1", Ok(busy), &expected);
}

#[test]
fn a_replica_follows_the_primary() {
    for (answer, expected) in [
        (gone(), "cannot be reached: Connection refused"),
        (server(Role::Primary(0)), "is a primary itself"),
        (replica_of("10.0.0.7", "connected"), "follows another primary: 10.0.0.7:6379"),
        (replica_of("10.0.0.1", "connect"), "follows, and its link is not up: connect"),
        (Err(Trouble::Unresolved("no such name".to_owned())), "the name is not found: no such name"),
    ] {
        let text = said(FILE, "10.0.0.2", answer).concat();
        assert!(text.starts_with("warning g: replica 10.0.0.2:6379") && text.ends_with(expected), "{text}");
    }
    // The same server, by its name.
    check("10.0.0.2", replica_of("db.example.org", "connected"), &[]);
}

#[test]
fn sentinels_are_others_and_agree() {
    for (answer, expected) in [
        (gone(), "cannot be reached: Connection refused"),
        (sentinel("z", Some("10.0.0.1")), "has another id than is known: z"),
        (sentinel("x", None), "does not watch g"),
        (sentinel("x", Some("10.0.0.2")), "has another primary: 10.0.0.2:6379"),
        (refused("NOAUTH"), "refuses PING: NOAUTH (see `sentinel sentinel-pass`)"),
    ] {
        let text = said(FILE, "10.0.0.8", answer).concat();
        assert!(text.starts_with("warning g: sentinel 10.0.0.8:26379") && text.ends_with(expected), "{text}");
    }
    let text = said(FILE, "10.0.0.8", sentinel(ID, Some("10.0.0.1"))).concat();
    assert!(text.starts_with("error g: sentinel 10.0.0.8:26379 has this one's id"), "{text}");
}

#[test]
fn enough_sentinels_answer_for_a_quorum_and_a_majority() {
    let only = |text: &str| said(text, "10.0.0.9", gone()).pop().unwrap_or_default();
    let three = FILE.replace("6379 2\n", "6379 3\n");
    for (file, expected) in [
        (
            three.as_str(),
            "error g: 3 sentinels are known, quorum is 3; 2 of them answer, and a failover needs 3",
        ),
        (
            &FILE.replace("6379 2\n", "6379 4\n"),
            "error g: 3 sentinels are known, quorum is 4: no failover can happen",
        ),
        (
            &FILE.replace("sentinel known-sentinel g 10.0.0.8 26379 x\n", ""),
            "error g: 2 sentinels are known, quorum is 2; 1 of them answer, and a failover needs 2",
        ),
        (
            &FILE.replace("sentinel known-sentinel g 10.0.0.9 26379 y\n", ""),
            "warning g: 2 sentinels are known, quorum is 2: with one of two gone, no failover can happen; three are \
             the least",
        ),
        // None is known yet.
        (
            &FILE
                .replace("known-sentinel", "auth-pass")
                .replace(" 10.0.0.8 26379", "")
                .replace(" 10.0.0.9 26379", ""),
            "",
        ),
    ] {
        assert_eq!(only(file), expected);
    }
}

#[test]
fn a_short_patience_is_told() {
    let text = said(&format!("{FILE}sentinel down-after-milliseconds g 499\n"), "nobody", gone()).concat();
    assert!(text.starts_with("warning g: down-after-milliseconds is 499:"), "{text}");
}
