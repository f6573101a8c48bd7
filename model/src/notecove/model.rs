//! The specification's next-state relation and invariants as a stateright model.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use stateright::{Model, Property};

use super::action::Action;
use super::config::{ActivityMode, Config, Numbering};
use super::invariants;
use super::state::{Known, Replica, State, Update, Window, highest};

/// The specification with `N` replicas.
#[derive(Clone, Debug)]
pub struct NoteCove<const N: usize> {
    config: Config,
    /// The one invariant that is looked at; `None` if all are.
    only: Option<&'static str>,
    tally: Arc<Tally>,
}

/// What was seen while states were looked at.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// How often each kind of step is possible in the states that were looked at, a step counting once whatever
    /// makes it possible.
    pub(super) kinds: [AtomicU64; Action::NAMES.len()],
    /// Edits of notes that the replica had deleted for good.
    pub(super) edits_after_deletion: AtomicU64,
    /// Steps after which somebody's clock says less than before.
    pub(super) clock_decreases: AtomicU64,
    /// States with updates in which everybody has read everything.
    pub(super) fully_synced: AtomicU64,
}

impl<const N: usize> NoteCove<N> {
    /// The specification with these constants.
    ///
    /// # Panics
    /// Where they ask for another number of replicas than `N`, or for more than a state has room for.
    #[must_use]
    pub fn new(config: Config) -> Self {
        config.check().unwrap_or_else(|error| panic!("an unchecked configuration: {error}"));
        assert_eq!(usize::from(config.replicas), N, "the number of replicas is part of the type");
        Self { config, only: None, tally: Arc::default() }
    }

    /// The same with one invariant only, so that the first violation of it ends the search.
    pub(super) fn only(&self, invariant: &'static str) -> Self {
        Self { only: Some(invariant), tally: Arc::default(), ..self.clone() }
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The constants.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether a step is possible.
    fn is_enabled(&self, state: &State<N>, action: Action) -> bool {
        let at = |replica: u8| state.replicas.get(usize::from(replica));
        let runs = |replica: u8| at(replica).is_some_and(|replica| replica.running);
        let others = |replica: u8, origin: u8| replica != origin && runs(replica) && at(origin).is_some();
        match action {
            Action::Edit { replica, note } => self.may_write(state, replica, note),
            Action::SoftDelete { replica, note } => {
                self.config.deletions && self.may_write(state, replica, note)
            }
            Action::PermanentDelete { replica, note } => {
                let may = |known: &Known<N>| (known.soft_deleted & !known.deleted) >> note & 1 == 1;
                note < self.config.notes
                    && runs(replica)
                    && at(replica).is_some_and(|replica| may(&replica.known))
            }
            Action::CloudSyncLog { origin } => {
                at(origin).is_some() && state.pending_log(origin.into()).next().is_some()
            }
            Action::CloudSyncActivity { origin } => {
                at(origin).is_some()
                    && state.pending_activity(origin.into(), self.config.activity).next().is_some()
            }
            Action::CloudSyncDeletion { origin } => {
                at(origin).is_some_and(|Replica { deletions, .. }| deletions.synced < deletions.len)
            }
            Action::ReloadDirect { replica, origin } => {
                runs(replica)
                    && at(origin).is_some()
                    && highest(state.synced_log(origin.into())) > clock(state, replica, origin)
            }
            Action::PollActivity { replica, origin, entry } => {
                others(replica, origin)
                    && (state.synced_activity(origin.into()).nth(entry.into()))
                        .is_some_and(|update| update.seq() > seen(state, replica, origin))
            }
            Action::ReloadFromActivity { replica, origin } => {
                others(replica, origin)
                    && seen(state, replica, origin) > clock(state, replica, origin)
                    && self.logs_have_all_that_was_told(state, replica.into())
            }
            Action::PollDeletion { replica, origin, entry } => {
                others(replica, origin) && {
                    let seen = state.replicas[usize::from(replica)].deletion_watermark[usize::from(origin)];
                    (seen..state.replicas[usize::from(origin)].deletions.synced).contains(&entry)
                }
            }
            Action::ProcessDeletionLog { replica, origin } => {
                others(replica, origin) && {
                    let Replica { deletion_watermark, known, .. } = &state.replicas[usize::from(replica)];
                    deletion_watermark[usize::from(origin)] > 0
                        && state.synced_deletions(origin.into()) & !known.deleted != 0
                }
            }
            Action::CompactActivity { origin } => at(origin)
                .is_some_and(|Replica { activity: Window { from, to }, .. }| to - from > self.config.log_max),
            Action::FullScanFallback { replica, origin } => {
                others(replica, origin)
                    && (state.synced_activity(origin.into()).map(Update::seq).min())
                        .is_some_and(|least| least > seen(state, replica, origin) + 1)
            }
            Action::SaveSnapshot { replica } | Action::Crash { replica } => runs(replica),
            Action::Restart { replica } => at(replica).is_some_and(|replica| !replica.running),
        }
    }

    /// Whether a replica may write an update of a note.
    fn may_write(&self, state: &State<N>, replica: u8, note: u8) -> bool {
        note < self.config.notes
            && state.written < self.config.updates_max
            && usize::from(replica) < N
            && state.can_edit(replica.into(), note)
    }

    /// Offers every step of one replica that is possible.
    fn offer(&self, state: &State<N>, replica: u8, actions: &mut impl FnMut(Action)) {
        let mut offer = |action: Action| {
            if self.is_enabled(state, action) {
                actions(action);
            }
        };
        let origin = replica;
        offer(Action::CloudSyncLog { origin });
        offer(Action::CloudSyncActivity { origin });
        offer(Action::CloudSyncDeletion { origin });
        offer(Action::CompactActivity { origin });
        if !state.replicas[usize::from(replica)].running {
            return offer(Action::Restart { replica });
        }
        offer(Action::SaveSnapshot { replica });
        offer(Action::Crash { replica });
        for note in 0..self.config.notes {
            offer(Action::Edit { replica, note });
            offer(Action::SoftDelete { replica, note });
            offer(Action::PermanentDelete { replica, note });
        }
        for origin in 0..self.config.replicas {
            offer(Action::ReloadDirect { replica, origin });
            offer(Action::ReloadFromActivity { replica, origin });
            offer(Action::ProcessDeletionLog { replica, origin });
            offer(Action::FullScanFallback { replica, origin });
            let Replica { activity: Window { from, to }, deletions, .. } =
                state.replicas[usize::from(origin)];
            for entry in 0..to - from {
                offer(Action::PollActivity { replica, origin, entry });
            }
            for entry in 0..deletions.synced {
                offer(Action::PollDeletion { replica, origin, entry });
            }
        }
    }

    fn logs_have_all_that_was_told(&self, state: &State<N>, replica: usize) -> bool {
        let seen = &state.replicas[replica].watermark;
        (0..N).all(|origin| origin == replica || seen[origin] <= highest(state.synced_log(origin)))
    }

    /// The state after a step that is possible.
    fn step(&self, state: &mut State<N>, action: Action) {
        match action {
            Action::Edit { replica, note } => self.write(state, replica.into(), note, false),
            Action::SoftDelete { replica, note } => self.write(state, replica.into(), note, true),
            Action::PermanentDelete { replica, note } => {
                let replica = &mut state.replicas[usize::from(replica)];
                replica.known.deleted |= 1 << note;
                replica.deletions.push(note);
            }
            Action::CloudSyncLog { origin } => state.replicas[usize::from(origin)].log_synced += 1,
            Action::CloudSyncActivity { origin } => self.sync_activity(state, origin.into()),
            Action::CloudSyncDeletion { origin } => state.replicas[usize::from(origin)].deletions.synced += 1,
            Action::ReloadDirect { replica, .. } | Action::ReloadFromActivity { replica, .. } => {
                reload(state, replica.into());
            }
            Action::PollActivity { replica, .. } => {
                let seen = told(state);
                let watermark = &mut state.replicas[usize::from(replica)].watermark;
                for origin in (0..N).filter(|origin| *origin != usize::from(replica)) {
                    watermark[origin] = watermark[origin].max(seen[origin]);
                }
            }
            Action::PollDeletion { replica, .. } => {
                let synced: [u8; N] = std::array::from_fn(|origin| state.replicas[origin].deletions.synced);
                let watermark = &mut state.replicas[usize::from(replica)].deletion_watermark;
                for origin in (0..N).filter(|origin| *origin != usize::from(replica)) {
                    watermark[origin] = watermark[origin].max(synced[origin]);
                }
            }
            Action::ProcessDeletionLog { replica, .. } => {
                let others = (0..N).filter(|origin| *origin != usize::from(replica));
                let deleted = others.fold(0, |deleted, origin| deleted | state.synced_deletions(origin));
                state.replicas[usize::from(replica)].known.deleted |= deleted;
            }
            Action::CompactActivity { origin } => self.compact(state, origin.into()),
            Action::FullScanFallback { replica, .. } => {
                reload(state, replica.into());
                let seen = told(state);
                let watermark = &mut state.replicas[usize::from(replica)].watermark;
                for origin in (0..N).filter(|origin| *origin != usize::from(replica)) {
                    watermark[origin] = seen[origin];
                }
            }
            Action::SaveSnapshot { replica } => {
                let replica = &mut state.replicas[usize::from(replica)];
                replica.snapshot = replica.known;
            }
            Action::Crash { replica } => state.replicas[usize::from(replica)].running = false,
            Action::Restart { replica } => self.restart(state, replica.into()),
        }
    }

    /// Writes an update, and tells of it in the activity log.
    fn write(&self, state: &mut State<N>, origin: usize, note: u8, is_soft_delete: bool) {
        let id = state.written;
        let replica = &mut state.replicas[origin];
        let seq = replica.next_seq;
        match is_soft_delete {
            true => replica.known.soft_deleted |= 1 << note,
            false => replica.known.doc |= 1 << id,
        }
        replica.known.clock[origin] = seq;
        replica.next_seq = seq + 1;
        state.updates[usize::from(id)] = Update::new(origin, seq, note, is_soft_delete);
        state.written = id + 1;
        self.tidy(state, origin);
    }

    fn sync_activity(&self, state: &mut State<N>, origin: usize) {
        let len = length(state, origin);
        let Window { from, to } = &mut state.replicas[origin].activity;
        match self.config.activity {
            ActivityMode::Append => *to += 1,
            ActivityMode::Replace => (*from, *to) = (len - 1, len),
        }
    }

    /// Keeps half as many entries as there may be.
    fn compact(&self, state: &mut State<N>, origin: usize) {
        let Window { from, to } = &mut state.replicas[origin].activity;
        *from = *to - self.config.log_max / 2;
        self.tidy(state, origin);
    }

    /// In replace mode an empty window says nothing but whether the last update's entry waits: one of all the places
    /// that say so stands for them.
    fn tidy(&self, state: &mut State<N>, origin: usize) {
        let len = length(state, origin);
        let Window { from, to } = &mut state.replicas[origin].activity;
        if self.config.activity == ActivityMode::Replace && from == to && *to < len {
            (*from, *to) = (0, 0);
        }
    }

    fn restart(&self, state: &mut State<N>, at: usize) {
        let mut known = state.replicas[at].snapshot;
        let saved = known.clock[at];
        read_synced(state, &mut known);
        let synced = state.replicas[at].log_synced;
        for (place, (id, update)) in (0u8..).zip(state.with_ids(at)) {
            if place >= synced {
                apply(&mut known, id, update);
            }
        }
        let (last_synced, last_waiting) = (highest(state.synced_log(at)), highest(state.pending_log(at)));
        known.clock[at] = if last_waiting > last_synced { last_waiting } else { last_synced.max(saved) };
        for origin in 0..N {
            let deletions = state.replicas[origin].deletions;
            known.deleted |= deletions.bits(if origin == at { deletions.len } else { deletions.synced });
        }
        let replica = &mut state.replicas[at];
        replica.running = true;
        replica.known = known;
        replica.next_seq = match self.config.numbering {
            Numbering::FromLog => last_waiting.max(last_synced) + 1,
            Numbering::FromOne => 1,
        };
        (replica.watermark, replica.deletion_watermark) = ([0; N], [0; N]);
    }

    fn count(&self, before: &State<N>, action: Action, after: &State<N>) {
        let one_more = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
        if let Action::Edit { replica, note } = action
            && before.replicas[usize::from(replica)].known.deleted >> note & 1 == 1
        {
            one_more(&self.tally.edits_after_deletion);
        }
        let less = |(before, after): (&Replica<N>, &Replica<N>)| {
            before.known.clock.iter().zip(&after.known.clock).any(|(before, after)| after < before)
        };
        if before.replicas.iter().zip(&after.replicas).any(less) {
            one_more(&self.tally.clock_decreases);
        }
    }
}

fn clock<const N: usize>(state: &State<N>, replica: u8, origin: u8) -> u8 {
    state.replicas[usize::from(replica)].known.clock[usize::from(origin)]
}

fn seen<const N: usize>(state: &State<N>, replica: u8, origin: u8) -> u8 {
    state.replicas[usize::from(replica)].watermark[usize::from(origin)]
}

/// How many updates a replica has written.
fn length<const N: usize>(state: &State<N>, origin: usize) -> u8 {
    u8::try_from(state.log(origin).count()).expect("few updates")
}

/// The highest number that each activity log tells of.
fn told<const N: usize>(state: &State<N>) -> [u8; N] {
    std::array::from_fn(|origin| highest(state.synced_activity(origin)))
}

fn apply<const N: usize>(known: &mut Known<N>, id: u8, update: Update) {
    match update.is_soft_delete() {
        true => known.soft_deleted |= 1 << update.note(),
        false => known.doc |= 1 << id,
    }
}

/// Applies what is readable in the logs and newer than the clock says.
fn read_synced<const N: usize>(state: &State<N>, known: &mut Known<N>) {
    for origin in 0..N {
        let seen = known.clock[origin];
        for (id, update) in state.with_ids(origin).take(state.replicas[origin].log_synced.into()) {
            if update.seq() > seen {
                apply(known, id, update);
                known.clock[origin] = known.clock[origin].max(update.seq());
            }
        }
    }
}

fn reload<const N: usize>(state: &mut State<N>, replica: usize) {
    let mut known = state.replicas[replica].known;
    read_synced(state, &mut known);
    state.replicas[replica].known = known;
}

impl<const N: usize> Model for NoteCove<N> {
    type State = State<N>;
    type Action = Action;

    fn init_states(&self) -> Vec<State<N>> {
        vec![State::FIRST]
    }

    fn actions(&self, state: &State<N>, actions: &mut Vec<Action>) {
        // How often each kind was taken; what makes it possible more than once counts once.
        let mut kinds = [0u8; Action::NAMES.len()];
        for replica in 0..self.config.replicas {
            let mut of_this = 0u16;
            self.offer(state, replica, &mut |action| {
                let kind = action.kind();
                kinds[kind] += u8::from(!action.has_witness() || of_this >> kind & 1 == 0);
                of_this |= 1 << kind;
                actions.push(action);
            });
        }
        for (counter, kind) in self.tally.kinds.iter().zip(kinds).filter(|(_, kind)| *kind > 0) {
            counter.fetch_add(kind.into(), Ordering::Relaxed);
        }
    }

    fn next_state(&self, state: &State<N>, action: Action) -> Option<State<N>> {
        if !self.is_enabled(state, action) {
            return None;
        }
        let mut next = state.clone();
        self.step(&mut next, action);
        self.count(state, action, &next);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let all: [Property<Self>; 5] = [
            Property::always("TypeOK", |it, state| invariants::type_ok(&it.config, state)),
            Property::always("VectorClockMonotonic", |it, state| {
                invariants::vector_clock_monotonic(&it.config, state)
            }),
            Property::always("SequenceContiguous", |it, state| {
                invariants::sequence_contiguous(&it.config, state)
            }),
            Property::always("ValidUpdates", |it, state| invariants::valid_updates(&it.config, state)),
            Property::always("ConvergenceInvariant", |it: &Self, state: &State<N>| {
                if state.written() > 0 && state.fully_synced(&it.config) {
                    it.tally.fully_synced.fetch_add(1, Ordering::Relaxed);
                }
                invariants::convergence(&it.config, state)
            }),
        ];
        all.into_iter().filter(|property| self.only.is_none_or(|only| only == property.name)).collect()
    }
}
