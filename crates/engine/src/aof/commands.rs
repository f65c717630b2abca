//! A base made of commands (`aof-use-rdb-preamble no`): what makes the data out of nothing.
//!
//! The commands are those that Redis writes, up to 64 elements in each, so that any server of the family loads them.
//! A stream with consumer groups is one RESTORE, whose payload says all of it. Memory does not grow with the data.

use std::io::{self, Write};

use slipstream_keyspace::{Hash, Item, ScoreFormat, SortedSet, Stream, UnixMillis, Value, write_score};
use slipstream_resp::encode_request;

use crate::host::SnapshotJob;

/// Elements in one command, as in Redis.
const ELEMENTS: usize = 64;

/// Bytes that are written at once.
const PIECE: usize = 64 << 10;

/// Writes the data of a snapshot as commands, giving it up piece by piece; returns the length in bytes. `watch` is told
/// of each key how many there are by then.
pub fn write_commands(
    job: SnapshotJob,
    output: &mut impl Write,
    watch: &mut impl FnMut(u64),
) -> io::Result<u64> {
    let mut keys = 0;
    let mut writer = Writer { output, buffer: Vec::with_capacity(2 * PIECE), length: 0 };
    for (number, database) in job.snapshot.into_databases().enumerate() {
        if database.is_empty() {
            continue;
        }
        writer.request(&[b"SELECT", number.to_string().as_bytes()])?;
        for portion in database.into_portions() {
            for (key, value, deadline) in portion.iter() {
                writer.key(key, &value, deadline)?;
                keys += 1;
                watch(keys);
            }
        }
    }
    writer.finish()
}

struct Writer<'a, W> {
    output: &'a mut W,
    buffer: Vec<u8>,
    length: u64,
}

impl<W: Write> Writer<'_, W> {
    fn request(&mut self, args: &[&[u8]]) -> io::Result<()> {
        encode_request(&mut self.buffer, args.iter().copied());
        if self.buffer.len() >= PIECE { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.write_all(&self.buffer)?;
        self.length += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<u64> {
        self.flush()?;
        self.output.flush()?;
        Ok(self.length)
    }

    fn key(&mut self, key: &[u8], value: &Value<'_>, deadline: Option<UnixMillis>) -> io::Result<()> {
        match value {
            Value::String(string) => {
                let mut digits = itoa::Buffer::new();
                self.request(&[b"SET", key, string.bytes(&mut digits)])?;
            }
            Value::List(list) => self.elements(b"RPUSH", key, list.iter().map(|item| [item.to_vec()]))?,
            Value::Set(set) => self.elements(b"SADD", key, set.iter().map(|item| [item.to_vec()]))?,
            Value::SortedSet(set) => self.sorted_set(key, set)?,
            Value::Hash(hash) => self.hash(key, hash)?,
            Value::Stream(stream) if stream.groups().len() == 0 => self.stream(key, stream)?,
            Value::Stream(_) => {
                let payload = slipstream_rdb::dump(value, true);
                self.request(&[b"RESTORE", key, b"0", &payload])?;
            }
        }
        if let Some(UnixMillis(millis)) = deadline {
            self.request(&[b"PEXPIREAT", key, millis.to_string().as_bytes()])?;
        }
        Ok(())
    }

    /// Commands of the form `name key element…`, where an element takes `N` arguments.
    fn elements<const N: usize>(
        &mut self,
        name: &[u8],
        key: &[u8],
        elements: impl Iterator<Item = [Vec<u8>; N]>,
    ) -> io::Result<()> {
        let mut elements = elements.peekable();
        while elements.peek().is_some() {
            let chunk: Vec<[Vec<u8>; N]> = elements.by_ref().take(ELEMENTS).collect();
            let mut args: Vec<&[u8]> = vec![name, key];
            args.extend(chunk.iter().flatten().map(Vec::as_slice));
            self.request(&args)?;
        }
        Ok(())
    }

    fn sorted_set(&mut self, key: &[u8], set: &SortedSet<'_>) -> io::Result<()> {
        let element = |(member, score): (Item<'_>, f64)| {
            let mut text = Vec::new();
            write_score(score, ScoreFormat::SeventeenDigits, &mut text);
            [text, member.to_vec()]
        };
        self.elements(b"ZADD", key, set.iter().map(element))
    }

    fn hash(&mut self, key: &[u8], hash: &Hash<'_>) -> io::Result<()> {
        self.elements(b"HMSET", key, hash.iter().map(|(field, value)| [field.to_vec(), value.to_vec()]))?;
        if !hash.has_deadlines() {
            return Ok(());
        }
        for (field, _) in hash.iter() {
            let field = field.to_vec();
            if let Some(UnixMillis(millis)) = hash.deadline(&field) {
                let millis = millis.to_string();
                self.request(&[b"HPEXPIREAT", key, millis.as_bytes(), b"FIELDS", b"1", &field])?;
            }
        }
        Ok(())
    }

    fn stream(&mut self, key: &[u8], stream: &Stream) -> io::Result<()> {
        if stream.is_empty() {
            // The one way to have an empty stream: it loses its only entry.
            self.request(&[b"XADD", key, b"MAXLEN", b"0", b"0-1", b"x", b"y"])?;
        }
        for entry in stream.iter() {
            let id = entry.id.to_string();
            let fields: Vec<Vec<u8>> =
                entry.fields.flat_map(|(field, value)| [field.to_vec(), value.to_vec()]).collect();
            let mut args: Vec<&[u8]> = vec![b"XADD", key, id.as_bytes()];
            args.extend(fields.iter().map(Vec::as_slice));
            self.request(&args)?;
        }
        let [last, deleted] = [stream.last_id(), stream.max_deleted_id()].map(|id| id.to_string());
        let added = stream.entries_added().to_string();
        let (entries, deleted_id) = (b"ENTRIESADDED", b"MAXDELETEDID");
        self.request(&[
            b"XSETID",
            key,
            last.as_bytes(),
            entries,
            added.as_bytes(),
            deleted_id,
            deleted.as_bytes(),
        ])
    }
}
