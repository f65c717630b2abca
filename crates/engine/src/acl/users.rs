//! All users, by name and by number.
//! A number belongs to one user for good; a place that became free is given away with a number of its own.

use std::collections::BTreeMap;

use super::file::UserLine;
use super::log::AclLog;
use super::selector::has_spaces;
use super::user::{Rules, User, join_selectors};

/// The number of a user: never that of another, also when the user is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserId {
    slot: u32,
    generation: u32,
}

impl UserId {
    /// The user of who has not logged in.
    pub const DEFAULT: UserId = UserId { slot: 0, generation: 0 };
}

#[derive(Debug, Default)]
struct Slot {
    /// How many users had it before.
    generation: u32,
    /// Whether its user may do everything.
    is_unrestricted: bool,
    user: Option<Named>,
}

#[derive(Debug)]
struct Named {
    name: Box<[u8]>,
    user: User,
}

/// All users.
#[derive(Debug)]
pub struct Users {
    /// The first is the default user's.
    slots: Vec<Slot>,
    by_name: BTreeMap<Box<[u8]>, u32>,
    /// Whether each of them may do everything, as nearly everywhere.
    restrict_nobody: bool,
    /// What they were refused of late.
    pub(crate) log: AclLog,
}

impl Users {
    /// The name of the user that is always there.
    pub(crate) const DEFAULT_NAME: &'static [u8] = b"default";

    /// The default user alone, who is allowed everything and has the password of `requirepass`.
    pub(crate) fn new(rules: &Rules<'_>, password: Option<&[u8]>) -> Users {
        let (by_name, log) = (BTreeMap::new(), AclLog::default());
        let mut users = Users { slots: Vec::new(), by_name, restrict_nobody: false, log };
        users.put(rules, Users::DEFAULT_NAME, Users::initial_default(rules, password));
        users
    }

    /// The default user as long as no rule says anything of it.
    pub(crate) fn initial_default(rules: &Rules<'_>, password: Option<&[u8]>) -> User {
        let mut user = User::unrestricted(rules);
        user.set_password(password);
        user
    }

    /// Whether a user may do everything. Asked before each command. It may be said of one who was deleted, while all
    /// others may, the default user among them, as whom such a one counts.
    #[inline]
    pub(crate) fn is_unrestricted(&self, id: UserId) -> bool {
        self.restrict_nobody || self.slot(id).is_some_and(|slot| slot.is_unrestricted)
    }

    #[inline]
    fn slot(&self, id: UserId) -> Option<&Slot> {
        self.slots.get(id.slot as usize).filter(|slot| slot.generation == id.generation)
    }

    /// The user of a number. One who was deleted counts as the default user, until the session is closed.
    pub(crate) fn get(&self, id: UserId) -> &User {
        &self.named(id).user
    }

    /// The name of a user.
    pub fn name(&self, id: UserId) -> &[u8] {
        &self.named(id).name
    }

    fn named(&self, id: UserId) -> &Named {
        let default = || self.slots[0].user.as_ref().expect("the default user is always there");
        self.slot(id).and_then(|slot| slot.user.as_ref()).unwrap_or_else(default)
    }

    /// Who is logged in without doing so.
    pub(crate) fn default_user(&self) -> &User {
        self.get(UserId::DEFAULT)
    }

    /// Whether a new connection is logged in.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        let default = self.default_user();
        default.needs_no_password() && default.is_on()
    }

    /// Whether any password opens the default user.
    pub(crate) fn needs_no_password(&self) -> bool {
        self.default_user().needs_no_password()
    }

    /// The number of a name.
    pub(crate) fn find(&self, name: &[u8]) -> Option<UserId> {
        let slot = *self.by_name.get(name)?;
        Some(UserId { slot, generation: self.slots[slot as usize].generation })
    }

    /// All names and users, by name.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &User)> {
        self.by_name.iter().map(|(name, slot)| {
            let named = self.slots[*slot as usize].user.as_ref().expect("a name is that of a user");
            (&**name, &named.user)
        })
    }

    /// Whom these rules make of a user: of the one there is, or of a new one.
    ///
    /// # Errors
    /// The first rule that is none, in the words of ACL SETUSER.
    pub(crate) fn changed<'a>(
        &self,
        rules: &Rules<'_>,
        name: &[u8],
        words: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<User, String> {
        let words = join_selectors(words).map_err(|first| {
            let first = String::from_utf8_lossy(first);
            format!("Unmatched parenthesis in acl selector starting at '{first}'.")
        })?;
        let old = self.find(name).map(|id| self.get(id).clone());
        let mut user = old.unwrap_or_else(|| User::new(rules));
        user.apply_all(rules, words.iter().map(Vec::as_slice)).map_err(|(rule, error)| {
            let rule = String::from_utf8_lossy(rule);
            format!("Error in ACL SETUSER modifier '{rule}': {error}")
        })?;
        Ok(user)
    }

    /// Puts a user in the place of the one of this name, or beside the others.
    pub(crate) fn put(&mut self, rules: &Rules<'_>, name: &[u8], user: User) {
        let is_unrestricted = user.is_unrestricted(rules);
        let slot = match self.by_name.get(name) {
            Some(slot) => *slot,
            None => self.new_slot(name),
        };
        let slot = &mut self.slots[slot as usize];
        slot.is_unrestricted = is_unrestricted;
        slot.user = Some(Named { name: name.into(), user });
        self.note_restrictions();
    }

    fn note_restrictions(&mut self) {
        self.restrict_nobody = self.slots.iter().all(|slot| slot.is_unrestricted || slot.user.is_none());
    }

    fn new_slot(&mut self, name: &[u8]) -> u32 {
        let free = self.slots.iter().position(|slot| slot.user.is_none());
        let slot = free.unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() - 1
        });
        let slot = u32::try_from(slot).expect("users are in memory");
        self.by_name.insert(name.into(), slot);
        slot
    }

    /// Deletes a user, if there is one of this name and it is not the default user; its number.
    pub(crate) fn remove(&mut self, name: &[u8]) -> Option<UserId> {
        let id = self.find(name).filter(|id| *id != UserId::DEFAULT)?;
        self.by_name.remove(name);
        let slot = &mut self.slots[id.slot as usize];
        *slot = Slot { generation: slot.generation + 1, ..Slot::default() };
        self.note_restrictions();
        Some(id)
    }

    /// Changes the default user's password.
    pub(crate) fn set_default_password(&mut self, rules: &Rules<'_>, password: Option<&[u8]>) {
        let mut user = self.default_user().clone();
        user.set_password(password);
        self.put(rules, Users::DEFAULT_NAME, user);
    }

    /// Puts other users in the place of all; whose numbers are theirs no more. Who is not named is gone, and the default
    /// user as if no rule said anything of it.
    pub(crate) fn replace(&mut self, rules: &Rules<'_>, users: BTreeMap<Vec<u8>, User>) -> Vec<UserId> {
        let names: Vec<Box<[u8]>> = self.by_name.keys().cloned().collect();
        let gone = names.iter().filter_map(|name| self.remove(name)).collect();
        self.put(rules, Users::DEFAULT_NAME, Users::initial_default(rules, None));
        users.into_iter().for_each(|(name, user)| self.put(rules, &name, user));
        gone
    }

    /// Lines of a configuration that make these users. The default user has none while it is as `requirepass` alone
    /// would make it.
    pub(crate) fn lines(&self, rules: &Rules<'_>, requirepass: Option<&[u8]>) -> Vec<UserLine> {
        let initial = Users::initial_default(rules, requirepass);
        self.iter()
            .filter(|(name, user)| *name != Users::DEFAULT_NAME || **user != initial)
            .map(|(name, user)| UserLine { name: name.to_vec(), rules: user.rules() })
            .collect()
    }
}

/// Whether a name cannot be one: it would not read back from a file.
pub(crate) fn has_bad_name(name: &[u8]) -> bool {
    has_spaces(name)
}
