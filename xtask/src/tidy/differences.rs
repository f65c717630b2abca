//! The rule on conform files: what differs and says why is in the document on compatibility, in the same words.
//!
//! Sees the marks of the files alone; whether something differs is found by those who play them.

use slipstream_conform::script::differences;

use super::Finding;

/// Where the files lie.
pub(super) const FOLDER: &str = "crates/engine/tests/conform/";
/// The document.
pub(super) const DOCUMENT: &str = "docs/compat.md";

/// Checks one file.
pub(super) fn check(path: &str, text: &str, document: &str) -> Vec<Finding> {
    let unknown = differences(text).filter(|(_, reason)| !document.contains(reason));
    let finding = |(line, reason)| Finding {
        path: path.to_owned(),
        line,
        rule: "difference",
        message: format!("{DOCUMENT} does not say: {reason}"),
    };
    unknown.map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::super::shown;
    use super::*;

    #[test]
    fn a_reason_stands_in_the_document() {
        let text = "# differs: by design\nGET a\n\n# differs: by chance\nGET b\n";
        let expected = ["4: difference: docs/compat.md does not say: by chance"];
        assert_eq!(shown(&check("a.txt", text, "GET is so by design.")), expected);
    }
}
