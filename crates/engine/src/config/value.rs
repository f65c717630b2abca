//! A value on its way between a text and a field: what a [`Kind`] parses to, and how fields store it.
//!
//! Invariant: a row pairs a kind with a field whose type stores what that kind yields. A row that does not
//! is our own mistake; the test that sets every directive to its own value would panic.
//!
//! [`Kind`]: super::kind::Kind

use super::values::{
    AppendFsync, ChannelsByDefault, Compression, DisklessLoad, EvictionPolicy, LogLevel, OomScoreAdj,
    ProtectedAction, ShutdownHandover, ShutdownOn, VersionCheck,
};

/// A checked value of any kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Bool(bool),
    /// Wide enough for every integer field.
    Number(i128),
    Word(&'static str),
    Words(Vec<&'static str>),
    Bytes(Vec<u8>),
}

/// A type of field.
pub(super) trait Stored: Sized {
    fn load(&self) -> Value;
    fn store(value: Value) -> Self;
}

/// Words that stand for the values of a type.
pub(super) trait Named: Sized + Copy + PartialEq + 'static {
    const NAMES: &'static [(&'static str, Self)];
}

impl Named for LogLevel {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("debug", Self::Debug),
        ("verbose", Self::Verbose),
        ("notice", Self::Notice),
        ("warning", Self::Warning),
        ("nothing", Self::Nothing),
    ];
}

impl Named for ProtectedAction {
    const NAMES: &'static [(&'static str, Self)] =
        &[("no", Self::No), ("yes", Self::Yes), ("local", Self::Local)];
}

impl Named for ChannelsByDefault {
    const NAMES: &'static [(&'static str, Self)] =
        &[("allchannels", Self::All), ("resetchannels", Self::None)];
}

impl Named for AppendFsync {
    const NAMES: &'static [(&'static str, Self)] =
        &[("everysec", Self::EverySecond), ("always", Self::Always), ("no", Self::No)];
}

impl Named for ShutdownHandover {
    const NAMES: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("yes", Self::Yes), ("no", Self::No)];
}

impl Named for Compression {
    const NAMES: &'static [(&'static str, Self)] = &[("auto", Self::Auto), ("no", Self::No)];
}

impl Named for DisklessLoad {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("disabled", Self::Disabled),
        ("on-empty-db", Self::OnEmptyDb),
        ("swapdb", Self::Swapdb),
        ("flush-before-load", Self::FlushBeforeLoad),
        ("flushdb", Self::FlushBeforeLoad),
    ];
}

impl Named for OomScoreAdj {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("no", Self::No),
        ("yes", Self::Relative),
        ("relative", Self::Relative),
        ("absolute", Self::Absolute),
    ];
}

impl Named for VersionCheck {
    const NAMES: &'static [(&'static str, Self)] = &[("strict", Self::Strict), ("relaxed", Self::Relaxed)];
}

impl Named for EvictionPolicy {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("volatile-lru", Self::VolatileLru),
        ("volatile-lfu", Self::VolatileLfu),
        ("volatile-random", Self::VolatileRandom),
        ("volatile-ttl", Self::VolatileTtl),
        ("allkeys-lru", Self::AllKeysLru),
        ("allkeys-lfu", Self::AllKeysLfu),
        ("allkeys-random", Self::AllKeysRandom),
        ("noeviction", Self::NoEviction),
    ];
}

impl<T: Named> Stored for T {
    fn load(&self) -> Value {
        let name = T::NAMES.iter().find(|(_, value)| value == self).expect("every variant has a name").0;
        Value::Word(name)
    }

    fn store(value: Value) -> Self {
        match value {
            Value::Word(word) => T::NAMES.iter().find(|(name, _)| *name == word).map(|(_, value)| *value),
            _ => None,
        }
        .expect("a word of this type")
    }
}

impl Stored for bool {
    fn load(&self) -> Value {
        Value::Bool(*self)
    }

    fn store(value: Value) -> Self {
        match value {
            Value::Bool(yes) => yes,
            other => panic!("{other:?} is not yes or no"),
        }
    }
}

macro_rules! stored_numbers {
    ($($type:ty),*) => {$(
        impl Stored for $type {
            fn load(&self) -> Value {
                Value::Number(i128::try_from(*self).expect("no field is wider than 64 bits"))
            }

            fn store(value: Value) -> Self {
                match value {
                    Value::Number(number) => number.try_into().expect("the row's range fits the field"),
                    other => panic!("{other:?} is not a number"),
                }
            }
        }
    )*};
}

stored_numbers!(u16, u32, u64, usize, i32, i64);

impl Stored for Vec<u8> {
    fn load(&self) -> Value {
        Value::Bytes(self.clone())
    }

    fn store(value: Value) -> Self {
        match value {
            Value::Bytes(bytes) => bytes,
            other => panic!("{other:?} is not a text"),
        }
    }
}

impl Stored for String {
    fn load(&self) -> Value {
        Value::Bytes(self.clone().into_bytes())
    }

    fn store(value: Value) -> Self {
        Self::from_utf8(Vec::store(value)).expect("a text has been checked to be UTF-8")
    }
}

/// The empty text is no value.
impl Stored for Option<Vec<u8>> {
    fn load(&self) -> Value {
        Value::Bytes(self.clone().unwrap_or_default())
    }

    fn store(value: Value) -> Self {
        Some(Vec::store(value)).filter(|bytes| !bytes.is_empty())
    }
}

/// The empty text is no value.
impl Stored for Option<String> {
    fn load(&self) -> Value {
        Value::Bytes(self.clone().unwrap_or_default().into_bytes())
    }

    fn store(value: Value) -> Self {
        Some(String::store(value)).filter(|text| !text.is_empty())
    }
}

impl Stored for ShutdownOn {
    fn load(&self) -> Value {
        let words = [(self.save, "save"), (self.nosave, "nosave"), (self.now, "now"), (self.force, "force")];
        let set: Vec<_> = words.into_iter().filter(|(set, _)| *set).map(|(_, word)| word).collect();
        Value::Words(if set.is_empty() { vec!["default"] } else { set })
    }

    fn store(value: Value) -> Self {
        let Value::Words(words) = value else { panic!("{value:?} is not a list of words") };
        let has = |word| words.contains(&word);
        Self { save: has("save"), nosave: has("nosave"), now: has("now"), force: has("force") }
    }
}
