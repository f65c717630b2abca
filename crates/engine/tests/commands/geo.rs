//! GEOADD, GEODIST, GEOHASH, GEOPOS, GEOSEARCH, GEORADIUS and their kin.

use crate::script::Script;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const SYNTAX: &str = "-ERR syntax error";
const NOT_FLOAT: &str = "-ERR value is not a valid float";
const UNIT: &str = "-ERR unsupported unit provided. please use M, KM, FT, MI";
const SICILY: &str = "GEOADD s 13.361389 38.115556 Palermo 15.087269 37.502669 Catania";

fn sicily() -> Script {
    let mut script = Script::new();
    script.ask(SICILY);
    script.ask("GEOADD s 12.758489 38.788135 edge1 17.241510 38.788135 edge2");
    script.ask("RPUSH list x");
    script.propagated();
    script
}

#[test]
fn geoadd_is_propagated_as_the_scores_that_it_makes() {
    let mut script = Script::new();
    script.check(SICILY, ":2", "ZADD s 3479099956230698 Palermo 3479447370796909 Catania");
    script.check_read(SICILY, ":0");
    script.check(
        "GEOADD s nx ch 0 0 x 1 1 Palermo",
        ":1",
        "ZADD s nx ch 3377699720527872 x 3377822707026402 Palermo",
    );
    script.check("GEOADD s XX 0 0 Palermo", ":0", "ZADD s XX 3377699720527872 Palermo");
    script.check_read("GEOADD s XX 0 0 nobody", ":0");
    script.check_read("GEOADD none XX 0 0 nobody", ":0");
    assert!(!script.has("none"));
    script.check_read("ZSCORE s Catania", "3479447370796909");
}

#[test]
fn geoadd_refuses_what_is_no_place() {
    let mut script = sicily();
    for (request, reply) in [
        ("GEOADD s 181 0 x", "-ERR invalid longitude,latitude pair 181.000000,0.000000"),
        ("GEOADD s 0 -85.06 x", "-ERR invalid longitude,latitude pair 0.000000,-85.060000"),
        ("GEOADD s inf 0 x", "-ERR invalid longitude,latitude pair inf,0.000000"),
        ("GEOADD s 0 0 x 200 0 y", "-ERR invalid longitude,latitude pair 200.000000,0.000000"),
        ("GEOADD s a 0 x", NOT_FLOAT),
        ("GEOADD s 0 nan x", NOT_FLOAT),
        ("GEOADD s 0 0 x 1", SYNTAX),
        ("GEOADD s NX XX 0 0 x", SYNTAX),
        ("GEOADD s NX CH CH", SYNTAX),
        ("GEOADD s GT 0 0", NOT_FLOAT),
        ("GEOADD s 0 0", "-ERR wrong number of arguments for 'geoadd' command"),
        ("GEOADD list 0 0 x", WRONG_TYPE),
    ] {
        script.check_read(request, reply);
    }
}

#[test]
fn members_tell_their_places() {
    let mut script = sicily();
    for (request, reply) in [
        ("GEOPOS s Palermo nobody", "[[13.36138933897018433 38.11555639549629859] *-1]"),
        ("GEOPOS none a", "[*-1]"),
        ("GEOPOS s", "[]"),
        ("GEOPOS list a", WRONG_TYPE),
        ("GEOHASH s Palermo nobody Catania", "[sqc8b49rny0 $-1 sqdtr74hyu0]"),
        ("GEOHASH none a b", "[$-1 $-1]"),
        ("GEOHASH list a", WRONG_TYPE),
        ("GEODIST s Palermo Catania", "166274.1516"),
        ("GEODIST s Palermo Catania km", "166.2742"),
        ("GEODIST s Palermo Catania MI", "103.3182"),
        ("GEODIST s Palermo Catania ft", "545518.8700"),
        ("GEODIST s Palermo Palermo", "0.0000"),
        ("GEODIST s Palermo nobody", "$-1"),
        ("GEODIST none a b", "$-1"),
        ("GEODIST s Palermo Catania x", UNIT),
        ("GEODIST none a b x", UNIT),
        ("GEODIST s Palermo Catania m x", SYNTAX),
        ("GEODIST list a b", WRONG_TYPE),
    ] {
        script.check_read(request, reply);
    }
    script.use_resp3();
    script.check_read("GEOPOS s Palermo nobody", "[[,13.36138933897018433 ,38.11555639549629859] _]");
    script.check_read("GEODIST s Palermo Catania", "166274.1516");
    script.check_read("GEOHASH s nobody", "[_]");
}

#[test]
fn a_search_finds_what_is_in_the_circle_or_the_box() {
    let mut script = sicily();
    for (request, reply) in [
        ("GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 200 km ASC", "[Catania Palermo]"),
        ("GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 200 km DESC", "[Palermo Catania]"),
        ("GEOSEARCH s FROMLONLAT 15 37 BYBOX 400 400 km ASC COUNT 3", "[Catania Palermo edge2]"),
        ("GEOSEARCH s BYBOX 400 400 km COUNT 1 FROMLONLAT 15 37", "[Catania]"),
        ("GEOSEARCH s FROMMEMBER Palermo BYRADIUS 100 KM ASC", "[Palermo edge1]"),
        ("GEOSEARCH s FROMMEMBER Palermo BYRADIUS 0 m", "[Palermo]"),
        ("GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 200 km COUNT 1 ANY", "[Palermo]"),
        (
            "GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 200 km WITHHASH WITHCOORD WITHDIST ASC",
            "[[Catania 56.4413 :3479447370796909 [15.08726745843887329 37.50266842333162032]] \
              [Palermo 190.4424 :3479099956230698 [13.36138933897018433 38.11555639549629859]]]",
        ),
        ("GEORADIUS s 15 37 200 km WITHDIST", "[[Palermo 190.4424] [Catania 56.4413]]"),
        ("GEORADIUS_RO s 15 37 200 km DESC", "[Palermo Catania]"),
        ("GEORADIUSBYMEMBER s Palermo 100 km ASC", "[Palermo edge1]"),
        ("GEORADIUSBYMEMBER_RO s Palermo 100 mi WITHDIST DESC", "[[edge1 56.7939] [Palermo 0.0000]]"),
        ("GEOSEARCH none FROMLONLAT 15 37 BYRADIUS 200 km", "[]"),
        ("GEOSEARCH s FROMLONLAT 0 0 BYRADIUS 200 km", "[]"),
        ("GEORADIUSBYMEMBER none x y z", "[]"),
    ] {
        script.check_read(request, reply);
    }
    script.use_resp3();
    script.check_read(
        "GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 100 km WITHHASH WITHCOORD WITHDIST",
        "[[Catania 56.4413 :3479447370796909 [,15.08726745843887329 ,37.50266842333162032]]]",
    );
}

#[test]
fn equally_far_members_come_as_redis_picks_them() {
    let mut script = Script::new();
    let places: String = ('a'..='j').map(|name| format!(" 1 1 {name}")).collect();
    script.ask(&format!("GEOADD s{places}"));
    for (options, reply) in [
        ("ASC COUNT 3", "[j b c]"),
        ("COUNT 3 ANY", "[a b c]"),
        ("ASC", "[a b c d e f g h i j]"),
        ("DESC COUNT 10", "[a b c d e f g h i j]"),
    ] {
        let reply = reply.to_owned();
        assert_eq!(
            script.ask(&format!("GEOSEARCH s FROMLONLAT 1 1 BYRADIUS 1 m {options}")),
            reply,
            "{options}"
        );
    }
}

#[test]
fn a_search_that_makes_no_sense_is_refused() {
    let mut script = sicily();
    let (from, by) = ("FROMLONLAT 15 37", "BYRADIUS 200 km");
    for (request, reply) in [
        (
            format!("GEOSEARCH s {by} ASC DESC"),
            "-ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH",
        ),
        (
            format!("geosearch s {from} ASC DESC"),
            "-ERR exactly one of BYRADIUS and BYBOX can be specified for geosearch",
        ),
        (format!("GEOSEARCH s {from} FROMMEMBER Palermo {by}"), SYNTAX),
        (format!("GEOSEARCH s FROMMEMBER Palermo {from} {by}"), SYNTAX),
        (format!("GEOSEARCH s {from} {by} BYBOX 1 1 m"), SYNTAX),
        (format!("GEOSEARCH s {from} {by} STOREDIST"), SYNTAX),
        (format!("GEOSEARCH s {from} {by} STORE d"), SYNTAX),
        (format!("GEOSEARCH s {from} {by} COUNT"), SYNTAX),
        (format!("GEOSEARCH s {from} {by} COUNT 0"), "-ERR COUNT must be > 0"),
        (format!("GEOSEARCH s {from} {by} COUNT x"), "-ERR value is not an integer or out of range"),
        (format!("GEOSEARCH s {from} {by} ANY"), "-ERR the ANY argument requires COUNT argument"),
        (format!("GEOSEARCH s FROMMEMBER nobody {by}"), "-ERR could not decode requested zset member"),
        (
            format!("GEOSEARCH s FROMLONLAT 500 0 {by}"),
            "-ERR invalid longitude,latitude pair 500.000000,0.000000",
        ),
        (format!("GEOSEARCH s {from} BYRADIUS x km"), "-ERR need numeric radius"),
        (format!("GEOSEARCH s {from} BYRADIUS -1 km"), "-ERR radius cannot be negative"),
        (format!("GEOSEARCH s {from} BYRADIUS 1 x"), UNIT),
        (format!("GEOSEARCH s {from} BYBOX x 1 km"), "-ERR need numeric width"),
        (format!("GEOSEARCH s {from} BYBOX 1 x km"), "-ERR need numeric height"),
        (format!("GEOSEARCH s {from} BYBOX 1 -1 km"), "-ERR height or width cannot be negative"),
        (format!("GEOSEARCH list {from} {by} x"), WRONG_TYPE),
        (
            format!("GEOSEARCHSTORE d s {from} {by} WITHDIST"),
            "-ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
        ),
        (
            format!("GEOSEARCHSTORE d s {by} COUNT 1"),
            "-ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCHSTORE",
        ),
        (
            "GEORADIUS s 15 37 200 km STORE d WITHHASH".into(),
            "-ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
        ),
        ("GEORADIUS_RO s 15 37 200 km STORE d".into(), SYNTAX),
        ("GEORADIUS s 15 37 200 km STORE".into(), SYNTAX),
        ("GEORADIUS s 15 37 200 km FROMMEMBER Palermo".into(), SYNTAX),
        ("GEORADIUS none a 37 200 km".into(), NOT_FLOAT),
        ("GEORADIUSBYMEMBER s nobody 1 km".into(), "-ERR could not decode requested zset member"),
        ("GEORADIUSBYMEMBER none nobody 1 km x".into(), SYNTAX),
    ] {
        script.check_read(&request, reply);
    }
}

#[test]
fn what_is_stored_travels_as_the_result() {
    let mut script = sicily();
    let palermo_and_catania = "ZADD d 3479099956230698 Palermo 3479447370796909 Catania";
    script.check("GEOSEARCHSTORE d s FROMLONLAT 15 37 BYRADIUS 200 km", ":2", palermo_and_catania);
    script.check(
        "GEOSEARCHSTORE d s FROMLONLAT 15 37 BYRADIUS 200 km ASC COUNT 1 STOREDIST",
        ":1",
        "MULTI; DEL d; ZADD d 56.4412578701582 Catania; EXEC",
    );
    script.check(
        "GEORADIUS s 15 37 200 km STORE d",
        ":2",
        &format!("MULTI; DEL d; {palermo_and_catania}; EXEC"),
    );
    script.check("GEORADIUSBYMEMBER s Palermo 1 m STORE none STOREDIST e", ":1", "ZADD e 0 Palermo");
    script.check("GEORADIUS s 0 0 1 km STORE d", ":0", "DEL d");
    script.check_read("GEORADIUS s 0 0 1 km STORE d", ":0");
    script.check("GEOSEARCHSTORE e none FROMMEMBER x BYRADIUS 1 m", ":0", "DEL e");
    script.check_read("GEORADIUSBYMEMBER none x 1 m STORE e", ":0");
    // The source may be the target, and a target of another type goes.
    script.check(
        "GEORADIUS s 15 37 100 km STORE s",
        ":1",
        "MULTI; DEL s; ZADD s 3479447370796909 Catania; EXEC",
    );
    script.check(
        "GEORADIUS s 15 37 100 km STORE list",
        ":1",
        "MULTI; DEL list; ZADD list 3479447370796909 Catania; EXEC",
    );
}

#[test]
fn a_large_result_travels_in_parts() {
    let mut script = Script::new();
    for index in 0..2500 {
        script.ask(&format!("GEOADD s 1 1 m{index}"));
    }
    script.propagated();
    assert_eq!(script.ask("GEOSEARCHSTORE d s FROMLONLAT 1 1 BYRADIUS 1 m"), ":2500");
    assert_eq!(script.propagated().matches("; ZADD d ").count(), 3);
}

#[test]
fn any_sorted_set_is_searched() {
    let mut script = Script::new();
    script.ask("ZADD z -5 below 1.5 near 1e18 beyond inf last");
    script.propagated();
    script.check_read("GEOPOS z near", "[[-179.99999731779098511 -85.05112497791824921]]");
    for member in ["below", "near", "beyond", "last"] {
        let reply = script.ask(&format!("GEOSEARCH z FROMMEMBER {member} BYRADIUS 1 km"));
        assert!(reply.starts_with('['), "{member}: {reply}");
    }
}

#[test]
fn keys_of_the_store_forms_are_found() {
    let mut script = Script::new();
    for (request, reply) in [
        ("GEORADIUS k 1 1 1 m STORE a STOREDIST b", "[k a b]"),
        ("GEORADIUS k 1 1 1 m", "[k]"),
        ("GEORADIUSBYMEMBER k m 1 m STOREDIST a", "[k a]"),
        ("GEOSEARCHSTORE d k FROMMEMBER m BYRADIUS 1 m", "[d k]"),
        ("GEORADIUS_RO k 1 1 1 m", "[k]"),
    ] {
        script.check_read(&format!("COMMAND GETKEYS {request}"), reply);
    }
    let reply = "[[k [+RO +access]] [a [+OW +update]]]";
    script.check_read("COMMAND GETKEYSANDFLAGS GEORADIUSBYMEMBER k m 1 m STORE a", reply);
}
