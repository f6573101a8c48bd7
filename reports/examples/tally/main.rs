//! A system of one's own, in one file, and the whole command for it.
//!
//! Several machines count something together in a folder that a sync client copies. The *published* design keeps one
//! number in one file: read it, add one, write it. That is right on one disk and wrong in a synced folder, where two
//! machines read 7 and both write 8. The *hardened* one has a file for each machine, which that machine alone writes,
//! and the total is the sum: a grow-only counter (Shapiro, Preguiça, Baquero and Zawirski, 2011).
//!
//! ```text
//! cargo run --release --example tally -- swarm --system tally --design published --profile icloud --trace lost.jsonl
//! cargo run --release --example tally -- shrink lost.jsonl -o small.jsonl
//! cargo run --release --example tally -- replay small.jsonl --story
//! cargo run --release --example tally -- check --system tally --scenarios reports/examples/tally/scenarios
//! ```
//!
//! Three things make the system: a [`Protocol`], its [`Checks`], and a [`System`] that ties them together. Nothing else
//! in cloudchamber knows of it.

use std::collections::BTreeMap;
use std::process::ExitCode;

use cloudchamber_core::{Cx, Design, FsError, FsOp, Input, Mono, Never, Path, Protocol, Rng};
use cloudchamber_folder::checks::{Checker, Checks, Findings, Kind, Violation};
use cloudchamber_folder::scenario::Scenario;
use cloudchamber_folder::systems::failover::FailoverSystem;
use cloudchamber_folder::systems::journal::JournalSystem;
use cloudchamber_folder::world::{Choice, ChoiceOf, Effects, Setup, World};
use cloudchamber_folder::{NoService, ReplicaId, System, Variant};
use serde::{Deserialize, Serialize};

cloudchamber_folder::systems! {
    /// The built-in systems, and this one.
    Mine: FailoverSystem, JournalSystem, TallySystem
}

fn main() -> ExitCode {
    cloudchamber::main_called::<Mine>("cargo run --release --example tally --")
}

// ---------------------------------------------------------------------------------------------------- the protocol

/// What one machine knows.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Tally {
    /// The most that each machine is known to have counted; one entry for all in the published design.
    counts: BTreeMap<String, u64>,
    /// Whether it knows how far it had counted itself: what it keeps of that may not be readable yet.
    knows: bool,
    /// Whether the ops under way are an addition.
    adding: bool,
    /// When it looks again.
    next: Mono,
}

#[derive(Clone, Debug)]
struct Config {
    design: Design,
    name: String,
    look_ms: u64,
}

#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Command {
    Add,
}

/// One was added, for good: whoever asked has been told.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Added;

impl Protocol for Tally {
    type Config = Config;
    type Command = Command;
    type Event = Added;
    type Call = Never;
    type Reply = Never;

    fn open(config: &Config, cx: &mut Cx<'_, Self>) -> Self {
        let next = cx.now().mono.plus(config.look_ms);
        let mut tally = Self { counts: BTreeMap::new(), knows: false, adding: false, next };
        tally.look(config, cx);
        tally
    }

    fn step(&mut self, config: &Config, input: Input<Self>, cx: &mut Cx<'_, Self>) {
        match input {
            Input::Applied if std::mem::take(&mut self.adding) => cx.event(Added),
            Input::Applied | Input::Reply(_) => {}
            Input::Changed => self.look(config, cx),
            // Who does not know how far it has counted cannot count on.
            Input::Command(Command::Add) if !self.knows => {}
            Input::Command(Command::Add) => {
                self.adding = true;
                *self.counts.entry(config.key()).or_insert(0) += 1;
                self.write(config, cx);
            }
            // Nobody was told, so it may count or not; the next look writes it once more.
            Input::Failed { .. } => self.adding = false,
            Input::Timer => {
                self.next = cx.now().mono.plus(config.look_ms);
                self.look(config, cx);
            }
        }
    }

    fn wake_at(&self) -> Option<Mono> {
        Some(self.next)
    }
}

impl Config {
    /// Whose count this machine adds to.
    fn key(&self) -> String {
        match self.design {
            Design::Published => "all".into(),
            Design::Hardened => self.name.clone(),
        }
    }
}

impl Tally {
    fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Reads what the folder says, and repairs this machine's own file if an older version of it has come back.
    fn look(&mut self, config: &Config, cx: &mut Cx<'_, Self>) {
        // What this machine counted is also where no sync client puts an older version back.
        let kept = Path::local("count");
        if !self.knows && matches!(cx.read(&kept), Ok(_) | Err(FsError::NotFound)) {
            self.knows = true;
            self.take(cx, &kept);
        }
        let dir = Path::shared("counts");
        let before = self.counts.get(&config.key()).copied().unwrap_or(0);
        if config.design == Design::Published {
            // The folder is believed, whatever it says.
            self.counts.clear();
        }
        let mut own = None;
        for entry in cx.list(&dir).unwrap_or_default() {
            let found = self.take(cx, &dir.join(entry.name()));
            if entry.name() == config.key() {
                own = found;
            }
        }
        if config.design == Design::Hardened && self.knows && before > 0 && own.is_none_or(|own| own < before)
        {
            self.write(config, cx);
        }
    }

    /// Takes a file for what it says. A copy that a sync client made of it says the same machine's name, and counts for
    /// nothing more. Returns the count; `None` if the file is not there or not whole.
    fn take(&mut self, cx: &Cx<'_, Self>, path: &Path) -> Option<u64> {
        let content = cx.read(path).ok()?;
        // A file whose end has not come has no newline.
        let (name, count) = std::str::from_utf8(content.bytes()).ok()?.strip_suffix('\n')?.split_once(' ')?;
        let count: u64 = count.parse().ok()?;
        let known = self.counts.entry(name.into()).or_insert(0);
        *known = count.max(*known);
        Some(count)
    }

    fn write(&self, config: &Config, cx: &mut Cx<'_, Self>) {
        let key = config.key();
        let text = format!("{key} {}\n", self.counts[&key]);
        if config.design == Design::Hardened {
            cx.op(FsOp::Replace { path: Path::local("count"), content: text.as_str().into() });
        }
        cx.op(FsOp::Replace { path: Path::shared("counts").join(&key), content: text.as_str().into() });
    }
}

// ---------------------------------------------------------------------------------------------------- what must hold

const COUNTS: &str = "every_addition_counts";
const COUNTED: &str = "an_addition_is_counted_by_another";

/// Watches a run.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct TallyChecks {
    /// How many additions each machine was told of.
    added: BTreeMap<ReplicaId, u64>,
    /// Whether what is due in the end is due at every moment at which nothing moves any more.
    at_rest: bool,
}

impl Checks<TallySystem> for TallyChecks {
    const CHECKERS: &'static [Checker] = &[
        Checker {
            name: COUNTS,
            kind: Kind::Liveness,
            about: "In the end everybody's total has every addition in it.",
        },
        Checker {
            name: COUNTED,
            kind: Kind::Reached,
            about: "A total has an addition of another machine in it.",
        },
    ];

    fn after(
        &mut self,
        setup: &Setup<TallySystem>,
        world: &World<TallySystem>,
        choice: &ChoiceOf<TallySystem>,
        effects: &Effects<Tally>,
        findings: &mut Findings,
    ) {
        if let Some(replica) = choice.replica() {
            for Added in &effects.events {
                *self.added.entry(replica).or_insert(0) += 1;
            }
        }
        if self.at_rest && ReplicaId::all(setup.replicas.len()).all(|id| rests(world, id)) {
            self.end(setup, world, findings);
        }
    }

    fn calm(&mut self, _: &Setup<TallySystem>, _: &World<TallySystem>) {}

    fn end(&self, _: &Setup<TallySystem>, world: &World<TallySystem>, findings: &mut Findings) {
        // A machine that is gone for good may have taken with it what it had not sent.
        let here = self.added.iter().filter(|(id, _)| world.replica(**id).protocol().is_some());
        let due: u64 = here.map(|(_, added)| added).sum();
        for (id, tally) in world.replicas().filter_map(|(id, replica)| Some((id, replica.protocol()?))) {
            findings.count(COUNTED, u64::from(tally.total() > self.added.get(&id).copied().unwrap_or(0)));
            // Before all is at rest nothing is due: files may still be on their way.
            if rests(world, id) && tally.total() < due {
                findings.violated(COUNTS, || Violation {
                    checker: COUNTS.into(),
                    at_ms: world.now(),
                    replicas: vec![id],
                    expected: format!("a total of {due} at least, as many as were added"),
                    seen: format!("{id} counts {}", tally.total()),
                });
            }
        }
    }
}

/// Whether a machine has nothing to do, and everything has travelled to it.
fn rests(world: &World<TallySystem>, id: ReplicaId) -> bool {
    let idle = world.replica(id).process().is_some_and(|process| process.pending_op().is_none());
    idle && world.is_in_step(id)
}

// ---------------------------------------------------------------------------------------------------- the system

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct TallySystem;

/// The `[settings]` of a scenario.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    design: Design,
    /// Mean time between two additions of all machines together, ms; none happen by themselves where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    add_every_ms: Option<u64>,
    /// For models, which know no end of a run: see [`TallyChecks::at_rest`].
    at_rest: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { design: Design::Hardened, add_every_ms: None, at_rest: false }
    }
}

/// How often a machine looks without being told, ms.
const LOOK_MS: u64 = 10_000;

impl System for TallySystem {
    const NAME: &'static str = "tally";
    const DESIGNS: &'static [Variant] =
        &[Variant::plain(Design::Published), Variant::plain(Design::Hardened)];
    type Protocol = Tally;
    type Service = NoService;
    type Checks = TallyChecks;
    type Settings = Settings;

    fn settings(variant: Variant) -> Settings {
        Settings { design: variant.design, ..Settings::default() }
    }

    fn variant(settings: &Settings) -> Variant {
        Variant::plain(settings.design)
    }

    fn config(scenario: &Scenario<Self>, replica: ReplicaId) -> Result<Config, String> {
        if scenario.settings.add_every_ms == Some(0) {
            return Err("add_every_ms must be 1 ms or more".into());
        }
        Ok(Config { design: scenario.settings.design, name: replica.to_string(), look_ms: LOOK_MS })
    }

    fn checks(scenario: &Scenario<Self>, _: &Setup<Self>) -> TallyChecks {
        TallyChecks { added: BTreeMap::new(), at_rest: scenario.settings.at_rest }
    }

    fn workload(scenario: &Scenario<Self>, rng: &mut dyn Rng) -> Vec<(u64, ChoiceOf<Self>)> {
        let Some(every_ms) = scenario.settings.add_every_ms else { return vec![] };
        let last = u64::try_from(scenario.replica.len() - 1).expect("at most 26");
        let mut asks = Vec::new();
        let mut at = 0;
        loop {
            at += 1 + rng.up_to(2 * every_ms);
            if at >= scenario.run_ms {
                return asks;
            }
            let replica = ReplicaId(u8::try_from(rng.up_to(last)).expect("one of 26"));
            asks.push((at, Choice::Command { replica, command: Command::Add, draw: Default::default() }));
        }
    }

    fn draw(scenario: &mut Scenario<Self>, rng: &mut dyn Rng) {
        scenario.settings.add_every_ms = Some([5_000, 20_000, 60_000][usize::from(rng.up_to(2) as u8)]);
        scenario.settle_ms = 2 * scenario.profile().timing.calm_bound_ms() + 4 * LOOK_MS + 60_000;
    }
}
