//! One target at work: under libFuzzer where `tests/run fuzz` builds it, otherwise on the files it is given.
//!
//! `cargo run -p edgemcp-fuzz -- TARGET FILE...` is how a crash is looked at.

#![cfg_attr(fuzzing, no_main)]

/// The setting that names the target; the arguments are libFuzzer's.
#[cfg(fuzzing)]
#[allow(clippy::disallowed_methods, reason = "a program of this machine")]
static TARGET: std::sync::LazyLock<edgemcp_fuzz::Target> = std::sync::LazyLock::new(|| {
    let name = std::env::var("EDGEMCP_FUZZ_TARGET").unwrap_or_default();
    edgemcp_fuzz::target(&name).unwrap_or_else(|| {
        eprintln!("EDGEMCP_FUZZ_TARGET is {name:?}, which is no target");
        std::process::exit(2)
    })
});

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));

#[cfg(not(fuzzing))]
fn main() -> std::process::ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(target) = arguments.next().and_then(|name| edgemcp_fuzz::target(&name)) else {
        eprintln!("usage: fuzz TARGET FILE...");
        for target in edgemcp_fuzz::TARGETS {
            eprintln!("  {}", target.name);
        }
        return std::process::ExitCode::from(2);
    };
    for path in arguments {
        match std::fs::read(&path) {
            Ok(bytes) => (target.run)(&bytes),
            Err(error) => {
                eprintln!("{path}: {error}");
                return std::process::ExitCode::FAILURE;
            }
        }
        println!("{path}: ok");
    }
    std::process::ExitCode::SUCCESS
}
