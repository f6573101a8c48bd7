//! In which terms replicas act.

use cloudchamber_core::failover::Policy;

use super::checks::name::TERMS_GO_ON;
use super::checks::{Look, bits};
use crate::checks::Findings;

/// The latest term in which a replica has acted under the policy `majority`.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Terms {
    latest: u64,
}

impl Terms {
    /// Looks at those who have just become active. Several may act in one term, one after the other: who votes for itself
    /// and dies at once may not remember it.
    pub(super) fn after(&mut self, look: &Look<'_>, begun: u32, findings: &mut Findings) {
        for id in bits(begun).filter(|id| look.is_hardened(*id) && look.policy(*id) == Policy::Majority) {
            let Some(term) = look.world.replica(id).protocol().map(|failover| failover.term()) else {
                continue;
            };
            if term < self.latest {
                let latest = self.latest;
                findings.violated(TERMS_GO_ON, || {
                    let seen = format!("{id} acts in term {term} after somebody has acted in term {latest}");
                    let expected = "nobody acts in an earlier term than one in which somebody has acted";
                    look.violation(TERMS_GO_ON, vec![id], expected, seen)
                });
            }
            self.latest = self.latest.max(term);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::ReplicaId;
    use crate::scenario::Scenario;
    use crate::stage::Stage;
    use crate::systems::failover::FailoverSystem;
    use crate::world::{Choice, Effects};

    #[test]
    fn an_earlier_term_after_a_later_one_is_noticed() {
        let text = "system = 'failover'\nrun_ms = 120000\nreplica = [{}, {}, {}]\n\
                    [settings]\ndesign = 'hardened'\npolicy = 'majority'\n";
        let scenario = Scenario::<FailoverSystem>::parse(Path::new("a.toml"), text).unwrap();
        let mut stage = Stage::new(&scenario);
        stage.advance(100_000, &mut |_, _| {});
        let (setup, world) = (&stage.watched().setup, &stage.watched().world);
        let acts = |id: &ReplicaId| super::super::checks::acts(setup, world, *id);
        let one = ReplicaId::all(3).find(acts).expect("somebody acts");
        let term = world.replica(one).protocol().unwrap().term();
        assert!(term > 0);
        let (choice, effects) =
            (Choice::Timer { replica: one, draw: Default::default() }, Effects::default());
        let look = Look { setup, world, choice: &choice, effects: &effects, now: world.now() };
        for (latest, is_earlier) in [(term - 1, false), (term, false), (term + 1, true)] {
            let (mut terms, mut findings) = (Terms { latest }, Findings::default());
            terms.after(&look, 1 << one.0, &mut findings);
            assert_eq!(findings.violation(TERMS_GO_ON).is_some(), is_earlier, "{latest}");
            assert_eq!(terms.latest, latest.max(term));
        }
    }
}
