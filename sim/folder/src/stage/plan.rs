//! The timetable of a run: everything that is done to it, with times that are known before it starts.

use cloudchamber_core::{Draw, Rng as _};

use crate::scenario::{Outage, Scenario};
use crate::streams::{Purpose, Stream};
use crate::world::{Choice, ChoiceOf, Loss};
use crate::{ReplicaId, System};

/// Something the director does at a given time.
#[derive(Clone, Debug)]
pub(super) enum Deed<S: System> {
    /// Makes a choice, if the world allows it then. A process that is to open does so when its turn comes, and not
    /// where it is up.
    Take(ChoiceOf<S>),
    /// Lets a process die at its next op, of which only the world to come knows: no choice can name it yet.
    CrashAtOp { replica: ReplicaId, doom: Doom },
    /// Something comes back that was kept aside, of which only the world to come knows whether it differs.
    Restore { replica: ReplicaId, drawn: u64 },
    /// Faults stop.
    Calm,
}

/// How a process dies at its next op.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Doom {
    /// How much of the op still happens, in percent; `None` if it dies before the op.
    pub(super) torn_percent: Option<u8>,
    /// What is lost.
    pub(super) loss: Loss,
}

/// All deeds of a run in order of time. Each fault draws from a stream of its own, replica by replica.
pub(super) fn plan<S: System>(scenario: &Scenario<S>) -> Vec<(u64, Deed<S>)> {
    let mut deeds = Vec::new();
    for (id, spec) in ReplicaId::all(scenario.replica.len()).zip(&scenario.replica) {
        deeds.push((spec.start_ms, Deed::Take(open::<S>(id))));
    }
    for at in &scenario.at {
        let deed = match at.choice {
            Choice::Crash { replica, torn_percent: torn_percent @ 1.., loss } => {
                Deed::CrashAtOp { replica, doom: Doom { torn_percent: Some(torn_percent), loss } }
            }
            ref other => Deed::Take(other.clone()),
        };
        deeds.push((at.ms, deed));
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
        // At once, before the next op, or in the middle of it.
        let moment = stream.between(0, 2);
        let torn_percent = percentage(stream);
        let torn_percent = (moment == 2).then_some(torn_percent);
        let loss = Loss::Kept;
        deeds.push((
            at,
            match moment {
                0 => Deed::Take(Choice::Crash { replica, torn_percent: 0, loss }),
                _ => Deed::CrashAtOp { replica, doom: Doom { torn_percent, loss } },
            },
        ));
        deeds.push((until, Deed::Take(open::<S>(replica))));
    });
    each(faults.power, Purpose::Power, &mut |stream, at, until| {
        let at_once = stream.chance(1, 2);
        let torn_percent = Some(percentage(stream));
        let loss = Loss::Mixed(stream.between(0, u64::MAX >> 1));
        deeds.push((
            at,
            match at_once {
                true => Deed::Take(Choice::Crash { replica, torn_percent: 0, loss }),
                false => Deed::CrashAtOp { replica, doom: Doom { torn_percent, loss } },
            },
        ));
        deeds.push((until, Deed::Take(open::<S>(replica))));
    });
    let mut pair = |outage, purpose, choice: &dyn Fn(bool) -> ChoiceOf<S>| {
        each(outage, purpose, &mut |_, at, until| {
            deeds.push((at, Deed::Take(choice(true))));
            deeds.push((until, Deed::Take(choice(false))));
        });
    };
    pair(faults.sleep, Purpose::Sleep, &|sleeps| match sleeps {
        true => Choice::Sleep { replica },
        false => Choice::Wake { replica },
    });
    pair(faults.disk, Purpose::FullDisk, &|full| Choice::Disk { replica, full });
    pair(faults.folder, Purpose::Folder, &|lost| Choice::Folder { replica, reachable: !lost });
    pair(faults.mount, Purpose::Mount, &|gone| Choice::Mount { replica, mounted: !gone });
    pair(faults.wipe, Purpose::Wipe, &|gone| match gone {
        true => Choice::Mount { replica, mounted: false },
        false => Choice::Wipe { replica },
    });
    pair(faults.offline, Purpose::Offline, &|cut| Choice::Network { replica, online: !cut });
    each(faults.clock, Purpose::Clock, &mut |stream, at, until| {
        let by_ms = i64::try_from(until - at).unwrap_or(i64::MAX);
        let by_ms = if stream.chance(1, 2) { by_ms } else { -by_ms };
        deeds.push((at, Deed::Take(Choice::Clock { replica, by_ms })));
    });
    each(faults.older, Purpose::Older, &mut |stream, at, until| {
        let drawn = stream.bits();
        deeds.push((at, Deed::Take(Choice::Keep { replica })));
        deeds.push((until, Deed::Restore { replica, drawn }));
    });
    each(faults.whim, Purpose::Whim, &mut |stream, at, _| {
        if let Some(choice) = S::whim(scenario, replica, stream) {
            deeds.push((at, Deed::Take(choice)));
        }
    });
}

fn open<S: System>(replica: ReplicaId) -> ChoiceOf<S> {
    Choice::Open { replica, draw: Draw::default() }
}

fn percentage(stream: &mut Stream) -> u8 {
    u8::try_from(stream.between(0, 100)).expect("a percentage")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tests::played;
    use super::*;
    use crate::systems::failover::FailoverSystem;

    #[test]
    fn nothing_is_done_after_the_end() {
        let text = "system = 'failover'\nrun_ms = 60000\nreplica = [{}, {}]\n\
                    [faults]\ncrash = { every_ms = 9000, for_ms = [1, 90000] }\n";
        let scenario = Scenario::<FailoverSystem>::parse(Path::new("a.toml"), text).unwrap();
        for seed in 0..50 {
            let scenario = Scenario { seed, ..scenario.clone() };
            let deeds = plan(&scenario);
            assert!(deeds.len() > 2 && deeds.iter().all(|(ms, _)| *ms < 60_000), "{deeds:?}");
            assert_eq!(played(&scenario).0.at_ms, 60_000);
        }
    }
}
