//! What random commands are made of: shapes of commands by family, and the words that fill them.
//!
//! Keys, members and numbers come from small pools, so that commands meet keys of their own type, of another one and
//! missing ones, and wrong arguments.

use fastrand::Rng;

/// A family's name, and its shapes parted by semicolons.
pub(super) type Family = (&'static str, &'static str);

/// Where the names of keys are drawn from.
#[derive(Clone, Copy)]
pub(super) struct Keys {
    /// How many of each family there are.
    pub(super) each: u8,
    /// The families whose keys others may meet.
    pub(super) shared: &'static [&'static str],
}

/// One command of any of these families, in words.
pub(super) fn line(families: &[Family], keys: Keys, random: &mut Rng) -> Vec<String> {
    let (family, shapes) = families[random.usize(..families.len())];
    let shapes: Vec<&str> = shapes.split(';').collect();
    let shape = shapes[random.usize(..shapes.len())];
    let word = |kind| if kind == "k" { keys.draw(family, random) } else { argument(kind, random) };
    shape.split_whitespace().map(word).collect()
}

impl Keys {
    /// Mostly of the family's own.
    fn draw(self, family: &str, random: &mut Rng) -> String {
        let stays = ["lexical", "sketch", "geo"].contains(&family) || (family != "any" && random.u8(..8) > 0);
        let family = if stays { family } else { self.shared[random.usize(..self.shared.len())] };
        format!("{family}:{}", random.u8(..self.each))
    }
}

fn argument(kind: &str, random: &mut Rng) -> String {
    match kind {
        "m" => format!("m{}", random.u8(..30)),
        "v" => match random.u8(..4) {
            0 => random.i32(-20..20).to_string(),
            1 => "x".repeat(random.usize(..80)),
            2 => format!("{}.5", random.u8(..10)),
            _ => format!("m{}", random.u8(..30)),
        },
        "i" => match random.u8(..12) {
            0 => i64::MAX.to_string(),
            1 => "abc".to_owned(),
            _ => random.i32(-300..300).to_string(),
        },
        "f" => match random.u8(..12) {
            0 => "inf".to_owned(),
            1 => "-inf".to_owned(),
            2 => "1e3".to_owned(),
            3 => "nan".to_owned(),
            _ => format!("{}", f64::from(random.i32(-40..40)) / 4.0),
        },
        "r" => random.i32(-12..12).to_string(),
        "s" => match random.u8(..6) {
            0 => "-inf".to_owned(),
            1 => "+inf".to_owned(),
            _ => format!("{}{}", ["", "("][random.usize(..2)], f64::from(random.i32(-40..40)) / 4.0),
        },
        "l" => match random.u8(..6) {
            0 => "-".to_owned(),
            1 => "+".to_owned(),
            2 => "m1".to_owned(),
            _ => format!("{}m{}", ["[", "("][random.usize(..2)], random.u8(..30)),
        },
        "c" => random.u8(..5).to_string(),
        "d" | "n" | "e" => id(kind, random),
        "a" => match random.u8(..30) {
            0 => "-1".to_owned(),
            1 => "4294967296".to_owned(),
            2 => "9223372036854775807".to_owned(),
            _ => random.u16(..400).to_string(),
        },
        "b" => match random.u8(..20) {
            0 => "2".to_owned(),
            _ => random.u8(..2).to_string(),
        },
        "t" => match random.u8(..20) {
            0 => "u64".to_owned(),
            1 => "i64".to_owned(),
            _ => format!("{}{}", ["i", "u"][random.usize(..2)], random.u8(1..64)),
        },
        "g" => match random.u8(..3) {
            0 => format!("#{}", random.u8(..6)),
            _ => argument("a", random),
        },
        "h" => format!("e{}", random.u16(..3000)),
        "y" => degrees(180.0, 12.5, random),
        "z" => degrees(85.0, 41.25, random),
        "w" => match random.u8(..20) {
            0 => "0".to_owned(),
            1 => "-1".to_owned(),
            digits @ 2..8 => random.u32(..10_u32.pow(digits.into())).to_string(),
            _ => random.u32(..100_000).to_string(),
        },
        "u" => ["m", "km", "ft", "mi", "parsec"][random.usize(..5)].to_owned(),
        "p" => format!("p{}", random.u8(..3)),
        "j" => format!("w{}", random.u8(..4)),
        "o" => ["LEFT", "RIGHT"][random.usize(..2)].to_owned(),
        word => word.to_owned(),
    }
}

/// Most degrees are around one place, some beyond the map.
fn degrees(most: f64, usual: f64, random: &mut Rng) -> String {
    match random.u8(..20) {
        0 => "200".to_owned(),
        1..8 => format!("{:.6}", (random.f64() * 2.0 - 1.0) * most),
        _ => format!("{:.4}", usual + random.f64() * 3.0),
    }
}

/// Most ids are of one millisecond, behind whose last entry there is always room for another one.
fn id(kind: &str, random: &mut Rng) -> String {
    let ms = if random.bool() { 7 } else { random.u8(..8) };
    match (kind, random.u8(..12)) {
        ("e", 0) => "-".to_owned(),
        ("e", 1) => "+".to_owned(),
        ("e", 2 | 3) => format!("({ms}-{}", random.u8(..30)),
        ("n", 3..) => format!("{ms}-*"),
        (_, 4) => "x-1".to_owned(),
        (_, 5 | 6) => ms.to_string(),
        _ => format!("{ms}-{}", random.u8(..30)),
    }
}
