//! Is the project in order? Each rule here reads the project as it is and names what breaks it.
//!
//! `tests/run tidy` runs them. Beside each rule stands a test that shows it a bad sample, since a rule that cannot
//! fail says nothing.

#[cfg(test)]
mod dependencies;
#[cfg(test)]
mod files;
#[cfg(test)]
mod layers;
#[cfg(test)]
mod project;

/// The README's snippets, as doc examples.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// Those of the architecture page.
#[cfg(doctest)]
#[doc = include_str!("../../ARCHITECTURE.md")]
pub struct Architecture;
