//! Sessions and their users: logging in, what a session is refused, and who is closed when users change.
//! The one place where users meet the rest of the node. Never closes a session itself: it says which are to be.

use std::collections::BTreeMap;

use slipstream_resp::Args;

use super::check::Denied;
use super::file::{FileProblems, read_file, write_file};
use super::log::{Context, Reason, Refusal};
use super::user::{Rules, User};
use super::users::{UserId, Users};
use crate::commands::client::describe;
use crate::config::Config;
use crate::errors::CommandError;
use crate::host::Host;
use crate::node::Core;
use crate::pubsub::Kind;
use crate::session::{Flow, Role, Session, SessionId};
use crate::table::{CommandTable, Entry};

impl Core {
    /// What the meaning of rules depends on.
    pub(crate) fn acl_rules(&self) -> Rules<'_> {
        Rules::new(&self.table, &self.config)
    }

    /// Logs a session in, by the words of a request whose command is `word`.
    pub(crate) fn log_in(
        &mut self,
        session: &mut Session,
        word: &[u8],
        (name, password): (&[u8], &[u8]),
    ) -> Result<(), CommandError> {
        if let Some(id) = self.users.find(name).filter(|id| self.users.get(*id).opens_with(password)) {
            session.user = Some(id);
            session.authenticated = true;
            return Ok(());
        }
        let context = if self.propagation.is_grouping() { Context::Multi } else { Context::TopLevel };
        let refusal = Refusal { reason: Reason::Auth, context, object: word.to_vec(), user: name.to_vec() };
        self.note_refusal(session, refusal);
        Err(CommandError::WRONGPASS)
    }

    /// A session is as a new connection's.
    pub(crate) fn log_out(&self, session: &mut Session) {
        session.user = Some(UserId::DEFAULT);
        session.authenticated = self.users.is_open();
    }

    /// Whether a session must log in first.
    #[inline]
    pub(crate) fn is_locked(&self, session: &Session) -> bool {
        !session.authenticated && !self.users.is_open()
    }

    /// Whether a session may run a request.
    #[inline]
    pub(crate) fn permits(&self, session: &Session, entry: Entry, args: Args<'_>) -> Result<(), Denied> {
        match session.user {
            Some(id) if !self.users.is_unrestricted(id) => self.check_rules(id, entry, args),
            _ => Ok(()),
        }
    }

    #[cold]
    fn check_rules(&self, id: UserId, entry: Entry, args: Args<'_>) -> Result<(), Denied> {
        self.users.get(id).check(entry, args)
    }

    /// Whether a session may run a request, and may read every key by it.
    pub(crate) fn permits_reading_all(&self, session: &Session, entry: Entry, args: Args<'_>) -> bool {
        session
            .user
            .is_none_or(|id| self.users.is_unrestricted(id) || self.users.get(id).may_read_all(entry, args))
    }

    /// The name of a session's user, nothing for the link to a primary.
    pub(crate) fn user_name(&self, session: &Session) -> Option<&[u8]> {
        session.user.map(|id| self.users.name(id))
    }

    /// What a client is told whose user may not run a request.
    #[cold]
    pub(crate) fn denial(&self, session: &Session, entry: Entry, denied: Denied) -> CommandError {
        let user = self.user_name(session).unwrap_or_default();
        CommandError::denied(user, entry.command.full_name, denied)
    }

    /// Counts and notes that a request was refused to a session, if its user may not run it.
    #[cold]
    pub(crate) fn note_denial(
        &mut self,
        session: &Session,
        (entry, args): (Entry, Args<'_>),
        context: Context,
    ) {
        let Err(denied) = self.permits(session, entry, args) else { return };
        let (reason, object) = match denied {
            Denied::Command => (Reason::Command, entry.command.full_name.as_bytes()),
            Denied::Key(at) => (Reason::Key, &args[at]),
            Denied::Channel(at) => (Reason::Channel, &args[at]),
        };
        let user = self.user_name(session).unwrap_or_default().to_vec();
        self.note_refusal(session, Refusal { reason, context, object: object.to_vec(), user });
    }

    fn note_refusal(&mut self, session: &Session, refusal: Refusal) {
        let count = match refusal.reason {
            Reason::Auth => &mut self.stats.auth_failures,
            Reason::Command => &mut self.stats.denied_commands,
            Reason::Key => &mut self.stats.denied_keys,
            Reason::Channel => &mut self.stats.denied_channels,
        };
        *count += 1;
        let most = usize::try_from(self.config.acllog_max_len).unwrap_or(usize::MAX);
        let (client, now) = (describe(self, session), self.clock.unix().0);
        self.users.log.note(refusal, client, now, most);
    }

    /// Puts a user in the place of another. Subscribers who lost a channel by that are to be closed: whose sessions these
    /// are, `running` among them.
    pub(crate) fn put_user(&mut self, name: &[u8], user: User, running: &Session) -> Vec<SessionId> {
        let rules = Rules::new(&self.table, &self.config);
        let old = self.users.find(name);
        self.users.put(&rules, name, user);
        old.map(|id| self.subscribers_without_right(id, running)).unwrap_or_default()
    }

    /// `requirepass` was set.
    pub(crate) fn change_default_password(&mut self) {
        let rules = Rules::new(&self.table, &self.config);
        self.users.set_default_password(&rules, self.config.requirepass.as_deref());
    }

    /// Sessions of a user who listen to what the user may not.
    pub(crate) fn subscribers_without_right(&self, id: UserId, running: &Session) -> Vec<SessionId> {
        let user = self.users.get(id);
        if self.users.is_unrestricted(id) || user.selectors().any(|selector| selector.all_channels) {
            return Vec::new();
        }
        let may = |name: &[u8], is_pattern: bool| {
            user.selectors().any(|selector| selector.allows_channel(name, is_pattern))
        };
        let has_lost = |session: &&Session| {
            let own = session.subscriptions.as_ref().filter(|_| session.user == Some(id));
            own.is_some_and(|own| {
                [Kind::Channel, Kind::Pattern, Kind::Shard]
                    .into_iter()
                    .any(|kind| own.names(kind).iter().any(|name| !may(name, kind == Kind::Pattern)))
            })
        };
        self.open_sessions(running).filter(has_lost).map(|session| session.id).collect()
    }

    /// Sessions of users who are gone.
    pub(crate) fn sessions_of(&self, gone: &[UserId], running: &Session) -> Vec<SessionId> {
        let is_theirs = |session: &&Session| session.user.is_some_and(|id| gone.contains(&id));
        let is_client = |session: &&Session| session.role != Role::Primary;
        self.open_sessions(running).filter(is_theirs).filter(is_client).map(|session| session.id).collect()
    }

    fn open_sessions<'a>(&'a self, running: &'a Session) -> impl Iterator<Item = &'a Session> {
        let all = self.sessions.iter().chain(std::iter::once(running));
        all.filter(|session| session.flow != Flow::Closing)
    }
}

impl Users {
    /// The users that a configuration begins with, or the file that it names.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn configured(
        config: &Config,
        table: &CommandTable,
        host: &mut dyn Host,
    ) -> Result<Users, String> {
        let rules = &Rules::new(table, config);
        let mut users = Users::new(rules, config.requirepass.as_deref());
        for line in &config.users {
            let user = line.user(rules).map_err(|reason| {
                let name = String::from_utf8_lossy(&line.name).into_owned();
                format!("Error loading ACL rules for the user named '{name}': {reason}")
            })?;
            users.put(rules, &line.name, user);
        }
        if config.aclfile.is_empty() {
            return Ok(users);
        }
        if !config.users.is_empty() {
            return Err("Users are in an ACL file or in the configuration, not in both: found 'user' lines beside 'aclfile'".to_owned());
        }
        let loaded = load(rules, &config.aclfile, host);
        users.replace(
            rules,
            loaded.map_err(|reason| format!("Aborting startup because of ACL errors: {reason}"))?,
        );
        Ok(users)
    }
}

/// The users of a file.
fn load(rules: &Rules<'_>, path: &str, host: &mut dyn Host) -> Result<BTreeMap<Vec<u8>, User>, String> {
    let unreadable = |reason: String| format!("Error loading ACLs, opening file '{path}': {reason}");
    let text = host.read_file(path).map_err(unreadable)?;
    let text = text.ok_or_else(|| unreadable("No such file or directory".to_owned()))?;
    read_file(rules, path, &text).map_err(FileProblems::into_text)
}

impl Core {
    /// ACL LOAD: puts the users of the file in the place of all. Whose sessions are to be closed.
    ///
    /// # Errors
    /// What is wrong with the file; nothing has changed.
    pub(crate) fn load_users(&mut self, running: &Session) -> Result<Vec<SessionId>, String> {
        let rules = Rules::new(&self.table, &self.config);
        let loaded = load(&rules, &self.config.aclfile, &mut *self.host)?;
        let gone = self.users.replace(&rules, loaded);
        let mut closed = self.sessions_of(&gone, running);
        closed.extend(self.subscribers_without_right(UserId::DEFAULT, running));
        Ok(closed)
    }

    /// ACL SAVE: writes all users into the file.
    ///
    /// # Errors
    /// Why it could not be replaced.
    pub(crate) fn save_users(&mut self) -> Result<(), String> {
        self.host.write_file(&self.config.aclfile, &write_file(&self.users))
    }

    /// The configuration with the users as they are now, for its file.
    pub(crate) fn config_with_users(&self) -> Config {
        let mut config = self.config.clone();
        config.users = match config.aclfile.is_empty() {
            true => self.users.lines(&self.acl_rules(), config.requirepass.as_deref()),
            false => Vec::new(),
        };
        config
    }
}
