//! Laws of delta: the merge is a join, and whatever is carried when, nothing that was acknowledged is lost.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/replicas.rs"]
mod replicas;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cloudchamber_core::delta::merge::join;
use cloudchamber_core::delta::{
    Command, Config, Conflict, Design, Dot, Entity, Event, Key, Layout, Reason, ReplicaId, Vector,
};
use cloudchamber_core::kit::hlc::Hybrid;
use cloudchamber_core::kit::json::Json;
use cloudchamber_core::{Content, MemoryFs, Path, Root};
use proptest::prelude::*;
use proptest::sample::Index;
use replicas::Site;

/// What one replica does with an entity.
#[derive(Clone, Debug)]
enum Deed {
    Put { field: u8, value: Option<u8>, wall: u8 },
    Delete { wall: u8 },
    Restore(Index),
    Dismiss(Index),
    Hear(Index),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (0..3_u8, prop::option::weighted(0.8, 0..4_u8), any::<u8>()).prop_map(|(field, value, wall)| Deed::Put { field, value, wall }),
        1 => any::<u8>().prop_map(|wall| Deed::Delete { wall }),
        1 => any::<Index>().prop_map(Deed::Restore),
        1 => any::<Index>().prop_map(Deed::Dismiss),
        4 => any::<Index>().prop_map(Deed::Hear),
    ]
}

/// Every state that replicas go through. A replica hears of any state that there was, also an old one.
fn states(deeds: &[(u8, Deed)]) -> Vec<Entity> {
    let key = Key::new("task", "t");
    let mut now: BTreeMap<u8, (Entity, u64)> = BTreeMap::new();
    let mut all = vec![Entity::default()];
    for (replica, deed) in deeds {
        let (mut entity, mut count) = now.get(replica).cloned().unwrap_or_default();
        count += 1;
        let dot = Dot { replica: ReplicaId::from(["a", "b", "c"][usize::from(*replica)]), count };
        let at = |wall: &u8| Hybrid { ms: i64::from(*wall) / 64, count: 0 };
        match deed {
            Deed::Put { field, value, wall } => {
                let name: Arc<str> = ["x", "y", "z"][usize::from(*field)].into();
                let set =
                    value.map(|value| (name.clone(), Json::from(i64::from(value)))).into_iter().collect();
                let unset = if value.is_none() { BTreeSet::from([name]) } else { BTreeSet::new() };
                entity.put(&dot, at(wall), &set, &unset);
            }
            Deed::Delete { wall } => drop(entity.delete(&dot, at(wall))),
            Deed::Restore(index) | Deed::Dismiss(index) => {
                let conflicts = entity.conflicts(&key);
                if !conflicts.is_empty() {
                    let conflict = index.get(&conflicts);
                    let settled = match deed {
                        Deed::Restore(_) => entity.restore(conflict, &dot, at(&200)),
                        _ => entity.dismiss(conflict, &dot, at(&200)),
                    };
                    let left = entity.conflicts(&key);
                    let is_it = |known: &Conflict| known.id() == conflict.id();
                    assert!(!left.iter().any(is_it), "{conflict:?} is settled");
                    assert_eq!(settled.contains(&conflict.dot), conflict.reason == Reason::Deleted);
                    if matches!(deed, Deed::Dismiss(_)) && conflict.reason == Reason::Deleted {
                        let others = conflicts.iter().filter(|known| !is_it(known));
                        others.for_each(|other| assert!(left.contains(other), "{other:?} is another one"));
                    }
                }
            }
            Deed::Hear(index) => entity = join(&entity, index.get(&all)),
        }
        all.push(entity.clone());
        now.insert(*replica, (entity, count));
    }
    all
}

fn vector() -> impl Strategy<Value = Vector> {
    prop::collection::vec(("[a-d]", 0..4_u64), 0..6).prop_map(|entries| {
        entries.into_iter().map(|(id, count)| (ReplicaId::from(id.as_str()), count)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn merge_is_commutative_associative_and_idempotent(
        deeds in prop::collection::vec((0..3_u8, deed()), 1..30), picks in prop::array::uniform3(any::<Index>()),
    ) {
        let all = states(&deeds);
        let [a, b, c] = picks.map(|index| index.get(&all));
        prop_assert_eq!(join(a, b), join(b, a));
        prop_assert_eq!(join(a, &join(b, c)), join(&join(a, b), c));
        prop_assert_eq!(&join(a, a), a);
        prop_assert_eq!(&join(a, &Entity::default()), a);
        prop_assert_eq!(&join(&join(a, b), b), &join(a, b));
    }

    #[test]
    fn equal_vectors_mean_equal_content(deeds in prop::collection::vec((0..3_u8, deed()), 1..40)) {
        let key = Key::new("task", "t");
        let mut known: BTreeMap<Vector, Entity> = BTreeMap::new();
        let mut writes: BTreeMap<(Dot, Arc<str>), Option<Json>> = BTreeMap::new();
        for entity in states(&deeds) {
            for (dot, write) in &entity.writes {
                for (name, value) in &write.fields {
                    // One dot, one content, wherever it is met.
                    let first = writes.entry((dot.clone(), name.clone())).or_insert_with(|| value.clone());
                    prop_assert_eq!(&*first, value);
                }
            }
            let first = known.entry(entity.seen.clone()).or_insert_with(|| entity.clone());
            prop_assert_eq!(first.shown(&key), entity.shown(&key));
            prop_assert_eq!(&*first, &entity);
        }
    }

    #[test]
    fn vectors_are_ordered_and_joined(a in vector(), b in vector(), c in vector()) {
        let joined = |one: &Vector, two: &Vector| { let mut all = one.clone(); all.join(two); all };
        prop_assert_eq!(joined(&a, &b), joined(&b, &a));
        prop_assert_eq!(joined(&a, &joined(&b, &c)), joined(&joined(&a, &b), &c));
        prop_assert!(joined(&a, &b).covers_all(&a) && joined(&a, &b).covers_all(&b));
        prop_assert_eq!(a.covers_all(&b), joined(&a, &b) == a);
    }
}

/// What happens to replicas and to the folder between them.
#[derive(Clone, Debug)]
enum Step {
    Put {
        on: u8,
        key: u8,
        field: u8,
    },
    Unset {
        on: u8,
        key: u8,
        field: u8,
    },
    Delete {
        on: u8,
        key: u8,
    },
    Settle {
        on: u8,
        index: Index,
        restore: bool,
    },
    /// A sync that dies after so many ops, if it has that many.
    Sync {
        on: u8,
        ops: u8,
    },
    /// Files of one replica come to another: those whose turn it is, each in a version of its own.
    Carry {
        from: u8,
        to: u8,
        which: u64,
        old: bool,
    },
    /// A client leaves a copy of a file of one replica on another's disk.
    Copy {
        from: u8,
        to: u8,
        index: Index,
    },
    /// An older version of an own file comes back.
    Back {
        on: u8,
        index: Index,
    },
    /// A backup of the local directory is restored, or one of both roots.
    Restore {
        on: u8,
        index: Index,
        both: bool,
    },
}

fn step(replicas: u8, restores: u32) -> impl Strategy<Value = Step> {
    let on = 0..replicas;
    prop_oneof![
        6 => (on.clone(), 0..3_u8, 0..2_u8).prop_map(|(on, key, field)| Step::Put { on, key, field }),
        1 => (on.clone(), 0..3_u8, 0..2_u8).prop_map(|(on, key, field)| Step::Unset { on, key, field }),
        2 => (on.clone(), 0..3_u8).prop_map(|(on, key)| Step::Delete { on, key }),
        1 => (on.clone(), any::<Index>(), any::<bool>()).prop_map(|(on, index, restore)| Step::Settle { on, index, restore }),
        6 => (on.clone(), prop_oneof![Just(u8::MAX), 0..12_u8]).prop_map(|(on, ops)| Step::Sync { on, ops }),
        8 => (on.clone(), 0..replicas, any::<u64>(), prop::bool::weighted(0.2)).prop_map(|(from, to, which, old)| Step::Carry { from, to, which, old }),
        1 => (on.clone(), 0..replicas, any::<Index>()).prop_map(|(from, to, index)| Step::Copy { from, to, index }),
        u32::from(restores == 0) => (on.clone(), any::<Index>()).prop_map(|(on, index)| Step::Back { on, index }),
        restores => (on, any::<Index>(), any::<bool>()).prop_map(|(on, index, both)| Step::Restore { on, index, both }),
    ]
}

/// A value that was acknowledged: where, and whether somebody who saw it wrote over it.
#[derive(Debug)]
struct Acknowledged {
    key: String,
    field: String,
    value: String,
    superseded: bool,
    /// Who wrote it, when, and whether a sync of his has ended since.
    by: usize,
    count: i64,
    sent: bool,
}

struct Own(BTreeSet<Path>);

impl Own {
    fn has(&self, path: &Path) -> bool {
        self.0.iter().any(|dir| path.below(dir).is_some())
    }
}

struct Room {
    /// The directories that each replica has had.
    dirs: Vec<BTreeSet<Path>>,
    /// Disks as they were before each sync, with how much had been written by then.
    backups: Vec<Vec<(MemoryFs, i64)>>,
    sites: Vec<Site>,
    /// Every version of every shared file that its owner wrote; `None` for its end.
    versions: BTreeMap<Path, Vec<Option<Content>>>,
    acknowledged: Vec<Acknowledged>,
    count: i64,
}

fn field(field: u8) -> &'static str {
    ["x", "y"][usize::from(field)]
}

fn id(key: u8) -> String {
    format!("t{key}")
}

impl Room {
    fn new(design: Design, replicas: u8) -> Self {
        let name = |at: u8| ["a", "b", "c"][usize::from(at)];
        let sites = (0..replicas).map(|at| {
            let mut config = Config::new(design, name(at));
            config.deltas_max = 2;
            Site::new(config)
        });
        let backups = vec![Vec::new(); replicas.into()];
        Self {
            dirs: vec![BTreeSet::new(); replicas.into()],
            backups,
            sites: sites.collect(),
            versions: BTreeMap::new(),
            acknowledged: Vec::new(),
            count: 0,
        }
    }

    /// The directories of a replica's own files: it may have had several ids.
    fn own(&mut self, on: usize) -> Own {
        let id = self.sites[on].delta().id().expect("it has started").clone();
        self.dirs[on].insert(Path::shared("replicas").join(&id.0));
        Own(self.dirs[on].clone())
    }

    /// Takes note of what the owner has written since.
    fn record(&mut self, on: usize) {
        let own = self.own(on);
        let files = self.sites[on].shared();
        let known: Vec<Path> = self.versions.keys().filter(|path| own.has(path)).cloned().collect();
        for path in files.keys().filter(|path| own.has(path)).chain(&known) {
            let versions = self.versions.entry(path.clone()).or_default();
            let now = files.get(path).cloned();
            if versions.last() != Some(&now) {
                versions.push(now);
            }
        }
    }

    /// What a replica can see of a field: its value, and those of conflicts.
    fn visible(&mut self, on: usize, key: &str, field: &str) -> BTreeSet<String> {
        let delta = self.sites[on].delta();
        let shown = delta.get("task", key).and_then(|shown| shown.fields.get(field).map(ToString::to_string));
        let conflicts = delta.conflicts().filter(|conflict| &*conflict.key.id == key);
        let values =
            conflicts.filter_map(|conflict| conflict.fields.get(field)?.as_ref().map(ToString::to_string));
        values.chain(shown).collect()
    }

    /// Does something that may write over what it sees, and notes what it wrote over.
    fn write(&mut self, on: usize, command: Command, keys: &[u8], fields: &[u8], written: Option<String>) {
        let mut seen = Vec::new();
        for key in keys {
            for name in fields {
                for value in self.visible(on, &id(*key), field(*name)) {
                    seen.push((id(*key), field(*name).to_owned(), value));
                }
            }
        }
        let told = self.sites[on].ask(command);
        let is_done = told.iter().any(|event| matches!(event, Event::Acknowledged { .. }));
        if !is_done {
            return;
        }
        for (key, field, value) in seen {
            let gone = !self.visible(on, &key, &field).contains(&value);
            for known in &mut self.acknowledged {
                if gone && (&known.key, &known.field, &known.value) == (&key, &field, &value) {
                    known.superseded = true;
                }
            }
        }
        if let Some(value) = written {
            let (key, field) = (id(keys[0]), field(fields[0]).to_owned());
            let count = self.count;
            self.acknowledged.push(Acknowledged {
                key,
                field,
                value,
                superseded: false,
                by: on,
                count,
                sent: false,
            });
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Put { on, key, field: name } => {
                self.count += 1;
                let (count, name_of) = (self.count, field(*name));
                let change = cloudchamber_core::delta::Change::put(
                    "task",
                    &id(*key),
                    &format!("{{\"{name_of}\":{count}}}"),
                );
                self.write((*on).into(), change.into(), &[*key], &[*name], Some(count.to_string()));
            }
            Step::Unset { on, key, field: name } => {
                let unset = BTreeSet::from([field(*name).into()]);
                let change = cloudchamber_core::delta::Change::Put {
                    key: Key::new("task", &id(*key)),
                    set: Default::default(),
                    unset,
                };
                self.write((*on).into(), change.into(), &[*key], &[*name], None);
            }
            Step::Delete { on, key } => {
                let change = cloudchamber_core::delta::Change::delete("task", &id(*key));
                self.write((*on).into(), change.into(), &[*key], &[0, 1], None);
            }
            Step::Settle { on, index, restore } => {
                let conflicts: Vec<_> = self.sites[usize::from(*on)].delta().conflicts().collect();
                if !conflicts.is_empty() {
                    let conflict = index.get(&conflicts).clone();
                    // Only what it says may go, and of a living entity what else was said of these fields.
                    let keys: Vec<u8> = (0..3).filter(|key| *id(*key) == *conflict.key.id).collect();
                    let is_said = |name: &u8| *restore || conflict.fields.contains_key(field(*name));
                    let fields: Vec<u8> = (0..2).filter(is_said).collect();
                    let id = conflict.id();
                    let command = if *restore { Command::Restore(id) } else { Command::Dismiss(id) };
                    self.write((*on).into(), command, &keys, &fields, None);
                }
            }
            Step::Sync { on, ops } => {
                let at = usize::from(*on);
                self.sites[at].open();
                self.backups[at].push((self.sites[at].fs.disk.clone(), self.count));
                if *ops == u8::MAX {
                    self.acknowledged
                        .iter_mut()
                        .filter(|known| known.by == at)
                        .for_each(|known| known.sent = true);
                }
                let site = &mut self.sites[usize::from(*on)];
                site.feed(Command::Sync);
                if *ops == u8::MAX || site.settle((*ops).into()) {
                    site.settle(usize::MAX);
                } else {
                    site.crash();
                    site.open();
                }
                self.record((*on).into());
            }
            Step::Restore { on, index, both } => self.restore((*on).into(), index, *both),
            Step::Carry { from, to, which, old } => self.carry((*from).into(), (*to).into(), *which, *old),
            Step::Copy { from, to, index } => {
                let own = self.own((*from).into());
                let files: Vec<_> = self.versions.iter().filter(|(path, _)| own.has(path)).collect();
                if files.is_empty() {
                    return;
                }
                let (path, versions) = index.get(&files);
                let version = index.get(versions).clone();
                if let Some(content) = version {
                    let copy = self.free_copy(path);
                    self.sites[usize::from(*to)].fs.disk.files.insert(copy, content);
                }
            }
            Step::Back { on, index } => {
                let own = self.own((*on).into());
                let files: Vec<_> = self.versions.iter().filter(|(path, _)| own.has(path)).collect();
                if !files.is_empty() {
                    let (path, versions) = index.get(&files);
                    if let Some(content) = index.get(versions).clone() {
                        self.sites[usize::from(*on)].fs.disk.files.insert((*path).clone(), content);
                    }
                }
            }
        }
    }

    /// The first name of a copy of a file that nothing has anywhere: a client that makes a copy writes over no other one,
    /// which may be all that there is of what it holds.
    fn free_copy(&self, path: &Path) -> Path {
        let copies = (2..).map(|at| Path::shared(&path.name().replace(".json", &format!(" {at}.json"))));
        let is_free = |copy: &Path| !self.sites.iter().any(|site| site.fs.disk.files.contains_key(copy));
        copies.into_iter().find(is_free).expect("there are many names")
    }

    fn restore(&mut self, on: usize, index: &Index, both: bool) {
        if self.backups[on].is_empty() {
            return;
        }
        let (disk, count) = index.get(&self.backups[on]).clone();
        let own = self.own(on);
        // What was only on this disk is gone with it.
        for known in
            self.acknowledged.iter_mut().filter(|known| known.by == on && known.count > count && !known.sent)
        {
            known.superseded = true;
        }
        let site = &mut self.sites[on];
        site.crash();
        let goes = |path: &Path| path.root() == Root::Local || both;
        let before = site.shared();
        site.fs.disk.files.retain(|path, _| !goes(path));
        site.fs.disk.files.extend(disk.files.into_iter().filter(|(path, _)| goes(path)));
        // The client keeps what the cloud has beside what is there now.
        let after = site.shared();
        for (path, content) in before.into_iter().filter(|(path, _)| own.has(path)) {
            match after.get(&path) {
                Some(now) if *now == content => {}
                Some(_) => {
                    let copy = self.free_copy(&path);
                    self.sites[on].fs.disk.files.insert(copy, content);
                }
                None => drop(self.sites[on].fs.disk.files.insert(path, content)),
            }
        }
        self.record(on);
    }

    fn carry(&mut self, from: usize, to: usize, which: u64, old: bool) {
        if from == to {
            return;
        }
        let own = self.own(from);
        for (at, (path, versions)) in self.versions.iter().filter(|(path, _)| own.has(path)).enumerate() {
            if which.rotate_left(u32::try_from(at % 64).expect("less than 64")) & 1 == 0 {
                continue;
            }
            let back = if old { usize::try_from(which % 3).expect("less than 3") } else { 0 };
            let version = versions.len().checked_sub(1 + back).and_then(|at| versions[at].clone());
            let files = &mut self.sites[to].fs.disk.files;
            match version {
                Some(content) => drop(files.insert(path.clone(), content)),
                None => drop(files.remove(path)),
            }
        }
    }

    /// Everything arrives, and everybody syncs until nothing changes.
    fn quiet(&mut self) {
        let mut still = 0;
        for _ in 0..60 {
            let before: Vec<MemoryFs> = self.sites.iter().map(|site| site.fs.disk.clone()).collect();
            for on in 0..self.sites.len() {
                self.sites[on].sync();
                self.record(on);
            }
            // Copies spread too.
            let copies: BTreeMap<Path, Content> = self
                .sites
                .iter()
                .flat_map(|site| site.fs.disk.of(Root::Shared))
                .filter(|(path, _)| path.name().contains(' '))
                .map(|(path, content)| (path.clone(), content.clone()))
                .collect();
            for to in 0..self.sites.len() {
                for from in 0..self.sites.len() {
                    self.carry(from, to, u64::MAX, false);
                }
                self.sites[to].fs.disk.files.extend(copies.clone());
            }
            if before == self.sites.iter().map(|site| site.fs.disk.clone()).collect::<Vec<_>>() {
                still += 1;
                // Whoever doubts an own file draws which one it looks at.
                if still == 12 {
                    return;
                }
            } else {
                still = 0;
            }
        }
        panic!("it does not come to rest: {:#?}", self.sites[0].names());
    }

    fn check(&mut self) {
        let first = self.sites[0].picture();
        for site in &mut self.sites {
            assert_eq!(site.picture(), first, "all replicas show the same");
        }
        for known in std::mem::take(&mut self.acknowledged) {
            let visible = self.visible(0, &known.key, &known.field);
            assert!(
                known.superseded || visible.contains(&known.value),
                "{known:?} is lost: {visible:?} {first:#?}"
            );
        }
    }
}

fn converges(design: Design, replicas: u8, steps: &[Step]) {
    let mut room = Room::new(design, replicas);
    steps.iter().for_each(|step| room.take(step));
    room.quiet();
    room.check();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn two_replicas_converge_and_lose_nothing(steps in prop::collection::vec(step(2, 0), 1..40)) {
        converges(Design::HARDENED, 2, &steps);
    }

    #[test]
    fn three_replicas_converge_and_lose_nothing(steps in prop::collection::vec(step(3, 0), 1..60)) {
        converges(Design::HARDENED, 3, &steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn split_lite_converges_and_loses_nothing(steps in prop::collection::vec(step(3, 0), 1..60)) {
        converges(Design::HARDENED.in_layout(Layout::SplitLite), 3, &steps);
    }

    #[test]
    fn restored_backups_in_split_lite(steps in prop::collection::vec(step(2, 3), 1..40)) {
        converges(Design::HARDENED.in_layout(Layout::SplitLite), 2, &steps);
    }

    #[test]
    fn restored_backups_lose_nothing_that_was_sent(steps in prop::collection::vec(step(2, 3), 1..40)) {
        converges(Design::HARDENED, 2, &steps);
    }

    #[test]
    fn restored_backups_among_three(steps in prop::collection::vec(step(3, 3), 1..50)) {
        converges(Design::HARDENED, 3, &steps);
    }
}

#[test]
fn split_and_split_lite_have_names() {
    assert_eq!(Layout::from_name("split-lite"), Some(Layout::SplitLite));
    assert_eq!(Layout::from_name("whole"), None);
}
