//! Debug: where the turns of the loop go.
//!
//! The append-only file is written by a thread of its own: what it takes here is handing over.

use super::{Fields, Subject};

pub(super) fn debug(subject: &Subject<'_>, fields: &mut Fields) {
    let stats = &subject.core.stats;
    fields.add("eventloop_duration_aof_sum", stats.aof_micros);
    fields.add("eventloop_duration_cron_sum", stats.cron_micros);
    fields.add("eventloop_duration_max", stats.longest_turn_micros);
    fields.add("eventloop_cmd_per_cycle_max", stats.most_commands_in_turn);
}
