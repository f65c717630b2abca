//! Which arguments hold passwords: SLOWLOG and MONITOR show `(redacted)` in their place.
//!
//! Asked only when a command is about to be shown, so nothing of this costs an ordinary one.

use slipstream_resp::{Args, OwnedRequest};

use crate::call::is_word;
use crate::command::Command;
use crate::commands::keys::is_migrate_secret;
use crate::config::Directive;

/// The same request without its secrets, if it has any.
pub(crate) fn redacted(command: &Command, args: Args<'_>) -> Option<OwnedRequest> {
    let secret: fn(Args<'_>, usize) -> bool = match command.full_name {
        "auth" => |_, index| index > 0,
        "hello" => |args, index| follows(args, index, "AUTH", 2, 2),
        "acl|setuser" => |_, index| index > 1,
        "migrate" => is_migrate_secret,
        "config|set" => is_secret_value,
        _ => return None,
    };
    if !(0..args.len()).any(|index| secret(args, index)) {
        return None;
    }
    let parts: Vec<&[u8]> = args
        .iter()
        .enumerate()
        .map(|(index, arg)| if secret(args, index) { b"(redacted)".as_slice() } else { arg })
        .collect();
    Some(OwnedRequest::from_parts(&parts))
}

/// Whether the argument is one of `count` behind `word`, which stands at `from` or later.
fn follows(args: Args<'_>, index: usize, word: &str, count: usize, from: usize) -> bool {
    (index.saturating_sub(count).max(from)..index).any(|at| is_word(&args[at], word))
}

fn is_secret_value(args: Args<'_>, index: usize) -> bool {
    let is_value = index >= 3 && index % 2 == 1;
    is_value && Directive::find(&args[index - 1]).is_some_and(|directive| directive.flags.sensitive)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{CommandTable, Mode};

    fn check(request: &str, expected: &str) {
        let words: Vec<&str> = request.split(' ').collect();
        let request = OwnedRequest::from_parts(&words);
        let table = CommandTable::new(Mode::Server, &[]).unwrap();
        let command = table.resolve(request.args()).unwrap().command;
        let masked = redacted(command, request.args()).unwrap_or(request);
        let shown: Vec<String> =
            masked.args().iter().map(|arg| String::from_utf8_lossy(arg).into_owned()).collect();
        assert_eq!(shown.join(" "), expected);
    }

    #[test]
    fn passwords_are_not_shown() {
        check("AUTH secret", "AUTH (redacted)");
        check("AUTH user secret", "AUTH (redacted) (redacted)");
        check("HELLO 3 AUTH user secret SETNAME me", "HELLO 3 AUTH (redacted) (redacted) SETNAME me");
        check("HELLO 3 SETNAME me", "HELLO 3 SETNAME me");
        check(
            "CONFIG SET requirepass secret port 1 masterauth other",
            "CONFIG SET requirepass (redacted) port 1 masterauth (redacted)",
        );
        check("MIGRATE h 1 k 0 5 AUTH secret", "MIGRATE h 1 k 0 5 AUTH (redacted)");
        check(
            "MIGRATE h 1 x 0 5 COPY AUTH2 auth keys KEYS auth key",
            "MIGRATE h 1 x 0 5 COPY AUTH2 (redacted) (redacted) KEYS auth key",
        );
        check("MIGRATE h 1 auth key 5", "MIGRATE h 1 auth key 5");
        check("CONFIG GET requirepass", "CONFIG GET requirepass");
        check("PING secret", "PING secret");
        check("ACL SETUSER user on >secret", "ACL SETUSER (redacted) (redacted) (redacted)");
        check("ACL GETUSER user", "ACL GETUSER user");
    }
}
