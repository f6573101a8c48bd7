//! Claims on a terminal.

use super::layout::{put, table};
use crate::report::claims::{ClaimTable, DocumentClaim};
use crate::report::words::duration;

/// Every claim beside what was measured.
pub(crate) fn text(documents: &[DocumentClaim], success: &ClaimTable) -> String {
    let mut text = self::documents(documents);
    table_of(&mut text, success);
    text
}

/// What documents say beside what was measured.
pub(crate) fn documents(claims: &[DocumentClaim]) -> String {
    let mut text = String::new();
    for claim in claims {
        document(&mut text, claim);
    }
    text
}

/// One claim: a row for each design, a column for each provider.
fn document(text: &mut String, claim: &DocumentClaim) {
    put(text, &format!("{}: the documents say {}", claim.claim, claim.said));
    put(text, &format!("  measured: {}", claim.measured_as));
    if let Some((head, rows)) = claim.rows().split_first() {
        let head: Vec<_> = head.iter().map(|name| &**name).collect();
        text.push_str(&table(&head, 1, rows));
    }
}

/// The claim on failover success by the delay of files.
fn table_of(text: &mut String, claim: &ClaimTable) {
    put(text, &format!("Claim: {}", claim.claim));
    let head = ["standbys", "delay", "measured", "calculated", "seeds", ""];
    let rows = claim.cells.iter().map(|cell| {
        vec![
            cell.standbys.to_string(),
            duration(cell.delay_ms),
            format!("{:.1} %", cell.measured_percent),
            format!("{:.1} %", cell.calculated_percent),
            cell.seeds.to_string(),
            cell.reason.clone().unwrap_or_default(),
        ]
    });
    text.push_str(&table(&head, 1, &rows.collect::<Vec<_>>()));
}
