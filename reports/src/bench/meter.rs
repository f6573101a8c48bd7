//! What is measured in a run, by looking at the world after every choice.

use cloudchamber_folder::ReplicaId;
use cloudchamber_folder::systems::failover::{FailoverSystem, acts, agreed_on};
use cloudchamber_folder::trace::Watched;
use cloudchamber_folder::world::{Choice, ChoiceOf, Part};

/// A look at a whole run.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Meter {
    /// World time from which on things are counted, ms.
    from_ms: u64,
    /// To whom the event of the run is to happen; nothing in a run without one.
    victim: Option<ReplicaId>,
    /// Who has to be active after it; anybody where nobody is named.
    target: Option<ReplicaId>,
    /// Who is active, one bit a replica.
    active: u32,
    /// World time of the last look, ms.
    looked_ms: u64,
    /// The event.
    pub(crate) event: Option<Event>,
    /// From the event to exactly one active, ms.
    pub(crate) one_ms: Option<u64>,
    /// From the event to exactly one active that every replica in reach names, ms.
    pub(crate) agreed_ms: Option<u64>,
    /// Time with two or more active: since the event, or since counting began where there is none, ms.
    pub(crate) overlap_ms: u64,
    /// How often a replica became active.
    pub(crate) activations: u64,
    /// Files written by whoever was active.
    pub(crate) writes_active: u64,
    /// Files written by the others.
    pub(crate) writes_standby: u64,
}

/// What happened to the victim.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Event {
    /// World time, ms.
    pub(crate) at_ms: u64,
    /// Who was active just before, one bit a replica.
    pub(crate) before: u32,
}

impl Event {
    /// The only one that was active; none where nobody was, or several.
    pub(crate) fn leader(self) -> Option<ReplicaId> {
        single(self.before)
    }
}

fn single(active: u32) -> Option<ReplicaId> {
    (active.count_ones() == 1).then(|| ReplicaId(u8::try_from(active.trailing_zeros()).expect("at most 31")))
}

impl Meter {
    /// For a run without an event.
    pub(crate) fn quiet(from_ms: u64) -> Self {
        Self { from_ms, ..Self::default() }
    }

    /// For a run in which something happens to `victim` at `from_ms`.
    pub(crate) fn of(from_ms: u64, victim: ReplicaId, target: Option<ReplicaId>) -> Self {
        Self { from_ms, victim: Some(victim), target, ..Self::default() }
    }

    /// Looks at the world after a choice.
    pub(crate) fn look(&mut self, run: &Watched<FailoverSystem>, choice: &ChoiceOf<FailoverSystem>) {
        let (setup, world) = (&run.setup, &run.world);
        let now = world.now();
        let counting = now >= self.from_ms;
        let since_ms = match (self.victim, self.event) {
            (Some(_), None) => now,
            _ => self.looked_ms.max(self.from_ms),
        };
        if self.active.count_ones() > 1 {
            self.overlap_ms += now.saturating_sub(since_ms);
        }
        self.looked_ms = now;
        let before = self.active;
        self.active = world
            .replicas()
            .filter(|(id, _)| acts(setup, world, *id))
            .fold(0, |active, (id, _)| active | 1 << id.0);
        if counting {
            self.activations += u64::from((self.active & !before).count_ones());
            self.writes(run, choice, before);
        }
        if self.victim.is_some() && counting && self.event.is_none() && is_event(choice, self.victim) {
            self.event = Some(Event { at_ms: now, before });
        }
        let Some(event) = self.event else { return };
        let Some(one) = single(self.active).filter(|one| self.target.is_none_or(|target| target == *one))
        else {
            return;
        };
        self.one_ms.get_or_insert(now - event.at_ms);
        if self.agreed_ms.is_none() && agreed_on(setup, world, one) {
            self.agreed_ms = Some(now - event.at_ms);
        }
    }

    /// Files that a process has written; the first half of an overwrite is no second write.
    fn writes(&mut self, run: &Watched<FailoverSystem>, choice: &ChoiceOf<FailoverSystem>, active: u32) {
        let Choice::Apply { replica, part: Part::Whole, .. } = choice else { return };
        let files = u64::try_from(run.effects.touched.len()).expect("a small number");
        match active >> replica.0 & 1 {
            1 => self.writes_active += files,
            _ => self.writes_standby += files,
        }
    }
}

fn is_event(choice: &ChoiceOf<FailoverSystem>, victim: Option<ReplicaId>) -> bool {
    matches!(choice, Choice::Crash { .. } | Choice::Sleep { .. } | Choice::Command { .. })
        && choice.replica() == victim
}
