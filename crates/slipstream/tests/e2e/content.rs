//! Everything that a server holds, as a value that can be compared key by key.
//!
//! Reads through ordinary commands, so it shows what a client would see, and owes nothing to DUMP or DEBUG. Order
//! is kept where it means something (lists, sorted sets, streams) and dropped where it does not. Deadlines of hash
//! fields are read where the server knows them.

use std::collections::{BTreeMap, BTreeSet};

use redis::{Cmd, FromRedisValue, Value};

use crate::client::Client;
use crate::wait::wait_for;

const DATABASES: u32 = 16;
/// What PTTL answers for a key without expiry.
const FOREVER: i64 = -1;
/// What is due within this time counts as living shortly; the tests' other expiries are hours away.
const SHORT_MS: i64 = 60_000;
/// How much of a value that differs is shown.
const SHOWN: usize = 300;

/// All keys of all databases.
#[derive(Debug, PartialEq)]
pub(crate) struct Content(BTreeMap<Place, Entry>);

type Place = (u32, Vec<u8>);

#[derive(Debug, PartialEq)]
struct Entry {
    data: Data,
    /// The wall clock's milliseconds, or -1 for never.
    expires_at: i64,
    /// The same for each field that has a deadline of its own.
    fields_expire_at: BTreeMap<Vec<u8>, i64>,
}

#[derive(Debug, PartialEq)]
enum Data {
    String(Vec<u8>),
    List(Vec<Vec<u8>>),
    Set(BTreeSet<Vec<u8>>),
    Hash(BTreeMap<Vec<u8>, Vec<u8>>),
    SortedSet(Vec<(Vec<u8>, f64)>),
    /// Ids, and names and values in turn.
    Stream(Vec<(String, Vec<Vec<u8>>)>),
}

impl Content {
    /// Reads all keys, once what is due shortly is gone: deleted, not only hidden, so that a primary has nothing left
    /// to put into its stream by itself. Nobody may write meanwhile.
    #[track_caller]
    pub(crate) fn read(client: &mut Client) -> Self {
        let mut all = BTreeMap::new();
        let knows_field_deadlines = knows(client, "HPEXPIRETIME");
        for database in 0..DATABASES {
            client.call::<()>(&format!("SELECT {database}"));
            let keys = wait_for("what lives shortly is gone", || {
                let keys = lasting_keys(client)?;
                (!knows_field_deadlines || keeps_its_fields(client, &keys)).then_some(keys)
            });
            let types: Vec<String> = client.pipeline(keys.iter().map(|key| about("TYPE", key)));
            let expiries: Vec<i64> = client.pipeline(keys.iter().map(|key| about("PEXPIRETIME", key)));
            let reads = keys.iter().zip(&types).map(|(key, kind)| read_command(kind, key));
            let values: Vec<Value> = client.pipeline(reads);
            for (((key, kind), value), expires_at) in keys.into_iter().zip(types).zip(values).zip(expiries) {
                let data = Data::from_reply(&kind, &value);
                let fields_expire_at = match &data {
                    Data::Hash(hash) if knows_field_deadlines => field_deadlines(client, &key, hash),
                    _ => BTreeMap::new(),
                };
                all.insert((database, key), Entry { data, expires_at, fields_expire_at });
            }
        }
        client.call::<()>("SELECT 0");
        Self(all)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many fields of hashes have a deadline of their own.
    pub(crate) fn field_deadlines(&self) -> usize {
        self.0.values().map(|entry| entry.fields_expire_at.len()).sum()
    }

    /// Fails the test with the first few keys that differ.
    #[track_caller]
    pub(crate) fn assert_equal(&self, other: &Self) {
        let places: BTreeSet<&Place> = self.0.keys().chain(other.0.keys()).collect();
        let differing = places.into_iter().filter(|place| self.0.get(place) != other.0.get(place));
        let shown: Vec<String> = differing
            .take(5)
            .map(|place| {
                let key = String::from_utf8_lossy(&place.1);
                let [here, there] = [self, other].map(|content| brief(content.0.get(place)));
                format!("database {}, key {key}:\n  {here}\n  {there}", place.0)
            })
            .collect();
        assert!(shown.is_empty(), "the copies differ:\n{}", shown.join("\n"));
    }
}

/// The keys of the selected database, if all of them will still be there in a while and there are no others.
fn lasting_keys(client: &mut Client) -> Option<Vec<Vec<u8>>> {
    let keys: Vec<Vec<u8>> = client.call("KEYS *");
    // Counts what is due and not yet deleted.
    let all: usize = client.call("DBSIZE");
    let left: Vec<i64> = client.pipeline(keys.iter().map(|key| about("PTTL", key)));
    (all == keys.len() && left.into_iter().all(lasts)).then_some(keys)
}

fn lasts(left_ms: i64) -> bool {
    left_ms == FOREVER || left_ms > SHORT_MS
}

/// Whether no field of the hashes among these keys is due shortly.
fn keeps_its_fields(client: &mut Client, keys: &[Vec<u8>]) -> bool {
    let types: Vec<String> = client.pipeline(keys.iter().map(|key| about("TYPE", key)));
    let hashes: Vec<&Vec<u8>> =
        keys.iter().zip(&types).filter(|(_, kind)| *kind == "hash").map(|(key, _)| key).collect();
    let fields: Vec<Vec<Vec<u8>>> = client.pipeline(hashes.iter().map(|key| about("HKEYS", key)));
    let filled = hashes.into_iter().zip(fields).filter(|(_, fields)| !fields.is_empty());
    let asks = filled.map(|(key, fields)| {
        let mut ask = about("HPTTL", key);
        ask.arg("FIELDS").arg(fields.len()).arg(fields);
        ask
    });
    let left: Vec<Vec<i64>> = client.pipeline(asks);
    left.into_iter().flatten().all(lasts)
}

fn knows(client: &mut Client, command: &str) -> bool {
    let described: Vec<Value> = client.call(&format!("COMMAND INFO {command}"));
    described != [Value::Nil]
}

#[track_caller]
fn field_deadlines(
    client: &mut Client,
    key: &[u8],
    hash: &BTreeMap<Vec<u8>, Vec<u8>>,
) -> BTreeMap<Vec<u8>, i64> {
    let mut ask = about("HPEXPIRETIME", key);
    ask.arg("FIELDS").arg(hash.len());
    hash.keys().for_each(|field| _ = ask.arg(field));
    let deadlines: Vec<Vec<i64>> = client.pipeline([ask]);
    let timed = hash.keys().zip(&deadlines[0]).filter(|(_, deadline)| **deadline != FOREVER);
    timed.map(|(field, deadline)| (field.clone(), *deadline)).collect()
}

fn brief(entry: Option<&Entry>) -> String {
    format!("{entry:?}").chars().take(SHOWN).collect()
}

fn about(command: &str, key: &[u8]) -> Cmd {
    let mut about = redis::cmd(command);
    about.arg(key);
    about
}

#[track_caller]
fn read_command(kind: &str, key: &[u8]) -> Cmd {
    let (command, arguments): (&str, &[&str]) = match kind {
        "string" => ("GET", &[]),
        "list" => ("LRANGE", &["0", "-1"]),
        "set" => ("SMEMBERS", &[]),
        "hash" => ("HGETALL", &[]),
        "zset" => ("ZRANGE", &["0", "-1", "WITHSCORES"]),
        "stream" => ("XRANGE", &["-", "+"]),
        _ => panic!("{} is of type {kind}", String::from_utf8_lossy(key)),
    };
    let mut read = about(command, key);
    for argument in arguments {
        read.arg(argument);
    }
    read
}

impl Data {
    #[track_caller]
    fn from_reply(kind: &str, reply: &Value) -> Self {
        match kind {
            "string" => Self::String(converted(reply)),
            "list" => Self::List(converted(reply)),
            "set" => Self::Set(converted(reply)),
            "hash" => Self::Hash(converted(reply)),
            "stream" => Self::Stream(converted(reply)),
            _ => Self::SortedSet(converted(reply)),
        }
    }
}

#[track_caller]
fn converted<T: FromRedisValue>(reply: &Value) -> T {
    T::from_redis_value(reply).unwrap_or_else(|error| panic!("{reply:?}: {error}"))
}
