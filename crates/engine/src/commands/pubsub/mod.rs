//! Publish and subscribe: SUBSCRIBE and its kin, PUBLISH, SPUBLISH, PUBSUB.
//!
//! Who listens is kept in [`crate::pubsub`]. A message is propagated as it
//! came, so that those who listen to replicas get it as well; nothing of it is
//! data.

use crate::call::Call;
use crate::command::{Command, Group, KeySpec, flag};
use crate::errors::CommandError;
use crate::fencing::HELLO;
use crate::pubsub::Kind;

mod introspection;
mod subscribing;

const LISTEN: u32 = flag::PUBSUB | flag::NOSCRIPT | flag::LOADING | flag::STALE | flag::PUSHES;
const TELL: u32 = flag::PUBSUB | flag::LOADING | flag::STALE | flag::FAST | flag::MAY_REPLICATE;
const LOOK: u32 = flag::PUBSUB | flag::LOADING | flag::STALE;

const SHARD_CHANNELS: &[KeySpec] = &[KeySpec::range(1, -1, &["not_key"])];
const SHARD_CHANNEL: &[KeySpec] = &[KeySpec::at(1, &["not_key"])];

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("subscribe", -2, subscribing::subscribe)
        .flags(LISTEN | flag::SENTINEL)
        .doc(Group::PubSub, "2.0.0", "Listens to channels.", "O(N), N being the number of channels")
        .syntax("channel..."),
    Command::new("unsubscribe", -1, subscribing::unsubscribe)
        .flags(LISTEN | flag::SENTINEL)
        .doc(
            Group::PubSub,
            "2.0.0",
            "Listens to channels, or to any channel, no more.",
            "O(N), N being the number of channels",
        )
        .syntax("[channel...]"),
    Command::new("psubscribe", -2, subscribing::psubscribe)
        .flags(LISTEN | flag::SENTINEL)
        .doc(
            Group::PubSub,
            "2.0.0",
            "Listens to all channels whose names match patterns.",
            "O(N), N being the number of patterns",
        )
        .syntax("pattern:pattern..."),
    Command::new("punsubscribe", -1, subscribing::punsubscribe)
        .flags(LISTEN | flag::SENTINEL)
        .doc(
            Group::PubSub,
            "2.0.0",
            "Listens by patterns, or by any pattern, no more.",
            "O(N), N being the number of patterns",
        )
        .syntax("[pattern:pattern...]"),
    Command::new("ssubscribe", -2, subscribing::ssubscribe)
        .flags(LISTEN)
        .keys(SHARD_CHANNELS)
        .doc(
            Group::PubSub,
            "7.0.0",
            "Listens to shard channels.",
            "O(N), N being the number of shard channels",
        )
        .syntax("shardchannel..."),
    Command::new("sunsubscribe", -1, subscribing::sunsubscribe)
        .flags(LISTEN)
        .keys(SHARD_CHANNELS)
        .doc(
            Group::PubSub,
            "7.0.0",
            "Listens to shard channels, or to any shard channel, no more.",
            "O(N), N being the number of shard channels",
        )
        .syntax("[shardchannel...]"),
    Command::new("publish", 3, publish)
        .flags(TELL | flag::SENTINEL)
        .doc(
            Group::PubSub,
            "2.0.0",
            "Sends a message to a channel.",
            "O(N + M), N being those who listen to the channel, M all patterns that anybody listens by",
        )
        .syntax("channel message"),
    Command::new("spublish", 3, spublish)
        .flags(TELL)
        .keys(SHARD_CHANNEL)
        .doc(
            Group::PubSub,
            "7.0.0",
            "Sends a message to a shard channel.",
            "O(N), N being those who listen to it",
        )
        .syntax("shardchannel message"),
    Command::container("pubsub", -2, SUBCOMMANDS).doc(
        Group::PubSub,
        "2.8.0",
        "Who listens to what.",
        "Depends on the subcommand",
    ),
];

const SUBCOMMANDS: &[Command] = &[
    Command::new("pubsub|channels", -2, introspection::channels)
        .flags(LOOK)
        .doc(
            Group::PubSub,
            "2.8.0",
            "Lists the channels that somebody listens to.",
            "O(N), N being the number of channels",
        )
        .syntax("[pattern:pattern]"),
    Command::new("pubsub|numpat", 2, introspection::numpat).flags(LOOK).doc(
        Group::PubSub,
        "2.8.0",
        "Tells how many different patterns somebody listens by.",
        "O(1)",
    ),
    Command::new("pubsub|numsub", -2, introspection::numsub)
        .flags(LOOK)
        .doc(
            Group::PubSub,
            "2.8.0",
            "Tells how many listen to each of some channels, those by patterns not counted.",
            "O(N), N being the number of channels",
        )
        .syntax("[channel...]"),
    Command::new("pubsub|shardchannels", -2, introspection::shardchannels)
        .flags(LOOK)
        .doc(
            Group::PubSub,
            "7.0.0",
            "Lists the shard channels that somebody listens to.",
            "O(N), N being the number of shard channels",
        )
        .syntax("[pattern:pattern]"),
    Command::new("pubsub|shardnumsub", -2, introspection::shardnumsub)
        .flags(LOOK)
        .doc(
            Group::PubSub,
            "7.0.0",
            "Tells how many listen to each of some shard channels.",
            "O(N), N being the number of shard channels",
        )
        .syntax("[shardchannel...]"),
    Command::new("pubsub|help", 2, introspection::help).flags(flag::LOADING | flag::STALE).doc(
        Group::PubSub,
        "6.2.0",
        "Lists the subcommands.",
        "O(1)",
    ),
];

fn publish(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.core.sentinel.is_some() {
        return call.core.publish_to_sentinel((&call.args[1], &call.args[2]), call.reply);
    }
    send(call, Kind::Channel)
}

fn spublish(call: &mut Call<'_>) -> Result<(), CommandError> {
    send(call, Kind::Shard)
}

fn send(call: &mut Call<'_>, kind: Kind) -> Result<(), CommandError> {
    let args = call.args;
    let reached = call.core.publish(kind, &args[1], &args[2]);
    if kind == Kind::Channel && &args[1] == HELLO {
        call.core.on_hello(call.session, &args[2]);
    }
    call.propagate_verbatim();
    call.reply.count(reached);
    Ok(())
}
