//! docs/configuration.md says what the table of directives says.
//!
//! `cargo xtask docs` writes it anew: it runs this test with UPDATE_DOCS=1.

use slipstream_engine::config::docs;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");

#[test]
fn the_page_on_configuration_is_up_to_date() {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        #[expect(
            clippy::disallowed_methods,
            reason = "this test compares with a file; the crate itself reads none"
        )]
        std::fs::write(PAGE, docs::markdown()).unwrap();
    }
    let page = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert!(page == docs::markdown(), "docs/configuration.md is stale: cargo xtask docs");
}
