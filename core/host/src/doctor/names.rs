//! What the names of files and directories say, and their times.

use std::collections::BTreeMap;

use cloudchamber_core::kit::clients::{client_of_mark, is_litter, unfinished};
use cloudchamber_core::kit::portable::{ONEDRIVE_PATH_MAX, refusals};
use cloudchamber_core::kit::stub::stub_of;

use super::walk::{Item, Tree, What};
use super::{Finding, Kind};
use crate::clock;

/// A time that is further ahead than this many ms is a clock's mistake.
const AHEAD_MS: i64 = 24 * 3_600_000;
/// Clocks that were never set begin at the beginning of one of these years (1970, 1980, 2000, 2001), in ms since 1970.
const BEGINNINGS_MS: [i64; 4] = [0, 315_532_800_000, 946_684_800_000, 978_307_200_000];
/// How long after its beginning a clock that was never set is taken for one, in ms.
const UNSET_MS: i64 = 2 * 24 * 3_600_000;
/// Archives that are made alike every time give all their files one of the first seconds.
const ARCHIVED_MS: i64 = 10_000;

pub(super) fn look(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    let now = clock::now().wall.0;
    for items in tree.dirs.values() {
        clashes(items, &mut found);
        for item in items.iter().filter(|item| !is_litter(item.name())) {
            name(item, &mut found);
            time(item, now, &mut found);
            match item.what {
                What::LinkOut => found.push(Finding::of(Kind::LinkOut, &item.path, target(item))),
                What::Link => found.push(Finding::of(Kind::Link, &item.path, target(item))),
                What::Special => found.push(Finding::of(Kind::Special, &item.path, "")),
                What::Dir | What::File => {}
            }
        }
    }
    found
}

fn target(item: &Item) -> String {
    std::fs::read_link(&item.real).map_or_else(|_| String::new(), |to| format!("to {}", to.display()))
}

fn name(item: &Item, found: &mut Vec<Finding>) {
    let name = item.name();
    if !item.is_utf8 {
        found.push(Finding::of(Kind::NotUtf8, &item.path, ""));
        return;
    }
    if unfinished(name).is_some() || stub_of(name, item.len).is_some() || client_of_mark(name).is_some() {
        return;
    }
    let refused = refusals(name);
    if !refused.is_empty() {
        let said: Vec<_> = refused.iter().map(|of| format!("not for {}: {}", of.by, of.why)).collect();
        found.push(Finding::of(Kind::UnportableName, &item.path, said.join("; ")));
    } else if item.what == What::File && item.path.chars().count() > ONEDRIVE_PATH_MAX {
        let detail = format!("not for OneDrive: its path has over {ONEDRIVE_PATH_MAX} characters");
        found.push(Finding::of(Kind::UnportableName, &item.path, detail));
    }
}

/// Names that differ in case alone.
fn clashes(items: &[Item], found: &mut Vec<Finding>) {
    let mut folded: BTreeMap<String, &Item> = BTreeMap::new();
    for item in items {
        match folded.get(&item.name().to_lowercase()) {
            Some(other) => {
                for (one, other) in [(item, *other), (*other, item)] {
                    found.push(Finding::of(Kind::CaseClash, &one.path, format!("beside {}", other.name())));
                }
            }
            None => drop(folded.insert(item.name().to_lowercase(), item)),
        }
    }
}

fn time(item: &Item, now: i64, found: &mut Vec<Finding>) {
    if item.what != What::File {
        return;
    }
    let ahead = item.modified_ms.saturating_sub(now);
    if ahead > AHEAD_MS {
        let detail =
            format!("changed at {}, {} days from now", clock::utc(item.modified_ms), ahead / 86_400_000);
        found.push(Finding::of(Kind::ClockAhead, &item.path, detail));
    } else if BEGINNINGS_MS
        .iter()
        .any(|&begin| (begin + ARCHIVED_MS..begin + UNSET_MS).contains(&item.modified_ms))
    {
        found.push(Finding::of(
            Kind::ClockBehind,
            &item.path,
            format!("changed at {}", clock::utc(item.modified_ms)),
        ));
    }
}
