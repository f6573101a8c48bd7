//! Whatever a world does, what is seen of it is allowed; and with one content in it that nobody wrote, it is refused there.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail it as the test itself may")]

use std::collections::BTreeMap;
use std::sync::Arc;

use cloudchamber_core::{Content, Draw, Path};
use cloudchamber_folder::profile::{Arrival, Hazards, Profile, Ratio};
use cloudchamber_folder::world::{
    Choice, ChoiceOf, Effects, MachineSetup, Menu, Part, Presence, ReplicaSetup, Setup, World,
};
use cloudchamber_folder::{NoService, ReplicaId};
use cloudchamber_host::record::{By, Header, History, Kind, Seen, VERSION, Written};
use cloudchamber_live::observed::{Model, Observed, judge};
use cloudchamber_live::{Bytes, Command, LiveSystem};

const REPLICAS: usize = 2;
const NAMES: [&str; REPLICAS] = ["one", "two"];
const STEPS: usize = 40;
/// Between two steps, in ms.
const STEP_MS: u64 = 1_000;

/// Numbers that follow from a seed (Steele, Lea and Flood's SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % most as u64).unwrap()
    }
}

struct Walk {
    profile: Arc<Profile>,
    setup: Setup<LiveSystem>,
    world: World<LiveSystem>,
    numbers: Numbers,
    /// What each replica showed last, by path: the content, or the length of a placeholder.
    shown: Vec<BTreeMap<Path, Shown>>,
    seen: Vec<Vec<(usize, Seen)>>,
    ms: u64,
}

#[derive(Clone, Eq, PartialEq)]
enum Shown {
    File(Content),
    Elsewhere(u64),
}

fn own(replica: usize) -> Path {
    Path::shared(&format!("{}.txt", NAMES[replica]))
}

const SHARED: &str = "shared.txt";

impl Walk {
    fn begin(profile: &Arc<Profile>, seed: u64) -> Self {
        let replica = |name: &&str| ReplicaSetup {
            config: (),
            machine: MachineSetup::default(),
            host: (*name).to_owned(),
            guarded: false,
        };
        let setup = Setup { replicas: NAMES.iter().map(replica).collect(), rules: profile.rules.clone() };
        let mut walk = Self {
            profile: Arc::clone(profile),
            setup,
            world: World::new(REPLICAS, NoService),
            numbers: Numbers(seed),
            shown: vec![BTreeMap::new(); REPLICAS],
            seen: vec![Vec::new(); REPLICAS],
            ms: 0,
        };
        ReplicaId::all(REPLICAS)
            .for_each(|replica| walk.take(&Choice::Open { replica, draw: Draw::default() }));
        walk
    }

    fn take(&mut self, choice: &ChoiceOf<LiveSystem>) {
        self.world.take(&self.setup, choice, &mut Effects::default()).unwrap();
    }

    fn step(&mut self, number: usize) {
        self.ms += STEP_MS;
        self.world.advance(self.ms);
        let replica = self.numbers.below(REPLICAS);
        let mut writer = None;
        if self.numbers.below(4) == 0 {
            let path = if self.numbers.below(3) == 0 { Path::shared(SHARED) } else { own(replica) };
            let is_there = self.shown[replica].contains_key(&path);
            let length = self.numbers.below(30) + 1;
            let content = Bytes(Content::from(format!("{number} {}", "x".repeat(length))));
            let command = match is_there && self.numbers.below(5) == 0 {
                true => Command::Remove { path: path.clone() },
                false => Command::Save { path: path.clone(), content },
            };
            let (id, draw) = (ReplicaId(u8::try_from(replica).unwrap()), Draw::default());
            self.take(&Choice::Command { replica: id, command, draw });
            self.take(&Choice::Apply { replica: id, part: Part::Whole, draw });
            writer = Some((replica, path));
        } else if let Some(choice) = self.drawn() {
            self.take(&choice);
        }
        self.look(writer.as_ref());
    }

    /// Something that a client may do.
    fn drawn(&mut self) -> Option<ChoiceOf<LiveSystem>> {
        let percent = u8::try_from(self.numbers.below(100)).unwrap();
        let hazards = &self.profile.hazards;
        let mut arrivals =
            vec![Arrival::Prefix { percent }, Arrival::Empty, Arrival::Nul, Arrival::Gap, Arrival::Stub];
        arrivals.retain(|arrival| {
            self.profile.rules.shows(*arrival) && arrival.hazards().iter().all(|hazard| hazards.has(*hazard))
        });
        // Most arrive whole.
        arrivals.extend([Arrival::Whole; 6]);
        let menu = Menu { arrivals, evictions: hazards.evict_a_day != Ratio::NEVER, ..Menu::calm() };
        let mut choices = Vec::new();
        self.world.choices(&self.setup, &menu, &mut choices);
        choices.retain(|choice| !matches!(choice, Choice::Watch { .. }));
        let at = self.numbers.below(choices.len().max(1));
        choices.into_iter().nth(at)
    }

    /// Writes down what is not as it was.
    fn look(&mut self, writer: Option<&(usize, Path)>) {
        for replica in 0..REPLICAS {
            let id = ReplicaId(u8::try_from(replica).unwrap());
            let slots = self.world.replica(id).disk().slots();
            let now: BTreeMap<Path, Shown> = slots
                .filter_map(|(path, slot)| {
                    let body = slot.body.as_ref()?;
                    Some((
                        path.clone(),
                        match body.presence {
                            Presence::Here => Shown::File(body.content.clone()),
                            _ => Shown::Elsewhere(body.content.len() as u64),
                        },
                    ))
                })
                .collect();
            let before = std::mem::replace(&mut self.shown[replica], now.clone());
            let paths: Vec<&Path> =
                before.keys().chain(now.keys().filter(|path| !before.contains_key(*path))).collect();
            for path in paths.into_iter().filter(|path| before.get(*path) != now.get(*path)) {
                let is_own = *path == own(replica) || path.name() == SHARED;
                let is_here = writer.is_some_and(|writer| *writer == (replica, path.clone()));
                // What is written on a machine is always its own.
                assert!(is_own || !is_here);
                let kind = match (before.contains_key(path), now.contains_key(path)) {
                    (false, _) => Kind::Appeared,
                    (true, false) => Kind::Gone,
                    (true, true) => Kind::Changed,
                };
                let line = self.seen[replica].len() + 2;
                let seen = seen(self.ms, path, kind, is_own, now.get(path));
                self.seen[replica].push((line, seen));
            }
        }
    }

    fn observed(&self) -> Vec<Observed> {
        let observed = |(replica, seen): (usize, &Vec<(usize, Seen)>)| {
            let header = Header {
                cloudchamber_observed: VERSION,
                name: NAMES[replica].to_owned(),
                folder: None,
                client: None,
                started_ms: 1_000_000,
                own: [own(replica).name(), SHARED].map(|name| name.parse().unwrap()).to_vec(),
                content_max: 4_096,
            };
            let history = History { header, seen: seen.clone(), is_whole: true };
            Observed { file: format!("{}.jsonl", NAMES[replica]), history }
        };
        self.seen.iter().enumerate().map(observed).collect()
    }
}

fn seen(ms: u64, path: &Path, kind: Kind, is_own: bool, shown: Option<&Shown>) -> Seen {
    let at = 1_000_000 + i64::try_from(ms).unwrap();
    let mut seen = Seen {
        ms,
        wall_ms: at,
        path: path.name().to_owned(),
        seen: kind,
        by: is_own.then_some(By::Here),
        len: None,
        modified_ms: Some(at),
        sha256: None,
        content: None,
        nul: false,
        elsewhere: false,
        unread: None,
    };
    match shown {
        None => {}
        Some(Shown::File(content)) => {
            (seen.len, seen.sha256) = (Some(content.len() as u64), Some("-".to_owned()));
            seen.content = Some(Written::of(content.bytes()));
        }
        Some(Shown::Elsewhere(len)) => (seen.len, seen.elsewhere) = (Some(*len), true),
    }
    seen
}

/// Those profiles whose placeholders keep the file's name: here a name has one form.
fn profiles() -> impl Iterator<Item = Arc<Profile>> {
    let all = Profile::names().map(|name| Profile::named(name).unwrap());
    all.filter(|profile| profile.rules.placeholder.stub().is_none()).map(|profile| {
        // What happens seldom happens often enough in forty steps.
        let hazards = Hazards { nul: Ratio::ALWAYS, ..profile.hazards.clone() };
        Arc::new(Profile { hazards, ..(*profile).clone() })
    })
}

#[test]
fn whatever_a_world_does_is_allowed_and_what_nobody_wrote_is_not() {
    let (mut lines, mut refused) = (0, 0);
    for profile in profiles() {
        for seed in 0..6 {
            let mut walk = Walk::begin(&profile, seed);
            (0..STEPS).for_each(|number| walk.step(number));
            let all = walk.observed();
            let model = Model { profile: Some(Arc::clone(&profile)), clock_error_ms: seed % 2 * 700 };
            let judged = judge(&all, &model).unwrap();
            assert_eq!(judged.refused, None, "{} {seed}", profile.name);
            lines += all.iter().map(|one| one.history.seen.len()).sum::<usize>();

            let mut all = all;
            let others = |seen: &Seen| seen.by.is_none() && seen.content.is_some();
            let place = all.iter().enumerate().rev().find_map(|(replica, one)| {
                let at = one.history.seen.iter().position(|(_, seen)| others(seen))?;
                Some((replica, at))
            });
            let Some((replica, at)) = place else { continue };
            let (line, seen) = &mut all[replica].history.seen[at];
            let line = *line;
            (seen.content, seen.len) = (Some(Written::Text("nobody's".into())), Some(8));
            let refusal = judge(&all, &model).unwrap().refused.unwrap();
            assert_eq!(
                (&*refusal.file, refusal.line),
                (&*all[replica].file, line),
                "{} {seed}",
                profile.name
            );
            refused += 1;
        }
    }
    assert!(lines > 500 && refused > 20, "{lines} lines, {refused} refused");
}
