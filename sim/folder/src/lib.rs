//! The cloud folder as a pure state machine, and everything that is said about it.
//!
//! A [`World`](world::World) is a value: the server's files, each replica's disk, process and machine. It does nothing by
//! itself. It says what [may happen next](world::World::choices), and [makes one](world::World::take) of these things
//! happen.
//! The simulator draws which choice is taken when; the model checker takes them all; a replay reads them from a file.
//!
//! # In which order to read
//! - [`world`]: what a folder and its machines can do, as [choices](world::Choice),
//! - [`profile`]: what each provider's client does, when, and what goes wrong; every value names its origin,
//! - [`courier`]: when the clients move which version; [`stage`]: what is due when in a whole run,
//! - [`checks`]: what must hold; [`System`]: a protocol with its checkers; [`mod@systems`]: those that are here,
//! - [`scenario`]: files that say what a run is made of; [`trace`]: runs as lists of choices; [`shrink`]: what of a
//!   trace matters,
//! - [`conformance`]: what every [`FsMut`](cloudchamber_core::FsMut), simulated or real, has to pass.
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
//! The [`stage`] does the same by the clock.
//!
//! # Deliberately absent
//! The simulator's runtime, the model checker, real files, real time.

// The tests within share their system with those in `tests`.
#[cfg(test)]
extern crate self as cloudchamber_folder;

pub mod checks;
pub mod conformance;
pub mod courier;
pub mod mistake;
mod plain;
pub mod profile;
mod replica_id;
pub mod scenario;
pub mod shrink;
mod stable_hash;
pub mod stage;
pub mod streams;
mod system;
pub mod systems;
pub mod telling;
pub mod trace;
pub mod world;

pub use plain::{AtRest, PlainSettings, PlainSystem};
pub use replica_id::ReplicaId;
pub use stable_hash::StableHasher;
pub use system::{NoService, Sample, Service, System, Variant, find};
