//! What documents claim, measured.
//!
//! - [`documents`]: every figure of the failover documents, for each design in each provider's folder,
//! - [`success`]: the claim on failover success more closely, by the delay of files.

pub(crate) mod documents;
mod success;

pub(crate) use success::failover_success;
