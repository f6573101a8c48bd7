//! What a file system tells of a directory spares looks and changes nothing: a replica that asks for digests does and says
//! what one does that has to look.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/replicas.rs"]
mod replicas;

use std::collections::BTreeMap;

use cloudchamber_core::delta::{Change, Command, Config, Design, Layout};
use cloudchamber_core::{Content, FsError, Path, Root};
use proptest::prelude::*;
use proptest::sample::Index;
use replicas::{Client, Site, converge};

const DAY_MS: i64 = 86_400_000;

fn site(name: &str, layout: Layout, digests: bool) -> Site {
    let mut site = Site::new(Config::new(Design::HARDENED.in_layout(layout), name));
    site.fs.digests = digests;
    site
}

#[derive(Clone, Debug)]
enum Act {
    Put(u8),
    Delete(u8),
    Sync,
    Accept,
    DryRun,
    Crash,
    /// What one has goes to the others, and theirs to it.
    Carry,
    /// A file in the folder is as some file once was there; gone if it never was.
    Older(Index, Index),
    Gone(Index),
    /// A file cannot be read, or all can again.
    Blocked(Option<Index>),
    /// So many milliseconds pass. Less than none: somebody sets the clock back.
    Pass(i64),
}

fn acts() -> impl Strategy<Value = Vec<(usize, Act)>> {
    let index = any::<Index>;
    let act = prop_oneof![
        4 => (0..4_u8).prop_map(Act::Put),
        1 => (0..4_u8).prop_map(Act::Delete),
        10 => Just(Act::Sync),
        1 => Just(Act::Accept),
        1 => Just(Act::DryRun),
        1 => Just(Act::Crash),
        4 => Just(Act::Carry),
        1 => (index(), index()).prop_map(|(which, when)| Act::Older(which, when)),
        1 => index().prop_map(Act::Gone),
        1 => prop::option::of(index()).prop_map(Act::Blocked),
        2 => prop_oneof![Just(60_000), Just(2 * DAY_MS), Just(100 * DAY_MS), Just(-3 * DAY_MS)].prop_map(Act::Pass),
    ];
    prop::collection::vec((0..3_usize, act), 1..60)
}

/// Three replicas, the client of their folder, and every file that was ever in it.
struct Group {
    sites: [Site; 3],
    client: Client,
    once: BTreeMap<Path, Vec<Content>>,
}

impl Group {
    fn new(layout: Layout, digests: bool) -> Self {
        let sites = ["a", "b", "c"].map(|name| site(name, layout, digests));
        Self { sites, client: Client::default(), once: BTreeMap::new() }
    }

    /// What the one that does something is told.
    fn act(&mut self, at: usize, act: &Act) -> String {
        let site = &mut self.sites[at];
        let files: Vec<Path> = site.shared().into_keys().collect();
        let told = match act {
            Act::Put(id) => {
                let field = format!("{{\"field-{at}\":{id}}}");
                site.put("task", &id.to_string(), &field)
            }
            Act::Delete(id) => site.ask(Change::delete("task", &id.to_string())),
            Act::Sync => site.ask(Command::Sync),
            Act::Accept => site.ask(Command::Accept),
            Act::DryRun => site.ask(Command::DryRun),
            Act::Crash => {
                site.crash();
                Vec::new()
            }
            Act::Carry => {
                self.client.carry(&mut self.sites.each_mut());
                Vec::new()
            }
            Act::Older(which, when) if !self.once.is_empty() => {
                let (path, contents) = self.once.iter().nth(which.index(self.once.len())).unwrap();
                site.fs.disk.files.insert(path.clone(), when.get(contents).clone());
                Vec::new()
            }
            Act::Gone(which) if !files.is_empty() => {
                site.fs.disk.files.remove(which.get(&files));
                Vec::new()
            }
            Act::Blocked(Some(which)) if !files.is_empty() => {
                site.fs.disk.unreadable.insert(which.get(&files).clone(), FsError::NotLocal);
                Vec::new()
            }
            Act::Blocked(_) => {
                site.fs.disk.unreadable.clear();
                Vec::new()
            }
            Act::Older(..) | Act::Gone(_) => Vec::new(),
            Act::Pass(ms) => {
                site.wall += ms;
                Vec::new()
            }
        };
        for (path, content) in self.sites[at].fs.disk.of(Root::Shared) {
            let contents = self.once.entry(path.clone()).or_default();
            if !contents.contains(content) {
                contents.push(content.clone());
            }
        }
        let site = &mut self.sites[at];
        let problems = site.driver.as_ref().map(|driver| driver.protocol().problems().to_vec());
        format!("{told:?} {problems:?}")
    }
}

proptest! {
    #[test]
    fn what_is_not_looked_at_again_has_nothing_new(acts in acts(), lite in any::<bool>()) {
        let layout = if lite { Layout::SplitLite } else { Layout::Split };
        let mut groups = [true, false].map(|digests| Group::new(layout, digests));
        for (at, act) in acts {
            let told = groups.each_mut().map(|group| group.act(at, &act));
            prop_assert_eq!(&told[0], &told[1], "{} does {:?}", at, act);
            let [one, other] = groups.each_ref().map(|group| &group.sites[at].fs.disk);
            prop_assert_eq!(one, other, "{} does {:?}", at, act);
        }
    }
}

#[test]
fn who_has_been_away_for_too_long_is_noted_in_the_same_millisecond() {
    let mut groups = [true, false].map(|digests| Group::new(Layout::Split, digests));
    for group in &mut groups {
        let Group { sites: [a, b, _], client, .. } = group;
        b.put("task", "t", "{}");
        converge(client, &mut [a, b]);
    }
    let Config { uphold_ms, retention_ms, .. } = groups[0].sites[0].config;
    let start = groups[0].sites[0].wall;
    for ms in [uphold_ms, retention_ms] {
        // What a has heard of b last it heard within the last milliseconds.
        groups.iter_mut().for_each(|group| group.sites[0].wall = start + i64::try_from(ms).unwrap() - 100);
        for _ in 0..150 {
            let told = groups.each_mut().map(|group| group.act(0, &Act::Sync));
            assert_eq!(told[0], told[1]);
            let [one, other] = groups.each_ref().map(|group| &group.sites[0].fs.disk);
            assert_eq!(one, other);
        }
    }
    let [one, other] = groups.each_ref().map(|group| group.sites[0].fs.opened.get());
    assert!(one * 10 < other, "{one} of {other} files were opened");
}

#[test]
fn a_sync_of_a_folder_that_is_as_it_was_looks_at_nothing() {
    for layout in [Layout::Split, Layout::SplitLite] {
        let mut client = Client::default();
        let [mut a, mut b] = ["a", "b"].map(|name| site(name, layout, true));
        a.put("task", "t1", r#"{"title":"t"}"#);
        converge(&mut client, &mut [&mut a, &mut b]);
        a.sync();
        let looks = |site: &Site| (site.fs.opened.get(), site.fs.listed.get());
        let before = looks(&a);
        assert_eq!(a.sync().to_string(), "nothing to do");
        assert_eq!(looks(&a), before, "{layout:?}");
        // Somebody has been away for too long now, and that has to be noted.
        a.wall += 100 * DAY_MS;
        a.sync();
        assert!(looks(&a) > before, "{layout:?}");
        // And what comes is seen.
        a.sync();
        b.put("task", "t2", r#"{"title":"u"}"#);
        b.sync();
        client.carry(&mut [&mut a, &mut b]);
        assert_eq!(a.sync().to_string(), "1 task received", "{layout:?}");
    }
}
