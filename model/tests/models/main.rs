//! Bounded models of every system, and upstream's specification of notes.
//!
//! One program: what a checker needs of a system is then built once, not once for each file of tests.

mod alike;
mod bounded;
mod delta;
mod journal;
mod notecove;
mod notes;
mod support;
