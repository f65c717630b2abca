//! What can be set for one group: a row for each option, which configuration files, SENTINEL SET and rewriting share.
//!
//! A row knows how many values its option takes, what they mean to a group, and which lines give a group what it has.
//! What a file says of a group goes through [`GroupOption::set`], and so does what SENTINEL SET says.

use std::collections::BTreeMap;

use super::words::{self, Refused, check_words};
use crate::Address;
use crate::options::{GroupOptions, SafeFailover};

/// Where an option can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a file and by SENTINEL SET.
    Everywhere,
    /// In a file.
    Files,
    /// By SENTINEL SET: in a file another line says it.
    Set,
}

/// One option of a group.
pub(crate) struct GroupOption {
    /// Its name, in lower case.
    pub(crate) name: &'static str,
    /// Another name that is taken for it.
    pub(crate) alias: Option<&'static str>,
    /// How many values it takes.
    pub(crate) values: usize,
    /// Where it can be given.
    pub(crate) place: Place,
    /// Whether a file may give it without a group's name, for all groups.
    pub(crate) is_for_all: bool,
    /// Whether it is not to be shown: the value of a password.
    pub(crate) is_secret: bool,
    /// The value is a program: what to say where it cannot be run.
    pub(crate) script: Option<&'static str>,
    /// Gives it to a group.
    pub(crate) set: fn(&mut GroupOptions, &[&str]) -> Result<(), Refused>,
    /// The values of each line that gives a group what it has.
    pub(crate) show: fn(&GroupOptions) -> Vec<Vec<String>>,
}

/// One value of one line, anywhere.
const PLAIN: GroupOption = GroupOption {
    name: "",
    alias: None,
    values: 1,
    place: Place::Everywhere,
    is_for_all: false,
    is_secret: false,
    script: None,
    set: |_, _| Ok(()),
    show: |_| Vec::new(),
};

/// All of them.
pub(crate) const GROUP_OPTIONS: &[GroupOption] = &[
    GroupOption {
        name: "quorum",
        place: Place::Set,
        set: |group, values| words::positive(values[0]).map(|count| group.quorum = count),
        show: |group| one(group.quorum),
        ..PLAIN
    },
    GroupOption {
        name: "down-after-milliseconds",
        set: |group, values| words::positive_time(values[0]).map(|ms| group.down_after = ms),
        show: |group| one(group.down_after),
        ..PLAIN
    },
    GroupOption {
        name: "failover-timeout",
        set: |group, values| words::positive_time(values[0]).map(|ms| group.failover_timeout = ms),
        show: |group| one(group.failover_timeout),
        ..PLAIN
    },
    GroupOption {
        name: "parallel-syncs",
        set: |group, values| words::positive(values[0]).map(|count| group.parallel_syncs = count),
        show: |group| one(group.parallel_syncs),
        ..PLAIN
    },
    GroupOption {
        name: "notification-script",
        script: Some("Notification script seems non existing or non executable."),
        set: |group, values| text(&mut group.notification_script, values),
        show: |group| one_unless_empty(&group.notification_script),
        ..PLAIN
    },
    GroupOption {
        name: "client-reconfig-script",
        script: Some("Client reconfiguration script seems non existing or non executable."),
        set: |group, values| text(&mut group.client_reconfig_script, values),
        show: |group| one_unless_empty(&group.client_reconfig_script),
        ..PLAIN
    },
    GroupOption {
        name: "auth-pass",
        is_secret: true,
        set: |group, values| text(&mut group.auth_pass, values),
        show: |group| one_unless_empty(&group.auth_pass),
        ..PLAIN
    },
    GroupOption {
        name: "auth-user",
        set: |group, values| text(&mut group.auth_user, values),
        show: |group| one_unless_empty(&group.auth_user),
        ..PLAIN
    },
    GroupOption {
        name: "rename-command",
        values: 2,
        set: |group, values| rename(&mut group.renamed_commands, values),
        show: |group| {
            group.renamed_commands.iter().map(|(old, new)| vec![old.clone(), new.clone()]).collect()
        },
        ..PLAIN
    },
    GroupOption {
        name: "master-reboot-down-after-period",
        alias: Some("primary-reboot-down-after-period"),
        set: |group, values| words::time(values[0]).map(|ms| group.reboot_down_after = ms),
        show: |group| one(group.reboot_down_after),
        ..PLAIN
    },
    GroupOption {
        name: "fast-down",
        is_for_all: true,
        set: |group, values| words::yes_or_no(values[0]).map(|yes| group.fast_down = yes),
        show: |group| one(words::word_of(group.fast_down)),
        ..PLAIN
    },
    GroupOption {
        name: "switchover-timeout",
        is_for_all: true,
        set: |group, values| words::positive_time(values[0]).map(|ms| group.switchover_timeout = ms),
        show: |group| one(group.switchover_timeout),
        ..PLAIN
    },
    GroupOption {
        name: "safe-failover",
        is_for_all: true,
        set: |group, values| safe_failover(values[0]).map(|safe| group.safe_failover = safe),
        show: |group| one(word_of_safe_failover(group.safe_failover)),
        ..PLAIN
    },
    GroupOption {
        name: "promote-max-lag-bytes",
        is_for_all: true,
        set: |group, values| words::number(values[0]).map(|bytes| group.promote_max_lag_bytes = bytes),
        show: |group| one(group.promote_max_lag_bytes),
        ..PLAIN
    },
    GroupOption {
        name: "promote-zone",
        is_for_all: true,
        set: |group, values| text(&mut group.promote_zone, values),
        show: |group| one(&group.promote_zone),
        ..PLAIN
    },
    GroupOption {
        name: "forget-after",
        is_for_all: true,
        set: |group, values| words::time(values[0]).map(|ms| group.forget_after = ms),
        show: |group| one(group.forget_after),
        ..PLAIN
    },
    GroupOption {
        name: "seed",
        values: 2,
        place: Place::Files,
        set: |group, values| seed(&mut group.seeds, values),
        show: |group| group.seeds.iter().map(|seed| vec![seed.host.clone(), seed.port.to_string()]).collect(),
        ..PLAIN
    },
];

impl GroupOption {
    /// The row of a name, whatever its case.
    pub(crate) fn find(name: &str) -> Option<&'static GroupOption> {
        GROUP_OPTIONS.iter().find(|row| {
            row.name.eq_ignore_ascii_case(name)
                || row.alias.is_some_and(|alias| alias.eq_ignore_ascii_case(name))
        })
    }

    /// The row of an option that SENTINEL SET takes.
    pub(crate) fn find_for_set(name: &str) -> Option<&'static GroupOption> {
        GroupOption::find(name).filter(|row| row.place != Place::Files)
    }

    /// Gives a group these values, as many as the row says; what is refused changes nothing.
    pub(crate) fn set(&self, group: &mut GroupOptions, values: &[&str]) -> Result<(), Refused> {
        assert_eq!(values.len(), self.values, "whoever splits the words looks at the row");
        check_words(values)?;
        (self.set)(group, values)
    }

    /// The values of each line that gives a group what it has.
    pub(crate) fn show(&self, group: &GroupOptions) -> Vec<Vec<String>> {
        (self.show)(group)
    }
}

fn one(value: impl ToString) -> Vec<Vec<String>> {
    vec![vec![value.to_string()]]
}

fn one_unless_empty(value: &str) -> Vec<Vec<String>> {
    if value.is_empty() { Vec::new() } else { one(value) }
}

#[expect(clippy::unnecessary_wraps, reason = "as the others of the table")]
fn text(place: &mut String, values: &[&str]) -> Result<(), Refused> {
    values[0].clone_into(place);
    Ok(())
}

fn rename(renamed: &mut BTreeMap<String, String>, values: &[&str]) -> Result<(), Refused> {
    let reason = "a command's name is empty.";
    if let Some(index) = values.iter().position(|value| value.is_empty()) {
        return Err(Refused { index, reason });
    }
    let old = values[0].to_ascii_uppercase();
    if old.eq_ignore_ascii_case(values[1]) {
        renamed.remove(&old);
    } else {
        renamed.insert(old, values[1].to_owned());
    }
    Ok(())
}

fn safe_failover(word: &str) -> Result<SafeFailover, Refused> {
    let all = [SafeFailover::Auto, SafeFailover::Yes, SafeFailover::No];
    let found = all.into_iter().find(|one| word_of_safe_failover(*one).eq_ignore_ascii_case(word));
    found.ok_or(Refused { index: 0, reason: "Please specify auto, yes or no." })
}

fn word_of_safe_failover(safe: SafeFailover) -> &'static str {
    match safe {
        SafeFailover::Auto => "auto",
        SafeFailover::Yes => "yes",
        SafeFailover::No => "no",
    }
}

fn seed(seeds: &mut Vec<Address>, values: &[&str]) -> Result<(), Refused> {
    let seed = Address::new(values[0], words::port(values[1])?);
    if seeds.contains(&seed) {
        return Err(Refused { index: 0, reason: "Duplicate seed." });
    }
    if seeds.len() == MOST_SEEDS {
        return Err(Refused { index: 0, reason: "Too many seeds." });
    }
    seeds.push(seed);
    Ok(())
}

/// Seeds of one group.
const MOST_SEEDS: usize = 64;
