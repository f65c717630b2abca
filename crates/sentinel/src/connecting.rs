//! Lines are opened, opened again, and given up.
//!
//! A line that was lost is opened again at once: whether the host refuses is the fastest sign of life there is. One that
//! is refused is tried ten times a second, so that a server that comes back is seen before its clients see it. One that
//! has never answered is tried ever less often, since anybody may tell of servers and sentinels that are none.

use slipstream_replication::Moment;
use slipstream_resp::Value;

use crate::Address;
use crate::action::{Action, Failure, LineId};
use crate::contact::Contact;
use crate::core::{Core, Owner};
use crate::group::Group;
use crate::line::{Awaited, Line, LineState};
use crate::options::GroupOptions;
use crate::server::Server;

/// The channel on which sentinels tell each other of themselves.
pub(crate) const HELLO_CHANNEL: &str = "__sentinel__:hello";

/// Between two attempts at a host that refuses, at first and later.
const REFUSED: (u64, u64) = (20, 100);
/// For so long it counts as at first.
const REFUSED_LATELY: u64 = 300;
/// Before the next attempt when the last one failed otherwise, or what it brought was closed soon.
const OTHERWISE: u64 = 250;
/// A connection that lived so long is opened again at once.
const LIVED: u64 = 1000;

/// The most an attempt takes.
fn patience(down_after: u64) -> u64 {
    (down_after / 2).clamp(100, 5000)
}

/// Opens a line whose time has come, and gives up an attempt that takes too long.
fn keep_open(core: &mut Core, line: &mut Line, (address, owner): (&Address, Owner), down_after: u64) {
    match line.state {
        LineState::Closed if core.is_due(line.retry_at) => {
            let id = LineId(core.number());
            core.lines.insert(id, owner);
            core.actions.push(Action::Connect(id, address.clone()));
            line.become_(LineState::Connecting(id), core.now);
            core.is_due(core.now.after_ms(patience(down_after)));
        }
        LineState::Connecting(_) if core.is_due(line.since.after_ms(patience(down_after))) => {
            close(core, line, OTHERWISE);
        }
        LineState::Closed | LineState::Connecting(_) | LineState::Up(_) => {}
    }
}

/// Closes a line, to be opened again after `retry_ms`.
pub(crate) fn close(core: &mut Core, line: &mut Line, retry_ms: u64) {
    if let Some(id) = line.id() {
        core.forget_line(id);
        core.actions.push(Action::Close(id));
    }
    line.become_(LineState::Closed, core.now);
    line.retry_at = core.now.after_ms(retry_ms);
    // Whoever has nothing else to do is woken for that.
    core.alarm = core.alarm.min(line.retry_at);
}

/// A line is no more, or did not come: when to try again. Its host was lost then.
pub(crate) fn on_failed(core: &mut Core, line: &mut Line, failure: &Failure, lost_at: Option<Moment>) {
    let is_lately = lost_at.is_some_and(|at| core.now.ms_since(at) < REFUSED_LATELY);
    let retry_ms = match failure {
        Failure::Closed if has_lived(core, line) => 0,
        // A process that ends may take a connection and drop it before its host refuses.
        Failure::Refused | Failure::Closed if is_lately => REFUSED.0,
        Failure::Refused | Failure::Closed => REFUSED.1,
        Failure::Other(_) => OTHERWISE,
    };
    line.become_(LineState::Closed, core.now);
    line.retry_at = core.now.after_ms(retry_ms);
}

fn has_lived(core: &Core, line: &Line) -> bool {
    line.up().is_some() && core.now.ms_since(line.since) >= LIVED
}

impl Contact {
    /// Opens the line for commands, or gives up an attempt at it.
    pub(crate) fn keep_open(&mut self, core: &mut Core, owner: Owner, down_after: u64) {
        let before = self.line.state;
        keep_open(core, &mut self.line, (&self.address, owner), down_after);
        if before != self.line.state && self.line.state == LineState::Closed {
            self.hold_back(core);
        }
    }

    fn hold_back(&mut self, core: &Core) {
        self.line.retry_at = self.line.retry_at.max(core.now.after_ms(self.reserve(core.now)));
    }

    /// Commands can be sent from now on.
    pub(crate) fn on_connected(&mut self, core: &mut Core, id: LineId, (local, remote): (String, String)) {
        self.line.become_(LineState::Up(id), core.now);
        self.local = local;
        self.ip = remote;
        self.refused_since = None;
        self.unanswered_since = None;
        self.pinged_at = None;
    }

    /// No commands can be sent any more.
    pub(crate) fn on_failed(&mut self, core: &mut Core, failure: &Failure) {
        if has_lived(core, &self.line) {
            self.lost_at = Some(core.now);
        }
        match failure {
            Failure::Refused => self.refused_since = self.refused_since.or(Some(core.now)),
            // What was closed may be refused next; what fails otherwise is no proof.
            Failure::Closed => {}
            Failure::Other(_) => self.refused_since = None,
        }
        on_failed(core, &mut self.line, failure, self.lost_at);
        self.hold_back(core);
    }

    /// Sends a request whose reply is awaited; `false` if there is no line, or too much is awaited on it.
    pub(crate) fn ask(&mut self, core: &mut Core, words: &[&str], awaited: Awaited) -> bool {
        let Some(line) = self.line.up() else { return false };
        if self.line.awaited.len() >= crate::line::MOST_AWAITED {
            return false;
        }
        core.send(line, words);
        self.line.awaited.push_back(awaited);
        true
    }

    /// Sends a request whatever is awaited: those that a failover depends on.
    pub(crate) fn order(&mut self, core: &mut Core, words: &[&str], awaited: Awaited) {
        if let Some(line) = self.line.up() {
            core.send(line, words);
            self.line.awaited.push_back(awaited);
        }
    }

    /// Logs in and says who this is.
    pub(crate) fn introduce(
        &mut self,
        core: &mut Core,
        (user, password): (&str, &str),
        command: impl Fn(&str) -> String,
    ) {
        if !password.is_empty() {
            let auth = command("AUTH");
            let words: &[&str] = if user.is_empty() { &[&auth, password] } else { &[&auth, user, password] };
            self.order(core, words, Awaited::Order("AUTH"));
        }
        let name = format!("sentinel-{}-cmd", &core.id[..8]);
        self.order(core, &[&command("CLIENT"), "SETNAME", &name], Awaited::Order("CLIENT SETNAME"));
    }
}

impl Contact {
    /// A connection that does not answer is made anew: it may be the connection that is broken.
    pub(crate) fn give_up_silent(&mut self, core: &mut Core, down_after: u64) {
        // One that was just made is not made anew again and again.
        let min_age = core.timings.min_link_reconnect_period.min(down_after);
        if self.is_up()
            && let Some(since) = self.unanswered_since
            && core.is_due(since.after_ms(down_after / 2).max(self.line.since.after_ms(min_age)))
        {
            close(core, &mut self.line, 0);
        }
    }

    /// Where a password is wrong or missing there is no connection. A wrong one that is not asked for is none the worse,
    /// so the answer to PING tells.
    pub(crate) fn close_if_locked_out(&mut self, core: &mut Core, reply: &Value) {
        if matches!(reply, Value::Error(text) if text.starts_with("NOAUTH")) {
            close(core, &mut self.line, LIVED);
        }
    }
}

impl Server {
    /// Opens what is not open.
    pub(crate) fn keep_open(&mut self, core: &mut Core, group: &str, options: &GroupOptions) {
        let commands = Owner::Commands(group.to_owned(), self.number);
        self.contact.keep_open(core, commands, options.down_after);
        // Messages come over what answers; there is no need to knock twice where nobody is at home.
        if self.contact.is_up() || self.messages.id().is_some() {
            let messages = Owner::Messages(group.to_owned(), self.number);
            keep_open(core, &mut self.messages, (&self.contact.address, messages), options.down_after);
        }
        self.give_up_silent(core, options.down_after);
    }

    /// Neither a connection without answers nor one without messages is kept.
    fn give_up_silent(&mut self, core: &mut Core, down_after: u64) {
        self.contact.give_up_silent(core, down_after);
        let silence = core.timings.publish_period * 3;
        if self.messages.up().is_some()
            && core.is_due(self.heard_at.max(self.messages.since).after_ms(silence))
        {
            close(core, &mut self.messages, OTHERWISE);
        }
    }

    /// The line of messages is there.
    pub(crate) fn on_messages_connected(&mut self, core: &mut Core, id: LineId, options: &GroupOptions) {
        self.messages.become_(LineState::Up(id), core.now);
        self.heard_at = core.now;
        if !options.auth_pass.is_empty() {
            let auth = options.command("AUTH");
            let (user, password) = (options.auth_user.as_str(), options.auth_pass.as_str());
            let words: &[&str] = if user.is_empty() { &[auth, password] } else { &[auth, user, password] };
            core.send(id, words);
            self.messages.awaited.push_back(Awaited::Order("AUTH"));
        }
        let name = format!("sentinel-{}-pubsub", &core.id[..8]);
        core.send(id, &[options.command("CLIENT"), "SETNAME", &name]);
        core.send(id, &[options.command("SUBSCRIBE"), HELLO_CHANNEL]);
        let orders = ["CLIENT SETNAME", "SUBSCRIBE"].map(Awaited::Order);
        self.messages.awaited.extend(orders);
    }
}

impl Group {
    /// Closes all lines of a server that is forgotten.
    pub(crate) fn close_lines(core: &mut Core, server: &mut Server) {
        close(core, &mut server.contact.line, 0);
        close(core, &mut server.messages, 0);
    }
}
