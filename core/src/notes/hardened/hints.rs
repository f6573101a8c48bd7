//! What the activity logs tell of, and what of it is not here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Depth, Instance};
use crate::Path;
use crate::kit::watermark::Numbers;
use crate::notes::lines::{By, activity_log};

impl Instance {
    /// Takes in the hints of logs that changed; in a full look, what all of them say now.
    pub(super) fn read_hints(&mut self, changed: &BTreeSet<Path>, depth: Depth) {
        if depth == Depth::Full {
            self.hinted.clear();
        }
        let own = self.own.as_ref().map(|own| own.instance());
        let mut renewed = BTreeSet::new();
        for (path, log) in &self.shelf.activity {
            if depth != Depth::Full && !changed.contains(path) {
                continue;
            }
            for ((note, by), seq) in &*log.held.content.parsed(largest) {
                let instance: Arc<str> = match by {
                    By::Instance(instance) => instance.clone(),
                    By::Profile(_) => log.owner.instance.as_str().into(),
                };
                if Some(&*instance) != own {
                    let most = self.hinted.entry((note.clone(), instance)).or_default();
                    if *most < *seq {
                        *most = *seq;
                        renewed.insert(note.clone());
                    }
                }
            }
        }
        if depth == Depth::Full {
            let hinted = self.hinted.iter().filter(|(key, seq)| self.is_awaited(key, **seq));
            self.open = hinted.map(|(key, _)| key.clone()).collect();
        } else {
            renewed.iter().for_each(|note| self.reopen(note));
        }
    }

    /// Finds out anew what of a note is awaited.
    pub(super) fn reopen(&mut self, note: &Arc<str>) {
        let from = (note.clone(), Arc::from(""));
        let hinted = self.hinted.range(from..).take_while(|((other, _), _)| other == note);
        let (open, here): (Vec<_>, Vec<_>) =
            hinted.map(|(key, &seq)| (key.clone(), seq)).partition(|(key, seq)| self.is_awaited(key, *seq));
        self.open.extend(open.into_iter().map(|(key, _)| key));
        here.iter().for_each(|(key, _)| drop(self.open.take(key)));
    }

    fn is_awaited(&self, (note, instance): &(Arc<str>, Arc<str>), seq: u64) -> bool {
        let known = self.known.get(note).and_then(|known| known.get(&**instance));
        known.map_or(0, Numbers::contiguous) < seq && !self.gone.contains_key(note)
    }

    pub(in crate::notes) fn awaited(&self) -> Vec<(Arc<str>, Arc<str>, u64)> {
        let seq = |key| self.hinted.get(key).copied().unwrap_or(0);
        self.open.iter().map(|key| (key.0.clone(), key.1.clone(), seq(key))).collect()
    }
}

/// The largest number that an activity log names, of each note and author.
fn largest(bytes: &[u8]) -> BTreeMap<(Arc<str>, By), u64> {
    let mut found = BTreeMap::new();
    for (_, entry) in activity_log(bytes).entries {
        let most = found.entry((entry.note, entry.by)).or_default();
        *most = entry.seq.max(*most);
    }
    found
}
