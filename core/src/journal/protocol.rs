//! One machine with its journals, as a protocol: appends on command, reads what arrives, knows what all say.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::address::{Aliases, Mention, Scope};
use super::claims::Claim;
use super::clock::Hybrid;
use super::event::Event;
use super::folder::Folder;
use super::identity::{Identity, Nonce, identity};
use super::init::init;
use super::layout::{checksums_path, identity_path, journal_path, migration_begun};
use super::merge::merge;
use super::migrate;
use super::owner::{self, Settled};
use super::problem::Problem;
use super::refusal::Refusal;
use super::seal::Seal;
use super::show::Shown;
use super::view::View;
use super::write::Writer;
use super::{Checksums, Design, Owning};
use crate::{Content, Cx, Fs, FsOp, Input, Mono, Never, Path, Protocol};
use xxhash_rust::xxh3::xxh3_64;

/// What does not change while a machine runs.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Settings {
    /// How it reads, merges and writes.
    pub design: Design,
    /// The id it takes when it starts for the first time.
    pub machine: String,
    /// How often it looks at the folder without being told, in milliseconds.
    pub scan_ms: u64,
}

/// What a person asks of a machine. In a scenario a line of JSON is an event; anything else is a word or a table.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Command {
    /// To append an event.
    Append(Event),
    /// To change who is who.
    Manage(Manage),
}

/// What a person asks of a machine beside events.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Manage {
    /// To move the files of the layout before machines to its own directory.
    Migrate,
    /// To give a machine another name.
    Rename {
        /// The name it has.
        old: String,
        /// The name it gets.
        new: String,
    },
}

impl From<Event> for Command {
    fn from(event: Event) -> Self {
        Self::Append(event)
    }
}

/// What a machine tells.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Told {
    /// An event is on this machine's disk: from now on it may not be lost.
    Acknowledged {
        /// Its machine.
        machine: String,
        /// Its number.
        seq: i64,
        /// Its line, without the newline.
        line: String,
    },
    /// An op failed; the event may or may not be there.
    Failed,
    /// The machine cannot write, or not this.
    Refused(String),
    /// What a crash had left was repaired.
    Repaired(String),
    /// Its id is another machine's, and it goes on under another one: what happened, in words.
    Moved(String),
}

/// What the machine is doing.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Phase {
    /// It cannot write, and tries again when something changes.
    Closed,
    /// Its identity is being written.
    Starting,
    /// Names or places change: it opens its files anew afterwards.
    Managing,
    /// Its files are being made whole.
    Repairing,
    /// It can append.
    Ready,
    /// It appends: what is told once all is on disk.
    Appending(Told),
    /// It writes checksums.
    Sealing,
}

/// A machine with its journals.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Journal {
    folder: Folder,
    phase: Phase,
    queue: VecDeque<Command>,
    writer: Option<Writer>,
    next: Mono,
}

impl Journal {
    /// The journals as this machine last found them.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// What all journals say together, in the opinion of this machine.
    #[must_use]
    pub fn view(&self, settings: &Settings) -> View {
        self.folder.view(&settings.design)
    }

    /// The view as JSON.
    #[must_use]
    pub fn json(&self, settings: &Settings) -> serde_json::Value {
        let design = &settings.design;
        self.folder.with_sources(design, |sources| {
            let view = merge(design, sources);
            Shown { design, sources, view: &view }.json()
        })
    }

    /// A number that equal views share, whatever files they were made of.
    #[must_use]
    pub fn view_digest(&self, settings: &Settings) -> u64 {
        xxh3_64(self.json(settings).to_string().as_bytes())
    }

    /// What is wrong with the files, in the opinion of this machine.
    #[must_use]
    pub fn problems(&self, settings: &Settings) -> Vec<Problem> {
        self.view(settings).problems
    }

    /// Whether nothing waits to be written.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && matches!(self.phase, Phase::Ready | Phase::Closed)
    }

    /// Whether this machine is the one, or one of those, that a mention is for; nothing while it does not know who
    /// it is. One that lost its id to another machine is meant only where everybody is.
    #[must_use]
    pub fn is_meant(&self, settings: &Settings, mention: &Mention) -> Option<bool> {
        let own = self.writer.as_ref()?.identity();
        let named = mention.is_for(&own.id, &self.folder.aliases, settings.design.following);
        Some(named && (mention.scope == Scope::All || !self.has_lost(settings)))
    }

    /// Whether another machine has its id.
    fn has_lost(&self, settings: &Settings) -> bool {
        let own = self.writer.as_ref().map(Writer::identity);
        let claim = own.and_then(|own| Some((own, own.owner?)));
        claim.is_some_and(|(own, nonce)| {
            owner::winner_over(&settings.design, &self.folder, own, nonce).is_some()
        })
    }

    /// Whether what it knew of its files when it opened them holds no longer: it has lost its id, its claim is gone, or
    /// somebody else wrote its journals.
    fn is_unsettled(&self, settings: &Settings) -> bool {
        let Some(writer) = self.writer.as_ref().filter(|_| settings.design.owning == Owning::Claimed) else {
            return false;
        };
        let own = writer.identity();
        // A folder that is not here right now is no reason to claim anything in its place.
        let here = self.folder.files.iter().any(|held| *held.directory == *own.id);
        let claims = |nonce| self.folder.owners.has(&own.id, Claim::of(own, nonce));
        let unclaimed = here && !own.owner.is_some_and(claims);
        unclaimed || self.has_lost(settings) || writer.is_outdone(&self.folder)
    }

    /// The names that machines had, as far as this one knows.
    #[must_use]
    pub fn aliases(&self) -> &Aliases {
        &self.folder.aliases
    }

    /// Whether it has an identity and files that can be appended to.
    #[must_use]
    pub fn can_write(&self) -> bool {
        self.writer.is_some()
    }

    fn look(&mut self, settings: &Settings, cx: &mut Cx<'_, Self>) {
        self.folder = Folder::read(cx.fs(), &settings.design);
        let clock = self.clock(settings);
        if let Some(writer) = &mut self.writer {
            writer.see(clock);
        }
        self.next = cx.now().mono.plus(settings.scan_ms);
    }

    /// The largest clock among all records.
    fn clock(&self, settings: &Settings) -> Hybrid {
        self.folder.with_sources(&settings.design, |sources| {
            let records = sources.iter().flat_map(|source| &source.file.records);
            records.map(|record| record.stamp).max().unwrap_or_default()
        })
    }

    /// Finds out who it is, or becomes somebody, and makes the own files whole.
    fn start(&mut self, settings: &Settings, cx: &mut Cx<'_, Self>) {
        let design = &settings.design;
        if migration_begun(cx.fs()).is_some() {
            // A crash interrupted it, and nothing may be appended before it is done.
            (self.phase, self.writer) = (Phase::Closed, None);
            self.manage(&Manage::Migrate, settings, cx);
            return;
        }
        match identity(cx.fs()) {
            Err(Refusal::NoIdentity) => {
                let drawn = drawn(design, cx);
                match init(cx.fs(), &settings.machine, cx.now(), drawn) {
                    Ok(ops) => {
                        ops.into_iter().for_each(|op| cx.op(op));
                        self.phase = Phase::Starting;
                    }
                    Err(refusal) => self.refuse(&refusal, cx),
                }
            }
            Err(refusal) => self.refuse(&refusal, cx),
            Ok(own) => self.settle(&own, settings, cx),
        }
    }

    /// Goes on as the machine that it is, or as another one where its id is somebody else's.
    fn settle(&mut self, own: &Identity, settings: &Settings, cx: &mut Cx<'_, Self>) {
        let design = &settings.design;
        let nonce = own.owner.or_else(|| drawn(design, cx)).unwrap_or(Nonce(0));
        let claims = match owner::settle(cx.fs(), design, &self.folder, own, nonce) {
            Ok(Settled::Owned(ops)) => ops,
            Ok(Settled::Moves(leaving)) => {
                cx.event(Told::Moved(leaving.to_string()));
                leaving.ops.into_iter().for_each(|op| cx.op(op));
                (self.phase, self.writer) = (Phase::Managing, None);
                return;
            }
            Err(refusal) => return self.refuse(&refusal, cx),
        };
        if !claims.is_empty() {
            // Nothing is appended before the claim is there, so that whoever has written there has one.
            claims.into_iter().for_each(|op| cx.op(op));
            (self.phase, self.writer) = (Phase::Managing, None);
            return;
        }
        match Writer::open(cx.fs(), design, self.clock(settings)) {
            Ok((writer, ops)) => {
                writer.repaired.iter().for_each(|what| cx.event(Told::Repaired(what.clone())));
                self.phase = if ops.is_empty() { Phase::Ready } else { Phase::Repairing };
                ops.into_iter().for_each(|op| cx.op(op));
                self.writer = Some(writer);
                self.go_on(settings, cx);
            }
            Err(refusal) => self.refuse(&refusal, cx),
        }
    }

    fn refuse(&mut self, refusal: &Refusal, cx: &mut Cx<'_, Self>) {
        cx.event(Told::Refused(refusal.to_string()));
        self.phase = Phase::Closed;
        self.writer = None;
    }

    /// Takes the next event of the queue, where nothing else is going on.
    fn go_on(&mut self, settings: &Settings, cx: &mut Cx<'_, Self>) {
        while self.phase == Phase::Ready
            && let Some(writer) = &mut self.writer
            && let Some(command) = self.queue.pop_front()
        {
            let event = match command {
                Command::Append(event) => event.named(cx.rng()),
                Command::Manage(manage) => {
                    self.manage(&manage, settings, cx);
                    continue;
                }
            };
            let planned = match settings.design.checksums {
                Checksums::PerMachine => writer.append(&event, cx.now()).map(|(ops, appended)| {
                    let machine = writer.identity().id.clone();
                    (ops, Told::Acknowledged { machine, seq: appended.seq, line: appended.line })
                }),
                Checksums::Shared => published(cx.fs(), &event, cx.now()),
            };
            match planned {
                Ok((ops, told)) => {
                    ops.into_iter().for_each(|op| cx.op(op));
                    self.phase = Phase::Appending(told);
                }
                Err(refusal) => cx.event(Told::Refused(refusal.to_string())),
            }
        }
    }

    fn manage(&mut self, manage: &Manage, settings: &Settings, cx: &mut Cx<'_, Self>) {
        let planned = match manage {
            Manage::Migrate => {
                let drawn = drawn(&settings.design, cx);
                migrate::migrate(cx.fs(), &settings.machine, cx.now(), drawn)
            }
            Manage::Rename { old, new } => migrate::rename(cx.fs(), &settings.design, old, new),
        };
        match planned {
            Ok(ops) if ops.is_empty() => {}
            Ok(ops) => {
                ops.into_iter().for_each(|op| cx.op(op));
                self.phase = Phase::Managing;
            }
            Err(refusal) => cx.event(Told::Refused(refusal.to_string())),
        }
    }

    fn applied(&mut self, settings: &Settings, cx: &mut Cx<'_, Self>) {
        self.look(settings, cx);
        match std::mem::replace(&mut self.phase, Phase::Ready) {
            Phase::Managing | Phase::Starting | Phase::Closed => {
                self.start(settings, cx);
                return;
            }
            Phase::Appending(told) => {
                cx.event(told);
                if self.is_unsettled(settings) {
                    self.start(settings, cx);
                    return;
                }
                let writer =
                    self.writer.as_mut().filter(|_| settings.design.checksums == Checksums::PerMachine);
                if let Some(op) = writer.and_then(|writer| writer.seal(cx.fs(), &settings.design, cx.now())) {
                    cx.op(op);
                    self.phase = Phase::Sealing;
                }
            }
            Phase::Repairing | Phase::Ready | Phase::Sealing => {
                if self.is_unsettled(settings) {
                    self.start(settings, cx);
                    return;
                }
            }
        }
        self.go_on(settings, cx);
    }
}

/// A nonce, where the design wants one.
fn drawn(design: &Design, cx: &mut Cx<'_, Journal>) -> Option<Nonce> {
    (design.owning == Owning::Claimed).then(|| Nonce::draw(cx.rng()))
}

/// The ops of one append as upstream does it: the number first, truncated and written in place; then the line,
/// without a look at the end of the file; then everybody's checksums.
fn published(fs: &dyn Fs, event: &Event, now: crate::Now) -> Result<(Vec<FsOp>, Told), Refusal> {
    let Identity { id, seq, created_at, owner } = identity(fs)?;
    let log = event.log().ok_or_else(|| Refusal::Event("the event is of no shared kind".to_owned()))?;
    let next = Identity { id: id.clone(), seq: seq + 1, created_at, owner };
    let text = serde_json::to_string(&next).expect("plain fields");
    let line = event.clone().dated(now).published(&id, next.seq).line();
    let path = journal_path(&id, log);
    let before = fs.read(&path, 0).map(|content| content.bytes().to_vec()).unwrap_or_default();
    let after = [&before, line.as_bytes(), b"\n"].concat();
    let checksums = checksums_path(&Design::PUBLISHED, &id);
    let known = fs.read(&checksums, 0).ok();
    let mut all: serde_json::Map<String, serde_json::Value> =
        known.and_then(|content| serde_json::from_slice(content.bytes()).ok()).unwrap_or_default();
    let own = all.entry(id.as_str()).or_insert_with(|| serde_json::json!({}));
    if let Some(own) = own.as_object_mut() {
        let seal = Seal::of(&after, now.wall.0);
        let seal = serde_json::json!({ "sha256": seal.sha256, "lines": seal.lines, "mtime": seal.mtime });
        own.insert(log.file_name().to_owned(), seal);
    }
    let checksums_text = serde_json::to_string_pretty(&all).expect("it was JSON");
    let ops = vec![
        FsOp::Overwrite { path: identity_path(), content: Content::from(format!("{text}\n")) },
        FsOp::Flush { path: identity_path() },
        FsOp::Append { path: path.clone(), bytes: Content::from(format!("{line}\n")) },
        FsOp::Flush { path },
        FsOp::Overwrite { path: checksums, content: Content::from(format!("{checksums_text}\n")) },
    ];
    Ok((ops, Told::Acknowledged { machine: id, seq: next.seq, line }))
}

impl Protocol for Journal {
    type Config = Settings;
    type Command = Command;
    type Event = Told;
    type Call = Never;
    type Reply = Never;

    fn open(settings: &Settings, cx: &mut Cx<'_, Self>) -> Self {
        let mut journal = Self {
            folder: Folder::default(),
            phase: Phase::Closed,
            queue: VecDeque::new(),
            writer: None,
            next: cx.now().mono,
        };
        journal.look(settings, cx);
        journal.start(settings, cx);
        journal
    }

    fn step(&mut self, settings: &Settings, input: Input<Self>, cx: &mut Cx<'_, Self>) {
        match input {
            Input::Applied => self.applied(settings, cx),
            Input::Failed { .. } => {
                // What is on disk now is found out by opening the files anew.
                if matches!(self.phase, Phase::Appending(_)) {
                    cx.event(Told::Failed);
                }
                self.phase = Phase::Closed;
                self.writer = None;
                self.look(settings, cx);
            }
            Input::Changed | Input::Timer => {
                self.look(settings, cx);
                let waits = self.phase == Phase::Ready && self.is_unsettled(settings);
                if self.phase == Phase::Closed || waits {
                    self.start(settings, cx);
                }
            }
            Input::Command(command) => {
                if self.phase == Phase::Closed {
                    self.look(settings, cx);
                    if command == Command::Manage(Manage::Migrate) {
                        // What keeps it closed may be just what this changes.
                        self.manage(&Manage::Migrate, settings, cx);
                        return;
                    }
                    self.start(settings, cx);
                }
                self.queue.push_back(command);
                self.go_on(settings, cx);
            }
            Input::Reply(never) => match never {},
        }
    }

    fn wake_at(&self) -> Option<Mono> {
        Some(self.next)
    }
}

/// Where a machine's own journals lie, for whoever looks at its files.
#[must_use]
pub fn own_path(settings: &Settings, log: super::schema::Log) -> Path {
    journal_path(&settings.machine, log)
}
