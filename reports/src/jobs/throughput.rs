//! `bench delta` and `bench notes`: how fast entities and notes are, beside what others take for the same.

use cloudchamber_folder::trace::COMMIT;
use cloudchamber_throughput::{Timed, delta, merge, notes};

use crate::failure::Failure;
use crate::jobs::progress;
use crate::report::throughput::{TaskAim, TaskReport, ThroughputReport};

/// How the merges and syncs are comparable.
const ENTITIES: &str = "Every entity is a map of eight fields, one in ten was edited on both sides, in half of these the \
    same field. automerge and yrs keep one document of all entities and take in only what it lacks, ours compares all of \
    them. The whole main.json is the predecessor's, written and read as one file. Times are of one run: compare the rows.";

/// How loading is comparable.
const RECORDS: &str = "Ours begins with the bytes of log files, looks at every update before the decoder does, finds what \
    is missing, and ends with the text; yrs alone is handed the updates from memory and trusts them. For a snapshot both \
    begin with the updates when writing; when reading, yrs ends before there is a text. Times are of one run: compare \
    the rows.";

fn aim(row: &Timed) -> Option<TaskAim> {
    match (row.task, row.by) {
        (merge::task::MEMORY, merge::by::OURS) => Some(TaskAim::AheadOfAll(1_000_000)),
        (notes::task::LOAD, notes::by::OURS) => Some(TaskAim::PercentOf(120, notes::by::YRS.to_owned())),
        _ => None,
    }
}

fn row(row: &Timed) -> TaskReport {
    let us = |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    TaskReport {
        task: row.task.to_owned(),
        by: row.by.to_owned(),
        things: row.things,
        wall_us: us(row.wall),
        cpu_us: us(row.cpu),
        things_per_cpu_s: row.per_cpu_s(),
        files_opened: row.files.map(|files| files.opened),
        files_written: row.files.map(|files| files.written),
        bytes_written: row.files.map(|files| files.bytes),
        aim: aim(row),
        ..TaskReport::default()
    }
}

fn report(about: String, fairness: &str, rows: &[Timed]) -> ThroughputReport {
    let rows = rows.iter().map(row).collect();
    ThroughputReport { commit: COMMIT.into(), about, fairness: fairness.to_owned(), rows }.compared()
}

fn failed(why: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("{why}; give a temporary directory with room, such as TMPDIR=/var/tmp"))
}

/// Measures merges and syncs once.
///
/// # Errors
/// Where there is no room for a folder.
pub(crate) fn delta(quick: bool) -> Result<ThroughputReport, Failure> {
    let entities = if quick { merge::ENTITIES / 20 } else { merge::ENTITIES };
    let load = delta::Load { entities: if quick { 500 } else { 10_000 }, ..delta::Load::TEN_THOUSAND };
    let bar = progress::spinner("bench delta");
    bar.set_message("merging");
    let mut rows = merge::measure(entities);
    bar.set_message("syncing");
    let dir = tempfile::tempdir().map_err(|error| failed(&error))?;
    rows.extend(delta::measure(dir.path(), load).map_err(|error| failed(&error))?);
    bar.finish_and_clear();
    let about = format!("Entities: merges of {entities}, and {}", about_syncs(load));
    Ok(report(about, ENTITIES, &rows))
}

/// Measures syncs alone, once.
///
/// # Errors
/// As [`delta`].
pub(crate) fn syncs() -> Result<ThroughputReport, Failure> {
    let load = delta::Load::TEN_THOUSAND;
    let dir = tempfile::tempdir().map_err(|error| failed(&error))?;
    let rows = delta::measure(dir.path(), load).map_err(|error| failed(&error))?;
    Ok(report(about_syncs(load), ENTITIES, &rows))
}

fn about_syncs(load: delta::Load) -> String {
    format!("a sync of {} entities of which {} changed", load.entities, load.changed)
}

/// Measures a long note, and discovery, once.
///
/// # Errors
/// Where there is no room for a folder.
pub(crate) fn notes(quick: bool) -> Result<ThroughputReport, Failure> {
    let full = notes::Load::FULL;
    let load = if quick { notes::Load { records: full.records / 20, notes: 500, ..full } } else { full };
    let bar = progress::spinner("bench notes");
    bar.set_message("a long note");
    let mut rows = notes::measure_long(load);
    bar.set_message("new notes");
    let dir = tempfile::tempdir().map_err(|error| failed(&error))?;
    rows.extend(notes::measure_discovery(dir.path(), load).map_err(|error| failed(&error))?);
    bar.finish_and_clear();
    let notes::Load { records, instances, notes, new } = load;
    let about = format!(
        "Notes: one of {records} records of {instances} instances, and a folder of {notes} of which {new} are new"
    );
    Ok(report(about, RECORDS, &rows))
}
