//! Randomness that is the same in every run.

use std::sync::atomic::{AtomicU64, Ordering};

use edgemcp::platform::{Random, RandomError};

/// Randomness that counts: the same in every run, and never twice the same within one.
///
/// ```
/// # use edgemcp::platform::Random;
/// let random = edgemcp_testkit::Counting::default();
/// let mut bytes = [0; 2];
/// random.fill(&mut bytes)?;
/// random.fill(&mut bytes)?;
/// assert_eq!((bytes, random.draws()), ([2, 0], 2));
/// # Ok::<_, edgemcp::platform::RandomError>(())
/// ```
#[derive(Debug, Default)]
pub struct Counting(AtomicU64);

impl Counting {
    /// How often it was asked.
    pub fn draws(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Random for Counting {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
        let count = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes = count.to_be_bytes();
        buffer.iter_mut().zip(bytes.iter().rev().cycle()).for_each(|(to, from)| *to = *from);
        Ok(())
    }
}
