//! What an instance writes when it can: deletions first, then what it is asked, then what keeps the folder in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Context, Depth, Instance, Phase};
use crate::kit::hlc::AHEAD_MS_MAX;
use crate::kit::portable::unportable;
use crate::notes::checked::CheckedLog;
use crate::notes::config::Config;
use crate::notes::document::{Author, Deed};
use crate::notes::lines;
use crate::notes::load::End;
use crate::notes::names::{ACTIVITY, DELETED, Owner, is_id, new_id, snapshot_file_name, snapshots_dir};
use crate::notes::problem::ProblemKind;
use crate::notes::protocol::{Command, Done, Event};
use crate::notes::snapshot::{ClockEntry, SnapshotFile, sealed_snapshot};
use crate::{Content, FsOp, WallMs};

use super::own::tombstones_path;

impl Instance {
    /// Does what is to be done next, if it can write and nothing else is going on.
    pub(super) fn go_on(&mut self, config: &Config, cx: Context<'_, '_>) {
        while self.phase == Phase::Ready && self.own.is_some() {
            if self.save_gone(config, cx) || self.remove_gone(cx) {
                return;
            }
            let Some(command) = self.queue.pop_front() else { break };
            self.carry_out(config, command, cx);
        }
        if self.phase == Phase::Ready && self.own.is_some() {
            let _ = self.uphold(config, cx)
                || self.hint_again(config, cx)
                || self.compact(config, cx)
                || self.snapshot_by_itself(config, cx)
                || self.purge(config, cx);
        }
    }

    pub(super) fn write(&mut self, ops: Vec<FsOp>, events: Vec<Event>, cx: Context<'_, '_>) {
        self.writing = ops.iter().map(|op| op.path().clone()).collect();
        ops.into_iter().for_each(|op| cx.op(op));
        self.phase = Phase::Writing(events);
    }

    fn refuse(why: impl Into<String>, cx: Context<'_, '_>) {
        cx.event(Event::Refused(why.into()));
    }

    fn carry_out(&mut self, config: &Config, command: Command, cx: Context<'_, '_>) {
        match command {
            Command::Create { note, text } => {
                let note = note.unwrap_or_else(|| new_id(cx.rng()));
                if !is_id(&note) {
                    return Self::refuse(
                        format!("`{note}` is no id: 1 to 64 letters, digits, `_` and `-`"),
                        cx,
                    );
                }
                if let Some(why) = unportable(&note) {
                    return Self::refuse(format!("`{note}` is no id: {why}"), cx);
                }
                let mut others = self.shelf.notes.keys();
                if let Some(other) =
                    others.find(|other| ***other != *note && other.eq_ignore_ascii_case(&note))
                {
                    let why = format!("{note} differs from {other} in case only: choose another id");
                    return Self::refuse(why, cx);
                }
                if self.known.get(&*note).is_some_and(|known| !known.is_empty()) {
                    return Self::refuse(format!("{note} is there already: edit it"), cx);
                }
                self.act(config, &note.clone().into(), Deed::Create(&note, &text), Done::Created, cx);
            }
            Command::Edit { note, change } => {
                self.act(config, &note.into(), Deed::Edit(&change), Done::Edited, cx)
            }
            Command::Delete { note } => self.act(config, &note.into(), Deed::Trash, Done::Trashed, cx),
            Command::Restore { note } => self.act(config, &note.into(), Deed::Restore, Done::Restored, cx),
            Command::PermanentlyDelete { note } => self.delete(config, &note.into(), cx),
            Command::Snapshot { note } => {
                if let Err(why) = self.snapshot(config, &note.into(), cx) {
                    Self::refuse(why, cx);
                }
            }
            Command::Sync | Command::Accept => {
                self.blocked.clear();
                self.look(config, Depth::Full, cx);
                if self.phase == Phase::Closed && self.away.is_none() {
                    self.settle(config, cx);
                }
            }
        }
    }

    /// Writes a record.
    fn act(&mut self, config: &Config, note: &Arc<str>, deed: Deed<'_>, done: Done, cx: Context<'_, '_>) {
        if self.gone.contains_key(note) {
            return Self::refuse(format!("{note} is deleted for good: make another note"), cx);
        }
        let now = self.stamp(config, note, cx.now().wall);
        let Some(own) = &self.own else { return };
        let seq = own.next_seq(note);
        let author = Author {
            instance: own.instance(),
            seq,
            client: own.client,
            now_ms: u64::try_from(now.0).unwrap_or(0),
        };
        let mut kept = std::mem::take(&mut self.kept);
        let loaded = self.loaded(config, note);
        if loaded.parts.is_empty() && done != Done::Created {
            return Self::refuse(format!("{note} is not here: make it, or wait until it has arrived"), cx);
        }
        // Of two things that one client wrote in one place the order of all records decides which one is shown.
        let is_plain = !loaded.problems.iter().any(|problem| problem.kind == ProblemKind::ClientReuse);
        let made = match is_plain {
            true => kept.record(config.kind, note, &loaded.parts, &author, deed),
            false => config.kind.record(&loaded.parts, &author, deed),
        };
        self.kept = kept;
        let data = match made {
            Ok(Some(data)) => data,
            Ok(None) => return cx.event(Event::Unchanged { note: note.clone() }),
            Err(why) => return Self::refuse(format!("{note}: {why}"), cx),
        };
        let Some(own) = &mut self.own else { return };
        let appended = own.append(&config.profile, note, &data, now);
        let mut ops = appended.ops;
        let seq = appended.seq;
        let instance: Arc<str> = own.instance().into();
        let hint = own.hint(&config.profile, note, seq);
        ops.extend(Some(hint).filter(|op| !self.blocked.contains(op.path())));
        ops.extend(own.begin());
        self.write(ops, vec![Event::Written { done, note: note.clone(), instance, seq }], cx);
    }

    /// When a record is written, as it is told: no earlier than any before it of this instance, nor than what is here of
    /// the note. So times are in the order of what had seen what, also where a clock was set back or is behind the others'.
    /// A time more than a day ahead is followed by nobody.
    fn stamp(&self, config: &Config, note: &Arc<str>, wall: WallMs) -> WallMs {
        let files = self.shelf.notes.get(note);
        let logs = files.into_iter().flat_map(|files| files.logs.values());
        let read = logs.flat_map(|file| {
            let checked = file.held.content.parsed(CheckedLog::parser(config.kind));
            checked.good().map(|record| record.time_ms).max()
        });
        let own = self.own.as_ref().map(|own| own.latest_ms);
        let known = read.chain(own).filter(|ms| *ms <= ahead_ms(wall)).max().unwrap_or(0);
        WallMs(wall.0.max(i64::try_from(known).unwrap_or(0)))
    }

    /// Deletes a note for good.
    fn delete(&mut self, config: &Config, note: &Arc<str>, cx: Context<'_, '_>) {
        if !is_id(note) {
            return Self::refuse(format!("`{note}` is no id"), cx);
        }
        if self.gone.contains_key(note) {
            return cx.event(Event::Unchanged { note: note.clone() });
        }
        let problems = self.loaded(config, note).problems;
        if let Some(two) = problems.iter().find(|problem| problem.kind == ProblemKind::TwoNotes) {
            let why = format!(
                "{}: {}: move those of the other note to a directory of its own first",
                two.file, two.detail
            );
            return Self::refuse(why, cx);
        }
        let ms = u64::try_from(cx.now().wall.0).unwrap_or(0);
        self.gone.insert(note.clone(), Some(ms));
        self.shelf.notes.remove(note);
        self.known.remove(note);
        self.open.retain(|(other, _)| other != note);
        self.holed.remove(note);
        let ops = self.gone_ops(config, vec![(note.clone(), ms)]);
        self.write(ops, vec![Event::Deleted { note: note.clone() }], cx);
    }

    /// The ops that name deleted notes in the local list and in the own deletion log.
    fn gone_ops(&mut self, config: &Config, notes: Vec<(Arc<str>, u64)>) -> Vec<FsOp> {
        let mut ops = Vec::new();
        let unsaved: Vec<_> =
            notes.iter().filter(|(note, _)| !self.gone_saved.contains(note)).cloned().collect();
        if !unsaved.is_empty() {
            let gap = if std::mem::take(&mut self.gone_gap) { "\n" } else { "" };
            let text: String = unsaved.iter().map(|(note, ms)| lines::deletion_line(note, *ms)).collect();
            let path = tombstones_path();
            ops.push(FsOp::Append { path: path.clone(), bytes: Content::from(format!("{gap}{text}")) });
            ops.push(FsOp::Flush { path });
            self.gone_saved.extend(unsaved.into_iter().map(|(note, _)| note));
        }
        if let Some(own) = &mut self.own {
            let untold: Vec<_> =
                notes.into_iter().filter(|(note, _)| !own.told_deleted.contains(note)).collect();
            if !untold.is_empty() && !self.blocked.contains(&own.lines_path(DELETED, &config.profile)) {
                ops.extend(own.tell_deleted(&config.profile, &untold));
                ops.extend(own.begin());
            }
        }
        ops
    }

    /// Writes down deletions that it has learned of.
    fn save_gone(&mut self, config: &Config, cx: Context<'_, '_>) -> bool {
        let Some(own) = &self.own else { return false };
        let can_tell = !self.blocked.contains(&own.lines_path(DELETED, &config.profile));
        let new: Vec<_> = self
            .gone
            .iter()
            .filter(|(note, _)| {
                !self.gone_saved.contains(*note) || can_tell && !own.told_deleted.contains(*note)
            })
            .map(|(note, ms)| (note.clone(), ms.unwrap_or(0)))
            .collect();
        if new.is_empty() {
            return false;
        }
        let learned = new.iter().filter(|(note, _)| !self.gone_saved.contains(note));
        let events = learned.map(|(note, _)| Event::Gone { note: note.clone() }).collect();
        let ops = self.gone_ops(config, new);
        self.write(ops, events, cx);
        true
    }

    /// Removes the own files of notes that are deleted.
    fn remove_gone(&mut self, cx: Context<'_, '_>) -> bool {
        let Some(own) = &mut self.own else { return false };
        let uncleaned: Vec<_> =
            self.gone.keys().filter(|note| !self.gone_cleaned.contains(*note)).cloned().collect();
        for note in uncleaned {
            let ops = own.remove(cx.fs(), &note);
            self.gone_cleaned.insert(note);
            if !ops.is_empty() {
                self.write(ops, Vec::new(), cx);
                return true;
            }
        }
        false
    }

    /// Writes hints that a crash has lost.
    fn hint_again(&mut self, config: &Config, cx: Context<'_, '_>) -> bool {
        let Some(own) = &mut self.own else { return false };
        if self.blocked.contains(&own.lines_path(ACTIVITY, &config.profile)) {
            return false;
        }
        let hinted = |note: &Arc<str>| own.hinted.get(note).copied().unwrap_or(0);
        let missing: Vec<_> = own
            .notes()
            .filter(|(note, seq)| hinted(note) < *seq && !self.gone.contains_key(*note))
            .map(|(note, seq)| (note.clone(), seq))
            .collect();
        if missing.is_empty() {
            return false;
        }
        let ops = missing.iter().map(|(note, seq)| own.hint(&config.profile, note, *seq)).collect();
        self.write(ops, Vec::new(), cx);
        true
    }

    /// Puts a shorter activity log in place of one that has grown to twice its length: the last line of each note, in the
    /// order in which they stood.
    fn compact(&mut self, config: &Config, cx: Context<'_, '_>) -> bool {
        let Some(own) = &mut self.own else { return false };
        let path = own.lines_path(ACTIVITY, &config.profile);
        let Some(log) = self.shelf.activity.get(&path) else { return false };
        let file = lines::activity_log(log.held.content.bytes());
        let most = config.activity_lines_max.saturating_mul(2);
        if file.lines <= most || own.hinted.len() as u64 >= u64::from(most) || self.blocked.contains(&path) {
            return false;
        }
        let places: BTreeMap<_, _> = file.entries.iter().map(|(line, entry)| (&entry.note, line)).collect();
        let mut hinted: Vec<_> = own.hinted.iter().collect();
        hinted.sort_by_key(|(note, _)| places.get(*note));
        let lines = hinted.iter().map(|(note, seq)| lines::activity_line(note, &config.profile, **seq));
        let text: String = lines.collect();
        self.shelf.activity.remove(&path);
        self.write(vec![FsOp::Replace { path, content: Content::from(text) }], Vec::new(), cx);
        true
    }

    fn snapshot_by_itself(&mut self, config: &Config, cx: Context<'_, '_>) -> bool {
        let (Some(every), Some(own)) = (config.snapshot_records, &self.own) else { return false };
        let due = own.notes().map(|(note, _)| note.clone());
        let due: Vec<_> = due.filter(|note| own.since_snapshot(note) >= every).collect();
        due.iter().any(|note| self.snapshot(config, note, cx).is_ok())
    }

    /// Writes a snapshot of all that is here, and removes the own ones before the one before it.
    ///
    /// # Errors
    /// If something is missing or waits: a snapshot would claim more than it holds.
    pub(super) fn snapshot(
        &mut self,
        config: &Config,
        note: &Arc<str>,
        cx: Context<'_, '_>,
    ) -> Result<(), String> {
        if self.gone.contains_key(note) {
            return Err(format!("{note} is deleted for good"));
        }
        let loaded = self.loaded(config, note);
        if loaded.parts.is_empty() {
            return Err(format!("{note} is not here"));
        }
        if loaded.numbers.values().any(|numbers| numbers.missing().next().is_some()) {
            return Err(format!(
                "{note}: records are missing, and a snapshot would claim them: wait until they are here"
            ));
        }
        let state = config.kind.state(&loaded.parts);
        let state =
            state.ok_or_else(|| format!("{note}: records wait for others: wait until they are here"))?;
        let clock: Vec<_> = loaded
            .numbers
            .iter()
            .map(|(instance, numbers)| {
                let End { file, offset, .. } = loaded.ends.get(instance).cloned().unwrap_or_default();
                ClockEntry { instance: instance.clone(), seq: numbers.contiguous(), offset, file }
            })
            .collect();
        let Some(own) = &mut self.own else { return Err("this machine cannot write now".to_owned()) };
        let files = self.shelf.notes.get(note).into_iter().flat_map(|files| &files.snapshots);
        let mine = |owner: &Owner| owner.instance == own.instance();
        let mut old: Vec<_> =
            files.filter(|(_, file)| mine(&file.name.owner) && !file.name.is_copy).collect();
        old.sort_by_key(|(_, file)| file.name.time_ms);
        let now_ms = u64::try_from(cx.now().wall.0).unwrap_or(0);
        let time_ms = own.snapshot_time(note, now_ms, old.last().map(|(_, file)| file.name.time_ms));
        let instance = own.instance();
        let path = snapshots_dir(note).join(&snapshot_file_name(instance, time_ms));
        let content = Content::new(sealed_snapshot(&clock, &state));
        let mut ops = vec![FsOp::CreateNew { path: path.clone(), content }, FsOp::Flush { path }];
        // One of ours that is whole; of upstream's nothing is removed.
        old.pop();
        let removed =
            old.into_iter().filter(|(_, file)| SnapshotFile::sealed(file.held.content.bytes()).is_some());
        let removed: Vec<_> = removed.map(|(path, _)| path.clone()).collect();
        if let Some(files) = self.shelf.notes.get_mut(note).map(Arc::make_mut) {
            files.snapshots.retain(|path, _| !removed.contains(path));
        }
        ops.extend(removed.into_iter().map(|path| FsOp::Remove { path }));
        self.write(ops, vec![Event::SnapshotWritten { note: note.clone() }], cx);
        Ok(())
    }

    /// Deletes what has lain in the trash for long, once nobody can have taken it out without this instance knowing.
    fn purge(&mut self, config: &Config, cx: Context<'_, '_>) -> bool {
        let Some(trash_ms) = config.timing.trash_ms.filter(|_| !self.is_purged) else { return false };
        self.is_purged = true;
        let now = u64::try_from(cx.now().wall.0).unwrap_or(0);
        let Some(before) = now.checked_sub(trash_ms) else { return false };
        let notes: Vec<_> = self.shelf.notes.keys().cloned().collect();
        for note in notes {
            let loaded = self.loaded(config, &note);
            let document = config.kind.document(&loaded.parts);
            let Some(modified) = document.modified_ms.filter(|ms| document.is_trashed && *ms < before) else {
                continue;
            };
            if self.is_caught_up(config, modified.saturating_add(trash_ms), cx.now().wall) {
                self.delete(config, &note, cx);
                return true;
            }
        }
        false
    }

    /// Whether of every other instance of the folder all is here that it has hinted at, and what it hinted at last it wrote
    /// at `since_ms` or later: then what it did before has come as well, since its hints stand in the order of its records.
    /// The latest time of any record would not do, where a clock was ahead for a while.
    fn is_caught_up(&self, config: &Config, since_ms: u64, wall: WallMs) -> bool {
        let Some(own) = &self.own else { return false };
        let mut others: BTreeSet<&str> = BTreeSet::new();
        let lines = self.shelf.activity.values().chain(self.shelf.deleted.values());
        others.extend(lines.map(|log| &*log.owner.instance));
        for files in self.shelf.notes.values() {
            let files = files.snapshots.values().chain(files.logs.values());
            others.extend(files.map(|file| &*file.name.owner.instance));
        }
        others.retain(|instance| !own.is_mine(instance));
        let awaited = self.awaited();
        let gap = |instance: &str| {
            let numbers = self.known.values().filter_map(|known| known.get(instance));
            numbers.into_iter().any(|numbers| numbers.missing().next().is_some())
        };
        others.into_iter().all(|instance| {
            self.last_heard_ms(config, instance, wall).is_some_and(|ms| ms >= since_ms)
                && !gap(instance)
                && awaited.iter().all(|(_, other, _)| **other != *instance)
        })
    }

    /// When an instance wrote the record that it has hinted at last, in ms since 1970; `None` if that record is not here or
    /// its time cannot be right.
    fn last_heard_ms(&self, config: &Config, instance: &str, wall: WallMs) -> Option<u64> {
        let logs = self.shelf.activity.values();
        let logs = logs.filter(|log| !log.is_copy && log.owner.instance == instance);
        let last = logs.filter_map(|log| {
            let lines = lines::activity_log(log.held.content.bytes()).entries;
            let (_, hint) = lines.into_iter().rev().find(|(_, hint)| !self.gone.contains_key(&hint.note))?;
            let files = self.shelf.notes.get(&hint.note)?;
            let logs = files.logs.values().filter(|file| file.name.owner.instance == instance);
            let times = logs.filter_map(|file| {
                let checked = file.held.content.parsed(CheckedLog::parser(config.kind));
                let mut good = checked.good();
                good.find(|record| record.seq == hint.seq).map(|record| record.time_ms)
            });
            times.min()
        });
        last.filter(|ms| *ms <= ahead_ms(wall)).max()
    }
}

/// The latest time that is taken for one, in ms since 1970.
fn ahead_ms(wall: WallMs) -> u64 {
    u64::try_from(wall.0.saturating_add(AHEAD_MS_MAX)).unwrap_or(0)
}
