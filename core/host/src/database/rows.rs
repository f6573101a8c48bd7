//! A view becomes rows.

use std::borrow::Cow;

use cloudchamber_core::journal::line::text;
use cloudchamber_core::journal::schema::{Field, Kind};
use cloudchamber_core::journal::show::Shown;
use cloudchamber_core::journal::view::{At, Entry, Message, Question, Thread};
use rusqlite::{CachedStatement, Connection, ToSql, params};

/// Where the records of a source stand in their file.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// The row of the file.
    pub(super) file: i64,
    /// For each record how far its place in the file is from that in the bytes at hand; empty if the bytes
    /// are the whole file.
    pub(super) shifts: Vec<i64>,
}

impl Place {
    pub(super) fn start(&self, record: u32, start: u32) -> i64 {
        i64::from(start) + self.shifts.get(record as usize).copied().unwrap_or(0)
    }
}

/// The rows of everything in a view.
///
/// No row of a view has the key of another. `OR IGNORE` says to SQLite that no statement is ever undone, which
/// spares it a journal per row: a quarter of the time.
pub(super) fn insert(connection: &Connection, shown: &Shown<'_>, places: &[Place]) -> rusqlite::Result<()> {
    messages(connection, shown, places)?;
    threads(connection, shown)?;
    questions(connection, shown)?;
    let view = shown.view;
    let mut statement = connection.prepare_cached("INSERT OR IGNORE INTO reactions VALUES (?, ?, ?, ?)")?;
    for entry in &view.reactions {
        let part = |field| shown.text(entry.at, field).unwrap_or_default();
        let at = shown.int(entry.at, Field::ReactedAt).unwrap_or(0);
        statement.execute(params![part(Field::MessageGuid), part(Field::AgentId), part(Field::Emoji), at])?;
    }
    registers(connection, shown, "fave", &view.faves, None)?;
    registers(connection, shown, "role", &view.roles, None)?;
    registers(connection, shown, "session-role", &view.session_roles, Some(Field::SessionId))?;
    registers(connection, shown, "cursor", &view.cursors, Some(Field::MessageGuid))?;
    registers(connection, shown, "descriptor", &view.descriptors, Some(Field::DisplayName))?;
    registers(connection, shown, "pin", &view.pins, Some(Field::PinnedBy))?;
    let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO collisions VALUES (?, ?, ?)")?;
    for collision in &view.collisions {
        for (machine, _) in &collision.entries {
            statement.execute(params![collision.kind, collision.guid, machine])?;
        }
    }
    local(connection, shown)
}

/// Removes what belongs to something that is deleted and stands in rows of something else: pins, and deleted messages in
/// threads. A merge of everything leaves none; a merge of what is new knows of the rest only what the rows say.
pub(super) fn drop_dead(connection: &Connection, shown: &Shown<'_>) -> rusqlite::Result<()> {
    let view = shown.view;
    let dead = view.messages.iter().filter(|message| message.deleted);
    let dead: Vec<_> = dead.filter_map(|message| shown.text(message.created, Field::Id)).collect();
    if !(dead.is_empty() && view.pins.is_empty() && view.threads.iter().all(|thread| !thread.deleted)) {
        connection
            .prepare_cached(
                "DELETE FROM registers WHERE kind = 'pin' AND
               (EXISTS (SELECT 1 FROM messages WHERE guid = one AND deleted)
                OR EXISTS (SELECT 1 FROM threads WHERE guid = two AND deleted))",
            )?
            .execute([])?;
    }
    if !dead.is_empty() {
        connection.prepare_cached(
            "DELETE FROM thread_members WHERE role = 'message' AND who IN (SELECT value FROM json_each(?))",
        )?.execute([serde_json::to_string(&dead).expect("a list of names")])?;
    }
    let mut statement = connection.prepare_cached(
        "DELETE FROM thread_members WHERE guid = ? AND role = 'message'
           AND EXISTS (SELECT 1 FROM messages WHERE messages.guid = who AND deleted)",
    )?;
    for thread in view.threads.iter().filter(|thread| !thread.messages.is_empty()) {
        statement.execute([shown.cell(Some(thread.guid)).unwrap_or_default()])?;
    }
    Ok(())
}

/// The fields of a message that have no column of their own.
const REST: [Field; 6] = [
    Field::ChannelId,
    Field::SessionId,
    Field::ForkSessions,
    Field::References,
    Field::SurfaceMessage,
    Field::QuoteMessageGuid,
];

/// How many rows one statement inserts: what a statement costs by itself is shared among them.
const ROWS: usize = 16;
const MESSAGE_COLUMNS: usize = 25;

fn messages(connection: &Connection, shown: &Shown<'_>, places: &[Place]) -> rusqlite::Result<()> {
    // In the order of the view, which is nearly that of the files: what is read lies side by side.
    let row = format!("({})", ["?"; MESSAGE_COLUMNS].join(","));
    let rows = |count| format!("INSERT OR IGNORE INTO messages VALUES {}", vec![&*row; count].join(","));
    let (whole, rest) = shown.view.messages.as_chunks::<ROWS>();
    let mut statement = connection.prepare_cached(&rows(ROWS))?;
    for messages in whole {
        insert_messages(&mut statement, shown, places, messages)?;
    }
    let mut statement = connection.prepare_cached(&rows(1))?;
    for message in rest {
        insert_messages(&mut statement, shown, places, std::slice::from_ref(message))?;
    }
    Ok(())
}

fn insert_messages(
    statement: &mut CachedStatement<'_>,
    shown: &Shown<'_>,
    places: &[Place],
    messages: &[Message],
) -> rusqlite::Result<()> {
    let mut values = Values { statement, bound: 0, rest: String::new() };
    for message in messages {
        message_row(&mut values, shown, places, message)?;
    }
    values.statement.raw_execute().map(drop)
}

/// The values of a statement, in order.
struct Values<'s, 'c> {
    statement: &'s mut CachedStatement<'c>,
    bound: usize,
    /// Room for the text of one value.
    rest: String,
}

impl Values<'_, '_> {
    fn put(&mut self, value: impl ToSql) -> rusqlite::Result<()> {
        self.bound += 1;
        self.statement.raw_bind_parameter(self.bound, value)
    }

    /// The fields of a message that have no column of their own, as one object.
    fn put_rest(&mut self, shown: &Shown<'_>, at: At) -> rusqlite::Result<()> {
        self.rest.clear();
        for field in REST {
            if let Some(raw) = shown.raw(at, field) {
                self.rest.push(if self.rest.is_empty() { '{' } else { ',' });
                self.rest += field.key();
                self.rest += raw;
            }
        }
        self.bound += 1;
        if self.rest.is_empty() {
            return self.statement.raw_bind_parameter(self.bound, rusqlite::types::Null);
        }
        self.rest.push('}');
        self.statement.raw_bind_parameter(self.bound, &*self.rest)
    }
}

fn message_row(
    values: &mut Values<'_, '_>,
    shown: &Shown<'_>,
    places: &[Place],
    message: &Message,
) -> rusqlite::Result<()> {
    let at = message.created;
    let source = &shown.sources[at.source as usize];
    let record = &source.file.records[at.record as usize];
    let reactions = shown
        .old_reactions(message)
        .map(|reactions| serde_json::to_string(&reactions).expect("names and lists of names"));
    values.put(shown.text(at, Field::Id).unwrap_or_default())?;
    values.put(shown.origin(at))?;
    values.put(message.key.stamp.ms)?;
    values.put(message.key.stamp.count)?;
    values.put(source.machine)?;
    values.put(message.key.seq)?;
    values.put(message.key.index)?;
    values.put(shown.home(message))?;
    values.put(shown.text(at, Field::FromAgent).unwrap_or_default())?;
    values.put(shown.body(message))?;
    values
        .put(shown.text(at, Field::MessageType).filter(|kind| !kind.is_empty()).unwrap_or("agent".into()))?;
    values.put(shown.int(at, Field::Ts).unwrap_or(0))?;
    values.put(shown.raw(at, Field::Mentions).unwrap_or("[]"))?;
    values.put(shown.text(at, Field::ReplyTo))?;
    values.put_rest(shown, at)?;
    values.put(message.edited_at)?;
    values.put(message.archived_at)?;
    values.put(reactions)?;
    values.put(message.edits)?;
    values.put(message.deleted)?;
    values.put(places[at.source as usize].file)?;
    values.put(places[at.source as usize].start(at.record, record.line.start))?;
    values.put(record.line.len)?;
    values.put(record.number)?;
    values.put(record.stamp.ms)
}

fn threads(connection: &Connection, shown: &Shown<'_>) -> rusqlite::Result<()> {
    let mut thread_row =
        connection.prepare_cached("INSERT OR IGNORE INTO threads VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)")?;
    let mut member_row =
        connection.prepare_cached("INSERT OR IGNORE INTO thread_members VALUES (?,?,?,?,?,?)")?;
    for thread in &shown.view.threads {
        let Thread { created, pinned, .. } = thread;
        let guid = shown.cell(Some(thread.guid)).unwrap_or_default();
        // A thread of which only pins and mutes are known comes from nowhere yet.
        let origin = created.map(|at| shown.origin(at)).unwrap_or_default();
        let status = shown.cell(thread.status).filter(|status| !status.is_empty()).unwrap_or("open".into());
        let hidden = thread.anchor_hidden.and_then(|cell| shown.raw(cell.at, cell.field));
        thread_row.execute(params![
            guid,
            origin,
            thread.key.stamp.ms,
            thread.key.stamp.count,
            shown.cell(thread.name).unwrap_or_default(),
            shown.cell(thread.parent),
            if thread.deleted { "archived".into() } else { status },
            shown.cell(thread.thread_type),
            created.and_then(|at| shown.int(at, Field::CreatedAt)).unwrap_or(0),
            shown.cell(thread.anchor),
            hidden == Some("true"),
            thread.last_activity_at,
            pinned.and_then(|at| shown.text(at, Field::PinnedBy)),
            pinned.and_then(|at| shown.int(at, Field::PinnedAt)),
            thread.deleted,
        ])?;
        let members =
            [("subscriber", &thread.subscribers), ("message", &thread.messages), ("mute", &thread.mutes)];
        for (role, members) in members {
            for member in members {
                member_row.execute(params![guid, origin, role, member.who, member.since, member.until])?;
            }
        }
    }
    Ok(())
}

fn questions(connection: &Connection, shown: &Shown<'_>) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("INSERT OR IGNORE INTO questions VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)")?;
    for question in &shown.view.questions {
        let Question { created: at, key, .. } = *question;
        statement.execute(params![
            shown.text(at, Field::Guid).unwrap_or_default(),
            shown.origin(at),
            key.stamp.ms,
            key.stamp.count,
            shown.text(at, Field::Re).unwrap_or_default(),
            shown.text(at, Field::FromAgent).unwrap_or_default(),
            shown.cell(question.to),
            shown.cell(question.status).filter(|status| !status.is_empty()).unwrap_or("unasked".into()),
            shown.cell(question.thread),
            shown.cell(question.asked_in),
            shown.cell(question.answered_in),
            shown.raw(at, Field::Options),
            shown.int(at, Field::CreatedAt).unwrap_or(0),
        ])?;
    }
    Ok(())
}

/// What names a register: the parts of its key, as its kind says.
pub(super) fn register_key<'a>(shown: &Shown<'a>, at: At) -> [Cow<'a, str>; 3] {
    let kind = shown.sources[at.source as usize].file.records[at.record as usize].kind;
    let mut parts = [const { Cow::Borrowed("") }; 3];
    for (part, &field) in parts.iter_mut().zip(kind.key()) {
        *part = shown.text(at, field).unwrap_or_default();
    }
    parts
}

fn registers(
    connection: &Connection,
    shown: &Shown<'_>,
    name: &str,
    entries: &[Entry],
    value: Option<Field>,
) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("INSERT OR IGNORE INTO registers VALUES (?, ?, ?, ?, ?, ?)")?;
    for entry in entries {
        let [one, two, three] = register_key(shown, entry.at);
        let value = value.and_then(|field| shown.text(entry.at, field));
        let kind = shown.sources[entry.at.source as usize].file.records[entry.at.record as usize].kind;
        let at = kind.times().iter().find_map(|&field| shown.int(entry.at, field)).unwrap_or(0);
        statement.execute(params![name, one, two, three, value, at])?;
    }
    Ok(())
}

/// What this machine alone knows.
fn local(connection: &Connection, shown: &Shown<'_>) -> rusqlite::Result<()> {
    let mut row = connection.prepare_cached("INSERT OR REPLACE INTO agents VALUES (?, ?, ?)")?;
    for agent in &shown.view.agents {
        let name = shown.text(agent.created, Field::AgentId).unwrap_or_default();
        let registered =
            Kind::Agent.fields().iter().filter_map(|&field| Some((field, shown.raw(agent.created, field)?)));
        let later =
            agent.values.iter().filter_map(|(field, cell)| Some((*field, shown.raw(cell.at, cell.field)?)));
        for (field, raw) in registered.chain(later) {
            let value = text(raw).unwrap_or(Cow::Borrowed(raw));
            row.execute(params![name, field.name(), value])?;
        }
    }
    let mut row = connection.prepare_cached("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?)")?;
    for entry in &shown.view.sessions {
        let kind = shown.sources[entry.at.source as usize].file.records[entry.at.record as usize].kind;
        let at = kind.times().iter().find_map(|&field| shown.int(entry.at, field)).unwrap_or(0);
        let session = shown.text(entry.at, Field::SessionId).unwrap_or_default();
        row.execute(params![session, shown.text(entry.at, Field::AgentId), kind.name(), at])?;
    }
    Ok(())
}
