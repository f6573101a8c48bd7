//! The files of a folder, found and read through the ports.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;

use super::address::Aliases;
use super::claims::{Owners, keeper};
use super::file::{Reading, Salvaged, Skipped};
use super::kept::{self, Kept};
use super::layout::{ALIASES, CONFIG, LEGACY, MACHINES, SENTINEL};
use super::line::Text;
use super::merge::merge;
use super::names::{Standing, are_of, log_of, machine_of, upheld_of};
use super::problem::{Problem, ProblemKind};
use super::recognise::{log_within, machine_within, origin_within};
use super::schema::Log;
use super::view::{Source, View};
use super::{Copies, Design, Owning, Remembering, Renaming};
use crate::kit::claims::Claim;
use crate::kit::copies::copies_of_dir;
use crate::kit::names::{Client, copy_of};
use crate::kit::text::without_mark;
use crate::{Content, Entry, EntryKind, Fs, FsError, Path, Root};

/// What the configuration says, as far as it matters here.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, PartialEq)]
pub struct Config {
    /// The layout: 2 and above have machines.
    #[serde(default)]
    pub storage_version: i64,
    /// The channel.
    #[serde(default)]
    pub channel_id: Option<String>,
    /// Its name.
    #[serde(default)]
    pub channel_name: Option<String>,
    /// Names that machines had.
    #[serde(default)]
    pub machine_aliases: BTreeMap<String, Option<String>>,
}

/// A file that was read.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Held {
    /// The path relative to the folder.
    pub name: Arc<str>,
    /// The directory it lies in.
    pub directory: Arc<str>,
    /// The machine whose file it is.
    pub machine: Arc<str>,
    /// The log it holds; nothing for the layout before machines.
    pub log: Option<Log>,
    /// The bytes, and in them what they mean.
    pub content: Content,
}

/// The journals of a folder as they lay there at one moment.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Folder {
    /// The files, sorted by name.
    pub files: Vec<Held>,
    /// What is wrong with directories and with files that could not be read.
    pub problems: Vec<Problem>,
    /// Names that machines had.
    pub aliases: Aliases,
    /// Whose the machines' directories are.
    pub owners: Owners,
    /// Whether it has the layout before machines.
    pub legacy: bool,
    /// Whether a file could not be read: published rebuilds nothing then.
    pub unreadable: bool,
}

impl Folder {
    /// Finds and reads every journal, and the local runtime log.
    #[must_use]
    pub fn read(fs: &dyn Fs, design: &Design) -> Self {
        let mut folder = Self::find(fs, design, &mut |name, path| {
            let _ = name;
            fs.read(path, 0)
        });
        folder.files.sort_by(|a, b| a.name.cmp(&b.name));
        folder
    }

    /// Finds every journal and takes its bytes from `read`.
    pub fn find(
        fs: &dyn Fs,
        design: &Design,
        read: &mut dyn FnMut(&str, &Path) -> Result<Content, FsError>,
    ) -> Self {
        let mut folder = Self::default();
        let configs = configs(fs, design, &mut folder.problems);
        let version = configs.iter().map(|config| config.storage_version).max().unwrap_or(0);
        folder.aliases = configs
            .into_iter()
            .fold(Aliases::default(), |aliases, config| aliases.union(&Aliases::new(config.machine_aliases)));
        let machines = machines(fs, design, &mut folder.problems);
        if design.renaming == Renaming::Alias {
            let given = own_aliases(fs, machines.as_deref().unwrap_or_default(), &mut folder.problems);
            let machines = machines.as_deref().unwrap_or_default();
            folder.aliases = folder.aliases.agreed(&given, |id| are_of(machines, id));
        }
        let sentinel = || fs.read(&Path::shared(SENTINEL), 0).is_ok();
        let kept = match design.remembering {
            Remembering::Nothing => Kept::new(),
            Remembering::AllSeen => kept::kept(fs).unwrap_or_else(|error| {
                folder.problems.push(unread("local/kept", error));
                Kept::new()
            }),
        };
        // A folder that cannot be reached, or of whose machines something was read, has the layout with machines.
        let had_machines = machines.as_ref().err() != Some(&FsError::NotFound) || !kept.is_empty();
        let merged = design.copies == Copies::Versions && had_machines;
        folder.legacy = version < 2 && !merged && !sentinel();
        if folder.legacy {
            for name in LEGACY {
                folder.take(name, "", "", None, &Path::shared(name), read);
            }
        } else {
            folder.machines(fs, design, machines.unwrap_or_default(), kept, read);
        }
        let name = Log::Runtime.file_name();
        folder.take(&format!("local/{name}"), "", "", Some(Log::Runtime), &Path::local(name), read);
        folder
    }

    /// What this machine keeps itself that is there and could not be read; `None` if all could. What is made without it may
    /// lack what was shown.
    #[must_use]
    pub fn unread_here(&self) -> Option<&Problem> {
        let is_unread = |kind| matches!(kind, ProblemKind::NotLocal | ProblemKind::Unreadable);
        let is_here = |file: &str| kept::path_of(file).root() == Root::Local;
        self.problems.iter().find(|problem| is_unread(problem.kind) && is_here(&problem.file))
    }

    fn machines(
        &mut self,
        fs: &dyn Fs,
        design: &Design,
        entries: Vec<Entry>,
        mut kept: Kept,
        read: &mut dyn FnMut(&str, &Path) -> Result<Content, FsError>,
    ) {
        let by_content = design.copies == Copies::Versions;
        let directories = entries.into_iter().filter(|entry| entry.kind == EntryKind::Dir);
        let listed: Vec<_> = directories.map(|entry| (fs.list(&entry.path), entry)).collect();
        let claims =
            listed.iter().flat_map(|(files, _)| files).flatten().filter_map(|file| Claim::parse(file.name()));
        let mut places: BTreeMap<Claim, u32> = BTreeMap::new();
        claims.for_each(|claim| *places.entry(claim).or_default() += 1);
        for (files, entry) in listed {
            let (directory, dir) = (entry.name(), &entry.path);
            let known = match (machine_of(directory), &files) {
                (named @ (None | Some((_, false))), Ok(files)) if by_content => {
                    // What stands in one place, under the name of a machine, was copied by nobody.
                    let is_twice =
                        |file: &Entry| Claim::parse(file.name()).is_some_and(|claim| places[&claim] > 1);
                    match named.is_none() || files.iter().any(is_twice) {
                        true => copied(fs, dir, files),
                        false => named,
                    }
                }
                (known, _) => known,
            };
            let note = |kind, detail: &str| Problem {
                file: dir.name().into(),
                line: 0,
                kind,
                detail: detail.to_owned(),
            };
            match &known {
                None => self.problems.push(note(ProblemKind::ForeignDirectory, "not a machine id")),
                Some((machine, true)) => {
                    self.problems.push(note(ProblemKind::ConflictCopy, &format!("a copy of {machine}")));
                }
                Some((_, false)) => {}
            }
            let id = known.as_ref().map_or(directory, |(machine, _)| machine);
            let machine = self.aliases.resolve(id, design.following).to_owned();
            let files = match files {
                Ok(files) => files,
                Err(error) => {
                    self.unreadable = true;
                    self.problems.push(unread(dir.name(), error));
                    continue;
                }
            };
            let claims: Vec<_> = match design.owning {
                Owning::Assumed => Vec::new(),
                Owning::Claimed => files.iter().filter_map(|file| Claim::parse(file.name())).collect(),
            };
            claims.iter().for_each(|claim| self.owners.add(&machine, *claim, id));
            let keeps = |nonce| claims.iter().any(|claim| claim.nonce == nonce);
            let (mut unread, mut whole) = (BTreeSet::new(), BTreeMap::new());
            for file in &files {
                if file.kind == EntryKind::Dir {
                    if log_of(file.name()).is_some() {
                        self.problems.push(Problem {
                            file: file.path.name().into(),
                            ..note(ProblemKind::Unreadable, "a directory where a journal should be")
                        });
                    }
                    continue;
                }
                if let Some((log, of)) = upheld_of(file.name()).filter(|_| by_content) {
                    let machine = self.aliases.resolve(of, design.following).to_owned();
                    self.take(file.path.name(), of, &machine, Some(log), &file.path, read);
                    continue;
                }
                let named = log_of(file.name()).filter(|&(log, _)| log != Log::Runtime);
                let is_of = |origin: &str| *self.aliases.resolve(origin, design.following) == *machine;
                let by_lines = match named {
                    None | Some((_, Standing::Unknown)) if by_content => {
                        log_within(fs, file, &is_of).unwrap_or_default()
                    }
                    _ => None,
                };
                let Some((log, standing)) = by_lines.map(|log| (log, Standing::Copy)).or(named) else {
                    continue;
                };
                let copy = standing != Standing::Own;
                if copy && design.copies == Copies::Foreign {
                    continue;
                }
                let path = &file.path;
                if standing == Standing::Unknown {
                    let detail = format!("perhaps a copy of {}; it is not read", log.file_name());
                    self.problems.push(Problem {
                        file: path.name().into(),
                        ..note(ProblemKind::UnknownCopy, &detail)
                    });
                    continue;
                }
                // What somebody kept who gave up this id is no accident.
                if copy && !keeper(file.name()).is_some_and(keeps) {
                    self.problems.push(Problem {
                        file: path.name().into(),
                        line: 0,
                        kind: ProblemKind::ConflictCopy,
                        detail: format!("a copy of {}", log.file_name()),
                    });
                }
                if !self.take(path.name(), directory, &machine, Some(log), path, read) && !copy {
                    unread.insert(log);
                }
                // Who asks for names alone, or for what is new, reads no journal whole.
                let is_whole =
                    |held: &&Held| *held.name == *path.name() && held.content.len() as u64 == file.len;
                if let Some(held) = self.files.last().filter(is_whole).filter(|_| !copy) {
                    whole.insert(log, held.content.clone());
                }
            }
            if let Some(of) = kept.remove(directory) {
                let is_same = |log: Log, kept: &Path, len: u64| {
                    let journal = whole.get(&log);
                    journal.is_none_or(|journal| kept::is_same(fs, kept, len, &|from| Ok(journal.tail(from))))
                };
                let beside = of.read_beside(directory, &files, &unread, &is_same);
                self.take_kept(directory, &machine, beside, read);
            }
        }
        // What is left is of directories that are not there.
        for (directory, of) in kept {
            let id = machine_of(&directory).map_or_else(|| directory.clone(), |(machine, _)| machine);
            let machine = self.aliases.resolve(&id, design.following).to_owned();
            let beside = of.read_beside(&directory, &[], &BTreeSet::new(), &|_, _, _| true);
            self.take_kept(&directory, &machine, beside, read);
        }
        self.problems.extend(self.owners.problems());
    }

    fn take_kept(
        &mut self,
        directory: &str,
        machine: &str,
        files: Vec<(Log, Path)>,
        read: &mut dyn FnMut(&str, &Path) -> Result<Content, FsError>,
    ) {
        for (log, path) in files {
            self.take(&format!("local/{}", path.name()), directory, machine, Some(log), &path, read);
        }
    }

    /// Takes a file in, and says whether it could be read.
    fn take(
        &mut self,
        name: &str,
        directory: &str,
        machine: &str,
        log: Option<Log>,
        path: &Path,
        read: &mut dyn FnMut(&str, &Path) -> Result<Content, FsError>,
    ) -> bool {
        match read(name, path) {
            Ok(content) => {
                let (name, directory, machine) = (name.into(), directory.into(), machine.into());
                self.files.push(Held { name, directory, machine, log, content });
                return true;
            }
            Err(FsError::NotFound) => {}
            Err(error) => {
                self.unreadable = true;
                self.problems.push(unread(name, error));
            }
        }
        false
    }

    /// Hands the files to `use_them`, parsed; each content is parsed once, however many readers ask.
    pub fn with_sources<T>(&self, design: &Design, use_them: impl FnOnce(&[Source<'_>]) -> T) -> T {
        let (mut skipped, mut salvaged) = (Vec::new(), Vec::new());
        let contents = self.files.iter().map(|held| &held.content);
        match design.reading {
            Reading::Skip => skipped.extend(contents.map(|content| content.parsed(Skipped::read))),
            Reading::Salvage => salvaged.extend(contents.map(|content| content.parsed(Salvaged::read))),
        }
        let parsed = skipped.iter().map(|file| &file.0).chain(salvaged.iter().map(|file| &file.0));
        let sources: Vec<_> = self
            .files
            .iter()
            .zip(parsed)
            .map(|(held, file)| Source {
                name: &held.name,
                directory: &held.directory,
                machine: &held.machine,
                log: held.log,
                text: Text::new(held.content.bytes()),
                file,
                aliases: &self.aliases,
            })
            .collect();
        use_them(&sources)
    }

    /// What the files say together, with every problem of every file.
    #[must_use]
    pub fn view(&self, design: &Design) -> View {
        self.with_sources(design, |sources| {
            let mut view = merge(design, sources);
            self.complete(design, sources, &mut view);
            view
        })
    }

    /// Adds to a view what is wrong with the files, and whether published could have been rebuilt at all.
    pub fn complete(&self, design: &Design, sources: &[Source<'_>], view: &mut View) {
        view.problems.extend(self.problems.iter().cloned());
        view.problems.extend(line_problems(sources));
        view.problems.extend(kept::only_kept(sources));
        view.problems.sort();
        view.problems.dedup();
        if design.duplicates == super::Duplicates::Abort {
            let poisoned = view.problems.iter().any(|problem| problem.kind == ProblemKind::LineTooLong);
            if poisoned {
                view.rebuild_error = Some("bufio.Scanner: token too long");
            } else if self.unreadable {
                view.rebuild_error = Some("a file cannot be read");
            }
        }
    }
}

/// What is wrong with the lines of the sources, under the files' names.
pub fn line_problems<'a>(sources: &'a [Source<'_>]) -> impl Iterator<Item = Problem> + 'a {
    sources.iter().flat_map(|source| {
        source.file.problems.iter().map(|problem| Problem {
            file: source.name.into(),
            line: problem.line,
            kind: problem.kind,
            detail: problem.detail.clone(),
        })
    })
}

/// The machines' directories: those in `shared/machines` and, where copies count, those in copies of either directory.
/// Two machines that make the upper directories at once have a client give one of them another name, and everything
/// that one of them writes from then on may lie below it.
///
/// # Errors
/// As [`Fs::list`], of `shared/machines`, if there is no copy either.
pub(super) fn machines(
    fs: &dyn Fs,
    design: &Design,
    problems: &mut Vec<Problem>,
) -> Result<Vec<Entry>, FsError> {
    let own = Path::shared(MACHINES);
    let mut found = fs.list(&own);
    if design.copies == Copies::Foreign {
        return found;
    }
    let (upper, lower) = MACHINES.split_once('/').expect("the machines' directory lies in another");
    let tops = versions(fs, &Path::shared(""), upper, problems);
    for machines in tops.iter().flat_map(|top| versions(fs, top, lower, problems)) {
        if machines != own
            && let Ok(entries) = fs.list(&machines)
        {
            found = Ok(found.into_iter().flatten().chain(entries).collect());
        }
    }
    found
}

/// A directory of this name, whether it is there or not, and the copies of it, which are told.
fn versions(fs: &dyn Fs, dir: &Path, name: &str, problems: &mut Vec<Problem>) -> Vec<Path> {
    let mut found = vec![dir.join(name)];
    for copy in copies_of_dir(fs, dir, name) {
        problems.push(Problem {
            file: copy.name().into(),
            line: 0,
            kind: ProblemKind::ConflictCopy,
            detail: format!("a copy of {name}, with machines in it"),
        });
        found.push(copy);
    }
    found
}

/// The machine whose directory this is, by its name or, where that says nothing or something else, by what lies in it, and
/// whether it is a copy; None if nothing says.
fn copied(fs: &dyn Fs, dir: &Path, files: &[Entry]) -> Option<(String, bool)> {
    let named = machine_of(dir.file_name());
    let claimed = machine_within(fs, dir, files).filter(|machine| {
        // A directory that was given another name by hand, and is the only one, is the machine's.
        let own = dir.parent().map(|machines| machines.join(machine));
        named.is_none() || own.is_some_and(|own| fs.list(&own).is_ok())
    });
    let told = claimed.or_else(|| if named.is_none() { origin_within(fs, files) } else { None });
    told.map(|machine| (machine, true)).or(named)
}

/// What a file that could not be read is called.
#[must_use]
pub fn unread(name: &str, error: FsError) -> Problem {
    let kind = if error == FsError::NotLocal { ProblemKind::NotLocal } else { ProblemKind::Unreadable };
    Problem { file: name.into(), line: 0, kind, detail: error.to_string() }
}

/// The names that each machine has given, with the id it gave them under.
pub(super) fn own_aliases(
    fs: &dyn Fs,
    machines: &[Entry],
    problems: &mut Vec<Problem>,
) -> Vec<(String, Aliases)> {
    let mut given = Vec::new();
    for entry in machines.iter().filter(|entry| entry.kind == EntryKind::Dir) {
        let path = entry.path.join(ALIASES);
        let names =
            |content: Content| serde_json::from_slice::<BTreeMap<_, _>>(without_mark(content.bytes()));
        match fs.read(&path, 0).map(names) {
            Ok(Ok(names)) => given.push((entry.name().to_owned(), Aliases::new(names))),
            Ok(Err(error)) => problems.push(not_json(path.name(), &error)),
            Err(FsError::NotFound) => {}
            Err(error) => problems.push(unread(path.name(), error)),
        }
    }
    given
}

fn not_json(name: &str, error: &serde_json::Error) -> Problem {
    Problem {
        file: name.into(),
        line: u32::try_from(error.line()).unwrap_or(0),
        kind: ProblemKind::NotARecord,
        detail: error.to_string(),
    }
}

/// What of a configuration is JSON: upstream's programs do not pass over a byte order mark.
fn configured<'a>(design: &Design, content: &'a Content) -> &'a [u8] {
    match design.copies {
        Copies::Foreign => content.bytes(),
        Copies::Versions => without_mark(content.bytes()),
    }
}

/// Reads a configuration. Of a key that is there twice the last one counts, as upstream's programs read it.
fn config_of(design: &Design, content: &Content) -> serde_json::Result<Config> {
    serde_json::from_slice::<serde_json::Value>(configured(design, content)).and_then(serde_json::from_value)
}

/// The configuration and, where copies count, its conflict copies.
fn configs(fs: &dyn Fs, design: &Design, problems: &mut Vec<Problem>) -> Vec<Config> {
    let names = match design.copies {
        Copies::Foreign => vec![CONFIG.to_owned()],
        Copies::Versions => {
            let entries = fs.list(&Path::shared("")).unwrap_or_default();
            let counts = |name: &&str| {
                *name == CONFIG || copy_of(name, CONFIG).is_some_and(|mark| mark.by != Client::Unknown)
            };
            entries.iter().map(Entry::name).filter(counts).map(str::to_owned).collect()
        }
    };
    let mut configs = Vec::new();
    for name in names {
        match fs.read(&Path::shared(&name), 0) {
            Ok(content) => match config_of(design, &content) {
                Ok(config) => configs.push(config),
                Err(error) => problems.push(not_json(&name, &error)),
            },
            Err(FsError::NotFound) => {}
            Err(error) => problems.push(unread(&name, error)),
        }
    }
    configs
}
