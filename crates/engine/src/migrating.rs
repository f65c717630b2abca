//! MIGRATE: keys on their way to another server.
//!
//! The command says what is to go where, a [`Shipment`]; the shell carries it there with the words of a [`Delivery`]
//! and tells what the target took of it, which is then deleted here. A client alone waits for that while others read
//! on; their writes are held back as by CLIENT PAUSE, and expiry and eviction rest, so that what is deleted is what
//! was sent. Within EXEC or a script the executor waits itself ([`Host::ship`](crate::Host::ship)), and so it does on
//! a replica that takes writes, whose stream cannot be held back.
//!
//! At most one migration is under way. It ends as any write would begin: not during a pause or a shutdown, nor while
//! data is being loaded. One whose client is gone ends all the same; one whose node turns replica ends nowhere, since
//! what becomes of the keys is another's to say.

mod delivery;

use std::fmt;

use slipstream_keyspace::{Keyspace, UnixMillis, Value};
use slipstream_resp::OwnedRequest;

pub use self::delivery::{Delivery, LONGEST_REPLY};
use crate::call::Call;
use crate::dispatch::Machine;
use crate::errors::CommandError;
use crate::host::Effect;
use crate::node::{Core, Node, Phase};
use crate::session::{Endpoint, Flow, Session, SessionId, Wait};
use crate::table::Entry;

/// Keys that are to go to another server.
pub struct Shipment {
    /// Its number: the answer comes with it.
    pub number: u64,
    /// The target's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// For how many milliseconds the target may leave a connection, a piece or a reply waiting.
    pub timeout_ms: u64,
    /// What AUTH is to say: nothing, a password, or a user and a password.
    pub login: Vec<Vec<u8>>,
    /// The database there.
    pub db: i64,
    /// Whether it replaces keys that are there.
    pub replace: bool,
    /// LZF compression of strings.
    pub compress: bool,
    /// The keys.
    pub parcels: Vec<Parcel>,
}

impl fmt::Debug for Shipment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Shipment");
        shown.field("number", &self.number).field("host", &self.host).field("port", &self.port);
        shown.field("keys", &self.parcels.len()).finish_non_exhaustive()
    }
}

/// One key and what it holds.
pub struct Parcel {
    /// Its name.
    pub key: Box<[u8]>,
    /// Its value.
    pub value: Value<'static>,
    /// When it is due.
    pub deadline: Option<UnixMillis>,
}

/// What became of a shipment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shipped {
    /// The keys that the target said it has.
    pub taken: Vec<Box<[u8]>>,
    /// What went wrong.
    pub trouble: Option<Trouble>,
}

impl Shipped {
    /// Nothing arrived.
    pub fn failed(trouble: Trouble) -> Shipped {
        Shipped { taken: Vec::new(), trouble: Some(trouble) }
    }
}

/// What may go wrong on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// There is no connection: no such name, or no answer in time.
    Connecting,
    /// The target did not take what was sent to it.
    Writing,
    /// The target did not answer, or not as it should.
    Reading,
    /// The target refused, in these words.
    Refused(String),
}

impl Trouble {
    pub(crate) fn error(&self) -> CommandError {
        match self {
            Trouble::Connecting => CommandError::MIGRATE_CONNECTING,
            Trouble::Writing => CommandError::MIGRATE_WRITING,
            Trouble::Reading => CommandError::MIGRATE_READING,
            Trouble::Refused(words) => CommandError::migrate_refused(words),
        }
    }
}

/// Migrations of this node.
#[derive(Debug, Default)]
pub(crate) struct Migrating {
    /// The number of the last one.
    last: u64,
    under_way: Option<Box<Migration>>,
    /// What became of the one whose command runs again, to end.
    outcome: Option<Shipped>,
}

/// A migration whose client waits, unless it is gone.
#[derive(Debug)]
struct Migration {
    number: u64,
    client: SessionId,
    db: usize,
    entry: Entry,
    request: OwnedRequest,
    shipped: Option<Shipped>,
}

impl Migrating {
    /// A number for the next shipment.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// What became of the shipment of the command that runs, if it is to end.
    pub(crate) fn take_outcome(&mut self) -> Option<Shipped> {
        self.outcome.take()
    }
}

impl Call<'_> {
    /// Sends a shipment; what became of it. `None`: the client waits, and its command runs again when that is known.
    pub(crate) fn ship(&mut self, shipment: Shipment) -> Option<Shipped> {
        let is_busy = self.core.migrating.under_way.is_some();
        if is_busy || !self.may_wait() || self.core.is_replica() {
            return Some(self.core.host.ship(Box::new(shipment)));
        }
        self.core.migrating.under_way = Some(Box::new(Migration {
            number: shipment.number,
            client: self.session.id,
            db: self.db.index,
            entry: self.entry,
            request: OwnedRequest::new(self.args),
            shipped: None,
        }));
        self.core.pause.set_migrating(true);
        self.core.rest_or_expire(self.db.keyspace);
        self.core.effects.push(Effect::Ship(Box::new(shipment)));
        self.wait(Wait::Migration, None);
        None
    }
}

impl Node {
    /// What became of the shipment of this number.
    pub fn shipped(&mut self, number: u64, shipped: Shipped) {
        self.core.tick_clock();
        let under_way = self.core.migrating.under_way.as_mut();
        if let Some(migration) = under_way.filter(|migration| migration.number == number) {
            migration.shipped = Some(shipped);
        }
        self.end_migration();
        self.run_woken();
    }

    /// Ends the migration whose shipment is over, unless a write may not begin now.
    pub(crate) fn end_migration(&mut self) {
        let core = &mut self.core;
        if core.pause.holds_migration() || core.phase != Phase::Serving {
            return;
        }
        let is_over = |migration: &mut Box<Migration>| migration.shipped.is_some();
        let Some(migration) = core.migrating.under_way.take_if(is_over) else { return };
        core.pause.set_migrating(false);
        core.rest_or_expire(&mut self.keyspace);
        // Who was held back goes on before whoever may migrate again.
        core.wake_held();
        core.finish_migration(&mut self.keyspace, *migration);
    }
}

impl Core {
    /// Runs the command of a migration again, to end.
    fn finish_migration(&mut self, keyspace: &mut Keyspace, migration: Migration) {
        let Migration { client, db, entry, request, shipped, .. } = migration;
        self.migrating.outcome = shipped;
        let is_there = |session: &&Session| session.flow == Flow::Waiting(Wait::Migration);
        if self.sessions.get(client).filter(is_there).is_none() {
            // Nobody is told, and no client counts this as its write.
            let mut nobody = Session::new(
                SessionId::default(),
                Endpoint::Internal,
                Endpoint::Internal,
                self.clock.moment(),
            );
            nobody.db = db;
            self.run_again(keyspace, &mut nobody, (entry, &request));
            return;
        }
        let mut session = self.sessions.take(client).expect("it is there");
        self.forget_wait(client);
        session.flow = Flow::Ready;
        self.running = Some(client);
        self.run_again(keyspace, &mut session, (entry, &request));
        self.running = None;
        self.check_limits(&mut session);
        self.sessions.mark(client);
        self.sessions.insert(session);
        self.wake(client);
    }

    /// It was counted and shown when it ran first.
    fn run_again(
        &mut self,
        keyspace: &mut Keyspace,
        session: &mut Session,
        (entry, request): (Entry, &OwnedRequest),
    ) {
        let mut reply = std::mem::take(&mut session.output);
        let (start, end) = (reply.len(), self.log.end());
        let mut machine = Machine { keyspace, core: self, session, reply: &mut reply };
        let micros = machine.perform(entry, request.args()).unwrap_or(0);
        self.command_stats[entry.index].micros += micros;
        self.stats.command_micros += micros;
        if self.log.end() != end {
            session.last_write = self.log.end();
        }
        session.suppress_reply(&mut reply, start);
        self.hold_reply(session, &reply, (start, end));
        if !self.own_pushes.is_empty() {
            self.write_own_pushes(session, &mut reply);
        }
        session.output = reply;
    }

    /// This node has no say any more in what becomes of its keys: whatever the target has of them, they stay.
    pub(crate) fn abandon_migration(&mut self) {
        let Some(migration) = self.migrating.under_way.take() else { return };
        self.pause.set_migrating(false);
        if self.waits.of(migration.client) != Some(Wait::Migration) {
            return;
        }
        let error = CommandError::UNBLOCKED_BY_ROLE;
        self.stats.count_error(error.code());
        self.command_stats[migration.entry.index].failed += 1;
        self.finish_wait(migration.client, |reply| reply.error(error.as_str()));
        if let Some(session) = self.sessions.get_mut(migration.client) {
            session.flow = Flow::Closing;
        }
    }
}
