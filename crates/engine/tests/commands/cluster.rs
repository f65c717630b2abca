//! CLUSTER, ASKING and MODULE: what a server without a cluster and without modules answers.

use slipstream_engine::config::ProtectedAction;

use crate::script::Script;

const DISABLED: &str = "-ERR This instance has cluster support disabled";

#[test]
fn whoever_asks_for_a_cluster_is_told_that_there_is_none() {
    let mut s = Script::new();
    for request in [
        "CLUSTER INFO",
        "CLUSTER SLOTS",
        "CLUSTER HELP",
        "CLUSTER KEYSLOT key",
        "CLUSTER ADDSLOTSRANGE 0 100",
        "CLUSTER SETSLOT 7 STABLE",
        "ASKING",
    ] {
        s.check_read(request, DISABLED);
    }
    s.check_read("CLUSTER KEYSLOT", "-ERR wrong number of arguments for 'cluster|keyslot' command");
    s.check_read("CLUSTER NOSUCH", "-ERR unknown subcommand 'NOSUCH'. Try CLUSTER HELP.");
}

#[test]
fn there_are_no_modules_and_none_can_be_loaded() {
    let mut s = Script::new();
    s.check_read("MODULE LIST", "[]");
    let refused = s.ask("MODULE LOAD /tmp/m.so");
    assert!(refused.starts_with("-ERR MODULE command not allowed."), "{refused}");
    s.node.core.config.enable_module_command = ProtectedAction::Yes;
    s.check_read("MODULE LOAD /tmp/m.so", "-ERR Error loading the extension. This server loads no modules.");
    s.check_read("MODULE UNLOAD m", "-ERR Error unloading module: no such module with that name");
}

#[test]
fn restore_asking_is_restore() {
    let mut s = Script::new();
    s.check_write("SET key value", "+OK");
    let before = s.ask("DUMP key");
    let request = format!("RESTORE-ASKING copy 0 {before}");
    s.check_write(&request, "+OK");
    s.check_read("GET copy", "value");
}
