//! Two traces side by side, on a terminal.

use cloudchamber_folder::checks::time;

use super::layout::{labelled, put};
use crate::report::compare::{CompareReport, Said};

/// How many settings that differ are shown.
const SETTINGS_MAX: usize = 20;

/// What differs, from the settings to what came of it.
pub(crate) fn text(report: &CompareReport) -> String {
    let mut text = String::new();
    for (file, name) in report.files.iter().zip(["A", "B"]) {
        put(&mut text, &format!("{name}  {file}"));
    }
    if !report.settings.is_empty() {
        put(&mut text, "their scenarios differ in");
        for differing in report.settings.iter().take(SETTINGS_MAX) {
            let [one, other] =
                [0, 1].map(|at| differing.values[at].clone().unwrap_or_else(|| "nothing".to_owned()));
            put(&mut text, &format!("    {}: {one} in A, {other} in B", differing.key));
        }
        if report.settings.len() > SETTINGS_MAX {
            put(&mut text, &format!("    and {} more", report.settings.len() - SETTINGS_MAX));
        }
    }
    if report.choices == [None, None] {
        put(&mut text, &format!("all {} choices are the same", report.common));
    } else {
        put(&mut text, &format!("{} choices are the same; then", report.common));
        for (said, name) in report.choices.iter().zip(["A", "B"]) {
            labelled(&mut text, &format!("    {name}  "), &said.as_ref().map_or("it ends".to_owned(), line));
        }
    }
    if report.told.iter().all(Vec::is_empty) {
        put(&mut text, "and each replica tells the same in both");
    } else {
        if !report.before.is_empty() {
            put(&mut text, "what was last told in both");
            report.before.iter().for_each(|said| labelled(&mut text, "       ", &line(said)));
        }
        put(&mut text, "then they tell something else");
        for (told, name) in report.told.iter().zip(["A", "B"]) {
            if told.is_empty() {
                put(&mut text, &format!("    {name}  nothing more"));
            }
            told.iter().for_each(|said| labelled(&mut text, &format!("    {name}  "), &line(said)));
        }
    }
    for (violates, name) in report.violates.iter().zip(["A", "B"]) {
        if violates.is_empty() {
            put(&mut text, &format!("{name} violates nothing"));
        }
        violates.iter().for_each(|violation| put(&mut text, &format!("{name} violates {violation}")));
    }
    text
}

fn line(said: &Said) -> String {
    format!("{}  {}", time(said.ms), said.text)
}
