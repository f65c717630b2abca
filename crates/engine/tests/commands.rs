//! Every command as a script: request, reply, propagated bytes; see [`common::Script`].

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

mod commands {
    mod hashes;
    mod introspection;
    mod keys;
    mod lists;
    mod sets;
    mod sorted_sets;
    mod strings;
    mod transactions;
}
