//! What the servers and sentinels say that a configuration names: each is asked by a thread of its own, and none is
//! waited for longer than a few seconds.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use slipstream_resp::Value;
use slipstream_sentinel::config::{Named, NamedGroup};
use slipstream_sentinel::{Address, GroupOptions};

use crate::check::reason;
use crate::client::{Client, ClientError};

/// For a connection, and for each reply.
const PATIENCE: Duration = Duration::from_secs(2);
/// For all of one instance, looking up its name included.
const LONGEST: Duration = Duration::from_secs(6);
/// Instances that are asked at a time.
const AT_A_TIME: usize = 32;

/// Who is to be asked what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asked {
    /// The group's name.
    pub(super) group: String,
    /// Where.
    pub(super) address: Address,
    /// Whether it is a sentinel.
    pub(super) is_sentinel: bool,
}

/// Why nothing more is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Its name has no number.
    Unresolved(String),
    /// Nobody answers.
    Unreachable(String),
    /// It answers, and not what a sentinel needs.
    Refused {
        /// The command.
        command: String,
        /// Its reply.
        text: String,
    },
}

/// What one says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// The number that was connected to.
    pub(super) ip: String,
    /// What AUTH was refused with.
    pub(super) login: Option<String>,
    /// It is loading its data, or has lost its primary.
    pub(super) busy: Option<String>,
    /// As its INFO has it, with its name.
    pub(super) version: String,
    /// Of a server: what ROLE says.
    pub(super) role: Option<Role>,
    /// Of a sentinel: its id.
    pub(super) id: String,
    /// Of a sentinel: where it has the group's primary; nothing if it does not know the group.
    pub(super) primary: Option<Address>,
}

/// What a server says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// With so many replicas.
    Primary(usize),
    /// Of this one, with its link in this state.
    Replica(Address, String),
    /// Anything else.
    Other(String),
}

pub(super) type Answers = BTreeMap<Asked, Result<Answer, Trouble>>;

/// How one is asked.
#[derive(Clone)]
struct Way {
    asked: Asked,
    login: (String, String),
    options: GroupOptions,
}

/// Asks all that is named.
pub(super) fn ask_all(named: &Named) -> Answers {
    let ways: Vec<Way> = named.groups.iter().flat_map(|group| ways(named, group)).collect();
    let mut answers = Answers::new();
    for some in ways.chunks(AT_A_TIME) {
        let (sender, receiver) = channel();
        for way in some.iter().cloned() {
            let sender = sender.clone();
            // A thread that hangs in a name's resolution ends with the process.
            thread::spawn(move || {
                let answer = ask(&way);
                // Nobody waits any more if it took too long.
                sender.send((way.asked, answer)).ok();
            });
        }
        drop(sender);
        let until = Instant::now() + LONGEST;
        while let Ok((asked, answer)) = receiver.recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            answers.insert(asked, answer);
        }
        for way in some {
            let late = || Err(Trouble::Unreachable(format!("no answer within {} s", LONGEST.as_secs())));
            answers.entry(way.asked.clone()).or_insert_with(late);
        }
    }
    answers
}

fn ways(named: &Named, group: &NamedGroup) -> Vec<Way> {
    let way = |address: &Address, is_sentinel: bool| Way {
        asked: Asked { group: group.name.clone(), address: address.clone(), is_sentinel },
        login: if is_sentinel {
            named.login.clone()
        } else {
            (group.options.auth_user.clone(), group.options.auth_pass.clone())
        },
        options: group.options.clone(),
    };
    let servers = std::iter::once(&group.primary).chain(&group.options.seeds).chain(&group.replicas);
    let mut ways: Vec<Way> = servers.map(|address| way(address, false)).collect();
    ways.extend(group.sentinels.iter().map(|(_, address)| way(address, true)));
    ways
}

fn ask(way: &Way) -> Result<Answer, Trouble> {
    let address = &way.asked.address;
    let (mut client, ip) = connect(address)?;
    let mut answer = Answer { ip: ip.to_string(), ..Answer::default() };
    let (user, password) = &way.login;
    if !password.is_empty() {
        let words = ["AUTH", user, password];
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        answer.login = match client.call(&words) {
            Err(ClientError::Refused(text)) => Some(text),
            Err(error) => return Err(trouble("AUTH", error)),
            Ok(_) => None,
        };
    }
    match client.call(&["PING"]) {
        Err(ClientError::Refused(text)) if text.starts_with("LOADING") || text.starts_with("MASTERDOWN") => {
            answer.busy = Some(text);
        }
        // Without the login there is nothing: that is what to tell.
        Err(ClientError::Refused(text)) => {
            let (command, text) = answer.login.map_or(("PING", text), |refusal| ("AUTH", refusal));
            return Err(Trouble::Refused { command: command.to_owned(), text });
        }
        other => drop(other.map_err(|error| trouble("PING", error))?),
    }
    if way.asked.is_sentinel {
        ask_sentinel(&mut client, way, &mut answer)?;
    } else {
        ask_server(&mut client, way, &mut answer)?;
    }
    Ok(answer)
}

fn connect(address: &Address) -> Result<(Client, IpAddr), Trouble> {
    let found = (address.host.as_str(), address.port).to_socket_addrs();
    let found: Vec<SocketAddr> = found.map_err(|error| Trouble::Unresolved(reason(&error)))?.collect();
    let mut last = Trouble::Unresolved("it has no address".to_owned());
    for place in found {
        match Client::connect_to(place, PATIENCE) {
            Ok(client) => return Ok((client, place.ip())),
            Err(error) => last = Trouble::Unreachable(reason(&error)),
        }
    }
    Err(last)
}

fn trouble(command: &str, error: ClientError) -> Trouble {
    match error {
        ClientError::Refused(text) => Trouble::Refused { command: command.to_owned(), text },
        ClientError::Connection(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Trouble::Unreachable(format!("no reply to {command} within {} s", PATIENCE.as_secs()))
        }
        ClientError::Connection(error) => Trouble::Unreachable(format!("{command}: {}", reason(&error))),
        ClientError::Broken => Trouble::Unreachable(format!("{command}: what comes is no reply")),
    }
}

fn ask_server(client: &mut Client, way: &Way, answer: &mut Answer) -> Result<(), Trouble> {
    let info = way.options.command("INFO");
    let text = client.call(&[info, "server"]).map_err(|error| trouble(info, error))?.text();
    answer.version = version(&text);
    let role = way.options.command("ROLE");
    let reply = client.call(&[role]).map_err(|error| trouble(role, error))?;
    answer.role = Some(role_of(&reply));
    Ok(())
}

fn ask_sentinel(client: &mut Client, way: &Way, answer: &mut Answer) -> Result<(), Trouble> {
    let text = client.call(&["INFO", "server"]).map_err(|error| trouble("INFO", error))?.text();
    answer.version = version(&text);
    let id = client.call(&["SENTINEL", "MYID"]).map_err(|error| trouble("SENTINEL MYID", error))?;
    answer.id = id.text();
    let command = "SENTINEL GET-MASTER-ADDR-BY-NAME";
    let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", &way.asked.group];
    let reply = client.call(&words).map_err(|error| trouble(command, error))?;
    answer.primary = match reply {
        Value::Array(parts) => match parts.as_slice() {
            [host, port] => address_of(host, port),
            _ => None,
        },
        _ => None,
    };
    Ok(())
}

fn version(info: &str) -> String {
    let field = |name: &str| {
        info.lines().find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':').map(str::to_owned))
    };
    for (name, shown) in
        [("slipstream_version", "Slipstream"), ("valkey_version", "Valkey"), ("redis_version", "Redis")]
    {
        if let Some(version) = field(name) {
            return format!("{shown} {version}");
        }
    }
    "an unknown version".to_owned()
}

fn role_of(reply: &Value) -> Role {
    let Value::Array(parts) = reply else { return Role::Other(reply.text()) };
    match parts.as_slice() {
        [word, _, Value::Array(replicas)] if word.text() == "master" => Role::Primary(replicas.len()),
        [word, host, port, state, _] if word.text() == "slave" => match address_of(host, port) {
            Some(address) => Role::Replica(address, state.text()),
            None => Role::Other("a replica of nobody".to_owned()),
        },
        [word, ..] => Role::Other(word.text()),
        [] => Role::Other("nothing".to_owned()),
    }
}

fn address_of(host: &Value, port: &Value) -> Option<Address> {
    Some(Address::new(host.text(), port.text().parse().ok()?))
}
