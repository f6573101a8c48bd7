//! Making the view anew: in a file of its own, which then takes the old one's place.

use std::collections::BTreeMap;
use std::path::Path as OsPath;
use std::time::Duration;

use cloudchamber_core::journal::clock::{followed_ms, latest};
use cloudchamber_core::journal::folder::{Folder, line_problems};
use cloudchamber_core::journal::show::Shown;
use rusqlite::Connection;

use super::files::{FileRow, file_id, prefix_digest};
use super::meta::{set_clock, set_doubts};
use super::rebuild::{events, insert_events, problems};
use super::rows::{self, Place};
use crate::clock::now;

use super::{Database, DatabaseError, INDEXES, PAGE_BYTES, SCHEMA, TABLES, VERSION, beside, remove};

/// Writes a view that was made of everything, and puts it in the place of the one that `database` has.
///
/// *Crash:* the old view, or the new one; what was left of an unfinished one is removed by the next.
pub(super) fn write(
    database: &mut Database,
    folder: &Folder,
    shown: &Shown<'_>,
    signatures: &BTreeMap<String, Vec<u8>>,
) -> Result<(), DatabaseError> {
    let path = beside(&database.path, "-new");
    remove(&path)?;
    let told = |error| DatabaseError::Sqlite(path.clone(), error);
    fill(&path, folder, shown, signatures).map_err(told)?;
    let synced = std::fs::File::open(&path).and_then(|file| file.sync_all());
    synced.map_err(|error| DatabaseError::Io(path.clone(), error))?;
    if database.is_alone() {
        // Without a connection nothing is kept beside the file, and the name can be given to another.
        drop(std::mem::replace(&mut database.connection, Connection::open_in_memory().map_err(told)?));
        let renamed = std::fs::rename(&path, &database.path);
        renamed.map_err(|error| DatabaseError::Io(database.path.clone(), error))?;
        *database = Database::try_open(&database.path, database.design)
            .map_err(|error| DatabaseError::Sqlite(database.path.clone(), error))?;
    } else {
        let copied = database.copy_from(&path);
        database.told(copied)?;
        remove(&path)?;
    }
    Ok(())
}

/// Nobody reads an unfinished view, and a crash leaves one that is thrown away: no journal, no waiting for the
/// disk.
fn fill(
    path: &OsPath,
    folder: &Folder,
    shown: &Shown<'_>,
    signatures: &BTreeMap<String, Vec<u8>>,
) -> rusqlite::Result<()> {
    let mut connection = Connection::open(path)?;
    connection.execute_batch(&format!(
        "PRAGMA page_size = {PAGE_BYTES}; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
         PRAGMA locking_mode = EXCLUSIVE; PRAGMA foreign_keys = OFF; PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY;"
    ))?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    let mut places = Vec::new();
    for (source, held) in shown.sources.iter().zip(&folder.files) {
        let id = file_id(source.name);
        places.push(Place { file: id, shifts: Vec::new() });
        let stop = source.file.stop;
        let whole = usize::try_from(stop.at).unwrap_or(usize::MAX).min(held.content.len());
        let row = FileRow {
            id,
            name: source.name,
            directory: source.directory,
            machine: source.machine,
            log: source.log,
            stop,
            digest: prefix_digest(&held.content, whole),
            tail: whole < held.content.len(),
            signature: signatures.get(source.name).map_or(&[], Vec::as_slice),
        };
        row.insert(&transaction)?;
    }
    rows::insert(&transaction, shown, &places)?;
    let mut events = events(shown, &places);
    events.sort_unstable();
    insert_events(&transaction, &events)?;
    problems(&transaction, folder.problems.iter().cloned().chain(line_problems(shown.sources)))?;
    let stamps = shown.sources.iter().flat_map(|source| &source.file.records).map(|record| record.stamp);
    set_doubts(&transaction, &shown.view.doubts)?;
    set_clock(&transaction, latest(stamps, followed_ms(now().wall, 0)))?;
    if shown.sources.iter().any(|source| source.file.turned_back) {
        transaction.execute("INSERT OR REPLACE INTO meta VALUES ('set-right', '1')", [])?;
    }
    transaction.execute_batch(&format!("{INDEXES} PRAGMA user_version = {VERSION};"))?;
    transaction.commit()
}

impl Database {
    /// Whether nobody else has the file open. From then on it has no write-ahead log, so that the name can be
    /// given to another file.
    fn is_alone(&self) -> bool {
        let alone = || -> rusqlite::Result<bool> {
            self.connection.busy_timeout(Duration::ZERO)?;
            let mode: String =
                self.connection.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0))?;
            Ok(mode == "delete")
        };
        let answer = alone().unwrap_or(false);
        // Only this question must not wait.
        self.connection.busy_timeout(super::BUSY).is_ok() && answer
    }

    /// Takes every row over from another database, in one transaction: a reader sees the old or the new.
    fn copy_from(&mut self, path: &OsPath) -> rusqlite::Result<()> {
        self.connection.execute("ATTACH ? AS fresh", [path.to_string_lossy()])?;
        let transaction = self.connection.transaction()?;
        transaction.execute_batch("PRAGMA defer_foreign_keys = ON; DROP INDEX messages_by_guid;")?;
        // What refers to others goes first.
        for table in ["thread_members", "messages", "events"].into_iter().chain(TABLES) {
            transaction.execute_batch(&format!("DELETE FROM main.{table};"))?;
        }
        for table in TABLES {
            transaction.execute_batch(&format!("INSERT INTO main.{table} SELECT * FROM fresh.{table};"))?;
        }
        transaction.execute_batch(INDEXES)?;
        transaction.commit()?;
        self.connection.execute_batch("DETACH fresh")
    }
}
