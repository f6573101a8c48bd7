//! The cases of `data/delta-cases`: each variant of each is played, and what it asks for has to hold.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/replicas.rs"]
mod replicas;

use std::collections::{BTreeMap, BTreeSet};

use cloudchamber_core::delta::{Change, Command, Config, Design, Event, Fields, Key, Layout, Report};
use cloudchamber_core::kit::json::{Json, Node};
use cloudchamber_core::{Content, MemoryFs, Path, Root};
use replicas::{Client, Site};

fn data() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/delta-cases")
}

#[allow(clippy::disallowed_methods, reason = "test data are real files")]
fn read(path: &std::path::Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn parse(path: &std::path::Path) -> Node {
    Node::parse(&read(path)).unwrap_or_else(|flaw| panic!("{}: {flaw}", path.display()))
}

/// The files of a directory and of those in it, by their names in it.
fn tree(dir: &std::path::Path, prefix: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            tree(&entry.path(), &format!("{name}/"), found);
        } else {
            found.insert(name, read(&entry.path()));
        }
    }
}

fn text<'a>(node: &'a Node, key: &str) -> &'a str {
    node.get(key).and_then(Node::text).unwrap_or_else(|| panic!("{node:?} has no text `{key}`"))
}

/// The replicas that a step or check is about.
fn names(node: &Node) -> Vec<&str> {
    match node {
        Node::Text(name) => vec![name],
        Node::List(names) => names.iter().map(|name| name.text().unwrap()).collect(),
        other => panic!("{other:?} names no replica"),
    }
}

struct Play {
    sites: BTreeMap<String, Site>,
    client: Client,
    /// Disks that were marked, by replica and name.
    marks: BTreeMap<(String, String), MemoryFs>,
    reports: BTreeMap<String, Report>,
    events: BTreeMap<String, Vec<Event>>,
    ids: BTreeMap<String, String>,
    away: BTreeSet<String>,
}

impl Play {
    fn new(layout: Layout, replicas: &[&str]) -> Self {
        let site = |name: &&str| {
            let mut config = Config::new(Design::HARDENED.in_layout(layout), name);
            config.deltas_max = 3;
            (name.to_string(), Site::new(config))
        };
        Self {
            sites: replicas.iter().map(site).collect(),
            client: Client::default(),
            marks: BTreeMap::new(),
            reports: BTreeMap::new(),
            events: BTreeMap::new(),
            ids: BTreeMap::new(),
            away: BTreeSet::new(),
        }
    }

    fn site(&mut self, name: &str) -> &mut Site {
        self.sites.get_mut(name).unwrap_or_else(|| panic!("there is no replica {name}"))
    }

    fn carry(&mut self, names: &[&str]) {
        let away = &self.away;
        let mut sites: Vec<&mut Site> = self
            .sites
            .iter_mut()
            .filter(|(name, _)| names.contains(&name.as_str()) && !away.contains(*name))
            .map(|(_, site)| site)
            .collect();
        self.client.carry(&mut sites);
    }

    fn step(&mut self, step: &Node) {
        if let Some(carried) = step.get("carry") {
            let names = names(carried);
            self.away.retain(|name| !names.contains(&name.as_str()));
            self.carry(&names);
            return;
        }
        if let Some(off) = step.get("carry_off") {
            self.away.extend(names(off).into_iter().map(str::to_owned));
            return;
        }
        let on = step.get("on").unwrap_or_else(|| panic!("{step:?} is on nobody"));
        for name in names(on) {
            self.on(name, step);
        }
    }

    fn on(&mut self, name: &str, step: &Node) {
        let own = name.to_owned();
        if let Some(put) = step.get("put") {
            let told = self.put(name, put);
            self.events.insert(own, told);
        } else if let Some(delete) = step.get("delete") {
            let told = self.site(name).delete(text(delete, "kind"), text(delete, "id"));
            self.events.insert(own, told);
        } else if step.get("sync").is_some() {
            let told = self.site(name).ask(Command::Sync);
            if let Some(Event::Synced(report)) = told.last() {
                self.reports.insert(own.clone(), report.clone());
            }
            self.events.insert(own, told);
        } else if let Some(clock) = step.get("clock") {
            self.site(name).wall = clock.int().unwrap();
        } else if let Some(mark) = step.get("mark") {
            let mark = mark.text().unwrap_or("").to_owned();
            let disk = self.site(name).fs.disk.clone();
            self.marks.insert((own, mark), disk);
        } else if let Some(back) = step.get("back") {
            self.back(name, back.text().unwrap(), step.get("to").and_then(Node::text).unwrap_or(""));
        } else if let Some(forget) = step.get("forget").or_else(|| step.get("keep")) {
            let everything = forget.text() == Some("local");
            let site = self.site(name);
            let id = site.delta().id().unwrap().to_string();
            site.crash();
            let base = Path::local("delta/base.json");
            let goes = |path: &Path| path == &base || everything && path.root() == Root::Local;
            site.fs.disk.files.retain(|path, _| !goes(path));
            self.ids.insert(own, id);
        } else if step.get("restore_conflict").is_some() {
            let site = self.site(name);
            let newest = site
                .delta()
                .conflicts()
                .max_by_key(|conflict| (conflict.at, conflict.dot.clone()))
                .unwrap()
                .id();
            let told = site.ask(Command::Restore(newest));
            self.events.insert(own, told);
        } else if let Some(rewrite) = step.get("rewrite") {
            self.rewrite(name, rewrite);
        } else if let Some(file) = step.get("file") {
            self.file(name, file);
        } else if step.get("collect").is_some() {
            self.site(name).sync();
        } else if step.get("compact").is_some() {
            self.compact(name, step);
        } else {
            panic!("{step:?} is no step that is known here");
        }
    }

    fn put(&mut self, name: &str, put: &Node) -> Vec<Event> {
        let key = Key::new(text(put, "kind"), text(put, "id"));
        if let Some(up) = put.get("count_up") {
            let (field, times) = (text(up, "field"), up.get("times").unwrap().int().unwrap());
            let change = |count: i64| Change::put(&key.kind, &key.id, &format!("{{\"{field}\":{count}}}"));
            return self.site(name).ask(Command::Change((1..=times).map(change).collect()));
        }
        let set = put.get("set").map(|set| Fields::of(set).unwrap()).unwrap_or_default();
        let unset = put.get("unset").and_then(Node::list).unwrap_or_default();
        let unset = unset.iter().map(|name| name.text().unwrap().into()).collect();
        self.site(name).ask(Change::Put { key, set, unset })
    }

    fn back(&mut self, name: &str, what: &str, mark: &str) {
        let old = self.marks[&(name.to_owned(), mark.to_owned())].clone();
        let root = if what == "local" { Root::Local } else { Root::Shared };
        let site = self.site(name);
        site.crash();
        site.fs.disk.files.retain(|path, _| path.root() != root);
        site.fs.disk.files.extend(old.files.into_iter().filter(|(path, _)| path.root() == root));
    }

    /// Somebody edits an entity's own file by hand.
    fn rewrite(&mut self, name: &str, rewrite: &Node) {
        let site = self.site(name);
        let key = Key::new(text(rewrite, "kind"), text(rewrite, "id"));
        let id = site.delta().id().unwrap().clone();
        let file = cloudchamber_core::delta::layout::entity_file_name(&key);
        let path = Path::shared("replicas").join(&id.0).join("entities").join(&file);
        let Some(content) = site.fs.disk.files.get(&path) else { return };
        let mut text = String::from_utf8(content.bytes().to_vec()).unwrap();
        for (field, value) in rewrite.get("text").and_then(Node::object).into_iter().flatten() {
            let start = text.find(&format!("\"{field}\":")).unwrap() + field.len() + 3;
            let end = start + text[start..].find([',', '}']).unwrap();
            text.replace_range(start..end, value.text().unwrap());
        }
        site.fs.disk.files.insert(path, Content::from(text));
    }

    /// A third replica's file, whose first entity is sound and stamped 2099, and which is broken behind that.
    fn file(&mut self, name: &str, _: &Node) {
        let mut third = Site::new(self.site(name).config.clone());
        third.config.replica = "third".to_owned();
        third.wall = 4_070_908_800_000;
        third.put("task", "t9", r#"{"title":"of 2099"}"#);
        third.sync();
        let site = self.site(name);
        for (path, content) in third.shared() {
            let whole = path.name().ends_with("meta.json");
            let kept = if whole { content.clone() } else { content.prefix(content.len() - 10) };
            site.fs.disk.files.insert(path, kept);
        }
    }

    fn compact(&mut self, name: &str, step: &Node) {
        let site = self.site(name);
        site.feed(Command::Sync);
        match step.get("kill").and_then(Node::count) {
            Some(ops) if !site.settle(usize::try_from(ops).unwrap()) => site.crash(),
            _ => drop(site.settle(usize::MAX)),
        }
    }

    fn everybody(&self) -> Vec<String> {
        self.sites.keys().cloned().collect()
    }

    fn check(&mut self, check: &Node) {
        let on: Vec<String> = match check.get("on") {
            Some(on) => names(on).into_iter().map(str::to_owned).collect(),
            None => self.everybody(),
        };
        let mut known = false;
        let mut is = |key: &str| {
            let found = check.get(key);
            known |= found.is_some();
            found
        };
        if let Some(equal) = is("equal") {
            let pictures: Vec<_> = names(equal).into_iter().map(|name| self.site(name).picture()).collect();
            assert!(pictures.iter().all(|picture| *picture == pictures[0]), "{pictures:#?}");
        }
        if let Some(entity) = is("entity") {
            on.iter().for_each(|name| self.entity(name, entity, check));
        }
        if let Some(count) = is("entities") {
            for name in &on {
                assert_eq!(
                    self.site(name).delta().entities().count() as u64,
                    count.count().unwrap(),
                    "{name}"
                );
            }
        }
        if let Some(conflicts) = is("conflicts") {
            on.iter().for_each(|name| self.conflicts(name, conflicts));
        }
        if let Some(kept) = is("kept_or_conflict") {
            let wanted = kept.get("item").unwrap().json();
            for name in &on {
                let all = self.site(name).picture().join("\n");
                assert!(all.contains(wanted.as_str()), "{name}: {wanted} is lost: {all}");
            }
        }
        if let Some(title) = is("title_or_conflict") {
            let all = self.site(&on[0]).picture().join("\n");
            assert!(all.contains(title.text().unwrap()), "{all}");
        }
        if is("new_identity").is_some() {
            for name in &on {
                let now = self.site(name).delta().id().unwrap().to_string();
                assert_ne!(self.ids[name], now);
            }
        }
        if let Some(most) = is("last_sync_sent_at_most") {
            for name in &on {
                assert!(
                    self.reports[name].sent.len() as u64 <= most.count().unwrap(),
                    "{}",
                    self.reports[name]
                );
            }
        }
        if let Some(whose) = is("stamps_of") {
            let below = check.get("below").unwrap().int().unwrap();
            let clock = self.site(whose.text().unwrap()).delta().clock();
            assert!(clock.ms < below, "{clock}");
        }
        if is("refused").is_some() {
            let told: Vec<_> = self.events.values().flatten().collect();
            assert!(told.iter().any(|event| matches!(event, Event::Refused(_))), "{told:?}");
        }
        if let Some(syncs) = is("quiet_after_syncs") {
            for name in &on {
                let site = self.site(name);
                for _ in 0..syncs.count().unwrap_or(3) {
                    site.sync();
                }
                let before = site.shared();
                (0..3).for_each(|_| drop(site.sync()));
                assert!(before == site.shared(), "{name} still writes");
            }
        }
        if let Some(sent) = is("sent") {
            for name in &on {
                assert_eq!(
                    Some(self.reports[name].sent.len() as u64),
                    sent.count(),
                    "{}",
                    self.reports[name]
                );
            }
        }
        if is("said").is_some() {
            let told: Vec<_> = self.events.values().flatten().collect();
            assert!(!told.is_empty());
        }
        assert!(known, "{check:?} is no check that is known here");
    }

    fn entity(&mut self, name: &str, entity: &Node, check: &Node) {
        let (kind, id) = (text(entity, "kind"), text(entity, "id"));
        let shown = self.site(name).delta().get(kind, id);
        if check.get("deleted").is_some() {
            assert!(shown.is_none_or(|shown| shown.deleted), "{name}: {kind} {id} is not deleted");
            return;
        }
        let shown = shown.unwrap_or_else(|| panic!("{name}: {kind} {id} is not there"));
        if let Some(has) = check.get("has") {
            holds(&shown.fields, has).unwrap_or_else(|why| panic!("{name}: {kind} {id}: {why}"));
        }
        if let Some(all) = check.get("one_of").and_then(Node::list) {
            assert!(all.iter().any(|has| holds(&shown.fields, has).is_ok()), "{name}: {:?}", shown.fields);
        }
    }

    fn conflicts(&mut self, name: &str, wanted: &Node) {
        let site = self.site(name);
        let found = site.conflicts();
        let entities: Vec<_> = site.delta().entities().collect();
        let is_unless = |has: &Node| entities.iter().any(|shown| holds(&shown.fields, has).is_ok());
        if wanted.get("unless").is_some_and(is_unless) {
            return;
        }
        let count = found.len() as u64;
        let number = |key: &str| wanted.get(key).and_then(Node::count);
        assert!(number("count").is_none_or(|exact| count == exact), "{name}: {found:#?}");
        assert!(number("at_least").is_none_or(|least| count >= least), "{name}: {found:#?}");
        assert!(number("at_most").is_none_or(|most| count <= most), "{name}: {found:#?}");
        if let Some(contains) = wanted.get("contains") {
            let contains = contains.json();
            assert!(
                found.iter().any(|conflict| conflict.contains(contains.as_str())),
                "{name}: {contains}: {found:#?}"
            );
        }
    }
}

/// Whether fields have the values of an object; `{"$absent": true}` is one that is not there.
fn holds(fields: &Fields, has: &Node) -> Result<(), String> {
    for (name, value) in has.object().unwrap() {
        let found = fields.get(name);
        let absent = value.object().is_some_and(|object| object.len() == 1 && object.contains_key("$absent"));
        let fits = if absent { found.is_none() } else { found == Some(&value.json()) };
        if !fits {
            return Err(format!("`{name}` is {found:?}, and not {}", value.json()));
        }
    }
    Ok(())
}

fn cases() -> Vec<std::path::PathBuf> {
    let mut dirs: Vec<_> = std::fs::read_dir(data()).unwrap().map(|entry| entry.unwrap().path()).collect();
    dirs.retain(|dir| dir.is_dir());
    dirs.sort();
    dirs
}

fn play_all(layout: Layout) {
    let mut played = 0;
    let mut failed = Vec::new();
    for case in cases() {
        if !case.join("steps.json").exists() {
            continue;
        }
        let steps = parse(&case.join("steps.json"));
        for variant in steps.get("variants").and_then(Node::list).unwrap() {
            let name = format!("{}: {}", case.file_name().unwrap().display(), text(variant, "name"));
            let run = || {
                let mut play = Play::new(layout, &names(variant.get("replicas").unwrap()));
                for step in variant.get("steps").and_then(Node::list).unwrap() {
                    play.step(step);
                }
                for check in variant.get("check").and_then(Node::list).unwrap() {
                    play.check(check);
                }
            };
            played += 1;
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err() {
                failed.push(name);
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(played, 32, "a case that is added is counted here");
}

#[test]
fn every_case_comes_out_right_in_split() {
    play_all(Layout::Split);
}

#[test]
fn every_case_comes_out_right_in_split_lite() {
    play_all(Layout::SplitLite);
}

/// The value at a place such as `deep.l[0]`.
fn at<'a>(fields: &'a BTreeMap<String, Node>, place: &str) -> &'a Node {
    let mut parts = place.split('.');
    let mut node = &fields[parts.next().unwrap()];
    for part in parts {
        let (name, index) = part.split_once('[').map_or((part, None), |(name, rest)| (name, Some(rest)));
        node = node.get(name).unwrap();
        if let Some(index) = index {
            node = &node.list().unwrap()[index.trim_end_matches(']').parse::<usize>().unwrap()];
        }
    }
    node
}

#[test]
fn folders_that_others_left_are_taken_over() {
    let mut played = 0;
    for case in cases() {
        let mut dirs: Vec<_> = std::fs::read_dir(&case).unwrap().map(|entry| entry.unwrap().path()).collect();
        dirs.sort();
        for dir in dirs.into_iter().filter(|dir| dir.join("folder").exists()) {
            played += 1;
            let mut files = BTreeMap::new();
            tree(&dir.join("folder"), "", &mut files);
            let mut site = Site::new(Config::new(Design::HARDENED, "a"));
            for (name, bytes) in &files {
                site.fs.disk.files.insert(Path::shared(name), Content::new(bytes.clone()));
            }
            let told = site.ask(Command::Import);
            let expected = parse(&dir.join("expected.json"));
            folder(&mut site, &expected, &format!("{}: {told:?}", dir.display()));
            // The same again, and the same content in other bytes, are no change.
            if let Some(same) = expected.get("same_as").and_then(Node::text) {
                let mut other = BTreeMap::new();
                tree(&case.join(same).join("folder"), "", &mut other);
                for (name, bytes) in other {
                    site.fs.disk.files.insert(Path::shared(&name), Content::new(bytes));
                }
            }
            let told = site.ask(Command::Import);
            assert!(matches!(&told[..], [Event::Imported { new: 0, .. }]), "{}: {told:?}", dir.display());
            // An edit of another field, and a sync on both.
            let (mut other, mut client) = (Site::new(Config::new(Design::HARDENED, "b")), Client::default());
            site.sync();
            client.carry(&mut [&mut site, &mut other]);
            other.sync();
            let keys: Vec<_> = other.delta().entities().map(|shown| shown.key).collect();
            for key in keys {
                other.put(&key.kind, &key.id, r#"{"another":1}"#);
            }
            replicas::converge(&mut client, &mut [&mut site, &mut other]);
            assert_eq!(site.picture(), other.picture());
            folder(&mut site, &expected, &format!("{} after an edit", dir.display()));
            assert!(site.conflicts().is_empty());
        }
    }
    assert_eq!(played, 18, "a case that is added is counted here");
}

fn folder(site: &mut Site, expected: &Node, about: &str) {
    if let Some(entity) = expected.get("entity") {
        let shown = site.delta().get(text(entity, "kind"), text(entity, "id"));
        let fields = shown.unwrap_or_else(|| panic!("{about}: it is not there")).fields;
        if let Some(has) = expected.get("has") {
            holds(&fields, has).unwrap_or_else(|why| panic!("{about}: {why}"));
        }
        let node = fields.json().node();
        for (place, text) in expected.get("keeps_text").and_then(Node::object).into_iter().flatten() {
            assert_eq!(
                at(node.object().unwrap(), place).json().as_str(),
                text.text().unwrap(),
                "{about}: {place}"
            );
        }
    }
    for entity in expected.get("entities").and_then(Node::list).unwrap_or_default() {
        let shown = site.delta().get(text(entity, "kind"), text(entity, "id"));
        let fields = shown.unwrap_or_else(|| panic!("{about}: {entity:?}")).fields;
        assert_eq!(fields.get("title"), Some(&Json::text(text(entity, "title"))), "{about}");
    }
}
