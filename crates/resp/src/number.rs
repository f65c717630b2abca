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

/// The double written in `text`: decimal or exponent form, `inf` and `infinity`
/// in any case. Spaces, an empty text and NaN are refused, as Redis does.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    if text.is_empty() || text.len() > MAX_DOUBLE_LEN {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    let value = match hexadecimal(text) {
        Some(value) => value,
        None => text.parse::<f64>().ok()?,
    };
    // Rust reads an overflowing literal as infinity; Redis calls it out of range.
    let named =
        text.trim_start_matches(['+', '-']).as_bytes().first().is_some_and(|c| c.eq_ignore_ascii_case(&b'i'));
    (!value.is_nan() && (value.is_finite() || named)).then_some(value)
}

/// C's `strtod` also reads `0x` integers, and Redis inherits that.
fn hexadecimal(text: &str) -> Option<f64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"))?;
    if digits.starts_with('+') {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, 16).ok()?;
    let half = |shift: u32| f64::from(u32::try_from((magnitude >> shift) & 0xffff_ffff).expect("32 bits"));
    // The first part is exact, so this rounds once.
    Some(sign * (half(32) * 4_294_967_296.0 + half(0)))
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
