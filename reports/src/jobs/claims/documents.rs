//! Every figure that the failover documents name (upstream opencode-telegram-mirror, docs/CONFLICT_FIX.md and
//! docs/FINAL_SUMMARY.md at 085f00e), for each design in each provider's folder.
//!
//! The documents define none of their figures, so each comes with the sentence that says what was measured.

use crate::report::claims::{DocumentClaim, Value};
use crate::report::failover_times::{Cell, Figures, Mode};
use crate::report::words::duration;

/// A claim, and how its figure is got from what was measured.
struct Measure {
    claim: &'static str,
    said: &'static str,
    measured_as: &'static str,
    of: fn(&Cell) -> Option<String>,
}

/// The claims, in the order of the documents' tables.
const MEASURES: [Measure; 9] = [
    Measure {
        claim: "write conflicts",
        said: "30 % with fixed intervals, 5 % with random ones",
        measured_as: "of all versions that reached the server while nothing failed, those that two replicas had made \
                      apart from each other",
        of: |cell| Some(percent(cell.quiet.conflicts_percent)),
    },
    Measure {
        claim: "write conflicts of failovers",
        said: "30 % with fixed intervals, 5 % with random ones",
        measured_as: "of all crashes of the active replica, those after which two replicas changed a file apart from \
                      each other before all agreed",
        of: |cell| after(cell, Mode::Crash, |figures| figures.noticed.conflicts),
    },
    Measure {
        claim: "failover success",
        said: "70 % with fixed intervals, 95 % with random ones",
        measured_as: "of all crashes of the active replica, those after which one replica took over, no other did, \
                      never two were active and all agreed within 20 minutes",
        of: |cell| after(cell, Mode::Crash, |figures| figures.noticed.clean),
    },
    Measure {
        claim: "simultaneous detection",
        said: "100 % with fixed intervals, 16 % with random ones",
        measured_as: "of all crashes of the active replica, those that both standbys began to suspect within half a \
                      second of each other, the wait before a claim is verified",
        of: |cell| after(cell, Mode::Crash, |figures| figures.noticed.together),
    },
    Measure {
        claim: "sync storms",
        said: "spiky with fixed intervals, smooth with random ones",
        measured_as: "of all writes while nothing failed, those within a second after a write of another replica's",
        of: |cell| Some(percent(cell.quiet.writes_together_percent)),
    },
    Measure {
        claim: "a standby detects the loss",
        said: "within 8 to 15 s",
        measured_as: "from the crash of the active replica until the first standby suspects it: median, and the longest",
        of: |cell| {
            let first = &event(cell, Mode::Crash)?.noticed.first;
            Some(format!("{}, {}", duration(first.p50_ms?), duration(first.max_ms?)))
        },
    },
    Measure {
        claim: "failover",
        said: "about every 100 s",
        measured_as: "from the crash of the active replica until exactly one is active and all in reach name it: \
                      median, and the longest",
        of: |cell| both(event(cell, Mode::Crash)?),
    },
    Measure {
        claim: "manual switch",
        said: "immediate",
        measured_as: "from the request until the named replica alone is active and all in reach name it: median, and \
                      the longest; 1200.0 s is never",
        of: |cell| both(event(cell, Mode::Activation)?),
    },
    Measure {
        claim: "conflicts on device files",
        said: "zero",
        measured_as: "how often two replicas had changed a device's file apart from each other, in all these runs",
        of: |cell| {
            let events: u64 = cell.events.iter().map(|figures| figures.noticed.device_conflicts).sum();
            Some((cell.quiet.device_conflicts + events).to_string())
        },
    },
];

/// Reads the claims' figures from what was measured.
pub(crate) fn of(cells: &[Cell]) -> Vec<DocumentClaim> {
    let claim = |measure: &Measure| DocumentClaim {
        claim: measure.claim.into(),
        said: measure.said.into(),
        measured_as: measure.measured_as.into(),
        values: cells.iter().map(|cell| value(measure, cell)).collect(),
    };
    MEASURES.iter().map(claim).collect()
}

fn value(measure: &Measure, cell: &Cell) -> Value {
    Value {
        profile: cell.profile.clone(),
        design: cell.design.clone(),
        policy: cell.policy.clone(),
        text: (measure.of)(cell).unwrap_or_else(|| "-".into()),
    }
}

fn event(cell: &Cell, mode: Mode) -> Option<&Figures> {
    cell.events.iter().find(|figures| figures.event == mode)
}

/// The share of a kind of event that went in a certain way.
#[expect(clippy::cast_precision_loss, reason = "numbers of runs stay far below 2^53")]
fn after(cell: &Cell, mode: Mode, count: fn(&Figures) -> u64) -> Option<String> {
    let figures = event(cell, mode)?;
    let of = figures.agreed.samples;
    (of > 0).then(|| percent(100.0 * count(figures) as f64 / of as f64))
}

fn percent(figure: f64) -> String {
    format!("{figure:.1} %")
}

fn both(figures: &Figures) -> Option<String> {
    Some(format!("{}, {}", duration(figures.agreed.p50_ms?), duration(figures.agreed.max_ms?)))
}
