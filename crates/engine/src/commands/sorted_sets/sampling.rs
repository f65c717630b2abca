//! Members by chance and step by step: ZRANDMEMBER, ZSCAN.
//!
//! Reads only, so chance never reaches the log.

use slipstream_keyspace::{Item, ScoreFormat, write_score};
use slipstream_resp::Reply;
use slipstream_resp::number::write_f64;

use super::{announce, read, write_member};
use crate::call::Call;
use crate::command::{Command, Group, READ_KEY, flag};
use crate::commands::scan::{self, ScanOptions};
use crate::commands::{elements, sampling};
use crate::errors::CommandError;

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("zrandmember", -2, zrandmember)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .tips(&["nondeterministic_output"])
        .doc(
            Group::SortedSet,
            "6.2.0",
            "Returns members chosen by chance.",
            "O(N), N being the number of members returned",
        )
        .syntax("key options:[count:integer [WITHSCORES]]"),
    Command::new("zscan", -3, zscan)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .tips(&["nondeterministic_output"])
        .doc(
            Group::SortedSet,
            "2.8.0",
            "Returns members and scores step by step.",
            "O(1) for each call, O(N) for all of N members",
        )
        .syntax("key cursor:integer [MATCH pattern:pattern] [COUNT count:integer]"),
];

fn zrandmember(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.args.len() == 2 {
        let set = read(&mut call.db, call.core, &call.args[1])?;
        match set.as_ref().and_then(|set| set.random(&mut call.core.rng)) {
            Some((member, _)) => elements::write(call.reply, member),
            None => call.reply.null(),
        }
        return Ok(());
    }
    let (count, with_scores) = sample_size(call)?;
    let set = read(&mut call.db, call.core, &call.args[1])?;
    let Some(set) = set.filter(|_| count != 0) else {
        call.reply.array(0);
        return Ok(());
    };
    let wanted = usize::try_from(count.unsigned_abs()).expect("addresses have 64 bits");
    let rng = &mut call.core.rng;
    let mut random = || set.random(rng).expect("stored sets are not empty");
    let write = |reply: &mut Reply, (member, score): (Item<'_>, f64)| {
        write_member(reply, member, with_scores.then_some(score));
    };
    if count < 0 {
        announce(call.reply, wanted, with_scores);
        let limit = sampling::reply_limit(&call.core.config);
        sampling::repeat(wanted, call.reply, limit, |reply| write(reply, random()));
        return Ok(());
    }
    let (size, wanted) = (set.len(), wanted.min(set.len()));
    announce(call.reply, wanted, with_scores);
    if wanted == size {
        // All of them come in Redis' order: from the greatest down.
        set.iter_rev_from_rank(size - 1).for_each(|pair| write(call.reply, pair));
    } else if sampling::is_worth_a_walk(wanted, size) {
        sampling::pick(set.iter(), size, wanted, rng, |pair| write(call.reply, pair));
    } else {
        sampling::draw(wanted, random, |member, score| write(call.reply, (member, score)));
    }
    Ok(())
}

fn sample_size(call: &Call<'_>) -> Result<(i64, bool), CommandError> {
    let count = call.integer(2)?;
    if count == i64::MIN {
        return Err(CommandError::COUNT_OUT_OF_LONG);
    }
    match call.args.len() {
        3 => Ok((count, false)),
        4 if call.is_word(3, "WITHSCORES") => {
            // Twice as many values must still be countable.
            if count.unsigned_abs() > i64::MAX.unsigned_abs() / 2 {
                return Err(CommandError::OUT_OF_RANGE);
            }
            Ok((count, true))
        }
        _ => Err(CommandError::SYNTAX),
    }
}

fn zscan(call: &mut Call<'_>) -> Result<(), CommandError> {
    let cursor = scan::cursor(&call.args[2])?;
    let Some(set) = read(&mut call.db, call.core, &call.args[1])? else {
        scan::write_step(call.reply, |_| (0, 0));
        return Ok(());
    };
    let options = ScanOptions::parse(call.args, 3)?;
    // A big set prints its scores in full length, as Redis' skip list does here and only here.
    let is_packed = set.is_packed();
    scan::write_step(call.reply, |reply| {
        let (mut written, mut text, mut scratch) = (0, Vec::new(), itoa::Buffer::new());
        let next = set.scan(cursor, options.count, |member, score| {
            let name = member.bytes(&mut scratch);
            if options.selects(name) {
                text.clear();
                if is_packed {
                    write_f64(&mut text, score);
                } else {
                    write_score(score, ScoreFormat::SeventeenDigits, &mut text);
                }
                reply.bulk(name);
                reply.bulk(&text);
                written += 2;
            }
        });
        (next, written)
    });
    Ok(())
}
