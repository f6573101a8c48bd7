//! Claims as sections of a page.

use maud::{Markup, html};

use super::table::{Table, number, text};
use crate::report::claims::{ClaimTable, DocumentClaim};
use crate::report::words::duration;

/// Every figure of some documents beside what was measured, and the claim on failover success where there is one.
pub(super) fn section(claims: &[DocumentClaim], on_success: Option<&ClaimTable>) -> Markup {
    html! {
        @for claim in claims {
            h3 { (claim.claim) ": " (claim.said) }
            p { "Measured: " (claim.measured_as) "." }
            (figures(claim))
        }
        @if let Some(table) = on_success { (success(table)) }
    }
}

fn figures(claim: &DocumentClaim) -> Markup {
    let mut rows = claim.rows().into_iter();
    let mut table = Table::new(rows.next().unwrap_or_default());
    for row in rows {
        let mut cells = row.into_iter();
        let name = cells.next().map(text);
        table.row(name.into_iter().chain(cells.map(number)).collect());
    }
    table.markup()
}

/// The claim on failover success, by the delay of files.
fn success(claim: &ClaimTable) -> Markup {
    let heads = [
        "standbys",
        "delay",
        "runs",
        "one took over",
        "two at once",
        "measured",
        "calculated",
        "why apart",
        "a run that failed",
    ];
    let mut table = Table::new(heads).folding("delays");
    for cell in &claim.cells {
        table.row(vec![
            number(cell.standbys),
            number(duration(cell.delay_ms)),
            number(cell.seeds),
            number(cell.good),
            number(cell.overlapped),
            number(format!("{:.1} %", cell.measured_percent)),
            number(format!("{:.1} %", cell.calculated_percent)),
            text(html! { small { (cell.reason.as_deref().unwrap_or("")) } }),
            text(html! { @if let Some(command) = &cell.reproduce { code { (command) } } }),
        ]);
    }
    html! {
        h3 { "Claim: " (claim.claim) }
        p { (claim.about) }
        (table.markup())
    }
}
