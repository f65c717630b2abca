//! The allocator behind the process: chosen when it is built, asked for its figures while it runs.
//!
//! The features `jemalloc` and `mimalloc` of this crate choose one (jemalloc where both are set, the
//! system's where none is); [docs/performance.md](../../../docs/performance.md) has the measurement. Each
//! is a module with the same functions: `tune` once at the start, `give_back` once in a while, `figures`,
//! `report` and `release` when somebody asks.
//! [`crate::memory`] counts around it.

#[cfg(feature = "jemalloc")]
mod jemalloc;
#[cfg(all(feature = "mimalloc", not(feature = "jemalloc")))]
mod mimalloc;
#[cfg(not(any(feature = "mimalloc", feature = "jemalloc")))]
mod system;

#[cfg(feature = "jemalloc")]
pub use jemalloc::{ALLOCATOR, Allocator, NAME, figures, give_back, release, report, tune};
#[cfg(all(feature = "mimalloc", not(feature = "jemalloc")))]
pub use mimalloc::{ALLOCATOR, Allocator, NAME, figures, give_back, release, report, tune};
#[cfg(not(any(feature = "mimalloc", feature = "jemalloc")))]
pub use system::{ALLOCATOR, Allocator, NAME, figures, give_back, release, report, tune};

/// What an allocator knows of itself; a figure it does not have is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Bytes handed out, rounded up as it rounds.
    pub allocated: Option<usize>,
    /// Bytes of the pages that hold at least one of them.
    pub active: Option<usize>,
    /// Bytes of memory that it has from the system.
    pub resident: Option<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_contain_each_other() {
        tune();
        let held = vec![1u8; 1 << 20];
        let figures = figures();
        if let (Some(allocated), Some(active)) = (figures.allocated, figures.active) {
            assert!(allocated <= active, "{figures:?}");
        }
        if let (Some(active), Some(resident)) = (figures.active, figures.resident) {
            assert!(active <= resident, "{figures:?}");
        }
        drop(held);
        give_back();
        release();
        assert!(report().is_none_or(|text| !text.is_empty()));
    }
}
