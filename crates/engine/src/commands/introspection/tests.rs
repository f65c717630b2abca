//! The rules of this family that need no running node.

use super::*;
use crate::table::Mode;

fn categories_of(name: &str) -> String {
    let table = CommandTable::new(Mode::Server, &[]).unwrap();
    categories(look_up(&table, name.as_bytes()).unwrap().command).join(" ")
}

#[test]
fn categories_follow_from_flags_and_family() {
    assert_eq!(categories_of("zadd"), "write sortedset fast");
    assert_eq!(categories_of("ZUNION"), "read sortedset slow");
    assert_eq!(categories_of("ping"), "fast connection");
    assert_eq!(categories_of("multi"), "fast transaction");
    assert_eq!(categories_of("eval_ro"), "slow scripting");
    assert_eq!(categories_of("monitor"), "admin slow dangerous");
    assert_eq!(categories_of("command|getkeys"), "slow connection");
}

#[test]
fn a_subcommand_is_looked_up_by_its_whole_name() {
    let table = CommandTable::new(Mode::Server, &[]).unwrap();
    assert_eq!(look_up(&table, b"Command|Info").unwrap().command.full_name, "command|info");
    assert!(look_up(&table, b"command|nosuch").is_none());
    assert!(look_up(&table, b"ping|x").is_none());
}
