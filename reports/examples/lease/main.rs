//! A lock in a synced folder: first in the obvious way, which is wrong, then in one that is right.
//!
//! Whoever wants the lock may hold it for a minute. The *published* design keeps one file `lock` with the holder's name:
//! write it if nobody's is there, read it back, believe it. On one disk that nearly works. In a synced folder two
//! machines find no file, both write theirs, and both read back their own.
//!
//! The *hardened* one asks a majority. Each replica has a file that it alone writes: what it asks for, and whom it gives
//! its one vote. A vote lasts five minutes by the voter's monotonic clock; the candidate counts them from the moment at
//! which it asked, which was earlier, and stops a tenth before. So a majority's votes never overlap, however late files
//! are (Gray and Cheriton, 1989). It rests on clocks that run equally fast to within a twentieth, one of the two through
//! sleep; who is without a majority gets no lock.
//!
//! ```text
//! cargo run --release --example lease -- swarm --system lease --design published --trace two.jsonl
//! cargo run --release --example lease -- shrink two.jsonl -o small.jsonl
//! cargo run --release --example lease -- replay small.jsonl --story
//! ```

use std::collections::BTreeMap;
use std::process::ExitCode;

use cloudchamber::prelude::*;
use cloudchamber::serde::{Deserialize, Serialize};

fn main() -> ExitCode {
    cloudchamber::main::<LeaseSystem>()
}

/// How long somebody holds the lock, ms.
const HOLD_MS: u64 = 60_000;
/// How long a vote lasts, and after which time a lock file is taken to be left over, ms.
const VOTE_MS: u64 = 300_000;
/// How often a replica looks without being told, ms.
const LOOK_MS: u64 = 10_000;

#[derive(Clone, Debug)]
struct Config {
    design: Design,
    name: String,
    /// Everybody's name. What else lies in the folder, such as copies that a client made, has no vote.
    names: Vec<String>,
}

/// Somebody wants the lock, to do something for [`HOLD_MS`].
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(crate = "cloudchamber::serde", rename_all = "kebab-case")]
enum Command {
    Lock,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Event {
    Acquired,
    Released,
}

/// What a replica's file says.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
struct Said {
    /// The number of its last request; it only grows.
    request: u64,
    /// Whether it still wants, or has, what it asked for.
    wants: bool,
    /// Whose request it votes for; an empty name where it votes for none.
    vote: (String, u64),
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Lease {
    said: Said,
    /// Whether it knows what it said in an earlier life. Until then it says nothing.
    knows: bool,
    /// What its file says; `None` if that is something else, or not known.
    written: Option<Said>,
    /// What the other files say, by name.
    others: BTreeMap<String, Said>,
    /// Until when its vote is given away.
    voted_until: Mono,
    /// When it asked.
    asked: Now,
    /// Since when it holds the lock, and for how many ms; `None` while it does not.
    held: Option<(Now, u64)>,
    /// Whether the ops under way are its claim to the lock file.
    claims: bool,
    next: Mono,
}

impl Protocol for Lease {
    type Config = Config;
    type Command = Command;
    type Event = Event;
    type Call = Never;
    type Reply = Never;

    fn open(config: &Config, cx: &mut Cx<'_, Self>) -> Self {
        let now = cx.now();
        let mut lease = Self {
            said: Said::default(),
            knows: false,
            written: None,
            others: BTreeMap::new(),
            // Whoever it voted for before it died may hold the lock.
            voted_until: now.mono.plus(VOTE_MS),
            asked: now,
            held: None,
            claims: false,
            next: now.mono.plus(LOOK_MS),
        };
        lease.look(config, cx);
        lease
    }

    fn step(&mut self, config: &Config, input: Input<Self>, cx: &mut Cx<'_, Self>) {
        let now = cx.now();
        match input {
            Input::Command(Command::Lock) if self.knows && !self.said.wants => {
                self.asked = now;
                self.said.request += 1;
                self.said.wants = true;
            }
            // It reads its own name back, and believes it.
            Input::Applied if std::mem::take(&mut self.claims) && holder(cx) == Some(config.name.clone()) => {
                self.acquire(HOLD_MS, cx);
            }
            // The next look tries again.
            Input::Failed { .. } => {
                (self.claims, self.written) = (false, None);
                return;
            }
            Input::Reply(never) => match never {},
            _ => {}
        }
        self.look(config, cx);
    }

    fn wake_at(&self) -> Option<Mono> {
        let over = self.held.map(|(since, ms)| since.mono.plus(ms));
        Some(over.map_or(self.next, |over| over.min(self.next)))
    }
}

impl Lease {
    /// Whether it acts as the holder, by its own clocks. Whichever of the two says that more time has passed is believed.
    fn holds(&self, now: Now) -> bool {
        self.held.is_some_and(|(since, ms)| passed(since, now) < ms)
    }

    fn acquire(&mut self, ms: u64, cx: &mut Cx<'_, Self>) {
        self.held = Some((cx.now(), ms));
        cx.event(Event::Acquired);
    }

    fn look(&mut self, config: &Config, cx: &mut Cx<'_, Self>) {
        let now = cx.now();
        if self.next <= now.mono {
            self.next = now.mono.plus(LOOK_MS);
        }
        let kept = Path::local("said");
        if !self.knows && matches!(cx.read(&kept), Ok(_) | Err(FsError::NotFound)) {
            self.knows = true;
            self.said = Said { wants: false, ..read(cx, &kept).unwrap_or_default() };
        }
        if self.held.is_some() && !self.holds(now) {
            (self.held, self.said.wants) = (None, false);
            cx.event(Event::Released);
            if config.design == Design::Published {
                cx.op(FsOp::Remove { path: lock() });
            }
        }
        match config.design {
            Design::Published => self.claim(config, cx),
            Design::Hardened if !self.knows => {}
            Design::Hardened => {
                self.ask(config, cx);
                self.say(config, cx);
            }
        }
    }

    /// Published: writes the lock file if nobody's is there, or a left over one.
    fn claim(&mut self, config: &Config, cx: &mut Cx<'_, Self>) {
        let taken = |text: &str| {
            let since: Option<i64> = text.split_once(' ').and_then(|(_, wall)| wall.trim().parse().ok());
            let age = since.map_or(i64::MAX, |since| cx.now().wall.since(WallMs(since)));
            u64::try_from(age).unwrap_or(0) < VOTE_MS
        };
        let content = cx.read(&lock());
        let text =
            content.as_ref().map(|content| String::from_utf8_lossy(content.bytes())).unwrap_or_default();
        if self.said.wants && self.held.is_none() && !self.claims && !taken(&text) {
            self.claims = true;
            let text = format!("{} {}\n", config.name, cx.now().wall.0);
            cx.op(FsOp::Replace { path: lock(), content: text.as_str().into() });
        }
    }

    /// Hardened: votes, counts the votes, and holds the lock with a majority's.
    fn ask(&mut self, config: &Config, cx: &mut Cx<'_, Self>) {
        let now = cx.now();
        for name in &config.names {
            let found = read(cx, &file_of(name));
            if *name == config.name {
                self.written = self.written.take().filter(|written| found.as_ref() == Some(written));
            } else if let Some(said) = found
                // An older version that comes back says nothing new.
                && self.others.get(name).is_none_or(|known| said.age() >= known.age())
            {
                self.others.insert(name.clone(), said);
            }
        }
        let usable = VOTE_MS - VOTE_MS / 10;
        if self.said.wants && self.held.is_none() && passed(self.asked, now) >= usable {
            // No majority came in time: whoever asks next may have better luck.
            self.said.wants = false;
        }
        let (whom, number) = &self.said.vote;
        let candidate = if *whom == config.name { Some(&self.said) } else { self.others.get(whom) };
        let is_over = candidate.is_some_and(|said| said.age() >= (*number, true));
        if whom.is_empty() || is_over || self.voted_until <= now.mono {
            let all = self.others.iter().chain([(&config.name, &self.said)]);
            let asking = all.filter(|(_, said)| said.wants).map(|(name, said)| (name.clone(), said.request));
            // Not for the one whose vote has run out: it may be gone for good.
            if let Some(vote) = asking.filter(|vote| *vote != self.said.vote).min() {
                self.said.vote = vote;
                self.voted_until = now.mono.plus(VOTE_MS);
            }
        }
        let mine = (config.name.clone(), self.said.request);
        let votes = self.others.values().chain([&self.said]).filter(|said| said.vote == mine).count();
        if self.said.wants && self.held.is_none() && votes * 2 > config.names.len() {
            self.acquire(HOLD_MS.min(usable - passed(self.asked, now)), cx);
        }
    }

    /// Writes what it says: first where no client puts an older version back, then where all see it.
    fn say(&mut self, config: &Config, cx: &mut Cx<'_, Self>) {
        if self.written.as_ref() != Some(&self.said) {
            let Said { request, wants, vote: (whom, number) } = &self.said;
            let content = Content::from(format!("{request} {wants} {number} {whom}\n").as_str());
            cx.op(FsOp::Replace { path: Path::local("said"), content: content.clone() });
            cx.op(FsOp::Replace { path: file_of(&config.name), content });
            self.written = Some(self.said.clone());
        }
    }
}

impl Said {
    /// What only grows with every change of what it asks for.
    fn age(&self) -> (u64, bool) {
        (self.request, !self.wants)
    }
}

/// A replica's file, which it alone writes.
fn file_of(name: &str) -> Path {
    Path::shared("replicas").join(name)
}

fn lock() -> Path {
    Path::shared("lock")
}

/// Who the lock file names.
fn holder(cx: &Cx<'_, Lease>) -> Option<String> {
    let content = cx.read(&lock()).ok()?;
    Some(std::str::from_utf8(content.bytes()).ok()?.split_once(' ')?.0.to_owned())
}

/// What a file says; `None` if it is not there or not whole.
fn read(cx: &Cx<'_, Lease>, path: &Path) -> Option<Said> {
    let content = cx.read(path).ok()?;
    let mut words = std::str::from_utf8(content.bytes()).ok()?.strip_suffix('\n')?.splitn(4, ' ');
    let request = words.next()?.parse().ok()?;
    let wants = words.next()? == "true";
    let number = words.next()?.parse().ok()?;
    Some(Said { request, wants, vote: (words.next()?.to_owned(), number) })
}

/// The ms between two samples of both clocks, by the one that says more.
fn passed(since: Now, now: Now) -> u64 {
    now.mono.since(since.mono).max(u64::try_from(now.wall.since(since.wall)).unwrap_or(0))
}

// ---------------------------------------------------------------------------------------------------- what must hold

const ONE_HOLDER: &str = "at_most_one_holder";
const HELD: &str = "somebody_holds_the_lock";

#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
struct LeaseChecks;

impl Checks<LeaseSystem> for LeaseChecks {
    const CHECKERS: &'static [Checker] = &[
        Checker { name: ONE_HOLDER, kind: Kind::Safety, about: "No two replicas hold the lock at one time." },
        Checker { name: HELD, kind: Kind::Reached, about: "Somebody gets the lock." },
    ];

    fn after(
        &mut self,
        setup: &Setup<LeaseSystem>,
        world: &World<LeaseSystem>,
        _: &ChoiceOf<LeaseSystem>,
        effects: &Effects<Lease>,
        findings: &mut Findings,
    ) {
        let acquired = effects.events.iter().filter(|event| **event == Event::Acquired).count();
        findings.count(HELD, u64::try_from(acquired).expect("a few"));
        let holders: Vec<_> = ReplicaId::all(setup.replicas.len())
            .filter(|id| <LeaseSystem as PlainSystem>::stands_out(setup, world, *id))
            .collect();
        if holders.len() > 1 {
            findings.violated(ONE_HOLDER, || Violation {
                checker: ONE_HOLDER.into(),
                at_ms: world.now(),
                expected: "at most one replica holds the lock".into(),
                seen: format!(
                    "{} hold it",
                    holders.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
                ),
                replicas: holders,
            });
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct LeaseSystem;

impl PlainSystem for LeaseSystem {
    const NAME: &'static str = "lease";
    const PROMINENT: Option<&'static str> = Some("holder");
    type Protocol = Lease;
    type Checks = LeaseChecks;

    fn config(design: Design, replica: ReplicaId, count: usize) -> Config {
        let names = ReplicaId::all(count).map(|id| id.to_string()).collect();
        Config { design, name: replica.to_string(), names }
    }

    fn whim(_: ReplicaId, _: &mut dyn Rng) -> Option<Command> {
        Some(Command::Lock)
    }

    fn telling(event: &Event) -> Telling {
        match event {
            Event::Acquired => Telling::marked("holds the lock", '▲', "holds the lock"),
            Event::Released => Telling::marked("lets go of the lock", '▽', "lets go of the lock"),
        }
    }

    fn stands_out(setup: &Setup<Self>, world: &World<Self>, replica: ReplicaId) -> bool {
        let holds = |lease: &Lease| lease.holds(world.clocks(setup, replica));
        world.replica(replica).protocol().is_some_and(holds)
    }
}

#[cfg(test)]
mod tests {
    use cloudchamber::Runs;

    use super::*;

    #[test]
    fn a_majority_never_lends_the_lock_to_two() {
        cloudchamber::assert_holds::<LeaseSystem>(0..60);
        Runs::<LeaseSystem>::of(0..60).profile("dropbox").assert_holds();
    }

    #[test]
    fn the_obvious_way_lends_it_to_two() {
        Runs::<LeaseSystem>::of(0..20).design(Design::Published).assert_violates(ONE_HOLDER);
    }

    #[test]
    fn scenarios_and_models_come_out_as_their_files_say() {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/lease/scenarios");
        cloudchamber::assert_files::<LeaseSystem>(dir);
    }

    #[test]
    fn a_test_that_fails_says_which_seed_and_how_to_see_it_again() {
        let runs = Runs::<LeaseSystem>::of(0..20).design(Design::Published);
        let panic = std::panic::catch_unwind(|| runs.assert_holds()).unwrap_err();
        let said = panic.downcast_ref::<String>().unwrap();
        assert!(
            said.starts_with("seed ")
                && said.contains(" of lease published icloud violates at_most_one_holder"),
            "{said}"
        );
        let again =
            "cargo run --example lease -- swarm --system lease --design published --profile icloud --seeds ";
        assert!(said.replace(" --release", "").contains(again), "{said}");
    }
}
