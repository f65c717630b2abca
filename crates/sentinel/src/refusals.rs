//! What a server or another sentinel refuses to do for this sentinel: it is told once, until it is done again.
//! A right that is missing is seen here before it is needed; what a refusal leads to is decided elsewhere.

use std::collections::BTreeMap;

use slipstream_replication::Level;
use slipstream_resp::Value;

use crate::contact::Contact;
use crate::core::Core;
use crate::group::Group;
use crate::line::Awaited;

/// The most characters of a reason that are kept.
const LONGEST: usize = 200;
/// Such a state passes: who is in it refuses nothing.
const PASSING: [&str; 6] = ["LOADING", "MASTERDOWN", "BUSY", "NOTBUSY", "UNKILLABLE", "NODATA"];
/// What is said of every command alike, for want of AUTH.
const NOAUTH: &str = "NOAUTH";

/// What was refused last, by command: no more than this sentinel sends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusals {
    told: BTreeMap<&'static str, String>,
}

impl Refusals {
    /// Takes the answer to a command; what it is refused for, if that was not told.
    fn note(&mut self, command: &'static str, awaited: &Awaited, reply: &Value) -> Option<String> {
        match reply {
            Value::Error(reason) if is_refusal(awaited, reason) => {
                let is_locked_out = reason.starts_with(NOAUTH);
                if is_locked_out && self.told.contains_key("AUTH") {
                    return None;
                }
                let (command, text) = (if is_locked_out { NOAUTH } else { command }, shown(reason));
                let before = self.told.insert(command, text.clone());
                (before.as_ref() != Some(&text)).then_some(text)
            }
            // Others are no answers yet.
            Value::Error(_) => None,
            Value::Simple(text) if text == "QUEUED" => None,
            _ => {
                self.told.remove(command);
                if *awaited == Awaited::Ping {
                    self.told.remove(NOAUTH);
                }
                None
            }
        }
    }
}

impl Contact {
    /// Takes an answer; "host:port refuses PING: NOPERM …" if that is news.
    pub(crate) fn note_answer(&mut self, awaited: &Awaited, reply: &Value) -> Option<String> {
        let command = awaited.command()?;
        let reason = self.refusals.note(command, awaited, reply)?;
        Some(format!("{} refuses {command}: {reason}", self.address))
    }
}

impl Group {
    /// Tells what a server refuses.
    pub(crate) fn note_answer(&mut self, core: &mut Core, number: u64, (awaited, reply): (&Awaited, &Value)) {
        let server = self.server_mut(number);
        let news = server.and_then(|(server, _)| server.contact.note_answer(awaited, reply));
        if let Some(news) = news {
            core.log(Level::Warning, format!("{}: {news}", self.name));
        }
    }
}

/// Whether a server will go on to refuse such a command to this sentinel.
pub(crate) fn is_unable(reason: &str) -> bool {
    reason.starts_with("NOPERM") || reason.starts_with("ERR unknown")
}

/// Whether an error is one that an operator has to hear of. Questions have errors for answers, orders have not.
fn is_refusal(awaited: &Awaited, reason: &str) -> bool {
    match awaited {
        Awaited::Order(_) | Awaited::ReplicaOf(_) => !PASSING.iter().any(|word| reason.starts_with(word)),
        // It speaks of the commands before it, unless it is for EXEC itself.
        Awaited::Exec(_) => is_unable(reason) || reason.contains(": NOPERM"),
        _ => is_unable(reason) || reason.starts_with(NOAUTH) || reason.starts_with("WRONGPASS"),
    }
}

/// A reason as it is logged. Who does not know a command repeats its arguments, which may be a password.
fn shown(reason: &str) -> String {
    let (said, _) = reason.split_once(", with args").unwrap_or((reason, ""));
    said.chars().filter(|letter| !letter.is_control()).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> Value {
        Value::Error(text.to_owned())
    }

    /// What is told of answers to a command, one after another.
    fn check(awaited: &Awaited, answers: &[Value], expected: &[&str]) {
        let mut refusals = Refusals::default();
        let command = awaited.command().expect("it is one");
        let told: Vec<String> =
            answers.iter().filter_map(|answer| refusals.note(command, awaited, answer)).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn a_refusal_is_told_once_until_it_is_obeyed() {
        let (no, other) = (error("NOPERM no"), error("NOPERM other"));
        let ok = Value::Simple("OK".to_owned());
        let answers = [no.clone(), no.clone(), other, ok, error("LOADING it"), no];
        check(&Awaited::Order("CLIENT KILL"), &answers, &["NOPERM no", "NOPERM other", "NOPERM no"]);
    }

    #[test]
    fn what_waits_for_exec_is_not_obeyed_yet() {
        let (no, queued) = (error("ERR no file"), Value::Simple("QUEUED".to_owned()));
        check(&Awaited::Order("CONFIG REWRITE"), &[no.clone(), queued, no], &["ERR no file"]);
    }

    #[test]
    fn states_that_pass_are_no_refusals() {
        for text in ["LOADING", "MASTERDOWN Link", "BUSY running", "NODATA", "ERR anything"] {
            check(&Awaited::Ping, &[error(text)], &[]);
        }
        check(&Awaited::Order("SCRIPT KILL"), &[error("NOTBUSY No scripts")], &[]);
    }

    #[test]
    fn who_is_locked_out_hears_it_once_and_not_behind_a_wrong_password() {
        let mut refusals = Refusals::default();
        let name = Awaited::Order("CLIENT SETNAME");
        let mut note = |awaited: &Awaited, answer: &Value| {
            refusals.note(awaited.command().expect("it is one"), awaited, answer).is_some()
        };
        let locked = error("NOAUTH Authentication required.");
        assert_eq!([note(&name, &locked), note(&Awaited::Ping, &locked)], [true, false]);
        note(&Awaited::Ping, &Value::Simple("PONG".to_owned()));
        assert!(note(&Awaited::Order("AUTH"), &error("WRONGPASS invalid")));
        assert!(!note(&name, &locked));
    }

    #[test]
    fn no_password_is_told() {
        let reason = "ERR unknown command 'AUTH', with args beginning with: 'secret' ";
        check(&Awaited::Order("AUTH"), &[error(reason)], &["ERR unknown command 'AUTH'"]);
    }

    #[test]
    fn what_is_kept_of_a_reason_is_bounded() {
        let long = format!("NOPERM \u{1b}{}", "x".repeat(100_000));
        assert_eq!(shown(&long).len(), LONGEST);
        assert!(!shown(&long).contains('\u{1b}'));
    }
}
