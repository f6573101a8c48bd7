//! Preferences in one `data.json` of a synced folder, as many applications keep them, and the mended form.
//!
//! The *published* design reads the file at the start, changes a field in memory, and writes the whole file: the last
//! writer wins, and takes back whatever others changed meanwhile. The *hardened* one has a file for each machine, which
//! that machine alone writes, and merges by field: the highest stamp wins, a Lamport clock with the machine's name
//! (Lamport, 1978).
//!
//! ```text
//! cargo run --release --example preferences -- swarm --system preferences --design published --trace lost.jsonl
//! cargo run --release --example preferences -- shrink lost.jsonl -o small.jsonl
//! cargo run --release --example preferences -- replay small.jsonl --story
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use cloudchamber::prelude::*;
use cloudchamber::serde::{Deserialize, Serialize};

fn main() -> ExitCode {
    cloudchamber::main::<PreferencesSystem>()
}

/// How often a replica looks without being told, ms.
const LOOK_MS: u64 = 10_000;

#[derive(Clone, Debug)]
struct Config {
    design: Design,
    name: String,
}

/// Somebody changes a field.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(crate = "cloudchamber::serde", rename_all = "kebab-case")]
enum Command {
    Set { field: String, value: u64 },
}

/// A field was changed, for good: whoever asked has been told.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Event {
    Set { field: String, value: u64 },
}

/// A field's value and its stamp: higher is later, and of two that are alike the greater name's counts.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
struct Field {
    counter: u64,
    by: String,
    value: u64,
}

/// The fields of a file, by name.
type Fields = BTreeMap<String, Field>;

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Preferences {
    /// What counts here.
    fields: Fields,
    /// What this machine's own file has to hold; `None` until what was kept of it can be read. Then nothing is written, since
    /// that would be written over it.
    own: Option<Fields>,
    /// What is told once the ops under way are done.
    under_way: Option<Event>,
    next: Mono,
}

impl Protocol for Preferences {
    type Config = Config;
    type Command = Command;
    type Event = Event;
    type Call = Never;
    type Reply = Never;

    fn open(config: &Config, cx: &mut Cx<'_, Self>) -> Self {
        let next = cx.now().mono.plus(LOOK_MS);
        let mut this = Self { fields: Fields::new(), own: None, under_way: None, next };
        this.look(config, cx);
        this
    }

    fn step(&mut self, config: &Config, input: Input<Self>, cx: &mut Cx<'_, Self>) {
        match input {
            Input::Applied => {
                if let Some(event) = self.under_way.take() {
                    cx.event(event);
                }
            }
            Input::Changed => self.look(config, cx),
            Input::Command(Command::Set { field, value }) => self.set(config, field, value, cx),
            // Nobody was told, so it may count or not.
            Input::Failed { .. } => self.under_way = None,
            Input::Reply(never) => match never {},
            Input::Timer => {
                self.next = cx.now().mono.plus(LOOK_MS);
                self.look(config, cx);
            }
        }
    }

    fn wake_at(&self) -> Option<Mono> {
        Some(self.next)
    }
}

impl Preferences {
    fn value(&self, field: &str) -> Option<u64> {
        Some(self.fields.get(field)?.value)
    }

    fn set(&mut self, config: &Config, field: String, value: u64, cx: &mut Cx<'_, Self>) {
        let counter = 1 + self.fields.values().map(|known| known.counter).max().unwrap_or(0);
        let changed = Field { counter, by: config.name.clone(), value };
        let Some(own) = &mut self.own else { return };
        self.fields.insert(field.clone(), changed.clone());
        own.insert(field.clone(), changed);
        self.under_way = Some(Event::Set { field, value });
        self.write(config, cx);
    }

    /// Takes over what the folder says.
    fn look(&mut self, config: &Config, cx: &mut Cx<'_, Self>) {
        if config.design == Design::Published {
            if let Some(fields) = read(cx, &file_of(config)) {
                self.fields = fields;
            }
            self.own.get_or_insert_default();
            return;
        }
        // What this machine changed is also where no sync client puts an older version back.
        let kept = Path::local("own");
        if self.own.is_none() && matches!(cx.read(&kept), Ok(_) | Err(FsError::NotFound)) {
            self.own = Some(read(cx, &kept).unwrap_or_default());
        }
        let Some(own) = &self.own else { return };
        let shown = read(cx, &file_of(config)).unwrap_or_default();
        merge(&mut self.fields, own);
        for entry in cx.list(&Path::shared("preferences")).unwrap_or_default() {
            // A copy that a client made says what some version of the file said: it is merged like any other.
            merge(&mut self.fields, &read(cx, &entry.path).unwrap_or_default());
        }
        // An older version of its own file has come back, or a crash kept it from being written.
        if own.iter().any(|(name, field)| shown.get(name) != Some(field)) {
            self.write(config, cx);
        }
    }

    fn write(&self, config: &Config, cx: &mut Cx<'_, Self>) {
        let fields = match config.design {
            Design::Published => &self.fields,
            Design::Hardened => self.own.as_ref().unwrap_or(&self.fields),
        };
        let line = |(name, Field { counter, by, value }): (&String, &Field)| {
            format!("{name} {counter} {by} {value}\n")
        };
        let content = Content::from((fields.iter().map(line).collect::<String>() + "end\n").as_str());
        if config.design == Design::Hardened {
            cx.op(FsOp::Replace { path: Path::local("own"), content: content.clone() });
        }
        cx.op(FsOp::Replace { path: file_of(config), content });
    }
}

fn file_of(config: &Config) -> Path {
    match config.design {
        Design::Published => Path::shared("data.json"),
        Design::Hardened => Path::shared("preferences").join(&config.name),
    }
}

/// Takes over every field whose stamp is higher.
fn merge(known: &mut Fields, others: &Fields) {
    for (name, field) in others {
        let known = known.entry(name.clone()).or_default();
        if *field > *known {
            *known = field.clone();
        }
    }
}

/// What a file says, a line a field; `None` if it is not there or not whole. For the sake of a short example it is not
/// JSON.
fn read(cx: &Cx<'_, Preferences>, path: &Path) -> Option<Fields> {
    let content = cx.read(path).ok()?;
    let lines = std::str::from_utf8(content.bytes()).ok()?.strip_suffix("end\n")?.lines();
    let field = |line: &str| {
        let mut words = line.split(' ');
        let name = words.next()?.to_owned();
        let counter = words.next()?.parse().ok()?;
        let by = words.next()?.to_owned();
        Some((name, Field { counter, by, value: words.next()?.parse().ok()? }))
    };
    lines.map(field).collect()
}

// ---------------------------------------------------------------------------------------------------- what must hold

const STAYS: &str = "what_one_alone_changed_stays";
const AGREE: &str = "all_agree_in_the_end";
const SEEN: &str = "a_change_is_seen_by_another";

/// Watches a run: the last value that each replica was told it has set of each field.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
struct PreferencesChecks {
    set: BTreeMap<String, BTreeMap<ReplicaId, u64>>,
    /// The fields of which a replica that was to set them has not been told whether it has.
    unsure: BTreeSet<(String, ReplicaId)>,
}

impl Checks<PreferencesSystem> for PreferencesChecks {
    const CHECKERS: &'static [Checker] = &[
        Checker {
            name: STAYS,
            kind: Kind::Liveness,
            about: "A field that one machine alone has ever changed has, in the end and everywhere, the value that this \
                    machine was told it has.",
        },
        Checker {
            name: AGREE,
            kind: Kind::Liveness,
            about: "In the end every field has one value everywhere.",
        },
        Checker { name: SEEN, kind: Kind::Reached, about: "A machine shows what another has changed." },
    ];

    fn after(
        &mut self,
        _: &Setup<PreferencesSystem>,
        _: &World<PreferencesSystem>,
        choice: &ChoiceOf<PreferencesSystem>,
        effects: &Effects<Preferences>,
        _: &mut Findings,
    ) {
        if let Choice::Command { replica, command: Command::Set { field, .. }, .. } = choice {
            self.unsure.insert((field.clone(), *replica));
        }
        let Some(replica) = choice.replica() else { return };
        for Event::Set { field, value } in &effects.events {
            self.unsure.remove(&(field.clone(), replica));
            self.set.entry(field.clone()).or_default().insert(replica, *value);
        }
    }

    fn end(&self, _: &Setup<PreferencesSystem>, world: &World<PreferencesSystem>, findings: &mut Findings) {
        // Before all is at rest nothing is due: files may still be on their way.
        let ids = world.replicas().map(|(id, _)| id).filter(|id| world.is_at_rest(*id));
        let here: Vec<_> = ids.filter_map(|id| Some((id, world.replica(id).protocol()?))).collect();
        for (field, by) in &self.set {
            let values: Vec<_> = here.iter().map(|(id, known)| (*id, known.value(field))).collect();
            let of_others =
                values.iter().filter(|(id, value)| value.is_some() && !by.contains_key(id)).count();
            findings.count(SEEN, u64::try_from(of_others).expect("a few"));
            if let (Some(first), Some(other)) =
                (values.first(), values.iter().find(|(_, value)| *value != values[0].1))
            {
                findings.violated(AGREE, || {
                    violation(AGREE, world, field, "has one value everywhere", *first, *other)
                });
            }
            let (setter, value) = by.first_key_value().expect("somebody set it");
            let alone = by.len() == 1
                && !self.unsure.iter().any(|(unsure, _)| unsure == field)
                && world.is_at_rest(*setter);
            if let Some(other) = values.iter().find(|(_, shown)| alone && *shown != Some(*value)) {
                let due = (*setter, Some(*value));
                findings.violated(STAYS, || {
                    violation(STAYS, world, field, "stays as one alone set it", due, *other)
                });
            }
        }
    }
}

fn violation(
    checker: &str,
    world: &World<PreferencesSystem>,
    field: &str,
    expected: &str,
    one: (ReplicaId, Option<u64>),
    other: (ReplicaId, Option<u64>),
) -> Violation {
    let said = |value: Option<u64>| value.map_or_else(|| "nothing".to_owned(), |value| value.to_string());
    Violation {
        checker: checker.into(),
        at_ms: world.now(),
        replicas: vec![one.0, other.0],
        expected: format!("{field} {expected}"),
        seen: format!("{} says {} and {} says {}", one.0, said(one.1), other.0, said(other.1)),
    }
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct PreferencesSystem;

impl PlainSystem for PreferencesSystem {
    const NAME: &'static str = "preferences";
    type Protocol = Preferences;
    type Checks = PreferencesChecks;

    fn config(design: Design, replica: ReplicaId, _: usize) -> Config {
        Config { design, name: replica.to_string() }
    }

    fn whim(replica: ReplicaId, rng: &mut dyn Rng) -> Option<Command> {
        // Three fields that anybody changes, and one that each machine has to itself.
        let fields =
            ["theme".to_owned(), "font".to_owned(), "language".to_owned(), format!("window-of-{replica}")];
        let field = fields[usize::try_from(rng.up_to(3)).expect("one of four")].clone();
        Some(Command::Set { field, value: rng.between(1, 1_000) })
    }

    fn telling(event: &Event) -> Telling {
        let Event::Set { field, value } = event;
        Telling::marked(format!("has set {field} to {value}"), '●', "a field is set")
    }
}

#[cfg(test)]
mod tests {
    use cloudchamber::Runs;

    use super::*;

    #[test]
    fn a_file_a_machine_keeps_every_change() {
        cloudchamber::assert_holds::<PreferencesSystem>(0..40);
    }

    #[test]
    fn one_file_for_all_loses_changes() {
        Runs::<PreferencesSystem>::of(0..20).design(Design::Published).assert_violates(STAYS);
    }

    #[test]
    fn scenarios_and_models_come_out_as_their_files_say() {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/preferences/scenarios");
        cloudchamber::assert_files::<PreferencesSystem>(dir);
    }
}
