//! What holds on every walk.

use std::collections::BTreeMap;

use cloudchamber_core::Draw;
use cloudchamber_core::kit::clients::unfinished;
use cloudchamber_folder::StableHasher;
use cloudchamber_folder::profile::{DeleteConflict, EditConflict};
use cloudchamber_folder::world::{Choice, Effects, Presence};
use proptest::prelude::*;

use crate::common::walk::{any_rules, rare, step, walks};
use crate::common::{A, B, Stage, rules};

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn every_choice_on_offer_is_allowed(rules in any_rules(), walk in walks()) {
        let mut stage = Stage::new(2, rules);
        for number in walk {
            step(&mut stage, number, &mut |stage, offered| {
                for choice in offered {
                    let taken = stage.world.clone().take(&stage.setup, choice, &mut Effects::default());
                    assert!(taken.is_ok(), "{choice:?}: {taken:?}");
                }
            });
        }
    }

    #[test]
    fn a_refusal_leaves_the_world_unchanged(rules in any_rules(), walk in walks()) {
        let mut stage = Stage::new(2, rules);
        for number in walk {
            step(&mut stage, number, &mut |_, _| {});
            for more in 0..4 {
                let choice = rare(&stage, &mut Draw::Seed(number.wrapping_add(more)).rng());
                let mut tried = stage.world.clone();
                if tried.take(&stage.setup, &choice, &mut Effects::default()).is_err() {
                    prop_assert!(tried == stage.world, "{:?} was refused and left traces", choice);
                    prop_assert_eq!(StableHasher::of(&tried), StableHasher::of(&stage.world));
                }
            }
        }
    }

    #[test]
    fn equal_walks_lead_to_equal_worlds_with_equal_hashes(rules in any_rules(), walk in walks()) {
        let mut one = Stage::new(2, rules);
        let mut other = one.clone();
        for &number in &walk {
            step(&mut one, number, &mut |_, _| {});
        }
        for &number in &walk {
            // Shared with a clone, a world takes other paths through its copies-on-write.
            let _shared = other.world.clone();
            step(&mut other, number, &mut |_, _| {});
            prop_assert!(other.world == other.clone().world);
        }
        prop_assert!(one.world == other.world);
        prop_assert_eq!(StableHasher::of(&one.world), StableHasher::of(&other.world));
    }

    #[test]
    fn files_that_no_longer_move_are_the_same_everywhere(
        rules in any_rules(),
        walk in walks(),
        order in any::<u64>(),
    ) {
        // A transport without one winner leaves both versions where they are, until somebody writes again.
        let each_keeps = rules.edit_conflict == EditConflict::EachKeeps || rules.delete_conflict == DeleteConflict::EachKeeps;
        prop_assume!(!each_keeps);
        let mut stage = Stage::new(3, rules);
        for number in walk {
            step(&mut stage, number, &mut |_, _| {});
        }
        stage.settle_by(Draw::Seed(order));
        let server = stage.server_files();
        for (id, _) in stage.world.replicas() {
            let mut files = stage.shared_files(id);
            // What was gathered of a version that another one overtook stays where it is.
            files.retain(|(path, _)| unfinished(path.file_name()).is_none() || server.iter().any(|(sent, _)| sent == path));
            prop_assert_eq!(&files, &server, "replica {}", id);
        }
    }

    #[test]
    fn versions_never_go_back_on_a_disk(rules in any_rules(), walk in walks()) {
        let mut stage = Stage::new(2, rules);
        for number in walk {
            let before = stage.world.clone();
            let Some((choice, _)) = step(&mut stage, number, &mut |_, _| {}) else { continue };
            if let Choice::Download { replica, path, back, .. } = &choice {
                let version = before.cloud().latest(path) - back;
                let slot = before.replica(*replica).disk().slot(path);
                prop_assert!(slot.is_none_or(|slot| !slot.dirty), "a changed file goes up first");
                prop_assert!(slot.map_or(0, |slot| slot.seen) < version);
            }
            if matches!(choice, Choice::ResetIndex { .. } | Choice::Restore { .. }) {
                continue;
            }
            for (id, replica) in before.replicas() {
                for (path, slot) in replica.disk().slots() {
                    let after = stage.world.replica(id).disk().slot(path).map_or(0, |slot| slot.seen);
                    let stub = |slot: &cloudchamber_folder::world::Slot| {
                        slot.body.as_ref().is_some_and(|body| matches!(body.presence, Presence::Stub(_)))
                    };
                    // A file made under a placeholder's name is a new one to the client.
                    prop_assert!(after >= slot.seen || stub(slot), "{path} at {id}: {choice:?}");
                }
            }
        }
    }

    #[test]
    fn the_server_counts_its_versions_one_by_one(rules in any_rules(), walk in walks()) {
        let mut stage = Stage::new(2, rules);
        let mut latest = BTreeMap::new();
        for number in walk {
            let Some((_, effects)) = step(&mut stage, number, &mut |_, _| {}) else { continue };
            for commit in effects.committed {
                let last = latest.entry(commit.path.clone()).or_insert(0);
                *last += 1;
                prop_assert_eq!(commit.version, *last);
            }
            for (path, file) in stage.world.cloud().files() {
                prop_assert_eq!(Some(&file.latest()), latest.get(path));
                prop_assert!(file.version(file.versions_kept() - 1).is_some());
            }
        }
    }
}

#[test]
fn the_order_of_independent_writes_leaves_no_trace() {
    let mut stages = [Stage::new(2, rules()), Stage::new(2, rules())];
    for (stage, order) in stages.iter_mut().zip([["a", "b"], ["b", "a"]]) {
        for name in order {
            stage.write(A, name, name);
            stage.up(A, name);
            stage.down(B, name);
        }
    }
    let [one, other] = stages;
    assert_eq!(one.world, other.world);
    assert_eq!(StableHasher::of(&one.world), StableHasher::of(&other.world));
}

/// A walk is worth nothing if it gets stuck.
#[test]
fn walks_go_everywhere() {
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in 0..40 {
        let mut stage = Stage::new(2, rules());
        for number in 0..250 {
            let Some((choice, effects)) = step(&mut stage, seed * 1_000 + number, &mut |_, _| {}) else {
                continue;
            };
            let name = match choice {
                Choice::Apply { .. } => "apply",
                Choice::Crash { .. } => "crash",
                Choice::Download { .. } => "download",
                Choice::Evict { .. } => "evict",
                Choice::Fetch { .. } => "fetch",
                Choice::Folder { .. } => "folder",
                Choice::ResetIndex { .. } => "reset",
                Choice::Sleep { .. } => "sleep",
                Choice::Timer { .. } => "timer",
                Choice::Upload { .. } => "upload",
                _ => "other",
            };
            *seen.entry(name).or_default() += 1;
            *seen.entry("conflict").or_default() += u32::try_from(effects.conflicts.len()).unwrap();
        }
    }
    let rarest = seen.iter().min_by_key(|(_, count)| **count).unwrap();
    assert!(seen.len() == 12 && *rarest.1 >= 5, "{seen:?}");
}
