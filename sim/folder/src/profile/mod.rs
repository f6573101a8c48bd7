//! Provider profiles.
mod rules;
pub use rules::*;
