//! What was measured, as a table for people: no line is longer than 100 characters.

use std::collections::BTreeMap;

use super::clock::Known;
use super::results::{Arrivals, Removals, Results, Way};
use super::stats::Spread;

/// The lines of the table.
pub(super) fn table(results: &Results) -> Vec<String> {
    let mut lines = Vec::new();
    for (from, to, between) in &results.clocks {
        lines.push(match between.known {
            Known::Same => format!("clocks: {from} and {to} have the same one"),
            _ if between.error_us() > 1_000_000_000_000 => {
                format!("clocks: {from} and {to} may be apart by anything: files came one way only")
            }
            _ => {
                let offset = between.at(i64::MAX);
                format!(
                    "clocks: {to} is {} ahead of {from}, known within {}: times of one way are as uncertain",
                    time(offset.ahead_us),
                    time(between.error_us())
                )
            }
        });
    }
    results.ways.iter().for_each(|way| of_way(way, &mut lines));
    of_conflicts(results, &mut lines);
    let left_out = ["steps", "hot", "batch", "mixed", "large", "conflict"];
    let left_out: Vec<&str> =
        left_out.into_iter().filter(|phase| !results.phases.iter().any(|done| done == phase)).collect();
    if !left_out.is_empty() {
        lines.push(format!("not measured, for the time was over: {}", left_out.join(", ")));
    }
    lines.iter().flat_map(|line| wrapped(line)).collect()
}

/// Parts of a line that are not too long.
fn wrapped(line: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in line.split(' ') {
        let last = lines.last().map_or(0, |last| last.chars().count());
        if last > 0 && last + 1 + word.chars().count() > 100 {
            lines.push(format!("{:24}{word}", ""));
        } else if let Some(last) = lines.last_mut() {
            if !last.is_empty() || word.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}

/// A time for people.
fn time(us: i64) -> String {
    let (sign, us) = if us < 0 { ("-", us.saturating_neg()) } else { ("", us) };
    match us {
        0..1_000 => format!("{sign}{}.{} ms", us / 1_000, us % 1_000 / 100),
        1_000..10_000_000 => format!("{sign}{} ms", (us + 500) / 1_000),
        _ => format!("{sign}{}.{} s", us / 1_000_000, us % 1_000_000 / 100_000),
    }
}

fn of_way(way: &Way, lines: &mut Vec<String>) {
    lines.push(String::new());
    let head = format!("{} -> {}", way.from, way.to);
    lines.push(format!(
        "{head:28} {:>5} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "n", "least", "median", "p90", "p99", "most"
    ));
    let spread = |what: &str, spread: Option<Spread>| {
        let Some(spread) = spread else { return format!("  {what:26} {:>5}   not measured", 0) };
        let or_few = |us: Option<i64>| us.map_or_else(|| "-".to_owned(), time);
        format!(
            "  {what:26} {:>5} {:>10} {:>10} {:>10} {:>10} {:>10}",
            spread.n,
            time(spread.min_us),
            time(spread.median_us),
            or_few(spread.p90_us),
            or_few(spread.p99_us),
            time(spread.max_us)
        )
    };
    lines.push(spread("new file", way.new));
    lines.push(spread("replaced by rename", way.replaced));
    lines.push(spread("rewritten in place", way.rewritten));
    lines.push(spread("appended to", way.appended));
    lines.push(spread("removed", way.removed));
    for (file, of) in &way.large {
        lines.push(spread(file, Some(*of)));
    }
    if way.small.gap.is_some() {
        lines.push(spread("name gone, by notices", way.small.gap));
    }
    if let Some(hot) = way.hot {
        lines.push(format!(
            "  written every second: {} of {} versions seen, the first after {}, what was seen up to {} old",
            hot.seen,
            hot.written,
            time(hot.first_us),
            time(hot.oldest_us)
        ));
    }
    if let Some(batch) = way.batch {
        lines.push(format!(
            "  {} of {} files written at once came after {} to {}; pairs out of order: {} % by writing, {} % by name",
            batch.arrived,
            batch.written,
            time(batch.first_us),
            time(batch.last_us),
            batch.against_writing_percent,
            batch.against_names_percent
        ));
    }
    if let Some(removals) = way.removals {
        let order = match removals {
            Removals::Among => "among them",
            Removals::First => "before them",
            Removals::Last => "after them",
        };
        lines.push(format!("  removals made together with new files come {order}"));
    }
    if way.not_removed > 0 {
        lines.push(format!("  {} files that were removed were still there, or there again", way.not_removed));
    }
    lines.push(arrivals("small files", &way.small));
    lines.push(arrivals("large files", &way.large_arrivals));
    if way.appended_broken.prefix > 0 {
        lines.push(format!("  a file that is appended to was torn {} times", way.appended_broken.prefix));
    }
    of_names(way, lines);
}

fn arrivals(what: &str, arrivals: &Arrivals) -> String {
    let visible = arrivals.visible.map_or_else(
        || "it is not known how".to_owned(),
        |visible| {
            serde_json::to_value(visible).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
        },
    );
    let broken = &arrivals.broken;
    let seen = [
        ("missing", broken.missing),
        ("empty", broken.empty),
        ("half", broken.prefix),
        ("mixed", broken.mixed),
        ("NUL", broken.nul),
        ("blocked", broken.blocked),
    ];
    let seen: Vec<String> =
        seen.into_iter().filter(|(_, n)| *n > 0).map(|(what, n)| format!("{what} {n}")).collect();
    let seen = if seen.is_empty() { "never anything but whole".to_owned() } else { seen.join(", ") };
    format!("  {what}: {visible}, {} versions of {} files: {seen}", arrivals.versions, arrivals.files)
}

fn of_names(way: &Way, lines: &mut Vec<String>) {
    let mtime = way.mtime.and_then(|mtime| serde_json::to_value(mtime).ok());
    if let Some(mtime) = mtime {
        let late =
            if way.mtime_is_late && mtime.is_object() { ", set after the file could be seen" } else { "" };
        let text = mtime.as_str().map_or_else(|| mtime.to_string(), str::to_owned);
        lines.push(format!("  time of modification: {}{late}", text.replace(['{', '}', '"'], "")));
    }
    if !way.temporary.is_empty() {
        let names: Vec<&str> = way.temporary.iter().map(|(name, _)| &**name).take(4).collect();
        lines.push(format!("  temporary names: {}", names.join(", ")));
    }
    if !way.strange.is_empty() {
        let names: Vec<&str> = way.strange.iter().map(String::as_str).take(4).collect();
        lines.push(format!("  {} files that nobody wrote: {}", way.strange.len(), names.join(", ")));
    }
    let odd: Vec<String> = way
        .odd
        .iter()
        .filter(|(_, came)| came != "same")
        .map(|(what, came)| format!("{what}: {came}"))
        .collect();
    if !odd.is_empty() {
        lines.push(format!("  not as written: {}", odd.join("; ")));
    }
    if way.missing > 0 {
        lines.push(format!(
            "  {} of {} files had not come when nothing more was waited for",
            way.missing, way.of
        ));
    }
}

fn of_conflicts(results: &Results, lines: &mut Vec<String>) {
    if results.conflicts.all.is_empty() {
        return;
    }
    lines.push(String::new());
    lines.push("two write at once:".to_owned());
    for conflict in &results.conflicts.all {
        if !conflict.is_concurrent {
            lines.push(format!("  {}: not measured: one had already seen the other's", conflict.file));
            continue;
        }
        let names = |left: &BTreeMap<String, Vec<String>>| {
            let names = left.iter().map(|(name, whose)| format!("{name} has {}'s", whose.join("'s and ")));
            let names: Vec<String> = names.collect();
            if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
        };
        let sides: std::collections::BTreeSet<String> = conflict.left.values().map(names).collect();
        let left = if sides.len() == 1 {
            sides.into_iter().next().unwrap_or_default()
        } else {
            let sides = conflict.left.iter().map(|(name, left)| format!("at {name}: {}", names(left)));
            sides.collect::<Vec<_>>().join("; ")
        };
        lines.push(format!("  {}, {} first: {left}", conflict.file, conflict.earlier));
    }
}
