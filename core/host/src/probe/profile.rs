//! What was measured, as a profile: what could not be measured keeps what the nearest profile says, and is marked.

use std::collections::BTreeSet;
use std::fmt::Write;

use anyhow::bail;
use cloudchamber_core::kit::names::{Client, copy_of};
use toml::{Table, Value};

use super::conflict::{Delete, Edit};
use super::results::{MtimeOf, Removals, Results, Visible, Way};
use super::stats::chance;
use super::wire::Broken;

/// The profiles that another can be near to: name and text.
const NEAR: [(&str, &str); 9] = [
    ("dropbox", include_str!("../../../../scenarios/profiles/dropbox.toml")),
    ("gdrive", include_str!("../../../../scenarios/profiles/gdrive.toml")),
    ("git", include_str!("../../../../scenarios/profiles/git.toml")),
    ("icloud", include_str!("../../../../scenarios/profiles/icloud.toml")),
    ("onedrive", include_str!("../../../../scenarios/profiles/onedrive.toml")),
    ("perfect", include_str!("../../../../scenarios/profiles/perfect.toml")),
    ("rclone", include_str!("../../../../scenarios/profiles/rclone.toml")),
    ("syncthing", include_str!("../../../../scenarios/profiles/syncthing.toml")),
    ("unison", include_str!("../../../../scenarios/profiles/unison.toml")),
];

/// The profile that is nearest to a client: the one that is named, or the one whose name is in the client's, or `perfect`.
///
/// # Errors
/// If one is named that there is not.
pub(super) fn near(like: Option<&str>, client: &str) -> anyhow::Result<&'static str> {
    let client = client.to_lowercase().replace(' ', "");
    let client = client.replace("googledrive", "gdrive");
    let found = NEAR.iter().find(|(name, _)| client.contains(name)).map_or("perfect", |(name, _)| name);
    let wanted = like.unwrap_or(found);
    let Some((_, text)) = NEAR.iter().find(|(name, _)| *name == wanted) else {
        let names: Vec<&str> = NEAR.iter().map(|(name, _)| *name).collect();
        bail!(
            "what cannot be measured is taken from the profile that is nearest, and `{wanted}` names none: give one of {} \
             with --like",
            names.join(", ")
        );
    };
    Ok(text)
}

/// Up to how many of a hundred pairs may come in another order: some files travel beside each other.
const ORDERED_PERCENT_MAX: u64 = 10;
/// From how many removals on their median is compared with that of new files.
const LAG_FROM: usize = 5;

/// A profile in the making.
struct Draft<'a> {
    table: Table,
    measured: BTreeSet<String>,
    origin: &'a str,
}

impl Draft<'_> {
    fn tagged(&mut self, key: &str, value: Value, tag: &str, source: String) {
        let mut entry = Table::new();
        entry.insert("value".to_owned(), value);
        entry.insert("tag".to_owned(), tag.into());
        entry.insert("source".to_owned(), source.into());
        let (path, name) = key.rsplit_once('.').unwrap_or(("", key));
        let mut table = &mut self.table;
        for part in path.split('.') {
            let below = table.entry(part).or_insert_with(|| Table::new().into());
            let Some(below) = below.as_table_mut() else { return };
            table = below;
        }
        table.insert(name.to_owned(), entry.into());
        self.measured.insert(key.to_owned());
    }

    fn set(&mut self, key: &str, value: impl Into<Value>, how: &str) {
        self.tagged(key, value.into(), "measured", format!("{}: {how}", self.origin));
    }

    /// What has to be so where others were measured: a judgement.
    fn follow(&mut self, key: &str, value: impl Into<Value>, from: &str) {
        self.tagged(key, value.into(), "assumed", from.to_owned());
    }

    fn text(&self, key: &str) -> &str {
        let mut value = self.table.get(key.split('.').next().unwrap_or_default());
        for part in key.split('.').skip(1) {
            value = value.and_then(|value| value.get(part));
        }
        value.and_then(|value| value.get("value")).and_then(Value::as_str).unwrap_or_default()
    }

    /// A range of times.
    fn range(&mut self, key: &str, (min_us, max_us): (i64, i64), how: &str) {
        self.drop_delay(key);
        self.set(&format!("{key}.min_ms"), ms(min_us), how);
        self.set(&format!("{key}.max_ms"), ms(max_us).max(ms(min_us)), how);
    }

    fn drop_delay(&mut self, key: &str) {
        let (path, name) = key.rsplit_once('.').unwrap_or(("", key));
        if let Some(table) = self.table.get_mut(path).and_then(Value::as_table_mut) {
            table.insert(name.to_owned(), Table::new().into());
        }
    }
}

/// Rounded; never below 0.
fn ms(us: i64) -> i64 {
    (us.max(0) + 500) / 1_000
}

/// Writes a profile. `origin` says which client was measured, when, and where.
pub(super) fn profile(
    results: &Results,
    name: &str,
    about: &str,
    origin: &str,
    near: &str,
) -> anyhow::Result<String> {
    let mut draft = Draft { table: near.parse()?, measured: BTreeSet::new(), origin };
    rules(&mut draft, results);
    timing(&mut draft, results);
    hazards(&mut draft, results);
    Ok(written(&draft, name, about))
}

/// What every way says; None if they differ, or none says anything.
fn all<T: PartialEq>(ways: &[Way], of: impl Fn(&Way) -> Option<T>) -> Option<T> {
    let mut said = ways.iter().filter_map(of);
    let first = said.next()?;
    said.all(|other| other == first).then_some(first)
}

fn rules(draft: &mut Draft<'_>, results: &Results) {
    let conflicts = &results.conflicts;
    let mut copies =
        conflicts.copies.iter().flat_map(|(file, names)| names.iter().map(move |name| (file, name)));
    // rclone 1.60 has another form than later ones, which a profile has no word for.
    let is_other = |name: &str| name.contains("..path");
    let naming = copies.find_map(|(file, name)| {
        let naming = naming(copy_of(name, file)?.by)?;
        (!is_other(name)).then_some((naming, name))
    });
    if let Some((naming, name)) = naming {
        draft.set("rules.conflict_naming", naming, &format!("a copy was called {name}"));
    }
    let edit = conflicts.edit.and_then(|edit| match edit {
        Edit::OlderIsCopied => {
            Some(("older-mtime-is-copied", "the newer edit kept the name, whoever made it"))
        }
        Edit::NewerIsCopied => {
            Some(("later-saved-is-copied", "the older edit kept the name, whoever made it"))
        }
        Edit::Merged => Some(("merge-markers", "both texts were in one file")),
        Edit::EachKeeps => Some(("each-keeps", "each side kept its own")),
        Edit::OneIsGone => Some(("loser-invisible", "one of the two texts was in no file")),
        Edit::BothAreCopied => Some(("both-are-copied", "both edits took other names")),
        Edit::OneIsCopied | Edit::Differs => None,
    });
    if let Some((value, how)) = edit {
        draft.set("rules.edit_conflict", value, how);
    }
    if conflicts.create.is_some() && conflicts.create == conflicts.edit && edit.is_some() {
        draft.set(
            "rules.create_conflict",
            "same-as-edit",
            "two files created under one name ended as two edits did",
        );
    }
    let delete = conflicts.delete.and_then(|delete| match delete {
        Delete::EditWins => Some(("edit-wins", "the file stayed, also where it was removed later")),
        Delete::RemovalWins => Some(("delete-wins", "the file went, also where it was edited later")),
        Delete::NewerWins => {
            Some(("newer-wins", "it stayed where it was edited later, and went where it was removed later"))
        }
        Delete::EachKeeps => Some(("each-keeps", "it was gone on one side and there on the other")),
        Delete::Differs => None,
    });
    if let Some((value, how)) = delete {
        draft.set("rules.delete_conflict", value, how);
    }
    match all(&results.ways, |way| way.mtime) {
        Some(MtimeOf::Kept { granularity_ms }) => {
            let granularity_ms = i64::try_from(granularity_ms).unwrap_or(1);
            let kept = Table::from_iter([("granularity_ms".to_owned(), Value::from(granularity_ms))]);
            let late = match results.ways.iter().any(|way| way.mtime_is_late) {
                true => "the writer's, set after the file could be seen",
                false => "the writer's, from the first look on",
            };
            draft.set("rules.mtime", Table::from_iter([("kept".to_owned(), kept.into())]), late);
        }
        Some(MtimeOf::Arrival) => draft.set("rules.mtime", "arrival", "the time of arrival"),
        Some(MtimeOf::Other) | None => {}
    }
    visible(draft, results);
}

fn visible(draft: &mut Draft<'_>, results: &Results) {
    let Some(visible) = all(&results.ways, |way| way.small.visible) else { return };
    let value = match visible {
        Visible::InPlace => "in-place",
        Visible::UnlinkAndCreate => "unlink-and-create",
        Visible::TempAndRename => "temp-and-rename",
        Visible::UnlinkThenRename => "unlink-then-rename",
    };
    let versions: u64 = results.ways.iter().map(|way| way.small.versions).sum();
    draft.set("rules.visible", value, &format!("what the system told of {versions} versions"));
    let gathers = matches!(visible, Visible::TempAndRename | Visible::UnlinkThenRename);
    let names: Vec<&(String, String)> = results.ways.iter().flat_map(|way| &way.temporary).collect();
    let known = |by: &str| match by {
        "Syncthing" => Some("syncthing"),
        "rclone" => Some("partial"),
        "Unison" => Some("unison"),
        _ => None,
    };
    let temporary = names.iter().find_map(|(name, by)| Some((known(by)?, name)));
    match temporary {
        Some((value, name)) if gathers => {
            draft.set("rules.temporary", value, &format!("a name such as {name} was there for a while"));
        }
        _ if names.is_empty() || !gathers => {
            draft.set("rules.temporary", "none", "no other name was there for a while");
        }
        _ => {}
    }
    if draft.text("rules.temporary") == "none" {
        draft.follow(
            "hazards.beside",
            "0",
            "there is no temporary file beside the file: see rules.temporary",
        );
    }
}

fn naming(by: Client) -> Option<&'static str> {
    Some(match by {
        Client::Dropbox => "dropbox",
        Client::GDrive => "gdrive",
        Client::ICloud => "icloud",
        Client::OneDrive => "onedrive",
        Client::Rclone => "rclone",
        Client::Syncthing => "syncthing",
        _ => return None,
    })
}

fn timing(draft: &mut Draft<'_>, results: &Results) {
    delays(draft, results);
    let batches: Vec<_> =
        results.ways.iter().filter_map(|way| way.batch).filter(|batch| batch.arrived > 9).collect();
    if let Some(largest) = batches.iter().map(|batch| batch.against_names_percent).max() {
        let files: u64 = batches.iter().map(|batch| batch.arrived).sum();
        let is_as_written = batches.iter().all(|batch| batch.against_writing_percent <= ORDERED_PERCENT_MAX);
        let how = format!("of {files} files, up to {largest} % of the pairs against their names");
        match largest {
            0..=ORDERED_PERCENT_MAX => draft.set("timing.batch_order", "sorted", &how),
            // In the order of writing, which a profile cannot say.
            _ if is_as_written => {}
            _ => draft.set("timing.batch_order", "random", &how),
        }
        let each = |batch: &super::results::Batch| {
            (batch.last_us - batch.first_us) / i64::try_from(batch.arrived - 1).unwrap_or(1)
        };
        let each_us = batches.iter().map(each).max().unwrap_or(0);
        draft.set(
            "timing.bulk_ms_per_file",
            ms(each_us),
            &format!("{files} files that were written at one instant"),
        );
    }
    if let Some(removals) = all(&results.ways, |way| way.removals) {
        let value = match removals {
            Removals::Among => "among",
            Removals::First => "first",
            Removals::Last => "last",
        };
        draft.set("timing.removals", value, "4 removals and 5 new files at one instant");
    }
    let is_enough = |way: &&Way| way.removed.is_some_and(|removed| removed.n >= LAG_FROM);
    let lag = |way: &Way| Some((way.removed?.median_us - way.new?.median_us, way.removed?.n));
    if let Some((lag_us, n)) = results.ways.iter().filter(is_enough).filter_map(lag).max() {
        draft.set(
            "timing.removal_lag_ms",
            ms(lag_us),
            &format!("the median of {n} removals less that of new files"),
        );
    }
    let gap = |way: &Way| way.small.gap.or(way.large_arrivals.gap);
    let gaps: Vec<_> = results.ways.iter().filter_map(gap).collect();
    if let (Some(min), Some(max)) =
        (gaps.iter().map(|gap| gap.min_us).min(), gaps.iter().map(|gap| gap.max_us).max())
    {
        let n: usize = gaps.iter().map(|gap| gap.n).sum();
        draft.range("timing.gap", (min, max), &format!("least and most of {n}"));
    }
    let notices: Vec<_> = results.ways.iter().filter_map(|way| way.notice).collect();
    if let Some(max) = notices.iter().map(|notice| notice.max_us).max() {
        let min = notices.iter().map(|notice| notice.min_us).min().unwrap_or(0);
        let n: usize = notices.iter().map(|notice| notice.n).sum();
        draft.range(
            "timing.watch",
            (min, max),
            &format!("least and most of {n}, after a look that showed the file"),
        );
    }
}

/// A probe sees whole ways: what of one is waiting for the file to come to rest shows only where a file never does.
fn delays(draft: &mut Draft<'_>, results: &Results) {
    let Some(idle) = results.idle else { return };
    let error_us = results.ways.iter().map(|way| way.error_us).max().unwrap_or(0);
    let n = idle.n;
    let hot = results.ways.iter().filter_map(|way| way.hot);
    let hot_us = hot.map(|hot| hot.oldest_us).max();
    let rest_us = match hot_us {
        Some(hot_us) if hot_us > idle.max_us.max(0) * 2 + 2_000_000 => {
            let rest_us = idle.min_us.max(0);
            let fixed = Table::from_iter([("ms".to_owned(), Value::from(ms(rest_us)))]);
            let how =
                format!("the least of {n} writes into an idle folder; a file that never rests is held back");
            draft.set("timing.debounce", Table::from_iter([("fixed".to_owned(), fixed.into())]), &how);
            let how = "the oldest that a file rewritten every second was at a reader";
            draft.set("timing.hot_file_ms", ms(hot_us).max(ms(rest_us)), how);
            rest_us
        }
        Some(hot_us) => {
            let how = format!("a file rewritten every second was at most {} ms old at a reader", ms(hot_us));
            draft.set("timing.debounce", "none", &how);
            draft.set("timing.hot_file_ms", 0, &how);
            0
        }
        None => {
            let from = "it is in timing.delay, which was measured as a whole";
            draft.follow("timing.debounce", "none", from);
            draft.follow("timing.hot_file_ms", 0, from);
            0
        }
    };
    draft.follow("timing.delay_split", "down", "a probe sees whole ways, and not their parts");
    let said = match error_us {
        0 => String::new(),
        _ if error_us > 1_000_000_000_000 => " (no way back was seen, so the clocks may be apart)".to_owned(),
        _ => format!(" (clocks known within {} ms)", ms(error_us)),
    };
    let beyond = if rest_us > 0 { ", beyond timing.debounce" } else { "" };
    match idle.p99_us.filter(|_| idle.median_us - rest_us >= 1_000) {
        Some(p99_us) => {
            draft.drop_delay("timing.delay");
            let how = format!("median of {n} writes into an idle folder{beyond}{said}");
            draft.set("timing.delay.median_ms", ms(idle.median_us - rest_us), &how);
            let how = format!("99th percentile of {n} writes into an idle folder{beyond}{said}");
            draft.set("timing.delay.p99_ms", ms(p99_us - rest_us), &how);
        }
        None => {
            let how = format!(
                "least and most of {n} writes into an idle folder, median {} ms{beyond}{said}",
                ms(idle.median_us - rest_us)
            );
            draft.range("timing.delay", (idle.min_us - rest_us, idle.max_us - rest_us), &how);
        }
    }
}

fn hazards(draft: &mut Draft<'_>, results: &Results) {
    let mut broken = Broken::default();
    let mut of = 0;
    for arrivals in results.ways.iter().flat_map(|way| [&way.small, &way.large_arrivals]) {
        broken += arrivals.broken;
        of += arrivals.versions;
    }
    if of == 0 {
        return;
    }
    let how = format!("looks every 3 ms at {of} versions of 200 bytes to the largest");
    draft.set("hazards.empty", chance(broken.empty, of), &how);
    draft.set("hazards.nul", chance(broken.nul, of), &how);
    draft.set("hazards.prefix", chance(broken.prefix + broken.mixed, of), &how);
    match draft.text("rules.visible") {
        "unlink-and-create" | "unlink-then-rename" => {
            draft.set("hazards.gap", chance(broken.missing, of), &how);
        }
        _ => draft.follow("hazards.gap", "0", "the name is never unlinked: see rules.visible"),
    }
}

/// The text of a profile, as the built-in ones are written.
fn written(draft: &Draft<'_>, name: &str, about: &str) -> String {
    let mut text = format!("name = {}\nabout = {}\n", Value::from(name), Value::from(about));
    let mut sections = vec![("rules".to_owned(), &draft.table["rules"])];
    sections.push(("timing".to_owned(), &draft.table["timing"]));
    let below = draft.table["timing"].as_table().into_iter().flatten();
    let below = below.filter(|(_, value)| value.get("value").is_none());
    sections.extend(below.map(|(key, value)| (format!("timing.{key}"), value)));
    sections.push(("hazards".to_owned(), &draft.table["hazards"]));
    for (section, table) in sections {
        // Writing into a text does not fail.
        let _ = write!(text, "\n[{section}]\n");
        for (key, entry) in table.as_table().into_iter().flatten() {
            let part = |part: &str| entry.get(part).map(Value::to_string);
            let (Some(value), Some(tag), Some(source)) = (part("value"), part("tag"), part("source")) else {
                continue;
            };
            let is_measured = draft.measured.contains(&format!("{section}.{key}"));
            let mark = if is_measured { "" } else { " # not measured" };
            let _ = writeln!(text, "{key} = {{ value = {value}, tag = {tag}, source = {source} }}{mark}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::conflict::Conflicts;
    use super::super::stats::Spread;
    use super::*;

    fn of(idle: &[i64]) -> Results {
        let idle = Spread::of(idle.to_vec());
        Results { clocks: vec![], idle, ways: vec![], conflicts: Conflicts::default(), phases: vec![] }
    }

    fn lines(results: &Results) -> Vec<String> {
        let near = near(None, "Syncthing 9").unwrap();
        let text = profile(results, "mine", "about", "Syncthing 9, probe", near).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn line(lines: &[String], section: &str, key: &str) -> String {
        let below = lines.iter().skip_while(|line| **line != format!("[{section}]"));
        let mut below = below.skip(1).take_while(|line| !line.starts_with('['));
        below.find(|line| line.starts_with(&format!("{key} = "))).cloned().unwrap_or_default()
    }

    #[test]
    fn what_was_not_measured_keeps_what_the_nearest_says_and_is_marked() {
        let lines = lines(&of(&[]));
        let delay = line(&lines, "timing.delay", "median_ms");
        assert!(delay.contains("value = 5, tag = \"measured\", source = \"Syncthing 1.19.2"), "{delay}");
        assert!(
            lines.iter().filter(|line| line.contains("{ value")).all(|line| line.ends_with("# not measured"))
        );
    }

    #[test]
    fn a_few_samples_are_a_range_and_many_have_percentiles() {
        let few = lines(&of(&[1_000_000, 3_000_000]));
        let most = line(&few, "timing.delay", "max_ms");
        assert!(
            most.starts_with("max_ms = { value = 3000, tag = \"measured\", source = \"Syncthing 9, probe: "),
            "{most}"
        );
        assert_eq!(line(&few, "timing.delay", "p99_ms"), "");
        // Whether a file that never rests is held back was not tried.
        assert!(line(&few, "timing", "debounce").contains("value = \"none\", tag = \"assumed\""));
        let samples: Vec<i64> = (1..=400).map(|n| n * 10_000).collect();
        let many = lines(&of(&samples));
        assert!(line(&many, "timing.delay", "median_ms").contains("value = 2000,"));
        assert!(line(&many, "timing.delay", "p99_ms").contains("value = 3960,"));
        assert_eq!(line(&many, "timing.delay", "max_ms"), "");
    }

    #[test]
    fn the_nearest_is_named_or_found_in_the_clients_name() {
        assert!(near(None, "Google Drive 98").unwrap().starts_with("name = \"gdrive\""));
        assert!(near(Some("unison"), "Syncthing").unwrap().starts_with("name = \"unison\""));
        assert!(near(None, "a client without a name").unwrap().starts_with("name = \"perfect\""));
        let unknown = near(Some("floppy"), "Syncthing").unwrap_err().to_string();
        assert!(unknown.contains("`floppy` names none: give one of dropbox, gdrive, "), "{unknown}");
    }
}
