use std::fmt::Debug;
use std::hash::Hash;

use cloudchamber_core::{Never, Protocol, Rng};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ReplicaId;
use crate::checks::Checks;
use crate::scenario::Scenario;
use crate::world::{ChoiceOf, Setup, World};

/// A protocol together with the world outside the folder that it talks to: what the simulator and the model
/// checker need to know of it.
pub trait System: Clone + Copy + Debug + Eq + Hash + Send + Sync + 'static {
    /// What scenario files and commands call it.
    const NAME: &'static str;
    /// The protocol under test: production code.
    type Protocol: Protocol<
            Config: Clone + Debug + Send + Sync,
            Command: Serialize + DeserializeOwned + Send + Sync,
            Event: Send + Sync,
            Call: Send + Sync,
            Reply: Send + Sync,
        > + Send
        + Sync
        + 'static;
    /// The world outside the folder.
    type Service: Service<Call = <Self::Protocol as Protocol>::Call, Reply = <Self::Protocol as Protocol>::Reply>;
    /// What must hold.
    type Checks: Checks<Self>;
    /// What a scenario can tell the system: its design, the values that differ from the published ones, its
    /// workload. Unknown keys are refused by its `Deserialize`.
    type Settings: Clone + Debug + Default + PartialEq + Send + Sync + Serialize + DeserializeOwned;

    /// Makes the replicas' configurations.
    ///
    /// # Errors
    /// A sentence that says which values do not fit together and what to do.
    fn setup(scenario: &Scenario<Self>) -> Result<Setup<Self>, String>;

    /// Makes the world before anything runs: the service, and files that are there from the start.
    fn world(scenario: &Scenario<Self>, setup: &Setup<Self>) -> World<Self>;

    /// Makes the checkers of a run.
    fn checks(scenario: &Scenario<Self>, setup: &Setup<Self>) -> Self::Checks;

    /// What people and the world outside do during a run, each with its time in ms, in order of time.
    fn workload(scenario: &Scenario<Self>, rng: &mut dyn Rng) -> Vec<(u64, ChoiceOf<Self>)>;

    /// What a person asks who wants another replica to take over; nothing where the system knows no such thing.
    fn activation(scenario: &Scenario<Self>, asked: ReplicaId, target: ReplicaId) -> Option<ChoiceOf<Self>>;

    /// A digest that two worlds share only if whatever may follow in one may follow in the other as well, whenever they
    /// are reached: what they differ in cannot matter any more. Nothing where the system knows of no such worlds but
    /// equal ones. `dies` says whether processes may still die.
    fn essence(setup: &Setup<Self>, world: &World<Self>, dies: bool) -> Option<u64> {
        let _ = (setup, world, dies);
        None
    }

    /// Draws what a swarm leaves to the system: its settings, and how long it may take to settle.
    fn draw(scenario: &mut Scenario<Self>, rng: &mut dyn Rng);
}

/// The world outside the folder: whatever the protocol's calls reach.
pub trait Service: Clone + Debug + Eq + Hash + Send + Sync + 'static {
    /// What a replica asks.
    type Call;
    /// What it answers.
    type Reply;
    /// What happens out there by itself, such as a person who writes a message.
    type Act: Clone + Debug + Eq + Hash + Serialize + DeserializeOwned + Send + Sync;

    /// A call has arrived, at `now` milliseconds of the world's time.
    fn call(&mut self, from: ReplicaId, call: Self::Call, now: u64);

    /// Whether an answer for the replica is ready.
    fn ready(&self, to: ReplicaId, now: u64) -> bool;

    /// When the answer for the replica becomes ready by the passing of time alone, if nothing else happens.
    fn due(&self, to: ReplicaId) -> Option<u64>;

    /// Takes the answer.
    ///
    /// # Panics
    /// Where none is ready.
    fn reply(&mut self, to: ReplicaId, now: u64) -> Self::Reply;

    /// The replica's process is gone: whatever it waited for has nobody to go to.
    fn hang_up(&mut self, replica: ReplicaId);

    /// Something happens out there.
    fn act(&mut self, act: &Self::Act, now: u64);
}

/// For protocols that call nobody.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct NoService;

impl Service for NoService {
    type Call = Never;
    type Reply = Never;
    type Act = Never;

    fn call(&mut self, _: ReplicaId, call: Never, _: u64) {
        match call {}
    }

    fn ready(&self, _: ReplicaId, _: u64) -> bool {
        false
    }

    fn due(&self, _: ReplicaId) -> Option<u64> {
        None
    }

    fn reply(&mut self, to: ReplicaId, _: u64) -> Never {
        panic!("replica {to} was promised an answer although nobody can be called")
    }

    fn hang_up(&mut self, _: ReplicaId) {}

    fn act(&mut self, act: &Never, _: u64) {
        match *act {}
    }
}
