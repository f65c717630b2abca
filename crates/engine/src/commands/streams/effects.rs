//! What changes of a consumer group are propagated as.
//!
//! Each entry that comes to a consumer is an XCLAIM that can be repeated, as Redis sends it; how far the group
//! has come is an XGROUP SETID, as Valkey sends it also where entries are to be acknowledged, since XCLAIM tells
//! nothing of how many were read. A consumer that got nothing is told by itself: every copy has the same ones.
//! Nothing here allocates: XREADGROUP passes here for each entry.

use slipstream_keyspace::{ConsumerId, Delivery, Group, StreamId, UnixMillis};

use super::ids::IdText;
use crate::node::Core;

/// The group that effects are on.
#[derive(Clone, Copy)]
pub(super) struct Effects<'a> {
    pub(super) db: usize,
    pub(super) key: &'a [u8],
    pub(super) group: &'a [u8],
}

impl Effects<'_> {
    /// An entry is pending with `consumer`; `last` is the group's last id.
    pub(super) fn claim(
        self,
        core: &mut Core,
        consumer: &[u8],
        (id, delivery): (StreamId, Delivery),
        last: StreamId,
    ) {
        let (id, last) = (IdText::new(id), IdText::new(last));
        let (mut time, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
        let words: [&[u8]; 14] = [
            b"XCLAIM",
            self.key,
            self.group,
            consumer,
            b"0",
            id.as_bytes(),
            b"TIME",
            time.format(delivery.time.0).as_bytes(),
            b"RETRYCOUNT",
            count.format(delivery.count).as_bytes(),
            b"FORCE",
            b"JUSTID",
            b"LASTID",
            last.as_bytes(),
        ];
        self.push(core, &words);
    }

    /// The group has come so far.
    pub(super) fn position(self, core: &mut Core, group: &Group) {
        let last = IdText::new(group.last_id());
        let mut count = itoa::Buffer::new();
        let count = match group.entries_read() {
            Some(read) => count.format(read),
            None => "-1",
        };
        let words: [&[u8]; 7] =
            [b"XGROUP", b"SETID", self.key, self.group, last.as_bytes(), b"ENTRIESREAD", count.as_bytes()];
        self.push(core, &words);
    }

    /// There is a new consumer.
    pub(super) fn consumer(self, core: &mut Core, name: &[u8]) {
        self.push(core, &[b"XGROUP", b"CREATECONSUMER", self.key, self.group, name]);
    }

    fn push(self, core: &mut Core, words: &[&[u8]]) {
        if core.log_takes_effects() {
            core.propagation.push(self.db, words.iter().copied());
        }
    }
}

/// The consumer that a command speaks for, which is seen thereby, and whether it is new.
pub(super) fn see_consumer(group: &mut Group, name: &[u8], now: UnixMillis) -> (ConsumerId, bool) {
    if let Some(known) = group.consumer_named(name) {
        group.set_seen(known, now);
        return (known, false);
    }
    let new = group.add_consumer(name, now, None).expect("no other has the name");
    (new, true)
}
