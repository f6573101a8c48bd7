//! What this machine's local directory remembers of the folder, compared with what is there.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use super::walk::Tree;
use super::{Finding, Kind};

/// Names and lengths of files, as they were seen.
struct Remembered {
    name: String,
    /// The least that it held; 0 if that is not known.
    bytes: u64,
}

pub(super) fn look(tree: &Tree, local: &Path) -> Vec<Finding> {
    let mut found = Vec::new();
    // Given as the directory of all systems, or as that of one.
    for local in [local.to_owned(), local.join("journal"), local.join("delta"), local.join("notes")] {
        for remembered in journals(&local).into_iter().chain(replicas(&local)) {
            let prefix = if tree.dirs.contains_key(".fray") { ".fray/" } else { "" };
            let path = format!("{prefix}{}", remembered.name);
            let (len, is_dir) = (tree.find(&path).map(|item| item.len), tree.dirs.contains_key(&path));
            match len {
                None if !is_dir => {
                    found.push(Finding::of(
                        Kind::Smaller,
                        path,
                        format!("it is gone, and had {}", size(remembered.bytes)),
                    ));
                }
                Some(len) if !is_dir && len < remembered.bytes => {
                    let detail = format!("{len} bytes, and it had {}", size(remembered.bytes));
                    found.push(Finding::of(Kind::Smaller, path, detail));
                }
                _ => {}
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

fn size(bytes: u64) -> String {
    if bytes == 0 { "something in it".to_owned() } else { format!("{bytes} bytes") }
}

/// The journals that the view was made of.
fn journals(local: &Path) -> Vec<Remembered> {
    let read = || -> rusqlite::Result<Vec<Remembered>> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(local.join("view.db"), flags)?;
        let mut statement = connection.prepare("SELECT name, bytes FROM files WHERE name LIKE 'shared/%'")?;
        let rows = statement.query_map([], |row| {
            Ok(Remembered { name: row.get(0)?, bytes: row.get::<_, i64>(1)?.try_into().unwrap_or(0) })
        })?;
        rows.collect()
    };
    // One that is not there or cannot be read remembers nothing.
    read().unwrap_or_default()
}

/// The replicas of delta that were met.
fn replicas(local: &Path) -> Vec<Remembered> {
    let read = || -> Option<Vec<Remembered>> {
        let bytes = std::fs::read(local.join("delta/base.json")).ok()?;
        let base: Value = serde_json::from_slice(&bytes).ok()?;
        let peers = base.get("peers")?.as_object()?;
        Some(peers.keys().map(|id| Remembered { name: format!("replicas/{id}"), bytes: 0 }).collect())
    };
    read().unwrap_or_default()
}
