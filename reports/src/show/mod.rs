//! Shows reports to people. Nothing here computes.
//!
//! - [`text`]: on a terminal,
//! - [`html`]: as pages without script and without anything from elsewhere,
//! - [`ci`]: for servers that build,
//! - [`cells`]: what both say in the same words.

mod cells;
pub(crate) mod ci;
pub(crate) mod html;
pub(crate) mod text;
