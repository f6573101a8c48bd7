//! What people typed, as far as it is certain.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use cloudchamber_core::notes::document::Change;
use cloudchamber_core::notes::{Command, Event, Kind};

use crate::ReplicaId;
use crate::systems::notes::NotesSystem;
use crate::world::{Choice, ChoiceOf};

/// Notes, and what was typed in each.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Typed {
    /// The text of notes that one instance has made and it alone has edited; `None` of every other one.
    texts: BTreeMap<Arc<str>, Option<(ReplicaId, String)>>,
    /// What was asked of whom and has not been answered, of each note in order.
    asked: BTreeMap<(ReplicaId, Arc<str>), VecDeque<Asked>>,
}

/// What is answered.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Asked {
    /// To make the note with a text.
    Create(String),
    /// To change its text.
    Edit(Change),
    /// What leaves the text as it is.
    Other,
}

impl Typed {
    /// What one instance alone has typed, and which one.
    pub(super) fn alone(&self) -> impl Iterator<Item = (&Arc<str>, ReplicaId, &str)> {
        let certain = self.texts.iter().filter(|(note, text)| {
            let by = text.as_ref().map(|(by, _)| *by);
            by.is_some_and(|by| !self.asked.contains_key(&(by, Arc::clone(note))))
        });
        certain.filter_map(|(note, text)| text.as_ref().map(|(by, text)| (note, *by, text.as_str())))
    }

    /// Takes note of what was asked, and of what was answered.
    pub(super) fn after(
        &mut self,
        kind: Kind,
        id: ReplicaId,
        choice: &ChoiceOf<NotesSystem>,
        events: &[Event],
    ) {
        if let Choice::Command { command, .. } = choice {
            let (note, asked) = match command {
                Command::Create { note: Some(note), text } => (note, Asked::Create(text.clone())),
                Command::Edit { note, change } => (note, Asked::Edit(change.clone())),
                Command::Delete { note } | Command::Restore { note } => (note, Asked::Other),
                _ => return self.answered(kind, id, events),
            };
            self.asked.entry((id, note.as_str().into())).or_default().push_back(asked);
        }
        if matches!(choice, Choice::Crash { .. }) {
            self.interrupted(id);
        }
        self.answered(kind, id, events);
    }

    fn answered(&mut self, kind: Kind, id: ReplicaId, events: &[Event]) {
        for event in events {
            match event {
                Event::Written { note, .. } => self.done(kind, id, note),
                Event::Unchanged { note } => drop(self.answer(id, note)),
                // Which of them that was is not said.
                Event::Refused(_) | Event::Failed | Event::Moved { .. } => self.interrupted(id),
                _ => {}
            }
        }
    }

    /// The first thing asked of an instance about a note.
    fn answer(&mut self, id: ReplicaId, note: &Arc<str>) -> Option<Asked> {
        let key = (id, note.clone());
        let asked = self.asked.get_mut(&key)?.pop_front();
        if self.asked[&key].is_empty() {
            self.asked.remove(&key);
        }
        asked
    }

    fn done(&mut self, kind: Kind, id: ReplicaId, note: &Arc<str>) {
        match self.answer(id, note) {
            Some(Asked::Create(text)) if !self.texts.contains_key(note) => {
                self.texts.insert(note.clone(), Some((id, text)));
            }
            Some(Asked::Edit(change)) => {
                let known = self.texts.remove(note).flatten().filter(|(by, _)| *by == id);
                let changed = known.and_then(|(by, text)| Some((by, changed(kind, &text, &change)?)));
                self.texts.insert(note.clone(), changed);
            }
            Some(Asked::Create(_)) | None => drop(self.texts.insert(note.clone(), None)),
            Some(Asked::Other) => {}
        }
    }

    /// Nobody knows what has become of what was asked.
    fn interrupted(&mut self, id: ReplicaId) {
        self.asked.retain(|(by, note), _| {
            if *by == id {
                self.texts.insert(note.clone(), None);
            }
            *by != id
        });
    }
}

/// A text after a change; `None` if the change does not fit it, or what records hold has no places.
fn changed(kind: Kind, text: &str, change: &Change) -> Option<String> {
    if kind == Kind::Records && !matches!(change, Change::Append(_)) {
        return None;
    }
    let (at, len, new) = match change {
        Change::Append(new) => return Some(format!("{text}{new}")),
        Change::Set(new) => return Some(new.clone()),
        Change::Insert { at, text: new } => (*at, 0, new.as_str()),
        Change::Remove { at, len } => (*at, *len, ""),
    };
    let letters: Vec<char> = text.chars().collect();
    let end = at.checked_add(len).filter(|end| *end <= letters.len())?;
    Some(letters[..at].iter().copied().chain(new.chars()).chain(letters[end..].iter().copied()).collect())
}
