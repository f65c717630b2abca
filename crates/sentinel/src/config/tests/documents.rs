//! What operators read has all that can be set.

use crate::config::options::GROUP_OPTIONS;
use crate::config::{GLOBAL_OPTIONS, STATEMENTS};

const FAILOVER: &str = include_str!("../../../../../docs/failover.md");

#[test]
fn every_line_is_explained() {
    let options = GROUP_OPTIONS.iter().map(|row| row.name).chain(GLOBAL_OPTIONS.iter().map(|row| row.name));
    for name in options.chain(STATEMENTS) {
        let (line, word) = (format!("| `sentinel {name} "), format!("`{name}`"));
        assert!(FAILOVER.contains(&line) || FAILOVER.contains(&word), "{name}");
    }
}

#[test]
fn defaults_are_what_is_said() {
    let options = super::blank().core.globals.for_groups;
    for row in GROUP_OPTIONS.iter().filter(|row| row.values == 1 && row.name != "quorum") {
        let line = FAILOVER.lines().find(|line| line.starts_with(&format!("| `sentinel {} ", row.name)));
        let said = line.expect("every line is explained").replace("\\|", "/");
        let said = said.split('|').nth(2).map(str::trim);
        let value = row.show(&options).into_iter().flatten().find(|value| !value.is_empty());
        assert_eq!(said, Some(value.as_deref().unwrap_or("none")), "{}", row.name);
    }
}
