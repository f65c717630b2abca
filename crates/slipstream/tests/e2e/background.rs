//! One thing done again and again while a test does something else, whatever becomes of the server.
//!
//! Unlike [`Traffic`](crate::traffic::Traffic) it outlives its server's end: it connects anew until it is stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::client::Client;
use crate::wait::pause;

pub(crate) struct Background {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Background {
    /// `act` says whether its connection is still good.
    pub(crate) fn start(port: u16, mut act: impl FnMut(&mut Client) -> bool + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut connected = None;
            while !told.load(Ordering::Relaxed) {
                connected = connected.or_else(|| Client::try_connect(port).ok());
                connected = connected.and_then(|mut client| act(&mut client).then_some(client));
                pause();
            }
        });
        Self { stop, thread }
    }

    /// What was begun is then done.
    #[track_caller]
    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("what went on in the background failed");
    }
}
