//! Whatever is commanded, and wherever lines stand: what is written is read again, and is the same.

use slipstream_replication::Moment;
use slipstream_resp::{OwnedRequest, Protocol, Reply};

use super::random::{GROUPS, Maker, without_seeds};
use super::*;
use crate::commands::{Request, Surroundings};
use crate::config::{rewrite, state_text};

struct Anything;

impl Surroundings for Anything {
    fn matches(&self, _: &[u8], _: &[u8], _: bool) -> bool {
        true
    }

    fn is_program(&mut self, _: &str) -> bool {
        true
    }
}

/// Where lines stand.
#[derive(Clone, Debug)]
struct Files {
    /// The configuration file; a line `include x` stands for the second.
    main: Vec<u8>,
    included: Vec<u8>,
    /// `sentinel state-file`, once something was written.
    state: Option<Vec<u8>>,
}

impl Files {
    fn lines(&self) -> Vec<ConfigLine> {
        let mut lines = Vec::new();
        for line in self.main.split(|byte| *byte == b'\n') {
            if line == b"include x" {
                let included = ConfigLine::all(&self.included).expect("lines");
                lines.extend(included.into_iter().map(|line| ConfigLine { is_included: true, ..line }));
            }
            lines.extend(ConfigLine::parse(0, line).expect("a line"));
        }
        lines
    }

    fn load(&self) -> Result<Sentinel, ConfigError> {
        let mut sentinel = blank();
        sentinel.load(&self.lines())?;
        if let Some(state) = &self.state {
            sentinel.load_state(&ConfigLine::all(state)?)?;
        }
        Ok(sentinel)
    }

    fn write(&mut self, sentinel: &Sentinel) {
        let lines = sentinel.state_lines();
        if sentinel.state_file().is_some() {
            self.state = Some(state_text(&lines));
        } else {
            self.main = rewrite(&self.main, &lines);
            let again = rewrite(&self.main, &lines);
            assert_eq!(String::from_utf8_lossy(&again), self.text(), "a second time changes something");
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.main).into_owned()
    }

    fn all(&self) -> String {
        let state = self.state.clone().unwrap_or_default();
        let [included, state] = [&self.included, &state].map(|text| String::from_utf8_lossy(text));
        format!("{}--- x:\n{included}--- state:\n{state}", self.text())
    }
}

impl Maker {
    /// Lines of a machine, some of them in a file that is included somewhere.
    fn files(&mut self) -> Files {
        let text = rewrite(b"", &self.sentinel().state_lines());
        let mut files = Files { main: Vec::new(), included: Vec::new(), state: None };
        let [includes, has_state] = [self.rng.bool(), self.rng.u8(..3) == 0];
        let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
        let place = self.rng.usize(..=lines.len());
        for (at, line) in lines.iter().enumerate() {
            if includes && at == place {
                files.main.extend(b"include x\n");
            }
            let to = if includes && self.rng.bool() { &mut files.included } else { &mut files.main };
            to.extend(*line);
            to.push(b'\n');
        }
        if has_state {
            files.main.extend(b"sentinel state-file /s\n");
        }
        files
    }

    fn odd(&mut self) -> Vec<u8> {
        let words: [&[u8]; 20] = [
            b"",
            b"a b",
            b"\"",
            b"'",
            b"\\",
            b"#",
            b"x\ny",
            b"\r",
            b"\x00",
            b"\x7f",
            b"\xc2\x85",
            b"\xff",
            b"1",
            b"0",
            b"-1",
            b"yes",
            b"NO",
            b"9223372036854775807",
            b"10.0.0.7",
            "дом.example".as_bytes(),
        ];
        match self.rng.usize(..words.len() + 2) {
            at if at < words.len() => words[at].to_vec(),
            at if at == words.len() => vec![b'x'; 64 << 10],
            _ => GROUPS[self.rng.usize(..GROUPS.len())].as_bytes().to_vec(),
        }
    }

    /// A command whose words are mostly in order.
    fn command(&mut self) -> Vec<Vec<u8>> {
        let group = GROUPS[self.rng.usize(..GROUPS.len())];
        let port = self.rng.u16(1..4).to_string();
        let host = ["10.0.0.1", "10.0.0.2", "::1", "db.example.org"][self.rng.usize(..4)];
        let id = self.rng.u8(..4).to_string().repeat(40);
        let epoch = self.rng.u32(..200).to_string();
        let hello = format!("{host},{port},{id},{epoch},{group},{host},{port},{epoch}");
        let words: &[&str] = match self.rng.u8(..16) {
            0 => &["monitor", group, host, &port, &port],
            1 => &["remove", group],
            2 => &["reset", "*"],
            3 => &["config", "set", "resolve-hostnames", "no"],
            4 => &["config", "set", "resolve-hostnames", "yes"],
            5 => &["config", "set", "announce-ip", host, "announce-port", &port, "sentinel-pass", &id],
            6 => &["config", "set", "sentinel-user", "", "sentinel-pass", group, "announce-hostnames", "yes"],
            7 => &["set", group, "quorum", &port, "down-after-milliseconds", "30000", "auth-pass", ""],
            8 => &["set", group, "rename-command", "get", &port, "RENAME-command", "SET", "set"],
            9 => &["set", group, "auth-user", host, "promote-zone", "", "notification-script", ""],
            10 => &["set", group, "client-reconfig-script", &port, "fast-down", "no", "forget-after", "0"],
            11 => &["set", group, "primary-reboot-down-after-period", "0", "safe-failover", "AUTO"],
            12 => &["is-master-down-by-addr", host, &port, &epoch, &id],
            13 => &["debug", "default-down-after", &port, "default-failover-timeout", "77"],
            _ => &["hello", &hello],
        };
        let mut words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        if self.rng.u8(..3) == 0 && words[0] != b"hello" {
            let at = self.rng.usize(1..words.len());
            words[at] = self.odd();
        }
        words
    }
}

fn perform(sentinel: &mut Sentinel, words: &[Vec<u8>]) -> bool {
    let mut reply = Reply::new(Protocol::Resp2);
    if words[0] == b"hello" {
        return sentinel.publish(Moment(1), b"__sentinel__:hello", &words[1], &mut reply).is_ok();
    }
    let request = OwnedRequest::from_parts(&[&[b"SENTINEL".to_vec()], words].concat());
    let name = str::from_utf8(&words[0]).expect("a test writes text");
    let request = Request {
        now: Moment(1),
        name,
        args: request.args(),
        is_late: false,
        log_level: "notice",
        surroundings: &mut Anything,
    };
    sentinel.command(request, &mut reply).is_ok()
}

#[test]
fn what_was_commanded_is_so_after_a_restart() {
    let (mut taken, mut included, mut states) = (0, 0, 0);
    for seed in 0..400 {
        let mut maker = Maker { rng: fastrand::Rng::with_seed(seed) };
        let mut files = maker.files();
        let Ok(mut sentinel) = files.load() else { continue };
        let mut done = Vec::new();
        for _ in 0..8 {
            let words = maker.command();
            taken += usize::from(perform(&mut sentinel, &words));
            done.push(words.iter().map(|word| word.escape_ascii().to_string()).collect::<Vec<_>>().join(" "));
            let before = files.all();
            files.write(&sentinel);
            let again = files.load().unwrap_or_else(|error| {
                panic!("seed {seed}: {error}\n{done:#?}\n{before}\n=== {}", files.all())
            });
            assert_eq!(
                without_seeds(kept(&again)),
                without_seeds(kept(&sentinel)),
                "seed {seed}: {done:#?}\n{before}\n=== {}",
                files.all()
            );
        }
        included += usize::from(files.text().contains("include x") && !files.included.is_empty());
        states += usize::from(files.state.is_some());
    }
    assert!(taken > 800 && included > 50 && states > 50, "{taken} {included} {states}");
}

#[track_caller]
fn check(main: &str, included: &str, commands: &[&str], expected: &str) {
    let mut files = Files { main: main.into(), included: included.into(), state: None };
    let mut sentinel = files.load().expect("it is in order");
    sentinel.core.id = "1".repeat(40);
    for command in commands {
        let words: Vec<Vec<u8>> = command.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        assert!(perform(&mut sentinel, &words), "{command}");
    }
    files.write(&sentinel);
    let id = format!("sentinel myid {}\n", "1".repeat(40));
    assert_eq!(files.text().replace(&id, "").replace("# Generated by CONFIG REWRITE\n", ""), expected);
    assert_eq!(kept(&files.load().expect("it was written")), kept(&sentinel));
}

const EPOCHS: &str = "sentinel config-epoch a 0\nsentinel leader-epoch a 0\n";

#[test]
fn what_an_included_file_says_is_not_said_again() {
    let included = "sentinel monitor a 1.1.1.1 1 2\nsentinel auth-pass a x\nsentinel fast-down no\n\
                    sentinel rename-command a GET G\nsentinel seed a 1.1.1.2 1\nsentinel announce-port 7\n";
    let moved = "sentinel current-primary a 1.1.1.1 1\n";
    let end = "sentinel current-epoch 0\n";
    check("include x\n", included, &[], &format!("include x\n{moved}{EPOCHS}{end}"));
    check(
        "sentinel announce-port 9\nsentinel auth-pass a y\ninclude x\n",
        included,
        &["set a quorum 3 rename-command GET GET auth-pass z", "config set announce-port 0"],
        &format!(
            "include x\nsentinel announce-port 0\n{moved}sentinel quorum a 3\nsentinel auth-pass a z\n\
             sentinel rename-command a GET GET\n{EPOCHS}{end}"
        ),
    );
    check("include x\n", included, &["remove a"], &format!("include x\nsentinel removed a\n{end}"));
    // Lines of it about a group that is set up here.
    check(
        "include x\nsentinel monitor a 1.1.1.1 1 2\n",
        "sentinel auth-pass a x\nsentinel known-replica a 1.1.1.9 1\n",
        &[],
        &format!(
            "include x\nsentinel monitor a 1.1.1.1 1 2\n{EPOCHS}sentinel known-replica a 1.1.1.9 1\n{end}"
        ),
    );
}

#[test]
fn a_group_that_is_not_included_any_more_is_gone() {
    let main = "include x\nsentinel current-primary a 1.1.1.2 1\nsentinel quorum a 3\nsentinel auth-pass a y\n\
                sentinel config-epoch a 1\nsentinel known-replica a 1.1.1.1 1\n";
    check(main, "", &[], "include x\nsentinel current-epoch 1\n");
    let files = Files { main: main.into(), included: "sentinel removed a\n".into(), state: None };
    let error = files.load().map(|_| ()).expect_err("it is for the main file to say");
    assert_eq!(error.reason, "Unrecognized sentinel configuration statement.");
}

#[test]
fn names_are_resolved_as_long_as_they_are_needed() {
    let known = "sentinel resolve-hostnames yes\nsentinel announce-hostnames yes\nsentinel monitor a db.example 1 1\n\
                 sentinel known-replica a db2.example 1\nsentinel known-replica a 10.0.0.2 1\n";
    let mut sentinel = load(known);
    let off = ["config", "set", "resolve-hostnames", "no"].map(|word| word.as_bytes().to_vec());
    assert!(!perform(&mut sentinel, &off), "nobody knows what the names stand for");
    perform(&mut sentinel, &["remove", "a"].map(|word| word.as_bytes().to_vec()));
    assert!(perform(&mut sentinel, &off));

    let mut sentinel = load(known);
    let group = sentinel.groups.get_mut("a").expect("it is there");
    for (server, ip) in group.servers_mut().zip(["10.0.0.1", "10.0.0.2", "10.0.0.2"]) {
        server.contact.ip = ip.to_owned();
    }
    assert!(perform(&mut sentinel, &off));
    let hosts: Vec<&str> =
        sentinel.groups["a"].servers().map(|server| server.contact.address.host.as_str()).collect();
    assert_eq!(hosts, ["10.0.0.1", "10.0.0.2"], "one was known by name and by number");
}
