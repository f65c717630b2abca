//! Doubles as C prints and reads them: `%.14g` and `strtod`.
//!
//! Lua and its JSON library leave numbers to the C library, so their forms are what scripts expect: exponents of
//! two digits, hexadecimal and named numbers. Locales do not matter here.

/// `number` as `%.<precision>g`: at most so many significant digits, no zeros behind them.
pub(crate) fn general(number: f64, precision: usize) -> String {
    if number.is_nan() {
        return if number.is_sign_negative() { "-nan" } else { "nan" }.to_owned();
    } else if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let precision = precision.max(1);
    let text = format!("{number:.*e}", precision - 1);
    let (mantissa, exponent) = text.split_once('e').expect("LowerExp always prints an exponent");
    let exponent: i32 = exponent.parse().expect("LowerExp prints a decimal exponent");
    if exponent >= -4 && usize::try_from(exponent).map_or(true, |exponent| exponent < precision) {
        let decimals = i32::try_from(precision).unwrap_or(i32::MAX) - 1 - exponent;
        let fixed = format!("{number:.*}", usize::try_from(decimals).unwrap_or(0));
        return without_trailing_zeros(&fixed).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", without_trailing_zeros(mantissa), exponent.abs())
}

fn without_trailing_zeros(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// The number that `text` begins with, and how many bytes it takes; `None` if it begins with none.
pub(crate) fn prefix(text: &[u8]) -> Option<(f64, usize)> {
    let sign_length = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let sign = if text.first() == Some(&b'-') { -1.0 } else { 1.0 };
    let rest = &text[sign_length..];
    let (magnitude, length) = named(rest).or_else(|| hexadecimal(rest)).or_else(|| decimal(rest))?;
    Some((sign * magnitude, sign_length + length))
}

fn named(text: &[u8]) -> Option<(f64, usize)> {
    let begins_with =
        |name: &str| text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()));
    if begins_with("infinity") {
        Some((f64::INFINITY, 8))
    } else if begins_with("inf") {
        Some((f64::INFINITY, 3))
    } else if begins_with("nan") {
        Some((f64::NAN, 3))
    } else {
        None
    }
}

/// `0x1f`, `0x1.8`, `0x1p4`.
fn hexadecimal(text: &[u8]) -> Option<(f64, usize)> {
    if !matches!(text, [b'0', b'x' | b'X', ..]) {
        return None;
    }
    let (mut value, mut scale, mut digits, mut at) = (0.0_f64, 0_i32, 0, 2);
    let mut in_fraction = false;
    loop {
        match text.get(at) {
            Some(b'.') if !in_fraction => in_fraction = true,
            Some(&byte) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16).expect("it is a hexadecimal digit");
                value = value * 16.0 + f64::from(digit);
                digits += 1;
                scale -= if in_fraction { 4 } else { 0 };
            }
            _ => break,
        }
        at += 1;
    }
    if digits == 0 {
        // What is left is the zero before the x.
        return Some((0.0, 1));
    }
    if let Some((exponent, length)) = exponent(&text[at..], b'p') {
        at += length;
        scale = scale.saturating_add(exponent);
    }
    Some((value * 2.0_f64.powi(scale), at))
}

fn decimal(text: &[u8]) -> Option<(f64, usize)> {
    let run = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = run(text);
    let mut length = whole;
    let mut digits = whole;
    if text.get(whole) == Some(&b'.') {
        let fraction = run(&text[whole + 1..]);
        digits += fraction;
        length += if digits > 0 { 1 + fraction } else { 0 };
    }
    if digits == 0 {
        return None;
    }
    if let Some((_, exponent_length)) = exponent(&text[length..], b'e') {
        length += exponent_length;
    }
    let digits = std::str::from_utf8(&text[..length]).expect("digits, signs and points are ASCII");
    Some((digits.parse().expect("Rust reads every such number"), length))
}

/// `e+5`: the exponent and its length.
fn exponent(text: &[u8], marker: u8) -> Option<(i32, usize)> {
    if !text.first()?.eq_ignore_ascii_case(&marker) {
        return None;
    }
    let signed = usize::from(matches!(text.get(1), Some(b'+' | b'-')));
    let digits = text[1 + signed..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let length = 1 + signed + digits;
    let shown = std::str::from_utf8(&text[1..length]).expect("digits and signs are ASCII");
    let beyond = if shown.starts_with('-') { -100_000 } else { 100_000 };
    Some((shown.parse().unwrap_or(beyond), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_printed_as_c_prints_them() {
        for (number, precision, expected) in [
            (0.0, 14, "0"),
            (-0.0, 14, "-0"),
            (1.0, 14, "1"),
            (0.1, 14, "0.1"),
            (2.000_000_000_000_000_5, 14, "2"),
            (1.234_567_890_123_456_7, 14, "1.2345678901235"),
            (1e14, 14, "1e+14"),
            (1e13, 14, "10000000000000"),
            (123_456_789.0, 3, "1.23e+08"),
            (0.000_1, 14, "0.0001"),
            (0.000_01, 14, "1e-05"),
            (1e300, 14, "1e+300"),
            (9.999, 1, "1e+01"),
            (f64::INFINITY, 14, "inf"),
        ] {
            assert_eq!(general(number, precision), expected, "{number} {precision}");
        }
    }

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        for (text, expected) in [
            ("12,", Some((12.0, 2))),
            ("-1.5e3]", Some((-1500.0, 6))),
            ("1e", Some((1.0, 1))),
            ("1.", Some((1.0, 2))),
            (".5", Some((0.5, 2))),
            ("0x1F", Some((31.0, 4))),
            ("0x1p4", Some((16.0, 5))),
            ("0xz", Some((0.0, 1))),
            ("Infinity", Some((f64::INFINITY, 8))),
            ("-inf", Some((f64::NEG_INFINITY, 4))),
            ("1e999", Some((f64::INFINITY, 5))),
            ("-", None),
            (".", None),
            ("abc", None),
        ] {
            assert_eq!(prefix(text.as_bytes()), expected, "{text}");
        }
    }
}
