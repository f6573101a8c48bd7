//! Reports as data. Times are whole milliseconds unless a key ends in `_s`.
//!
//! What a reader of JSON gets and what the pages and the terminal show; nothing here computes or prints.

pub(crate) mod bench;
pub(crate) mod catalogue;
pub(crate) mod check;
pub(crate) mod claims;
pub(crate) mod compare;
pub(crate) mod distribution;
pub(crate) mod explore;
pub(crate) mod failover_times;
pub(crate) mod hunt;
pub(crate) mod journals;
pub(crate) mod limits;
pub(crate) mod matrix;
pub(crate) mod model;
pub(crate) mod moment;
pub(crate) mod mutants;
pub(crate) mod observed;
pub(crate) mod profile;
pub(crate) mod run;
pub(crate) mod scenario;
pub(crate) mod shrink;
pub(crate) mod specification;
pub(crate) mod swarm;
pub(crate) mod throughput;
pub(crate) mod timeline;
pub(crate) mod words;

/// The name of the page that draws a trace.
pub(crate) fn page_of(trace: &str) -> String {
    format!("{}.html", trace.strip_suffix(".jsonl").unwrap_or(trace))
}
