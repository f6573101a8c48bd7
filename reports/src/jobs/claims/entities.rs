//! What the plan of per-entity delta sync claims (super-productivity, "Per-Entity Delta Sync", sections 2, 4, 6, 7).

use cloudchamber_folder::systems::delta::{DeltaSystem, name};

use super::shares::{Share, measure};
use crate::failure::Failure;
use crate::report::claims::{DocumentClaim, Value};
use crate::report::throughput::ThroughputReport;

const SHARES: [Share; 5] = [
    Share {
        claim: "data loss",
        said: "solved",
        measured_as: "runs in which a change that was acknowledged was in the end neither there, nor overwritten by \
                      somebody who had seen it, nor listed as a conflict",
        checker: name::KEPT,
    },
    Share {
        claim: "conflicts",
        said: "field-level merge, by versions",
        measured_as: "runs in which a version was the name of two contents, so that nobody saw that there was a conflict",
        checker: name::ONE_CONTENT,
    },
    Share {
        claim: "entities whose meta.json was not updated",
        said: "orphaned, but harmless",
        measured_as: "runs in which somebody did not show in the end what the file of an entity on his disk said, though \
                      nothing had overwritten it",
        checker: name::FILES_COUNT,
    },
    Share {
        claim: "two sync at once",
        said: "optimistic locking on meta.json",
        measured_as: "runs in which the replicas did not show the same once everything had travelled",
        checker: name::QUIET_AGREE,
    },
    Share {
        claim: "soft deletes",
        said: "a flag on the entity",
        measured_as: "runs in which something that was deleted was back because of somebody who had not heard of it",
        checker: name::STAYS_DELETED,
    },
];

/// Measures the claims; those on what is written are read off a bench.
///
/// # Errors
/// If there is no such profile.
pub(crate) fn claims(
    profiles: &[String],
    seeds: u64,
    jobs: usize,
    throughput: &ThroughputReport,
) -> Result<Vec<DocumentClaim>, Failure> {
    let mut claims = measure::<DeltaSystem>(&SHARES, profiles, seeds, jobs)?;
    claims.push(bandwidth(throughput));
    Ok(claims)
}

/// What a sync writes, of a bench.
fn bandwidth(throughput: &ThroughputReport) -> DocumentClaim {
    let rows = throughput.rows.iter().filter(|row| row.bytes_written.is_some());
    let values = rows.flat_map(|row| {
        let value = |what: &str, count: Option<u64>| Value {
            profile: format!("{}: {what}", row.task),
            design: row.by.clone(),
            policy: None,
            text: count.map_or_else(|| "-".into(), |count| count.to_string()),
        };
        [value("files", row.files_written), value("bytes", row.bytes_written)]
    });
    DocumentClaim {
        claim: "bandwidth".into(),
        said: "one changed character takes the whole database as one file, and only what changed as entities"
            .into(),
        measured_as: format!("files and bytes that a sync writes, local ones included; {}", throughput.about),
        values: values.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::throughput::TaskReport;

    #[test]
    fn what_is_written_is_read_off_the_rows_that_count_files() {
        let row = |by: &str, bytes_written: Option<u64>| TaskReport {
            task: "send".into(),
            by: by.into(),
            files_written: bytes_written.map(|_| 2),
            bytes_written,
            ..TaskReport::default()
        };
        let rows = vec![row("split", Some(17)), row("yrs", None)];
        let claim = bandwidth(&ThroughputReport { rows, ..ThroughputReport::default() });
        assert_eq!(claim.rows(), [vec!["", "send: files", "send: bytes"], vec!["split", "2", "17"]]);
    }
}
