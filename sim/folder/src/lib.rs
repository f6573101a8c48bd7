//! The cloud folder as a pure state machine, and everything that is said about it.
//!
//! Simulator, model checker and replay share what is in here. None of it has a clock, a thread or a file of its own: a
//! world is a value, and whoever drives it says what happens next.
//!
//! | module | what it holds |
//! |---|---|
//! | [`world`] | The state: the server, each replica's disk, process and machine. It says what may happen ([`Choice`](world::Choice)) and makes it happen. |
//! | [`profile`] | One provider: what its client does to files, how long that takes, what goes wrong with it. |
//! | [`courier`] | When the sync clients do what they do, for one profile and one seed. |
//! | [`stage`] | A world in time: the courier, what is done to the replicas, and what each replica does next. It says when something is due. |
//! | [`scenario`] | The file that decides a run: replicas, faults, what happens when, what is expected. |
//! | [`checks`] | What must hold, said once for simulator, models and replays. |
//! | [`trace`] | The choices of a run with their times, their hash, and their replay. |
//! | [`shrink`] | From a failing trace to the few choices that matter. |
//! | [`streams`] | Randomness: one stream for each purpose and replica. |
//! | [`systems`] | The protocols with the world outside the folder, their checkers and settings ([`System`]). |
//! | [`conformance`] | What any file system must do that a protocol runs on. |
//!
//! # A world by hand
//! ```
//! use cloudchamber_folder::scenario::Scenario;
//! use cloudchamber_folder::systems::failover::FailoverSystem;
//! use cloudchamber_folder::world::{Choice, Effects, Menu, Part};
//! use cloudchamber_folder::{ReplicaId, System};
//!
//! let text = "system = 'failover'\nrun_ms = 60000\nreplica = [{}, {}]\n";
//! let scenario = Scenario::<FailoverSystem>::parse("two.toml".as_ref(), text)?;
//! let setup = FailoverSystem::setup(&scenario)?;
//! let mut world = FailoverSystem::world(&scenario, &setup);
//! let (a, b, draw) = (ReplicaId(0), ReplicaId(1), Default::default());
//! let mut effects = Effects::default();
//!
//! // The process of a starts and asks for ops, which are applied one by one: it may die between any two.
//! world.take(&setup, &Choice::Open { replica: a, draw }, &mut effects)?;
//! while world.replica(a).process().is_some_and(|process| process.pending_op().is_some()) {
//!     world.take(&setup, &Choice::Apply { replica: a, part: Part::Whole, draw }, &mut effects)?;
//! }
//! // What may happen now? Among other things, that a file which it wrote goes up.
//! let may_happen = |world: &cloudchamber_folder::world::World<FailoverSystem>| {
//!     let mut choices = Vec::new();
//!     world.choices(&setup, &Menu::calm(), &mut choices);
//!     choices
//! };
//! let choices = may_happen(&world);
//! let up = choices.iter().find(|choice| matches!(choice, Choice::Upload { .. })).expect("it wrote a file");
//! world.take(&setup, up, &mut effects)?;
//! assert_eq!(effects.committed.len(), 1);
//! // And so it may come down to b.
//! let comes_to_b = |choice: &_| matches!(choice, Choice::Download { replica, .. } if *replica == b);
//! assert!(may_happen(&world).iter().any(comes_to_b));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//! The [stage](stage) does the same by the clock.
//!
//! # Deliberately absent
//! Executors, real time and real files; madsim and stateright, which drive it from above.

// The tests within share their system with those in `tests`.
#[cfg(test)]
extern crate self as cloudchamber_folder;

pub mod checks;
pub mod conformance;
pub mod courier;
pub mod profile;
mod replica_id;
pub mod scenario;
pub mod shrink;
mod stable_hash;
pub mod stage;
pub mod streams;
mod system;
pub mod systems;
pub mod trace;
pub mod world;

pub use replica_id::ReplicaId;
pub use stable_hash::StableHasher;
pub use system::{NoService, Sample, Service, System, Variant, find};
