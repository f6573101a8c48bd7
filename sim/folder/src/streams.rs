//! Independent streams of randomness: one for each replica and purpose, so that switching one fault off leaves
//! every other draw as it was.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// What randomness is drawn for. The number is part of the stream's number and so of every seed's meaning:
/// numbers are added, never changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u64)]
pub enum Purpose {
    /// The protocol's own draws, step by step.
    Steps = 0,
    /// How long ops take, and whether they are seen half done.
    Disk = 1,
    /// How long calls to the world outside take.
    Calls = 2,
    /// What people and the world outside do.
    Workload = 3,
    /// What a swarm leaves to chance.
    Swarm = 4,
    /// What people ask on a whim.
    Whim = 8,
    /// Clocks that are set.
    Clock = 9,
    /// Processes that die.
    Crash = 10,
    /// Disks that fill up.
    FullDisk = 11,
    /// Folders that cannot be reached.
    Folder = 12,
    /// Networks that go away.
    Offline = 13,
    /// Machines that lose power.
    Power = 14,
    /// Machines that sleep.
    Sleep = 15,
    /// How long a file is left to come to rest, and a timer's phase.
    Debounce = 16,
    /// A version's way up.
    Up = 17,
    /// A version's way down to this replica.
    Down = 18,
    /// Whether a way stalls, and for how long.
    Stall = 19,
    /// The order of a batch.
    Order = 20,
    /// In what state a version arrives, and when it is mended.
    Arrival = 21,
    /// Whether and when an idle file is evicted.
    Evict = 22,
    /// When evicted bytes come back.
    Fetch = 23,
    /// When an application hears of a change, and whether.
    Watch = 24,
    /// What happens when a replica returns.
    Resume = 25,
    /// Mounts that go and come back.
    Mount = 26,
    /// Folders that are emptied everywhere.
    Wipe = 27,
    /// Files that come back from an earlier time.
    Older = 28,
    /// Faults that strike several machines at once.
    Burst = 29,
    /// Faults that strike soon after something that a replica does.
    Ambush = 30,
    /// Where a run of an exploration begins, and which future it has.
    Explore = 31,
    /// What replicas keep on their own machines cannot be read.
    Local = 32,
}

/// The first so many replicas, and the decisions of a swarm, have stream `purpose * PER_PURPOSE + replica` of ChaCha8
/// under the run's seed.
const PER_PURPOSE: u64 = 64;

/// From here on the streams of further replicas are counted, `MORE + purpose * 256 + replica`.
const MORE: u64 = 1 << 32;

/// One stream.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of a seed for a purpose and a replica (0 where no replica is meant).
    #[must_use]
    pub fn new(seed: u64, purpose: Purpose, replica: u8) -> Self {
        let (purpose, replica) = (purpose as u64, u64::from(replica));
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(match replica {
            ..PER_PURPOSE => purpose * PER_PURPOSE + replica,
            _ => MORE + purpose * 256 + replica,
        });
        Self(rng)
    }

    /// Whether something happens that happens `numer` times in `denom`.
    pub fn chance(&mut self, numer: u64, denom: u64) -> bool {
        use cloudchamber_core::Rng as _;
        self.up_to(denom.max(1) - 1) < numer
    }
}

impl cloudchamber_core::Rng for Stream {
    fn up_to(&mut self, max: u64) -> u64 {
        let product = u128::from(self.0.next_u64()) * (u128::from(max) + 1);
        u64::try_from(product >> 64).expect("at most max")
    }
}

/// Another number from a drawn one, a different one for each `which` (the finaliser of SplitMix64).
///
/// So a stream advances by one number an event however many chances hang on the event.
pub(crate) fn another(drawn: u64, which: u64) -> u64 {
    let mut z = drawn.wrapping_add((which + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use cloudchamber_core::Rng as _;

    use super::*;

    #[test]
    fn streams_are_apart_and_repeat() {
        let draw = |seed, purpose, replica| {
            let mut stream = Stream::new(seed, purpose, replica);
            (0..4).map(|_| stream.up_to(u64::MAX)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7, Purpose::Steps, 1), draw(7, Purpose::Steps, 1));
        assert_ne!(draw(7, Purpose::Steps, 1), draw(7, Purpose::Steps, 2));
        assert_ne!(draw(7, Purpose::Steps, 1), draw(7, Purpose::Disk, 1));
        assert_ne!(draw(7, Purpose::Steps, 1), draw(8, Purpose::Steps, 1));
    }

    #[test]
    fn no_two_purposes_share_a_stream() {
        use Purpose::*;
        let all = [
            Steps, Disk, Calls, Workload, Swarm, Whim, Clock, Crash, FullDisk, Folder, Offline, Power, Sleep,
            Debounce, Up, Down, Stall, Order, Arrival, Evict, Fetch, Watch, Resume, Mount, Wipe, Older,
            Burst, Ambush, Explore,
        ];
        let mut first = std::collections::BTreeMap::new();
        for purpose in all {
            for replica in [0..26, 62..66, 254..255].into_iter().flatten() {
                let drawn = Stream::new(7, purpose, replica).bits();
                let other = first.insert(drawn, (purpose, replica));
                assert_eq!(other, None, "{purpose:?} of {replica}");
            }
        }
    }
}
