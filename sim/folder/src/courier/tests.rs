use cloudchamber_core::Never;
use proptest::prelude::*;

use super::*;
use crate::profile::{Hazards, Ratio};

/// What the courier yields: no protocol's commands, nothing outside.
type Movement = Choice<Never, Never>;

/// A version above all that the tests make: choices count back from it.
const LATEST: u32 = 2_000_000;

/// A folder in which every file is everywhere, or not yet.
#[derive(Clone, Copy)]
struct Files {
    are_there: bool,
}

const EVERYWHERE: Files = Files { are_there: true };

impl Folder for Files {
    fn latest(&self, _: &Path) -> u32 {
        LATEST
    }

    fn is_there(&self, _: ReplicaId, _: &Path) -> bool {
        self.are_there
    }
}

const A: ReplicaId = ReplicaId(0);
const B: ReplicaId = ReplicaId(1);

fn named(name: &str) -> Arc<Profile> {
    Profile::named(name).expect("a built-in profile")
}

/// A profile with something changed.
fn changed(name: &str, change: impl FnOnce(&mut Profile)) -> Arc<Profile> {
    let mut profile = (*named(name)).clone();
    change(&mut profile);
    Arc::new(profile)
}

fn file(name: &str) -> Path {
    Path::shared(name)
}

/// Takes everything that is due up to `until`, and commits what is uploaded.
fn run(courier: &mut Courier, until: u64, versions: &mut u32) -> Vec<(u64, Movement)> {
    run_in(EVERYWHERE, courier, until, versions)
}

fn run_in(files: Files, courier: &mut Courier, until: u64, versions: &mut u32) -> Vec<(u64, Movement)> {
    let mut taken = Vec::new();
    while let Some(due) = courier.due().filter(|due| *due <= until) {
        let Some(movement) = courier.next(due, &files) else { continue };
        match &movement {
            Choice::Upload { replica, path } => {
                *versions += 1;
                courier.committed(due, *replica, path, *versions, false, &files);
            }
            Choice::Download { replica, path, arrival, .. } if *arrival != Arrival::Gap => {
                courier.placed(due, *replica, path, &files);
            }
            _ => {}
        }
        taken.push((due, movement));
    }
    taken
}

fn everything(courier: &mut Courier) -> Vec<(u64, Movement)> {
    run(courier, u64::MAX, &mut 0)
}

fn uploads(taken: &[(u64, Movement)]) -> Vec<u64> {
    let upload = |(at, movement): &(u64, Movement)| matches!(movement, Choice::Upload { .. }).then_some(*at);
    taken.iter().filter_map(upload).collect()
}

fn downloads(taken: &[(u64, Movement)]) -> Vec<(u64, Arrival)> {
    let download = |(at, movement): &(u64, Movement)| match movement {
        Choice::Download { arrival, .. } => Some((*at, *arrival)),
        _ => None,
    };
    taken.iter().filter_map(download).collect()
}

#[test]
fn the_whole_way_takes_as_long_as_each_profile_says() {
    for name in Profile::names() {
        let profile = changed(name, |profile| {
            profile.hazards = Hazards::none();
            profile.timing.debounce = Debounce::None;
        });
        let said = |key: &str| {
            let fact = profile.facts.iter().find(|fact| fact.key == format!("timing.delay.{key}"));
            fact.map_or(0, |fact| fact.value.parse::<u64>().unwrap())
        };
        let mut courier = Courier::new(profile.clone(), 2, 11);
        let mut delays: Vec<u64> = (1..20_000_u64)
            .map(|sample| {
                let now = sample * DAY_MS;
                courier.touched(now, A, &file("a"), Touch::Written);
                let taken = run(&mut courier, now + DAY_MS - 1, &mut u32::try_from(sample).unwrap());
                downloads(&taken)[0].0 - now
            })
            .collect();
        delays.sort_unstable();
        for (percent, want) in [(50, said("median_ms")), (99, said("p99_ms"))] {
            let got = delays[delays.len() * percent / 100];
            assert!(got.abs_diff(want) * 100 <= want * 4, "{name}: {got} ms at {percent} %, not {want} ms");
        }
    }
}

#[test]
fn in_a_perfect_folder_everything_is_everywhere_at_once() {
    let mut courier = Courier::new(named("perfect"), 3, 1);
    courier.touched(7, B, &file("a"), Touch::Written);
    let taken = everything(&mut courier);
    assert!(taken.iter().all(|(at, _)| *at == 7), "{taken:?}");
    assert_eq!(taken.len(), 1 + 2 + 2, "an upload, two downloads, two notices");
}

#[test]
fn local_files_never_move() {
    let mut courier = Courier::new(named("perfect"), 2, 1);
    courier.touched(0, A, &Path::local("identity.json"), Touch::Written);
    assert_eq!(courier.due(), None);
}

#[test]
fn a_file_that_keeps_changing_is_sent_once_it_rests_or_after_the_longest_wait() {
    let mut courier = Courier::new(changed("gdrive", |profile| profile.hazards = Hazards::none()), 2, 1);
    for second in 0..8 {
        courier.touched(second * 1_000, A, &file("a"), Touch::Written);
        assert!(run(&mut courier, second * 1_000 + 999, &mut 0).is_empty());
    }
    let sent = uploads(&everything(&mut courier));
    assert_eq!(sent.len(), 1);
    assert!(sent[0] >= 7_000 + 4_200);

    let mut courier = Courier::new(changed("gdrive", |profile| profile.hazards = Hazards::none()), 2, 1);
    let mut sent = Vec::new();
    for second in 0..600 {
        courier.touched(second * 1_000, A, &file("a"), Touch::Written);
        sent.extend(uploads(&run(&mut courier, second * 1_000 + 999, &mut 0)));
    }
    // A minute, a way up, and the next minute begins with the next write.
    assert!((7..=9).contains(&sent.len()), "{sent:?}");
}

#[test]
fn the_files_of_a_commit_arrive_together_and_by_name() {
    let mut courier = Courier::new(changed("git", |profile| profile.hazards = Hazards::none()), 2, 3);
    for (at, name) in [(100, "c"), (150, "a"), (200, "b"), (250, "a")] {
        courier.touched(at, A, &file(name), Touch::Written);
    }
    let taken = everything(&mut courier);
    let arrived: Vec<&Movement> =
        taken.iter().map(|(_, movement)| movement).filter(|m| matches!(m, Choice::Download { .. })).collect();
    let names: Vec<&str> = arrived
        .iter()
        .map(|movement| if let Choice::Download { path, .. } = movement { path.name() } else { "" })
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
    let times = downloads(&taken);
    assert!(times.iter().all(|(at, _)| *at == times[0].0), "{times:?}");
}

#[test]
fn leaving_out_stalls_leaves_every_other_delay_as_it_was() {
    let times = |stall: Ratio| {
        let profile = changed("dropbox", |profile| {
            profile.hazards = Hazards { stall, ..Hazards::none() };
            profile.timing.bulk_ms_per_file = 0;
        });
        let mut courier = Courier::new(profile, 3, 5);
        let (mut versions, mut delays) = (0, Vec::new());
        for sample in 0..300_u64 {
            let now = sample * DAY_MS;
            courier.touched(now, A, &file("a"), Touch::Written);
            let taken = run(&mut courier, now + DAY_MS - 1, &mut versions);
            delays.push((uploads(&taken)[0] - now, downloads(&taken)));
        }
        delays
    };
    let (with, without) = (times("1/5".parse().unwrap()), times(Ratio::NEVER));
    let same = with.iter().zip(&without).filter(|(one, other)| one.0 == other.0).count();
    assert!((240..300).contains(&same), "of 300 ways up about 270 do not stall, {same} are the same");
    let relative = |(up, down): &(u64, Vec<(u64, Arrival)>), sample: usize| -> Vec<u64> {
        let mut ways: Vec<u64> = down.iter().map(|(at, _)| at - sample as u64 * DAY_MS - up).collect();
        ways.sort_unstable();
        ways
    };
    let same_down = (0..300)
        .filter(|sample| relative(&with[*sample], *sample) == relative(&without[*sample], *sample))
        .count();
    assert!(
        (200..290).contains(&same_down),
        "about 243 pairs of ways down do not stall, {same_down} are the same"
    );
}

#[test]
fn what_arrives_broken_is_mended() {
    for (hazard, broken) in [("prefix", None), ("empty", Some(Arrival::Empty)), ("nul", Some(Arrival::Nul))] {
        let profile = changed("icloud", |profile| {
            profile.hazards = Hazards::none();
            match hazard {
                "prefix" => profile.hazards.prefix = Ratio::ALWAYS,
                "empty" => profile.hazards.empty = Ratio::ALWAYS,
                _ => profile.hazards.nul = Ratio::ALWAYS,
            }
        });
        let mut courier = Courier::new(profile, 2, 1);
        courier.touched(0, A, &file("a"), Touch::Written);
        let arrivals = downloads(&everything(&mut courier));
        assert_eq!(arrivals.len(), 2);
        assert!(
            broken
                .map_or(matches!(arrivals[0].1, Arrival::Prefix { percent: 0..100 }), |b| b == arrivals[0].1)
        );
        assert_eq!(arrivals[1].1, Arrival::Whole);
    }
}

#[test]
fn a_gap_shows_only_where_there_was_a_file_and_ends_within_milliseconds() {
    let profile = changed("syncthing", |profile| {
        profile.hazards = Hazards { gap: Ratio::ALWAYS, ..Hazards::none() };
    });
    let mut courier = Courier::new(profile, 2, 1);
    let mut versions = 0;
    courier.touched(20_000, A, &file("a"), Touch::Written);
    let nowhere = Files { are_there: false };
    let first = downloads(&run_in(nowhere, &mut courier, 50_000, &mut versions));
    assert_eq!(first.iter().map(|(_, arrival)| *arrival).collect::<Vec<_>>(), [Arrival::Whole]);
    courier.touched(60_000, A, &file("a"), Touch::Written);
    let second = downloads(&run(&mut courier, 100_000, &mut versions));
    assert_eq!((second[0].1, second[1].1), (Arrival::Gap, Arrival::Whole));
    assert!((1..=9).contains(&(second[1].0 - second[0].0)));
}

#[test]
fn what_is_gathered_beside_arrives_and_what_a_killed_client_left_does_not() {
    let first = |change: fn(&mut Hazards)| {
        let profile = changed("rclone", |profile| {
            profile.hazards = Hazards::none();
            change(&mut profile.hazards);
        });
        let mut courier = Courier::new(profile, 2, 1);
        courier.touched(0, A, &file("a"), Touch::Written);
        downloads(&everything(&mut courier)).into_iter().map(|(_, arrival)| arrival).collect::<Vec<_>>()
    };
    let beside = first(|hazards| hazards.beside = Ratio::ALWAYS);
    assert!(matches!(beside[..], [Arrival::Beside { stays: false, .. }, Arrival::Whole]), "{beside:?}");
    let stays = first(|hazards| (hazards.beside, hazards.beside_sent) = (Ratio::ALWAYS, Ratio::ALWAYS));
    assert!(matches!(stays[..], [Arrival::Beside { stays: true, .. }, Arrival::Whole]), "{stays:?}");
    let cut = first(|hazards| (hazards.prefix, hazards.cut_sent) = (Ratio::ALWAYS, Ratio::ALWAYS));
    assert!(matches!(cut[..], [Arrival::Cut { .. }]), "{cut:?}");
}

#[test]
fn removals_go_first_last_or_among_the_others() {
    for (removals, order) in [
        (Removals::First, ["b", "a", "c"]),
        (Removals::Among, ["a", "b", "c"]),
        (Removals::Last, ["a", "c", "b"]),
    ] {
        let profile = changed("git", |profile| {
            profile.hazards = Hazards::none();
            profile.timing.removals = removals;
        });
        let mut courier = Courier::new(profile, 2, 3);
        for (name, touch) in [("c", Touch::Written), ("b", Touch::Removed), ("a", Touch::Written)] {
            courier.touched(100, A, &file(name), touch);
        }
        let sent: Vec<String> = everything(&mut courier)
            .into_iter()
            .filter_map(|(_, movement)| match movement {
                Choice::Upload { path, .. } => Some(path.name().to_owned()),
                _ => None,
            })
            .collect();
        assert_eq!(sent, order, "{removals:?}");
    }
}

#[test]
fn a_wedged_file_is_mended_by_calm_alone() {
    let profile = changed("icloud", |profile| {
        profile.hazards = Hazards { empty: Ratio::ALWAYS, wedged: Ratio::ALWAYS, ..Hazards::none() };
    });
    let mut courier = Courier::new(profile, 2, 1);
    courier.touched(0, A, &file("a"), Touch::Written);
    let taken = everything(&mut courier);
    assert_eq!(downloads(&taken).len(), 1);
    let now = taken.last().unwrap().0;
    courier.calm(now);
    assert_eq!(downloads(&everything(&mut courier))[0].1, Arrival::Whole);
}

#[test]
fn an_evicted_file_comes_back_when_it_is_wanted() {
    let profile = changed("icloud", |profile| {
        profile.hazards = Hazards { evict_a_day: Ratio::ALWAYS, ..Hazards::none() };
    });
    let mut courier = Courier::new(profile, 1, 1);
    courier.touched(0, A, &file("a"), Touch::Written);
    let taken = everything(&mut courier);
    let (at, last) = taken.last().unwrap();
    assert_eq!(last, &Choice::Evict { replica: A, path: file("a") });
    assert!(*at < DAY_MS + 400_000);
    courier.wanted(at + 5, A, &file("a"));
    courier.wanted(at + 6, A, &file("a"));
    let back = everything(&mut courier);
    assert_eq!(back.len(), 1, "one fetch for both reads: {back:?}");
    assert_eq!(back[0].1, Choice::Fetch { replica: A, path: file("a") });
    courier.wanted(back[0].0, A, &file("a"));
    assert_eq!(courier.due(), None, "it is here");
}

#[test]
fn an_old_version_that_was_overtaken_is_not_brought() {
    let mut courier = Courier::new(changed("icloud", |profile| profile.hazards = Hazards::none()), 2, 1);
    for version in 1..=200 {
        courier.committed(0, A, &file("a"), version, false, &EVERYWHERE);
    }
    let mut last = 0;
    for (_, movement) in everything(&mut courier) {
        if let Choice::Download { back, .. } = movement {
            let version = LATEST - back;
            assert!(version > last, "{version} came after {last}");
            last = version;
        }
    }
    assert_eq!(last, 200);
}

#[test]
fn a_version_that_is_owed_comes_once_more() {
    let mut courier = Courier::new(named("perfect"), 2, 1);
    courier.committed(0, A, &file("a"), 1, false, &EVERYWHERE);
    courier.committed(0, A, &file("a"), 2, false, &EVERYWHERE);
    assert_eq!(downloads(&everything(&mut courier)).len(), 1, "the first was overtaken");
    courier.owed(5, B, &file("a"), 2, false, &EVERYWHERE);
    assert_eq!(downloads(&everything(&mut courier)).len(), 1);
}

#[test]
fn a_replica_that_was_away_gets_what_it_missed_when_it_is_back() {
    let mut courier = Courier::new(changed("dropbox", |profile| profile.hazards = Hazards::none()), 3, 1);
    let mut versions = 0;
    courier.reachable(0, B, false);
    courier.touched(0, A, &file("a"), Touch::Written);
    courier.touched(0, B, &file("b"), Touch::Written);
    let taken = run(&mut courier, 3_600_000, &mut versions);
    let theirs = |movement: &Movement| {
        matches!(movement, Choice::Upload { replica: B, .. } | Choice::Download { replica: B, .. })
    };
    assert!(!taken.iter().any(|(_, movement)| theirs(movement)), "{taken:?}");
    assert_eq!(downloads(&taken).len(), 1);
    courier.reachable(3_600_000, B, true);
    let taken = run(&mut courier, 7_200_000, &mut versions);
    assert_eq!(taken.iter().filter(|(_, movement)| theirs(movement)).count(), 2, "{taken:?}");
    assert!(taken.iter().all(|(at, _)| *at >= 3_600_000));
}

#[test]
fn many_files_queue_up() {
    let mut courier = Courier::new(changed("icloud", |profile| profile.hazards = Hazards::none()), 1, 1);
    for number in 0..2_000 {
        courier.touched(0, A, &file(&format!("file-{number}")), Touch::Written);
    }
    let sent = uploads(&everything(&mut courier));
    // Openradar 18365537: half an hour.
    assert!(sent[1_999].abs_diff(1_800_000) < 100_000, "{} ms", sent[1_999]);
}

/// One step of a made-up run.
#[derive(Clone, Debug)]
enum Step {
    Touch(ReplicaId, u8, bool),
    Reach(ReplicaId, bool),
    Want(ReplicaId, u8),
    Wait(u64),
}

fn who() -> impl Strategy<Value = ReplicaId> {
    (0..3_u8).prop_map(ReplicaId)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (who(), 0..4_u8, any::<bool>()).prop_map(|(replica, name, there)| Step::Touch(replica, name, there)),
        1 => (who(), any::<bool>()).prop_map(|(replica, yes)| Step::Reach(replica, yes)),
        1 => (who(), 0..4_u8).prop_map(|(replica, name)| Step::Want(replica, name)),
        4 => prop_oneof![0..50_u64, 0..20_000_u64, 0..4_000_000_u64].prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..60)
}

/// Plays the steps; every movement of it, the time at their end, and the replicas that are away then.
fn play(courier: &mut Courier, steps: &[Step]) -> (Vec<(u64, Movement)>, u64, [bool; 3]) {
    let (mut now, mut versions, mut taken, mut here) = (0, 0, Vec::new(), [true; 3]);
    let names = ["a", "b", "c/d", "c/e"].map(file);
    for step in steps {
        match *step {
            Step::Touch(replica, name, there) => {
                let kind = if there { Touch::Written } else { Touch::Removed };
                courier.touched(now, replica, &names[usize::from(name)], kind);
            }
            Step::Reach(replica, yes) => {
                courier.reachable(now, replica, yes);
                here[replica.index()] = yes;
            }
            Step::Want(replica, name) => courier.wanted(now, replica, &names[usize::from(name)]),
            Step::Wait(ms) => {
                let more = run(courier, now + ms, &mut versions);
                let away = |movement: &Movement| !here[whose(movement).index()];
                assert!(!more.iter().any(|(_, movement)| away(movement)), "a movement of one who is away");
                assert!(more.iter().all(|(at, _)| *at >= now), "a movement in the past");
                taken.extend(more);
                now += ms;
            }
        }
    }
    (taken, now, here)
}

fn whose(movement: &Movement) -> ReplicaId {
    movement.replica().expect("the courier moves files of replicas")
}

/// A profile by number, its hazards a thousand times as frequent.
fn hazardous(which: usize) -> Arc<Profile> {
    let name = Profile::names().nth(which).expect("one of seven");
    changed(name, |profile| profile.hazards = profile.hazards.scaled(1_000))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_seed_fixes_every_movement(which in 0..7_usize, seed: u64, steps in steps()) {
        let (mut one, mut other) =
            (Courier::new(hazardous(which), 3, seed), Courier::new(hazardous(which), 3, seed));
        prop_assert_eq!(play(&mut one, &steps), play(&mut other, &steps));
    }

    #[test]
    fn whatever_a_client_does_wrong_its_profile_says(which in 0..7_usize, seed: u64, steps in steps()) {
        let profile = hazardous(which);
        let mut courier = Courier::new(profile.clone(), 3, seed);
        let (taken, _, _) = play(&mut courier, &steps);
        for (_, movement) in taken.into_iter().chain(everything(&mut courier)) {
            for hazard in movement.hazards() {
                prop_assert!(profile.hazards.has(*hazard), "{:?} in spite of the profile: {:?}", hazard, movement);
            }
            if let Choice::Download { arrival, .. } = movement {
                prop_assert!(profile.rules.shows(arrival), "{:?}", arrival);
            }
        }
    }

    #[test]
    fn calm_bounds_every_pending_delay_and_ends_every_hazard(which in 0..7_usize, seed: u64, steps in steps()) {
        let profile = hazardous(which);
        let mut courier = Courier::new(profile.clone(), 3, seed);
        let (_, now, here) = play(&mut courier, &steps);
        courier.calm(now);
        for replica in ReplicaId::all(3) {
            if !here[replica.index()] {
                courier.reachable(now, replica, true);
            }
        }
        let bound = now + profile.timing.calm_bound_ms().max(profile.timing.fetch.p99_ms()) + 1;
        for (at, movement) in everything(&mut courier) {
            prop_assert!(at <= bound, "{:?} at {}, {} after the bound", movement, at, at - bound);
            match movement {
                Choice::Download { arrival, .. } => prop_assert_eq!(arrival, Arrival::Whole),
                Choice::Watch { lost, .. } => prop_assert!(!lost),
                Choice::Fetch { .. } | Choice::Upload { .. } => {}
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }

    #[test]
    fn the_last_version_of_every_file_reaches_everyone(which in 0..7_usize, seed: u64, steps in steps()) {
        let mut courier = Courier::new(hazardous(which), 3, seed);
        let names = ["a", "b", "c/d", "c/e"].map(file);
        let (mut newest, mut seen) = ([0_u32; 4], [[0_u32; 4]; 3]);
        let (_, now, here) = play(&mut courier, &steps);
        courier.calm(now);
        let away = ReplicaId::all(3).filter(|replica| !here[replica.index()]);
        away.for_each(|replica| courier.reachable(now, replica, true));
        // Versions from here on are newer than any before; replica 0 writes them all.
        let mut versions = 1_000_000;
        names.iter().for_each(|name| courier.touched(now, A, name, Touch::Written));
        while let Some(due) = courier.due() {
            let movement: Option<Movement> = courier.next(due, &EVERYWHERE);
            match movement {
                Some(Choice::Upload { replica, path }) => {
                    versions += 1;
                    let place = names.iter().position(|name| *name == path).expect("one of the files");
                    newest[place] = versions;
                    seen[replica.index()][place] = versions;
                    courier.committed(due, replica, &path, versions, false, &EVERYWHERE);
                }
                Some(Choice::Download { replica, path, back, arrival: Arrival::Whole }) => {
                    let place = names.iter().position(|name| *name == path).expect("one of the files");
                    let seen = &mut seen[replica.index()][place];
                    *seen = (*seen).max(LATEST - back);
                }
                _ => {}
            }
        }
        prop_assert!(newest.iter().all(|version| *version > 0));
        prop_assert_eq!(seen, [newest; 3]);
    }
}
