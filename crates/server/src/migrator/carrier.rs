//! Delivers shipments, one after the other, and keeps the connections that it made for a while.
//!
//! What is said over them and what the answers mean is [`Delivery`]'s to know. A connection is kept only when all
//! that was asked over it is answered.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use slipstream_engine::{Delivery, Shipment, Shipped, Trouble};
use slipstream_keyspace::UnixMillis;

use super::line::{Failure, Line, Unconnected};
use super::watch::{Slots, Watch};

/// Connections that are kept.
const MOST_KEPT: usize = 64;
/// For how long one is kept after it was used.
const KEPT_FOR: Duration = Duration::from_secs(10);
/// More than anybody waits: what a client may ask for is beyond what clocks count to.
const LONGEST_PATIENCE: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// Bytes that are gathered before they are sent.
const PIECE: usize = 64 * 1024;

/// Where a connection goes, and as whom: nobody is to use the login of another.
type Place = (String, u16, Vec<Vec<u8>>);

/// Delivers shipments.
#[derive(Debug)]
pub(super) struct Carrier {
    kept: HashMap<Place, Kept>,
    watch: Arc<Watch>,
    lookups: Slots,
}

/// A connection over which all is answered.
#[derive(Debug)]
struct Kept {
    line: Line,
    /// The database that is selected, if that is known.
    selected: Option<i64>,
    used: Instant,
}

/// An attempt that came to nothing.
struct Failed {
    shipped: Shipped,
    /// Whether another one may do better and does no harm.
    may_begin_anew: bool,
}

impl Carrier {
    pub(super) fn new(watch: Arc<Watch>, lookups: Slots) -> Carrier {
        Carrier { kept: HashMap::new(), watch, lookups }
    }

    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// How long to wait before a connection is to be closed.
    pub(super) fn patience(&self) -> Option<Duration> {
        let oldest = self.kept.values().map(|kept| kept.used).min()?;
        Some(KEPT_FOR.saturating_sub(oldest.elapsed()))
    }

    /// Closes connections that were not used for a while.
    pub(super) fn close_idle(&mut self) {
        self.kept.retain(|_, kept| kept.used.elapsed() < KEPT_FOR);
        self.tell_count();
    }

    /// Closes all connections.
    pub(super) fn close_all(&mut self) {
        self.kept.clear();
        self.tell_count();
    }

    fn tell_count(&self) {
        self.watch.set_sockets(self.kept.len());
    }

    /// Delivers a shipment, at the second attempt if the first one comes to nothing at once.
    pub(super) fn deliver(&mut self, shipment: &Shipment) -> Shipped {
        let place = (shipment.host.clone(), shipment.port, shipment.login.clone());
        let delivered = match self.attempt(shipment, &place) {
            Err(Failed { may_begin_anew: true, .. }) => self.attempt(shipment, &place),
            delivered => delivered,
        };
        self.tell_count();
        delivered.unwrap_or_else(|failed| failed.shipped)
    }

    fn attempt(&mut self, shipment: &Shipment, place: &Place) -> Result<Shipped, Failed> {
        let given_up = || Failed { shipped: Shipped::failed(Trouble::Reading), may_begin_anew: false };
        if self.watch.is_given_up() {
            return Err(given_up());
        }
        let patience = patience_of(shipment);
        let (mut line, selected) = match self.kept.remove(place) {
            Some(Kept { mut line, selected, .. }) => {
                line.set_patience(patience);
                (line, selected)
            }
            None => {
                let line = Line::connect(&shipment.host, shipment.port, patience, &self.lookups);
                (line.map_err(|unconnected| unreached(&unconnected))?, None)
            }
        };
        if !self.watch.uses(line.stream()) {
            return Err(given_up());
        }
        let mut out = Vec::new();
        let mut delivery = Delivery::begin(shipment, selected, &mut out);
        match converse(&mut line, &mut delivery, out, &self.watch) {
            Ok(()) => {
                if line.is_quiet() {
                    self.keep(place, Kept { line, selected: delivery.selected(), used: Instant::now() });
                }
                Ok(delivery.end(None))
            }
            Err((trouble, failure)) => {
                let may_begin_anew = failure == Failure::Broken && delivery.may_begin_anew();
                Err(Failed { shipped: delivery.end(Some(trouble)), may_begin_anew })
            }
        }
    }

    /// Keeps a connection, in the place of the one that was not used for longest if there are many.
    fn keep(&mut self, place: &Place, kept: Kept) {
        if self.kept.len() >= MOST_KEPT {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.used).map(|(place, _)| place.clone());
            oldest.and_then(|oldest| self.kept.remove(&oldest));
        }
        self.kept.insert(place.clone(), kept);
    }
}

/// How long each step of a delivery may take.
pub(super) fn patience_of(shipment: &Shipment) -> Duration {
    Duration::from_millis(shipment.timeout_ms).min(LONGEST_PATIENCE)
}

/// A target that refuses to be connected to is told as Redis tells it: there it is the first write that fails.
fn unreached(unconnected: &Unconnected) -> Failed {
    let trouble = match unconnected {
        Unconnected::Unknown | Unconnected::TimedOut => Trouble::Connecting,
        Unconnected::Refused => Trouble::Writing,
    };
    Failed { shipped: Shipped::failed(trouble), may_begin_anew: false }
}

/// Says all of a delivery, of which `out` is the beginning, and listens to the answers.
fn converse(
    line: &mut Line,
    delivery: &mut Delivery<'_>,
    mut out: Vec<u8>,
    watch: &Watch,
) -> Result<(), (Trouble, Failure)> {
    send(line, &mut out, watch)?;
    listen(line, delivery, watch)?;
    while delivery.send_next(now(), &mut out) {
        if out.len() >= PIECE {
            send(line, &mut out, watch)?;
        }
    }
    send(line, &mut out, watch)?;
    listen(line, delivery, watch)
}

fn send(line: &mut Line, out: &mut Vec<u8>, watch: &Watch) -> Result<(), (Trouble, Failure)> {
    for piece in out.chunks(PIECE) {
        line.write(piece).map_err(|failure| (Trouble::Writing, failure))?;
        watch.step();
    }
    out.clear();
    // The room of a big value is not to be kept.
    out.shrink_to(PIECE);
    Ok(())
}

fn listen(line: &mut Line, delivery: &mut Delivery<'_>, watch: &Watch) -> Result<(), (Trouble, Failure)> {
    while delivery.awaits_reply() {
        let reply = line.read_line().map_err(|failure| (Trouble::Reading, failure))?;
        delivery.take_reply(&reply).map_err(|trouble| (trouble, Failure::Garbled))?;
        watch.step();
    }
    Ok(())
}

fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
