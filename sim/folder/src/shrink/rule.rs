//! What may be left out of a trace without turning its failure into another one.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::world::{Choice, ChoiceOf, Setup, World};
use crate::{ReplicaId, Service as _, System};

/// What may be left out of a trace, which follows from what its checker asks for and when it found it missing.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Something bad happened at a choice, and whatever is late may be later still: any choice may go.
    Anything,
    /// Something was counted at a choice, perhaps because a process was late: no process may become later.
    Punctual,
    /// Something was missing in the end, when everything had come to rest: it has to come to rest again.
    AtRest,
    /// Something was missing because time passed: no choice may go, only the scenario's faults, in a new run.
    NewRun,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anything => "any choice may be left out, for whatever is late may be later still",
            Self::Punctual => "a choice may be left out as long as no process becomes later by that",
            Self::AtRest => "a choice may be left out as long as everything comes to rest again",
            Self::NewRun => "only faults may be left out, in a new run: what is due has to have its chance",
        })
    }
}

/// How far a replica's process has come in the end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Rest {
    /// It runs and has nothing to do; its client has moved everything and told it so.
    Reached,
    /// It does not run. `unsent`: and its disk holds what its client had still to send.
    Down { unsent: bool },
    /// It runs, and something is under way.
    Missed,
}

/// Whether a replica has come to rest.
pub(super) fn rest<S: System>(world: &World<S>, id: ReplicaId) -> Rest {
    let replica = world.replica(id);
    let Some(process) = replica.process().filter(|_| replica.machine().awake) else {
        return Rest::Down { unsent: replica.disk().slots().any(|(_, slot)| slot.dirty) };
    };
    let idle = process.pending_op().is_none() && process.calls().is_empty();
    if idle && world.is_in_step(id) { Rest::Reached } else { Rest::Missed }
}

/// Whether a candidate has come to rest as the trace that it is taken from has: each replica either in the same way,
/// or, where nothing `is_due` that it could do, because it does not run and holds nothing back.
pub(super) fn rests_as<S: System>(world: &World<S>, before: &[Rest], is_due: bool) -> bool {
    ReplicaId::all(before.len()).zip(before).all(|(id, before)| match rest(world, id) {
        Rest::Missed => false,
        Rest::Reached | Rest::Down { unsent: false } if !is_due => true,
        same => same == *before,
    })
}

/// Whether a choice is something that people ask for, or that happens outside.
pub(super) fn is_request<S: System>(choice: &ChoiceOf<S>) -> bool {
    matches!(choice, Choice::Act { .. } | Choice::Command { .. })
}

/// Since when each replica's process has had the chance to do what it has to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Chances {
    /// World time at which each did something last, ms.
    stepped: Vec<u64>,
    /// World time since which each can do something, ms: it started, its machine woke up or came back.
    able: Vec<u64>,
}

impl Chances {
    pub(super) fn new(replicas: usize) -> Self {
        Self { stepped: vec![0; replicas], able: vec![0; replicas] }
    }

    /// By how much the latest process that runs is late at world time `now`, in ms: how long its op, its call, an
    /// answer or its timer has waited for it although nothing kept it.
    pub(super) fn late_ms<S: System>(&self, setup: &Setup<S>, world: &World<S>, now: u64) -> u64 {
        let late = |id: ReplicaId| {
            let replica = world.replica(id);
            let process = replica.process().filter(|_| replica.machine().awake)?;
            let since_step = self.stepped[id.index()].max(self.able[id.index()]);
            if process.pending_op().is_some() {
                return Some(now - since_step);
            }
            let online = replica.machine().online;
            let call = (online && !process.calls().is_empty()).then_some(since_step);
            let answer = (online && world.service().ready(id, now))
                .then(|| world.service().due(id).unwrap_or(0).max(since_step));
            // A process may do other things while its timer waits; that does not make the timer wait less.
            let timer = world.timer_due(setup, id).map(|due| due.max(self.able[id.index()]));
            call.into_iter().chain(answer).chain(timer).map(|since| now.saturating_sub(since)).max()
        };
        world.replicas().filter_map(|(id, _)| late(id)).max().unwrap_or(0)
    }

    /// A choice was taken at world time `now`.
    pub(super) fn taken<S: System>(&mut self, choice: &ChoiceOf<S>, now: u64) {
        let Some(id) = choice.replica() else { return };
        match choice {
            Choice::Apply { .. }
            | Choice::Command { .. }
            | Choice::Fail { .. }
            | Choice::Reply { .. }
            | Choice::Serve { .. }
            | Choice::Timer { .. }
            | Choice::Watch { .. } => self.stepped[id.index()] = now,
            Choice::Folder { .. }
            | Choice::Mount { .. }
            | Choice::Network { .. }
            | Choice::Open { .. }
            | Choice::Sleep { .. }
            | Choice::Wake { .. } => self.able[id.index()] = now,
            _ => {}
        }
    }
}
