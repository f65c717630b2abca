//! What has come of replies that are not whole yet, over all lines of one sentinel.
//! Each line has a limit of its own; this is the one for their sum, so that many lines cannot take what one may.

use std::collections::BTreeMap;

use crate::action::LineId;

/// Bytes of all together.
const MOST: usize = 64 << 20;

/// Bytes by line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unfinished {
    by_line: BTreeMap<LineId, usize>,
    total: usize,
}

impl Unfinished {
    /// So many bytes of this line wait for more.
    pub(crate) fn note(&mut self, line: LineId, bytes: usize) {
        self.forget(line);
        if bytes > 0 {
            self.by_line.insert(line, bytes);
            self.total += bytes;
        }
    }

    /// None of this line does.
    pub(crate) fn forget(&mut self, line: LineId) {
        self.total -= self.by_line.remove(&line).unwrap_or(0);
    }

    /// The line that holds most, while all together hold too much.
    pub(crate) fn excess(&self) -> Option<LineId> {
        let largest = || self.by_line.iter().max_by_key(|(_, bytes)| **bytes).map(|(line, _)| *line);
        if self.total > MOST { largest() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_holds_most_gives_way() {
        let mut unfinished = Unfinished::default();
        for line in 0..16 {
            unfinished.note(LineId(line), 4 << 20);
            assert_eq!(unfinished.excess(), None);
        }
        unfinished.note(LineId(16), 100);
        unfinished.note(LineId(7), (4 << 20) + 1);
        assert_eq!(unfinished.excess(), Some(LineId(7)));
        unfinished.forget(LineId(7));
        assert_eq!(unfinished.excess(), None);
    }
}
