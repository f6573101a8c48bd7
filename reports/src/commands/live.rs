//! `live`: real directories, copied among each other; `live ctl`: what is asked of a run while it goes on.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use cloudchamber_live::{End, FILE_BYTES_MAX, Options, ask, script};

use crate::commands::values::time;
use crate::failure::{Failure, Verdict};
use crate::files;

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct LiveArgs {
    /// The directories, one a machine: a, b, c and so on. They are empty, or `--adopt` is given.
    #[arg(required = true, num_args = 2.., value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Whose client is played.
    #[arg(long, required = true)]
    profile: Option<String>,
    /// What everything random follows from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many seconds of the folder's time go by in one of ours.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    speed: u64,
    /// What happens when: `[[at]]` tables with `ms`, `do`, `replica`, `path`.
    #[arg(long, value_name = "FILE.toml")]
    script: Option<PathBuf>,
    /// Where the run goes as a trace when it has ended, for `timeline` and `replay --story`. Its directory
    /// has to be there.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Where everything is kept that must not get lost, outside the directories and best on their disk; a run that was
    /// killed goes on from it. `.cloudchamber-live` beside the first directory where it is absent.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Takes directories that are not empty as they are: their files go to all others.
    #[arg(long)]
    adopt: bool,
    /// Ends when all has arrived and nobody has changed anything for two seconds. 1 if the directories differ then.
    #[arg(long)]
    until_quiet: bool,
    /// Ends after so long, such as 90s, 10m or 2h.
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    for_time: Option<Duration>,
    /// Nothing goes wrong by itself, whatever the profile says.
    #[arg(long)]
    no_hazards: bool,
    /// The longest file that travels, bytes.
    #[arg(long, value_name = "BYTES", default_value_t = FILE_BYTES_MAX)]
    file_max: u64,
    /// A program that is run meanwhile. When it has ended the run ends as with `--until-quiet`.
    #[arg(last = true, value_name = "COMMAND")]
    program: Vec<OsString>,
    #[command(subcommand)]
    what: Option<LiveCommand>,
}

#[derive(Debug, Subcommand)]
enum LiveCommand {
    /// Asks a run that goes on for something, and prints one line of JSON when that is done. 1 if it could not be done.
    ///
    /// offline B, online B, sleep B, wake B: the machine. conflict B/FILE: its client waits until the file was changed
    /// there and elsewhere. evict B/FILE, fetch B/FILE: the bytes leave the disk, and come back. arrive B/FILE
    /// whole|empty|nul|gap|stub|PERCENT: what is on its way becomes visible now, so. lose B/FILE: it is removed, for all.
    /// older B/FILE: its last version comes back, for all. keep B, restore B[/FILE]: a backup. forget B: the client forgets
    /// what it had synced. reset: machines are online and awake. quiet: nothing goes wrong any more, and all arrives.
    /// list: how all stand.
    #[command(after_help = "Example: cloudchamber live ctl A offline B")]
    Ctl {
        /// The run's --state directory; where it was given none, one of its directories.
        dir: PathBuf,
        /// What to do.
        #[arg(required = true, trailing_var_arg = true)]
        words: Vec<String>,
    },
}

/// Copies directories until that is over, or asks something of a run that goes on.
pub(crate) fn run(args: LiveArgs, json: bool) -> Result<Verdict, Failure> {
    if let Some(LiveCommand::Ctl { dir, words }) = &args.what {
        let answer = ask(dir, words).map_err(|error| Failure::new(error.to_string()))?;
        files::print(&format!("{answer}\n"));
        return Ok(Verdict::of(answer["ok"] == true));
    }
    if let Some(file) = &args.record {
        refuse_nowhere(file)?;
    }
    let read = |file: &PathBuf| {
        let text = files::read(file)?;
        script(file, &text, &args.folders).map_err(|error| Failure::new(error.to_string()))
    };
    let script = args.script.as_ref().map_or(Ok(vec![]), read)?;
    let options = Options {
        profile: args.profile.unwrap_or_default(),
        seed: args.seed,
        hazards: !args.no_hazards,
        folders: args.folders,
        state: args.state,
        speed: args.speed,
        adopt: args.adopt,
        file_bytes_max: args.file_max,
        script,
        until_quiet: args.until_quiet,
        for_time: args.for_time,
        program: args.program,
        output_is_taken: json,
    };
    let has_to_be_well = options.until_quiet || !options.program.is_empty();
    let end = cloudchamber_live::run(&options, &mut |line| eprintln!("cloudchamber: {line}"));
    let End { summary, trace } = end.map_err(|error| Failure::new(error.to_string()))?;
    if let Some(file) = &args.record {
        files::write(file, &trace.to_text())?;
    }
    if json {
        files::print(&files::to_json(&summary));
    } else {
        files::print(&summary.to_string());
        if let Some(file) = &args.record {
            let (file, page) = (file.display(), file.with_extension("html"));
            let page = page.display();
            files::print(&format!(
                "  {file}: `cloudchamber timeline {file} -o {page}` draws it, `replay {file} --story` tells it\n"
            ));
        }
    }
    Ok(Verdict::of(!has_to_be_well || summary.is_well()))
}

/// Refuses a file whose directory is not there, before anything is done whose trace would go into it.
fn refuse_nowhere(file: &Path) -> Result<(), Failure> {
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let why = match (dir.is_dir(), file.is_dir()) {
        (true, false) => return Ok(()),
        (true, true) => "it is a directory",
        (false, _) => "the directory that it is to lie in is not there",
    };
    Err(Failure::new(format!("{}: {why}; give --record a file that can be written", file.display())))
}
