//! Numbers as Redis reads and prints them.
//!
//! Integers are accepted in their canonical form only (no leading zeros, no
//! plus sign, no spaces), as clients rely on for the int encoding. Doubles are
//! printed with the fewest digits that read back as the same value, in the
//! layout of Redis 7.2: plain digits where that is short, an exponent otherwise.

/// The integer written in `text`, if it is the canonical form of a 64-bit one.
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut magnitude: u64 = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        magnitude = magnitude * 10 + u64::from(digit - b'0');
    }
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// The longest text that is read as a double: as long as Redis reads as one that it adds to.
const MAX_DOUBLE_LEN: usize = 5 * 1024;

/// The double written in `text`: decimal or exponent form, the hexadecimal form of C's `strtod`, `inf` and
/// `infinity` in any case. Spaces, an empty text, NaN, and numbers beyond all doubles or between 0 and the least
/// of them are refused, as Redis does.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    if text.len() > MAX_DOUBLE_LEN {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    let magnitude = text.strip_prefix(['-', '+']).unwrap_or(text);
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    let value = match magnitude.strip_prefix("0x").or_else(|| magnitude.strip_prefix("0X")) {
        Some(digits) => hexadecimal(digits)?,
        // Rust would take another sign.
        None if magnitude.starts_with(['-', '+']) => return None,
        None => decimal(magnitude)?,
    };
    Some(sign * value)
}

/// Rust reads what is too great as infinity, and what is too small as zero.
fn decimal(text: &str) -> Option<f64> {
    let value = text.parse::<f64>().ok()?;
    let is_told = match value {
        0.0 => !text.split(['e', 'E']).next()?.contains(|digit| matches!(digit, '1'..='9')),
        value if value.is_infinite() => text.starts_with(['i', 'I']),
        value => !value.is_nan(),
    };
    is_told.then_some(value)
}

/// Hexadecimal digits, with a point and a power of two if there is one.
fn hexadecimal(text: &str) -> Option<f64> {
    let (digits, power) = match text.split_once(['p', 'P']) {
        Some((digits, power)) => (digits, power.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    // 60 bits are more than a double holds: of the rest it matters only whether it is nothing.
    let (mut bits, mut dropped) = (0u64, 0i32);
    for digit in whole.chars().chain(fraction.chars()) {
        let digit = u64::from(digit.to_digit(16)?);
        if bits >> 56 == 0 {
            bits = bits << 4 | digit;
        } else {
            bits |= u64::from(digit != 0);
            dropped = dropped.checked_add(4)?;
        }
    }
    let scale =
        power.checked_add(dropped)?.checked_sub(i32::try_from(fraction.len()).ok()?.checked_mul(4)?)?;
    #[expect(clippy::cast_precision_loss, reason = "the nearest double is what is wanted")]
    let value = times_power_of_two(bits as f64, scale);
    let is_told = value.is_finite() && (value != 0.0 || bits == 0);
    is_told.then_some(value)
}

/// `value` × 2^`power`, in steps that do not leave the range before the last one.
fn times_power_of_two(mut value: f64, power: i32) -> f64 {
    let mut left = power.clamp(-2200, 2200);
    while left != 0 && value != 0.0 {
        let step = left.clamp(-1000, 1000);
        value *= 2f64.powi(step);
        left -= step;
    }
    value
}

/// Appends `value` as Redis 7.2 prints a score: integers without a fraction,
/// otherwise the shortest digits that read back equal.
pub fn write_f64(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        out.extend_from_slice(b"nan");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"inf" } else { b"-inf" });
    } else if value == 0.0 {
        out.extend_from_slice(if value.is_sign_negative() { b"-0" } else { b"0" });
    } else if let Some(integer) = as_exact_integer(value) {
        out.extend_from_slice(itoa::Buffer::new().format(integer).as_bytes());
    } else {
        write_shortest(out, value);
    }
}

/// `value` printed by [`write_f64`], as an own buffer.
pub fn format_f64(value: f64) -> Vec<u8> {
    let mut out = Vec::with_capacity(24);
    write_f64(&mut out, value);
    out
}

fn as_exact_integer(value: f64) -> Option<i64> {
    // Redis prints whole numbers in full up to half of what 64 bits hold.
    const LIMIT: f64 = 4_611_686_018_427_387_904.0;
    if value.fract() != 0.0 || value.abs() > LIMIT {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "integral and within 2^62")]
    Some(value as i64)
}

/// Digits and decimal exponent come from Rust's shortest form (`d.ddde±x`).
fn write_shortest(out: &mut Vec<u8>, value: f64) {
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').expect("LowerExp always prints an exponent");
    let exponent: i32 = exponent.parse().expect("LowerExp prints a decimal exponent");
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let count = i32::try_from(digits.len()).expect("at most 17 digits");
    out.extend_from_slice(sign.as_bytes());
    layout(out, &digits, count, exponent - (count - 1));
}

/// `digits × 10^scale`, laid out by Redis' rules for when an exponent is shorter.
fn layout(out: &mut Vec<u8>, digits: &str, count: i32, scale: i32) {
    let exponent = scale + count - 1;
    if scale >= 0 && exponent < count + 7 {
        out.extend_from_slice(digits.as_bytes());
        out.extend(std::iter::repeat_n(b'0', usize::try_from(scale).expect("not negative here")));
    } else if scale < 0 && (scale > -7 || exponent.abs() < 4) {
        write_fixed(out, digits, count + scale);
    } else {
        let (first, rest) = digits.split_at(1);
        out.extend_from_slice(first.as_bytes());
        if !rest.is_empty() {
            out.push(b'.');
            out.extend_from_slice(rest.as_bytes());
        }
        out.push(b'e');
        out.push(if exponent < 0 { b'-' } else { b'+' });
        out.extend_from_slice(itoa::Buffer::new().format(exponent.abs()).as_bytes());
    }
}

/// Digits with the point after the first `point` of them (zeros in front if negative).
fn write_fixed(out: &mut Vec<u8>, digits: &str, point: i32) {
    match usize::try_from(point) {
        Ok(point) if point > 0 => {
            out.extend_from_slice(&digits.as_bytes()[..point]);
            out.push(b'.');
            out.extend_from_slice(&digits.as_bytes()[point..]);
        }
        _ => {
            out.extend_from_slice(b"0.");
            let zeros = usize::try_from(-point).expect("not positive here");
            out.extend(std::iter::repeat_n(b'0', zeros));
            out.extend_from_slice(digits.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_integers_are_integers() {
        for (text, expected) in [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("99999999999999999999", None),
            ("", None),
            ("-", None),
            ("-0", None),
            ("01", None),
            ("+1", None),
            (" 1", None),
            ("1a", None),
        ] {
            assert_eq!(parse_i64(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn doubles_print_as_redis_7_2_prints_them() {
        for (value, expected) in [
            (0.1, "0.1"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (3.0e20, "3e+20"),
            (1.0e7, "10000000"),
            (-1.0e17, "-100000000000000000"),
            (4.611_686_018_427_388e18, "4611686018427387904"),
            (5e18, "5e+18"),
            (1e21, "1e+21"),
            (1.0e-7, "1e-7"),
            (0.000_001, "0.000001"),
            (1234.5678, "1234.5678"),
            (-0.0, "-0"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (1.797_693_134_862_315_7e308, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
        ] {
            assert_eq!(String::from_utf8(format_f64(value)).unwrap(), expected);
        }
    }

    #[test]
    fn a_double_may_be_written_at_any_length() {
        assert_eq!(parse_f64("1".repeat(309).as_bytes()), Some(1.111_111_111_111_111_2e308));
        assert_eq!(parse_f64(["0".repeat(1000), "5".to_owned()].concat().as_bytes()), Some(5.0));
    }

    #[test]
    fn doubles_are_read_as_strtod_reads_them() {
        for (text, expected) in [
            ("1.5", Some(1.5)),
            ("+inf", Some(f64::INFINITY)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("0x10", Some(16.0)),
            ("-0x7FFFFFFFFFFFFF", Some(-36_028_797_018_963_970.0)),
            ("0x+1", None),
            (&format!("1{}.0", "0".repeat(300)), Some(1e300)),
            (&"0".repeat(5121), None),
            ("-0X1P+4", Some(-16.0)),
            ("0x1.8p3", Some(12.0)),
            ("0x.8", Some(0.5)),
            ("0x7FFFFFFFFFFFFF", Some(36_028_797_018_963_968.0)),
            ("0x7FFFFFFFFFFFFFFFFFFFFFFFFFFF", Some(2.596_148_429_267_414e33)),
            ("0x0p9999", Some(0.0)),
            ("0x1p-1080", None),
            ("0x1p1024", None),
            ("0x", None),
            ("0x.", None),
            ("0x1p", None),
            ("0xg", None),
            ("+-5", None),
            ("1e-400", None),
            ("0e-400", Some(0.0)),
            ("1e-310", Some(1e-310)),
            ("1e400", None),
            ("nan", None),
            ("", None),
            (" 1", None),
            ("1 ", None),
            ("abc", None),
        ] {
            assert_eq!(parse_f64(text.as_bytes()), expected, "{text:?}");
        }
    }
}
