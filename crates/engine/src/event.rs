//! What happens to keys, by the names that keyspace notifications give it.
//!
//! An event has a class, which `notify-keyspace-events` selects by a letter,
//! and a name. Every change of a key is noted with its event
//! ([`Call::changed`](crate::call::Call::changed)), so that no command can
//! forget it.

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
}

/// A change that is told by no event.
pub const UNTOLD: Event = event(0, "");
