//! The index of the notes, in SQLite in the local directory: for searching, and for what a sync has brought.
//!
//! It is a cache: one that is damaged or of another version is thrown away and made again. Only notes whose files have
//! changed since are read into it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cloudchamber_core::notes::{Note, State};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, params};

use super::{NotesError, View, title};

/// The version of the tables; any other is thrown away.
const VERSION: i32 = 1;
const SCHEMA: &str = include_str!("schema.sql");
/// Texts by their trigrams, so that any piece of a word is found; where SQLite lacks that, texts alone.
const TEXTS: [&str; 2] = [
    "CREATE VIRTUAL TABLE texts USING fts5(text, tokenize = 'trigram')",
    "CREATE TABLE texts (rowid INTEGER PRIMARY KEY, text TEXT NOT NULL)",
];
/// How long another process may keep the index to itself before this one gives up.
const BUSY: std::time::Duration = std::time::Duration::from_secs(30);
/// A piece of text that is shorter has no trigram.
const TRIGRAM: usize = 3;

/// A note that was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    /// The note.
    pub note: String,
    /// Its first line.
    pub title: String,
    /// The first line in which one of the words stands.
    pub line: String,
    /// Whether it lies in the trash.
    pub is_trashed: bool,
    /// When it was changed last, in ms since 1970; `None` if it does not say.
    pub modified_ms: Option<u64>,
}

/// What has changed from one sync to the next: ids of notes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Synced {
    /// Notes with new records of other instances.
    pub received: BTreeSet<Arc<str>>,
    /// Notes with new records of this one.
    pub sent: BTreeSet<Arc<str>>,
    /// Notes that are deleted for good since.
    pub deleted: BTreeSet<Arc<str>>,
    /// Notes of which something has not arrived.
    pub waiting: BTreeSet<Arc<str>>,
    /// Conflict copies of files and directories. What they hold counts.
    pub copies: usize,
    /// Other things that are wrong with files.
    pub problems: usize,
}

impl fmt::Display for Synced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |count: usize, one: &str, more: &str| match count {
            0 => None,
            1 => Some(format!("1 {one}")),
            _ => Some(format!("{count} {more}")),
        };
        let parts = [
            of(self.received.len(), "note received", "notes received"),
            of(self.sent.len(), "note sent", "notes sent"),
            of(self.deleted.len(), "note deleted", "notes deleted"),
            of(self.waiting.len(), "note waits for records", "notes wait for records"),
            of(self.copies, "conflict copy merged", "conflict copies merged"),
            of(self.problems, "problem: see verify", "problems: see verify"),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        if parts.is_empty() { f.write_str("nothing new") } else { f.write_str(&parts.join("; ")) }
    }
}

#[derive(Debug)]
pub(super) struct Index {
    path: PathBuf,
    connection: Connection,
    has_trigrams: bool,
}

impl Index {
    fn path(local: &Path) -> PathBuf {
        local.join("index.db")
    }

    /// Opens the index, or makes an empty one where there is none that can be used.
    pub(super) fn open(local: &Path) -> Result<Self, NotesError> {
        let path = Self::path(local);
        let flags = OpenFlags::default();
        match Self::try_open(&path, flags) {
            Ok(index) if index.is_sound() => Ok(index),
            _ => {
                for beside in ["", "-journal"] {
                    let mut name = path.as_os_str().to_owned();
                    name.push(beside);
                    crate::small::remove(Path::new(&name)).map_err(|error| {
                        NotesError::Place(format!("{}: {error}: remove it, it is made again", path.display()))
                    })?;
                }
                let made = Self::try_open(&path, flags).and_then(Self::create);
                made.map_err(|error| told(&path, &error))
            }
        }
    }

    /// What a sync would say, without writing anything.
    pub(super) fn glance(local: &Path, view: View<'_>) -> Result<Synced, NotesError> {
        let path = Self::path(local);
        let before = match Self::try_open(&path, OpenFlags::SQLITE_OPEN_READ_ONLY) {
            Ok(index) if index.is_sound() => index.before().map_err(|error| index.told(&error))?,
            _ => BTreeMap::new(),
        };
        Ok(compare(&before, view).0)
    }

    fn try_open(path: &Path, flags: OpenFlags) -> rusqlite::Result<Self> {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let made = "SELECT sql FROM sqlite_schema WHERE name = 'texts'";
        let made: Option<String> = connection.query_row(made, [], |row| row.get(0)).optional()?;
        let has_trigrams = made.is_some_and(|made| made.contains("fts5"));
        Ok(Self { path: path.to_owned(), connection, has_trigrams })
    }

    fn create(mut self) -> rusqlite::Result<Self> {
        self.connection
            .execute_batch(&format!("BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;"))?;
        self.has_trigrams = self.connection.execute_batch(TEXTS[0]).is_ok();
        if !self.has_trigrams {
            self.connection.execute_batch(TEXTS[1])?;
        }
        Ok(self)
    }

    fn is_sound(&self) -> bool {
        let version = self.connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i32>(0));
        let readable = ["notes", "synced", "texts"].iter().all(|table| {
            let one = format!("SELECT 1 FROM {table} LIMIT 1");
            self.connection.query_row(&one, [], |_| Ok(())).optional().is_ok()
        });
        version == Ok(VERSION) && readable
    }

    /// An error in words.
    pub(super) fn told(&self, error: &rusqlite::Error) -> NotesError {
        told(&self.path, error)
    }

    /// Takes over what has changed.
    pub(super) fn update(&mut self, view: View<'_>) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        let mut rows: BTreeMap<String, (i64, i64)> = {
            let mut query = transaction.prepare("SELECT id, key, digest FROM notes")?;
            let rows = query.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
            rows.collect::<rusqlite::Result<_>>()?
        };
        for id in view.ids() {
            let row = rows.remove(&*id);
            let digest = digest(view, &id);
            if view.is_deleted(&id) {
                row.map_or(Ok(()), |(key, _)| remove(&transaction, key))?;
            } else if row.is_none_or(|(_, before)| before != digest)
                && let Some(note) = view.note(&id)
            {
                put(&transaction, row.map(|(key, _)| key), digest, &note)?;
            }
        }
        for (key, _) in rows.into_values() {
            remove(&transaction, key)?;
        }
        transaction.commit()
    }

    /// The notes in whose text each of the words stands; newest first.
    pub(super) fn search(&self, words: &str) -> rusqlite::Result<Vec<Found>> {
        let words: Vec<_> = words.split_whitespace().map(str::to_lowercase).collect();
        let long = words.iter().filter(|word| word.chars().count() >= TRIGRAM);
        let quoted: Vec<_> = long.map(|word| format!("\"{}\"", word.replace('"', "\"\""))).collect();
        let all = "SELECT id, title, state, modified_ms, text FROM notes JOIN texts ON texts.rowid = key";
        let by_trigrams = self.has_trigrams && !quoted.is_empty();
        let filter = if by_trigrams { "WHERE texts MATCH ?1" } else { "WHERE ?1 IS NOT NULL" };
        let mut query = self.connection.prepare(&format!("{all} {filter} ORDER BY modified_ms DESC, id"))?;
        let mut rows = query.query([quoted.join(" ")])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let text: String = row.get(4)?;
            let low = text.to_lowercase();
            // The trigrams have looked for the long ones, in their own way of ignoring case.
            let looked = |word: &str| by_trigrams && word.chars().count() >= TRIGRAM;
            if !words.iter().all(|word| looked(word) || low.contains(&**word)) {
                continue;
            }
            let has = |line: &&str| words.iter().any(|word| line.to_lowercase().contains(&**word));
            let line = text.lines().find(has).unwrap_or("").trim().to_owned();
            let is_trashed = row.get::<_, String>(2)? == State::Trashed.text();
            let modified_ms = row.get::<_, Option<i64>>(3)?.and_then(|ms| u64::try_from(ms).ok());
            found.push(Found { note: row.get(0)?, title: row.get(1)?, line, is_trashed, modified_ms });
        }
        Ok(found)
    }

    /// Says what has changed since the last sync, which this is from now on.
    pub(super) fn sync(&mut self, view: View<'_>) -> rusqlite::Result<Synced> {
        self.update(view)?;
        let (synced, changed) = compare(&self.before()?, view);
        let transaction = self.connection.transaction()?;
        for (id, now) in changed {
            let numbers = serde_json::to_string(&now.numbers).unwrap_or_default();
            transaction
                .prepare_cached("INSERT OR REPLACE INTO synced VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![&*id, now.digest, now.is_deleted, numbers])?;
        }
        transaction.commit()?;
        Ok(synced)
    }

    fn before(&self) -> rusqlite::Result<BTreeMap<String, Seen>> {
        let mut query = self.connection.prepare("SELECT id, digest, is_deleted, numbers FROM synced")?;
        let rows = query.query_map([], |row| {
            let numbers: String = row.get(3)?;
            let numbers = serde_json::from_str(&numbers).unwrap_or_default();
            Ok((row.get(0)?, Seen { digest: row.get(1)?, is_deleted: row.get(2)?, numbers }))
        })?;
        rows.collect()
    }
}

/// What a sync has seen of a note.
struct Seen {
    digest: i64,
    is_deleted: bool,
    /// Of each instance the largest number.
    numbers: BTreeMap<String, u64>,
}

/// What has changed since, and what is there now of the notes that changed.
fn compare(before: &BTreeMap<String, Seen>, view: View<'_>) -> (Synced, Vec<(Arc<str>, Seen)>) {
    let (mut synced, mut changed) = (Synced::default(), Vec::new());
    for id in view.ids() {
        let (was, digest) = (before.get(&*id), digest(view, &id));
        if view.is_deleted(&id) {
            if was.is_none_or(|was| !was.is_deleted) {
                let numbers = BTreeMap::new();
                changed.push((id.clone(), Seen { digest, is_deleted: true, numbers }));
                synced.deleted.insert(id);
            }
            continue;
        }
        if was.is_some_and(|was| was.digest == digest) {
            continue;
        }
        let Some(note) = view.note(&id) else { continue };
        let numbers: BTreeMap<_, _> =
            note.numbers.iter().map(|(instance, numbers)| (instance.clone(), numbers.max())).collect();
        for (instance, now) in &numbers {
            if was.and_then(|was| was.numbers.get(instance)).is_none_or(|was| was < now) {
                let own = view.instance() == Some(instance);
                let set = if own { &mut synced.sent } else { &mut synced.received };
                set.insert(id.clone());
            }
        }
        changed.push((id, Seen { digest, is_deleted: false, numbers }));
    }
    synced.waiting.extend(view.awaited().into_iter().map(|(note, ..)| note));
    let problems = view.problems();
    let (copies, others): (Vec<_>, Vec<_>) =
        problems.iter().partition(|problem| problem.kind.name() == "conflict-copy");
    (synced.copies, synced.problems) = (copies.len(), others.len());
    (synced, changed)
}

fn digest(view: View<'_>, id: &str) -> i64 {
    i64::from_ne_bytes(view.notes.digest(id).unwrap_or(0).to_ne_bytes())
}

fn told(path: &Path, error: &rusqlite::Error) -> NotesError {
    NotesError::Place(format!("{}: {error}: remove the file, it is made again", path.display()))
}

fn remove(transaction: &Transaction<'_>, key: i64) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM texts WHERE rowid = ?1")?.execute([key])?;
    transaction.prepare_cached("DELETE FROM notes WHERE key = ?1")?.execute([key]).map(drop)
}

fn put(transaction: &Transaction<'_>, key: Option<i64>, digest: i64, note: &Note) -> rusqlite::Result<()> {
    if let Some(key) = key {
        remove(transaction, key)?;
    }
    let document = &note.document;
    let ms = |ms: Option<u64>| ms.and_then(|ms| i64::try_from(ms).ok());
    let mut insert = transaction.prepare_cached(
        "INSERT INTO notes (key, id, digest, state, title, created_ms, modified_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    insert.execute(params![
        key,
        &*note.id,
        digest,
        note.state.text(),
        title(&document.text),
        ms(document.created_ms),
        ms(document.modified_ms),
    ])?;
    let key = transaction.last_insert_rowid();
    let mut insert = transaction.prepare_cached("INSERT INTO texts (rowid, text) VALUES (?1, ?2)")?;
    insert.execute(params![key, document.text]).map(drop)
}
