//! What the reports of all say together.

use std::collections::{BTreeMap, BTreeSet};

use cloudchamber_core::kit::clients::unfinished;
use serde::Serialize;

use super::clock::{Between, Known, Sample};
use super::conflict::{self, Conflicts};
use super::stats::{Spread, inverted_percent};
use super::wire::{Broken, Notices, Report, Seen, Sighting, Wrote};

/// Everything that was measured.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Results {
    pub(super) clocks: Vec<(String, String, Between)>,
    /// Single writes into an idle folder, of every kind and on every way.
    pub(super) idle: Option<Spread>,
    pub(super) ways: Vec<Way>,
    pub(super) conflicts: Conflicts,
    /// The phases that all have ended.
    pub(super) phases: Vec<String>,
}

/// What was measured of the way from one probe to another.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Way {
    pub(super) from: String,
    pub(super) to: String,
    /// Every time below may be off by this, the same way for all of them.
    pub(super) error_us: i64,
    pub(super) new: Option<Spread>,
    pub(super) replaced: Option<Spread>,
    pub(super) rewritten: Option<Spread>,
    pub(super) appended: Option<Spread>,
    pub(super) removed: Option<Spread>,
    pub(super) large: BTreeMap<String, Spread>,
    pub(super) hot: Option<Hot>,
    pub(super) batch: Option<Batch>,
    /// When removals come that were made together with new files.
    pub(super) removals: Option<Removals>,
    pub(super) removals_after_us: Option<Spread>,
    /// Files that were removed, and were still there when nothing more was waited for.
    pub(super) not_removed: u64,
    pub(super) small: Arrivals,
    pub(super) large_arrivals: Arrivals,
    pub(super) appended_broken: Broken,
    pub(super) mtime: Option<MtimeOf>,
    /// Whether it was another at the first look than at the last.
    pub(super) mtime_is_late: bool,
    /// How long after a look that showed a file the notice of it came; 0 where it came before.
    pub(super) notice: Option<Spread>,
    pub(super) without_notice: u64,
    /// Names that were there for a while, and whose they are: one of each program; "" where nobody known has such names.
    pub(super) temporary: Vec<(String, String)>,
    /// Files that nobody wrote, and that stayed.
    pub(super) strange: Vec<String>,
    pub(super) odd: Vec<(String, String)>,
    /// Files that had not come when nothing more was waited for.
    pub(super) missing: u64,
    pub(super) of: u64,
}

/// A file that is rewritten every second.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Hot {
    pub(super) written: u64,
    pub(super) seen: u64,
    /// From the first version's writing until any version was seen.
    pub(super) first_us: i64,
    /// How old what a reader saw was at most, before something newer came.
    pub(super) oldest_us: i64,
    /// The longest time between two versions that were seen.
    pub(super) longest_gap_us: i64,
}

/// Files that were written at one instant.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Batch {
    pub(super) written: u64,
    pub(super) arrived: u64,
    pub(super) first_us: i64,
    pub(super) last_us: i64,
    /// Pairs that came in another order than they were written in.
    pub(super) against_writing_percent: u64,
    pub(super) against_names_percent: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Removals {
    Among,
    First,
    Last,
}

/// What a file's time of modification says at the reader.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum MtimeOf {
    /// The writer's, rounded down to so many milliseconds; 1 where it is kept exactly or to the millisecond.
    Kept {
        granularity_ms: u64,
    },
    Arrival,
    Other,
}

/// How versions of a kind of files become visible.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Arrivals {
    pub(super) files: u64,
    pub(super) versions: u64,
    pub(super) inodes: u64,
    pub(super) notices: Notices,
    pub(super) broken: Broken,
    pub(super) gap: Option<Spread>,
    /// None where nothing tells.
    pub(super) visible: Option<Visible>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Visible {
    InPlace,
    UnlinkAndCreate,
    TempAndRename,
    UnlinkThenRename,
}

/// Puts the reports together.
pub(super) fn results(reports: &BTreeMap<String, Report>, known: &dyn Fn(&str, &str) -> Known) -> Results {
    let mut clocks = Vec::new();
    let (mut ways, mut idle) = (Vec::new(), Vec::new());
    for (from, sent) in reports {
        for (to, received) in reports.iter().filter(|(to, _)| *to != from) {
            let (there, back) = (samples(sent, from, received), samples(received, to, sent));
            let between = Between::estimate(known(from, to), &there, &back);
            idle.extend(singles(sent, from, received, &between));
            ways.push(way((from, sent), (to, received), &between));
            if from < to {
                clocks.push((from.clone(), to.clone(), between));
            }
        }
    }
    let phases = reports.values().next().map(|report| report.phases.clone()).unwrap_or_default();
    let phases = phases.into_iter().filter(|phase| reports.values().all(|one| one.phases.contains(phase)));
    let phases: Vec<String> = phases.collect();
    let is_measured = phases.iter().any(|phase| phase == "conflict");
    let conflicts = if is_measured { conflict::conflicts(reports) } else { Conflicts::default() };
    Results { clocks, idle: Spread::of(idle), ways, conflicts, phases }
}

/// The delays of single writes into an idle folder.
fn singles(sent: &Report, from: &str, received: &Report, between: &Between) -> Vec<i64> {
    let is_single =
        |file: &str| file.starts_with("new-") || ["replaced", "rewritten", "appended"].contains(&file);
    let joined = joined(sent, from, received).into_iter();
    let singles = joined.filter(|(wrote, _)| is_single(&wrote.file));
    singles.map(|(wrote, one)| one.at_us - wrote.at_us - between.at(wrote.at_us).ahead_us).collect()
}

/// All files that went from one to the other, by the clocks of both.
fn samples(sent: &Report, from: &str, received: &Report) -> Vec<Sample> {
    let of = received.messages.iter().filter(|(by, ..)| by == from);
    let mut samples: Vec<Sample> = of.map(|&(_, sent_us, seen_us)| Sample { sent_us, seen_us }).collect();
    let joined = joined(sent, from, received).into_iter();
    samples.extend(joined.map(|(wrote, seen)| Sample { sent_us: wrote.at_us, seen_us: seen.at_us }));
    samples
}

/// What one wrote with what the other saw of it.
fn joined<'a>(sent: &'a Report, from: &str, received: &'a Report) -> Vec<(&'a Wrote, &'a Sighting)> {
    let seen = received.seen.get(from);
    let sighting = |wrote: &'a Wrote| {
        let of = seen?.get(&wrote.file)?;
        of.sightings.iter().find(|one| one.version == wrote.version)
    };
    sent.wrote.iter().filter_map(|wrote| Some((wrote, sighting(wrote)?))).collect()
}

fn way((from, sent): (&str, &Report), (to, received): (&str, &Report), between: &Between) -> Way {
    let none = BTreeMap::new();
    let seen = received.seen.get(from).unwrap_or(&none);
    let joined = joined(sent, from, received);
    let delay = |at_us: i64, seen_us: i64| seen_us - at_us - between.at(at_us).ahead_us;
    let of = |is: &dyn Fn(&Wrote) -> bool| {
        let of = joined.iter().filter(|(wrote, _)| is(wrote));
        Spread::of(of.map(|(wrote, one)| delay(wrote.at_us, one.at_us)).collect())
    };
    let gone = sent.removed.iter().filter(|removed| removed.file.starts_with("new-"));
    let gone = gone.filter_map(|one| Some(delay(one.at_us, seen.get(&one.file)?.gone_us?)));
    let last: BTreeMap<&str, u64> = sent.wrote.iter().map(|one| (&*one.file, one.version)).collect();
    let own = last.iter().filter(|(file, _)| !file.starts_with("shared/"));
    let has_come = |(file, version): &(&&str, &u64)| {
        seen.get(**file).and_then(|seen| seen.sightings.last()).is_some_and(|one| one.version >= **version)
    };
    let notices: Vec<&Sighting> = joined.iter().map(|(_, one)| *one).collect();
    let later = |one: &&Sighting| one.notice_us.map(|at_us| (at_us - one.at_us).max(0));
    let removals = removals(sent, seen);
    Way {
        from: from.to_owned(),
        to: to.to_owned(),
        error_us: between.error_us(),
        new: of(&|wrote| wrote.file.starts_with("new-")),
        replaced: of(&|wrote| wrote.file == "replaced"),
        rewritten: of(&|wrote| wrote.file == "rewritten"),
        appended: of(&|wrote| wrote.file == "appended"),
        removed: Spread::of(gone.collect()),
        large: LARGE
            .iter()
            .filter_map(|file| Some(((*file).to_owned(), of(&|wrote| wrote.file == *file)?)))
            .collect(),
        hot: hot(sent, seen.get("hot"), &delay),
        batch: batch(&joined, sent, &delay),
        removals: removals.as_ref().map(|(order, _)| *order),
        not_removed: sent.removed.iter().filter(|one| stays(seen, &one.file)).count() as u64,
        removals_after_us: removals.and_then(|(_, after)| Spread::of(after)),
        small: arrivals(seen, &["replaced", "rewritten", "hot"]),
        large_arrivals: arrivals(seen, &LARGE),
        appended_broken: arrivals(seen, &["appended", "hot-append"]).broken,
        mtime: mtime(&joined),
        mtime_is_late: joined.iter().any(|(_, one)| one.mtime_first_ns != one.mtime_ns),
        notice: Spread::of(notices.iter().filter_map(later).collect()),
        without_notice: notices.iter().filter(|one| one.notice_us.is_none()).count() as u64,
        temporary: temporary(received, from),
        strange: strange(received, from, true).map(str::to_owned).collect(),
        odd: odd(sent, received, from),
        missing: own.clone().filter(|one| !has_come(one)).count() as u64,
        of: own.count() as u64,
    }
}

/// The large files, by how they are written.
const LARGE: [&str; 6] =
    ["mid-replaced", "mid-rewritten", "big-replaced", "big-rewritten", "huge-replaced", "huge-rewritten"];

fn strange<'a>(received: &'a Report, from: &str, stays: bool) -> impl Iterator<Item = &'a str> {
    let all = received.strange.get(from).into_iter().flatten();
    // A probe's own file before it is renamed, where a client was fast enough to copy it.
    let all = all.filter(|one| one.name != super::place::TEMPORARY);
    all.filter(move |one| one.stays == stays).map(|one| &*one.name)
}

/// Whether a file of a probe's own was seen, and has not gone.
fn stays(seen: &BTreeMap<String, Seen>, file: &str) -> bool {
    seen.get(file).is_some_and(|seen| !seen.sightings.is_empty() && seen.gone_us.is_none())
}

/// Names that were there for a while: the first of each program, and of each form that nobody known has.
fn temporary(received: &Report, from: &str) -> Vec<(String, String)> {
    let mut found: BTreeMap<String, (String, String)> = BTreeMap::new();
    for name in strange(received, from, false) {
        let by = unfinished(name).unwrap_or_default().to_owned();
        let form = if by.is_empty() { shape(name) } else { by.clone() };
        found.entry(form).or_insert((name.to_owned(), by));
    }
    found.into_values().collect()
}

/// A name without what differs from file to file.
fn shape(name: &str) -> String {
    let mut shape = String::new();
    for char in name.chars() {
        let char = if char.is_ascii_digit() { '0' } else { char };
        if !(char == '0' && shape.ends_with('0')) {
            shape.push(char);
        }
    }
    shape
}

fn odd(sent: &Report, received: &Report, from: &str) -> Vec<(String, String)> {
    let came = received.odd.get(from).into_iter().flatten();
    let came = came.filter(|_| !sent.odd_written.is_empty());
    came.map(|odd| {
        let is_written = sent.odd_written.contains(&odd.what);
        let came = if is_written { odd.came.clone() } else { "refused where it was written".to_owned() };
        (odd.what.clone(), came)
    })
    .collect()
}

fn hot(sent: &Report, seen: Option<&Seen>, delay: &dyn Fn(i64, i64) -> i64) -> Option<Hot> {
    let wrote: BTreeMap<u64, i64> =
        sent.wrote.iter().filter(|one| one.file == "hot").map(|one| (one.version, one.at_us)).collect();
    let sightings = &seen?.sightings;
    let (first_written, first) = (*wrote.values().next()?, sightings.first()?);
    let mut oldest_us = 0;
    let mut longest_gap_us = 0;
    for two in sightings.windows(2) {
        let shown_us = wrote.get(&two[0].version).copied()?;
        oldest_us = oldest_us.max(delay(shown_us, two[1].at_us));
        longest_gap_us = longest_gap_us.max(two[1].at_us - two[0].at_us);
    }
    let first_us = delay(first_written, first.at_us);
    Some(Hot {
        written: wrote.len() as u64,
        seen: sightings.len() as u64,
        first_us,
        oldest_us: oldest_us.max(first_us),
        longest_gap_us,
    })
}

/// A look goes through the files by name, so the order is that of the notices where there are any.
fn batch(joined: &[(&Wrote, &Sighting)], sent: &Report, delay: &dyn Fn(i64, i64) -> i64) -> Option<Batch> {
    let is_of = |wrote: &Wrote| wrote.file.starts_with("batch-");
    let mut came: Vec<(i64, &Wrote)> = joined
        .iter()
        .filter(|(wrote, _)| is_of(wrote))
        .map(|(wrote, one)| (one.notice_us.map_or(one.at_us, |at_us| at_us.min(one.at_us)), *wrote))
        .collect();
    came.sort_by_key(|(at_us, wrote)| (*at_us, wrote.at_us));
    let delays: Vec<i64> = came.iter().map(|(at_us, wrote)| delay(wrote.at_us, *at_us)).collect();
    let files: Vec<&str> = came.iter().map(|(_, wrote)| &*wrote.file).collect();
    let writing: Vec<i64> = came.iter().map(|(_, wrote)| wrote.at_us).collect();
    Some(Batch {
        written: sent.wrote.iter().filter(|wrote| is_of(wrote)).count() as u64,
        arrived: came.len() as u64,
        first_us: *delays.first()?,
        last_us: *delays.last()?,
        against_writing_percent: inverted_percent(&writing),
        against_names_percent: inverted_percent(&files),
    })
}

/// When removals came that were made together with new files, and how long after the last of these.
fn removals(sent: &Report, seen: &BTreeMap<String, Seen>) -> Option<(Removals, Vec<i64>)> {
    let gone = sent.removed.iter().filter(|one| one.file.starts_with("batch-"));
    let gone: Vec<i64> = gone.filter_map(|one| seen.get(&one.file)?.gone_us).collect();
    let new = seen.iter().filter(|(file, _)| file.starts_with("mixed-"));
    let new: Vec<i64> = new.filter_map(|(_, seen)| Some(seen.sightings.first()?.at_us)).collect();
    let (first_gone, last_gone) = (*gone.iter().min()?, *gone.iter().max()?);
    let (first_new, last_new) = (*new.iter().min()?, *new.iter().max()?);
    let order = match () {
        () if last_gone < first_new => Removals::First,
        () if first_gone >= last_new => Removals::Last,
        () => Removals::Among,
    };
    Some((order, gone.iter().map(|at_us| at_us - last_new).collect()))
}

fn arrivals(seen: &BTreeMap<String, Seen>, files: &[&str]) -> Arrivals {
    let mut arrivals = Arrivals::default();
    let mut gaps = Vec::new();
    for seen in files.iter().filter_map(|file| seen.get(*file)).filter(|seen| !seen.sightings.is_empty()) {
        arrivals.files += 1;
        arrivals.versions += seen.sightings.len() as u64;
        arrivals.inodes += seen.sightings.iter().map(|one| one.inode).collect::<BTreeSet<_>>().len() as u64;
        arrivals.notices += seen.notices;
        arrivals.broken += seen.broken;
        gaps.extend(&seen.gaps_us);
    }
    arrivals.gap = Spread::of(gaps);
    arrivals.visible = visible(&arrivals);
    arrivals
}

/// How a version takes the place of the one before it: by the notices, and where none came by what looks saw. Inode
/// numbers alone tell nothing: a file system gives one out again at once.
fn visible(arrivals: &Arrivals) -> Option<Visible> {
    let Arrivals { files, versions, inodes, notices, broken, .. } = arrivals;
    let replaced = versions.checked_sub(*files).filter(|replaced| *replaced > 0)?;
    let half = replaced.div_ceil(2);
    if *notices == Notices::default() {
        // One file for all versions, and half versions in it.
        let is_filled = broken.prefix + broken.empty + broken.mixed + broken.nul > 0;
        return (inodes == files && is_filled).then_some(Visible::InPlace);
    }
    Some(match () {
        () if notices.moved_in >= half && notices.removed >= half => Visible::UnlinkThenRename,
        () if notices.moved_in >= half => Visible::TempAndRename,
        () if notices.created.saturating_sub(*files) >= half => Visible::UnlinkAndCreate,
        () if notices.modified >= half => Visible::InPlace,
        () => return None,
    })
}

fn mtime(joined: &[(&Wrote, &Sighting)]) -> Option<MtimeOf> {
    let files: Vec<(i64, &Sighting)> = joined.iter().map(|(wrote, one)| (wrote.mtime_ns, *one)).collect();
    if files.is_empty() {
        return None;
    }
    for granularity_ms in [1_u64, 1_000, 2_000] {
        let unit_ns = i64::try_from(granularity_ms).unwrap_or(1) * 1_000_000;
        // Rounded down or to the nearest.
        if files.iter().all(|(ns, one)| (ns - one.mtime_ns).abs() < unit_ns) {
            return Some(MtimeOf::Kept { granularity_ms });
        }
    }
    let near = |one: &Sighting| (one.mtime_ns / 1_000 - one.at_us).abs() < 2_000_000;
    Some(if files.iter().all(|(_, one)| near(one)) { MtimeOf::Arrival } else { MtimeOf::Other })
}

#[cfg(test)]
mod tests {
    use super::super::wire::{How, Odd, Removed, Strange};
    use super::*;

    const S: i64 = 1_000_000;

    fn wrote(file: &str, version: u64, at_us: i64) -> Wrote {
        Wrote { file: file.into(), version, how: How::Replace, at_us, mtime_ns: at_us * 1_000 + 123 }
    }

    fn sighting(version: u64, at_us: i64, mtime_ns: i64) -> Sighting {
        Sighting {
            version,
            at_us,
            notice_us: Some(at_us + 5),
            mtime_first_ns: mtime_ns,
            mtime_ns,
            inode: version % 2,
        }
    }

    /// A writes some files; B, whose clock is 40 s ahead, sees each after its delay.
    fn two(files: &[(&str, u64, i64, i64)]) -> BTreeMap<String, Report> {
        let mut a = Report { run: "ra".into(), ..Report::default() };
        let mut b = Report { run: "rb".into(), ..Report::default() };
        let seen = b.seen.entry("a".into()).or_default();
        for &(file, version, at_us, delay_us) in files {
            let one = wrote(file, version, at_us);
            let of = seen.entry(file.into()).or_default();
            of.sightings.push(sighting(version, at_us + delay_us + 40 * S, one.mtime_ns));
            a.wrote.push(one);
        }
        // What tells the clocks: a way of no time back.
        a.messages.push(("b".into(), 40 * S, 0));
        a.phases = vec!["steps".into(), "hot".into()];
        b.phases = vec!["steps".into()];
        BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), b)])
    }

    fn ways(reports: &BTreeMap<String, Report>) -> Results {
        results(reports, &|_, _| Known::Nothing)
    }

    #[test]
    fn delays_are_told_between_clocks_that_are_40_s_apart() {
        // The first is the quickest there can be, so that both ways together tell the clocks exactly.
        let results =
            ways(&two(&[("new-1", 1, 0, 0), ("new-2", 1, S, 3 * S), ("replaced", 1, 2 * S, 2 * S)]));
        let way = &results.ways[0];
        assert_eq!((&*way.from, &*way.to, way.error_us), ("a", "b", 0));
        let new = way.new.unwrap();
        assert_eq!((new.n, new.min_us, new.max_us), (2, 0, 3 * S));
        assert_eq!(way.replaced.unwrap().median_us, 2 * S);
        assert_eq!((way.rewritten, way.missing, way.of), (None, 0, 3));
        assert_eq!(results.idle.unwrap().n, 3);
        assert_eq!(results.phases, ["steps"], "what both have ended");
        assert_eq!(way.mtime, Some(MtimeOf::Kept { granularity_ms: 1 }));
        assert_eq!(way.notice.unwrap().max_us, 5);
    }

    #[test]
    fn a_file_that_starves_is_as_old_as_its_reader_sees_it() {
        let mut reports = two(&[("hot", 1, 0, 0), ("hot", 70, 69 * S, 2 * S)]);
        let a = reports.get_mut("a").unwrap();
        a.wrote.extend((2..70).map(|n| wrote("hot", n, (i64::try_from(n).unwrap() - 1) * S)));
        a.wrote.sort_by_key(|one| one.version);
        let hot = ways(&reports).ways[0].hot.unwrap();
        assert_eq!((hot.written, hot.seen, hot.first_us), (70, 2, 0));
        assert_eq!((hot.oldest_us, hot.longest_gap_us), (71 * S, 71 * S));
    }

    #[test]
    fn orders_are_told_of_batches_and_removals() {
        let files =
            [("batch-2", 1, 0, S), ("batch-1", 1, 10, S), ("batch-3", 1, 20, S), ("mixed-0", 1, 5 * S, 0)];
        let mut reports = two(&files);
        let gone = |reports: &mut BTreeMap<String, Report>, at_us: i64| {
            let b = reports.get_mut("b").unwrap();
            b.seen.get_mut("a").unwrap().get_mut("batch-1").unwrap().gone_us = Some(at_us);
        };
        reports.get_mut("a").unwrap().removed.push(Removed { file: "batch-1".into(), at_us: 5 * S });
        assert_eq!((ways(&reports).ways[0].removals, ways(&reports).ways[0].not_removed), (None, 1));
        gone(&mut reports, 46 * S);
        let way = ways(&reports).ways.remove(0);
        let batch = way.batch.unwrap();
        assert_eq!((batch.arrived, batch.against_writing_percent, batch.against_names_percent), (3, 0, 33));
        assert_eq!(way.removals, Some(Removals::Last));
        gone(&mut reports, 44 * S);
        assert_eq!(ways(&reports).ways[0].removals, Some(Removals::First));
    }

    #[test]
    fn how_a_version_takes_anothers_place_is_told_by_notices_or_not_at_all() {
        let told = |notices: Notices, inodes: u64, broken: Broken| {
            visible(&Arrivals { files: 1, versions: 9, inodes, notices, broken, ..Arrivals::default() })
        };
        let notices = |created, modified, moved_in, removed| Notices { created, modified, moved_in, removed };
        let none = Broken::default();
        assert_eq!(told(notices(0, 0, 9, 0), 4, none), Some(Visible::TempAndRename));
        assert_eq!(told(notices(0, 0, 9, 8), 4, none), Some(Visible::UnlinkThenRename));
        assert_eq!(told(notices(9, 30, 0, 8), 4, none), Some(Visible::UnlinkAndCreate));
        assert_eq!(told(notices(1, 30, 0, 0), 1, none), Some(Visible::InPlace));
        // A file system gives a number out again: it tells nothing by itself.
        assert_eq!(told(Notices::default(), 1, none), None);
        assert_eq!(told(Notices::default(), 1, Broken { prefix: 1, ..none }), Some(Visible::InPlace));
        assert_eq!(visible(&Arrivals { files: 1, versions: 1, ..Arrivals::default() }), None);
    }

    #[test]
    fn times_of_modification_are_kept_rounded_or_new() {
        let one = wrote("new-1", 1, 7_654_321);
        let told = |mtime_ns: i64, at_us: i64| mtime(&[(&one, &sighting(1, at_us, mtime_ns))]);
        assert_eq!(told(7_654_000_000, 0), Some(MtimeOf::Kept { granularity_ms: 1 }));
        assert_eq!(told(7_000_000_000, 0), Some(MtimeOf::Kept { granularity_ms: 1_000 }));
        assert_eq!(told(6_000_000_000, 0), Some(MtimeOf::Kept { granularity_ms: 2_000 }));
        assert_eq!(told(90_000_000_000, 90 * S), Some(MtimeOf::Arrival));
        assert_eq!(told(90_000_000_000, 9 * S), Some(MtimeOf::Other));
        assert_eq!(mtime(&[]), None);
    }

    #[test]
    fn names_that_nobody_wrote_are_told_by_what_became_of_them() {
        let mut reports = two(&[("new-1", 1, 0, 0)]);
        reports.get_mut("a").unwrap().odd_written = vec!["a colon".into()];
        let b = reports.get_mut("b").unwrap();
        let strange = |name: &str, stays| Strange { name: name.into(), first_us: 0, last_us: 1, stays };
        let all = [
            (".syncthing.new-0012.dat.tmp", false),
            (".syncthing.new-0013.dat.tmp", false),
            ("new-1 2.dat", true),
            (".next", false),
        ];
        b.strange.insert("a".into(), all.map(|(name, stays)| strange(name, stays)).to_vec());
        let odd = |what: &str| Odd { what: what.into(), came: "missing".into() };
        b.odd.insert("a".into(), vec![odd("a colon"), odd("a name in NFD")]);
        let way = ways(&reports).ways.remove(0);
        assert_eq!(way.temporary, [(".syncthing.new-0012.dat.tmp".to_owned(), "Syncthing".to_owned())]);
        assert_eq!(way.strange, ["new-1 2.dat"]);
        assert_eq!(way.odd[0].1, "missing");
        assert_eq!(way.odd[1].1, "refused where it was written");
    }
}
