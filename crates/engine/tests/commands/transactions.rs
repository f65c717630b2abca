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

#[test]
fn an_exec_with_arguments_ends_the_transaction() {
    let mut script = Script::new();
    let refused = "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command";
    script.check_read("EXEC x", refused);
    script.check_read("MULTI", "+OK");
    script.check_read("SET k v", "+QUEUED");
    script.check_read("EXEC x", refused);
    script.check_read("EXEC", "-ERR EXEC without MULTI");
    script.check_read("GET k", "$-1");
    assert!(
        script
            .ask("INFO commandstats")
            .contains("cmdstat_exec:calls=1,usec=0,usec_per_call=0.00,rejected_calls=2")
    );
}

#[test]
fn a_transaction_cannot_begin_to_monitor() {
    let mut script = Script::new();
    script.check_read("MULTI", "+OK");
    script.check_read("MONITOR", "+QUEUED");
    script.check_read("EXEC", "[-ERR MONITOR isn't allowed for DENY BLOCKING client]");
    script.check_read("PING", "+PONG");
}

#[test]
fn a_key_that_was_due_when_it_was_watched_breaks_nothing() {
    let mut script = Script::new();
    script.ask("SET k v PX 10");
    script.advance(20);
    script.ask("WATCH k");
    script.ask("MULTI");
    script.ask("PING");
    assert_eq!(script.ask("EXEC"), "[+PONG]");
}

#[test]
fn a_watched_key_whose_time_comes_breaks_the_transaction() {
    let mut script = Script::new();
    script.ask("SET k v PX 10");
    script.ask("WATCH k");
    script.advance(200);
    script.node.tick();
    script.ask("MULTI");
    script.ask("PING");
    assert_eq!(script.ask("EXEC"), "*-1");
}

#[test]
fn a_key_that_went_while_it_was_watched_breaks_no_later_watch() {
    let mut script = Script::new();
    script.ask("SET k v PX 10");
    script.ask("WATCH k");
    script.advance(200);
    script.node.tick();
    script.ask("UNWATCH");
    script.ask("WATCH other");
    script.ask("MULTI");
    script.ask("PING");
    assert_eq!(script.ask("EXEC"), "[+PONG]");
}

#[test]
fn a_due_key_that_comes_from_another_database_breaks_nothing() {
    let mut script = Script::new();
    script.ask("SET k v PX 10");
    script.advance(20);
    script.ask("SELECT 1");
    script.ask("WATCH k");
    script.ask("SWAPDB 0 1");
    script.ask("MULTI");
    script.ask("PING");
    assert_eq!(script.ask("EXEC"), "[+PONG]");

    script.ask("WATCH k");
    script.ask("SELECT 0");
    script.ask("SET k v");
    script.ask("SWAPDB 0 1");
    script.ask("MULTI");
    assert_eq!(script.ask("EXEC"), "*-1", "a key that is there comes to where none was");
}

#[test]
fn a_command_with_too_few_words_counts_as_rejected() {
    let mut script = Script::new();
    assert!(script.ask("SET k").starts_with("-ERR wrong number"));
    let stats = script.ask("INFO commandstats");
    assert!(
        stats.contains("cmdstat_set:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0"),
        "{stats}"
    );
}

#[test]
fn keys_that_a_read_finds_due_are_deleted_one_by_one() {
    let mut script = Script::new();
    script.ask("SET a 1 PX 10");
    script.ask("SET b 1 PX 10");
    script.propagated();
    script.advance(20);
    script.check("MGET a b", "[$-1 $-1]", "DEL a; DEL b");
}

#[test]
fn a_wait_ends_at_a_time_that_can_be_named() {
    let mut script = Script::new();
    script.check_read("WAIT 2 9223372036854775807", "-ERR timeout is out of range");
    script.check_read("WAIT 2 -1", "-ERR timeout is negative");
    script.check_read("WAIT 2 x", "-ERR timeout is not an integer or out of range");
}
