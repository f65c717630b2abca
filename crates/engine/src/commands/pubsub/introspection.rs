//! PUBSUB: which channels somebody listens to, and how many do.
//!
//! Only this node is asked: subscribers of its replicas are theirs.

use slipstream_resp::reply::Aggregate;

use crate::call::Call;
use crate::errors::CommandError;
use crate::glob::{self, Case};
use crate::pubsub::Kind;

pub(super) fn channels(call: &mut Call<'_>) -> Result<(), CommandError> {
    list(call, Kind::Channel)
}

pub(super) fn shardchannels(call: &mut Call<'_>) -> Result<(), CommandError> {
    list(call, Kind::Shard)
}

pub(super) fn numsub(call: &mut Call<'_>) -> Result<(), CommandError> {
    count_each(call, Kind::Channel)
}

pub(super) fn shardnumsub(call: &mut Call<'_>) -> Result<(), CommandError> {
    count_each(call, Kind::Shard)
}

pub(super) fn numpat(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.reply.count(call.core.pubsub.count(Kind::Pattern));
    Ok(())
}

pub(super) fn help(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.help(&[
        "CHANNELS [<pattern>]",
        "    The channels that somebody listens to; with <pattern> those that match.",
        "NUMPAT",
        "    How many different patterns somebody listens by.",
        "NUMSUB [<channel> ...]",
        "    How many listen to each <channel>, those by patterns not counted.",
        "SHARDCHANNELS [<pattern>]",
        "    The shard channels that somebody listens to; with <pattern> those that match.",
        "SHARDNUMSUB [<shardchannel> ...]",
        "    How many listen to each <shardchannel>.",
    ]);
    Ok(())
}

fn list(call: &mut Call<'_>, kind: Kind) -> Result<(), CommandError> {
    let args = call.args;
    if args.len() > 3 {
        return Err(CommandError::unknown_subcommand_or_arguments("pubsub", &args[1]));
    }
    let pattern = args.get(2);
    let core = &*call.core;
    call.reply.deferred(Aggregate::Array, |reply| {
        let matches =
            |name: &&[u8]| pattern.is_none_or(|pattern| glob::matches(pattern, name, Case::Sensitive));
        let listed = core.pubsub.names(kind).filter(matches);
        Ok(listed.map(|name| reply.bulk(name)).count())
    })
}

fn count_each(call: &mut Call<'_>, kind: Kind) -> Result<(), CommandError> {
    let names = call.args.from(2);
    call.reply.array(2 * names.len());
    for name in names.iter() {
        call.reply.bulk(name);
        call.reply.count(call.core.pubsub.listeners(kind, name));
    }
    Ok(())
}
