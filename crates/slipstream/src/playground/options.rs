//! The playground's command line: what may be set, its limits, and the text of `--help`.
//!
//! Unknown options and values out of range are refused with a reason.

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// The answer to `--help`.
pub(super) const USAGE: &str = "\
Usage: slipstream playground [--seconds N] [--port-base P] [--writes-per-second N]

Starts a primary and two replicas on loopback, writes to them, and shows what
replication does while a replica is cut off and while the primary is killed.
Then three sentinels watch them: the primary moves on request, and by itself
when it is killed; for how long no write was accepted and what was lost is
measured.

  --seconds N            end after about N seconds; from 10 on, the whole story fits.
                         Without it: after Ctrl-C, or without a terminal after the story
  --port-base P          use ports P to P+6 instead of free ones
  --writes-per-second N  how much is written (200)

Exit status: 0 when all copies end equal, 1 when they do not,
128 and its number when a signal ends it in the middle of the story.
";

/// What one run of the playground is to be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) seconds: Option<u64>,
    /// The first of [`PORTS`] consecutive ports.
    pub(super) port_base: Option<u16>,
    pub(super) writes_per_second: u32,
}

/// One per server, the forwarder's, and one per sentinel.
const PORTS: u16 = 7;
const SECONDS: RangeInclusive<u64> = 1..=86_400;
const PORT_BASES: RangeInclusive<u16> = 1..=u16::MAX - PORTS + 1;
const WRITE_RATES: RangeInclusive<u32> = 1..=100_000;

impl Default for Options {
    fn default() -> Self {
        Self { seconds: None, port_base: None, writes_per_second: 200 }
    }
}

/// What a command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CommandLine {
    Play(Options),
    Help,
    /// Why it cannot be followed.
    Refused(String),
}

/// Reads the arguments behind `playground`. `--option=value` is the same as `--option value`.
pub(super) fn parse(arguments: &[OsString]) -> CommandLine {
    let words: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    if words.iter().any(|word| word == "--help" || word == "-h") {
        return CommandLine::Help;
    }
    let mut parts = words.iter().flat_map(|word| word.splitn(2, '='));
    let mut options = Options::default();
    while let Some(name) = parts.next() {
        if let Err(reason) = set(&mut options, name, parts.next()) {
            return CommandLine::Refused(format!("slipstream playground: {reason} (see --help)"));
        }
    }
    CommandLine::Play(options)
}

fn set(options: &mut Options, name: &str, value: Option<&str>) -> Result<(), String> {
    match name {
        "--seconds" => options.seconds = Some(number(name, value, &SECONDS)?),
        "--port-base" => options.port_base = Some(number(name, value, &PORT_BASES)?),
        "--writes-per-second" => options.writes_per_second = number(name, value, &WRITE_RATES)?,
        _ => return Err(format!("{name} is not an option")),
    }
    Ok(())
}

fn number<T>(name: &str, value: Option<&str>, range: &RangeInclusive<T>) -> Result<T, String>
where
    T: FromStr + PartialOrd + std::fmt::Display,
{
    let number = value.and_then(|value| value.parse().ok()).filter(|number| range.contains(number));
    number.ok_or_else(|| format!("{name} takes a number from {} to {}", range.start(), range.end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: CommandLine) {
        let arguments: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        assert_eq!(parse(&arguments), expected, "{line}");
    }

    #[track_caller]
    fn check_refused(line: &str, reason: &str) {
        check(line, CommandLine::Refused(format!("slipstream playground: {reason} (see --help)")));
    }

    #[test]
    fn options_are_read_in_both_forms() {
        check("", CommandLine::Play(Options::default()));
        check("--seconds 8 --help", CommandLine::Help);
        let options = Options { seconds: Some(8), port_base: Some(7000), writes_per_second: 50 };
        check("--seconds 8 --port-base=7000 --writes-per-second=50", CommandLine::Play(options));
    }

    #[test]
    fn what_is_unknown_or_out_of_range_is_refused() {
        check_refused("--nodes 5", "--nodes is not an option");
        check_refused("--seconds", "--seconds takes a number from 1 to 86400");
        check_refused("--seconds 0", "--seconds takes a number from 1 to 86400");
        check_refused("--port-base 65530", "--port-base takes a number from 1 to 65529");
        check_refused("--writes-per-second many", "--writes-per-second takes a number from 1 to 100000");
    }
}
