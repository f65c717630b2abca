//! Names that servers call their primaries by, and the numbers they stand for.
//!
//! A replica may know its primary by another name than this sentinel does. Where `sentinel resolve-hostnames` allows it,
//! such a name is looked up, elsewhere, and again from time to time as long as somebody tells it; nothing waits for that.
//! What was found is kept while the resolver fails, but not for ever.

use std::collections::BTreeMap;

use slipstream_replication::Moment;

use crate::action::Action;
use crate::address::is_number;
use crate::config::is_host;
use crate::core::Core;

/// Names that are remembered.
const MOST_NAMES: usize = 1024;
/// A name is looked up again after that.
const FRESH_FOR: u64 = 30_000;
/// What was found counts for so long while nothing newer is.
const GOOD_FOR: u64 = 600_000;

/// What is known of names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(BTreeMap<String, Known>);

#[derive(Clone, Debug)]
struct Known {
    numbers: Vec<String>,
    found_at: Moment,
    asked_at: Option<Moment>,
    is_awaited: bool,
}

impl Core {
    /// The numbers that a host's name stands for, as far as they are known by now.
    pub(crate) fn numbers_of(&mut self, host: &str) -> Vec<String> {
        if is_number(host) || !is_host(&self.globals, host) {
            return Vec::new();
        }
        let (now, names) = (self.now, &mut self.names.0);
        if names.len() >= MOST_NAMES && !names.contains_key(host) {
            let oldest = names.iter().min_by_key(|(_, known)| known.asked_at).map(|(name, _)| name.clone());
            oldest.and_then(|name| names.remove(&name));
        }
        let unknown = || Known { numbers: Vec::new(), found_at: now, asked_at: None, is_awaited: false };
        let known = names.entry(host.to_owned()).or_insert_with(unknown);
        if !known.is_awaited && known.asked_at.is_none_or(|at| now.ms_since(at) >= FRESH_FOR) {
            (known.asked_at, known.is_awaited) = (Some(now), true);
            self.actions.push(Action::LookUp(host.to_owned()));
        }
        if now.ms_since(known.found_at) < GOOD_FOR { known.numbers.clone() } else { Vec::new() }
    }

    /// A name was looked up: what it stands for, nothing if that could not be found.
    pub(crate) fn on_named(&mut self, host: &str, numbers: Vec<String>) {
        let Some(known) = self.names.0.get_mut(host) else { return };
        known.is_awaited = false;
        if !numbers.is_empty() {
            (known.numbers, known.found_at) = (numbers, self.now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Globals;

    fn core() -> Core {
        let globals = Globals { resolve_hostnames: true, ..Globals::default() };
        Core::new(Moment(0), String::new(), globals, fastrand::Rng::with_seed(1))
    }

    fn asked(core: &mut Core) -> usize {
        core.actions.drain(..).filter(|action| matches!(action, Action::LookUp(_))).count()
    }

    #[test]
    fn a_name_is_looked_up_once_in_a_while() {
        let mut core = core();
        let mut check = |at: u64, answer: &[&str], (expected, lookups): (&[&str], usize)| {
            core.now = Moment(at);
            assert_eq!(core.numbers_of("a.example"), expected, "{at}");
            assert_eq!(asked(&mut core), lookups, "{at}");
            core.on_named("a.example", answer.iter().map(|number| (*number).to_owned()).collect());
        };
        check(0, &["10.0.0.1"], (&[], 1));
        check(FRESH_FOR - 1, &["10.0.0.1"], (&["10.0.0.1"], 0));
        check(FRESH_FOR, &["10.0.0.2", "::1"], (&["10.0.0.1"], 1));
        check(FRESH_FOR * 2, &[], (&["10.0.0.2", "::1"], 1));
        check(GOOD_FOR, &[], (&["10.0.0.2", "::1"], 1));
        check(FRESH_FOR + GOOD_FOR, &[], (&[], 1));
        assert!(core.numbers_of("10.0.0.9").is_empty() && asked(&mut core) == 0);
        core.globals.resolve_hostnames = false;
        assert!(core.numbers_of("a.example").is_empty() && asked(&mut core) == 0);
    }

    #[test]
    fn who_does_not_answer_is_not_asked_again() {
        let mut core = core();
        for second in 0..100 {
            core.now = Moment(second * 1000);
            core.numbers_of("a.example");
        }
        assert_eq!(asked(&mut core), 1);
    }

    #[test]
    fn only_so_many_are_remembered() {
        let mut core = core();
        for number in 0..2000 {
            core.now = Moment(number);
            core.numbers_of(&format!("{number}.example"));
        }
        assert_eq!(core.names.0.len(), MOST_NAMES);
        assert!(core.names.0.contains_key("1999.example"));
    }
}
