//! What the files of the project must and must not say.

use std::collections::BTreeSet;

use crate::project::{none, output, root, tracked};

/// The lines of a file that are no comment.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

fn looks_at_the_target(files: &[(String, String)]) -> Vec<String> {
    let core = files.iter().filter(|(path, _)| path.starts_with("core/") && path.ends_with(".rs"));
    core.filter(|(_, text)| code(text).any(|line| line.contains("target_arch")))
        .map(|(path, _)| path.clone())
        .collect()
}

#[test]
fn one_file_of_the_core_looks_at_the_target() {
    assert_eq!(looks_at_the_target(&tracked()), ["core/src/future.rs"]);
}

#[test]
fn a_second_look_at_the_target_is_noticed() {
    let files = [
        ("core/src/a.rs".to_owned(), "#[cfg(target_arch = \"wasm32\")]\nfn f() {}".to_owned()),
        ("core/src/b.rs".to_owned(), "fn f() { if cfg!(not(target_arch = \"wasm32\")) {} }".to_owned()),
        ("core/src/c.rs".to_owned(), "// A cfg(target_arch) would be wrong here.".to_owned()),
        ("adapters/workers/src/lib.rs".to_owned(), "#[cfg(target_arch = \"wasm32\")]".to_owned()),
    ];
    assert_eq!(looks_at_the_target(&files), ["core/src/a.rs", "core/src/b.rs"]);
}

/// Places of one machine, and package sources other than the public ones. In two parts each, so that this file does
/// not name them.
const PLACES: &[(&str, &str)] = &[
    ("/work", "/main"),
    ("/work", "/shared"),
    ("/root", "/"),
    ("/tmp", "/wt"),
    ("/Users", "/"),
    ("extra-index", "-url"),
    ("--index", "-url"),
    ("sparse+http", "://"),
    ("\"resolved\"", ": \"http"),
    ("replace", "-with ="),
];

fn places(files: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in files {
        for (number, line) in (1..).zip(text.lines()) {
            let named = PLACES.iter().any(|(start, end)| line.contains(&format!("{start}{end}")));
            let registry = line.trim_start().starts_with("source = \"registry+")
                && !line.contains("registry+https://github.com/rust-lang/crates.io-index\"");
            if named || registry {
                found.push(format!("{path}:{number}: {}", line.trim()));
            }
        }
    }
    found
}

#[test]
fn no_file_names_a_place_of_one_machine_or_a_package_source_of_its_own() {
    none("places that exist on one machine only", places(&tracked()));
}

#[test]
fn a_place_of_one_machine_is_noticed() {
    let file = |text: String| [("README.md".to_owned(), text)];
    for (start, end) in PLACES {
        assert_eq!(places(&file(format!("fine\nsee {start}{end}x\n"))).len(), 1, "{start}{end}");
    }
    assert_eq!(places(&file("source = \"registry+https://example.com/index\"".into())).len(), 1);
    assert_eq!(
        places(&file("source = \"registry+https://github.com/rust-lang/crates.io-index\"".into())).len(),
        0
    );
}

/// The documents with Rust in them that no doc example of this crate includes.
fn uncompiled(files: &[(String, String)], included: &str) -> Vec<String> {
    let documents = files.iter().filter(|(path, text)| path.ends_with(".md") && text.contains("```rust"));
    documents
        .filter(|(path, _)| !included.contains(&format!("include_str!(\"../../{path}\")")))
        .map(|(path, _)| path.clone())
        .collect()
}

#[test]
fn every_document_with_rust_in_it_is_compiled() {
    let files = tracked();
    let (_, included) = files.iter().find(|(path, _)| path == "tests/src/lib.rs").expect("this crate");
    none(
        "documents whose Rust nothing compiles (include them in tests/src/lib.rs)",
        uncompiled(&files, included),
    );
    assert!(included.contains("README.md"), "the README's snippets must compile");
}

#[test]
fn a_document_that_nothing_compiles_is_noticed() {
    let files = [
        ("A.md".to_owned(), "```rust\nfn f() {}\n```".to_owned()),
        ("docs/B.md".to_owned(), "```rust,no_run\nfn f() {}\n```".to_owned()),
        ("C.md".to_owned(), "```sh\nls\n```".to_owned()),
    ];
    assert_eq!(uncompiled(&files, "include_str!(\"../../A.md\")"), ["docs/B.md"]);
}

/// The suites that `tests/run` names as one line of its source, and those that stand in `tests/suites`.
#[test]
fn the_test_command_knows_every_suite_that_is_there() {
    let there: BTreeSet<String> = std::fs::read_dir(root().join("tests/suites"))
        .expect("tests/suites")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    let run = std::fs::read_to_string(root().join("tests/run")).expect("tests/run");
    let named = |start: &str| {
        let line = run.lines().find_map(|line| line.strip_prefix(start)).expect("a list of suites");
        line.trim_end_matches(')').split(' ').map(str::to_owned).collect::<Vec<_>>()
    };
    let known: BTreeSet<String> =
        [named("quick=("), named("all=(\"${quick[@]}\" "), named("apart=(")].concat().into_iter().collect();
    assert_eq!(known, there);
    let help = output("tests/run", &["--help"]);
    none(
        "suites that `tests/run --help` does not explain",
        there.into_iter().filter(|suite| !help.contains(&format!("\n  {suite} "))).collect(),
    );
}

#[test]
fn the_list_of_tools_is_read_without_an_error() {
    let errors = output("bash", &["-c", "deploy/toolchain/install 2>&1 >/dev/null"]);
    assert_eq!(errors, "", "a tool's description is a word of the shell");
}

/// How many failures of the official suite are known and not yet repaired, over all targets and revisions. It stays
/// where it is.
const KNOWN_FAILURES: usize = 0;

/// The entries of an expected-failures file, and those among them without a reason behind them.
fn entries(text: &str) -> (usize, Vec<&str>) {
    let entries: Vec<_> = text.lines().filter(|line| line.trim_start().starts_with("- ")).collect();
    let reason = |line: &str| line.split_once(" # ").is_some_and(|(_, reason)| reason.trim().len() >= 20);
    (entries.len(), entries.iter().copied().filter(|line| !reason(line)).collect())
}

#[test]
fn each_known_failure_of_the_official_suite_has_a_reason_and_none_is_added() {
    let files = tracked();
    let lists: Vec<_> =
        files.iter().filter(|(path, _)| path.starts_with("tests/conformance/expected-failures/")).collect();
    assert_eq!(lists.len(), 6, "one list for each of three targets and two revisions");
    let without = lists.iter().flat_map(|(path, text)| {
        entries(text).1.into_iter().map(move |entry| format!("{path}: {}", entry.trim()))
    });
    none("known failures without a reason (`- scenario # why, in a sentence`)", without.collect());
    let known: usize = lists.iter().map(|(_, text)| entries(text).0).sum();
    assert_eq!(known, KNOWN_FAILURES, "repair what is new: the whole suite passes on every target");
}

#[test]
fn a_known_failure_without_reason_is_noticed() {
    let list =
        "server:\n  - ping\n  - caching # because\n  - tools-list # the list has no order of its own yet\n";
    assert_eq!(entries(list), (3, vec!["  - ping", "  - caching # because"]));
}
