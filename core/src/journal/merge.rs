//! All records of all files, sorted by what they are about, each subject's in order.

use std::borrow::Cow;
use std::collections::BTreeSet;

use hashbrown::HashTable;

use super::clock::Hybrid;
use super::doubt::Doubts;
use super::file::{Record, subject_of};
use super::schema::{Field, Kind, Log, Subject};
use super::view::{At, Key, Source, View};
use super::{Copies, Deletions, Design, Duplicates, Ordering, Parents};

/// Merges the records of all sources. Never fails; what is wrong is in [`View::problems`].
///
/// The result is the same for the same records: neither the order of the sources nor records that are there
/// several times change anything in the hardened design.
#[must_use]
pub fn merge(design: &Design, sources: &[Source<'_>]) -> View {
    let mut view = merge_part(design, sources, &Doubts::default());
    if design.parents == Parents::Required && lacks_a_parent(sources, &view) {
        view.rebuild_error = Some("threads FOREIGN KEY violation");
    }
    view
}

/// Whether a thread names a parent that is not there.
fn lacks_a_parent(sources: &[Source<'_>], view: &View) -> bool {
    let text = |at: At, field| {
        let source = &sources[at.source as usize];
        source.text(&source.file.records[at.record as usize], field)
    };
    let threads = || view.threads.iter().filter(|thread| thread.created.is_some());
    let mut parents = threads()
        .filter_map(|thread| thread.parent)
        .filter_map(|parent| text(parent.at, parent.field))
        .peekable();
    if parents.peek().is_none() {
        return false;
    }
    let known: BTreeSet<_> = threads().filter_map(|thread| text(thread.guid.at, thread.guid.field)).collect();
    parents.any(|parent| !known.contains(&parent))
}

/// Merges records of which others are known, that may say more about clocks ([`View::doubts`]).
#[must_use]
pub fn merge_part(design: &Design, sources: &[Source<'_>], doubts: &Doubts) -> View {
    let view = View { doubts: doubts.clone(), ..View::default() };
    let mut merger = Merger { design, sources, ranks: ranks(design, sources), view };
    let groups = merger.group();
    if design.order == Ordering::Causal {
        merger.compare_clocks(&groups);
    }
    let mut events = Vec::new();
    let messages = groups.groups.iter().filter(|group| group.subject == Subject::Message).count();
    merger.view.messages.reserve(messages);
    for group in &groups.groups {
        merger.gather(&groups, group, &mut events);
        merger.fold(group.subject, &events);
    }
    merger.finish()
}

/// A record and its place in the order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) key: Key,
    pub(super) at: At,
}

pub(super) struct Merger<'a> {
    pub(super) design: &'a Design,
    pub(super) sources: &'a [Source<'a>],
    /// For each source the rank of its machine's name.
    ranks: Vec<u32>,
    pub(super) view: View,
}

/// The records of one subject, as a chain through [`Groups::links`].
struct Group {
    subject: Subject,
    first: u32,
    last: u32,
}

struct Link {
    at: At,
    next: u32,
}

#[derive(Default)]
struct Groups {
    groups: Vec<Group>,
    links: Vec<Link>,
}

const END: u32 = u32::MAX;

fn ranks(design: &Design, sources: &[Source<'_>]) -> Vec<u32> {
    let name = |source: &Source<'_>| match design.copies {
        Copies::Foreign => source.directory.to_owned(),
        Copies::Versions => source.machine.to_owned(),
    };
    let names: BTreeSet<_> = sources.iter().map(name).collect();
    let names: Vec<_> = names.into_iter().collect();
    let rank = |source| names.binary_search(&name(source)).expect("the names are those of the sources");
    sources
        .iter()
        .map(|source| u32::try_from(rank(source)).expect("there are fewer sources than 2^32"))
        .collect()
}

/// What a record is about, in the parts that its kind's [`Kind::key`] names.
#[must_use]
pub fn subject<'a>(source: &Source<'a>, record: &Record) -> [Cow<'a, str>; 3] {
    subject_of(record.kind, |field| source.text(record, field))
}

impl<'a> Merger<'a> {
    pub(super) fn source(&self, at: At) -> &'a Source<'a> {
        &self.sources[at.source as usize]
    }

    pub(super) fn record(&self, at: At) -> &'a Record {
        &self.source(at).file.records[at.record as usize]
    }

    pub(super) fn text(&self, at: At, field: Field) -> Option<Cow<'a, str>> {
        self.source(at).text(self.record(at), field)
    }

    pub(super) fn int(&self, at: At, field: Field) -> Option<i64> {
        self.source(at).int(self.record(at), field)
    }

    pub(super) fn line(&self, at: At) -> &'a [u8] {
        self.source(at).line(self.record(at))
    }

    pub(super) fn origin(&self, at: At) -> Cow<'a, str> {
        self.source(at).origin(self.design, self.record(at))
    }

    /// Whether a record counts in the file it stands in.
    fn counts(&self, source: &Source<'_>, kind: Kind) -> bool {
        let Some(log) = kind.log() else { return false };
        match source.log {
            None => true,
            Some(own) if own == log => true,
            // Upstream reads each kind from its own file only.
            Some(own) => self.design.copies == Copies::Versions && own != Log::Runtime && log != Log::Runtime,
        }
    }

    /// Chains the records of each subject, in the order they are met.
    fn group(&mut self) -> Groups {
        let records = self.sources.iter().map(|source| source.file.records.len()).sum();
        let mut groups = Groups { groups: Vec::new(), links: Vec::with_capacity(records) };
        let mut table = HashTable::<u32>::with_capacity(records / 2);
        for (source_at, source) in self.sources.iter().enumerate() {
            for (record_at, record) in source.file.records.iter().enumerate() {
                self.view.clock = self.view.clock.max(record.stamp);
                if !self.counts(source, record.kind) {
                    self.view.unknown += u64::from(record.kind == Kind::Unknown);
                    continue;
                }
                let number =
                    |number| u32::try_from(number).expect("a file of less than 4 GiB has fewer records");
                let at = At { source: number(source_at), record: number(record_at) };
                let link = number(groups.links.len());
                groups.links.push(Link { at, next: END });
                let about = record.kind.subject();
                let hash = record.about;
                let first = |group: u32| groups.links[groups.groups[group as usize].first as usize].at;
                let same = |&group: &u32| {
                    let first = first(group);
                    let kept = self.record(first);
                    kept.about == hash
                        && kept.kind.subject() == about
                        && subject(self.source(first), kept) == subject(source, record)
                };
                match table.find(hash, same) {
                    Some(&group) => {
                        let group = &mut groups.groups[group as usize];
                        groups.links[group.last as usize].next = link;
                        group.last = link;
                    }
                    None => {
                        let group = number(groups.groups.len());
                        table.insert_unique(hash, group, |&group| self.record(first(group)).about);
                        groups.groups.push(Group { subject: about, first: link, last: link });
                    }
                }
            }
        }
        self.view.records = groups.links.len() as u64;
        groups
    }

    /// Compares the clocks of machines by what one said about what another made.
    fn compare_clocks(&mut self, groups: &Groups) {
        let mut doubts = std::mem::take(&mut self.view.doubts);
        for group in groups.groups.iter().filter(|group| group.first != group.last) {
            let links = || {
                let next = |&at: &u32| Some(groups.links[at as usize].next).filter(|&next| next != END);
                std::iter::successors(Some(group.first), next).map(|at| groups.links[at as usize].at)
            };
            let dated = |at: &At| {
                let record = self.record(*at);
                record.timed && !record.causal
            };
            let Some(made) = links().find(|at| dated(at) && self.record(*at).kind.creates()) else {
                continue;
            };
            let maker = self.ranks[made.source as usize];
            for at in links().filter(|at| self.ranks[at.source as usize] != maker && dated(at)) {
                let later_ms = self.record(at).stamp.ms.saturating_sub(self.record(made).stamp.ms);
                doubts.note(self.source(at).machine, self.source(made).machine, later_ms);
            }
        }
        self.view.doubts = doubts;
    }

    /// Puts the records of a group into order.
    fn gather(&self, groups: &Groups, group: &Group, events: &mut Vec<Event>) {
        events.clear();
        let mut at = group.first;
        // The source, the latest of its records so far, and of those without a hybrid clock.
        let mut before = (u32::MAX, Hybrid::default(), Hybrid::default());
        while at != END {
            let link = &groups.links[at as usize];
            let mut key = self.key(link.at);
            if self.design.order == Ordering::Causal {
                // Records of one file about one subject keep their order. Those with hybrid clocks say it themselves,
                // and where two machines wrote one file theirs is the only one.
                let causal = self.record(link.at).causal;
                let (any, old) =
                    if before.0 == link.at.source { (before.1, before.2) } else { Default::default() };
                key.stamp = key.stamp.max(if causal { old } else { any });
                before = (link.at.source, any.max(key.stamp), if causal { old } else { old.max(key.stamp) });
            }
            events.push(Event { key, at: link.at });
            at = link.next;
        }
        if events.len() < 2 {
            return;
        }
        match self.design.order {
            Ordering::AsWritten => events.sort_unstable_by_key(|event| event.key),
            Ordering::Causal => events.sort_unstable_by(|a, b| {
                a.key.cmp(&b.key).then_with(|| self.line(a.at).cmp(self.line(b.at)))
            }),
        }
        if self.design.duplicates == Duplicates::Harmless {
            self.drop_copies(events);
        }
    }

    fn key(&self, at: At) -> Key {
        let (source, record) = (self.source(at), self.record(at));
        let machine = self.ranks[at.source as usize];
        let index = record.index;
        if matches!(source.log, None | Some(Log::Runtime)) {
            // Logs of one writer: their order is that of their lines.
            return Key { stamp: Hybrid::default(), machine, seq: i64::from(index), index };
        }
        let stamp = match self.design.order {
            Ordering::AsWritten => Hybrid { ms: record.time, count: 0 },
            Ordering::Causal => record.stamp,
        };
        // Two machines of one id give one number to two events, which may meet in one file or not.
        let index = if record.causal && record.seq.is_some() { 0 } else { index };
        Key { stamp, machine, seq: record.seq.unwrap_or(i64::from(record.index)), index }
    }

    /// Drops records that are there again in another file: the same line, at the same place or under the same
    /// number.
    fn drop_copies(&self, events: &mut Vec<Event>) {
        let mut start = 0;
        let mut dropped: Vec<usize> = Vec::new();
        while start < events.len() {
            let stamp = events[start].key.stamp;
            let run = events[start..].iter().take_while(|event| event.key.stamp == stamp).count();
            if run > 1
                && events[start..start + run].iter().any(|event| event.at.source != events[start].at.source)
            {
                let mut seen = BTreeSet::new();
                for (at, event) in events.iter().enumerate().skip(start).take(run) {
                    let place = self.record(event.at).seq.unwrap_or(i64::from(event.key.index));
                    if !seen.insert((place, self.line(event.at))) {
                        dropped.push(at);
                    }
                }
            }
            start += run;
        }
        for at in dropped.into_iter().rev() {
            events.remove(at);
        }
    }

    fn finish(self) -> View {
        let sources = self.sources;
        let text = |at: At, field| {
            sources[at.source as usize]
                .text(&sources[at.source as usize].file.records[at.record as usize], field)
        };
        let line = |at: At| {
            let source = &sources[at.source as usize];
            source.line(&source.file.records[at.record as usize])
        };
        let order = |a: (Key, At), b: (Key, At)| a.0.cmp(&b.0).then_with(|| line(a.1).cmp(line(b.1)));
        let mut view = self.view;
        if self.design.deletions == Deletions::Whole {
            drop_dead(&mut view, text);
        }
        view.messages.sort_by(|a, b| order((a.key, a.created), (b.key, b.created)));
        view.threads.sort_by(|a, b| order((a.key, a.guid.at), (b.key, b.guid.at)));
        view.questions.sort_by(|a, b| order((a.key, a.created), (b.key, b.created)));
        view.reactions.sort_by(|a, b| order((a.key, a.at), (b.key, b.at)));
        for entries in [
            &mut view.faves,
            &mut view.roles,
            &mut view.session_roles,
            &mut view.cursors,
            &mut view.descriptors,
            &mut view.pins,
            &mut view.sessions,
        ] {
            entries.sort_by(|a, b| order((a.key, a.at), (b.key, b.at)));
        }
        view.agents.sort_by_key(|agent| text(agent.created, Field::AgentId));
        view.collisions.sort();
        view.problems.sort();
        view.problems.dedup();
        view
    }
}

/// Drops the pins of deleted messages and threads, and takes deleted messages out of the threads they were put into.
/// A name that two messages or threads share is that of a deleted one if either is: who used it can not have said
/// which is meant, and what was gone once stays gone.
fn drop_dead<'a>(view: &mut View, text: impl Fn(At, Field) -> Option<Cow<'a, str>>) {
    let listed = view.threads.iter().any(|thread| !thread.messages.is_empty());
    if !listed && view.pins.is_empty() {
        return;
    }
    let messages = view.messages.iter().filter(|message| message.deleted);
    let messages: BTreeSet<_> = messages.filter_map(|message| text(message.created, Field::Id)).collect();
    let threads = view.threads.iter().filter(|thread| thread.deleted);
    let threads: BTreeSet<_> = threads.filter_map(|thread| text(thread.guid.at, thread.guid.field)).collect();
    let dead =
        |names: &BTreeSet<Cow<'a, str>>, at, field| text(at, field).is_some_and(|name| names.contains(&name));
    view.pins.retain(|pin| {
        !dead(&messages, pin.at, Field::MessageGuid) && !dead(&threads, pin.at, Field::ThreadGuid)
    });
    for thread in &mut view.threads {
        thread.messages.retain(|message| !messages.contains(&*message.who));
    }
}
