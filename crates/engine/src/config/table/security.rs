//! Directives on passwords, users and dangerous commands.
//!
//! Values that are secret are marked sensitive: they never reach a log.

use super::*;

const WHO: &[&str] = &["no", "yes", "local"];

pub(super) const ROWS: &[Directive] = &[
    row("requirepass", Kind::Secret, field!(requirepass), "Password of the default user.").sensitive(),
    text("aclfile", field!(aclfile), "File of users and what they may do, in place of `user` lines.")
        .immutable(),
    one_of(
        "acl-pubsub-default",
        &["allchannels", "resetchannels"],
        field!(acl_pubsub_default),
        "Channels that a new user may use.",
    ),
    integer("acllog-max-len", (0, MAX_I64), field!(acllog_max_len), "Refusals that ACL LOG remembers."),
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
