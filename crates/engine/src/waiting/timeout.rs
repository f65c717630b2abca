//! Timeouts of commands that wait: seconds with a fraction, or milliseconds; 0 is for ever.
//!
//! They are refused where their end by the wall clock could not be named, and become a moment of the other clock,
//! which nobody sets: here no time passes, [`super::Waits`] looks at it.

use slipstream_keyspace::UnixMillis;
use slipstream_replication::Moment;
use slipstream_resp::number::parse_f64;

use crate::call::{Call, integer};
use crate::errors::CommandError;

impl Call<'_> {
    /// Until when argument `index`, a number of seconds, lets its client wait.
    pub(crate) fn until_seconds(&self, index: usize) -> Result<Option<Moment>, CommandError> {
        let millis = millis_of_seconds(&self.args[index], self.now)?;
        Ok(self.after(millis))
    }

    /// The same for a number of milliseconds.
    pub(crate) fn until_millis(&self, index: usize) -> Result<Option<Moment>, CommandError> {
        let millis = integer(&self.args[index]).map_err(|_| CommandError::TIMEOUT_NOT_INTEGER)?;
        Ok(self.after(nameable(millis, self.now)?))
    }

    fn after(&self, millis: u64) -> Option<Moment> {
        (millis > 0).then(|| Moment(self.core.clock.moment().0.saturating_add(millis)))
    }
}

/// Any part of a millisecond counts as one.
fn millis_of_seconds(arg: &[u8], now: UnixMillis) -> Result<u64, CommandError> {
    let seconds = parse_f64(arg).or_else(|| beyond_doubles(arg)).ok_or(CommandError::TIMEOUT_NOT_FLOAT)?;
    let millis = (seconds * 1000.0).ceil();
    // 2^63 is the least that no i64 holds.
    if millis >= 9_223_372_036_854_775_808.0 {
        return Err(CommandError::TIMEOUT_OUT_OF_RANGE);
    }
    if millis < 0.0 {
        return Err(CommandError::TIMEOUT_NEGATIVE);
    }
    #[expect(clippy::cast_possible_truncation, reason = "a whole number between 0 and 2^63")]
    nameable(millis as i64, now)
}

/// A number that is too great for an `f64`, or too close to 0.
fn beyond_doubles(arg: &[u8]) -> Option<f64> {
    match str::from_utf8(arg).ok()?.parse::<f64>().ok()? {
        0.0 => Some(f64::MIN_POSITIVE),
        number if number.is_infinite() => Some(number),
        _ => None,
    }
}

/// A timeout whose end the wall clock can still name.
fn nameable(millis: i64, now: UnixMillis) -> Result<u64, CommandError> {
    now.0.checked_add(millis).ok_or(CommandError::TIMEOUT_OUT_OF_RANGE)?;
    u64::try_from(millis).map_err(|_| CommandError::TIMEOUT_NEGATIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_up_to_milliseconds_that_can_be_named() {
        let check = |text: &str, expected: Result<u64, CommandError>| {
            let found = millis_of_seconds(text.as_bytes(), UnixMillis(1000));
            assert_eq!(
                found.map_err(|error| error.as_str().to_owned()),
                expected.map_err(|e| e.as_str().to_owned()),
                "{text}"
            );
        };
        check("0", Ok(0));
        check("1", Ok(1000));
        check("0.0001", Ok(1));
        check("1e-400", Ok(1));
        check("1.5", Ok(1500));
        check("-0.0001", Ok(0));
        check("-1", Err(CommandError::TIMEOUT_NEGATIVE));
        check("abc", Err(CommandError::TIMEOUT_NOT_FLOAT));
        check("inf", Err(CommandError::TIMEOUT_OUT_OF_RANGE));
        check("9223372036854775", Err(CommandError::TIMEOUT_OUT_OF_RANGE));
        check("1e300", Err(CommandError::TIMEOUT_OUT_OF_RANGE));
        check("0x7FFFFFFFFFFFFF", Err(CommandError::TIMEOUT_OUT_OF_RANGE));
        check("1e400", Err(CommandError::TIMEOUT_OUT_OF_RANGE));
    }
}
