//! An observed history: what one replica of a real folder was seen to hold, and when.
//!
//! The recorder looks and writes nothing into the folder. The system's notices say where to look at once; a look at
//! everything, several times a second, is what it relies on. Each content that differs from the last one seen is a line
//! ([`Seen`]). Two that follow each other within a few milliseconds may be seen as one, so whoever writes under a recorder
//! leaves each version for a look's time, or more.
//!
//! Nothing in a file tells whether a program on this machine wrote it or the client brought it. So the paths that this
//! machine writes are named beforehand ([`Asked::own`]); nothing else is taken for its own. Histories of all replicas
//! together say more: `cloudchamber replay --observed` asks whether a folder may show them.

mod format;
mod glob;
mod look;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use cloudchamber_core::Now;

use crate::changes::Changes;
use crate::clock;
use crate::doctor::walk::{Tree, What};
use format::End;
use look::{Holds, Once, Stamp, name};

pub use format::{By, Header, History, Kind, Seen, Unreadable, VERSION, Written, parse};
pub use glob::Glob;

/// How long nothing is heard until everything is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// The same where the system gives no notices.
const LOOK_WITHOUT_NOTICES: Duration = Duration::from_millis(20);
/// A look at everything takes one part of so many of the time, at most.
const LOOK_SHARE: u32 = 5;
/// How long a notice is waited for before it is asked whether to end.
const HEAR: Duration = Duration::from_millis(20);
/// How long a directory may take to be listed.
const PATIENCE: Duration = Duration::from_secs(5);

/// What to record.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The folder that a client copies.
    pub folder: PathBuf,
    /// What this replica is called.
    pub name: String,
    /// Which folder it is, in any words that all its replicas use.
    pub folder_id: Option<String>,
    /// The client, its version and settings.
    pub client: Option<String>,
    /// What is written on this machine.
    pub own: Vec<Glob>,
    /// Up to how many bytes a content is written down itself.
    pub content_max: u64,
    /// After how long it ends; `None` if not by itself.
    pub for_time: Option<Duration>,
}

/// What came of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recorded {
    /// How many lines were written, besides the first and the last.
    pub seen: u64,
    /// Why it ended by itself too early; `None` if it was asked to, or its time was over.
    pub lost: Option<String>,
}

/// Opens the file that a history goes to, which is new and lies outside the folder.
///
/// # Errors
/// Where it is there already, lies in the folder, or cannot be made.
pub fn create(output: &Path, folder: &Path) -> anyhow::Result<std::fs::File> {
    let folder = crate::local::real(folder)?;
    let dir = output.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let shown = output.display();
    let dir =
        dir.canonicalize().with_context(|| format!("{shown}: its directory is not there: make it first"))?;
    if dir.starts_with(&folder) {
        bail!(
            "{shown}: it lies in the folder, which the recorder only looks at: give a file outside it with --output"
        );
    }
    let made = std::fs::File::options().write(true).create_new(true).open(output);
    made.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            anyhow::anyhow!("{shown}: it is there already: give a new file with --output")
        }
        _ => anyhow::anyhow!("{shown}: it cannot be made: {error}: give a file that can be with --output"),
    })
}

/// Records what a replica holds until it is asked to end, a line at a time.
///
/// # Errors
/// Where the folder cannot be read at the beginning, or a line cannot be written.
pub fn record(
    asked: &Asked,
    into: &mut dyn Write,
    tell: &dyn Fn(&str),
    is_asked_to_end: &dyn Fn() -> bool,
) -> anyhow::Result<Recorded> {
    if asked.name.is_empty() || asked.name.contains(char::is_control) {
        bail!("--name: a replica has a name of at least one letter, in one line");
    }
    let folder = crate::local::real(&asked.folder)?;
    // Before the first look, so that nothing changes between the two unheard.
    let changes = Changes::of(&folder);
    if let Err(error) = &changes {
        tell(&format!(
            "the system gives no notices of {}: {error}; it is looked at more often",
            folder.display()
        ));
    }
    let started = clock::now();
    let mut recorder = Recorder {
        asked,
        id: id(&folder)?,
        folder,
        started,
        known: BTreeMap::new(),
        into,
        seen: 0,
        blocks: false,
        once: Once::default(),
    };
    recorder.begin()?;
    recorder.look_at_all(true, tell)?;
    let changes = changes.ok();
    tell(&format!(
        "{} is watched: {} files are there{}",
        recorder.folder.display(),
        recorder.known.len(),
        if changes.is_some() { "" } else { ", by looks alone" }
    ));
    let end = recorder.watch(changes.as_ref(), tell, is_asked_to_end);
    recorder.end(end)
}

/// What tells a folder from another in its place.
fn id(folder: &Path) -> anyhow::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = folder
        .metadata()
        .with_context(|| format!("{}: give a folder that can be read with --folder", folder.display()))?;
    Ok((metadata.dev(), metadata.ino()))
}

/// A file as it was last written down.
struct Known {
    stamp: Stamp,
    /// Whether a change since must have left another stamp.
    is_settled: bool,
    holds: Holds,
}

struct Recorder<'a> {
    asked: &'a Asked,
    folder: PathBuf,
    id: (u64, u64),
    started: Now,
    known: BTreeMap<String, Known>,
    into: &'a mut dyn Write,
    seen: u64,
    /// Whether this file system tells of files that take room. Only then does one that takes none mean something.
    blocks: bool,
    once: Once,
}

impl Recorder<'_> {
    fn begin(&mut self) -> anyhow::Result<()> {
        let header = Header {
            cloudchamber_observed: VERSION,
            name: self.asked.name.clone(),
            folder: self.asked.folder_id.clone(),
            client: self.asked.client.clone(),
            started_ms: self.started.wall.0,
            own: self.asked.own.clone(),
            content_max: self.asked.content_max,
        };
        self.write(&serde_json::to_string(&header)?)
    }

    /// Writes a line, and lets go of it at once: whoever is killed leaves whole lines.
    fn write(&mut self, line: &str) -> anyhow::Result<()> {
        let written = self.into.write_all(format!("{line}\n").as_bytes()).and_then(|()| self.into.flush());
        written.context("the history cannot be written: give a file on a disk that has room with --output")
    }

    /// Looks until there is a reason to end, which is given back, and whether it is a good one.
    fn watch(
        &mut self,
        changes: Option<&Changes>,
        tell: &dyn Fn(&str),
        is_asked_to_end: &dyn Fn() -> bool,
    ) -> anyhow::Result<&'static str> {
        let began = Instant::now();
        let (mut looked, mut pause) = (Instant::now(), Duration::ZERO);
        loop {
            let heard = match changes {
                Some(changes) => changes.heard(HEAR),
                None => {
                    std::thread::sleep(LOOK_WITHOUT_NOTICES);
                    Vec::new()
                }
            };
            let is_over = self.asked.for_time.is_some_and(|time| began.elapsed() >= time);
            let ends = is_over || is_asked_to_end();
            // What lies below a directory that came is told by no notice.
            let mut all = ends || looked.elapsed() >= pause.max(if changes.is_some() { LOOK } else { HEAR });
            for real in heard {
                all |= real.is_dir();
                if let Some(name) = name(&self.folder, &real) {
                    self.look_at(&name, false, tell)?;
                }
            }
            if all {
                let began = Instant::now();
                self.look_at_all(false, tell)?;
                (looked, pause) = (Instant::now(), began.elapsed() * LOOK_SHARE);
            }
            if ends {
                return Ok(if is_over { "its time was over" } else { "it was asked to end" });
            }
        }
    }

    /// Looks at every file. `is_first`: what is there was there before.
    fn look_at_all(&mut self, is_first: bool, tell: &dyn Fn(&str)) -> anyhow::Result<()> {
        let tree = Tree::read(&self.folder, PATIENCE)?;
        if id(&self.folder)? != self.id {
            bail!("{}: another directory is in its place: see whether it is mounted", self.folder.display());
        }
        for finding in &tree.findings {
            self.once.tell(&self.folder.join(&finding.file), tell, &finding.detail);
        }
        let mut here = std::collections::BTreeSet::new();
        for item in tree.items().filter(|item| item.what != What::Dir) {
            let why = match item.what {
                _ if !item.is_utf8 => "its name is not UTF-8",
                What::Link | What::LinkOut => "links are not followed",
                What::Special => "it is no file",
                What::Dir | What::File => "",
            };
            if !why.is_empty() {
                self.once.tell(&item.real, tell, why);
            } else if let Some(name) = name(&self.folder, &item.real) {
                self.look_at(&name, is_first, tell)?;
                here.insert(name);
            }
        }
        let is_blind = |name: &str| {
            tree.findings.iter().any(|finding| {
                name.strip_prefix(&*finding.file).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
        };
        let gone: Vec<String> =
            self.known.keys().filter(|name| !here.contains(*name) && !is_blind(name)).cloned().collect();
        // A list of names may leave out one that is replaced meanwhile.
        gone.iter().try_for_each(|name| self.look_at(name, false, tell))
    }

    /// Looks at one file, and writes down what is new.
    fn look_at(&mut self, name: &str, is_first: bool, tell: &dyn Fn(&str)) -> anyhow::Result<()> {
        let real = self.folder.join(name);
        let found = match real.symlink_metadata() {
            Ok(metadata) => metadata.is_file().then(|| Stamp::of(&metadata)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                None
            }
            Err(error) => {
                self.once.tell(&real, tell, &format!("it cannot be looked at: {error}"));
                return Ok(());
            }
        };
        let Some(stamp) = found else { return self.note_gone(name) };
        if self.known.get(name).is_some_and(|known| known.stamp == stamp && known.is_settled) {
            return Ok(());
        }
        self.blocks |= stamp.has_blocks();
        let is_settled = stamp.is_settled();
        let holds = match self.blocks && stamp.may_be_elsewhere() {
            true => Some(Holds::Elsewhere(stamp.len())),
            false => look::read(&real, stamp.len(), self.asked.content_max),
        };
        let Some(holds) = holds else { return self.note_gone(name) };
        let kind = match self.known.get(name) {
            Some(known) if known.holds == holds => None,
            Some(_) => Some(Kind::Changed),
            None if is_first => Some(Kind::There),
            None => Some(Kind::Appeared),
        };
        if let Some(kind) = kind {
            self.note(name, kind, Some((&stamp, &holds)))?;
        }
        self.known.insert(name.to_owned(), Known { stamp, is_settled, holds });
        Ok(())
    }

    fn note_gone(&mut self, name: &str) -> anyhow::Result<()> {
        match self.known.remove(name) {
            Some(_) => self.note(name, Kind::Gone, None),
            None => Ok(()),
        }
    }

    fn note(&mut self, name: &str, kind: Kind, found: Option<(&Stamp, &Holds)>) -> anyhow::Result<()> {
        let (ms, wall_ms) = self.now();
        let is_own = kind != Kind::There && self.asked.own.iter().any(|glob| glob.is_match(name));
        let mut seen = Seen {
            ms,
            wall_ms,
            path: name.to_owned(),
            seen: kind,
            by: is_own.then_some(By::Here),
            len: None,
            modified_ms: found.map(|(stamp, _)| stamp.modified_ms()),
            sha256: None,
            content: None,
            nul: false,
            elsewhere: false,
            unread: None,
        };
        match found.map(|(_, holds)| holds.clone()) {
            None => {}
            Some(Holds::Bytes { len, sha256, content, nul }) => {
                seen.nul = nul && content.is_none();
                (seen.len, seen.sha256, seen.content) = (Some(len), Some(sha256), content);
            }
            Some(Holds::Elsewhere(len)) => (seen.len, seen.elsewhere) = (Some(len), true),
            Some(Holds::Unread { len, why }) => (seen.len, seen.unread) = (Some(len), Some(why)),
        }
        self.seen += 1;
        self.write(&serde_json::to_string(&seen)?)
    }

    /// Milliseconds since the beginning, and since 1970.
    fn now(&self) -> (u64, i64) {
        let now = clock::now();
        (now.mono.0.saturating_sub(self.started.mono.0), now.wall.0)
    }

    fn end(mut self, end: anyhow::Result<&'static str>) -> anyhow::Result<Recorded> {
        let (ms, wall_ms) = self.now();
        let (why, lost) = match end {
            Ok(why) => (why.to_owned(), None),
            Err(error) => (format!("it was lost: {error:#}"), Some(format!("{error:#}"))),
        };
        // Where no line can be written any more, this one cannot either, and says why.
        self.write(&serde_json::to_string(&End { ms, wall_ms, end: why })?)?;
        Ok(Recorded { seen: self.seen, lost })
    }
}
