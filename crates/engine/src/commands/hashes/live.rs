//! A hash as it is now: fields whose time has come are gone.
//!
//! Every command gets at its hash through here. Reads see it as [`Live`], which
//! hides due fields; a primary also removes some of them on the way, the rest
//! is left to active expiry. A change first removes those of the fields that it
//! names which are due, since commands of a primary's stream see all fields. A
//! removal is propagated as HDEL before the command's own effect, and the key
//! goes with the last field. A replica only hides.

use slipstream_keyspace::{Hash, Item, UnixMillis, Value};
use slipstream_resp::Reply;

use crate::call::Call;
use crate::errors::CommandError;

/// Most due fields that a read removes.
const READ_REMOVES: usize = 64;

/// What can be seen of a hash.
#[derive(Clone, Copy)]
pub(in crate::commands) struct Live<'a> {
    hash: &'a Hash<'a>,
    now: UnixMillis,
    /// How many of its fields are due.
    hidden: usize,
}

impl<'a> Live<'a> {
    /// The hash as of `now`.
    #[inline]
    pub(in crate::commands) fn at(hash: &'a Hash<'_>, now: UnixMillis) -> Self {
        let hidden = if has_due(hash, now) { hash.due_len(now) } else { 0 };
        Live { hash, now, hidden }
    }

    #[inline]
    fn shows(self, field: &[u8]) -> bool {
        self.hidden == 0 || !is_due(self.hash, field, self.now)
    }

    /// The value of `field`.
    #[inline]
    pub(in crate::commands) fn get(self, field: &[u8]) -> Option<Item<'a>> {
        self.hash.get(field).filter(|_| self.shows(field))
    }

    /// Whether there is such a field.
    pub(super) fn contains(self, field: &[u8]) -> bool {
        self.hash.contains(field) && self.shows(field)
    }

    /// When `field` is due, if it has a deadline.
    pub(super) fn deadline(self, field: &[u8]) -> Option<UnixMillis> {
        self.hash.deadline(field)
    }

    /// How many fields there are.
    pub(super) fn len(self) -> usize {
        self.hash.len() - self.hidden
    }

    /// Whether walking it is cheap.
    pub(super) fn is_packed(self) -> bool {
        self.hash.is_packed()
    }

    /// All fields and their values.
    pub(super) fn iter(self) -> impl Iterator<Item = (Item<'a>, Item<'a>)> {
        self.hash.iter().filter(move |(field, _)| self.shows_item(*field))
    }

    fn shows_item(self, field: Item<'_>) -> bool {
        self.hidden == 0 || self.shows(field.bytes(&mut itoa::Buffer::new()))
    }

    /// A field chosen fairly, and its value. There is one.
    pub(super) fn random(self, rng: &mut fastrand::Rng) -> (Item<'a>, Item<'a>) {
        const SEEN: &str = "a hash that is shown has a field";
        for _ in 0..100 {
            let (field, value) = self.hash.random(rng).expect(SEEN);
            if self.shows_item(field) {
                return (field, value);
            }
        }
        self.iter().nth(rng.usize(..self.len())).expect(SEEN)
    }

    /// One step of HSCAN.
    pub(super) fn scan(self, cursor: u64, count: usize, mut visit: impl FnMut(Item<'_>, Item<'_>)) -> u64 {
        self.hash.scan(cursor, count, |field, value| {
            if self.shows_item(field) {
                visit(field, value);
            }
        })
    }
}

/// Shows the hash at argument 1, if there is one, and counts the look-up.
#[inline]
pub(super) fn read(
    call: &mut Call<'_>,
    show: impl FnOnce(Option<Live<'_>>, &mut Reply),
) -> Result<(), CommandError> {
    let args = call.args;
    let now = call.db.now;
    let hash = call.db.hash(&args[1])?;
    if hash.as_ref().is_some_and(|hash| has_due(hash, now)) {
        drop(hash);
        return read_with_due(call, show);
    }
    show(hash.as_ref().map(|hash| Live { hash, now, hidden: 0 }), call.reply);
    let found = hash.is_some();
    drop(hash);
    call.count_lookup(&args[1], found);
    Ok(())
}

#[cold]
fn read_with_due(
    call: &mut Call<'_>,
    show: impl FnOnce(Option<Live<'_>>, &mut Reply),
) -> Result<(), CommandError> {
    let args = call.args;
    let now = call.db.now;
    if call.db.database().deletes_due {
        let due = call.db.hash_mut(&args[1])?.map(|mut hash| hash.take_due(now, READ_REMOVES));
        let due = due.unwrap_or_default();
        fields_expired(call, &args[1], due.iter().map(Vec::as_slice));
    }
    let hash = call.db.hash(&args[1])?;
    let seen = hash.as_ref().map(|hash| Live::at(hash, now)).filter(|seen| seen.len() > 0);
    show(seen, call.reply);
    let found = seen.is_some();
    drop(hash);
    call.count_lookup(&args[1], found);
    Ok(())
}

/// Changes `fields` of the hash at argument 1, an empty one if there was none. The change leaves a field.
#[inline]
pub(super) fn change<'f, R>(
    call: &mut Call<'_>,
    fields: impl Iterator<Item = &'f [u8]>,
    edit: impl FnOnce(&mut Hash<'_>) -> R,
) -> Result<R, CommandError> {
    let args = call.args;
    let now = call.db.now;
    let mut hash = call.db.hash_or_new(&args[1])?;
    if has_due(&hash, now) {
        drop(hash);
        drop_due(call, &args[1], fields)?;
        hash = call.db.hash_or_new(&args[1])?;
        let result = edit(&mut hash);
        drop(hash);
        call.db.database().note_fields(&args[1]);
        return Ok(result);
    }
    let had_deadlines = hash.has_deadlines();
    let result = edit(&mut hash);
    let notes = had_deadlines || hash.has_deadlines();
    drop(hash);
    if notes {
        call.db.database().note_fields(&args[1]);
    }
    Ok(result)
}

/// Changes `fields` of the hash at argument 1 if there is one. The key goes with the last field.
pub(super) fn change_existing<'f, R>(
    call: &mut Call<'_>,
    fields: impl Iterator<Item = &'f [u8]>,
    edit: impl FnOnce(&mut Hash<'_>, &mut Reply) -> R,
) -> Result<Option<R>, CommandError> {
    let args = call.args;
    let now = call.db.now;
    if call.db.hash(&args[1])?.is_some_and(|hash| has_due(&hash, now)) {
        drop_due(call, &args[1], fields)?;
    }
    let Some(mut hash) = call.db.hash_mut(&args[1])? else { return Ok(None) };
    let had_deadlines = hash.has_deadlines();
    let result = edit(&mut hash, call.reply);
    let notes = had_deadlines || hash.has_deadlines();
    let emptied = hash.is_empty();
    drop(hash);
    if emptied {
        call.db.database().remove(&args[1]);
    }
    if notes {
        call.db.database().note_fields(&args[1]);
    }
    Ok(Some(result))
}

#[inline]
fn has_due(hash: &Hash<'_>, now: UnixMillis) -> bool {
    hash.next_deadline().is_some_and(|deadline| deadline < now)
}

fn is_due(hash: &Hash<'_>, field: &[u8], now: UnixMillis) -> bool {
    hash.deadline(field).is_some_and(|deadline| deadline < now)
}

/// Removes those of `fields` that are due from the hash at `key`.
#[cold]
fn drop_due<'f>(
    call: &mut Call<'_>,
    key: &[u8],
    fields: impl Iterator<Item = &'f [u8]>,
) -> Result<(), CommandError> {
    let now = call.db.now;
    let Some(mut hash) = call.db.hash_mut(key)? else { return Ok(()) };
    let due: Vec<&[u8]> = fields.filter(|field| is_due(&hash, field, now) && hash.remove(field)).collect();
    drop(hash);
    fields_expired(call, key, due.into_iter());
    Ok(())
}

/// Before `field` of the hash at `key`, if there is one, is read: where it is due, it goes.
pub(in crate::commands) fn expire_field(call: &mut Call<'_>, key: &[u8], field: &[u8]) {
    let now = call.db.now;
    let due = matches!(call.db.get(key), Some(Value::Hash(hash)) if is_due(&hash, field, now));
    if due && call.db.database().deletes_due {
        drop_due(call, key, [field].into_iter()).expect("it is a hash");
    }
}

/// Fields were removed since their time had come.
fn fields_expired<'f>(call: &mut Call<'_>, key: &[u8], fields: impl Iterator<Item = &'f [u8]>) {
    let fields: Vec<&[u8]> = fields.collect();
    if fields.is_empty() {
        return;
    }
    call.db.remove_if_empty(key);
    call.db.database().note_fields(key);
    call.core.fields_expired(call.db.index, key, &fields);
    call.notify_if_gone(key);
}
