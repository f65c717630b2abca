//! Where the primary is: at a port that the writer was told, or where the sentinels say.
//!
//! A sentinel is asked as clients ask it: the first that answers is believed, if whom it names says the same of
//! itself.

use slipstream_resp::Value;

use super::sentinel::{self, SENTINELS};
use crate::client::{Client, ClientError};

#[derive(Debug, Clone, Copy)]
pub(super) enum Whereabouts {
    Port(u16),
    /// The sentinels' ports.
    Asked([u16; SENTINELS]),
}

impl Whereabouts {
    /// A connection to the primary.
    pub(super) fn connect(self) -> Result<Client, ClientError> {
        match self {
            Whereabouts::Port(port) => Ok(Client::connect(port)?),
            Whereabouts::Asked(sentinels) => find(&sentinels),
        }
    }
}

fn find(sentinels: &[u16]) -> Result<Client, ClientError> {
    let ask = |&port| sentinel::named_to(&mut Client::connect(port).ok()?).ok();
    let port = sentinels.iter().find_map(ask).ok_or(ClientError::Broken)?;
    let mut client = Client::connect(port)?;
    match client.call(&["ROLE"])? {
        Value::Array(role) if role.first().is_some_and(|role| role.text() == "master") => Ok(client),
        _ => Err(ClientError::Refused("not a primary".to_owned())),
    }
}
