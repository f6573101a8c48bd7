//! A scenario to begin with: what it needs, and everything else that it can say as comments.

use std::fmt::Write as _;

use cloudchamber_core::Design;
use cloudchamber_folder::System;
use cloudchamber_folder::checks::checkers;
use cloudchamber_folder::profile::Profile;
use cloudchamber_folder::systems::{Systems, Work};

use crate::failure::Failure;
use crate::jobs::dispatch::with_system;

/// What a scenario begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begin<'a> {
    pub(crate) system: &'a str,
    pub(crate) design: &'a str,
    pub(crate) profile: &'a str,
    pub(crate) replicas: u8,
}

/// Something that a scenario can say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Example {
    /// What it is about, in a sentence.
    pub(crate) says: &'static str,
    /// How it is written.
    pub(crate) toml: &'static str,
}

/// How wide a comment is at most.
const WIDE: usize = 110;

const fn example(says: &'static str, toml: &'static str) -> Example {
    Example { says, toml }
}

/// What stands before the tables.
const KEYS: [Example; 2] = [
    example(
        "Every version takes exactly this long to reach every other replica, in place of the profile's delays, ms.",
        "delay_ms = 5_000",
    ),
    example(
        "What stands for a file whose bytes are elsewhere, in place of the profile's rule: none, dataless, stub, \
         stub-nextcloud, stub-owncloud.",
        "placeholder = \"stub\"",
    ),
];

/// What can be said of a replica.
const REPLICA: [Example; 7] = [
    example("When it starts, ms.", "start_ms = 1_000"),
    example(
        "By how many milliseconds its wall clock is ahead; behind where negative.",
        "clock_offset_ms = -2_000",
    ),
    example("By how many millionths its clocks run fast; slow where negative.", "clock_drift_ppm = 40"),
    example("Its monotonic clock stands still while it sleeps.", "mono_counts_sleep = false"),
    example("What its user calls it.", "name = \"Ann's laptop\""),
    example("The name of its machine.", "host = \"laptop\""),
    example("The directory it works for.", "directory = \"/home/ann/work\""),
];

/// Faults that happen at random, each every so many milliseconds on average and for a time between two.
pub(crate) const FAULTS: [Example; 15] = [
    example(
        "A machine is struck soon after it has done or heard something, by what of crash, power, sleep and offline is there \
         as well.",
        "ambush = { every_ms = 60_000, for_ms = [100, 60_000] }",
    ),
    example(
        "Several machines are struck at nearly the same time, by what of crash, power, sleep and offline is there as well.",
        "burst = { every_ms = 120_000, for_ms = [100, 5_000] }",
    ),
    example(
        "Wall clocks are set, by so much either way.",
        "clock = { every_ms = 120_000, for_ms = [1_000, 3_600_000] }",
    ),
    example(
        "Processes die, at any op or in the middle of one, and start again after so long.",
        "crash = { every_ms = 120_000, for_ms = [500, 60_000] }",
    ),
    example("Disks are full.", "disk = { every_ms = 120_000, for_ms = [1_000, 30_000] }"),
    example(
        "The shared folder cannot be reached.",
        "folder = { every_ms = 120_000, for_ms = [1_000, 30_000] }",
    ),
    example(
        "What replicas keep on their own machines cannot be read.",
        "local = { every_ms = 120_000, for_ms = [1_000, 60_000] }",
    ),
    example(
        "The folder's mount goes and leaves an empty directory.",
        "mount = { every_ms = 120_000, for_ms = [1_000, 30_000] }",
    ),
    example("Machines are without a network.", "offline = { every_ms = 120_000, for_ms = [1_000, 60_000] }"),
    example(
        "Files, or all of them, come back as they were so long ago, to one disk or to all.",
        "older = { every_ms = 120_000, for_ms = [1_000, 60_000] }",
    ),
    example(
        "Machines lose power, and what was not flushed, and start again.",
        "power = { every_ms = 120_000, for_ms = [500, 60_000] }",
    ),
    example("Machines sleep.", "sleep = { every_ms = 120_000, for_ms = [1_000, 60_000] }"),
    example(
        "People ask something of a replica, whatever comes into their heads.",
        "whim = { every_ms = 120_000, for_ms = [0, 0] }",
    ),
    example(
        "The mount goes, and after so long the client takes the empty directory for the folder and removes everything \
         everywhere.",
        "wipe = { every_ms = 300_000, for_ms = [1_000, 10_000] }",
    ),
    example("Replicas that go down when faults stop, and never come back.", "gone_for_good = [\"b\"]"),
];

/// What can be done at a given time, as tables `[[at]]`. What the world does not allow at that time does not happen.
pub(crate) const CHOICES: [Example; 26] = [
    example(
        "A process dies; with `torn-percent`, at its next op, of which so much still happens.",
        "do = \"crash\"\nreplica = \"a\"\ntorn-percent = 50",
    ),
    example(
        "A machine loses power: `loss` says what becomes of files that were not flushed, `empty`, `nul`, `old`, or \
         `{ mixed = 7 }`, each its own fate.",
        "do = \"crash\"\nreplica = \"a\"\nloss = { mixed = 7 }",
    ),
    example("A process starts.", "do = \"open\"\nreplica = \"a\""),
    example("A machine falls asleep.", "do = \"sleep\"\nreplica = \"a\""),
    example("It wakes up.", "do = \"wake\"\nreplica = \"a\""),
    example(
        "It has no network any more; `online = true`: it has it again.",
        "do = \"network\"\nreplica = \"a\"\nonline = false",
    ),
    example(
        "Its wall clock is set forward; back where negative.",
        "do = \"clock\"\nreplica = \"a\"\nby-ms = -60_000",
    ),
    example(
        "Its disk fills up; `full = false`: it has room again.",
        "do = \"disk\"\nreplica = \"a\"\nfull = true",
    ),
    example(
        "The folder cannot be reached; `reachable = true`: it can again.",
        "do = \"folder\"\nreplica = \"a\"\nreachable = false",
    ),
    example(
        "What it keeps on its own machine cannot be read; `readable = true`: it can again.",
        "do = \"local\"\nreplica = \"a\"\nreadable = false",
    ),
    example(
        "The folder's mount goes and leaves an empty directory; `mounted = true`: it is back.",
        "do = \"mount\"\nreplica = \"a\"\nmounted = false",
    ),
    example(
        "Its client takes that empty directory for the folder, and removes everything everywhere.",
        "do = \"wipe\"\nreplica = \"a\"",
    ),
    example("Somebody keeps its folder aside as it is.", "do = \"keep\"\nreplica = \"a\""),
    example(
        "What was kept aside comes back, all or one `path`; `sent`: its client takes that for a change, which goes to all.",
        "do = \"restore\"\nreplica = \"a\"\nsent = true",
    ),
    example(
        "Its client forgets what it had synced, and takes every file for new.",
        "do = \"reset-index\"\nreplica = \"a\"",
    ),
    example("The bytes of a file leave its disk.", "do = \"evict\"\nreplica = \"a\"\npath = \"shared:FILE\""),
    example("They come back.", "do = \"fetch\"\nreplica = \"a\"\npath = \"shared:FILE\""),
    example(
        "Its client sends a changed file now.",
        "do = \"upload\"\nreplica = \"a\"\npath = \"shared:FILE\"",
    ),
    example(
        "A version reaches its disk now: `back = 1` is the one before the newest; `arrival` says in what state, \"whole\", \
         \"empty\", \"nul\", \"gap\", \"stub\", `{ prefix = { percent = 30 } }`, `{ cut = { percent = 30 } }`, or \
         `{ beside = { percent = 30, stays = true } }`.",
        "do = \"download\"\nreplica = \"b\"\npath = \"shared:FILE\"\narrival = { prefix = { percent = 30 } }",
    ),
    example(
        "It is told that files may have changed; with `lost = true` the notice gets lost.",
        "do = \"watch\"\nreplica = \"a\"\nlost = true",
    ),
    example("Its timer fires.", "do = \"timer\"\nreplica = \"a\""),
    example(
        "The op that it is about to apply fails: `exists`, `no-space`, `not-found`, `not-local`, `refused`, `unavailable`.",
        "do = \"fail\"\nreplica = \"a\"\nerror = \"no-space\"",
    ),
    example(
        "Its next op is applied; `part = \"begin\"`: an overwrite has emptied its file.",
        "do = \"apply\"\nreplica = \"a\"",
    ),
    example("Its next call reaches the world outside.", "do = \"serve\"\nreplica = \"a\""),
    example("The answer reaches it.", "do = \"reply\"\nreplica = \"a\""),
    example(
        "Somebody asks it for something; each system has its own words.",
        "do = \"command\"\nreplica = \"a\"\ncommand = COMMAND",
    ),
];

/// The example of a fault that happens at random; `None` if there is none.
pub(crate) fn fault(name: &str) -> Option<&'static Example> {
    FAULTS.iter().find(|example| example.toml.split(' ').next() == Some(name))
}

/// What is expected.
const EXPECT: [Example; 3] = [
    example("Checkers that must find a violation.", "violates = [\"CHECKER\"]"),
    example("Checkers that may find one as well.", "may_violate = [\"CHECKER\"]"),
    example("Checkers that must find none, also if they are only counted.", "holds = [\"CHECKER\"]"),
];

/// Writes the text of a scenario.
///
/// # Errors
/// Where there is no such system, design or profile.
pub(crate) fn skeleton<L: Systems>(begin: &Begin<'_>) -> Result<String, Failure> {
    Profile::find(begin.profile).map_err(Failure::new)?;
    with_system::<L, _, _>(begin.system, Written { begin })
}

struct Written<'a> {
    begin: &'a Begin<'a>,
}

impl Work for Written<'_> {
    type Output = Result<String, Failure>;

    fn on<S: System>(self) -> Self::Output {
        let Begin { design, profile, replicas, .. } = *self.begin;
        let known = |variant: &&cloudchamber_folder::Variant| variant.design == named(design);
        if !S::DESIGNS.iter().any(|variant| known(&variant)) {
            return Err(Failure::new(format!("{} has no design `{design}`", S::NAME)));
        }
        let mut text = String::new();
        let _ = write!(
            text,
            "about = \"What it shows, in a sentence.\"\nsystem = \"{}\"\nprofile = \"{profile}\"\n\
             ## Whether the profile's client does wrong what it does wrong by itself.\nhazards = true\nseed = 1\n\
             ## How long faults may happen, and how long what is due may take then, ms.\nrun_ms = 600_000\n\
             settle_ms = 300_000\n",
            S::NAME
        );
        KEYS.iter().for_each(|one| commented(&mut text, one));
        for replica in 0..replicas {
            text.push_str("\n[[replica]]\n");
            if replica == 0 {
                REPLICA.iter().for_each(|one| commented(&mut text, one));
            }
        }
        let _ = write!(
            text,
            "\n## A key that there is not is refused, and all that there are are named.\n[settings]\ndesign = \"{design}\"\n"
        );
        text.push_str("\n[faults]\n");
        FAULTS.iter().for_each(|one| commented(&mut text, one));
        let acceptance = S::acceptance().and_then(|command| toml::Value::try_from(command).ok());
        let command = acceptance.map_or_else(|| "\"accept\"".to_owned(), |command| command.to_string());
        for choice in &CHOICES {
            remark(&mut text, choice.says);
            let toml = choice.toml.replace("COMMAND", &command);
            for line in ["[[at]]", "ms = 60_000"].into_iter().chain(toml.lines()) {
                let _ = writeln!(text, "# {line}");
            }
        }
        text.push_str("\n[expect]\n");
        let first = checkers::<S>().next().map_or("", |checker| checker.name);
        for one in &EXPECT {
            remark(&mut text, one.says);
            let _ = writeln!(text, "# {}", one.toml.replace("CHECKER", first));
        }
        remark(&mut text, "The checkers:");
        for checker in checkers::<S>() {
            remark(&mut text, &format!("{}: {}", checker.name, checker.about));
        }
        Ok(text)
    }
}

fn named(design: &str) -> Design {
    if design == "published" { Design::Published } else { Design::Hardened }
}

/// A comment for people.
fn remark(text: &mut String, says: &str) {
    let mut line = "##".to_owned();
    for word in says.split_whitespace() {
        if line.len() + 1 + word.len() > WIDE {
            let _ = writeln!(text, "{line}");
            "##".clone_into(&mut line);
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(text, "{line}");
}

/// A remark, and under it what is written once its comment sign is taken away.
fn commented(text: &mut String, example: &Example) {
    remark(text, example.says);
    for line in example.toml.lines() {
        let _ = writeln!(text, "# {line}");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use cloudchamber_folder::scenario::{Faults, Scenario};
    use cloudchamber_folder::systems::BuiltIn;
    use cloudchamber_folder::systems::journal::JournalSystem;
    use cloudchamber_folder::world::ChoiceOf;

    use super::*;

    fn begin(system: &str) -> String {
        let begin = Begin { system, design: "hardened", profile: "icloud", replicas: 3 };
        skeleton::<BuiltIn>(&begin).unwrap()
    }

    /// A text with everything in force that stands in comments, but for what contradicts itself.
    fn in_force(text: &str) -> String {
        let line = |line: &str| match line.strip_prefix("# ") {
            Some(said) if !said.starts_with("violates") && !said.starts_with("may_violate") => {
                said.to_owned()
            }
            _ => line.to_owned(),
        };
        text.lines().map(|one| line(one) + "\n").collect()
    }

    #[test]
    fn what_is_written_is_a_scenario_of_each_system_with_and_without_its_comments() {
        struct Parsed(String);
        impl Work for Parsed {
            type Output = Result<usize, Failure>;
            fn on<S: System>(self) -> Self::Output {
                Ok(Scenario::<S>::parse(Path::new("new.toml"), &self.0)?.at.len())
            }
        }
        for system in BuiltIn::NAMES {
            let text = begin(system);
            assert_eq!(with_system::<BuiltIn, _, _>(system, Parsed(text.clone())).unwrap(), 0);
            let count = with_system::<BuiltIn, _, _>(system, Parsed(in_force(&text)));
            assert_eq!(count.unwrap(), CHOICES.len(), "{system}");
        }
        assert!(
            skeleton::<BuiltIn>(&Begin { system: "journal", design: "hardened", profile: "x", replicas: 1 })
                .is_err()
        );
    }

    /// The scenario of journals with one example in it.
    fn with(fault: &str, choice: &str) -> Scenario<JournalSystem> {
        let file = "shared/machines/machine-a/messages.jsonl";
        let text = format!(
            "system = 'journal'\nprofile = 'icloud'\nhazards = true\nrun_ms = 600000\nreplica = [{{}}, {{}}]\n\
             [settings]\nappend_every_ms = 5000\n[faults]\n{fault}\n{}",
            choice.replace("FILE", file).replace("COMMAND", "'accept'")
        );
        Scenario::parse(Path::new("example.toml"), &text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    #[test]
    fn each_example_runs_and_every_fault_and_choice_has_one() {
        let unknown = toml::from_str::<Faults>("nothing = 1").unwrap_err();
        // Files of failover call a whim `activate`.
        let names = unknown.message().split('`').skip(3).step_by(2).filter(|name| *name != "activate");
        for name in names {
            assert!(fault(name).is_some(), "there is no example of {name}");
        }
        for fault in &FAULTS {
            assert!(!with(fault.toml, "").faults.is_none(), "{}", fault.toml);
            assert_eq!(cloudchamber_sim::run(&with(fault.toml, ""), false).outcome.at_ms, 600_000);
        }
        let (mut named, mut refused) = (Vec::new(), BTreeSet::new());
        for choice in &CHOICES {
            let scenario = with("", &format!("[[at]]\nms = 60_000\n{}", choice.toml));
            let value = serde_json::to_value(&scenario.at[0].choice).unwrap();
            let name = value["do"].as_str().unwrap().to_owned();
            let run = cloudchamber_sim::run(&scenario, true);
            assert_eq!(run.outcome.at_ms, 600_000);
            // A process that is to die in the middle of an op does so at its next one.
            let is_it = |ms: u64, other: &serde_json::Value| {
                other["do"] == value["do"]
                    && other["replica"] == value["replica"]
                    && (ms == 60_000 || name == "crash")
            };
            let mut choices = run.trace.unwrap().choices.into_iter();
            if !choices.any(|at| is_it(at.ms, &serde_json::to_value(&at.choice).unwrap())) {
                refused.insert(name.clone());
            }
            named.push(name);
        }
        // These need something to have happened first, or a moment at which a process is about to do just that.
        let later = [
            "apply", "fail", "fetch", "open", "reply", "restore", "serve", "timer", "upload", "wake", "wipe",
        ];
        assert_eq!(refused, later.map(str::to_owned).into());
        // What happens outside the folder is each system's own; journals have nothing there.
        named.push("act".into());
        let unknown = serde_json::from_str::<ChoiceOf<JournalSystem>>(r#"{"do":"nothing"}"#).unwrap_err();
        let told = unknown.to_string();
        let all = told.split('`').skip(3).step_by(2);
        for name in all {
            assert!(named.iter().any(|one| one == name), "there is no example of {name}");
        }
    }

    #[test]
    fn the_documentation_has_each_example() {
        let page = include_str!("../../../docs/scenarios.md");
        let folded = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let page = folded(page);
        for example in FAULTS.iter().chain(&CHOICES) {
            assert!(page.contains(&folded(example.toml)), "{}", example.toml);
        }
    }
}
