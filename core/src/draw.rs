//! Randomness as a value.

use serde::{Deserialize, Serialize};

/// Where a protocol draws random numbers from during one step.
pub trait Rng {
    /// A number from 0 to `max`, both included, uniformly.
    fn up_to(&mut self, max: u64) -> u64;

    /// A number from `low` to `high`, both included, uniformly; `low` if `high` is less.
    fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.up_to(high.saturating_sub(low))
    }

    /// 64 random bits, for identities and nonces.
    fn bits(&mut self) -> u64 {
        self.up_to(u64::MAX)
    }
}

/// The randomness of one step, as a value that a trace can hold.
///
/// A real host and the simulator hand in a seed; the model checker hands in fractions, so that "the shortest
/// jitter" and "the longest" are two choices it can enumerate.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Draw {
    /// Every draw is that many 255ths of its maximum.
    Fraction(u8),
    /// Draws follow from this seed (SplitMix64: Steele, Lea and Flood, OOPSLA 2014).
    Seed(u64),
}

impl Default for Draw {
    /// Every draw is 0.
    fn default() -> Self {
        Self::Fraction(0)
    }
}

impl Draw {
    /// The source of numbers that this value stands for.
    #[must_use]
    pub fn rng(self) -> impl Rng {
        DrawRng(self)
    }
}

struct DrawRng(Draw);

impl DrawRng {
    fn next(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Rng for DrawRng {
    fn up_to(&mut self, max: u64) -> u64 {
        match &mut self.0 {
            Draw::Fraction(part) => {
                u64::try_from(u128::from(max) * u128::from(*part) / 255).expect("a part of a u64 is a u64")
            }
            Draw::Seed(state) => {
                let bits = Self::next(state);
                // The high half of the product: uniform to within max / 2^64.
                let range = u128::from(max) + 1;
                u64::try_from((u128::from(bits) * range) >> 64).expect("at most max")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_reaches_both_ends() {
        assert_eq!(Draw::Fraction(0).rng().up_to(10_000), 0);
        assert_eq!(Draw::Fraction(255).rng().up_to(10_000), 10_000);
        assert_eq!(Draw::Fraction(255).rng().bits(), u64::MAX);
        assert_eq!(Draw::Fraction(0).rng().between(3, 9), 3);
        assert_eq!(Draw::Fraction(255).rng().between(3, 9), 9);
        assert_eq!(Draw::Fraction(255).rng().between(9, 3), 9);
    }

    #[test]
    fn a_seed_covers_its_range_and_repeats() {
        let mut seen = [0_u32; 4];
        for seed in 0..4_000 {
            let number = Draw::Seed(seed).rng().up_to(3);
            assert_eq!(number, Draw::Seed(seed).rng().up_to(3));
            seen[usize::try_from(number).unwrap()] += 1;
        }
        assert!(seen.iter().all(|&n| (850..1_150).contains(&n)), "{seen:?}");
    }
}
