//! What was measured on real Syncthing beside what is simulated.

use cloudchamber_folder::courier::measured::{self, Row, Unit};

use crate::report::check::MeasuredRow;

/// The seed of the simulated experiments: any would do, and the courier's own tests use several.
const SEED: u64 = 1;

/// The comparison, row by row.
pub(crate) fn table() -> Vec<MeasuredRow> {
    let row = |row: Row| MeasuredRow {
        ok: row.agrees(),
        unit: match row.unit {
            Unit::Ms => "ms".into(),
            Unit::Percent => "%".into(),
            Unit::Versions => "versions".into(),
        },
        what: row.what,
        measured: row.measured,
        simulated: row.simulated,
        tolerance_percent: row.tolerance_percent,
    };
    measured::table(SEED).into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_simulated_client_does_what_the_measured_one_did() {
        let table = table();
        let apart: Vec<_> = table.iter().filter(|row| !row.ok).collect();
        assert!(apart.is_empty(), "{apart:?}");
        assert!(table.len() >= 10, "{} rows", table.len());
    }
}
