//! Integers and scores as the decimal text that Redis reads and prints.
//!
//! Owns the strict reading of integers (only the one canonical spelling counts as a number, so
//! that printing gives back the same bytes) and both printed forms of a score.

use std::io::Write;

/// Reads `text` as an `i64` if it is the canonical spelling of one: no plus sign, no leading
/// zeros, no spaces, no minus zero. What this accepts prints back as the same bytes.
pub fn parse_int(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let first = *digits.first()?;
    if digits.len() > 19 {
        return None;
    }
    if first == b'0' {
        return (digits.len() == 1 && !negative).then_some(0);
    }
    let mut number: u64 = 0;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + u64::from(digit);
    }
    if negative { 0i64.checked_sub_unsigned(number) } else { i64::try_from(number).ok() }
}

/// How many bytes `number` takes in decimal.
pub(crate) fn decimal_len(number: i64) -> usize {
    let sign = usize::from(number < 0);
    sign + number.unsigned_abs().checked_ilog10().map_or(1, |log| 1 + usize::try_from(log).unwrap_or(0))
}

/// How a score is printed where Redis' versions differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScoreFormat {
    /// The shortest text that reads back as the same number: Redis 7.2 and later, Valkey.
    #[default]
    Shortest,
    /// Seventeen significant digits, C's `%.17g`: Redis 7.0 and before.
    SeventeenDigits,
}

/// Appends `score` to `out`, spelled as `format` asks.
pub fn write_score(score: f64, format: ScoreFormat, out: &mut Vec<u8>) {
    if score.is_infinite() {
        out.extend_from_slice(if score > 0.0 { b"inf" } else { b"-inf" });
        return;
    }
    if score == 0.0 {
        out.extend_from_slice(if score.is_sign_negative() { b"-0" } else { b"0" });
        return;
    }
    if score < 0.0 {
        out.push(b'-');
    }
    match format {
        ScoreFormat::Shortest => write_shortest(score.abs(), out),
        ScoreFormat::SeventeenDigits => write_seventeen(score.abs(), out),
    }
}

/// The digits of a positive number without point or trailing zeros, and the power of ten of the
/// first of them.
fn digits_and_exponent(text: &str) -> (Vec<u8>, i32) {
    let (mantissa, exponent) = text.split_once('e').expect("{:e} always prints an exponent");
    let digits = mantissa.bytes().filter(|byte| *byte != b'.').collect();
    (digits, exponent.parse().expect("{:e} prints a decimal exponent"))
}

fn push_zeros(count: i32, out: &mut Vec<u8>) {
    for _ in 0..count {
        out.push(b'0');
    }
}

/// The layout of the `fpconv` library that Redis prints doubles with since 7.2: plain digits
/// while at most six zeros have to be appended, a decimal point down to 1e-7, else scientific.
fn write_shortest(score: f64, out: &mut Vec<u8>) {
    let (digits, first) = digits_and_exponent(&format!("{score:e}"));
    let count = i32::try_from(digits.len()).expect("a double has at most 17 digits");
    let last = first - count + 1;
    let magnitude = first.abs();
    if last >= 0 && magnitude < count + 7 {
        out.extend_from_slice(&digits);
        push_zeros(last, out);
    } else if last < 0 && (last > -7 || magnitude < 4) {
        write_fixed(&digits, first, out);
    } else {
        write_scientific(&digits, out);
        write_exponent(first, 1, out);
    }
}

fn write_seventeen(score: f64, out: &mut Vec<u8>) {
    let (mut digits, first) = digits_and_exponent(&format!("{score:.16e}"));
    while digits.len() > 1 && digits.last() == Some(&b'0') {
        digits.pop();
    }
    if (-4..17).contains(&first) {
        write_fixed(&digits, first, out);
    } else {
        write_scientific(&digits, out);
        write_exponent(first, 2, out);
    }
}

/// `digits` with the point after the place of `10^0`, where `first` is the first digit's power.
fn write_fixed(digits: &[u8], first: i32, out: &mut Vec<u8>) {
    let Ok(whole) = usize::try_from(first + 1) else {
        out.extend_from_slice(b"0.");
        push_zeros(-first - 1, out);
        out.extend_from_slice(digits);
        return;
    };
    if whole == 0 {
        out.extend_from_slice(b"0.");
        out.extend_from_slice(digits);
    } else if whole >= digits.len() {
        out.extend_from_slice(digits);
        out.resize(out.len() + whole - digits.len(), b'0');
    } else {
        out.extend_from_slice(&digits[..whole]);
        out.push(b'.');
        out.extend_from_slice(&digits[whole..]);
    }
}

fn write_scientific(digits: &[u8], out: &mut Vec<u8>) {
    out.push(digits[0]);
    if digits.len() > 1 {
        out.push(b'.');
        out.extend_from_slice(&digits[1..]);
    }
}

fn write_exponent(exponent: i32, width: usize, out: &mut Vec<u8>) {
    let sign = if exponent < 0 { '-' } else { '+' };
    write!(out, "e{sign}{:0width$}", exponent.unsigned_abs()).expect("writing to a Vec never fails");
}

/// Reads a score as a packed sorted set stores it: an integer or one of the printed forms.
pub(crate) fn parse_score(text: &[u8]) -> Option<f64> {
    let score: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (!score.is_nan()).then_some(score)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_int(text: &str, expected: Option<i64>) {
        assert_eq!(parse_int(text.as_bytes()), expected, "{text:?}");
        if let Some(number) = expected {
            assert_eq!(decimal_len(number), text.len(), "{text:?}");
        }
    }

    #[test]
    fn only_the_canonical_spelling_is_an_integer() {
        check_int("0", Some(0));
        check_int("7", Some(7));
        check_int("-10", Some(-10));
        check_int("9223372036854775807", Some(i64::MAX));
        check_int("-9223372036854775808", Some(i64::MIN));
        for text in
            ["", "-", "-0", "+1", "01", " 1", "1 ", "1a", "9223372036854775808", "-9223372036854775809"]
        {
            check_int(text, None);
        }
        check_int("99999999999999999999", None);
    }

    fn check_score(score: f64, shortest: &str, seventeen: &str) {
        for (format, expected) in
            [(ScoreFormat::Shortest, shortest), (ScoreFormat::SeventeenDigits, seventeen)]
        {
            let mut out = Vec::new();
            write_score(score, format, &mut out);
            assert_eq!(String::from_utf8(out.clone()).unwrap(), expected, "{format:?}");
            assert_eq!(parse_score(&out), Some(score));
        }
    }

    #[test]
    fn scores_print_as_redis_prints_them() {
        check_score(0.0, "0", "0");
        check_score(-0.0, "-0", "-0");
        check_score(3.0, "3", "3");
        check_score(-2.5, "-2.5", "-2.5");
        check_score(0.1, "0.1", "0.10000000000000001");
        check_score(1e17, "1e+17", "1e+17");
        check_score(1e6, "1000000", "1000000");
        check_score(1e7, "10000000", "10000000");
        check_score(1e8, "1e+8", "100000000");
        check_score(1.5e300, "1.5e+300", "1.5000000000000001e+300");
        check_score(0.00012, "0.00012", "0.00012");
        check_score(1.5e-9, "1.5e-9", "1.5e-09");
        check_score(f64::INFINITY, "inf", "inf");
        check_score(f64::NEG_INFINITY, "-inf", "-inf");
    }
}
