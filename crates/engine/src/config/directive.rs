//! One row of the table of directives, and what can be done with it.
//!
//! A row knows its names, the shape of its value, where the value lives and what it is for. It sets, shows
//! and writes that value in a [`Config`]; the modules for files, CONFIG and the documentation are loops
//! over rows.

use super::kind::{Kind, WRONG_NUMBER};
use super::value::Value;
use super::values::Config;

/// A directive.
pub struct Directive {
    /// Its name.
    pub name: &'static str,
    /// Other names that mean the same.
    pub aliases: &'static [&'static str],
    /// What it is for, in one sentence.
    pub doc: &'static str,
    /// What may be done with it.
    pub flags: Flags,
    pub(super) kind: Kind,
    pub(super) home: Home,
}

/// What may be done with a directive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Set at the start only.
    pub immutable: bool,
    /// Shown by its exact name only.
    pub hidden: bool,
    /// Never logged.
    pub sensitive: bool,
    /// Set by CONFIG SET only where `enable-protected-configs` lets it.
    pub protected: bool,
    /// Not set while a dataset is loaded.
    pub denied_while_loading: bool,
    /// Takes several arguments.
    pub many: bool,
}

/// Where a value lives.
#[derive(Clone, Copy)]
pub(super) enum Home {
    Field {
        get: fn(&Config) -> Value,
        set: fn(&mut Config, Value),
    },
    /// A field with its own syntax.
    Own {
        show: fn(&Config) -> Vec<u8>,
        set: SetOwn,
        lines: fn(&Config) -> Vec<Line>,
    },
    /// No effect by design; kept for CONFIG GET and REWRITE alone.
    Moot {
        default: &'static str,
        reason: &'static str,
    },
    /// No effect by design, and whoever asks for one is told so: only the default is accepted.
    Needless {
        default: &'static str,
        reason: &'static str,
    },
    /// The feature is still to come: the default is accepted, and what amounts to it.
    Later {
        default: &'static str,
        feature: &'static str,
        also: &'static [&'static str],
    },
}

/// Parses arguments and stores what they say.
pub(super) type SetOwn = fn(&mut Config, &[&[u8]], Mode) -> Result<(), String>;

/// How a directive that may stand on several lines is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// In place of what is there.
    Replace,
    /// On top of an earlier line.
    Add,
}

/// What a configuration file says of a directive, behind its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) value: Vec<u8>,
    pub(super) need: Need,
}

/// Whether a file that does not have a line must get it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// It differs from the default.
    Yes,
    /// It is the default.
    No,
    /// It is a part of the default, which is lost once the file says anything else of this directive.
    WithOthers,
}

impl Need {
    pub(super) fn unless(is_default: bool) -> Self {
        if is_default { Self::No } else { Self::Yes }
    }
}

impl Directive {
    /// The directive of this name or alias, in any case.
    pub fn find(name: &[u8]) -> Option<&'static Self> {
        super::table::directives()
            .find(|row| row.names().any(|own| own.as_bytes().eq_ignore_ascii_case(name)))
    }

    /// Its name, then its aliases.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// Whether several lines of a file add up to its value, rather than the last one winning.
    pub(super) fn adds_up(&self) -> bool {
        matches!(self.name, "save" | "client-output-buffer-limit")
    }

    /// The value as CONFIG GET shows it.
    pub fn show(&self, config: &Config) -> Vec<u8> {
        match self.home {
            Home::Field { get, .. } => self.kind.show(&get(config)),
            Home::Own { show, .. } => show(config),
            Home::Moot { default, .. } | Home::Needless { default, .. } | Home::Later { default, .. } => {
                config.without_effect.get(self.name).map_or(default, String::as_str).into()
            }
        }
    }

    /// The default as CONFIG GET shows it.
    pub fn default(&self) -> Vec<u8> {
        self.show(&Config::default())
    }

    /// Why its value changes nothing, for a directive that has no effect by design.
    pub fn reason_without_effect(&self) -> Option<&'static str> {
        match self.home {
            Home::Moot { reason, .. } | Home::Needless { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// The feature that it waits for, for a directive that may not be set yet.
    pub fn awaited_feature(&self) -> Option<&'static str> {
        if let Home::Later { feature, .. } = self.home { Some(feature) } else { None }
    }

    /// Sets it. Where it fails, the configuration may be changed in part and is to be thrown away.
    pub(super) fn set(&self, config: &mut Config, args: &[&[u8]], mode: Mode) -> Result<(), String> {
        if !self.flags.many && args.len() != 1 {
            return Err(WRONG_NUMBER.to_owned());
        }
        match self.home {
            Home::Field { set, .. } => set(config, self.kind.parse(args)?),
            Home::Own { set, .. } => set(config, args, mode)?,
            Home::Moot { .. } => self.keep(config, &self.parse_shown(args)?),
            Home::Needless { default, reason } => {
                if self.parse_shown(args)? != default {
                    return Err(format!("{reason}; the only accepted value is '{default}'"));
                }
            }
            Home::Later { default, feature, also } => {
                let shown = self.parse_shown(args)?;
                if shown != default && !also.contains(&shown.as_str()) {
                    return Err(format!(
                        "not supported yet ({feature}): the only accepted value is '{default}'"
                    ));
                }
                self.keep(config, &shown);
            }
        }
        Ok(())
    }

    fn parse_shown(&self, args: &[&[u8]]) -> Result<String, String> {
        let value = self.kind.parse(args)?;
        Ok(String::from_utf8(self.kind.show(&value)).expect("only fields hold secrets"))
    }

    fn keep(&self, config: &mut Config, shown: &str) {
        if shown.as_bytes() == self.default() {
            config.without_effect.remove(self.name);
        } else {
            config.without_effect.insert(self.name, shown.to_owned());
        }
    }

    /// What a configuration file has to say for it: no line at all for a value that is absent.
    pub(super) fn lines(&self, config: &Config) -> Vec<Line> {
        let value = match self.home {
            Home::Own { lines, .. } => return lines(config),
            Home::Field { get, .. } => get(config),
            Home::Moot { .. } | Home::Needless { .. } | Home::Later { .. } => {
                let shown = self.show(config);
                let args: Vec<&[u8]> = match self.flags.many {
                    true => shown.split(|byte| *byte == b' ').collect(),
                    false => vec![&shown],
                };
                self.kind.parse(&args).expect("what is kept has been parsed before")
            }
        };
        let is_default = self.show(config) == self.default();
        if value == Value::Bytes(Vec::new()) && is_default {
            return Vec::new();
        }
        vec![Line { value: self.kind.write(&value), need: Need::unless(is_default) }]
    }
}
