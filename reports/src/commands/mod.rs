//! The commands, one module each: arguments in, a job, its report shown, a verdict out.
//!
//! [`cli`] says what can be written on the command line.

mod bench;
mod catalogue;
mod check;
mod claims;
pub(crate) mod cli;
mod compare;
mod explore;
mod hunt;
mod live;
mod merge;
mod model;
mod moment;
mod mutants;
mod replay;
mod run;
mod runs;
mod scenario;
mod shrink;
mod specification;
mod swarm;
mod timeline;
mod values;

use cloudchamber_folder::systems::Systems;

use crate::commands::cli::{Bench, Cli, Command, Model};
use crate::failure::{Failure, Verdict};
use crate::jobs::throughput;

/// Does what the command line asks.
///
/// # Errors
/// Where it cannot be done, as opposed to done with a bad result.
pub(crate) fn run<L: Systems>(cli: Cli) -> Result<Verdict, Failure> {
    let json = cli.json;
    match cli.command {
        Command::Bench { what: Bench::Failover(args) } => bench::run(&args, json),
        Command::Bench { what: Bench::Journal(args) } => bench::journal(&args, json),
        Command::Bench { what: Bench::Delta(args) } => {
            bench::throughput(&args, "delta", throughput::delta, json)
        }
        Command::Bench { what: Bench::Notes(args) } => {
            bench::throughput(&args, "notes", throughput::notes, json)
        }
        Command::Catalogue(args) => catalogue::run::<L>(&args, json),
        Command::Check(args) => check::run::<L>(&args, json),
        Command::Explore(args) => explore::run::<L>(&args, json),
        Command::Hunt(args) => hunt::run::<L>(&args, json),
        Command::Live(args) => live::run(args, json),
        Command::Mutants(args) => mutants::run(&args, json),
        Command::Merge { reports, output } => merge::run(&reports, &output, json),
        Command::Compare { one, other } => compare::run::<L>([one, other], json),
        Command::Moment(args) => moment::run::<L>(&args, json),
        Command::Scenario { what } => scenario::run::<L>(&what, json),
        Command::Replay(args) => replay::run::<L>(&args, json),
        Command::Run { scenario, seed, trace } => run::run::<L>(&scenario, seed, trace.as_deref(), json),
        Command::Swarm(args) => swarm::run::<L>(&args, json),
        Command::Claims(args) => claims::run(&args, json),
        Command::Model { what: Model::Check(args) } => model::check::<L>(&args, json),
        Command::Model { what: Model::Explore { system, bounds, port } } => {
            model::explore::<L>(&system, bounds.as_deref(), port)
        }
        Command::Model { what: Model::Spec(args) } => specification::run(&args, json),
        Command::Shrink(args) => shrink::run::<L>(&args, json),
        Command::Timeline { file, output } => timeline::run::<L>(&file, &output, json),
    }
}
