//! Files in the place of directories, and directories in the place of files. No directory is real here: what is asked is
//! whether the clients bring them, whatever arrives first.

use cloudchamber_core::{Content, Draw, Driver, Path};
use cloudchamber_folder::ReplicaId;
use cloudchamber_folder::profile::Profile;
use cloudchamber_folder::scenario::Scenario;
use cloudchamber_folder::stage::Stage;
use cloudchamber_folder::world::{Choice, ChoiceOf, Part};
use cloudchamber_live::{Bytes, Command, LiveSystem};

const A: ReplicaId = ReplicaId(0);
const B: ReplicaId = ReplicaId(1);
const DAY_MS: u64 = 86_400_000;

/// Replicas whose clients do their part, and what is done at them.
struct Play {
    stage: Stage<LiveSystem>,
    now: u64,
}

impl Play {
    fn new(profile: &str, hazards: bool, seed: u64) -> Self {
        let text = format!(
            "system = 'live'\nprofile = '{profile}'\nhazards = {hazards}\nseed = {seed}\n\
            run_ms = {}\nsettle_ms = {}\nreplica = [{{}}, {{}}, {{}}]\n",
            10 * DAY_MS,
            10 * DAY_MS
        );
        let scenario = Scenario::parse("kinds.toml".as_ref(), &text).expect("a scenario");
        let mut play = Self { stage: Stage::new(&scenario), now: 0 };
        play.advance(0);
        play
    }

    fn advance(&mut self, ms: u64) {
        self.now += ms;
        self.stage.advance(self.now, &mut |_, _| {});
    }

    fn order(&mut self, choice: ChoiceOf<LiveSystem>) {
        self.stage.order(self.now, choice, &mut |_, _| {});
    }

    fn command(&mut self, replica: ReplicaId, command: Command) {
        let draw = Draw::default();
        self.order(Choice::Command { replica, command, draw });
        while self.stage.watched().world.replica(replica).process().and_then(Driver::pending_op).is_some() {
            self.order(Choice::Apply { replica, part: Part::Whole, draw });
        }
    }

    fn save(&mut self, replica: ReplicaId, name: &str, text: &str) {
        let content = Bytes(Content::from(text));
        self.command(replica, Command::Save { path: Path::shared(name), content });
    }

    fn remove(&mut self, replica: ReplicaId, name: &str) {
        self.command(replica, Command::Remove { path: Path::shared(name) });
    }

    fn text(&self, replica: ReplicaId, name: &str) -> Option<String> {
        let slot = self.stage.watched().world.replica(replica).disk().slot(&Path::shared(name))?;
        slot.body.as_ref().map(|body| String::from_utf8_lossy(body.content.bytes()).into_owned())
    }

    /// Whether all hold the same after a day in which nothing is done.
    fn ends_in_step(&mut self) -> bool {
        self.advance(DAY_MS);
        let world = &self.stage.watched().world;
        world.replicas().all(|(id, _)| world.is_in_step(id))
    }
}

#[test]
fn a_file_takes_the_place_of_a_directory_and_a_directory_that_of_a_file() {
    let mut missing = Vec::new();
    for profile in Profile::names() {
        for (old, new) in [("d/y", "d"), ("d", "d/y"), ("d/y/z", "d"), ("d", "d/y/z")] {
            for seed in 0..20 {
                let mut play = Play::new(profile, false, seed);
                play.save(A, old, "1\n");
                assert!(play.ends_in_step(), "{profile}: {old}");
                play.remove(A, old);
                play.save(A, new, "2\n");
                let arrives = play.ends_in_step()
                    && play.text(B, old).is_none()
                    && play.text(B, new).as_deref() == Some("2\n");
                if !arrives {
                    missing.push(format!("{profile}, seed {seed}: {new} in the place of {old}"));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{} do not arrive: {missing:#?}", missing.len());
}

#[test]
fn what_is_in_the_way_may_stay_for_days_and_go_at_its_own_place() {
    for profile in ["dropbox", "icloud", "syncthing", "unison"] {
        for (early, late) in [("d/y", "d"), ("d", "d/y")] {
            let mut play = Play::new(profile, false, 3);
            play.order(Choice::Network { replica: B, online: false });
            play.save(A, early, "of a\n");
            play.save(B, late, "of b\n");
            play.advance(DAY_MS);
            play.order(Choice::Network { replica: B, online: true });
            assert!(!play.ends_in_step(), "{profile}: neither is brought over the other");
            assert_eq!((play.text(A, late), play.text(B, early)), (None, None), "{profile}");
            // Nobody looks again and again at what cannot be done.
            assert_eq!(play.stage.due().filter(|due| *due < 10 * DAY_MS), None, "{profile}");
            play.remove(B, late);
            assert!(play.ends_in_step(), "{profile}: {early} in the place of {late}");
            assert_eq!(play.text(B, early).as_deref(), Some("of a\n"), "{profile}");
        }
    }
}

/// The stage looks at its end whether the clients have forgotten anything.
#[test]
fn nothing_is_forgotten_whoever_changes_what_into_what() {
    const NAMES: [&str; 5] = ["d", "d/y", "d/y/z", "d/x", "e"];
    for profile in Profile::names() {
        for seed in 0..40_u64 {
            let mut play = Play::new(profile, seed % 2 == 0, seed);
            let mut bits = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut drawn = |most: u64| {
                bits ^= bits << 13;
                bits ^= bits >> 7;
                bits ^= bits << 17;
                bits % most
            };
            for step in 0..60 {
                let replica = ReplicaId(u8::try_from(drawn(3)).unwrap());
                let name = NAMES[usize::try_from(drawn(5)).unwrap()];
                match drawn(12) {
                    0..5 => play.remove(replica, name),
                    5 => play.order(Choice::Network { replica, online: false }),
                    6 => play.order(Choice::Network { replica, online: true }),
                    _ => play.save(replica, name, &format!("{step}\n")),
                }
                let most = [1_000, 20_000, 600_000][usize::try_from(drawn(3)).unwrap()];
                play.advance(drawn(most));
            }
            let end = 20 * DAY_MS;
            play.advance(end - play.now);
            assert!(play.stage.ended().is_some(), "{profile}, seed {seed}");
        }
    }
}
