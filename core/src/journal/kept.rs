//! What this machine has read of journals, kept in its local directory: a journal that comes back shorter or older, or
//! not at all, takes nothing out of the view.
//!
//! Of each journal a *mirror* is kept that grows as the journal does. Where the journal is shorter than its mirror, is gone,
//! or has something else in its place, the mirror is read beside it. A journal that is neither a longer nor a shorter one
//! but another one, of whatever length, such as one that went on from an older version, becomes the mirror, after the lines
//! that it does not have were put into a second file, the *remains*, which is read from then on.
//!
//! This machine's shadows of its own journals are read in the same way.
//!
//! What stands only in a copy of a journal, or is said again of it by somebody else, is put to its remains as well.
//!
//! Lines of all are more versions of what their journal holds, merged as conflict copies are: what is there twice counts
//! once, and what was deleted stays deleted.

use std::collections::{BTreeMap, BTreeSet};

use xxhash_rust::xxh3::xxh3_64;

use super::layout::{MACHINES, SHADOW, journal_path, shadow_path};
use super::names::{Standing, is_upheld, log_of, upheld_of};
use super::problem::{Problem, ProblemKind};
use super::recognise::{is_aside, log_within};
use super::schema::Log;
use super::view::Source;
use crate::kit::guard::{Lack, Limit, Tally};
use crate::{Content, Entry, EntryKind, Fs, FsError, FsOp, Path};

/// The directory of what is kept.
const KEPT: &str = "kept";

/// The path of the mirror of a journal in a machine's directory.
#[must_use]
pub fn mirror_path(directory: &str, log: Log) -> Path {
    Path::local(KEPT).join(directory).join(log.file_name())
}

/// The path of what a journal had and has no longer.
#[must_use]
pub fn remains_path(directory: &str, log: Log) -> Path {
    Path::local(KEPT).join(directory).join(&format!("{}.remains", log.file_name()))
}

/// What is kept of one machine's directory.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct KeptDirectory {
    /// The lengths of the mirrors, in bytes.
    mirrors: BTreeMap<Log, u64>,
    /// The logs of which there are remains.
    remains: BTreeSet<Log>,
    /// The lengths of this machine's shadows of its own journals, in bytes.
    shadows: BTreeMap<Log, u64>,
}

/// What is kept, by the name of the directory it is of.
pub(super) type Kept = BTreeMap<String, KeptDirectory>;

/// Finds what is kept.
///
/// # Errors
/// Where a directory of it cannot be listed now.
pub(super) fn kept(fs: &dyn Fs) -> Result<Kept, FsError> {
    let mut kept = Kept::new();
    for root in [KEPT, SHADOW] {
        let directories = match fs.list(&Path::local(root)) {
            Err(FsError::NotFound) => Vec::new(),
            directories => directories?,
        };
        for directory in directories.into_iter().filter(|entry| entry.kind == EntryKind::Dir) {
            let of = kept.entry(directory.name().to_owned()).or_default();
            for file in fs.list(&directory.path)? {
                let name = file.name();
                match (Log::from_file_name(name), name.strip_suffix(".remains").and_then(Log::from_file_name))
                {
                    (Some(log), _) if root == SHADOW => _ = of.shadows.insert(log, file.len),
                    (Some(log), _) => _ = of.mirrors.insert(log, file.len),
                    (None, Some(log)) => _ = of.remains.insert(log),
                    (None, None) => {}
                }
            }
        }
    }
    Ok(kept)
}

impl KeptDirectory {
    /// The kept files that are to be read beside a directory that has these files, some of whose journals are `unread`:
    /// their bytes are elsewhere. `is_same` says whether a journal is the one of which a file of so many bytes is kept.
    pub(super) fn read_beside(
        &self,
        directory: &str,
        files: &[Entry],
        unread: &BTreeSet<Log>,
        is_same: &dyn Fn(Log, &Path, u64) -> bool,
    ) -> Vec<(Log, Path)> {
        let len = |log: Log| files.iter().find(|file| is_own(file, log)).map(|file| file.len);
        let shorter = |log: Log, kept: u64| unread.contains(&log) || len(log).is_none_or(|len| len < kept);
        let lacking = |kept: &BTreeMap<Log, u64>, path: fn(&str, Log) -> Path| -> Vec<(Log, Path)> {
            let all = kept.iter().map(|(&log, &len)| (log, path(directory, log), len));
            all.filter(|(log, path, len)| shorter(*log, *len) || !is_same(*log, path, *len))
                .map(|(log, path, _)| (log, path))
                .collect()
        };
        let mirrors = lacking(&self.mirrors, mirror_path).into_iter();
        let shadows = lacking(&self.shadows, shadow_path).into_iter();
        mirrors
            .chain(shadows)
            .chain(self.remains.iter().map(|&log| (log, remains_path(directory, log))))
            .collect()
    }
}

/// How much of the end of what is kept is compared with its journal, in bytes. A line of ours says at its end whose it is,
/// and the digest of the line before it: journals of ours that differ anywhere differ there.
const END_BYTES: u64 = 4 * 1024;

/// Whether a journal is the one of which a file of so many bytes is kept, as far as the end of that tells and both go.
/// `journal` reads it from an offset on; one that cannot be read now is taken for the same. What is kept and cannot be read
/// now is not: it may have what the journal lacks.
pub(super) fn is_same(
    fs: &dyn Fs,
    kept: &Path,
    len: u64,
    journal: &dyn Fn(u64) -> Result<Content, FsError>,
) -> bool {
    let from = len.saturating_sub(END_BYTES);
    let Ok(journal) = journal(from) else { return true };
    fs.read(kept, from).is_ok_and(|kept| {
        let both = journal.len().min(kept.len());
        journal.bytes()[..both] == kept.bytes()[..both]
    })
}

fn is_own(file: &Entry, log: Log) -> bool {
    file.kind == EntryKind::File && log_of(file.name()) == Some((log, Standing::Own))
}

/// The file that says how many journals lacked when a person took the folder as it was.
fn accepted_path() -> Path {
    Path::local(KEPT).join("accepted")
}

/// How many journals are as they were last read, or as this machine wrote them. Directories that cannot be listed are
/// unknown.
fn tally(fs: &dyn Fs) -> Tally {
    let mut tally = Tally::default();
    for (directory, of) in kept(fs).unwrap_or_default() {
        let files = match fs.list(&Path::shared(MACHINES).join(&directory)) {
            Ok(files) => files,
            Err(FsError::NotFound) => Vec::new(),
            Err(_) => continue,
        };
        for log in Log::SHARED {
            let known = of.mirrors.get(&log).max(of.shadows.get(&log)).filter(|len| **len > 0);
            let Some(known) = known else { continue };
            tally.known += 1;
            match files.iter().find(|file| is_own(file, log)) {
                None => tally.gone += 1,
                Some(file) => tally.older += u64::from(file.len < *known),
            }
        }
    }
    tally
}

/// What lacks of the journals, if that is too much to write into the folder and nobody has accepted it.
pub(super) fn lack(fs: &dyn Fs) -> Option<Lack> {
    let accepted = fs.read(&accepted_path(), 0).ok();
    let accepted =
        accepted.and_then(|content| std::str::from_utf8(content.bytes()).ok()?.trim().parse().ok());
    Limit::USUAL.lack(tally(fs).without(accepted.unwrap_or(0)))
}

/// The op that notes that a person takes the folder as it is; `None` if nothing lacks.
pub(super) fn accept(fs: &dyn Fs) -> Option<FsOp> {
    let lacking = Some(tally(fs).lacking()).filter(|lacking| *lacking > 0)?;
    Some(FsOp::Replace { path: accepted_path(), content: Content::from(format!("{lacking}\n")) })
}

/// Whether something is kept of another machine's journal that may be in no file of the folder, or is said again there by this
/// one, whose id is `own`.
pub(super) fn may_lack(fs: &dyn Fs, own: &str) -> bool {
    let files = |directory: &str| fs.list(&Path::shared(MACHINES).join(directory)).unwrap_or_default();
    let lacks = |(directory, of): (&String, &KeptDirectory)| {
        // What stood in another journal of the name is among the remains.
        let is_same = |_: Log, _: &Path, _: u64| true;
        directory != own
            && !of.read_beside(directory, &files(directory), &BTreeSet::new(), &is_same).is_empty()
    };
    kept(fs).unwrap_or_default().iter().any(lacks)
        || files(own).iter().any(|file| upheld_of(file.name()).is_some())
}

/// What is to be written so that everything that the machines' directories have now is kept.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Keeping {
    /// The ops.
    pub(super) ops: Vec<FsOp>,
    /// Whether a journal lacks what it had, so that a view that is made before the ops are applied would lack it too.
    pub(super) lacks: bool,
}

/// Compares the journals with what is kept of them. `is_of` says whether an origin is the machine that a directory is called
/// after.
pub(super) fn keep(fs: &dyn Fs, machines: &[Entry], is_of: &dyn Fn(&str, &str) -> bool) -> Keeping {
    let mut keeping = Keeping::default();
    // What cannot be listed now is compared later.
    let Ok(kept) = kept(fs) else { return keeping };
    for directory in machines.iter().filter(|entry| entry.kind == EntryKind::Dir) {
        let files = fs.list(&directory.path).unwrap_or_default();
        let of = kept.get(directory.name());
        for log in Log::SHARED {
            let Some(file) = files.iter().find(|file| is_own(file, log)) else { continue };
            let known = of.and_then(|of| of.mirrors.get(&log)).copied();
            let mirror = mirror_path(directory.name(), log);
            let from = |from: u64| fs.read(&file.path, from);
            let is_kept = |len: u64| len == file.len && is_same(fs, &mirror, len, &from);
            if !known.is_some_and(is_kept) {
                // One that cannot be read now is compared later.
                let _ = keep_one(fs, &file.path, directory.name(), log, known.is_some(), &mut keeping);
            }
        }
        keep_copies(fs, directory, &files, is_of, &mut keeping);
    }
    keeping
}

/// The file that says which other files of a machine's directory were looked into, and how long they were.
fn copies_path(directory: &str) -> Path {
    Path::local(KEPT).join(directory).join("copies.json")
}

/// Keeps what stands in copies of journals, or is said again of one: whoever made them may remove them, and their client may
/// lose them. A file that has the length that it had is not read again.
fn keep_copies(
    fs: &dyn Fs,
    directory: &Entry,
    files: &[Entry],
    is_of: &dyn Fn(&str, &str) -> bool,
    keeping: &mut Keeping,
) {
    let path = copies_path(directory.name());
    let known = fs.read(&path, 0).ok().and_then(|content| serde_json::from_slice(content.bytes()).ok());
    let known: BTreeMap<String, u64> = known.unwrap_or_default();
    let mut looked = BTreeMap::new();
    let own = |file: &&Entry| Log::from_file_name(file.name()).is_none();
    for file in files.iter().filter(own).filter(|file| file.kind == EntryKind::File && !is_aside(file.name()))
    {
        let name = file.name();
        if known.get(name) != Some(&file.len) {
            let named = match (upheld_of(name), log_of(name)) {
                (Some(upheld), _) => Ok(Some(upheld)),
                (None, Some((log, Standing::Copy))) => Ok(Some((log, directory.name()))),
                _ => log_within(fs, file, &|origin| is_of(directory.name(), origin))
                    .map(|log| log.map(|log| (log, directory.name()))),
            };
            let kept = named.and_then(|named| match named {
                Some((log, of)) => keep_copy(fs, &file.path, of, log, keeping),
                None => Ok(()),
            });
            // One that cannot be read is looked into once its bytes are here.
            if kept.is_err() {
                continue;
            }
        }
        looked.insert(name.to_owned(), file.len);
    }
    if looked != known {
        let text = serde_json::to_string(&looked).expect("names and numbers");
        keeping.ops.push(FsOp::Replace { path, content: Content::from(text) });
    }
}

fn keep_copy(fs: &dyn Fs, path: &Path, of: &str, log: Log, keeping: &mut Keeping) -> Result<(), FsError> {
    let copy = fs.read(path, 0)?;
    let whole = memchr::memrchr(b'\n', copy.bytes()).map_or(0, |at| at + 1);
    let (rest, mut has) = remains(fs, of, log)?;
    for known in [mirror_path(of, log), journal_path(of, log)] {
        has.extend(fs.read(&known, 0).iter().flat_map(lines).map(xxh3_64));
    }
    keeping.add_remains(of, log, &rest, &copy.prefix(whole), &has);
    Ok(())
}

/// What a journal had and has no longer, and the digests of its lines.
fn remains(fs: &dyn Fs, directory: &str, log: Log) -> Result<(Content, BTreeSet<u64>), FsError> {
    let rest = match fs.read(&remains_path(directory, log), 0) {
        Err(FsError::NotFound) => Content::new([]),
        rest => rest?,
    };
    let has = lines(&rest).map(xxh3_64).collect();
    Ok((rest, has))
}

impl Keeping {
    /// Adds the records of a file that are not among those known to what remains of a journal. Says whether there were any.
    fn add_remains(
        &mut self,
        directory: &str,
        log: Log,
        rest: &Content,
        file: &Content,
        known: &BTreeSet<u64>,
    ) -> bool {
        let lacking = lines(file).filter(|line| line.starts_with(b"{") && !known.contains(&xxh3_64(line)));
        let mut bytes: Vec<u8> = lacking.flat_map(|line| [line, b"\n"].concat()).collect();
        if bytes.is_empty() {
            return false;
        }
        // What a crash cut is no part of the next line.
        if !rest.is_empty() && !rest.bytes().ends_with(b"\n") {
            bytes.insert(0, b'\n');
        }
        let path = remains_path(directory, log);
        self.ops.push(FsOp::Append { path: path.clone(), bytes: Content::new(bytes) });
        self.ops.push(FsOp::Flush { path });
        true
    }
}

fn keep_one(
    fs: &dyn Fs,
    path: &Path,
    directory: &str,
    log: Log,
    is_known: bool,
    keeping: &mut Keeping,
) -> Result<(), FsError> {
    let journal = fs.read(path, 0)?;
    // A line that is not whole may still be on its way.
    let whole = memchr::memrchr(b'\n', journal.bytes()).map_or(0, |at| at + 1);
    let mirror = mirror_path(directory, log);
    let before = if is_known { fs.read(&mirror, 0)? } else { Content::new([]) };
    if before.bytes().starts_with(&journal.bytes()[..whole]) {
        return Ok(());
    }
    if journal.bytes().starts_with(before.bytes()) {
        let bytes = journal.prefix(whole).tail(before.len() as u64);
        keeping.ops.push(FsOp::Append { path: mirror, bytes });
        return Ok(());
    }
    let (rest, mut has) = remains(fs, directory, log)?;
    has.extend(lines(&journal).map(xxh3_64));
    keeping.lacks |= keeping.add_remains(directory, log, &rest, &before, &has);
    keeping.ops.push(FsOp::Replace { path: mirror, content: journal.prefix(whole) });
    Ok(())
}

/// The path of a file of either root that is called so among the files of a folder.
#[must_use]
pub fn path_of(name: &str) -> Path {
    name.strip_prefix("local/").map_or_else(|| Path::shared(name), Path::local)
}

/// Whether a file of this name among the files of a folder is one that this machine keeps of a journal.
#[must_use]
pub fn is_kept(name: &str) -> bool {
    let below = |root| name.strip_prefix("local/")?.strip_prefix(root)?.strip_prefix('/');
    below(KEPT).or_else(|| below(SHADOW)).is_some()
}

/// Names the records that stand only in what this machine keeps, or in what machines say again of others.
pub(super) fn only_kept(sources: &[Source<'_>]) -> Vec<Problem> {
    if !sources.iter().any(|source| is_upheld(source.name) || is_kept(source.name)) {
        return Vec::new();
    }
    let lines = |source: &Source<'_>| -> Vec<u64> {
        source.file.records.iter().map(|record| xxh3_64(source.line(record))).collect()
    };
    let of = |is: &dyn Fn(&str) -> bool| -> BTreeSet<u64> {
        sources.iter().filter(|source| is(source.name)).flat_map(lines).collect()
    };
    let journals = of(&|name| !is_upheld(name) && !is_kept(name));
    let folder = of(&|name| !is_kept(name));
    let mut problems = Vec::new();
    for source in sources {
        let (there, where_else) = match source.name {
            name if is_kept(name) => (&folder, "are in no file of the folder"),
            name if is_upheld(name) => (&journals, "are said again here, since its journal has lost them"),
            _ => continue,
        };
        let missing = lines(source).iter().filter(|line| !there.contains(line)).count();
        if missing > 0 {
            let journal = source.log.map_or("", Log::file_name);
            problems.push(Problem {
                file: source.name.into(),
                line: 0,
                kind: ProblemKind::KeptRecords,
                detail: format!("{missing} records of {}/{journal} {where_else}", source.directory),
            });
        }
    }
    problems
}

/// The lines of a journal, however they end.
pub(super) fn lines(content: &Content) -> impl Iterator<Item = &[u8]> {
    content.bytes().split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FsMut as _, MemoryFs};

    const JOURNAL: &str = "shared/machines/alpha/messages.jsonl";

    fn put(fs: &mut MemoryFs, text: &str) {
        fs.apply(&FsOp::Replace { path: Path::shared(JOURNAL), content: Content::from(text) }).unwrap();
    }

    /// Keeps what the journals have now, and says whether one lacked what it had.
    fn kept_now(fs: &mut MemoryFs) -> bool {
        let machines = fs.list(&Path::shared("shared/machines")).unwrap_or_default();
        let keeping = keep(fs, &machines, &|directory, origin| directory == origin);
        keeping.ops.iter().for_each(|op| fs.apply(op).unwrap());
        keeping.lacks
    }

    /// The kept files that are read beside the journals, by name.
    fn beside(fs: &MemoryFs) -> Vec<String> {
        let files = fs.list(&Path::shared("shared/machines/alpha")).unwrap_or_default();
        let all = kept(fs).unwrap();
        let same = |_: Log, kept: &Path, len: u64| {
            is_same(fs, kept, len, &|from| fs.read(&Path::shared(JOURNAL), from))
        };
        let of =
            all.iter().flat_map(|(directory, of)| of.read_beside(directory, &files, &BTreeSet::new(), &same));
        of.map(|(_, path)| path.name().to_owned()).collect()
    }

    #[test]
    fn a_mirror_grows_with_its_journal_and_is_read_where_that_is_shorter_or_gone() {
        let mut fs = MemoryFs::default();
        put(&mut fs, "{1}\n{2");
        assert!(!kept_now(&mut fs));
        assert_eq!(
            fs.text("local:kept/alpha/messages.jsonl"),
            "{1}\n",
            "a line that is not whole is on its way"
        );
        put(&mut fs, "{1}\n{2}\n");
        assert!(!kept_now(&mut fs) && beside(&fs).is_empty());
        assert_eq!(fs.text("local:kept/alpha/messages.jsonl"), "{1}\n{2}\n");
        put(&mut fs, "{1}\n");
        assert!(!kept_now(&mut fs), "what is kept stays as it is");
        assert_eq!(beside(&fs), ["kept/alpha/messages.jsonl"]);
        fs.apply(&FsOp::Remove { path: Path::shared(JOURNAL) }).unwrap();
        assert!(!kept_now(&mut fs));
        assert_eq!(beside(&fs), ["kept/alpha/messages.jsonl"]);
    }

    #[test]
    fn a_journal_as_long_as_the_one_that_was_read_is_another_one_where_its_end_differs() {
        let mut fs = MemoryFs::default();
        let long = |last: &str| format!("{}{last}\n", "{0}\n".repeat(3_000));
        for (before, after) in [("{1}\n", "{2}\n"), (&long("{1}"), &long("{2}"))] {
            let mut fs = fs.clone();
            put(&mut fs, before);
            assert!(!kept_now(&mut fs) && beside(&fs).is_empty());
            put(&mut fs, after);
            assert_eq!(beside(&fs), ["kept/alpha/messages.jsonl"], "nothing has looked at it yet");
            assert!(kept_now(&mut fs) && !kept_now(&mut fs));
            assert_eq!(fs.text("local:kept/alpha/messages.jsonl.remains"), "{1}\n");
            assert_eq!(beside(&fs), ["kept/alpha/messages.jsonl.remains"]);
        }
        // An own journal in whose place is another one, as long as the shadow or longer.
        let shadow = Path::local("shadow/alpha/messages.jsonl");
        fs.apply(&FsOp::Replace { path: shadow, content: Content::from("{1}\n") }).unwrap();
        for (journal, shown) in
            [("{1}\n", false), ("{1}\n{2}\n", false), ("{2}\n", true), ("{2}\n{3}\n", true)]
        {
            put(&mut fs, journal);
            assert_eq!(beside(&fs).len(), usize::from(shown), "{journal}");
        }
        fs.unreadable.insert(Path::shared(JOURNAL), FsError::NotLocal);
        assert!(beside(&fs).is_empty(), "what cannot be read differs from nothing");
    }

    #[test]
    fn much_that_is_gone_at_once_is_too_much_until_somebody_accepts_it() {
        let mut fs = MemoryFs::default();
        let machines: Vec<String> = (0..12).map(|at| format!("machines/m{at:02}/messages.jsonl")).collect();
        let put = |fs: &mut MemoryFs, name: &str, text: &str| {
            let path = Path::shared(&format!("shared/{name}"));
            fs.apply(&FsOp::Replace { path, content: Content::from(text) }).unwrap();
        };
        machines.iter().for_each(|name| put(&mut fs, name, "{1}\n{2}\n"));
        assert!(!kept_now(&mut fs) && lack(&fs).is_none());
        for name in &machines[..5] {
            fs.apply(&FsOp::Remove { path: Path::shared(&format!("shared/{name}")) }).unwrap();
        }
        machines[5..9].iter().for_each(|name| put(&mut fs, name, "{1}\n"));
        assert_eq!(lack(&fs), None, "nine are few");
        machines[9..10].iter().for_each(|name| put(&mut fs, name, "{1}\n"));
        assert_eq!(lack(&fs), Some(Lack::Much(Tally { known: 12, gone: 5, older: 5 })));
        let mut back = fs.clone();
        machines.iter().for_each(|name| put(&mut back, name, "{1}\n{2}\n"));
        assert!(lack(&back).is_none() && accept(&back).is_none());
        fs.apply(&accept(&fs).unwrap()).unwrap();
        assert_eq!(lack(&fs), None);
    }

    #[test]
    fn what_somebody_says_again_of_a_journal_is_kept_once() {
        let mut fs = MemoryFs::default();
        put(&mut fs, "{1}\n");
        let path = Path::shared("shared/machines/beta/messages.of-alpha.jsonl");
        for text in ["{2}\n{3", "{2}\n{3}\n"] {
            fs.apply(&FsOp::Replace { path: path.clone(), content: Content::from(text) }).unwrap();
            assert!(!kept_now(&mut fs) && !kept_now(&mut fs));
        }
        assert_eq!(fs.text("local:kept/alpha/messages.jsonl.remains"), "{2}\n{3}\n");
        fs.apply(&FsOp::Remove { path }).unwrap();
        assert_eq!(beside(&fs), ["kept/alpha/messages.jsonl.remains"]);
    }

    #[test]
    fn what_stands_only_in_a_copy_is_kept_and_anything_else_is_left_alone() {
        const LINE: &str = "{\"type\":\"message\",\"id\":\"msg-a\",\"origin\":\"alpha\",\"seq\":1}\n";
        let put = |fs: &mut MemoryFs, name: &str, text: &str| {
            let path = Path::shared("shared/machines/alpha").join(name);
            fs.apply(&FsOp::Replace { path, content: Content::from(text) }).unwrap();
        };
        let mut fs = MemoryFs::default();
        put(&mut fs, "messages.jsonl", "{1}\n");
        put(&mut fs, "messages.jsonl.conflict1", "{1}\n{2}\n");
        put(&mut fs, "saved by hand", LINE);
        put(&mut fs, "shopping.txt", "milk\n");
        put(&mut fs, "owner-1-2.json", "{}");
        // One whose bytes are elsewhere is looked into once they are here.
        let elsewhere = Path::shared("shared/machines/alpha/saved by hand");
        fs.unreadable.insert(elsewhere.clone(), FsError::NotLocal);
        assert!(!kept_now(&mut fs) && !fs.text("local:kept/alpha/copies.json").contains("by hand"));
        fs.unreadable.remove(&elsewhere);
        assert!(!kept_now(&mut fs) && !kept_now(&mut fs));
        assert_eq!(fs.text("local:kept/alpha/messages.jsonl.remains"), format!("{{2}}\n{LINE}"));
        assert_eq!(
            fs.text("local:kept/alpha/copies.json"),
            format!("{{\"messages.jsonl.conflict1\":8,\"saved by hand\":{},\"shopping.txt\":5}}", LINE.len())
        );
    }

    #[test]
    fn what_another_journal_of_the_name_does_not_have_is_kept_apart_once() {
        let mut fs = MemoryFs::default();
        put(&mut fs, "{1}\n{2}\n{3}\n");
        assert!(!kept_now(&mut fs));
        put(&mut fs, "{1}\n{4}\n");
        assert!(kept_now(&mut fs) && !kept_now(&mut fs));
        assert_eq!(fs.text("local:kept/alpha/messages.jsonl"), "{1}\n{4}\n");
        assert_eq!(fs.text("local:kept/alpha/messages.jsonl.remains"), "{2}\n{3}\n");
        put(&mut fs, "{1}\n{2}\n{3}\n");
        assert!(kept_now(&mut fs));
        assert_eq!(fs.text("local:kept/alpha/messages.jsonl.remains"), "{2}\n{3}\n{4}\n");
        put(&mut fs, "{1}\r\n{2}\r\n{3}\r\n");
        assert!(!kept_now(&mut fs), "a line ending is no other line");
    }
}
