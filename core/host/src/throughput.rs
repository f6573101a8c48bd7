//! How fast journals are read, merged and rebuilt, beside what the SQLite library alone takes for the same lines.
//!
//! Each stage is measured by the wall clock and by the processor time that it took on all threads together: on a
//! machine that does other work only the latter, and ratios within one run, say something.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use cloudchamber_core::journal::Design;
use cloudchamber_core::journal::address::Aliases;
use cloudchamber_core::journal::file::{File, Reading};
use cloudchamber_core::journal::line::Text;
use cloudchamber_core::journal::merge::merge;
use cloudchamber_core::journal::sample::{machine_id, messages};
use cloudchamber_core::journal::schema::Log;
use cloudchamber_core::journal::view::Source;
use rustix::time::{ClockId, clock_gettime};

use crate::OsFs;
use crate::database::{Database, DatabaseError, Progress};

/// What is measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Load {
    /// Events, over all machines.
    pub events: usize,
    /// Machines that wrote them.
    pub machines: usize,
    /// Events that come later, for the update.
    pub more: usize,
}

impl Load {
    /// A million events of eight machines, and a hundred more.
    pub const MILLION: Self = Self { events: 1_000_000, machines: 8, more: 100 };
}

/// The names of the stages, in the order in which they are measured.
pub mod stage {
    /// Bytes become records.
    pub const READ: &str = "read the lines";
    /// The records of all machines become one view.
    pub const MERGE: &str = "merge";
    /// Both together.
    pub const READ_AND_MERGE: &str = "read and merge";
    /// Files become a SQLite database, reading and merging included.
    pub const REBUILD: &str = "whole rebuild into SQLite";
    /// The same where there is an older view already.
    pub const REBUILD_AGAIN: &str = "whole rebuild over an older view";
    /// What [`super::sqlite_alone`] does.
    pub const SQLITE_ALONE: &str = "SQLite alone, without folding";
    /// New events of one machine are taken in.
    pub const UPDATE_ONE: &str = "update, new events of one machine";
    /// New events of every machine are taken in.
    pub const UPDATE_ALL: &str = "update, new events of every machine";
}

/// What one stage took.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stage {
    /// What was done.
    pub name: &'static str,
    /// How many events it was done to.
    pub events: usize,
    /// By the wall clock.
    pub wall: Duration,
    /// On all processors together.
    pub cpu: Duration,
}

impl Stage {
    /// Events per second of processor time.
    #[must_use]
    pub fn events_per_cpu_s(&self) -> u64 {
        per_s(self.events, self.cpu)
    }

    /// Events per second by the wall clock.
    #[must_use]
    pub fn events_per_s(&self) -> u64 {
        per_s(self.events, self.wall)
    }
}

fn per_s(events: usize, took: Duration) -> u64 {
    let us = took.as_micros().max(1);
    u64::try_from(events as u128 * 1_000_000 / us).unwrap_or(u64::MAX)
}

/// Runs something and says how long it took.
pub fn timed<T>(name: &'static str, events: usize, work: impl FnOnce() -> T) -> (Stage, T) {
    let cpu = || {
        let spent = clock_gettime(ClockId::ProcessCPUTime);
        Duration::new(spent.tv_sec.unsigned_abs(), u32::try_from(spent.tv_nsec).unwrap_or(0))
    };
    let (started, before) = (Instant::now(), cpu());
    let result = work();
    (Stage { name, events, wall: started.elapsed(), cpu: cpu().saturating_sub(before) }, result)
}

/// Why nothing could be measured.
#[derive(Debug)]
pub enum ThroughputError {
    /// The view could not be made.
    Database(DatabaseError),
    /// The files could not be made.
    Io(std::io::Error),
    /// SQLite alone failed.
    Sqlite(rusqlite::Error),
}

impl std::fmt::Display for ThroughputError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Database(error) => error.fmt(f),
            Self::Io(error) => write!(f, "the journals to measure with could not be written: {error}"),
            Self::Sqlite(error) => write!(f, "SQLite alone: {error}"),
        }
    }
}

impl std::error::Error for ThroughputError {}

impl From<DatabaseError> for ThroughputError {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

impl From<std::io::Error> for ThroughputError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<rusqlite::Error> for ThroughputError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Measures every stage once, in an empty directory. `progress` is told what is being done.
///
/// # Errors
/// Where the directory cannot be written.
pub fn measure(dir: &Path, load: Load, progress: &dyn Progress) -> Result<Vec<Stage>, ThroughputError> {
    let folder = dir.join("folder");
    let mut stages = Vec::new();
    progress.step("writing the journals", load.machines as u64);
    write(&folder, load)?;
    {
        progress.step("reading and merging", load.events as u64);
        let logs: Vec<_> = (0..load.machines)
            .map(|machine| std::fs::read(path(&folder, machine)))
            .collect::<Result<_, _>>()?;
        let (read, files) = timed(stage::READ, load.events, || {
            logs.iter().map(|log| File::read(log, Reading::Salvage)).collect::<Vec<_>>()
        });
        let names: Vec<_> = (0..load.machines).map(machine_id).collect();
        let aliases = Aliases::default();
        let sources: Vec<_> = (0..load.machines)
            .map(|at| Source {
                name: &names[at],
                directory: &names[at],
                machine: &names[at],
                log: Some(Log::Messages),
                text: Text::new(&logs[at]),
                file: &files[at],
                aliases: &aliases,
            })
            .collect();
        let merged = timed(stage::MERGE, load.events, || merge(&Design::HARDENED, &sources).records).0;
        let (wall, cpu) = (read.wall + merged.wall, read.cpu + merged.cpu);
        stages.extend([read, merged, Stage { name: stage::READ_AND_MERGE, wall, cpu, ..read }]);
    }
    let fs = OsFs::new(&folder, dir.join("local"));
    let open = || Database::open(&dir.join("local/view.db"), Design::HARDENED);
    for name in [stage::REBUILD, stage::REBUILD_AGAIN] {
        let (stage, rebuilt) = timed(name, load.events, || open()?.rebuild(&fs, true, progress));
        rebuilt?;
        stages.push(stage);
    }
    progress.step("loading and sorting by SQLite alone", load.events as u64);
    let alone = dir.join("alone.db");
    let (stage, sorted) = timed(stage::SQLITE_ALONE, load.events, || sqlite_alone(&folder, load, &alone));
    sorted?;
    stages.push(stage);
    let each = load.events / load.machines;
    for (name, machines) in [(stage::UPDATE_ONE, 1), (stage::UPDATE_ALL, load.machines)] {
        let from = if machines == 1 { each } else { each + load.more };
        append(&folder, machines, from, load.more)?;
        let (stage, rebuilt) = timed(name, load.more, || open()?.rebuild(&fs, false, progress));
        rebuilt?;
        stages.push(stage);
    }
    Ok(stages)
}

/// Where the messages of a machine lie.
#[must_use]
pub fn path(folder: &Path, machine: usize) -> std::path::PathBuf {
    folder.join("shared/machines").join(machine_id(machine)).join(Log::Messages.file_name())
}

/// Writes the journals of a load.
///
/// # Errors
/// Where the folder cannot be written.
pub fn write(folder: &Path, load: Load) -> std::io::Result<()> {
    for machine in 0..load.machines {
        let path = path(folder, machine);
        std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
        std::fs::write(path, messages(machine, 0..load.events / load.machines))?;
    }
    Ok(())
}

/// Appends `more` events, numbered from `from` on, dealt out to the first `machines` machines.
///
/// # Errors
/// Where the folder cannot be written.
pub fn append(folder: &Path, machines: usize, from: usize, more: usize) -> std::io::Result<()> {
    for machine in 0..machines {
        let mut file = std::fs::OpenOptions::new().append(true).open(path(folder, machine))?;
        file.write_all(messages(machine, from..from + more / machines).as_bytes())?;
    }
    Ok(())
}

/// What one would do without this project: every line into a table, then the fields and the order in SQL. It
/// neither folds edits into messages nor checks anything.
///
/// # Errors
/// Where SQLite cannot write.
pub fn sqlite_alone(folder: &Path, load: Load, database: &Path) -> Result<(), ThroughputError> {
    let mut connection = rusqlite::Connection::open(database)?;
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536; CREATE TABLE lines (machine TEXT, line TEXT);")?;
    let transaction = connection.transaction()?;
    for machine in 0..load.machines {
        let text = std::fs::read_to_string(path(folder, machine))?;
        let mut insert = transaction.prepare_cached("INSERT INTO lines VALUES (?, ?)")?;
        for line in text.lines() {
            insert.execute((machine_id(machine), line))?;
        }
    }
    transaction.execute_batch(
        "CREATE TABLE sorted AS SELECT machine, json_extract(line, '$.type') AS type, json_extract(line, '$.id') AS id,
           json_extract(line, '$.from_agent') AS from_agent, json_extract(line, '$.body') AS body,
           coalesce(json_extract(line, '$.ts'), json_extract(line, '$.edited_at'), json_extract(line, '$.reacted_at') / 1000, 0) AS ts,
           json_extract(line, '$.seq') AS seq FROM lines ORDER BY ts, machine, seq;
         CREATE INDEX sorted_by_id ON sorted (id);",
    )?;
    transaction.commit()?;
    Ok(())
}
