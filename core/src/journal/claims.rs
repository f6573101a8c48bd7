//! Claims of machines' directories, and whose each one is. The rules are in [`owner`](super::owner).

use std::collections::BTreeSet;

use serde::Deserialize;

use super::identity::Identity;
use super::layout::MACHINES;
use super::problem::{Problem, ProblemKind};
use super::schema::Log;
use crate::kit::claims::Claim;
use crate::kit::identity::{Nonce, Place};
use crate::kit::text::without_mark;
use crate::{Content, FsOp, Path};

/// The claim of the machine with this identity.
#[must_use]
pub fn claim_of(own: &Identity, nonce: Nonce) -> Claim {
    Claim { since: own.created_at.max(0), nonce }
}

/// The file of a claim, in the directory of a machine.
#[must_use]
pub fn claim_path(claim: Claim, machine: &str) -> Path {
    Path::shared(MACHINES).join(machine).join(&claim.file_name())
}

/// What puts a claim there. Only the place in its content is ever read.
pub(super) fn claim_op(claim: Claim, machine: &str, place: Option<&Place>) -> FsOp {
    let mut text =
        serde_json::json!({ "machine": machine, "owner": claim.nonce.to_string(), "since": claim.since });
    if let Some(place) = place {
        text["place"] = serde_json::to_value(place).expect("plain fields");
    }
    FsOp::Replace { path: claim_path(claim, machine), content: Content::from(format!("{text}\n")) }
}

/// The place that the content of a claim tells; None if it tells none.
#[must_use]
pub fn place_told(content: &Content) -> Option<Place> {
    #[derive(Deserialize)]
    struct Told {
        place: Place,
    }
    serde_json::from_slice::<Told>(without_mark(content.bytes())).ok().map(|told| told.place)
}

/// The claims of a folder: by the machine's present name, the eldest first, and the id they were made for.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Owners(BTreeSet<(String, Claim, String)>);

impl Owners {
    pub(super) fn add(&mut self, name: &str, claim: Claim, id: &str) {
        self.0.insert((name.to_owned(), claim, id.to_owned()));
    }

    /// The claim that holds for the machine of this present name.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<Claim> {
        self.0.iter().find(|(known, ..)| known == name).map(|&(_, claim, _)| claim)
    }

    /// Every claim, with the machine's present name and the id it was made for: machines by name, the claim that
    /// holds first.
    pub fn claims(&self) -> impl Iterator<Item = (&str, Claim, &str)> {
        self.0.iter().map(|(name, claim, id)| (name.as_str(), *claim, id.as_str()))
    }

    /// Whether the claim was made for this id.
    #[must_use]
    pub fn has(&self, id: &str, claim: Claim) -> bool {
        self.claims().any(|(_, known, its)| known == claim && its == id)
    }

    /// The claims that do not hold, each with the one that does and the id its owner goes on under, where it does.
    pub fn lost(&self) -> impl Iterator<Item = Lost<'_>> {
        self.claims().filter_map(|(name, claim, id)| {
            let winner = self.of(name).filter(|&winner| winner != claim)?;
            let moved =
                self.claims().find(|&(other, known, _)| known == claim && self.of(other) == Some(claim));
            Some(Lost { name, claim, id, winner, moved: moved.map(|(name, ..)| name) })
        })
    }

    /// The problems of claims that do not hold and whose owners have not heard of it yet.
    pub(super) fn problems(&self) -> impl Iterator<Item = Problem> {
        self.lost().filter(|lost| lost.moved.is_none()).map(|lost| Problem {
            file: claim_path(lost.claim, lost.id).name().into(),
            line: 0,
            kind: ProblemKind::ContestedId,
            detail: format!(
                "`{}` belongs to {}, and {} chose it too",
                lost.name, lost.winner.nonce, lost.claim.nonce
            ),
        })
    }
}

/// A claim that does not hold.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Lost<'a> {
    /// The present name of the machine that is claimed.
    pub name: &'a str,
    /// The claim.
    pub claim: Claim,
    /// The id it was made for.
    pub id: &'a str,
    /// The claim that holds.
    pub winner: Claim,
    /// The present name that its owner goes on under.
    pub moved: Option<&'a str>,
}

/// Whose lines a file holds that is named as those are which a machine keeps when it gives up an id.
#[must_use]
pub fn keeper(file_name: &str) -> Option<Nonce> {
    let stem = file_name.strip_suffix(".jsonl")?;
    Log::SHARED.into_iter().find_map(|log| {
        let rest = stem.strip_prefix(log.file_name().strip_suffix(".jsonl")?)?;
        rest.strip_prefix('-')?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(since: i64, nonce: u32) -> Claim {
        Claim { since, nonce: Nonce(nonce) }
    }

    #[test]
    fn the_elder_owner_keeps_the_id_and_within_a_second_the_lower_nonce() {
        let all = [claim(1_767_225_600, 1), claim(1_767_225_600, 7), claim(1_767_225_599, 0xffff_ffff)];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut owners = Owners::default();
            for (seen, at) in order.into_iter().enumerate() {
                owners.add("laptop", all[at], "laptop");
                let eldest = order[..=seen].iter().map(|&at| all[at]).min();
                assert_eq!(owners.of("laptop"), eldest, "{order:?}");
            }
            assert_eq!(owners.of("laptop"), Some(all[2]), "{order:?}");
            assert_eq!(owners.lost().count(), 2, "{order:?}");
        }
        // An elder of another machine changes nothing.
        let mut owners = Owners::default();
        owners.add("desk", all[2], "desk");
        owners.add("laptop", all[1], "laptop");
        assert_eq!((owners.of("laptop"), owners.lost().count()), (Some(all[1]), 0));
    }

    #[test]
    fn names_of_one_machine_have_one_owner() {
        let mut owners = Owners::default();
        // It was renamed: two directories, one owner.
        owners.add("desk", claim(5, 1), "laptop");
        owners.add("desk", claim(5, 1), "desk");
        assert_eq!(owners.lost().count(), 0);
        // Somebody else chose the old name too, and has not heard of it.
        owners.add("desk", claim(6, 2), "laptop");
        let lost: Vec<_> = owners.lost().collect();
        assert_eq!((lost.len(), lost[0].claim, lost[0].moved), (1, claim(6, 2), None));
        let told: Vec<_> = owners.problems().map(|problem| problem.to_string()).collect();
        insta::assert_snapshot!(told.join("\n"), @"shared/machines/laptop/owner-6-00000002.json: contested-id: `desk` belongs to 00000001, and 00000002 chose it too");
        // Then it goes on elsewhere, and nothing is wrong any more.
        owners.add("laptop-00000002", claim(6, 2), "laptop-00000002");
        assert_eq!(owners.lost().next().and_then(|lost| lost.moved), Some("laptop-00000002"));
        assert_eq!(owners.problems().count(), 0);
    }
}
