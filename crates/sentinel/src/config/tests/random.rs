//! Random machines, written over random files, are the same when they are read again.

use super::*;
use crate::config::options::GROUP_OPTIONS;
use crate::config::{rewrite, state_text};
use crate::contact::Contact;
use crate::group::Group;
use crate::info::Role;
use crate::peer::{Member, Peer};
use crate::server::Server;

pub(super) const GROUPS: [&str; 4] = ["a", "my.master-1", "b@c", "группа"];

pub(super) struct Maker {
    pub(super) rng: fastrand::Rng,
}

impl Maker {
    fn word(&mut self) -> String {
        let words = ["x", "a b", "\"", "'", "\\", "#", "{}", "日本", "yes", "", "sentinel", "1"];
        words[self.rng.usize(..words.len())].to_owned()
    }

    fn address(&mut self) -> Address {
        let hosts = ["10.0.0.1", "10.0.0.2", "::1", "db.example.org"];
        Address::new(hosts[self.rng.usize(..hosts.len())], self.rng.u16(1..4))
    }

    fn value(&mut self, option: &str) -> Vec<String> {
        let number = self.rng.u32(1..9).to_string();
        let yes_or_no = if self.rng.bool() { "yes" } else { "no" }.to_owned();
        match option {
            "fast-down" => vec![yes_or_no],
            "safe-failover" => vec![if self.rng.bool() { "auto".to_owned() } else { yes_or_no }],
            "rename-command" => vec![["GET", "SET", "PING"][self.rng.usize(..3)].to_owned(), number],
            "seed" => {
                let address = self.address();
                vec![address.host, address.port.to_string()]
            }
            _ if option.contains("script") || option.contains("auth") || option.contains("zone") => {
                vec![self.word()]
            }
            _ => vec![number],
        }
    }

    fn options(&mut self, options: &mut GroupOptions, is_for_all: bool) {
        for row in GROUP_OPTIONS.iter().filter(|row| !is_for_all || row.is_for_all) {
            if self.rng.u8(..3) == 0 {
                let values = self.value(row.name);
                let values: Vec<&str> = values.iter().map(String::as_str).collect();
                // A seed may come twice, and is refused.
                let _is_taken = row.set(options, &values).is_ok();
            }
        }
    }

    fn group(&mut self, sentinel: &mut Sentinel, name: &str) {
        let now = Moment(0);
        let mut options = sentinel.core.globals.group_options(2, &sentinel.core.timings);
        self.options(&mut options, false);
        let primary = self.address();
        let server = Server::new(sentinel.core.number(), primary.clone(), Role::Primary, now);
        let mut group = Group::new(name, server, options);
        for _ in 0..self.rng.usize(..4) {
            let address = self.address();
            if address != primary {
                let server = Server::new(sentinel.core.number(), address.clone(), Role::Replica, now);
                group.replicas.insert(address, server);
            }
            let id = format!("{:040x}", self.rng.u8(..4));
            let contact = Contact::new(self.address(), now);
            sentinel.peers.entry(id.clone()).or_insert_with(|| Peer::new(contact));
            group.members.insert(id, Member::new(now));
        }
        group.config_epoch = self.rng.u64(..9);
        group.vote.epoch = self.rng.u64(..9);
        group.copies_told = self.rng.u32(..3);
        sentinel.groups.insert(name.to_owned(), group);
    }

    /// What may change at run time, of a machine that has `sentinel` as its configuration.
    fn change(&mut self, sentinel: &mut Sentinel) {
        let globals = &mut sentinel.core.globals;
        globals.resolve_hostnames = true;
        globals.announce_hostnames = self.rng.bool();
        globals.announce_ip = self.rng.bool().then(|| self.address().host);
        globals.announce_port = self.rng.bool().then_some(7);
        globals.sentinel_pass = self.word();
        for name in GROUPS {
            match self.rng.u8(..4) {
                0 => {}
                1 => drop(sentinel.groups.remove(name)),
                _ => self.group(sentinel, name),
            }
        }
        sentinel.core.epoch += self.rng.u64(9..99);
    }

    pub(super) fn sentinel(&mut self) -> Sentinel {
        let mut sentinel = Sentinel::new(Moment(0), Globals::default(), self.rng.fork());
        sentinel.core.globals.deny_scripts_reconfig = self.rng.bool();
        self.options(&mut sentinel.core.globals.for_groups, true);
        self.change(&mut sentinel);
        sentinel
    }

    /// A file that something else was written to, and that somebody has been at.
    fn file(&mut self) -> Vec<u8> {
        let mut lines: Vec<Vec<u8>> = Vec::new();
        for _ in 0..self.rng.usize(..3) {
            let text = rewrite(b"", &self.sentinel().state_lines());
            lines.extend(text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec));
        }
        for other in ["", "# sentinel myid x", "port 1", "  user a on", "sentinel later"] {
            lines.insert(self.rng.usize(..=lines.len()), other.into());
        }
        if self.rng.bool() {
            self.rng.shuffle(&mut lines);
        }
        lines.truncate(self.rng.usize(..=lines.len()));
        lines.join(&b'\n')
    }
}

fn others(text: &[u8]) -> Vec<&[u8]> {
    let is_other = |line: &&[u8]| !line.starts_with(b"sentinel ") && !line.starts_with(b"# Gen");
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter(is_other).collect();
    // The last line feed.
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines
}

#[test]
fn a_machine_survives_any_file() {
    for seed in 0..2000 {
        let mut maker = Maker { rng: fastrand::Rng::with_seed(seed) };
        let sentinel = maker.sentinel();
        let old = maker.file();
        let lines = sentinel.state_lines();
        let new = rewrite(&old, &lines);
        assert_eq!(rewrite(&new, &lines), new, "seed {seed}: a second time changes something");
        assert_eq!(others(&new), others(&old), "seed {seed}: other lines changed");
        let text = String::from_utf8_lossy(&new).replace("sentinel later\n", "");
        assert_eq!(
            seeds_in_any_order(kept(&load(&text))),
            seeds_in_any_order(kept(&sentinel)),
            "seed {seed}"
        );
    }
}

/// Lines that stay keep their order.
fn seeds_in_any_order(mut kept: Kept) -> Kept {
    kept.groups.iter_mut().for_each(|group| group.options.seeds.sort());
    kept
}

#[test]
fn a_machine_survives_in_a_file_of_state() {
    for seed in 0..2000 {
        let mut maker = Maker { rng: fastrand::Rng::with_seed(seed) };
        let mut configuration = rewrite(b"", &maker.sentinel().state_lines());
        configuration.extend(b"sentinel state-file /s\n");
        let configuration = String::from_utf8(configuration).expect("it was written");
        let mut sentinel = load(&configuration);
        maker.change(&mut sentinel);
        let text = state_text(&sentinel.state_lines());
        let mut again = load(&configuration);
        again.load_state(&ConfigLine::all(&text).expect("lines")).expect("it was written");
        assert_eq!(without_seeds(kept(&again)), without_seeds(kept(&sentinel)), "seed {seed}");
    }
}

/// Seeds are the configuration's alone.
pub(super) fn without_seeds(mut kept: Kept) -> Kept {
    kept.groups.iter_mut().for_each(|group| group.options.seeds.clear());
    kept
}
