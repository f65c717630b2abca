//! A vector in shared pages: cloning copies a pointer per page, the first change of a page that
//! a clone still holds copies that page alone.
//!
//! A page is one allocation, so that an element is two reads away.
//! Invariant: only the first page may be smaller than the others, as long as it is the only one;
//! elements at or above the length are default ones.

use triomphe::Arc;

/// Elements of a page: a page of pointers is copied in about a microsecond.
const PAGE: usize = 128;

/// A vector that only grows, at its end.
#[derive(Clone)]
pub(crate) struct Pages<T> {
    pages: Vec<Arc<[T]>>,
    len: usize,
}

impl<T: Clone + Default> Pages<T> {
    pub(crate) fn new() -> Self {
        Pages { pages: Vec::new(), len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Element `index`, which exists.
    #[inline]
    pub(crate) fn at(&self, index: usize) -> &T {
        &self.pages[index / PAGE][index % PAGE]
    }

    /// Element `index`, which exists, to be changed.
    #[inline]
    pub(crate) fn at_mut(&mut self, index: usize) -> &mut T {
        let page = &mut self.pages[index / PAGE];
        if !page.is_unique() {
            *page = page.iter().cloned().collect();
        }
        &mut Arc::get_mut(page).expect("a copy is nobody else's")[index % PAGE]
    }

    pub(crate) fn push(&mut self, element: T) {
        let at = self.len % PAGE;
        match self.pages.last_mut() {
            Some(page) if at > 0 && at < page.len() => {}
            Some(page) if at > 0 => {
                let vacant = (at / 2).max(2).min(PAGE - at);
                *page = page.iter().cloned().chain(std::iter::repeat_n(T::default(), vacant)).collect();
            }
            // The first page may stay small, and a page behind it will hardly.
            last => {
                let size = if last.is_none() { 1 } else { PAGE };
                self.pages.push(std::iter::repeat_n(T::default(), size).collect());
            }
        }
        self.len += 1;
        *self.at_mut(self.len - 1) = element;
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pages.iter().flat_map(|page| page.iter()).take(self.len)
    }

    /// Bytes allocated for the pages, not for what the elements own.
    pub(crate) fn heap_size(&self) -> usize {
        let page = |held: &Arc<[T]>| crate::size_class::ARC_HEADER + held.len() * size_of::<T>();
        self.pages.capacity() * size_of::<Arc<[T]>>() + self.pages.iter().map(page).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_keeps_what_it_held() {
        let mut pages = Pages::new();
        for number in 0..1000 {
            pages.push(number);
            assert_eq!((pages.len(), *pages.at(pages.len() - 1), *pages.at(0)), (pages.len, number, 0));
        }
        let clone = pages.clone();
        *pages.at_mut(500) = -1;
        pages.push(7);
        assert!(clone.iter().copied().eq(0..1000));
        let expected = (0..1000).map(|number| if number == 500 { -1 } else { number }).chain([7]);
        assert!(pages.iter().copied().eq(expected));
        assert_eq!(pages.heap_size(), clone.heap_size());
    }
}
