use std::hash::{Hash, Hasher};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A 64-bit hasher whose results do not depend on the process, the thread or the version of the standard
/// library's own hashers: trace hashes and the running digests of disks are made with it.
///
/// Integers are folded in with a 128-bit multiplication (the mixing step of wyhash), byte strings with XXH3.
#[derive(Clone, Copy, Debug)]
pub struct StableHasher(u64);

impl StableHasher {
    /// The hash of one value.
    pub fn of<T: Hash + ?Sized>(value: &T) -> u64 {
        let mut hasher = Self::default();
        value.hash(&mut hasher);
        hasher.finish()
    }

    fn fold(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word ^ 0xa076_1d64_78bd_642f) * 0xe703_7ed1_a0b4_28db;
        let [low, high] = [product as u64, (product >> 64) as u64];
        self.0 = low ^ high.rotate_left(29) ^ word.rotate_left(17);
    }
}

impl Default for StableHasher {
    fn default() -> Self {
        Self(0x2d35_8dcc_aa6c_78a5)
    }
}

impl Hasher for StableHasher {
    fn finish(&self) -> u64 {
        let mut last = *self;
        last.fold(0x8bb8_4b93_962e_acc9);
        last.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    fn write_u8(&mut self, word: u8) {
        self.fold(word.into());
    }

    fn write_u16(&mut self, word: u16) {
        self.fold(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.fold(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.fold(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.fold(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.fold(word as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_value_matter_and_the_result_is_pinned() {
        assert_ne!(StableHasher::of(&(1_u8, 2_u8)), StableHasher::of(&(2_u8, 1_u8)));
        assert_ne!(StableHasher::of(&0_u64), StableHasher::of(&()));
        assert_ne!(StableHasher::of("a"), StableHasher::of("b"));
        let mut seen = std::collections::BTreeSet::new();
        for x in 0..200_u64 {
            for y in 0..200_u64 {
                assert!(seen.insert(StableHasher::of(&(x, y))));
            }
        }
    }
}
