//! One machine with its journals, as a protocol: appends on command, reads what arrives, knows what all say.
//!
//! # What it reads when
//! To append, a machine has to know who is who and how its own journals end, and no more: that is what it reads when it
//! starts and after its names have changed. It *looks* at what others wrote when it is told that a file may have changed
//! and when its timer is due, which it is as soon as it has started. The largest clock that it sees then is noted in the local directory before anything
//! else is written, so that whatever it appends after a restart still comes after what it had read.

use std::collections::VecDeque;

use super::address::{Aliases, Mention, Scope};
use super::append::{kept, published};
use super::claims::claim_of;
use super::clock::{Hybrid, followed_ms, latest};
use super::folder::{Folder, Held, machines};
use super::identity::{Identity, identity};
use super::init::init;
pub use super::interface::{Command, Joining, Manage, Settings, Told, Viewing, own_path};
use super::kept::{accept, is_kept, keep, lack, may_lack};
use super::layout::MACHINES;
use super::merge::merge;
use super::migrate;
use super::owner::{self, Settled};
use super::problem::Problem;
use super::refusal::{Refusal, migration_begun};
use super::seen::{note, seen};
use super::show::Shown;
use super::uphold::uphold;
use super::view::View;
use super::write::{Appended, Writer};
use super::{Checksums, Design, Ordering, Owning, Remembering};
use crate::kit::identity::Nonce;
use crate::kit::memo::Memo;
use crate::{Cx, Fs, FsError, Input, Mono, Never, Path, Protocol, Root};
use xxhash_rust::xxh3::xxh3_64;

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
    Appending {
        /// The number of the append's first op within its batch.
        first: u32,
        /// That it is acknowledged.
        told: Told,
    },
    /// It writes checksums, or notes a clock.
    Noting,
}

/// A machine with its journals.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Journal {
    /// The journals as they were at the last look; none of them where the view is kept beside it.
    folder: Folder,
    /// Who is who, without journals, as last found out.
    names: Folder,
    /// The clock that is noted in the local directory.
    seen: Hybrid,
    /// The clock that it had when an op failed last: what it has shown since its last note counts as well.
    heard: Hybrid,
    /// Whether it wrote something that it has not looked at yet.
    stale: bool,
    /// Whether it appended something since its checksums were brought up to date.
    appended: bool,
    /// Whether somebody said that a folder without its journals is the right one.
    accepted: bool,
    /// Whether a journal lacked what it had, and that is being put aside before anything else is shown.
    lacking: bool,
    /// Since when it may keep something of others' journals that no file of the folder has; `None` if it does not.
    untold: Option<Mono>,
    phase: Phase,
    queue: VecDeque<Command>,
    writer: Option<Writer>,
    next: Mono,
    /// What the last look found, if it need not be found again where nothing has changed.
    looked: Memo<Option<Looked>>,
}

/// What a look at journals found.
#[derive(Clone, Copy, Debug)]
struct Looked {
    /// The digests of the folder and of the local directory.
    digests: [u64; 2],
    /// The largest clock of all records, also if it is too far ahead to be followed.
    latest: Hybrid,
}

impl Looked {
    /// The digests of all that a look reads; `None` if they cannot be told without a look.
    fn digests(fs: &dyn Fs) -> Option<[u64; 2]> {
        Some([fs.digest(&Path::shared(""))?, fs.digest(&Path::local(""))?])
    }
}

impl Journal {
    /// The journals as they were when this machine last looked.
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
        self.queue.is_empty() && !self.stale && matches!(self.phase, Phase::Ready | Phase::Closed)
    }

    /// Whether this machine is the one, or one of those, that a mention is for; nothing while it does not know who
    /// it is. One that lost its id to another machine is meant only where everybody is.
    #[must_use]
    pub fn is_meant(&self, settings: &Settings, mention: &Mention) -> Option<bool> {
        let own = self.writer.as_ref()?.identity();
        let named = mention.is_for(&own.id, &self.names.aliases, settings.design.following);
        Some(named && (mention.scope == Scope::All || !self.has_lost(settings)))
    }

    /// Whether another machine has its id.
    fn has_lost(&self, settings: &Settings) -> bool {
        let own = self.writer.as_ref().map(Writer::identity);
        let claim = own.and_then(|own| Some((own, own.owner?)));
        claim.is_some_and(|(own, nonce)| {
            owner::winner_over(&settings.design, &self.names, own, nonce).is_some()
        })
    }

    /// Whether what it knew of its files when it opened them holds no longer: it has lost its id, its claim is gone, or
    /// somebody else wrote its journals.
    fn is_unsettled(&self, settings: &Settings, fs: &dyn Fs) -> bool {
        let Some(writer) = self.writer.as_ref().filter(|_| settings.design.owning == Owning::Claimed) else {
            return false;
        };
        let own = writer.identity();
        let claims = |nonce| self.names.owners.has(&own.id, claim_of(own, nonce));
        // A folder that is not here right now is no reason to claim anything in its place.
        let unclaimed = !own.owner.is_some_and(claims) && writer.is_here(fs);
        unclaimed || self.has_lost(settings) || writer.is_outdone(fs)
    }

    /// Who this machine is; None while it cannot append.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.writer.as_ref().map(Writer::identity)
    }

    /// The largest clock that it has seen and will remember.
    #[must_use]
    pub fn clock(&self) -> Hybrid {
        self.writer.as_ref().map(Writer::own_clock).unwrap_or_default().max(self.seen)
    }

    /// The names that machines had, as far as this one knows.
    #[must_use]
    pub fn aliases(&self) -> &Aliases {
        &self.names.aliases
    }

    /// Whether what it shows is what it found when it looked last, and nothing that it knows of has come since.
    #[must_use]
    pub fn has_looked(&self) -> bool {
        !self.stale
    }

    /// Whether it has an identity and files that can be appended to.
    #[must_use]
    pub fn can_write(&self) -> bool {
        self.writer.is_some()
    }

    /// Finds out who is who, without reading any journal.
    fn find(&mut self, settings: &Settings, cx: &Cx<'_, Self>) {
        *self.looked = None;
        self.names = Folder::find(cx.fs(), &settings.design, &mut |_, _| Err(FsError::NotFound));
    }

    /// Looks at what others wrote, notes the largest clock, and opens its own files anew where that is needed.
    fn look(&mut self, settings: &Settings, cx: &mut Cx<'_, Self>) {
        self.forget_ahead(cx);
        let digests = Looked::digests(cx.fs());
        let followed_ms = self.followed_ms(cx);
        let known = self.looked.filter(|looked| Some(looked.digests) == digests);
        let known = known.filter(|looked| looked.latest.ms <= followed_ms);
        let asked = cx.ops_asked();
        if self.phase == Phase::Closed
            && let Err(refusal) = self.remember(cx)
        {
            // Nothing is made of less than it knows.
            self.next = cx.now().mono.plus(settings.scan_ms);
            return self.refuse(refusal, cx);
        }
        if known.is_none() && self.keep(settings, cx) {
            return;
        }
        match (settings.viewing, known) {
            (Viewing::Within, Some(looked)) => _ = self.see(looked.latest, settings, cx),
            (Viewing::Within, None) => {
                let folder = Folder::read(cx.fs(), &settings.design);
                if folder.unread_here().is_some() {
                    return self.wait_for_kept(settings, cx);
                }
                self.folder = folder;
                self.names = Folder { files: Vec::new(), ..self.folder.clone() };
                let up_to = |ms: i64| {
                    self.folder.with_sources(&settings.design, |sources| {
                        let records = sources.iter().flat_map(|source| &source.file.records);
                        latest(records.map(|record| record.stamp), ms)
                    })
                };
                let all = up_to(i64::MAX);
                let seen = if all.ms <= followed_ms { all } else { up_to(followed_ms) };
                // What is kept of them is not there yet.
                let is_kept = cx.ops_asked() == asked;
                *self.looked = digests.filter(|_| is_kept).map(|digests| Looked { digests, latest: all });
                self.see(seen, settings, cx);
            }
            (Viewing::Beside, _) => {
                self.find(settings, cx);
                cx.event(Told::Looked);
            }
        }
        self.stale = false;
        self.next = cx.now().mono.plus(settings.scan_ms);
        match self.phase {
            Phase::Closed => self.start(settings, cx),
            Phase::Ready if self.is_unsettled(settings, cx.fs()) => self.start(settings, cx),
            Phase::Ready => self.uphold(known.is_some(), settings, cx),
            _ => {}
        }
    }

    /// Says again what it has kept for long of journals that lack it. Where files are as they were, only time may have passed.
    fn uphold(&mut self, are_as_they_were: bool, settings: &Settings, cx: &mut Cx<'_, Self>) {
        let Some(writer) =
            self.writer.as_ref().filter(|_| settings.design.remembering != Remembering::Nothing)
        else {
            return;
        };
        let (own, now) = (writer.identity().id.as_str(), cx.now().mono);
        if !are_as_they_were {
            let since = self.untold.unwrap_or(now);
            self.untold = may_lack(cx.fs(), own).then_some(since);
        }
        let is_due = self.untold.is_some_and(|since| now >= since.plus(settings.uphold_ms));
        if !is_due || lack(cx.fs()).is_some() || !writer.is_here(cx.fs()) {
            return;
        }
        let upheld = match settings.viewing {
            Viewing::Within => uphold(&self.folder, own),
            Viewing::Beside => {
                let folder = Folder::read(cx.fs(), &settings.design);
                if folder.unread_here().is_some() {
                    return;
                }
                uphold(&folder, own)
            }
        };
        upheld.what.into_iter().for_each(|what| cx.event(Told::Repaired(what)));
        upheld.ops.into_iter().for_each(|op| cx.op(op));
        self.untold = Some(now);
    }

    /// Keeps what the journals have now. Says whether one lacks what it had, so that the view has to wait: it would lack
    /// that too.
    fn keep(&mut self, settings: &Settings, cx: &mut Cx<'_, Self>) -> bool {
        if settings.design.remembering == Remembering::Nothing {
            return false;
        }
        let machines = machines(cx.fs(), &settings.design, &mut Vec::new()).unwrap_or_default();
        let (aliases, following) = (&self.names.aliases, settings.design.following);
        let is_of = |directory: &str, origin: &str| {
            aliases.resolve(directory, following) == aliases.resolve(origin, following)
        };
        let keeping = keep(cx.fs(), &machines, &is_of);
        keeping.ops.into_iter().for_each(|op| cx.op(op));
        self.lacking = keeping.lacks && settings.viewing == Viewing::Within;
        if self.lacking {
            self.expect_a_look(cx);
        }
        self.lacking
    }

    /// Goes on showing what it showed, since what it keeps itself cannot be read now.
    fn wait_for_kept(&mut self, settings: &Settings, cx: &mut Cx<'_, Self>) {
        (self.stale, self.next) = (true, cx.now().mono.plus(settings.scan_ms));
        if self.phase == Phase::Closed {
            self.start(settings, cx);
        }
    }

    /// Takes up the clock that it had noted.
    fn remember(&mut self, cx: &Cx<'_, Self>) -> Result<(), Refusal> {
        self.seen = self.seen.max(seen(cx.fs())?);
        self.forget_ahead(cx);
        Ok(())
    }

    /// Shows what it wrote itself, beside what it saw of the others when it last looked.
    fn read_own(&mut self, settings: &Settings, cx: &Cx<'_, Self>) {
        let Some(own) = self.writer.as_ref().map(Writer::identity) else { return };
        if settings.viewing == Viewing::Beside || self.stale {
            return;
        }
        *self.looked = None;
        let directory = Path::shared(MACHINES).join(&own.id);
        let (fs, before) = (cx.fs(), std::mem::take(&mut self.folder.files));
        let folder = Folder::find(fs, &settings.design, &mut |name, path| {
            // Where the folder is away, what it wrote is in its shadow.
            if path.below(&directory).is_some() || path.root() == Root::Local {
                return fs.read(path, 0);
            }
            let known = before.iter().find(|held| *held.name == *name);
            known.map(|held| held.content.clone()).ok_or(FsError::NotFound)
        });
        if folder.unread_here().is_some() {
            self.folder.files = before;
            return self.expect_a_look(cx);
        }
        self.folder = folder;
        // Of a journal as it was then, what was kept of it then still counts, whatever has come since.
        let is_there = |name: &str| self.folder.files.iter().any(|held| *held.name == *name);
        let kept: Vec<Held> =
            before.into_iter().filter(|held| is_kept(&held.name) && !is_there(&held.name)).collect();
        self.folder.files.extend(kept);
        self.folder.files.sort_by(|a, b| a.name.cmp(&b.name));
        // What others of its id wrote there may have come with it, and so may their claims.
        self.names = Folder { files: Vec::new(), ..self.folder.clone() };
    }

    /// The latest stamp that its clock follows now, in ms since 1970.
    fn followed_ms(&self, cx: &Cx<'_, Self>) -> i64 {
        let known = self.writer.as_ref().map(|writer| writer.identity().created_at);
        let since = known.or_else(|| identity(cx.fs()).ok().map(|own| own.created_at));
        followed_ms(cx.now().wall, since.unwrap_or(0))
    }

    /// Forgets clocks that are ahead of everything that may be followed.
    fn forget_ahead(&mut self, cx: &Cx<'_, Self>) {
        let followed_ms = self.followed_ms(cx);
        for clock in [&mut self.seen, &mut self.heard] {
            *clock = latest([*clock].into_iter(), followed_ms);
        }
        if let Some(writer) = &mut self.writer {
            writer.forget_ahead(cx.now().wall);
        }
    }

    /// Takes note of a clock, so that whatever it appends comes after it, also after a restart. Says whether there was
    /// anything to note.
    fn see(&mut self, clock: Hybrid, settings: &Settings, cx: &mut Cx<'_, Self>) -> bool {
        let odd = clock.ms > self.followed_ms(cx);
        if settings.design.order == Ordering::AsWritten || odd || clock <= self.clock() {
            return false;
        }
        self.seen = clock;
        cx.op(note(clock));
        if let Some(writer) = &mut self.writer {
            writer.see(clock);
        }
        true
    }

    /// Finds out who it is, or becomes somebody, and makes the own files whole.
    fn start(&mut self, settings: &Settings, cx: &mut Cx<'_, Self>) {
        let design = &settings.design;
        if settings.joining == Joining::OnlyLooking {
            return;
        }
        if let Err(refusal) = self.remember(cx) {
            return self.refuse(refusal, cx);
        }
        match migration_begun(cx.fs()) {
            Ok(None) => {}
            Ok(Some(_)) => {
                // A crash interrupted it, and nothing may be appended before it is done.
                (self.phase, self.writer) = (Phase::Closed, None);
                self.manage(&Manage::Migrate, settings, cx);
                return;
            }
            Err(refusal) => return self.refuse(refusal, cx),
        }
        match (identity(cx.fs()), &settings.joining) {
            (Err(Refusal::NoIdentity), Joining::Under(machine)) => {
                let drawn = drawn(design, cx);
                match init(cx.fs(), machine, cx.now(), drawn) {
                    Ok(ops) => {
                        ops.into_iter().for_each(|op| cx.op(op));
                        self.phase = Phase::Starting;
                    }
                    Err(refusal) => self.refuse(refusal, cx),
                }
            }
            (Err(refusal), _) => self.refuse(refusal, cx),
            (Ok(own), _) => self.settle(&own, settings, cx),
        }
    }

    /// Goes on as the machine that it is, or as another one where its id is somebody else's.
    fn settle(&mut self, own: &Identity, settings: &Settings, cx: &mut Cx<'_, Self>) {
        let design = &settings.design;
        let known = own.owner.filter(|_| !owner::is_restored(own, settings.place.as_ref()));
        let nonce = known.or_else(|| drawn(design, cx)).unwrap_or(Nonce(0));
        let claims = match owner::settle(cx.fs(), design, &self.names, own, nonce, settings.place.as_ref()) {
            Ok(Settled::Owned(ops)) => ops,
            Ok(Settled::Moves(leaving)) => {
                cx.event(Told::Moved(leaving.to_string()));
                leaving.ops.into_iter().for_each(|op| cx.op(op));
                (self.phase, self.writer) = (Phase::Managing, None);
                return;
            }
            Err(refusal) => return self.refuse(refusal, cx),
        };
        if !claims.is_empty() {
            // Nothing is appended before the claim is there, so that whoever has written there has one.
            claims.into_iter().for_each(|op| cx.op(op));
            (self.phase, self.writer) = (Phase::Managing, None);
            return;
        }
        let open = if self.accepted { Writer::open_anyway } else { Writer::open };
        match open(cx.fs(), design, self.seen, cx.now().wall) {
            Ok((writer, mut ops)) => {
                if std::mem::take(&mut self.accepted) {
                    ops.extend(accept(cx.fs()));
                }
                writer.repaired.iter().for_each(|what| cx.event(Told::Repaired(what.clone())));
                self.phase = if ops.is_empty() { Phase::Ready } else { Phase::Repairing };
                ops.into_iter().for_each(|op| cx.op(op));
                self.writer = Some(writer);
                self.see(self.heard, settings, cx);
                self.go_on(settings, cx);
            }
            Err(refusal) => self.refuse(refusal, cx),
        }
    }

    fn refuse(&mut self, refusal: Refusal, cx: &mut Cx<'_, Self>) {
        cx.event(Told::Refused(refusal));
        self.phase = Phase::Closed;
        self.writer = None;
    }

    /// Takes the next event of the queue, where nothing else is going on.
    fn go_on(&mut self, settings: &Settings, cx: &mut Cx<'_, Self>) {
        self.forget_ahead(cx);
        while self.phase == Phase::Ready
            && let Some(writer) = &mut self.writer
            && let Some(command) = self.queue.pop_front()
        {
            let event = match command {
                Command::Append(_)
                    if settings.design.owning == Owning::Claimed && writer.is_away(cx.fs()) == Ok(true) =>
                {
                    let absent = Refusal::Absent(writer.identity().id.clone());
                    return self.refuse(absent, cx);
                }
                Command::Append(event) => event.named(cx.rng()),
                Command::Manage(manage) => {
                    self.manage(&manage, settings, cx);
                    continue;
                }
            };
            let planned = match settings.design.checksums {
                Checksums::PerMachine => writer.append(&event, cx.now()).map(|(ops, appended)| {
                    let machine = writer.identity().id.clone();
                    let Appended { path, seq, line, .. } = appended;
                    (ops, Told::Acknowledged { machine, seq, line, path })
                }),
                Checksums::Shared => published(cx.fs(), &event, cx.now()),
            };
            match planned {
                Ok((ops, told)) => {
                    self.phase = Phase::Appending { first: cx.ops_asked(), told };
                    ops.into_iter().for_each(|op| cx.op(op));
                }
                Err(refusal) => cx.event(Told::Refused(refusal)),
            }
        }
    }

    fn manage(&mut self, manage: &Manage, settings: &Settings, cx: &mut Cx<'_, Self>) {
        let planned = match manage {
            // Its journals are here.
            Manage::Accept => return,
            Manage::Migrate => {
                let drawn = drawn(&settings.design, cx);
                let begun = migration_begun(cx.fs()).unwrap_or_default();
                let known = begun.or_else(|| identity(cx.fs()).ok().map(|own| own.id));
                let named = match &settings.joining {
                    Joining::Under(machine) => Some(machine.clone()),
                    Joining::AsKnown | Joining::OnlyLooking => known,
                };
                match named {
                    Some(machine) => migrate::migrate(cx.fs(), &machine, cx.now(), drawn),
                    None => Err(Refusal::NoIdentity),
                }
            }
            Manage::Rename { old, new } => migrate::rename(cx.fs(), &settings.design, old, new),
            &Manage::Saw { ms, count } => {
                if let Err(refusal) = self.remember(cx) {
                    return cx.event(Told::Refused(refusal));
                }
                if self.see(Hybrid { ms, count }, settings, cx) && self.phase == Phase::Ready {
                    self.phase = Phase::Noting;
                }
                return;
            }
            Manage::Seal => return self.seal(settings, cx),
        };
        match planned {
            Ok(ops) if ops.is_empty() => {}
            Ok(ops) => {
                ops.into_iter().for_each(|op| cx.op(op));
                self.phase = Phase::Managing;
            }
            Err(refusal) => cx.event(Told::Refused(refusal)),
        }
    }

    /// Brings the checksums of its journals up to date where that is due.
    fn seal(&mut self, settings: &Settings, cx: &mut Cx<'_, Self>) {
        self.appended = false;
        let writer = self.writer.as_mut().filter(|_| settings.design.checksums == Checksums::PerMachine);
        if let Some(op) = writer.and_then(|writer| writer.seal(cx.fs(), &settings.design, cx.now())) {
            cx.op(op);
            self.phase = Phase::Noting;
        }
    }

    fn applied(&mut self, settings: &Settings, cx: &mut Cx<'_, Self>) {
        match std::mem::replace(&mut self.phase, Phase::Ready) {
            // It has noted a clock.
            Phase::Closed => self.phase = Phase::Closed,
            Phase::Managing | Phase::Starting => {
                self.expect_a_look(cx);
                self.find(settings, cx);
                self.start(settings, cx);
            }
            Phase::Appending { told, .. } => {
                cx.event(told);
                self.appended = true;
                self.go_on_if_owner(settings, cx);
            }
            Phase::Repairing => self.go_on_if_owner(settings, cx),
            Phase::Ready | Phase::Noting => self.go_on(settings, cx),
        }
    }

    /// Goes on after it wrote its own files. What it reads then may say that its id is another's: nothing more is appended under
    /// that.
    fn go_on_if_owner(&mut self, settings: &Settings, cx: &mut Cx<'_, Self>) {
        self.read_own(settings, cx);
        if self.has_lost(settings) { self.start(settings, cx) } else { self.go_on(settings, cx) }
    }

    /// Takes a command: at once where nothing can keep it from that, in its turn otherwise.
    fn command(&mut self, command: Command, settings: &Settings, cx: &mut Cx<'_, Self>) {
        if self.phase == Phase::Closed {
            self.find(settings, cx);
            match &command {
                // What keeps it closed may be just what this changes, or be no reason against it.
                Command::Manage(manage @ (Manage::Migrate | Manage::Saw { .. })) => {
                    return self.manage(manage, settings, cx);
                }
                // To give another machine a name one needs none.
                Command::Manage(manage @ Manage::Rename { .. })
                    if identity(cx.fs()) == Err(Refusal::NoIdentity)
                        && settings.joining == Joining::AsKnown =>
                {
                    return self.manage(manage, settings, cx);
                }
                Command::Manage(Manage::Accept) => {
                    self.accepted = true;
                    return self.start(settings, cx);
                }
                Command::Append(_) | Command::Manage(_) => self.start(settings, cx),
            }
            // It was told why not; what was refused does not happen later.
            if self.phase == Phase::Closed {
                return;
            }
        }
        self.queue.push_back(command);
        self.go_on(settings, cx);
    }

    /// What it shows is older than what it wrote: it looks as soon as it may.
    fn expect_a_look(&mut self, cx: &Cx<'_, Self>) {
        (self.stale, self.next) = (true, cx.now().mono);
    }
}

/// A nonce, where the design wants one.
fn drawn(design: &Design, cx: &mut Cx<'_, Journal>) -> Option<Nonce> {
    (design.owning == Owning::Claimed).then(|| Nonce::draw(cx.rng()))
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
            names: Folder::default(),
            // Read before anything is made of it.
            seen: Hybrid::default(),
            heard: Hybrid::default(),
            stale: true,
            appended: false,
            accepted: false,
            lacking: false,
            untold: None,
            phase: Phase::Closed,
            queue: VecDeque::new(),
            writer: None,
            next: cx.now().mono,
            looked: Memo(None),
        };
        journal.find(settings, cx);
        journal.start(settings, cx);
        journal
    }

    fn step(&mut self, settings: &Settings, input: Input<Self>, cx: &mut Cx<'_, Self>) {
        match input {
            Input::Applied => self.applied(settings, cx),
            Input::Failed { op, .. } => {
                // What is on disk now is found out by opening the files anew.
                if let Phase::Appending { first, told } = std::mem::replace(&mut self.phase, Phase::Closed) {
                    cx.event(kept(settings, op.saturating_sub(first), told, cx.fs()));
                }
                self.heard = self.heard.max(self.clock());
                self.writer = None;
                self.seen = Hybrid::default();
                self.find(settings, cx);
                if std::mem::take(&mut self.lacking) {
                    self.next = cx.now().mono.plus(settings.scan_ms);
                }
            }
            Input::Changed => self.look(settings, cx),
            Input::Timer => {
                self.look(settings, cx);
                // Checksums are not needed soon, and cost more than an append.
                if self.phase == Phase::Ready && self.appended {
                    self.seal(settings, cx);
                }
            }
            Input::Command(command) => self.command(command, settings, cx),
            Input::Reply(never) => match never {},
        }
    }

    fn wake_at(&self) -> Option<Mono> {
        Some(self.next)
    }
}
