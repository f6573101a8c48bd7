//! What one machine sees at one moment, in the form that checkers compare.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use cloudchamber_core::journal::event::Event;
use cloudchamber_core::journal::folder::Folder;
use cloudchamber_core::journal::merge::merge;
use cloudchamber_core::journal::owner::may_share_owner;
use cloudchamber_core::journal::schema::{Field, Kind, Log};
use cloudchamber_core::journal::show::Shown;
use cloudchamber_core::journal::view::{At, Cell, DELETED, Entry, Source, View};
use cloudchamber_core::journal::{Design, Duplicates, Parents};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::lines::Makes;
use crate::StableHasher;

/// The journals of one machine and what they say together: that is found out once somebody asks.
pub(super) struct Seen<'a> {
    design: &'a Design,
    folder: &'a Folder,
    sources: &'a [Source<'a>],
    view: OnceCell<View>,
    view_digest: OnceCell<u64>,
    /// The name and the machine of every message.
    messages: OnceCell<BTreeSet<(String, String)>>,
    /// The digests of the lines that say what messages say that are not deleted, and how far questions are.
    edits: OnceCell<BTreeSet<u64>>,
    /// The digests of the lines of all shared events.
    pub(super) events: BTreeSet<u64>,
    /// The digest of the events and of the names that machines had: all that a view may depend on.
    pub(super) events_digest: u64,
}

/// The digest of an event's line, without its newline.
pub(super) fn line_digest(line: &[u8]) -> u64 {
    xxh3_64(line)
}

/// A number that changes with anything that was read.
pub(super) fn folder_digest(folder: &Folder) -> u64 {
    let start = u64::from(folder.unreadable) + 2 * u64::from(folder.legacy);
    let aliases = folder.aliases.iter().fold(start, |seed, (old, new)| {
        xxh3_64_with_seed(new.unwrap_or_default().as_bytes(), xxh3_64_with_seed(old.as_bytes(), seed))
    });
    folder.files.iter().fold(aliases, |seed, held| {
        xxh3_64_with_seed(held.name.as_bytes(), seed.rotate_left(5) ^ held.content.digest())
    })
}

/// A number that stands for all that a view is made of: two with one number show the same. Files without a line add
/// nothing, wherever they lie.
pub(super) fn view_key(design: &Design, folder: &Folder) -> u64 {
    let lines = folder.files.iter().filter(|held| !held.content.is_empty());
    let files: Vec<_> =
        lines.map(|held| (&*held.directory, &*held.machine, held.log, held.content.digest())).collect();
    StableHasher::of(&(design, &folder.aliases, files))
}

/// Looks at what a machine has read.
pub(super) fn see<T>(design: &Design, folder: &Folder, use_it: impl FnOnce(&Seen<'_>) -> T) -> T {
    folder.with_sources(design, |sources| {
        let shared = sources.iter().filter(|source| source.log != Some(Log::Runtime));
        let lines = shared.flat_map(|source| source.file.records.iter().map(|record| source.line(record)));
        let events: BTreeSet<u64> = lines.map(line_digest).collect();
        let start = folder.aliases.iter().fold(0, |seed, (old, new)| {
            xxh3_64_with_seed(new.unwrap_or_default().as_bytes(), xxh3_64_with_seed(old.as_bytes(), seed))
        });
        let events_digest =
            events.iter().fold(start, |seed, event| xxh3_64_with_seed(&event.to_le_bytes(), seed));
        let (view, view_digest, messages, edits) = Default::default();
        use_it(&Seen { design, folder, sources, view, view_digest, messages, edits, events, events_digest })
    })
}

/// What a machine showed when its journals had last changed, found out only if somebody asks.
#[derive(Clone, Debug)]
pub(super) struct Remembered {
    folder: Folder,
    /// As [`view_key`] says.
    key: OnceLock<u64>,
    digest: OnceLock<u64>,
}

impl Remembered {
    /// Remembers journals. What is wrong with them, and whose they are, does not show.
    pub(super) fn new(folder: &Folder) -> Self {
        let (files, aliases) = (folder.files.clone(), folder.aliases.clone());
        let folder = Folder { files, aliases, ..Folder::default() };
        Self { folder, key: OnceLock::new(), digest: OnceLock::new() }
    }

    /// Whether the two show the same, each by its design.
    pub(super) fn shows_as(&self, design: &Design, other: &Self, others: &Design) -> bool {
        let key = |of: &Self, design| *of.key.get_or_init(|| view_key(design, &of.folder));
        key(self, design) == key(other, others) || self.view_digest(design) == other.view_digest(others)
    }

    /// The digest of the view.
    pub(super) fn view_digest(&self, design: &Design) -> u64 {
        *self.digest.get_or_init(|| see(design, &self.folder, |seen| seen.view_digest()))
    }
}

/// The element of an iterator that has one; `None` if it has none or more.
fn the_only<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next()?;
    all.next().is_none().then_some(first)
}

impl Seen<'_> {
    /// What the journals say together.
    fn view(&self) -> &View {
        self.view.get_or_init(|| {
            let mut view = merge(self.design, self.sources);
            self.folder.complete(self.design, self.sources, &mut view);
            view
        })
    }

    fn shown(&self) -> Shown<'_> {
        Shown { design: self.design, sources: self.sources, view: self.view() }
    }

    /// As [`view_key`] says.
    pub(super) fn view_key(&self) -> u64 {
        view_key(self.design, self.folder)
    }

    /// The digest of the view, without what is wrong with the files.
    pub(super) fn view_digest(&self) -> u64 {
        *self.view_digest.get_or_init(|| {
            let view = merge(self.design, self.sources);
            let json = Shown { design: self.design, sources: self.sources, view: &view }.json();
            xxh3_64(&serde_json::to_vec(&json).expect("a value can be written"))
        })
    }

    /// Why upstream's rebuild fails; `None` if it does not, or is not what is done.
    pub(super) fn rebuild_error(&self) -> Option<&'static str> {
        let may_fail =
            self.design.duplicates == Duplicates::Abort || self.design.parents == Parents::Required;
        may_fail.then(|| self.view().rebuild_error).flatten()
    }

    /// Whether an event of a machine, of whose line this is the digest, can be found in the view: its line was read and,
    /// where it made a message, a message of this name and machine is there.
    pub(super) fn has(&self, machine: &str, digest: u64, makes: &Makes) -> bool {
        self.events.contains(&digest)
            && match makes {
                Makes::Message(id) => self.messages().contains(&(id.clone(), machine.to_owned())),
                Makes::Nothing => false,
                Makes::Other => true,
            }
    }

    /// The name and the machine of every message.
    fn messages(&self) -> &BTreeSet<(String, String)> {
        self.messages.get_or_init(|| {
            let shown = self.shown();
            let named = shown.view.messages.iter().filter_map(|message| {
                let text = |field| Some(shown.text(message.created, field)?.into_owned());
                Some((text(Field::Id)?, text(Field::Origin)?))
            });
            named.collect()
        })
    }

    /// What a reader still sees of a deleted message; `None` if there is nothing, if `deletion` deletes no message, or
    /// if two have the name, so that it is open which was meant. `afterwards` says whether the event whose line has
    /// a digest was told by somebody who knew of the deletion.
    pub(super) fn of_deleted_message(
        &self,
        deletion: &Event,
        afterwards: &dyn Fn(u64) -> bool,
    ) -> Option<String> {
        let id = deletion.text(Field::Id).filter(|_| deletion.kind() == Kind::MessageDelete)?;
        let view = self.view();
        let is = |at: At, field| self.shown().text(at, field).is_some_and(|known| known == id);
        let message = the_only(view.messages.iter().filter(|message| is(message.created, Field::Id)))?;
        let body = self.shown().body(message);
        let threads =
            view.threads.iter().find(|thread| thread.messages.iter().any(|member| *member.who == *id));
        let moved = message.home.filter(|home| self.kind(home.at) == Kind::MessageMove);
        if !message.deleted || body != DELETED {
            Some(format!("the message's text `{body}`"))
        } else if self.shown().old_reactions(message).is_some_and(|reactions| !reactions.is_empty()) {
            Some("reactions in the message".to_owned())
        } else if view.reactions.iter().any(|entry| is(entry.at, Field::MessageGuid)) {
            Some("a reaction to the message".to_owned())
        } else if view.pins.iter().any(|entry| is(entry.at, Field::MessageGuid)) {
            Some("a pin of the message".to_owned())
        } else if let Some(thread) = threads {
            Some(format!("the message in thread {}", self.cell(Some(thread.guid))))
        } else {
            let moved = moved.filter(|home| afterwards(self.digest(home.at)))?;
            Some(format!("the message at {}", self.cell(Some(moved))))
        }
    }

    /// As [`Seen::of_deleted_message`], of a deleted thread.
    pub(super) fn of_deleted_thread(
        &self,
        deletion: &Event,
        afterwards: &dyn Fn(u64) -> bool,
    ) -> Option<String> {
        let guid = deletion.text(Field::ThreadId).filter(|_| deletion.kind() == Kind::ThreadDelete)?;
        let view = self.view();
        let is = |at: At, field| self.shown().text(at, field).is_some_and(|known| known == guid);
        let named = view.threads.iter().filter(|thread| thread.created.is_some());
        let thread = the_only(named.filter(|thread| is(thread.guid.at, thread.guid.field)))?;
        let changed = [thread.name, thread.status].into_iter().flatten();
        let mut changed = changed.filter(|cell| self.kind(cell.at) == Kind::ThreadUpdate);
        if !thread.deleted {
            Some("the thread".to_owned())
        } else if let Some(member) = [&thread.subscribers, &thread.messages, &thread.mutes]
            .into_iter()
            .find_map(|members| members.first())
        {
            Some(format!("`{}` in the thread", member.who))
        } else if thread.pinned.is_some() {
            Some("the thread's pin".to_owned())
        } else if view.pins.iter().any(|entry| is(entry.at, Field::ThreadGuid)) {
            Some("a message pinned in the thread".to_owned())
        } else {
            let changed = changed.find(|cell| afterwards(self.digest(cell.at)))?;
            Some(format!("the thread's {}", self.cell(Some(changed))))
        }
    }

    fn kind(&self, at: At) -> Kind {
        self.sources[at.source as usize].file.records[at.record as usize].kind
    }

    fn digest(&self, at: At) -> u64 {
        let source = &self.sources[at.source as usize];
        line_digest(source.line(&source.file.records[at.record as usize]))
    }

    /// Whether a message says what the edit with this line's digest made it say, or a question is where that put it.
    pub(super) fn shows_edit(&self, digest: u64) -> bool {
        let edits = self.edits.get_or_init(|| {
            let alive = self.view().messages.iter().filter(|message| !message.deleted);
            let questions = self.view().questions.iter().map(|question| question.status);
            let cells = alive.map(|message| message.body).chain(questions).flatten();
            cells.map(|cell| self.digest(cell.at)).collect()
        });
        edits.contains(&digest)
    }

    /// Whether a fave, a role or a cursor stands that `removal` removed and nobody who saw that has set again, or somebody
    /// who left a thread follows it. `is_before` says whether whoever removed knew of the event whose line has a digest.
    pub(super) fn stands(&self, removal: &Event, is_before: &dyn Fn(u64) -> bool) -> bool {
        let view = self.view();
        let entries: &[Entry] = match removal.kind() {
            Kind::FaveRemove => &view.faves,
            Kind::RoleRelease => &view.roles,
            Kind::CursorClear => &view.cursors,
            Kind::ThreadUnsubscribe => return self.follows(removal, is_before),
            _ => return false,
        };
        let again = removal.raw(Field::Again).and_then(|raw| raw.parse().ok()).unwrap_or(0);
        entries.iter().any(|entry| {
            let same = |field: &Field| {
                self.shown().text(entry.at, *field).unwrap_or_default()
                    == removal.text(*field).unwrap_or_default()
            };
            removal.kind().key().iter().all(same)
                && self.shown().int(entry.at, Field::Again).unwrap_or(0) <= again
        })
    }

    /// Whether the thread that an agent left still lists it, although nobody may have let it in again. Two threads of one
    /// name leave open which one it left.
    fn follows(&self, leaving: &Event, is_before: &dyn Fn(u64) -> bool) -> bool {
        let pair = [Field::ThreadGuid, Field::AgentId];
        let [guid, who] = pair.map(|field| leaving.text(field).unwrap_or_default());
        let is = |cell: Cell| self.shown().text(cell.at, cell.field).is_some_and(|known| known == guid);
        let thread = the_only(self.view().threads.iter().filter(|thread| is(thread.guid)));
        if !thread.is_some_and(|thread| thread.subscribers.iter().any(|member| member.who == *who)) {
            return false;
        }
        let again = self.sources.iter().any(|source| {
            source.file.records.iter().filter(|record| record.kind == Kind::ThreadSubscribe).any(|record| {
                let same = |field| source.text(record, field).unwrap_or_default();
                pair.map(same) == [&*guid, &*who] && !is_before(line_digest(source.line(record)))
            })
        });
        !again
    }

    /// A value that is shown although its own file sets another one later: what it is, as it is called.
    pub(super) fn overtaken(&self) -> Option<String> {
        let view = self.view();
        let question = view.questions.iter().find_map(|question| {
            let later = self.set_later(question.status?, Kind::QuestionUpdate, Field::Guid)?;
            let name = self.shown().text(question.created, Field::Guid).unwrap_or_default();
            Some(format!(
                "question {name} is {}, and its writer's later word was {later}",
                self.cell(question.status)
            ))
        });
        question.or_else(|| {
            view.messages.iter().filter(|message| !message.deleted).find_map(|message| {
                let later = self.set_later(message.body?, Kind::MessageUpdate, Field::Id)?;
                let name = self.shown().text(message.created, Field::Id).unwrap_or_default();
                Some(format!(
                    "message {name} says {}, and its writer's later word was {later}",
                    self.cell(message.body)
                ))
            })
        })
    }

    /// Two events of one machine with one number: the machine and the number.
    pub(super) fn reused(&self) -> Option<(String, i64)> {
        let mut lines: BTreeMap<(&str, i64), Vec<&[u8]>> = BTreeMap::new();
        let shared = self.sources.iter().filter(|source| source.log != Some(Log::Runtime));
        for source in shared {
            for record in &source.file.records {
                let Some(seq) = record.seq else { continue };
                let line = source.line(record);
                let known = lines.entry((source.machine, seq)).or_default();
                if known.contains(&line) {
                    continue;
                }
                if known.iter().any(|other| may_share_owner(other, line)) {
                    return Some((source.machine.to_owned(), seq));
                }
                known.push(line);
            }
        }
        None
    }

    fn cell(&self, cell: Option<Cell>) -> String {
        format!("`{}`", self.shown().cell(cell).unwrap_or_default())
    }

    /// What an update of `kind` later in the same file sets the cell's field to. New records say by their numbers which
    /// is later, wherever a repair has put them; and of two machines that chose one id neither is.
    fn set_later(&self, cell: Cell, kind: Kind, key: Field) -> Option<String> {
        let source = &self.sources[cell.at.source as usize];
        let records = &source.file.records;
        let at = cell.at.record as usize;
        let (set, line) = (&records[at], source.line(&records[at]));
        let subject = source.text(set, key)?;
        let shown = source.text(set, cell.field);
        let later = records.iter().enumerate().filter(|(place, record)| {
            let after = if set.causal && record.causal { record.seq > set.seq } else { *place > at };
            after
                && record.kind == kind
                && source.text(record, key).is_some_and(|other| other == subject)
                && source.text(record, cell.field).is_some()
                && may_share_owner(line, source.line(record))
        });
        let (_, later) = later.max_by_key(|(place, record)| (record.causal.then_some(record.seq), *place))?;
        let text = source.text(later, cell.field)?;
        (Some(&text) != shown.as_ref()).then(|| format!("`{text}`"))
    }
}
