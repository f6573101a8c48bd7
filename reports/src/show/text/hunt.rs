//! A hunt on a terminal.

use super::layout::{labelled, list, mark, pasted, put};
use crate::report::hunt::{HuntReport, Place, PlaceKind};

/// What fell, where; then how much was looked at.
pub(crate) fn text(report: &HuntReport) -> String {
    let mut text = String::new();
    for place in &report.places {
        let Some(found) = &place.found else { continue };
        list(&mut text, &[(mark(false), place.name.clone(), found.checker.clone())]);
        labelled(&mut text, "        ", &found.what);
        pasted(&mut text, "        again: ", &found.reproduce);
    }
    let of = |kind: PlaceKind| report.places.iter().filter(move |place| place.kind == kind);
    let fell = |kind| of(kind).filter(|place| place.found.is_some()).count();
    let runs: u64 = of(PlaceKind::Swarm).map(|place: &Place| place.tried).sum();
    put(
        &mut text,
        &format!(
            "{}  {}: a property fell in {} of {} scenarios, {} of {} models, {} of {} swarms ({runs} runs)",
            mark(report.held()),
            report.systems.join(", "),
            fell(PlaceKind::Scenario),
            of(PlaceKind::Scenario).count(),
            fell(PlaceKind::Model),
            of(PlaceKind::Model).count(),
            fell(PlaceKind::Swarm),
            of(PlaceKind::Swarm).count(),
        ),
    );
    text
}
