//! A sync of many entities of which few changed, in both layouts, beside writing and reading one whole state.
//!
//! The predecessor of the published plan kept everything in one `main.json`: whoever changed anything wrote all of it,
//! and whoever looked read all of it. Here it holds the same fields of the same entities, is written through a
//! temporary file, flushed and renamed as every file of ours is, and is parsed whole where it is read.
//!
//! Files are counted by the port, in the shared folder and the local directory together: what a change has to leave
//! there before it is acknowledged is not among them, as it comes before the sync.

use std::path::Path as OsPath;

use cloudchamber_core::delta::{Change, Command, Config, Delta, Design, Event, Layout, Report};
use cloudchamber_core::{Content, Fs as _, FsMut as _, FsOp, Input, Path};
use cloudchamber_host::runner::OpFailed;
use cloudchamber_host::{Lock, OsFs, Runner};
use serde_json::Value;

use super::counted::Counted;
use super::{Timed, done};

/// How many entities there are, and how many of them change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Load {
    /// All of them.
    pub entities: usize,
    /// Those that change.
    pub changed: usize,
}

impl Load {
    /// Ten of ten thousand.
    pub const TEN_THOUSAND: Self = Self { entities: 10_000, changed: 10 };
}

/// The tasks, as the report calls them.
pub mod task {
    /// What changed goes into the folder.
    pub const SEND: &str = "send what changed";
    /// What changed is taken from the folder.
    pub const RECEIVE: &str = "receive what changed";
    /// Nothing changed.
    pub const IDLE: &str = "look, and nothing changed";
}

/// Who does it, as the report calls them.
pub mod by {
    /// Ours, a file for each entity.
    pub const SPLIT: &str = "cloudchamber, split";
    /// Ours, a file for each sync.
    pub const SPLIT_LITE: &str = "cloudchamber, split-lite";
    /// As the plan has it, a file for each entity and one `meta.json`.
    pub const PUBLISHED: &str = "published, split";
    /// As the plan has it, a file for each sync and one `meta.json`.
    pub const PUBLISHED_LITE: &str = "published, split-lite";
    /// One file for everything.
    pub const WHOLE: &str = "one whole main.json";
}

/// The fields of an entity, after `edits` edits.
fn fields(at: usize, edits: usize) -> Value {
    let long = "some more words, as people write them into their notes".repeat(4);
    serde_json::json!({
        "title": format!("task {at}, edited {edits} times"),
        "notes": long,
        "tags": ["home", "later"],
        "projectId": format!("p{}", at % 40),
        "timeSpent": at * 1_000,
        "done": at.is_multiple_of(3),
        "created": 1_764_374_400_000_u64 + at as u64,
        "parent": null,
    })
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// A directory could not be made or locked.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A file could not be written.
    #[error("{0}")]
    Op(OpFailed),
}

/// A replica whose files count.
pub struct Site(Runner<Delta, Counted<OsFs>>);

impl Site {
    /// A replica that starts on a folder.
    ///
    /// # Errors
    /// Where its directories cannot be used.
    pub fn open(folder: &OsPath, local: &OsPath, name: &str, design: Design) -> Result<Self, SyncError> {
        std::fs::create_dir_all(folder)?;
        std::fs::create_dir_all(local)?;
        let config = Config::new(design, name);
        let fs = Counted::new(OsFs::new(folder, local));
        let mut site = Self(Runner::open(config, fs, Lock::wait(local)?, &mut |_, _| {}));
        site.0.settle(&mut |_, _| {}).map_err(SyncError::Op)?;
        Ok(site)
    }

    fn ask(&mut self, command: Command) -> Result<Vec<Event>, SyncError> {
        let mut told = Vec::new();
        self.0.feed(Input::Command(command), &mut |_, event| told.push(event.clone()));
        self.0.settle(&mut |_, event| told.push(event.clone())).map_err(SyncError::Op)?;
        Ok(told)
    }

    /// Writes the first `count` entities, as they are after `edits` edits, all in one batch.
    ///
    /// # Errors
    /// Where the local store cannot be written.
    pub fn put(&mut self, count: usize, edits: usize) -> Result<(), SyncError> {
        let put = |at: usize| Change::put("task", &format!("t{at:05}"), &fields(at, edits).to_string());
        self.ask(Command::Change((0..count).map(put).collect())).map(drop)
    }

    /// Exchanges with the folder what is new.
    ///
    /// # Errors
    /// Where a file cannot be written.
    ///
    /// # Panics
    /// If it does not say what it did.
    pub fn sync(&mut self) -> Result<Report, SyncError> {
        let report = self.ask(Command::Sync)?.into_iter().find_map(|event| match event {
            Event::Synced(report) => Some(report),
            _ => None,
        });
        Ok(report.expect("a sync ends with a report"))
    }

    /// The same, timed, with the files that it took.
    fn timed_sync(
        &mut self,
        task: &'static str,
        by: &'static str,
        things: usize,
    ) -> Result<(Timed, Report), SyncError> {
        let _before = self.0.fs().take();
        let (timed, report) = done(task, by, things, || self.sync());
        Ok((Timed { files: Some(self.0.fs().take()), ..timed }, report?))
    }
}

/// Syncs once in each layout, and writes and reads one whole state, in an empty directory.
///
/// # Errors
/// Where the directory cannot be written.
///
/// # Panics
/// If a sync does not move just what changed.
pub fn measure(dir: &OsPath, load: Load) -> Result<Vec<Timed>, SyncError> {
    let mut rows = Vec::new();
    for (design, by) in [
        (Design::HARDENED, by::SPLIT),
        (Design::HARDENED.in_layout(Layout::SplitLite), by::SPLIT_LITE),
        (Design::PUBLISHED, by::PUBLISHED),
        (Design::PUBLISHED.in_layout(Layout::SplitLite), by::PUBLISHED_LITE),
    ] {
        let dir = dir.join(by);
        let site = |name: &str| Site::open(&dir.join("folder"), &dir.join(name), name, design);
        let (mut one, mut other) = (site("laptop")?, site("phone")?);
        one.put(load.entities, 0)?;
        one.sync()?;
        other.sync()?;
        // What each learns of the other's first sync is not of the load.
        one.sync()?;
        one.put(load.changed, 1)?;
        let (sent, report) = one.timed_sync(task::SEND, by, load.changed)?;
        assert_eq!(report.sent.len(), load.changed, "{by}: what was sent");
        let (received, report) = other.timed_sync(task::RECEIVE, by, load.changed)?;
        assert_eq!(report.received.len(), load.changed, "{by}: what was received");
        one.sync()?;
        other.sync()?;
        let (idle, _) = one.timed_sync(task::IDLE, by, 0)?;
        rows.extend([sent, received, idle]);
    }
    rows.extend(whole(&dir.join("whole"), load)?);
    let tasks = [task::SEND, task::RECEIVE, task::IDLE];
    rows.sort_by_key(|row| tasks.iter().position(|task| *task == row.task));
    Ok(rows)
}

/// One whole state: written and read.
fn whole(dir: &OsPath, load: Load) -> Result<[Timed; 2], SyncError> {
    let (folder, local) = (dir.join("folder"), dir.join("local"));
    std::fs::create_dir_all(&folder)?;
    std::fs::create_dir_all(&local)?;
    let mut fs = Counted::new(OsFs::new(&folder, &local));
    let path = Path::shared("main.json");
    let mut tasks: serde_json::Map<_, _> =
        (0..load.entities).map(|at| (format!("t{at:05}"), fields(at, 0))).collect();
    let refused = |path: &Path, error| SyncError::Op(OpFailed { path: path.clone(), error, call: None });
    tasks.extend((0..load.changed).map(|at| (format!("t{at:05}"), fields(at, 1))));
    let state = Value::Object([("task".to_owned(), Value::Object(tasks))].into_iter().collect());
    let (sent, result) = done(task::SEND, by::WHOLE, load.changed, || {
        let content = Content::from(state.to_string());
        fs.apply(&FsOp::Replace { path: path.clone(), content })
    });
    result.map_err(|error| refused(&path, error))?;
    let sent = Timed { files: Some(fs.take()), ..sent };
    let (received, read) = done(task::RECEIVE, by::WHOLE, load.changed, || {
        fs.read(&path, 0).map(|content| serde_json::from_slice::<Value>(content.bytes()).ok())
    });
    assert_eq!(read.map_err(|error| refused(&path, error))?, Some(state), "what was written is read");
    Ok([sent, Timed { files: Some(fs.take()), ..received }])
}
