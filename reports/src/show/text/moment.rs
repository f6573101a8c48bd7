//! When a run became likely to fail, on a terminal.

use cloudchamber_folder::checks::time;

use super::layout::{columns, pasted, put};
use crate::report::moment::{Jump, Moment, MomentReport};

/// How wide a bar is that stands for all futures.
const WIDE: u64 = 32;

/// How many sentences of what happened are shown.
const TOLD_MAX: usize = 24;

/// A bar for each moment, and what happened where they grow most.
pub(crate) fn text(report: &MomentReport) -> String {
    let MomentReport { futures, .. } = report;
    let mut text = String::new();
    put(&mut text, &format!("{} (seed {}): {}", report.file, report.seed, report.violation));
    put(&mut text, &format!("  of {futures} futures from each moment, so many fail in the same way:"));
    let bar = |moment: &Moment| {
        let full = moment.fail * WIDE / futures;
        let bar = |count, with: &str| with.repeat(usize::try_from(count).expect("at most as wide"));
        bar(full, "#") + &bar(WIDE - full, ".")
    };
    let rows: Vec<Vec<String>> = report
        .moments
        .iter()
        .map(|moment| vec![time(moment.ms), moment.fail.to_string(), bar(moment)])
        .collect();
    text.push_str(&columns(&rows));
    match &report.jump {
        Some(Jump { from, to, happened }) => {
            let (before, after) = (from.fail, to.fail);
            let between = format!("between {} and {}", time(from.ms), time(to.ms));
            put(
                &mut text,
                &format!("  it went wrong {between}, where {before} of {futures} become {after}:"),
            );
            happened.iter().take(TOLD_MAX).for_each(|line| put(&mut text, &format!("    {line}")));
            if happened.len() > TOLD_MAX {
                let rest = happened.len() - TOLD_MAX;
                put(&mut text, &format!("    and {rest} more; --json has them all"));
            }
            if happened.is_empty() {
                put(&mut text, "    nothing but looks and writes of which nothing came; time passed");
            }
        }
        None => put(
            &mut text,
            "  nowhere does the share grow by more than chance explains: it is the run's settings that fail, or many small \
             things; try more --futures",
        ),
    }
    pasted(&mut text, "  again: ", &report.reproduce);
    text
}
