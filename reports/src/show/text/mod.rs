//! Reports on a terminal.

pub(crate) mod bench;
pub(crate) mod catalogue;
pub(crate) mod check;
pub(crate) mod claims;
pub(crate) mod compare;
pub(crate) mod explore;
pub(crate) mod hunt;
pub(crate) mod journal;
mod layout;
pub(crate) mod models;
pub(crate) mod moment;
pub(crate) mod mutants;
pub(crate) mod observed;
pub(crate) mod run;
pub(crate) mod scenario;
pub(crate) mod shrink;
pub(crate) mod specification;
pub(crate) mod swarm;
#[cfg(test)]
mod tests;
pub(crate) mod throughput;
