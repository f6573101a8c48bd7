//! One replica, as a protocol: takes changes, syncs when asked or when it is time, and knows what all say.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{Hash as _, Hasher};
use std::sync::Arc;

use super::entity::{Conflict, Entity, Fields, Key, RESERVED, Shown};
use super::event::{Change, Command, Event};
use super::identity;
use super::import::{self, Imported};
use super::look::Away;
use super::problem::Problem;
use super::published::{Item, Local, Next};
use super::store::{Idle, Lines, Own, Record, Store, Update};
use super::sync::{self, Plan};
use super::vector::{Dot, ReplicaId};
use super::{Config, Merging};
use crate::kit::hlc::{Clock, Hybrid};
use crate::kit::memo::Memo;
use crate::kit::watermark::Watermarks;
use crate::{Cx, FsError, Input, Mono, Never, Path, Protocol};

/// The longest kind and the longest id, in bytes.
pub const NAME_MAX: usize = 1_000;

/// What the replica is doing.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Phase {
    /// Its store cannot be read now; it tries again when something is asked.
    Closed,
    /// It can take a command.
    Ready,
    /// Ops are on their way: what becomes of the store once they are applied, and what is told then.
    Writing(Vec<(Update, u64)>, Vec<Event>),
}

/// How a sync is done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum How {
    /// As it is with any folder that is here.
    Usual,
    /// With the folder as it is.
    Accepting,
    /// Only planned.
    Dry,
}

/// A replica.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Delta {
    store: Store,
    /// What the store's log held when it was last read.
    lines: Memo<Lines>,
    /// In the published design: everything.
    local: Option<Local>,
    phase: Phase,
    queue: VecDeque<Command>,
    problems: Vec<Problem>,
    next: Option<Mono>,
}

impl Delta {
    /// Who it is; `None` before its first start is on disk.
    #[must_use]
    pub fn id(&self) -> Option<&ReplicaId> {
        self.store.own.id.as_ref()
    }

    /// An entity, deleted or not; `None` if nothing is known of it.
    #[must_use]
    pub fn get(&self, kind: &str, id: &str) -> Option<Shown> {
        let key = Key::new(kind, id);
        if let Some(local) = &self.local {
            return local.get(&key);
        }
        self.store.records.get(&key).map(|record| record.entity.shown(&key))
    }

    /// Every entity that is not deleted, by kind and id.
    pub fn entities(&self) -> impl Iterator<Item = Shown> + '_ {
        self.all().filter(|shown| !shown.deleted)
    }

    /// Every entity that is known, deleted ones too, by kind and id.
    pub fn all(&self) -> impl Iterator<Item = Shown> + '_ {
        let joined = self.store.records.iter().map(|(key, record)| record.entity.shown(key));
        self.local.iter().flat_map(Local::all).chain(joined)
    }

    /// What was written and does not count.
    pub fn conflicts(&self) -> impl Iterator<Item = Conflict> + '_ {
        let joined = self.store.records.iter().flat_map(|(key, record)| record.entity.conflicts(key));
        self.local.iter().flat_map(Local::conflicts).chain(joined)
    }

    /// All that is known of an entity, for checkers; `None` if nothing is.
    #[must_use]
    pub fn entity(&self, key: &Key) -> Option<&Entity> {
        self.store.records.get(key).map(|record| &record.entity)
    }

    /// All that is known of every entity, for checkers; none in the published design, which knows only what it shows.
    pub fn joined(&self) -> impl Iterator<Item = (&Key, &Entity)> {
        self.store.records.iter().map(|(key, record)| (key, &record.entity))
    }

    /// The writes and deletions that are known, with their stamps, for checkers.
    pub fn stamps(&self) -> impl Iterator<Item = (&Dot, Hybrid)> {
        self.store.records.values().flat_map(|record| {
            let writes = record.entity.writes.iter().map(|(dot, write)| (dot, write.at));
            writes.chain(record.entity.deaths.values().map(|death| (&death.dot, death.at)))
        })
    }

    /// Hashes all that is known of entities, for checkers that look only where there is something new.
    pub fn hash_known<H: Hasher>(&self, state: &mut H) {
        (&self.store.records, &self.store.own.graves).hash(state);
        self.local.iter().for_each(|local| local.hash_known(state));
    }

    /// Lives whose end every replica has seen, as far as this one knows, for checkers.
    #[must_use]
    pub fn graves(&self) -> &Watermarks<ReplicaId> {
        &self.store.own.graves
    }

    /// Entities with changes of one's own that no sync has published yet.
    pub fn dirty(&self) -> impl Iterator<Item = &Key> + '_ {
        let id = self.store.own.id.clone();
        let is_dirty = move |record: &Record| {
            id.as_ref().is_some_and(|id| record.entity.seen.get(&id.0) > record.published.count)
        };
        let joined =
            self.store.records.iter().filter(move |(_, record)| is_dirty(record)).map(|(key, _)| key);
        self.local.iter().flat_map(Local::dirty).chain(joined)
    }

    /// What the last sync found to be wrong with files.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The latest stamp that this replica made or follows.
    #[must_use]
    pub fn clock(&self) -> Hybrid {
        self.store.own.clock
    }

    /// Whether nothing waits to be written.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && !matches!(self.phase, Phase::Writing(..))
    }

    fn start(&mut self, config: &Config, cx: &mut Cx<'_, Self>) {
        if config.design.merging == Merging::AgainstBase {
            self.start_published(cx);
            return;
        }
        match Store::read_again(cx.fs(), &mut self.lines) {
            Ok(store) => {
                self.store = store;
                self.phase = Phase::Ready;
            }
            Err(error) => {
                self.phase = Phase::Closed;
                cx.event(Event::Refused(format!(
                    "{}: {error}: make it readable, then try again",
                    super::layout::store_path()
                )));
                return;
            }
        }
        if self.store.own.id.is_none() {
            let fs = cx.fs();
            let id = identity::fresh(fs, &config.replica, &[], cx.rng());
            let own = Own { id: Some(id), name: config.replica.clone(), ..self.store.own.clone() };
            self.save(vec![Update { own, ..Update::default() }], Vec::new(), cx);
        }
    }

    /// Writes changes of the store, one after the other.
    fn save(&mut self, updates: Vec<Update>, events: Vec<Event>, cx: &mut Cx<'_, Self>) {
        let mut store = self.store.clone();
        let mut made = Vec::new();
        for update in updates {
            let ops = store.save(&update);
            let len = store.len_after(&ops);
            ops.into_iter().for_each(|op| cx.op(op));
            store.make(&update, len);
            made.push((update, len));
        }
        self.phase = Phase::Writing(made, events);
    }

    fn go_on(&mut self, config: &Config, cx: &mut Cx<'_, Self>) {
        while self.phase == Phase::Ready
            && let Some(command) = self.queue.pop_front()
        {
            if self.local.is_some() {
                self.take_published(config, command, cx);
                continue;
            }
            match command {
                Command::Change(changes) => self.change(config, &changes, cx),
                Command::Restore(id) => self.decide(config, &id, true, cx),
                Command::Dismiss(id) => self.decide(config, &id, false, cx),
                Command::Import => match cx.fs().list(&Path::shared("")) {
                    Ok(_) => {
                        let (found, problems) = import::folder(cx.fs());
                        self.import(config, &found, problems, cx);
                    }
                    Err(why) => cx.event(Event::Refused(sync::told(&Away::Folder(why)))),
                },
                Command::ImportState(text) => match import::state(text.as_bytes()) {
                    Ok(found) => self.import(config, &found, Vec::new(), cx),
                    Err(why) => {
                        cx.event(Event::Refused(format!("this is no state of an application: {why}")))
                    }
                },
                Command::Sync => self.sync(config, How::Usual, cx),
                Command::DryRun => self.sync(config, How::Dry, cx),
                Command::Accept => self.sync(config, How::Accepting, cx),
            }
        }
    }

    /// The next write of one's own, and its stamp.
    fn tick(own: &mut Own, config: &Config, cx: &Cx<'_, Self>) -> Option<(Dot, Hybrid)> {
        let replica = own.id.clone()?;
        let mut clock = Clock::after(own.clock, config.ahead_ms_max);
        let at = clock.tick(cx.now().wall);
        own.clock = clock.last();
        own.head += 1;
        Some((Dot { replica, count: own.head }, at))
    }

    fn change(&mut self, config: &Config, changes: &[Change], cx: &mut Cx<'_, Self>) {
        if let Some(why) = changes.iter().find_map(refusal) {
            cx.event(Event::Refused(why));
            return;
        }
        let mut own = self.store.own.clone();
        let mut records: BTreeMap<Key, Record> = BTreeMap::new();
        let mut events = Vec::new();
        for change in changes {
            let key = change.key();
            let before = own.clone();
            let Some((dot, at)) = Self::tick(&mut own, config, cx) else { return };
            let record = records.entry(key.clone()).or_insert_with(|| {
                self.store.records.get(key).map(|record| Record::clone(record)).unwrap_or_default()
            });
            let is_new = match change {
                Change::Put { set, unset, .. } => record.entity.put(&dot, at, &set.0, unset),
                Change::Delete { .. } => record.entity.delete(&dot, at),
            };
            if is_new {
                events.push(Event::Acknowledged { key: key.clone(), dot: Some(dot) });
            } else {
                own = before;
                events.push(Event::Unchanged(key.clone()));
            }
        }
        // What a failed op has left there may not have been flushed: then the log is written anew before that is said.
        if own == self.store.own && !self.store.log_torn {
            events.into_iter().for_each(|event| cx.event(event));
            return;
        }
        records.retain(|_, record| !record.entity.births.is_empty());
        let records = records.into_iter().map(|(key, record)| (key, Some(Arc::new(record)))).collect();
        self.save(vec![Update { own, records, base: None }], events, cx);
    }

    /// Takes over what others left.
    fn import(&mut self, config: &Config, found: &[Imported], problems: Vec<Problem>, cx: &mut Cx<'_, Self>) {
        let mut own = self.store.own.clone();
        let mut records: BTreeMap<Key, Record> = BTreeMap::new();
        let mut new = 0;
        for imported in found {
            let before = own.clone();
            let Some((dot, _)) = Self::tick(&mut own, config, cx) else { return };
            let known = records.get(&imported.key).cloned();
            let known =
                known.or_else(|| self.store.records.get(&imported.key).map(|record| Record::clone(record)));
            let mut record = known.unwrap_or_default();
            if record.entity.import(&dot, imported) {
                records.insert(imported.key.clone(), record);
                new += 1;
            } else {
                own = before;
            }
        }
        let told = Event::Imported { found: found.len() as u64, new, problems };
        if new == 0 {
            cx.event(told);
            return;
        }
        let records = records.into_iter().map(|(key, record)| (key, Some(Arc::new(record)))).collect();
        self.save(vec![Update { own, records, base: None }], vec![told], cx);
    }

    /// Restores or dismisses a conflict.
    fn decide(&mut self, config: &Config, id: &str, wanted: bool, cx: &mut Cx<'_, Self>) {
        let Some(conflict) = self.conflicts().find(|conflict| conflict.id() == id) else {
            cx.event(Event::Refused(format!(
                "there is no conflict `{id}`: delta conflicts lists those that there are"
            )));
            return;
        };
        let mut own = self.store.own.clone();
        let Some((dot, at)) = Self::tick(&mut own, config, cx) else { return };
        let mut record = Record::clone(&self.store.records[&conflict.key]);
        let settled = match wanted {
            true => record.entity.restore(&conflict, &dot, at),
            false => record.entity.dismiss(&conflict, &dot, at),
        };
        // They are named right away: the life may be buried before anybody has heard of this.
        for dot in settled {
            own.graves.add(&dot.replica, dot.count..=dot.count);
        }
        let key = conflict.key;
        let events = vec![Event::Acknowledged { key: key.clone(), dot: Some(dot) }];
        let records = [(key, Some(Arc::new(record)))].into();
        self.save(vec![Update { own, records, base: None }], events, cx);
    }

    fn sync(&mut self, config: &Config, how: How, cx: &mut Cx<'_, Self>) {
        let (fs, now) = (cx.fs(), cx.now());
        let digest = fs.digest(&Path::shared("")).filter(|_| how == How::Usual);
        if let Some(idle) = &*self.store.idle
            && digest == Some(idle.digest)
            && now.wall < idle.until
        {
            self.problems.clone_from(&idle.report.problems);
            cx.event(Event::Synced(idle.report.clone()));
            return;
        }
        let planned = sync::plan(&self.store, config, fs, now, how == How::Accepting, cx.rng());
        let Plan { first, shared, last, removed, report, events, same_until } = match planned {
            Ok(plan) => plan,
            Err(why) => {
                cx.event(Event::Refused(why));
                return;
            }
        };
        self.problems.clone_from(&report.problems);
        if how == How::Dry {
            cx.event(Event::DryRun { report, events });
            return;
        }
        let mut store = self.store.clone();
        let mut made = Vec::new();
        let mut save = |update: Update, store: &mut Store, cx: &mut Cx<'_, Self>| {
            if update.says_nothing(store) {
                return;
            }
            let ops = store.save(&update);
            let len = store.len_after(&ops);
            ops.into_iter().for_each(|op| cx.op(op));
            store.make(&update, len);
            made.push((update, len));
        };
        let writes_nothing = shared.is_empty() && removed.is_empty() && events.is_empty();
        save(first, &mut store, cx);
        shared.into_iter().for_each(|op| cx.op(op));
        save(last, &mut store, cx);
        removed.into_iter().for_each(|op| cx.op(op));
        let told = events.into_iter().chain([Event::Synced(report.clone())]);
        if made.is_empty() {
            if let (Some(digest), Some(until), true) = (digest, same_until, writes_nothing) {
                *self.store.idle = Some(Idle { digest, until, report });
            }
            told.for_each(|event| cx.event(event));
        } else {
            self.phase = Phase::Writing(made, told.collect());
        }
    }

    fn schedule(&mut self, config: &Config, cx: &Cx<'_, Self>) {
        self.next = config.sync_ms.map(|ms| cx.now().mono.plus(ms));
    }
}

/// Why a change cannot be made; `None` if it can.
fn refusal(change: &Change) -> Option<String> {
    let key = change.key();
    for (what, name) in [("kind", &key.kind), ("id", &key.id)] {
        if name.is_empty() || name.len() > NAME_MAX {
            return Some(format!("`{name}` is no {what}: it has 1 to {NAME_MAX} bytes"));
        }
    }
    let Change::Put { set, unset, .. } = change else { return None };
    let mut names = set.0.keys().chain(unset).collect::<BTreeSet<_>>().into_iter();
    let name = names.find(|name| RESERVED.contains(&&***name))?;
    Some(format!("{key}: the folder itself keeps `{name}`: give the field another name"))
}

impl Protocol for Delta {
    type Config = Config;
    type Command = Command;
    type Event = Event;
    type Call = Never;
    type Reply = Never;

    fn open(config: &Config, cx: &mut Cx<'_, Self>) -> Self {
        let mut delta = Self {
            store: Store::default(),
            lines: Memo::default(),
            phase: Phase::Closed,
            queue: VecDeque::new(),
            problems: Vec::new(),
            next: None,
            local: None,
        };
        delta.schedule(config, cx);
        delta.start(config, cx);
        delta
    }

    fn step(&mut self, config: &Config, input: Input<Self>, cx: &mut Cx<'_, Self>) {
        match input {
            Input::Applied => {
                if let Phase::Writing(made, events) = std::mem::replace(&mut self.phase, Phase::Ready) {
                    for (update, len) in &made {
                        self.store.make(update, *len);
                    }
                    events.into_iter().for_each(|event| cx.event(event));
                }
                self.go_on_published(config, cx);
                self.go_on(config, cx);
            }
            Input::Failed { op, error } => self.failed(op, error, cx),
            Input::Changed => {}
            Input::Timer => {
                self.schedule(config, cx);
                self.take(Command::Sync, config, cx);
            }
            Input::Command(command) => self.take(command, config, cx),
            Input::Reply(never) => match never {},
        }
    }

    fn wake_at(&self) -> Option<Mono> {
        self.next
    }
}

impl Delta {
    fn take(&mut self, command: Command, config: &Config, cx: &mut Cx<'_, Self>) {
        self.queue.push_back(command);
        if self.phase == Phase::Closed {
            self.start(config, cx);
        }
        if self.phase == Phase::Closed {
            // Why was told; whoever asked asks again.
            self.queue.clear();
        }
        self.go_on(config, cx);
    }

    /// What is on disk now is found out by reading the store anew.
    fn failed(&mut self, op: u32, error: FsError, cx: &mut Cx<'_, Self>) {
        cx.event(Event::Failed(format!("step {} of what was to be written: {error}", op + 1)));
        if self.local.is_some() {
            self.start_published(cx);
            self.queue.clear();
            return;
        }
        match Store::read_again(cx.fs(), &mut self.lines) {
            Ok(mut store) => {
                // The failed op may have left part of a line.
                store.log_torn = true;
                self.store = store;
                self.phase = if self.store.own.id.is_some() { Phase::Ready } else { Phase::Closed };
            }
            Err(_) => self.phase = Phase::Closed,
        }
        self.queue.clear();
    }
}

/// The published design.
impl Delta {
    fn start_published(&mut self, cx: &mut Cx<'_, Self>) {
        match Local::read(cx.fs()) {
            Ok(local) => {
                self.local = Some(local);
                self.phase = Phase::Ready;
            }
            Err(error) => {
                self.phase = Phase::Closed;
                cx.event(Event::Refused(format!(
                    "the local data: {error}: make them readable, then try again"
                )));
            }
        }
    }

    fn take_published(&mut self, config: &Config, command: Command, cx: &mut Cx<'_, Self>) {
        let Some(mut local) = self.local.take() else { return };
        let now = cx.now();
        match command {
            Command::Change(changes) => match changes.iter().find_map(refusal) {
                Some(why) => cx.event(Event::Refused(why)),
                None => self.change_published(config, &mut local, &changes, cx),
            },
            Command::Restore(id) => match local.settle(&id) {
                Some(conflict) => {
                    let set = conflict
                        .fields
                        .iter()
                        .filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
                    let unset = conflict.fields.iter().filter(|(_, value)| value.is_none());
                    let (set, unset) = (Fields(set.collect()), unset.map(|(name, _)| name.clone()).collect());
                    let change = Change::Put { key: conflict.key.clone(), set, unset };
                    self.change_published(config, &mut local, &[change], cx);
                }
                None => cx.event(Event::Refused(format!("there is no conflict `{id}`"))),
            },
            Command::Dismiss(id) => {
                if let Some(conflict) = local.settle(&id) {
                    cx.op(local.keep());
                    let told = Event::Acknowledged { key: conflict.key, dot: None };
                    self.phase = Phase::Writing(Vec::new(), vec![told]);
                } else {
                    cx.event(Event::Refused(format!("there is no conflict `{id}`")));
                }
            }
            Command::Import => {
                let (found, problems) = import::folder(cx.fs());
                self.import_published(&mut local, &found, problems, cx);
            }
            Command::ImportState(text) => match import::state(text.as_bytes()) {
                Ok(found) => self.import_published(&mut local, &found, Vec::new(), cx),
                Err(why) => cx.event(Event::Refused(format!("this is no state of an application: {why}"))),
            },
            Command::DryRun => {
                let mut dry = local.clone();
                let report = match dry.begin(config, cx.fs(), now) {
                    Next::Done(report) => report,
                    Next::Ops(_) => dry.report().clone(),
                };
                cx.event(Event::DryRun { report, events: Vec::new() });
            }
            // As published there is nothing that it would not write into.
            Command::Sync | Command::Accept => {
                let next = local.begin(config, cx.fs(), now);
                self.next_published(next, cx);
            }
        }
        self.local = Some(local);
    }

    fn change_published(
        &mut self,
        config: &Config,
        local: &mut Local,
        changes: &[Change],
        cx: &mut Cx<'_, Self>,
    ) {
        let (changed, op) = local.change(changes, &config.replica, cx.now());
        let same = changes.iter().map(Change::key).filter(|key| !changed.contains(key));
        same.for_each(|key| cx.event(Event::Unchanged(key.clone())));
        if let Some(op) = op {
            cx.op(op);
            let told = changed.into_iter().map(|key| Event::Acknowledged { key, dot: None });
            self.phase = Phase::Writing(Vec::new(), told.collect());
        }
    }

    fn import_published(
        &mut self,
        local: &mut Local,
        found: &[Imported],
        problems: Vec<Problem>,
        cx: &mut Cx<'_, Self>,
    ) {
        let mut new = 0;
        for imported in found {
            let Imported { key, version, at, by, deleted, fields } = imported.clone();
            let item = Item { version, at: at.ms, by, deleted, fields };
            new += u64::from(local.import(&key, item));
        }
        let told = Event::Imported { found: found.len() as u64, new, problems };
        if new == 0 {
            cx.event(told);
            return;
        }
        cx.op(local.keep());
        self.phase = Phase::Writing(Vec::new(), vec![told]);
    }

    fn next_published(&mut self, next: Next, cx: &mut Cx<'_, Self>) {
        match next {
            Next::Ops(ops) => {
                ops.into_iter().for_each(|op| cx.op(op));
                self.phase = Phase::Writing(Vec::new(), Vec::new());
            }
            Next::Done(report) => {
                self.phase = Phase::Ready;
                cx.event(Event::Synced(report));
            }
        }
    }

    fn go_on_published(&mut self, config: &Config, cx: &mut Cx<'_, Self>) {
        if let Some(mut local) = self.local.take() {
            if local.is_syncing() {
                let mut next = local.go_on(config, cx.fs(), cx.now());
                while matches!(&next, Next::Ops(ops) if ops.is_empty()) {
                    next = local.go_on(config, cx.fs(), cx.now());
                }
                self.next_published(next, cx);
            }
            self.local = Some(local);
        }
    }
}
