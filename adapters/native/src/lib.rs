//! The native adapter.
