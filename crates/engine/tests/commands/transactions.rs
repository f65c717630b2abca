//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.

use crate::script::Script;

#[test]
fn a_transaction_answers_with_all_replies_at_once() {
    let mut script = Script::new();
    script.check_read("MULTI", "+OK");
    script.check_read("PING", "+QUEUED");
    script.check_read("ECHO a", "+QUEUED");
    script.check_read("EXEC", "[+PONG a]");
}

#[test]
fn an_unknown_command_dooms_a_transaction() {
    let mut script = Script::new();
    script.check_read("MULTI", "+OK");
    script.check_read("NOSUCH", "-ERR unknown command 'NOSUCH', with args beginning with: ");
    script.check_read("EXEC", "-EXECABORT Transaction discarded because of previous errors.");
    script.check_read("EXEC", "-ERR EXEC without MULTI");
}
