//! Events: what a sentinel tells of itself, in the log, to whoever subscribed, and to scripts.
//!
//! A channel is the event's name. The payload is `<kind> <name> <host> <port> @ <group> <host> <port> [more]`, without
//! the part from `@` on where the primary itself is meant. What is for developers only is logged and not published;
//! what an operator must see also runs the notification script.

use slipstream_replication::Level;

use crate::action::Action;
use crate::contact::Contact;
use crate::core::Core;
use crate::group::Group;
use crate::server::Server;

/// Of whom an event tells.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject<'a> {
    /// The group's primary.
    Primary,
    /// One of its replicas.
    Replica(&'a Server),
    /// A sentinel, by id.
    Sentinel(&'a str, &'a Contact),
}

impl Core {
    /// Tells of an event. `script` is the notification script of its group, or empty.
    pub(crate) fn notify(&mut self, level: Level, channel: &'static str, message: String, script: &str) {
        self.log(level, format!("{channel} {message}"));
        if level > Level::Debug {
            self.actions.push(Action::Publish { channel, message: message.clone() });
        }
        if level == Level::Warning && !script.is_empty() {
            self.schedule_script(script, vec![channel.to_owned(), message]);
        }
    }
}

impl Group {
    /// Tells of an event of a server or sentinel of this group.
    pub(crate) fn tell(
        &self,
        core: &mut Core,
        (level, channel): (Level, &'static str),
        subject: Subject<'_>,
        more: &str,
    ) {
        let message = self.payload(core, subject, more);
        core.notify(level, channel, message, &self.options.notification_script);
    }

    /// Tells of an event whose payload names no instance.
    pub(crate) fn tell_plainly(
        &self,
        core: &mut Core,
        (level, channel): (Level, &'static str),
        message: String,
    ) {
        core.notify(level, channel, message, &self.options.notification_script);
    }

    fn payload(&self, core: &Core, subject: Subject<'_>, more: &str) -> String {
        let names = core.globals.announce_hostnames;
        let primary = &self.primary.contact;
        let (primary_host, primary_port) = (primary.shown_host(names), primary.address.port);
        let place = |contact: &Contact| (contact.shown_host(names).to_owned(), contact.address.port);
        let mut text = match subject {
            Subject::Primary => format!("master {} {primary_host} {primary_port}", self.name),
            Subject::Replica(replica) => {
                let (host, port) = place(&replica.contact);
                format!("slave {host}:{port} {host} {port} @ {} {primary_host} {primary_port}", self.name)
            }
            Subject::Sentinel(id, contact) => {
                let (host, port) = place(contact);
                format!("sentinel {id} {host} {port} @ {} {primary_host} {primary_port}", self.name)
            }
        };
        if !more.is_empty() {
            text.push(' ');
            text.push_str(more);
        }
        text
    }
}
