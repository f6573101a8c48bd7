//! What a replica makes of a folder in which something is wrong: files that no replica writes, a folder that is gone.

use std::sync::Arc;

use super::super::record::{Life, Record, Said};
use crate::failover::testing::{Bench, Files, identity};
use crate::failover::{Command, Config, Design, Hardened, Policy};
use crate::{Content, FsError, Path, Root, WallMs};

fn bench(files: Files) -> Bench {
    let mut config = Config::document(identity("/a"));
    config.design = Design::Hardened;
    config.hardened = Hardened::over(4_000, Policy::Available);
    Bench::start(config, files)
}

/// The file of another replica, which was written once.
fn other(id: &str) -> (String, Content) {
    let mut said = Said::new(id.into(), Life { number: 1, nonce: 5 });
    said.beat = 1;
    let record = Record {
        name: id.split('#').next().unwrap().into(),
        thread_id: None,
        last_seen: WallMs(0),
        hostname: "k".into(),
        directory: "/b".into(),
        process_id: 7,
        coordination: Arc::new(said),
    };
    (format!("shared:devices/{}", crate::failover::device::file_name(id)), record.serialise())
}

/// Takes all shared files away, as an unmounted file system does that leaves its empty directory behind.
fn vanish(bench: &mut Bench) -> Files {
    let whole = bench.files.clone();
    bench.files.files.retain(|path, _| path.root() == Root::Local);
    whole
}

fn shared(files: &Files) -> Vec<String> {
    files.files.keys().filter(|path| path.root() == Root::Shared).map(ToString::to_string).collect()
}

#[test]
fn a_file_that_no_replica_writes_is_named_and_not_read() {
    let huge = Path::shared("devices/d-h-3a-2fx-2342.json");
    let mut files = Files::default().with(&huge.to_string(), "x".repeat(300 * 1_024));
    // Whoever reads it finds out.
    files.unreadable.insert(huge.clone(), FsError::Refused);
    let mut bench = bench(files);
    bench.pass(120_000);
    assert!(bench.is_active(), "it keeps nobody from leading");
    let told = bench.take();
    assert!(told.contains("too-large") && !told.contains("unreadable"), "{told}");
    assert_eq!(told.matches("too-large").count(), 1, "it is told once");
}

#[test]
fn an_own_file_that_somebody_blew_up_is_written_anew() {
    let mut bench = bench(Files::default());
    bench.pass(60_000);
    assert!(bench.is_active());
    let own =
        shared(&bench.files).into_iter().find(|path| path.ends_with(".json") && path.contains("devices"));
    let own = own.unwrap();
    bench.files.files.insert(own.parse().unwrap(), "y".repeat(300 * 1_024).into());
    bench.forget().pass(60_000);
    assert!(bench.files.text(&own).contains("coordination") && bench.is_active());
    let state = Path::shared("state.json");
    bench.files.files.insert(state.clone(), "z".repeat(300 * 1_024).into());
    bench.files.unreadable.insert(state, FsError::Refused);
    bench.forget().pass(600_000);
    assert!(bench.files.text("shared:state.json").contains("activeDevice"));
}

#[test]
fn an_emptied_folder_is_a_folder_that_is_gone() {
    let mut bench = bench(Files::default());
    bench.pass(60_000);
    assert!(bench.is_active(), "the first start in an empty folder");
    let whole = vanish(&mut bench);
    bench.forget().pass(2_500);
    assert!(!bench.is_active() && bench.replica().is_local_only());
    bench.pass(300_000);
    assert_eq!(shared(&bench.files), Vec::<String>::new(), "nothing is written into it");
    let told = bench.take();
    assert_eq!(told.matches("fell-back").count(), 1, "{told}");
    // A directory of that name is not the folder.
    bench.files.files.insert(Path::shared("devices/notes.txt"), "x".into());
    bench.pass(60_000);
    assert!(bench.replica().is_local_only());
    bench.files = whole;
    bench.forget().pass(120_000);
    let told = bench.take();
    assert!(bench.is_active() && told.contains("returned"), "{told}");
}

#[test]
fn one_whose_files_were_removed_among_others_goes_on() {
    let (path, content) = other("k:/b#22");
    let mut bench = bench(Files::default().with(&path, content));
    bench.pass(120_000);
    let own: Vec<_> = shared(&bench.files).into_iter().filter(|file| file.contains("d-h-3a-2fa")).collect();
    assert!(!own.is_empty());
    bench.files.files.retain(|path, _| !path.to_string().contains("d-h-3a-2fa"));
    bench.forget().pass(60_000);
    let told = bench.take();
    assert!(!told.contains("fell-back") && bench.is_active(), "{told}");
    assert!(shared(&bench.files).contains(&own[0]), "it writes them again");
}

#[test]
fn one_that_is_alone_waits_for_its_files_until_a_person_says_that_they_are_gone() {
    for restarted in [false, true] {
        let mut bench = bench(Files::default());
        bench.pass(60_000);
        vanish(&mut bench);
        if restarted {
            // The machine starts its agent before the folder is mounted.
            bench.restart();
        }
        bench.pass(300_000);
        assert!(bench.replica().is_local_only() && !bench.is_active());
        assert_eq!(shared(&bench.files), Vec::<String>::new(), "nothing is written into what is below");
        bench.command(Command::Accept);
        bench.pass(120_000);
        assert!(bench.is_active() && !bench.replica().is_local_only());
    }
}

#[test]
fn one_that_starts_before_its_folder_is_mounted_waits_for_it() {
    let mut bench = bench(Files::default());
    bench.pass(60_000);
    let whole = vanish(&mut bench);
    bench.restart();
    bench.forget().pass(60_000);
    let told = bench.take();
    assert!(bench.replica().is_local_only() && !told.contains("became-active"), "{told}");
    let local = |files: &Files| files.files.iter().filter(|(path, _)| path.root() == Root::Local).count();
    assert_eq!(local(&bench.files), local(&whole));
    bench.files.files.extend(whole.files.into_iter().filter(|(path, _)| path.root() == Root::Shared));
    bench.pass(120_000);
    assert!(bench.is_active(), "{}", bench.take());
}

#[test]
fn one_that_comes_to_a_folder_of_others_without_its_own_files_goes_on() {
    let mut bench = bench(Files::default());
    bench.pass(60_000);
    vanish(&mut bench);
    let (path, content) = other("k:/b#22");
    bench.files.files.insert(path.parse().unwrap(), content);
    bench.restart();
    bench.pass(300_000);
    assert!(bench.is_active() && shared(&bench.files).len() > 1);
}

#[test]
fn the_first_life_that_wrote_nothing_takes_an_empty_folder_as_it_is() {
    let mut bench = bench(Files::default());
    bench.files.files.clear();
    bench.restart();
    bench.pass(120_000);
    assert!(bench.is_active());
}

#[test]
fn whoever_cannot_read_who_it_is_waits_and_is_the_same_one_afterwards() {
    for path in ["identity.json", "handled.log"].map(Path::local) {
        let mut bench = bench(Files::default());
        bench.pass(120_000);
        bench.updates(&[(7, 1)]);
        bench.reply(crate::failover::Reply::Handled { id: 7 });
        assert!(bench.files.files.contains_key(&path), "{path}");
        let (id, before) = (bench.replica().id().cloned(), bench.files.text("local:identity.json"));
        bench.files.unreadable.insert(path.clone(), FsError::NotLocal);
        bench.restart();
        bench.pass(60_000);
        assert!(bench.replica().id().is_none() && !bench.is_active());
        assert_eq!(bench.files.text("local:identity.json"), before, "nothing is written over it");
        assert_eq!(bench.take().matches("unreadable").count(), 1, "it is told once");
        bench.activate("h:/a");
        bench.files.unreadable.clear();
        bench.pass(120_000);
        assert_eq!((bench.replica().id().cloned(), bench.replica().last_update_id()), (id, 7), "{path}");
        assert!(bench.is_active());
    }
}
