//! Directives on passwords, users and dangerous commands.
//!
//! Values that are secret are marked sensitive: they never reach a log.

use super::*;

const USERS: &str = "ACL users";
const WHO: &[&str] = &["no", "yes", "local"];

pub(super) const ROWS: &[Directive] = &[
    row("requirepass", Kind::Secret, field!(requirepass), "Password of the default user.").sensitive(),
    text("aclfile", later("", USERS), "File of users and what they may do.").immutable(),
    one_of(
        "acl-pubsub-default",
        &["allchannels", "resetchannels"],
        later("resetchannels", USERS),
        "Channels that a new user may use.",
    ),
    integer("acllog-max-len", (0, MAX_I64), later("128", USERS), "Refusals that ACL LOG remembers."),
    one_of(
        "enable-protected-configs",
        WHO,
        field!(enable_protected_configs),
        "Who may set protected directives.",
    )
    .immutable(),
    one_of("enable-debug-command", WHO, field!(enable_debug_command), "Who may use DEBUG.").immutable(),
    one_of("enable-module-command", WHO, field!(enable_module_command), "Who may use MODULE.").immutable(),
];
