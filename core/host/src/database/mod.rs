//! What all journals say together, in SQLite: made anew from the files, or brought up to date.
//!
//! The database is a cache. One that is damaged, of another version or of another design is thrown away and made
//! again. A failed rebuild leaves the old content: what is new is taken in by one transaction, and a view that is
//! made anew is written to a file of its own, without a journal, which then takes the old one's place.

mod files;
mod fresh;
mod meta;
mod rebuild;
mod rows;

use std::fmt;
use std::path::{Path as OsPath, PathBuf};

use cloudchamber_core::journal::Design;
use cloudchamber_core::journal::problem::Problem;
use rusqlite::{Connection, OptionalExtension};
use xxhash_rust::xxh3::xxh3_64_with_seed;

pub use rebuild::{Progress, Rebuilt};

/// The version of the tables; any other is thrown away.
const VERSION: i32 = 5;
const SCHEMA: &str = include_str!("schema.sql");
/// What is made when the tables are full: sorting once costs less than a search for each row.
const INDEXES: &str = "CREATE INDEX messages_by_guid ON messages (guid);";
const PAGE_BYTES: u32 = 8_192;
/// How long another process may keep the database to itself before this one gives up.
const BUSY: std::time::Duration = std::time::Duration::from_secs(30);
const TABLES: [&str; 13] = [
    "meta",
    "files",
    "events",
    "problems",
    "messages",
    "reactions",
    "threads",
    "thread_members",
    "questions",
    "registers",
    "collisions",
    "agents",
    "sessions",
];

/// Why the view could not be made.
#[derive(Debug)]
pub enum DatabaseError {
    /// SQLite said so.
    Sqlite(PathBuf, rusqlite::Error),
    /// The published design fails on these records, as upstream does.
    Published(&'static str),
    /// A file of the database could not be removed.
    Io(PathBuf, std::io::Error),
    /// What this machine keeps of journals cannot be read now.
    Kept(Problem),
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path, error) => {
                write!(f, "{}: {error}: remove the file, it is made again", path.display())
            }
            Self::Published(error) => {
                write!(f, "the published design cannot be rebuilt from these files: {error}")
            }
            Self::Io(path, error) => write!(f, "{}: {error}: check the permissions", path.display()),
            Self::Kept(problem) => {
                let Problem { file, detail, .. } = problem;
                write!(
                    f,
                    "{file}: {detail}: the view stays as it was, since it would lack what stands there; try again"
                )
            }
        }
    }
}

impl std::error::Error for DatabaseError {}

/// Removes a database with everything that SQLite puts beside it.
fn remove(path: &OsPath) -> Result<(), DatabaseError> {
    for suffix in ["", "-wal", "-shm"] {
        let file = beside(path, suffix);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(DatabaseError::Io(file, error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn beside(path: &OsPath, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// A database file that holds a view.
#[derive(Debug)]
pub struct Database {
    path: PathBuf,
    connection: Connection,
    design: Design,
}

impl Database {
    /// Opens the view of this design, or makes an empty one where there is none that can be used.
    ///
    /// # Errors
    /// Where SQLite cannot make a file there.
    pub fn open(path: &OsPath, design: Design) -> Result<Self, DatabaseError> {
        match Self::try_open(path, design) {
            Ok(database) if database.is_sound() => Ok(database),
            Ok(_) | Err(_) => {
                remove(path)?;
                let database = Self::try_open(path, design)
                    .map_err(|error| DatabaseError::Sqlite(path.to_owned(), error))?;
                database.told(database.create())?;
                Ok(database)
            }
        }
    }

    fn try_open(path: &OsPath, design: Design) -> rusqlite::Result<Self> {
        if let Some(dir) = path.parent() {
            // Where this fails, SQLite tells why the file cannot be made.
            std::fs::create_dir_all(dir).unwrap_or_default();
        }
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "page_size", PAGE_BYTES)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "cache_size", -65_536)?;
        connection.busy_timeout(BUSY)?;
        Ok(Self { path: path.to_owned(), connection, design })
    }

    fn create(&self) -> rusqlite::Result<()> {
        let version = format!("PRAGMA user_version = {VERSION};");
        self.connection.execute_batch(&format!("BEGIN; {SCHEMA} {INDEXES} {version} COMMIT;"))
    }

    /// Whether it is of this version and can be read. An interrupted write is undone by SQLite itself.
    fn is_sound(&self) -> bool {
        let version = self.connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i32>(0));
        let readable = TABLES.iter().all(|table| {
            self.connection
                .query_row(&format!("SELECT 1 FROM {table} LIMIT 1"), [], |_| Ok(()))
                .optional()
                .is_ok()
        });
        version == Ok(VERSION) && readable
    }

    fn told<T>(&self, result: rusqlite::Result<T>) -> Result<T, DatabaseError> {
        result.map_err(|error| DatabaseError::Sqlite(self.path.clone(), error))
    }

    /// The connection, for questions of one's own.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The names that are used twice, in the form of upstream's `collisions.json`.
    ///
    /// # Errors
    /// Where a table cannot be read.
    pub fn collisions(&self) -> Result<serde_json::Value, DatabaseError> {
        self.told(self.try_collisions())
    }

    fn try_collisions(&self) -> rusqlite::Result<serde_json::Value> {
        let mut statement = self.connection.prepare(
            "SELECT kind, c.guid, c.machine, coalesce(m.ts, 0), coalesce(m.from_agent || ': ' || m.body, '')
             FROM collisions c LEFT JOIN messages m ON kind = 'message' AND m.guid = c.guid AND m.origin = c.machine
             ORDER BY kind, c.guid, c.machine",
        )?;
        let mut rows = statement.query([])?;
        let mut collisions: Vec<(String, String, Vec<serde_json::Value>)> = Vec::new();
        while let Some(row) = rows.next()? {
            let (kind, guid): (String, String) = (row.get(0)?, row.get(1)?);
            let preview: String = row.get::<_, String>(4)?.chars().take(120).collect();
            let entry = serde_json::json!({
                "machine": row.get::<_, String>(2)?, "ts": row.get::<_, i64>(3)?, "preview": preview,
            });
            match collisions.last_mut().filter(|(k, g, _)| (k, g) == (&kind, &guid)) {
                Some((_, _, entries)) => entries.push(entry),
                None => collisions.push((kind, guid, vec![entry])),
            }
        }
        let form =
            |(kind, guid, entries)| serde_json::json!({ "type": kind, "guid": guid, "entries": entries });
        Ok(collisions.into_iter().map(form).collect())
    }

    /// A digest over the content of all tables: the same for the same files, however and in whatever order they
    /// were taken in.
    ///
    /// # Errors
    /// Where a table cannot be read.
    pub fn digest(&self) -> Result<u64, DatabaseError> {
        self.told(self.try_digest())
    }

    fn try_digest(&self) -> rusqlite::Result<u64> {
        let mut digest = 0;
        for table in TABLES {
            let columns = if table == "files" {
                "id, name, directory, machine, log, bytes, digest, lines, idx, carry_ms, last, tail"
            } else {
                "*"
            };
            // Which clocks this machine follows is no part of what the journals say.
            let rows = if table == "meta" { "meta WHERE key <> 'clock'" } else { table };
            let count = self.connection.prepare(&format!("SELECT {columns} FROM {rows}"))?.column_count();
            let order: Vec<_> = (1..=count).map(|column| column.to_string()).collect();
            let query = format!("SELECT {columns} FROM {rows} ORDER BY {}", order.join(", "));
            let mut statement = self.connection.prepare(&query)?;
            let mut rows = statement.query([])?;
            digest = xxh3_64_with_seed(table.as_bytes(), digest);
            while let Some(row) = rows.next()? {
                for column in 0..count {
                    let text = format!("{:?}", row.get_ref(column)?);
                    digest = xxh3_64_with_seed(text.as_bytes(), digest);
                }
            }
        }
        Ok(digest)
    }
}
