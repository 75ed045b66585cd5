//! Reads what callgrind has counted: in all, by function, and by the file whose code it was.
//!
//! Source: valgrind's manual, "Callgrind Format Specification".

use std::{collections::HashMap, path::Path};

/// What a process, or a request, has cost, in instructions.
#[derive(Debug, Default)]
pub(crate) struct Profile {
    pub(crate) total: f64,
    /// In each function itself; what the compiler has put into another function counts there.
    pub(crate) own: HashMap<String, f64>,
    /// In each function and what it calls. One that calls itself, by whatever way, counts more than once.
    pub(crate) inclusive: HashMap<String, f64>,
    /// By file of the source, also where the compiler has put the code into another function.
    pub(crate) files: HashMap<String, f64>,
}

impl Profile {
    /// Reads the file that callgrind wrote.
    ///
    /// # Errors
    /// Where there is none, or no total in it.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            format!("callgrind has written nothing to {} ({error}); its log is beside it", path.display())
        })?;
        Self::parse(&text).ok_or_else(|| format!("{} has no total", path.display()))
    }

    fn parse(text: &str) -> Option<Self> {
        let (mut profile, mut functions, mut files) = (Self::default(), Names::default(), Names::default());
        let (mut function, mut file, mut total, mut is_call) = (String::new(), String::new(), None, false);
        for line in text.lines() {
            if let Some((key, value)) = line.split_once('=') {
                match key {
                    "fn" => function = functions.named(value),
                    "fl" | "fi" | "fe" => file = files.named(value),
                    "cfn" => drop(functions.named(value)),
                    "cfi" | "cfl" => drop(files.named(value)),
                    "calls" => is_call = true,
                    _ => {}
                }
            } else if let Some(value) = line.strip_prefix("totals:") {
                total = value.trim().parse().ok();
            } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
                let Some(cost) = line.split(' ').nth(1).and_then(|cost| cost.parse::<f64>().ok()) else {
                    continue;
                };
                *profile.inclusive.entry(function.clone()).or_default() += cost;
                if !std::mem::take(&mut is_call) {
                    *profile.own.entry(function.clone()).or_default() += cost;
                    *profile.files.entry(file.clone()).or_default() += cost;
                }
            }
        }
        profile.total = total?;
        Some(profile)
    }

    /// What each of `requests` requests more has cost, where `self` had those and `fewer` not.
    pub(crate) fn each_more_than(&self, fewer: &Self, requests: usize) -> Self {
        let requests = requests as f64;
        let difference = |more: &HashMap<String, f64>, fewer: &HashMap<String, f64>| {
            let each = |(name, cost): (&String, &f64)| {
                (name.clone(), (cost - fewer.get(name).copied().unwrap_or_default()) / requests)
            };
            more.iter().map(each).collect()
        };
        Self {
            total: (self.total - fewer.total) / requests,
            own: difference(&self.own, &fewer.own),
            inclusive: difference(&self.inclusive, &fewer.inclusive),
            files: difference(&self.files, &fewer.files),
        }
    }
}

/// Names that are written out once: `(7) name`, and `(7)` from then on.
#[derive(Default)]
struct Names(HashMap<String, String>);

impl Names {
    fn named(&mut self, value: &str) -> String {
        match value.split_once(' ') {
            Some((number, name)) => {
                self.0.insert(number.to_owned(), name.to_owned());
                name.to_owned()
            }
            None => self.0.get(value).cloned().unwrap_or_else(|| value.to_owned()),
        }
    }
}

/// Whose code a file of the source is: a crate's, the standard library's, or the C library's.
pub(crate) fn owner(file: &str) -> String {
    let short = short(file);
    let (folder, rest) = short.split_once('/').unwrap_or((short, ""));
    match folder {
        // A crate of the registry is a folder of its name and version.
        folder if short.len() < file.len() && folder.ends_with(|last: char| last.is_ascii_digit()) => {
            folder.rsplit_once('-').map_or(folder, |(name, _)| name).to_owned()
        }
        "library" => rest.split('/').next().unwrap_or_default().to_owned(),
        "adapters" => "edgemcp-native".to_owned(),
        "core" => "edgemcp".to_owned(),
        "tests" => "the server itself".to_owned(),
        _ => "the C library".to_owned(),
    }
}

/// The part of a file's path that is the same on every machine.
pub(crate) fn short(file: &str) -> &str {
    let project = env!("CARGO_MANIFEST_DIR").strip_suffix("tests/bench/measure").unwrap_or_default();
    if let Some(rest) = file.strip_prefix(project) {
        return rest;
    }
    for place in ["/registry/src/", "/rustc/"] {
        // What follows is the registry's name, or the compiler's revision.
        if let Some((_, rest)) = file.split_once(place).and_then(|(_, rest)| rest.split_once('/')) {
            return rest;
        }
    }
    file.split_once("/rustlib/src/rust/").map_or(file, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two functions of two files, one of which has the other's code in it, calls it, and calls it again by number.
    const WRITTEN: &str = "version: 1\nevents: Ir\n\nfl=(1) /a/core/src/http/mod.rs\nfn=(1) outer\n10 5\nfi=(2) \
                           /r/registry/src/index/bytes-1.12.0/src/bytes.rs\n20 7\nfe=(1)\ncfi=(2)\ncfn=(2) \
                           inner\ncalls=2 1\n11 40\n+2 1\n\nfl=(2)\nfn=(2)\n1 40\n\ntotals: 53\n";

    #[test]
    fn what_is_called_counts_in_its_own_function_and_included_in_the_caller() {
        let profile = Profile::parse(WRITTEN).unwrap();
        assert_eq!(profile.total, 53.0);
        assert_eq!((profile.own["outer"], profile.own["inner"]), (13.0, 40.0));
        assert_eq!((profile.inclusive["outer"], profile.inclusive["inner"]), (53.0, 40.0));
        assert_eq!(profile.files["/r/registry/src/index/bytes-1.12.0/src/bytes.rs"], 47.0);
        assert_eq!(profile.files["/a/core/src/http/mod.rs"], 6.0);
    }

    #[test]
    fn the_start_of_a_server_is_in_both_counts_and_in_no_request() {
        let (more, fewer) = (WRITTEN.replace("\n1 40", "\n1 60"), WRITTEN);
        let more = more.replace("11 40", "11 60").replace("totals: 53", "totals: 73");
        let each = Profile::parse(&more).unwrap().each_more_than(&Profile::parse(fewer).unwrap(), 10);
        assert_eq!(
            (each.total, each.own["inner"], each.inclusive["outer"], each.own["outer"]),
            (2.0, 2.0, 2.0, 0.0)
        );
    }

    #[test]
    fn a_file_that_broke_off_is_no_profile() {
        assert!(Profile::parse(WRITTEN.split("totals").next().unwrap()).is_none());
    }

    #[test]
    fn a_file_is_its_crates() {
        let project = env!("CARGO_MANIFEST_DIR").strip_suffix("tests/bench/measure").unwrap();
        for (file, name) in [
            (
                "/r/registry/src/index.crates.io-1949cf8c6b5b557f/hyper-util-0.1.21/src/rt/tokio.rs",
                "hyper-util",
            ),
            ("/rustc/59807616e1c5c8ef7b4a83ec5b0b5e45a2fd4ab1/library/alloc/src/vec/mod.rs", "alloc"),
            ("/lib/rustlib/src/rust/library/core/src/option.rs", "core"),
            (&format!("{project}core/src/http/headers.rs"), "edgemcp"),
            (&format!("{project}adapters/native/src/nest.rs"), "edgemcp-native"),
            (&format!("{project}tests/bench/bare/src/main.rs"), "the server itself"),
            ("./malloc/malloc.c", "the C library"),
            ("???", "the C library"),
        ] {
            assert_eq!(owner(file), name, "{file}");
        }
    }
}
