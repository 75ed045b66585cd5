//! The workers adapter.
