//! edgemcp-testkit
