//! Fractions as INCRBYFLOAT and HINCRBYFLOAT read, add and print them.
//!
//! Redis computes these in C's `long double`, on x86-64 a significand of 64 bits, and prints 17 decimals.
//! Neither `f64` nor exact decimals give the same digits (1000.1 plus 0 is 1000.09999999999999998 there), so
//! this is the part of that arithmetic that the commands need, in integers.
//! Invariant: a number that is not zero has the top bit of its significand set, and every operation rounds
//! once, to the nearest, ties to the even.

/// Texts of this length and above are no numbers to Redis.
const MAX_TEXT: usize = 5 * 1024;
/// The exponent of the highest bit of the largest number, and of half the smallest, which rounds to zero.
const MAX_TOP: i32 = 16383;
const ZERO_TOP: i32 = -16446;
const DECIMALS: usize = 17;
const SCALE: u128 = 100_000_000_000_000_000;

/// A number of extended precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extended {
    negative: bool,
    magnitude: Magnitude,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Magnitude {
    Infinite,
    /// `significand × 2^exponent`
    Finite {
        significand: u64,
        exponent: i32,
    },
}

impl Extended {
    /// Zero, what a missing key counts as.
    pub const ZERO: Extended =
        Extended { negative: false, magnitude: Magnitude::Finite { significand: 0, exponent: 0 } };

    /// The number written in `text` as C's `strtold` reads it: decimal or hexadecimal, with or without an
    /// exponent, or infinity. None for anything else, for NaN and for what is too large or too small.
    pub fn parse(text: &[u8]) -> Option<Extended> {
        if text.len() >= MAX_TEXT {
            return None;
        }
        let (negative, digits) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        if digits.eq_ignore_ascii_case(b"inf") || digits.eq_ignore_ascii_case(b"infinity") {
            return Some(Extended { negative, magnitude: Magnitude::Infinite });
        }
        let magnitude = match digits {
            [b'0', b'x' | b'X', rest @ ..] => Written::scan(rest, Base::Sixteen)?.binary_magnitude(),
            _ => Written::scan(digits, Base::Ten)?.decimal_magnitude(),
        };
        Some(Extended { negative, magnitude: magnitude? })
    }

    /// Whether this is not an infinity.
    pub fn is_finite(&self) -> bool {
        self.magnitude != Magnitude::Infinite
    }

    /// The sum, or None where it is infinite or not a number.
    pub fn checked_add(self, other: Extended) -> Option<Extended> {
        let (
            Magnitude::Finite { significand: a, exponent: p },
            Magnitude::Finite { significand: b, exponent: q },
        ) = (self.magnitude, other.magnitude)
        else {
            return None;
        };
        if a == 0 || b == 0 {
            return Some(if a == 0 { other } else { self });
        }
        if (p, a) < (q, b) {
            return other.checked_add(self);
        }
        let larger = u128::from(a) << 63;
        let (smaller, inexact) = shifted_right(u128::from(b) << 63, p.abs_diff(q));
        let sum = if self.negative == other.negative {
            larger + smaller
        } else {
            // What was shifted out makes the difference smaller by less than one.
            larger - smaller - u128::from(inexact)
        };
        let magnitude = rounded(sum, inexact, p - 63)?;
        Some(Extended { negative: self.negative, magnitude })
    }

    /// With 17 decimals, without the zeros at their end. Never in exponent form.
    pub fn to_vec(self) -> Vec<u8> {
        let text = match self.magnitude {
            Magnitude::Infinite => "inf".to_owned(),
            Magnitude::Finite { significand, exponent } => match u32::try_from(exponent) {
                Ok(exponent) => whole_digits(significand, exponent),
                Err(_) => fraction_digits(significand, exponent.unsigned_abs()),
            },
        };
        let sign = if self.negative && text != "0" { "-" } else { "" };
        [sign.as_bytes(), text.as_bytes()].concat()
    }
}

impl From<i64> for Extended {
    fn from(number: i64) -> Self {
        let magnitude = rounded(number.unsigned_abs().into(), false, 0).expect("far from the limits");
        Extended { negative: number < 0, magnitude }
    }
}

/// `value >> by`, and whether a bit was lost.
fn shifted_right(value: u128, by: u32) -> (u128, bool) {
    let kept = value.checked_shr(by).unwrap_or(0);
    (kept, kept.checked_shl(by) != Some(value))
}

/// `value × 2^exponent`, a little more if `inexact`, with 64 bits; None where no number is near.
fn rounded(value: u128, inexact: bool, exponent: i32) -> Option<Magnitude> {
    if value == 0 {
        return Some(Extended::ZERO.magnitude);
    }
    let normal = value << value.leading_zeros();
    let mut exponent = exponent + 64 - i32::try_from(value.leading_zeros()).expect("at most 127");
    let [high, low] = [normal >> 64, normal & u128::from(u64::MAX)];
    let mut significand = u64::try_from(high).expect("shifted to 64 bits");
    const HALF: u128 = 1 << 63;
    if low > HALF || (low == HALF && (inexact || significand & 1 == 1)) {
        significand = significand.checked_add(1).unwrap_or_else(|| {
            exponent += 1;
            1 << 63
        });
    }
    let top = exponent + 63;
    let above_zero = (top, significand) > (ZERO_TOP, 1 << 63);
    (above_zero && top <= MAX_TOP).then_some(Magnitude::Finite { significand, exponent })
}

fn whole_digits(significand: u64, exponent: u32) -> String {
    let mut number = Natural::from_u128(significand.into());
    number.shift_left(exponent);
    let mut groups = Vec::new();
    while !number.is_zero() {
        groups.push(number.divide(GROUP));
    }
    let Some(first) = groups.pop() else { return "0".to_owned() };
    let rest = groups.iter().rev().map(|group| format!("{group:09}"));
    std::iter::once(first.to_string()).chain(rest).collect()
}

/// The digits of `significand / 2^shift`.
fn fraction_digits(significand: u64, shift: u32) -> String {
    let scaled = u128::from(significand) * SCALE;
    let (mut units, inexact) = shifted_right(scaled, shift);
    let half = 1u128.checked_shl(shift - 1);
    if let (true, Some(half)) = (inexact, half) {
        let lost = scaled - (units.checked_shl(shift).unwrap_or(0));
        if lost > half || (lost == half && units % 2 == 1) {
            units += 1;
        }
    }
    let text = format!("{}.{:0DECIMALS$}", units / SCALE, units % SCALE);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[derive(Clone, Copy)]
enum Base {
    Ten = 10,
    Sixteen = 16,
}

/// A number as it is written: its digits and the exponent that puts the point behind the last of them.
struct Written {
    digits: Natural,
    /// How many digits there were, leading zeros included.
    count: i32,
    /// Of the base for decimal, of two for hexadecimal numbers.
    exponent: i32,
}

impl Written {
    fn scan(text: &[u8], base: Base) -> Option<Written> {
        let marker = if matches!(base, Base::Ten) { b'e' } else { b'p' };
        let split = text.iter().position(|byte| byte.to_ascii_lowercase() == marker);
        let (mantissa, exponent) = match split {
            None => (text, 0),
            Some(at) => (&text[..at], scan_exponent(&text[at + 1..])?),
        };
        let point = mantissa.iter().position(|byte| *byte == b'.');
        let (whole, fraction) = match point {
            None => (mantissa, &[][..]),
            Some(at) => (&mantissa[..at], &mantissa[at + 1..]),
        };
        let digits: Option<Vec<u32>> = whole.iter().chain(fraction).map(|byte| digit(*byte, base)).collect();
        let digits = digits.filter(|digits| !digits.is_empty())?;
        let length = |digits: usize| i32::try_from(digits).expect("a text is shorter than MAX_TEXT");
        let behind_point = length(fraction.len()) * if matches!(base, Base::Ten) { 1 } else { 4 };
        let count = length(digits.len());
        Some(Written {
            digits: Natural::from_digits(&digits, base),
            count,
            exponent: exponent - behind_point,
        })
    }

    fn binary_magnitude(self) -> Option<Magnitude> {
        self.digits.rounded(false, self.exponent)
    }

    fn decimal_magnitude(mut self) -> Option<Magnitude> {
        if self.digits.is_zero() {
            return Some(Extended::ZERO.magnitude);
        }
        if self.exponent > 5000 || self.exponent + self.count < -5000 {
            return None;
        }
        let power = self.exponent.unsigned_abs();
        if self.exponent >= 0 {
            powers_of_ten(power).for_each(|factor| self.digits.multiply_add(factor, 0));
            return self.digits.rounded(false, 0);
        }
        // A power of ten has fewer than 10/3 times as many bits, so 128 bits or more are left.
        let shift = 128 + power * 10 / 3;
        self.digits.shift_left(shift);
        let mut inexact = false;
        for divisor in powers_of_ten(power) {
            inexact |= self.digits.divide(divisor) != 0;
        }
        self.digits.rounded(inexact, -i32::try_from(shift).expect("bounded above"))
    }
}

/// The exponent behind its marker, kept within what makes any number infinite or zero.
fn scan_exponent(text: &[u8]) -> Option<i32> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let mut exponent = 0i32;
    for byte in digits {
        let digit = i32::try_from(digit(*byte, Base::Ten)?).expect("below ten");
        exponent = (exponent * 10 + digit).min(1_000_000);
    }
    Some(if negative { -exponent } else { exponent })
}

fn digit(byte: u8, base: Base) -> Option<u32> {
    char::from(byte).to_digit(base as u32)
}

/// `10^power` as factors that fit a limb.
fn powers_of_ten(power: u32) -> impl Iterator<Item = u32> {
    let groups = std::iter::repeat_n(GROUP, usize::try_from(power / 9).expect("small"));
    groups.chain(std::iter::once(10u32.pow(power % 9)))
}

/// The largest power of ten in a limb: nine digits at a time.
const GROUP: u32 = 1_000_000_000;

/// A natural number of any size: limbs of 32 bits, the lowest first, the last one not zero.
struct Natural(Vec<u32>);

impl Natural {
    fn from_u128(number: u128) -> Self {
        let limbs = (0..4).map(|index| {
            low_half(u64::try_from(number >> (32 * index) & u128::from(u32::MAX)).expect("masked"))
        });
        let mut natural = Natural(limbs.collect());
        natural.trim();
        natural
    }

    fn from_digits(digits: &[u32], base: Base) -> Self {
        let mut natural = Natural(Vec::new());
        // Seven digits of either base fit a limb, and so does their factor.
        for group in digits.chunks(7) {
            let value = group.iter().fold(0, |value, digit| value * base as u32 + digit);
            let factor = group.iter().fold(1, |factor, _| factor * base as u32);
            natural.multiply_add(factor, value);
        }
        natural
    }

    fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    fn multiply_add(&mut self, factor: u32, addend: u32) {
        let mut carry = u64::from(addend);
        for limb in &mut self.0 {
            let wide = u64::from(*limb) * u64::from(factor) + carry;
            *limb = low_half(wide);
            carry = wide >> 32;
        }
        self.0.push(low_half(carry));
        self.trim();
    }

    /// Divides and returns the remainder.
    fn divide(&mut self, divisor: u32) -> u32 {
        let mut remainder = 0u64;
        for limb in self.0.iter_mut().rev() {
            let wide = remainder << 32 | u64::from(*limb);
            *limb = low_half(wide / u64::from(divisor));
            remainder = wide % u64::from(divisor);
        }
        self.trim();
        low_half(remainder)
    }

    fn shift_left(&mut self, bits: u32) {
        self.multiply_add(1 << (bits % 32), 0);
        if !self.is_zero() {
            let limbs = usize::try_from(bits / 32).expect("a count of limbs");
            self.0.splice(0..0, std::iter::repeat_n(0, limbs));
        }
    }

    /// This number times `2^exponent`, a little more if `inexact`.
    fn rounded(&self, inexact: bool, exponent: i32) -> Option<Magnitude> {
        let below = self.0.len().saturating_sub(4);
        let top = self.0[below..].iter().rev().fold(0u128, |top, limb| top << 32 | u128::from(*limb));
        let inexact = inexact || self.0[..below].iter().any(|limb| *limb != 0);
        let skipped = i32::try_from(below * 32).expect("bounded by MAX_TEXT");
        rounded(top, inexact, exponent + skipped)
    }
}

fn low_half(wide: u64) -> u32 {
    u32::try_from(wide & u64::from(u32::MAX)).expect("masked to 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, increment: &str, expected: &str) {
        let parse = |text: &str| Extended::parse(text.as_bytes()).unwrap();
        let sum = parse(value).checked_add(parse(increment)).unwrap();
        assert_eq!(String::from_utf8(sum.to_vec()).unwrap(), expected, "{value} + {increment}");
    }

    #[test]
    fn sums_have_the_digits_of_a_real_server() {
        check("0.1", "0.2", "0.3");
        check("10.50", "0.1", "10.6");
        check("3.0e3", "200", "3200");
        check("5.0e3", "2.0e2", "5200");
        check("1000.1", "0", "1000.09999999999999998");
        check("10000000000.1", "0", "10000000000.09999999962747097");
        check("123456789012345.678", "0", "123456789012345.67800140380859375");
        check("1", "-1", "0");
        check("1e-18", "0", "0");
        check("-1e-18", "0", "0");
        check("0x10", "0x1.8p3", "28");
        check(".5", "5.", "5.5");
        check("1e19", "1", "10000000000000000001");
        check("17179869184.5", "-0.5", "17179869184");
    }

    #[test]
    fn integers_are_exact() {
        for number in [0, 1, -1, i64::MAX, i64::MIN, 1_000_000_007] {
            assert_eq!(Extended::from(number).to_vec(), number.to_string().into_bytes());
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "",
            " 1",
            "1 ",
            "nan",
            "1e",
            "e1",
            ".",
            "1.2.3",
            "0x",
            "1e5000",
            "1e-5000",
            "--1",
            "1e99999999999",
        ] {
            assert_eq!(Extended::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(Extended::parse(&[b'1'; MAX_TEXT]), None);
    }

    #[test]
    fn infinity_is_read_but_has_no_sum() {
        let infinity = Extended::parse(b"-Infinity").unwrap();
        assert!(!infinity.is_finite());
        assert_eq!(infinity.checked_add(Extended::ZERO), None);
        let huge = Extended::parse(b"1.1e4932").unwrap();
        assert_eq!(huge.checked_add(huge), None);
    }
}
