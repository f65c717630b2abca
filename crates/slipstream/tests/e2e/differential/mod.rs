//! The same random commands to Slipstream and to real peers: equal replies, equal streams, equal data.
//!
//! [`alone`] is one client with the commands of every type; [`company`] are several at once, of which some wait, one
//! listens and one keeps what it read. Where Redis promises no order replies are compared without one. Left out is what
//! is random by its nature, what depends on the moment (relative expiry), and OBJECT ENCODING, since Redis 7.0 has
//! other encodings than 7.2, which Slipstream follows. `SLIPSTREAM_SEED` plays another game.

mod alone;
mod company;
mod families;
mod words;
