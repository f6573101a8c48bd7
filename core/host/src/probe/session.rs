//! One run of a probe: it meets the others, keeps step with them, and writes while it looks.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::clock::{Between, Known, Steady};
use super::content;
use super::place::{self, Place};
use super::watch::{LOOK, Watch};
use super::wire::{self, At, Done, Hello, How, Message, Plan, Ready, Removed, Report, Wrote};

/// Why a run has ended before its end.
#[derive(Debug)]
pub(super) enum Stopped {
    /// A peer's probe was started anew.
    Anew(String),
    /// Nothing was seen of a peer for so long that nothing more is waited for; empty if nobody was ever seen.
    Unseen(String),
    /// What this probe made is not there any more.
    Lost,
    /// Somebody has asked it to end.
    Asked,
    Failed(anyhow::Error),
}

impl From<std::io::Error> for Stopped {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<anyhow::Error> for Stopped {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

pub(super) type Step<T> = Result<T, Stopped>;

/// What a probe is to do at a time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Act {
    Write { file: String, how: How, len: u64 },
    Remove { file: String },
}

/// What does not change while a probe runs.
pub(super) struct Fixed<'a> {
    pub(super) name: &'a str,
    pub(super) with: &'a [String],
    pub(super) hello: Hello,
    pub(super) known: Option<Known>,
    pub(super) patience_us: i64,
    /// By the steady clock.
    pub(super) end_us: i64,
    pub(super) clock: Steady,
    pub(super) is_asked_to_end: &'a dyn Fn() -> bool,
    pub(super) tell: &'a dyn Fn(&str),
}

/// One run.
pub(super) struct Session<'a> {
    pub(super) fixed: &'a Fixed<'a>,
    pub(super) place: Place,
    pub(super) run: String,
    pub(super) watch: Watch,
    pub(super) hellos: BTreeMap<String, Hello>,
    pub(super) plan: Plan,
    pub(super) report: Report,
    /// Of all, in the end.
    pub(super) reports: BTreeMap<String, Report>,
    versions: BTreeMap<String, u64>,
    phase: Done,
    /// Somebody's time is over.
    pub(super) is_over: bool,
    looked_us: i64,
}

impl<'a> Session<'a> {
    /// Begins a run in its place, where nothing of an earlier one is left.
    pub(super) fn begin(fixed: &'a Fixed<'a>, place: Place, run: String) -> anyhow::Result<Self> {
        place
            .clear()
            .with_context(|| format!("{}: give a folder that can be written", place.own.display()))?;
        let watch = Watch::new(&place.root, fixed.name, fixed.clock);
        let plan = Plan::new(fixed.hello.rounds, 1_000_000, fixed.hello.largest_bytes);
        Ok(Self {
            fixed,
            place,
            run,
            watch,
            hellos: BTreeMap::new(),
            plan,
            report: Report::default(),
            reports: BTreeMap::new(),
            versions: BTreeMap::new(),
            phase: Done::default(),
            is_over: false,
            looked_us: 0,
        })
    }

    pub(super) fn now_us(&self) -> i64 {
        self.fixed.clock.now_us()
    }

    /// The names of all, this one's among them, in the order in which they lead.
    pub(super) fn all(&self) -> Vec<String> {
        let mut all: Vec<String> = self.watch.peers.keys().cloned().collect();
        all.push(self.fixed.name.to_owned());
        all.sort();
        all
    }

    pub(super) fn leads(&self) -> bool {
        self.all().first().is_some_and(|first| first == self.fixed.name)
    }

    pub(super) fn say(&self, kind: &str, body: &impl Serialize) -> Step<()> {
        let least = |(peer, _): (&String, &String)| {
            let least = self.watch.samples(peer).iter().map(|one| one.seen_us - one.sent_us).min()?;
            Some((peer.clone(), least))
        };
        let message = Message {
            probe: self.run.clone(),
            at_us: self.now_us(),
            least_us: self.watch.peers.iter().filter_map(least).collect(),
            body: serde_json::to_value(body).context("a message")?,
        };
        let bytes = serde_json::to_vec(&message).context("a message")?;
        self.place.say(kind, &bytes).map_err(|error| match self.place.is_there() {
            true => error.into(),
            false => Stopped::Lost,
        })
    }

    /// A look, and what else has to be seen to at all times.
    fn turn(&mut self) -> Step<()> {
        self.watch.look();
        let now_us = self.now_us();
        if now_us - self.looked_us > 200_000 {
            self.looked_us = now_us;
            if !self.place.is_there() {
                return Err(Stopped::Lost);
            }
            if (self.fixed.is_asked_to_end)() {
                return Err(Stopped::Asked);
            }
            for (peer, run) in &self.watch.peers {
                let newest =
                    hellos(&self.place.root.join(peer)).into_iter().max_by_key(|one| one.1.started_us);
                let started_us = self.hellos.get(peer).map_or(0, |hello| hello.started_us);
                if newest.is_some_and(|(other, hello)| other != *run && hello.started_us > started_us) {
                    return Err(Stopped::Anew(peer.clone()));
                }
            }
        }
        std::thread::sleep(LOOK);
        Ok(())
    }

    /// Looks until a time.
    pub(super) fn until(&mut self, at_us: i64) -> Step<()> {
        while self.now_us() < at_us {
            self.turn()?;
        }
        Ok(())
    }

    /// Looks until something holds, and tells whether it does. Gives up after a time, if one is given, and ends the run
    /// when nothing is seen of somebody for longer than its patience.
    pub(super) fn wait(&mut self, most_us: Option<i64>, holds: &dyn Fn(&Self) -> bool) -> Step<bool> {
        let from_us = self.now_us();
        loop {
            self.turn()?;
            if holds(self) {
                return Ok(true);
            }
            let now_us = self.now_us();
            if most_us.is_some_and(|most_us| now_us - from_us > most_us) {
                return Ok(false);
            }
            for peer in self.watch.peers.keys() {
                let last_us = self.watch.heard_us.get(peer).copied().unwrap_or(0).max(from_us);
                if most_us.is_none() && now_us - last_us > self.fixed.patience_us {
                    return Err(Stopped::Unseen(peer.clone()));
                }
            }
        }
    }

    fn all_said(&self, kind: &str) -> bool {
        self.watch.peers.keys().all(|peer| self.watch.message(peer, kind).is_some())
    }

    /// Waits until all have said something.
    pub(super) fn wait_for(&mut self, kind: &str) -> Step<()> {
        self.wait(None, &|session| session.all_said(kind)).map(drop)
    }

    pub(super) fn said<T: DeserializeOwned>(&self, peer: &str, kind: &str) -> Step<T> {
        let message = self.watch.message(peer, kind);
        let body = message.and_then(Message::body);
        let other =
            || format!("{peer} says something that is not understood: run the same version on all machines");
        Ok(body.with_context(other)?)
    }

    /// Finds the others.
    pub(super) fn meet(&mut self) -> Step<()> {
        self.say(&format!("hello-{}", self.run), &self.fixed.hello)?;
        let from_us = self.now_us();
        loop {
            self.meet_once()?;
            let wanted = self.fixed.with.len().max(1);
            if self.watch.peers.len() >= wanted {
                let met = Ready { met: self.watch.peers.clone() };
                let met_by_name = format!("{:?}", met.met);
                let kind = format!("ready-{:016x}", xxhash_rust::xxh3::xxh3_64(met_by_name.as_bytes()));
                if !self.place.own.join(wire::file_name(&kind)).exists() {
                    self.say(&kind, &met)?;
                }
                if self.is_met_by_all() {
                    return self.agree();
                }
            }
            match self.turn() {
                // It is met under its new run.
                Ok(()) | Err(Stopped::Anew(_)) => {}
                Err(other) => return Err(other),
            }
            if self.now_us() - from_us > self.fixed.patience_us {
                let unseen = self.fixed.with.iter().find(|name| !self.watch.peers.contains_key(*name));
                let someone = unseen.or(self.watch.peers.keys().next()).cloned().unwrap_or_default();
                return Err(Stopped::Unseen(someone));
            }
        }
    }

    /// Takes those whose first messages are here.
    fn meet_once(&mut self) -> Step<()> {
        for (run, hello) in hellos(&self.place.own) {
            if run != self.run && hello.started_us >= self.fixed.hello.started_us {
                return Err(Stopped::Failed(anyhow::anyhow!(
                    "there is another probe that calls itself {}: give each a name of its own with --name",
                    self.fixed.name
                )));
            }
        }
        let mut wanted = self.fixed.with.to_vec();
        if wanted.is_empty() {
            // One that is dead may have left its files: whoever began last is there.
            let began = |peer: &String| {
                let all = hellos(&self.place.root.join(peer)).into_iter();
                all.map(|(_, hello)| hello.started_us).max()
            };
            wanted.extend(
                self.watch.others().into_iter().filter(|peer| began(peer).is_some()).max_by_key(began),
            );
            self.watch.peers.retain(|peer, _| wanted.contains(peer));
            self.hellos.retain(|peer, _| wanted.contains(peer));
        }
        for peer in wanted {
            let newest = hellos(&self.place.root.join(&peer)).into_iter().max_by_key(|one| one.1.started_us);
            let Some((run, hello)) = newest else { continue };
            if hello.machine == self.fixed.hello.machine && hello.folder == self.fixed.hello.folder {
                return Err(Stopped::Failed(anyhow::anyhow!(
                    "{peer} works in this very directory, so nothing is copied: give each probe a folder of its own that the \
                     client copies to the other's"
                )));
            }
            if self.watch.peers.get(&peer) != Some(&run) {
                (self.fixed.tell)(&format!("{peer} is there: {}, {}", hello.client, hello.system));
                // What an earlier run of it wrote is not this one's.
                self.watch.forget(&peer);
            }
            self.watch.peers.insert(peer.clone(), run);
            self.hellos.insert(peer, hello);
        }
        Ok(())
    }

    /// Whether each peer says that it has met this run.
    fn is_met_by_all(&self) -> bool {
        self.watch.peers.iter().all(|(peer, run)| {
            let ready = |(_, message): (String, Message)| message.body::<Ready>();
            let said = messages(&self.place.root.join(peer), "ready-");
            let mut said = said.into_iter().filter(|(_, message)| message.probe == *run).filter_map(ready);
            said.any(|ready| ready.met.get(self.fixed.name) == Some(&self.run))
        })
    }

    /// Three echoes, by which the first of all knows how long things take here, and decides what is measured.
    fn agree(&mut self) -> Step<()> {
        let mut typical_us = 0;
        for echo in 1..=3 {
            let kind = format!("echo-{echo}");
            let from_us = self.now_us();
            self.say(&kind, &echo)?;
            self.wait_for(&kind)?;
            if echo > 1 {
                typical_us = typical_us.max(self.now_us() - from_us);
            }
        }
        if self.leads() {
            let typical_us = typical_us.max(100_000);
            self.plan = Plan::new(self.fixed.hello.rounds, typical_us, self.fixed.hello.largest_bytes);
            return self.say("plan", &self.plan);
        }
        let leader = self.all().remove(0);
        self.wait(None, &|session| session.watch.message(&leader, "plan").is_some())?;
        self.plan = self.said(&leader, "plan")?;
        if self.plan.rounds != self.fixed.hello.rounds {
            (self.fixed.tell)(&format!("{leader} decides: {} rounds", self.plan.rounds));
        }
        Ok(())
    }

    /// What is known of the clock of a peer and this one's.
    pub(super) fn known(&self, peer: &str) -> Known {
        let machine = self.hellos.get(peer).map_or("", |hello| &hello.machine);
        match self.fixed.known {
            Some(known) => known,
            None if !machine.is_empty() && machine == self.fixed.hello.machine => Known::Same,
            None => Known::Nothing,
        }
    }

    /// The time of this probe's clock that is a time of a peer's, as far as it is known now.
    pub(super) fn here_us(&self, peer: &str, at_us: i64) -> i64 {
        let there = self.watch.samples(peer);
        let least = there.iter().map(|one| one.seen_us - one.sent_us).min().unwrap_or(0);
        let back = self.watch.least_back_us(peer).unwrap_or(-least);
        match self.known(peer) {
            Known::Same => at_us,
            known => {
                let sample = |us: i64| super::clock::Sample { sent_us: 0, seen_us: us };
                at_us + Between::estimate(known, &[sample(least)], &[sample(back)]).at(0).ahead_us
            }
        }
    }

    /// Does what a schedule says, each at its time after now, and looks meanwhile.
    pub(super) fn act(&mut self, schedule: &[(i64, Act)]) -> Step<()> {
        let from_us = self.now_us();
        for (after_us, act) in schedule {
            self.until(from_us + after_us)?;
            match act {
                Act::Write { file, how, len } => self.write(file, *how, *len)?,
                Act::Remove { file } => self.remove(file)?,
            }
        }
        Ok(())
    }

    /// Writes the next version of a file, of its own or, with a path, of the directory of all.
    pub(super) fn write(&mut self, file: &str, how: How, len: u64) -> Step<()> {
        let version = self.versions.get(file).copied().unwrap_or(0) + 1;
        let bytes = content::make(&self.run, file, version, len);
        let path = self.path(file);
        let mtime_ns = self.there(place::write(&path, how, &bytes), &path)?;
        let at_us = self.now_us();
        self.versions.insert(file.to_owned(), version);
        self.phase.wrote.push(Wrote { file: file.to_owned(), version, how, at_us, mtime_ns });
        Ok(())
    }

    pub(super) fn remove(&mut self, file: &str) -> Step<()> {
        let path = self.path(file);
        self.there(fs::remove_file(&path), &path)?;
        self.phase.removed.push(Removed { file: file.to_owned(), at_us: self.now_us() });
        Ok(())
    }

    fn path(&self, file: &str) -> std::path::PathBuf {
        match file.strip_prefix("shared/") {
            Some(name) => self.place.shared.join(format!("{name}.txt")),
            None => self.place.own.join(format!("{file}.dat")),
        }
    }

    /// A failure says whether the folder is there at all.
    fn there<T>(&self, result: std::io::Result<T>, path: &Path) -> Step<T> {
        match result {
            Ok(value) => Ok(value),
            Err(_) if !self.place.is_there() => Err(Stopped::Lost),
            Err(error) => Err(Stopped::Failed(anyhow::Error::new(error).context(path.display().to_string()))),
        }
    }

    /// Ends a phase: says what it wrote, and waits until what the others wrote is here, or will hardly come any more.
    pub(super) fn settle(&mut self, phase: &str) -> Step<()> {
        let mut done = std::mem::take(&mut self.phase);
        done.stop = self.now_us() > self.fixed.end_us;
        let kind = format!("done-{phase}");
        self.say(&kind, &done)?;
        self.report.wrote.append(&mut done.wrote);
        self.report.removed.append(&mut done.removed);
        self.wait_for(&kind)?;
        let mut theirs = BTreeMap::new();
        for peer in self.watch.peers.keys() {
            theirs.insert(peer.clone(), self.said::<Done>(peer, &kind)?);
        }
        let late_us = self.plan.late_us();
        self.wait(Some(late_us), &|session| theirs.iter().all(|(peer, done)| session.has_all(peer, done)))?;
        self.is_over |= done.stop || theirs.values().any(|done| done.stop);
        self.report.phases.push(phase.to_owned());
        Ok(())
    }

    fn has_all(&self, peer: &str, done: &Done) -> bool {
        let own = |file: &str| !file.starts_with("shared/");
        let is_removed = |file: &str| done.removed.iter().any(|removed| removed.file == file);
        let mut wrote = done.wrote.iter().filter(|wrote| own(&wrote.file) && !is_removed(&wrote.file));
        wrote.all(|wrote| self.watch.has(peer, &wrote.file, wrote.version))
            && done.removed.iter().filter(|one| own(&one.file)).all(|one| self.watch.is_gone(peer, &one.file))
    }

    /// The time at which both write: the first of all says it, far enough ahead that all know it then.
    pub(super) fn agreed_us(&mut self, kind: &str) -> Step<i64> {
        if self.leads() {
            let at_us = self.now_us() + self.plan.typical_us * 3 + 1_000_000;
            self.say(kind, &At { at_us })?;
            return Ok(at_us);
        }
        let leader = self.all().remove(0);
        self.wait(None, &|session| session.watch.message(&leader, kind).is_some())?;
        let at: At = self.said(&leader, kind)?;
        Ok(self.here_us(&leader, at.at_us))
    }
}

/// The messages of a directory whose kinds begin so, by the rest of their kinds.
fn messages(dir: &Path, begin: &str) -> Vec<(String, Message)> {
    let names = fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    let message = |entry: fs::DirEntry| {
        let name = entry.file_name();
        let rest = wire::kind(name.to_str()?)?.strip_prefix(begin)?.to_owned();
        let path = entry.path();
        let own = path.clone();
        let bytes = crate::os::bounded::within(Duration::from_secs(5), &path, move || fs::read(own))?.ok()?;
        Some((rest, serde_json::from_slice(&bytes).ok()?))
    };
    names.filter_map(message).collect()
}

/// The first messages in a directory: of which run, and what they say.
fn hellos(dir: &Path) -> Vec<(String, Hello)> {
    let found = messages(dir, "hello-").into_iter();
    found.filter_map(|(_, message)| Some((message.probe.clone(), message.body()?))).collect()
}

/// Checks a name, which becomes a directory's.
pub(super) fn check_name(name: &str) -> anyhow::Result<()> {
    if !wire::is_plain(name) || name.len() > 24 || name == place::SHARED {
        bail!(
            "`{name}` is no name for a probe: give one of small letters, digits and `-`, at most 24, such as laptop"
        );
    }
    Ok(())
}
