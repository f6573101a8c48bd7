//! What is left where two wrote at once.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::phases::CONFLICTS;
use super::wire::{Report, Shared, Wrote};

/// What became of each conflict.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Conflicts {
    pub(super) all: Vec<Conflict>,
    pub(super) edit: Option<Edit>,
    pub(super) create: Option<Edit>,
    pub(super) delete: Option<Delete>,
    /// Names of copies, by the file that they are copies of.
    pub(super) copies: BTreeMap<String, BTreeSet<String>>,
}

/// One conflict.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Conflict {
    pub(super) file: String,
    /// Neither had seen what the other wrote.
    pub(super) is_concurrent: bool,
    /// Whoever wrote first, by its time of modification.
    pub(super) earlier: String,
    pub(super) later: String,
    /// By probe: each name that is there afterwards, and whose text is in it.
    pub(super) left: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

/// What becomes of two edits.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Edit {
    /// The edit with the older modification time is in the copy.
    OlderIsCopied,
    /// The newer is in the copy.
    NewerIsCopied,
    /// Both are kept, and neither time says which of them is the copy.
    OneIsCopied,
    /// Both are copies, and the name is gone.
    BothAreCopied,
    /// One is left, and the other is in no file.
    OneIsGone,
    /// Both are in one file.
    Merged,
    /// Each side keeps its own.
    EachKeeps,
    /// Not the same in all conflicts.
    Differs,
}

/// What becomes of a removal that meets an edit.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Delete {
    EditWins,
    RemovalWins,
    NewerWins,
    EachKeeps,
    Differs,
}

/// Looks at what all reports say of what two wrote at once.
pub(super) fn conflicts(reports: &BTreeMap<String, Report>) -> Conflicts {
    let mut found = Conflicts::default();
    for n in 0..CONFLICTS {
        for kind in ["edit", "create", "delete"] {
            found.all.extend(conflict(reports, &format!("{kind}-{n}")));
        }
    }
    let of = |kind: &str| {
        let of = found.all.iter().filter(|one| one.is_concurrent && one.file.starts_with(kind));
        of.collect::<Vec<_>>()
    };
    let (edits, creates, deletes) = (of("edit"), of("create"), of("delete"));
    (found.edit, found.create) = (agreed(edits.iter().map(|one| edit(one)), Edit::Differs), {
        agreed(creates.iter().map(|one| edit(one)), Edit::Differs)
    });
    found.delete = delete(&deletes);
    for one in found.all.iter().filter(|one| one.is_concurrent) {
        let names =
            one.left.values().flat_map(BTreeMap::keys).filter(|name| **name != format!("{}.txt", one.file));
        let names: BTreeSet<String> = names.cloned().collect();
        if !names.is_empty() {
            found.copies.insert(format!("{}.txt", one.file), names);
        }
    }
    found
}

/// What all are; None of none, and another thing where they differ.
fn agreed<T: PartialEq>(mut all: impl Iterator<Item = T>, differs: T) -> Option<T> {
    let first = all.next()?;
    Some(if all.all(|other| other == first) { first } else { differs })
}

fn conflict(reports: &BTreeMap<String, Report>, file: &str) -> Option<Conflict> {
    let key = format!("shared/{file}");
    // The base is the first version of the first of all; what counts is the last thing that each did.
    let is_created = file.starts_with("create");
    let did = |(name, report): (&String, &Report)| {
        let wrote = report.wrote.iter().rev().find(|wrote| wrote.file == key);
        let removed = report.removed.iter().find(|removed| removed.file == key);
        let is_base = |wrote: &Wrote| !is_created && wrote.how == super::wire::How::New;
        let at_ns = match (removed, wrote) {
            (Some(removed), _) => removed.at_us * 1_000,
            (None, Some(wrote)) if !is_base(wrote) => wrote.mtime_ns,
            _ => return None,
        };
        Some((at_ns, name.clone()))
    };
    let mut did: Vec<(i64, String)> = reports.iter().filter_map(did).collect();
    did.sort();
    let [(_, earlier), (_, later)] = <[_; 2]>::try_from(did).ok()?;
    let is_concurrent = [&earlier, &later].iter().all(|name| reports[*name].concurrent.contains(&key));
    let left = reports.iter().map(|(name, report)| (name.clone(), left(reports, report, &key, file)));
    Some(Conflict { file: file.to_owned(), is_concurrent, left: left.collect(), earlier, later })
}

/// The names that one probe sees of a file, and whose text is in each.
fn left(
    reports: &BTreeMap<String, Report>,
    report: &Report,
    key: &str,
    file: &str,
) -> BTreeMap<String, Vec<String>> {
    let is_of = |shared: &&Shared| {
        shared.name.contains(file) || shared.versions.iter().any(|version| version.file == key)
    };
    let whose = |shared: &Shared| {
        let by = |version: &super::content::Header| {
            let base = version.version == 1 && reports.values().any(|one| base_of(one, key, &version.probe));
            let by = reports.iter().find(|(_, one)| one.run == version.probe).map(|(name, _)| name.clone());
            if base { "base".to_owned() } else { by.unwrap_or_default() }
        };
        shared.versions.iter().map(by).collect()
    };
    report.shared.iter().filter(is_of).map(|shared| (shared.name.clone(), whose(shared))).collect()
}

fn base_of(report: &Report, key: &str, run: &str) -> bool {
    let wrote = report.wrote.iter().find(|wrote| wrote.file == key && wrote.version == 1);
    report.run == run && wrote.is_some_and(|wrote| wrote.how == super::wire::How::New)
}

fn edit(conflict: &Conflict) -> Edit {
    let name = format!("{}.txt", conflict.file);
    let both = [&conflict.earlier, &conflict.later];
    let sides: Vec<&BTreeMap<String, Vec<String>>> = both.iter().map(|one| &conflict.left[*one]).collect();
    let all: BTreeSet<&String> = sides.iter().flat_map(|side| side.values().flatten()).collect();
    if sides.iter().any(|side| side.values().any(|whose| both.iter().all(|one| whose.contains(one)))) {
        return Edit::Merged;
    }
    let own = |side: usize| sides[side].get(&name).is_some_and(|whose| whose.contains(both[side]));
    let is_alone = |side: usize| !sides[side].values().flatten().any(|whose| whose == both[1 - side]);
    if own(0) && own(1) && is_alone(0) && is_alone(1) {
        return Edit::EachKeeps;
    }
    if !both.iter().all(|one| all.contains(one)) {
        return Edit::OneIsGone;
    }
    let keeps =
        |one: &String| sides.iter().all(|side| side.get(&name).is_some_and(|whose| whose.contains(one)));
    match (keeps(both[0]), keeps(both[1])) {
        (_, true) => Edit::OlderIsCopied,
        (true, _) => Edit::NewerIsCopied,
        _ if sides.iter().all(|side| !side.contains_key(&name)) => Edit::BothAreCopied,
        _ => Edit::OneIsCopied,
    }
}

/// In the first of two the removal is the earlier, and in the second the edit.
fn delete(all: &[&Conflict]) -> Option<Delete> {
    // git may take another file for the one that was removed, and put the edit into that.
    let has = |side: &BTreeMap<String, Vec<String>>, one: &Conflict| {
        side.keys().any(|name| name.contains(&one.file))
    };
    let is_there = |one: &Conflict| {
        let sides: Vec<bool> = one.left.values().map(|side| has(side, one)).collect();
        agreed(sides.into_iter().map(Some), None).flatten()
    };
    let is_elsewhere = |one: &&Conflict| one.left.values().any(|side| !side.is_empty() && !has(side, one));
    if all.iter().any(is_elsewhere) {
        return Some(Delete::Differs);
    }
    let there: Vec<Option<bool>> = all.iter().map(|one| is_there(one)).collect();
    Some(match there[..] {
        [] => return None,
        _ if there.iter().all(|one| *one == Some(true)) => Delete::EditWins,
        _ if there.iter().all(|one| *one == Some(false)) => Delete::RemovalWins,
        _ if there.iter().all(Option::is_none) => Delete::EachKeeps,
        [Some(true), Some(false)] if all[0].file.ends_with('0') => Delete::NewerWins,
        _ => Delete::Differs,
    })
}

#[cfg(test)]
mod tests {
    use super::super::content::Header;
    use super::super::wire::{How, Removed};
    use super::*;

    /// The names that one side has, and whose text is in each.
    type Left<'a> = &'a [(&'a str, &'a [&'a str])];

    fn both(left: Left<'_>) -> [Left<'_>; 2] {
        [left, left]
    }

    /// The first edits before the other in conflict 0 and after it in 1; what is left on both sides is given.
    fn reports(kind: &str, left: [Left<'_>; 2], removes: bool) -> BTreeMap<String, Report> {
        let of = |name: &str, n: usize| {
            let mut report = Report { run: format!("run-{name}"), ..Report::default() };
            let file = format!("shared/{kind}-{n}");
            let at_us = if (name == "a") == (n == 0) { 10 } else { 20 };
            let wrote = |version, how, at_us| Wrote {
                file: file.clone(),
                version,
                how,
                at_us,
                mtime_ns: at_us * 1_000,
            };
            if name == "a" && kind != "create" {
                report.wrote.push(wrote(1, How::New, 1));
            }
            match removes && name == "a" {
                true => report.removed.push(Removed { file: file.clone(), at_us }),
                false => report.wrote.push(wrote(report.wrote.len() as u64 + 1, How::Replace, at_us)),
            }
            report.concurrent.push(file);
            report
        };
        let mut reports = BTreeMap::new();
        for (side, name) in ["a", "b"].into_iter().enumerate() {
            let mut report = of(name, 0);
            let second = of(name, 1);
            report.wrote.extend(second.wrote);
            report.removed.extend(second.removed);
            report.concurrent.extend(second.concurrent);
            for n in 0..CONFLICTS {
                report.shared.extend(left[side].iter().map(|(name, whose)| {
                    let version = |by: &&str| {
                        // "older" and "newer" are who that was in this conflict.
                        let by = match *by {
                            "older" => ["a", "b"][n],
                            "newer" => ["b", "a"][n],
                            by => by,
                        };
                        let version = if by == "a" && kind != "create" { 2 } else { 1 };
                        let file = format!("shared/{kind}-{n}");
                        Header { probe: format!("run-{by}"), file, version, len: 200 }
                    };
                    let versions = whose.iter().map(version).collect();
                    Shared { name: name.replace('N', &n.to_string()), versions, is_more: false, mtime_ns: 0 }
                }));
            }
            reports.insert(name.to_owned(), report);
        }
        reports
    }

    #[test]
    fn what_becomes_of_two_edits_is_told_by_whose_text_is_where() {
        let told = |left: [Left<'_>; 2]| conflicts(&reports("edit", left, false)).edit.unwrap();
        assert_eq!(
            told(both(&[("edit-N.txt", &["newer"]), ("edit-N (1).txt", &["older"])])),
            Edit::OlderIsCopied
        );
        assert_eq!(
            told(both(&[("edit-N.txt", &["older"]), ("edit-N (1).txt", &["newer"])])),
            Edit::NewerIsCopied
        );
        assert_eq!(told(both(&[("edit-N.txt", &["a"]), ("edit-N (1).txt", &["b"])])), Edit::Differs);
        assert_eq!(
            told(both(&[("edit-N.txt..path1", &["a"]), ("edit-N.txt..path2", &["b"])])),
            Edit::BothAreCopied
        );
        assert_eq!(told(both(&[("edit-N.txt", &["newer"])])), Edit::OneIsGone);
        assert_eq!(told(both(&[("edit-N.txt", &["a", "b"])])), Edit::Merged);
        assert_eq!(told([&[("edit-N.txt", &["a"])], &[("edit-N.txt", &["b"])]]), Edit::EachKeeps);
    }

    #[test]
    fn copies_are_named_and_what_was_not_at_once_counts_for_nothing() {
        let left: Left<'_> = &[("create-N.txt", &["newer"]), ("create-N 2.txt", &["older"])];
        let mut reports = reports("create", [left, left], false);
        let found = conflicts(&reports);
        assert_eq!((found.create, found.edit), (Some(Edit::OlderIsCopied), None));
        assert_eq!(found.copies["create-0.txt"], BTreeSet::from(["create-0 2.txt".to_owned()]));
        reports.get_mut("b").unwrap().concurrent.clear();
        let found = conflicts(&reports);
        assert!(found.create.is_none() && found.copies.is_empty() && found.all.len() == 2);
    }

    #[test]
    fn what_becomes_of_a_removal_is_told_by_both_orders() {
        let left: Left<'_> = &[("delete-N.txt", &["b"])];
        let told = |left: [Left<'_>; 2]| conflicts(&reports("delete", left, true)).delete.unwrap();
        assert_eq!(told([left, left]), Delete::EditWins);
        assert_eq!(told([&[], &[]]), Delete::RemovalWins);
        assert_eq!(told([&[], left]), Delete::EachKeeps);
        let elsewhere: Left<'_> = &[("create-N.txt", &["b"])];
        assert_eq!(told([elsewhere, elsewhere]), Delete::Differs);
        // There where the edit was the later one, and gone where the removal was.
        let mut reports = reports("delete", [left, left], true);
        reports.values_mut().for_each(|report| report.shared.retain(|shared| shared.name == "delete-0.txt"));
        assert_eq!(conflicts(&reports).delete, Some(Delete::NewerWins));
    }
}
