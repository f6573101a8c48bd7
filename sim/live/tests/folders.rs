//! Real directories, copied among each other.

mod support;

use std::fs;
use std::os::unix::fs::symlink;

use cloudchamber_folder::profile::Profile;
use cloudchamber_folder::trace::Trace;
use cloudchamber_live::{LiveSystem, Options, run};
use support::{Folders, Running};

#[test]
fn what_is_saved_in_one_folder_comes_to_all_and_what_is_removed_goes_everywhere() {
    for profile in Profile::names() {
        let folders = Folders::new(3);
        folders.write(0, "notes/a.txt", "one");
        let running =
            Running::start(Options { adopt: true, hazards: false, speed: 2_000, ..folders.options(profile) });
        folders.write(1, "b", "two");
        let all = |name: &str, text: Option<&str>| {
            running.wait(&format!("{profile}: {name} is {text:?}"), || {
                (0..3).all(|n| folders.read(n, name).as_deref() == text)
            });
        };
        all("notes/a.txt", Some("one"));
        all("b", Some("two"));
        folders.write(2, "notes/a.txt", "three");
        all("notes/a.txt", Some("three"));
        fs::remove_dir_all(folders.dir(0).join("notes")).unwrap();
        fs::write(folders.dir(0).join("bytes"), b"\xff\x00").unwrap();
        all("notes/a.txt", None);
        running.wait("the directory goes with its last file", || {
            (0..3).all(|n| !folders.dir(n).join("notes").exists())
        });
        running.wait("bytes arrive", || {
            fs::read(folders.dir(2).join("bytes")).is_ok_and(|bytes| bytes == b"\xff\x00")
        });
        assert_eq!(running.ask("quiet")["ok"], true);
        let end = running.end();
        // A file may be seen between being emptied and being filled, which is a change of its own.
        assert!(end.summary.saves >= 5 && end.summary.conflicts == 0, "{profile}: {}", end.summary);
        assert!(end.summary.is_well(), "{}", end.summary);
        // The trace is one: it has the same hash when it is read and replayed.
        let trace = Trace::<LiveSystem>::parse("live.jsonl".as_ref(), &end.trace.to_text()).unwrap();
        let again = trace.replay(|_| {}).unwrap();
        assert_eq!(format!("{:016x}", again.hash), trace.end.hash, "{profile}");
        // Nothing of ours is left in a folder.
        assert_eq!(folders.names(1), ["b", "bytes"], "{profile}");
    }
}

#[test]
fn a_file_takes_the_place_of_a_directory_and_gives_it_back() {
    for profile in ["syncthing", "dropbox", "rclone", "unison"] {
        let folders = Folders::new(2);
        folders.write(0, "d/y", "one");
        let running =
            Running::start(Options { adopt: true, hazards: false, speed: 2_000, ..folders.options(profile) });
        let at_b = |name: &str, text: &str| {
            running.wait(&format!("{profile}: {name} is {text}"), || {
                folders.read(1, name).as_deref() == Some(text)
            });
        };
        at_b("d/y", "one");
        fs::remove_dir_all(folders.dir(0).join("d")).unwrap();
        folders.write(0, "d", "two");
        at_b("d", "two");
        fs::remove_file(folders.dir(0).join("d")).unwrap();
        folders.write(0, "d/y/z", "three");
        at_b("d/y/z", "three");
        assert_eq!(running.ask("quiet")["ok"], true, "{profile}");
        let end = running.end();
        assert!(end.summary.is_well(), "{profile}: {}", end.summary);
    }
}

#[test]
fn who_waits_is_told_what_cannot_come() {
    for quiet in [true, false] {
        let folders = Folders::new(2);
        // Each makes what is in the way of the other's.
        folders.write(0, "d", "a file");
        folders.write(1, "d/y", "in a directory");
        let options = Options {
            adopt: true,
            hazards: false,
            speed: 2_000,
            until_quiet: !quiet,
            ..folders.options("syncthing")
        };
        let summary = if quiet {
            let running = Running::start(options);
            let answer = running.ask("quiet");
            let error = answer["error"].as_str().unwrap();
            assert!(answer["ok"] == false && error.contains("d/y cannot come to a (A)"), "{answer}");
            assert!(error.contains("d cannot come to b (B)"), "{answer}");
            running.end().summary
        } else {
            run(&options, &mut |_| {}).unwrap().summary
        };
        assert!(!summary.is_well(), "{summary}");
        assert!(summary.apart.iter().any(|apart| apart.ends_with("as on the server: d")), "{summary}");
    }
}

#[test]
fn what_is_waited_for_for_long_is_told() {
    let folders = Folders::new(2);
    let running = Running::start(Options { hazards: false, ..folders.options("perfect") });
    fs::create_dir(folders.dir(1).join("d")).unwrap();
    folders.write(0, "d", "a file");
    running.wait("it is seen that it cannot be written", || running.told("d: cannot be written"));
    std::thread::scope(|scope| {
        let quiet = scope.spawn(|| running.ask("quiet"));
        running.wait("it is told", || running.told("waited for: d at b cannot be written"));
        fs::remove_dir(folders.dir(1).join("d")).unwrap();
        assert_eq!(quiet.join().unwrap()["ok"], true);
    });
    assert_eq!(folders.read(1, "d").as_deref(), Some("a file"));
    running.end();
}

#[test]
fn a_concurrent_edit_leaves_the_provider_s_copy() {
    for (profile, beginning) in [
        ("dropbox", "x (B's conflicted copy "),
        ("syncthing", "x.sync-conflict-"),
        ("onedrive", "x-DESKTOP-"),
    ] {
        let folders = Folders::new(2);
        let running = Running::start(Options { hazards: false, speed: 2_000, ..folders.options(profile) });
        folders.write(0, "x", "first");
        running.wait("x arrives", || folders.read(1, "x").as_deref() == Some("first"));
        // b's client waits until both have changed it.
        assert_eq!(running.ask("conflict B/x")["ok"], true);
        folders.write(0, "x", "of a");
        running.wait("a's goes up", || running.ask("list")["replicas"][0]["unsent"] == 0);
        folders.write(1, "x", "of b");
        let both = |n: usize| {
            let copy = folders.names(n).into_iter().find(|name| name.starts_with(beginning))?;
            let mut texts = [folders.read(n, "x")?, folders.read(n, &copy)?];
            texts.sort();
            Some(texts)
        };
        let texts = Some(["of a".to_owned(), "of b".to_owned()]);
        running.wait(&format!("{profile}: both have both"), || (0..2).all(|n| both(n) == texts));
        let end = running.end();
        assert_eq!(end.summary.conflicts, 1, "{}", end.summary);
        assert!(
            end.summary.told[0].starts_with("a and b had both changed x")
                || end.summary.told[0].starts_with("b and a")
        );
    }
}

#[test]
fn who_is_offline_gets_nothing_and_sends_nothing_until_it_is_back() {
    let folders = Folders::new(2);
    let running = Running::start(Options { hazards: false, ..folders.options("perfect") });
    assert_eq!(running.ask("offline b")["did"], "offline");
    let refused = running.ask("offline b");
    assert_eq!((&refused["ok"], &refused["error"]), (&false.into(), &"b is offline already".into()));
    folders.write(0, "x", "of a");
    folders.write(1, "y", "of b");
    running.wait("a's is sent", || running.ask("list")["replicas"][0]["in_step"] == true);
    assert_eq!((folders.read(1, "x"), folders.read(0, "y")), (None, None));
    assert_eq!(running.ask("online B")["ok"], true);
    running.wait("both have both", || folders.read(1, "x").is_some() && folders.read(0, "y").is_some());
    for bad in ["offline d", "evict b/x", "arrive b/x 40", "lose b/nothing", "older b/nothing", "fly"] {
        let answer = running.ask(bad);
        assert!(answer["ok"] == false && answer["error"].as_str().unwrap().len() > 10, "{bad}: {answer}");
    }
    running.end();
}

#[test]
fn a_version_arrives_in_part_and_is_whole_later_and_an_evicted_file_takes_no_room() {
    use std::os::unix::fs::MetadataExt as _;
    let folders = Folders::new(2);
    // A second of the folder's is one of ours, and versions take some.
    let running = Running::start(Options { hazards: false, speed: 4, ..folders.options("dropbox") });
    folders.write(0, "x", "0123456789");
    running.wait("it can be made to arrive", || running.ask("arrive B/x 40")["ok"] == true);
    assert_eq!(folders.read(1, "x").as_deref(), Some("0123"));
    running.wait("the rest comes", || folders.read(1, "x").as_deref() == Some("0123456789"));
    assert_eq!(running.ask("evict B/x")["ok"], true);
    let there = fs::metadata(folders.dir(1).join("x")).unwrap();
    assert_eq!((there.len(), there.blocks()), (10, 0));
    assert_eq!(running.ask("fetch B/x")["ok"], true);
    assert_eq!(folders.read(1, "x").as_deref(), Some("0123456789"));
    assert_eq!(running.ask("keep B")["ok"], true);
    folders.write(1, "x", "next");
    running.wait("a gets it", || folders.read(0, "x").as_deref() == Some("next"));
    assert_eq!(running.ask("older A/x")["ok"], true);
    assert_eq!(folders.read(0, "x").as_deref(), Some("0123456789"));
    running.wait("b gets it", || folders.read(1, "x").as_deref() == Some("0123456789"));
    assert_eq!(running.ask("lose B/x")["ok"], true);
    assert_eq!(folders.read(1, "x"), None);
    running.wait("it is lost for all", || folders.read(0, "x").is_none());
    assert_eq!(running.ask("restore B")["ok"], true);
    assert_eq!(folders.read(1, "x").as_deref(), Some("0123456789"));
    let end = running.end();
    assert_eq!(end.summary.broken_arrivals, 1, "{}", end.summary);
}

#[test]
fn what_does_not_travel_is_named_and_stays() {
    let folders = Folders::new(2);
    let outside = folders.dir(0).parent().unwrap().join("outside");
    fs::create_dir(&outside).unwrap();
    let running =
        Running::start(Options { hazards: false, file_bytes_max: 10, ..folders.options("perfect") });
    symlink(&outside, folders.dir(1).join("link")).unwrap();
    folders.write(0, "large", "0123456789a");
    folders.write(0, "link/x", "in no link");
    folders.write(0, "small", "0123456789");
    running.wait("what can travel does", || folders.read(1, "small").is_some());
    running.wait("it is named", || {
        running.told("large: it has over 10 bytes") && running.told("link: a symbolic link")
    });
    running.wait("it is named, too", || running.told("link/x: cannot be written"));
    assert_eq!((folders.read(1, "large"), fs::read_dir(&outside).unwrap().count()), (None, 0));
    fs::remove_file(folders.dir(1).join("link")).unwrap();
    running.wait("it is tried again", || folders.read(1, "link/x").is_some());
    running.end();
}

#[test]
fn what_must_be_refused_is_refused_with_a_way_out() {
    let refused = |change: &dyn Fn(&Folders, &mut Options)| {
        let folders = Folders::new(2);
        let mut options = folders.options("dropbox");
        change(&folders, &mut options);
        run(&options, &mut |_| {}).unwrap_err().to_string()
    };
    let full = refused(&|folders, _| folders.write(1, "x", "y"));
    assert!(full.contains("it is not empty (1 entry, such as x)") && full.contains("--adopt"), "{full}");
    for marker in [".stfolder", ".dropbox.cache", ".tmp.drivedownload"] {
        let foreign = refused(&|folders, _| fs::create_dir(folders.dir(0).join(marker)).unwrap());
        assert!(foreign.contains("works in it") && foreign.contains(marker), "{foreign}");
    }
    let cloud = refused(&|folders, options| {
        let dir = folders.dir(0).join("com~apple~CloudDocs/x");
        fs::create_dir_all(&dir).unwrap();
        options.folders[0] = dir;
    });
    assert!(cloud.contains("iCloud Drive works in it"), "{cloud}");
    let git = refused(&|folders, options| {
        options.profile = "git".into();
        fs::create_dir(folders.dir(0).join(".git")).unwrap();
    });
    assert!(git.contains("git works in it"), "{git}");
    let nested = refused(&|folders, options| {
        options.folders[1] = folders.dir(0).join("inner");
        fs::create_dir(&options.folders[1]).unwrap();
    });
    assert!(nested.contains("one lies in the other"), "{nested}");
    let state = refused(&|folders, options| options.state = Some(folders.dir(1).join("state")));
    assert!(state.contains("outside the folders"), "{state}");
    let left = Folders::new(2);
    let state = Some(left.dir(0).join("deep/state"));
    let inside = Options { state, ..left.options("dropbox") };
    assert!(run(&inside, &mut |_| {}).unwrap_err().to_string().contains("outside the folders"));
    assert!(left.names(0).is_empty(), "what was refused left something behind");
    let one = refused(&|_, options| options.folders.truncate(1));
    assert!(one.contains("name 2 to 256"), "{one}");
    let absent = refused(&|_, options| options.folders[1] = "/nowhere/at/all".into());
    assert!(absent.contains("is not there"), "{absent}");
    let profile = refused(&|_, options| options.profile = "telepathy".into());
    assert!(profile.contains("there are icloud, dropbox"), "{profile}");
}

/// A run in which one file comes to another folder.
fn goes_once(folders: &Folders, options: &Options, name: &str) {
    let running = Running::start(options.clone());
    folders.write(0, name, "one");
    running.wait("it arrives", || folders.read(1, name).is_some());
    running.end();
}

#[test]
fn a_run_goes_on_where_it_was_and_another_one_is_refused() {
    let folders = Folders::new(2);
    let options = Options { hazards: false, speed: 2_000, ..folders.options("syncthing") };
    goes_once(&folders, &options, "x");
    // Nobody looks, and both change it.
    folders.write(0, "x", "of a");
    folders.write(1, "x", "of b");
    folders.write(1, "y", "new");
    let why = run(&Options { seed: 8, ..options.clone() }, &mut |_| {}).unwrap_err().to_string();
    assert!(why.contains("cannot be resumed") && why.contains("--adopt"), "{why}");
    let running = Running::start(options);
    running.wait("the rest arrives", || folders.read(0, "y").is_some());
    let copies = |n| folders.names(n).len();
    running.wait("both edits are everywhere", || copies(0) == 3 && copies(1) == 3);
    assert!(running.told("it goes on where it was"));
    assert_eq!(running.end().summary.conflicts, 1);
}

#[test]
fn a_folder_whose_mount_has_gone_is_not_taken_for_an_empty_one() {
    let folders = Folders::new(2);
    let options = Options { hazards: false, speed: 2_000, ..folders.options("syncthing") };
    let away = folders.dir(0).with_extension("away");
    goes_once(&folders, &options, "notes/x");
    fs::rename(folders.dir(0), &away).unwrap();
    fs::create_dir(folders.dir(0)).unwrap();
    let why = run(&options, &mut |_| {}).unwrap_err().to_string();
    assert!(
        why.contains("another directory") && why.contains("of 1 files") && why.contains("--adopt"),
        "{why}"
    );
    // It is refused again, and somebody else's file changes nothing.
    folders.write(0, "other", "of the disk below");
    assert_eq!(run(&options, &mut |_| {}).unwrap_err().to_string(), why);
    assert_eq!(folders.read(1, "notes/x").as_deref(), Some("one"));
    fs::remove_dir_all(folders.dir(0)).unwrap();
    fs::rename(&away, folders.dir(0)).unwrap();
    let running = Running::start(options.clone());
    assert_eq!(running.ask("quiet")["ok"], true);
    running.end();
    // A copy is another directory, and the files are there.
    fs::rename(folders.dir(0), &away).unwrap();
    folders.write(0, "notes/x", "one");
    let running = Running::start(options.clone());
    assert_eq!(running.ask("quiet")["ok"], true);
    running.end();
    // What was removed from the same directory meanwhile was removed.
    fs::remove_dir_all(folders.dir(0).join("notes")).unwrap();
    let running = Running::start(options);
    running.wait("x is removed there, too", || folders.read(1, "notes/x").is_none());
    running.end();
}

/// macOS refuses such names itself.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_whose_name_is_not_utf_8_is_refused_by_name() {
    use std::os::unix::ffi::OsStrExt as _;
    let folders = Folders::new(2);
    let odd = folders.dir(1).with_file_name(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    fs::create_dir(&odd).unwrap();
    let mut options = folders.options("dropbox");
    options.folders[1] = odd;
    let why = run(&options, &mut |_| {}).unwrap_err().to_string();
    assert!(why.contains(r"caf\xE9") && why.contains("not UTF-8"), "{why}");
    assert!(!folders.state().exists(), "nothing was begun");
}

#[test]
fn a_damaged_log_is_refused_with_its_line_and_a_way_out() {
    let folders = Folders::new(2);
    let options = Options { hazards: false, speed: 2_000, ..folders.options("syncthing") };
    goes_once(&folders, &options, "x");
    let log = folders.state().join("log.jsonl");
    let whole = fs::read_to_string(&log).unwrap();
    let refused = |from: &str, to: &str| {
        let mut lines: Vec<String> = whole.lines().map(str::to_owned).collect();
        let place = lines.iter().position(|line| line.contains(from)).unwrap();
        lines[place] = lines[place].replacen(from, to, 1);
        fs::write(&log, lines.join("\n") + "\n").unwrap();
        let why = run(&options, &mut |_| {}).unwrap_err().to_string();
        assert!(why.contains("log.jsonl:") && why.contains("--adopt"), "{why}");
        why
    };
    // What comes after it goes back in time.
    let later = refused(r#"{"saw":{"ms":"#, r#"{"saw":{"ms":1000000"#);
    assert!(later.contains("is before"), "{later}");
    let far = refused(r#"{"saw":{"ms":"#, r#"{"saw":{"ms":99999999999999"#);
    assert!(far.contains("longer than any run") || far.contains("log.jsonl"), "{far}");
    let nobody = refused(r#""replica":"a""#, r#""replica":"z""#);
    assert!(nobody.contains("none is z"), "{nobody}");
    // Whole again, it goes on.
    fs::write(&log, &whole).unwrap();
    Running::start(options).end();
}
