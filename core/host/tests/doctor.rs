//! What `doctor` finds, each kind on a folder that has it, and that it says nothing of a sound one.

#![expect(clippy::unwrap_used, reason = "a test stops where its surroundings are not what it needs")]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

use cloudchamber_host::doctor::Kind;
use serde_json::Value;
use support::{Running, agent, files, json, ok, run, run_group};

mod support;

/// A folder, and a local directory outside of it.
struct Case {
    dir: tempfile::TempDir,
}

impl Case {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("folder")).unwrap();
        Self { dir }
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("folder")
    }

    fn local(&self) -> PathBuf {
        self.dir.path().join("local")
    }

    /// Puts files into the folder.
    fn with(self, named: &[(&str, &[u8])]) -> Self {
        for (name, bytes) in named {
            let file = self.folder().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, bytes).unwrap();
        }
        self
    }

    fn doctor(&self, more: &[&str]) -> Output {
        let mut command = agent();
        command.arg("doctor").arg("--folder").arg(self.folder()).arg("--local").arg(self.local());
        command.args(["--watch", "0"]).args(more).output().unwrap()
    }

    /// The kinds that are found, each with its files.
    fn found(&self) -> BTreeMap<String, BTreeSet<String>> {
        let before = files(&self.dir.path().join("folder"));
        let told = self.doctor(&["--json"]);
        assert_eq!(files(&self.dir.path().join("folder")), before, "it has changed something");
        by_kind(&told)
    }

    /// What is found is of one kind and one file.
    fn finds_only(&self, kind: &str, file: &str) {
        assert_eq!(self.found(), [(kind.to_owned(), [file.to_owned()].into())].into());
    }
}

fn by_kind(told: &Output) -> BTreeMap<String, BTreeSet<String>> {
    let told = json(told);
    let mut found: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for finding in told["findings"].as_array().unwrap() {
        let text = |key: &str| finding[key].as_str().unwrap().to_owned();
        for key in ["severity", "means", "do"] {
            assert!(!text(key).is_empty(), "{finding}");
        }
        found.entry(text("kind")).or_default().insert(text("file"));
    }
    found
}

/// A folder in which a machine keeps journals, with its local directory.
fn journals() -> Case {
    let case = Case::new();
    ok(&run(&case.folder(), &case.local(), &["init", "--machine", "laptop"]));
    for body in ["one", "two", "three"] {
        ok(&run(&case.folder(), &case.local(), &["append", "--from", "x", "--say", body]));
    }
    case
}

#[test]
fn a_sound_folder_is_passed_over_in_silence() {
    let case = Case::new().with(&[
        ("README.md", b"# Notes\n"),
        ("data/a.json", b"{\"a\": 1}\n"),
        ("data/b.jsonl", b"{}\n{}\n"),
        ("data/empty.txt", b""),
        ("photos/photo 1.jpg", b"\xff\xd8\xff\xe0"),
        ("photos/photo-2.jpg", b"\xff\xd8\xff\xe1"),
        ("photos/photo-final.jpg", b"\xff\xd8\xff\xe2"),
        ("notes/chapter one.md", b"a\n"),
        ("notes/chapter two.md", b"b\n"),
        ("devices/printer.json", b"{}"),
        (".DS_Store", b"\0\0\0\x01Bud1"),
        (".stfolder/marker", b""),
    ]);
    let told = case.doctor(&[]);
    assert_eq!((told.status.code(), &*told.stdout, &*told.stderr), (Some(0), &b""[..], &b""[..]), "{told:?}");
    assert_eq!(case.found(), BTreeMap::new());
}

#[test]
fn folders_that_the_systems_wrote_are_passed_over_in_silence() {
    let case = journals();
    ok(&run_group(
        "delta",
        &case.folder(),
        &case.dir.path().join("delta"),
        &["put", "task", "t1", "title=x"],
    ));
    ok(&run_group("delta", &case.folder(), &case.dir.path().join("delta"), &["sync"]));
    ok(&run_group("notes", &case.folder(), &case.dir.path().join("notes"), &["new", "Shopping"]));
    let told = case.doctor(&[]);
    assert_eq!((told.status.code(), &*told.stdout), (Some(0), &b""[..]), "{told:?}");
}

#[test]
fn what_cannot_be_read_at_all_ends_with_2() {
    let told = agent().args(["doctor", "--folder", "/nowhere/at/all"]).output().unwrap();
    assert_eq!(told.status.code(), Some(2), "{told:?}");
    assert!(String::from_utf8_lossy(&told.stderr).contains("/nowhere/at/all"), "{told:?}");
    let help = ok(&agent().args(["doctor", "--help"]).output().unwrap());
    assert!(help.contains("Exit: 0 nothing has to be done"), "{help}");
}

#[test]
fn files_that_are_torn_empty_or_zeros_are_told_apart() {
    for (name, bytes, kind) in [
        ("a.json", b"{\"a\": [1,".as_slice(), "torn-file"),
        ("a.json", b"", "empty-file"),
        ("a.json", b"\0\0\0\0", "nul-file"),
        ("photo.jpg", b"\0\0\0\0", "nul-file"),
        ("a.json", b"{}\0\0", "zeros-in-text"),
        ("a.json", b"{\"a\": 1}\n}", "damaged-file"),
        ("a.jsonl", b"{}\n{\"a\":", "torn-file"),
        ("a.md", b"<<<<<<< HEAD\na\n=======\nb\n>>>>>>> b\n", "unmerged-text"),
        ("a.pdf", b"%PDF-1.4 and then nothing", "torn-file"),
    ] {
        let case = Case::new().with(&[("sound.json", b"{}"), (&format!("deep/er/{name}"), bytes)]);
        case.finds_only(kind, &format!("deep/er/{name}"));
        let told = case.doctor(&[]);
        assert_eq!(told.status.code(), Some(1), "{told:?}");
        let said = String::from_utf8(told.stdout).unwrap();
        assert!(said.contains(kind) && said.contains("  means: ") && said.contains("  do: "), "{said}");
    }
}

#[test]
fn placeholders_of_every_form_are_named_and_not_fetched() {
    for name in [".report.docx.icloud", "report.docx.nextcloud", "report.docx.owncloud"] {
        let case = Case::new().with(&[(name, b" "), ("a.txt", b"a")]);
        case.finds_only("placeholder", name);
    }
    let case = Case::new().with(&[("a.txt", b"a")]);
    let file = fs::File::create(case.folder().join("film.mp4")).unwrap();
    file.set_len(1 << 22).unwrap();
    case.finds_only("placeholder", "film.mp4");
    // One's own file may have any name.
    let own = Case::new().with(&[("backup.owncloud", &[b'x'; 5_000])]);
    assert_eq!(own.found(), BTreeMap::new());
}

#[test]
fn copies_are_named_with_what_stands_only_in_them() {
    let names = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/reports/conflict-copy-names/names.tsv"),
    )
    .unwrap();
    for line in names.lines().skip(1) {
        let [who, name, right] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let lines = b"{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n".as_slice();
        let case = Case::new()
            .with(&[("d/messages.jsonl", lines), (&format!("d/{name}"), b"{\"a\":1}\n{\"a\":4}\n")]);
        let found = case.found();
        let is_named = found.values().flatten().any(|file| *file == format!("d/{name}"));
        assert!(is_named || right == "ignored", "{who}: {name}: {found:?}");
    }
    for (copy, said) in [
        (b"a\nb\n".as_slice(), "both hold the same"),
        (b"a\n", "everything in it stands in the original too"),
        (b"a\nb\nc\nd\n", "2 lines stand only in it"),
    ] {
        let name = "list (Ann's conflicted copy 2024-05-01).txt";
        let case = Case::new().with(&[("list.txt", b"a\nb\n"), (name, copy)]);
        let told = json(&case.doctor(&["--json"]));
        let detail = told["findings"][0]["detail"].as_str().unwrap();
        assert!(detail.ends_with(said) && detail.starts_with("of list.txt, by Dropbox"), "{detail}");
    }
    let copy = Case::new().with(&[("a.txt", b"a\nb\n"), ("a 2.txt", b"a\nc\n")]);
    copy.finds_only("conflict-copy", "a 2.txt");
    let alone = Case::new().with(&[("a.sync-conflict-20240501-120000-ABCDEFG.txt", b"x")]);
    let detail = json(&alone.doctor(&["--json"]))["findings"][0]["detail"].clone();
    assert!(detail.as_str().unwrap().contains("its original is not here"), "{detail}");
}

#[test]
fn half_folders_and_copies_of_directories_are_named() {
    for name in ["devices (1)", "devices 2", "Devices", "devices (Ann's conflicted copy 2024-05-01)"] {
        let case = Case::new().with(&[("devices/a.txt", b"a"), (&format!("{name}/b.txt"), b"b")]);
        let found = case.found();
        assert!(found["half-folder"].contains(name), "{found:?}");
    }
    let case = Case::new().with(&[("photos/a.txt", b"a"), ("photos 2/b.txt", b"b")]);
    case.finds_only("directory-copy", "photos 2");
    let words = "one\ntwo\nthree\nfour\nfive\n";
    let near = Case::new().with(&[
        ("a.txt", words.as_bytes()),
        ("a-mine.txt", words.as_bytes()),
        ("a-other.txt", b"x\n"),
    ]);
    near.finds_only("possible-copy", "a-mine.txt");
    assert_eq!(near.doctor(&[]).status.code(), Some(0));
    // Years are no copies.
    let years = Case::new().with(&[("photos/a.txt", b"a"), ("photos-2023/b.txt", b"b")]);
    assert_eq!(years.found(), BTreeMap::new());
}

#[test]
fn names_that_some_system_refuses_are_named() {
    for name in ["what?.txt", "aux.txt", "ends.", "a:b", " leading", "~$a.docx", &"x".repeat(150)] {
        Case::new().with(&[(name, b"a")]).finds_only("unportable-name", name);
    }
    let case = Case::new();
    fs::write(case.folder().join(OsStr::from_bytes(b"caf\xe9.txt")), "a").unwrap();
    case.finds_only("name-not-utf8", "caf\u{fffd}.txt");
    let clash = Case::new().with(&[("Readme.md", b"a"), ("README.md", b"a")]);
    let both = ["README.md", "Readme.md"].map(str::to_owned);
    assert_eq!(clash.found(), [("case-clash".to_owned(), both.into())].into());
}

#[test]
fn clocks_that_are_far_off_are_named() {
    let case = Case::new().with(&[("ahead.txt", b"a"), ("behind.txt", b"a")]);
    let set = |name: &str, time| {
        let file = fs::File::options().write(true).open(case.folder().join(name)).unwrap();
        file.set_modified(time).unwrap();
    };
    set("ahead.txt", SystemTime::UNIX_EPOCH + Duration::from_secs(4_070_908_800));
    set("behind.txt", SystemTime::UNIX_EPOCH + Duration::from_secs(978_310_000));
    let found = case.found();
    assert_eq!(found["clock-ahead"], ["ahead.txt".to_owned()].into());
    assert_eq!(found["clock-behind"], ["behind.txt".to_owned()].into());
}

#[test]
fn a_record_of_a_clock_that_is_ahead_is_named() {
    let case = Case::new();
    support::copy(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/reports/clock-of-2098/folder"),
        &case.folder(),
    );
    assert_eq!(case.found()["clock-ahead"], ["shared/machines/third/messages.jsonl".to_owned()].into());
}

#[test]
fn a_file_that_changes_all_the_time_is_named() {
    let case = Case::new().with(&[("beat.json", b"{}"), ("quiet.json", b"{}")]);
    let file = case.folder().join("beat.json");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let told = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut count = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                count += 1;
                fs::write(&file, format!("{{\"n\":{count}}}")).unwrap();
                std::thread::sleep(Duration::from_millis(30));
            }
        });
        let mut command = agent();
        command.arg("doctor").arg("--folder").arg(case.folder()).arg("--local").arg(case.local());
        let told = command.args(["--watch", "2", "--json"]).output().unwrap();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        told
    });
    assert_eq!(by_kind(&told)["changes-too-often"], ["beat.json".to_owned()].into());
}

#[test]
fn links_and_what_is_no_file_are_named_and_not_followed() {
    let case = Case::new().with(&[("a.txt", b"a")]);
    let outside = case.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("torn.json"), "{").unwrap();
    symlink(&outside, case.folder().join("out")).unwrap();
    symlink("/nowhere/at/all", case.folder().join("gone")).unwrap();
    symlink("a.txt", case.folder().join("within")).unwrap();
    let pipe = Command::new("mkfifo").arg(case.folder().join("pipe")).status().unwrap();
    assert!(pipe.success());
    let told = case.doctor(&["--json"]);
    let set = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    assert_eq!(
        by_kind(&told),
        [
            ("link-out".to_owned(), set(&["gone", "out"])),
            ("link-within".to_owned(), set(&["within"])),
            ("special-file".to_owned(), set(&["pipe"])),
        ]
        .into()
    );
}

#[test]
fn what_this_user_may_not_read_is_named() {
    let case = Case::new().with(&[("dir/a.txt", b"a"), ("secret.txt", b"a")]);
    for name in ["dir", "secret.txt"] {
        fs::set_permissions(case.folder().join(name), fs::Permissions::from_mode(0o0)).unwrap();
    }
    if rustix::process::geteuid().is_root() {
        // Nothing is kept from that user; what is told of others is a unit test.
        assert_eq!(case.found(), BTreeMap::new());
        return;
    }
    let told = by_kind(&case.doctor(&["--json"]));
    fs::set_permissions(case.folder().join("dir"), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(told["unreadable-directory"], ["dir".to_owned()].into());
    assert_eq!(told["unreadable-file"], ["secret.txt".to_owned()].into());
}

#[test]
fn state_of_one_machine_inside_the_folder_is_named() {
    let case = journals();
    fs::rename(case.local(), case.folder().join("local")).unwrap();
    let found = case.found();
    assert_eq!(found["state-in-folder"], ["local".to_owned()].into());
    // Where the client copies `shared` alone, it may lie there.
    let told = by_kind(&case.doctor(&["--json", "--only-shared-is-synced"]));
    assert!(!told.contains_key("state-in-folder"), "{told:?}");
    let store = Case::new();
    ok(&run_group("delta", &store.folder(), &store.local(), &["put", "task", "t1", "title=x"]));
    fs::rename(store.local(), store.folder().join("mine")).unwrap();
    assert!(store.found()["state-in-folder"].iter().any(|dir| dir.starts_with("mine")));
}

#[test]
fn databases_repositories_and_other_clients_are_named() {
    let case = Case::new().with(&[
        ("app.db", b"SQLite"),
        ("app.db-wal", b"x"),
        ("project/.git/HEAD", b"ref"),
        (".stfolder/x", b""),
        (".dropbox.cache/x", b""),
    ]);
    let found = case.found();
    assert_eq!(found["database-in-folder"], ["app.db".to_owned()].into());
    assert_eq!(found["repository-in-folder"], ["project/.git".to_owned()].into());
    assert_eq!(found["several-clients"], [String::new()].into());
}

#[test]
fn unfinished_files_are_notes() {
    let case = Case::new().with(&[(".syncthing.a.json.tmp", b"{")]);
    case.finds_only("unfinished-file", ".syncthing.a.json.tmp");
    assert_eq!(case.doctor(&[]).status.code(), Some(0));
}

#[test]
fn less_than_this_machine_remembers_is_named() {
    let case = journals();
    let other = case.dir.path().join("other");
    ok(&run(&case.folder(), &other, &["init", "--machine", "server"]));
    ok(&run(&case.folder(), &other, &["append", "--from", "x", "--say", "from the server"]));
    ok(&run(&case.folder(), &case.local(), &["rebuild"]));
    assert_eq!(case.found(), BTreeMap::new());
    let server = case.folder().join("shared/machines/server");
    let text = fs::read(server.join("messages.jsonl")).unwrap();
    fs::write(server.join("messages.jsonl"), &text[..text.len() / 2]).unwrap();
    let name = "shared/machines/server/messages.jsonl".to_owned();
    assert!(case.found()["smaller-than-remembered"].contains(&name));
    fs::remove_dir_all(&server).unwrap();
    assert!(case.found()["smaller-than-remembered"].contains(&name));
    // One's own journal, which has a shadow.
    let own = case.folder().join("shared/machines/laptop/messages.jsonl");
    fs::write(&own, "").unwrap();
    let name = "shared/machines/laptop/messages.jsonl".to_owned();
    assert!(case.found()["smaller-than-remembered"].contains(&name));
}

#[test]
fn agents_that_run_by_other_settings_are_named() {
    let case = Case::new();
    let agents = [("laptop", "syncthing"), ("server", "dropbox")].map(|(name, provider)| {
        let mut command = agent();
        command.arg("run").arg("--folder").arg(case.folder()).arg("--local").arg(case.dir.path().join(name));
        command.args(["--name", name, "--provider", provider, "--", "sleep", "1000"]);
        Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    });
    let until = Instant::now() + Duration::from_secs(60);
    while !by_kind(&case.doctor(&["--json"])).contains_key("different-settings") {
        assert!(Instant::now() < until, "{:?}", by_kind(&case.doctor(&["--json"])));
    }
    drop(agents);
}

/// The mounts are in a namespace of their own, which a system may keep from its users: then there is nothing to look at.
#[cfg(target_os = "linux")]
#[expect(clippy::print_stderr, reason = "whoever runs it is told what was not tried")]
#[test]
fn a_disk_that_is_nearly_full_and_a_mount_without_writing_are_named() {
    let unshared = || {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount"]);
        command
    };
    if !unshared().arg("true").output().is_ok_and(|done| done.status.success()) {
        eprintln!("skipped: no user may mount here");
        return;
    }
    let case = Case::new();
    for (options, kinds) in [
        ("size=1m", &["nearly-full"][..]),
        ("size=1m,ro", &["nearly-full", "unsupported-mount"]),
        ("size=100m,ro", &["unsupported-mount"]),
        ("size=100m", &[]),
    ] {
        let told = unshared()
            .args(["sh", "-c", &format!("mount -t tmpfs -o {options} none \"$0\" && exec \"$@\"")])
            .args([case.folder().as_os_str(), agent().get_program()])
            .args(["doctor", "--json", "--watch", "0", "--folder"])
            .args([case.folder(), "--local".into(), case.local()])
            .output()
            .unwrap();
        let found: Vec<String> = by_kind(&told).into_keys().collect();
        assert_eq!(found, kinds, "{options}");
    }
}

#[test]
fn every_kind_that_a_test_cannot_make_is_known() {
    // Of these a directory of a test has none: hanging reads, folders that are too large.
    let elsewhere: BTreeSet<_> =
        [Kind::Blocked, Kind::NotAll, Kind::OwnCheck, Kind::OwnCheckDanger, Kind::OwnCheckNote]
            .into_iter()
            .map(Kind::name)
            .collect();
    let here = fs::read_to_string(file!().replace("core/host/", ""))
        .or_else(|_| fs::read_to_string(file!()))
        .unwrap();
    for kind in Kind::ALL.iter().map(|kind| kind.name()) {
        assert!(elsewhere.contains(kind) != here.contains(&format!("\"{kind}\"")), "{kind}");
    }
}

#[test]
fn reports_are_for_machines_too() {
    let case = Case::new().with(&[("a.json", b"")]);
    let told = json(&case.doctor(&["--json"]));
    assert_eq!((&told["ok"], &told["files"]), (&Value::Bool(false), &Value::from(1)));
    let finding = &told["findings"][0];
    assert_eq!(
        (&finding["severity"], &finding["kind"], &finding["file"]),
        (&"warning".into(), &"empty-file".into(), &"a.json".into())
    );
    assert!(finding["do"].as_str().unwrap().contains("wait"), "{finding}");
}
