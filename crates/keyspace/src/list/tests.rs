//! Lists against a plain vector, in both encodings, with clones that must not change.

use super::*;

fn with_size(list_max_listpack_size: i32) -> Encoding {
    Encoding { list_max_listpack_size, ..Encoding::default() }
}

fn contents(list: &List) -> Vec<Vec<u8>> {
    let all: Vec<_> = list.iter().map(|item| item.to_vec()).collect();
    let mut reversed: Vec<_> =
        list.iter_rev_from(list.len().wrapping_sub(1)).map(|item| item.to_vec()).collect();
    reversed.reverse();
    assert_eq!(all, reversed);
    assert_eq!(list.blocks().map(|block| block.len()).sum::<usize>(), list.len());
    assert_eq!(list.blocks().count(), list.block_count());
    all
}

fn element(rng: &mut fastrand::Rng) -> Vec<u8> {
    match rng.u8(..10) {
        0..5 => rng.i32(-100_000..100_000).to_string().into_bytes(),
        5..9 => vec![b'e'; rng.usize(..200)],
        _ => vec![b'L'; rng.usize(..6000)],
    }
}

/// One random edit of both; the list grows while `growing`.
fn step(
    list: &mut List,
    model: &mut Vec<Vec<u8>>,
    growing: bool,
    encoding: &Encoding,
    rng: &mut fastrand::Rng,
) {
    let at = rng.usize(..=model.len());
    let element = element(rng);
    match rng.u8(if growing { 0..14 } else { 4..18 }) {
        0..4 => {
            list.push_back(&element, encoding);
            model.push(element);
        }
        4..6 => {
            list.push_front(&element, encoding);
            model.insert(0, element);
        }
        6..9 => {
            list.insert(at, &element, encoding);
            model.insert(at, element);
        }
        9..11 if at < model.len() => {
            assert!(list.set(at, &element, encoding));
            model[at] = element;
        }
        11 => assert_eq!(list.pop_back(encoding), model.pop()),
        12 => {
            let first = if model.is_empty() { None } else { Some(model.remove(0)) };
            assert_eq!(list.pop_front(encoding), first);
        }
        13 if rng.u8(..10) == 0 && at < model.len() => {
            let wanted = model[at].clone();
            let expected = model.iter().filter(|element| **element == wanted).count();
            assert_eq!(list.remove_equal(&wanted, usize::MAX, false, encoding), expected);
            model.retain(|element| *element != wanted);
        }
        14.. => {
            let count = rng.usize(..6);
            let end = model.len().min(at + count);
            assert_eq!(list.remove_range(at, count, encoding), end - at);
            model.drain(at..end);
        }
        _ => {}
    }
}

#[test]
fn operations_from_a_seed_match_a_vector() {
    for size in [-1, -2, 1, 3, 50] {
        let encoding = with_size(size);
        let mut rng = fastrand::Rng::with_seed(7);
        let mut list = List::new();
        let mut model = Vec::new();
        let mut snapshot = (list.clone(), model.clone());
        for round in 0..3000 {
            step(&mut list, &mut model, round < 1500, &encoding, &mut rng);
            assert_eq!(list.len(), model.len());
            let at = rng.usize(..=model.len());
            assert_eq!(list.get(at).map(|item| item.to_vec()), model.get(at).cloned());
            if round % 100 == 0 {
                assert_eq!(contents(&list), model);
                assert_eq!(contents(&snapshot.0), snapshot.1);
                snapshot = (list.clone(), model.clone());
                let tail: Vec<_> = list.iter_from(at).map(|item| item.to_vec()).collect();
                assert_eq!(tail, model[at..]);
            }
        }
    }
}

#[test]
fn a_long_list_is_a_tree_that_can_be_cut_anywhere() {
    let encoding = with_size(4);
    let mut list = List::new();
    for number in 0..20_000 {
        list.push_back(number.to_string().as_bytes(), &encoding);
    }
    assert_eq!(list.block_count(), 5000);
    let whole = list.clone();
    assert_eq!(list.remove_range(5, 19_000, &encoding), 19_000);
    let expected: Vec<_> =
        (0..5).chain(19_005..20_000).map(|number| number.to_string().into_bytes()).collect();
    assert_eq!(contents(&list), expected);
    assert_eq!(whole.len(), 20_000);
    assert_eq!(whole.get(12_345), Some(Item::Int(12_345)));
    assert_eq!(list.remove_range(0, usize::MAX, &encoding), 1000);
    assert_eq!((list.len(), list.encoding_name()), (0, "listpack"));
}

#[test]
fn the_encoding_changes_both_ways_by_the_chunk_limit() {
    let encoding = with_size(4);
    let mut list = List::new();
    for _ in 0..4 {
        list.push_back(b"x", &encoding);
    }
    assert_eq!(list.encoding_name(), "listpack");
    list.push_front(b"x", &encoding);
    assert_eq!(list.encoding_name(), "quicklist");
    list.pop_back(&encoding);
    list.pop_back(&encoding);
    assert_eq!(list.encoding_name(), "quicklist");
    list.pop_back(&encoding);
    assert_eq!((list.len(), list.encoding_name(), list.block_count()), (2, "quicklist", 2));
    list.pop_back(&encoding);
    assert_eq!((list.len(), list.encoding_name()), (1, "listpack"));
    let mut list = List::new();
    list.push_back(&[b'x'; 8186], &Encoding::default());
    assert_eq!(list.encoding_name(), "quicklist");
}

/// What a list of these lengths of elements is stored as, and what it reports.
fn stored(lens: &[usize], encoding: &Encoding) -> (&'static str, &'static str) {
    let mut list = List::new();
    lens.iter().for_each(|len| list.push_back(&vec![b'x'; *len], encoding));
    assert_eq!(list.len(), lens.len());
    let body = match &list.0 {
        Body::Short(_) => "short",
        Body::Packed(_) => "packed",
        Body::Chunks(_) => "chunks",
    };
    (body, list.encoding_name())
}

#[test]
fn how_a_list_is_stored_shows_only_in_its_length() {
    let encoding = Encoding::default();
    for (lens, expected) in [
        (&[][..], ("short", "listpack")),
        (&[62, 62, 62, 62, 62, 62, 62, 62], ("short", "listpack")),
        (&[509], ("short", "listpack")),
        (&[510], ("packed", "listpack")),
        // A listpack of 8192 bytes is the limit; Redis asks with the element's bare length.
        (&[10, 8173], ("packed", "listpack")),
        (&[10, 8174], ("chunks", "quicklist")),
        (&[8185], ("packed", "listpack")),
        (&[8186], ("chunks", "quicklist")),
    ] {
        assert_eq!(stored(lens, &encoding), expected, "{lens:?}");
    }
    assert_eq!(stored(&[1; 3], &with_size(3)), ("short", "listpack"));
    assert_eq!(stored(&[1; 4], &with_size(3)), ("chunks", "quicklist"));
}

#[test]
fn a_list_that_shrinks_is_short_again() {
    let encoding = Encoding::default();
    let mut list = List::new();
    let mut model = std::collections::VecDeque::new();
    for number in 0..1000 {
        let element = format!("element {number}").into_bytes();
        list.push_back(&element, &encoding);
        model.push_back(element);
    }
    while let Some(element) = if model.len() % 3 == 0 { model.pop_front() } else { model.pop_back() } {
        let popped =
            if (model.len() + 1) % 3 == 0 { list.pop_front(&encoding) } else { list.pop_back(&encoding) };
        assert_eq!(popped, Some(element));
        assert!(list.iter().map(|item| item.to_vec()).eq(model.iter().cloned()));
        let listpack: usize = list.blocks().map(|block| block.byte_len()).sum();
        assert!(list.items().is_some() || listpack > SHORT_AGAIN, "{listpack}");
        assert_eq!(
            list.encoding_name(),
            if list.block_count() > 1 || listpack > 4096 { "quicklist" } else { "listpack" }
        );
    }
    assert!(list.is_empty());
}

#[test]
fn equal_elements_are_removed_from_the_side_asked_for() {
    let encoding = with_size(2);
    for (limit, from_tail, expected) in
        [(2, false, "bcac"), (1, true, "abcac"), (9, false, "bcc"), (0, false, "abcaac")]
    {
        let mut list = List::new();
        for element in "abcaac".bytes() {
            list.push_back(&[element], &encoding);
        }
        list.remove_equal(b"a", limit, from_tail, &encoding);
        assert_eq!(contents(&list).concat(), expected.as_bytes());
    }
}

#[test]
fn whole_blocks_are_added_like_their_elements() {
    let mut rng = fastrand::Rng::with_seed(11);
    for size in [-2, -1, 3, 128] {
        let encoding = with_size(size);
        let (mut list, mut one_by_one) = (List::new(), List::new());
        for _ in 0..60 {
            let mut block = Listpack::new();
            for _ in 0..rng.usize(..40) {
                let element = element(&mut rng);
                block.push_back(&element);
                one_by_one.push_back(&element, &encoding);
            }
            let clone = list.clone();
            let before = contents(&clone);
            list.push_back_packed(block, &encoding);
            assert_eq!(contents(&clone), before);
            assert_eq!(contents(&list), contents(&one_by_one));
            assert_eq!(list.encoding_name(), one_by_one.encoding_name());
            assert!(list.blocks().all(|block| !block.is_empty() || list.is_empty()));
        }
    }
}

#[test]
fn blocks_are_taken_as_chunks_within_the_limit() {
    let encoding = with_size(4);
    let block = |range: std::ops::Range<i64>| {
        let mut block = Listpack::new();
        range.for_each(|number| block.push_back_int(number));
        block
    };
    let mut list = List::from_packed(block(0..3), &encoding);
    assert_eq!(list.encoding_name(), "listpack");
    list.push_back_packed(block(3..4), &encoding);
    assert_eq!((list.encoding_name(), list.block_count()), ("listpack", 1));
    list.push_back_packed(block(4..6), &encoding);
    assert_eq!((list.encoding_name(), list.block_count()), ("quicklist", 2));
    list.push_back_packed(block(6..15), &encoding);
    list.push_back_packed(Listpack::new(), &encoding);
    assert!(list.blocks().all(|block| block.len() <= 4));
    assert!(list.iter().map(|item| item.as_int().unwrap()).eq(0..15));
    assert_eq!(List::from_packed(block(0..9), &encoding).encoding_name(), "quicklist");
}

/// Bytes allocated per element, for elements of 29 bytes that take 31.
fn bytes_per_element(size: i32, push: impl Fn(&mut List<'static>, &[u8], &Encoding)) -> usize {
    let encoding = with_size(size);
    let mut list = List::new();
    (0..20_000).for_each(|number| push(&mut list, format!("job:{number:025}").as_bytes(), &encoding));
    assert_eq!(contents(&list).len(), 20_000);
    list.heap_size(0) / list.len()
}

#[test]
fn closed_chunks_take_what_their_elements_take() {
    for size in [-1, -2, -3, -5, 128] {
        assert!(bytes_per_element(size, List::push_back) <= 32, "{size}");
        assert!(bytes_per_element(size, List::push_front) <= 32, "{size}");
        let by_turns = |list: &mut List<'static>, element: &[u8], encoding: &Encoding| {
            if element[28].is_multiple_of(2) {
                list.push_back(element, encoding);
            } else {
                list.push_front(element, encoding);
            }
        };
        assert!(bytes_per_element(size, by_turns) <= 32, "{size}");
    }
}

#[test]
fn a_list_that_is_cut_gives_back_its_memory() {
    let encoding = Encoding::default();
    let mut list = List::new();
    (0..20_000).for_each(|number| list.push_back(format!("job:{number:025}").as_bytes(), &encoding));
    let whole = list.clone();
    for at in 0..75 {
        list.remove_range(at, 262, &encoding);
    }
    assert!(list.heap_size(0) < 300 * 100, "{}", list.heap_size(0));
    assert_eq!(whole.len(), 20_000);
}

#[test]
fn two_chunks_stay_two_however_small_they_get() {
    let encoding = with_size(4);
    let mut list = List::new();
    (0..12).for_each(|number| list.push_back(number.to_string().as_bytes(), &encoding));
    list.remove_range(0, 3, &encoding);
    list.remove_range(4, 4, &encoding);
    assert_eq!((list.len(), list.encoding_name(), list.block_count()), (5, "quicklist", 2));
    list.pop_front(&encoding);
    assert_eq!((list.len(), list.encoding_name(), list.block_count()), (4, "quicklist", 2));
    list.pop_back(&encoding);
    assert_eq!((list.len(), list.encoding_name(), list.block_count()), (3, "quicklist", 1));
    list.pop_back(&encoding);
    assert_eq!((list.len(), list.encoding_name()), (2, "listpack"));
}
