//! SORT and SORT_RO: the elements of a list, set or sorted set in order, by themselves or by the
//! values of other keys, as they are or as what other keys hold for them.
//!
//! Whatever is stored is in an order that depends on the elements alone, so a replica that runs the same
//! SORT stores the same list.

use std::cmp::Ordering;

use slipstream_keyspace::{Item, List, Value};

use crate::call::{Call, integer, is_word};
use crate::commands::hashes::live::{self, Live};
use crate::errors::CommandError;
use crate::event;

pub(super) fn sort(call: &mut Call<'_>) -> Result<(), CommandError> {
    let options = Options::parse(call, true)?;
    run(call, &options)
}

pub(super) fn sort_ro(call: &mut Call<'_>) -> Result<(), CommandError> {
    let options = Options::parse(call, false)?;
    run(call, &options)
}

struct Options<'a> {
    descending: bool,
    alpha: bool,
    limit: (i64, i64),
    by: Option<&'a [u8]>,
    get: Vec<&'a [u8]>,
    store: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    fn parse(call: &Call<'a>, may_store: bool) -> Result<Self, CommandError> {
        let mut options = Options {
            descending: false,
            alpha: false,
            limit: (0, -1),
            by: None,
            get: Vec::new(),
            store: None,
        };
        // The keys that patterns lead to are not known before.
        let may_look_up = || call.core.permits_reading_all(call.session, call.entry, call.args);
        let mut words = call.args.iter().skip(2);
        while let Some(word) = words.next() {
            let left = words.len();
            let mut value = || words.next().expect("counted before");
            if is_word(word, "ASC") {
                options.descending = false;
            } else if is_word(word, "DESC") {
                options.descending = true;
            } else if is_word(word, "ALPHA") {
                options.alpha = true;
            } else if is_word(word, "LIMIT") && left >= 2 {
                options.limit = (integer(value())?, integer(value())?);
            } else if is_word(word, "STORE") && may_store && left >= 1 {
                options.store = Some(value());
            } else if is_word(word, "BY") && left >= 1 {
                let pattern = value();
                if pattern.contains(&b'*') && !may_look_up() {
                    return Err(CommandError::SORT_BY_DENIED);
                }
                options.by = Some(pattern);
            } else if is_word(word, "GET") && left >= 1 {
                if !may_look_up() {
                    return Err(CommandError::SORT_GET_DENIED);
                }
                options.get.push(value());
            } else {
                return Err(CommandError::SYNTAX);
            }
        }
        Ok(options)
    }

    /// The part of `length` sorted elements that LIMIT selects.
    fn range(&self, length: usize) -> std::ops::Range<usize> {
        let clamped = |bound: i64| usize::try_from(bound.max(0)).map_or(length, |bound| bound.min(length));
        let start = clamped(self.limit.0);
        let end = if self.limit.1 < 0 { length } else { length.min(start + clamped(self.limit.1)) };
        start..end
    }
}

/// What elements are sorted by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order<'a> {
    /// As they come: BY names no key.
    AsIs,
    /// By themselves.
    Own,
    /// By what the keys of this pattern hold.
    By(&'a [u8]),
}

fn run(call: &mut Call<'_>, options: &Options<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let order = match options.by {
        None => Order::Own,
        Some(pattern) if pattern.contains(&b'*') => Order::By(pattern),
        Some(_) => Order::AsIs,
    };
    let found = call.db.get(&args[1]).map(|value| Source::of(&value)).transpose();
    call.count_lookup(&args[1], !matches!(found, Ok(None)));
    let mut source = found?.unwrap_or_default();
    if !source.is_ordered && (options.store.is_some() || call.session.is_script) {
        // A set has no order of its own that a replica would share, and equal weights keep the order. What a script
        // does may hang on the order.
        source.elements.sort();
        source.is_ordered = true;
    }
    let mut elements = source.elements;
    if order != Order::AsIs {
        let mut weighed = weigh(call, elements, order, options.alpha)?;
        weighed.sort_by(|a, b| if options.descending { a.compare(b).reverse() } else { a.compare(b) });
        elements = weighed.into_iter().map(|weighed| weighed.element).collect();
    } else if options.descending && source.is_ordered {
        elements.reverse();
    }
    let selected = &elements[options.range(elements.len())];
    match options.store {
        None => reply_elements(call, selected, &options.get),
        Some(key) => store_elements(call, key, selected, &options.get),
    }
    Ok(())
}

/// The elements of the sorted key.
#[derive(Default)]
struct Source {
    elements: Vec<Vec<u8>>,
    /// Whether the key keeps them in an order.
    is_ordered: bool,
}

impl Source {
    fn of(value: &Value<'_>) -> Result<Source, CommandError> {
        let item = |item: Item<'_>| item.to_vec();
        let (elements, is_ordered) = match value {
            Value::List(list) => (list.iter().map(item).collect(), true),
            Value::SortedSet(set) => (set.iter().map(|(member, _)| member.to_vec()).collect(), true),
            Value::Set(set) => (set.iter().map(item).collect(), false),
            Value::String(_) | Value::Hash(_) | Value::Stream(_) => return Err(CommandError::WRONG_TYPE),
        };
        Ok(Source { elements, is_ordered })
    }
}

/// An element and what it is sorted by.
struct Weighed {
    weight: Weight,
    element: Vec<u8>,
}

enum Weight {
    /// Equal numbers leave it to the elements' bytes.
    Number(f64),
    /// The element itself.
    Own,
    /// What another key holds; equal texts leave the order as it was.
    Text(Option<Vec<u8>>),
}

impl Weighed {
    fn compare(&self, other: &Weighed) -> Ordering {
        match (&self.weight, &other.weight) {
            (Weight::Number(a), Weight::Number(b)) => {
                a.partial_cmp(b).expect("NaN is refused").then_with(|| self.element.cmp(&other.element))
            }
            (Weight::Text(a), Weight::Text(b)) => a.cmp(b),
            _ => self.element.cmp(&other.element),
        }
    }
}

fn weigh(
    call: &mut Call<'_>,
    elements: Vec<Vec<u8>>,
    order: Order<'_>,
    alpha: bool,
) -> Result<Vec<Weighed>, CommandError> {
    let weigh = |element: Vec<u8>| {
        let weight = match (order, alpha) {
            (Order::By(pattern), true) => Weight::Text(fetch(call, pattern, &element)),
            (Order::By(pattern), false) => {
                Weight::Number(number(&fetch(call, pattern, &element).unwrap_or_default())?)
            }
            (Order::Own | Order::AsIs, true) => Weight::Own,
            (Order::Own | Order::AsIs, false) => Weight::Number(number(&element)?),
        };
        Some(Weighed { weight, element })
    };
    let weighed: Option<Vec<Weighed>> = elements.into_iter().map(weigh).collect();
    weighed.ok_or(CommandError::SORT_NOT_FLOAT)
}

/// A number as C's `strtod` reads it: spaces may precede it, and nothing at all is 0.
fn number(text: &[u8]) -> Option<f64> {
    if text.is_empty() {
        return Some(0.0);
    }
    slipstream_resp::number::parse_f64(text.trim_ascii_start())
}

/// What `pattern` names for `element`: the string at the key that results from putting it in the place of `*`,
/// or a field of the hash there.
fn fetch(call: &mut Call<'_>, pattern: &[u8], element: &[u8]) -> Option<Vec<u8>> {
    if pattern == b"#" {
        return Some(element.to_vec());
    }
    let star = pattern.iter().position(|byte| *byte == b'*')?;
    let (prefix, rest) = (&pattern[..star], &pattern[star + 1..]);
    let arrow = rest.windows(2).position(|pair| pair == b"->").filter(|at| at + 2 < rest.len());
    let (postfix, field) = match arrow {
        Some(at) => (&rest[..at], Some(&rest[at + 2..])),
        None => (rest, None),
    };
    let key = [prefix, element, postfix].concat();
    let now = call.db.now;
    if let Some(field) = field {
        live::expire_field(call, &key, field);
    }
    let value = call.db.get(&key);
    let found = value.is_some();
    let text = match (value, field) {
        (Some(Value::String(value)), None) => Some(value.to_vec()),
        (Some(Value::Hash(hash)), Some(field)) => Live::at(&hash, now).get(field).map(|item| item.to_vec()),
        _ => None,
    };
    call.count_lookup(&key, found);
    text
}

fn reply_elements(call: &mut Call<'_>, elements: &[Vec<u8>], patterns: &[&[u8]]) {
    call.reply.array(elements.len() * patterns.len().max(1));
    for element in elements {
        if patterns.is_empty() {
            call.reply.bulk(element);
        }
        for pattern in patterns {
            let text = fetch(call, pattern, element);
            call.reply.optional_bulk(text.as_deref());
        }
    }
}

/// An empty result deletes the key.
fn store_elements(call: &mut Call<'_>, key: &[u8], elements: &[Vec<u8>], patterns: &[&[u8]]) {
    let encoding = call.db.encoding();
    let mut list = List::new();
    for element in elements {
        if patterns.is_empty() {
            list.push_back(element, &encoding);
        }
        for pattern in patterns {
            list.push_back(&fetch(call, pattern, element).unwrap_or_default(), &encoding);
        }
    }
    let length = list.len();
    if length > 0 {
        call.db.insert(key, Value::List(list), None);
        call.changed(key, event::SORTSTORE);
        call.outcome.changes += u64::try_from(length - 1).expect("a count of elements fits");
    } else if call.db.remove(key) {
        call.changed(key, event::DEL);
    }
    call.reply.count(length);
}
