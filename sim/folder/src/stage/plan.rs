//! The timetable of a run: everything that is done to it, with times that are known before it starts.

use cloudchamber_core::Draw;
use cloudchamber_folder::scenario::{Outage, Scenario};
use cloudchamber_folder::world::{Choice, ChoiceOf, Loss};
use cloudchamber_folder::{ReplicaId, System};

use cloudchamber_folder::streams::{Purpose, Stream};

/// Something the director does at a given time.
#[derive(Clone, Debug)]
pub(crate) enum Deed<S: System> {
    /// Takes a choice, if the world allows it then.
    Take(ChoiceOf<S>),
    /// Starts a replica's process, or starts it again.
    Open(ReplicaId),
    /// Lets a replica's process die.
    Crash(ReplicaId, Doom),
    /// Puts a machine to sleep, or wakes it up.
    Awake(ReplicaId, bool),
    /// Faults stop.
    Calm,
}

/// How a process dies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Doom {
    /// At which moment.
    pub(crate) moment: Moment,
    /// How much of an op that it dies in still happens, in percent.
    pub(crate) torn_percent: u8,
    /// What is lost.
    pub(crate) loss: Loss,
}

/// At which moment a process dies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Moment {
    /// At once.
    Now,
    /// Before its next op.
    BeforeOp,
    /// In the middle of its next op.
    InOp,
}

/// All deeds of a run in order of time. Each fault draws from a stream of its own, replica by replica.
pub(crate) fn plan<S: System>(scenario: &Scenario<S>) -> Vec<(u64, Deed<S>)> {
    let mut deeds = Vec::new();
    for (id, spec) in ReplicaId::all(scenario.replica.len()).zip(&scenario.replica) {
        deeds.push((spec.start_ms, Deed::Open(id)));
    }
    for at in &scenario.at {
        let doom = |torn_percent, loss| Doom { moment: Moment::Now, torn_percent, loss };
        deeds.push((
            at.ms,
            match &at.choice {
                Choice::Open { replica, .. } => Deed::Open(*replica),
                Choice::Crash { replica, torn_percent: 0, loss } => Deed::Crash(*replica, doom(0, *loss)),
                Choice::Crash { replica, torn_percent, loss } => {
                    Deed::Crash(*replica, Doom { moment: Moment::InOp, ..doom(*torn_percent, *loss) })
                }
                Choice::Sleep { replica } => Deed::Awake(*replica, false),
                Choice::Wake { replica } => Deed::Awake(*replica, true),
                other => Deed::Take(other.clone()),
            },
        ));
    }
    let mut workload = Stream::new(scenario.seed, Purpose::Workload, 0);
    deeds.extend(
        S::workload(scenario, &mut workload).into_iter().map(|(ms, choice)| (ms, Deed::Take(choice))),
    );
    for replica in ReplicaId::all(scenario.replica.len()) {
        let mut own = Vec::new();
        faults(scenario, replica, &mut own);
        if scenario.faults.gone_for_good.contains(&replica) {
            // The end of an outage must not bring back who is gone for good.
            own.retain(|(ms, _)| *ms < scenario.run_ms);
        }
        deeds.extend(own);
    }
    if scenario.settle_ms > 0 {
        deeds.push((scenario.run_ms, Deed::Calm));
    }
    // An outage may outlast the run; nothing is done to a world whose time is over.
    deeds.retain(|(ms, _)| *ms < scenario.run_ms.saturating_add(scenario.settle_ms));
    // Stable: what is listed first for a moment happens first.
    deeds.sort_by_key(|(ms, _)| *ms);
    deeds
}

fn faults<S: System>(scenario: &Scenario<S>, replica: ReplicaId, deeds: &mut Vec<(u64, Deed<S>)>) {
    let faults = &scenario.faults;
    let each = |outage: Option<Outage>, purpose, add: &mut dyn FnMut(&mut Stream, u64, u64)| {
        let Some(outage) = outage else { return };
        let mut stream = Stream::new(scenario.seed, purpose, replica.0);
        let mut at = scenario.replica[replica.index()].start_ms;
        loop {
            at += stream.between(1, outage.every_ms.saturating_mul(2));
            let [shortest, longest] = outage.for_ms;
            let until = at + stream.between(shortest, longest);
            if at >= scenario.run_ms {
                return;
            }
            add(&mut stream, at, until);
            at = until;
        }
    };
    each(faults.crash, Purpose::Crash, &mut |stream, at, until| {
        let moment = [Moment::Now, Moment::BeforeOp, Moment::InOp]
            [usize::try_from(stream.between(0, 2)).expect("0 to 2")];
        let torn_percent = u8::try_from(stream.between(0, 100)).expect("a percentage");
        deeds.push((at, Deed::Crash(replica, Doom { moment, torn_percent, loss: Loss::Kept })));
        deeds.push((until, Deed::Open(replica)));
    });
    each(faults.power, Purpose::Power, &mut |stream, at, until| {
        let moment = if stream.chance(1, 2) { Moment::Now } else { Moment::InOp };
        let torn_percent = u8::try_from(stream.between(0, 100)).expect("a percentage");
        let loss = Loss::Mixed(stream.between(0, u64::MAX >> 1));
        deeds.push((at, Deed::Crash(replica, Doom { moment, torn_percent, loss })));
        deeds.push((until, Deed::Open(replica)));
    });
    each(faults.sleep, Purpose::Sleep, &mut |_, at, until| {
        deeds.push((at, Deed::Awake(replica, false)));
        deeds.push((until, Deed::Awake(replica, true)));
    });
    let mut pair = |outage, purpose, choice: &dyn Fn(bool) -> ChoiceOf<S>| {
        each(outage, purpose, &mut |_, at, until| {
            deeds.push((at, Deed::Take(choice(true))));
            deeds.push((until, Deed::Take(choice(false))));
        });
    };
    pair(faults.disk, Purpose::FullDisk, &|full| Choice::Disk { replica, full });
    pair(faults.folder, Purpose::Folder, &|lost| Choice::Folder { replica, reachable: !lost });
    pair(faults.offline, Purpose::Offline, &|cut| Choice::Network { replica, online: !cut });
    each(faults.clock, Purpose::Clock, &mut |stream, at, until| {
        let by_ms = i64::try_from(until - at).unwrap_or(i64::MAX);
        let by_ms = if stream.chance(1, 2) { by_ms } else { -by_ms };
        deeds.push((at, Deed::Take(Choice::Clock { replica, by_ms })));
    });
    each(faults.activate, Purpose::Activate, &mut |stream, at, _| {
        let count = u64::try_from(scenario.replica.len()).expect("at most 26");
        let target = ReplicaId(u8::try_from(stream.between(0, count - 1)).expect("one of 26"));
        if let Some(choice) = S::activation(scenario, replica, target) {
            deeds.push((at, Deed::Take(choice)));
        }
    });
}

/// The same choice with randomness of the run in it.
pub(crate) fn with_draw<S: System>(mut choice: ChoiceOf<S>, fresh: Draw) -> ChoiceOf<S> {
    match &mut choice {
        Choice::Apply { draw, .. }
        | Choice::Command { draw, .. }
        | Choice::Fail { draw, .. }
        | Choice::Open { draw, .. }
        | Choice::Reply { draw, .. }
        | Choice::Timer { draw, .. }
        | Choice::Watch { draw, .. } => *draw = fresh,
        _ => {}
    }
    choice
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use cloudchamber_folder::systems::failover::FailoverSystem;

    use super::*;

    #[test]
    fn nothing_is_done_after_the_end() {
        let text = "system = 'failover'\nrun_ms = 60000\nreplica = [{}, {}]\n\
                    [faults]\ncrash = { every_ms = 9000, for_ms = [1, 90000] }\n";
        let scenario = Scenario::<FailoverSystem>::parse(Path::new("a.toml"), text).unwrap();
        for seed in 0..50 {
            let scenario = Scenario { seed, ..scenario.clone() };
            let deeds = plan(&scenario);
            assert!(deeds.len() > 2 && deeds.iter().all(|(ms, _)| *ms < 60_000), "{deeds:?}");
            assert_eq!(crate::run(&scenario, false).outcome.at_ms, 60_000);
        }
    }
}
