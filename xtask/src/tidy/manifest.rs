//! Rules on the manifests: which crate may depend on which, and a reason for each foreign dependency.
//!
//! A crate is a wall, and [`EDGES`] is the plan of the walls: a new edge is a change of the architecture and
//! shows here. Foreign crates are named once, in the root manifest, with a reason; the crates of the workspace
//! take them from there.

use super::Finding;

/// Each crate and the crates of the workspace that it may use.
const EDGES: &[(&str, &[&str])] = &[
    ("slipstream-resp", &[]),
    ("slipstream-keyspace", &[]),
    ("slipstream-rdb", &["slipstream-keyspace"]),
    ("slipstream-log", &[]),
    ("slipstream-aof", &["slipstream-log", "slipstream-resp"]),
    ("slipstream-replication", &["slipstream-log", "slipstream-resp"]),
    ("slipstream-scripting", &["slipstream-resp"]),
    ("slipstream-sentinel", &["slipstream-replication", "slipstream-resp"]),
    ("slipstream-conform", &["slipstream-resp"]),
    ("slipstream-engine", PURE),
    ("slipstream-storage", PURE_AND_ENGINE),
    ("slipstream-sim", PURE_ENGINE_AND_STORAGE),
    ("slipstream-server", PURE_ENGINE_AND_STORAGE),
    // Its tools read files as a server does, without one.
    (
        "slipstream",
        &[
            "slipstream-resp",
            "slipstream-keyspace",
            "slipstream-rdb",
            "slipstream-aof",
            "slipstream-sentinel",
            "slipstream-server",
        ],
    ),
    ("xtask", &["slipstream-conform"]),
];

/// What the tests of any crate may use.
const FOR_TESTS: &[&str] = &["slipstream-conform"];

/// From the bottom up, each with what it may stand on before it.
const LAYERS: [&str; 10] = [
    "slipstream-resp",
    "slipstream-keyspace",
    "slipstream-rdb",
    "slipstream-log",
    "slipstream-aof",
    "slipstream-replication",
    "slipstream-scripting",
    "slipstream-sentinel",
    "slipstream-engine",
    "slipstream-storage",
];

const PURE: &[&str] = LAYERS.split_at(8).0;
const PURE_AND_ENGINE: &[&str] = LAYERS.split_at(9).0;
const PURE_ENGINE_AND_STORAGE: &[&str] = &LAYERS;

/// Foreign crates that reach the operating system, and the crates that may use them.
const SHELL_ONLY: &[&str] = &[
    "libc",
    "libmimalloc-sys",
    "mimalloc",
    "mio",
    "redis",
    "rustix",
    "signal-hook",
    "socket2",
    "tikv-jemalloc-sys",
    "tikv-jemallocator",
];
const SHELL: &[&str] = &["slipstream-server", "slipstream"];

/// Checks one manifest: the root's by its dependency table, a crate's by its edges.
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    let found = if path == "Cargo.toml" { reasons(text) } else { edges(text) };
    let finding = |(line, rule, message)| Finding { path: path.to_owned(), line, rule, message };
    found.into_iter().map(finding).collect()
}

type Found = Vec<(usize, &'static str, String)>;

/// Each foreign dependency of the workspace has a comment on its line that says what it is for.
fn reasons(text: &str) -> Found {
    let mut found = Vec::new();
    for Dependency { name, line, rest, .. } in dependencies(text) {
        if !rest.contains("path = ") && !rest.contains(" # ") {
            found.push((line, "dependency-reason", format!("{name}: say on its line what it is for")));
        }
    }
    found
}

fn edges(text: &str) -> Found {
    let name = package_name(text);
    let Some((_, allowed)) = EDGES.iter().find(|(package, _)| *package == name) else {
        return vec![(1, "crate-edge", format!("{name}: tidy does not know which crates it may use"))];
    };
    let mut found = Vec::new();
    for Dependency { name: dependency, line, rest, for_tests } in dependencies(text) {
        let ours = dependency.starts_with("slipstream");
        let is_allowed = allowed.contains(&dependency) || (for_tests && FOR_TESTS.contains(&dependency));
        if (ours && !is_allowed)
            || (SHELL_ONLY.contains(&dependency) && !SHELL.contains(&name))
            || (name == "xtask" && !ours)
        {
            found.push((line, "crate-edge", format!("{name} must not depend on {dependency}")));
        }
        if !rest.contains("workspace = true") {
            let message = format!("{dependency}: take it from the workspace (workspace = true)");
            found.push((line, "dependency-reason", message));
        }
    }
    found
}

fn package_name(text: &str) -> &str {
    let name = text.lines().find_map(|line| line.strip_prefix("name = "));
    name.unwrap_or_default().trim_matches('"')
}

struct Dependency<'a> {
    name: &'a str,
    line: usize,
    rest: &'a str,
    for_tests: bool,
}

/// The lines of all dependency tables. A table of one dependency (`[dependencies.x]`) is one such line.
fn dependencies(text: &str) -> Vec<Dependency<'_>> {
    let mut all = Vec::new();
    let (mut inside, mut for_tests) = (false, false);
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        if let Some(table) = line.strip_prefix('[') {
            let table = table.split(']').next().unwrap_or_default();
            inside = table.ends_with("dependencies");
            for_tests = table.starts_with("dev-");
            if let Some((_, name)) = table.split_once("dependencies.") {
                all.push(Dependency { name, line: line_number, rest: "", for_tests });
            }
        } else if inside && let Some(end) = line.find(['.', ' ', '=']) {
            let (name, rest) = line.split_at(end);
            if !name.is_empty() && name != "#" {
                all.push(Dependency { name, line: line_number, rest, for_tests });
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::shown;
    use super::*;

    fn check_root(dependency: &str, expected: &[&str]) {
        let text = format!("[workspace.dependencies]\n{dependency}\n\n[profile.dev]\nopt-level = 1\n");
        assert_eq!(shown(&check("Cargo.toml", &text)), expected, "{dependency}");
    }

    fn check_crate(name: &str, dependencies: &str, expected: &[&str]) {
        let text = format!("[package]\nname = \"{name}\"\n{dependencies}\n");
        assert_eq!(shown(&check("crates/x/Cargo.toml", &text)), expected, "{name}: {dependencies}");
    }

    #[test]
    fn a_foreign_dependency_has_a_reason() {
        check_root("itoa = \"1\"", &["2: dependency-reason: itoa: say on its line what it is for"]);
        check_root("itoa = \"1\"  # digits without allocation", &[]);
        check_root("slipstream-log = { path = \"crates/log\" }", &[]);
    }

    #[test]
    fn a_crate_takes_dependencies_from_the_workspace() {
        let message = "take it from the workspace (workspace = true)";
        check_crate(
            "slipstream-log",
            "[dependencies]\nitoa = \"1\"",
            &[&format!("4: dependency-reason: itoa: {message}")],
        );
        check_crate(
            "slipstream-log",
            "[dependencies.itoa]\nversion = \"1\"",
            &[&format!("3: dependency-reason: itoa: {message}")],
        );
        check_crate("slipstream-log", "[dependencies]\nitoa = { workspace = true }", &[]);
    }

    #[test]
    fn an_edge_that_the_plan_does_not_have_is_found() {
        check_crate(
            "slipstream-keyspace",
            "[dependencies]\nslipstream-engine.workspace = true",
            &["4: crate-edge: slipstream-keyspace must not depend on slipstream-engine"],
        );
        check_crate("slipstream-rdb", "[dependencies]\nslipstream-keyspace.workspace = true", &[]);
        check_crate(
            "slipstream-new",
            "[dependencies]",
            &["1: crate-edge: slipstream-new: tidy does not know which crates it may use"],
        );
    }

    #[test]
    fn tests_alone_may_use_what_is_for_tests() {
        check_crate("slipstream-log", "[dev-dependencies]\nslipstream-conform.workspace = true", &[]);
        check_crate(
            "slipstream-log",
            "[dependencies]\nslipstream-conform.workspace = true",
            &["4: crate-edge: slipstream-log must not depend on slipstream-conform"],
        );
    }

    #[test]
    fn pure_crates_reach_no_operating_system() {
        check_crate(
            "slipstream-engine",
            "[dev-dependencies]\nmio.workspace = true",
            &["4: crate-edge: slipstream-engine must not depend on mio"],
        );
        check_crate("slipstream-server", "[dependencies]\nmio.workspace = true", &[]);
    }
}
