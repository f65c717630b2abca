//! ACL LOG.
//! Refusals of late as maps, newest first. What is noted, and when two are one, is in [`crate::acl`].

use slipstream_resp::Reply;

use crate::acl::LogEntry;
use crate::call::{Call, integer};
use crate::errors::CommandError;

pub(super) fn log(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.args.len() > 3 {
        return Err(super::wrong_arguments(call));
    }
    if call.is_word(2, "RESET") {
        call.core.users.log.clear();
        call.reply.ok();
        return Ok(());
    }
    let count = call.args.get(2).map_or(Ok(10), integer)?;
    let count = usize::try_from(count).unwrap_or(0);
    let entries = call.core.users.log.iter().take(count);
    let reply = &mut *call.reply;
    reply.array(entries.len());
    for entry in entries {
        write(reply, entry, call.now.0);
    }
    Ok(())
}

fn write(reply: &mut Reply, entry: &LogEntry, now: i64) {
    let LogEntry { id, refusal, count, client, first, last } = entry;
    let to_i64 = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let texts: [(&str, &[u8]); 5] = [
        ("reason", refusal.reason.name().as_bytes()),
        ("context", refusal.context.name().as_bytes()),
        ("object", &refusal.object),
        ("username", &refusal.user),
        ("client-info", client.as_bytes()),
    ];
    let numbers =
        [("entry-id", to_i64(*id)), ("timestamp-created", *first), ("timestamp-last-updated", *last)];
    reply.map(10);
    write_number(reply, ("count", to_i64(*count)));
    for (name, text) in texts {
        if name == "client-info" {
            reply.bulk(b"age-seconds");
            #[expect(clippy::cast_precision_loss, reason = "millions of years are exact")]
            reply.double((now - last) as f64 / 1000.0);
        }
        reply.bulk(name.as_bytes());
        reply.bulk(text);
    }
    numbers.into_iter().for_each(|number| write_number(reply, number));
}

fn write_number(reply: &mut Reply, (name, number): (&str, i64)) {
    reply.bulk(name.as_bytes());
    reply.integer(number);
}
