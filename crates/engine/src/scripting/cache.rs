//! The scripts that EVALSHA finds, by the SHA-1 of their text.
//!
//! Those of SCRIPT LOAD stay until SCRIPT FLUSH. Of those that only EVAL brought, the ones used last are kept,
//! so that clients which put their arguments into the text do not fill the memory.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use sha1_smol::Sha1;
use slipstream_scripting::{Flags, Program};

/// How many scripts of EVAL are kept.
const MAX_EVALED: usize = 500;

type Digest = [u8; 20];

/// A compiled script.
#[derive(Debug)]
pub(crate) struct Script {
    /// Its digest in hexadecimal digits.
    pub(crate) name: String,
    /// What its shebang declares; `None` if it has none.
    pub(crate) flags: Option<Flags>,
    pub(crate) program: Program,
    body: Box<[u8]>,
    digest: Digest,
    /// The number of the run that it was last looked up for.
    used: Cell<u64>,
}

/// How a script came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// By EVAL.
    Evaled,
    /// By SCRIPT LOAD.
    Loaded,
}

/// All that are known.
#[derive(Debug, Default)]
pub(crate) struct Scripts {
    by_digest: BTreeMap<Digest, Rc<Script>>,
    /// Those that only EVAL brought.
    evaled: Vec<Rc<Script>>,
    /// The one that was looked up last: the same again costs no digest.
    last: Option<Rc<Script>>,
    lookups: u64,
    evicted: u64,
}

impl Scripts {
    /// The script of this text.
    pub(crate) fn by_body(&mut self, body: &[u8]) -> Option<Rc<Script>> {
        if let Some(last) = self.last.as_ref().filter(|last| *last.body == *body) {
            return Some(Rc::clone(last));
        }
        self.found(&Sha1::from(body).digest().bytes())
    }

    /// The script with this digest, in hexadecimal digits.
    pub(crate) fn by_digest(&mut self, digits: &[u8]) -> Option<Rc<Script>> {
        if let Some(last) = self.last.as_ref().filter(|last| last.name.as_bytes() == digits) {
            return Some(Rc::clone(last));
        }
        self.found(&parse(digits)?)
    }

    fn found(&mut self, digest: &Digest) -> Option<Rc<Script>> {
        let script = self.by_digest.get(digest)?;
        self.lookups += 1;
        script.used.set(self.lookups);
        self.last = Some(Rc::clone(script));
        Some(Rc::clone(script))
    }

    /// Whether there is one with this digest.
    pub(crate) fn contains(&self, digits: &[u8]) -> bool {
        parse(digits).is_some_and(|digest| self.by_digest.contains_key(&digest))
    }

    /// Takes in a script that was not known.
    pub(crate) fn add(
        &mut self,
        body: &[u8],
        flags: Option<Flags>,
        program: Program,
        origin: Origin,
    ) -> Rc<Script> {
        self.lookups += 1;
        let sum = Sha1::from(body).digest();
        let (name, digest) = (sum.to_string(), sum.bytes());
        let script = Rc::new(Script {
            name,
            flags,
            program,
            body: body.into(),
            digest,
            used: Cell::new(self.lookups),
        });
        self.by_digest.insert(digest, Rc::clone(&script));
        if origin == Origin::Evaled {
            self.make_room();
            self.evaled.push(Rc::clone(&script));
        }
        self.last = Some(Rc::clone(&script));
        script
    }

    /// SCRIPT LOAD asks for a script that EVAL may have brought: it stays.
    pub(crate) fn keep(&mut self, script: &Rc<Script>) {
        self.evaled.retain(|known| !Rc::ptr_eq(known, script));
    }

    fn make_room(&mut self) {
        if self.evaled.len() < MAX_EVALED {
            return;
        }
        let oldest = (0..self.evaled.len()).min_by_key(|&index| self.evaled[index].used.get());
        if let Some(index) = oldest {
            let script = self.evaled.swap_remove(index);
            self.by_digest.remove(&script.digest);
            self.evicted += 1;
        }
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.by_digest.len()
    }

    /// How many made room for others.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Bytes that they take, without what the interpreter holds of them.
    pub(crate) fn memory(&self) -> usize {
        let texts: usize = self.by_digest.values().map(|script| script.body.len() + script.name.len()).sum();
        texts + self.len() * (size_of::<Script>() + size_of::<Digest>() + size_of::<Rc<Script>>())
    }

    /// Forgets all; what was evicted stays counted.
    pub(crate) fn clear(&mut self) {
        *self = Scripts { evicted: self.evicted, ..Scripts::default() };
    }
}

fn parse(digits: &[u8]) -> Option<Digest> {
    let mut digest = [0; 20];
    if digits.len() != 2 * digest.len() {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use slipstream_scripting::{Interpreter, Purpose};

    use super::*;

    fn add(scripts: &mut Scripts, interpreter: &mut Interpreter, body: &str, origin: Origin) -> Rc<Script> {
        let program = interpreter.compile(body.as_bytes()).unwrap();
        scripts.add(body.as_bytes(), None, program, origin)
    }

    #[test]
    fn a_script_is_found_by_its_text_and_by_its_digest_in_any_case() {
        let (mut scripts, mut interpreter) = (Scripts::default(), Interpreter::new(Purpose::Scripts, 1));
        add(&mut scripts, &mut interpreter, "return 1", Origin::Loaded);
        add(&mut scripts, &mut interpreter, "return 2", Origin::Loaded);
        let digits = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
        assert!(scripts.contains(digits.as_bytes()));
        for found in [
            scripts.by_body(b"return 1"),
            scripts.by_digest(digits.as_bytes()),
            scripts.by_digest(digits.to_uppercase().as_bytes()),
        ] {
            assert_eq!(found.unwrap().name, digits);
        }
        assert!(scripts.by_body(b"return 3").is_none());
        assert!(scripts.by_digest(b"e0").is_none());
        assert!(scripts.by_digest(&[b'g'; 40]).is_none());
    }

    #[test]
    fn of_scripts_that_were_evaled_those_used_last_stay() {
        let (mut scripts, mut interpreter) = (Scripts::default(), Interpreter::new(Purpose::Scripts, 1));
        let loaded = add(&mut scripts, &mut interpreter, "return 'loaded'", Origin::Loaded);
        let kept = add(&mut scripts, &mut interpreter, "return 'kept'", Origin::Evaled);
        scripts.keep(&kept);
        let body = |number: usize| format!("return {number}");
        for number in 0..MAX_EVALED {
            add(&mut scripts, &mut interpreter, &body(number), Origin::Evaled);
        }
        assert!(scripts.by_body(body(0).as_bytes()).is_some());
        add(&mut scripts, &mut interpreter, "return 'new'", Origin::Evaled);
        for (text, expected) in [(body(0), true), (body(1), false), (body(2), true)] {
            assert_eq!(scripts.by_body(text.as_bytes()).is_some(), expected, "{text}");
        }
        assert!(scripts.contains(loaded.name.as_bytes()) && scripts.contains(kept.name.as_bytes()));
        assert_eq!((scripts.len(), scripts.evicted()), (MAX_EVALED + 2, 1));
    }
}
