//! Users: who may run which commands on which keys and channels.
//!
//! A [`User`](user::User) has passwords and one or more [`Selector`]s; a command may run that all of one selector allows. Rules are
//! the words of ACL SETUSER ([`user`], [`selector`], [`commands`]). [`Users`] holds all of them and gives sessions
//! numbers of users, so that a change counts for everybody who is logged in, and a number of a user who was deleted
//! is never that of another. What was refused is kept in [`AclLog`](log::AclLog). Here nothing is read or written but texts.
//!
//! Invariant: there is always the user `default`, and it always has the number [`UserId::DEFAULT`].

mod category;
mod check;
mod commands;
mod file;
mod log;
mod password;
mod selector;
mod session;
mod user;
mod users;

pub use category::categories;
pub(crate) use category::{CATEGORIES, Category};
pub(crate) use check::Denied;
pub use file::UserLine;
pub(crate) use log::{Context, LogEntry};
pub(crate) use selector::Selector;
pub(crate) use user::Rules;
pub(crate) use users::has_bad_name;
pub use users::{UserId, Users};

#[cfg(test)]
mod tests;
