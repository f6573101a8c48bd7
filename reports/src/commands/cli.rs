//! What can be written on the command line.

use std::ffi::OsString;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser as _, ValueParser};
use clap::{ArgMatches, Args, Command as Line, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use cloudchamber_core::Design;
use cloudchamber_folder::shrink::REPLAYS_MAX;
use cloudchamber_folder::systems::Systems;
use cloudchamber_folder::trace::COMMIT;
use cloudchamber_host::throughput::Load;
use cloudchamber_model::notecove::{ActivityMode, Config, Numbering};

use crate::commands::catalogue::CatalogueArgs;
use crate::commands::explore::ExploreArgs;
use crate::commands::hunt::HuntArgs;
use crate::commands::live::LiveArgs;
use crate::commands::moment::MomentArgs;
use crate::commands::mutants::MutantsArgs;
use crate::commands::replay::ReplayArgs;
use crate::commands::runs::RunsArgs;
use crate::commands::scenario::ScenarioCommand;
use crate::commands::values::{designs, jobs, time};

/// The version with the commit that it was built from.
static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{} (commit {COMMIT})", env!("CARGO_PKG_VERSION")));

/// Tests coordination and merge in folders that sync clients copy, and reports what it found.
///
/// Exit status: 0 as expected, 1 a property was violated or an expectation missed, 2 usage or unreadable input.
#[derive(Debug, Parser)]
#[command(name = "cloudchamber", version, after_help = "Example: cloudchamber check --quick")]
pub(crate) struct Cli {
    /// Prints one JSON document on standard output, and nothing else there.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measures how long a failover takes, beside the bound that no detector can beat, and how fast journals,
    /// entities and notes are.
    #[command(after_help = "Example: cloudchamber bench failover --profile icloud --seeds 500")]
    Bench {
        #[command(subcommand)]
        what: Bench,
    },
    /// Finds every known flaw of the published designs without the scenario that was made for it: by random seeds, or in a
    /// bounded model.
    ///
    /// Each flaw names the narrowest swarm that shows it: no more faults are on than it takes.
    #[command(after_help = "Example: cloudchamber catalogue --only C2 --seeds 200")]
    Catalogue(CatalogueArgs),
    /// The main job: every scenario, every regression, a swarm per profile, the tables; leaves a report.
    ///
    /// Published designs are expected to fail in the stated ways, hardened ones to hold.
    #[command(after_help = "Example: cloudchamber check --quick --out target/cloudchamber")]
    Check(CheckArgs),
    /// What the documents claim beside what was measured.
    #[command(after_help = "Example: cloudchamber claims --seeds 1000")]
    Claims(ClaimsArgs),
    /// Lets runs begin where others came to something new, instead of each at the beginning.
    ///
    /// What takes three rare things in a row, a swarm meets once in as many runs as the product of the three. Here the
    /// moment at which a run came to something that none had come to before is kept, and many others go on from it, with
    /// other delays, faults and orders. New is a kind of event, alone, after the event before it, or after a fault.
    #[command(after_help = "Example: cloudchamber explore --system failover --policy majority --runs 2000")]
    Explore(ExploreArgs),
    /// Looks for whatever the hardened designs violate, in scenarios, quick models and swarms. Only properties count.
    #[command(after_help = "Example: cloudchamber hunt --system failover --seeds 1000")]
    Hunt(HuntArgs),
    /// Copies real directories among each other as a provider's client would, with its faults: a sync client for tests
    /// of any program.
    ///
    /// Each directory is the folder of one machine. What a program does in one arrives in the others by the provider's
    /// rules and delays, drawn from the seed. What goes wrong by itself is as rare as the profile says; `live ctl` and
    /// scripts make more of it happen. Reads cannot be made to wait without a mount, of which there is none: an evicted
    /// file is one that takes no room, or a stub.
    #[command(
        after_help = "Example: cloudchamber live --profile dropbox --seed 7 --speed 20 A B C -- sh counter.sh A B C"
    )]
    Live(LiveArgs),
    /// Makes one report of several: shards of a swarm, or of a check.
    #[command(after_help = "Example: cloudchamber merge shard-1.json shard-2.json -o whole.json")]
    Merge {
        /// Reports that `swarm --json` or `check` wrote.
        #[arg(required = true, value_name = "REPORT.json")]
        reports: Vec<PathBuf>,
        /// Where the whole report goes.
        #[arg(short, long, value_name = "REPORT.json")]
        output: PathBuf,
    },
    /// Shows two traces side by side: the first choice in which they differ, and from where on a replica tells
    /// something else.
    ///
    /// Runs with other delays differ in every choice and may come to the same. So each replica's words are compared with
    /// its own in the other trace, times left aside.
    #[command(after_help = "Example: cloudchamber compare seed-7.jsonl seed-8.jsonl")]
    Compare {
        /// A trace.
        one: PathBuf,
        /// Another one of the same system.
        other: PathBuf,
    },
    /// Explores all that can happen in a small world, instead of drawing some of it.
    #[command(after_help = "Example: cloudchamber model check failover --design published")]
    Model {
        #[command(subcommand)]
        what: Model,
    },
    /// Finds when a failing run became likely to fail, and what happened then.
    ///
    /// The run is played again up to several moments, and from each on with many other futures: what was under way ends
    /// as it did, and delays, orders, faults and what people do are drawn anew. Where the share of the futures that fail
    /// in the same way jumps, there it went wrong.
    #[command(
        after_help = "Example: cloudchamber moment scenarios/failover/c01-split-by-delay.toml --futures 100"
    )]
    Moment(MomentArgs),
    /// Plants small faults into a copy of the sources, and shows for each which property fell.
    ///
    /// The faults are in `scenarios/mutants`. One build serves for all; a fault that survives needs a checker, a
    /// scenario or a sentence why nobody could be hurt.
    #[command(after_help = "Example: cloudchamber mutants --system journal --only flush")]
    Mutants(MutantsArgs),
    /// Takes a trace's choices one by one in a fresh world, and compares how it ends. Or asks, with `--observed`, whether
    /// the folder model allows what real folders were seen to hold.
    #[command(
        after_help = "Example: cloudchamber replay target/cloudchamber/traces/failover/c01-split-by-delay.jsonl\n         \
                      cloudchamber replay --observed laptop.jsonl server.jsonl --profile syncthing"
    )]
    Replay(ReplayArgs),
    /// Runs one scenario file and judges its expectation.
    #[command(
        after_help = "Example: cloudchamber run scenarios/failover/c01-split-by-delay.toml --seed 7 --trace run.jsonl"
    )]
    Run {
        /// The scenario.
        #[arg(value_name = "SCENARIO.toml")]
        scenario: PathBuf,
        /// Another seed than the file's.
        #[arg(long)]
        seed: Option<u64>,
        /// Where to write the trace, for `replay` and `shrink`.
        #[arg(long, value_name = "FILE")]
        trace: Option<PathBuf>,
    },
    /// Explains a scenario file in words, or writes one to begin with.
    #[command(after_help = "Example: cloudchamber scenario new --system journal -o mine.toml")]
    Scenario {
        #[command(subcommand)]
        what: ScenarioCommand,
    },
    /// Finds the fewest faults, replicas and steps of a trace that still fail in the same way.
    ///
    /// First the trace's scenario is run again with fewer faults and replicas; then choices are left out of the trace
    /// as long as the same checker is violated. What is written is a trace that `replay` takes. Of a checker that asks
    /// for something that is due, only what has come to rest can be shrunk choice by choice, since any trace of which
    /// enough is left out would violate it; otherwise only the scenario is made smaller.
    #[command(
        after_help = "Example: cloudchamber shrink target/cloudchamber/traces/failover/c01-split-by-delay.jsonl -o small.jsonl"
    )]
    Shrink(ShrinkArgs),
    /// Runs many seeds, each with a configuration of its own drawing.
    #[command(
        after_help = "Example: cloudchamber swarm --system failover --design published --profile icloud \
                            --seeds 0..1000 --fault sleep=off"
    )]
    Swarm(SwarmArgs),
    /// Draws a trace as one self-contained page.
    #[command(
        after_help = "Example: cloudchamber timeline target/cloudchamber/traces/failover/c01-split-by-delay.jsonl -o run.html"
    )]
    Timeline {
        /// The trace.
        file: PathBuf,
        /// Where the page goes.
        #[arg(short, long, value_name = "PAGE.html")]
        output: PathBuf,
    },
}

#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// Fewer seeds (100 of each swarm, and not 2,000) and only quick models: some minutes on two cores.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only this system.
    #[arg(long)]
    pub(crate) system: Option<String>,
    /// How many seeds each swarm gets.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seeds: Option<u64>,
    /// Only the I-th of N parts, counted from 1; `merge` makes one report of them.
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub(crate) shard: Option<(u64, u64)>,
    /// How many runs go on side by side; as many as there are cores where it is absent.
    #[arg(long, value_name = "N", value_parser = jobs)]
    pub(crate) jobs: Option<usize>,
    /// Where the report and the traces go.
    #[arg(long, value_name = "DIR", default_value = "target/cloudchamber")]
    pub(crate) out: PathBuf,
    /// Where the scenarios are; found upwards from the current directory where it is absent.
    #[arg(long, value_name = "DIR")]
    pub(crate) scenarios: Option<PathBuf>,
    /// Stops after the part in which something is not as expected.
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// Says only what is not as expected, and how it came out.
    #[arg(long)]
    pub(crate) quiet: bool,
    /// Where to write the results as JUnit XML, for a server that builds.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Says what is not as expected as GitHub annotates it.
    #[arg(long)]
    pub(crate) github: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ClaimsArgs {
    /// Only of this system's documents; of all where it is absent.
    #[arg(long)]
    pub(crate) system: Option<String>,
    /// Only this provider; all where it is absent.
    #[arg(long)]
    pub(crate) profile: Option<String>,
    /// How many seeds each measurement gets.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seeds: Option<u64>,
    /// How many runs go on side by side; as many as there are cores where it is absent.
    #[arg(long, value_name = "N", value_parser = jobs)]
    pub(crate) jobs: Option<usize>,
    /// Where the scenarios of the measurements go.
    #[arg(long, value_name = "DIR", default_value = "target/cloudchamber")]
    pub(crate) out: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct ShrinkArgs {
    /// A trace: of a run, of a swarm, a model counterexample.
    pub(crate) file: PathBuf,
    /// Where the shrunk trace goes; beside the trace where it is absent, `x.jsonl` as `x.shrunk.jsonl`.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Whose violation is to stay; where it is absent, the first one that the scenario does not expect,
    /// or else that it does.
    #[arg(long, value_name = "NAME")]
    pub(crate) checker: Option<String>,
    /// How many replays it may take.
    #[arg(long, value_name = "N", default_value_t = REPLAYS_MAX, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) replays: u64,
}

#[derive(Args, Debug)]
pub(crate) struct SwarmArgs {
    #[command(flatten)]
    pub(crate) runs: RunsArgs,
    /// The seeds, the last one excluded; N stands for 0..N.
    #[arg(long, value_name = "A..B", value_parser = seeds, default_value = "0..1000")]
    pub(crate) seeds: Range<u64>,
    /// Only the I-th of N equal parts of the seeds, counted from 1.
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub(crate) shard: Option<(u64, u64)>,
    /// Goes on to the last seed, or to the end of the time that `--for` gives, also after one that fails.
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// Runs seeds from the first one on for so long, such as 90s, 10m or 2h, however many that are.
    #[arg(long = "for", value_name = "TIME", value_parser = time, conflicts_with = "shard")]
    pub(crate) for_time: Option<Duration>,
    /// Says only how it came out, and what failed.
    #[arg(long)]
    pub(crate) quiet: bool,
    /// Every how many seeds one runs twice and its trace hashes are compared; 0 for none.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) recheck: u64,
    /// Where to write the trace of the first seed that fails, for `replay` and `shrink`.
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Failover times, overlaps, mistakes and writes, beside the bound.
    ///
    /// Three replicas, one event at a random moment after all has settled, no other fault and no hazard: the active
    /// replica dies, its machine falls asleep, or a person makes another one active. Measured until exactly one is
    /// active and every replica in reach names it.
    #[command(after_help = "Example: cloudchamber bench failover --profile syncthing --design published")]
    Failover(BenchArgs),
    /// How fast journals are read, merged and rebuilt into SQLite, beside SQLite alone, and the memory that takes.
    ///
    /// The journals are made up, in a temporary directory: of a hundred events 90 messages, 5 edits, 5 reactions and
    /// a deletion in place of every hundredth. Each stage is measured once, by the wall clock and by the processor
    /// time of all threads; where the machine does other work, the latter and the ratios within one run say
    /// something.
    #[command(after_help = "Example: cloudchamber bench journal --events 200000")]
    Journal(JournalBenchArgs),
    /// How fast entities are merged, beside automerge and yrs, and synced, beside one whole file.
    ///
    /// The entities are made up: a hundred thousand for the merges, of which two replicas edited a tenth, and ten
    /// thousand for the syncs, of which ten changed. Each is done once, in a temporary directory; what the comparison
    /// compares stands above the table.
    #[command(after_help = "Example: cloudchamber bench delta --quick")]
    Delta(ThroughputArgs),
    /// How fast notes are loaded, beside yrs alone, and found among many.
    ///
    /// A note of a hundred thousand records that four instances typed, and a folder of ten thousand notes of which ten
    /// are new. Each is done once, in a temporary directory; what the comparison compares stands above the table.
    #[command(after_help = "Example: cloudchamber bench notes --quick")]
    Notes(ThroughputArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ThroughputArgs {
    /// A twentieth of it: some seconds.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Where bench-delta.json and bench-delta.html, or bench-notes, go; nowhere where it is absent.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct JournalBenchArgs {
    /// How many events there are in all; a million where it is absent.
    #[arg(long, value_name = "N", value_parser = events)]
    pub(crate) events: Option<usize>,
    /// How many machines have written them.
    #[arg(long, value_name = "N", value_parser = machines, default_value_t = Load::MILLION.machines)]
    pub(crate) machines: usize,
    /// A few events only: some seconds.
    #[arg(long, conflicts_with = "events")]
    pub(crate) quick: bool,
    /// Where bench-journal.json and bench-journal.html go; nowhere where it is absent.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct BenchArgs {
    /// Only this provider; with it come the curves for other heartbeats and time-outs. All where it is absent.
    #[arg(long)]
    pub(crate) profile: Option<String>,
    /// Only this design; both where it is absent.
    #[arg(long, value_parser = designs())]
    pub(crate) design: Option<Design>,
    /// Only this policy of the hardened design, available or majority; both where it is absent.
    #[arg(long, value_name = "NAME")]
    pub(crate) policy: Option<String>,
    /// How many seeds each kind of event gets, the same ones for every provider and design.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seeds: Option<u64>,
    /// Some seeds only, and no curves.
    #[arg(long, conflicts_with = "seeds")]
    pub(crate) quick: bool,
    /// How many runs go on side by side; as many as there are cores where it is absent.
    #[arg(long, value_name = "N", value_parser = jobs)]
    pub(crate) jobs: Option<usize>,
    /// Where bench.json and bench.html go; nowhere where it is absent.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Model {
    /// Checks bounded models: those of the scenarios' directory, or one file.
    #[command(
        after_help = "Example: cloudchamber model check failover --design published --export found.jsonl"
    )]
    Check(ModelArgs),
    /// Serves a model to a browser.
    #[command(after_help = "Example: cloudchamber model explore failover --port 3000")]
    Explore {
        /// Which system.
        system: String,
        /// The model file; the first quick one of the system where it is absent.
        #[arg(long, value_name = "FILE")]
        bounds: Option<PathBuf>,
        /// On which port.
        #[arg(long, default_value_t = 3000)]
        port: u16,
    },
    /// Counts the states of NoteCove's own specification and looks at its invariants.
    ///
    /// Without constants it does so for all that TLC has counted, and compares. With some of them it takes the others
    /// as the specification comes: two replicas, one note, three updates, a log of 5, append.
    #[command(after_help = "Example: cloudchamber model spec --replicas 2 --notes 2 --updates 1")]
    Spec(SpecArgs),
}

#[derive(Args, Debug)]
pub(crate) struct SpecArgs {
    #[command(flatten)]
    pub(crate) constants: Constants,
    /// Only those that take a few seconds.
    #[arg(long, conflicts_with = "constants")]
    pub(crate) quick: bool,
    /// Tells the runs that show what the specification does not say, and counts nothing.
    #[arg(long, conflicts_with_all = ["constants", "quick", "threads", "states_max"])]
    pub(crate) weaknesses: bool,
    /// By how many threads they are counted; with more than one the depth may be more than it is.
    #[arg(long, value_name = "N", value_parser = jobs, default_value = "1")]
    pub(crate) threads: usize,
    /// Stops after so many generated states.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) states_max: Option<u64>,
}

/// The constants of NoteCove's specification.
#[derive(Args, Debug)]
#[group(id = "constants", multiple = true)]
pub(crate) struct Constants {
    /// How many replicas there are (Node).
    #[arg(long, value_name = "N")]
    pub(crate) replicas: Option<u8>,
    /// How many notes there are (NoteId).
    #[arg(long, value_name = "N")]
    pub(crate) notes: Option<u8>,
    /// How many updates are written (MaxUpdates).
    #[arg(long, value_name = "N")]
    pub(crate) updates: Option<u8>,
    /// Above how many entries an activity log may be compacted, to half as many (MaxLogSize).
    #[arg(long, value_name = "N")]
    pub(crate) log: Option<u8>,
    /// How an entry gets into an activity log (ActivityMode): append or replace.
    #[arg(long, value_name = "MODE", value_parser = activity())]
    pub(crate) activity: Option<ActivityMode>,
    /// The first version of the specification, which deletes nothing.
    #[arg(long)]
    pub(crate) no_deletions: bool,
    /// Numbers begin at 1 again after a restart, as in NoteCove before its commit 090d951: an invariant is violated.
    #[arg(long)]
    pub(crate) numbers_from_one: bool,
}

impl Constants {
    /// What was asked for; `None` if nothing was.
    pub(crate) fn config(&self) -> Option<Config> {
        let Self { replicas, notes, updates, log, activity, no_deletions, numbers_from_one } = *self;
        let config = Config {
            replicas: replicas.unwrap_or(Config::DEFAULT.replicas),
            notes: notes.unwrap_or(Config::DEFAULT.notes),
            updates_max: updates.unwrap_or(Config::DEFAULT.updates_max),
            log_max: log.unwrap_or(Config::DEFAULT.log_max),
            activity: activity.unwrap_or(Config::DEFAULT.activity),
            deletions: !no_deletions,
            numbering: if numbers_from_one { Numbering::FromOne } else { Numbering::FromLog },
        };
        let numbers = [replicas, notes, updates, log];
        let asked =
            numbers.iter().any(Option::is_some) || activity.is_some() || no_deletions || numbers_from_one;
        asked.then_some(config)
    }
}

#[derive(Args, Debug)]
pub(crate) struct ModelArgs {
    /// Which system.
    pub(crate) system: String,
    /// Only models of this design; of both where it is absent.
    #[arg(long, value_parser = designs())]
    pub(crate) design: Option<Design>,
    /// Only models of this variant of the design; of all where it is absent.
    #[arg(long, value_name = "NAME")]
    pub(crate) policy: Option<String>,
    /// Only this model file, whatever design it is of.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["design", "policy", "quick"])]
    pub(crate) bounds: Option<PathBuf>,
    /// Only models that take a few seconds.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Where the first counterexample goes, as a trace that `replay` takes.
    #[arg(long, value_name = "FILE")]
    pub(crate) export: Option<PathBuf>,
    /// By how many threads each model is explored; more than one may report a longer way to a violation.
    #[arg(long, value_name = "N", value_parser = jobs, default_value = "1")]
    pub(crate) threads: usize,
}

impl Cli {
    /// Reads a command line that may name the systems of a list.
    ///
    /// # Errors
    /// What clap says of it.
    pub(crate) fn read<L: Systems>(
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, clap::Error> {
        let mut line = line::<L>();
        let matches: ArgMatches = line.try_get_matches_from_mut(arguments)?;
        Self::from_arg_matches(&matches).map_err(|error| error.format(&mut line))
    }
}

/// The command line, with the systems of a list wherever one is asked for.
fn line<L: Systems>() -> Line {
    fn name(line: Line, systems: &'static [&'static str]) -> Line {
        let asks = line.get_arguments().any(|arg| arg.get_id() == "system");
        let line = match asks {
            true => line.mut_arg("system", |arg| arg.value_parser(PossibleValuesParser::new(systems))),
            false => line,
        };
        line.mut_subcommands(|line| name(line, systems))
    }
    name(Cli::command().version(&**VERSION), L::NAMES)
}

fn activity() -> ValueParser {
    let modes = [ActivityMode::Append, ActivityMode::Replace];
    PossibleValuesParser::new(modes.map(ActivityMode::text))
        .map(move |name| {
            *modes.iter().find(|mode| mode.text() == name).expect("only the modes' names are let through")
        })
        .into()
}

fn events(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(events @ 1_000..=20_000_000) => Ok(events),
        _ => Err("write a number of events from 1000 to 20000000".into()),
    }
}

fn machines(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(machines @ 1..=100) => Ok(machines),
        _ => Err("write a number of machines from 1 to 100".into()),
    }
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").unwrap_or(("0", text));
    let range = from.parse().ok().zip(to.parse().ok()).map(|(from, to)| from..to);
    range.filter(|range: &Range<u64>| !range.is_empty()).ok_or_else(|| {
        "write two numbers, the first seed and the one after the last, such as 0..1000, or how many there are".into()
    })
}

fn shard(text: &str) -> Result<(u64, u64), String> {
    let parts = text.split_once('/').and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
    parts
        .filter(|(part, of)| (1..=*of).contains(part))
        .ok_or_else(|| "write which part of how many, counted from 1, such as 2/4".into())
}

#[cfg(test)]
mod tests {
    use cloudchamber_folder::systems::BuiltIn;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        line::<BuiltIn>().debug_assert();
    }

    #[test]
    fn every_level_of_help_has_an_example() {
        fn look(command: &clap::Command) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let group = command.has_subcommands();
            assert!(group || help.starts_with("Example: cloudchamber "), "{}: {help:?}", command.get_name());
            command.get_subcommands().for_each(look);
        }
        look(&Cli::command());
    }

    #[test]
    fn examples_name_files_that_are_there() {
        fn look(command: &clap::Command, named: &mut Vec<String>) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            named
                .extend(help.split_whitespace().filter(|word| word.contains("failover/")).map(str::to_owned));
            command.get_subcommands().for_each(|command| look(command, named));
        }
        let mut named = Vec::new();
        look(&Cli::command(), &mut named);
        assert_eq!(named.len(), 6, "{named:?}");
        for file in named {
            // The traces are those that a check leaves of the scenarios.
            let scenario =
                file.replace("target/cloudchamber/traces/", "scenarios/").replace(".jsonl", ".toml");
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(&scenario);
            assert!(path.is_file(), "{file}: there is no {scenario}");
        }
    }

    #[test]
    fn ranges_and_shards() {
        assert_eq!(seeds("3..7"), Ok(3..7));
        assert_eq!(seeds("150"), Ok(0..150));
        for bad in ["", "0", "-3", "..", "3..", "..3", "7..3", "3..3", "a..b", "-1..2", "1..=2"] {
            assert!(seeds(bad).is_err(), "{bad}");
        }
        assert_eq!(shard("2/4"), Ok((2, 4)));
        for bad in ["0/4", "5/4", "1/0", "1", "a/b"] {
            assert!(shard(bad).is_err(), "{bad}");
        }
    }
}
