//! Every command as a script: request, reply, propagated bytes; see [`script::Script`].

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod script;

mod commands {
    mod acl;
    mod bitmaps;
    mod blocking;
    mod busy;
    mod client;
    mod cluster;
    mod debug;
    mod directives;
    mod durability;
    mod empty_start;
    mod events;
    mod expiring;
    mod failover;
    mod fencing;
    mod field_expiry;
    mod following;
    mod functions;
    mod geo;
    mod guard;
    mod hashes;
    mod hyperloglog;
    mod introspection;
    mod keys;
    mod limits;
    mod lists;
    mod loading;
    mod memory;
    mod migrating;
    mod pipelines;
    mod pubsub;
    mod remembering;
    mod replaying;
    mod restoring;
    mod returning;
    mod saving;
    mod scripting;
    mod sentinel;
    mod serving;
    mod sets;
    mod short_start;
    mod shutdown;
    mod sorted_sets;
    mod stream_groups;
    mod streams;
    mod strings;
    mod tracking;
    mod transactions;
    mod trusted_reads;
    mod verifying;
    mod watching;
}
