//! The small way to a system: what a protocol that calls nobody and has no variants needs to say.

use std::fmt::Debug;
use std::hash::Hash;

use cloudchamber_core::{Design, Never, Protocol, Rng};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::checks::{Checker, Checks, Findings};
use crate::scenario::Scenario;
use crate::telling::Telling;
use crate::world::{Choice, ChoiceOf, Effects, Setup, World};
use crate::{NoService, ReplicaId, Sample, System, Variant};

/// A [`System`] in small: a protocol that calls nobody, in the two designs, of which people ask something now and then.
///
/// A name, the protocol, its checkers and [`config`](Self::config) are enough; whoever implements it has a [`System`].
/// What it cannot say (a world outside the folder, policies, settings of one's own, files from the start) [`System`] can.
pub trait PlainSystem: Clone + Copy + Debug + Eq + Hash + Send + Sync + 'static {
    /// What scenario files and commands call it.
    const NAME: &'static str;
    /// How long, in ms, it may take to settle once faults have stopped and all that was written then has travelled; counted
    /// on in swarms.
    const SETTLE_MS: u64 = 120_000;
    /// The mean times, in ms, between two things that people ask of one replica or another; a swarm draws one of them.
    const ASK_EVERY_MS: &'static [u64] = &[5_000, 20_000, 60_000];
    /// See [`System::SAMPLES`].
    const SAMPLES: &'static [Sample] = &[];
    /// See [`System::PROMINENT`].
    const PROMINENT: Option<&'static str> = None;
    /// The protocol under test: production code.
    type Protocol: Protocol<
            Config: Clone + Debug + Send + Sync,
            Command: Serialize + DeserializeOwned + Send + Sync,
            Event: Send + Sync,
            Call = Never,
            Reply = Never,
        > + Send
        + Sync
        + 'static;
    /// What must hold.
    type Checks: Checks<Self> + Default;

    /// The configuration of one replica of `count`.
    fn config(design: Design, replica: ReplicaId, count: usize) -> <Self::Protocol as Protocol>::Config;

    /// What somebody asks of a replica at a random moment; `None` if people leave it alone.
    #[must_use]
    fn whim(replica: ReplicaId, rng: &mut dyn Rng) -> Option<<Self::Protocol as Protocol>::Command> {
        let _ = (replica, rng);
        None
    }

    /// See [`System::telling`].
    #[must_use]
    fn telling(event: &<Self::Protocol as Protocol>::Event) -> Telling {
        Telling::of(event)
    }

    /// See [`System::stands_out`].
    #[must_use]
    fn stands_out(setup: &Setup<Self>, world: &World<Self>, replica: ReplicaId) -> bool {
        let _ = (setup, world, replica);
        false
    }

    /// See [`System::beliefs`].
    #[must_use]
    fn beliefs(setup: &Setup<Self>, world: &World<Self>, replica: ReplicaId) -> Vec<String> {
        let _ = (setup, world, replica);
        vec![]
    }
}

/// The `[settings]` of a [`PlainSystem`]'s scenarios.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlainSettings {
    /// The design.
    pub design: Design,
    /// The mean time between two things that people ask, of all replicas together, ms; nobody asks by themselves if it is
    /// absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask_every_ms: Option<u64>,
    /// Whether what is due in the end is due whenever nothing moves any more. For models, which know no end of a run.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub at_rest: bool,
}

impl Default for PlainSettings {
    fn default() -> Self {
        Self { design: Design::Hardened, ask_every_ms: None, at_rest: false }
    }
}

/// Checkers that also look as if the run were over whenever nothing moves any more, where that is asked for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct AtRest<C> {
    checks: C,
    at_rest: bool,
}

impl<C> AtRest<C> {
    /// The checkers, and whether they look then.
    #[must_use]
    pub const fn new(checks: C, at_rest: bool) -> Self {
        Self { checks, at_rest }
    }
}

impl<S: System, C: Checks<S>> Checks<S> for AtRest<C> {
    const CHECKERS: &'static [Checker] = C::CHECKERS;

    fn after(
        &mut self,
        setup: &Setup<S>,
        world: &World<S>,
        choice: &ChoiceOf<S>,
        effects: &Effects<S::Protocol>,
        findings: &mut Findings,
    ) {
        self.checks.after(setup, world, choice, effects, findings);
        if self.at_rest && ReplicaId::all(setup.replicas.len()).all(|id| world.is_at_rest(id)) {
            self.checks.end(setup, world, findings);
        }
    }

    fn forget(&mut self, checker: &str, fresh: &Self) {
        self.checks.forget(checker, &fresh.checks);
    }

    fn calm(&mut self, setup: &Setup<S>, world: &World<S>) {
        self.checks.calm(setup, world);
    }

    fn awaits_something(&self) -> bool {
        self.checks.awaits_something()
    }

    fn is_content(&mut self, setup: &Setup<S>, world: &World<S>) -> bool {
        self.checks.is_content(setup, world)
    }

    fn end(&self, setup: &Setup<S>, world: &World<S>, findings: &mut Findings) {
        self.checks.end(setup, world, findings);
    }
}

impl<T: PlainSystem> System for T {
    const NAME: &'static str = T::NAME;
    const DESIGNS: &'static [Variant] =
        &[Variant::plain(Design::Published), Variant::plain(Design::Hardened)];
    const SAMPLES: &'static [Sample] = T::SAMPLES;
    const PROMINENT: Option<&'static str> = T::PROMINENT;
    type Protocol = T::Protocol;
    type Service = NoService;
    type Checks = AtRest<T::Checks>;
    type Settings = PlainSettings;

    fn settings(variant: Variant) -> PlainSettings {
        PlainSettings { design: variant.design, ..PlainSettings::default() }
    }

    fn variant(settings: &PlainSettings) -> Variant {
        Variant::plain(settings.design)
    }

    fn config(
        scenario: &Scenario<Self>,
        replica: ReplicaId,
    ) -> Result<<T::Protocol as Protocol>::Config, String> {
        if scenario.settings.ask_every_ms == Some(0) {
            return Err("ask_every_ms must be 1 ms or more; leave it out if nobody is to ask".into());
        }
        Ok(T::config(scenario.settings.design, replica, scenario.replica.len()))
    }

    fn checks(scenario: &Scenario<Self>, _: &Setup<Self>) -> Self::Checks {
        AtRest::new(T::Checks::default(), scenario.settings.at_rest)
    }

    fn workload(scenario: &Scenario<Self>, rng: &mut dyn Rng) -> Vec<(u64, ChoiceOf<Self>)> {
        let Some(every_ms) = scenario.settings.ask_every_ms else { return vec![] };
        let last = u64::try_from(scenario.replica.len() - 1).expect("at most 256");
        let mut asked = Vec::new();
        let mut at = rng.between(1, every_ms.saturating_mul(2));
        while at < scenario.run_ms {
            let replica = ReplicaId(u8::try_from(rng.up_to(last)).expect("one of 256"));
            asked.extend(asks::<T>(replica, rng).map(|choice| (at, choice)));
            at = at.saturating_add(rng.between(1, every_ms.saturating_mul(2)));
        }
        asked
    }

    fn whim(_: &Scenario<Self>, asked: ReplicaId, rng: &mut dyn Rng) -> Option<ChoiceOf<Self>> {
        asks::<T>(asked, rng)
    }

    fn stands_out(setup: &Setup<Self>, world: &World<Self>, replica: ReplicaId) -> bool {
        T::stands_out(setup, world, replica)
    }

    fn telling(event: &<T::Protocol as Protocol>::Event) -> Telling {
        T::telling(event)
    }

    fn beliefs(setup: &Setup<Self>, world: &World<Self>, replica: ReplicaId) -> Vec<String> {
        T::beliefs(setup, world, replica)
    }

    fn draw(scenario: &mut Scenario<Self>, rng: &mut dyn Rng) {
        let every = u64::try_from(T::ASK_EVERY_MS.len()).expect("a few");
        if let Some(last) = every.checked_sub(1) {
            let drawn = T::ASK_EVERY_MS[usize::try_from(rng.up_to(last)).expect("one of a few")];
            scenario.settings.ask_every_ms = Some(scenario.stretched(drawn));
        }
        // What was written last travels, and what somebody writes because of that once more.
        scenario.settle_ms = 2 * scenario.profile().timing.calm_bound_ms() + T::SETTLE_MS;
    }
}

/// What somebody asks, as a choice.
fn asks<T: PlainSystem>(replica: ReplicaId, rng: &mut dyn Rng) -> Option<ChoiceOf<T>> {
    let command = T::whim(replica, rng)?;
    Some(Choice::Command { replica, command, draw: Default::default() })
}
