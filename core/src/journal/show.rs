//! A view as one JSON document, in the form of upstream's expected results.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Design;
use super::address::Origins;
use super::schema::{Field, Kind};
use super::view::{At, Cell, DELETED, Entry, Message, Source, View};

/// A view together with the sources that its values stand in.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// How it was merged.
    pub design: &'a Design,
    /// The sources.
    pub sources: &'a [Source<'a>],
    /// What they say.
    pub view: &'a View,
}

impl<'a> Shown<'a> {
    /// The JSON text of a field; `None` if it is absent or `null`.
    #[must_use]
    pub fn raw(&self, at: At, field: Field) -> Option<&'a str> {
        let source = &self.sources[at.source as usize];
        source.raw(&source.file.records[at.record as usize], field)
    }

    /// The text of a field that is a string.
    #[must_use]
    pub fn text(&self, at: At, field: Field) -> Option<Cow<'a, str>> {
        self.raw(at, field).and_then(super::line::text)
    }

    /// The number of a field that is one.
    #[must_use]
    pub fn int(&self, at: At, field: Field) -> Option<i64> {
        self.raw(at, field)?.parse().ok()
    }

    /// The text of a value that is a string.
    #[must_use]
    pub fn cell(&self, cell: Option<Cell>) -> Option<Cow<'a, str>> {
        cell.and_then(|cell| self.text(cell.at, cell.field))
    }

    /// The machine a record comes from.
    #[must_use]
    pub fn origin(&self, at: At) -> Cow<'a, str> {
        let source = &self.sources[at.source as usize];
        source.origin(self.design, &source.file.records[at.record as usize])
    }

    /// What a message says now.
    #[must_use]
    pub fn body(&self, message: &Message) -> Cow<'a, str> {
        match self.cell(message.body) {
            Some(body) => body,
            None if message.deleted => Cow::Borrowed(DELETED),
            None => Cow::default(),
        }
    }

    /// Where a message is now.
    #[must_use]
    pub fn home(&self, message: &Message) -> Cow<'a, str> {
        self.cell(message.home).filter(|home| !home.is_empty()).unwrap_or(Cow::Borrowed("room"))
    }

    /// The reactions of the old form, by emoji: trimmed, without empty and repeated names where an update wrote
    /// them (`normalizeReactionsLegacy` at aed4c1a).
    #[must_use]
    pub fn old_reactions(&self, message: &Message) -> Option<BTreeMap<String, Vec<String>>> {
        let cell = message.reactions?;
        let written: BTreeMap<String, Option<Vec<Option<String>>>> =
            serde_json::from_str(self.raw(cell.at, cell.field)?).ok()?;
        let listed = written.into_iter().map(|(emoji, who)| {
            (emoji, who.unwrap_or_default().into_iter().flatten().collect::<Vec<String>>())
        });
        let source = &self.sources[cell.at.source as usize];
        if source.file.records[cell.at.record as usize].kind == Kind::Message {
            return Some(listed.collect());
        }
        let trimmed = listed.filter_map(|(emoji, who)| {
            let mut names = Vec::new();
            for name in who.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
                if !names.iter().any(|known| known == name) {
                    names.push(name.to_owned());
                }
            }
            Some((emoji.trim().to_owned(), names))
                .filter(|(emoji, names)| !emoji.is_empty() && !names.is_empty())
        });
        Some(trimmed.collect())
    }

    /// Which machines each agent has written from.
    #[must_use]
    pub fn origins(&self) -> Origins {
        let mut origins = Origins::default();
        for message in &self.view.messages {
            let agent = self.text(message.created, Field::FromAgent).unwrap_or_default();
            origins.add(&agent, &self.origin(message.created));
        }
        origins
    }

    /// The whole view as JSON: the sections of upstream's results, and those it does not have.
    #[must_use]
    pub fn json(&self) -> Value {
        let view = self.view;
        let list = |entries: &[Entry], fields: &[Field]| -> Value {
            entries
                .iter()
                .map(|entry| fields.iter().map(|&field| self.value(entry.at, field)).collect::<Value>())
                .collect()
        };
        let map = |entries: &[Entry], key: &[Field], value: Field| -> Value {
            let named = entries.iter().map(|entry| {
                let parts: Vec<_> =
                    key.iter().map(|&field| self.text(entry.at, field).unwrap_or_default()).collect();
                (parts.join("|"), self.value(entry.at, value))
            });
            Value::Object(named.collect())
        };
        let collisions = view.collisions.iter().map(|collision| {
            let machines: Vec<_> = collision.entries.iter().map(|(machine, _)| machine.as_str()).collect();
            json!([collision.kind, collision.guid, machines])
        });
        let mut shown = json!({
            "messages": view.messages.iter().map(|message| self.message(message)).collect::<Value>(),
            "threads": self.threads(),
            "thread_members": self.members(),
            "questions": self.questions(),
            "reactions": list(&view.reactions, &[Field::MessageGuid, Field::AgentId, Field::Emoji, Field::ReactedAt]),
            "faves": map(&view.faves, &[Field::AgentId, Field::ItemType, Field::ItemGuid], Field::FavedAt),
            "ghost_cursors": map(&view.cursors, &[Field::AgentId, Field::Home], Field::MessageGuid),
            "roles_held": map(&view.roles, &[Field::AgentId, Field::RoleName], Field::AssignedAt),
            "roles_played": map(&view.session_roles, &[Field::AgentId, Field::RoleName], Field::StartedAt),
            "message_pins": map(&view.pins, &[Field::MessageGuid, Field::ThreadGuid], Field::PinnedAt),
            "descriptors": map(&view.descriptors, &[Field::AgentId], Field::DisplayName),
            "collisions": collisions.collect::<Value>(),
        });
        if let (Some(error), Some(shown)) = (view.rebuild_error, shown.as_object_mut()) {
            shown.insert("upstream_rebuild_error".to_owned(), json!(error));
        }
        shown
    }

    fn value(&self, at: At, field: Field) -> Value {
        self.raw(at, field).and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or(Value::Null)
    }

    fn message(&self, message: &Message) -> Value {
        let at = message.created;
        json!({
            "id": self.text(at, Field::Id).unwrap_or_default(),
            "home": self.home(message),
            "from_agent": self.text(at, Field::FromAgent).unwrap_or_default(),
            "origin": self.origin(at),
            "body": self.body(message),
            "ts": self.int(at, Field::Ts).unwrap_or(0),
            "edited_at": message.edited_at,
            "archived_at": message.archived_at,
            "reactions": self.old_reactions(message),
        })
    }

    fn threads(&self) -> Value {
        let known = self.view.threads.iter().filter_map(|thread| Some((thread, thread.created?)));
        let threads = known.map(|(thread, at)| {
            let status = self.cell(thread.status).filter(|status| !status.is_empty());
            let status =
                if thread.deleted { Cow::Borrowed("archived") } else { status.unwrap_or("open".into()) };
            let subscribed: Vec<_> = thread.subscribers.iter().map(|member| member.who.as_str()).collect();
            json!({
                "guid": self.cell(Some(thread.guid)).unwrap_or_default(),
                "name": self.cell(thread.name).unwrap_or_default(),
                "parent_thread": self.cell(thread.parent),
                "status": status,
                "thread_type": self.cell(thread.thread_type).filter(|kind| !kind.is_empty()),
                "created_at": self.int(at, Field::CreatedAt).unwrap_or(0),
                "last_activity_at": thread.last_activity_at,
                "subscribed": subscribed,
            })
        });
        threads.collect()
    }

    /// Who and what belongs to each thread, sorted: its GUID, as what, and the agent or message.
    fn members(&self) -> Value {
        let mut members = Vec::new();
        for thread in &self.view.threads {
            let guid = self.cell(Some(thread.guid)).unwrap_or_default();
            let lists =
                [("message", &thread.messages), ("mute", &thread.mutes), ("subscriber", &thread.subscribers)];
            for (role, list) in lists {
                members.extend(list.iter().map(|member| [guid.clone(), role.into(), (&*member.who).into()]));
            }
            if let Some(pinned) = thread.pinned {
                members.push([guid, "pin".into(), self.text(pinned, Field::PinnedBy).unwrap_or_default()]);
            }
        }
        members.sort();
        json!(members)
    }

    fn questions(&self) -> Value {
        let questions = self.view.questions.iter().map(|question| {
            let at = question.created;
            let status = self.cell(question.status).filter(|status| !status.is_empty());
            json!({
                "guid": self.text(at, Field::Guid).unwrap_or_default(),
                "re": self.text(at, Field::Re).unwrap_or_default(),
                "from_agent": self.text(at, Field::FromAgent).unwrap_or_default(),
                "to": self.cell(question.to),
                "status": status.unwrap_or("unasked".into()),
                "thread_guid": self.cell(question.thread),
                "asked_in": self.cell(question.asked_in),
                "answered_in": self.cell(question.answered_in),
                "created_at": self.int(at, Field::CreatedAt).unwrap_or(0),
            })
        });
        questions.collect()
    }
}

/// The sections of `shown` that `expected` has too: what a case file says about upstream's result.
#[must_use]
pub fn common(shown: &Value, expected: &Value) -> Value {
    let (Some(shown), Some(expected)) = (shown.as_object(), expected.as_object()) else {
        return shown.clone();
    };
    let sections: Map<_, _> = shown
        .iter()
        .filter(|(name, _)| expected.contains_key(*name))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    Value::Object(sections)
}
