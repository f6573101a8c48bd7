//! What has happened while nobody asked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use cloudchamber_core::notes::Event;

use super::Written;

/// One thing that has happened while nobody asked for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum News {
    /// Records of a note have come, of these instances.
    Changed {
        /// The note.
        note: Arc<str>,
        /// Whose records.
        by: Vec<Arc<str>>,
    },
    /// A note is deleted for good, by somebody else.
    Deleted {
        /// The note.
        note: Arc<str>,
    },
    /// This instance goes on under another id.
    Moved {
        /// The new id.
        instance: Arc<str>,
        /// Why, in words.
        why: String,
    },
    /// What a crash or the client had left of the own files was repaired, in words.
    Repaired(String),
    /// The folder cannot be used now, in words. Nothing is written meanwhile.
    Away(String),
    /// The folder can be used again.
    Back,
    /// A record is kept, and its hint could not be written, in words: others find the record at their next full look.
    Unhinted(String),
}

impl News {
    /// Whether it is about the instance and not about a note.
    pub(super) fn is_of_the_instance(&self) -> bool {
        !matches!(self, Self::Changed { .. } | Self::Deleted { .. })
    }
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { note, by } => write!(f, "{note}: changed by {}", by.join(", ")),
            Self::Deleted { note } => write!(f, "{note}: deleted for good by another machine"),
            Self::Moved { instance, why } => write!(f, "this instance is {instance} from now on: {why}"),
            Self::Repaired(what) => write!(f, "repaired: {what}"),
            Self::Away(why) => write!(f, "{why}: nothing is written until it is back"),
            Self::Back => f.write_str("the folder is back"),
            Self::Unhinted(why) => write!(f, "{why}: the change is kept, and reaches others later"),
        }
    }
}

/// What the protocol has told.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) news: Vec<News>,
    /// Why the folder cannot be used.
    pub(super) away: Option<String>,
    /// What became of the command that was given last.
    pub(super) refused: Option<String>,
    pub(super) written: Option<Written>,
    /// Whether what is told may have been told before.
    pub(super) is_reopening: bool,
    asked: String,
    /// Up to which number records are known, of each note and instance.
    known: BTreeMap<(Arc<str>, Arc<str>), u64>,
    gone: BTreeSet<Arc<str>>,
}

impl Heard {
    /// Hears what becomes of a command about this note.
    pub(super) fn answer(&mut self, note: &str) {
        (self.refused, self.written) = (None, None);
        note.clone_into(&mut self.asked);
    }

    pub(super) fn hear(&mut self, event: &Event) {
        match event {
            Event::Started { .. } => {
                if self.away.take().is_some() {
                    self.news.push(News::Back);
                }
            }
            Event::Moved { instance, why } => {
                self.news.push(News::Moved { instance: instance.clone(), why: why.clone() });
            }
            Event::Written { done, note, instance, seq } => {
                self.know(note, instance, *seq);
                if **note == *self.asked {
                    let (note, instance) = (note.clone(), instance.clone());
                    self.written = Some(Written { note, done: *done, instance, seq: *seq });
                }
            }
            Event::Deleted { note } => drop(self.gone.insert(note.clone())),
            Event::Gone { note } => {
                if self.gone.insert(note.clone()) {
                    self.news.push(News::Deleted { note: note.clone() });
                }
            }
            Event::Loaded { note, up_to } => self.loaded(note, up_to),
            Event::Refused(why) => drop(self.refused.get_or_insert_with(|| why.clone())),
            Event::Repaired(what) => self.news.push(News::Repaired(what.clone())),
            Event::Away(why) => {
                if self.away.as_ref() != Some(why) {
                    self.news.push(News::Away(why.clone()));
                }
                self.away = Some(why.clone());
            }
            Event::Unchanged { .. }
            | Event::LoadFailed { .. }
            | Event::SnapshotWritten { .. }
            | Event::Stale { .. }
            | Event::Failed
            | Event::Woke => {}
        }
    }

    fn loaded(&mut self, note: &Arc<str>, up_to: &[(Arc<str>, u64)]) {
        let mut by = Vec::new();
        for (instance, seq) in up_to {
            let before = self.know(note, instance, *seq);
            // What came behind a hole does not count on.
            let is_news = before.is_none_or(|before| before < *seq || before == *seq && !self.is_reopening);
            if is_news {
                by.push(instance.clone());
            }
        }
        if !by.is_empty() {
            self.news.push(News::Changed { note: note.clone(), by });
        }
    }

    /// Returns what was known before.
    fn know(&mut self, note: &Arc<str>, instance: &Arc<str>, seq: u64) -> Option<u64> {
        let known = self.known.entry((note.clone(), instance.clone()));
        let before = match &known {
            std::collections::btree_map::Entry::Occupied(known) => Some(*known.get()),
            std::collections::btree_map::Entry::Vacant(_) => None,
        };
        let most = known.or_default();
        *most = seq.max(*most);
        before
    }
}
