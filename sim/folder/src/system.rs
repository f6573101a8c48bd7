//! What the simulator, the model checker and the reports need to know of a protocol.

use std::fmt::{self, Debug};
use std::hash::Hash;

use cloudchamber_core::{Design, Never, Protocol, Rng};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ReplicaId;
use crate::checks::Checks;
use crate::scenario::Scenario;
use crate::telling::Telling;
use crate::world::{ChoiceOf, ReplicaSetup, Setup, World};

/// A protocol together with the world outside the folder that it talks to, its checkers, and the words that commands and
/// reports need.
///
/// A system without a service, without variants and without anything that people do gives its name, its types,
/// [`DESIGNS`](Self::DESIGNS), [`settings`](Self::settings), [`variant`](Self::variant), [`config`](Self::config) and
/// [`checks`](Self::checks); everything else has a default. Most systems of one's own are a
/// [`PlainSystem`](crate::PlainSystem), which says less.
pub trait System: Clone + Copy + Debug + Eq + Hash + Send + Sync + 'static {
    /// What scenario files and commands call it.
    const NAME: &'static str;
    /// Everything that is run for comparison: each design, and each variant of it.
    const DESIGNS: &'static [Variant];
    /// The durations that say how long it takes to come together again, with the words for them: first until it works
    /// again, then until all agree.
    const SAMPLES: &'static [Sample] = &[];
    /// What a replica is called that [stands out](Self::stands_out); `None` if none ever does.
    const PROMINENT: Option<&'static str> = None;
    /// The protocol under test: production code.
    type Protocol: Protocol<
            Config: Clone + Debug + Send + Sync,
            Command: Serialize + DeserializeOwned + Send + Sync,
            Event: Send + Sync,
            Call: Send + Sync,
            Reply: Send + Sync,
        > + Send
        + Sync
        + 'static;
    /// The world outside the folder; [`NoService`] for protocols that call nobody.
    type Service: Service<Call = <Self::Protocol as Protocol>::Call, Reply = <Self::Protocol as Protocol>::Reply>;
    /// What must hold.
    type Checks: Checks<Self>;
    /// What a scenario can tell the system: its design, the values that differ from the published ones, its
    /// workload. Unknown keys are refused by its `Deserialize`.
    type Settings: Clone + Debug + Default + PartialEq + Send + Sync + Serialize + DeserializeOwned;

    /// The settings of a design with its own constants. [`find`] has made sure that there is such a variant.
    fn settings(variant: Variant) -> Self::Settings;

    /// The design that some settings mean.
    fn variant(settings: &Self::Settings) -> Variant;

    /// The configuration of one replica.
    ///
    /// # Errors
    /// A sentence that says which values do not fit together and what to do.
    fn config(
        scenario: &Scenario<Self>,
        replica: ReplicaId,
    ) -> Result<<Self::Protocol as Protocol>::Config, String>;

    /// What a replica's machine is called: as the scenario says, or `mac-a`, `mac-b` and so on.
    #[must_use]
    fn host(scenario: &Scenario<Self>, replica: ReplicaId) -> String {
        let spec = &scenario.replica[replica.index()];
        spec.host.clone().unwrap_or_else(|| format!("mac-{replica}"))
    }

    /// Makes the replicas' configurations and machines.
    ///
    /// # Errors
    /// As [`System::config`].
    fn setup(scenario: &Scenario<Self>) -> Result<Setup<Self>, String> {
        let replicas = ReplicaId::all(scenario.replica.len()).zip(&scenario.replica).map(|(id, spec)| {
            let config = Self::config(scenario, id)?;
            let guarded = Self::variant(&scenario.settings).design == Design::Hardened;
            Ok(ReplicaSetup { config, machine: spec.machine, host: Self::host(scenario, id), guarded })
        });
        let replicas = replicas.collect::<Result<_, String>>()?;
        Ok(Setup { replicas, rules: scenario.profile().rules.clone() })
    }

    /// Makes the world before anything runs.
    #[must_use]
    fn world(scenario: &Scenario<Self>, setup: &Setup<Self>) -> World<Self> {
        let _ = setup;
        World::new(scenario.replica.len(), Self::Service::default())
    }

    /// Makes the checkers of a run.
    fn checks(scenario: &Scenario<Self>, setup: &Setup<Self>) -> Self::Checks;

    /// What people and the world outside do during a run, each with its time in ms, in order of time.
    #[must_use]
    fn workload(scenario: &Scenario<Self>, rng: &mut dyn Rng) -> Vec<(u64, ChoiceOf<Self>)> {
        let _ = (scenario, rng);
        vec![]
    }

    /// What somebody asks of a replica on a whim, where a scenario's [`whim`](crate::scenario::Faults::whim) says how
    /// often; `None` if people leave the system alone.
    #[must_use]
    fn whim(scenario: &Scenario<Self>, asked: ReplicaId, rng: &mut dyn Rng) -> Option<ChoiceOf<Self>> {
        let _ = (scenario, asked, rng);
        None
    }

    /// What people say to a replica whose folder was emptied everywhere, some minutes after it was, and again and again;
    /// `None` where nothing has to be said.
    #[must_use]
    fn acceptance() -> Option<<Self::Protocol as Protocol>::Command> {
        None
    }

    /// Whether people say that also some minutes after files came back from an earlier time: a client may take those for
    /// changes and remove what is later everywhere, and then there is as much to accept as after a folder was emptied.
    #[must_use]
    fn accepts_older() -> bool {
        false
    }

    /// Equal digests have equal futures, whenever they are reached; `None` turns this reduction of a model's states
    /// off. `dies` says whether processes may still die.
    #[must_use]
    fn essence(setup: &Setup<Self>, world: &World<Self>, dies: bool) -> Option<u64> {
        let _ = (setup, world, dies);
        None
    }

    /// Whether somebody who looks at a run looks for this replica: in failover the active one.
    #[must_use]
    fn stands_out(setup: &Setup<Self>, world: &World<Self>, replica: ReplicaId) -> bool {
        let _ = (setup, world, replica);
        false
    }

    /// What a replica told, as people say it; by default its debug form in words.
    #[must_use]
    fn telling(event: &<Self::Protocol as Protocol>::Event) -> Telling {
        Telling::of(event)
    }

    /// What replicas are called in what is told, each with the replica that is meant. Stories say the replica instead.
    #[must_use]
    fn aliases(setup: &Setup<Self>) -> Vec<(String, ReplicaId)> {
        let _ = setup;
        vec![]
    }

    /// What a replica believes that somebody who looks for a mistake wants to know, a sentence each without its subject.
    #[must_use]
    fn beliefs(setup: &Setup<Self>, world: &World<Self>, replica: ReplicaId) -> Vec<String> {
        let _ = (setup, world, replica);
        vec![]
    }

    /// The checkers that a variant gives up for something else, and says so: a violation of one is told as what it costs
    /// and fails nothing, wherever it is found.
    #[must_use]
    fn concedes(variant: Variant) -> &'static [&'static str] {
        let _ = variant;
        &[]
    }

    /// Draws what a swarm leaves to the system: its settings, and how long it may take to settle. Without a time to
    /// settle, faults happen until the end and nothing is due.
    fn draw(scenario: &mut Scenario<Self>, rng: &mut dyn Rng) {
        let _ = (scenario, rng);
    }
}

/// A design, and which variant of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Variant {
    /// The design.
    pub design: Design,
    /// The variant, in the system's own words, such as a failover's policy; `None` for a design that has none, or for
    /// the one that it takes by itself.
    pub policy: Option<&'static str>,
}

impl Variant {
    /// A design that has no variants.
    #[must_use]
    pub const fn plain(design: Design) -> Self {
        Self { design, policy: None }
    }

    /// One variant of a design.
    #[must_use]
    pub const fn of(design: Design, policy: &'static str) -> Self {
        Self { design, policy: Some(policy) }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.design.text())?;
        self.policy.map_or(Ok(()), |policy| write!(f, " {policy}"))
    }
}

/// The variant of a system that somebody names.
///
/// # Errors
/// A sentence that says which there are, if there is no such design or it has no such policy.
pub fn find<S: System>(design: Design, policy: Option<&str>) -> Result<Variant, String> {
    let of = |design: Design| S::DESIGNS.iter().filter(move |variant| variant.design == design);
    if of(design).next().is_none() {
        return Err(format!("`{}` has no {} design", S::NAME, design.text()));
    }
    let Some(policy) = policy else { return Ok(Variant::plain(design)) };
    if let Some(variant) = of(design).find(|variant| variant.policy == Some(policy)) {
        return Ok(*variant);
    }
    let known: Vec<_> = of(design).filter_map(|variant| variant.policy).collect();
    if !known.is_empty() {
        let (design, known) = (design.text(), known.join(" and "));
        return Err(format!("the {design} design has no policy `{policy}`; there are {known}"));
    }
    match S::DESIGNS.iter().find(|variant| variant.policy.is_some()) {
        None => Err(format!("`{}` has no policies; leave `--policy` out", S::NAME)),
        Some(other) => Err(format!(
            "the {} design has no policies; leave `--policy` out, or ask for `--design {}`",
            design.text(),
            other.design.text()
        )),
    }
}

/// A duration that runs sample, and what reports call it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sample {
    /// Its name among [`Findings::samples`](crate::checks::Findings::samples).
    pub name: &'static str,
    /// What it says, such as `back to one active`.
    pub words: &'static str,
}

/// The world outside the folder: whatever the protocol's calls reach.
pub trait Service: Clone + Debug + Default + Eq + Hash + Send + Sync + 'static {
    /// What a replica asks.
    type Call;
    /// What it answers.
    type Reply;
    /// What happens out there by itself, such as a person who writes a message.
    type Act: Clone + Debug + Eq + Hash + Serialize + DeserializeOwned + Send + Sync;

    /// A call has arrived, at `now` milliseconds of the world's time.
    fn call(&mut self, from: ReplicaId, call: Self::Call, now: u64);

    /// Whether an answer for the replica is ready.
    fn ready(&self, to: ReplicaId, now: u64) -> bool;

    /// When the answer for the replica becomes ready by the passing of time alone, if nothing else happens.
    fn due(&self, to: ReplicaId) -> Option<u64>;

    /// Takes the answer.
    ///
    /// # Panics
    /// Where none is ready.
    fn reply(&mut self, to: ReplicaId, now: u64) -> Self::Reply;

    /// The replica's process is gone: whatever it waited for has nobody to go to.
    fn hang_up(&mut self, replica: ReplicaId);

    /// Something happens out there.
    fn act(&mut self, act: &Self::Act, now: u64);
}

/// For protocols that call nobody.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct NoService;

impl Service for NoService {
    type Call = Never;
    type Reply = Never;
    type Act = Never;

    fn call(&mut self, _: ReplicaId, call: Never, _: u64) {
        match call {}
    }

    fn ready(&self, _: ReplicaId, _: u64) -> bool {
        false
    }

    fn due(&self, _: ReplicaId) -> Option<u64> {
        None
    }

    fn reply(&mut self, to: ReplicaId, _: u64) -> Never {
        panic!("replica {to} was promised an answer although nobody can be called")
    }

    fn hang_up(&mut self, _: ReplicaId) {}

    fn act(&mut self, act: &Never, _: u64) {
        match *act {}
    }
}
