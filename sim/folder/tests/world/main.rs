//! The world itself: what it offers, what it does, and what holds whatever happens.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod away;
#[path = "../common/mod.rs"]
mod common;
mod conflicts;
mod crash;
mod files;
mod walks;
