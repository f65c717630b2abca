//! What can be set for the whole sentinel: a row for each option, which configuration files, SENTINEL CONFIG and
//! rewriting share.

use super::LONGEST_HOST;
use super::words::{self, Refused, check_words};
use crate::options::Globals;

/// One option of the sentinel. Each takes one value.
pub(crate) struct GlobalOption {
    /// Its name, in lower case.
    pub(crate) name: &'static str,
    /// Whether SENTINEL CONFIG SET and GET know it.
    pub(crate) is_in_config: bool,
    /// Whether a change means that connections to other sentinels log in anew.
    pub(crate) is_login: bool,
    set: fn(&mut Globals, &str) -> Result<(), Refused>,
    show: fn(&Globals) -> String,
}

const PLAIN: GlobalOption = GlobalOption {
    name: "",
    is_in_config: true,
    is_login: false,
    set: |_, _| Ok(()),
    show: |_| String::new(),
};

/// All of them.
pub(crate) const GLOBAL_OPTIONS: &[GlobalOption] = &[
    GlobalOption {
        name: "deny-scripts-reconfig",
        is_in_config: false,
        set: |globals, value| words::yes_or_no(value).map(|yes| globals.deny_scripts_reconfig = yes),
        show: |globals| words::word_of(globals.deny_scripts_reconfig).to_owned(),
        ..PLAIN
    },
    GlobalOption {
        name: "resolve-hostnames",
        set: |globals, value| words::yes_or_no(value).map(|yes| globals.resolve_hostnames = yes),
        show: |globals| words::word_of(globals.resolve_hostnames).to_owned(),
        ..PLAIN
    },
    GlobalOption {
        name: "announce-hostnames",
        set: |globals, value| words::yes_or_no(value).map(|yes| globals.announce_hostnames = yes),
        show: |globals| words::word_of(globals.announce_hostnames).to_owned(),
        ..PLAIN
    },
    GlobalOption { name: "announce-ip", set: announce_ip, show: shown_announce_ip, ..PLAIN },
    GlobalOption {
        name: "announce-port",
        set: announce_port,
        show: |globals| globals.announce_port.unwrap_or(0).to_string(),
        ..PLAIN
    },
    GlobalOption {
        name: "sentinel-user",
        is_login: true,
        set: |globals, value| text(&mut globals.sentinel_user, value),
        show: |globals| globals.sentinel_user.clone(),
        ..PLAIN
    },
    GlobalOption {
        name: "sentinel-pass",
        is_login: true,
        set: |globals, value| text(&mut globals.sentinel_pass, value),
        show: |globals| globals.sentinel_pass.clone(),
        ..PLAIN
    },
    GlobalOption {
        name: "state-file",
        is_in_config: false,
        set: |globals, value| {
            globals.state_file = (!value.is_empty()).then(|| value.to_owned());
            Ok(())
        },
        show: |globals| globals.state_file.clone().unwrap_or_default(),
        ..PLAIN
    },
];

impl GlobalOption {
    /// The row of a name, whatever its case.
    pub(crate) fn find(name: &str) -> Option<&'static GlobalOption> {
        GLOBAL_OPTIONS.iter().find(|row| row.name.eq_ignore_ascii_case(name))
    }

    /// Sets it; what is refused changes nothing.
    pub(crate) fn set(&self, globals: &mut Globals, value: &str) -> Result<(), Refused> {
        check_words(&[value])?;
        (self.set)(globals, value)
    }

    /// Its value as a file or SENTINEL CONFIG GET says it.
    pub(crate) fn show(&self, globals: &Globals) -> String {
        (self.show)(globals)
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as the others of the table")]
fn text(place: &mut String, value: &str) -> Result<(), Refused> {
    value.clone_into(place);
    Ok(())
}

fn announce_ip(globals: &mut Globals, value: &str) -> Result<(), Refused> {
    let is_host = words::is_name(value) && value.len() <= LONGEST_HOST;
    if !value.is_empty() && !is_host {
        return Err(Refused { index: 0, reason: "Invalid address to announce." });
    }
    globals.announce_ip = (!value.is_empty()).then(|| value.to_owned());
    Ok(())
}

fn shown_announce_ip(globals: &Globals) -> String {
    globals.announce_ip.clone().unwrap_or_default()
}

fn announce_port(globals: &mut Globals, value: &str) -> Result<(), Refused> {
    let refused = Refused { index: 0, reason: "Invalid port number." };
    let port: u16 = value.parse().map_err(|_| refused)?;
    globals.announce_port = (port != 0).then_some(port);
    Ok(())
}
