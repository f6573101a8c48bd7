//! Claims as sections of a page.

use maud::{Markup, html};

use crate::report::claims::{ClaimTable, DocumentClaim};
use crate::report::words::duration;

/// Every figure of some documents beside what was measured.
pub(super) fn documents(id: &str, title: &str, claims: &[DocumentClaim]) -> Markup {
    html! {
        @if !claims.is_empty() { h2 id=(id) { (title) } }
        @for claim in claims {
            h3 { (claim.claim) ": " (claim.said) }
            p { "Measured: " (claim.measured_as) "." }
            table {
                @for (number, row) in claim.rows().iter().enumerate() {
                    tr {
                        @for cell in row {
                            @if number == 0 { th { (cell) } } @else { td.number { (cell) } }
                        }
                    }
                }
            }
        }
    }
}

/// The claim on failover success, by the delay of files.
pub(super) fn success(table: &ClaimTable) -> Markup {
    html! {
        h2 { "Claim: " (table.claim) }
        p { (table.about) }
        table {
            tr { th { "standbys" } th { "delay" } th { "runs" } th { "one took over" } th { "two at once" } th { "measured" } th { "calculated" } th { "why apart" } th { "a run that failed" } }
            @for cell in &table.cells {
                tr {
                    td.number { (cell.standbys) }
                    td.number { (duration(cell.delay_ms)) }
                    td.number { (cell.seeds) }
                    td.number { (cell.good) }
                    td.number { (cell.overlapped) }
                    td.number { (format!("{:.1} %", cell.measured_percent)) }
                    td.number { (format!("{:.1} %", cell.calculated_percent)) }
                    td { small { (cell.reason.as_deref().unwrap_or("")) } }
                    td { @if let Some(command) = &cell.reproduce { code { (command) } } }
                }
            }
        }
    }
}
