//! What becomes of files that were changed at two replicas apart, by the rules of each kind of provider.

use cloudchamber_core::Path;
use cloudchamber_folder::ReplicaId;
use cloudchamber_folder::profile::{CreateConflict, DeleteConflict, EditConflict, Naming, Rules};
use cloudchamber_folder::world::{Choice, Conflict};

use crate::common::{A, B, C, Stage, rules};

/// `f.txt` is everywhere; then `a` edits it, and 5 s later `b` does. Neither has sent anything.
fn edited_apart(rules: Rules) -> Stage {
    let mut stage = Stage::new(3, rules);
    stage.write(A, "f.txt", "base");
    stage.settle();
    stage.pass(60_000);
    stage.write(A, "f.txt", "older");
    stage.pass(5_000);
    stage.write(B, "f.txt", "newer");
    stage
}

fn with(edit_conflict: EditConflict) -> Rules {
    Rules { edit_conflict, ..rules() }
}

/// The one conflict of an upload.
fn conflict(stage: &mut Stage, replica: ReplicaId, name: &str) -> (Option<String>, ReplicaId, ReplicaId) {
    let conflicts = stage.up(replica, name).conflicts;
    let [Conflict { path, copy, winner, loser, .. }] = &conflicts[..] else { panic!("{conflicts:?}") };
    assert_eq!(path, &Path::shared(name));
    (copy.as_ref().map(|copy| copy.name().to_owned()), *winner, *loser)
}

/// Every file that all replicas agree on once nothing moves any more.
#[track_caller]
fn in_the_end(stage: &mut Stage) -> String {
    stage.settle();
    let server = stage.server_files();
    for (id, _) in stage.world.replicas() {
        assert_eq!(stage.shared_files(id), server, "replica {id}");
    }
    let files = server
        .iter()
        .map(|(path, content)| format!("{}={}", path.name(), String::from_utf8_lossy(content.bytes())));
    files.collect::<Vec<_>>().join(", ")
}

#[test]
fn each_side_keeps_its_own_until_it_changes_again() {
    let mut stage = edited_apart(with(EditConflict::EachKeeps));
    stage.up(A, "f.txt");
    assert_eq!(conflict(&mut stage, B, "f.txt"), (None, B, A));
    stage.settle();
    let texts = |stage: &Stage| [A, B, C].map(|id| stage.text(id, "f.txt").unwrap());
    assert_eq!(texts(&stage), ["older", "newer", "older"]);
    stage.write(B, "f.txt", "newest");
    assert_eq!(in_the_end(&mut stage), "f.txt=newest");
}

#[test]
fn a_removal_and_an_edit_are_left_as_they_are_by_a_client_that_skips_conflicts() {
    let mut stage = Stage::new(2, Rules { delete_conflict: DeleteConflict::EachKeeps, ..rules() });
    stage.write(A, "f.txt", "base");
    stage.settle();
    stage.remove(A, "f.txt");
    stage.write(B, "f.txt", "edited");
    stage.settle();
    assert_eq!([A, B].map(|id| stage.text(id, "f.txt")), [None, Some("edited".to_owned())]);
}

#[test]
fn an_invisible_loser_leaves_no_file() {
    for (first, second, text) in [(A, B, "older"), (B, A, "newer")] {
        let mut stage = edited_apart(with(EditConflict::LoserInvisible));
        stage.up(first, "f.txt");
        assert_eq!(conflict(&mut stage, second, "f.txt"), (None, first, second));
        let own = if second == A { "older" } else { "newer" };
        assert_eq!(stage.text(second, "f.txt").as_deref(), Some(own), "each sees its own as current");
        assert_eq!(in_the_end(&mut stage), format!("f.txt={text}"));
    }
}

#[test]
fn a_loser_waits_for_the_winner_and_nothing_older() {
    let mut stage = edited_apart(with(EditConflict::LoserInvisible));
    for text in ["older", "older still", "the last"] {
        stage.write(A, "f.txt", text);
        stage.up(A, "f.txt");
    }
    stage.up(B, "f.txt");
    let late = |back| Choice::Download {
        replica: B,
        path: Path::shared("f.txt"),
        back,
        arrival: Default::default(),
    };
    assert!(stage.refuses(late(1)) && stage.refuses(late(2)));
    stage.take(late(0));
    assert_eq!(stage.text(B, "f.txt").as_deref(), Some("the last"));
}

#[test]
fn the_later_saved_edit_becomes_the_copy() {
    for (first, second, text, copy) in [(A, B, "older", "newer"), (B, A, "newer", "older")] {
        let mut stage = edited_apart(with(EditConflict::LaterSavedIsCopied));
        stage.up(first, "f.txt");
        assert_eq!(conflict(&mut stage, second, "f.txt"), (Some("f 2.txt".into()), first, second));
        assert_eq!(stage.text(second, "f.txt").as_deref(), Some(text));
        assert_eq!(in_the_end(&mut stage), format!("f 2.txt={copy}, f.txt={text}"));
    }
}

#[test]
fn the_edit_with_the_older_time_becomes_the_copy() {
    let rules = Rules { conflict_naming: Naming::Syncthing, ..with(EditConflict::OlderMtimeIsCopied) };
    for (first, second) in [(A, B), (B, A)] {
        let mut stage = edited_apart(rules.clone());
        stage.up(first, "f.txt");
        let (copy, winner, loser) = conflict(&mut stage, second, "f.txt");
        assert_eq!((winner, loser), (B, A), "whoever comes first");
        let copy = copy.unwrap();
        assert!(copy.starts_with("f.sync-conflict-20260101-0001"), "{copy}");
        assert_eq!(in_the_end(&mut stage), format!("{copy}=older, f.txt=newer"));
    }
}

#[test]
fn many_edits_with_an_older_time_lose_to_one_with_a_newer() {
    let mut stage = edited_apart(with(EditConflict::OlderMtimeIsCopied));
    stage.up(B, "f.txt");
    stage.take(Choice::Clock { replica: A, by_ms: -3_600_000 });
    for text in ["1", "2", "3", "4", "5"] {
        stage.pass(10_000);
        stage.write(A, "f.txt", text);
    }
    assert_eq!(conflict(&mut stage, A, "f.txt"), (Some("f 2.txt".into()), B, A));
    assert_eq!(in_the_end(&mut stage), "f 2.txt=5, f.txt=newer");
}

#[test]
fn of_equal_times_the_replica_decides() {
    for (first, second) in [(A, B), (B, A)] {
        let mut stage = Stage::new(3, with(EditConflict::OlderMtimeIsCopied));
        stage.write(A, "f", "of a");
        stage.write(B, "f", "of b");
        stage.up(first, "f");
        assert_eq!(conflict(&mut stage, second, "f"), (Some("f 2".into()), B, A));
        assert_eq!(in_the_end(&mut stage), "f=of b, f 2=of a");
    }
}

#[test]
fn both_edits_become_copies_and_the_name_goes() {
    let rules = Rules { conflict_naming: Naming::Rclone, ..with(EditConflict::BothAreCopied) };
    for (first, second) in [(A, B), (B, A)] {
        let mut stage = edited_apart(rules.clone());
        stage.up(first, "f.txt");
        let conflicts = stage.up(second, "f.txt").conflicts;
        let name = |copy: &Option<Path>| copy.as_ref().map(|copy| copy.name().to_owned());
        let [Conflict { copy, winner_as, winner, loser, .. }] = &conflicts[..] else {
            panic!("{conflicts:?}")
        };
        assert_eq!(
            (name(winner_as), name(copy)),
            (Some("f.txt.conflict1".into()), Some("f.txt.conflict2".into()))
        );
        assert_eq!((*winner, *loser), (first, second));
        assert_eq!(stage.text(second, "f.txt"), None);
        let [one, two] = if first == A { ["older", "newer"] } else { ["newer", "older"] };
        assert_eq!(in_the_end(&mut stage), format!("f.txt.conflict1={one}, f.txt.conflict2={two}"));
    }
}

#[test]
fn merge_markers_hold_both() {
    let rules = Rules { conflict_naming: Naming::Git, ..with(EditConflict::MergeMarkers) };
    let mut stage = edited_apart(rules);
    stage.up(A, "f.txt");
    assert_eq!(conflict(&mut stage, B, "f.txt"), (None, B, A));
    let merged = "<<<<<<< ours\nnewer\n=======\nolder\n>>>>>>> theirs\n";
    assert_eq!(in_the_end(&mut stage), format!("f.txt={merged}"));
}

#[test]
fn a_provider_without_copies_makes_none() {
    for edit in [EditConflict::LaterSavedIsCopied, EditConflict::OlderMtimeIsCopied] {
        for (first, second) in [(A, B), (B, A)] {
            let mut stage = edited_apart(Rules { conflict_naming: Naming::Git, ..with(edit) });
            stage.up(first, "f.txt");
            assert_eq!(conflict(&mut stage, second, "f.txt").0, None);
            let left = in_the_end(&mut stage);
            assert!(["f.txt=older", "f.txt=newer"].contains(&left.as_str()), "{left}");
        }
    }
}

#[test]
fn a_new_file_under_a_name_that_is_taken_takes_another() {
    let rules = Rules { create_conflict: CreateConflict::NewIsRenamed, ..with(EditConflict::LoserInvisible) };
    let mut stage = Stage::new(3, rules);
    for (replica, text) in [(A, "of a"), (B, "of b"), (C, "of c")] {
        stage.write(replica, "dir/f.txt", text);
    }
    stage.up(A, "dir/f.txt");
    assert_eq!(conflict(&mut stage, B, "dir/f.txt"), (Some("dir/f 2.txt".into()), A, B));
    assert_eq!(stage.text(B, "dir/f.txt").as_deref(), Some("of a"));
    assert_eq!(conflict(&mut stage, C, "dir/f.txt").0, Some("dir/f 3.txt".into()));
    assert_eq!(in_the_end(&mut stage), "dir/f 2.txt=of b, dir/f 3.txt=of c, dir/f.txt=of a");
    // An edit of a file that both know is another matter.
    stage.write(A, "dir/f.txt", "edit of a");
    stage.write(B, "dir/f.txt", "edit of b");
    stage.up(A, "dir/f.txt");
    assert_eq!(conflict(&mut stage, B, "dir/f.txt").0, None);
}

#[test]
fn files_created_alike_are_no_conflict() {
    for edit in [
        EditConflict::LoserInvisible,
        EditConflict::LaterSavedIsCopied,
        EditConflict::OlderMtimeIsCopied,
        EditConflict::BothAreCopied,
        EditConflict::MergeMarkers,
    ] {
        let mut stage = Stage::new(3, with(edit));
        stage.write(A, "f", "same");
        stage.pass(1_000);
        stage.write(B, "f", "same");
        stage.up(A, "f");
        let effects = stage.up(B, "f");
        assert!(effects.conflicts.is_empty() && effects.committed.is_empty(), "{effects:?}");
        assert_eq!(in_the_end(&mut stage), "f=same");
    }
}

/// `f` is everywhere; `a` removes it, and 5 s later (or earlier) `b` edits it.
fn removed_and_edited(delete_conflict: DeleteConflict, edit_after_ms: i64) -> Stage {
    let mut stage = Stage::new(3, Rules { delete_conflict, ..rules() });
    stage.write(A, "f", "base");
    stage.settle();
    stage.pass(60_000);
    if edit_after_ms < 0 {
        stage.write(B, "f", "edit");
        stage.pass(edit_after_ms.unsigned_abs());
        stage.remove(A, "f");
    } else {
        stage.remove(A, "f");
        stage.pass(edit_after_ms.unsigned_abs());
        stage.write(B, "f", "edit");
    }
    stage
}

#[test]
fn a_removal_meets_an_edit() {
    let rows = [
        (DeleteConflict::EditWins, 5_000, "f=edit", "f=edit"),
        // Measured: also where the edit is hours older than the removal.
        (DeleteConflict::EditWins, -9_000_000, "f=edit", "f=edit"),
        // The edit that comes second survives as a copy.
        (DeleteConflict::DeleteWins, 5_000, "f 2=edit", ""),
        (DeleteConflict::NewerWins, 5_000, "f=edit", "f=edit"),
        (DeleteConflict::NewerWins, -5_000, "f 2=edit", ""),
    ];
    for (rule, edit_after_ms, removal_first, edit_first) in rows {
        for ((first, second), left) in [((A, B), removal_first), ((B, A), edit_first)] {
            let mut stage = removed_and_edited(rule, edit_after_ms);
            stage.up(first, "f");
            let (_, winner, loser) = conflict(&mut stage, second, "f");
            let edit_wins = left == "f=edit";
            assert_eq!((winner, loser), if edit_wins { (B, A) } else { (A, B) });
            assert_eq!(in_the_end(&mut stage), left, "{rule:?}, {edit_after_ms} ms, {first} first");
        }
    }
}

#[test]
fn a_file_removed_at_both_is_gone_without_a_conflict() {
    let mut stage = Stage::new(3, rules());
    stage.write(A, "f", "base");
    stage.settle();
    stage.remove(A, "f");
    stage.remove(B, "f");
    stage.up(A, "f");
    assert!(stage.up(B, "f").conflicts.is_empty());
    assert_eq!(in_the_end(&mut stage), "");
}

#[test]
fn a_client_that_forgot_its_index_brings_removed_files_back() {
    let mut stage = Stage::new(3, rules());
    stage.write(A, "f", "base");
    stage.write(A, "kept", "base");
    stage.settle();
    stage.take(Choice::Network { replica: C, online: false });
    stage.remove(A, "f");
    stage.up(A, "f");
    stage.down(B, "f");
    stage.take(Choice::Network { replica: C, online: true });
    let mut remembers = stage.clone();
    assert_eq!(in_the_end(&mut remembers), "kept=base");
    let effects = stage.take(Choice::ResetIndex { replica: C });
    assert_eq!(effects.touched, [Path::shared("f"), Path::shared("kept")]);
    assert_eq!(in_the_end(&mut stage), "f=base, kept=base");
    assert_eq!(stage.world.cloud().latest(&Path::shared("kept")), 1, "what is the same is not sent");
}

#[test]
fn a_client_that_forgot_its_index_does_not_remember_removals() {
    let mut stage = Stage::new(2, rules());
    stage.write(A, "f", "base");
    stage.settle();
    stage.remove(A, "f");
    stage.take(Choice::ResetIndex { replica: A });
    assert_eq!(in_the_end(&mut stage), "f=base");
}

#[test]
fn a_file_that_comes_and_goes_before_it_was_sent_is_nobodys_business() {
    let rules = Rules { delete_conflict: DeleteConflict::DeleteWins, ..rules() };
    let mut stage = Stage::new(2, rules);
    stage.write(A, "f", "of a");
    stage.up(A, "f");
    stage.write(B, "f", "of b");
    stage.remove(B, "f");
    assert_eq!(in_the_end(&mut stage), "f=of a");
}

#[test]
fn surplus_copies_are_deleted_oldest_first() {
    let rules = Rules {
        conflict_copies_max: Some(2),
        conflict_naming: Naming::GDrive,
        ..with(EditConflict::LaterSavedIsCopied)
    };
    let mut stage = Stage::new(2, rules);
    // A copy of another file whose name begins alike.
    stage.write(A, "fable (1).txt", "not a copy of f");
    for round in 0..4 {
        stage.settle();
        stage.pass(1_000);
        stage.write(A, "f.txt", &format!("a{round}"));
        stage.write(B, "f.txt", &format!("b{round}"));
        stage.up(A, "f.txt");
        stage.up(B, "f.txt");
    }
    let left = in_the_end(&mut stage);
    assert!(left.contains("=b2") && left.contains("=b3"), "{left}");
    assert!(!left.contains("=b0") && !left.contains("=b1"), "{left}");
    assert!(left.contains("f.txt=a3") && left.contains("fable (1).txt="), "{left}");
}

#[test]
fn two_machines_that_clear_up_at_once_end_alike() {
    // A third replica sees both conflicts and adds none.
    let mut stage = edited_apart(with(EditConflict::LaterSavedIsCopied));
    stage.write(C, "f.txt", "third");
    for replica in [A, C, B] {
        stage.up(replica, "f.txt");
    }
    assert_eq!(in_the_end(&mut stage), "f 2.txt=third, f 3.txt=newer, f.txt=older");
}
