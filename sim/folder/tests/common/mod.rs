//! A system for tests of the world: a protocol that does to files what it is told, and a stage to play it on.
#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]
#![allow(dead_code, missing_docs, unreachable_pub, reason = "every test uses a part of it")]

pub mod walk;

use cloudchamber_core::{Content, Cx, Design, Draw, FsError, FsOp, Input, Mono, Never, Path, Protocol, Rng};
use cloudchamber_folder::checks::{Checker, Checks, Findings};
use cloudchamber_folder::profile::{
    Arrival, CreateConflict, DeleteConflict, EditConflict, Mtime, Naming, Placeholder, Rules, Temporary,
    Visible,
};
use cloudchamber_folder::scenario::Scenario;
use cloudchamber_folder::world::{
    Choice, ChoiceOf, Effects, Loss, MachineSetup, Menu, Part, Presence, ReplicaSetup, Setup, World,
};
use cloudchamber_folder::{NoService, ReplicaId, System, Variant};
use serde::{Deserialize, Serialize};

pub const A: ReplicaId = ReplicaId(0);
pub const B: ReplicaId = ReplicaId(1);
pub const C: ReplicaId = ReplicaId(2);

/// One op that the protocol is told to do.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Deed {
    Append { path: Path, text: String },
    Create { path: Path, text: String },
    Flush { path: Path },
    Overwrite { path: Path, text: String },
    Remove { path: Path },
    Rename { from: Path, to: Path },
    Replace { path: Path, text: String },
}

impl Deed {
    pub fn op(&self) -> FsOp {
        match self.clone() {
            Self::Append { path, text } => FsOp::Append { path, bytes: text.into() },
            Self::Create { path, text } => FsOp::CreateNew { path, content: text.into() },
            Self::Flush { path } => FsOp::Flush { path },
            Self::Overwrite { path, text } => FsOp::Overwrite { path, content: text.into() },
            Self::Remove { path } => FsOp::Remove { path },
            Self::Rename { from, to } => FsOp::Rename { from, to },
            Self::Replace { path, text } => FsOp::Replace { path, content: text.into() },
        }
    }
}

/// Does what it is told, and looks at its folder once a minute.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Scribe {
    pub next: Mono,
    pub files: usize,
}

impl Protocol for Scribe {
    type Config = ();
    type Command = Vec<Deed>;
    type Event = Result<(), FsError>;
    type Call = Never;
    type Reply = Never;

    fn open((): &(), cx: &mut Cx<'_, Self>) -> Self {
        Self { next: cx.now().mono.plus(60_000), files: 0 }
    }

    fn step(&mut self, (): &(), input: Input<Self>, cx: &mut Cx<'_, Self>) {
        match input {
            Input::Command(deeds) => deeds.iter().for_each(|deed| cx.op(deed.op())),
            Input::Timer => {
                self.next = cx.now().mono.plus(60_000);
                self.files = cx.list(&Path::shared("")).map_or(0, |entries| entries.len());
            }
            Input::Failed { error, .. } => cx.event(Err(error)),
            Input::Applied => cx.event(Ok(())),
            Input::Changed | Input::Reply(_) => {}
        }
    }

    fn wake_at(&self) -> Option<Mono> {
        Some(self.next)
    }
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ScribeSystem;

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct NoChecks;

impl Checks<ScribeSystem> for NoChecks {
    const CHECKERS: &'static [Checker] = &[];

    fn after(
        &mut self,
        _: &Setup<ScribeSystem>,
        _: &World<ScribeSystem>,
        _: &ChoiceOf<ScribeSystem>,
        _: &Effects<Scribe>,
        _: &mut Findings,
    ) {
    }

    fn calm(&mut self, _: &Setup<ScribeSystem>, _: &World<ScribeSystem>) {}

    fn end(&self, _: &Setup<ScribeSystem>, _: &World<ScribeSystem>, _: &mut Findings) {}
}

impl System for ScribeSystem {
    const NAME: &'static str = "scribe";
    const DESIGNS: &'static [Variant] = &[Variant::plain(Design::Published)];
    type Protocol = Scribe;
    type Service = NoService;
    type Checks = NoChecks;
    type Settings = ();

    fn settings(_: Variant) {}

    fn variant((): &()) -> Variant {
        Variant::plain(Design::Published)
    }

    fn config(_: &Scenario<Self>, _: ReplicaId) -> Result<(), String> {
        Ok(())
    }

    fn setup(scenario: &Scenario<Self>) -> Result<Setup<Self>, String> {
        Ok(setup(scenario.replica.len(), scenario.profile().rules.clone()))
    }

    fn checks(_: &Scenario<Self>, _: &Setup<Self>) -> NoChecks {
        NoChecks
    }
}

/// Rules in which nothing is lost: the later saved edit becomes a numbered copy.
pub fn rules() -> Rules {
    Rules {
        conflict_copies_max: None,
        conflict_naming: Naming::ICloud,
        create_conflict: CreateConflict::SameAsEdit,
        delete_conflict: DeleteConflict::EditWins,
        edit_conflict: EditConflict::LaterSavedIsCopied,
        mtime: Mtime::Kept { granularity_ms: 1 },
        placeholder: Placeholder::Dataless,
        temporary: Temporary::Syncthing,
        visible: Visible::TempAndRename,
    }
}

pub fn setup(replicas: usize, rules: Rules) -> Setup<ScribeSystem> {
    let replica = |id: ReplicaId| ReplicaSetup {
        config: (),
        machine: MachineSetup::default(),
        host: format!("host-{id}"),
        guarded: false,
    };
    Setup { replicas: ReplicaId::all(replicas).map(replica).collect(), rules }
}

/// Everything that can go wrong, without commands.
pub fn rich_menu() -> Menu<ScribeSystem> {
    Menu {
        arrivals: vec![
            Arrival::Whole,
            Arrival::Prefix { percent: 50 },
            Arrival::Empty,
            Arrival::Nul,
            Arrival::Gap,
            Arrival::Stub,
            Arrival::Beside { percent: 50, stays: false },
            Arrival::Beside { percent: 50, stays: true },
            Arrival::Cut { percent: 50 },
        ],
        halves: true,
        torn_percents: vec![0, 50, 100],
        losses: vec![Loss::Kept, Loss::Old, Loss::Empty, Loss::Nul, Loss::Mixed(1), Loss::Mixed(2)],
        failures: vec![FsError::NoSpace, FsError::Unavailable],
        evictions: true,
        sleep: true,
        network: true,
        ..Menu::calm()
    }
}

/// A world that is played by hand.
#[derive(Clone)]
pub struct Stage {
    pub setup: Setup<ScribeSystem>,
    pub world: World<ScribeSystem>,
}

impl Stage {
    /// Opens every replica's process.
    pub fn new(replicas: usize, rules: Rules) -> Self {
        let world = World::new(replicas, NoService);
        let mut stage = Self { setup: setup(replicas, rules), world };
        for replica in ReplicaId::all(replicas) {
            stage.take(Choice::Open { replica, draw: Draw::default() });
        }
        stage
    }

    /// Makes one thing happen that the world has to allow.
    pub fn take(&mut self, choice: ChoiceOf<ScribeSystem>) -> Effects<Scribe> {
        let mut effects = Effects::default();
        let taken = self.world.take(&self.setup, &choice, &mut effects);
        taken.unwrap_or_else(|refused| panic!("{choice:?}: {refused}"));
        effects
    }

    /// Tries to make something happen; a refusal has to leave the world as it was.
    pub fn refuses(&mut self, choice: ChoiceOf<ScribeSystem>) -> bool {
        let before = self.world.clone();
        let refused = self.world.take(&self.setup, &choice, &mut Effects::default()).is_err();
        assert!(!refused || self.world == before, "{choice:?} was refused and left traces");
        refused
    }

    /// Lets time pass.
    pub fn pass(&mut self, ms: u64) {
        self.world.advance(self.world.now() + ms);
    }

    /// Lets a replica do something to its files, op by op, and returns how it went.
    pub fn ask(&mut self, replica: ReplicaId, deeds: &[Deed]) -> Result<(), FsError> {
        self.take(Choice::Command { replica, command: deeds.to_vec(), draw: Draw::default() });
        let mut result = Ok(());
        while self.world.replica(replica).process().is_some_and(|process| process.pending_op().is_some()) {
            let effects = self.take(Choice::Apply { replica, part: Part::Whole, draw: Draw::default() });
            result = effects.events.into_iter().fold(result, Result::and);
        }
        result
    }

    /// Replaces a shared file.
    pub fn write(&mut self, replica: ReplicaId, name: &str, text: &str) {
        let deed = Deed::Replace { path: Path::shared(name), text: text.into() };
        self.ask(replica, &[deed]).expect("nothing stands in the way");
    }

    /// Removes a shared file.
    pub fn remove(&mut self, replica: ReplicaId, name: &str) {
        self.ask(replica, &[Deed::Remove { path: Path::shared(name) }]).expect("the file is there");
    }

    pub fn up(&mut self, replica: ReplicaId, name: &str) -> Effects<Scribe> {
        self.take(Choice::Upload { replica, path: Path::shared(name) })
    }

    pub fn down(&mut self, replica: ReplicaId, name: &str) -> Effects<Scribe> {
        self.arrive(replica, name, Arrival::Whole)
    }

    pub fn arrive(&mut self, replica: ReplicaId, name: &str, arrival: Arrival) -> Effects<Scribe> {
        self.take(Choice::Download { replica, path: Path::shared(name), back: 0, arrival })
    }

    /// What a process of the replica's finds under a shared name.
    pub fn text(&self, replica: ReplicaId, name: &str) -> Option<String> {
        let slot = self.world.replica(replica).disk().slot(&Path::shared(name))?;
        let body = slot.body.as_ref().filter(|body| body.presence == Presence::Here)?;
        Some(String::from_utf8_lossy(body.content.bytes()).into_owned())
    }

    /// The newest content on the server.
    pub fn server(&self, name: &str) -> Option<String> {
        let content = self.world.cloud().file(&Path::shared(name))?.newest().content.as_ref()?;
        Some(String::from_utf8_lossy(content.bytes()).into_owned())
    }

    /// Wakes and connects everybody, and moves files until there is nothing left to move.
    pub fn settle(&mut self) {
        self.settle_by(Draw::default());
    }

    /// Does the same in an order that is drawn.
    pub fn settle_by(&mut self, order: Draw) {
        let rng = &mut order.rng();
        for id in ReplicaId::all(self.setup.replicas.len()) {
            let machine = *self.world.replica(id).machine();
            if !machine.awake {
                self.take(Choice::Wake { replica: id });
            }
            if !machine.online {
                self.take(Choice::Network { replica: id, online: true });
            }
            if !machine.folder_reachable {
                self.take(Choice::Folder { replica: id, reachable: true });
            }
            if !machine.local_readable {
                self.take(Choice::Local { replica: id, readable: true });
            }
            if self.world.replica(id).is_hollow() {
                self.take(Choice::Mount { replica: id, mounted: true });
            }
        }
        let mut offered = Vec::new();
        for _ in 0..10_000 {
            offered.clear();
            self.world.choices(&self.setup, &Menu::calm(), &mut offered);
            let moves = |choice: &ChoiceOf<ScribeSystem>| {
                matches!(choice, Choice::Upload { .. } | Choice::Download { .. } | Choice::Fetch { .. })
            };
            offered.retain(moves);
            if offered.is_empty() {
                return;
            }
            let at = usize::try_from(rng.up_to(offered.len() as u64 - 1)).expect("an index");
            self.take(offered.swap_remove(at));
        }
        panic!("files still move after 10,000 movements");
    }

    /// Every shared file of a replica's disk that has bytes, and what they are.
    pub fn shared_files(&self, replica: ReplicaId) -> Vec<(Path, Content)> {
        let slots = self.world.replica(replica).disk().slots();
        let shared = slots.filter(|(path, _)| path.root() == cloudchamber_core::Root::Shared);
        shared.filter_map(|(path, slot)| Some((path.clone(), slot.body.as_ref()?.content.clone()))).collect()
    }

    /// Every file of the server's that has bytes, and what they are.
    pub fn server_files(&self) -> Vec<(Path, Content)> {
        let files = self.world.cloud().files();
        files.filter_map(|(path, file)| Some((path.clone(), file.newest().content.clone()?))).collect()
    }
}
