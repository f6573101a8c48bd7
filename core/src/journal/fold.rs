//! The records of one subject, in order, become what it is now.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::merge::{Event, Merger, subject};
use super::problem::{Problem, ProblemKind};
use super::schema::{Field, Kind, Subject};
use super::view::{Agent, At, Cell, Collision, DELETED, Entry, Member, Message, Question, Thread};
use super::{Deletions, Duplicates, Keying, Ordering, Tombstones};

impl Merger<'_> {
    pub(super) fn fold(&mut self, subject: Subject, events: &[Event]) {
        match subject {
            Subject::Message => self.each(events, "message", Self::message),
            Subject::Thread => self.each(events, "thread", Self::thread),
            Subject::Question => self.each(events, "question", Self::question),
            Subject::Agent => self.agent(events),
            Subject::Unknown => {}
            _ => self.register(subject, events),
        }
    }

    /// Folds the records of a GUID: all together, or for each machine that made something of that name.
    fn each(&mut self, events: &[Event], kind: &'static str, fold: fn(&mut Self, &[Event])) {
        let creations = events.iter().filter(|event| self.record(event.at).kind.creates()).count();
        if creations < 2 {
            fold(self, events);
            return;
        }
        match self.design.keying {
            Keying::Guid => {
                let mut entries: BTreeMap<String, At> = BTreeMap::new();
                for event in events.iter().filter(|event| self.record(event.at).kind.creates()) {
                    entries.entry(self.source(event.at).directory.to_owned()).or_insert(event.at);
                }
                self.collide(kind, entries);
                fold(self, events);
            }
            Keying::OriginAndGuid => {
                let mut parts: Vec<(Cow<'_, str>, Vec<Event>)> = Vec::new();
                for event in events.iter().filter(|event| self.record(event.at).kind.creates()) {
                    let origin = self.origin(event.at);
                    if parts.iter().all(|(known, _)| *known != origin) {
                        parts.push((origin, Vec::new()));
                    }
                }
                for event in events {
                    // An edit from a third machine goes to the older of the two, as every reader will find it.
                    let origin = self.origin(event.at);
                    let part = parts.iter().position(|(known, _)| *known == origin).unwrap_or(0);
                    parts[part].1.push(*event);
                }
                let first = |events: &[Event]| {
                    events.iter().find(|event| self.record(event.at).kind.creates()).map(|event| event.at)
                };
                let entries = parts
                    .iter()
                    .filter_map(|(origin, events)| Some((origin.clone().into_owned(), first(events)?)));
                let entries = entries.collect();
                self.collide(kind, entries);
                for (_, events) in &parts {
                    fold(self, events);
                }
            }
        }
    }

    fn collide(&mut self, kind: &'static str, entries: BTreeMap<String, At>) {
        if entries.len() < 2 {
            return;
        }
        let at = *entries.values().max().expect("there are two at least");
        let guid = subject(self.source(at), self.record(at))[0].clone().into_owned();
        let machines: Vec<_> = entries.keys().map(String::as_str).collect();
        self.view.problems.push(Problem {
            file: self.source(at).name.into(),
            line: self.record(at).number,
            kind: ProblemKind::DuplicateGuid,
            detail: format!("{kind} {guid} comes from {}", machines.join(" and from ")),
        });
        self.view.collisions.push(Collision { kind, guid, entries: entries.into_iter().collect() });
    }

    fn cell(&self, at: At, field: Field) -> Option<Cell> {
        self.source(at).raw(self.record(at), field).map(|_| Cell { at, field })
    }

    /// Replaces a value where the record has one; `null` is none.
    fn set(&self, value: &mut Option<Cell>, at: At, field: Field) {
        if let Some(cell) = self.cell(at, field) {
            *value = Some(cell);
        }
    }

    /// Replaces a number where the record has one; `null` removes it.
    fn set_int(&self, value: &mut Option<i64>, at: At, field: Field) {
        if let Some(raw) = self.source(at).file.written(self.source(at).text, self.record(at), field) {
            *value = raw.parse().ok();
        }
    }

    // ---------------------------------------------------------------------------------------------- messages

    fn message(&mut self, events: &[Event]) {
        let causal = self.design.order == Ordering::Causal;
        let lasts = self.design.deletions != Deletions::LastWriter;
        let mut message: Option<Message> = None;
        let mut deleted_at: Option<i64> = None;
        // Changes that stand before the message they change.
        let mut early: Vec<Event> = Vec::new();
        let mut home_edit = None;
        let mut reacted = BTreeSet::new();
        let mut reactions = Vec::new();
        for event in events {
            match self.record(event.at).kind {
                Kind::Message => {
                    let fresh = self.fresh(event, deleted_at);
                    match &mut message {
                        // Hardened: written again by its own machine; what was changed since stays changed.
                        Some(known) if causal => known.created = fresh.created,
                        Some(known) => *known = Message { key: known.key, ..fresh },
                        None => {
                            let made = message.insert(fresh);
                            if deleted_at.is_none() || !lasts {
                                for change in early.drain(..) {
                                    self.change(made, &change, &mut home_edit);
                                }
                            }
                        }
                    }
                }
                Kind::MessageUpdate | Kind::MessageMove if deleted_at.is_some() && lasts => {}
                kind @ (Kind::MessageUpdate | Kind::MessageMove | Kind::MessageDelete) => {
                    let at = match kind {
                        Kind::MessageDelete => Some(self.int(event.at, Field::Ts).unwrap_or(0)),
                        _ => self.deletion(event.at),
                    };
                    let Some(at) = at else {
                        match &mut message {
                            Some(message) => self.change(message, event, &mut home_edit),
                            None => early.push(*event),
                        }
                        continue;
                    };
                    deleted_at = Some(at);
                    early.clear();
                    if let Some(message) = &mut message {
                        self.delete(message, at);
                    }
                }
                _ => {
                    let part = |field| self.text(event.at, field).unwrap_or_default();
                    let name =
                        (part(Field::AgentId), part(Field::Emoji), self.int(event.at, Field::ReactedAt));
                    let fresh = reacted.insert(name);
                    if !fresh && self.design.duplicates == Duplicates::Harmless {
                        continue;
                    }
                    if !fresh {
                        self.view.rebuild_error = Some("reactions PRIMARY KEY violation");
                    }
                    reactions.push(Entry { key: event.key, at: event.at });
                }
            }
        }
        if deleted_at.is_none() || self.design.deletions != Deletions::Whole {
            self.view.reactions.extend(reactions);
        }
        self.view.messages.extend(message);
    }

    fn fresh(&self, event: &Event, deleted_at: Option<i64>) -> Message {
        let at = event.at;
        let mut message = Message {
            key: event.key,
            created: at,
            home: self.cell(at, Field::Home),
            body: self.cell(at, Field::Body),
            edited_at: self.int(at, Field::EditedAt),
            archived_at: self.int(at, Field::ArchivedAt),
            reactions: self.cell(at, Field::Reactions),
            edits: 0,
            deleted: false,
        };
        if let Some(at) = deleted_at {
            self.delete(&mut message, at);
        }
        message
    }

    fn delete(&self, message: &mut Message, at: i64) {
        message.body = None;
        message.archived_at = Some(at);
        message.deleted = true;
        if self.design.deletions == Deletions::Whole {
            message.reactions = None;
        }
    }

    fn change(&self, message: &mut Message, event: &Event, home_edit: &mut Option<Event>) {
        let at = event.at;
        let record = self.record(at);
        if record.kind == Kind::MessageMove {
            self.set(&mut message.home, at, Field::NewHome);
            return;
        }
        self.set_int(&mut message.archived_at, at, Field::ArchivedAt);
        self.set(&mut message.reactions, at, Field::Reactions);
        let edits = self.cell(at, Field::Body).is_some();
        if self.design.order == Ordering::Causal && edits && !record.causal {
            if self.origin(at) == self.origin(message.created) {
                *home_edit = Some(*event);
            } else if home_edit.is_some_and(|home| self.may_be_earlier(event, &home)) {
                return;
            }
        } else if edits {
            *home_edit = None;
        }
        self.set(&mut message.body, at, Field::Body);
        self.set_int(&mut message.edited_at, at, Field::EditedAt);
        message.edits += u32::from(edits);
    }

    /// Whether a record that its machine's wall clock calls later may be earlier than one of another machine.
    fn may_be_earlier(&self, event: &Event, than: &Event) -> bool {
        let later_ms = event.key.stamp.ms.saturating_sub(than.key.stamp.ms);
        let machine = |event: &Event| self.source(event.at).machine;
        later_ms <= self.view.doubts.ahead_ms_max(machine(event), machine(than))
    }

    /// When a change deletes its message, as upstream did before it had a record for that; `None` if it does not.
    fn deletion(&self, at: At) -> Option<i64> {
        let body = self.source(at).raw(self.record(at), Field::Body)?;
        let deletes = body.trim_matches('"') == DELETED && self.design.deletions == Deletions::Whole;
        deletes.then(|| self.int(at, Field::ArchivedAt))?
    }

    // ----------------------------------------------------------------------------------------------- threads

    fn thread(&mut self, events: &[Event]) {
        let mut thread: Option<Thread> = None;
        let mut early: Vec<At> = Vec::new();
        let mut deleted = false;
        let lasts = self.design.deletions != Deletions::LastWriter;
        let mut members = Members::default();
        for event in events {
            let at = event.at;
            match self.record(at).kind {
                Kind::Thread => {
                    let known = thread.as_ref().map(|known| known.key);
                    let fresh = self.fresh_thread(event, deleted);
                    match &mut thread {
                        Some(known) if self.design.order == Ordering::Causal => known.created = fresh.created,
                        other => *other = Some(Thread { key: known.unwrap_or(event.key), ..fresh }),
                    }
                    if let Some(thread) = thread.as_mut().filter(|_| !(deleted && lasts)) {
                        for change in early.drain(..) {
                            self.change_thread(thread, change);
                        }
                    }
                }
                Kind::ThreadUpdate if deleted && lasts => {}
                Kind::ThreadUpdate => match &mut thread {
                    Some(thread) => self.change_thread(thread, at),
                    None => early.push(at),
                },
                Kind::ThreadDelete => {
                    deleted = true;
                    early.clear();
                    if let Some(thread) = &mut thread {
                        thread.deleted = true;
                    }
                }
                kind => self.member(kind, at, &mut members),
            }
        }
        let gone = deleted && self.design.deletions == Deletions::Whole;
        if gone {
            members = Members::default();
        }
        if thread.is_none() && members.pinned.is_none() && members.mutes.is_empty() {
            return;
        }
        let guid = self.guid(events);
        let mut thread =
            thread.unwrap_or_else(|| Thread { created: None, ..self.fresh_thread(&events[0], deleted) });
        thread.guid = guid;
        if let Some(created) = thread.created.filter(|_| !gone) {
            let since = self.int(created, Field::CreatedAt).unwrap_or(0);
            let raw = self.source(created).raw(self.record(created), Field::Subscribed).unwrap_or("[]");
            let listed: Vec<Option<Cow<'_, str>>> = serde_json::from_str(raw).unwrap_or_default();
            for who in listed.into_iter().flatten().filter(|who| !who.is_empty()) {
                members
                    .subscribers
                    .entry(who.clone().into_owned())
                    .or_insert_with(|| Some(Member { who: who.into_owned(), by: None, since, until: None }));
            }
            thread.subscribers = members.subscribers.into_values().flatten().collect();
            thread.messages = members.messages.into_values().collect();
        }
        thread.mutes = members.mutes.into_values().collect();
        thread.pinned = members.pinned;
        self.view.threads.push(thread);
    }

    /// Where a thread's GUID stands.
    fn guid(&self, events: &[Event]) -> Cell {
        let at = events[0].at;
        let fields = [Field::ThreadGuid, Field::ThreadId, Field::Guid];
        let found = fields.into_iter().find_map(|field| self.cell(at, field));
        found.unwrap_or(Cell { at, field: Field::Guid })
    }

    fn fresh_thread(&self, event: &Event, deleted: bool) -> Thread {
        let at = event.at;
        Thread {
            key: event.key,
            created: Some(at),
            guid: Cell { at, field: Field::Guid },
            name: self.cell(at, Field::Name),
            parent: self.cell(at, Field::ParentThread),
            status: self.cell(at, Field::Status),
            thread_type: self.cell(at, Field::ThreadType),
            anchor: self.cell(at, Field::AnchorMessageGuid),
            anchor_hidden: self.cell(at, Field::AnchorHidden),
            last_activity_at: self.int(at, Field::LastActivityAt),
            subscribers: Vec::new(),
            messages: Vec::new(),
            mutes: Vec::new(),
            pinned: None,
            deleted,
        }
    }

    fn change_thread(&self, thread: &mut Thread, at: At) {
        self.set(&mut thread.name, at, Field::Name);
        self.set(&mut thread.parent, at, Field::ParentThread);
        self.set(&mut thread.status, at, Field::Status);
        self.set(&mut thread.thread_type, at, Field::ThreadType);
        self.set(&mut thread.anchor, at, Field::AnchorMessageGuid);
        self.set(&mut thread.anchor_hidden, at, Field::AnchorHidden);
        if let Some(activity) = self.int(at, Field::LastActivityAt) {
            thread.last_activity_at = Some(activity);
        }
    }

    fn member(&self, kind: Kind, at: At, members: &mut Members) {
        let text = |field| self.text(at, field).unwrap_or_default().into_owned();
        let member = |who: Field, by: Field, since: Field| Member {
            who: text(who),
            by: self.cell(at, by),
            since: self.int(at, since).unwrap_or(0),
            until: self.int(at, Field::ExpiresAt),
        };
        match kind {
            Kind::ThreadSubscribe => {
                let member = member(Field::AgentId, Field::AddedBy, Field::SubscribedAt);
                members.subscribers.insert(member.who.clone(), Some(member));
            }
            Kind::ThreadUnsubscribe => {
                members.subscribers.insert(text(Field::AgentId), None);
            }
            Kind::ThreadMessage => {
                let member = member(Field::MessageGuid, Field::AddedBy, Field::AddedAt);
                members.messages.insert(member.who.clone(), member);
            }
            Kind::ThreadMessageRemove => {
                members.messages.remove(&text(Field::MessageGuid));
            }
            Kind::ThreadMute => {
                let member = member(Field::AgentId, Field::AddedBy, Field::MutedAt);
                members.mutes.insert(member.who.clone(), member);
            }
            Kind::ThreadUnmute => {
                members.mutes.remove(&text(Field::AgentId));
            }
            Kind::ThreadPin => members.pinned = Some(at),
            Kind::ThreadUnpin => members.pinned = None,
            _ => {}
        }
    }

    // --------------------------------------------------------------------------------------------- questions

    fn question(&mut self, events: &[Event]) {
        let mut question: Option<Question> = None;
        let mut early: Vec<At> = Vec::new();
        let causal = self.design.order == Ordering::Causal;
        for event in events {
            let at = event.at;
            match (self.record(at).kind, &mut question) {
                (Kind::Question, Some(known)) if causal => known.created = at,
                (Kind::Question, known) => {
                    let key = known.as_ref().map_or(event.key, |known| known.key);
                    let fresh = known.insert(Question {
                        key,
                        created: at,
                        status: self.cell(at, Field::Status),
                        to: self.cell(at, Field::To),
                        thread: self.cell(at, Field::ThreadGuid),
                        asked_in: self.cell(at, Field::AskedIn),
                        answered_in: self.cell(at, Field::AnsweredIn),
                    });
                    for change in early.drain(..) {
                        self.change_question(fresh, change);
                    }
                }
                (_, Some(question)) => self.change_question(question, at),
                (_, None) => early.push(at),
            }
        }
        self.view.questions.extend(question);
    }

    fn change_question(&self, question: &mut Question, at: At) {
        self.set(&mut question.to, at, Field::To);
        self.set(&mut question.thread, at, Field::ThreadGuid);
        self.set(&mut question.asked_in, at, Field::AskedIn);
        self.set(&mut question.answered_in, at, Field::AnsweredIn);
        if self.design.order == Ordering::Causal
            && !self.record(at).timed
            && !self.record(at).causal
            && let Some(known) = question.status
            && self.origin(known.at) != self.origin(at)
            && self.progress(known) > self.cell(at, Field::Status).and_then(|cell| self.progress(cell))
        {
            return;
        }
        self.set(&mut question.status, at, Field::Status);
    }

    /// How far a question has come; nothing for a status that is not one of the four.
    fn progress(&self, status: Cell) -> Option<usize> {
        let status = self.text(status.at, status.field)?;
        ["unasked", "open", "answered", "closed"].iter().position(|&known| known == status)
    }

    // --------------------------------------------------------------------------------------------- registers

    /// Faves, roles, cursors, descriptors, pins, sessions: one record stands for the whole, or none.
    fn register(&mut self, subject: Subject, events: &[Event]) {
        let sticky = self.design.tombstones == Tombstones::Sticky;
        let mut entry: Option<Entry> = None;
        // How often it was removed for good by those whose removals the entry must have seen to stand.
        let mut removed: Option<i64> = None;
        for event in events {
            let kind = self.record(event.at).kind;
            let again = self.int(event.at, Field::Again).unwrap_or(0);
            match kind {
                Kind::AgentUnfave | Kind::RoleDrop | Kind::RoleStop | Kind::MessageUnpin => entry = None,
                Kind::FaveRemove | Kind::RoleRelease | Kind::CursorClear if sticky => {
                    removed = removed.max(Some(again));
                }
                Kind::FaveRemove | Kind::RoleRelease | Kind::CursorClear => entry = None,
                _ => {
                    let known = entry.and_then(|known| self.int(known.at, Field::Again)).unwrap_or(0);
                    if !sticky || again >= known {
                        entry = Some(Entry { key: event.key, at: event.at });
                    }
                }
            }
        }
        let Some(entry) = entry else { return };
        let again = self.int(entry.at, Field::Again).unwrap_or(0);
        if removed.is_some_and(|removed| again <= removed) {
            return;
        }
        let named = !subject_is_empty(&super::merge::subject(self.source(entry.at), self.record(entry.at)));
        let entries = match subject {
            Subject::Fave => &mut self.view.faves,
            Subject::Role => &mut self.view.roles,
            Subject::SessionRole => &mut self.view.session_roles,
            Subject::Cursor => &mut self.view.cursors,
            Subject::Descriptor if named => &mut self.view.descriptors,
            Subject::Pin => &mut self.view.pins,
            Subject::Session => &mut self.view.sessions,
            _ => return,
        };
        entries.push(entry);
    }

    fn agent(&mut self, events: &[Event]) {
        let mut agent: Option<Agent> = None;
        for event in events {
            let at = event.at;
            match (self.record(at).kind, &mut agent) {
                (Kind::Agent, known) => *known = Some(Agent { created: at, values: Vec::new() }),
                (_, None) => {}
                (Kind::PresenceEvent, Some(agent)) => {
                    if let Some(cell) = self.cell(at, Field::To) {
                        agent.put(Field::Presence, cell);
                    }
                }
                (kind, Some(agent)) => {
                    for &field in kind.fields().iter().filter(|&&field| field != Field::AgentId) {
                        if let Some(cell) = self.cell(at, field) {
                            agent.put(field, cell);
                        }
                    }
                }
            }
        }
        self.view.agents.extend(agent);
    }
}

impl Agent {
    fn put(&mut self, field: Field, cell: Cell) {
        match self.values.iter_mut().find(|(known, _)| *known == field) {
            Some((_, known)) => *known = cell,
            None => self.values.push((field, cell)),
        }
    }
}

/// Who and what belongs to a thread, by name. A subscriber that left is kept as nothing, so that the list the
/// thread was made with does not bring it back.
#[derive(Default)]
struct Members {
    subscribers: BTreeMap<String, Option<Member>>,
    messages: BTreeMap<String, Member>,
    mutes: BTreeMap<String, Member>,
    pinned: Option<At>,
}

fn subject_is_empty(parts: &[Cow<'_, str>; 3]) -> bool {
    parts.iter().all(|part| part.is_empty())
}
