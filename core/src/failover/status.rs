//! What a person wants to know: which devices there are, how they are, and who is active.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::config::Timing;
use super::records::{self, ProblemKind, STATE, StateRecord};
use crate::{Fs, Path, WallMs};

/// All devices as one view shows them, the active one first, the others by name.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The devices.
    pub devices: Vec<DeviceStatus>,
    /// Who is active as `state.json` says, listed or not.
    pub active: Option<Arc<str>>,
    /// The age of the active one's heartbeat on this wall clock, in ms; negative where that clock is ahead.
    pub active_age_ms: Option<i64>,
    /// The last handled update.
    pub last_update_id: i64,
    /// What is wrong with files.
    pub problems: Vec<Problem>,
}

/// One device.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceStatus {
    /// Its id.
    pub device: Arc<str>,
    /// The file that counts for it.
    pub path: Path,
    /// Its machine.
    pub host: Arc<str>,
    /// Its directory.
    pub directory: Arc<str>,
    /// Its thread of the chat.
    pub thread_id: Option<i64>,
    /// Its process id on its machine.
    pub process_id: Option<u32>,
    /// The age of its file's stamp on this wall clock, in ms; negative where that clock is ahead.
    pub age_ms: i64,
    /// How it is.
    pub health: Health,
    /// Whether it is the one that asked.
    pub me: bool,
}

/// How a device is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// Named as active, with a heartbeat that is young enough.
    Active,
    /// Seen lately.
    Standby,
    /// Not seen for too long: 90 s for everybody in the document; upstream opencode-telegram-mirror 085f00e
    /// allows a standby 450 s and the active one 120 s.
    Stale,
}

/// Something wrong with a file.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Problem {
    /// The file.
    pub path: Path,
    /// What is wrong.
    pub kind: ProblemKind,
}

/// Looks at a view. `me` is the id of the device that asks, where one does.
#[must_use]
pub fn status(fs: &dyn Fs, wall: WallMs, timing: &Timing, me: Option<&str>) -> Status {
    let mut problems = Vec::new();
    let mut problem = |path: &Path, kind| problems.push(Problem { path: path.clone(), kind });
    let state = match fs.read(&STATE, 0) {
        Ok(content) => match &*content.parsed(StateRecord::parse) {
            Ok(record) => Some(record.clone()),
            Err(malformed) => {
                problem(&STATE, ProblemKind::Corrupt(*malformed));
                None
            }
        },
        Err(error) => {
            problem(&STATE, ProblemKind::Unreadable(error));
            None
        }
    };
    let listed = records::read_devices(fs, problem);
    let active = state.as_ref().and_then(|state| state.active_device.clone());
    let active_age_ms =
        state.as_ref().filter(|_| active.is_some()).map(|state| wall.since(state.active_device_heartbeat));
    let over = |age_ms: i64, limit_ms| age_ms > i64::try_from(limit_ms).unwrap_or(i64::MAX);
    let mut devices: Vec<_> = listed
        .into_values()
        .map(|listed| {
            let record = listed.record;
            let age_ms = wall.since(record.last_seen);
            let health = match active_age_ms.filter(|_| active.as_ref() == Some(&record.name)) {
                Some(beat_ms) if over(beat_ms, timing.stale_ms) => Health::Stale,
                Some(_) => Health::Active,
                None if over(age_ms, timing.standby_stale_ms) => Health::Stale,
                None => Health::Standby,
            };
            DeviceStatus {
                me: me == Some(&*record.name),
                device: record.name,
                path: listed.path,
                host: record.hostname,
                directory: record.directory,
                thread_id: record.thread_id,
                process_id: record.process_id,
                age_ms,
                health,
            }
        })
        .collect();
    devices.sort_by_key(|device| active.as_ref() != Some(&device.device));
    let last_update_id = state.map_or(0, |state| state.last_update_id);
    Status { devices, active, active_age_ms, last_update_id, problems }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Active => "active",
            Self::Standby => "standby",
            Self::Stale => "stale",
        })
    }
}

/// An age as a person says it: `12 s`, `3 min`, `5 h`, `2 d`.
fn age(ms: i64) -> String {
    let seconds = ms.unsigned_abs() / 1_000;
    let text = match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    };
    if ms < 0 { format!("{text} ahead") } else { text }
}

impl fmt::Display for Status {
    /// A table for terminals: one line a device, then who is active if no line says so, then the problems.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.devices.iter().map(|device| device.device.chars().count()).max().unwrap_or(0).max(6);
        writeln!(f, "  {:width$}  {:7}  {:>12}  thread", "device", "health", "seen")?;
        for device in &self.devices {
            let mark = if device.me { '*' } else { ' ' };
            let thread = device.thread_id.map_or_else(|| "all".to_owned(), |id| id.to_string());
            let seen = age(device.age_ms);
            writeln!(f, "{mark} {:width$}  {:7}  {seen:>12}  {thread}", device.device, device.health)?;
        }
        match (&self.active, self.active_age_ms) {
            (Some(active), Some(ms)) => {
                let unlisted = if self.devices.iter().any(|device| device.device == *active) {
                    ""
                } else {
                    ", without a device file"
                };
                writeln!(f, "active: {active}, heartbeat {}{unlisted}", age(ms))?;
            }
            _ => writeln!(f, "active: nobody")?,
        }
        for problem in &self.problems {
            writeln!(f, "problem: {} {}", problem.path, problem.kind)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failover::testing::{Files, START, device, state};

    const TIMING: Timing = Timing::document();

    fn folder() -> Files {
        Files::default()
            .with("shared:state.json", state("h:/b", START - 31_000, 7))
            .with("shared:devices/h:-a.json", device("h:/a", "h", START - 12_000))
            .with("shared:devices/h:-b.json", device("h:/b", "h", START - 400_000))
            .with("shared:devices/m2:-c.json", device("m2:/c", "m2", START - 91_000))
            .with("shared:devices/h:-d.json", device("h:/d", "h", START + 3_600_000))
            .with("shared:devices/readme.txt", "not a device")
    }

    #[test]
    fn a_person_reads_a_table() {
        let found = status(&folder(), WallMs(START), &TIMING, Some("h:/a"));
        insta::assert_snapshot!(found, @"
          device  health           seen  thread
          h:/b    active          6 min  3
        * h:/a    standby          12 s  3
          h:/d    standby  60 min ahead  3
          m2:/c   stale            91 s  3
        active: h:/b, heartbeat 31 s
        ");
    }

    #[test]
    fn problems_stand_below_the_table() {
        let files = folder()
            .with("shared:devices/h:-e.json", "{")
            .with("shared:devices/h:-a (1).json", device("h:/a", "h", START))
            .with("shared:state.json", state("h:/gone", START - 100_000, 7));
        let found = status(&files, WallMs(START), &TIMING, None);
        insta::assert_snapshot!(found, @"
          device  health           seen  thread
          h:/a    standby          12 s  3
          h:/b    stale           6 min  3
          h:/d    standby  60 min ahead  3
          m2:/c   stale            91 s  3
        active: h:/gone, heartbeat 100 s, without a device file
        problem: shared:devices/h:-a (1).json names a device whose file is called otherwise
        problem: shared:devices/h:-e.json is not whole JSON
        ");
        let nothing = status(&Files::default(), WallMs(START), &TIMING, None);
        insta::assert_snapshot!(nothing, @"
          device  health           seen  thread
        active: nobody
        problem: shared:state.json cannot be read: there is no such file here
        ");
    }

    #[test]
    fn a_leader_that_is_silent_is_stale() {
        let files = folder().with("shared:state.json", state("h:/b", START - 90_001, 7));
        let found = status(&files, WallMs(START), &TIMING, None);
        assert_eq!((found.devices[0].health, found.active_age_ms), (Health::Stale, Some(90_001)));
        assert_eq!(found.active.as_deref(), Some("h:/b"));
    }

    #[test]
    fn machines_read_json() {
        let files = Files::default()
            .with("shared:state.json", state("h:/a", START, 7))
            .with("shared:devices/h:-a.json", device("h:/a", "h", START));
        let found = status(&files, WallMs(START), &TIMING, Some("h:/a"));
        insta::assert_snapshot!(serde_json::to_string_pretty(&found).unwrap(), @r#"
        {
          "devices": [
            {
              "device": "h:/a",
              "path": "shared:devices/h:-a.json",
              "host": "h",
              "directory": "/",
              "threadId": 3,
              "processId": 4242,
              "ageMs": 0,
              "health": "active",
              "me": true
            }
          ],
          "active": "h:/a",
          "activeAgeMs": 0,
          "lastUpdateId": 7,
          "problems": []
        }
        "#);
    }
}
