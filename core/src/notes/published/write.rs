//! What the published design writes.

use std::sync::Arc;

use super::load::{load, logs};
use super::row::{Read, Row};
use super::{Context, LOAD_RETRY_MS, Phase, Published};
use crate::notes::config::Config;
use crate::notes::crdt_log::{LOG_HEADER, log_record};
use crate::notes::document::{Author, Deed};
use crate::notes::lines::{activity_line, deletion_line};
use crate::notes::names::{
    ACTIVITY, DELETED, Form, is_id, line_log_file_name, log_file_name, logs_dir, new_id, note_dir,
    snapshot_file_name, snapshots_dir,
};
use crate::notes::protocol::{Command, Done, Event};
use crate::notes::snapshot::{ClockEntry, snapshot};
use crate::{Content, EntryKind, FsOp, Path};

fn identity_path() -> Path {
    Path::local("notes/instance-id")
}

fn row_path(note: &str) -> Path {
    Path::local("notes/rows").join(note)
}

impl Published {
    /// Finds out who this instance is, or takes the id that it is given.
    pub(super) fn become_somebody(&mut self, config: &Config, cx: Context<'_, '_>) {
        let known = cx.read(&identity_path()).ok();
        let known = known.and_then(|content| String::from_utf8(content.bytes().to_vec()).ok());
        if let Some(id) = known.filter(|id| is_id(id)) {
            self.instance = id.into();
            return;
        }
        self.instance = match &config.instance {
            Some(instance) => instance.clone(),
            None => new_id(cx.rng()).into(),
        };
        let content = Content::from(&*self.instance);
        self.write(vec![FsOp::Replace { path: identity_path(), content }], Vec::new(), cx);
    }

    pub(super) fn read_rows(&mut self, cx: Context<'_, '_>) {
        for entry in cx.list(&Path::local("notes/rows")).unwrap_or_default() {
            let row = cx.read(&entry.path).ok().and_then(|content| Row::read(content.bytes()));
            if let Some(row) = row {
                self.rows.insert(entry.name().into(), row);
            }
        }
    }

    fn write(&mut self, ops: Vec<FsOp>, events: Vec<Event>, cx: Context<'_, '_>) {
        ops.into_iter().for_each(|op| cx.op(op));
        match &mut self.phase {
            Phase::Writing(waiting) => waiting.extend(events),
            Phase::Ready => self.phase = Phase::Writing(events),
        }
    }

    /// Does what is to be done next, if nothing else is going on.
    pub(super) fn go_on(&mut self, config: &Config, cx: Context<'_, '_>) {
        while self.phase == Phase::Ready {
            let unsaved = std::mem::take(&mut self.unsaved);
            if !unsaved.is_empty() {
                let ops = unsaved.into_iter().filter_map(|note| self.row_op(&note, cx)).collect::<Vec<_>>();
                if !ops.is_empty() {
                    self.write(ops, Vec::new(), cx);
                }
                continue;
            }
            if self.loading.is_some_and(|(_, at)| at > cx.now().mono) {
                return;
            }
            let Some(command) = self.queue.pop_front() else { return };
            self.carry_out(config, command, cx);
        }
    }

    /// The op that makes the disk's row what it is here.
    fn row_op(&self, note: &str, cx: Context<'_, '_>) -> Option<FsOp> {
        let path = row_path(note);
        match self.rows.get(note) {
            Some(row) => Some(FsOp::Replace { path, content: row.bytes() }),
            None => cx.read(&path).is_ok().then_some(FsOp::Remove { path }),
        }
    }

    fn carry_out(&mut self, config: &Config, command: Command, cx: Context<'_, '_>) {
        let again = command.clone();
        match command {
            Command::Create { note, text } => {
                let note: Arc<str> = note.unwrap_or_else(|| new_id(cx.rng())).into();
                if self.rows.contains_key(&note) || !is_id(&note) {
                    return cx.event(Event::Refused(format!("{note} is there already, or no id")));
                }
                self.act(config, &note.clone(), Deed::Create(&note, &text), Done::Created, cx);
            }
            Command::Edit { note, change } => {
                if let Some(note) = self.opened(config, note, again, cx) {
                    self.act(config, &note, Deed::Edit(&change), Done::Edited, cx);
                }
            }
            Command::Delete { note } => {
                if let Some(note) = self.opened(config, note, again, cx) {
                    self.act(config, &note, Deed::Trash, Done::Trashed, cx);
                }
            }
            Command::Restore { note } => {
                if let Some(note) = self.opened(config, note, again, cx) {
                    self.act(config, &note, Deed::Restore, Done::Restored, cx);
                }
            }
            Command::PermanentlyDelete { note } => self.delete(config, &note.into(), cx),
            Command::Snapshot { note } => self.snapshot(config, &note.into(), cx),
            Command::Sync | Command::Accept => {}
        }
    }

    /// The note, once it is loaded. One that cannot be loaded is tried again for a while, and then is an empty one.
    fn opened(
        &mut self,
        config: &Config,
        note: String,
        command: Command,
        cx: Context<'_, '_>,
    ) -> Option<Arc<str>> {
        let note: Arc<str> = note.into();
        // Whatever becomes of it now: what was to be tried again is being tried.
        let attempts = self.loading.take().map_or(0, |(attempts, _)| attempts);
        if !is_id(&note) || cx.list(&note_dir(&note)).is_err() && !self.rows.contains_key(&note) {
            cx.event(Event::Refused(format!("{note} is not here")));
            return None;
        }
        match load(cx.fs(), config.kind, &note, self.rows.get(&note)) {
            Ok(row) => {
                self.rows.insert(note.clone(), row);
            }
            Err(why) => {
                if let Some(after) = LOAD_RETRY_MS.get(attempts) {
                    self.loading = Some((attempts + 1, cx.now().mono.plus(*after)));
                    self.queue.push_front(command);
                    return None;
                }
                cx.event(Event::LoadFailed { note: note.clone(), why });
                self.rows.insert(note.clone(), Row::default());
            }
        }
        Some(note)
    }

    /// Writes a record.
    fn act(&mut self, config: &Config, note: &Arc<str>, deed: Deed<'_>, done: Done, cx: Context<'_, '_>) {
        let now_ms = u64::try_from(cx.now().wall.0).unwrap_or(0);
        let instance = self.instance.clone();
        let row = self.rows.entry(note.clone()).or_default();
        let seq = row.clock.get(&*instance).map_or(0, |read| read.seq) + 1;
        let author = Author { instance: &instance, seq, client: self.client, now_ms };
        let data = match config.kind.record(&row.parts(), &author, deed) {
            Ok(Some(data)) => data,
            Ok(None) => return cx.event(Event::Unchanged { note: note.clone() }),
            Err(why) => return cx.event(Event::Refused(format!("{note}: {why}"))),
        };
        row.records.insert((instance.to_string(), seq), Content::new(&*data));
        let record = log_record(now_ms, seq, &data);
        let (path, is_new) = self.writer(config, note, now_ms, cx);
        let bytes = if is_new { [&LOG_HEADER[..], &record].concat() } else { record };
        let before = cx.read(&path).map_or(0, |content| content.len() as u64);
        let read = Read { seq, offset: before + bytes.len() as u64, file: path.file_name().to_owned() };
        if let Some(row) = self.rows.get_mut(note) {
            row.clock.insert(instance.to_string(), read);
        }
        let mut ops =
            vec![FsOp::Append { path: path.clone(), bytes: Content::new(bytes) }, FsOp::Flush { path }];
        ops.push(self.rewrite(config, ACTIVITY, &activity_line(note, &config.profile, seq), cx));
        ops.extend(self.row_op(note, cx));
        self.write(ops, vec![Event::Written { done, note: note.clone(), instance, seq }], cx);
    }

    /// The log that this process writes, and whether it is a new file. It goes on in one of an earlier process only
    /// where that is named with underscores: upstream's pattern knows no other names.
    fn writer(&mut self, config: &Config, note: &Arc<str>, now_ms: u64, cx: Context<'_, '_>) -> (Path, bool) {
        if let Some(path) = self.writers.get(note) {
            return (path.clone(), false);
        }
        let own = logs(cx.fs(), note)
            .into_iter()
            .filter(|(_, name)| name.owner.instance == *self.instance && name.form == Form::Underscores);
        let newest = own.max_by_key(|(_, name)| name.time_ms).map(|(path, _)| path);
        let open = newest.filter(|path| {
            config.form == Form::Underscores
                && cx.read(path).is_ok_and(|content| !content.bytes().ends_with(&[0]))
        });
        let is_new = open.is_none();
        let name = || log_file_name(config.form, &config.profile, &self.instance, now_ms);
        let path = open.unwrap_or_else(|| logs_dir(note).join(&name()));
        self.writers.insert(note.clone(), path.clone());
        (path, is_new)
    }

    /// Adds a line to an own log by writing all of it. What cannot be read counts as absent.
    fn rewrite(&self, config: &Config, dir: &str, line: &str, cx: Context<'_, '_>) -> FsOp {
        let path = Path::shared(dir).join(&line_log_file_name(&config.profile, &self.instance));
        let before = cx.read(&path).map(|content| content.bytes().to_vec()).unwrap_or_default();
        let mut bytes = [&before, line.as_bytes()].concat();
        if dir == ACTIVITY {
            // Now and then it is compacted to its last lines.
            let most = usize::try_from(config.activity_lines_max).unwrap_or(usize::MAX);
            let lines: Vec<_> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
            if lines.len() > most.saturating_add(most / 2) {
                bytes = lines[lines.len() - most..].concat();
            }
        }
        FsOp::Overwrite { path, content: Content::new(bytes) }
    }

    /// Deletes a note for good: the line, then everybody's files, then the row.
    pub(super) fn delete(&mut self, config: &Config, note: &Arc<str>, cx: Context<'_, '_>) {
        if !is_id(note) {
            return cx.event(Event::Refused(format!("`{note}` is no id")));
        }
        let now_ms = u64::try_from(cx.now().wall.0).unwrap_or(0);
        let mut ops = vec![self.rewrite(config, DELETED, &deletion_line(note, now_ms), cx)];
        for dir in [logs_dir(note), snapshots_dir(note)] {
            let files = cx.list(&dir).unwrap_or_default();
            let files = files.into_iter().filter(|entry| entry.kind == EntryKind::File);
            ops.extend(files.map(|entry| FsOp::Remove { path: entry.path }));
        }
        self.rows.remove(note);
        self.writers.remove(note);
        self.processed.insert(note.clone());
        ops.extend(self.row_op(note, cx));
        self.write(ops, vec![Event::Deleted { note: note.clone() }], cx);
    }

    /// Deletes for good what has lain in the trash for long, as the own database has it.
    pub(super) fn empty_trash(&mut self, config: &Config, cx: Context<'_, '_>) {
        let Some(trash_ms) = config.timing.trash_ms else { return };
        let now_ms = u64::try_from(cx.now().wall.0).unwrap_or(0);
        let Some(before) = now_ms.checked_sub(trash_ms) else { return };
        for (note, row) in &self.rows {
            let document = row.document(config.kind);
            if document.is_trashed && document.modified_ms.is_some_and(|ms| ms < before) {
                self.queue.push_back(Command::PermanentlyDelete { note: note.to_string() });
            }
        }
    }

    /// Writes a snapshot: first with a status byte that says incomplete, then with one that says complete.
    fn snapshot(&mut self, config: &Config, note: &Arc<str>, cx: Context<'_, '_>) {
        let Some(row) = self.rows.get(note) else {
            return cx.event(Event::Refused(format!("{note} is not here")));
        };
        let Some(state) = config.kind.state_with_pending(&row.parts()) else {
            return cx.event(Event::Refused(format!("{note} cannot be encoded")));
        };
        let entry = |(instance, read): (&String, &Read)| ClockEntry {
            instance: instance.clone(),
            seq: read.seq,
            offset: read.offset,
            file: read.file.clone(),
        };
        let clock: Vec<_> = row.clock.iter().map(entry).collect();
        let now_ms = u64::try_from(cx.now().wall.0).unwrap_or(0);
        let path = snapshots_dir(note).join(&snapshot_file_name(&self.instance, now_ms));
        let of = |done| Content::new(snapshot(done, &clock, &state));
        let ops = vec![
            FsOp::Overwrite { path: path.clone(), content: of(false) },
            FsOp::Overwrite { path: path.clone(), content: of(true) },
            FsOp::Flush { path },
        ];
        self.write(ops, vec![Event::SnapshotWritten { note: note.clone() }], cx);
    }
}
