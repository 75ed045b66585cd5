//! The project as the rules read it: its folder, its tracked files, and what cargo says of it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// The workspace's folder. It is asked for when a test runs: a path from the build would be that of another checkout
/// where two share a target folder.
pub(crate) fn root() -> PathBuf {
    let here = std::env::current_dir().expect("cargo runs tests in their package's folder");
    here.parent().expect("the tests stand in the workspace").to_owned()
}

/// What a command prints, in the workspace's folder.
pub(crate) fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap_or_else(|error| panic!("`{program}` cannot be run: {error}"));
    assert!(
        output.status.success(),
        "`{program} {}` failed:\n{}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

/// The files that git tracks, or would track, by their path from the root; text only.
pub(crate) fn tracked() -> Vec<(String, String)> {
    let names = output("git", &["ls-files", "--cached", "--others", "--exclude-standard", "-z"]);
    let files: Vec<_> = names
        .split_terminator('\0')
        .filter_map(|name| Some((name.to_owned(), std::fs::read_to_string(root().join(name)).ok()?)))
        .collect();
    assert!(files.len() > 50, "only {} files are tracked", files.len());
    files
}

/// A crate of the workspace.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Its folder, from the root.
    pub(crate) folder: String,
    pub(crate) manifest: String,
    /// The workspace's crates it depends on, and how: `None` is a normal dependency, or "build" or "dev".
    pub(crate) uses: Vec<(String, Option<String>)>,
}

/// The crates of the workspace.
pub(crate) fn packages() -> Vec<Package> {
    let metadata = output(env!("CARGO"), &["metadata", "--format-version", "1", "--no-deps"]);
    let metadata: Value = serde_json::from_str(&metadata).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages").iter().map(|package| {
        let path = Path::new(package["manifest_path"].as_str().expect("a path"));
        let folder =
            path.parent().and_then(|folder| folder.strip_prefix(root()).ok()).expect("in the workspace");
        let uses = package["dependencies"].as_array().expect("dependencies").iter();
        Package {
            name: package["name"].as_str().expect("a name").to_owned(),
            version: package["version"].as_str().expect("a version").to_owned(),
            folder: folder.to_str().expect("text").to_owned(),
            manifest: std::fs::read_to_string(path).expect("a manifest"),
            uses: uses
                .filter(|used| used["path"].is_string())
                .map(|used| {
                    (used["name"].as_str().expect("a name").into(), used["kind"].as_str().map(Into::into))
                })
                .collect(),
        }
    });
    packages.collect()
}

/// Fails with every broken rule on a line of its own.
#[track_caller]
pub(crate) fn none(what: &str, broken: Vec<String>) {
    assert!(broken.is_empty(), "{what}:\n{}", broken.join("\n"));
}
