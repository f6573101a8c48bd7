//! What is measured, phase by phase, and what each of them writes.

use super::session::{Act, Session, Step};
use super::wire::{How, Plan, Report};

/// The phases in their order, and what each is about.
const PHASES: [(&str, &str); 6] = [
    ("steps", "single writes into an idle folder"),
    ("hot", "a file that is rewritten every second"),
    ("batch", "many files at one instant"),
    ("mixed", "removals and new files at one instant"),
    ("large", "large files"),
    ("conflict", "writes of two at once"),
];

/// Numbers that no other probe draws.
#[derive(Clone, Debug)]
pub(super) struct Draws(pub(super) u64);

impl Draws {
    /// Below `most`, by SplitMix64.
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % most.max(1)
    }

    fn shuffle<T>(&mut self, all: &mut [T]) {
        for at in (1..all.len()).rev() {
            let other = usize::try_from(self.below(at as u64 + 1)).unwrap_or(0);
            all.swap(at, other);
        }
    }
}

/// Runs all phases until somebody's time is over, and gives what this probe wrote and saw.
pub(super) fn run(session: &mut Session<'_>, draws: &mut Draws) -> Step<()> {
    for (n, (phase, about)) in PHASES.iter().enumerate() {
        if session.is_over {
            (session.fixed.tell)("the time is over: what has not been measured by now is left out");
            break;
        }
        let took = about_how_long(phase, &session.plan);
        (session.fixed.tell)(&format!("{} of {}: {about}, about {took}", n + 1, PHASES.len()));
        match *phase {
            "conflict" => conflict(session)?,
            "batch" => {
                session.report.odd_written = super::place::write_odd(&session.place.own, &session.run);
                session.act(&batch(&session.plan, draws))?;
                session.settle(phase)?;
                // Some are removed next, which all have to have seen.
                session.settle("batch-seen")?;
            }
            _ => {
                let schedule = match *phase {
                    "steps" => steps(&session.plan, draws),
                    "hot" => hot(&session.plan),
                    "mixed" => mixed(&session.plan),
                    _ => large(&session.plan, draws),
                };
                session.act(&schedule)?;
                session.settle(phase)?;
            }
        }
    }
    gather(session)
}

fn about_how_long(phase: &str, plan: &Plan) -> String {
    let us = match phase {
        "steps" => i64::from(plan.rounds) * KINDS * plan.gap_us,
        "hot" => plan.hot_us,
        "large" => i64::from(plan.rounds) * plan.gap_us + 15 * plan.typical_us,
        "conflict" => 10 * plan.typical_us,
        _ => plan.typical_us,
    };
    let s = (us + 2 * plan.typical_us) / 1_000_000 + 1;
    if s < 120 { format!("{s} s") } else { format!("{} min", s / 60) }
}

/// How many single writes a round of `steps` has.
const KINDS: i64 = 5;

fn write(file: impl Into<String>, how: How, len: u64) -> Act {
    Act::Write { file: file.into(), how, len }
}

/// Half as long as the mean to one and a half times as long: writes in step with a client's timer would all wait for the
/// same time.
fn pause_us(mean_us: i64, draws: &mut Draws) -> i64 {
    mean_us / 2 + i64::try_from(draws.below(u64::try_from(mean_us).unwrap_or(0))).unwrap_or(0)
}

/// In each round a new file, one that is replaced, one that is rewritten, one that is appended to, and one that is
/// removed, in an order and after pauses that are drawn.
fn steps(plan: &Plan, draws: &mut Draws) -> Vec<(i64, Act)> {
    let mut schedule = Vec::new();
    let mut at_us = 0;
    for round in 1..=plan.rounds {
        let mut acts = vec![
            write(format!("new-{round:04}"), How::New, 0),
            write("replaced", How::Replace, 0),
            write("rewritten", How::Rewrite, 0),
            write("appended", How::Append, 0),
        ];
        // One that has certainly arrived.
        if round > 2 {
            acts.push(Act::Remove { file: format!("new-{:04}", round - 2) });
        }
        draws.shuffle(&mut acts);
        for act in acts {
            at_us += pause_us(plan.gap_us, draws);
            schedule.push((at_us, act));
        }
    }
    schedule
}

/// A file that is replaced every second, and one that is appended to.
fn hot(plan: &Plan) -> Vec<(i64, Act)> {
    let mut schedule = Vec::new();
    for n in 0..plan.hot_us / 1_000_000 {
        schedule.push((n * 1_000_000, write("hot", How::Replace, 0)));
        schedule.push((n * 1_000_000 + 500_000, write("hot-append", How::Append, 0)));
    }
    schedule
}

/// Files of several lengths, of which neither the names nor the lengths are in the order in which they are written.
fn batch(plan: &Plan, draws: &mut Draws) -> Vec<(i64, Act)> {
    let mut names: Vec<u32> = (0..plan.batch).collect();
    draws.shuffle(&mut names);
    let len = |name: u32| if name.is_multiple_of(7) { 30_000 } else { 200 + u64::from(name % 5) * 700 };
    names.into_iter().map(|name| (0, write(format!("batch-{name:04}"), How::New, len(name)))).collect()
}

/// Half of what is removed comes before the new files, and half after them.
fn mixed(plan: &Plan) -> Vec<(i64, Act)> {
    let remove = |name: u32| (0, Act::Remove { file: format!("batch-{name:04}") });
    let new = (0..5).map(|name| (0, write(format!("mixed-{name}"), How::New, 0)));
    let last = plan.batch - 1;
    [0, 1].into_iter().map(remove).chain(new).chain([last - 1, last].into_iter().map(remove)).collect()
}

/// Files of 64 KiB are replaced and rewritten often, and such of 1 MiB and the largest twice.
fn large(plan: &Plan, draws: &mut Draws) -> Vec<(i64, Act)> {
    let sizes = [("mid", 64 << 10, plan.rounds), ("big", 1 << 20, 2), ("huge", plan.largest_bytes, 2)];
    let mut schedule = Vec::new();
    let mut at_us = 0;
    for (name, len, times) in sizes {
        for _ in 0..times {
            schedule.push((at_us, write(format!("{name}-replaced"), How::Replace, len)));
            schedule.push((at_us, write(format!("{name}-rewritten"), How::Rewrite, len)));
            // A large one takes its time.
            at_us += pause_us(if len > 1 << 19 { plan.typical_us * 3 } else { plan.gap_us }, draws);
        }
        at_us += plan.typical_us;
    }
    schedule
}

/// How often each conflict is made: with either of the two as the earlier.
pub(super) const CONFLICTS: usize = 2;

/// The first two write the same files, within less time than anything takes on its way.
fn conflict(session: &mut Session<'_>) -> Step<()> {
    let all = session.all();
    let place = all.iter().position(|name| name == session.fixed.name).unwrap_or(usize::MAX);
    if place == 0 {
        for n in 0..CONFLICTS {
            session.write(&format!("shared/edit-{n}"), How::New, 0)?;
            session.write(&format!("shared/delete-{n}"), How::New, 0)?;
        }
    }
    let late_us = session.plan.late_us() + session.plan.typical_us * 4;
    session.wait(Some(late_us), &|session| bases(session) == 2 * CONFLICTS)?;
    session.settle("base")?;
    let at_us = session.agreed_us("at")?;
    let apart_us = (session.plan.typical_us / 4).clamp(10_000, 2_500_000);
    for turn in 0..2 {
        session.until(at_us + i64::try_from(turn).unwrap_or(0) * apart_us)?;
        for n in 0..CONFLICTS {
            // The first of the two is the earlier one in the first of the conflicts, and the other in the next.
            if place < 2 && (n + turn) % 2 == place {
                collide(session, n, place)?;
            }
        }
    }
    let done = session.plan.typical_us * 2;
    let from_us = session.now_us();
    session.until(from_us + done)?;
    session.settle("conflict")?;
    rest(session)
}

/// How many of the files that both are to edit are here.
fn bases(session: &Session<'_>) -> usize {
    let is_base = |shared: &super::wire::Shared| !shared.is_more && shared.versions.len() == 1;
    session.watch.shared().iter().filter(|shared| is_base(shared)).count()
}

/// One's part of the conflicts of one number: it edits, it creates, and it removes what the other edits, or the reverse.
fn collide(session: &mut Session<'_>, n: usize, place: usize) -> Step<()> {
    let [edit, create, delete] = ["edit", "create", "delete"].map(|kind| format!("shared/{kind}-{n}"));
    let here = session.watch.shared();
    let of = |file: &str| {
        here.iter().find(|shared| file.strip_prefix("shared/") == shared.name.strip_suffix(".txt"))
    };
    let leader = session.all().remove(0);
    let runs = &session.watch.peers;
    let base_run = runs.get(&leader).unwrap_or(&session.run).clone();
    let is_base = |file: &str| {
        of(file).is_some_and(
            |shared| matches!(&shared.versions[..], [one] if one.probe == base_run && one.version == 1),
        )
    };
    let concurrent = [(&edit, is_base(&edit)), (&create, of(&create).is_none()), (&delete, is_base(&delete))];
    for (file, is) in concurrent {
        if is {
            session.report.concurrent.push(file.clone());
        }
    }
    let was_there = is_base(&delete);
    session.write(&edit, How::Replace, 0)?;
    session.write(&create, How::Replace, 0)?;
    // The first of the two removes: once as the earlier one, and once as the later.
    match place == 0 {
        true if was_there => session.remove(&delete),
        true => Ok(()),
        false => session.write(&delete, How::Replace, 0),
    }
}

/// Waits until nothing changes in what all have in common.
fn rest(session: &mut Session<'_>) -> Step<()> {
    let from_us = session.now_us();
    let (quiet_us, most_us) =
        (session.plan.typical_us * 3 + 1_000_000, session.plan.typical_us * 15 + 10_000_000);
    let mut last = (from_us, session.watch.shared());
    while session.now_us() - last.0 < quiet_us && session.now_us() - from_us < most_us {
        let now_us = session.now_us();
        session.until(now_us + 100_000)?;
        let now = session.watch.shared();
        if now != last.1 {
            last = (session.now_us(), now);
        }
    }
    Ok(())
}

/// Says all that was seen, and waits for what the others say.
fn gather(session: &mut Session<'_>) -> Step<()> {
    let odd = |peer: &String| (peer.clone(), super::place::look_odd(&session.place.root.join(peer)));
    session.report.odd = session.watch.peers.keys().map(odd).collect();
    session.report.run.clone_from(&session.run);
    session.report.shared = session.watch.shared();
    (session.report.seen, session.report.strange) = session.watch.seen();
    session.report.messages = session.watch.message_times();
    session.say("report", &session.report)?;
    session.wait_for("report")
}

/// The reports of all, by name.
pub(super) fn reports(session: &Session<'_>) -> Step<std::collections::BTreeMap<String, Report>> {
    let mut reports = std::collections::BTreeMap::new();
    for peer in session.watch.peers.keys() {
        reports.insert(peer.clone(), session.said(peer, "report")?);
    }
    reports.insert(session.fixed.name.to_owned(), session.report.clone());
    Ok(reports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_has_each_kind_of_write_and_pauses_that_are_no_timers() {
        let plan = Plan::new(20, 1_000_000, 1 << 20);
        let schedule = steps(&plan, &mut Draws(7));
        let count = |is: &dyn Fn(&Act) -> bool| schedule.iter().filter(|(_, act)| is(act)).count();
        assert_eq!(count(&|act| matches!(act, Act::Remove { .. })), 18);
        assert_eq!(count(&|act| matches!(act, Act::Write { how: How::Append, .. })), 20);
        assert_eq!(schedule.len(), 98);
        let gaps: Vec<i64> = schedule.windows(2).map(|two| two[1].0 - two[0].0).collect();
        assert!(gaps.iter().all(|gap| (500_000..1_500_000).contains(gap)), "{gaps:?}");
        let different: std::collections::BTreeSet<_> = gaps.iter().collect();
        assert!(different.len() > 90);
        assert_ne!(schedule, steps(&plan, &mut Draws(8)));
    }

    #[test]
    fn what_is_removed_was_written_before() {
        let plan = Plan::new(5, 1_000_000, 1 << 20);
        let mut there = std::collections::BTreeSet::new();
        let mut draws = Draws(1);
        for (_, act) in
            steps(&plan, &mut draws).into_iter().chain(batch(&plan, &mut draws)).chain(mixed(&plan))
        {
            match act {
                Act::Write { file, .. } => drop(there.insert(file)),
                Act::Remove { file } => assert!(there.remove(&file), "{file}"),
            }
        }
    }
}
