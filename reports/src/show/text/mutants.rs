//! Planted faults on a terminal.

use super::layout::{labelled, list, mark, put};
use crate::report::mutants::{MutantReport, MutantsReport};

/// One entry a fault, survivors last; then how many there are of each.
pub(crate) fn text(report: &MutantsReport) -> String {
    let mut text = String::new();
    let mut sorted: Vec<&MutantReport> = report.mutants.iter().collect();
    sorted.sort_by_key(|mutant| !mutant.is_accounted_for());
    for mutant in sorted {
        let said = match (&*mutant.caught_by, &mutant.harmless) {
            ([], None) if !mutant.is_reached => "survives: nothing comes to its place".to_owned(),
            ([], None) => "survives".to_owned(),
            ([], Some(_)) => "hurts nobody".to_owned(),
            (names, _) => names.join(", "),
        };
        list(&mut text, &[(mark(mutant.is_accounted_for()), mutant.name.clone(), said)]);
        labelled(&mut text, "        ", &mutant.about);
        if let (true, Some(why)) = (mutant.caught_by.is_empty(), &mutant.harmless) {
            labelled(&mut text, "        ", why);
        } else {
            labelled(&mut text, "        ", &noticed(mutant));
        }
    }
    let count = |is: &dyn Fn(&MutantReport) -> bool| report.mutants.iter().filter(|one| is(one)).count();
    put(
        &mut text,
        &format!(
            "{}  {} planted faults: {} caught by a property, {} hurt nobody, {} survive {} seeds a swarm",
            mark(report.ok()),
            report.mutants.len(),
            count(&|one| !one.caught_by.is_empty()),
            count(&|one| one.caught_by.is_empty() && one.harmless.is_some()),
            count(&|one| !one.is_accounted_for()),
            report.seeds,
        ),
    );
    text
}

/// How many places noticed a fault, and how soon.
pub(crate) fn noticed(mutant: &MutantReport) -> String {
    let seeds = match mutant.seeds_median {
        Some(1) => ", median 1 seed".to_owned(),
        Some(seeds) => format!(", median {seeds} seeds"),
        None => String::new(),
    };
    let steps = mutant.model_steps.map_or(String::new(), |steps| format!(" in {steps} steps"));
    format!(
        "{} of {} swarms{seeds}; {} of {} models{steps}; {} of {} scenarios",
        mutant.swarms.by,
        mutant.swarms.of,
        mutant.models.by,
        mutant.models.of,
        mutant.scenarios.by,
        mutant.scenarios.of
    )
}
