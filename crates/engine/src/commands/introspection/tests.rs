//! The rules of this family that need no running node.

use super::*;
use crate::table::Mode;

fn categories(name: &str) -> String {
    let table = CommandTable::new(Mode::Server, &[]).unwrap();
    acl_categories(look_up(&table, name.as_bytes()).unwrap().command).join(" ")
}

#[test]
fn categories_follow_from_flags_and_family() {
    assert_eq!(categories("zadd"), "write sortedset fast");
    assert_eq!(categories("ZUNION"), "read sortedset slow");
    assert_eq!(categories("ping"), "fast connection");
    assert_eq!(categories("multi"), "fast transaction");
    assert_eq!(categories("monitor"), "admin slow dangerous");
    assert_eq!(categories("command|getkeys"), "slow connection");
}

#[test]
fn a_subcommand_is_looked_up_by_its_whole_name() {
    let table = CommandTable::new(Mode::Server, &[]).unwrap();
    assert_eq!(look_up(&table, b"Command|Info").unwrap().command.full_name, "command|info");
    assert!(look_up(&table, b"command|nosuch").is_none());
    assert!(look_up(&table, b"ping|x").is_none());
}
