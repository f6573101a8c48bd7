//! What a person wants to know: which devices there are, how they are, and who is active.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::config::Timing;
use super::device;
use super::hardened::constants::{Policy, Rules};
use super::hardened::places;
use super::hardened::record::{Found, Record, Role};
use super::records::{self, LEN_MAX, Listed, ProblemKind, STATE, StateRecord};
use crate::{Fs, FsError, Path, WallMs};

/// All devices as one view shows them, the active one first, the others by name.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The devices.
    pub devices: Vec<DeviceStatus>,
    /// Who is active: as the leader's own file says, or where there is none of the hardened design, `state.json`,
    /// listed or not.
    pub active: Option<Arc<str>>,
    /// The age of the active one's heartbeat on this wall clock, in ms; negative where that clock is ahead.
    pub active_age_ms: Option<i64>,
    /// The last handled update.
    pub last_update_id: i64,
    /// Of the hardened design: the term of who leads, or did last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub term: Option<u64>,
    /// Of the hardened design: what is given up when delays have no bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// What is wrong with files.
    pub problems: Vec<Problem>,
}

/// One device.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceStatus {
    /// Its id.
    pub device: Arc<str>,
    /// Of the hardened design: the id that no other replica shares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica: Option<Arc<str>>,
    /// Of the hardened design: the settings that it runs by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<Rules>,
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
    /// Its process is gone, as whoever can see its machine says: see [`Status::mark_dead`].
    Dead,
    /// Seen lately.
    Standby,
    /// Of the hardened design: not counted on by who leads, about to leave, or a leader whose place another wants or
    /// whose stamp is older than three times the silence after which it is to be suspected. Elsewhere not seen for
    /// too long: 90 s for everybody in the document; upstream opencode-telegram-mirror 085f00e
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
        _ if records::is_too_large(fs, &STATE) => {
            problem(&STATE, ProblemKind::TooLarge);
            None
        }
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
    let survey = Survey::of(fs, &mut problem);
    let known = |path: &Path| survey.paths.contains(path);
    let mut problem = |path: &Path, kind| {
        if !known(path) {
            problem(path, kind);
        }
    };
    let mut listed = records::read_devices(fs, LEN_MAX, &mut problem);
    listed.retain(|_, listed| !known(&listed.path));
    if !survey.newest.is_empty() {
        // The hardened design writes it for others alone.
        let missing = ProblemKind::Unreadable(FsError::NotFound);
        problems.retain(|problem| problem.path != *STATE || problem.kind != missing);
        return survey.status(listed, wall, timing, me, problems);
    }
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
            stranger(Listed { record, ..listed }, age_ms, health, me)
        })
        .collect();
    devices.sort_by_key(|device| active.as_ref() != Some(&device.device));
    let last_update_id = state.map_or(0, |state| state.last_update_id);
    Status { devices, active, active_age_ms, last_update_id, term: None, policy: None, problems }
}

impl Status {
    /// Marks the devices whose process is gone, of those that whoever asks can see and that are not stale already. Nobody
    /// is active who is dead.
    pub fn mark_dead(&mut self, is_gone: impl Fn(&DeviceStatus) -> bool) {
        for device in self.devices.iter_mut().filter(|device| device.health != Health::Stale) {
            if is_gone(device) {
                let names = [Some(&device.device), device.replica.as_ref()];
                if device.health == Health::Active && names.contains(&self.active.as_ref()) {
                    (self.active, self.active_age_ms) = (None, None);
                }
                device.health = Health::Dead;
            }
        }
    }

    /// What a device is called here: its id, or the one that no other shares if two go by that.
    fn name<'a>(&self, device: &'a DeviceStatus) -> &'a str {
        let alike = self.devices.iter().filter(|other| other.device == device.device).count() > 1;
        device.replica.as_ref().filter(|_| alike).unwrap_or(&device.device)
    }
}

/// What the files of the hardened design say together. One look sees no counter move; but a leader's file names
/// those whose counters it has seen moving, and that is what they are judged by.
#[derive(Default)]
struct Survey {
    /// The newest record of each replica, by its id, and the file that it is in.
    newest: BTreeMap<Arc<str>, (Path, Record)>,
    /// All files that hold one.
    paths: BTreeSet<Path>,
}

impl Survey {
    fn of(fs: &dyn Fs, problem: &mut impl FnMut(&Path, ProblemKind)) -> Self {
        let copies = device::copies_of_devices(fs);
        copies.iter().for_each(|copy| problem(copy, ProblemKind::DirectoryCopy));
        let mut survey = Self::default();
        let dirs = std::iter::once(device::devices_dir()).chain(copies);
        let entries = dirs.flat_map(|dir| fs.list(&dir).unwrap_or_default());
        for entry in entries.filter(|entry| entry.len <= LEN_MAX) {
            let path = entry.path;
            let Ok(content) = fs.read(&path, 0) else { continue };
            let Found::Record(record, file) = &*content.parsed(Record::parse) else { continue };
            survey.paths.insert(path.clone());
            if !places::belongs(path.file_name(), file) {
                problem(&path, ProblemKind::NameMismatch);
                continue;
            }
            let age = record.coordination.age();
            let known = survey.newest.get(&record.coordination.id);
            if known.is_none_or(|(_, known)| known.coordination.age() < age) {
                survey.newest.insert(record.coordination.id.clone(), (path, record.clone()));
            }
        }
        survey
    }

    fn all(&self) -> impl Iterator<Item = &Record> {
        self.newest.values().map(|(_, record)| record)
    }

    /// Who leads, or did last.
    fn top(&self) -> Option<&Record> {
        let led = |record: &&Record| matches!(record.coordination.role, Role::Active | Role::Released);
        self.all().filter(led).max_by_key(|record| (record.coordination.term, record.coordination.id.clone()))
    }

    /// The replicas that run by other settings than the leader, or if nobody led, than the first.
    fn at_odds(&self) -> impl Iterator<Item = Problem> {
        let ours = self.top().or_else(|| self.all().next());
        self.newest.values().filter_map(move |(path, record)| {
            let (theirs, ours) = ours?.coordination.at_odds(&record.coordination)?;
            Some(Problem { path: path.clone(), kind: ProblemKind::OtherSettings { theirs, ours } })
        })
    }

    fn health(&self, record: &Record, wall: WallMs) -> Health {
        let said = &record.coordination;
        let Some(top) = self.top() else {
            return if said.leaving { Health::Stale } else { Health::Standby };
        };
        let lead = top.coordination.lead.as_ref();
        if said.id == top.coordination.id && said.role == Role::Active {
            let wanted = self.all().any(|other| other.coordination.term > said.term);
            let patience_ms =
                3 * lead.map_or(0, |lead| i64::try_from(lead.suspect_ms).unwrap_or(i64::MAX / 3));
            let silent = lead.is_some() && wall.since(record.last_seen) > patience_ms;
            return if wanted || silent || said.leaving { Health::Stale } else { Health::Active };
        }
        let counted = said.id == top.coordination.id
            || lead.is_none_or(|lead| lead.successors.contains(&said.id))
            // It has come since the leader wrote.
            || !top.coordination.saw.contains_key(&said.id);
        if counted && !said.leaving { Health::Standby } else { Health::Stale }
    }

    fn status(
        &self,
        others: BTreeMap<Arc<str>, Listed>,
        wall: WallMs,
        timing: &Timing,
        me: Option<&str>,
        mut problems: Vec<Problem>,
    ) -> Status {
        problems.extend(self.at_odds());
        // One that leaves has ended what it did.
        let is_active = |top: &&Record| top.coordination.role == Role::Active && !top.coordination.leaving;
        let active = self.top().filter(is_active);
        let mut devices: Vec<_> = self
            .newest
            .values()
            .map(|(path, record)| DeviceStatus {
                me: me.is_some_and(|me| *me == *record.name || *me == *record.coordination.id),
                device: record.name.clone(),
                replica: Some(record.coordination.id.clone()),
                rules: record.coordination.rules,
                path: path.clone(),
                host: record.hostname.clone(),
                directory: record.directory.clone(),
                thread_id: record.thread_id,
                process_id: Some(record.process_id),
                age_ms: wall.since(record.last_seen),
                health: self.health(record, wall),
            })
            .collect();
        let strangers = others.into_values().map(|listed| {
            let age_ms = wall.since(listed.record.last_seen);
            let limit_ms = i64::try_from(timing.standby_stale_ms).unwrap_or(i64::MAX);
            let health = if age_ms > limit_ms { Health::Stale } else { Health::Standby };
            stranger(listed, age_ms, health, me)
        });
        devices.extend(strangers);
        let id = active.map(|active| active.coordination.id.clone());
        devices.sort_by_key(|device| (device.replica != id || id.is_none(), device.device.clone()));
        let voters = self.all().any(|record| record.coordination.voters.is_some());
        let rules = self.top().and_then(|top| top.coordination.rules);
        let policy = if voters { Policy::Majority } else { Policy::Available };
        Status {
            active: active.map(|active| active.name.clone()),
            active_age_ms: active.map(|active| wall.since(active.last_seen)),
            last_update_id: self.all().map(|record| record.coordination.acked).max().unwrap_or(0),
            term: self.top().map(|top| top.coordination.term),
            policy: Some(rules.map_or(policy, |rules| rules.policy)),
            devices,
            problems,
        }
    }
}

/// A device of the published design.
fn stranger(listed: Listed, age_ms: i64, health: Health, me: Option<&str>) -> DeviceStatus {
    let record = listed.record;
    DeviceStatus {
        me: me == Some(&*record.name),
        device: record.name,
        replica: None,
        rules: None,
        path: listed.path,
        host: record.hostname,
        directory: record.directory,
        thread_id: record.thread_id,
        process_id: record.process_id,
        age_ms,
        health,
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Active => "active",
            Self::Dead => "dead",
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
    /// A table for terminals: one line a device, then who is active, then the problems. Threads are shown if somebody has
    /// one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width =
            self.devices.iter().map(|device| self.name(device).chars().count()).max().unwrap_or(0).max(6);
        let threads = self.devices.iter().any(|device| device.thread_id.is_some());
        let column = |thread: &str| if threads { format!("  {thread}") } else { String::new() };
        writeln!(f, "  {:width$}  {:7}  {:>12}{}", "device", "health", "seen", column("thread"))?;
        for device in &self.devices {
            let mark = if device.me { '*' } else { ' ' };
            let thread = device.thread_id.map_or_else(|| "all".to_owned(), |id| id.to_string());
            let seen = age(device.age_ms);
            let (name, thread) = (self.name(device), column(&thread));
            writeln!(f, "{mark} {name:width$}  {:7}  {seen:>12}{thread}", device.health)?;
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
        if let (Some(term), Some(policy)) = (self.term, self.policy) {
            let policy = match policy {
                Policy::Available => "a lone survivor may act",
                Policy::Majority => "a majority decides",
            };
            writeln!(f, "term {term}, {policy}")?;
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
    use crate::failover::hardened::record::{Lead, Life, Said, Saw};
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
        problem: shared:devices/h:-a (1).json names a device whose file is called otherwise: a copy that a client made of a device's file, which does not count, because its owner writes on; remove it
        problem: shared:devices/h:-e.json is not whole JSON
        ");
        let nothing = status(&Files::default(), WallMs(START), &TIMING, None);
        insta::assert_snapshot!(nothing, @"
          device  health           seen
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

    /// A file of the hardened design, in the place with this number.
    fn hardened(files: Files, name: &str, place: usize, seen: i64, say: impl FnOnce(&mut Said)) -> Files {
        let id = format!("{name}#1");
        let mut said = Said::new(id.as_str().into(), Life { number: 1, nonce: 5 });
        say(&mut said);
        let record = Record {
            name: name.into(),
            thread_id: None,
            last_seen: WallMs(seen),
            hostname: "h".into(),
            directory: "/".into(),
            process_id: 7,
            coordination: said.into(),
        };
        files.with(&places::path(&id, place).to_string(), record.serialise())
    }

    fn leads(said: &mut Said, beat: u64) {
        (said.role, said.term, said.beat, said.acked) = (Role::Active, 4, beat, 12);
        let successors = [Arc::from("h:/b#1")].into();
        said.lead =
            Some(Lead { suspect_ms: 30_000, slot_ms: 60_000, successors, lapsed: None, lease_ms: None });
        let saw = Saw { life: Life { number: 1, nonce: 5 }, beat: 1, term: 0 };
        said.saw = ["h:/b#1", "h:/c#1"].map(|id| (id.into(), saw)).into();
    }

    fn led() -> Files {
        let files = hardened(Files::default(), "h:/a", 0, START - 21_000, |said| leads(said, 7));
        let files = hardened(files, "h:/a", 1, START - 11_000, |said| leads(said, 8));
        // The stamps of these two say nothing: the leader knows whose counter moves.
        let files = hardened(files, "h:/b", 0, START - 9_000_000, |said| said.beat = 3);
        hardened(files, "h:/c", 0, START, |said| said.beat = 3)
            .with("shared:devices/h:-old.json", device("h:/old", "h", START))
            .with("shared:state.json", state("h:/c", START, 3))
    }

    #[test]
    fn of_the_hardened_design_the_leaders_file_tells() {
        let found = status(&led(), WallMs(START), &TIMING, Some("h:/b"));
        insta::assert_snapshot!(found, @"
          device  health           seen  thread
          h:/a    active           11 s  all
        * h:/b    standby           2 h  all
          h:/c    stale             0 s  all
          h:/old  standby           0 s  3
        active: h:/a, heartbeat 11 s
        term 4, a lone survivor may act
        ");
        assert_eq!((found.last_update_id, found.problems), (12, vec![]));
    }

    #[test]
    fn replicas_of_other_settings_than_the_leaders_are_named() {
        let rules = |policy| Some(crate::failover::Hardened::over(15_000, policy).rules());
        let files = hardened(led(), "h:/a", 1, START, |said| {
            leads(said, 9);
            said.rules = rules(Policy::Available);
        });
        let files =
            hardened(files, "h:/b", 0, START, |said| (said.beat, said.rules) = (4, rules(Policy::Available)));
        let files =
            hardened(files, "h:/c", 0, START, |said| (said.beat, said.rules) = (4, rules(Policy::Majority)));
        let problems = status(&files, WallMs(START), &TIMING, None).problems;
        let told: Vec<_> =
            problems.iter().map(|problem| format!("{} {}", problem.path, problem.kind)).collect();
        insta::assert_snapshot!(told.join("\n"), @"shared:devices/d-h-3a-2fc-231.json runs with other settings (policy majority, made for delays of up to 15000 ms, other constants 1da6e8a7) than here (policy available, made for delays of up to 15000 ms, other constants 26437657), and neither takes over from the other: give all the same policy, provider and settings, and start them again");
    }

    #[test]
    fn a_hardened_leader_is_stale_once_another_wants_its_place_or_it_is_long_silent() {
        let wanted = hardened(led(), "h:/b", 0, START, |said| (said.role, said.term) = (Role::Candidate, 5));
        assert_eq!(status(&wanted, WallMs(START), &TIMING, None).devices[0].health, Health::Stale);
        let silent = status(&led(), WallMs(START + 80_000), &TIMING, None);
        assert_eq!((silent.devices[0].health, silent.active.as_deref()), (Health::Stale, Some("h:/a")));
        let gone = hardened(led(), "h:/a", 1, START, |said| {
            leads(said, 9);
            (said.role, said.leaving) = (Role::Released, true);
            said.voters = Some(Arc::default());
        });
        let found = status(&gone, WallMs(START), &TIMING, None);
        assert_eq!((found.active, found.policy, found.term), (None, Some(Policy::Majority), Some(4)));
        assert_eq!(found.devices[0].health, Health::Stale, "it is about to leave");
    }

    #[test]
    fn a_leader_that_leaves_or_is_dead_is_not_active() {
        let leaving = hardened(led(), "h:/a", 1, START, |said| {
            leads(said, 9);
            said.leaving = true;
        });
        let found = status(&leaving, WallMs(START), &TIMING, None);
        let leader = found.devices.iter().find(|device| &*device.device == "h:/a").unwrap();
        assert_eq!((&found.active, leader.health), (&None, Health::Stale));
        let mut found = status(&led(), WallMs(START), &TIMING, None);
        found.mark_dead(|device| &*device.device == "h:/a");
        assert_eq!((&found.active, found.devices[0].health), (&None, Health::Dead));
        let shown = found.to_string();
        let words: Vec<_> = shown.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(words, ["h:/a", "dead", "11", "s", "all"]);
    }

    #[test]
    fn two_of_one_name_are_told_apart() {
        let files = hardened(Files::default(), "h:/a", 0, START, |said| said.beat = 3);
        let other = hardened(Files::default(), "h:/a", 0, START, |said| {
            (said.id, said.beat) = ("h:/a#2".into(), 4);
        });
        let both = other.read(&places::path("h:/a#1", 0), 0).unwrap();
        let path = places::path("h:/a#2", 0).to_string();
        let files = files.with(&path, String::from_utf8(both.bytes().to_vec()).unwrap());
        let found = status(&files, WallMs(START), &TIMING, None);
        insta::assert_snapshot!(found, @"
          device  health           seen
          h:/a#1  standby           0 s
          h:/a#2  standby           0 s
        active: nobody
        ");
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
