//! Databases against a sorted map with deadlines, and the rules of expiry.

use std::collections::BTreeMap;

use super::*;
use crate::string::Str;
use crate::table::Batch;

type Model = BTreeMap<Vec<u8>, (i64, Option<UnixMillis>)>;

fn key(number: u32) -> Vec<u8> {
    format!("key:{number}").into_bytes()
}

fn value(number: i64) -> Value<'static> {
    Str::from_int(number).into()
}

fn int(value: &Value<'_>) -> i64 {
    match value {
        Value::String(value) => value.as_int().unwrap(),
        _ => panic!("these tests store integers"),
    }
}

fn contents(database: &Database) -> Model {
    database.iter().map(|(key, value, deadline)| (key.to_vec(), (int(&value), deadline))).collect()
}

fn is_due(entry: Option<&(i64, Option<UnixMillis>)>, now: UnixMillis) -> bool {
    entry.is_some_and(|(_, deadline)| deadline.is_some_and(|deadline| deadline < now))
}

fn step(database: &mut Database, model: &mut Model, now: UnixMillis, rng: &mut fastrand::Rng) {
    let key = key(rng.u32(..500));
    let deadline = rng.bool().then(|| UnixMillis(now.0 + rng.i64(..200)));
    let number = rng.i64(..);
    if is_due(model.get(&key), now) && rng.bool() {
        assert!(database.get(&key, now).is_none());
        assert_eq!(database.expired.pop(), Some(key.clone()));
        model.remove(&key);
    }
    match rng.u8(..6) {
        0 | 1 => {
            let old = database.insert(&key, value(number), deadline);
            assert_eq!(old.as_ref().map(int), model.insert(key, (number, deadline)).map(|old| old.0));
        }
        2 => {
            let old = database.replace_value(&key, value(number));
            assert_eq!(old.as_ref().map(int), model.get(&key).map(|old| old.0));
            model.entry(key).or_default().0 = number;
        }
        3 => {
            let was = database.remove(&key);
            assert_eq!(was.as_ref().map(int), model.remove(&key).map(|old| old.0));
        }
        4 => {
            assert_eq!(database.set_deadline(&key, deadline), model.contains_key(&key));
            if let Some(entry) = model.get_mut(&key) {
                entry.1 = deadline;
            }
        }
        _ => {
            let due = is_due(model.get(&key), now);
            assert_eq!(database.contains(&key, now), model.contains_key(&key) && !due);
            assert_eq!(database.deadline(&key), model.get(&key).and_then(|entry| entry.1));
        }
    }
}

fn take_all_due(database: &mut Database, now: UnixMillis) -> Vec<Vec<u8>> {
    let mut taken = Vec::new();
    while database.may_be_due(now) {
        taken.extend(database.take_due(now, 100));
    }
    taken
}

#[test]
fn operations_from_a_seed_match_a_sorted_map() {
    let mut rng = fastrand::Rng::with_seed(11);
    let mut database = Database::new([1, 2, 3, 4]);
    let mut model = Model::new();
    for round in 0..30_000 {
        let now = UnixMillis(round / 10);
        step(&mut database, &mut model, now, &mut rng);
        if round % 500 == 0 {
            let mut taken = take_all_due(&mut database, now);
            taken.sort_unstable();
            let due: Vec<_> = model.keys().filter(|key| is_due(model.get(*key), now)).cloned().collect();
            assert_eq!(taken, due);
            due.iter().for_each(|key| assert!(model.remove(key).is_some()));
            assert_eq!(contents(&database), model);
        }
        assert_eq!(database.len(), model.len());
        assert_eq!(database.expires_len(), model.values().filter(|entry| entry.1.is_some()).count());
    }
}

#[test]
fn a_key_is_due_once_its_deadline_is_past() {
    let mut database = Database::new([1, 2, 3, 4]);
    database.insert(b"k", value(1), Some(UnixMillis(100)));
    assert_eq!(database.get(b"k", UnixMillis(100)).map(|value| int(&value)), Some(1));
    assert!(database.peek(b"k", UnixMillis(101)).is_none());
    assert_eq!(database.len(), 1);
    assert!(database.get_mut(b"k", UnixMillis(101)).is_none());
    assert_eq!((database.len(), database.expires_len()), (0, 0));
    assert_eq!(database.expired, [b"k"]);
}

#[test]
fn a_replica_hides_what_is_due_and_keeps_it() {
    let mut database = Database::new([1, 2, 3, 4]);
    database.deletes_due = false;
    database.insert(b"k", value(1), Some(UnixMillis(100)));
    assert!(database.get(b"k", UnixMillis(101)).is_none());
    assert!(database.expired.is_empty());
    assert_eq!(database.len(), 1);
    assert_eq!(int(&database.get_or_insert_with(b"k", UnixMillis(101), || value(2))), 2);
    assert_eq!((database.len(), database.expires_len()), (1, 0));
}

#[test]
fn get_or_insert_makes_what_is_missing_or_due() {
    let mut database = Database::new([1, 2, 3, 4]);
    assert_eq!(int(&database.get_or_insert_with(b"k", UnixMillis(1), || value(1))), 1);
    assert_eq!(int(&database.get_or_insert_with(b"k", UnixMillis(1), || value(2))), 1);
    database.set_deadline(b"k", Some(UnixMillis(5)));
    assert_eq!(int(&database.get_or_insert_with(b"k", UnixMillis(9), || value(3))), 3);
    assert_eq!(database.expired, [b"k"]);
    assert_eq!(database.deadline(b"k"), None);
}

#[test]
fn active_expiry_goes_on_where_it_stopped() {
    let mut database = Database::new([1, 2, 3, 4]);
    for number in 0..10_000 {
        let deadline = (number % 2 == 0).then_some(UnixMillis(i64::from(number)));
        database.insert(&key(number), value(1), deadline);
    }
    let mut taken = 0;
    loop {
        let keys = database.take_due(UnixMillis(5_000), 100);
        taken += keys.len();
        assert!(keys.iter().all(|key| database.peek(key, UnixMillis(0)).is_none()));
        assert!(keys.len() <= 100);
        if !database.may_be_due(UnixMillis(5_000)) {
            break;
        }
    }
    assert_eq!((taken, database.len(), database.expires_len()), (2_500, 7_500, 2_500));
    assert!(database.take_due(UnixMillis(5_000), 100).is_empty());
    assert_eq!(take_all_due(&mut database, UnixMillis(5_001)), [key(5_000)]);
}

#[test]
fn a_look_at_deadlines_that_were_put_off_is_short() {
    let mut database = Database::new([1, 2, 3, 4]);
    for number in 0..50_000 {
        database.insert(&key(number), value(1), Some(UnixMillis(10)));
        assert!(database.set_deadline(&key(number), Some(UnixMillis(1_000))));
    }
    let mut looks = 0;
    while database.may_be_due(UnixMillis(20)) {
        assert!(database.take_due(UnixMillis(20), 100).is_empty());
        looks += 1;
    }
    assert!((10..1_000).contains(&looks), "{looks} looks at some 600 segments");
    assert!(!database.may_be_due(UnixMillis(1_000)), "all were seen");
    assert!(database.may_be_due(UnixMillis(1_001)));
}

#[test]
fn big_values_that_expire_are_handed_out() {
    let mut database = Database::new([1, 2, 3, 4]);
    let mut set = crate::Set::new();
    for number in 0..1000 {
        set.insert(&key(number), &crate::Encoding::default());
    }
    database.insert(b"big", set.into(), Some(UnixMillis(1)));
    database.insert(b"small", value(1), Some(UnixMillis(1)));
    assert_eq!(database.take_due(UnixMillis(2), 10).len(), 2);
    assert_eq!(database.garbage.iter().map(Value::len).collect::<Vec<_>>(), [1000]);
}

#[test]
fn a_random_key_is_not_due_while_any_is_not() {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut database = Database::new([1, 2, 3, 4]);
    assert_eq!(database.random_key(&mut rng, UnixMillis(0)), None);
    for number in 0..10 {
        database.insert(&key(number), value(1), (number < 5).then_some(UnixMillis(1)));
    }
    for _ in 0..200 {
        let key = database.random_key(&mut rng, UnixMillis(2)).unwrap().to_vec();
        assert!(database.contains(&key, UnixMillis(2)));
    }
}

#[test]
fn accesses_set_the_clock() {
    let at = |seconds: i64| UnixMillis(seconds * 1000);
    let mut database = Database::new([1, 2, 3, 4]);
    database.set_time(at(100));
    database.insert(b"k", value(1), None);
    assert_eq!(database.idle_seconds(b"k", at(160)), Some(60));
    assert!(database.peek(b"k", at(160)).is_some());
    assert_eq!(database.idle_seconds(b"k", at(160)), Some(60));
    assert!(database.get(b"k", at(160)).is_some());
    assert_eq!(database.idle_seconds(b"k", at(160)), Some(0));
    database.set_idle(b"k", 7, at(160));
    assert_eq!(database.idle_seconds(b"k", at(160)), Some(7));
    database.set_access_policy(AccessPolicy::Frequency { log_factor: 10, decay_minutes: 1 });
    database.set_frequency(b"k", 40, at(160));
    assert_eq!(database.frequency(b"k", at(160)), Some(40));
}

#[test]
fn a_time_before_all_deadlines_shows_what_is_due() {
    let mut database = Database::new([1, 2, 3, 4]);
    database.deletes_due = false;
    database.set_time(UnixMillis(50_000));
    database.insert(b"k", value(1), Some(UnixMillis(1)));
    assert_eq!(database.get(b"k", UnixMillis(i64::MIN)).map(|value| int(&value)), Some(1));
    assert_eq!(int(&database.get_or_insert_with(b"k", UnixMillis(i64::MIN), || value(2))), 1);
    assert_eq!(database.idle_seconds(b"k", UnixMillis(60_000)), Some(10));
}

fn hash_of(deadlines: std::ops::Range<i64>) -> Value<'static> {
    let encoding = crate::Encoding::default();
    let mut hash = crate::Hash::new();
    for deadline in deadlines {
        let field = format!("f{deadline}").into_bytes();
        hash.insert(&field, b"", &encoding);
        hash.set_deadline(&field, UnixMillis(deadline), &encoding);
    }
    hash.into()
}

#[test]
fn due_fields_are_taken_up_to_a_limit_and_their_hash_with_the_last() {
    let mut database = Database::new([1, 2, 3, 4]);
    database.insert(b"a", hash_of(10..14), None);
    database.insert(b"b", hash_of(12..600), None);
    database.insert(b"c", hash_of(0..0), None);
    assert_eq!(database.hashes_with_deadlines(), 2);
    assert!(database.take_due_fields(UnixMillis(10), 9).is_empty());
    let field = |number: i64| format!("f{number}").into_bytes();
    assert_eq!(database.take_due_fields(UnixMillis(13), 1), [(b"a".to_vec(), vec![field(10)])]);
    let rest = database.take_due_fields(UnixMillis(13), 9);
    assert_eq!(rest, [(b"a".to_vec(), vec![field(11), field(12)]), (b"b".to_vec(), vec![field(12)])]);
    let taken = database.take_due_fields(UnixMillis(599), 1000);
    assert_eq!(taken.iter().map(|(_, fields)| fields.len()).sum::<usize>(), 1 + 586);
    assert!(!database.contains(b"a", UnixMillis(0)));
    assert_eq!((database.len(), database.hashes_with_deadlines()), (2, 1));
}

#[test]
fn whatever_replaces_or_removes_a_hash_forgets_its_fields_deadlines() {
    let changes: [fn(&mut Database); 6] = [
        |database| drop(database.remove(b"k")),
        |database| drop(database.insert(b"k", value(1), None)),
        |database| drop(database.replace_value(b"k", value(1))),
        |database| assert!(database.set_string(b"k", b"1", None, UnixMillis(0))),
        |database| drop(database.occupied(b"k", UnixMillis(0)).map(Occupied::remove)),
        |database| drop(database.clear()),
    ];
    for change in changes {
        let mut database = Database::new([1, 2, 3, 4]);
        database.insert(b"k", hash_of(10..12), None);
        change(&mut database);
        assert_eq!(database.hashes_with_deadlines(), 0);
        assert!(database.take_due_fields(UnixMillis(99), 9).is_empty());
    }
}

#[test]
fn reading_ahead_changes_nothing() {
    let mut rng = fastrand::Rng::with_seed(5);
    let mut database = Database::new([5, 6, 7, 8]);
    let key =
        |number: u32| [key(number), vec![b'x'; if number.is_multiple_of(9) { 300 } else { 0 }]].concat();
    let mut batch = Batch::default();
    database.prefetch(&batch);
    database.set_time(UnixMillis(1_000));
    for number in 0..5_000_u32 {
        let deadline = number.is_multiple_of(3).then_some(UnixMillis(50_000));
        database.insert(&key(number), value(number.into()), deadline);
    }
    let now = UnixMillis(90_000);
    let seen = |database: &Database| {
        let idle: Vec<_> = (0..5_000).map(|number| database.idle_seconds(&key(number), now)).collect();
        let all: Model = database.iter().map(|(key, value, at)| (key.to_vec(), (int(&value), at))).collect();
        (idle, all, database.expired.len(), database.expires_len())
    };
    let before = seen(&database);
    for _ in 0..200 {
        batch.clear();
        (0..rng.usize(..2 * Batch::CAPACITY))
            .for_each(|_| database.expect(&key(rng.u32(..6_000)), &mut batch));
        assert_eq!(batch.is_full(), batch.len() == Batch::CAPACITY);
        database.prefetch(&batch);
    }
    assert_eq!(seen(&database), before);
}

/// A database of one more key than `count`, whose entries all have 24 bytes: they fill blocks to the last byte.
fn crowded(count: u32, last: Value<'static>) -> Database {
    let mut database = Database::new([1, 2, 3, 4]);
    (1..=count).for_each(|number| drop(database.insert(&wide_key(number), value(1_000), None)));
    database.insert(&wide_key(0), last, None);
    database
}

fn wide_key(number: u32) -> Vec<u8> {
    format!("{number:016}").into_bytes()
}

/// Numbers of keys at which a region has just been filled, among others.
const CROWDED: std::ops::Range<u32> = 2_180..2_220;

#[test]
fn an_emptied_hash_takes_no_other_key_with_it_when_its_region_is_cut() {
    for count in CROWDED {
        let mut database = crowded(count, hash_of(10..11));
        assert_eq!(database.take_due_fields(UnixMillis(99), 9).len(), 1);
        assert!(!database.has(&wide_key(0)));
        let count = usize::try_from(count).unwrap();
        assert_eq!((database.len(), database.iter().count()), (count, count));
    }
}

#[test]
fn a_key_found_once_is_found_still_when_its_region_is_cut() {
    for count in CROWDED {
        let mut database = crowded(count, value(1_000));
        let key = wide_key(0);
        let mut found = database.occupied(&key, UnixMillis(0)).unwrap();
        *found.value_mut() = Str::from_bytes(&[b'x'; 150]).into();
        assert_eq!(found.value().len(), 150);
        found.remove();
        assert!(!database.has(&key));

        database.insert(&key, value(1_000), None);
        let mut found = database.occupied(&key, UnixMillis(0)).unwrap();
        found.set_deadline(Some(UnixMillis(1)));
        assert_eq!(found.deadline(), Some(UnixMillis(1)));
        found.remove();
        assert!(!database.has(&key));
        assert_eq!((database.expires_len(), database.iter().count()), (0, database.len()));
    }
}

#[test]
fn a_value_beside_is_shared_with_a_snapshot_until_it_changes_itself() {
    let mut database = Database::new([1, 2, 3, 4]);
    let encoding = crate::Encoding::default();
    let mut hash = crate::Hash::new();
    (0..40).for_each(|field: u32| assert!(hash.insert(field.to_string().as_bytes(), &[b'v'; 30], &encoding)));
    for key in [b"a", b"b"] {
        database.insert(key, hash.clone().into(), None);
    }
    let held = database.table().clone();
    let mut change = database.get_mut(b"a", UnixMillis(1)).unwrap().typed::<crate::Hash<'_>>().unwrap();
    change.insert(b"new", b"x", &encoding);
    drop(change);
    let holders = |key: &[u8]| triomphe::Arc::strong_count(held.get(key).unwrap().beside.unwrap());
    assert_eq!((holders(b"a"), holders(b"b")), (1, 2));
    assert_eq!(entry::value_of(&held.get(b"a").unwrap()).len(), 40);
    assert_eq!(database.peek(b"a", UnixMillis(1)).unwrap().len(), 41);
}

/// Every entry of a segment then has two things beside it, which is as many as there are names for them.
#[test]
fn segments_full_of_long_keys_with_big_values_are_copied_and_split() {
    let long = |number: u32| format!("{number:0300}").into_bytes();
    let big = |number: u32, times| Value::from(Str::from_bytes(&long(number).repeat(times)));
    let mut database = Database::new([1, 2, 3, 4]);
    let check = |table: &Table<KeyLayout>, keys: std::ops::Range<u32>, times| {
        assert_eq!(table.iter().count(), keys.len());
        for number in keys {
            let Value::String(found) = entry::value_of(&table.get(&long(number)).unwrap()) else { panic!() };
            assert!(found.to_vec() == long(number).repeat(times), "{number}");
        }
    };
    (0..3000).for_each(|number| assert!(database.insert(&long(number), big(number, 2), None).is_none()));
    let held = database.table().clone();
    (0..3000).for_each(|number| assert!(database.insert(&long(number), big(number, 3), None).is_some()));
    check(database.table(), 0..3000, 3);
    (100..3000).for_each(|number| assert!(database.remove(&long(number)).is_some()));
    check(database.table(), 0..100, 3);
    check(&held, 0..3000, 2);
}
