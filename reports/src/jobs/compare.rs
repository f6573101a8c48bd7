//! Two traces of one system side by side: the first choice in which they differ, and the first difference that mattered to
//! anybody.
//!
//! Two runs with other delays differ in every choice and may come to the same. So what the replicas told is compared as
//! well, each replica's words with its own in the other trace, times left aside.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cloudchamber_folder::systems::{Systems, Work};
use cloudchamber_folder::trace::{self, COMMIT, Trace};
use cloudchamber_folder::{ReplicaId, System};
use serde_json::Value;

use crate::failure::Failure;
use crate::files;
use crate::jobs::dispatch::with_traced;
use crate::jobs::{replay, story};
use crate::report::compare::{CompareReport, Differing, Said};

/// How much of what was told is shown before the difference, and after it.
const AROUND: usize = 6;

/// Compares the traces of two files.
///
/// # Errors
/// Where one is no trace, they are of different systems, or the world does not allow a choice.
pub(crate) fn compare<L: Systems>(files: &[PathBuf; 2]) -> Result<CompareReport, Failure> {
    let texts = [files::read(&files[0])?, files::read(&files[1])?];
    let systems = [trace::system_of(&files[0], &texts[0])?, trace::system_of(&files[1], &texts[1])?];
    if systems[0] != systems[1] {
        let [one, other] = &systems;
        return Err(Failure::new(format!(
            "{}: is a trace of {other}, and {} one of {one}; compare two of one system",
            files[1].display(),
            files[0].display()
        )));
    }
    with_traced::<L, _, _>(&systems[0], Compare { files, texts: &texts })
}

struct Compare<'a> {
    files: &'a [PathBuf; 2],
    texts: &'a [String; 2],
}

/// One trace, told.
struct Side {
    /// Each choice, randomness left aside, as JSON; and in a sentence.
    choices: Vec<(Value, Said)>,
    /// What replicas told, and what was violated.
    told: Vec<Said>,
    violates: Vec<String>,
    scenario: Value,
}

impl Work for Compare<'_> {
    type Output = Result<CompareReport, Failure>;

    fn on<S: System>(self) -> Self::Output {
        let sides = [side::<S>(&self.files[0], &self.texts[0])?, side::<S>(&self.files[1], &self.texts[1])?];
        let [one, other] = &sides;
        let same = |(a, b): &(&(Value, Said), &(Value, Said))| a.0 == b.0 && a.1.ms == b.1.ms;
        let common = one.choices.iter().zip(&other.choices).take_while(same).count();
        let choices = [one, other].map(|side| side.choices.get(common).map(|(_, said)| said.clone()));
        let (before, told) = diverging([&one.told, &other.told]);
        Ok(CompareReport {
            commit: COMMIT.into(),
            system: S::NAME.into(),
            files: [0, 1].map(|at| self.files[at].display().to_string()),
            settings: differing(&one.scenario, &other.scenario),
            common,
            choices,
            before,
            told,
            violates: [one.violates.clone(), other.violates.clone()],
        })
    }
}

fn side<S: System>(file: &Path, text: &str) -> Result<Side, Failure> {
    let trace = Trace::<S>::parse(file, text)?;
    let (mut choices, mut told) = (Vec::new(), Vec::new());
    let outcome = story::tell(&trace, |line| {
        let choice = &line.step.at.choice;
        let mut plain = serde_json::to_value(choice).expect("a choice was read from JSON");
        if let Some(fields) = plain.as_object_mut() {
            fields.remove("draw");
        }
        let said = Said { ms: line.step.at.ms, replica: choice.replica(), text: line.whole() };
        let is_told = !line.step.effects.events.is_empty() || !line.violations.is_empty();
        if is_told && line.counts {
            told.push(said.clone());
        }
        choices.push((plain, said));
    });
    let outcome = outcome.map_err(|(index, why)| replay::refused(file, &trace.commit, index, &why))?;
    let violates = outcome.findings.violations.iter().map(ToString::to_string).collect();
    let scenario = serde_json::to_value(&trace.scenario).expect("a scenario was read from JSON");
    Ok(Side { choices, told, violates, scenario })
}

/// What is not the same in two scenarios, by key, in order.
fn differing(one: &Value, other: &Value) -> Vec<Differing> {
    let mut flat = [BTreeMap::new(), BTreeMap::new()];
    flatten("", one, &mut flat[0]);
    flatten("", other, &mut flat[1]);
    let keys: BTreeSet<&String> = flat.iter().flat_map(BTreeMap::keys).collect();
    let pair = |key: &String| [flat[0].get(key).cloned(), flat[1].get(key).cloned()];
    let pairs = keys.into_iter().map(|key| Differing { key: key.clone(), values: pair(key) });
    pairs.filter(|differing| differing.values[0] != differing.values[1]).collect()
}

fn flatten(key: &str, value: &Value, flat: &mut BTreeMap<String, String>) {
    let below = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| flatten(&below(name), value, flat)),
        Value::Array(items) if items.iter().any(Value::is_object) => {
            items.iter().enumerate().for_each(|(at, value)| flatten(&below(&at.to_string()), value, flat));
        }
        other => _ = flat.insert(key.to_owned(), other.to_string()),
    }
}

/// What was told last in both, and from where on a replica tells something else in each.
fn diverging(told: [&[Said]; 2]) -> (Vec<Said>, [Vec<Said>; 2]) {
    let by_replica = told.map(|told| {
        let mut by: BTreeMap<Option<ReplicaId>, Vec<usize>> = BTreeMap::new();
        told.iter().enumerate().for_each(|(at, said)| by.entry(said.replica).or_default().push(at));
        by
    });
    let replicas: BTreeSet<_> = by_replica.iter().flat_map(BTreeMap::keys).collect();
    // When each trace begins to tell something else, of whichever replica that shows first.
    let mut first: Option<u64> = None;
    for replica in replicas {
        let none = Vec::new();
        let [one, other] = [0, 1].map(|side| by_replica[side].get(replica).unwrap_or(&none));
        let same = |(a, b): &(&usize, &usize)| timeless(&told[0][**a].text) == timeless(&told[1][**b].text);
        let common = one.iter().zip(other).take_while(same).count();
        let ends = [one.get(common).map(|at| told[0][*at].ms), other.get(common).map(|at| told[1][*at].ms)];
        first = [first, ends[0], ends[1]].into_iter().flatten().min();
    }
    let Some(from) = first else { return (Vec::new(), [Vec::new(), Vec::new()]) };
    let split = told.map(|told| told.partition_point(|said| said.ms < from));
    let before = told[0][..split[0]].iter().rev().take(AROUND).rev().cloned().collect();
    let after = [0, 1].map(|side| told[side][split[side]..].iter().take(AROUND).cloned().collect());
    (before, after)
}

/// A text without its times: runs of five digits and more are taken for one, and so is what stands before `s`.
fn timeless(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let is_time = |at: usize| {
        let unit = words.get(at + 1).is_some_and(|next| next.trim_end_matches([',', ';', '.']) == "s");
        unit && words[at].bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    let words: Vec<&str> =
        words.iter().enumerate().map(|(at, word)| if is_time(at) { "#" } else { word }).collect();
    let text = words.join(" ");
    let mut timeless = String::new();
    let mut digits = String::new();
    for c in text.chars().chain([' ']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        timeless.push_str(if digits.len() < 5 { &digits } else { "#" });
        digits.clear();
        timeless.push(c);
    }
    timeless
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(ms: u64, replica: u8, text: &str) -> Said {
        Said { ms, replica: Some(ReplicaId(replica)), text: text.to_owned() }
    }

    #[test]
    fn another_time_and_another_order_are_no_difference() {
        let one =
            [said(1, 0, "starts at 1767225604"), said(5, 1, "waits 5.1 s, at most"), said(9, 0, "leads")];
        let other =
            [said(2, 1, "waits 0.9 s, at most"), said(3, 0, "starts at 1767225999"), said(30, 0, "leads")];
        assert_eq!(diverging([&one, &other]), (vec![], [vec![], vec![]]));
    }

    #[test]
    fn the_first_other_word_of_anybody_is_the_difference() {
        let one = [said(1, 0, "starts"), said(5, 1, "looks"), said(9, 0, "leads")];
        let other = [said(1, 0, "starts"), said(6, 1, "looks"), said(7, 1, "leads"), said(8, 0, "waits")];
        let (before, [first, second]) = diverging([&one, &other]);
        assert_eq!(before, one[..2]);
        assert_eq!((first, second), (one[2..].to_vec(), other[2..].to_vec()));
        let (_, [first, second]) = diverging([&one, &one[..2]]);
        assert_eq!((first, second), (one[2..].to_vec(), vec![]));
    }

    #[test]
    fn settings_differ_by_key() {
        let one = json!({"seed": 1, "faults": {"sleep": {"every_ms": 5}}, "replica": [{"start_ms": 1}], "for": [1, 2]});
        let other = json!({"seed": 2, "replica": [{"start_ms": 1}, {"start_ms": 2}], "for": [1, 2]});
        let keys: Vec<_> =
            differing(&one, &other).into_iter().map(|differing| (differing.key, differing.values)).collect();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            keys,
            [
                ("faults.sleep.every_ms".into(), [text("5"), None]),
                ("replica.1.start_ms".into(), [None, text("2")]),
                ("seed".into(), [text("1"), text("2")]),
            ]
        );
    }
}
