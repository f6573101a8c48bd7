//! The courier's streams of randomness, side by side.

use cloudchamber_core::Rng as _;

use crate::ReplicaId;
use crate::streams::{Purpose, Stream};

/// The first and the last of the courier's purposes.
const FIRST: usize = Purpose::Debounce as usize;
const COUNT: usize = Purpose::Resume as usize - FIRST + 1;

/// All streams of a run.
#[derive(Clone, Debug)]
pub(super) struct Streams(Vec<Stream>);

impl Streams {
    pub(super) fn new(seed: u64, replicas: usize) -> Self {
        const PURPOSES: [Purpose; COUNT] = [
            Purpose::Debounce,
            Purpose::Up,
            Purpose::Down,
            Purpose::Stall,
            Purpose::Order,
            Purpose::Arrival,
            Purpose::Evict,
            Purpose::Fetch,
            Purpose::Watch,
            Purpose::Resume,
        ];
        let of = |replica: ReplicaId| PURPOSES.map(|purpose| Stream::new(seed, purpose, replica.0));
        Self(ReplicaId::all(replicas).flat_map(of).collect())
    }

    /// The next number of a stream.
    pub(super) fn draw(&mut self, replica: ReplicaId, purpose: Purpose) -> u64 {
        self.0[replica.index() * COUNT + purpose as usize - FIRST].bits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_does_not_depend_on_draws_from_another() {
        let (mut one, mut other) = (Streams::new(7, 3), Streams::new(7, 3));
        for _ in 0..1_000 {
            one.draw(ReplicaId(1), Purpose::Stall);
            one.draw(ReplicaId(0), Purpose::Up);
            assert_eq!(one.draw(ReplicaId(1), Purpose::Up), other.draw(ReplicaId(1), Purpose::Up));
        }
    }

    #[test]
    fn a_stream_does_not_depend_on_how_many_replicas_there_are() {
        let (mut few, mut many) = (Streams::new(7, 2), Streams::new(7, 5));
        assert_eq!(few.draw(ReplicaId(1), Purpose::Down), many.draw(ReplicaId(1), Purpose::Down));
        assert_ne!(many.draw(ReplicaId(3), Purpose::Down), many.draw(ReplicaId(4), Purpose::Down));
    }
}
