//! `bench journal`: how fast journals are read, merged and rebuilt, beside what SQLite alone takes for the same lines.

use cloudchamber_folder::trace::COMMIT;
use cloudchamber_host::database::Progress;
use cloudchamber_host::throughput::{Load, Stage, measure, stage};
use indicatif::ProgressBar;

use crate::failure::Failure;
use crate::jobs::memory::weighed;
use crate::jobs::progress;
use crate::report::journals::{Aim, JournalReport, StageReport};

/// How many events the journals have, without and with `--quick`.
pub(crate) const EVENTS: [usize; 2] = [Load::MILLION.events, 40_000];

fn aim(stage: &str) -> Option<Aim> {
    match stage {
        stage::READ_AND_MERGE => Some(Aim::EventsPerCpuS(1_000_000)),
        stage::REBUILD => Some(Aim::EventsPerCpuS(300_000)),
        stage::UPDATE_ONE => Some(Aim::WallMs(50)),
        _ => None,
    }
}

/// One stage beside its aim.
fn row(stage: &Stage) -> StageReport {
    let ms = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    StageReport {
        name: stage.name.to_owned(),
        events: stage.events,
        wall_ms: ms(stage.wall),
        cpu_ms: ms(stage.cpu),
        events_per_cpu_s: stage.events_per_cpu_s(),
        aim: aim(stage.name),
    }
}

/// Tells a bar what is being done.
#[derive(Debug)]
struct Told<'a>(&'a ProgressBar);

impl Progress for Told<'_> {
    fn step(&self, what: &'static str, _: u64) {
        self.0.set_message(what);
    }
}

/// Measures every stage once, in a temporary directory.
///
/// # Errors
/// Where there is no room for one.
pub(crate) fn run(events: usize, machines: usize) -> Result<JournalReport, Failure> {
    let load = Load { events, machines, ..Load::MILLION };
    let failed = |why: &dyn std::fmt::Display| {
        Failure::new(format!("{why}; give a temporary directory with room, such as TMPDIR=/var/tmp"))
    };
    let dir = tempfile::tempdir().map_err(|error| failed(&error))?;
    let bar = progress::spinner("bench journal");
    let (stages, peak_bytes) = weighed(|_| {}, || measure(dir.path(), load, &Told(&bar)));
    bar.finish_and_clear();
    let stages = stages.map_err(|error| failed(&error))?;
    Ok(JournalReport {
        commit: COMMIT.into(),
        events,
        machines,
        peak_bytes,
        stages: stages.iter().map(row).collect(),
    })
}
