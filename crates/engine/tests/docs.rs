//! The generated pages in docs/ say what the tables say.
//!
//! `cargo xtask docs` writes them anew: it runs this test with UPDATE_DOCS=1.

use slipstream_engine::{commands, config};

fn check(name: &str, expected: &str) {
    let path = format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        #[expect(
            clippy::disallowed_methods,
            reason = "this test compares with a file; the crate itself reads none"
        )]
        std::fs::write(&path, expected).expect("docs/ can be written to");
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(page == expected, "docs/{name} is stale: cargo xtask docs");
}

#[test]
fn the_page_on_configuration_is_up_to_date() {
    check("configuration.md", &config::docs::markdown());
}

#[test]
fn the_page_on_commands_is_up_to_date() {
    check("commands.md", &commands::page::markdown());
}
