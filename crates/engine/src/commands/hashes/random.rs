//! HRANDFIELD: fields left to chance, every choice of as many equally likely.
//!
//! A negative count may answer a field several times, another one never does.

use slipstream_keyspace::Item;
use slipstream_resp::Reply;

use super::live::{self, Live};
use crate::call::Call;
use crate::commands::{elements, sampling};
use crate::errors::CommandError;

pub(super) fn hrandfield(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut rng = call.core.rng.fork();
    if call.args.len() == 2 {
        return live::read(call, |hash, reply| match hash.map(|hash| hash.random(&mut rng)) {
            Some((field, _)) => elements::write(reply, field),
            None => reply.null(),
        });
    }
    let limit = sampling::reply_limit(&call.core.config);
    let order = Order::parse(call)?;
    live::read(call, |hash, reply| match hash {
        Some(hash) => order.fill(hash, reply, &mut rng, limit),
        None => reply.array(0),
    })
}

/// What HRANDFIELD is to answer.
struct Order {
    /// How many fields.
    count: usize,
    /// Whether a field may come several times.
    repeats: bool,
    with_values: bool,
}

impl Order {
    fn parse(call: &Call<'_>) -> Result<Order, CommandError> {
        let count = call.integer(2)?;
        if count == i64::MIN {
            return Err(CommandError::COUNT_OUT_OF_LONG);
        }
        let with_values = match call.args.len() {
            3 => false,
            4 if call.is_word(3, "WITHVALUES") => true,
            _ => return Err(CommandError::SYNTAX),
        };
        if with_values && count.unsigned_abs() > i64::MAX.unsigned_abs() / 2 {
            return Err(CommandError::OUT_OF_RANGE);
        }
        let size = usize::try_from(count.unsigned_abs()).map_err(|_| CommandError::OUT_OF_RANGE)?;
        Ok(Order { count: size, repeats: count < 0, with_values })
    }

    fn fill(&self, hash: Live<'_>, reply: &mut Reply, rng: &mut fastrand::Rng, limit: u64) {
        let size = hash.len();
        let count = if self.repeats { self.count } else { self.count.min(size) };
        reply.array(if self.with_values && !reply.is_resp3() { count * 2 } else { count });
        if self.repeats {
            sampling::repeat(count, reply, limit, |reply| {
                self.write(reply, hash.random(rng));
            });
        } else if count == size {
            hash.iter().for_each(|pair| self.write(reply, pair));
        } else if sampling::is_worth_a_walk(count, size) || hash.is_packed() {
            sampling::pick(hash.iter(), size, count, rng, |pair| self.write(reply, pair));
        } else {
            sampling::draw(count, || hash.random(rng), |field, value| self.write(reply, (field, value)));
        }
    }

    /// A field and its value are a pair of their own in RESP3.
    fn write(&self, reply: &mut Reply, (field, value): (Item<'_>, Item<'_>)) {
        if self.with_values && reply.is_resp3() {
            reply.array(2);
        }
        elements::write(reply, field);
        if self.with_values {
            elements::write(reply, value);
        }
    }
}
