//! LOLWUT: a picture and the version.
//!
//! The picture is another one each time; it takes its chance from the node.

use crate::call::Call;
use crate::command::{Command, Group, flag};
use crate::errors::CommandError;

/// The rows.
pub const COMMANDS: &[Command] = &[Command::new("lolwut", -1, lolwut)
    .flags(flag::READONLY | flag::FAST)
    .doc(Group::Server, "5.0.0", "Draws a picture, and tells the version.", "")
    .syntax("[VERSION version:integer]")];

const WIDTH: usize = 56;
const HEIGHT: usize = 9;
/// The body in the stream, and where its first column is.
const BODY: [&str; 3] = ["  __", "<(__)", "  ``"];
const BODY_AT: usize = 8;

fn lolwut(call: &mut Call<'_>) -> Result<(), CommandError> {
    // Pictures have no versions here: each is another one.
    if call.args.len() >= 3 && call.is_word(1, "VERSION") {
        call.integer(2)?;
    }
    let mut text = picture(&mut call.core.rng);
    text += &format!("\nRedis ver. {}\n", crate::REDIS_VERSION);
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

/// A body in a stream: lines of wind that are calm in its lee and whirl further behind.
fn picture(rng: &mut fastrand::Rng) -> String {
    let mut rows: Vec<Vec<u8>> = (0..HEIGHT).map(|row| wind(row, rng)).collect();
    let top = (HEIGHT - BODY.len()) / 2;
    for (row, part) in rows[top..].iter_mut().zip(BODY) {
        row[BODY_AT..BODY_AT + part.len()].copy_from_slice(part.as_bytes());
    }
    rows.iter().map(|row| format!("{}\n", String::from_utf8_lossy(row))).collect()
}

fn wind(row: usize, rng: &mut fastrand::Rng) -> Vec<u8> {
    let from_axis = row.abs_diff(HEIGHT / 2);
    let cell = |column: usize, rng: &mut fastrand::Rng| {
        let behind = column.saturating_sub(BODY_AT);
        match behind {
            0 => b'-',
            // The wake widens by one row each dozen columns.
            _ if from_axis > 1 + behind / 12 => *rng.choice(b"---=~").expect("not empty"),
            1..=20 if from_axis <= 1 => *rng.choice(b"     .").expect("not empty"),
            _ => *rng.choice(b"~-.  o@").expect("not empty"),
        }
    };
    (0..WIDTH).map(|column| cell(column, rng)).collect()
}
