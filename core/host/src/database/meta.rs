//! What the view as a whole goes by, in the table `meta`.

use cloudchamber_core::journal::clock::Hybrid;
use cloudchamber_core::journal::doubt::Doubts;
use rusqlite::{Connection, OptionalExtension};

use super::Database;

impl Database {
    /// The largest clock in the view.
    #[must_use]
    pub fn clock(&self) -> Hybrid {
        let text = self.meta("clock").unwrap_or_default();
        Hybrid::parse(&text).unwrap_or_default()
    }

    /// What the records in the view prove about wall clocks.
    pub(super) fn doubts(&self) -> Doubts {
        let text = self.meta("doubts").unwrap_or_default();
        let all: Vec<(String, String, i64)> = serde_json::from_str(&text).unwrap_or_default();
        all.iter().map(|(machine, maker, ms)| (machine.as_str(), maker.as_str(), *ms)).collect()
    }

    pub(super) fn meta(&self, key: &str) -> Option<String> {
        self.connection
            .query_row("SELECT value FROM meta WHERE key = ?", [key], |row| row.get(0))
            .optional()
            .ok()?
    }
}

fn set(connection: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", [key, value])?;
    Ok(())
}

pub(super) fn set_clock(connection: &Connection, clock: Hybrid) -> rusqlite::Result<()> {
    set(connection, "clock", &clock.to_string())
}

pub(super) fn set_doubts(connection: &Connection, doubts: &Doubts) -> rusqlite::Result<()> {
    let all: Vec<_> = doubts.iter().collect();
    set(connection, "doubts", &serde_json::to_string(&all).expect("names and numbers"))
}
