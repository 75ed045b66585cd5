//! The kinds of bytes that come from outside.

pub(crate) mod arguments;
pub(crate) mod headers;
pub(crate) mod lambda;
pub(crate) mod legacy;
pub(crate) mod modern;
pub(crate) mod object;
pub(crate) mod own_schema;
pub(crate) mod resume;
pub(crate) mod stdio;
pub(crate) mod store;
pub(crate) mod strings;
pub(crate) mod tokens;
pub(crate) mod uri;
