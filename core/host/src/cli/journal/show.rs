//! `journal show`.

use std::process::ExitCode;

use cloudchamber_core::journal::Design;
use cloudchamber_core::journal::clock::Hybrid;
use cloudchamber_core::journal::folder::Folder;
use cloudchamber_core::journal::identity::identity;
use cloudchamber_core::journal::merge::merge;
use cloudchamber_core::journal::problem::Problem;
use cloudchamber_core::journal::schema::Field;
use cloudchamber_core::journal::show::Shown;
use serde_json::Value;

use super::super::{print_json, say};
use super::place::Place;
use super::rebuild::note;
use super::{report, tell_lost};

pub(super) fn run(place: &Place, design: Design) -> anyhow::Result<ExitCode> {
    let roots = place.looking()?;
    let folder = Folder::read(&roots.fs, &design);
    let (shown, found, clock) = shown(&folder, &design);
    if identity(&roots.fs).is_ok() {
        // Whatever is appended from now on comes after what was shown.
        note(&roots, clock)?;
    }
    report(&found);
    tell_lost(&roots.fs, &folder.owners);
    if place.json {
        print_json(&shown);
    } else {
        people(&folder, &design);
    }
    Ok(ExitCode::SUCCESS)
}

/// What the journals of a folder say: as JSON, what is wrong with them, and the largest clock.
pub(super) fn shown(folder: &Folder, design: &Design) -> (Value, Vec<Problem>, Hybrid) {
    folder.with_sources(design, |sources| {
        let mut view = merge(design, sources);
        folder.complete(design, sources, &mut view);
        let json = Shown { design, sources, view: &view }.json();
        (json, view.problems, view.clock)
    })
}

/// The messages as a person reads them: names with their machine only where that tells something.
fn people(folder: &Folder, design: &Design) {
    folder.with_sources(design, |sources| {
        let view = merge(design, sources);
        let shown = Shown { design, sources, view: &view };
        let origins = shown.origins();
        for message in &view.messages {
            let agent = shown.text(message.created, Field::FromAgent).unwrap_or_default();
            let name = origins.displayed(&agent, &shown.origin(message.created));
            if !say(&format!("[{}] {name}: {}", shown.home(message), shown.body(message))) {
                return;
            }
        }
        say(&format!(
            "{} messages, {} threads, {} questions, {} reactions",
            view.messages.len(),
            view.threads.len(),
            view.questions.len(),
            view.reactions.len()
        ));
    });
}
