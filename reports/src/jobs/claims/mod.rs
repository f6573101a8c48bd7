//! What documents claim, measured.
//!
//! - [`documents`]: every figure of the failover documents, for each design in each provider's folder,
//! - [`success`]: the claim on failover success more closely, by the delay of files,
//! - [`entities`] and [`notes`]: what their documents promise, for each design in each provider's folder.

pub(crate) mod documents;
pub(crate) mod entities;
pub(crate) mod notes;
mod shares;
mod success;

pub(crate) use success::failover_success;
