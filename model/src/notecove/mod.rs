//! NoteCove's specification of its own synchronisation, as a stateright model.
//!
//! NoteCove is the note store that the system notes is about. Its authors wrote a specification in TLA+ and checked it
//! with TLC (`spec/` of github.com/drewcsillag/notecove, commits 4519678 and 2f4f888). [`NoteCove`] is the same
//! specification written anew: the same variables, the same sixteen kinds of steps, the same invariants, for any of its
//! constants ([`Config`]). That it is the same is shown by counting: [`count`] generates as many states as TLC does and
//! finds as many distinct ones, for every row of [`Row::ALL`].
//!
//! It is not a model of this project's own code, which the folder model explores; it shows what the specification does
//! and does not say. [`Weakness::ALL`] are runs that the specification takes and in which nothing is wrong by its
//! invariants, each with what goes wrong there in a folder.
//!
//! # What counts as a state
//! A [`State`] holds every variable of the specification except those that the others determine: what is pending and
//! what is synced of a log are told by how many of its updates are, since none is ever lost, and the number of the next
//! deletion is one more than there are. Two states are equal here if they are equal there.
//!
//! # What counts as generated
//! TLC counts a successor for each way in which a step's condition is met. If two entries of an activity log are new,
//! polling it counts twice, and the same for two logs. So what made a step possible is part of an [`Action`].
//! [`Counted::per_action`] counts such a step once.
//!
//! # What is not covered
//! Temporal properties are not checked by the search: stateright has no fairness. `tests/notecove.rs` plays the fair
//! steps to their end from every state of small configurations instead. The specification of moves between storage
//! directories (`CrossSDMove`) is another one.

mod action;
mod config;
mod count;
mod invariants;
mod model;
mod published;
mod state;
mod weaknesses;

pub use action::{Action, name};
pub use config::{ActivityMode, Config, NOTES_MAX, Numbering, REPLICAS_MAX, UPDATES_MAX};
pub use count::{Counted, Invariant, count};
pub use model::NoteCove;
pub use published::Row;
pub use state::{Known, State, Update};
pub use weaknesses::Weakness;
