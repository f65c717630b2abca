//! What a sentinel tells those who listen: the channel and the text of each event, in order.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use redis::{FromRedisValue, Value};

use crate::client::Client;
use crate::server::Server;

/// How soon a listener that was told to stop notices.
const SILENCE: Duration = Duration::from_millis(100);

/// The channel, and what was said on it.
pub(super) type Event = (String, String);

/// Listens to one sentinel until it is dropped.
pub(super) struct Events {
    stop: Arc<AtomicBool>,
    heard: Arc<Mutex<Vec<(Instant, Event)>>>,
    thread: Option<JoinHandle<()>>,
}

impl Events {
    #[track_caller]
    pub(super) fn listen(sentinel: &Server) -> Self {
        let mut client = Client::try_connect_within(sentinel.port, SILENCE).expect("the sentinel listens");
        client.call::<()>("PSUBSCRIBE *");
        let (stop, heard) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (told, book) = (Arc::clone(&stop), Arc::clone(&heard));
        let thread = thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                match client.receive() {
                    Ok(message) => {
                        let heard = (Instant::now(), event(&message));
                        book.lock().expect("nobody panics with it").push(heard);
                    }
                    Err(error) if error.is_timeout() => {}
                    Err(_) => return,
                }
            }
        });
        Self { stop, heard, thread: Some(thread) }
    }

    pub(super) fn heard(&self) -> Vec<Event> {
        let heard = self.heard.lock().expect("nobody panics with it");
        heard.iter().map(|(_, event)| event.clone()).collect()
    }

    /// When something was said on a channel first.
    pub(super) fn first_on(&self, channel: &str) -> Option<Instant> {
        let heard = self.heard.lock().expect("nobody panics with it");
        heard.iter().find(|(_, (name, _))| name == channel).map(|&(when, _)| when)
    }

    /// What was said on one channel.
    pub(super) fn on(&self, channel: &str) -> Vec<String> {
        let heard = self.heard().into_iter();
        heard.filter(|(name, _)| name == channel).map(|(_, text)| text).collect()
    }
}

fn event(message: &Value) -> Event {
    let (_, _, channel, text): (String, String, String, String) =
        FromRedisValue::from_redis_value(message).expect("a message to a pattern has four parts");
    (channel, text)
}

impl Drop for Events {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap_or_default();
        }
    }
}
