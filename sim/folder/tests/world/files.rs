//! How single files travel: late, in part, as placeholders, or not at all.

use cloudchamber_core::{Content, Draw, FsError, FsOp, Path};
use cloudchamber_folder::profile::{Arrival, Mtime, Placeholder, Rules};
use cloudchamber_folder::world::{Choice, EPOCH, Presence};

use crate::common::{A, B, Deed, Stage, rules};

fn download(back: u32) -> Choice<Vec<Deed>, cloudchamber_core::Never> {
    Choice::Download { replica: B, path: Path::shared("f"), back, arrival: Arrival::Whole }
}

#[test]
fn a_changed_file_goes_up_before_it_comes_down() {
    let mut stage = Stage::new(2, rules());
    stage.write(A, "f", "of a");
    stage.up(A, "f");
    stage.write(B, "f", "of b");
    assert!(stage.refuses(download(0)));
    stage.up(B, "f");
    assert!(stage.refuses(download(0)), "the conflict brought it");
    assert_eq!(stage.text(B, "f").as_deref(), Some("of a"));
}

#[test]
fn a_late_version_is_seen_and_a_later_one_never_undone() {
    let mut stage = Stage::new(2, rules());
    for text in ["1", "2", "3"] {
        stage.write(A, "f", text);
        stage.up(A, "f");
    }
    assert!(stage.refuses(download(3)), "there was no version before the first");
    stage.take(download(1));
    assert_eq!(stage.text(B, "f").as_deref(), Some("2"));
    assert!(stage.refuses(download(1)) && stage.refuses(download(2)));
    stage.take(download(0));
    assert_eq!(stage.text(B, "f").as_deref(), Some("3"));
    assert!(stage.refuses(download(0)));
}

#[test]
fn nothing_moves_where_a_client_is_not_at_work() {
    let mut stage = Stage::new(2, rules());
    stage.write(A, "f", "text");
    let upload = Choice::Upload { replica: A, path: Path::shared("f") };
    let switches = [
        (Choice::Sleep { replica: A }, Choice::Wake { replica: A }),
        (Choice::Network { replica: A, online: false }, Choice::Network { replica: A, online: true }),
        (Choice::Folder { replica: A, reachable: false }, Choice::Folder { replica: A, reachable: true }),
    ];
    for (off, on) in switches {
        stage.take(off.clone());
        assert!(stage.refuses(off) && stage.refuses(upload.clone()));
        stage.take(on);
    }
    stage.take(upload.clone());
    assert!(stage.refuses(upload), "it is sent");
}

#[test]
fn local_files_stay() {
    let mut stage = Stage::new(2, rules());
    let path = Path::local("note");
    stage.ask(A, &[Deed::Replace { path: path.clone(), text: "mine".into() }]).unwrap();
    assert!(stage.refuses(Choice::Upload { replica: A, path: path.clone() }));
    stage.settle();
    assert_eq!(stage.world.cloud().file(&path), None);
    assert_eq!(stage.world.replica(B).disk().slot(&path), None);
}

#[test]
fn an_evicted_file_has_a_name_and_no_bytes() {
    for placeholder in
        [Placeholder::Dataless, Placeholder::Stub, Placeholder::StubNextcloud, Placeholder::StubOwncloud]
    {
        let mut stage = Stage::new(2, Rules { placeholder, ..rules() });
        let path = Path::shared("f");
        let [evict, fetch] = [
            Choice::Evict { replica: A, path: path.clone() },
            Choice::Fetch { replica: A, path: path.clone() },
        ];
        assert!(stage.refuses(evict.clone()), "there is no file");
        stage.write(A, "f", "text");
        assert!(stage.refuses(evict.clone()), "nobody else has it");
        stage.settle();
        assert!(stage.refuses(fetch.clone()), "it is here");
        stage.take(evict.clone());
        assert!(stage.refuses(evict));
        assert_eq!(stage.text(A, "f"), None);
        let append = Deed::Append { path: path.clone(), text: " and more".into() };
        let create = Deed::Create { path: path.clone(), text: "new".into() };
        let mut without = stage.clone();
        if placeholder == Placeholder::Dataless {
            assert_eq!(stage.ask(A, &[append]), Err(FsError::NotLocal));
            assert_eq!(stage.ask(A, &[create]), Err(FsError::Exists));
        } else {
            assert_eq!(stage.ask(A, &[Deed::Remove { path }]), Err(FsError::NotFound));
            // Without the name, a file of the same name is a new one: both survive.
            without.ask(A, &[create]).unwrap();
            without.settle();
            assert_eq!(without.text(B, "f").as_deref(), Some("text"));
            assert_eq!(without.text(B, "f 2").as_deref(), Some("new"));
        }
        stage.take(Choice::Network { replica: A, online: false });
        assert!(stage.refuses(fetch.clone()));
        stage.take(Choice::Network { replica: A, online: true });
        assert!(stage.take(fetch).files_changed);
        assert_eq!(stage.text(A, "f").as_deref(), Some("text"));
    }
}

#[test]
fn a_provider_that_keeps_everything_here_evicts_nothing() {
    let mut stage = Stage::new(1, Rules { placeholder: Placeholder::None, ..rules() });
    stage.write(A, "f", "text");
    stage.settle();
    assert!(stage.refuses(Choice::Evict { replica: A, path: Path::shared("f") }));
}

#[test]
fn an_evicted_file_can_be_renamed_and_stays_away() {
    let mut stage = Stage::new(2, rules());
    stage.write(A, "f", "text");
    stage.settle();
    stage.take(Choice::Evict { replica: A, path: Path::shared("f") });
    stage.ask(A, &[Deed::Rename { from: Path::shared("f"), to: Path::shared("g") }]).unwrap();
    let slot = stage.world.replica(A).disk().slot(&Path::shared("g")).unwrap();
    assert_eq!(slot.body.as_ref().unwrap().presence, Presence::Dataless);
    stage.settle();
    for replica in [A, B] {
        assert_eq!(stage.text(replica, "g").as_deref(), Some("text"));
        assert_eq!(stage.text(replica, "f"), None);
    }
}

#[test]
fn a_file_and_a_directory_of_one_name_never_meet() {
    let mut stage = Stage::new(2, rules());
    stage.write(A, "x", "a file");
    stage.write(B, "x/y", "in a directory");
    stage.up(A, "x");
    stage.up(B, "x/y");
    stage.settle();
    assert_eq!(stage.text(A, "x").as_deref(), Some("a file"));
    assert_eq!(stage.text(A, "x/y"), None);
    assert_eq!(stage.text(B, "x/y").as_deref(), Some("in a directory"));
    let download = Choice::Download { replica: B, path: Path::shared("x"), back: 0, arrival: Arrival::Whole };
    assert!(stage.refuses(download));
    // Other files still sync, and it is over once one of the two goes.
    stage.write(A, "z", "another");
    stage.remove(B, "x/y");
    stage.settle();
    assert_eq!(stage.text(B, "x").as_deref(), Some("a file"));
    assert_eq!(stage.text(B, "z").as_deref(), Some("another"));
}

#[test]
fn modification_times_travel_as_the_provider_says() {
    for (mtime, at_b) in [
        (Mtime::Kept { granularity_ms: 1 }, EPOCH.plus(1_234)),
        (Mtime::Kept { granularity_ms: 1_000 }, EPOCH.plus(1_000)),
        (Mtime::Arrival, EPOCH.plus(9_234)),
    ] {
        let mut stage = Stage::new(2, Rules { mtime, ..rules() });
        stage.pass(1_234);
        stage.write(A, "f", "text");
        stage.pass(8_000);
        stage.up(A, "f");
        stage.down(B, "f");
        assert_eq!(stage.world.replica(B).disk().slot(&Path::shared("f")).unwrap().modified, at_b);
    }
}

#[test]
fn a_full_disk_takes_no_bytes() {
    let mut stage = Stage::new(1, rules());
    stage.write(A, "f", "text");
    stage.take(Choice::Disk { replica: A, full: true });
    let path = Path::shared("f");
    for deed in [
        Deed::Append { path: path.clone(), text: "more".into() },
        Deed::Create { path: Path::shared("g"), text: "new".into() },
        Deed::Replace { path: path.clone(), text: "new".into() },
    ] {
        assert_eq!(stage.ask(A, &[deed]), Err(FsError::NoSpace));
        assert_eq!(stage.shared_files(A), [(path.clone(), Content::from("text"))]);
    }
    // To truncate takes no space.
    assert_eq!(stage.ask(A, &[Deed::Overwrite { path, text: "new".into() }]), Err(FsError::NoSpace));
    assert_eq!(stage.text(A, "f").as_deref(), Some(""));
    stage.remove(A, "f");
}

#[test]
fn a_folder_that_cannot_be_reached_fails_every_op_on_it() {
    let mut stage = Stage::new(1, rules());
    stage.take(Choice::Folder { replica: A, reachable: false });
    let at = |path: Path| Deed::Replace { path, text: "text".into() };
    assert_eq!(stage.ask(A, &[at(Path::shared("f"))]), Err(FsError::Unavailable));
    assert_eq!(stage.ask(A, &[at(Path::local("f"))]), Ok(()));
}

#[test]
fn a_process_is_told_of_what_its_client_did() {
    let mut stage = Stage::new(2, rules());
    stage.write(A, "f", "text");
    let watch = |lost| Choice::Watch { replica: B, lost, draw: Draw::default() };
    assert!(stage.refuses(watch(false)) && stage.refuses(watch(true)));
    for lost in [true, false] {
        stage.write(A, "f", if lost { "1" } else { "2" });
        stage.up(A, "f");
        stage.down(B, "f");
        assert!(stage.world.replica(B).changed());
        stage.take(watch(lost));
        assert!(!stage.world.replica(B).changed());
    }
    assert!(!stage.world.replica(A).changed(), "nothing came to it");
}

#[test]
fn a_batch_ends_at_the_op_that_fails() {
    let mut stage = Stage::new(1, rules());
    let [f, g] = [Path::shared("f"), Path::shared("g")];
    let deeds = [
        Deed::Create { path: f.clone(), text: "1".into() },
        Deed::Create { path: f.clone(), text: "2".into() },
        Deed::Create { path: g, text: "3".into() },
    ];
    assert_eq!(stage.ask(A, &deeds), Err(FsError::Exists));
    assert_eq!(stage.shared_files(A), [(f.clone(), Content::from("1"))]);
    assert!(matches!(deeds[0].op(), FsOp::CreateNew { path, .. } if path == f));
}
