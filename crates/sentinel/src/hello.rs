//! Hellos: by them sentinels find each other, and the highest configuration spreads.
//!
//! `ip,port,id,current-epoch,group,primary-ip,primary-port,config-epoch`, published on every server of the group and sent
//! to every other sentinel. What this sentinel says of epochs is what is on its disk.

use slipstream_replication::Level;

use crate::Address;
use crate::config::words::is_name;
use crate::contact::Contact;
use crate::core::Core;

/// The longest hello that is looked at.
const LONGEST: usize = 1024;
/// No epoch is greater: it could hardly be followed by another.
pub(crate) const LAST_EPOCH: u64 = 1 << 62;
/// An epoch that is told and lies further ahead is followed up to here, and the rest when it is told again: no single
/// message uses up what there is.
const LONGEST_STRIDE: u64 = 1 << 20;

/// What a hello says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    /// Where the sentinel listens.
    pub(crate) sentinel: Address,
    /// Its id.
    pub(crate) id: String,
    /// The highest epoch it has seen.
    pub(crate) epoch: u64,
    /// The group it tells of.
    pub(crate) group: String,
    /// The group's primary.
    pub(crate) primary: Address,
    /// In which epoch that became primary.
    pub(crate) config_epoch: u64,
}

impl Hello {
    /// Reads a hello; anything else is `None`.
    pub(crate) fn parse(text: &str) -> Option<Hello> {
        if text.len() > LONGEST || text.chars().any(char::is_control) {
            return None;
        }
        let mut fields = text.split(',');
        let mut next = || fields.next();
        let hello = Hello {
            sentinel: address(next()?, next()?)?,
            id: next()?.to_owned(),
            epoch: next()?.parse().ok()?,
            group: next()?.to_owned(),
            primary: address(next()?, next()?)?,
            config_epoch: next()?.parse().ok()?,
        };
        // Whoever became primary in an epoch has seen that epoch.
        let is_sane = hello.config_epoch <= hello.epoch && hello.epoch <= LAST_EPOCH;
        let is_whole = fields.next().is_none() && hello.id.len() == 40 && is_name(&hello.id) && is_sane;
        is_whole.then_some(hello)
    }
}

fn address(host: &str, port: &str) -> Option<Address> {
    let port: u16 = port.parse().ok()?;
    (port != 0 && !host.is_empty() && !host.contains(char::is_whitespace)).then(|| Address::new(host, port))
}

/// What is on disk of what hellos tell: of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Announced {
    /// The primary's host and port, as they are told.
    pub(crate) primary: (String, u16),
    /// Its epoch.
    pub(crate) config_epoch: u64,
}

impl Core {
    /// The hello of this sentinel about a group, as it is sent over a contact; none until its state is on disk.
    pub(crate) fn hello(&self, group: &str, contact: &Contact) -> Option<String> {
        let (epoch, announced) = self.durability.announced(group)?;
        let local = if contact.local.is_empty() { None } else { Some(contact.local.as_str()) };
        let ip = self.globals.announce_ip.as_deref().or(local)?;
        let port = self.globals.announce_port.unwrap_or(self.globals.port);
        let Announced { primary: (host, primary_port), config_epoch } = announced;
        let id = &self.id;
        Some(format!("{ip},{port},{id},{epoch},{group},{host},{primary_port},{config_epoch}"))
    }

    /// Another sentinel has seen a higher epoch: so has this one now, unless that is still ahead of it.
    pub(crate) fn see_epoch(&mut self, epoch: u64, script: &str) -> bool {
        let next = epoch.min(self.epoch + LONGEST_STRIDE).min(LAST_EPOCH);
        if next > self.epoch {
            self.epoch = next;
            self.changed();
            self.notify(Level::Warning, "+new-epoch", next.to_string(), script);
        }
        self.epoch >= epoch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789012345678901234567890123456789";

    #[test]
    fn eight_fields_are_a_hello() {
        let hello =
            Hello::parse(&format!("10.0.0.1,26379,{ID},7,mymaster,10.0.0.2,6379,5")).expect("it is one");
        assert_eq!(hello.sentinel, Address::new("10.0.0.1", 26379));
        assert_eq!((hello.epoch, hello.config_epoch), (7, 5));
        assert_eq!((hello.group.as_str(), hello.primary.port), ("mymaster", 6379));
    }

    #[test]
    fn all_else_is_none() {
        for text in [
            String::new(),
            format!("10.0.0.1,26379,{ID},7,mymaster,10.0.0.2,6379"),
            format!("10.0.0.1,26379,{ID},7,mymaster,10.0.0.2,6379,5,6"),
            format!("10.0.0.1,0,{ID},7,mymaster,10.0.0.2,6379,5"),
            format!("10.0.0.1,26379,{},7,mymaster,10.0.0.2,6379,5", ID.replace('0', " ")),
            "10.0.0.1,26379,short,7,mymaster,10.0.0.2,6379,5".to_owned(),
            format!("10.0.0.1,26379,{ID},-7,mymaster,10.0.0.2,6379,5"),
            format!("10.0.0.1,26379,{ID},{},mymaster,10.0.0.2,6379,5", u64::MAX),
            format!("10.0.0.1,26379,{ID},{},mymaster,10.0.0.2,6379,5", LAST_EPOCH + 1),
            format!("10.0.0.1,26379,{ID},4,mymaster,10.0.0.2,6379,5"),
            format!("10.0.0.1,26379,{ID},7,my\nmaster,10.0.0.2,6379,5"),
        ] {
            assert_eq!(Hello::parse(&text), None, "{text}");
        }
    }
}
