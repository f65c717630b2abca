//! What happens to keys, by the names that keyspace notifications give it.
//!
//! An event has a class, which `notify-keyspace-events` selects by a letter,
//! and a name. Every change of a key is noted with its event
//! ([`Call::changed`](crate::call::Call::changed)), so that no command can
//! forget it. Each node tells its own: nothing of it travels in the log, and a
//! replica tells what it applies.

use crate::node::{Core, Phase};
use crate::pubsub::Kind;

/// One kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The bit of its class; 0 is never told.
    pub class: u16,
    /// Its name.
    pub name: &'static str,
}

/// The classes, as bits.
pub mod class {
    /// `g`: commands for any type.
    pub const GENERIC: u16 = 1;
    /// `$`
    pub const STRING: u16 = 1 << 1;
    /// `l`
    pub const LIST: u16 = 1 << 2;
    /// `s`
    pub const SET: u16 = 1 << 3;
    /// `h`
    pub const HASH: u16 = 1 << 4;
    /// `z`
    pub const SORTED_SET: u16 = 1 << 5;
    /// `x`: a key's time came.
    pub const EXPIRED: u16 = 1 << 6;
    /// `e`: a key made room.
    pub const EVICTED: u16 = 1 << 7;
    /// `t`
    pub const STREAM: u16 = 1 << 8;
    /// `m`: a read found no key.
    pub const MISS: u16 = 1 << 9;
    /// `d`: modules, of which there are none.
    pub const MODULE: u16 = 1 << 10;
    /// `n`: a key came to be.
    pub const NEW: u16 = 1 << 11;
    /// `K`: events are told on channels named by the key.
    pub const KEYSPACE: u16 = 1 << 12;
    /// `E`: events are told on channels named by the event.
    pub const KEYEVENT: u16 = 1 << 13;
    /// `A`: all but those that are much.
    pub const ALL: u16 =
        GENERIC | STRING | LIST | SET | HASH | SORTED_SET | EXPIRED | EVICTED | STREAM | MODULE;

    /// The letters, in the order in which Redis shows them.
    const LETTERS: [(char, u16); 15] = [
        ('A', ALL),
        ('g', GENERIC),
        ('$', STRING),
        ('l', LIST),
        ('s', SET),
        ('h', HASH),
        ('z', SORTED_SET),
        ('x', EXPIRED),
        ('e', EVICTED),
        ('t', STREAM),
        ('d', MODULE),
        ('n', NEW),
        ('K', KEYSPACE),
        ('E', KEYEVENT),
        ('m', MISS),
    ];

    /// The classes that letters select; `None` if one is no letter of a class.
    pub fn parse(letters: &str) -> Option<u16> {
        letters.chars().try_fold(0, |classes, letter| {
            let found = LETTERS.into_iter().find(|(known, _)| *known == letter);
            found.map(|(_, class)| classes | class)
        })
    }

    /// The letters of `classes`. As in Redis, `A` hides `n`.
    pub fn show(classes: u16) -> String {
        let has_all = classes & ALL == ALL;
        let is_shown = |letter: char, class: u16| match letter {
            'A' => has_all,
            'K' | 'E' | 'm' => classes & class != 0,
            _ => !has_all && classes & class != 0,
        };
        let shown = LETTERS.into_iter().filter(|(letter, class)| is_shown(*letter, *class));
        shown.map(|(letter, _)| letter).collect()
    }

    /// Whether anything is told where these are selected.
    pub(crate) fn tell_anything(classes: u16) -> bool {
        classes & (KEYSPACE | KEYEVENT) != 0 && classes & !(KEYSPACE | KEYEVENT) != 0
    }
}

const fn event(class: u16, name: &'static str) -> Event {
    Event { class, name }
}

macro_rules! events {
    ($($class:ident { $($constant:ident $name:literal)+ })+) => {
        $($(
            #[doc = concat!("`", $name, "`")]
            pub const $constant: Event = event(class::$class, $name);
        )+)+
    };
}

events! {
    GENERIC {
        COPY_TO "copy_to"
        DEL "del"
        EXPIRE "expire"
        MOVE_FROM "move_from"
        MOVE_TO "move_to"
        PERSIST "persist"
        RENAME_FROM "rename_from"
        RENAME_TO "rename_to"
        RESTORE "restore"
    }
    STRING {
        APPEND "append"
        INCRBY "incrby"
        INCRBYFLOAT "incrbyfloat"
        SET "set"
        SETBIT "setbit"
        SETRANGE "setrange"
        PFADD "pfadd"
    }
    LIST {
        LINSERT "linsert"
        LPOP "lpop"
        LPUSH "lpush"
        LREM "lrem"
        LSET "lset"
        LTRIM "ltrim"
        RPOP "rpop"
        RPUSH "rpush"
        SORTSTORE "sortstore"
    }
    SET {
        SADD "sadd"
        SDIFFSTORE "sdiffstore"
        SINTERSTORE "sinterstore"
        SPOP "spop"
        SREM "srem"
        SUNIONSTORE "sunionstore"
    }
    HASH {
        HDEL "hdel"
        HEXPIRE "hexpire"
        HEXPIRED "hexpired"
        HINCRBY "hincrby"
        HINCRBYFLOAT "hincrbyfloat"
        HPERSIST "hpersist"
        HSET "hset"
    }
    SORTED_SET {
        GEORADIUSSTORE "georadiusstore"
        GEOSEARCHSTORE "geosearchstore"
        ZADD "zadd"
        ZDIFFSTORE "zdiffstore"
        ZINCR "zincr"
        ZINTERSTORE "zinterstore"
        ZPOPMAX "zpopmax"
        ZPOPMIN "zpopmin"
        ZRANGESTORE "zrangestore"
        ZREM "zrem"
        ZREMRANGEBYLEX "zremrangebylex"
        ZREMRANGEBYRANK "zremrangebyrank"
        ZREMRANGEBYSCORE "zremrangebyscore"
        ZUNIONSTORE "zunionstore"
    }
    STREAM {
        XADD "xadd"
        XDEL "xdel"
        XGROUP_CREATE "xgroup-create"
        XGROUP_CREATECONSUMER "xgroup-createconsumer"
        XGROUP_DELCONSUMER "xgroup-delconsumer"
        XGROUP_DESTROY "xgroup-destroy"
        XGROUP_SETID "xgroup-setid"
        XSETID "xsetid"
        XTRIM "xtrim"
    }
    EXPIRED { EXPIRED "expired" }
    EVICTED { EVICTED "evicted" }
    MISS { KEYMISS "keymiss" }
    NEW { CREATED "new" }
}

/// A change that is told by no event.
pub const UNTOLD: Event = event(0, "");

impl Core {
    /// Tells whoever listens that something happened to `key`.
    #[cold]
    pub(crate) fn notify(&mut self, db: usize, key: &[u8], event: Event) {
        let classes = self.config.notify_keyspace_events;
        if classes & event.class == 0 || self.phase == Phase::Loading || self.is_replaying() {
            return;
        }
        let name = event.name.as_bytes();
        if classes & class::KEYSPACE != 0 {
            let channel = [format!("__keyspace@{db}__:").as_bytes(), key].concat();
            self.publish(Kind::Channel, &channel, name);
        }
        if classes & class::KEYEVENT != 0 {
            let channel = [format!("__keyevent@{db}__:").as_bytes(), name].concat();
            self.publish(Kind::Channel, &channel, key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::class::{parse, show};

    #[test]
    fn classes_are_shown_as_redis_shows_them() {
        for (letters, shown) in [
            ("", ""),
            ("KEA", "AKE"),
            ("Kg$lshzxetd", "AK"),
            ("AmnE", "AEm"),
            ("nEtgx", "gxtnE"),
            ("mK", "Km"),
            ("$$$", "$"),
        ] {
            assert_eq!(parse(letters).map(show).as_deref(), Some(shown), "{letters}");
        }
        assert_eq!(parse("KEy"), None);
    }
}
