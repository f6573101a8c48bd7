//! `journal verify`.

use std::process::ExitCode;

use cloudchamber_core::journal::Design;
use cloudchamber_core::journal::claims::{Lost, Owners, claim_path};
use cloudchamber_core::journal::folder::Folder;
use cloudchamber_core::journal::problem::ProblemKind;
use cloudchamber_core::journal::verify::{sequences, verify};
use cloudchamber_core::kit::claims::Claim;
use cloudchamber_core::{Path, Root};
use cloudchamber_host::{Lock, clock};
use serde_json::{Value, json};

use super::super::{print_json, say, verdict};
use super::place::Place;
use super::{problems, tell_lost};

pub(super) fn run(place: &Place) -> anyhow::Result<ExitCode> {
    let roots = place.looking()?;
    // Nothing is made where nothing was: then nobody writes there either.
    let writes = roots.local.join("lock").is_file();
    let _lock = if writes { Some(Lock::wait(&roots.local)?) } else { None };
    let design = Design::HARDENED;
    let folder = Folder::read(&roots.fs, &design);
    let found = verify(&roots.fs, &design, &folder, clock::now().wall);
    let (marks, _) = folder.with_sources(&design, sequences);
    tell_lost(&roots.fs, &folder.owners);
    if place.json {
        let marks = marks.iter().map(|mark| {
            let (contiguous, max) = (mark.numbers.contiguous(), mark.numbers.max());
            json!({ "machine": mark.machine, "contiguous": contiguous, "max": max, "numbered": mark.numbered })
        });
        print_json(&json!({
            "ok": found.is_empty(),
            "files": folder.files.len(),
            "machines": marks.collect::<Value>(),
            "owners": owners(&folder.owners),
            "problems": problems(&found),
        }));
    } else {
        for problem in &found {
            // Why the system refused, such as a link that leads out of the folder.
            let refused = problem.kind == ProblemKind::Unreadable;
            let path = refused.then(|| Path::new(Root::Shared, &problem.file).ok()).flatten();
            let why = path.and_then(|path| roots.fs.explain(&path));
            let why = why.map_or_else(String::new, |why| format!(" ({why})"));
            say(&format!("{problem}{why}: {}", problem.kind.advice()));
        }
        for Lost { name, claim, winner, moved, .. } in folder.owners.lost() {
            let now = moved.map_or("has not heard of it".to_owned(), |moved| format!("is {moved} now"));
            say(&format!("{name} belongs to {}; {} chose it too, and {now}", winner.nonce, claim.nonce));
        }
        say(&format!("{} files, {} problems", folder.files.len(), found.len()));
    }
    Ok(verdict(!found.is_empty()))
}

/// Every claim, and whether it holds.
fn owners(owners: &Owners) -> Value {
    let lost: Vec<_> = owners.lost().collect();
    let row = |(name, claim, id): (&str, Claim, &str)| {
        let lost = lost.iter().find(|lost| lost.claim == claim && lost.id == id);
        json!({
            "machine": name,
            "owner": claim.nonce.to_string(),
            "since": claim.since,
            "file": claim_path(claim, id).name(),
            "holds": lost.is_none(),
            "moved": lost.and_then(|lost| lost.moved),
        })
    };
    owners.claims().map(row).collect()
}
