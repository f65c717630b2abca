//! Scans that go on from call to call while everything changes: what is there all the time must be returned.

use std::collections::BTreeSet;

/// A scan under way.
#[derive(Default)]
pub(crate) struct Scan {
    cursor: u64,
    /// What was there at the first call and at each one since.
    stays: BTreeSet<Vec<u8>>,
    returned: BTreeSet<Vec<u8>>,
}

impl Scan {
    /// A scan that has not begun, of all of these.
    pub(crate) fn of(names: impl Iterator<Item = Vec<u8>>) -> Self {
        Scan { stays: names.collect(), ..Scan::default() }
    }

    /// One call: `call` gets the cursor and returns the next one; `is_there` says what is present.
    /// False when that was the last.
    pub(crate) fn step(
        &mut self,
        is_there: impl Fn(&[u8]) -> bool,
        call: impl FnOnce(u64, &mut dyn FnMut(Vec<u8>)) -> u64,
    ) -> bool {
        self.stays.retain(|name| is_there(name));
        let returned = &mut self.returned;
        self.cursor = call(self.cursor, &mut |name| {
            assert!(is_there(&name), "a scan returns what is not there");
            returned.insert(name);
        });
        assert!(self.cursor < 1 << 48, "clients get cursors of up to 48 bits");
        if self.cursor == 0 {
            let missed: Vec<_> = self.stays.difference(&self.returned).collect();
            assert!(missed.is_empty(), "a scan missed {} of {}", missed.len(), self.stays.len());
        }
        self.cursor != 0
    }
}
