//! The attributes of edgemcp.
