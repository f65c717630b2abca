//! The process title: what `ps` and /proc/PID/cmdline show as the command line.
//!
//! The system is told once, before there are other threads, to look for the command line in memory of ours. From then
//! on a title is text in that memory, and neither the arguments nor the environment are touched.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::kernel;

/// Room for a title, with the zero that ends it and one more byte.
const ROOM: usize = 2048;

/// The title of this process.
#[derive(Debug)]
pub(crate) struct Title(&'static [AtomicU8]);

impl Title {
    /// Makes `text` the title. To be called while the process has one thread.
    pub(crate) fn begin(text: &str) -> io::Result<Title> {
        let memory: Vec<AtomicU8> = (0..ROOM).map(|_| AtomicU8::new(0)).collect();
        let title = Title(memory.leak());
        // With another last byte than zero the system shows what comes before the first zero.
        title.0[ROOM - 1].store(b'.', Ordering::Relaxed);
        title.show(text);
        kernel::show_as_command_line(title.0)?;
        Ok(title)
    }

    /// Changes the title; what is too long is cut.
    pub(crate) fn show(&self, text: &str) {
        let bytes = text.bytes().take(ROOM - 2).chain([0]);
        for (place, byte) in self.0.iter().zip(bytes) {
            place.store(byte, Ordering::Relaxed);
        }
    }
}
