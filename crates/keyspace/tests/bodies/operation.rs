//! Operations on a keyspace, read from any bytes.
//!
//! Every byte string is a list of operations: a fuzzer varies the bytes, the model test draws them from a seed.
//! Bytes that end early count as zeros.

/// Bytes to draw choices from.
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Input(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }
}

/// Lengths at which something changes its form, for keys and values alike.
const LENGTHS: [usize; 24] = [
    0, 1, 8, 20, 21, 22, 23, 44, 45, 64, 65, 253, 254, 255, 256, 400, 447, 448, 460, 511, 512, 520, 1024,
    1025,
];
const HUGE: usize = 70 * 1024;
/// What is stored as an integer, and what only looks like one.
const NUMBERS: [&str; 14] = [
    "0",
    "-1",
    "127",
    "128",
    "4095",
    "4096",
    "32768",
    "-8388609",
    "2147483648",
    "9223372036854775807",
    "-9223372036854775808",
    "007",
    "+1",
    "1.5",
];
/// Keys that operations choose from one by one; a few of them are as long as values get.
const KEYS: usize = 14;
/// How many keys or elements one operation adds or removes.
const RUNS: [usize; 10] = [1, 2, 7, 28, 57, 113, 129, 130, 200, 400];

/// How much active expiry may take at once.
const LIMITS: [usize; 5] = [0, 1, 3, 64, 1000];

/// A key of one of the databases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) db: usize,
    pub(crate) key: Vec<u8>,
}

/// One thing that happens to a keyspace.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Look(Place),
    SetString(Place, Vec<u8>, Option<i64>),
    Insert(Place, Kind, Option<i64>),
    Replace(Place, Kind),
    Remove(Place),
    SetDeadline(Place, Option<i64>),
    /// Makes the value if there is none of this kind under the key.
    Edit(Place, Edit),
    /// To another key, as RENAME and MOVE do.
    Move(Place, Place),
    Copy(Place, Place),
    /// So many numbered keys from a number on, each with a value of this length.
    Fill {
        db: usize,
        run: Run,
        length: usize,
        deadline: Option<i64>,
    },
    Drain {
        db: usize,
        run: Run,
    },
    TakeDue {
        db: usize,
        limit: usize,
    },
    TakeDueFields {
        db: usize,
        limit: usize,
    },
    Advance(i64),
    Clear(usize),
    ClearAll,
    Swap(usize, usize),
    Snapshot,
    /// Compares a snapshot with what was there when it was taken, and keeps it.
    Compare(usize),
    /// Compares it on another thread, which drops it.
    Send(usize),
    Forget(usize),
    /// One step of a scan of the keys that goes on from call to call.
    Scan {
        db: usize,
        count: usize,
    },
    /// The same of the elements under a key.
    ScanWithin(Place, usize),
    RandomKey(usize),
    CompareAll,
}

/// What a value is made from.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Plain(Vec<u8>),
    Raw(Vec<u8>),
    List(Run),
    Set(Run),
    Hash(Run),
    SortedSet(Run),
}

/// Numbered keys or elements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) from: u16,
    pub(crate) count: usize,
}

/// A change within one value. Positions are taken modulo the length.
#[derive(Clone, Debug)]
pub(crate) enum Edit {
    Append(Vec<u8>),
    SetRange(usize, Vec<u8>),
    SetInt(i64),
    PushFront(Run),
    PushBack(Run),
    PopFront,
    PopBack,
    SetAt(usize, Vec<u8>),
    InsertAt(usize, Vec<u8>),
    RemoveRange(usize, usize),
    RemoveEqual(Vec<u8>, usize, bool),
    AddMembers(Run),
    RemoveMembers(Run),
    PopMember,
    SetFields(Run, Vec<u8>),
    RemoveFields(Run),
    SetFieldDeadline(Vec<u8>, Option<i64>),
    TakeDueFields,
    SetScores(Run, f64),
    RemoveScores(Run),
    RemoveRanks(usize, usize),
}

impl Operation {
    /// The next operation; the input is not empty.
    pub(crate) fn read(input: &mut Input<'_>) -> Operation {
        match input.byte() % 64 {
            0..4 => Operation::Look(place(input)),
            4..9 => Operation::SetString(place(input), text(input), deadline(input)),
            9..13 => Operation::Insert(place(input), kind(input), deadline(input)),
            13 => Operation::Replace(place(input), kind(input)),
            14..17 => Operation::Remove(place(input)),
            17..19 => Operation::SetDeadline(place(input), deadline(input)),
            19..38 => Operation::Edit(place(input), edit(input)),
            38..40 => Operation::Move(place(input), place(input)),
            40 => Operation::Copy(place(input), place(input)),
            41..43 => {
                let (db, run) = (input.below(2), run(input));
                Operation::Fill { db, run, length: input.pick(&LENGTHS), deadline: deadline(input) }
            }
            43..45 => Operation::Drain { db: input.below(2), run: run(input) },
            45 => Operation::TakeDue { db: input.below(2), limit: input.pick(&LIMITS) },
            46 => Operation::TakeDueFields { db: input.below(2), limit: input.pick(&LIMITS) },
            47..50 => Operation::Advance(input.pick(&[1, 10, 100, 1000])),
            50 => scarce(input, Operation::Clear(0), Operation::Clear(1)),
            51 => scarce(input, Operation::ClearAll, Operation::Swap(0, 1)),
            52..55 => Operation::Snapshot,
            55 => Operation::Compare(input.below(4)),
            56 => Operation::Send(input.below(4)),
            57 => Operation::Forget(input.below(4)),
            58..60 => Operation::Scan { db: input.below(2), count: input.pick(&[1, 10, 100]) },
            60..62 => Operation::ScanWithin(place(input), input.pick(&[1, 10, 100])),
            62 => Operation::RandomKey(input.below(2)),
            _ => Operation::CompareAll,
        }
    }
}

/// What empties databases is rarer than all else, or they never fill.
fn scarce(input: &mut Input<'_>, one: Operation, other: Operation) -> Operation {
    match input.byte() {
        0..40 => one,
        40..80 => other,
        _ => Operation::CompareAll,
    }
}

fn place(input: &mut Input<'_>) -> Place {
    let choice = input.below(2 * KEYS);
    Place { db: choice / KEYS, key: key(choice % KEYS) }
}

/// One of the keys that operations choose from.
fn key(number: usize) -> Vec<u8> {
    let length = match number {
        0 => 0,
        1 => 1,
        2..10 => 6,
        10 => 22,
        11 => 255,
        12 => 500,
        _ => HUGE,
    };
    filler(number, length)
}

/// The key of this number among those that are added and removed in runs.
pub(crate) fn numbered_key(number: u16) -> Vec<u8> {
    format!("key:{number}").into_bytes()
}

/// The element of this number: an integer, a short word, a long one.
pub(crate) fn element(number: u16) -> Vec<u8> {
    match number % 8 {
        0..3 => number.to_string().into_bytes(),
        3 => format!("-{number}00000000").into_bytes(),
        4..7 => format!("member:{number}").into_bytes(),
        _ if number < 300 => format!("member:{number}").into_bytes(),
        _ => format!("{number}:{}", "x".repeat(64)).into_bytes(),
    }
}

pub(crate) fn filler(salt: usize, length: usize) -> Vec<u8> {
    let letter = b"abcdefghijklmnopqrstuvwxyz"[salt % 26];
    let mut bytes = vec![letter; length];
    if let Some(last) = bytes.last_mut() {
        *last = b'!';
    }
    bytes
}

fn text(input: &mut Input<'_>) -> Vec<u8> {
    match input.byte() {
        0..60 => input.pick(&NUMBERS).as_bytes().to_vec(),
        60..64 => filler(input.below(26), HUGE),
        other => filler(other.into(), input.pick(&LENGTHS)),
    }
}

fn deadline(input: &mut Input<'_>) -> Option<i64> {
    let ahead = input.pick(&[None, None, None, Some(0), Some(5), Some(50), Some(500), Some(5000)]);
    ahead.map(|ahead| ahead + i64::from(input.byte() % 16))
}

fn run(input: &mut Input<'_>) -> Run {
    // Runs overlap, so that what is removed was added as a rule.
    Run { from: input.word() % 600, count: input.pick(&RUNS) }
}

/// Mostly one element at a time, whose value may be anything.
fn short_run(input: &mut Input<'_>) -> Run {
    let run = run(input);
    if input.byte() < 128 { Run { count: 1, ..run } } else { run }
}

fn kind(input: &mut Input<'_>) -> Kind {
    match input.byte() % 8 {
        0..2 => Kind::Plain(text(input)),
        2 => Kind::Raw(text(input)),
        3 => Kind::List(run(input)),
        4 => Kind::Set(run(input)),
        5 => Kind::Hash(run(input)),
        _ => Kind::SortedSet(run(input)),
    }
}

fn edit(input: &mut Input<'_>) -> Edit {
    match input.byte() % 32 {
        0..2 => Edit::Append(text(input)),
        2..4 => Edit::SetRange(usize::from(input.word() % 600), text(input)),
        4 => Edit::SetInt(i64::from(input.word()) << input.below(48)),
        5..7 => Edit::PushFront(short_run(input)),
        7..9 => Edit::PushBack(short_run(input)),
        9 => Edit::PopFront,
        10 => Edit::PopBack,
        11 => Edit::SetAt(input.word().into(), text(input)),
        12 => Edit::InsertAt(input.word().into(), text(input)),
        13 => Edit::RemoveRange(input.word().into(), input.pick(&RUNS)),
        14 => Edit::RemoveEqual(element(input.word() % 600), input.pick(&[1, 2, 1000]), input.byte() < 128),
        15..18 => Edit::AddMembers(short_run(input)),
        18..20 => Edit::RemoveMembers(short_run(input)),
        20 => Edit::PopMember,
        21..23 => Edit::SetFields(short_run(input), text(input)),
        23..25 => Edit::RemoveFields(short_run(input)),
        25 => Edit::SetFieldDeadline(element(input.word() % 64), deadline(input)),
        26 => Edit::TakeDueFields,
        27..29 => Edit::SetScores(short_run(input), score(input)),
        29..31 => Edit::RemoveScores(short_run(input)),
        _ => Edit::RemoveRanks(input.word().into(), input.pick(&RUNS)),
    }
}

fn score(input: &mut Input<'_>) -> f64 {
    match input.byte() {
        0 => f64::INFINITY,
        1 => f64::NEG_INFINITY,
        2 => -0.0,
        3 => 0.1,
        other => f64::from(i16::from(other) - 128),
    }
}
