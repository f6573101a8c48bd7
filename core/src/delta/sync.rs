//! A sync, planned: from what is known and what the folder holds to what has to be written, and in which order.
//!
//! # Order
//! 1. What was received goes into the local store, and how the own meta file is about to be written. What is buried
//!    goes.
//! 2. Entities, before the meta file that names them.
//! 3. The own meta file. From here on others hear of it.
//! 4. What was published goes into the local store, and what the sync has come to.
//! 5. Own files of entities whose end every replica has seen are removed.
//!
//! A crash between any two of them repeats some of this at the next sync and loses nothing: every file is a state,
//! and states are joined.
//!
//! # Only own files
//! A replica publishes the entities that it wrote itself, in files that nobody else writes. What it received it does
//! not send on. So it can neither overwrite anybody's edit nor bring back what was deleted while it was away.

use std::collections::{BTreeMap, BTreeSet};

use super::codec::SCHEMA;
use super::entity::{Death, Entity, Key};
use super::event::{Event, Report};
use super::graves::{Burial, Declarer, bury};
use super::lack;
use super::layout::{entities_dir, entity_file_name, is_entity_file_name, part_to, replica_dir};
use super::look::{self, Away, Expected, Found, Listings, Members, Reading};
use super::merge::absorb;
use super::meta::Meta;
use super::problem::{Problem, ProblemKind};
use super::store::{Base, Own, Peer, Published, Record, Store, Update};
use super::vector::{Dot, ReplicaId, Vector};
use super::{Config, Layout};
use crate::kit::guard::Lack;
use crate::kit::hlc::{Clock, Hybrid};
use crate::{Entry, Fs, FsOp, Now, Path, Rng, WallMs};

/// What a sync would do.
#[derive(Debug)]
pub(super) struct Plan {
    /// How the store is before anything is published.
    pub(super) first: Update,
    /// What is published: entities, then the meta file.
    pub(super) shared: Vec<FsOp>,
    /// How the store is afterwards.
    pub(super) last: Update,
    /// Own files that go.
    pub(super) removed: Vec<FsOp>,
    /// What it comes to.
    pub(super) report: Report,
    /// What is told beside it.
    pub(super) events: Vec<Event>,
    /// If nothing comes of it: until when nothing comes of another one on the same folder; `None` if chance decides.
    pub(super) same_until: Option<WallMs>,
}

/// A sync under way: what is known grows while it looks around.
pub(super) struct Sync<'a> {
    pub(super) config: &'a Config,
    pub(super) fs: &'a dyn Fs,
    pub(super) now: Now,
    pub(super) store: &'a Store,
    pub(super) listings: &'a Listings,
    /// Whether a person takes the folder as it is.
    pub(super) accepts: bool,
    pub(super) id: ReplicaId,
    pub(super) own: Own,
    pub(super) base: Base,
    /// Records that changed.
    pub(super) changed: BTreeMap<Key, Record>,
    pub(super) events: Vec<Event>,
    pub(super) report: Report,
    pub(super) found: Found,
    /// Own files that nothing refers to any more.
    pub(super) leftovers: Vec<Path>,
    /// Up to which own write somebody else has read the own files; the most there is where nobody else is there.
    pub(super) acknowledged: u64,
    /// Whether chance decided what was looked at.
    drew: bool,
}

/// Plans a sync. One that `accepts` takes the folder as it is.
pub(super) fn plan(
    store: &Store,
    config: &Config,
    fs: &dyn Fs,
    now: Now,
    accepts: bool,
    rng: &mut dyn Rng,
) -> Result<Plan, String> {
    let mut found = Found::default();
    let members = look::members(fs, store, &mut found).map_err(|error| told(&Away::Folder(error)))?;
    let id = store.own.id.clone().ok_or("this replica has no id yet: start it again")?;
    let standing = look::own_meta(fs, &id).map_err(|away| told(&away))?;
    let listings = look::listings(fs, members.peers.keys().chain([&id]));
    let lack = match members.is_known {
        true => config.guard.lack(lack::tally(store, &members, standing.as_ref(), &listings)),
        false => Some(Lack::Everything),
    };
    if let Some(lack) = lack.filter(|_| !accepts) {
        return Err(told(&Away::Lacks(lack)));
    }
    let mut sync = Sync {
        listings: &listings,
        accepts,
        config,
        fs,
        now,
        store,
        own: store.own.clone(),
        base: store.base.clone(),
        changed: BTreeMap::new(),
        events: Vec::new(),
        report: Report::default(),
        id,
        found,
        leftovers: Vec::new(),
        acknowledged: 0,
        drew: false,
    };
    sync.run(standing, &members, rng)
}

/// Why nothing can be done with the folder now, in words.
pub(super) fn told(away: &Away) -> String {
    match away {
        Away::Folder(why) => format!("the folder is away ({why}): nothing is written until it is back"),
        Away::Lacks(lack) => {
            let what = match lack {
                Lack::Everything => "the folder is away",
                Lack::Much(_) => "much of the folder is away",
            };
            format!(
                "{what} ({lack}): nothing is written until it is back; if it is meant to be so, delta sync --accept has \
                 this machine write again what it knows"
            )
        }
        Away::Own(path, error) => {
            format!("{path}: {error}: have it downloaded or made readable, then sync again")
        }
        Away::Later(path, format) => {
            format!("{path}: it is of format {format}, and this program writes {SCHEMA}: update the program")
        }
    }
}

/// What of the own files has to be looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Trust {
    /// They are as they were written.
    Whole,
    /// An older version came back, of one or of all.
    Older,
}

impl Sync<'_> {
    fn run(&mut self, standing: Option<Meta>, members: &Members, rng: &mut dyn Rng) -> Result<Plan, String> {
        let trust = self.settle(standing.as_ref(), members, rng);
        let names: BTreeMap<Key, String> =
            self.store.records.keys().map(|key| (key.clone(), entity_file_name(key))).collect();
        let metas: Vec<&Meta> = members.peers.values().flatten().collect();
        let rebuilt = self.is_retired(&metas);
        let whole = rebuilt
            || (self.config.scan_every > 0
                && (self.own.written.0 + 1).is_multiple_of(self.config.scan_every));
        let doubted = self.doubted(&metas, rng);
        let own_listed = self.read_own(trust, &doubted, &names)?;
        let reading =
            Reading { fs: self.fs, store: self.store, listings: self.listings, names: &names, whole };
        let mut reached = BTreeMap::new();
        let mut found = std::mem::take(&mut self.found);
        for (peer, meta) in &members.peers {
            reached.insert(peer.clone(), reading.peer(peer, meta.as_ref(), &mut found));
        }
        for dir in &members.copies {
            found.problems.push(Problem::of(
                dir.name(),
                ProblemKind::ConflictCopy,
                "a copy of a replica's directory",
            ));
            let listed = look::listed(self.fs, dir).unwrap_or_default();
            reading.strays(&listed, &Expected::new(), &mut found);
        }
        self.absorb(&mut found);
        self.found = found;
        self.peers(members, &reached);
        self.uphold(members);
        if self.accepts {
            self.accept(members);
        }
        self.remember_files();
        let whole: Vec<&Meta> =
            metas.iter().copied().filter(|meta| reached.get(&meta.replica) == Some(&meta.head)).collect();
        self.graves(&whole);
        if rebuilt {
            let dropped = self.report.collected;
            self.events.push(Event::Rebuilt { dropped });
        }
        self.collect(members);
        self.acknowledged = self.acknowledged_by(members);
        Ok(self.finish(standing, &own_listed, rebuilt, rng))
    }

    pub(super) fn record(&self, key: &Key) -> Option<&Record> {
        self.changed.get(key).or_else(|| self.store.records.get(key).map(|record| &**record))
    }

    /// Every record as it is by now.
    pub(super) fn records(&self) -> impl Iterator<Item = (&Key, &Record)> {
        let new = self.changed.iter().filter(|(key, _)| !self.store.records.contains_key(*key));
        let old = self.store.records.iter();
        old.map(|(key, record)| (key, self.changed.get(key).unwrap_or(record))).chain(new)
    }

    /// Some of the own files that a peer has not got to see, though it has heard of later ones: it may be that an older
    /// version of one came back, which only its owner can mend. Two for each peer that lags, drawn.
    fn doubted(&mut self, metas: &[&Meta], rng: &mut dyn Rng) -> BTreeSet<Key> {
        let head = self.own.head;
        let lags: Vec<u64> = metas
            .iter()
            .filter(|meta| !self.is_gone(meta))
            .map(|meta| meta.seen.get(&self.id.0))
            .filter(|seen| *seen < head)
            .collect();
        let Some(least) = lags.iter().min() else { return BTreeSet::new() };
        let late: Vec<&Key> = self
            .store
            .records
            .iter()
            .filter(|(_, record)| record.published.count > *least)
            .map(|(key, _)| key)
            .collect();
        let Some(last) = late.len().checked_sub(1) else { return BTreeSet::new() };
        let from = usize::try_from(rng.up_to(last as u64)).unwrap_or(0);
        self.drew = true;
        late.iter()
            .cycle()
            .skip(from)
            .take(late.len().min(2 * lags.len()))
            .map(|key| Key::clone(key))
            .collect()
    }

    /// Looks at the own files: those that are not there are published again, those that nobody remembers are read.
    fn read_own(
        &mut self,
        trust: Trust,
        doubted: &BTreeSet<Key>,
        names: &BTreeMap<Key, String>,
    ) -> Result<BTreeSet<Path>, String> {
        let dir = replica_dir(&self.id);
        let listed = match self.listings.get(&self.id) {
            Some(listed) => listed.clone(),
            // It became somebody else.
            None => look::listed(self.fs, &dir),
        };
        let listed = listed.map_err(|error| told(&Away::Own(entities_dir(&dir), error)))?;
        let is_there: BTreeSet<Path> = listed.iter().map(|entry| entry.path.clone()).collect();
        let known = match self.config.design.layout {
            Layout::Split => self.own_split(trust, doubted, names, &is_there),
            Layout::SplitLite => self.own_parts(trust, !doubted.is_empty(), &is_there),
        };
        let strays: Vec<Entry> = listed.into_iter().filter(|entry| !known.contains(&entry.path)).collect();
        // What an own file holds that nobody remembers is read before it goes.
        let is_own = |entry: &&Entry| entry.path.below(&dir).is_some_and(|name| part_to(name).is_some());
        let of_entity = |entry: &&Entry| {
            self.config.design.layout == Layout::SplitLite
                && entry.path.parent() == Some(entities_dir(&dir))
                && is_entity_file_name(entry.name())
        };
        self.leftovers = strays
            .iter()
            .filter(|entry| is_own(entry) || of_entity(entry))
            .map(|entry| entry.path.clone())
            .collect();
        let listings = self.listings;
        let reading = Reading { fs: self.fs, store: self.store, listings, names, whole: false };
        let mut found = Found::default();
        reading.strays(&strays, &Expected::new(), &mut found);
        self.leftovers.retain(|path| found.read_once.contains_key(path.name()));
        // What a copy of an own file says more is published again by whose file it is.
        let taught: Vec<Key> = found
            .entities
            .iter()
            .filter(|(key, entity)| {
                self.record(key).is_none_or(|record| !record.entity.seen.covers_all(&entity.seen))
            })
            .map(|(key, _)| key.clone())
            .collect();
        self.absorb(&mut found);
        for key in taught {
            if let Some(record) = self.changed.get_mut(&key) {
                record.published = Published::default();
            }
        }
        self.found.problems.append(&mut found.problems);
        self.found.read_once.append(&mut found.read_once);
        Ok(is_there)
    }

    /// In the split layout: the own files that are as they were published. Others are published again.
    fn own_split(
        &mut self,
        trust: Trust,
        doubted: &BTreeSet<Key>,
        names: &BTreeMap<Key, String>,
        is_there: &BTreeSet<Path>,
    ) -> BTreeSet<Path> {
        let dir = entities_dir(&replica_dir(&self.id));
        let mut known = BTreeSet::new();
        let mut lost = Vec::new();
        for (key, record) in &self.store.records {
            if record.published.count == 0 || self.changed.contains_key(key) {
                continue;
            }
            let path = dir.join(&names[key]);
            let is_sound = is_there.contains(&path)
                && (trust == Trust::Whole && !doubted.contains(key) || self.is_published(&path, record));
            if !is_sound {
                lost.push(key.clone());
            }
            known.insert(path);
        }
        self.publish_again(lost);
        known
    }

    /// In the split-lite layout: the own files, if all of them are there. Otherwise everything is published again.
    fn own_parts(&mut self, trust: Trust, is_doubted: bool, is_there: &BTreeSet<Path>) -> BTreeSet<Path> {
        let dir = replica_dir(&self.id);
        let parts = self.own.snapshot.iter().chain(&self.own.deltas);
        let paths: BTreeSet<Path> = parts.map(|part| dir.join(&part.name)).collect();
        let reads = |path: &Path| look::entity(self.fs, path, &mut Found::default());
        let is_sound =
            |path: &Path| is_there.contains(path) && (trust == Trust::Whole && !is_doubted || reads(path));
        let is_published = |record: &Record| record.published.count > 0;
        let is_empty = paths.is_empty() && self.store.records.values().any(|record| is_published(record));
        if !is_empty && paths.iter().all(is_sound) {
            return paths;
        }
        let all = self
            .store
            .records
            .iter()
            .filter(|(key, record)| is_published(record) && !self.changed.contains_key(*key));
        let all = all.map(|(key, _)| key.clone()).collect();
        self.publish_again(all);
        self.own.snapshot = None;
        self.own.deltas.clear();
        BTreeSet::new()
    }

    fn publish_again(&mut self, keys: Vec<Key>) {
        for key in keys {
            let mut record = self.record(&key).cloned().unwrap_or_default();
            record.published = Published::default();
            self.changed.insert(key, record);
        }
    }

    fn is_published(&self, path: &Path, record: &Record) -> bool {
        let mut found = Found::default();
        look::entity(self.fs, path, &mut found);
        found.entities.iter().any(|(_, entity)| entity.seen.get(&self.id.0) >= record.published.count)
    }

    /// Joins what was found to what is known.
    pub(super) fn absorb(&mut self, found: &mut Found) {
        for (key, entity) in std::mem::take(&mut found.entities) {
            let known = self.record(&key);
            if known.is_some_and(|known| known.entity.seen.covers_all(&entity.seen)) {
                continue;
            }
            let known = known.cloned();
            let is_new = known.is_none();
            let mut record = known.unwrap_or_default();
            let before = record.entity.conflicts(&key).len();
            let was = (!is_new).then(|| record.entity.shown(&key));
            if !absorb(&mut record.entity, &entity) {
                continue;
            }
            self.follow(&entity);
            let after = record.entity.conflicts(&key);
            self.report.conflicts += u64::try_from(after.len().saturating_sub(before)).unwrap_or(0);
            let shown = record.entity.shown(&key);
            if was.is_none_or(|was| (was.deleted, &was.fields) != (shown.deleted, &shown.fields)) {
                self.report.receive(&key);
            }
            self.changed.insert(key, record);
        }
    }

    /// Lets the clock follow the stamps of an entity.
    fn follow(&mut self, entity: &Entity) {
        let mut clock = Clock::after(self.own.clock, self.config.ahead_ms_max);
        let writes = entity.writes.values().map(|write| write.at);
        let latest = writes.chain(entity.deaths.values().map(|death| death.at));
        let latest: BTreeSet<Hybrid> = latest.collect();
        for at in latest {
            if let Err(ahead) = clock.see(at, self.now.wall) {
                let problem = Problem::of("", ProblemKind::ClockAhead, ahead.to_string());
                if !self.found.problems.contains(&problem) {
                    self.found.problems.push(problem);
                }
            }
        }
        self.own.clock = clock.last();
    }

    /// Takes note of how far each peer was read, and who was away for too long.
    fn peers(&mut self, members: &Members, reached: &BTreeMap<ReplicaId, u64>) {
        let wall = self.now.wall.0;
        for (id, meta) in &members.peers {
            let known = self.base.peers.get(id).copied();
            let mut peer = known.unwrap_or(Peer { since_ms: wall, ..Peer::default() });
            peer.applied = peer.applied.max(reached.get(id).copied().unwrap_or(0));
            if let Some(meta) = meta
                && (known.is_none() || meta.beat != peer.beat)
            {
                (peer.beat, peer.since_ms) = (meta.beat, wall);
            }
            let away_ms = wall.saturating_sub(peer.since_ms);
            if u64::try_from(away_ms).is_ok_and(|away| away > self.config.retention_ms) {
                self.own.retired.see(id, peer.beat);
            }
            self.base.peers.insert(id.clone(), peer);
        }
    }

    /// Takes note of how many files of others there are. Fewer than before are no news: they may come back.
    fn remember_files(&mut self) {
        let known = self.records().count() as u64;
        if known < self.config.guard.least {
            // So few cannot lack too much.
            return;
        }
        for (id, peer) in &mut self.base.peers {
            if *id != self.id
                && let Some(files) = lack::files(self.listings, id)
            {
                peer.files = peer.files.max(files);
            }
        }
    }

    /// See [`Sync::acknowledged`].
    fn acknowledged_by(&self, members: &Members) -> u64 {
        let others = members.peers.iter().filter(|(id, _)| **id != self.id);
        let others = others.filter(|(_, meta)| meta.as_ref().is_none_or(|meta| !self.is_gone(meta)));
        let read = others.map(|(_, meta)| meta.as_ref().map_or(0, |meta| meta.seen.get(&self.id.0)));
        read.max().unwrap_or(u64::MAX)
    }

    /// See [`Plan::same_until`]. Of the time only how long a peer has been away counts.
    pub(super) fn same_until(&self) -> Option<WallMs> {
        let waits = [self.config.retention_ms.saturating_add(1), self.config.uphold_ms];
        let waits = waits.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX));
        let since = self.base.peers.values().map(|peer| peer.since_ms);
        let ends = since.flat_map(|since| waits.map(|ms| since.saturating_add(ms)));
        let next = ends.filter(|end| *end > self.now.wall.0).min();
        (!self.drew).then_some(WallMs(next.unwrap_or(i64::MAX)))
    }

    /// Whether a replica writes no more under its id, or was given up.
    pub(super) fn is_gone(&self, meta: &Meta) -> bool {
        self.own.replaces.contains(&meta.replica) || self.own.retired.get(&meta.replica.0) >= meta.beat
    }

    /// Whether somebody has given this replica up since it was last here.
    fn is_retired(&self, metas: &[&Meta]) -> bool {
        let beat = self.own.written.0;
        beat > 0 && metas.iter().any(|meta| meta.retired.get(&self.id.0) >= beat)
    }

    /// What this replica has seen of everybody.
    pub(super) fn seen(&self) -> Vector {
        let peers = self.base.peers.iter().map(|(id, peer)| (id.clone(), peer.applied));
        peers.collect()
    }

    /// Buries the lives whose end every replica has seen, as far as somebody says so of whom everything is here.
    fn graves(&mut self, metas: &[&Meta]) {
        let applied = self.store.base.peers.iter().map(|(id, peer)| (id.clone(), peer.applied));
        let mut before: Vector = applied.collect();
        before.see(&self.id, self.store.own.head);
        before.join(&self.own.buried);
        let declared: Vec<_> = metas.iter().map(|meta| (&meta.graves, meta.seen_all())).collect();
        let mut declarers: Vec<Declarer<'_>> =
            declared.iter().map(|(graves, seen)| Declarer { graves, seen }).collect();
        let own = self.own.graves.clone();
        declarers.push(Declarer { graves: &own, seen: &before });
        // A life that is not among the records any more, and a write that had come before: it went with the life.
        let store = self.store;
        let had_seen = |key: &Key, life: &Dot, dot: &Dot| {
            let record = store.records.get(key);
            let is_kept = record.is_some_and(|record| record.entity.births.contains_key(life));
            !is_kept && own.contains(&life.replica, life.count) && before.covers(dot)
        };
        self.bury(&declarers, had_seen);
        for meta in metas {
            self.own.graves.join(&meta.graves);
        }
        self.say_late();
        if self.own.graves != own {
            self.note_burial();
        }
    }

    fn bury(&mut self, declarers: &[Declarer<'_>], had_seen: impl Fn(&Key, &Dot, &Dot) -> bool) {
        let burial = |key: &Key, record: &Record| {
            bury(&record.entity, declarers, |life, dot| had_seen(key, life, dot))
        };
        let buried: Vec<_> = self
            .records()
            .filter_map(|(key, record)| Some((key.clone(), burial(key, record)?, record.published)))
            .collect();
        for (key, Burial { left, decided }, published) in buried {
            if left.births.is_empty() {
                self.report.collected += 1;
            }
            for dot in decided {
                self.own.graves.add(&dot.replica, dot.count..=dot.count);
            }
            self.changed.insert(key, Record { entity: left, published });
        }
    }

    /// Says what came late to lives that this replica names among the graves, whoever has said so before: its vector covers
    /// it from now on, and has nothing else beside it that tells a late write from one that was seen at the burial.
    fn say_late(&mut self) {
        let is_said = |key: &Key, life: &Dot, death: &Death| {
            let before = self.store.records.get(key).and_then(|record| record.entity.deaths.get(life));
            self.store.own.graves.contains(&life.replica, life.count)
                && before.is_some_and(|before| before.late.is_superset(&death.late))
        };
        let is_new = |key: &Key, (life, death): (&Dot, &Death)| {
            let is_late = !death.late.is_empty() && self.own.graves.contains(&life.replica, life.count);
            is_late && !is_said(key, life, death)
        };
        let unsaid = self.records().filter(|(key, record)| {
            let mut deaths = record.entity.deaths.iter();
            deaths.any(|death| is_new(key, death))
        });
        let unsaid: Vec<(Key, Record)> = unsaid.map(|(key, record)| (key.clone(), record.clone())).collect();
        for (key, mut record) in unsaid {
            self.own.head += 1;
            record.entity.seen.see(&self.id, self.own.head);
            self.changed.insert(key, record);
        }
    }

    /// Buries the lives whose end, as it turns out now, every replica has seen.
    fn collect(&mut self, members: &Members) {
        let replaced: BTreeSet<&ReplicaId> = members
            .peers
            .values()
            .flatten()
            .flat_map(|meta| &meta.replaces)
            .chain(&self.own.replaces)
            .collect();
        let mut heard = vec![];
        for (id, meta) in &members.peers {
            let given_up = |beat: u64| {
                let others = members.peers.values().flatten().map(|meta| meta.retired.get(&id.0));
                others.chain([self.own.retired.get(&id.0)]).any(|retired| retired > 0 && retired >= beat)
            };
            let Some(meta) = meta else {
                if replaced.contains(id)
                    || given_up(self.base.peers.get(id).map_or(u64::MAX, |peer| peer.beat))
                {
                    continue;
                }
                return;
            };
            if replaced.contains(id) || given_up(meta.beat) {
                continue;
            }
            if self.base.peers.get(id).is_none_or(|peer| peer.applied < meta.head) {
                return;
            }
            heard.push(meta.seen_all());
        }
        let mut own = self.seen();
        own.see(&self.id, self.own.head);
        heard.push(own.clone());
        let ended = |entity: &Entity| {
            let heard =
                entity.deaths.iter().filter(|(_, death)| heard.iter().all(|seen| seen.covers(&death.dot)));
            // What a grave says was seen is what this replica's vector says. So it has to say all of it.
            let heard = heard.filter(|(_, death)| own.covers_all(&death.seen));
            let settled = heard.filter(|(life, death)| {
                let mut writes = entity.writes.iter().filter(|(_, write)| write.life == **life);
                writes.all(|(dot, _)| death.seen.covers(dot))
            });
            settled.map(|(life, _)| life.clone()).collect::<Vec<_>>()
        };
        let graves: Vec<Dot> = self.records().flat_map(|(_, record)| ended(&record.entity)).collect();
        if graves.is_empty() {
            return;
        }
        for life in &graves {
            self.own.graves.add(&life.replica, life.count..=life.count);
        }
        let graves = self.own.graves.clone();
        let declarer = [Declarer { graves: &graves, seen: &own }];
        self.bury(&declarer, |_, _, _| false);
        self.note_burial();
    }

    /// Takes note of what is seen by now, with the graves themselves: a crash may take what the last sync had come to.
    fn note_burial(&mut self) {
        let mut seen = self.seen();
        seen.see(&self.id, self.own.head);
        self.own.buried.join(&seen);
    }
}
