//! The courier beside real Syncthing: the experiments that were measured, simulated.
//!
//! The measurements are in `tests/data/syncthing`. Each experiment runs as it ran then, against the `syncthing`
//! profile, with a reader on the second replica.

use std::sync::Arc;

use cloudchamber_core::{Never, Path};
use serde::{Deserialize, Serialize};

use super::{Courier, Folder, Touch};
use crate::ReplicaId;
use crate::profile::{Arrival, Debounce, Delay, Profile};
use crate::world::Choice;

/// Who writes; the other replica reads.
const WRITER: ReplicaId = ReplicaId(0);

/// One number, measured and simulated.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Row {
    /// What was done and what is told of it.
    pub what: String,
    /// Of what the numbers count.
    pub unit: Unit,
    /// What real clients did.
    pub measured: u64,
    /// What the courier does.
    pub simulated: u64,
    /// How far the two may be apart, in percent of the measured number.
    pub tolerance_percent: u64,
}

impl Row {
    /// Whether the two are as near to each other as they should be.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.measured.abs_diff(self.simulated) * 100 <= self.measured * self.tolerance_percent
    }
}

/// What a number counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Milliseconds.
    Ms,
    /// Parts in a hundred.
    Percent,
    /// Versions of a file.
    Versions,
}

/// Every experiment's numbers, measured beside simulated.
///
/// # Panics
/// Where the embedded measurements cannot be read, which the tests rule out.
#[must_use]
pub fn table(seed: u64) -> Vec<Row> {
    let mut rows = Vec::new();
    delays(seed, &mut rows);
    hot_files(seed, &mut rows);
    deletions(seed, &mut rows);
    orders(seed, &mut rows);
    rows
}

#[derive(Deserialize)]
struct Delays {
    samples_ms: Samples,
}

#[derive(Deserialize)]
struct Samples {
    watcher_10s_random_phase: Vec<u64>,
    watcher_10s_phase_locked: Vec<u64>,
    watcher_1s: Vec<u64>,
}

#[derive(Deserialize)]
struct HotFiles {
    by_period_s: std::collections::BTreeMap<String, HotFile>,
    delete_delay_s: Deletions,
}

#[derive(Deserialize)]
struct HotFile {
    versions_seen: u64,
    gap_max_s: f64,
    worst_staleness_s: f64,
}

#[derive(Deserialize)]
struct Deletions {
    quiet: Vec<f64>,
    busy: Vec<f64>,
}

#[derive(Deserialize)]
struct Orders {
    inverted_pairs_percent: Inverted,
    eight_data_files_then_a_pointer: Pointer,
}

#[derive(Deserialize)]
struct Inverted {
    watcher_1s: Vec<u64>,
    watcher_10s: Vec<u64>,
}

#[derive(Deserialize)]
struct Pointer {
    trials: u64,
    pointer_before_a_data_file: u64,
}

fn parsed<T: for<'de> Deserialize<'de>>(text: &str) -> T {
    serde_json::from_str(text).expect("the embedded measurements are as the tests found them")
}

#[allow(
    clippy::float_arithmetic,
    reason = "the measurements are in seconds with fractions; all that follows is in ms"
)]
fn ms(seconds: f64) -> u64 {
    (seconds * 1_000.0).round() as u64
}

/// The folder of two replicas in which replica 0 writes and replica 1 reads.
struct Pair {
    courier: Courier,
    now: u64,
    files: Files,
}

/// The files of the two, by number.
struct Files {
    /// When each version of each file was written; version 1 is the first.
    written: Vec<Vec<u64>>,
    /// When each file was last changed, whether or not it was sent.
    changed: Vec<u64>,
    removed: Vec<bool>,
    /// Whether the reader has it.
    read: Vec<bool>,
    paths: Vec<Path>,
}

/// A version as the reader first sees it.
struct Seen {
    file: usize,
    at: u64,
    written: u64,
}

impl Pair {
    fn new(watcher_ms: u64, files: usize, seed: u64) -> Self {
        let mut profile = (*Profile::named("syncthing").expect("a built-in profile")).clone();
        profile.timing.debounce =
            Debounce::Aggregator { delay_ms: watcher_ms, timeout_ms: 6 * watcher_ms.min(10_000) };
        // In the runs that were measured no update was missed.
        profile.hazards.stall = crate::profile::Ratio::NEVER;
        Self {
            courier: Courier::new(Arc::new(profile), 2, seed),
            now: 0,
            files: Files {
                written: vec![Vec::new(); files],
                changed: vec![0; files],
                removed: vec![false; files],
                read: vec![false; files],
                paths: (0..files).map(|file| Path::shared(&format!("file-{file:03}"))).collect(),
            },
        }
    }

    fn write(&mut self, file: usize) {
        (self.files.changed[file], self.files.removed[file]) = (self.now, false);
        self.courier.touched(self.now, WRITER, &self.files.paths[file], Touch::Written);
    }

    fn remove(&mut self, file: usize) {
        (self.files.changed[file], self.files.removed[file]) = (self.now, true);
        self.courier.touched(self.now, WRITER, &self.files.paths[file], Touch::Removed);
    }

    /// Lets everything happen that is due up to `until`; the reader's next new version ends it earlier.
    fn run(&mut self, until: u64) -> Option<Seen> {
        while let Some(due) = self.courier.due().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            let choice: Option<Choice<Never, Never>> = self.courier.next(due, &self.files);
            match choice {
                Some(Choice::Upload { path, .. }) => {
                    let file = self.files.number(&path);
                    self.files.written[file].push(self.files.changed[file]);
                    let (version, removed) = (self.files.latest(&path), self.files.removed[file]);
                    self.courier.committed(self.now, WRITER, &path, version, removed, &self.files);
                }
                Some(Choice::Download { path, back, arrival: Arrival::Whole, .. }) => {
                    let file = self.files.number(&path);
                    self.files.read[file] = !self.files.removed[file];
                    let written = self.files.written[file].iter().rev().nth(back as usize);
                    let written = *written.expect("what arrives was written");
                    return Some(Seen { file, at: self.now, written });
                }
                _ => {}
            }
        }
        self.now = until;
        None
    }

    /// Waits for the reader's next new version.
    fn arrival(&mut self) -> Seen {
        self.run(u64::MAX).expect("what was written arrives")
    }
}

impl Files {
    fn number(&self, path: &Path) -> usize {
        self.paths.iter().position(|known| known == path).expect("one of the files")
    }
}

impl Folder for Files {
    fn latest(&self, path: &Path) -> u32 {
        u32::try_from(self.written[self.number(path)].len()).expect("few versions")
    }

    fn is_there(&self, replica: ReplicaId, path: &Path) -> bool {
        let file = self.number(path);
        if replica == WRITER { !self.removed[file] } else { self.read[file] }
    }
}

/// Rewrites a file again and again, `samples` times, each time up to `wait_ms` after it arrived.
fn rewrites(watcher_ms: u64, wait_ms: (u64, u64), samples: usize, seed: u64) -> Vec<u64> {
    let mut pair = Pair::new(watcher_ms, 1, seed);
    let mut waits = super::Streams::new(seed ^ 0x5eed, 1);
    let mut delays = Vec::with_capacity(samples);
    for _ in 0..samples {
        let drawn = waits.draw(WRITER, super::Purpose::Debounce);
        let at = pair.now + Delay::between(wait_ms.0, wait_ms.1, drawn);
        assert!(pair.run(at).is_none(), "nothing else was written");
        pair.write(0);
        let seen = pair.arrival();
        delays.push(seen.at - seen.written);
    }
    delays
}

fn delays(seed: u64, rows: &mut Vec<Row>) {
    const SAMPLES: usize = 4_000;
    let measured: Delays = parsed(include_str!("../../tests/data/syncthing/propagation-delays.json"));
    let samples = measured.samples_ms;
    // In 36 of 100 random writes the timer was running: the waits were spread over 2.8 periods.
    for (what, measured, simulated) in [
        (
            "rewrite at random times, 10 s watcher",
            samples.watcher_10s_random_phase,
            rewrites(10_000, (0, 28_000), SAMPLES, seed),
        ),
        (
            "rewrite 0.2 to 2.2 s after arrival, 10 s watcher",
            samples.watcher_10s_phase_locked,
            rewrites(10_000, (200, 2_200), SAMPLES, seed),
        ),
        (
            "rewrite at random times, 1 s watcher",
            samples.watcher_1s,
            rewrites(1_000, (0, 2_800), SAMPLES, seed),
        ),
    ] {
        for (name, percent, tolerance_percent) in [("median", 50, 10), ("99th percentile", 99, 20)] {
            rows.push(Row {
                what: format!("{what}: {name}"),
                unit: Unit::Ms,
                measured: percentile(&measured, percent),
                simulated: percentile(&simulated, percent),
                tolerance_percent,
            });
        }
    }
}

fn percentile(samples: &[u64], percent: usize) -> u64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() * percent / 100]
}

/// How long the watcher's timer had been running when the hot files were written for the first time.
///
/// All periods began at one instant, and with periods that divide a minute a file meets the timer at a few
/// ages only: this phase decides whether it ever rests for half a period when the timer fires. The row of 20 s
/// tells the phase: that file was 8.0 s old whenever it was sent, so the folder had been opened 2.0 s before
/// the first write, and a little more, because at 2.0 s or less the file of 6 s would never rest. The other
/// rows follow from this one number.
const HEAD_START_MS: u64 = 2_050;

fn hot_files(seed: u64, rows: &mut Vec<Row>) {
    let measured: HotFiles = parsed(include_str!("../../tests/data/syncthing/hot-file-staleness.json"));
    let mut by_period: Vec<(u64, HotFile)> = measured
        .by_period_s
        .into_iter()
        .map(|(period, file)| (ms(period.parse().expect("a period is a number of seconds")), file))
        .collect();
    by_period.sort_unstable_by_key(|(period, _)| *period);
    let periods: Vec<u64> = by_period.iter().map(|(period, _)| *period).collect();
    let simulated = hot_folder(&periods, HEAD_START_MS, seed);
    for ((period, measured), simulated) in by_period.iter().zip(simulated) {
        let mut row = |what: &str, unit, measured, simulated, tolerance_percent| {
            let what = format!("file rewritten every {period} ms: {what}");
            rows.push(Row { what, unit, measured, simulated, tolerance_percent });
        };
        row("versions seen", Unit::Versions, measured.versions_seen, simulated.versions, 0);
        row("longest gap", Unit::Ms, ms(measured.gap_max_s), simulated.gap_ms, 2);
        row("worst staleness", Unit::Ms, ms(measured.worst_staleness_s), simulated.stale_ms, 2);
    }
}

/// What a reader saw of one hot file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Hot {
    versions: u64,
    /// The longest time between two versions.
    gap_ms: u64,
    /// The greatest age of what it read, from its first version on.
    stale_ms: u64,
}

/// Five minutes of files that are each rewritten at a period of their own, all for the first time
/// `head_start_ms` after the folder was opened.
fn hot_folder(periods: &[u64], head_start_ms: u64, seed: u64) -> Vec<Hot> {
    const LENGTH_MS: u64 = 300_000;
    let mut pair = Pair::new(10_000, periods.len(), seed);
    let mut hot = vec![Hot::default(); periods.len()];
    let mut last: Vec<Option<Seen>> = periods.iter().map(|_| None).collect();
    let mut writes: Vec<(u64, usize)> = periods
        .iter()
        .enumerate()
        .flat_map(|(file, period)| (0..=LENGTH_MS / period).map(move |n| (head_start_ms + n * period, file)))
        .collect();
    writes.sort_unstable();
    let mut look = |seen: Seen| {
        let (hot, last) = (&mut hot[seen.file], &mut last[seen.file]);
        if let Some(last) = last {
            hot.gap_ms = hot.gap_ms.max(seen.at - last.at);
            hot.stale_ms = hot.stale_ms.max(seen.at - last.written);
        }
        hot.versions += 1;
        *last = Some(seen);
    };
    for (at, file) in writes {
        while let Some(seen) = pair.run(at) {
            look(seen);
        }
        pair.write(file);
    }
    hot
}

fn deletions(seed: u64, rows: &mut Vec<Row>) {
    let measured: HotFiles = parsed(include_str!("../../tests/data/syncthing/hot-file-staleness.json"));
    let mean = |delays: &[u64]| delays.iter().sum::<u64>() / delays.len() as u64;
    let measured_ms = |seconds: Vec<f64>| seconds.into_iter().map(ms).collect::<Vec<_>>();
    let quiet: Vec<u64> = (0..200).map(|trial| deletion(seed + trial, None)).collect();
    rows.push(Row {
        what: "deletion at random times in a quiet folder: mean (of 4 when measured)".into(),
        unit: Unit::Ms,
        measured: mean(&measured_ms(measured.delete_delay_s.quiet)),
        simulated: mean(&quiet),
        tolerance_percent: 25,
    });
    let busy: Vec<u64> = (0..20).map(|trial| deletion(seed + trial, Some(1_000))).collect();
    rows.push(Row {
        what: "deletion beside a file that changes every second: mean".into(),
        unit: Unit::Ms,
        measured: mean(&measured_ms(measured.delete_delay_s.busy)),
        simulated: mean(&busy),
        tolerance_percent: 10,
    });
}

/// How long a deletion takes: at a random time after a file arrived, or, beside a hot file, soon after that
/// one arrived (the experiment waited until both replicas were equal, which is then).
fn deletion(seed: u64, hot_period_ms: Option<u64>) -> u64 {
    let mut pair = Pair::new(10_000, 2, seed);
    let mut waits = super::Streams::new(seed ^ 0x5eed, 1);
    let drawn = waits.draw(WRITER, super::Purpose::Debounce);
    pair.write(0);
    pair.arrival();
    let Some(period_ms) = hot_period_ms else {
        let at = pair.now + Delay::between(0, 10_000, drawn);
        assert!(pair.run(at).is_none(), "nothing else was written");
        pair.remove(0);
        let seen = pair.arrival();
        return seen.at - seen.written;
    };
    // Not at the moment at which the timer fires: a hot file's own time-out would end with the sixth period.
    let mut next = pair.now + Delay::between(100, period_ms, waits.draw(WRITER, super::Purpose::Debounce));
    let mut remove_at = None;
    loop {
        let until = remove_at.unwrap_or(next).min(next);
        match pair.run(until) {
            Some(Seen { file: 0, at, written }) => return at - written,
            Some(_) if remove_at.is_none() && !pair.files.removed[0] => {
                remove_at = Some(pair.now + Delay::between(20, 200, drawn));
            }
            Some(_) => {}
            None if remove_at == Some(until) => {
                pair.remove(0);
                remove_at = None;
            }
            None => {
                pair.write(1);
                next += period_ms;
            }
        }
    }
}

fn orders(seed: u64, rows: &mut Vec<Row>) {
    const TRIALS: u64 = 200;
    let measured: Orders = parsed(include_str!("../../tests/data/syncthing/order.json"));
    let inverted = measured.inverted_pairs_percent;
    for (watcher, watcher_ms, measured) in
        [("10 s", 10_000, inverted.watcher_10s), ("1 s", 1_000, inverted.watcher_1s)]
    {
        let trials = (0..TRIALS).map(|trial| inverted_percent(&arrivals(watcher_ms, 60, seed + trial)));
        rows.push(Row {
            what: format!("60 files written at one instant, {watcher} watcher: pairs that arrive inverted"),
            unit: Unit::Percent,
            measured: measured.iter().sum::<u64>() / measured.len() as u64,
            simulated: (trials.sum::<u64>() + TRIALS / 2) / TRIALS,
            tolerance_percent: 10,
        });
    }
    let pointer = measured.eight_data_files_then_a_pointer;
    let first = (0..2 * TRIALS).filter(|trial| arrivals(10_000, 9, seed + trial).last() != Some(&8)).count();
    rows.push(Row {
        what: "eight data files, then a pointer: the pointer arrives before one of them".into(),
        unit: Unit::Percent,
        measured: pointer.pointer_before_a_data_file * 100 / pointer.trials,
        simulated: first as u64 * 100 / (2 * TRIALS),
        tolerance_percent: 10,
    });
}

/// The order in which files arrive that were written in the order of their numbers, at one instant.
fn arrivals(watcher_ms: u64, files: usize, seed: u64) -> Vec<usize> {
    let mut pair = Pair::new(watcher_ms, files, seed);
    pair.now = 3 * watcher_ms;
    (0..files).for_each(|file| pair.write(file));
    (0..files).map(|_| pair.arrival().file).collect()
}

fn inverted_percent(order: &[usize]) -> u64 {
    let pairs = order.len() * (order.len() - 1) / 2;
    let inverted =
        |(place, file): (usize, &usize)| order[place..].iter().filter(|later| *later < file).count();
    ((order.iter().enumerate().map(inverted).sum::<usize>() * 100 + pairs / 2) / pairs) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_courier_does_what_real_clients_did() {
        let rows = table(1);
        let line = |row: &Row| {
            let Row { what, unit, measured, simulated, tolerance_percent } = row;
            format!(
                "{what}: {measured} measured, {simulated} simulated ({unit:?}, within {tolerance_percent} %)"
            )
        };
        let off: Vec<String> = rows.iter().filter(|row| !row.agrees()).map(line).collect();
        assert_eq!(off, Vec::<String>::new(), "of {:#?}", rows.iter().map(line).collect::<Vec<_>>());
        assert_eq!(rows.len(), 6 + 7 * 3 + 2 + 3);
    }

    #[test]
    fn the_phase_of_the_timer_decides_what_becomes_of_a_file_of_six_seconds() {
        let gap_ms = |head_start_ms| hot_folder(&[6_000, 500], head_start_ms, 1)[0].gap_ms;
        assert!(gap_ms(2_050) < 31_000, "it rests for over 5 s at every third firing: {}", gap_ms(2_050));
        assert!(gap_ms(1_500) > 55_000, "it never rests for 5 s at a firing: {}", gap_ms(1_500));
    }

    #[test]
    fn another_seed_agrees_as_well() {
        for seed in 2..6 {
            assert!(table(seed * 1_000).iter().all(Row::agrees), "seed {seed}");
        }
    }
}
