//! What the last looks found: nothing new is found twice.

use crate::kit::memo::Memo;

/// Whether a look would find what the last ones found.
///
/// A look changes a replica in two ways: by what it reads, and by what that means once all of it was read. So after two
/// looks at the same files, neither of which had anything to complain of, a third one changes nothing. A replica that
/// writes or removes a file, or is told that a folder is its own, looks in full again, and so does one that looks at a
/// folder whose digest nobody tells.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Looked(Memo<Found>);

#[derive(Clone, Copy, Debug, Default)]
struct Found {
    /// The digest of everything in the folder at the last look; `None` if that look is not to be counted on.
    digest: Option<u64>,
    /// How many looks in a row found this.
    times: u8,
}

impl Looked {
    /// Whether a look at a folder with this digest can be passed over.
    pub(super) fn knows(self, digest: Option<u64>) -> bool {
        digest.is_some() && self.0.digest == digest && self.0.times >= 2
    }

    /// Notes that all that a folder with this digest holds is about to be read.
    pub(super) fn reads(&mut self, digest: Option<u64>) {
        if self.0.digest != digest {
            *self.0 = Found { digest, times: 0 };
        }
        self.0.times = self.0.times.saturating_add(1);
    }

    /// Whatever was found is to be looked at again.
    pub(super) fn forget(&mut self) {
        *self.0 = Found::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_look_at_the_same_is_passed_over() {
        let mut looked = Looked::default();
        for _ in 0..2 {
            assert!(!looked.knows(Some(7)));
            looked.reads(Some(7));
        }
        assert!(looked.knows(Some(7)) && !looked.knows(Some(8)));
        looked.reads(Some(8));
        assert!(!looked.knows(Some(8)) && !looked.knows(Some(7)));
        looked.reads(Some(8));
        looked.forget();
        assert!(!looked.knows(Some(8)));
    }

    #[test]
    fn where_no_digest_is_told_no_look_is_passed_over() {
        let mut looked = Looked::default();
        (0..5).for_each(|_| looked.reads(None));
        assert!(!looked.knows(None));
    }
}
