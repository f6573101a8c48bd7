//! Swarms: every seed draws its own configuration, and many seeds run side by side.
//!
//! A draw decides how many replicas there are, when they start, how wrong their clocks are, which faults may
//! happen and how often, and what people do meanwhile. Every run has two phases: faults happen, then they
//! stop, except that some replicas stay gone for good, and whatever is left has to settle in bounded time.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use cloudchamber_core::Rng as _;
use cloudchamber_folder::checks::{Kind, Violation, checker};
use cloudchamber_folder::profile::{MachineFault, Profile, Tag};
use cloudchamber_folder::scenario::{DRAWN_MS, Expect, Faults, Outage, ReplicaSpec, Scenario};
use cloudchamber_folder::trace::Outcome;
use cloudchamber_folder::world::MachineSetup;
use cloudchamber_folder::{ReplicaId, StableHasher, System, Variant};
use serde::{Deserialize, Serialize};

use crate::run::run;
use crate::tasks::reference;
use cloudchamber_folder::streams::{Purpose, Stream};

/// One run of so many lasts for hours or days: it takes as long as all the others together that are drawn for it.
const LONG_EVERY: u64 = 512;

/// How many times as long it lasts as the others: from six hours to two days.
const LONG_TIMES: [u64; 2] = [36, 288];

/// One run of so many has a crowd of replicas, and takes several times as long.
const CROWD_EVERY: u64 = 32;

/// The fewest replicas of a crowd.
const CROWD_MIN: u64 = 6;

/// The most that a machine's clocks drift, in millionths: what the hardened failover's leases are made for.
const DRIFT_PPM_MAX: i32 = 500;

/// Whether a value of a profile is more than a judgement.
fn is_reported(profile: &Profile, key: &str) -> bool {
    profile.facts.iter().any(|fact| fact.key == key && fact.tag != Tag::Assumed)
}

/// In a storm things go wrong up to two to the power of this as often.
const STORM_MAX: u64 = 4;

/// What a swarm leaves to its caller.
#[derive(Clone, Debug)]
pub struct Swarm<S: System> {
    /// What every run begins from: design and constants.
    pub settings: S::Settings,
    /// The provider profile.
    pub profile: String,
    /// Faults that are on or off whatever the profile says, by name.
    pub switches: BTreeMap<Fault, bool>,
    /// How large the runs are.
    pub shape: Shape,
    /// The seeds.
    pub seeds: Range<u64>,
    /// How many run side by side.
    pub jobs: usize,
    /// Whether seeds after the first violation are run as well.
    pub keep_going: bool,
    /// Every how many seeds one is run a second time, under madsim, and its trace hash compared; 0 for none. Of runs that
    /// last for hours or days so many times fewer are: each takes as long as hundreds of others.
    pub recheck_every: u64,
}

/// How large the runs of a swarm are, where it is not the swarm that draws it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// How many replicas there are, from and to. Where it is absent, two to five, and in few runs a crowd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<[u64; 2]>,
    /// How long faults happen and people work, from and to, ms. Where it is absent, ten minutes, and in few runs hours or
    /// days. In a longer run there are not more of them, but they are further apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_ms: Option<[u64; 2]>,
}

impl Shape {
    /// The most replicas of a run.
    pub const REPLICAS_MAX: u64 = 16;

    /// The shortest run, ms: a replica may join after one minute.
    pub const RUN_MIN_MS: u64 = 2 * 60_000;

    /// The longest run, ms: 90 days.
    pub const RUN_MAX_MS: u64 = 90 * 24 * 3_600_000;

    /// Whether runs can be so large.
    ///
    /// # Errors
    /// Says what is out of range.
    pub fn validate(&self) -> Result<(), String> {
        let within = |range: Option<[u64; 2]>, least, most| {
            range.is_none_or(|[from, to]| least <= from && from <= to && to <= most)
        };
        if !within(self.replicas, 1, Self::REPLICAS_MAX) {
            return Err(format!("replicas are 1 to {}, the smaller number first", Self::REPLICAS_MAX));
        }
        if !within(self.run_ms, Self::RUN_MIN_MS, Self::RUN_MAX_MS) {
            return Err("a run lasts for 2 minutes to 90 days, the smaller number first".into());
        }
        Ok(())
    }
}

/// A kind of fault that a swarm may draw.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Fault {
    /// What is drawn of crashes, power cuts, sleep and networks that go strikes a machine soon after it has done or heard
    /// something.
    Ambush,
    /// What is drawn of crashes, power cuts, sleep and networks that go strikes several machines at once.
    Burst,
    /// The shared folder's mount goes for a while and leaves an empty directory.
    FolderHollow,
    /// The shared folder cannot be reached for a while.
    FolderLost,
    /// A client takes the empty directory in the folder's place for the folder, and removes everything everywhere.
    FolderWiped,
    /// What the profile's client does wrong by itself: stalls, partial files, evictions, lost notices.
    Hazards,
    /// What a replica keeps on its own machine cannot be read for a while.
    LocalUnreadable,
    /// A fault of a machine.
    Machine(MachineFault),
    /// Files come back from an earlier time.
    OlderFiles,
    /// What goes wrong does so more often, each kind up to sixteen times, and does not last as long.
    Storm,
    /// People ask something of a replica, whatever comes into their heads.
    Whim,
}

impl Fault {
    /// Every kind, each with the name that commands use.
    pub const ALL: [(&'static str, Self); 18] = [
        ("ambush", Self::Ambush),
        ("burst", Self::Burst),
        ("clock-drift", Self::Machine(MachineFault::ClockDrift)),
        ("clock-jump", Self::Machine(MachineFault::ClockJump)),
        ("clock-offset", Self::Machine(MachineFault::ClockOffset)),
        ("crash", Self::Machine(MachineFault::Crash)),
        ("disk-full", Self::Machine(MachineFault::DiskFull)),
        ("folder-hollow", Self::FolderHollow),
        ("folder-lost", Self::FolderLost),
        ("folder-wiped", Self::FolderWiped),
        ("hazards", Self::Hazards),
        ("local-unreadable", Self::LocalUnreadable),
        ("offline", Self::Machine(MachineFault::Offline)),
        ("older-files", Self::OlderFiles),
        ("power-cut", Self::Machine(MachineFault::PowerCut)),
        ("sleep", Self::Machine(MachineFault::Sleep)),
        ("storm", Self::Storm),
        ("whim", Self::Whim),
    ];

    /// The fault of a name; `None` if there is none. `activate`, what failover's people do on a whim, is the old name of
    /// `whim`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = if name == "activate" { "whim" } else { name };
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, fault)| *fault)
    }
}

impl<S: System> Swarm<S> {
    /// Whether runs may have a fault of this kind: as switched, or else as the profile says. A profile without
    /// any fault of machines is one in which nothing goes wrong at all.
    ///
    /// Whole folders that go or come back are drawn where the profile's value is no mere assumption, or where they are asked
    /// for; those that are emptied everywhere only where they are asked for.
    fn on(&self, profile: &Profile, fault: Fault) -> bool {
        let hazards = &profile.hazards;
        let usual = match fault {
            Fault::Ambush
            | Fault::Burst
            | Fault::FolderLost
            | Fault::Hazards
            | Fault::LocalUnreadable
            | Fault::Whim => !hazards.machine.is_empty(),
            Fault::Machine(fault) => hazards.machine.contains(&fault),
            Fault::FolderHollow => hazards.folder_hollow && is_reported(profile, "hazards.folder_hollow"),
            // What a machine that is gone for good had written is then left with those that had read it.
            Fault::FolderWiped => false,
            Fault::OlderFiles => hazards.older_files && is_reported(profile, "hazards.older_files"),
            Fault::Storm => false,
        };
        let is_possible = match fault {
            Fault::FolderHollow => hazards.folder_hollow,
            Fault::FolderWiped => hazards.folder_wiped,
            Fault::OlderFiles => hazards.older_files,
            _ => true,
        };
        is_possible && self.switches.get(&fault).copied().unwrap_or(usual)
    }

    /// Whether a fault that is drawn although nobody asked for it is drawn in one run of four of those that would have it.
    fn is_rare(&self, fault: Fault) -> bool {
        let whole = matches!(fault, Fault::FolderHollow | Fault::FolderWiped | Fault::OlderFiles);
        whole && self.switches.get(&fault) != Some(&true)
    }

    /// The scenario of one seed.
    ///
    /// # Panics
    /// Where the profile is unknown.
    #[must_use]
    pub fn draw(&self, seed: u64) -> Scenario<S> {
        let profile = Profile::find(&self.profile).expect("a swarm's profile was checked");
        // One stream a decision, so that a fault which is switched off leaves the others as they were.
        let dice = |number| Stream::new(seed, Purpose::Swarm, number);
        let mut shape = dice(0);
        let [few, many] = self.shape.replicas.unwrap_or([2, 5]);
        let usual = shape.between(few, many);
        let mut crowd = dice(6);
        let is_crowd = crowd.chance(1, CROWD_EVERY) && self.shape.replicas.is_none();
        let count = if is_crowd { crowd.between(CROWD_MIN, 9) } else { usual };
        let replica = ReplicaId::all(usize::try_from(count).expect("at most 16"))
            .map(|id| ReplicaSpec {
                start_ms: shape.between(0, 5_000),
                machine: self.draw_clock(&profile, &mut dice(8 + id.0)),
                ..ReplicaSpec::default()
            })
            .collect();
        let mut scenario = Scenario {
            about: String::new(),
            system: S::NAME.into(),
            profile: self.profile.clone(),
            delay_ms: None,
            placeholder: None,
            hazards: self.on(&profile, Fault::Hazards) && dice(1).chance(1, 2),
            seed,
            run_ms: DRAWN_MS,
            settle_ms: 0,
            replica,
            file: vec![],
            settings: self.settings.clone(),
            faults: self.draw_faults(&profile, &dice),
            at: vec![],
            expect: Expect::default(),
        };
        let mut gone = dice(7);
        if !scenario.faults.is_none() && gone.chance(1, 4) {
            // A minority, so that a majority can still decide.
            let most = (count - 1) / 2;
            let ids = ReplicaId::all(scenario.replica.len());
            scenario.faults.gone_for_good =
                ids.filter(|_| gone.chance(1, 3)).take(usize::try_from(most).expect("a few")).collect();
        }
        if !profile.hazards.machine.is_empty() {
            self.draw_rare(&profile, &mut scenario, &dice);
        }
        if let Some([short, long]) = self.shape.run_ms {
            lasts(&mut scenario, dice(33).between(short, long));
        }
        S::draw(&mut scenario, &mut dice(2));
        scenario
    }

    /// Whether the run of a seed, which lasts so long until faults stop, is run a second time.
    fn is_rechecked(&self, seed: u64, run_ms: u64) -> bool {
        let is_long = run_ms >= LONG_TIMES[0] * DRAWN_MS;
        let every = if is_long { self.recheck_every.saturating_pow(2) } else { self.recheck_every };
        every > 0 && seed.is_multiple_of(every)
    }

    /// What happens in few runs, each from a stream of its own: a replica that joins late, a run of days, a clock that
    /// drifts as far as any may, clocks that stand still in sleep, and one that is set by hours or by years.
    fn draw_rare(&self, profile: &Profile, scenario: &mut Scenario<S>, dice: &dyn Fn(u8) -> Stream) {
        let on = |fault| self.on(profile, Fault::Machine(fault));
        let (mut long, mut stops, mut set, mut late) = (dice(3), dice(4), dice(5), dice(32));
        if late.chance(1, 8) {
            let last = u64::try_from(scenario.replica.len() - 1).expect("a few");
            let joins = usize::try_from(late.between(0, last)).expect("a few");
            scenario.replica[joins].start_ms = late.between(60_000, DRAWN_MS / 2);
        }
        // Crowds and days are each slow: no run has both.
        let is_crowd = u64::try_from(scenario.replica.len()).expect("a few") >= CROWD_MIN;
        if long.chance(1, LONG_EVERY) && !is_crowd && self.shape.run_ms.is_none() {
            lasts(scenario, DRAWN_MS * long.between(LONG_TIMES[0], LONG_TIMES[1]));
        }
        for (id, replica) in ReplicaId::all(scenario.replica.len()).zip(&mut scenario.replica) {
            let mut drift = dice(128 + id.0);
            if drift.chance(1, 20) && on(MachineFault::ClockDrift) {
                let is_fast = drift.chance(1, 2);
                replica.machine.clock_drift_ppm = if is_fast { DRIFT_PPM_MAX } else { -DRIFT_PPM_MAX };
            }
        }
        // One that stands still hides a sleep from whoever goes by it alone, if the wall clock is set back meanwhile:
        // docs/limits.md.
        let stands_still = stops.chance(1, 16) && on(MachineFault::Sleep) && scenario.faults.clock.is_none();
        if stands_still {
            scenario.replica.iter_mut().for_each(|replica| replica.machine.mono_counts_sleep = false);
        }
        let far = set.chance(1, 8);
        let span = set.between(0, 2);
        if let Some(clock) = scenario.faults.clock.as_mut().filter(|_| far) {
            const HOUR_MS: u64 = 3_600_000;
            clock.for_ms = match span {
                0 => [HOUR_MS, 12 * HOUR_MS],
                1 => [24 * HOUR_MS, 60 * 24 * HOUR_MS],
                _ => [365 * 24 * HOUR_MS, 50 * 365 * 24 * HOUR_MS],
            };
        }
    }

    fn draw_faults(&self, profile: &Profile, dice: &dyn Fn(u8) -> Stream) -> Faults {
        let storm = self.on(profile, Fault::Storm);
        let outage = |fault: Fault, number: u8, every_ms: [u64; 2], for_ms: [u64; 2]| {
            let mut stream = dice(number);
            let drawn = stream.chance(1, 2) && (!self.is_rare(fault) || dice(number + 20).chance(1, 4));
            let every_ms = stream.between(every_ms[0], every_ms[1]);
            // As often as it is, so short: what lasts would leave nobody to do anything.
            let times = if storm { 1 << stream.between(0, STORM_MAX) } else { 1 };
            let for_ms = [for_ms[0], for_ms[0].max(for_ms[1] / times)];
            (drawn && self.on(profile, fault)).then_some(Outage { every_ms: every_ms / times, for_ms })
        };
        let machine = Fault::Machine;
        let mut burst = dice(51);
        let burst = (burst.chance(1, 4) && self.on(profile, Fault::Burst)).then(|| {
            let window_ms = [1_000, 10_000, 60_000][usize::try_from(burst.between(0, 2)).expect("0 to 2")];
            Outage { every_ms: burst.between(60_000, 600_000), for_ms: [0, window_ms] }
        });
        let mut ambush = dice(52);
        // In every run where somebody asks for it.
        let is_asked = self.switches.get(&Fault::Ambush) == Some(&true);
        let ambush = ((ambush.chance(1, 4) || is_asked) && self.on(profile, Fault::Ambush)).then(|| {
            let longest_ms = [2_000, 20_000, 120_000, 400_000];
            let longest_ms = longest_ms[usize::try_from(ambush.between(0, 3)).expect("0 to 3")];
            Outage { every_ms: ambush.between(20_000, 200_000), for_ms: [100, longest_ms] }
        });
        Faults {
            ambush,
            burst,
            clock: outage(machine(MachineFault::ClockJump), 41, [200_000, 900_000], [500, 900_000]),
            crash: outage(machine(MachineFault::Crash), 42, [60_000, 600_000], [500, 240_000]),
            disk: outage(machine(MachineFault::DiskFull), 43, [300_000, 900_000], [5_000, 60_000]),
            folder: outage(Fault::FolderLost, 44, [300_000, 900_000], [1_000, 60_000]),
            local: outage(Fault::LocalUnreadable, 53, [200_000, 900_000], [1_000, 120_000]),
            mount: outage(Fault::FolderHollow, 48, [300_000, 900_000], [1_000, 120_000]),
            offline: outage(machine(MachineFault::Offline), 45, [100_000, 600_000], [5_000, 300_000]),
            older: outage(Fault::OlderFiles, 50, [200_000, 900_000], [1_000, 400_000]),
            power: outage(machine(MachineFault::PowerCut), 46, [200_000, 900_000], [5_000, 240_000]),
            sleep: outage(machine(MachineFault::Sleep), 47, [100_000, 600_000], [1_000, 400_000]),
            whim: outage(Fault::Whim, 40, [120_000, 600_000], [0, 0]),
            wipe: outage(Fault::FolderWiped, 49, [600_000, 1_800_000], [1_000, 60_000]),
            gone_for_good: vec![],
        }
    }

    /// A machine's clocks: mostly right, sometimes off by minutes or by whole hours, rarely by more than a day.
    fn draw_clock(&self, profile: &Profile, stream: &mut Stream) -> MachineSetup {
        const DAY_MS: i64 = 86_400_000;
        let signed = |stream: &mut Stream, most: i64| {
            let range = u64::try_from(2 * most).expect("a positive bound");
            i64::try_from(stream.up_to(range)).expect("within the bound") - most
        };
        let offset = match stream.between(0, 199) {
            0..=1 => -DAY_MS - signed(stream, DAY_MS / 2),
            2 => DAY_MS + signed(stream, DAY_MS / 2),
            3..=5 => [-3_600_000, 3_600_000][usize::try_from(stream.between(0, 1)).expect("0 or 1")],
            6..=13 => signed(stream, 120_000),
            _ => signed(stream, 100),
        };
        let drift = i32::try_from(signed(stream, 50)).expect("at most 50");
        let on = |fault| self.on(profile, Fault::Machine(fault));
        MachineSetup {
            clock_offset_ms: if on(MachineFault::ClockOffset) { offset } else { 0 },
            clock_drift_ppm: if on(MachineFault::ClockDrift) { drift } else { 0 },
            ..MachineSetup::default()
        }
    }
}

/// Makes a drawn run last so long: with as many faults as in one of the usual length, and longer ones.
fn lasts<S: System>(scenario: &mut Scenario<S>, run_ms: u64) {
    let times = (run_ms / DRAWN_MS).max(1);
    scenario.run_ms = run_ms;
    for outage in scenario.faults.outages_mut() {
        outage.every_ms *= times;
        outage.for_ms[1] *= times.min(60);
    }
    for replica in &mut scenario.replica {
        replica.start_ms = replica.start_ms.min(run_ms / 2);
    }
}

/// What a swarm found.
#[derive(Clone, Debug, Default)]
pub struct Harvest {
    /// How many seeds were run.
    pub runs: u64,
    /// In how many of them something failed.
    pub failed: u64,
    /// Virtual time of all runs, ms.
    pub simulated_ms: u64,
    /// Choices of all runs.
    pub choices: u64,
    /// The trace hashes of all runs together: a sum, so that the parts of a swarm add up to the whole.
    pub hash: u64,
    /// In how many runs each checker found a violation, with the lowest such seed and what was seen there.
    pub violations: BTreeMap<String, Violated>,
    /// What else was counted, by name.
    pub counts: BTreeMap<&'static str, u64>,
    /// Durations in ms, by name, unsorted.
    pub samples: BTreeMap<&'static str, Vec<u64>>,
    /// How many seeds were run twice.
    pub rechecked: u64,
    /// The seeds whose second run had another trace hash.
    pub mismatches: Vec<u64>,
}

/// What a checker found in a swarm.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violated {
    /// In how many runs.
    pub runs: u64,
    /// The lowest seed.
    pub first_seed: u64,
    /// What was seen there.
    pub first: Violation,
}

impl Harvest {
    fn add(&mut self, seed: u64, outcome: Outcome, failed: bool) {
        self.runs += 1;
        self.failed += u64::from(failed);
        self.simulated_ms += outcome.at_ms;
        self.choices += outcome.choices;
        self.hash = self.hash.wrapping_add(StableHasher::of(&(seed, outcome.hash)));
        for violation in outcome.findings.violations {
            match self.violations.get_mut(&violation.checker) {
                Some(violated) => {
                    violated.runs += 1;
                    if seed < violated.first_seed {
                        violated.first_seed = seed;
                        violated.first = violation;
                    }
                }
                None => {
                    let checker = violation.checker.clone();
                    self.violations.insert(checker, Violated { runs: 1, first_seed: seed, first: violation });
                }
            }
        }
        for (name, count) in outcome.findings.counts {
            *self.counts.entry(name).or_insert(0) += count;
        }
        for (name, samples) in outcome.findings.samples {
            self.samples.entry(name).or_default().extend(samples);
        }
    }
}

/// Whether a checker's violations end a swarm that does not keep going, and fail a design that has to hold.
#[must_use]
pub fn fails<S: System>(name: &str) -> bool {
    checker::<S>(name).is_some_and(|checker| matches!(checker.kind, Kind::Safety | Kind::Liveness))
}

/// Whether a violation of a checker fails a run of a variant that has to hold: it is not just counted, and the variant
/// does not [concede](System::concedes) it.
#[must_use]
pub fn breaks<S: System>(variant: Variant, name: &str) -> bool {
    fails::<S>(name) && !S::concedes(variant).contains(&name)
}

/// Runs the seeds. `progress` is told after each how many are done.
///
/// Without `keep_going` it stops at the lowest seed that fails: every seed below it has been run.
///
/// # Panics
/// Where a run panics, or the profile is unknown.
#[must_use]
pub fn swarm<S: System>(swarm: &Swarm<S>, progress: &(dyn Fn(u64) + Sync)) -> Harvest {
    let variant = S::variant(&swarm.settings);
    let next = AtomicU64::new(swarm.seeds.start);
    let done = AtomicU64::new(0);
    // Seeds from here on are not wanted any more.
    let end = AtomicU64::new(swarm.seeds.end);
    let collector = Mutex::new(Collector { next: swarm.seeds.start, ..Collector::default() });
    std::thread::scope(|scope| {
        for _ in 0..swarm.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end.load(Ordering::Relaxed) {
                        return;
                    }
                    let scenario = swarm.draw(seed);
                    let outcome = run(&scenario, false).outcome;
                    let same =
                        swarm.is_rechecked(seed, scenario.run_ms).then(|| reference(&scenario) == outcome);
                    let violations = &outcome.findings.violations;
                    let failed = violations.iter().any(|found| breaks::<S>(variant, &found.checker));
                    if failed && !swarm.keep_going {
                        end.fetch_min(seed + 1, Ordering::Relaxed);
                    }
                    let mut collector = collector.lock().expect("no worker panics while it files");
                    collector.file(seed, (outcome, same, failed), end.load(Ordering::Relaxed));
                    drop(collector);
                    progress(done.fetch_add(1, Ordering::Relaxed) + 1);
                }
            });
        }
    });
    collector.into_inner().expect("all workers are done").harvest
}

/// How a seed came out, whether its second run was the same, and whether something failed.
type Filed = (Outcome, Option<bool>, bool);

/// Adds outcomes up in the order of their seeds, whoever finishes first, and holds back only what is early.
#[derive(Default)]
struct Collector {
    next: u64,
    early: BTreeMap<u64, Filed>,
    harvest: Harvest,
}

impl Collector {
    fn file(&mut self, seed: u64, filed: Filed, end: u64) {
        self.early.insert(seed, filed);
        while self.next < end
            && let Some((outcome, same, failed)) = self.early.remove(&self.next)
        {
            self.harvest.rechecked += u64::from(same.is_some());
            if same == Some(false) {
                self.harvest.mismatches.push(self.next);
            }
            self.harvest.add(self.next, outcome, failed);
            self.next += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use cloudchamber_folder::systems::journal::JournalSystem;

    use super::*;

    #[test]
    fn runs_of_days_are_rechecked_more_rarely() {
        let swarm = |recheck_every| Swarm::<JournalSystem> {
            settings: JournalSystem::settings(Variant::plain(cloudchamber_core::Design::Hardened)),
            profile: "syncthing".into(),
            switches: BTreeMap::new(),
            seeds: 0..1,
            shape: Shape::default(),
            jobs: 1,
            keep_going: true,
            recheck_every,
        };
        let count =
            |every, run_ms| (0..1_000).filter(|seed| swarm(every).is_rechecked(*seed, run_ms)).count();
        assert_eq!([0, 1, 10].map(|every| count(every, DRAWN_MS)), [0, 1_000, 100]);
        assert_eq!([0, 1, 10].map(|every| count(every, 36 * DRAWN_MS)), [0, 1_000, 10]);
    }

    #[test]
    fn swarms_draw_what_is_rare_as_well() {
        let swarm = Swarm::<JournalSystem> {
            settings: JournalSystem::settings(Variant::plain(cloudchamber_core::Design::Hardened)),
            profile: "syncthing".into(),
            switches: BTreeMap::from([(Fault::FolderWiped, true)]),
            seeds: 0..2_000,
            shape: Shape::default(),
            jobs: 1,
            keep_going: true,
            recheck_every: 0,
        };
        let drawn: Vec<_> = swarm.seeds.clone().map(|seed| swarm.draw(seed)).collect();
        let count =
            |is: &dyn Fn(&Scenario<JournalSystem>) -> bool| drawn.iter().filter(|one| is(one)).count();
        let sizes: std::collections::BTreeSet<_> = drawn.iter().map(|one| one.replica.len()).collect();
        assert_eq!(sizes, (2..=9).collect());
        assert!((20..200).contains(&count(&|one| one.replica.len() > 5)));
        assert!((100..500).contains(&count(&|one| one.replica.iter().any(|it| it.start_ms >= 60_000))));
        assert!((200..800).contains(&count(&|one| one.faults.burst.is_some())));
        assert!((200..800).contains(&count(&|one| one.faults.ambush.is_some())));
        assert!(count(&|one| one.faults.wipe.is_some()) > 100);
        assert!(count(&|one| one.run_ms > 36 * 100_000) > 0, "runs of hours");
        let shape = Shape { replicas: Some([3, 4]), run_ms: Some([120_000, 7_200_000]) };
        let shaped = Swarm { shape, ..swarm };
        for seed in 0..200 {
            let scenario = shaped.draw(seed);
            assert!((3..=4).contains(&scenario.replica.len()), "{seed}");
            assert!((120_000..=7_200_000).contains(&scenario.run_ms), "{seed}");
            assert!(scenario.replica.iter().all(|one| one.start_ms < scenario.run_ms), "{seed}");
        }
    }

    #[test]
    fn a_shape_out_of_range_is_told() {
        let shape = |replicas, run_ms| Shape { replicas, run_ms }.validate();
        assert_eq!(shape(None, None), Ok(()));
        assert_eq!(shape(Some([1, 16]), Some([120_000, 120_000])), Ok(()));
        for replicas in [[0, 2], [3, 2], [2, 17]] {
            assert!(shape(Some(replicas), None).is_err(), "{replicas:?}");
        }
        for run_ms in [[0, 200_000], [200_000, 199_999], [200_000, u64::MAX]] {
            assert!(shape(None, Some(run_ms)).is_err(), "{run_ms:?}");
        }
    }
}
