//! Random walks through a world: whatever is on a rich menu, and the rare things that are on none.

use cloudchamber_core::{Draw, Path, Rng};
use cloudchamber_folder::profile::{
    CreateConflict, DeleteConflict, EditConflict, Mtime, Naming, Placeholder, Profile, Rules,
};
use cloudchamber_folder::world::{Choice, ChoiceOf, Effects, Menu};
use cloudchamber_folder::{ReplicaId, StableHasher};
use proptest::prelude::*;

use super::{Deed, Scribe, ScribeSystem, Stage, rich_menu, rules};

/// Files that nobody's directory has the name of.
pub const FILES: [&str; 6] =
    ["shared:a.json", "shared:a b.json", "shared:dir/c.json", "shared:dir/sub/d", "shared:tmp", "local:note"];

fn pick<T: Copy>(rng: &mut dyn Rng, of: &[T]) -> T {
    of[usize::try_from(rng.up_to(of.len() as u64 - 1)).unwrap()]
}

fn path(rng: &mut dyn Rng) -> Path {
    pick(rng, &FILES).parse().unwrap()
}

/// One of few texts, so that some edits are alike.
fn text(rng: &mut dyn Rng) -> String {
    let digit = rng.up_to(9);
    format!("text {digit}{}\n", ".".repeat(usize::try_from(digit).unwrap()))
}

fn deed(rng: &mut dyn Rng) -> Deed {
    let path = path(rng);
    match rng.up_to(9) {
        0 | 1 => Deed::Append { path, text: text(rng) },
        2 => Deed::Create { path, text: text(rng) },
        3 => Deed::Flush { path },
        4 | 5 => Deed::Overwrite { path, text: text(rng) },
        6 => Deed::Remove { path },
        7 => Deed::Rename { from: path, to: self::path(rng) },
        _ => Deed::Replace { path, text: text(rng) },
    }
}

/// The menu of one step.
pub fn menu(rng: &mut dyn Rng) -> Menu<ScribeSystem> {
    let commands = (0..3).map(|_| (0..=rng.up_to(2)).map(|_| deed(rng)).collect()).collect();
    Menu { commands, ..rich_menu() }
}

/// Something that no menu offers and that may be refused.
pub fn rare(stage: &Stage, rng: &mut dyn Rng) -> ChoiceOf<ScribeSystem> {
    let replica = ReplicaId(u8::try_from(rng.up_to(stage.setup.replicas.len() as u64 - 1)).unwrap());
    let draw = Draw::default();
    match rng.up_to(16) {
        0 | 1 => Choice::ResetIndex { replica },
        2 => Choice::Clock { replica, by_ms: i64::try_from(rng.up_to(200_000)).unwrap() - 100_000 },
        3 => Choice::Disk { replica, full: rng.up_to(1) == 0 },
        4 => Choice::Folder { replica, reachable: rng.up_to(2) > 0 },
        5 => Choice::Upload { replica, path: path(rng) },
        6 => Choice::Download {
            replica,
            path: path(rng),
            back: u32::try_from(rng.up_to(3)).unwrap(),
            arrival: pick(rng, &rich_menu().arrivals),
        },
        7 => Choice::Evict { replica, path: path(rng) },
        8 => Choice::Fetch { replica, path: path(rng) },
        9 => Choice::Timer { replica, draw },
        11 => Choice::Mount { replica, mounted: rng.up_to(2) > 0 },
        15 => Choice::Local { replica, readable: rng.up_to(2) > 0 },
        12 => Choice::Wipe { replica },
        13 => Choice::Keep { replica },
        14 => {
            Choice::Restore { replica, path: (rng.up_to(1) == 0).then(|| path(rng)), sent: rng.up_to(1) == 0 }
        }
        10 => Choice::Watch { replica, lost: rng.up_to(1) == 0, draw },
        _ => Choice::Command { replica, command: vec![deed(rng)], draw },
    }
}

/// How often a kind of choice is taken, compared with others.
fn weight(choice: &ChoiceOf<ScribeSystem>) -> u64 {
    match choice {
        Choice::Apply { .. } | Choice::Command { .. } | Choice::Open { .. } => 6,
        Choice::Upload { .. } | Choice::Download { .. } | Choice::Wake { .. } => 6,
        Choice::Network { online: true, .. } => 6,
        Choice::Crash { .. } | Choice::Evict { .. } | Choice::Fetch { .. } => 2,
        _ => 1,
    }
}

/// What a step of a walk does, from a number: its time passes, and the choice is taken if it is allowed. `look`
/// sees every choice that was offered.
pub fn step(
    stage: &mut Stage,
    number: u64,
    look: &mut dyn FnMut(&Stage, &[ChoiceOf<ScribeSystem>]),
) -> Option<(ChoiceOf<ScribeSystem>, Effects<Scribe>)> {
    let rng = &mut Draw::Seed(number).rng();
    if rng.up_to(3) == 0 {
        let ms = pick(rng, &[1, 700, 9_000, 31_000, 60_000]);
        stage.pass(ms);
    }
    let mut offered = Vec::new();
    stage.world.choices(&stage.setup, &menu(rng), &mut offered);
    look(stage, &offered);
    let choice = if rng.up_to(24) == 0 || offered.is_empty() {
        rare(stage, rng)
    } else {
        // First the kind, then the choice, so that the many ways to crash do not crowd out the rest.
        let kinds: std::collections::BTreeMap<_, _> = offered
            .iter()
            .map(|choice| (StableHasher::of(&std::mem::discriminant(choice)), weight(choice)))
            .collect();
        let mut at = rng.up_to(kinds.values().sum::<u64>() - 1);
        let kind = kinds.iter().find(|(_, weight)| {
            let found = at < **weight;
            at = at.saturating_sub(**weight);
            found
        });
        let kind = *kind.expect("the number is below the sum").0;
        offered.retain(|choice| StableHasher::of(&std::mem::discriminant(choice)) == kind);
        offered.swap_remove(usize::try_from(rng.up_to(offered.len() as u64 - 1)).unwrap())
    };
    let mut effects = Effects::default();
    stage.world.take(&stage.setup, &choice, &mut effects).ok().map(|()| (choice, effects))
}

/// The numbers of a walk.
pub fn walks() -> impl Strategy<Value = Vec<u64>> {
    proptest::collection::vec(any::<u64>(), 0..250)
}

/// Rules of any kind, those of the built-in profiles among them.
pub fn any_rules() -> impl Strategy<Value = Rules> {
    let built_in: Vec<_> = Profile::names().map(|name| Profile::named(name).unwrap().rules.clone()).collect();
    let naming = vec![
        Naming::ICloud,
        Naming::Dropbox,
        Naming::GDrive,
        Naming::OneDrive,
        Naming::Syncthing,
        Naming::Git,
        Naming::Rclone,
    ];
    let edit = vec![
        EditConflict::LoserInvisible,
        EditConflict::LaterSavedIsCopied,
        EditConflict::OlderMtimeIsCopied,
        EditConflict::BothAreCopied,
        EditConflict::MergeMarkers,
        EditConflict::EachKeeps,
    ];
    let create = vec![CreateConflict::NewIsRenamed, CreateConflict::SameAsEdit];
    let delete = vec![
        DeleteConflict::EditWins,
        DeleteConflict::DeleteWins,
        DeleteConflict::NewerWins,
        DeleteConflict::EachKeeps,
    ];
    let mtime =
        vec![Mtime::Kept { granularity_ms: 1 }, Mtime::Kept { granularity_ms: 1_000 }, Mtime::Arrival];
    let placeholder =
        vec![Placeholder::None, Placeholder::Dataless, Placeholder::Stub, Placeholder::StubNextcloud];
    let mixed = (
        (prop::sample::select(naming), prop::sample::select(edit), prop::sample::select(create)),
        (prop::sample::select(delete), prop::sample::select(mtime), prop::sample::select(placeholder)),
        prop::option::of(1_u32..4),
    );
    let mixed = mixed.prop_map(|((naming, edit, create), (delete, mtime, placeholder), most)| Rules {
        conflict_copies_max: most,
        conflict_naming: naming,
        create_conflict: create,
        delete_conflict: delete,
        edit_conflict: edit,
        mtime,
        placeholder,
        ..rules()
    });
    prop_oneof![prop::sample::select(built_in), mixed]
}
