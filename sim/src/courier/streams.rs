//! Randomness by replica and purpose.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a stream of numbers is for.
///
/// Stream `256 * replica + purpose` of ChaCha8 (RFC 8439 with 8 rounds; `set_stream` sets the nonce) under the
/// run's seed. The numbers below are part of what a seed means: they are never given to another purpose.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    /// How long a file is left to come to rest, and a timer's phase.
    Debounce = 0,
    /// The way up.
    Up = 1,
    /// The way down to this replica.
    Down = 2,
    /// Whether a way stalls, and for how long.
    Stall = 3,
    /// The order of a batch.
    Order = 4,
    /// In what state a version arrives, and when it is mended.
    Arrival = 5,
    /// Whether and when an idle file is evicted.
    Evict = 6,
    /// When evicted bytes come back.
    Fetch = 7,
    /// When an application hears of a change, and whether.
    Watch = 8,
    /// What happens when a replica returns.
    Resume = 9,
}

const PURPOSES: usize = 10;

/// All streams of a run.
#[derive(Clone, Debug)]
pub(super) struct Streams(Vec<ChaCha8Rng>);

impl Streams {
    pub(super) fn new(seed: u64, replicas: usize) -> Self {
        let base = ChaCha8Rng::seed_from_u64(seed);
        let stream = |place: usize| {
            let mut rng = base.clone();
            rng.set_stream((place / PURPOSES * 256 + place % PURPOSES) as u64);
            rng
        };
        Self((0..replicas * PURPOSES).map(stream).collect())
    }

    /// The next number of a stream.
    pub(super) fn draw(&mut self, replica: u8, purpose: Purpose) -> u64 {
        self.0[usize::from(replica) * PURPOSES + purpose as usize].next_u64()
    }
}

/// Another number from a drawn one, a different one for each `which` (the finaliser of SplitMix64).
///
/// So a stream advances by one number an event however many chances hang on the event.
pub(super) fn another(drawn: u64, which: u64) -> u64 {
    let mut z = drawn.wrapping_add((which + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_does_not_depend_on_draws_from_another() {
        let (mut one, mut other) = (Streams::new(7, 3), Streams::new(7, 3));
        for _ in 0..1_000 {
            one.draw(1, Purpose::Stall);
            one.draw(0, Purpose::Up);
            assert_eq!(one.draw(1, Purpose::Up), other.draw(1, Purpose::Up));
        }
    }

    #[test]
    fn a_stream_does_not_depend_on_how_many_replicas_there_are() {
        let (mut few, mut many) = (Streams::new(7, 2), Streams::new(7, 5));
        assert_eq!(few.draw(1, Purpose::Down), many.draw(1, Purpose::Down));
        assert_ne!(many.draw(3, Purpose::Down), many.draw(4, Purpose::Down));
    }
}
