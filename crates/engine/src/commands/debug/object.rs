//! DEBUG OBJECT, LISTPACK, HTSTATS: how one value, or one table, lies in memory.
//!
//! Looks without leaving a trace of the access.

use std::fmt::Write;

use slipstream_keyspace::{Fill, Value};

use super::BEFORE_ALL;
use crate::call::Call;
use crate::errors::CommandError;
use crate::host::Level;

/// Type, version and checksum of a DUMP payload: what it has beside the value.
const DUMP_FRAME: usize = 1 + 2 + 8;
/// The access clock that OBJECT shows has so many bits, in seconds.
const CLOCK_MASK: i64 = (1 << 24) - 1;

pub(super) fn object(call: &mut Call<'_>) -> Result<(), CommandError> {
    let key = &call.args[2];
    let database = call.db.keyspace.db(call.db.index);
    let value = database.peek(key, BEFORE_ALL).ok_or(CommandError::NO_SUCH_KEY)?;
    let length = slipstream_rdb::dump(&value, call.core.config.rdbcompression).len() - DUMP_FRAME;
    let idle = database.idle_seconds(key, call.now).unwrap_or(0);
    let touched = call.now.0.div_euclid(1000) - i64::try_from(idle).unwrap_or(0);
    let clock = touched & CLOCK_MASK;
    let encoding = value.encoding_name();
    // A value has no address of its own; whoever parses the line expects one.
    let address = &raw const value;
    let mut text = format!(
        "Value at:{address:p} refcount:1 encoding:{encoding} serializedlength:{length} lru:{clock} lru_seconds_idle:{idle}"
    );
    describe_chunks(&mut text, &value, call.core.config.list_max_listpack_size);
    call.reply.simple(&text);
    Ok(())
}

/// A list's chunks; none of them is ever compressed.
fn describe_chunks(text: &mut String, value: &Value<'_>, fill: i32) {
    let Value::List(list) = value else { return };
    if list.encoding_name() != "quicklist" {
        return;
    }
    let chunks = list.block_count();
    let bytes: usize = list.blocks().map(|block| block.byte_len()).sum();
    #[expect(clippy::cast_precision_loss, reason = "an average for people")]
    let average = list.len() as f64 / chunks.max(1) as f64;
    write!(
        text,
        " ql_nodes:{chunks} ql_avg_node:{average:.2} ql_listpack_max:{fill} ql_compressed:0 ql_uncompressed_size:{bytes}"
    )
    .expect("a String takes everything");
}

pub(super) fn listpack(call: &mut Call<'_>) -> Result<(), CommandError> {
    let value = call.db.keyspace.db(call.db.index).peek(&call.args[2], call.now);
    let value = value.ok_or(CommandError::NO_SUCH_KEY)?;
    let packed = match &value {
        Value::List(list) => list.packed(),
        Value::Set(set) => set.packed(),
        Value::Hash(hash) => hash.packed(),
        Value::SortedSet(set) => set.packed(),
        Value::String(_) | Value::Stream(_) => None,
    };
    let packed = packed.ok_or(CommandError::fixed("ERR Not a listpack encoded object."))?;
    let mut text = format!("listpack: {} bytes, {} elements:", packed.byte_len(), packed.len());
    for item in packed.iter() {
        text.push(' ');
        crate::commands::monitor::quote(&mut text, item.bytes(&mut itoa::Buffer::new()));
    }
    call.core.notice(Level::Notice, &text);
    call.reply.simple("Listpack structure written to the log");
    Ok(())
}

pub(super) fn htstats(call: &mut Call<'_>) -> Result<(), CommandError> {
    let index = usize::try_from(call.integer(2)?).ok().filter(|index| *index < call.db.keyspace.databases());
    let index = index.ok_or(CommandError::fixed("ERR Out of range database"))?;
    let database = call.db.keyspace.db(index);
    let mut text = String::from("[Dictionary HT]\n");
    describe_fill(&mut text, &database.fill(), is_full(call));
    writeln!(text, "[Expires HT]\nDeadlines lie beside their keys: {}", database.expires_len())
        .expect("a String takes everything");
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

pub(super) fn htstats_key(call: &mut Call<'_>) -> Result<(), CommandError> {
    let value = call.db.keyspace.db(call.db.index).peek(&call.args[2], call.now);
    let fill = value.ok_or(CommandError::NO_SUCH_KEY)?.fill().ok_or(CommandError::fixed(
        "ERR The value stored at the specified key is not represented using an hash table",
    ))?;
    let mut text = String::new();
    describe_fill(&mut text, &fill, is_full(call));
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn is_full(call: &Call<'_>) -> bool {
    call.is_word(3, "FULL")
}

/// With `full` also how many segments hold how many entries, in eighths of a segment.
fn describe_fill(text: &mut String, fill: &Fill, full: bool) {
    let entries: usize = fill.entries.iter().sum();
    if entries == 0 {
        text.push_str("No stats available for empty dictionaries\n");
        return;
    }
    let segments = fill.entries.len();
    let (least, most) = (fill.entries.iter().min().unwrap_or(&0), fill.entries.iter().max().unwrap_or(&0));
    let mut lines = format!(
        "Hash table 0 stats (main hash table):\n table size: {}\n number of elements: {entries}\n segments: {segments} of {} slots\n elements per segment: {least} to {most}, {} on average\n",
        segments * fill.capacity,
        fill.capacity,
        entries / segments,
    );
    if full {
        let step = (fill.capacity / 8).max(1);
        for low in (0..=fill.capacity).step_by(step) {
            let count = fill.entries.iter().filter(|entries| (low..low + step).contains(entries)).count();
            if count > 0 {
                writeln!(lines, "   {low} to {}: {count}", low + step - 1)
                    .expect("a String takes everything");
            }
        }
    }
    text.push_str(&lines);
}
