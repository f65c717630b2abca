//! What the answers mean: whether a sentinel would work with the configuration.
//! Asks nobody.

use std::fmt::Write as _;

use slipstream_sentinel::Address;
use slipstream_sentinel::address::is_number;
use slipstream_sentinel::config::{Named, NamedGroup};

use super::asking::{Answer, Answers, Asked, Role, Trouble};

/// A server that does not answer for so long is down: anything shorter meets pauses that are none.
const ODDLY_LOW_MS: u64 = 500;

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// As it should be.
    Good(String),
    /// It works, and may not be what is wanted.
    Warning(String),
    /// It does not work.
    Error(String),
}

/// What is found, group by group.
pub(super) fn judge(named: &Named, answers: &Answers) -> Vec<Finding> {
    let mut findings = Vec::new();
    for group in &named.groups {
        Judge { named, group, answers, findings: &mut findings }.judge();
    }
    findings
}

struct Judge<'a> {
    named: &'a Named,
    group: &'a NamedGroup,
    answers: &'a Answers,
    findings: &'a mut Vec<Finding>,
}

impl Judge<'_> {
    fn judge(&mut self) {
        let group = self.group;
        if group.options.down_after < ODDLY_LOW_MS {
            let text = format!(
                "down-after-milliseconds is {}: a short pause of the network or of a process will cause a failover",
                group.options.down_after
            );
            self.warn(&text);
        }
        self.judge_primary();
        for address in &group.options.seeds {
            self.judge_other("seed", address);
        }
        for address in &group.replicas {
            self.judge_other("replica", address);
        }
        let answering =
            group.sentinels.iter().filter(|(id, address)| self.judge_sentinel(id, address)).count();
        self.judge_quorum(answering + 1);
    }

    fn judge_primary(&mut self) {
        let address = &self.group.primary;
        let what = format!("primary {address}");
        let Some(answer) = self.answer(&what, address, false, true) else { return };
        match &answer.role {
            Some(Role::Primary(replicas)) => {
                let text = format!("{what}: {}, {replicas} replicas", answer.version);
                self.good(&text);
                if *replicas == 0 {
                    self.warn(&format!("{what} has no replicas: none could take its place"));
                }
            }
            Some(Role::Replica(of, _)) => self.fail(&format!(
                "{what} is a replica of {of}: `sentinel monitor` is to name that, and finds this one there"
            )),
            other => self.fail(&format!("{what} is no server of data: {other:?}")),
        }
    }

    /// A seed or a replica.
    fn judge_other(&mut self, kind: &str, address: &Address) {
        let what = format!("{kind} {address}");
        let Some(answer) = self.answer(&what, address, false, false) else { return };
        match &answer.role {
            Some(Role::Replica(of, link)) if self.is_primary(of) && link == "connected" => {
                self.good(&format!("{what}: {}, follows", answer.version));
            }
            Some(Role::Replica(of, link)) if self.is_primary(of) => {
                self.warn(&format!("{what} follows, and its link is not up: {link}"));
            }
            Some(Role::Replica(of, _)) => self.warn(&format!("{what} follows another primary: {of}")),
            Some(Role::Primary(_)) if *address == self.group.primary => {
                self.good(&format!("{what}: {}", answer.version));
            }
            Some(Role::Primary(_)) => self.warn(&format!("{what} is a primary itself")),
            other => self.warn(&format!("{what} is no server of data: {other:?}")),
        }
    }

    /// Whether it answers, and counts.
    fn judge_sentinel(&mut self, id: &str, address: &Address) -> bool {
        let what = format!("sentinel {address}");
        let Some(answer) = self.answer(&what, address, true, false) else { return false };
        if answer.id == self.named.id {
            let text =
                format!("{what} has this one's id: its `sentinel myid` was copied, and the two count as one");
            self.fail(&text);
            return false;
        }
        if answer.id != id {
            self.warn(&format!("{what} has another id than is known: {}", answer.id));
        }
        match &answer.primary {
            None => self.warn(&format!("{what} does not watch {}", self.group.name)),
            Some(primary) if !self.is_primary(primary) => {
                self.warn(&format!("{what} has another primary: {primary}"));
            }
            Some(_) => self.good(&format!("{what}: {}, same primary", answer.version)),
        }
        true
    }

    /// What the sentinels that answer can do, this one among them.
    fn judge_quorum(&mut self, answering: usize) {
        let known = self.group.sentinels.len() + 1;
        let quorum = usize::try_from(self.group.options.quorum).unwrap_or(usize::MAX);
        let majority = known / 2 + 1;
        let mut text = format!("{known} sentinels are known, quorum is {quorum}");
        if known == 1 {
            self.good(&format!(
                "1 sentinel is known, quorum is {quorum}; others are found through the primary"
            ));
        } else if quorum > known {
            self.fail(&format!("{text}: no failover can happen"));
        } else if answering < quorum.max(majority) {
            let needed = quorum.max(majority);
            self.fail(&format!("{text}; {answering} of them answer, and a failover needs {needed}"));
        } else if known == 2 {
            self.warn(&format!("{text}: with one of two gone, no failover can happen; three are the least"));
        } else {
            write!(text, "; {answering} of them answer").expect("writing to a string");
            self.good(&text);
        }
    }

    /// What one says, if it says anything; what is wrong with it is told.
    fn answer(&mut self, what: &str, address: &Address, is_sentinel: bool, must: bool) -> Option<Answer> {
        let asked = Asked { group: self.group.name.clone(), address: address.clone(), is_sentinel };
        let text = match self.answers.get(&asked)? {
            Ok(answer) => {
                if let Some(text) = &answer.login {
                    self.warn(&format!("{what} refuses the login and answers without: {text}"));
                }
                if let Some(text) = &answer.busy {
                    self.warn(&format!("{what}: {text}"));
                }
                return Some(answer.clone());
            }
            Err(Trouble::Unresolved(text)) => format!("{what}: the name is not found: {text}"),
            Err(Trouble::Unreachable(text)) => format!("{what} cannot be reached: {text}"),
            Err(Trouble::Refused { command, text }) => {
                let hint = match (text.starts_with("NOAUTH"), is_sentinel) {
                    (true, true) => " (see `sentinel sentinel-pass`)",
                    (true, false) => " (see `sentinel auth-pass` and `sentinel auth-user`)",
                    _ => "",
                };
                format!("{what} refuses {command}: {text}{hint}")
            }
        };
        if must {
            self.fail(&text)
        } else {
            self.warn(&text)
        }
        None
    }

    /// Whether an address is the primary's, as far as can be told: a name and a number may be the same.
    fn is_primary(&self, address: &Address) -> bool {
        let primary = &self.group.primary;
        let asked = Asked { group: self.group.name.clone(), address: primary.clone(), is_sentinel: false };
        let ip = self.answers.get(&asked).and_then(|answer| answer.as_ref().ok()).map(|answer| &answer.ip);
        primary.port == address.port
            && (primary.host == address.host || ip == Some(&address.host) || !is_number(&address.host))
    }

    fn good(&mut self, text: &str) {
        self.findings.push(Finding::Good(format!("{}: {text}", self.group.name)));
    }

    fn warn(&mut self, text: &str) {
        self.findings.push(Finding::Warning(format!("{}: {text}", self.group.name)));
    }

    fn fail(&mut self, text: &str) {
        self.findings.push(Finding::Error(format!("{}: {text}", self.group.name)));
    }
}

#[cfg(test)]
mod tests;
