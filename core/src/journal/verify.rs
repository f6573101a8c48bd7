//! Everything that is wrong with a folder, by file and line.

use std::collections::{BTreeMap, BTreeSet};

use xxhash_rust::xxh3::xxh3_64;

use super::Design;
use super::clock::{Hybrid, followed_ms};
use super::event::Event;
use super::file::Record;
use super::folder::{Folder, unread};
use super::identity::identity;
use super::kept::is_kept;
use super::layout::{checksums_path, journal_path, shadow_path};
use super::merge::merge;
use super::owner::may_share_owner;
use super::problem::{Problem, ProblemKind};
use super::schema::{Field, Log};
use super::seal::{Seal, seals};
use super::view::Source;
use crate::kit::text::plain;
use crate::kit::watermark::Numbers;
use crate::{Content, Fs, FsError, WallMs};

/// What one machine's numbers say.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Watermark {
    /// The machine.
    pub machine: String,
    /// The numbers that are here.
    pub numbers: Numbers,
    /// Records with a number; two may have one number.
    pub numbered: u64,
}

/// The watermark of every machine, and the numbers that are missing or used twice.
#[must_use]
pub fn sequences(sources: &[Source<'_>]) -> (Vec<Watermark>, Vec<Problem>) {
    struct Numbered<'a> {
        seq: i64,
        line: u64,
        source: &'a Source<'a>,
        record: &'a Record,
        number: u32,
    }
    impl<'a> Numbered<'a> {
        fn text(&self) -> &'a [u8] {
            self.source.line(self.record)
        }
    }
    let mut machines: BTreeMap<String, Vec<Numbered<'_>>> = BTreeMap::new();
    for source in sources.iter().filter(|source| !matches!(source.log, None | Some(Log::Runtime))) {
        for record in &source.file.records {
            let Some(seq) = record.seq.filter(|&seq| seq > 0) else { continue };
            let line = xxh3_64(source.line(record));
            let numbered = Numbered { seq, line, source, record, number: record.number };
            // What a machine numbers stands in its own directory, under whatever name it had then.
            match machines.get_mut(source.machine) {
                Some(list) => list.push(numbered),
                None => drop(machines.insert(source.machine.to_owned(), vec![numbered])),
            }
        }
    }
    let mut watermarks = Vec::new();
    let mut problems = Vec::new();
    for (machine, mut list) in machines {
        list.sort_by_key(|numbered| (numbered.seq, numbered.source.name, numbered.number));
        let mut mark = Watermark { machine, ..Watermark::default() };
        for same in list.chunk_by(|a, b| a.seq == b.seq) {
            let (seq, last) = (same[0].seq, mark.numbers.max().cast_signed());
            let note = |numbered: &Numbered<'_>, kind, detail| Problem {
                file: numbered.source.name.into(),
                line: numbered.number,
                kind,
                detail,
            };
            if seq > last + 1 {
                let detail = match seq - last {
                    2 => format!("number {} of {} is missing before {seq}", last + 1, mark.machine),
                    _ => format!("numbers {} to {} of {} are missing", last + 1, seq - 1, mark.machine),
                };
                problems.push(note(&same[0], ProblemKind::SequenceGap, detail));
            }
            for (at, numbered) in same.iter().enumerate() {
                let before = &same[..at];
                if before.iter().any(|before| before.line == numbered.line) {
                    continue;
                }
                // Two owners of one id count from the same number until one of them gives it up.
                let reused = |before: &&Numbered<'_>| may_share_owner(before.text(), numbered.text());
                if let Some(before) = before.iter().rev().find(reused) {
                    let place = format!("{}:{}", before.source.name, before.number);
                    let detail = format!("number {seq} of {} is that of {place} too", mark.machine);
                    problems.push(note(numbered, ProblemKind::SequenceReuse, detail));
                }
            }
            mark.numbers.insert(seq.cast_unsigned());
            mark.numbered += same.len() as u64;
        }
        watermarks.push(mark);
    }
    (watermarks, problems)
}

/// Names everything that is wrong: lines, numbers, names, directories, checksums, and where an own journal
/// differs from its shadow. `wall` is this machine's clock.
#[must_use]
pub fn verify(fs: &dyn Fs, design: &Design, folder: &Folder, wall: WallMs) -> Vec<Problem> {
    let mut problems = folder.with_sources(design, |sources| {
        let mut view = merge(design, sources);
        folder.complete(design, sources, &mut view);
        // What this machine keeps of journals says nothing about what is in the folder.
        let there: Vec<_> = sources.iter().filter(|source| !is_kept(source.name)).copied().collect();
        let (_, numbers) = sequences(&there);
        view.problems.extend(numbers);
        view.problems.extend(there.iter().flat_map(|source| ahead(source, wall)));
        name_removed(sources, &mut view.problems);
        view.problems
    });
    for held in folder.files.iter().filter(|held| held.log.is_some_and(|log| log != Log::Runtime)) {
        let log = held.log.expect("filtered");
        if *held.name != *journal_path(&held.directory, log).name() {
            continue;
        }
        let seals = seals(fs, &checksums_path(design, &held.directory));
        if let Some(seal) = seals.get(log.file_name()) {
            problems.extend(sealed(&held.name, &held.content, seal));
        }
    }
    if let Ok(own) = identity(fs) {
        for log in Log::SHARED {
            let path = journal_path(&own.id, log);
            match (fs.read(&path, 0), fs.read(&shadow_path(&own.id, log), 0)) {
                (Ok(shared), Ok(shadow)) => problems.extend(shadowed(path.name(), &shared, &shadow)),
                (Err(FsError::NotFound), Ok(shadow)) if !shadow.is_empty() => problems.push(Problem {
                    file: path.name().into(),
                    line: 0,
                    kind: ProblemKind::ShortenedFile,
                    detail: format!("it is gone, and had {} bytes", shadow.len()),
                }),
                (Err(error), Ok(_)) if error != FsError::NotFound => {
                    problems.push(unread(path.name(), error))
                }
                _ => {}
            }
        }
    }
    problems.sort();
    problems.dedup_by(|a, b| (&a.file, a.line, a.kind) == (&b.file, b.line, b.kind) && a.line > 0);
    problems.dedup();
    // One line, one change: the more telling report stays.
    let told: BTreeSet<_> = problems
        .iter()
        .filter(|problem| {
            use ProblemKind::{EditedLine, RemovedLine, RestoredFile};
            matches!(problem.kind, EditedLine | RemovedLine | RestoredFile) && problem.line > 0
        })
        .map(|problem| problem.file.clone())
        .collect();
    problems.retain(|problem| {
        let by_checksum = matches!(problem.kind, ProblemKind::EditedLine | ProblemKind::RestoredFile);
        !by_checksum || problem.line > 0 || !told.contains(&problem.file)
    });
    problems
}

/// The records whose clocks are further ahead than anybody follows.
fn ahead(source: &Source<'_>, wall: WallMs) -> impl Iterator<Item = Problem> {
    let odd = move |record: &&Record| record.causal && record.stamp.ms > followed_ms(wall, 0);
    source.file.records.iter().filter(odd).map(move |record| Problem {
        file: source.name.into(),
        line: record.number,
        kind: ProblemKind::ClockAhead,
        detail: format!("its clock tells {} days after now", (record.stamp.ms - wall.0) / 86_400_000),
    })
}

/// A broken chain means a removed line where numbers are missing at the break, and an edited one elsewhere.
fn name_removed(sources: &[Source<'_>], problems: &mut [Problem]) {
    let missing: BTreeSet<_> = problems
        .iter()
        .filter(|problem| problem.kind == ProblemKind::SequenceGap)
        .map(|problem| (problem.file.clone(), problem.line))
        .collect();
    for problem in problems.iter_mut().filter(|problem| problem.kind == ProblemKind::EditedLine) {
        let known = sources.iter().any(|source| *source.name == *problem.file);
        if known && missing.contains(&(problem.file.clone(), problem.line + 1)) {
            problem.kind = ProblemKind::RemovedLine;
            problem.line += 1;
            problem.detail = "a line before this one is gone".to_owned();
        }
    }
}

/// Compares a file with its checksum. A file that has grown since is sound.
fn sealed(name: &str, content: &Content, seal: &Seal) -> Option<Problem> {
    let bytes = &*plain(content.bytes());
    // Upstream's checksums tell lines only.
    let sealed = if seal.bytes > 0 || seal.lines == 0 {
        usize::try_from(seal.bytes).unwrap_or(usize::MAX)
    } else {
        let lines = usize::try_from(seal.lines).unwrap_or(usize::MAX);
        memchr::memchr_iter(b'\n', bytes).nth(lines - 1).map_or(usize::MAX, |at| at + 1)
    };
    let problem = |kind, detail| Some(Problem { file: name.into(), line: 0, kind, detail });
    let Some(prefix) = bytes.get(..sealed) else {
        let lines = memchr::memchr_iter(b'\n', bytes).count();
        let detail = format!("{lines} lines, and its checksum is of {}", seal.lines);
        return problem(ProblemKind::ShortenedFile, detail);
    };
    if Seal::of(prefix, 0).sha256 == seal.sha256 {
        None
    } else if seal.mtime > 0
        && prefix.split(|&byte| byte == b'\n').any(|line| clock(line).is_some_and(|own| own.ms > seal.mtime))
    {
        // Whoever edits a line leaves it its clock; this one was not written yet.
        let detail = format!("a line of the first {} was written after their checksum", seal.lines);
        problem(ProblemKind::RestoredFile, detail)
    } else {
        problem(ProblemKind::EditedLine, format!("the first {} lines differ from their checksum", seal.lines))
    }
}

/// The hybrid clock of a line; None if it has none.
fn clock(line: &[u8]) -> Option<Hybrid> {
    let event = Event::parse(std::str::from_utf8(line).ok()?).ok()?;
    Hybrid::parse(event.raw(Field::Hlc)?)
}

/// Compares an own journal with its shadow, and names the first line that differs.
fn shadowed(name: &str, shared: &Content, shadow: &Content) -> Option<Problem> {
    let (ours, copy) = (&*plain(shared.bytes()), shadow.bytes());
    let problem = |line, kind, detail: String| Some(Problem { file: name.into(), line, kind, detail });
    if ours.starts_with(copy) {
        return None;
    }
    if copy.starts_with(ours) {
        let detail = format!("{} bytes, and its shadow has {}", ours.len(), copy.len());
        return problem(0, ProblemKind::ShortenedFile, detail);
    }
    let mut number = 0;
    let mut lines = copy.split(|&byte| byte == b'\n').peekable();
    for line in ours.split(|&byte| byte == b'\n') {
        number += 1;
        let shadowed = lines.next()?;
        if line != shadowed {
            // Two records of their own times in one place: the machine went on from here twice.
            if clock(line).zip(clock(shadowed)).is_some_and(|(ours, before)| ours > before)
                && !lines.clone().any(|later| later == line)
            {
                let detail = "from here on it was written after what its shadow has".to_owned();
                return problem(number, ProblemKind::RestoredFile, detail);
            }
            let removed = lines.clone().any(|later| later == line && !line.is_empty());
            let kind = if removed { ProblemKind::RemovedLine } else { ProblemKind::EditedLine };
            let detail =
                if removed { "a line before this one is gone" } else { "it differs from its shadow" };
            return problem(number, kind, detail.to_owned());
        }
    }
    None
}
