//! What fuzzing starts from, and what it has found, is asked in every `cargo test`, with a few blind changes.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on may panic"
)]

use std::{collections::BTreeMap, fs, path::Path};

use edgemcp_fuzz::TARGETS;

/// Cargo runs tests in their package's folder.
const SEEDS: &str = "seeds";

/// How often each seed is changed.
const CHANGES: usize = 40;

/// The files in a folder, by their names.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let file = |entry: fs::DirEntry| {
        (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).unwrap_or_default())
    };
    entries.map(|entry| file(entry.expect("an entry"))).collect()
}

#[test]
fn every_target_has_seeds_and_holds_on_them() {
    let folders: Vec<_> = files(Path::new(SEEDS)).into_keys().collect();
    assert_eq!(folders, TARGETS.map(|target| target.name));
    for target in TARGETS {
        let seeds = files(&Path::new(SEEDS).join(target.name));
        assert!(seeds.len() >= 5, "{} has {} seeds", target.name, seeds.len());
        for (name, seed) in seeds {
            // Shown where a test fails.
            println!("{SEEDS}/{}/{name}", target.name);
            (target.run)(&seed);
        }
    }
}

/// The same numbers in every run (xorshift64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 8).expect("a machine of 64 bits")
    }

    fn below(&mut self, end: usize) -> usize {
        self.next() % end.max(1)
    }

    /// A part of `bytes`.
    fn part<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let start = self.below(bytes.len());
        &bytes[start..start + self.below((bytes.len() - start).min(40))]
    }
}

/// `seed` with a part of it, or of `other`, in the place of another part.
fn change(seed: &[u8], other: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let (start, gone) = (numbers.below(seed.len() + 1), numbers.below(12));
    let mut new = match numbers.below(3) {
        0 => numbers.part(seed).to_vec(),
        1 => numbers.part(other).to_vec(),
        _ => Vec::new(),
    };
    if numbers.below(2) == 0 {
        new.push(b"\"\\{}[],:0\n\r %\0\x80\xff"[numbers.below(16)]);
    }
    let end = (start + gone).min(seed.len());
    [&seed[..start], &new, &seed[end..]].concat()
}

#[test]
fn every_target_holds_on_what_is_nearly_a_seed() {
    let mut numbers = Numbers(1);
    for target in TARGETS {
        let seeds: Vec<_> = files(&Path::new(SEEDS).join(target.name)).into_iter().collect();
        for (name, seed) in &seeds {
            for _ in 0..CHANGES {
                let (_, other) = &seeds[numbers.below(seeds.len())];
                let changed = change(seed, other, &mut numbers);
                println!("{SEEDS}/{}/{name} as {:?}", target.name, String::from_utf8_lossy(&changed));
                (target.run)(&changed);
            }
        }
    }
}
