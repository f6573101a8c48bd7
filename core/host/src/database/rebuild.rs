//! Making the view anew, and bringing it up to date.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};

use cloudchamber_core::journal::address::Aliases;
use cloudchamber_core::journal::clock::{followed_ms, latest};
use cloudchamber_core::journal::file::{File, Record, Salvaged, Skipped, Stop};
use cloudchamber_core::journal::folder::{Folder, Held, line_problems};
use cloudchamber_core::journal::kept::{is_kept, path_of};
use cloudchamber_core::journal::line::{Span, Text};
use cloudchamber_core::journal::merge::{merge, merge_part, subject};
use cloudchamber_core::journal::problem::Problem;
use cloudchamber_core::journal::schema::{Log, Subject};
use cloudchamber_core::journal::show::Shown;
use cloudchamber_core::journal::view::Source;
use cloudchamber_core::journal::{Deletions, Design, Reading, Trigger};
use cloudchamber_core::{Content, Fs, FsError, Path, Root};
use rusqlite::{Connection, params};
use xxhash_rust::xxh3::Xxh3;

use super::files::{FileRow, file_id, grown, prefix_digest, signature};
use super::meta::set_clock;
use super::rows::{self, Place};
use super::{Database, DatabaseError, fresh};
use crate::OsFs;
use crate::clock::now;
use crate::os::open;

/// Told how far a rebuild is.
pub trait Progress: std::fmt::Debug {
    /// A step begins: what it does, and how many files or rows it will take.
    fn step(&self, what: &'static str, size: u64);

    /// The last step that began is over.
    fn done(&self) {}
}

/// What a rebuild did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rebuilt {
    /// Why everything was made anew; `None` if only what changed was.
    pub full: Option<&'static str>,
    /// Records that were taken in.
    pub records: u64,
    /// What is wrong with the files, as far as they were read.
    pub problems: Vec<Problem>,
}

/// Above this many new records a full rebuild is faster.
const NEW_MAX: usize = 50_000;

/// One row of `files`.
#[derive(Clone, Debug)]
struct Known {
    id: i64,
    machine: String,
    digest: u64,
    stop: Stop,
    tail: bool,
    signature: Vec<u8>,
}

/// The part of a file that is new.
struct Region {
    name: String,
    id: i64,
    content: Content,
    file: File,
    before: Stop,
    digest: u64,
    signature: Vec<u8>,
}

impl Region {
    fn row<'a>(&'a self, held: &'a Held) -> FileRow<'a> {
        let stop = self.file.stop;
        let tail = stop.at - self.before.at < self.content.len() as u64;
        let Self { id, digest, signature, .. } = self;
        FileRow {
            id: *id,
            name: &held.name,
            directory: &held.directory,
            machine: &held.machine,
            log: held.log,
            stop,
            digest: *digest,
            tail,
            signature,
        }
    }
}

/// By file and place in it: a line, and what reading it alone must know.
type Lines = BTreeMap<i64, BTreeMap<i64, (Vec<u8>, Stop)>>;
type Subjects = BTreeMap<u64, (Subject, [String; 3])>;

impl Database {
    /// Brings the view up to date with the files: with what is new in them where that can be told, and anew
    /// where it cannot or `full` asks for it. One transaction: a reader sees the old view or the new one.
    ///
    /// # Errors
    /// Where SQLite cannot write; in the published design also where upstream's rebuild fails.
    pub fn rebuild(
        &mut self,
        fs: &OsFs,
        full: bool,
        progress: &dyn Progress,
    ) -> Result<Rebuilt, DatabaseError> {
        let why = if full {
            "asked for"
        } else if self.design.trigger == Trigger::ModificationTime {
            if !self.is_older(fs) {
                return Ok(Rebuilt { full: None, records: 0, problems: Vec::new() });
            }
            "a file was modified later than the view"
        } else {
            let result = self.update(fs, progress);
            match self.told(result)? {
                Ok(rebuilt) => return Ok(rebuilt),
                Err(why) => why,
            }
        };
        self.full(fs, why, progress)
    }

    /// Upstream's trigger: a modification time later than the database's.
    fn is_older(&self, fs: &OsFs) -> bool {
        let modified = |path: &std::path::Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
        let folder = Folder::find(fs, &self.design, &mut |_, path| fs.read(path, u64::MAX));
        let files = folder.files.iter().map(|held| path_of(&held.name));
        let newest = files.filter_map(|path| modified(&fs.real(&path))).max();
        self.meta("clock").is_none() || newest > modified(&self.path)
    }

    fn full(
        &mut self,
        fs: &OsFs,
        why: &'static str,
        progress: &dyn Progress,
    ) -> Result<Rebuilt, DatabaseError> {
        progress.step("reading the files", 0);
        let design = self.design;
        let (folder, signatures) = read(fs, &design);
        if let Some(problem) = folder.unread_here() {
            return Err(DatabaseError::Kept(problem.clone()));
        }
        folder.with_sources(&design, |sources| {
            progress.step("merging", sources.iter().map(|source| source.file.records.len() as u64).sum());
            let mut view = merge(&design, sources);
            folder.complete(&design, sources, &mut view);
            if let Some(error) = view.rebuild_error {
                return Err(DatabaseError::Published(error));
            }
            progress.step("writing the view", view.messages.len() as u64);
            let shown = Shown { design: &design, sources, view: &view };
            fresh::write(self, &folder, &shown, &signatures)?;
            Ok(Rebuilt { full: Some(why), records: view.records, problems: view.problems.clone() })
        })
    }

    /// Takes in what is new. Says why where that cannot be told.
    fn update(
        &mut self,
        fs: &OsFs,
        progress: &dyn Progress,
    ) -> rusqlite::Result<Result<Rebuilt, &'static str>> {
        let design = self.design;
        let known = self.known()?;
        if self.meta("clock").is_none() {
            return Ok(Err("there is no view yet"));
        }
        if self.meta("set-right").is_some() {
            // The times of old records hang on those behind them.
            return Ok(Err("a clock was far ahead for a while"));
        }
        progress.step("looking for what is new", known.len() as u64);
        let mut seen = BTreeSet::new();
        let mut digests = BTreeMap::new();
        let mut changed = false;
        let mut looked = look(fs, &known);
        let folder = Folder::find(fs, &design, &mut |name, path| {
            seen.insert(name.to_owned());
            if path.root() == Root::Local {
                return fs.read(path, 0);
            }
            match (known.get(name), looked.remove(name)) {
                (Some(_), None) => Ok(Content::new([])),
                (Some(known), Some((signature, grown))) => {
                    let (hasher, tail) = grown?;
                    changed |= hasher.digest() != known.digest || known.tail;
                    digests.insert(name.to_owned(), (hasher, signature));
                    Ok(tail)
                }
                (None, _) => {
                    digests.insert(name.to_owned(), (Xxh3::new(), signature(fs, path)));
                    fs.read(path, 0)
                }
            }
        });
        if folder.legacy {
            return Ok(Err("the folder has the layout before machines"));
        }
        if folder.unread_here().is_some() {
            return Ok(Err("what is kept of a journal cannot be read"));
        }
        if changed || known.keys().any(|name| !seen.contains(name) && !is_local(name)) {
            return Ok(Err("a file was replaced, shortened or removed"));
        }
        let kept: BTreeMap<_, _> =
            folder.files.iter().map(|held| (&*held.name, held)).filter(|(name, _)| is_kept(name)).collect();
        let is_as_known = |held: &Held| {
            let whole = known.get(&*held.name).map(|known| (known.stop.at, known.digest));
            whole.is_some_and(|(at, digest)| {
                let len = usize::try_from(at).unwrap_or(usize::MAX);
                len <= held.content.len()
                    && prefix_digest(&held.content, len) == digest
                    && (len == held.content.len())
            })
        };
        let gone = |name: &String| is_kept(name) && !kept.contains_key(&**name);
        if !kept.values().all(|held| is_as_known(held)) || known.keys().any(gone) {
            return Ok(Err("what is kept of a journal has changed"));
        }
        let moved = |held: &Held| known.get(&*held.name).is_some_and(|known| known.machine != *held.machine);
        if folder.files.iter().any(moved) {
            return Ok(Err("a machine has another name"));
        }
        let mut regions = Vec::new();
        for held in &folder.files {
            let Some((mut hasher, signature)) = digests.remove(&*held.name) else { continue };
            let before = known.get(&*held.name).map_or(Stop::default(), |known| known.stop);
            let mut file = File::after(before);
            file.resume(held.content.bytes(), before.at, design.reading);
            if file.turned_back {
                return Ok(Err("a clock was far ahead for a while"));
            }
            let whole = usize::try_from(file.stop.at - before.at).expect("a region fits memory");
            hasher.update(&held.content.bytes()[..whole]);
            let id = file_id(&held.name);
            let (name, content, digest) = (held.name.to_string(), held.content.clone(), hasher.digest());
            regions.push(Region { name, id, content, file, before, digest, signature });
        }
        let new: usize = regions.iter().map(|region| region.file.records.len()).sum();
        if new > NEW_MAX {
            return Ok(Err("much is new"));
        }
        progress.step("merging what is new", new as u64);
        self.take_in(fs, &folder, &regions)
    }

    fn take_in(
        &mut self,
        fs: &OsFs,
        folder: &Folder,
        regions: &[Region],
    ) -> rusqlite::Result<Result<Rebuilt, &'static str>> {
        let design = self.design;
        let (mut clock, doubts, aliases) = (self.clock(), self.doubts(), &folder.aliases);
        let followed_ms = followed_ms(now().wall, 0);
        let helds: BTreeMap<i64, &Held> =
            folder.files.iter().map(|held| (file_id(&held.name), held)).collect();
        let transaction = self.connection.transaction()?;
        transaction.execute_batch("PRAGMA defer_foreign_keys = ON;")?;
        // What the new records are about, and where the old records about the same things stand.
        let mut subjects = Subjects::new();
        let mut lines = Lines::new();
        for region in regions {
            let held = helds[&region.id];
            let source = source(aliases, held, Text::new(region.content.bytes()), &region.file);
            for record in &region.file.records {
                clock = clock.max(latest([record.stamp].into_iter(), followed_ms));
                if record.kind.subject() == Subject::Unknown {
                    continue;
                }
                subjects.insert(
                    record.about,
                    (record.kind.subject(), subject(&source, record).map(Cow::into_owned)),
                );
                let start = region.before.at as i64 + i64::from(record.line.start);
                let line = (source.line(record).to_vec(), before(record));
                lines.entry(region.id).or_default().insert(start, line);
            }
        }
        if !add_old_lines(fs, &transaction, &subjects, &helds, &mut lines)? {
            return Ok(Err("a line is not where it was"));
        }
        let minis: Vec<_> = lines.iter().map(|(&id, lines)| Mini::new(id, lines, design.reading)).collect();
        let mut sources: Vec<_> = minis
            .iter()
            .map(|mini| source(aliases, helds[&mini.place.file], Text::new(&mini.bytes), &mini.file))
            .collect();
        let mut places: Vec<_> = minis.iter().map(|mini| mini.place.clone()).collect();
        // The local log is short: it is taken in whole each time.
        let runtime = folder.files.iter().find(|held| held.log == Some(Log::Runtime));
        let parsed = runtime.map(|held| held.content.parsed(Salvaged::read));
        if let (Some(held), Some(parsed)) = (runtime, &parsed) {
            sources.push(source(aliases, held, Text::new(held.content.bytes()), &parsed.0));
            places.push(Place { file: file_id(&held.name), shifts: Vec::new() });
        }
        let view = merge_part(&design, &sources, &doubts);
        if view.doubts != doubts {
            // What was said before may be ordered in another way now.
            return Ok(Err("clocks are known better"));
        }
        for (hash, (subject, key)) in &subjects {
            delete(&transaction, *hash, *subject, key)?;
        }
        transaction.execute_batch("DELETE FROM agents; DELETE FROM sessions; DELETE FROM problems WHERE line = 0 OR file LIKE 'local/%';")?;
        for region in regions {
            let held = helds[&region.id];
            region.row(held).insert(&transaction)?;
            transaction.execute(
                "DELETE FROM problems WHERE file = ? AND line > ?",
                params![region.name, region.before.lines],
            )?;
        }
        if let (Some(held), Some(parsed)) = (runtime, &parsed) {
            FileRow::local(held, &parsed.0, &signature(fs, &Path::local(Log::Runtime.file_name())))
                .insert(&transaction)?;
        }
        let shown = Shown { design: &design, sources: &sources, view: &view };
        rows::insert(&transaction, &shown, &places)?;
        if design.deletions == Deletions::Whole {
            rows::drop_dead(&transaction, &shown)?;
        }
        insert_events(&transaction, &events(&shown, &places))?;
        let new = regions.iter().map(|region| {
            source(aliases, helds[&region.id], Text::new(region.content.bytes()), &region.file)
        });
        let local = sources.last().filter(|source| source.log == Some(Log::Runtime)).copied();
        let told: Vec<_> = new.chain(local).collect();
        let found: Vec<Problem> = folder.problems.iter().cloned().chain(line_problems(&told)).collect();
        problems(&transaction, found.iter().cloned())?;
        set_clock(&transaction, clock)?;
        let records = regions.iter().map(|region| region.file.records.len() as u64).sum();
        drop(sources);
        transaction.commit()?;
        Ok(Ok(Rebuilt { full: None, records, problems: found }))
    }

    fn known(&self) -> rusqlite::Result<BTreeMap<String, Known>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT name, id, machine, digest, bytes, lines, idx, carry_ms, last, tail, signature FROM files",
        )?;
        let rows = statement.query_map([], |row| {
            let stop = Stop {
                at: row.get::<_, i64>(4)?.cast_unsigned(),
                lines: row.get(5)?,
                index: row.get(6)?,
                carry_ms: row.get(7)?,
                last: row.get::<_, Option<i64>>(8)?.map(i64::cast_unsigned),
            };
            let known = Known {
                id: row.get(1)?,
                machine: row.get(2)?,
                digest: row.get::<_, i64>(3)?.cast_unsigned(),
                stop,
                tail: row.get(9)?,
                signature: row.get(10)?,
            };
            debug_assert_ne!(known.id, 0, "a file's number is a digest of its name");
            Ok((row.get(0)?, known))
        })?;
        rows.collect()
    }
}

/// A few lines of a file, as if they were all of it.
struct Mini {
    bytes: Vec<u8>,
    file: File,
    place: Place,
}

impl Mini {
    fn new(id: i64, lines: &BTreeMap<i64, (Vec<u8>, Stop)>, reading: Reading) -> Self {
        let mut bytes = Vec::new();
        let mut spans = Vec::new();
        let number = |len: usize| u32::try_from(len).expect("a few lines are less than 4 GiB");
        for (&start, (line, stop)) in lines {
            let span = Span { start: number(bytes.len()), len: number(line.len()) };
            bytes.extend_from_slice(line);
            bytes.push(b'\n');
            spans.push((span, start - i64::from(span.start), *stop));
        }
        let (mut file, mut shifts, text) = (File::default(), Vec::new(), Text::new(&bytes));
        for (span, shift, stop) in spans {
            file.push_line(text, span, stop, reading);
            shifts.resize(file.records.len(), shift);
        }
        Self { bytes, file, place: Place { file: id, shifts } }
    }
}

fn source<'a>(aliases: &'a Aliases, held: &'a Held, text: Text<'a>, file: &'a File) -> Source<'a> {
    Source {
        name: &held.name,
        directory: &held.directory,
        machine: &held.machine,
        log: held.log,
        text,
        file,
        aliases,
    }
}

/// What reading the line of a record alone must know of the lines before it.
fn before(record: &Record) -> Stop {
    Stop { at: 0, lines: record.number - 1, index: record.index, carry_ms: record.stamp.ms, last: None }
}

/// Reads all files and their lines, several at a time, and tells the signature that each had before it was read.
fn read(fs: &OsFs, design: &Design) -> (Folder, BTreeMap<String, Vec<u8>>) {
    let mut paths = Vec::new();
    Folder::find(fs, design, &mut |name, path| {
        paths.push((name.to_owned(), path.clone()));
        Err(FsError::NotFound)
    });
    let read = on_all_processors(&paths, |(_, path)| {
        let signature = signature(fs, path);
        let content = fs.read(path, 0);
        match (&content, design.reading) {
            (Ok(content), Reading::Skip) => drop(content.parsed(Skipped::read)),
            (Ok(content), Reading::Salvage) => drop(content.parsed(Salvaged::read)),
            (Err(_), _) => {}
        }
        (signature, content)
    });
    let mut read: BTreeMap<_, _> = paths.into_iter().map(|(name, _)| name).zip(read).collect();
    let mut signatures = BTreeMap::new();
    let mut folder = Folder::find(fs, design, &mut |name, path| {
        // What was not there a moment ago is read when it is found.
        let (signature, content) =
            read.remove(name).unwrap_or_else(|| (signature(fs, path), fs.read(path, 0)));
        signatures.insert(name.to_owned(), signature);
        content
    });
    folder.files.sort_by(|a, b| a.name.cmp(&b.name));
    (folder, signatures)
}

/// Whether a file of a folder is one of this machine's own.
fn is_local(name: &str) -> bool {
    path_of(name).root() == Root::Local
}

/// What a known file that has changed is now: its signature, and what has grown behind the known bytes.
type Looked = (Vec<u8>, Result<(Xxh3, Content), FsError>);

/// Looks at the known files that have changed.
fn look(fs: &OsFs, known: &BTreeMap<String, Known>) -> BTreeMap<String, Looked> {
    let shared = known.iter().filter(|(name, _)| !is_local(name));
    let found = shared.map(|(name, known)| (name, known, signature(fs, &Path::shared(name))));
    let changed: Vec<_> = found.filter(|(_, known, signature)| known.signature != *signature).collect();
    let grown = on_all_processors(&changed, |(name, known, _)| grown(fs, &Path::shared(name), known.stop.at));
    changed
        .into_iter()
        .zip(grown)
        .map(|((name, _, signature), grown)| (name.clone(), (signature, grown)))
        .collect()
}

/// Does the same to all items, on as many threads as the machine has processors. The results are in order.
fn on_all_processors<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(items.len().max(1));
    let next = AtomicUsize::new(0);
    let share = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { return done };
            done.push((at, work(item)));
        }
    };
    let mut done = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(share)).collect();
        let mut done = share();
        done.extend(others.into_iter().flat_map(|other| other.join().expect("no item stops a thread")));
        done
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

type EventRow = (i64, i64, i64, u32, u32, u32, i64);

/// Where every record stands that is not the creation of a message.
pub(super) fn events(shown: &Shown<'_>, places: &[Place]) -> Vec<EventRow> {
    let mut created: Vec<_> = shown.view.messages.iter().map(|message| message.created).collect();
    created.sort_unstable();
    let mut created = created.into_iter().peekable();
    let mut events = Vec::new();
    for (at, source) in shown.sources.iter().enumerate() {
        for (number, record) in source.file.records.iter().enumerate() {
            if created.next_if(|next| (next.source as usize, next.record as usize) == (at, number)).is_some()
            {
                continue;
            }
            if record.kind.subject() == Subject::Unknown || source.log == Some(Log::Runtime) {
                continue;
            }
            let place = &places[at];
            let number = u32::try_from(number).expect("records are numbered by 32 bits");
            events.push((
                record.about.cast_signed(),
                place.file,
                place.start(number, record.line.start),
                record.line.len,
                record.number,
                record.index,
                record.stamp.ms,
            ));
        }
    }
    events
}

pub(super) fn insert_events(connection: &Connection, events: &[EventRow]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("INSERT OR IGNORE INTO events VALUES (?,?,?,?,?,?,?)")?;
    for event in events {
        statement.execute(*event)?;
    }
    Ok(())
}

fn old_lines(
    connection: &Connection,
    hash: u64,
    subject: Subject,
    key: &[String; 3],
) -> rusqlite::Result<Vec<(i64, i64, usize, Stop)>> {
    let read = |row: &rusqlite::Row<'_>| {
        let stop = Stop {
            at: 0,
            lines: row.get::<_, u32>(3)?.saturating_sub(1),
            index: row.get(4)?,
            carry_ms: row.get(5)?,
            last: None,
        };
        Ok((row.get(0)?, row.get(1)?, row.get::<_, u32>(2)? as usize, stop))
    };
    let mut statement = connection
        .prepare_cached("SELECT file, start, len, line, idx, carry_ms FROM events WHERE subject = ?")?;
    let mut lines = statement.query_map([hash.cast_signed()], read)?.collect::<rusqlite::Result<Vec<_>>>()?;
    if subject == Subject::Message {
        let mut statement = connection
            .prepare_cached("SELECT file, start, len, line, idx, carry_ms FROM messages WHERE guid = ?")?;
        for line in statement.query_map([&key[0]], read)? {
            lines.push(line?);
        }
    }
    Ok(lines)
}

/// Reads the old lines about these subjects. Says no where one is not where it was.
fn add_old_lines(
    fs: &OsFs,
    connection: &Connection,
    subjects: &Subjects,
    helds: &BTreeMap<i64, &Held>,
    lines: &mut Lines,
) -> rusqlite::Result<bool> {
    for (hash, (subject, key)) in subjects {
        for (file, start, len, stop) in old_lines(connection, *hash, *subject, key)? {
            let Some(held) = helds.get(&file) else { return Ok(false) };
            let offset = u64::try_from(start).unwrap_or(u64::MAX);
            let read = fs.ask(&path_of(&held.name), move |real| {
                let mut bytes = vec![0; len];
                open(real)?.read_exact_at(&mut bytes, offset)?;
                Ok(bytes)
            });
            let Ok(bytes) = read else { return Ok(false) };
            lines.entry(file).or_default().insert(start, (bytes, stop));
        }
    }
    Ok(true)
}

/// Removes every row about a subject.
fn delete(connection: &Connection, hash: u64, subject: Subject, key: &[String; 3]) -> rusqlite::Result<()> {
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| connection.prepare_cached(sql)?.execute(values);
    run("DELETE FROM events WHERE subject = ?", &[&hash.cast_signed()])?;
    let collision = |kind: &str| run("DELETE FROM collisions WHERE kind = ? AND guid = ?", &[&kind, &key[0]]);
    let register = |kind: &str| {
        let sql = "DELETE FROM registers WHERE kind = ? AND one = ? AND two = ? AND three = ?";
        run(sql, &[&kind, &key[0], &key[1], &key[2]])
    };
    match subject {
        Subject::Message => {
            run("DELETE FROM messages WHERE guid = ?", &[&key[0]])?;
            run("DELETE FROM reactions WHERE message = ?", &[&key[0]])?;
            collision("message")?;
        }
        Subject::Thread => {
            run("DELETE FROM thread_members WHERE guid = ?", &[&key[0]])?;
            run("DELETE FROM threads WHERE guid = ?", &[&key[0]])?;
            collision("thread")?;
        }
        Subject::Question => {
            run("DELETE FROM questions WHERE guid = ?", &[&key[0]])?;
            collision("question")?;
        }
        Subject::Fave => drop(register("fave")?),
        Subject::Role => drop(register("role")?),
        Subject::SessionRole => drop(register("session-role")?),
        Subject::Cursor => drop(register("cursor")?),
        Subject::Descriptor => drop(register("descriptor")?),
        Subject::Pin => drop(register("pin")?),
        Subject::Agent | Subject::Session | Subject::Unknown => {}
    }
    Ok(())
}

pub(super) fn problems(
    connection: &Connection,
    problems: impl Iterator<Item = Problem>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("INSERT INTO problems VALUES (?, ?, ?, ?)")?;
    for problem in problems {
        statement.execute(params![&*problem.file, problem.line, problem.kind.name(), problem.detail])?;
    }
    Ok(())
}
