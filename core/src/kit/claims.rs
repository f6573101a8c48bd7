//! Claims of a name by the names of files, so that who holds it is read from a listing alone.
//!
//! Whoever takes a name puts a file into the name's directory of which only the file's own name matters:
//! `owner-<since>-<nonce>.json`. Two owners never write one file, so no conflict copy comes of a claim, and each sees
//! the other's as soon as that has arrived, whole or not.
//!
//! # Elsewhere
//! Others may see a claim later than what its owner wrote. Everybody who sees the same claims names the same holder.

use super::identity::Nonce;

/// That a name is one's own. The lesser one holds: the elder, within one second the one with the lower nonce.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Claim {
    /// When its owner got its first name, in seconds since 1970; 0 where that was before or is not known.
    pub since: i64,
    /// Its owner.
    pub nonce: Nonce,
}

impl Claim {
    /// The claim that a file of this name makes; nothing for other files, copies of claims among them.
    #[must_use]
    pub fn parse(file_name: &str) -> Option<Self> {
        let (since, nonce) = file_name.strip_prefix("owner-")?.strip_suffix(".json")?.split_once('-')?;
        let claim = Self { since: since.parse().ok()?, nonce: nonce.parse().ok()? };
        // One claim has one name.
        (claim.since >= 0 && claim.file_name() == file_name).then_some(claim)
    }

    /// The name of its file.
    #[must_use]
    pub fn file_name(self) -> String {
        format!("owner-{}-{}.json", self.since, self.nonce)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_known_by_its_name_alone_and_copies_are_none() {
        let name = Claim { since: 1_767_225_600, nonce: Nonce(0x3f2a) }.file_name();
        assert_eq!(name, "owner-1767225600-00003f2a.json");
        assert_eq!(Claim::parse(&name), Some(Claim { since: 1_767_225_600, nonce: Nonce(0x3f2a) }));
        for other in [
            "owner-1767225600-00003f2a 2.json",
            "owner-1767225600-00003F2A.json",
            "owner-01-00003f2a.json",
            "owner--1-00003f2a.json",
            "owner-+1-00003f2a.json",
            "owner-1-3f2a.json",
            "owner-1.json",
        ] {
            assert_eq!(Claim::parse(other), None, "{other}");
        }
    }
}
