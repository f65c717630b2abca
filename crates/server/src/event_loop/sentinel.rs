//! A sentinel's lines and reports, turn by turn.
//!
//! What happened is told at once, and what the machine makes of it is done before it is told anything more: time
//! without a primary goes by, and of a line that it closed it is not to hear.

use slipstream_sentinel::{Event, LineId};

use super::EventLoop;
use crate::net::Ready;
use crate::sentinel::{Heard, News};

/// Bytes read from a line at once: many lines may have something to read when a client waits for an answer.
const READ_SIZE: usize = 16 * 1024;

impl EventLoop {
    pub(super) fn line_ready(&mut self, id: LineId, ready: &Ready) {
        let is_to_be_read = self.sentinel.ready(id, ready);
        self.tell_sentinel();
        self.perform_all();
        if !is_to_be_read {
            return;
        }
        if let Heard::Bytes(count, has_more) = self.sentinel.read(id, &mut self.buffer[..READ_SIZE]) {
            if has_more {
                self.net.borrow_mut().read_again(id);
            }
            if count > 0 {
                self.node.sentinel_event(Event::Received(id, &self.buffer[..count]));
            }
        }
        self.tell_sentinel();
        self.perform_all();
    }

    pub(super) fn sentinel_news(&mut self, news: News) {
        self.sentinel.take_news(news);
        self.tell_sentinel();
        self.perform_all();
    }

    /// Tells what happened when actions were carried out.
    pub(super) fn tell_sentinel(&mut self) {
        while let Some(event) = self.sentinel.next() {
            self.node.sentinel_event(event);
        }
    }
}
