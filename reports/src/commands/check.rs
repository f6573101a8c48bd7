//! `check`: the main job.

use cloudchamber_folder::systems::Systems;

use crate::commands::cli::CheckArgs;
use crate::failure::{Failure, Verdict};
use crate::files;
use crate::jobs::check::{Order, check};
use crate::jobs::out::Out;
use crate::jobs::workers;
use crate::show::{ci, html, text};

/// Checks everything and leaves the report.
pub(crate) fn run<L: Systems>(args: &CheckArgs, json: bool) -> Result<Verdict, Failure> {
    let scenarios = files::scenarios_dir(args.scenarios.as_deref())?;
    let out = Out { dir: &args.out, draw: html::timeline_page };
    let CheckArgs { quick, seeds, fail_fast, shard, .. } = *args;
    let system = args.system.as_deref();
    let jobs = workers(args.jobs);
    let order = Order { quick, system, seeds, jobs, scenarios: &scenarios, fail_fast, shard };
    let report = check::<L>(order, &out)?;
    let data = files::to_json(&report);
    out.write("report.json", &data)?;
    out.write("report.html", &html::page(&report))?;
    if let Some(file) = &args.junit {
        files::write(file, &ci::junit(&report))?;
    }
    if json {
        files::print(&data);
        return Ok(Verdict::of(report.ok));
    }
    files::print(&if args.quiet { text::check::quiet(&report) } else { text::check::text(&report) });
    if args.github {
        files::print(&ci::github(&report));
    }
    if !args.quiet {
        files::print(&format!("      {}\n", out.path("report.html").display()));
    }
    Ok(Verdict::of(report.ok))
}
