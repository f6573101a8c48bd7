//! Who chose an id that another machine chose too, and who has heard of it.

use std::collections::{BTreeMap, BTreeSet};

use cloudchamber_core::Path;
use cloudchamber_core::journal::claims::claim_path;
use cloudchamber_core::kit::claims::Claim;

use super::JournalSystem;
use crate::ReplicaId;
use crate::world::World;

/// The claims to machines' directories: nothing in a folder can keep two machines from taking one id before the
/// claims have arrived, and nothing excuses it afterwards.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Claims {
    /// By the directory: who claims it, by which file.
    made: BTreeMap<Path, BTreeMap<ReplicaId, Path>>,
    /// Since when the first one's disk has named the claim of the second, ms of world time.
    heard: BTreeMap<(ReplicaId, ReplicaId), u64>,
}

impl Claims {
    /// Takes note of a file that a replica wrote, where that is a claim.
    pub(super) fn written(&mut self, id: ReplicaId, path: &Path) {
        if Claim::parse(path.file_name()).is_none() {
            return;
        }
        if let Some(dir) = path.parent() {
            self.made.entry(dir).or_default().insert(id, path.clone());
        }
    }

    /// Takes note of the claims that have arrived where somebody else claims the same.
    pub(super) fn look(&mut self, world: &World<JournalSystem>) {
        for claims in self.made.values().filter(|claims| claims.len() > 1) {
            for (id, replica) in world.replicas().filter(|(id, _)| claims.contains_key(id)) {
                let others = claims.iter().filter(|(other, _)| **other != id);
                for (other, path) in others {
                    if replica.disk().slot(path).is_some_and(|slot| slot.body.is_some()) {
                        self.heard.entry((id, *other)).or_insert(world.now());
                    }
                }
            }
        }
    }

    /// Whether both claim one directory.
    fn contest(&self, one: ReplicaId, other: ReplicaId) -> bool {
        self.made.values().any(|claims| claims.contains_key(&one) && claims.contains_key(&other))
    }

    /// Whose claims a replica knew of when it last read its folder.
    pub(super) fn read(&self, world: &World<JournalSystem>, id: ReplicaId) -> BTreeSet<ReplicaId> {
        let Some(journal) = world.replica(id).protocol() else { return BTreeSet::new() };
        let owners = &journal.folder().owners;
        let known =
            |path: &Path| owners.claims().any(|(_, claim, machine)| claim_path(claim, machine) == *path);
        let contested = self.made.values().filter(|claims| claims.len() > 1 && claims.contains_key(&id));
        let others = contested.flatten().filter(|(other, _)| **other != id);
        others.filter(|(_, path)| known(path)).map(|(other, _)| *other).collect()
    }

    /// Whose claims a replica's disk had named at a time, ms of world time.
    pub(super) fn heard(&self, id: ReplicaId, at_ms: u64) -> BTreeSet<ReplicaId> {
        let heard = self.heard.iter().filter(|((who, _), since)| *who == id && **since <= at_ms);
        heard.map(|((_, other), _)| *other).collect()
    }

    /// Whether two replicas may both have acted as the owner of one id: they claim the same, and one of them did not
    /// know of the other's claim. Each is told with those of whom it knew.
    pub(super) fn excuse(
        &self,
        (one, known): (ReplicaId, &BTreeSet<ReplicaId>),
        (other, its): (ReplicaId, &BTreeSet<ReplicaId>),
    ) -> bool {
        self.contest(one, other) && !(known.contains(&other) && its.contains(&one))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_of_one_id_are_excused_until_each_knows_of_the_other_and_nobody_else_is() {
        let (a, b, c) = (ReplicaId(0), ReplicaId(1), ReplicaId(2));
        let mut claims = Claims::default();
        let claim = |machine: &str, nonce: u32| {
            Path::shared(&format!("shared/machines/{machine}/owner-1-{nonce:08x}.json"))
        };
        claims.written(a, &claim("laptop", 1));
        claims.written(c, &claim("server", 3));
        claims.written(b, &Path::shared("shared/machines/laptop/messages.jsonl"));
        let (nobody, knows_a, knows_b) = (BTreeSet::new(), BTreeSet::from([a]), BTreeSet::from([b]));
        // It has written there without a claim, as the published design does.
        assert!(!claims.excuse((a, &nobody), (b, &nobody)));
        claims.written(b, &claim("laptop", 2));
        for (of_a, of_b, excused) in [
            (&nobody, &nobody, true),
            (&knows_b, &nobody, true),
            (&nobody, &knows_a, true),
            (&knows_b, &knows_a, false),
        ] {
            assert_eq!(claims.excuse((a, of_a), (b, of_b)), excused, "{of_a:?} {of_b:?}");
            assert_eq!(claims.excuse((b, of_b), (a, of_a)), excused, "{of_b:?} {of_a:?}");
        }
        assert!(!claims.excuse((a, &nobody), (c, &nobody)), "they claim different machines");
    }
}
