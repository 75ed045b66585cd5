//! Gives the operating system's randomness.

use edgemcp::platform::{Random, RandomError};

/// The operating system's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
        getrandom::fill(buffer).map_err(|_| RandomError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ_and_the_whole_buffer_is_filled() {
        let (mut a, mut b) = ([0; 64], [0; 64]);
        OsRandom.fill(&mut a).unwrap();
        OsRandom.fill(&mut b).unwrap();
        assert_ne!(a, b);
        assert!(a.chunks(16).all(|part| part != [0; 16]), "a part was left as it was");
    }
}
