//! Replicas of a delta folder that lacks what it held: what is not written, how one goes on, and what a person's word does.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/replicas.rs"]
mod replicas;

use cloudchamber_core::Path;
use cloudchamber_core::delta::{Change, Command, Config, Design, Event, Layout};
use cloudchamber_core::kit::guard::Limit;
use replicas::{Client, Site, converge};

const LAYOUTS: [Layout; 2] = [Layout::Split, Layout::SplitLite];

fn site(name: &str, layout: Layout) -> Site {
    Site::new(Config::new(Design::HARDENED.in_layout(layout), name))
}

fn put(site: &mut Site, of: &str, count: usize, title: &str) {
    let one =
        |at: usize| Change::put("task", &format!("{of}{at:02}"), &format!("{{\"title\":\"{title} {at}\"}}"));
    let told = site.ask(Command::Change((0..count).map(one).collect()));
    assert!(told.iter().all(|event| matches!(event, Event::Acknowledged { .. })), "{told:?}");
}

/// Three replicas that know each other, with so many entities each.
fn three(layout: Layout, counts: [usize; 3]) -> ([Site; 3], Client) {
    let mut sites = ["a", "b", "c"].map(|name| site(name, layout));
    let mut client = Client::default();
    for (site, count) in sites.iter_mut().zip(counts) {
        let of = site.machine.clone();
        put(site, &of, count, "first");
    }
    let [a, b, c] = &mut sites;
    converge(&mut client, &mut [a, b, c]);
    (sites, client)
}

/// Takes files away whose names hold all of these words.
fn lose(site: &mut Site, most: usize, words: &[&str]) -> Vec<Path> {
    let is_meant = |path: &&Path| words.iter().all(|word| path.name().contains(word));
    let gone: Vec<Path> = site.shared().keys().filter(is_meant).take(most).cloned().collect();
    gone.iter().for_each(|path| drop(site.fs.disk.files.remove(path)));
    gone
}

/// Why it does not sync; it may have written nothing then.
fn refused(site: &mut Site, command: Command) -> String {
    let before = site.shared();
    let told = site.ask(command);
    let [Event::Refused(why)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(site.shared(), before, "nothing is written");
    why.clone()
}

fn accept(site: &mut Site) -> String {
    let told = site.ask(Command::Accept);
    let report = told.iter().find_map(|event| match event {
        Event::Synced(report) => Some(report.to_string()),
        _ => None,
    });
    report.unwrap_or_else(|| panic!("{told:?}"))
}

#[test]
fn a_folder_that_was_emptied_is_filled_again_by_whoever_accepts_it() {
    for layout in LAYOUTS {
        let ([mut a, mut b, mut c], mut client) = three(layout, [3, 2, 2]);
        c.ask(Change::delete("task", "c01"));
        converge(&mut client, &mut [&mut a, &mut b, &mut c]);
        let before = a.picture();
        lose(&mut a, usize::MAX, &[]);
        client.carry(&mut [&mut a, &mut b, &mut c]);
        for site in [&mut a, &mut b] {
            let why = refused(site, Command::Sync);
            assert!(
                why.contains("nothing of what it held is there") && why.contains("sync --accept"),
                "{why}"
            );
            refused(site, Command::DryRun);
        }
        put(&mut b, "late", 1, "first");
        accept(&mut a);
        // C never comes back, and B goes on by itself.
        client.carry(&mut [&mut a, &mut b]);
        let mut d = site("d", layout);
        converge(&mut client, &mut [&mut a, &mut b, &mut d]);
        let mut after = d.picture();
        assert!(a.picture() == after && b.picture() == after, "{layout:?}");
        after.retain(|entity| !entity.starts_with("task late"));
        assert_eq!(after, before, "{layout:?}: what only c had written is there too");
        // What was accepted is not said again, and c is as it was when it comes back.
        client.carry(&mut [&mut a, &mut b, &mut c, &mut d]);
        converge(&mut client, &mut [&mut a, &mut b, &mut c, &mut d]);
        assert!(c.picture() == d.picture() && c.conflicts().is_empty(), "{layout:?}");
    }
}

#[test]
fn nothing_is_written_while_much_is_gone_and_it_goes_on_when_that_is_back() {
    let ([mut a, mut b, mut c], mut client) = three(Layout::Split, [20, 10, 4]);
    let whole = a.shared();
    lose(&mut a, 15, &["entities/", "_a"]);
    lose(&mut a, 4, &["entities/", "_b"]);
    put(&mut a, "new", 1, "second");
    let why = refused(&mut a, Command::Sync);
    assert!(
        why.contains("of 34 files that were known here 19 are gone") && why.contains("sync --accept"),
        "{why}"
    );
    refused(&mut a, Command::DryRun);
    // Half and less is healed.
    let some = whole.iter().filter(|(path, _)| path.name().contains("_b"));
    a.fs.disk.files.extend(some.map(|(path, content)| (path.clone(), content.clone())));
    assert_eq!(a.sync().to_string(), "16 tasks sent");
    client.carry(&mut [&mut a, &mut b, &mut c]);
    converge(&mut client, &mut [&mut a, &mut b, &mut c]);
    assert!(a.picture() == c.picture() && a.delta().entities().count() == 35);
}

#[test]
fn without_the_guard_a_replica_writes_into_what_is_left() {
    for limit in [Limit::USUAL, Limit::NONE] {
        let ([mut a, ..], _) = three(Layout::Split, [20, 10, 4]);
        a.config.guard = limit;
        a.crash();
        lose(&mut a, 15, &["entities/", "_a"]);
        lose(&mut a, 4, &["entities/", "_b"]);
        put(&mut a, "new", 1, "second");
        let left = a.shared();
        a.ask(Command::Sync);
        assert_eq!(a.shared() == left, limit == Limit::USUAL);
    }
}

#[test]
fn what_others_wrote_is_said_again_by_whoever_accepts_that_it_is_gone() {
    for layout in LAYOUTS {
        let ([mut a, mut b, mut c], mut client) = three(layout, [2, 20, 20]);
        let before = a.picture();
        let [b_dir, c_dir] = [&mut b, &mut c].map(|site| format!("replicas/{}/", site.delta().id().unwrap()));
        lose(&mut a, usize::MAX, &[&b_dir]);
        lose(&mut a, usize::MAX, &[&c_dir]);
        let why = refused(&mut a, Command::Sync);
        assert!(why.contains("of 42 files that were known here 40 are gone"), "{layout:?}: {why}");
        accept(&mut a);
        assert_eq!(a.sync().to_string(), "nothing to do", "{layout:?}: that is so from now on");
        let mut d = site("d", layout);
        let mut fresh = Client::default();
        fresh.carry(&mut [&mut a, &mut d]);
        converge(&mut fresh, &mut [&mut a, &mut d]);
        assert_eq!(d.picture(), before, "{layout:?}");
        // Theirs are gone from their folders too by then.
        client.carry(&mut [&mut a, &mut b, &mut c]);
        for site in [&mut b, &mut c] {
            refused(site, Command::Sync);
            accept(site);
        }
        converge(&mut client, &mut [&mut a, &mut b, &mut c]);
        assert!(b.picture() == before && a.picture() == before, "{layout:?}");
    }
}

#[test]
fn much_that_is_older_at_once_is_not_written_over_before_somebody_says_so() {
    let ([mut a, mut b, mut c], mut client) = three(Layout::Split, [20, 2, 2]);
    let old = a.shared();
    put(&mut a, "a", 20, "second");
    put(&mut b, "b", 2, "second");
    converge(&mut client, &mut [&mut a, &mut b, &mut c]);
    let new = a.shared();
    for site in [&mut a, &mut b] {
        site.fs.disk.files.retain(|path, _| !old.contains_key(path));
        site.fs.disk.files.extend(old.clone());
        let why = refused(site, Command::Sync);
        assert!(why.contains("are older than they were"), "{why}");
    }
    a.fs.disk.files.extend(new);
    assert_eq!(a.sync().to_string(), "nothing to do", "it is back");
    // Or it is accepted; then owners write their own again.
    a.fs.disk.files.extend(old);
    accept(&mut a);
    client.carry(&mut [&mut a, &mut b, &mut c]);
    converge(&mut client, &mut [&mut a, &mut b, &mut c]);
    assert_eq!(c.show("task", "a19"), r#"{"title":"second 19"}"#);
    assert!(a.picture() == b.picture() && a.conflicts().is_empty());
}

#[test]
fn what_has_not_arrived_yet_is_no_loss() {
    let (mut a, mut b, mut c) =
        (site("a", Layout::Split), site("b", Layout::Split), site("c", Layout::Split));
    let mut client = Client::default();
    put(&mut a, "t", 30, "first");
    converge(&mut client, &mut [&mut a, &mut b]);
    put(&mut b, "t", 30, "second");
    converge(&mut client, &mut [&mut a, &mut b]);
    // B's files hold what A wrote too, and come first; of A's only the meta file is there.
    c.fs.disk.files.extend(b.shared());
    let gone = lose(&mut c, usize::MAX, &["replicas/a-", "entities/"]);
    assert_eq!(gone.len(), 30);
    c.sync();
    c.sync();
    assert_eq!(c.delta().entities().count(), 30);
    // Whoever deletes what all have seen, and drops it, takes nothing away either.
    converge(&mut client, &mut [&mut a, &mut b, &mut c]);
    let all = (0..30).map(|at| Change::delete("task", &format!("t{at:02}")));
    a.ask(Command::Change(all.collect()));
    converge(&mut client, &mut [&mut a, &mut b, &mut c]);
    assert_eq!(c.delta().all().count(), 0);
}

#[test]
fn a_snapshot_that_was_never_written_does_not_lack() {
    let mut config = Config::new(Design::HARDENED.in_layout(Layout::SplitLite), "a");
    config.deltas_max = 1;
    for ops in 0..8 {
        let mut a = Site::new(config.clone());
        put(&mut a, "t", 20, "first");
        a.sync();
        put(&mut a, "t", 20, "second");
        // The folder goes away, or the machine does, while a snapshot takes the place of what there was.
        a.feed(Command::Sync);
        a.settle(ops);
        a.crash();
        let told = a.ask(Command::Sync);
        assert!(told.iter().any(|event| matches!(event, Event::Synced(_))), "{ops}: {told:?}");
    }
}
