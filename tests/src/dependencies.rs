//! Who may depend on whom: adapters on the core only, and the core on nothing that runs it.

use crate::project::{Package, none, output, packages};

/// What the core must not bring along, as the names of crates or, with `*`, their beginning.
const RUNTIMES: &[&str] = &[
    "tokio*",
    "async-std",
    "async-io",
    "smol",
    "mio",
    "hyper*",
    "reqwest",
    "lambda_*",
    "lambda-*",
    "aws-*",
    "worker*",
    "wasm-bindgen*",
    "js-sys",
    "web-sys",
    "wasi",
    "getrandom*",
    "rusqlite",
    "libsqlite3-sys",
    "redis",
];

/// What entropy comes from, on wasm32 from JavaScript; allowed below those that need it and nowhere else.
const ENTROPY: &[&str] = &["getrandom*", "wasm-bindgen*", "js-sys", "wasi", "web-sys"];

/// `ring` does not build without, and `jsonschema` seeds its hash maps with it.
const NEED_ENTROPY: &[&str] = &["ring", "jsonschema"];

fn matches(patterns: &[&str], name: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == *pattern,
    })
}

/// The runtimes in what `cargo tree --prefix depth --format ' {p}'` printed, each with the way to it.
fn runtimes(tree: &str) -> Vec<String> {
    let mut way: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    for line in tree.lines() {
        let Some((depth, package)) = line.split_once(' ') else { continue };
        let depth: usize = depth.parse().unwrap_or_else(|_| panic!("no depth: {line}"));
        let name = package.split(' ').next().unwrap_or_default();
        way.truncate(depth);
        let excused = way.iter().any(|above| NEED_ENTROPY.contains(above)) && matches(ENTROPY, name);
        way.push(name);
        if matches(RUNTIMES, name) && !excused {
            found.push(way.join(" -> "));
        }
    }
    found
}

/// What each crate may use of the others, in the program itself and in its build script.
fn may_use(package: &Package, used: &str) -> bool {
    match package.folder.as_str() {
        "core" => used == "edgemcp-macros",
        "core/macros" => false,
        // A program that an adapter's tests build is the adapter's user.
        folder if folder.contains("/tests/") => true,
        folder if folder.starts_with("core/") || folder.starts_with("adapters/") => used == "edgemcp",
        "tests/testkit" => used == "edgemcp",
        _ => true,
    }
}

/// What each crate may use of the others in its tests: no adapter another adapter, and the core no adapter.
fn may_test_with(package: &Package, used: &str) -> bool {
    match package.folder.as_str() {
        folder
            if folder.starts_with("core") || folder.starts_with("adapters/") || folder == "tests/testkit" =>
        {
            ["edgemcp", "edgemcp-macros", "edgemcp-testkit"].contains(&used)
        }
        _ => true,
    }
}

fn wrong_directions(packages: &[Package]) -> Vec<String> {
    let mut wrong = Vec::new();
    for package in packages {
        for (used, kind) in &package.uses {
            let may = match kind.as_deref() {
                Some("dev") => may_test_with(package, used),
                _ => may_use(package, used),
            };
            if !may {
                wrong.push(format!(
                    "{} depends on {used} ({})",
                    package.name,
                    kind.as_deref().unwrap_or("normal")
                ));
            }
        }
    }
    wrong
}

#[test]
fn adapters_depend_on_the_core_only_and_never_on_each_other() {
    let packages = packages();
    assert!(packages.iter().filter(|package| package.folder.starts_with("adapters/")).count() >= 4);
    none("dependencies that go the wrong way", wrong_directions(&packages));
}

#[test]
fn a_wrong_direction_is_noticed() {
    let package = |name: &str, folder: &str, used: &str, kind: Option<&str>| Package {
        name: name.into(),
        version: String::new(),
        folder: folder.into(),
        manifest: String::new(),
        uses: vec![(used.into(), kind.map(Into::into))],
    };
    let wrong = [
        package("edgemcp", "core", "edgemcp-native", None),
        package("edgemcp", "core", "edgemcp-native", Some("dev")),
        package("edgemcp-workers", "adapters/workers", "edgemcp-native", None),
        package("edgemcp-workers", "adapters/workers", "edgemcp-lambda", Some("dev")),
        package("edgemcp-redis", "adapters/redis", "edgemcp-native", Some("dev")),
        package("edgemcp-lambda", "adapters/lambda", "edgemcp-redis", None),
        package("edgemcp-macros", "core/macros", "edgemcp", None),
    ];
    assert_eq!(wrong_directions(&wrong).len(), wrong.len());
    let right = [
        package("edgemcp", "core", "edgemcp-macros", None),
        package("edgemcp-workers", "adapters/workers", "edgemcp", None),
        package("edgemcp-workers", "adapters/workers", "edgemcp-testkit", Some("dev")),
        package("calculator", "examples/calculator", "edgemcp-native", None),
        package("redis-program", "adapters/redis/tests/program", "edgemcp-native", None),
    ];
    assert_eq!(wrong_directions(&right), [""; 0]);
}

#[test]
fn the_core_brings_no_runtime_on_any_target_with_any_feature() {
    for features in ["--no-default-features", "--all-features"] {
        let arguments = ["tree", "-p", "edgemcp", "-e", "normal", "--target", "all", "--no-dedupe"];
        let format = ["--prefix", "depth", "--format", " {p}", features];
        let tree = output(env!("CARGO"), &[&arguments[..], &format[..]].concat());
        assert!(tree.starts_with("0 edgemcp ") && tree.contains("\n1 serde_json "), "no tree:\n{tree}");
        none(&format!("runtimes in the core ({features})"), runtimes(&tree));
    }
}

#[test]
fn a_runtime_deep_in_the_tree_is_noticed_and_entropy_where_it_is_needed_is_not() {
    let tree = "0 edgemcp v0.1.0 (/somewhere)\n1 http v1.5.0\n2 bytes v1.12.0\n1 helpful v1.0.0\n2 tokio-util v0.7.0\n\
                3 tokio v1.50.0\n1 ring v0.17.0\n2 getrandom v0.2.0\n3 js-sys v0.3.0\n1 uuid v1.0.0\n2 getrandom v0.4.0\n\
                1 jsonschema v0.61.0\n2 ahash v0.8.0\n3 getrandom v0.3.0\n2 reqwest v0.13.0\n";
    assert_eq!(
        runtimes(tree),
        [
            "edgemcp -> helpful -> tokio-util",
            "edgemcp -> helpful -> tokio-util -> tokio",
            "edgemcp -> uuid -> getrandom",
            "edgemcp -> jsonschema -> reqwest"
        ]
    );
}

#[test]
fn all_crates_have_one_version() {
    let packages = packages();
    let version = &packages.first().expect("a crate").version;
    let other = packages.iter().filter(|package| package.version != *version);
    none(
        &format!("crates whose version is not {version}"),
        other.map(|package| format!("{} {}", package.name, package.version)).collect(),
    );
}

/// Whether a manifest takes the workspace's lints; another key in the table would replace them.
fn takes_the_lints(manifest: &str) -> bool {
    let Some((_, rest)) = manifest.split_once("\n[lints]\n") else { return false };
    rest.lines().next() == Some("workspace = true")
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let without = packages().into_iter().filter(|package| !takes_the_lints(&package.manifest));
    none("crates without `[lints] workspace = true`", without.map(|package| package.folder).collect());
}

#[test]
fn a_crate_with_its_own_lints_is_noticed() {
    assert!(takes_the_lints("[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n"));
    assert!(!takes_the_lints("[package]\nname = \"a\"\n"));
    assert!(!takes_the_lints("[package]\nname = \"a\"\n\n[lints.rust]\nunsafe_code = \"allow\"\n"));
    assert!(!takes_the_lints("[package]\nname = \"a\"\n\n[lints]\nworkspace = false\n"));
}
