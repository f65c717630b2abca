//! Geo: the rows of the family, and members by name.
//!
//! A geospatial index is a sorted set whose scores are places ([`crate::geo::hash`]). GEOADD writes such scores, the
//! other commands here read them; [`search`] looks for members in an area, [`store`] keeps what it finds.

mod search;
mod store;

use slipstream_keyspace::SortedSet;
use slipstream_resp::number::format_f64;
use slipstream_resp::{Args, Reply};

use super::sorted_sets::members::{Rules, add_pairs};
use super::sorted_sets::read;
use crate::call::{Call, is_word};
use crate::command::{Command, Group, KeySpec, READ_KEY, flag};
use crate::errors::CommandError;
use crate::geo::{Place, hash};

const SEARCH_COMPLEXITY: &str =
    "O(N + log M), N being the members of the cells around the area, M those in the area";
const RADIUS_COMPLEXITY: &str =
    "O(N + log M), N being the members of the cells around the circle, M the size of the index";
const UPPERCASE_UNITS: (&str, &str) = ("7.0.0", "Takes names of units in capital letters.");
const ANY: (&str, &str) = ("6.2.0", "Takes `ANY` behind `COUNT`.");

const STORED_SOURCE: &[KeySpec] = &[KeySpec::at(1, &["OW", "update"]), KeySpec::at(2, &["RO", "access"])];

/// The key that is read, and those behind STORE and STOREDIST.
const fn with_store(from: i32) -> [KeySpec; 3] {
    [
        KeySpec::at(1, &["RO", "access"]),
        KeySpec::keyword("STORE", from, &["OW", "update"]),
        KeySpec::keyword("STOREDIST", from, &["OW", "update"]),
    ]
}

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("geoadd", -5, geoadd)
        .flags(flag::WRITE | flag::DENYOOM)
        .keys(&[KeySpec::at(1, &["RW", "update"])])
        .history(&[("6.2.0", "Takes `CH`, `NX` and `XX`.")])
        .doc(Group::Geo, "3.2.0", "Adds members with their places, or gives members other places.", "O(log N) for each member, N being the size of the index")
        .syntax("key condition:[NX | XX]!6.2.0 change:[CH]!6.2.0 data:(longitude:double latitude:double member)..."),
    Command::new("geodist", -4, geodist)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .doc(Group::Geo, "3.2.0", "Tells how far two members are from each other.", "O(1)")
        .syntax("key member1 member2 unit:[m:pure-token | km:pure-token | ft:pure-token | mi:pure-token]"),
    Command::new("geohash", -2, geohash)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .doc(Group::Geo, "3.2.0", "Tells the places of members as geohash texts.", "O(1) for each member")
        .syntax("key [member...]"),
    Command::new("geopos", -2, geopos)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .doc(Group::Geo, "3.2.0", "Tells longitude and latitude of members.", "O(1) for each member")
        .syntax("key [member...]"),
    Command::new("geosearch", -7, search::geosearch)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .history(&[UPPERCASE_UNITS])
        .doc(Group::Geo, "6.2.0", "Finds the members within a circle or a box.", SEARCH_COMPLEXITY)
        .syntax("key from:(FROMMEMBER member | FROMLONLAT longitude:double latitude:double) by:(circle:((BYRADIUS radius:double) unit:(m:pure-token | km:pure-token | ft:pure-token | mi:pure-token)) | box:((BYBOX width:double) height:double unit:(m:pure-token | km:pure-token | ft:pure-token | mi:pure-token))) order:[ASC | DESC] count-block:[(COUNT count:integer) [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]"),
    Command::new("geosearchstore", -8, search::geosearchstore)
        .flags(flag::WRITE | flag::DENYOOM)
        .keys(STORED_SOURCE)
        .history(&[UPPERCASE_UNITS])
        .doc(Group::Geo, "6.2.0", "Stores the members within a circle or a box.", SEARCH_COMPLEXITY)
        .syntax("destination:key source:key from:(FROMMEMBER member | FROMLONLAT longitude:double latitude:double) by:(circle:((BYRADIUS radius:double) unit:(m:pure-token | km:pure-token | ft:pure-token | mi:pure-token)) | box:((BYBOX width:double) height:double unit:(m:pure-token | km:pure-token | ft:pure-token | mi:pure-token))) order:[ASC | DESC] count-block:[(COUNT count:integer) [ANY]] [STOREDIST]"),
    Command::new("georadius", -6, search::georadius)
        .flags(flag::WRITE | flag::DENYOOM | flag::MOVABLE_KEYS)
        .keys(&with_store(6))
        .history(&[ANY, UPPERCASE_UNITS])
        .deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument")
        .doc(Group::Geo, "3.2.0", "Finds the members within a distance of a place, and may store them.", RADIUS_COMPLEXITY)
        .syntax("key longitude:double latitude:double radius:double unit:(m:pure-token | km:pure-token | ft:pure-token | mi:pure-token) [WITHCOORD] [WITHDIST] [WITHHASH] count-block:[(COUNT count:integer) [ANY]!6.2.0] order:[ASC | DESC] store:[(STORE storekey/key:key) | (STOREDIST storedistkey/key:key)]"),
    Command::new("georadius_ro", -6, search::georadius_ro)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .history(&[ANY])
        .deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument")
        .doc(Group::Geo, "3.2.10", "Finds the members within a distance of a place.", RADIUS_COMPLEXITY)
        .syntax("key longitude:double latitude:double radius:double unit:(m:pure-token | km:pure-token | ft:pure-token | mi:pure-token) [WITHCOORD] [WITHDIST] [WITHHASH] count-block:[(COUNT count:integer) [ANY]!6.2.0] order:[ASC | DESC]"),
    Command::new("georadiusbymember", -5, search::georadiusbymember)
        .flags(flag::WRITE | flag::DENYOOM | flag::MOVABLE_KEYS)
        .keys(&with_store(5))
        .history(&[UPPERCASE_UNITS])
        .deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments")
        .doc(Group::Geo, "3.2.0", "Finds the members within a distance of a member, and may store them.", RADIUS_COMPLEXITY)
        .syntax("key member radius:double unit:(m:pure-token | km:pure-token | ft:pure-token | mi:pure-token) [WITHCOORD] [WITHDIST] [WITHHASH] count-block:[(COUNT count:integer) [ANY]] order:[ASC | DESC] store:[(STORE storekey/key:key) | (STOREDIST storedistkey/key:key)]"),
    Command::new("georadiusbymember_ro", -5, search::georadiusbymember_ro)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments")
        .doc(Group::Geo, "3.2.10", "Finds the members within a distance of a member.", RADIUS_COMPLEXITY)
        .syntax("key member radius:double unit:(m:pure-token | km:pure-token | ft:pure-token | mi:pure-token) [WITHCOORD] [WITHDIST] [WITHHASH] count-block:[(COUNT count:integer) [ANY]] order:[ASC | DESC]"),
];

fn geoadd(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let mut rules = Rules::default();
    let mut first = 2;
    while args.get(first).is_some_and(|word| rules.take_word_of_places(word)) {
        first += 1;
    }
    let left = args.len() - first;
    if !left.is_multiple_of(3) || rules.are_never_met() {
        return Err(CommandError::SYNTAX);
    }
    let pairs = (first..args.len())
        .step_by(3)
        .map(|at| Ok((hash::score_of(place(args, at)?), &args[at + 2])))
        .collect::<Result<Vec<_>, CommandError>>()?;
    if pairs.is_empty() {
        return Err(CommandError::SYNTAX);
    }
    add_pairs(call, rules, pairs.iter().copied())?;
    if call.outcome.changes > 0 {
        propagate_scores(call, first, &pairs);
    }
    Ok(())
}

/// As ZADD with the options that were given: what a place is on a copy must not depend on its processor.
fn propagate_scores(call: &mut Call<'_>, first: usize, pairs: &[(f64, &[u8])]) {
    let args = call.args;
    let scores: Vec<Vec<u8>> = pairs.iter().map(|(score, _)| format_f64(*score)).collect();
    let mut words: Vec<&[u8]> = vec![b"ZADD"];
    words.extend(args.iter().take(first).skip(1));
    words.extend(scores.iter().zip(pairs).flat_map(|(score, (_, member))| [score.as_slice(), member]));
    call.propagate(&words);
}

fn geodist(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let unit = match args.len() {
        4 => 1.0,
        5 => unit(&args[4])?,
        _ => return Err(CommandError::SYNTAX),
    };
    let set = read(&mut call.db, call.core, &args[1])?;
    let place = |member: &[u8]| set.as_ref().and_then(|set| place_of_member(set, member));
    match place(&args[2]).zip(place(&args[3])) {
        Some((from, to)) => write_distance(call.reply, from.distance(to) / unit),
        None => call.reply.null(),
    }
    Ok(())
}

fn geohash(call: &mut Call<'_>) -> Result<(), CommandError> {
    let set = read(&mut call.db, call.core, &call.args[1])?;
    call.reply.array(call.args.len() - 2);
    for member in call.args.iter().skip(2) {
        match set.as_ref().and_then(|set| place_of_member(set, member)) {
            Some(place) => call.reply.bulk(&hash::text(place)),
            None => call.reply.null(),
        }
    }
    Ok(())
}

fn geopos(call: &mut Call<'_>) -> Result<(), CommandError> {
    let set = read(&mut call.db, call.core, &call.args[1])?;
    call.reply.array(call.args.len() - 2);
    for member in call.args.iter().skip(2) {
        match set.as_ref().and_then(|set| place_of_member(set, member)) {
            Some(place) => write_place(call.reply, place),
            None => call.reply.null_array(),
        }
    }
    Ok(())
}

/// The place that arguments `at` and `at + 1` name.
fn place(args: Args<'_>, at: usize) -> Result<Place, CommandError> {
    let number = |at: usize| float(&args[at], CommandError::NOT_FLOAT);
    let place = Place { longitude: number(at)?, latitude: number(at + 1)? };
    if place.is_valid() { Ok(place) } else { Err(CommandError::no_place(place.longitude, place.latitude)) }
}

fn place_of_member(set: &SortedSet<'_>, member: &[u8]) -> Option<Place> {
    set.score(member).map(hash::place_of)
}

fn float(word: &[u8], error: CommandError) -> Result<f64, CommandError> {
    slipstream_resp::number::parse_f64(word).ok_or(error)
}

/// Metres in a unit of length.
fn unit(word: &[u8]) -> Result<f64, CommandError> {
    let units = [("m", 1.0), ("km", 1000.0), ("ft", 0.3048), ("mi", 1609.34)];
    let found = units.into_iter().find(|(name, _)| is_word(word, name));
    found.map(|(_, metres)| metres).ok_or(CommandError::GEO_UNIT)
}

/// Writes a distance as a bulk string with four decimals.
fn write_distance(reply: &mut Reply, distance: f64) {
    const SCALE: f64 = 10_000.0;
    let scaled = (distance * SCALE).round_ties_even();
    #[expect(clippy::cast_possible_truncation, reason = "no distance on earth is as long")]
    let units = if scaled.is_nan() { i64::MIN } else { scaled as i64 };
    let sign = if units < 0 { "-" } else { "" };
    let units = units.unsigned_abs();
    reply.bulk(format!("{sign}{}.{:04}", units / 10_000, units % 10_000).as_bytes());
}

/// Writes longitude and latitude with up to 17 decimals.
fn write_place(reply: &mut Reply, place: Place) {
    reply.array(2);
    for degrees in [place.longitude, place.latitude] {
        let text = format!("{degrees:.17}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        let text = if text == "-0" { "0" } else { text };
        if reply.is_resp3() {
            reply.raw(format!(",{text}\r\n").as_bytes());
        } else {
            reply.bulk(text.as_bytes());
        }
    }
}
