use std::fmt::Debug;
use std::hash::Hash;

use cloudchamber_core::{Never, Protocol};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ReplicaId;

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
    type Service: Service<
            Call = <Self::Protocol as Protocol>::Call,
            Reply = <Self::Protocol as Protocol>::Reply,
        >;
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

    /// When the next answer becomes ready by the passing of time alone.
    fn due(&self) -> Option<u64>;

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

    fn due(&self) -> Option<u64> {
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
