//! Slices behind shared pointers: made of zeroes, and changed in place or in a copy where somebody
//! else holds them too.
//!
//! The shared pointers of this crate are those of `triomphe`, which have no weak references, so that
//! whether one is held alone is a plain read. The standard library's have to lock out a weak reference
//! that might just become a strong one, and for that the processor waits until everything it wrote
//! before has left for the cache: with four chunks on the way to a key, most of them not in the cache,
//! this took a tenth of the time of a SET.

use triomphe::Arc;

static ZEROES: [u8; 4096] = [0; 4096];

/// So many zeroes. Those that fit a block are copied at once.
pub(crate) fn zeroed(len: usize) -> Arc<[u8]> {
    match ZEROES.get(..len) {
        Some(zeroes) => Arc::from(zeroes),
        None => Arc::from(vec![0; len]),
    }
}

/// The elements, to be changed; they are copied first if a snapshot holds them.
#[inline]
pub(crate) fn slice_mut<T: Copy>(shared: &mut Arc<[T]>) -> &mut [T] {
    if !shared.is_unique() {
        *shared = Arc::from(&**shared);
    }
    Arc::get_mut(shared).expect("a copy is nobody else's")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_else_holds_is_copied_and_what_nobody_holds_is_not() {
        let mut slice = zeroed(5000);
        let place = slice.as_ptr();
        slice_mut(&mut slice)[4999] = 1;
        assert_eq!(slice.as_ptr(), place);
        let held = Arc::clone(&slice);
        slice_mut(&mut slice)[4999] = 2;
        assert_eq!((held[4999], slice[4999], slice.len()), (1, 2, 5000));
        assert_eq!(held.as_ptr(), place);
    }
}
