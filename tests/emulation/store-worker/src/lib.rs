//! store-worker
