//! What is measured in a run, by looking at the world after every choice.

use std::collections::BTreeMap;

use cloudchamber_core::Path;
use cloudchamber_core::failover::Event as Told;
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
    /// Whether what happens after all have agreed still counts.
    to_the_end: bool,
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
    /// Files written by the active replica.
    pub(crate) writes_active: u64,
    /// Files written by the others.
    pub(crate) writes_standby: u64,
    /// Of both, those within [`TOGETHER_MS`] after a write of another replica's.
    pub(crate) writes_together: u64,
    /// Versions that the server took.
    pub(crate) versions: u64,
    /// Files that two replicas had changed apart from each other.
    pub(crate) conflicts: u64,
    /// Of these, files below `devices`.
    pub(crate) device_conflicts: u64,
    /// When each replica first suspected that the active one is gone, ms after the event.
    pub(crate) suspected_ms: BTreeMap<ReplicaId, u64>,
    /// When each replica last wrote a file, ms.
    wrote_ms: BTreeMap<ReplicaId, u64>,
}

/// Within what time writes of two replicas count as one storm, ms.
pub(crate) const TOGETHER_MS: u64 = 1_000;

/// What happened to the victim.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Event {
    /// World time, ms.
    pub(crate) at_ms: u64,
    /// Who was active just before, one bit a replica.
    pub(crate) before: u32,
}

impl Event {
    /// The only one that was active; `None` if nobody was, or several.
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

    /// For a run in which something happens to `victim` at `from_ms`. What happens after all have agreed is another
    /// story, unless the event has a second part, `to_the_end`.
    pub(crate) fn of(from_ms: u64, victim: ReplicaId, target: Option<ReplicaId>, to_the_end: bool) -> Self {
        Self { from_ms, victim: Some(victim), target, to_the_end, ..Self::default() }
    }

    /// Whether what happens now belongs to what is measured.
    fn counts(&self, now: u64) -> bool {
        match self.victim {
            None => now >= self.from_ms,
            Some(_) => self.event.is_some() && (self.to_the_end || self.agreed_ms.is_none()),
        }
    }

    /// Looks at the world after a choice.
    pub(crate) fn look(&mut self, run: &Watched<FailoverSystem>, choice: &ChoiceOf<FailoverSystem>) {
        let (setup, world) = (&run.setup, &run.world);
        let now = world.now();
        if self.active.count_ones() > 1 && self.counts(now) {
            self.overlap_ms += now - self.looked_ms.max(self.from_ms);
        }
        self.looked_ms = now;
        let before = self.active;
        self.active = world
            .replicas()
            .filter(|(id, _)| acts(setup, world, *id))
            .fold(0, |active, (id, _)| active | 1 << id.0);
        if now >= self.from_ms && self.event.is_none() && is_event(choice, self.victim) {
            self.event = Some(Event { at_ms: now, before });
        }
        if self.counts(now) {
            self.activations += u64::from((self.active & !before).count_ones());
            self.writes(run, choice, before);
            self.client(run);
        }
        let Some(event) = self.event else { return };
        if let Some(id) = choice.replica()
            && run.effects.events.iter().any(|told| matches!(told, Told::Suspected { .. }))
        {
            self.suspected_ms.entry(id).or_insert(now - event.at_ms);
        }
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
        if files > 0 {
            let now = run.world.now();
            let others = self.wrote_ms.iter().filter(|(id, _)| *id != replica);
            let together = others.into_iter().any(|(_, wrote_ms)| now - wrote_ms <= TOGETHER_MS);
            self.writes_together += if together { files } else { 0 };
            self.wrote_ms.insert(*replica, now);
        }
    }

    /// What the sync clients did.
    fn client(&mut self, run: &Watched<FailoverSystem>) {
        self.versions += u64::try_from(run.effects.committed.len()).expect("a small number");
        // A client that forgot what it had synced finds its own earlier version: one writer all the same.
        for conflict in run.effects.conflicts.iter().filter(|conflict| conflict.winner != conflict.loser) {
            self.conflicts += 1;
            self.device_conflicts += u64::from(conflict.path.below(&Path::shared("devices")).is_some());
        }
    }
}

fn is_event(choice: &ChoiceOf<FailoverSystem>, victim: Option<ReplicaId>) -> bool {
    matches!(choice, Choice::Crash { .. } | Choice::Sleep { .. } | Choice::Command { .. })
        && victim.is_some()
        && choice.replica() == victim
}
