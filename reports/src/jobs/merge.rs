//! Shards into one report.

use cloudchamber_folder::checks::Kind;

use crate::files;
use crate::jobs::swarm::{per_second, speed};
use crate::report::check::{CheckReport, Part, Shards};
use crate::report::swarm::SwarmReport;

/// What can be merged.
#[derive(Debug)]
pub(crate) enum Report {
    Check(Box<CheckReport>),
    Swarm(Box<SwarmReport>),
}

impl Report {
    /// As `swarm --json` and `check` write it.
    pub(crate) fn to_json(&self) -> String {
        match self {
            Self::Check(check) => files::to_json(check),
            Self::Swarm(swarm) => files::to_json(swarm),
        }
    }

    /// Both together.
    ///
    /// # Errors
    /// A sentence that says why they are not parts of one report.
    pub(crate) fn with(self, other: Self) -> Result<Self, String> {
        match (self, other) {
            (Self::Swarm(one), Self::Swarm(other)) => {
                if one.whose() != other.whose() {
                    return Err(
                        "its swarm is another one than those before; merge shards of one swarm".into()
                    );
                }
                Ok(Self::Swarm(Box::new(swarms(*one, *other)?)))
            }
            (Self::Check(one), Self::Check(other)) => Ok(Self::Check(Box::new(checks(*one, *other)?))),
            _ => Err("a swarm's report and a check's do not add up; merge reports of one kind".into()),
        }
    }
}

impl SwarmReport {
    /// What makes two reports parts of one swarm.
    fn whose(&self) -> impl PartialEq + '_ {
        (&self.system, &self.design, &self.policy, &self.profile, &self.faults, self.shape)
    }
}

/// One commit's reports only: another program's seeds mean something else.
fn same_commit(one: &str, other: &str) -> Result<(), String> {
    if one == other {
        return Ok(());
    }
    Err(format!("it is of commit {other} and those before of {one}; make all shards with one program"))
}

/// Two parts of one swarm together.
///
/// # Errors
/// A sentence that says why they are not parts of one swarm.
pub(crate) fn swarms(mut one: SwarmReport, other: SwarmReport) -> Result<SwarmReport, String> {
    same_commit(&one.commit, &other.commit)?;
    let (ours, theirs) = (one.seeds, other.seeds);
    if ours.from.max(theirs.from) < ours.to.min(theirs.to) && ours.run + theirs.run > 0 {
        return Err(format!(
            "its seeds {}..{} were counted already, in {}..{}; merge each shard once, in the order of seeds",
            theirs.from, theirs.to, ours.from, ours.to
        ));
    }
    if ours.to != theirs.from && theirs.to != ours.from {
        return Err(format!(
            "its seeds {}..{} do not touch {}..{}; merge shards in the order of their seeds",
            theirs.from, theirs.to, ours.from, ours.to
        ));
    }
    one.seeds.from = ours.from.min(theirs.from);
    one.seeds.to = ours.to.max(theirs.to);
    one.seeds.run += theirs.run;
    one.seeds.failed += theirs.failed;
    one.hash = both_hashes(&one.hash, &other.hash)?;
    one.simulated_s = ((one.simulated_s + other.simulated_s) * 1_000.0).round() / 1_000.0;
    one.wall_s += other.wall_s;
    one.runs_per_s = speed(one.seeds.run, one.wall_s);
    one.cpu_s += other.cpu_s;
    one.simulated_s_per_cpu_s = per_second(one.simulated_s, one.cpu_s);
    for (mine, theirs) in [(&mut one.verdicts, other.verdicts), (&mut one.counted, other.counted)] {
        for (mine, theirs) in mine.iter_mut().zip(theirs) {
            if mine.checker != theirs.checker {
                return Err(format!("its checkers are others: `{}` for `{}`", theirs.checker, mine.checker));
            }
            let reached = mine.kind == Kind::Reached;
            let violated =
                if reached { mine.violated.min(theirs.violated) } else { mine.violated + theirs.violated };
            let earlier =
                theirs.first_seed.is_some_and(|seed| mine.first_seed.is_none_or(|first| seed < first));
            if earlier || (reached && theirs.violated < mine.violated) {
                *mine = theirs;
            }
            mine.violated = violated;
        }
    }
    one.determinism.checked += other.determinism.checked;
    one.determinism.mismatches += other.determinism.mismatches;
    one.determinism.seeds.extend(other.determinism.seeds);
    one.determinism.seeds.sort_unstable();
    one.recheck = one.recheck.or(other.recheck);
    one.convergence = one.convergence.with(&other.convergence);
    one.agreement = one.agreement.with(&other.agreement);
    for (name, count) in other.counts {
        *one.counts.entry(name).or_insert(0) += count;
    }
    for missed in other.missed {
        if !one.missed.contains(&missed) {
            one.missed.push(missed);
        }
    }
    Ok(one)
}

/// Shards of one check together. With the last one they are as the whole would have been, but for the times.
fn shards(
    (mut one, ours): (CheckReport, Shards),
    (other, theirs): (CheckReport, Shards),
) -> Result<CheckReport, String> {
    if ours.of != theirs.of || one.quick != other.quick {
        return Err("it is a shard of another check than those before; merge all shards of one check".into());
    }
    if let Some(part) = theirs.parts.iter().find(|part| ours.parts.contains(part)) {
        let of = ours.of;
        return Err(format!("shard {part}/{of} was counted already; merge each shard once"));
    }
    let both = (&ours, &theirs);
    one.scenarios = woven(both, one.scenarios, other.scenarios);
    one.regressions = woven(both, one.regressions, other.regressions);
    one.swarms = woven(both, one.swarms, other.swarms);
    one.models = woven(both, one.models, other.models);
    one.benches = woven(both, one.benches, other.benches);
    if one.syncthing.is_empty() {
        one.syncthing = other.syncthing;
    }
    for part in other.parts {
        match one.parts.iter_mut().find(|known| known.name == part.name) {
            Some(known) => {
                known.cpu_s += part.cpu_s;
                known.wall_s += part.wall_s;
            }
            None => one.parts.push(part),
        }
    }
    one.parts.sort_by_key(|part| place_of(part, &one.swarms));
    one.wall_s += other.wall_s;
    one.ok &= other.ok;
    let mut parts = [ours.parts, theirs.parts].concat();
    parts.sort_unstable();
    one.shards = Some(Shards { of: ours.of, parts }).filter(|shards| !shards.is_whole());
    Ok(one)
}

/// Where a part of a check comes: the swarms in their own order.
fn place_of(part: &Part, swarms: &[SwarmReport]) -> (u8, usize) {
    match &*part.name {
        "scenarios" => (0, 0),
        "regressions" => (1, 0),
        "benches" => (3, 0),
        "syncthing" => (4, 0),
        "models" => (5, 0),
        name => {
            let is_of = |swarm: &SwarmReport| Part::of_swarms(&swarm.system, &swarm.design) == name;
            (2, swarms.iter().position(is_of).unwrap_or(usize::MAX))
        }
    }
}

/// The entries of two lists, in the order of the whole one.
fn woven<T>((ours, theirs): (&Shards, &Shards), one: Vec<T>, other: Vec<T>) -> Vec<T> {
    let placed = |shards: &Shards, list: Vec<T>| -> Vec<(u64, T)> {
        list.into_iter().enumerate().map(|(at, entry)| (shards.place(at), entry)).collect()
    };
    let mut both = placed(ours, one);
    both.extend(placed(theirs, other));
    both.sort_by_key(|(place, _)| *place);
    both.into_iter().map(|(_, entry)| entry).collect()
}

/// The hash of the seeds of two parts together.
fn both_hashes(one: &str, other: &str) -> Result<String, String> {
    let read = |hash: &str| {
        u64::from_str_radix(hash, 16)
            .map_err(|_| format!("`{hash}` is no hash: it has 16 hexadecimal digits"))
    };
    Ok(format!("{:016x}", read(one)?.wrapping_add(read(other)?)))
}

fn checks(mut one: CheckReport, other: CheckReport) -> Result<CheckReport, String> {
    same_commit(&one.commit, &other.commit)?;
    match (one.shards.take(), other.shards.clone()) {
        (Some(ours), Some(theirs)) => return shards((one, ours), (other, theirs)),
        (None, None) => {}
        _ => return Err("one is a shard and the other is not; merge all shards of one check".into()),
    }
    one.quick |= other.quick;
    for swarm in other.swarms {
        match one.swarms.iter().position(|known| known.whose() == swarm.whose()) {
            Some(place) if one.swarms[place].seeds != swarm.seeds => {
                let known = one.swarms.remove(place);
                one.swarms.insert(place, swarms(known, swarm)?);
            }
            Some(_) => {}
            None => one.swarms.push(swarm),
        }
    }
    for (mine, theirs) in [(&mut one.scenarios, other.scenarios), (&mut one.regressions, other.regressions)] {
        for scenario in theirs {
            if !mine.contains(&scenario) {
                mine.push(scenario);
            }
        }
    }
    for model in other.models {
        if !one.models.iter().any(|known| known.file == model.file) {
            one.models.push(model);
        }
    }
    for bench in other.benches {
        if !one.benches.iter().any(|known| known.is_like(&bench)) {
            one.benches.push(bench);
        }
    }
    if one.syncthing.is_empty() {
        one.syncthing = other.syncthing;
    }
    one.wall_s += other.wall_s;
    one.ok &= other.ok;
    Ok(one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::check::MeasuredRow;

    fn whole() -> CheckReport {
        let row = |what: &str| MeasuredRow {
            what: what.into(),
            unit: "ms".into(),
            measured: 1,
            simulated: 1,
            tolerance_percent: 1,
            ok: true,
        };
        let swarm = |profile: u32| SwarmReport { profile: profile.to_string(), ..SwarmReport::default() };
        CheckReport {
            swarms: (0..23).map(swarm).collect(),
            syncthing: vec![row("a"), row("b")],
            parts: vec![Part { name: "swarms".into(), cpu_s: 12.0, wall_s: 6.0 }],
            ok: true,
            ..CheckReport::default()
        }
    }

    fn shard(part: u64, of: u64) -> CheckReport {
        let whole = whole();
        let mine = |at: &usize| u64::try_from(*at).unwrap() % of == part - 1;
        let swarms = whole.swarms.iter().enumerate().filter(|(at, _)| mine(at)).map(|(_, one)| one.clone());
        let share = |mut part: Part| {
            part.cpu_s /= of as f64;
            part.wall_s /= of as f64;
            part
        };
        CheckReport {
            swarms: swarms.collect(),
            syncthing: if part == 1 { whole.syncthing.clone() } else { vec![] },
            parts: whole.parts.iter().cloned().map(share).collect(),
            shards: Some(Shards { of, parts: vec![part] }),
            ..whole
        }
    }

    #[test]
    fn shards_in_any_order_are_the_whole() {
        for order in [[1, 2, 3, 4], [4, 3, 2, 1], [2, 4, 1, 3], [3, 1, 4, 2]] {
            let parts = order.map(|part| shard(part, 4));
            let merged = parts.into_iter().reduce(|one, other| checks(one, other).unwrap()).unwrap();
            assert_eq!(merged, whole(), "{order:?}");
        }
    }

    #[test]
    fn what_is_not_a_shard_of_the_same_check_is_refused() {
        let refused = |one, other| checks(one, other).unwrap_err();
        assert!(refused(shard(1, 4), shard(1, 4)).contains("shard 1/4 was counted already"));
        assert!(refused(shard(1, 4), shard(2, 3)).contains("another check"));
        assert!(refused(shard(1, 4), whole()).contains("one is a shard and the other is not"));
        let quick = CheckReport { quick: true, ..shard(2, 4) };
        assert!(refused(shard(1, 4), quick).contains("another check"));
    }
}
