//! A vector in shared pages: cloning copies a pointer per page, the first change of a page that
//! a clone still holds copies that page alone.
//!
//! Invariant: every page but the last is full, and no page is empty.

use std::sync::Arc;

/// Elements of a page: a page of pointers is copied in about a microsecond.
const PAGE: usize = 128;

/// A vector that grows and shrinks at its end only.
#[derive(Clone)]
pub(crate) struct Pages<T> {
    pages: Vec<Arc<Vec<T>>>,
    len: usize,
}

impl<T: Clone> Pages<T> {
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
        &mut Arc::make_mut(&mut self.pages[index / PAGE])[index % PAGE]
    }

    pub(crate) fn push(&mut self, element: T) {
        match self.pages.last_mut() {
            Some(page) if page.len() < PAGE => {
                let page = Arc::make_mut(page);
                if page.len() == page.capacity() {
                    page.reserve_exact((page.len() / 2).max(2).min(PAGE - page.len()));
                }
                page.push(element);
            }
            _ => {
                // The first page may stay small, and a page behind it will hardly.
                let capacity = if self.pages.is_empty() { 1 } else { PAGE };
                let mut page = Vec::with_capacity(capacity);
                page.push(element);
                self.pages.push(Arc::new(page));
            }
        }
        self.len += 1;
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        let page = Arc::make_mut(self.pages.last_mut()?);
        let element = page.pop();
        if page.is_empty() {
            self.pages.pop();
        }
        self.len -= 1;
        element
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pages.iter().flat_map(|page| page.iter())
    }

    /// Bytes allocated for the pages, not for what the elements own.
    pub(crate) fn heap_size(&self) -> usize {
        let page = size_of::<Vec<T>>() + crate::size_class::ARC_HEADER;
        self.pages.capacity() * size_of::<Arc<Vec<T>>>()
            + self.pages.iter().map(|held| page + held.capacity() * size_of::<T>()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_keeps_what_it_held() {
        let mut pages = Pages::new();
        (0..1000).for_each(|number| pages.push(number));
        let clone = pages.clone();
        *pages.at_mut(500) = -1;
        assert_eq!((0..400).filter_map(|_| pages.pop()).sum::<i32>(), (600..1000).sum());
        pages.push(7);
        assert!(clone.iter().copied().eq(0..1000));
        let expected = (0..600).map(|number| if number == 500 { -1 } else { number }).chain([7]);
        assert!(pages.iter().copied().eq(expected));
        assert_eq!((pages.len(), *pages.at(600)), (601, 7));
        while pages.pop().is_some() {}
        assert_eq!((pages.len(), pages.heap_size() < clone.heap_size()), (0, true));
    }
}
