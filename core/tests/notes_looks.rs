//! What a file system tells of a directory spares looks and changes nothing: an instance that asks for digests does and
//! says what one does that has to look.

#![expect(clippy::unwrap_used, reason = "a test stops where its data is not what it says")]

use cloudchamber_core::notes::{Command, Config, Event, Kind, Notes};
use cloudchamber_core::{
    Content, Design, Draw, Driver, Entry, Fs, FsError, FsMut as _, Input, MemoryFs, Mono, Now, Path, WallMs,
};
use notes_support::Replica;
use proptest::prelude::*;

mod notes_support;

const IDS: [&str; 3] = ["instaaaaaaaaaaaaaaaaaa", "instbbbbbbbbbbbbbbbbbb", "instcccccccccccccccccc"];

/// Files whose directories have no digest.
struct Plain<'a>(&'a MemoryFs);

impl Fs for Plain<'_> {
    fn read(&self, path: &Path, from: u64) -> Result<Content, FsError> {
        self.0.read(path, from)
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>, FsError> {
        self.0.list(dir)
    }
}

/// One instance with a disk of its own.
struct Site {
    fs: MemoryFs,
    /// Whether its directories have digests.
    digests: bool,
    driver: Option<Driver<Notes>>,
    told: Vec<Event>,
}

impl Site {
    fn wake_at(&self) -> Option<Mono> {
        self.driver.as_ref().unwrap().wake_at()
    }

    fn with<T>(&mut self, work: impl FnOnce(&mut Option<Driver<Notes>>, &dyn Fs, &mut Vec<Event>) -> T) -> T {
        let Self { fs, digests, driver, told } = self;
        if *digests { work(driver, fs, told) } else { work(driver, &Plain(fs), told) }
    }

    fn feed(&mut self, config: &Config, input: Option<Input<Notes>>, now: Now, seed: u64) {
        self.with(|driver, fs, told| match input {
            None => *driver = Some(Driver::open(config, now, Draw::Seed(seed), fs, told)),
            Some(input) => driver.as_mut().unwrap().feed(config, input, now, Draw::Seed(seed), fs, told),
        });
        while let Some(op) = self.driver.as_ref().unwrap().pending_op().cloned() {
            let result = self.fs.apply(&op);
            self.with(|driver, fs, told| {
                driver.as_mut().unwrap().applied(config, result, now, Draw::Seed(seed), fs, told);
            });
        }
    }
}

#[derive(Clone, Debug)]
enum Act {
    /// A file of another, or a part of it, comes under its own name or under that of a conflict copy.
    Come(prop::sample::Index, prop::sample::Index, bool, bool),
    /// A file goes.
    Go(prop::sample::Index),
    /// A file cannot be read, or can again.
    Blocked(prop::sample::Index, bool),
    Changed,
    Pass(u64),
    Write(u8, bool),
    Start,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let index = any::<prop::sample::Index>;
    let act = prop_oneof![
        6 => (index(), index(), any::<bool>(), prop::bool::weighted(0.1))
            .prop_map(|(which, cut, whole, copy)| Act::Come(which, cut, whole, copy)),
        1 => index().prop_map(Act::Go),
        1 => (index(), any::<bool>()).prop_map(|(which, blocked)| Act::Blocked(which, blocked)),
        4 => Just(Act::Changed),
        4 => prop_oneof![Just(500_u64), Just(3_000), Just(31_000), Just(700_000)].prop_map(Act::Pass),
        3 => (0..4_u8, prop::bool::weighted(0.1)).prop_map(|(note, delete)| Act::Write(note, delete)),
        1 => Just(Act::Start),
    ];
    prop::collection::vec(act, 1..60)
}

/// What two others have written of four notes, a file a version.
fn files() -> Vec<(Path, Content)> {
    let mut found = Vec::new();
    for id in &IDS[1..] {
        let mut replica = Replica::started(Design::Hardened, Kind::Records, id);
        for note in 0..4 {
            replica.create(&format!("note-{note}"), "one");
            replica.append(&format!("note-{note}"), " two");
            found.extend(replica.shared());
        }
        replica.command(Command::Snapshot { note: "note-1".to_owned() });
        replica.command(Command::PermanentlyDelete { note: "note-3".to_owned() });
        found.extend(replica.shared());
    }
    found.sort();
    found.dedup();
    found
}

proptest! {
    #[test]
    fn what_is_not_looked_at_again_has_nothing_new(acts in acts()) {
        let files = files();
        let config = Config {
            instance: Some(IDS[0].into()),
            ..Config::new(Design::Hardened, Kind::Records, "profAAAAAAAAAAAAAAAAAA")
        };
        let mut now = Now { mono: Mono(1_000), wall: WallMs(notes_support::START_MS) };
        let site = |digests| Site { fs: MemoryFs::default(), digests, driver: None, told: Vec::new() };
        let mut sites = [site(true), site(false)];
        sites.iter_mut().for_each(|site| site.feed(&config, None, now, 1));
        for (seed, act) in (2..).zip(acts) {
            for site in &mut sites {
                let shared: Vec<_> = site.fs.files.keys().cloned().collect();
                let mut feed = |input| site.feed(&config, Some(input), now, seed);
                match &act {
                    Act::Come(which, cut, whole, copy) => {
                        let (path, content) = &files[which.index(files.len())];
                        let cut = if *whole { content.len() } else { cut.index(content.len() + 1) };
                        let name = match path.name().rsplit_once('.') {
                            Some((stem, end)) if *copy => format!("{stem} (1).{end}"),
                            _ => path.name().to_owned(),
                        };
                        site.fs.files.insert(Path::shared(&name), content.prefix(cut));
                    }
                    Act::Go(which) if !shared.is_empty() => {
                        site.fs.files.remove(&shared[which.index(shared.len())]);
                    }
                    Act::Blocked(which, blocked) if *blocked && !shared.is_empty() => {
                        site.fs.unreadable.insert(shared[which.index(shared.len())].clone(), FsError::NotLocal);
                    }
                    Act::Blocked(..) => site.fs.unreadable.clear(),
                    Act::Go(_) | Act::Pass(_) => {}
                    Act::Changed => feed(Input::Changed),
                    Act::Write(note, delete) => {
                        let note = format!("note-{note}");
                        let text = String::from("mine");
                        feed(Input::Command(match delete {
                            true => Command::PermanentlyDelete { note },
                            false => Command::Create { note: Some(note), text },
                        }));
                    }
                    Act::Start => site.feed(&config, None, now, seed),
                }
            }
            if let Act::Pass(ms) = act {
                let end = now.mono.plus(ms);
                while let Some(due) = sites[0].wake_at().filter(|due| *due <= end) {
                    prop_assert_eq!(sites[1].wake_at(), Some(due));
                    let ms = due.since(now.mono);
                    now = Now { mono: now.mono.plus(ms), wall: now.wall.plus(i64::try_from(ms).unwrap()) };
                    sites.iter_mut().for_each(|site| site.feed(&config, Some(Input::Timer), now, seed));
                }
                let ms = end.since(now.mono);
                now = Now { mono: end, wall: now.wall.plus(i64::try_from(ms).unwrap()) };
            }
            let [one, other] = &sites;
            prop_assert_eq!(&one.told, &other.told);
            prop_assert_eq!(&one.fs, &other.fs);
            let notes = |site: &Site| {
                let protocol = site.driver.as_ref().unwrap().protocol();
                (protocol.list(&config), protocol.problems(&config))
            };
            prop_assert_eq!(notes(one), notes(other));
        }
    }
}
