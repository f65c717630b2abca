//! Sentinel: what a sentinel watches, and how it is.
//! The fields and their order are those of Redis, which monitoring reads.

use super::{Fields, Subject};

pub(super) fn sentinel(subject: &Subject<'_>, fields: &mut Fields) {
    let Some(sentinel) = &subject.core.sentinel else { return };
    for (name, value) in sentinel.info(subject.core.clock.moment()) {
        fields.add(&name, value);
    }
}
