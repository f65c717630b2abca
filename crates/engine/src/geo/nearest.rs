//! The first elements in order, without sorting the others.
//!
//! The quicksort of Bentley and McIlroy, which descends only where the elements asked for are. Elements that compare
//! equal stand afterwards as they do in Redis, which selects in the same way: who asks for the nearest ten of many at
//! the same place gets the same ten.

use std::cmp::Ordering;

/// How two elements compare.
type Order<'a, T> = &'a dyn Fn(&T, &T) -> Ordering;

/// Puts the first `count` elements of `all` by `order` at its front, in order.
pub(crate) fn select<T>(mut all: &mut [T], count: usize, order: Order<'_, T>) {
    let mut start = 0;
    loop {
        if all.len() < 7 {
            return insertion_sort(all, order);
        }
        let (less, greater) = partition(all, order);
        let is_wanted = |from: usize| from < count;
        if less > 1 && is_wanted(start) {
            select(&mut all[..less], count - start, order);
        }
        let behind = all.len() - greater;
        if greater <= 1 || !is_wanted(start + behind) {
            return;
        }
        start += behind;
        all = &mut all[behind..];
    }
}

fn insertion_sort<T>(all: &mut [T], order: Order<'_, T>) {
    for end in 1..all.len() {
        let mut at = end;
        while at > 0 && order(&all[at - 1], &all[at]).is_gt() {
            all.swap(at, at - 1);
            at -= 1;
        }
    }
}

/// Moves what is less than a middle element to the front, what is greater to the back; how many these are.
fn partition<T>(all: &mut [T], order: Order<'_, T>) -> (usize, usize) {
    let length = all.len();
    all.swap(0, pivot(all, order));
    // Equal ones are gathered at both ends: up to `left`, and behind `right`.
    let (mut left, mut low) = (1, 1);
    let (mut high, mut right) = (length, length);
    loop {
        while low < high {
            match order(&all[low], &all[0]) {
                Ordering::Greater => break,
                Ordering::Equal => {
                    all.swap(left, low);
                    left += 1;
                }
                Ordering::Less => {}
            }
            low += 1;
        }
        while low < high {
            match order(&all[high - 1], &all[0]) {
                Ordering::Less => break,
                Ordering::Equal => {
                    all.swap(high - 1, right - 1);
                    right -= 1;
                }
                Ordering::Greater => {}
            }
            high -= 1;
        }
        if low >= high {
            break;
        }
        all.swap(low, high - 1);
        low += 1;
        high -= 1;
    }
    let (less, greater) = (low - left, right - high);
    swap_runs(all, 0, low, left.min(less));
    swap_runs(all, low, length, greater.min(length - right));
    (less, greater)
}

/// Swaps the `count` elements from `front` on with those before `back`.
fn swap_runs<T>(all: &mut [T], front: usize, back: usize, count: usize) {
    for index in 0..count {
        all.swap(front + index, back - count + index);
    }
}

/// Where an element of middling size stands: one of the middle, of three, or of nine by threes.
fn pivot<T>(all: &[T], order: Order<'_, T>) -> usize {
    let length = all.len();
    let (mut first, mut middle, mut last) = (0, length / 2, length - 1);
    if length == 7 {
        return middle;
    }
    let median = |a, b, c| median(all, [a, b, c], order);
    if length > 40 {
        let apart = length / 8;
        first = median(first, first + apart, first + 2 * apart);
        middle = median(middle - apart, middle, middle + apart);
        last = median(last - 2 * apart, last - apart, last);
    }
    median(first, middle, last)
}

fn median<T>(all: &[T], [a, b, c]: [usize; 3], order: Order<'_, T>) -> usize {
    let is_less = |one: usize, other: usize| order(&all[one], &all[other]).is_lt();
    if is_less(a, b) {
        match (is_less(b, c), is_less(a, c)) {
            (true, _) => b,
            (false, true) => c,
            (false, false) => a,
        }
    } else if is_less(c, b) {
        b
    } else if is_less(a, c) {
        a
    } else {
        c
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_ones_are_those_of_a_whole_sort() {
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..2000 {
            let length = random.usize(..120);
            let spread = random.u32(1..50);
            let mut all: Vec<u32> = (0..length).map(|_| random.u32(..spread)).collect();
            let mut sorted = all.clone();
            sorted.sort_unstable();
            let count = random.usize(..=length);
            select(&mut all, count, &u32::cmp);
            assert_eq!(all[..count], sorted[..count], "the first {count} of {length}");
            all.sort_unstable();
            assert_eq!(all, sorted);
        }
    }

    /// Taken from Redis: `GEOSEARCH ... ASC COUNT 3` of members at one place.
    #[test]
    fn equal_ones_stand_as_the_swaps_leave_them() {
        let mut all: Vec<(u8, char)> = ('a'..='j').map(|name| (1, name)).collect();
        select(&mut all, 3, &|a, b| a.0.cmp(&b.0));
        let front: String = all[..3].iter().map(|(_, name)| *name).collect();
        assert_eq!(front, "jbc");
    }
}
