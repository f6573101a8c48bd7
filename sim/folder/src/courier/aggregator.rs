//! When Syncthing sends what.
//!
//! The rule is that of Syncthing 1.19.2 and of its later versions (`lib/watchaggregator/aggregator.go`, there
//! with the reasons). One timer serves the whole folder. It starts with the folder; once it has fired and
//! found nothing waiting it stands still until the next change starts it. Each time it fires, a file is sent
//! that did not change for more than half a period, or that waits for longer than the time-out. A removal is
//! not sent for resting but for its time-out alone, unless nothing but removals is left to wait. So a file
//! that keeps changing, and a removal beside one, wait for the time-out, and then for the timer.

/// What waits in one replica's folder, and the timer.
#[derive(Clone, Debug)]
pub(super) struct Aggregator {
    delay_ms: u64,
    timeout_ms: u64,
    /// When the timer fires next; in the past where it stands still.
    fires_at: u64,
    /// Files with changes that were not sent, in the order of their first change.
    waiting: Vec<Waiting>,
    /// For each file, its place in `waiting` plus one; 0 where it does not wait.
    places: Vec<u32>,
    /// Whether so many files wait that they are looked at as one.
    whole: bool,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    file: u32,
    first: u64,
    last: u64,
    kind: Kind,
}

/// What happened to a waiting file. The order is that in which the kinds of a batch are sent.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Kind {
    Written,
    Mixed,
    Removed,
}

impl Kind {
    fn and(self, other: Self) -> Self {
        if self == other { self } else { Self::Mixed }
    }
}

/// From this many waiting files on, the whole folder is scanned at once (upstream's `maxFiles`).
const FILES_MAX: usize = 512;

/// A period lasts a little longer than the timer's delay, because the timer is set again only once a batch has
/// been handed over. The clock's resolution stands for the little. It decides whether a change that started
/// the timer has waited for longer than six periods when the sixth is over.
const REARM_MS: u64 = 1;

impl Aggregator {
    /// A folder that is opened at time 0.
    pub(super) fn new(delay_ms: u64, timeout_ms: u64) -> Self {
        Self { delay_ms, timeout_ms, fires_at: delay_ms, waiting: vec![], places: vec![], whole: false }
    }

    /// Takes note of a change; returns when the timer fires where it was not known to have work.
    pub(super) fn touched(&mut self, now: u64, file: u32, kind: Kind) -> Option<u64> {
        let place = file as usize;
        if self.places.len() <= place {
            self.places.resize(place + 1, 0);
        }
        if let Some(known) = self.places[place].checked_sub(1) {
            let waiting = &mut self.waiting[known as usize];
            waiting.last = now;
            waiting.kind = waiting.kind.and(kind);
            return None;
        }
        self.waiting.push(Waiting { file, first: now, last: now, kind });
        self.places[place] = u32::try_from(self.waiting.len()).expect("file numbers are u32");
        self.whole |= self.waiting.len() > FILES_MAX;
        if self.waiting.len() > 1 {
            return None;
        }
        if self.fires_at <= now {
            self.fires_at = now + self.delay_ms;
        }
        Some(self.fires_at)
    }

    /// Whether a file waits to be sent.
    pub(super) fn waits_for(&self, file: u32) -> bool {
        self.places.get(file as usize).is_some_and(|place| *place > 0)
    }

    /// Fires the timer: moves what is to be sent to `batch`, and returns when to fire next where something is
    /// still waiting.
    pub(super) fn fire(&mut self, at: u64, batch: &mut Vec<(u32, Kind)>) -> Option<u64> {
        if self.whole {
            self.fire_whole(at, batch);
        } else {
            self.send(at, false, batch);
            let only_removals = self.waiting.iter().all(|waiting| waiting.kind != Kind::Written);
            if only_removals && self.delay_ms != self.timeout_ms {
                self.send(at, true, batch);
            }
        }
        self.fires_at = at + self.delay_ms + REARM_MS;
        (!self.waiting.is_empty()).then_some(self.fires_at)
    }

    fn send(&mut self, at: u64, removals: bool, batch: &mut Vec<(u32, Kind)>) {
        let (delay_ms, timeout_ms, places) = (self.delay_ms, self.timeout_ms, &mut self.places);
        let mut kept = 0_u32;
        self.waiting.retain(|waiting| {
            let may_rest = removals || waiting.kind == Kind::Written;
            let sent = (may_rest && 2 * at.saturating_sub(waiting.last) > delay_ms)
                || at.saturating_sub(waiting.first) > timeout_ms;
            if sent {
                batch.push((waiting.file, waiting.kind));
                places[waiting.file as usize] = 0;
            } else {
                kept += 1;
                places[waiting.file as usize] = kept;
            }
            !sent
        });
    }

    /// The folder is one waiting thing: changed when any file was, waiting since the first was.
    fn fire_whole(&mut self, at: u64, batch: &mut Vec<(u32, Kind)>) {
        let first = self.waiting.iter().map(|waiting| waiting.first).min().unwrap_or(at);
        let last = self.waiting.iter().map(|waiting| waiting.last).max().unwrap_or(at);
        let rests = 2 * at.saturating_sub(last) > self.delay_ms;
        // Whether or not removals are among the changes: nothing but the one thing is left to wait.
        if rests || at.saturating_sub(first) > self.timeout_ms {
            batch.extend(self.waiting.drain(..).map(|waiting| (waiting.file, waiting.kind)));
            self.places.fill(0);
            self.whole = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files of the batch that leaves when the timer fires.
    fn sent(aggregator: &mut Aggregator, at: u64) -> Vec<u32> {
        let mut batch = Vec::new();
        aggregator.fire(at, &mut batch);
        batch.iter().map(|(file, _)| *file).collect()
    }

    #[test]
    fn a_change_in_an_idle_folder_waits_for_one_period() {
        let mut folder = Aggregator::new(10_000, 60_000);
        assert_eq!(folder.touched(50_000, 0, Kind::Written), Some(60_000));
        assert_eq!(sent(&mut folder, 60_000), [0]);
    }

    #[test]
    fn a_change_soon_before_the_timer_waits_for_the_next() {
        let mut folder = Aggregator::new(10_000, 60_000);
        assert_eq!(folder.touched(5_000, 0, Kind::Written), Some(10_000));
        assert!(sent(&mut folder, 10_000).is_empty());
        assert_eq!(sent(&mut folder, 20_001), [0]);
    }

    #[test]
    fn a_file_that_keeps_changing_waits_for_its_time_out() {
        let mut folder = Aggregator::new(10_000, 60_000);
        let mut fires = folder.touched(50_000, 0, Kind::Written);
        let mut sent_at = None;
        for now in (51_000..130_000).step_by(1_000) {
            while let Some(at) = fires.filter(|at| *at <= now && sent_at.is_none()) {
                let mut batch = Vec::new();
                fires = folder.fire(at, &mut batch);
                sent_at = (!batch.is_empty()).then_some(at);
            }
            folder.touched(now, 0, Kind::Written);
        }
        // The sixth period ends 5 ms after the time-out, so the first round is shorter than all others.
        assert_eq!(sent_at, Some(110_005));
    }

    #[test]
    fn a_removal_waits_while_another_file_does() {
        let mut folder = Aggregator::new(10_000, 60_000);
        folder.touched(0, 0, Kind::Removed);
        folder.touched(9_000, 1, Kind::Written);
        assert!(sent(&mut folder, 10_000).is_empty());
        assert_eq!(sent(&mut folder, 20_001), [1, 0]);
    }

    #[test]
    fn a_file_written_and_removed_is_sent_between_the_others() {
        let mut folder = Aggregator::new(10_000, 60_000);
        folder.touched(0, 0, Kind::Removed);
        folder.touched(0, 1, Kind::Written);
        folder.touched(0, 1, Kind::Removed);
        let mut batch = Vec::new();
        folder.fire(10_000, &mut batch);
        batch.sort_unstable_by_key(|(file, kind)| (*kind, *file));
        assert_eq!(batch, [(1, Kind::Mixed), (0, Kind::Removed)]);
    }

    #[test]
    fn very_many_files_are_one() {
        let mut folder = Aggregator::new(10_000, 60_000);
        for file in 0..600 {
            folder.touched(u64::from(file), file, Kind::Written);
        }
        folder.touched(9_000, 0, Kind::Written);
        assert!(sent(&mut folder, 10_000).is_empty());
        assert_eq!(sent(&mut folder, 20_001).len(), 600);
        assert_eq!(folder.touched(40_000, 3, Kind::Written), Some(50_000));
    }
}
