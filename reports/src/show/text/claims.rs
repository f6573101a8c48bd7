//! Claims on a terminal.

use super::layout::{columns, put};
use crate::report::claims::{ClaimTable, DocumentClaim};
use crate::report::words::duration;

/// Every claim beside what was measured.
pub(crate) fn text(documents: &[DocumentClaim], success: &ClaimTable) -> String {
    let mut text = String::new();
    for claim in documents {
        document(&mut text, claim);
    }
    table(&mut text, success);
    text
}

/// One claim: a row for each design, a column for each provider.
pub(crate) fn document(text: &mut String, claim: &DocumentClaim) {
    put(text, &format!("{}: the documents say {}", claim.claim, claim.said));
    put(text, &format!("  measured: {}", claim.measured_as));
    text.push_str(&columns(&claim.rows()));
}

/// The claim on failover success by the delay of files.
pub(crate) fn table(text: &mut String, table: &ClaimTable) {
    put(text, &format!("Claim: {}", table.claim));
    let head = ["standbys", "delay", "measured", "calculated", "seeds", ""].map(str::to_owned).to_vec();
    let rows = table.cells.iter().map(|cell| {
        vec![
            cell.standbys.to_string(),
            duration(cell.delay_ms),
            format!("{:.1} %", cell.measured_percent),
            format!("{:.1} %", cell.calculated_percent),
            cell.seeds.to_string(),
            cell.reason.clone().unwrap_or_default(),
        ]
    });
    text.push_str(&columns(&[head].into_iter().chain(rows).collect::<Vec<_>>()));
}
