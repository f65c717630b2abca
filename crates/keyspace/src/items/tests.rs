//! Items against a plain vector, and to and from listpacks.

use super::*;

fn check(items: &Items<'_>, expected: &[Vec<u8>]) {
    assert_eq!(items.len(), expected.len());
    assert!(items.iter().map(|item| item.to_vec()).eq(expected.iter().cloned()));
    let backwards = items.iter_rev_from(expected.len().wrapping_sub(1));
    assert!(backwards.map(|item| item.to_vec()).eq(expected.iter().rev().cloned()));
    assert_eq!(items.iter_rev_from(expected.len()).count(), 0);
    assert_eq!(Items::of_block(items.bytes()).len(), expected.len());
    let listpack = items.listpack();
    assert_eq!(Listpack::from_bytes(listpack.bytes()).unwrap().len(), expected.len());
    assert!(listpack.iter().map(|item| item.to_vec()).eq(expected.iter().cloned()));
    assert_eq!(Items::of_listpack(&listpack).bytes(), items.bytes());
}

fn sample() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = vec![b"".to_vec(), b"a".to_vec(), b"007".to_vec(), b"-0".to_vec()];
    for bits in 0..64 {
        for number in [(1i64 << bits).wrapping_sub(1), 1i64 << bits, (1i64 << bits).wrapping_neg()] {
            all.push(number.to_string().into_bytes());
        }
    }
    for len in [63, 64, 125, 126, 127, 4095, 4096, 16380, 16383] {
        all.push(vec![b'x'; len]);
    }
    all
}

#[test]
fn every_encoding_reads_back() {
    let sample = sample();
    let mut items = Items::new();
    check(&items, &[]);
    for (index, element) in sample.iter().enumerate() {
        items.push_back(element);
        check(&items, &sample[..=index]);
    }
    for (index, element) in sample.iter().enumerate() {
        let found = items.find(element, 1).unwrap();
        assert!(items.at(found).is(element));
        assert!(items.get(index).unwrap().is(element));
    }
    assert_eq!((items.get(sample.len()), items.find(b"absent", 1)), (None, None));
}

#[test]
fn a_listpack_of_the_same_elements_is_that_of_redis() {
    let sample = sample();
    let (mut items, mut listpack) = (Items::new(), Listpack::new());
    for element in &sample {
        items.push_back(element);
        listpack.push_back(element);
        assert_eq!(items.listpack().bytes(), listpack.bytes());
    }
}

#[test]
fn edits_from_a_seed_match_a_vector() {
    let mut rng = fastrand::Rng::with_seed(1);
    let sample = sample();
    let mut model: Vec<Vec<u8>> = Vec::new();
    let mut items = Items::new();
    for _ in 0..4000 {
        let element = &sample[rng.usize(..sample.len() - 2)];
        let at = rng.usize(..=model.len());
        match rng.u8(..8) {
            0 => {
                items.push_front(element);
                model.insert(0, element.clone());
            }
            1 => {
                items.push_back(element);
                model.push(element.clone());
            }
            2 => {
                let item = Item::Bytes(element);
                items.push_back_item(item.as_int().map_or(item, Item::Int));
                model.push(element.clone());
            }
            3 if at < model.len() => {
                items.insert(items.seek(at).unwrap(), element);
                model.insert(at, element.clone());
            }
            4 if at < model.len() => {
                items.replace(items.seek(at).unwrap(), element);
                model[at].clone_from(element);
            }
            5 | 6 if at < model.len() => {
                let count = rng.usize(1..4);
                let removed = items.remove(items.seek(at).unwrap(), count);
                assert_eq!(removed, model.drain(at..model.len().min(at + count)).count());
            }
            _ => items = items.view().into_owned(),
        }
        check(&items, &model);
    }
}

#[test]
fn more_elements_than_the_header_counts_are_counted() {
    let mut items = Items::new();
    for count in 1..600 {
        items.push_back(b"1");
        assert_eq!((Items::of_block(items.bytes()).len(), items.byte_len()), (count, count + 1));
    }
    items.remove(items.seek(0).unwrap(), 400);
    assert_eq!((items.bytes()[0], Items::of_block(items.bytes()).len()), (199, 199));
}

#[test]
fn find_with_a_stride_looks_at_fields_only() {
    let mut items = Items::new();
    [b"1", b"2", b"2", b"1"].iter().for_each(|element| items.push_back(*element));
    assert_eq!(items.find(b"2", 2), items.seek(2));
    assert_eq!(items.find(b"2", 1), items.seek(1));
    assert_eq!(items.find(b"3", 2), None);
    assert_eq!(items.next(items.seek(3).unwrap()), None);
}

#[test]
fn a_change_of_a_view_leaves_the_bytes_alone() {
    let mut items = Items::new();
    ["first", "2", "third"].iter().for_each(|element| items.push_back(element.as_bytes()));
    let before = items.bytes().to_vec();
    let changes: [fn(&mut Items<'_>); 5] = [
        |view| view.push_front(b"zero"),
        |view| view.push_back(b"last"),
        |view| view.replace(Position(HEADER), b"other"),
        |view| assert_eq!(view.remove(Position(HEADER), 2), 2),
        |view| view.push_back_item(Item::Int(7)),
    ];
    for change in changes {
        let mut view = items.view();
        change(&mut view);
        assert_ne!(view.bytes(), before);
        assert_eq!(items.bytes(), before);
    }
}
