//! Histories that the folder model allows, among them those of real clients, and such as it must not.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail it as the test itself may")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use cloudchamber_core::kit::clients::unfinished;
use cloudchamber_folder::profile::{Hazard, Profile};
use cloudchamber_host::record::{History, Kind, Seen, Written, parse};
use cloudchamber_live::observed::{Judged, Model, Observed, Refusal, judge};

/// A history, line by line.
struct Told {
    name: String,
    text: String,
    known: BTreeSet<String>,
}

fn told(name: &str) -> Told {
    let text = format!(
        "{{\"cloudchamber_observed\":1,\"name\":\"{name}\",\"started_ms\":1000000,\"content_max\":4096}}\n"
    );
    Told { name: name.to_owned(), text, known: BTreeSet::new() }
}

impl Told {
    fn line(mut self, ms: u64, path: &str, by: &str, content: Option<&str>) -> Self {
        let seen = match (content, self.known.contains(path)) {
            (None, _) => "gone",
            (Some(_), true) => "changed",
            (Some(_), false) => "appeared",
        };
        self.known.insert(path.to_owned());
        if content.is_none() {
            self.known.remove(path);
        }
        let file = content.map_or(String::new(), |content| {
            let len = content.len();
            let content = serde_json::to_string(content).unwrap();
            format!(
                ",\"len\":{len},\"modified_ms\":{},\"sha256\":\"-\",\"content\":{{\"text\":{content}}}",
                1_000_000 + ms
            )
        });
        let wall_ms = 1_000_000 + ms;
        writeln!(
            self.text,
            "{{\"ms\":{ms},\"wall_ms\":{wall_ms},\"path\":\"{path}\",\"seen\":\"{seen}\"{by}{file}}}"
        )
        .unwrap();
        self
    }

    /// Somebody on its machine wrote it.
    fn wrote(self, ms: u64, path: &str, content: &str) -> Self {
        self.line(ms, path, ",\"by\":\"here\"", Some(content))
    }

    fn removed(self, ms: u64, path: &str) -> Self {
        self.line(ms, path, ",\"by\":\"here\"", None)
    }

    /// It was seen.
    fn saw(self, ms: u64, path: &str, content: &str) -> Self {
        self.line(ms, path, "", Some(content))
    }

    fn missed(self, ms: u64, path: &str) -> Self {
        self.line(ms, path, "", None)
    }

    fn observed(&self) -> Observed {
        let text = format!("{}{{\"ms\":9999999,\"wall_ms\":9999999,\"end\":\"x\"}}\n", self.text);
        Observed { file: format!("{}.jsonl", self.name), history: parse(&text).unwrap() }
    }
}

fn by(profile: &str) -> Model {
    let profile = (profile != "any").then(|| Profile::find(profile).unwrap());
    Model { profile, clock_error_ms: 500 }
}

fn judged(profile: &str, all: &[&Told]) -> Judged {
    let all: Vec<Observed> = all.iter().map(|one| one.observed()).collect();
    judge(&all, &by(profile)).unwrap()
}

/// What had to go wrong.
#[track_caller]
fn allowed(profile: &str, all: &[&Told]) -> Vec<Hazard> {
    let judged = judged(profile, all);
    assert_eq!(judged.refused, None, "{judged:#?}");
    judged.hazards.into_iter().collect()
}

/// The line that is refused, with its file, and why.
#[track_caller]
fn refused(profile: &str, all: &[&Told]) -> (String, Refusal) {
    let judged = judged(profile, all);
    let refusal =
        judged.refused.unwrap_or_else(|| panic!("it is allowed: {:?} {:?}", judged.hazards, judged.counts));
    (format!("{}:{}", refusal.file, refusal.line), refusal)
}

fn one() -> Told {
    told("one").wrote(1_000, "f", "first").wrote(5_000, "f", "first, second").wrote(20_000, "f", "third")
}

#[test]
fn versions_may_be_late_and_skipped() {
    for profile in Profile::names().chain(["any"]) {
        let all =
            told("two").saw(3_000, "f", "first").saw(9_000, "f", "first, second").saw(30_000, "f", "third");
        assert_eq!(allowed(profile, &[&one(), &all]), []);
        let late = told("two").saw(25_000, "f", "first").saw(26_000, "f", "third");
        assert_eq!(allowed(profile, &[&one(), &late]), []);
        assert_eq!(allowed(profile, &[&late, &one()]), [], "the order of the files does not matter");
        assert_eq!(allowed(profile, &[&one(), &told("two").saw(40_000, "f", "third")]), []);
    }
    let judged =
        judged("perfect", &[&one(), &told("two").saw(25_000, "f", "first").saw(26_000, "f", "third")]);
    assert_eq!((judged.counts.paths, judged.counts.versions, judged.counts.deliveries), (1, 3, 2));
}

#[test]
fn a_content_that_nobody_wrote_is_refused() {
    for profile in Profile::names() {
        let two = told("two").saw(3_000, "f", "first").saw(9_000, "f", "nobody's");
        let (at, refusal) = refused(profile, &[&one(), &two]);
        assert_eq!(at, "two.jsonl:3", "{profile}");
        assert!(refusal.why.contains("nobody has written it"), "{}", refusal.why);
        assert!(refusal.allowed.iter().any(|what| what.contains("first, second")), "{:?}", refusal.allowed);
    }
    let (at, _) = refused("any", &[&one(), &told("two").saw(9_000, "other", "first")]);
    assert_eq!(at, "two.jsonl:2", "it was written under another name");
}

#[test]
fn what_is_seen_before_it_was_written_is_refused_unless_the_clocks_may_be_so_far_apart() {
    let early = told("two").saw(4_600, "f", "first, second");
    assert_eq!(allowed("perfect", &[&one(), &early]), []);
    let early = told("two").saw(2_000, "f", "first").saw(4_400, "f", "first, second");
    let (at, refusal) = refused("any", &[&one(), &early]);
    assert_eq!(at, "two.jsonl:3");
    assert!(refusal.why.contains("one wrote it (one.jsonl:3), but only 600 ms later"), "{}", refusal.why);
}

#[test]
fn a_removed_file_comes_back_only_where_something_brings_it() {
    let one = one().removed(30_000, "f");
    let two = told("two").saw(25_000, "f", "third").missed(35_000, "f").saw(50_000, "f", "third");
    let (at, refusal) = refused("perfect", &[&one, &two]);
    assert_eq!(at, "two.jsonl:4");
    assert!(refusal.why.contains("`older_files`"), "{}", refusal.why);
    assert_eq!(refusal.allowed, ["no file"]);
    assert_eq!(allowed("syncthing", &[&one, &two]), [Hazard::OlderFiles]);
    // One that was away takes its old file for a new one, and sends it.
    let three = told("three").saw(26_000, "f", "third");
    let one = one.saw(70_000, "f", "third");
    assert_eq!(allowed("dropbox", &[&one, &three]), [Hazard::StaleUpload]);
    assert_eq!(refused("perfect", &[&one, &three]).0, "one.jsonl:6");
}

#[test]
fn a_removal_needs_somebody_who_removes() {
    let two = told("two").saw(25_000, "f", "third").missed(35_000, "f");
    let (at, refusal) = refused("perfect", &[&one(), &two]);
    assert_eq!(at, "two.jsonl:3");
    assert_eq!(refusal.allowed, ["5 bytes, \"third\", as one wrote it (one.jsonl:4)"]);
    assert_eq!(allowed("perfect", &[&one().removed(30_000, "f"), &two]), []);
    // A gap shows while another version comes, and not otherwise.
    let two = told("two").saw(3_000, "f", "first").missed(25_000, "f").saw(25_010, "f", "third");
    assert_eq!(allowed("git", &[&one(), &two]), [Hazard::Gap]);
    let (at, refusal) = refused("icloud", &[&one(), &two]);
    assert_eq!(at, "two.jsonl:3");
    assert!(refusal.why.contains("gone for 10 ms"), "{}", refusal.why);
}

#[test]
fn a_client_that_takes_an_empty_directory_for_the_folder_removes_everything() {
    let one = told("one").wrote(1_000, "g", "other").wrote(20_000, "f", "third");
    let two = told("two").saw(5_000, "g", "other").saw(25_000, "f", "third");
    let two = two.missed(35_000, "f").missed(35_001, "g");
    assert_eq!(allowed("dropbox", &[&one, &two]), [Hazard::FolderHollow, Hazard::FolderWiped]);
    let two = told("two").saw(5_000, "g", "other").saw(25_000, "f", "third").missed(35_000, "f");
    assert_eq!(refused("dropbox", &[&one, &two]).0, "two.jsonl:4", "one file is still there");
}

#[test]
fn broken_forms_need_their_hazards() {
    for (broken, allows, hazard) in [
        ("first, s", Some("git"), Hazard::Prefix),
        ("", Some("dropbox"), Hazard::Empty),
        ("\0\0\0\0\0\0\0\0\0\0\0\0\0", None, Hazard::Nul),
    ] {
        let two =
            told("two").saw(3_000, "f", "first").saw(9_000, "f", broken).saw(9_100, "f", "first, second");
        if let Some(profile) = allows {
            assert_eq!(allowed(profile, &[&one(), &two]), [hazard], "{broken:?}");
        }
        for profile in ["perfect", "syncthing", "unison"] {
            let (at, refusal) = refused(profile, &[&one(), &two]);
            assert_eq!(at, "two.jsonl:3", "{broken:?}");
            assert!(refusal.why.contains(&format!("`{}`", hazard.key())), "{}", refusal.why);
        }
    }
    // A cut that is none of any version.
    let two = told("two").saw(3_000, "f", "first").saw(9_000, "f", "first;");
    assert_eq!(refused("git", &[&one(), &two]).0, "two.jsonl:3");
    let two = told("two").saw(9_000, "f", "\0\0\0");
    assert_eq!(refused("any", &[&one(), &two]).0, "two.jsonl:2", "no version is so short");
}

#[test]
fn a_cut_version_that_is_sent_needs_two_hazards() {
    let one = told("one").wrote(1_000, "f", "a longer version").saw(20_000, "f", "a lon");
    let two = told("two").saw(5_000, "f", "a lon");
    assert_eq!(allowed("git", &[&one, &two]), [Hazard::CutSent, Hazard::Prefix]);
    assert_eq!(refused("gdrive", &[&one, &two]).0, "one.jsonl:3");
}

#[test]
fn an_older_version_comes_after_a_newer_one_only_from_a_backup() {
    let two = told("two").saw(3_000, "f", "first").saw(9_000, "f", "first, second").saw(30_000, "f", "first");
    let (at, refusal) = refused("perfect", &[&one(), &two]);
    assert_eq!(at, "two.jsonl:4");
    assert!(refusal.why.contains("`older_files`"), "{}", refusal.why);
    assert_eq!(allowed("onedrive", &[&one(), &two]), [Hazard::OlderFiles]);
    let two = told("two").saw(9_000, "f", "first, second").saw(30_000, "f", "first");
    let (at, refusal) = refused("any", &[&one(), &two]);
    assert_eq!(at, "two.jsonl:3", "it has never had it, and so nobody can have kept it");
    assert!(refusal.why.contains("has had a later version"), "{}", refusal.why);
}

/// Two edits of one file, apart from each other.
fn apart() -> [Told; 2] {
    [
        told("one").wrote(1_000, "s.txt", "old").wrote(20_000, "s.txt", "by one"),
        told("two").saw(5_000, "s.txt", "old").wrote(22_000, "s.txt", "by two"),
    ]
}

#[test]
fn conflict_copies_have_the_providers_name_and_a_content_that_was_there() {
    const COPY: &str = "s (two's conflicted copy 2026-12-01).txt";
    let [one, two] = apart();
    let two = two.saw(30_000, COPY, "by two").saw(30_010, "s.txt", "by one");
    let one = one.saw(34_000, COPY, "by two");
    let judged = judged("dropbox", &[&one, &two]);
    assert_eq!(judged.refused, None);
    assert_eq!((judged.counts.conflicts, judged.counts.conflict_copies, judged.hazards.len()), (1, 1, 0));
    assert_eq!(allowed("any", &[&one, &two]), []);
    // By the rules of others the copy has another name, or there is none.
    for profile in ["icloud", "syncthing", "git"] {
        assert_eq!(refused(profile, &[&one, &two]).0, "two.jsonl:4", "{profile}");
    }
    let [one, two] = apart();
    let two = two.saw(30_000, COPY, "by three").saw(30_010, "s.txt", "by one");
    assert_eq!(refused("dropbox", &[&one, &two]).0, "two.jsonl:4");
    // Nobody edited it at two places; but a client that forgets what it had takes its old file for an edit.
    let one = told("one").wrote(1_000, "s.txt", "old").wrote(20_000, "s.txt", "by one");
    let two = told("two").saw(5_000, "s.txt", "old").saw(30_000, COPY, "old");
    assert_eq!(allowed("dropbox", &[&one, &two]), [Hazard::StaleUpload]);
    let two = told("two").saw(5_000, "s.txt", "old").saw(19_000, COPY, "old");
    assert_eq!(refused("dropbox", &[&one, &two]).0, "two.jsonl:3");
}

#[test]
fn syncthing_copies_the_older_edit_under_a_name_with_a_time_and_a_device() {
    const COPY: &str = "s.sync-conflict-20261201-031207-AH6IXB5.txt";
    let [one, two] = apart();
    let one = one.saw(30_000, COPY, "by one").saw(30_001, "s.txt", "by two");
    let two = two.saw(31_000, COPY, "by one");
    assert_eq!(allowed("syncthing", &[&one, &two]), []);
    // The newer one is never the copy.
    let [one, two] = apart();
    let two = two.saw(30_000, COPY, "by two").saw(30_001, "s.txt", "by one");
    assert_eq!(refused("syncthing", &[&one, &two]).0, "two.jsonl:4");
}

#[test]
fn a_loser_that_disappears_leaves_no_copy() {
    let [one, two] = apart();
    let two = two.saw(30_000, "s.txt", "by one");
    assert_eq!(allowed("icloud", &[&one, &two]), []);
    // Where each side keeps its own, neither is replaced.
    assert_eq!(refused("unison", &[&one, &two]).0, "two.jsonl:4");
}

#[test]
fn a_copy_of_a_name_that_people_give_may_be_a_file_of_its_own() {
    let one = told("one").wrote(1_000, "a.txt", "x").wrote(1_000, "a 2.txt", "y");
    let two = told("two").saw(5_000, "a 2.txt", "y").saw(6_000, "a.txt", "x");
    assert_eq!(allowed("icloud", &[&one, &two]), []);
    let two = told("two").saw(5_000, "a 2.txt", "x");
    assert_eq!(refused("icloud", &[&one, &two]).0, "two.jsonl:2");
}

#[test]
fn placeholders_need_a_client_that_has_them() {
    let one = told("one").wrote(1_000, "f", "first");
    let text = "{\"cloudchamber_observed\":1,\"name\":\"two\",\"started_ms\":1000000,\"content_max\":9}\n\
        {\"ms\":5000,\"wall_ms\":1,\"path\":\"f\",\"seen\":\"appeared\",\"len\":5,\"elsewhere\":true}\n\
        {\"ms\":6000,\"wall_ms\":1,\"path\":\"f\",\"seen\":\"changed\",\"len\":5,\"sha256\":\"-\",\"content\":{\"text\":\"first\"}}\n";
    let judged = |text: &str, profile: &str| {
        let two = Observed { file: "two.jsonl".into(), history: parse(text).unwrap() };
        judge(&[one.observed(), two], &by(profile)).unwrap()
    };
    let evicted = judged(text, "dropbox");
    assert_eq!((evicted.ok, evicted.hazards), (true, BTreeSet::from([Hazard::EvictADay])));
    assert_eq!(judged(text, "syncthing").refused.unwrap().line, 2);
    assert_eq!(
        judged(&text.replace("\"len\":5,\"elsewhere\"", "\"len\":6,\"elsewhere\""), "dropbox")
            .refused
            .unwrap()
            .line,
        2
    );
}

#[test]
fn histories_that_do_not_go_together_are_named() {
    let same = judge(&[one().observed(), one().observed()], &by("any")).unwrap_err().to_string();
    assert!(same.contains("one.jsonl:1: it is of replica one"), "{same}");
    let [mut a, mut b] = [one().observed(), told("two").observed()];
    (a.history.header.folder, b.history.header.folder) = (Some("x".into()), Some("y".into()));
    let other = judge(&[a, b], &by("any")).unwrap_err().to_string();
    assert!(other.contains("two.jsonl:1: it is of folder y"), "{other}");
}

/// What lies in the directory of recorded histories: each pair, with the profile that its name begins with.
fn recorded() -> Vec<(String, Vec<Observed>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/observed");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "jsonl"));
    files.sort();
    let mut pairs: Vec<(String, Vec<Observed>)> = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let history = parse(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let profile = name.split('-').next().unwrap().to_owned();
        let observed = Observed { file: name, history };
        match pairs.last_mut().filter(|(last, _)| *last == profile) {
            Some((_, all)) => all.push(observed),
            None => pairs.push((profile, vec![observed])),
        }
    }
    pairs
}

#[test]
fn what_real_clients_were_seen_to_do_is_allowed() {
    let pairs = recorded();
    assert!(pairs.len() >= 3, "{} pairs", pairs.len());
    for (profile, all) in pairs {
        for model in [by(&profile), by("any")] {
            let judged = judge(&all, &model).unwrap();
            assert_eq!(judged.refused, None, "{profile}");
            assert_eq!(judged.profile, profile);
            assert!(judged.counts.deliveries > 10 && judged.histories.iter().all(|part| part.is_whole));
        }
        // Another client's rules are not these.
        let others = if profile == "git" { "unison" } else { "onedrive" };
        let refusal = judge(&all, &by(others)).unwrap().refused;
        assert!(refusal.is_some(), "{profile} is allowed by {others}");
    }
}

/// The history of the pair's second replica, with something else at a line of the client's.
fn changed(all: &[Observed], change: impl Fn(&mut History, usize) -> bool) -> Option<(Vec<Observed>, usize)> {
    for at in 0..all[1].history.seen.len() {
        let mut all = all.to_vec();
        let line = all[1].history.seen[at].0;
        if all[1].history.seen[at].1.by.is_none() && change(&mut all[1].history, at) {
            return Some((all, line));
        }
    }
    None
}

#[test]
fn what_no_client_did_is_refused_in_real_histories_too() {
    let is_file = |seen: &Seen| {
        let is_whole = unfinished(seen.path.rsplit('/').next().unwrap()).is_none();
        is_whole && seen.content.is_some() && seen.seen != Kind::There && seen.len > Some(9)
    };
    for (profile, all) in recorded() {
        let judged = |all: &[Observed]| judge(all, &by(&profile)).unwrap().refused.unwrap();
        let nobodys = |history: &mut History, at: usize| {
            let seen = &mut history.seen[at].1;
            let is = is_file(seen);
            (seen.content, seen.len) = (Some(Written::Text("nobody's text".into())), Some(13));
            is
        };
        let (all_changed, line) = changed(&all, nobodys).unwrap();
        let refusal = judged(&all_changed);
        assert_eq!((refusal.line, &refusal.file), (line, &all[1].file), "{profile}: {refusal:?}");
        // The same line at the very beginning.
        let early = |history: &mut History, at: usize| {
            let is = is_file(&history.seen[at].1) && history.seen[at].1.ms > 20_000;
            if is {
                let mut seen = history.seen.remove(at);
                seen.1.ms = 0;
                let first = history.seen.iter().position(|(_, seen)| seen.seen != Kind::There).unwrap();
                history.seen.insert(first, seen);
            }
            is
        };
        let (all_changed, line) = changed(&all, early).unwrap();
        let refusal = judged(&all_changed);
        assert_eq!((refusal.line, &refusal.file), (line, &all[1].file), "{profile}: {refusal:?}");
    }
}
