//! The model checker: stateright explores what the simulator samples.
//!
//! A [`FolderModel`] is a world of a system, a menu of what may happen in it, and bounds. Its states are worlds
//! with their checkers, its actions are the world's own choices plus the passing of time, and its property is
//! that one checker finds nothing. A counterexample is therefore a trace: [`Checked::trace`] writes it in the
//! simulator's format, and a replay of it takes the same choices and finds the same violation.
//!
//! # Time
//! Nothing in a world happens because time passes, except that a timer or an answer falls due, or a process starts for
//! the first time. So time is one action, [`Action::Pass`], which jumps to the next such moment. Processes are prompt:
//! time does not pass while a process has something to do. Files are late at will, or as [`Bounds::delay_ms_max`]
//! allows.
//!
//! Most models end at a moment of world time, [`Bounds::horizon_ms`]. One whose horizon is `"unbounded"` has finitely
//! many states all the same: with [`Economy::alike`] instants count as ages, beats and versions by their order, and so
//! the states come again. It asks for clocks that run alike. Terms are not counted anew, because a claim takes the next
//! number: with delays without bound, or with nobody left to make a majority, claims go on for ever, and so do states.
//! There the horizon has to end. Time slots that come again and again (policy `available`) do not come to rest either.
//!
//! # What "holds" means
//! No run of the model within its bounds, with the randomness its menu lists, has the violation; every state was looked
//! at; and some run reached what [`ModelSpec::reaches`] names. What each model leaves out besides is in its file: the
//! timers' phases are those of `start_ms`, and without `menu.notices` files are found when a process looks.
//!
//! # What is left out because something else stands for it
//! [`Economy`] is off unless a file asks for it.
//! - `own_files`: a file that one replica writes may go to the server as soon as it is written. Whatever a late upload
//!   would show, a late download shows too, as long as older versions can still come. And a version may wait until
//!   a replica is about to read it: nobody sees it sooner.
//! - `own_files_read_when_woken`: an op of one disk and the step after it, which reads nothing that others wrote, commute
//!   with whatever other replicas do. So it goes first where no crash, sleep or failure can come between. Whether a
//!   protocol reads so is the model file's claim; the hardened failover reads its peers' files only when it looks.
//! - `idle_files`: files that nobody reads to decide are never sent.
//! - `busy_faults`: a machine that falls asleep between two steps might as well do so before the next one. A process
//!   that dies between two steps too, unless it starts again before the next one: that is left out.
//! - `timers_first`: a timer that is due comes before anything else. So nothing arrives, is asked or fails between the
//!   start of a process that looks at once and its look: that is left out, and another model of the same system has it.
//! - `merge`: a state with one way on is passed over; the violation is looked for in it all the same.
//! - `alike`: of all states that the system says behave alike ([`System::essence`](cloudchamber_folder::System::essence))
//!   the first is looked at. Only what is remembered of visited states changes: every path is one that the world takes.
//!   `tests/alike.rs` compares what such states lead to.
//!
//! Before [`Bounds::calm_ms`] every file travels at once and nothing fails: a model that begins where somebody is active.
//!
//! # Why one property a run
//! stateright 0.31 goes on evaluating a property that has failed while another is still open, and keeps the
//! last violation it met instead of the first: a counterexample of 8 steps was reported with 25. With exactly
//! one property the search ends at the first violation, which a breadth-first search by one thread meets on a
//! shortest path. 0.30.2 lacks this flaw, and lacks `HasDiscoveries` and index paths with it; staying on the
//! maintained version and asking one question at a time costs a second search only where a second question
//! is asked. A test with a known answer guards it.
//!
//! # Why depth first where nothing is expected
//! A search that has to look at everything meets a violation in any order, and depth first it keeps the states of one
//! path and digests of the others: 20 bytes a state instead of 700. Where time has no end a path could be as long as
//! there are states, so such a model is searched breadth first, and so is one that has a counterexample to show.
//!
//! A step of a process depends on its replica alone. What one led to is kept and taken over where another state has the
//! same replica at the same moment: the core then runs once for many states.
//!
//! # A specification of somebody else's
//! [`notecove`] is apart from all this: what the authors of NoteCove wrote in TLA+, as a stateright model of its own, and
//! what it does not say.
//!
//! # Deliberately absent
//! madsim, drawn delays, knowledge of any protocol (a specification is not one). Symmetry reduction: replicas' names are inside file bytes.

mod check;
mod deadlines;
mod folder_model;
pub mod notecove;
mod spec;
mod step_cache;
mod story;

pub use check::{Checked, check, explore};
pub use deadlines::Late;
pub use folder_model::{Action, Budget, FolderModel, State};
pub use spec::{Bounds, Economy, Expect, Horizon, MenuSpec, ModelSpec, Unbounded};
