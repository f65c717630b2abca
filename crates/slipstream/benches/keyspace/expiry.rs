//! Active expiry: many keys due at one instant, and looks that find little or nothing.
//!
//! A step is what the server does between two looks at the clock: the longest is what a client may wait for.

use slipstream_keyspace::{Encoding, Keyspace, UnixMillis};

use super::SEED;
use super::page::Table;
use super::stopwatch::{Taken, calls, count};

const NOW: i64 = 1_700_000_000_000;
/// Keys that the server takes in one step.
const STEP: usize = 64;

pub(crate) fn run(due: usize, all: usize) {
    let mut table = Table::new(
        "active expiry, 64 keys a step",
        &["ns per due key", "longest step, µs", "on the processor"],
    );
    let title = format!("{due} keys due at one instant, and no others");
    measure(&mut table, &title, due, due, |keyspace| fill(keyspace, due, |_| 1));
    let title = format!("one in 100 of {all} keys due, all with deadlines");
    measure(&mut table, &title, all / 100, all, |keyspace| {
        fill(keyspace, all, |number| if number % 100 == 0 { 1 } else { 1_000_000 });
    });
    let title = format!("none of {all} keys due");
    measure(&mut table, &title, 0, all, |keyspace| fill(keyspace, all, |_| 1_000_000));
    let title = format!("none of {all} keys due, since their deadlines were put off");
    measure(&mut table, &title, 0, all, |keyspace| {
        fill(keyspace, all, |_| 1);
        put_off(keyspace, all);
    });
    table.print();
}

fn measure(table: &mut Table, title: &str, due: usize, all: usize, fill: impl FnOnce(&mut Keyspace)) {
    let mut keyspace = Keyspace::new(1, SEED, Encoding::default());
    fill(&mut keyspace);
    let database = keyspace.db_mut(0);
    assert_eq!(database.expires_len(), all);
    let mut gone = 0;
    let taken: Taken = calls(|| {
        let keys = database.take_due(UnixMillis(NOW + 10), STEP);
        gone += keys.len();
        database.may_be_due(UnixMillis(NOW + 10))
    });
    assert_eq!(gone, due);
    let [longest, on_processor] = taken.longest_micros();
    let each = if due == 0 { f64::NAN } else { taken.total_nanos() / count(due) };
    table.row(title, &[each, longest, on_processor]);
}

fn fill(keyspace: &mut Keyspace, keys: usize, ahead: impl Fn(usize) -> i64) {
    for number in 0..keys {
        let deadline = UnixMillis(NOW + ahead(number));
        let key = format!("key:{number:010}");
        keyspace.db_mut(0).set_string(key.as_bytes(), b"0123456789abcdef", Some(deadline), UnixMillis(NOW));
    }
}

/// What a session store does all the time: each access moves the key's deadline on.
fn put_off(keyspace: &mut Keyspace, keys: usize) {
    for number in 0..keys {
        let key = format!("key:{number:010}");
        assert!(keyspace.db_mut(0).set_deadline(key.as_bytes(), Some(UnixMillis(NOW + 1_000_000))));
    }
}
