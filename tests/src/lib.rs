//! edgemcp-tests
