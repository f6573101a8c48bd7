//! Folders that go away and come back, and files that come back from an earlier time.

use cloudchamber_core::{Content, Draw, FsError, Path};
use cloudchamber_folder::scenario::Scenario;
use cloudchamber_folder::trace::Watched;
use cloudchamber_folder::world::{Choice, ChoiceOf, Part};

use crate::common::{A, B, Deed, ScribeSystem, Stage, rules};

fn append(name: &str, text: &str) -> Deed {
    Deed::Append { path: Path::shared(name), text: text.into() }
}

/// Two replicas with two files, in step.
fn shared() -> Stage {
    let mut stage = Stage::new(2, rules());
    stage.write(A, "f", "one");
    stage.write(B, "dir/g", "two");
    stage.settle();
    stage
}

fn names(stage: &Stage, replica: cloudchamber_folder::ReplicaId) -> Vec<String> {
    stage.shared_files(replica).iter().map(|(path, _)| path.name().to_owned()).collect()
}

#[test]
fn a_mount_that_goes_leaves_an_empty_directory_and_hides_what_was_made_in_it() {
    let mut stage = shared();
    stage.take(Choice::Mount { replica: A, mounted: false });
    assert!(stage.world.replica(A).is_hollow() && !stage.world.replica(A).syncs());
    assert!(stage.refuses(Choice::Mount { replica: A, mounted: false }));
    assert!(stage.refuses(Choice::Upload { replica: A, path: Path::shared("f") }));
    let gone = Deed::Rename { from: Path::shared("f"), to: Path::shared("h") };
    assert_eq!(stage.ask(A, &[gone]), Err(FsError::NotFound), "nothing is in it");
    assert_eq!(stage.ask(A, &[append("f", "anew")]), Ok(()));
    assert_eq!(stage.ask(A, &[Deed::Append { path: Path::local("l"), text: "mine".into() }]), Ok(()));
    assert_eq!(stage.text(A, "f").as_deref(), Some("one"), "the folder's own file is where it was");

    stage.take(Choice::Mount { replica: A, mounted: true });
    stage.settle();
    assert_eq!((stage.text(A, "f"), stage.text(B, "f")), (Some("one".into()), Some("one".into())));
    stage.take(Choice::Mount { replica: A, mounted: false });
    let create = Deed::Create { path: Path::shared("f"), text: String::new() };
    assert_eq!(stage.ask(A, &[create]), Err(FsError::Exists), "what was made lies beneath the mount");
}

#[test]
fn a_client_that_takes_the_empty_directory_for_the_folder_removes_everything_everywhere() {
    let mut stage = shared();
    assert!(stage.refuses(Choice::Wipe { replica: A }), "the folder is there");
    stage.take(Choice::Mount { replica: A, mounted: false });
    assert_eq!(stage.ask(A, &[append("dir/g", "anew")]), Ok(()));
    let effects = stage.take(Choice::Wipe { replica: A });
    assert_eq!(effects.touched, [Path::shared("dir/g"), Path::shared("f")]);
    assert!(!stage.world.replica(A).is_hollow());
    stage.settle();
    for replica in [A, B] {
        assert_eq!(stage.shared_files(replica), [(Path::shared("dir/g"), Content::from("anew"))]);
    }
}

#[test]
fn an_agent_writes_into_another_directory_once_something_is_in_it_and_then_also_when_it_is_empty_again() {
    let mut stage = shared();
    stage.setup.replicas[0].guarded = true;
    assert_eq!(stage.ask(A, &[Deed::Append { path: Path::local("l"), text: "mine".into() }]), Ok(()));
    stage.take(Choice::Mount { replica: A, mounted: false });
    stage.take(Choice::Wipe { replica: A });
    stage.settle();
    assert_eq!(
        stage.ask(A, &[append("f", "anew")]),
        Err(FsError::Unavailable),
        "it is empty, and another one"
    );
    stage.write(B, "g", "anew");
    stage.settle();
    assert_eq!(stage.ask(A, &[append("f", "anew")]), Ok(()));
    stage.settle();
    for name in ["f", "g"] {
        stage.remove(B, name);
    }
    stage.settle();
    assert_eq!((stage.shared_files(A), stage.ask(A, &[append("f", "anew")])), (vec![], Ok(())));
}

#[test]
fn an_older_version_comes_back_to_all_or_to_one_until_its_client_brings_the_newest() {
    for sent in [false, true] {
        let mut stage = shared();
        stage.take(Choice::Keep { replica: B });
        stage.write(A, "f", "newer");
        stage.settle();
        let restore = |path| Choice::Restore { replica: B, path, sent };
        let effects = stage.take(restore(Some(Path::shared("f"))));
        assert_eq!(stage.text(B, "f").as_deref(), Some("one"));
        assert!(stage.world.replica(B).changed(), "its process is told");
        assert_eq!((effects.touched.len(), effects.owed.len()), if sent { (1, 0) } else { (0, 1) });
        assert!(stage.refuses(restore(Some(Path::shared("f")))), "it is as it was");
        assert!(stage.refuses(restore(Some(Path::shared("other")))), "nobody kept it");
        stage.settle();
        let left = if sent { "one" } else { "newer" };
        assert_eq!([stage.text(A, "f"), stage.text(B, "f")], [Some(left.into()), Some(left.into())]);
    }
}

#[test]
fn an_older_tree_has_nothing_that_came_later() {
    for sent in [false, true] {
        let mut stage = shared();
        stage.take(Choice::Keep { replica: B });
        stage.write(A, "later", "three");
        stage.remove(A, "f");
        stage.settle();
        assert_eq!(names(&stage, B), ["dir/g", "later"]);
        stage.take(Choice::Restore { replica: B, path: None, sent });
        assert_eq!(names(&stage, B), ["dir/g", "f"]);
        stage.settle();
        let left: &[&str] = if sent { &["dir/g", "f"] } else { &["dir/g", "later"] };
        assert_eq!(
            (names(&stage, A), names(&stage, B)),
            (names(&stage, B), left.iter().map(|&name| name.to_owned()).collect())
        );
    }
}

/// Whether the checker of what is made in a folder's place says something about a replica that does `before` while its
/// folder is there and `deed` while it is not.
fn helped(before: &[Deed], deed: Deed) -> bool {
    let text = "system = 'scribe'\nrun_ms = 60000\nreplica = [{}]\n";
    let scenario = Scenario::<ScribeSystem>::parse("one.toml".as_ref(), text).unwrap();
    let mut run = Watched::new(&scenario);
    let draw = Draw::default();
    let mut take = |choice: ChoiceOf<ScribeSystem>| run.take(&choice).unwrap();
    take(Choice::Open { replica: A, draw });
    for (deeds, mounted) in [(before, true), (&[deed], false)] {
        if !mounted {
            take(Choice::Mount { replica: A, mounted });
        }
        for deed in deeds {
            take(Choice::Command { replica: A, command: vec![deed.clone()], draw });
            take(Choice::Apply { replica: A, part: Part::Whole, draw });
        }
    }
    run.findings.violation("nothing_is_made_in_the_place_of_a_folder_that_is_away").is_some()
}

#[test]
fn who_has_worked_in_a_folder_makes_nothing_in_its_place() {
    let local = Deed::Append { path: Path::local("id"), text: "a".into() };
    assert!(helped(std::slice::from_ref(&local), append("dir/f", "text")));
    assert!(!helped(std::slice::from_ref(&local), local.clone()), "what is local is its own");
    assert!(!helped(&[local], Deed::Remove { path: Path::shared("f") }), "it failed");
    assert!(!helped(&[], append("dir/f", "text")), "a first start cannot know");
}
