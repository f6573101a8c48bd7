//! Versions of files on their way, and what they held.

use std::collections::BTreeMap;

use cloudchamber_core::{Content, Path};
use cloudchamber_folder::trace::Step;
use cloudchamber_folder::world::Choice;
use cloudchamber_folder::{ReplicaId, System};

use crate::report::timeline::Travel;

/// How many bytes of a file are shown, from its end.
const SHOWN: usize = 6_000;

/// How many bytes of all files together.
const ALL: usize = 3_000_000;

/// Versions on their way.
#[derive(Default)]
pub(crate) struct Journeys {
    /// When each replica last wrote each file, and what.
    written: BTreeMap<(ReplicaId, Path), (u64, Option<Content>)>,
    /// Where each version is in the list.
    known: BTreeMap<(Path, u32), usize>,
    /// What each of the list held.
    held: Vec<Option<Content>>,
}

impl Journeys {
    /// Takes down what travelled with a choice.
    pub(crate) fn go_on<S: System>(&mut self, step: &Step<'_, S>, travels: &mut Vec<Travel>) {
        let now = step.at.ms;
        if let Choice::Download { replica, path, back, .. } = &step.at.choice {
            let version = step.world.cloud().latest(path).saturating_sub(*back);
            if let Some(&at) = self.known.get(&(path.clone(), version)) {
                travels[at].arrivals.push((*replica, now));
            }
        }
        if let Some(replica) = step.at.choice.replica() {
            for path in &step.effects.touched {
                let body = step.world.replica(replica).disk().slot(path).and_then(|slot| slot.body.as_ref());
                let content = body.map(|body| body.content.clone());
                self.written.insert((replica, path.clone()), (now, content));
            }
        }
        for conflict in &step.effects.conflicts {
            let key = (conflict.loser, conflict.path.clone());
            let (written_ms, content) = self.written.get(&key).cloned().unwrap_or((now, None));
            let lost = match &conflict.copy {
                Some(copy) => format!("kept as {}", copy.name()),
                None => "gone".to_owned(),
            };
            self.held.push(content);
            travels.push(Travel {
                path: conflict.path.clone(),
                version: 0,
                author: conflict.loser,
                written_ms,
                taken_ms: now,
                arrivals: Vec::new(),
                lost: Some(lost),
                removed: false,
                content: None,
            });
        }
        for commit in &step.effects.committed {
            let key = (commit.author, commit.path.clone());
            let written_ms = self.written.get(&key).map_or(now, |(ms, _)| *ms);
            self.known.insert((commit.path.clone(), commit.version), travels.len());
            let file = step.world.cloud().file(&commit.path);
            self.held.push(file.and_then(|file| file.newest().content.clone()));
            travels.push(Travel {
                path: commit.path.clone(),
                version: commit.version,
                author: commit.author,
                written_ms,
                taken_ms: now,
                arrivals: Vec::new(),
                lost: None,
                removed: commit.removed,
                content: None,
            });
        }
    }

    /// What the files held, each content once, as far as a page can carry it: what is closest to one of some moments
    /// first.
    pub(crate) fn contents(&self, travels: &mut [Travel], around: &[u64]) -> Vec<String> {
        let far = |travel: &Travel| {
            around.iter().map(|ms| travel.taken_ms.abs_diff(*ms)).min().unwrap_or(travel.taken_ms)
        };
        let mut order: Vec<usize> = (0..travels.len()).collect();
        order.sort_by_key(|at| far(&travels[*at]));
        let mut contents: Vec<String> = Vec::new();
        let mut known: BTreeMap<u64, usize> = BTreeMap::new();
        let mut bytes = 0;
        for at in order {
            let Some(Some(content)) = self.held.get(at) else { continue };
            let place = known.get(&content.digest()).copied();
            if place.is_none() {
                if bytes >= ALL {
                    continue;
                }
                let text = readable(content.bytes());
                bytes += text.len();
                known.insert(content.digest(), contents.len());
                contents.push(text);
            }
            travels[at].content = place.or(Some(contents.len() - 1));
        }
        contents
    }
}

/// Bytes as people read them: text as it is, anything else in hexadecimal digits; of much the end.
fn readable(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "(empty)".to_owned();
    }
    let is_text = |text: &str| text.chars().all(|c| !c.is_control() || "\n\r\t".contains(c));
    match std::str::from_utf8(bytes).ok().filter(|text| is_text(text)) {
        Some(text) => {
            let from = (text.len().saturating_sub(SHOWN)..text.len()).find(|at| text.is_char_boundary(*at));
            let from = from.unwrap_or(0);
            let before = if from == 0 { String::new() } else { format!("\u{2026} {from} bytes before\n") };
            before + &text[from..]
        }
        None => {
            let from = bytes.len().saturating_sub(SHOWN / 6);
            let lines = bytes[from..].chunks(16).map(|line| {
                let digits: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();
                digits.join(" ")
            });
            let lines: Vec<_> = lines.collect();
            format!("{} bytes that are no text\n{}", bytes.len(), lines.join("\n"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_shown_as_it_is_and_bytes_in_digits() {
        assert_eq!(readable(b"{\n\"a\": 1\n}"), "{\n\"a\": 1\n}");
        assert_eq!(readable(b""), "(empty)");
        assert_eq!(readable(&[0, 255]), "2 bytes that are no text\n00 ff");
        let long = "\u{e4}".repeat(SHOWN);
        let shown = readable(long.as_bytes());
        assert!(
            shown.len() < SHOWN + 40 && shown.starts_with("\u{2026} 6000 bytes before\n"),
            "{}",
            shown.len()
        );
    }
}
