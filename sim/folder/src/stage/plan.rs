//! The timetable of a run: everything that is done to it, with times that are known before it starts.

use cloudchamber_core::{Draw, Rng as _};

use super::ambush::{Ambush, Strike};
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
    /// Something is to go wrong at a moment of which only the world to come knows.
    Ambush(Ambush),
    /// Something comes back that was kept aside, of which only the world to come knows whether it differs.
    Restore { replica: ReplicaId, drawn: u64 },
    /// Faults stop.
    Calm,
}

impl<S: System> Deed<S> {
    /// Whether it ends something that began earlier.
    pub(super) fn is_end(&self) -> bool {
        match self {
            Self::Take(Choice::Open { .. }) => true,
            Self::Take(choice) => choice.fault().is_some_and(|(_, begins)| !begins),
            Self::Ambush(_) | Self::CrashAtOp { .. } | Self::Restore { .. } | Self::Calm => false,
        }
    }
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
    // The end of an outage must not bring back who is gone for good.
    let stays = |replica, ms| ms < scenario.run_ms || !scenario.faults.gone_for_good.contains(&replica);
    for replica in ReplicaId::all(scenario.replica.len()) {
        let mut own = Vec::new();
        faults(scenario, replica, &mut own);
        deeds.extend(own.into_iter().filter(|(ms, _)| stays(replica, *ms)));
    }
    let struck = bursts(scenario).into_iter().filter(|(replica, ms, _)| stays(*replica, *ms));
    deeds.extend(struck.map(|(_, ms, deed)| (ms, deed)));
    accepted(scenario, &mut deeds);
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
    pair(faults.local, Purpose::Local, &|held| Choice::Local { replica, readable: !held });
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
        // Faults have stopped then: nobody would write again what is whose machine is gone for good.
        if until < scenario.run_ms {
            deeds.push((until, Deed::Restore { replica, drawn }));
        }
    });
    let kinds = Strike::drawn(faults);
    each(faults.ambush.filter(|_| !kinds.is_empty()), Purpose::Ambush, &mut |stream, at, until| {
        deeds.push((at, Deed::Ambush(Ambush::drawn(replica, &kinds, until - at, stream))));
    });
    each(faults.whim, Purpose::Whim, &mut |stream, at, _| {
        if let Some(choice) = S::whim(scenario, replica, stream) {
            deeds.push((at, Deed::Take(choice)));
        }
    });
}

/// After a folder was emptied everywhere, or is everywhere as it was earlier, people say to each replica that it is to go on
/// from there: one that has not heard of it yet has nothing to accept, so they say it several times, and for the last time
/// when every machine is there again.
fn accepted<S: System>(scenario: &Scenario<S>, deeds: &mut Vec<(u64, Deed<S>)>) {
    const AFTER_MS: [u64; 4] = [60_000, 120_000, 240_000, 480_000];
    let is_loss = |deed: &Deed<S>| match deed {
        Deed::Take(Choice::Wipe { .. }) => scenario.faults.wipe.is_some(),
        Deed::Restore { .. } => S::accepts_older(),
        _ => false,
    };
    let lost: Vec<u64> = deeds.iter().filter(|(_, deed)| is_loss(deed)).map(|(ms, _)| *ms).collect();
    let Some(command) = S::acceptance().filter(|_| !lost.is_empty()) else { return };
    let mut times: Vec<u64> = lost.iter().flat_map(|ms| AFTER_MS.map(|after_ms| ms + after_ms)).collect();
    times.extend(AFTER_MS.map(|after_ms| scenario.run_ms + after_ms));
    for ms in times {
        for replica in ReplicaId::all(scenario.replica.len()) {
            let accepts = Choice::Command { replica, command: command.clone(), draw: Draw::default() };
            deeds.push((ms, Deed::Take(accepts)));
        }
    }
}

/// What strikes several machines at once: at whom, when and what.
fn bursts<S: System>(scenario: &Scenario<S>) -> Vec<(ReplicaId, u64, Deed<S>)> {
    let kinds = Strike::drawn(&scenario.faults);
    let mut deeds = Vec::new();
    let Some(burst) = scenario.faults.burst.filter(|_| !kinds.is_empty()) else { return deeds };
    let mut stream = Stream::new(scenario.seed, Purpose::Burst, 0);
    let number = |count: usize| u64::try_from(count).expect("at most 256");
    let count = number(scenario.replica.len());
    let [shortest, longest] = burst.for_ms;
    let mut at = 0;
    while at < scenario.run_ms {
        at += stream.between(1, burst.every_ms.saturating_mul(2));
        let window_ms = stream.between(shortest, longest);
        for _ in 0..stream.between(1, 2 * count) {
            let replica = ReplicaId(u8::try_from(stream.up_to(count - 1)).expect("one of 256"));
            let kind = Strike::one_of(&kinds, &mut stream);
            let from = at + stream.between(0, window_ms);
            let until = from + stream.between(500, 500 + 2 * window_ms);
            let drawn = stream.bits();
            if from < scenario.run_ms {
                let (begins, ends) = kind.choices::<S>(replica, drawn);
                deeds.push((replica, from, Deed::Take(begins)));
                deeds.push((replica, until, Deed::Take(ends)));
            }
        }
        at += window_ms;
    }
    deeds
}

pub(super) fn open<S: System>(replica: ReplicaId) -> ChoiceOf<S> {
    Choice::Open { replica, draw: Draw::default() }
}

fn percentage(stream: &mut Stream) -> u8 {
    u8::try_from(stream.between(0, 100)).expect("a percentage")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Stage;
    use super::super::tests::played;
    use super::*;
    use crate::systems::delta::DeltaSystem;
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

    #[test]
    fn a_burst_strikes_several_at_once_with_what_is_drawn_by_itself_too() {
        let text = "system = 'failover'\nrun_ms = 600000\nsettle_ms = 60000\nreplica = [{}, {}, {}]\n\
                    [faults]\nburst = { every_ms = 60000, for_ms = [1000, 1000] }\ngone_for_good = ['b']\n\
                    sleep = { every_ms = 900000000000, for_ms = [1, 1] }\n";
        let scenario = Scenario::<FailoverSystem>::parse(Path::new("a.toml"), text).unwrap();
        let struck = bursts(&scenario);
        let sleeps: Vec<_> = struck
            .iter()
            .filter(|(_, _, deed)| matches!(deed, Deed::Take(Choice::Sleep { .. })))
            .map(|(replica, ms, _)| (*replica, *ms))
            .collect();
        assert_eq!(
            struck.len(),
            2 * sleeps.len(),
            "whoever falls asleep wakes up, and nothing else was drawn"
        );
        let together = |(one, ms): &&(ReplicaId, u64)| {
            sleeps.iter().any(|(other, other_ms)| other != one && ms.abs_diff(*other_ms) <= 1_000)
        };
        assert!(2 * sleeps.iter().filter(together).count() > sleeps.len(), "{sleeps:?}");
        let mut alone = scenario.clone();
        alone.faults.sleep = None;
        assert!(bursts(&alone).is_empty());
        let wakes = |(ms, deed): &(u64, Deed<_>)| {
            *ms >= scenario.run_ms && matches!(deed, Deed::Take(Choice::Wake { replica: ReplicaId(1) }))
        };
        for seed in 0..50 {
            assert!(!plan(&Scenario { seed, ..scenario.clone() }).iter().any(wakes), "b is gone for good");
        }
    }

    #[test]
    fn an_ambush_springs_soon_after_something_that_its_replica_did() {
        let text = "system = 'failover'\nprofile = 'syncthing'\nrun_ms = 600000\nsettle_ms = 60000\n\
                    replica = [{}, {}, {}]\n[faults]\ngone_for_good = ['c']\n\
                    ambush = { every_ms = 30000, for_ms = [1000, 9000] }\n\
                    sleep = { every_ms = 900000000000, for_ms = [1, 1] }\n";
        let scenario = Scenario::<FailoverSystem>::parse(Path::new("a.toml"), text).unwrap();
        let mut sleeps = 0;
        for seed in 0..20 {
            let mut stage = Stage::new(&Scenario { seed, ..scenario.clone() });
            let mut busy_ms = [0; 3];
            stage.advance(u64::MAX, &mut |watched, choice| {
                let now = watched.world.now();
                match *choice {
                    Choice::Sleep { replica } => {
                        sleeps += 1;
                        assert!(
                            now <= busy_ms[replica.index()] + 20_000,
                            "seed {seed}: {replica} sleeps at {now}"
                        );
                        assert!(now < 600_000, "faults have stopped");
                    }
                    Choice::Wake { replica } => {
                        assert!(now < 600_000 || replica != ReplicaId(2), "c is gone for good")
                    }
                    Choice::Apply { replica, .. }
                    | Choice::Download { replica, .. }
                    | Choice::Upload { replica, .. }
                    | Choice::Serve { replica }
                    | Choice::Reply { replica, .. } => busy_ms[replica.index()] = now,
                    _ => {}
                }
            });
        }
        assert!(sleeps > 100, "{sleeps}");
        let mut alone = scenario.clone();
        alone.faults.sleep = None;
        assert!(
            !plan(&alone).iter().any(|(_, deed)| matches!(deed, Deed::Ambush(_))),
            "nothing is there to strike with"
        );
    }

    #[test]
    fn people_accept_that_a_folder_was_emptied() {
        let text = "system = 'failover'\nrun_ms = 600000\nsettle_ms = 900000\nreplica = [{}, {}]\n\
                    [faults]\nwipe = { every_ms = 300000, for_ms = [1000, 1000] }\n";
        let scenario = Scenario::<FailoverSystem>::parse(Path::new("a.toml"), text).unwrap();
        let deeds = plan(&scenario);
        let wiped = deeds.iter().filter(|(_, deed)| matches!(deed, Deed::Take(Choice::Wipe { .. })));
        let accepted = |id: ReplicaId, after_ms: u64| {
            deeds.iter().any(|(ms, deed)| {
                let accepts = matches!(deed, Deed::Take(Choice::Command { replica, .. }) if *replica == id);
                *ms > after_ms && accepts
            })
        };
        let mut count = 0;
        for (ms, _) in wiped {
            count += 1;
            assert!(ReplicaId::all(2).all(|id| accepted(id, *ms)));
        }
        assert!(count > 0 && ReplicaId::all(2).all(|id| accepted(id, scenario.run_ms)));
    }

    #[test]
    fn people_accept_an_earlier_folder_where_much_that_lacks_stops_a_replica() {
        fn commands<S: System>() -> (usize, usize) {
            let text = format!(
                "system = '{}'\nrun_ms = 600000\nsettle_ms = 900000\nreplica = [{{}}, {{}}]\n\
                 [faults]\nolder = {{ every_ms = 100000, for_ms = [1000, 1000] }}\n",
                S::NAME
            );
            let scenario = Scenario::<S>::parse(Path::new("a.toml"), &text).unwrap();
            let deeds = plan(&scenario);
            let back = deeds.iter().filter(|(_, deed)| matches!(deed, Deed::Restore { .. })).count();
            let said = deeds.iter().filter(|(_, deed)| matches!(deed, Deed::Take(Choice::Command { .. })));
            (back, said.count())
        }
        let (back, said) = commands::<DeltaSystem>();
        assert!(back > 0);
        assert_eq!(said, 2 * 4 * (back + 1));
        let (back, said) = commands::<FailoverSystem>();
        assert_eq!((back > 0, said), (true, 0));
    }
}
