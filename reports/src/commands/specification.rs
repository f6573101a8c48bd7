//! `model spec`: NoteCove's own specification.

use cloudchamber_model::notecove::Weakness;

use crate::commands::cli::SpecArgs;
use crate::failure::{Failure, Verdict};
use crate::files;
use crate::jobs::specification;
use crate::show::text;

/// Counts states, or tells weaknesses.
pub(crate) fn run(args: &SpecArgs, json: bool) -> Result<Verdict, Failure> {
    if args.weaknesses {
        tell(json);
        return Ok(Verdict::AsExpected);
    }
    let configs = match args.constants.config() {
        Some(config) => vec![config],
        None => specification::rows(args.quick),
    };
    let states_max = args.states_max.map(|most| usize::try_from(most).unwrap_or(usize::MAX));
    let several = configs.len() > 1;
    let mut reports = Vec::new();
    for config in configs {
        let mut report = specification::check(config, args.threads, states_max)?;
        if several {
            // Memory that one search leaves is there for the next.
            report.model.bytes_per_state = None;
        }
        if !json {
            files::print(&text::specification::text(&report));
        }
        reports.push(report);
    }
    if json {
        files::print(&files::to_json(&reports));
    }
    Ok(Verdict::of(reports.iter().all(|report| report.model.ok)))
}

fn tell(json: bool) {
    if json {
        return files::print(&files::to_json(&Weakness::ALL));
    }
    for (number, weakness) in (1..).zip(&Weakness::ALL) {
        files::print(&text::specification::weakness(number, weakness));
    }
}
