//! Holds what no compiler does: the shape of the tree, and the invariants of ARCHITECTURE.md.

#![expect(clippy::unwrap_used, reason = "a failure of a helper is a failure of its test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use mvi_core::hook::Op;
use serde_json::Value;

/// A service: its name, and its operations.
type Room = (&'static str, &'static [&'static Op]);

/// All eleven rooms.
static ROOMS: [Room; 11] = [
    ("vm", mvi_core::vm::OPS),
    ("vpc", mvi_core::vpc::OPS),
    ("crypto", mvi_core::crypto::OPS),
    ("image", mvi_core::image::OPS),
    ("container", mvi_core::container::OPS),
    ("load_balancer", mvi_core::load_balancer::OPS),
    ("database", mvi_core::database::OPS),
    ("log", mvi_core::log::OPS),
    ("metric", mvi_core::metric::OPS),
    ("kv", mvi_core::kv::OPS),
    ("blob", mvi_core::blob::OPS),
];

/// The rooms that are built; the others are an empty trait.
fn built() -> impl Iterator<Item = &'static Room> {
    ROOMS.iter().filter(|(_, ops)| !ops.is_empty())
}

/// A file that outgrows this is a folder of the same name.
const MAX_LINES: usize = 700;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Every file of the tree that is text of ours.
fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            // In a worktree `.git` is a file.
            if ["target", ".git", "__pycache__", "Cargo.lock"].contains(&name) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(found.len() > 50, "found only {} files under {}", found.len(), root().display());
    found
}

fn rust_files() -> impl Iterator<Item = PathBuf> {
    files().into_iter().filter(|path| path.extension().is_some_and(|it| it == "rs"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

/// Fails with everything that was found, not only the first.
fn none(problems: impl IntoIterator<Item = String>) {
    let problems: Vec<String> = problems.into_iter().collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// The file of a room in a folder: `kv.rs` or `kv/mod.rs`.
fn room(folder: &str, service: &str) -> Option<PathBuf> {
    let folder = root().join(folder);
    let candidates = [folder.join(format!("{service}.rs")), folder.join(service).join("mod.rs")];
    candidates.into_iter().find(|path| path.is_file())
}

/// The text of a room's files.
fn room_text(folder: &str, service: &str) -> String {
    let file = root().join(folder).join(format!("{service}.rs"));
    let inside = root().join(folder).join(service);
    rust_files()
        .filter(|path| *path == file || path.starts_with(&inside))
        .map(|it| read(&it))
        .collect()
}

#[test]
fn no_file_outgrows_its_room() {
    let scripts = files().into_iter().filter(|path| path.extension().is_some_and(|it| it == "py"));
    none(rust_files().chain(scripts).filter_map(|path| {
        let lines = read(&path).lines().count();
        (lines >= MAX_LINES)
            .then(|| format!("{}: {lines} lines, at most {MAX_LINES}", shown(&path)))
    }));
}

#[test]
fn nothing_is_left_for_later() {
    // In two parts, so that this file does not find itself.
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("dbg", "!("),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("#[", "ignore"),
    ];
    none(rust_files().flat_map(|path| {
        let text = read(&path);
        let lines =
            text.lines().enumerate().filter(|(_, line)| words.iter().any(|it| line.contains(it)));
        lines.map(|(at, line)| format!("{}:{}: {line}", shown(&path), at + 1)).collect::<Vec<_>>()
    }));
}

#[test]
fn every_source_file_says_what_it_is() {
    // The tests of a file that has room for them no more are that file's.
    none(rust_files().filter(|path| !path.ends_with("tests.rs")).filter_map(|path| {
        let first = read(&path).lines().next().unwrap_or_default().to_owned();
        (!first.starts_with("//! ")).then(|| format!("{} opens with {first:?}", shown(&path)))
    }));
}

#[test]
fn nothing_names_a_place_on_somebodys_machine() {
    let places = [
        concat!("/", "work/"),
        concat!("/", "root/"),
        concat!("/", "home/"),
        concat!("/", "Users/"),
        concat!("C:", "\\"),
    ];
    none(files().into_iter().flat_map(|path| {
        // What is not text has no lines to look at.
        let text = fs::read_to_string(&path).unwrap_or_default();
        let lines = text.lines().enumerate();
        let lines = lines.filter(|(_, line)| places.iter().any(|it| line.contains(it)));
        lines.map(|(at, line)| format!("{}:{}: {line}", shown(&path), at + 1)).collect::<Vec<_>>()
    }));
}

#[test]
fn every_service_has_its_page() {
    let lost = ROOMS.iter().filter(|(service, _)| room("mvi-core/src", service).is_none());
    none(lost.map(|(service, _)| format!("mvi-core has no {service}")));
}

#[test]
fn a_built_room_has_the_same_name_in_every_crate() {
    let folders = [
        "mvi-core/src",
        "mvi-aws/src",
        "mvi-gcp/src",
        "mvi-testkit/src",
        "mvi-testkit/src/conformance",
    ];
    none(built().flat_map(|(service, _)| {
        folders
            .iter()
            .filter(|folder| room(folder, service).is_none())
            .map(move |folder| format!("{folder} has neither {service}.rs nor {service}/mod.rs"))
    }));
}

#[test]
fn every_operation_has_a_case_and_a_row() {
    let readme = read(&root().join("README.md"));
    let mut problems = Vec::new();
    assert!(built().count() > 0, "no room has an operation");
    for (service, ops) in built() {
        let suite = room_text("mvi-testkit/src/conformance", service);
        let (_, table) = readme
            .split_once(&format!("<!-- support:{service} -->"))
            .unwrap_or_else(|| panic!("README.md has no support table of {service}"));
        let (table, _) = table.split_once("<!-- /support -->").unwrap();
        for op in *ops {
            let (_, method) = op.name().split_once('.').unwrap();
            if !suite.contains(&format!(".{method}(")) {
                problems.push(format!("no conformance case calls {}", op.name()));
            }
            if !table.contains(&format!("| `{}` |", op.name())) {
                problems.push(format!("the support table has no row {}", op.name()));
            }
        }
    }
    none(problems);
}

/// The compiler forbids asking for the time; this holds that each crate lifts the ban at most once,
/// in its clock.
#[test]
fn only_the_clock_asks_for_the_time() {
    let mut clocks = 0;
    for package in ["mvi-core", "mvi-aws", "mvi-gcp", "mvi-testkit", "xtask"] {
        let source = root().join(package).join("src");
        let places: Vec<String> = rust_files()
            .filter(|path| path.starts_with(&source))
            .flat_map(|path| {
                let count = read(&path).matches("disallowed_methods").count();
                vec![shown(&path); count]
            })
            .collect();
        clocks += places.len();
        let clock = format!("{package}/src/clock.rs");
        assert!(
            places.is_empty() || places == [clock.as_str()],
            "{package} lifts the ban in {places:?}, wanted: once, in {clock}"
        );
    }
    assert!(clocks > 0, "nobody has a clock: this test looks in the wrong place");
}

#[test]
fn the_changelog_speaks() {
    let text = read(&root().join("CHANGELOG.md"));
    assert!(text.lines().any(|line| line.starts_with("- ")), "CHANGELOG.md has no entry");
}

/// What a package of the workspace depends on among the workspace's own packages.
fn own_dependencies(package: &str, with_tests: bool) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|it| it["name"] == package).unwrap();
    let dependencies = package["dependencies"].as_array().unwrap().iter();
    dependencies
        .filter(|it| with_tests || it["kind"] != "dev")
        .map(|it| it["name"].as_str().unwrap().to_owned())
        .filter(|name| name.starts_with("mvi-"))
        .collect()
}

#[test]
fn the_crates_depend_one_way() {
    let only = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(own_dependencies("mvi-core", true), only(&[]));
    for package in ["mvi-aws", "mvi-gcp", "mvi-testkit"] {
        assert_eq!(own_dependencies(package, false), only(&["mvi-core"]), "{package}");
    }
    for (package, other) in [("mvi-aws", "mvi-gcp"), ("mvi-gcp", "mvi-aws")] {
        assert!(!own_dependencies(package, true).contains(other), "{package} knows {other}");
    }
}

#[test]
fn every_package_holds_to_the_workspaces_lints() {
    none(files().into_iter().filter(|path| path.ends_with("Cargo.toml")).filter_map(|path| {
        let text = read(&path);
        let package = text.contains("[package]");
        let linted = text.contains("[lints]\nworkspace = true");
        (package && !linted).then(|| format!("{} sets lints of its own", shown(&path)))
    }));
}
