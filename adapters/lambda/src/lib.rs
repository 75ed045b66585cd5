//! The lambda adapter.
