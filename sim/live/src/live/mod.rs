//! The driver: real directories, the world, and the time between them.

mod act;
mod drive;
mod hands;
mod program;
mod quiet;
mod resume;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use cloudchamber_core::{Path, WallMs};
use cloudchamber_folder::scenario::{Expect, Faults, ReplicaSpec, Scenario};
use cloudchamber_folder::stage::Stage;
use cloudchamber_folder::trace::{COMMIT, Trace};
use cloudchamber_folder::world::{ChoiceOf, EPOCH, MachineSetup, World};
use cloudchamber_folder::{ReplicaId, System as _};
use cloudchamber_host::clock;
use notify::{Config, RecommendedWatcher, RecursiveMode, Watcher as _};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::action::Timed;
use crate::clock::Clock;
use crate::control::{Control, Wake};
use crate::error::LiveError;
use crate::options::Options;
use crate::real::Real;
use crate::state::{Head, Line, State, VERSION};
use crate::system::{LiveSystem, Settings};
use crate::tally::{Summary, Tally, shown};

/// How long a run can be, ms of world time: as long as a scenario.
const RUN_MS: u64 = 400 * 86_400_000;

/// How a run ended.
#[derive(Debug)]
pub struct End {
    /// What came of it.
    pub summary: Summary,
    /// The run as a trace, whose text `timeline` and `replay` read.
    pub trace: Trace<LiveSystem>,
}

/// Copies directories among each other until the run is over. `tell` is told what people should know meanwhile, a line
/// each.
///
/// # Errors
/// Where the directories are refused, or it cannot go on. Nothing is lost then, and it can be started again.
pub fn run(options: &Options, tell: &mut dyn FnMut(&str)) -> Result<End, LiveError> {
    let tell = &mut |line: &str| tell(&shown(line));
    let mut live = Live::open(options, tell)?;
    let program = live.drive(tell)?;
    Ok(live.end(program))
}

/// A run in progress.
struct Live<'o> {
    options: &'o Options,
    scenario: Scenario<LiveSystem>,
    stage: Stage<LiveSystem>,
    tally: Tally,
    clock: Clock,
    folders: Vec<Real>,
    state: State,
    /// The modification times of real files, ns since 1970, by what the world takes them for.
    times: BTreeMap<(WallMs, Path), i128>,
    /// Until when everything happened that was due, where that was not yet written down.
    advanced: Option<u64>,
    /// What could not be put or removed, and why.
    blocked: BTreeMap<(ReplicaId, String), String>,
    /// Directories that are empty where a file was removed, and still there where that was done: the place, the file, and the
    /// folder that it was removed from first.
    untidy: BTreeSet<(ReplicaId, String, PathBuf)>,
    /// What was saved at the very moment at which something arrived, and is still to be told to the world.
    raced: Vec<hands::Raced>,
    /// Changes that the world does not take, such as of a file in the place of a directory.
    refused: BTreeSet<(ReplicaId, String, i128)>,
    script: VecDeque<Timed>,
    /// Conflicts that are waited for: whose client stands still until which file was changed there and elsewhere.
    wishes: Vec<(ReplicaId, Path)>,
    /// Who waits until nothing is on its way.
    waiting: Vec<std::sync::mpsc::Sender<serde_json::Value>>,
    /// Whether somebody asked for the end.
    ends: bool,
    wakes: Receiver<Wake>,
    /// When the directories were last looked at.
    looked: Instant,
    /// When somebody last changed something, or something last arrived.
    moved: Instant,
    /// What is waited for, a sentence each: since when, and whether that was told.
    waits: BTreeMap<String, (Instant, bool)>,
    /// When that was last looked for.
    waits_looked: Instant,
    _watcher: Option<RecommendedWatcher>,
    _control: Control,
}

impl<'o> Live<'o> {
    fn open(options: &'o Options, tell: &mut dyn FnMut(&str)) -> Result<Self, LiveError> {
        let dirs = options.checked_folders()?;
        let (mut state, left) = State::open(&options.state_dir(&dirs)?)?;
        let head = Head {
            cloudchamber_live: VERSION,
            build: format!("{} {COMMIT}", env!("CARGO_PKG_VERSION")),
            profile: options.profile.clone(),
            seed: options.seed,
            hazards: options.hazards,
            folders: dirs.clone(),
            clock_offset_ms: clock::now().wall.since(EPOCH),
        };
        let head = match &left {
            Some((begun, _))
                if (Head { clock_offset_ms: begun.clock_offset_ms, ..head.clone() }) != *begun =>
            {
                let (dir, way_out) = (state.dir().display(), state.way_out());
                return Err(LiveError::new(format!(
                    "{dir}: a run with another program, profile, seed or other folders was begun here, so {way_out}"
                )));
            }
            Some((begun, _)) => begun.clone(),
            None => {
                options.refuse_full(&dirs)?;
                state.begin(&head)?;
                head
            }
        };
        let open = |dir: &PathBuf| {
            Real::open(dir.clone(), options.file_bytes_max)
                .map_err(|error| LiveError::io(dir, "cannot be looked at", &error))
        };
        let folders = dirs.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let (sender, wakes) = channel();
        let control = Control::open(state.dir(), &sender)?;
        let watcher = watch(&dirs, &sender, tell);
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])
            .map_err(|error| LiveError::new(format!("signals cannot be heard: {error}; try again")))?;
        std::thread::spawn(move || signals.forever().all(|_| sender.send(Wake::End).is_ok()));
        let scenario = scenario(&head);
        let mut live = Self {
            options,
            stage: Stage::new(&scenario),
            scenario,
            tally: Tally::default(),
            clock: Clock::start(0, options.speed),
            folders,
            state,
            times: BTreeMap::new(),
            advanced: None,
            blocked: BTreeMap::new(),
            untidy: BTreeSet::new(),
            raced: Vec::new(),
            refused: BTreeSet::new(),
            script: options.script.clone().into(),
            wishes: Vec::new(),
            waiting: Vec::new(),
            ends: false,
            wakes,
            looked: Instant::now(),
            moved: Instant::now(),
            waits: BTreeMap::new(),
            waits_looked: Instant::now(),
            _watcher: watcher,
            _control: control,
        };
        let lines = left.map(|(_, lines)| lines).unwrap_or_default();
        let at_ms = live.resume(&lines)?;
        if lines.is_empty() {
            // Before its process has started nothing can be done at a replica.
            live.advance(0);
            live.advanced = Some(0);
        }
        if !lines.is_empty() {
            tell(&format!(
                "it goes on where it was, {} of the folder's time after its beginning",
                cloudchamber_folder::checks::time(at_ms)
            ));
        }
        live.clock = Clock::start(at_ms, options.speed);
        live.script.retain(|timed| lines.is_empty() || timed.ms > at_ms);
        Ok(live)
    }

    fn world(&self) -> &World<LiveSystem> {
        &self.stage.watched().world
    }

    fn replicas(&self) -> impl Iterator<Item = ReplicaId> + use<> {
        ReplicaId::all(self.folders.len())
    }

    /// What a replica's directory is called.
    fn name(&self, id: ReplicaId) -> &str {
        self.scenario.replica[id.index()].host.as_deref().unwrap_or("")
    }

    /// A world time at which something can be done before anything else that is due, and after all that has happened.
    fn before_due(&self) -> u64 {
        let now = self.clock.now();
        let before = self.stage.due().filter(|due| *due <= now).map_or(now, |due| due.saturating_sub(1));
        before.max(self.world().now()).max(self.advanced.unwrap_or(0))
    }

    /// Writes down until when everything has happened, where that was not done yet.
    fn note_advance(&mut self) -> Result<(), LiveError> {
        let Some(ms) = self.advanced.take() else { return Ok(()) };
        let hash = format!("{:016x}", self.stage.watched().hash());
        self.state.note(&Line::To { ms, hash })
    }

    /// Gives an order, and tells whether the world allowed it.
    fn order(&mut self, choice: ChoiceOf<LiveSystem>) -> Result<bool, LiveError> {
        let ms = self.before_due();
        self.note_advance()?;
        self.state.note(&Line::Order { ms, choice: choice.clone() })?;
        Ok(self.take(ms, choice))
    }

    fn take(&mut self, ms: u64, choice: ChoiceOf<LiveSystem>) -> bool {
        let Self { stage, tally, .. } = self;
        stage.order(ms, choice, &mut |watched, choice| tally.note(watched, choice))
    }

    fn soothe(&mut self, ms: u64) {
        let Self { stage, tally, .. } = self;
        stage.soothe(ms, &mut |watched, choice| tally.note(watched, choice));
    }

    fn advance(&mut self, ms: u64) {
        let Self { stage, tally, .. } = self;
        stage.advance(ms, &mut |watched, choice| tally.note(watched, choice));
    }

    fn end(mut self, program: Option<String>) -> End {
        let at_ms = self.clock.now().max(self.world().now());
        let apart = self.apart();
        let mut summary = self.tally.summary(&self.options.profile, self.options.seed, at_ms, apart);
        summary.program = program;
        let outcome = self.stage.finish();
        self.scenario.run_ms = outcome.at_ms.max(1);
        let choices = std::mem::take(&mut self.tally.choices);
        End { summary, trace: Trace::recorded(&self.scenario, choices, &outcome) }
    }
}

/// The scenario that a run is of.
fn scenario(head: &Head) -> Scenario<LiveSystem> {
    let machine = MachineSetup { clock_offset_ms: head.clock_offset_ms, ..MachineSetup::default() };
    let replica = head.folders.iter().map(|dir| {
        let host = dir.file_name().unwrap_or(dir.as_os_str()).to_string_lossy().into_owned();
        let directory = Some(dir.display().to_string());
        ReplicaSpec { host: Some(host), directory, machine, ..ReplicaSpec::default() }
    });
    Scenario {
        about: "real directories".into(),
        system: LiveSystem::NAME.into(),
        profile: head.profile.clone(),
        delay_ms: None,
        placeholder: None,
        hazards: head.hazards,
        seed: head.seed,
        run_ms: RUN_MS,
        settle_ms: 0,
        replica: replica.collect(),
        file: vec![],
        settings: Settings {},
        faults: Faults::default(),
        at: vec![],
        expect: Expect::default(),
    }
}

/// Has the system tell of changes, where it can.
fn watch(
    dirs: &[PathBuf],
    wakes: &std::sync::mpsc::Sender<Wake>,
    tell: &mut dyn FnMut(&str),
) -> Option<RecommendedWatcher> {
    let sender = wakes.clone();
    let heard = move |notice: notify::Result<notify::Event>| {
        // Being read changes nothing.
        if !notice.is_ok_and(|event| event.kind.is_access()) {
            // The driver is gone only when the run is over.
            drop(sender.send(Wake::Changed));
        }
    };
    let watching = RecommendedWatcher::new(heard, Config::default().with_follow_symlinks(false)).and_then(
        |mut watcher| {
            dirs.iter().try_for_each(|dir| watcher.watch(dir, RecursiveMode::Recursive))?;
            Ok(watcher)
        },
    );
    watching
        .inspect_err(|error| {
            tell(&format!("the system gives no notices ({error}); the folders are looked at again and again"))
        })
        .ok()
}

/// How often the directories are looked at without a notice.
const LOOK: Duration = Duration::from_millis(500);
