//! What a value remembers so that it need not find it out again, and what nothing else depends on.
//!
//! # Guarantee
//! It takes no part in comparisons and hashes: two states that differ in nothing else are one state to a model checker.
//! So whoever keeps something here has to come to the same with it as without.

use std::hash::{Hash, Hasher};
use std::ops::{Deref, DerefMut};

/// Something remembered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memo<T>(pub T);

impl<T> PartialEq for Memo<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> Eq for Memo<T> {}

impl<T> Hash for Memo<T> {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl<T> Deref for Memo<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Memo<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_makes_no_other_state() {
        let hash = |memo: &Memo<u8>| {
            let mut hasher = std::hash::DefaultHasher::new();
            (1, memo).hash(&mut hasher);
            hasher.finish()
        };
        let (one, other) = (Memo(1), Memo(2));
        assert_eq!(one, other);
        assert_eq!(hash(&one), hash(&other));
        assert_ne!(*one, *other);
    }
}
