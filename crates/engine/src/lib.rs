//! One node: sessions, command table, dispatch, commands, propagation.
