//! A roll call: every machine that has the folder writes down that it is there.
//!
//! The *published* design keeps one list for all: read it, add a name, write it. The *hardened* one has a file for each
//! machine.

use std::collections::BTreeSet;
use std::process::ExitCode;

use cloudchamber::prelude::*;

fn main() -> ExitCode {
    cloudchamber::main::<RollCallSystem>()
}

/// How often a machine looks without being told, ms.
const LOOK_MS: u64 = 10_000;

#[derive(Clone, Debug)]
struct Config {
    design: Design,
    name: String,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct RollCall {
    present: BTreeSet<String>,
    next: Mono,
}

impl Protocol for RollCall {
    type Config = Config;
    type Command = Never;
    type Event = Never;
    type Call = Never;
    type Reply = Never;

    fn open(config: &Config, cx: &mut Cx<'_, Self>) -> Self {
        let mut this = Self { present: BTreeSet::new(), next: cx.now().mono.plus(LOOK_MS) };
        this.look(config, cx);
        if !this.present.contains(&config.name) {
            this.present.insert(config.name.clone());
            let (path, text) = match config.design {
                Design::Published => {
                    let lines = this.present.iter().map(|name| format!("{name}\n"));
                    (Path::shared("present"), lines.collect())
                }
                Design::Hardened => {
                    (Path::shared("machines").join(&config.name), format!("{}\n", config.name))
                }
            };
            cx.op(FsOp::Replace { path, content: text.as_str().into() });
        }
        this
    }

    fn step(&mut self, config: &Config, input: Input<Self>, cx: &mut Cx<'_, Self>) {
        match input {
            // It starts over: nobody saw what could not be written.
            Input::Failed { .. } => *self = Self::open(config, cx),
            Input::Changed => self.look(config, cx),
            Input::Timer => {
                self.next = cx.now().mono.plus(LOOK_MS);
                self.look(config, cx);
            }
            Input::Applied => {}
            Input::Command(never) | Input::Reply(never) => match never {},
        }
    }

    fn wake_at(&self) -> Option<Mono> {
        Some(self.next)
    }
}

impl RollCall {
    fn look(&mut self, config: &Config, cx: &mut Cx<'_, Self>) {
        let files = match config.design {
            Design::Published => vec![Path::shared("present")],
            Design::Hardened => {
                let entries = cx.list(&Path::shared("machines")).unwrap_or_default();
                entries.into_iter().map(|entry| entry.path).collect()
            }
        };
        for content in files.iter().filter_map(|path| cx.read(path).ok()) {
            let text = String::from_utf8_lossy(content.bytes());
            // A file whose end has not come has no newline there.
            let whole = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
            self.present.extend(whole.map(str::to_owned));
        }
    }
}

const ALL_KNOWN: &str = "every_machine_is_known_to_all";

#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
struct RollCallChecks;

impl Checks<RollCallSystem> for RollCallChecks {
    const CHECKERS: &'static [Checker] = &[Checker {
        name: ALL_KNOWN,
        kind: Kind::Liveness,
        about: "In the end everybody knows of every machine that is there.",
    }];

    fn end(&self, _: &Setup<RollCallSystem>, world: &World<RollCallSystem>, findings: &mut Findings) {
        // Files may still be on their way to and from whoever is not at rest.
        let there: Vec<_> = world.replicas().map(|(id, _)| id).filter(|id| world.is_at_rest(*id)).collect();
        for id in &there {
            let Some(roll) = world.replica(*id).protocol() else { continue };
            if let Some(missing) = there.iter().find(|other| !roll.present.contains(&other.to_string())) {
                findings.violated(ALL_KNOWN, || Violation {
                    checker: ALL_KNOWN.into(),
                    at_ms: world.now(),
                    replicas: vec![*id, *missing],
                    expected: "everybody knows of every machine".into(),
                    seen: format!("{id} does not know of {missing}"),
                });
            }
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct RollCallSystem;

impl PlainSystem for RollCallSystem {
    const NAME: &'static str = "roll-call";
    type Protocol = RollCall;
    type Checks = RollCallChecks;

    fn config(design: Design, replica: ReplicaId, _: usize) -> Config {
        Config { design, name: replica.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use cloudchamber::Runs;

    use super::*;

    #[test]
    fn a_file_for_each_machine_is_never_lost() {
        cloudchamber::assert_holds::<RollCallSystem>(0..40);
    }

    #[test]
    fn one_list_for_all_loses_machines() {
        Runs::<RollCallSystem>::of(0..40).design(Design::Published).assert_violates(ALL_KNOWN);
    }
}
