//! How fast journals are. Times are whole milliseconds.

use serde::{Deserialize, Serialize};

/// What `bench journal --json` prints, and the `journals` of a check. Times are whole milliseconds.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct JournalReport {
    /// The commit it was built from.
    pub(crate) commit: String,
    /// How many events there were.
    pub(crate) events: usize,
    /// How many machines had written them.
    pub(crate) machines: usize,
    /// The memory that it took at the most, where the system tells.
    pub(crate) peak_bytes: Option<u64>,
    pub(crate) stages: Vec<StageReport>,
}

/// One stage.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct StageReport {
    pub(crate) name: String,
    /// How many events it was done to.
    pub(crate) events: usize,
    /// By the wall clock.
    pub(crate) wall_ms: u64,
    /// On all processors together.
    pub(crate) cpu_ms: u64,
    /// Events per second of processor time.
    pub(crate) events_per_cpu_s: u64,
    /// What it should be, of a million events; `None` if it is only for comparison.
    pub(crate) aim: Option<Aim>,
}

/// What a stage should be on a machine of today. It fails nothing: how fast a machine is, and what else it does, is
/// not the program's doing.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Aim {
    /// At least so many events per second of processor time.
    EventsPerCpuS(u64),
    /// At most so many milliseconds of the wall clock.
    WallMs(u64),
}

impl StageReport {
    /// Whether the aim is met; `None` if there is no aim.
    pub(crate) fn is_met(&self) -> Option<bool> {
        Some(match self.aim? {
            Aim::EventsPerCpuS(least) => self.events_per_cpu_s >= least,
            Aim::WallMs(most) => self.wall_ms <= most,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aim_is_met_from_its_own_side() {
        let stage = |aim| StageReport { wall_ms: 50, events_per_cpu_s: 100, aim, ..StageReport::default() };
        assert_eq!(stage(Some(Aim::WallMs(50))).is_met(), Some(true));
        assert_eq!(stage(Some(Aim::WallMs(49))).is_met(), Some(false));
        assert_eq!(stage(Some(Aim::EventsPerCpuS(100))).is_met(), Some(true));
        assert_eq!(stage(Some(Aim::EventsPerCpuS(101))).is_met(), Some(false));
        assert_eq!(stage(None).is_met(), None);
    }
}
