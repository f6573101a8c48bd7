//! How a client puts a file into a real directory, or takes one away, without losing what it has not seen.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path as OsPath, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use cloudchamber_core::Content;
use cloudchamber_folder::profile::Visible;
use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::{Known, OWN, Real, Stat, is_absent, look, now_ns, read};
use crate::form::Form;

/// As much as one write has. rclone and git write a file of 200 kB in 8 and in 13 parts (measured).
const PART: usize = 1 << 15;

/// A directory of ours, outside all folders, in which files are made ready and old ones are held.
#[derive(Debug)]
pub(crate) struct Aside {
    dir: PathBuf,
    device: u64,
    next: u64,
}

impl Aside {
    /// Uses a directory, which is made.
    ///
    /// # Errors
    /// Where it cannot be made or emptied.
    pub(crate) fn open(dir: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        let device = fs::metadata(&dir)?.dev();
        let mut next = 0;
        // Whatever an earlier life held there stays: it may be all that is left of something.
        for entry in fs::read_dir(&dir)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.split('.').next()?.parse::<u64>().ok());
            next = next.max(number.map_or(0, |number| number + 1));
        }
        Ok(Self { dir, device, next })
    }

    fn name(&mut self, what: &str) -> PathBuf {
        self.next += 1;
        self.dir.join(format!("{}.{what}", self.next))
    }
}

/// How a client does it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way<'a> {
    /// How a version becomes visible.
    pub(crate) visible: Visible,
    /// The name, beside the file, under which it is gathered; `None` if it is gathered elsewhere.
    pub(crate) beside: Option<&'a str>,
    /// The modification time that it gets, ns since 1970; `None` if it is when it arrives.
    pub(crate) modified_ns: Option<i128>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is done.
    Done,
    /// Somebody had changed or made the file in the meantime, and that was not done over it: this is what it holds now.
    Unseen(Content, Stat),
    /// The same, and it has happened all the same: this is what was replaced.
    Replaced(Content, Stat),
}

impl Real {
    /// Puts a file of this form under a name. What is there has to be what is known to be there.
    ///
    /// # Errors
    /// Where it cannot be done; what was there is there still, or known to the caller.
    pub(crate) fn put(
        &mut self,
        name: &str,
        form: &Form,
        way: Way<'_>,
        aside: &mut Aside,
    ) -> io::Result<Outcome> {
        let put = self.try_put(name, form, way, aside);
        if put.is_err()
            && let Ok(Some((content, stat))) = self.read(name)
            && form.bytes(name).bytes().starts_with(content.bytes())
        {
            // What was written of it is no change of anybody's.
            self.learn(name, Form::File(content), stat);
        }
        put
    }

    fn try_put(&mut self, name: &str, form: &Form, way: Way<'_>, aside: &mut Aside) -> io::Result<Outcome> {
        let path = self.path(name);
        self.make_dirs_above(name)?;
        let metadata = look(&path)?;
        if let Some(unseen) = self.unseen(name, form)? {
            return Ok(unseen);
        }
        if self.known.get(name).is_some_and(|known| known.form == *form) {
            return Ok(Outcome::Done);
        }
        let before = self.known.get(name).cloned();
        let taken_out = match way.visible {
            Visible::InPlace if metadata.is_some() && !matches!(form, Form::Hole(_)) => {
                let Some(mut file) = self.open_known(name, &path)? else {
                    // Somebody put another file in its place since it was looked at.
                    let changed =
                        || io::Error::new(io::ErrorKind::Interrupted, "it was changed at that moment");
                    return self.unseen(name, form)?.ok_or_else(changed);
                };
                fill(&mut file, form, name, way)?;
                None
            }
            Visible::InPlace | Visible::UnlinkAndCreate if !matches!(form, Form::Hole(_)) => {
                if let Some(replaced) = self.clear(name, &path, before.as_ref(), aside)? {
                    return Ok(replaced);
                }
                fill(&mut File::options().write(true).create_new(true).open(&path)?, form, name, way)?;
                None
            }
            visible => {
                let temporary = self.temporary(&path, way.beside, aside);
                let made = (|| {
                    let new = File::options().write(true).create_new(true).open(&temporary);
                    fill(&mut new?, form, name, way)?;
                    if metadata.is_some() && visible == Visible::TempAndRename && swap(&temporary, &path)? {
                        return Ok(Moved::Swapped);
                    }
                    if let Some(replaced) = self.clear(name, &path, before.as_ref(), aside)? {
                        return Ok(Moved::Refused(replaced));
                    }
                    move_in(&temporary, &path).map(|()| Moved::In)
                })();
                if !matches!(made, Ok(Moved::Swapped | Moved::In)) {
                    // It is ours, and what it holds is kept.
                    drop(fs::remove_file(&temporary));
                }
                match made? {
                    Moved::Swapped => Some(temporary),
                    Moved::In => None,
                    Moved::Refused(replaced) => return Ok(replaced),
                }
            }
        };
        let stat = look(&path)?.map(|metadata| Stat::of(&metadata));
        match stat {
            Some(stat) => self.learn(name, form.clone(), stat),
            // Somebody has removed it already: the next look says so.
            None => self.learn_gone(name, form),
        }
        let replaced = taken_out.map(|old| self.let_go(&old, before.as_ref(), name, aside)).transpose()?;
        Ok(replaced.flatten().unwrap_or(Outcome::Done))
    }

    /// Opens a file, to be filled anew; `None` if it is not the one that is known.
    fn open_known(&self, name: &str, path: &OsPath) -> io::Result<Option<File>> {
        let flags = i32::try_from(OFlags::NOFOLLOW.bits()).expect("a flag of open(2)");
        let file = File::options().write(true).custom_flags(flags).open(path)?;
        let opened = Stat::of(&file.metadata()?);
        if self.known.get(name).is_none_or(|known| known.stat != opened) {
            return Ok(None);
        }
        file.set_len(0)?;
        Ok(Some(file))
    }

    /// Takes a file away. What is there has to be what is known to be there.
    ///
    /// # Errors
    /// Where it cannot be done.
    pub(crate) fn remove(&mut self, name: &str, aside: &mut Aside) -> io::Result<Outcome> {
        let path = self.path(name);
        let Some(known) = self.known.get(name).cloned() else { return Ok(Outcome::Done) };
        if let Some(unseen) = self.unseen(name, &known.form)? {
            return Ok(unseen);
        }
        let replaced = self.clear(name, &path, Some(&known), aside)?;
        self.forget(name);
        Ok(replaced.unwrap_or(Outcome::Done))
    }

    /// Takes the directories above a removed file away that are empty now and that `other` does not have. Returns whether
    /// one is left that is empty here and not gone there: who removes a directory removes what is in it before.
    pub(crate) fn tidy(&self, name: &str, other: &OsPath) -> bool {
        let mut dir = name;
        while let Some((above, _)) = dir.rsplit_once('/') {
            let own = self.path(above);
            if other.join(above).is_dir() {
                return fs::read_dir(own).is_ok_and(|mut entries| entries.next().is_none());
            }
            // One that is not empty stays.
            if fs::remove_dir(own).is_err() {
                return false;
            }
            dir = above;
        }
        false
    }

    /// What nobody has seen yet of the file under a name; `None` if it is as it is known, or gone. What has the bytes of
    /// the form that is about to be put there is known by that.
    fn unseen(&mut self, name: &str, form: &Form) -> io::Result<Option<Outcome>> {
        let Some(metadata) = look(&self.path(name))? else {
            self.forget(name);
            return Ok(None);
        };
        if !metadata.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "something that is no file has its name",
            ));
        }
        let same = |known: &Known| {
            known.stat == Stat::of(&metadata) && known.compared_ns > known.stat.changed_ns + super::TICK_NS
        };
        if self.known.get(name).is_some_and(same) {
            return Ok(None);
        }
        let Some((content, stat)) = self.read(name)? else { return Ok(None) };
        if let Some(known) = self.known.get_mut(name)
            && known.form.is(name, &content)
        {
            (known.stat, known.compared_ns) = (stat, stat.changed_ns);
            return Ok(None);
        }
        if form.is(name, &content) {
            self.learn(name, form.clone(), stat);
            return Ok(None);
        }
        Ok(Some(Outcome::Unseen(content, stat)))
    }

    /// Takes whatever has the name away. Returns what that was, if it was not what was known.
    ///
    /// It is looked at after it was taken out, not before: so nothing that is saved in between goes unseen.
    fn clear(
        &mut self,
        name: &str,
        path: &OsPath,
        known: Option<&Known>,
        aside: &mut Aside,
    ) -> io::Result<Option<Outcome>> {
        let out = self.outside(path, aside, "held");
        match fs::rename(path, &out) {
            Ok(()) => {}
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        }
        self.forget(name);
        self.let_go(&out, known, name, aside)
    }

    /// Looks at what was taken out of the folder, and removes it if it is what was known.
    fn let_go(
        &self,
        out: &OsPath,
        known: Option<&Known>,
        name: &str,
        aside: &mut Aside,
    ) -> io::Result<Option<Outcome>> {
        match read(out, self.bytes_max)? {
            Some((content, stat)) if known.is_none_or(|known| !known.form.is(name, &content)) => {
                // It stays held: whoever still writes to it goes on, and it may be all that is left of it.
                let held = self.outside(&self.path(name), aside, "held");
                fs::rename(out, held)?;
                Ok(Some(Outcome::Replaced(content, stat)))
            }
            _ => {
                fs::remove_file(out)?;
                Ok(None)
            }
        }
    }

    /// Where a file is made ready.
    fn temporary(&self, path: &OsPath, beside: Option<&str>, aside: &mut Aside) -> PathBuf {
        let beside = beside.map(|name| path.with_file_name(name)).filter(|beside| !beside.exists());
        beside.unwrap_or_else(|| self.outside(path, aside, "new"))
    }

    /// A name of ours, outside the folder where that is on the same device, else beside the file.
    fn outside(&self, path: &OsPath, aside: &mut Aside, what: &str) -> PathBuf {
        let outside = aside.name(what);
        if self.device() == aside.device {
            return outside;
        }
        let number = outside.file_name().unwrap_or_default().to_string_lossy().into_owned();
        path.with_file_name(format!("{OWN}{number}"))
    }

    /// Makes the directories above a name. What is no directory, such as a link to one, is in the way.
    fn make_dirs_above(&self, name: &str) -> io::Result<()> {
        for (at, _) in name.match_indices('/') {
            let dir = self.path(&name[..at]);
            match look(&dir)? {
                Some(metadata) if metadata.is_dir() => {}
                Some(_) => {
                    let what = format!("{} is in the way and no directory", dir.display());
                    return Err(io::Error::new(io::ErrorKind::NotADirectory, what));
                }
                None => fs::create_dir(&dir)?,
            }
        }
        Ok(())
    }

    /// Takes a name for known that was put there and is gone again.
    pub(crate) fn learn_gone(&mut self, name: &str, form: &Form) {
        let stat = Stat { len: 0, modified_ns: 0, changed_ns: now_ns(), number: 0 };
        self.learn(name, form.clone(), stat);
    }
}

/// What came of a file that was made ready.
enum Moved {
    /// It has its name, and what had it before has the temporary one.
    Swapped,
    /// It has its name.
    In,
    /// It was not put there: this had the name.
    Refused(Outcome),
}

/// Fills a file as clients do, part by part.
fn fill(file: &mut File, form: &Form, name: &str, way: Way<'_>) -> io::Result<()> {
    let bytes = form.bytes(name);
    if matches!(form, Form::Hole(_)) {
        file.set_len(bytes.len() as u64)?;
    } else {
        bytes.bytes().chunks(PART).try_for_each(|part| file.write_all(part))?;
    }
    match way.modified_ns.and_then(|ns| u64::try_from(ns).ok()) {
        Some(ns) => file.set_modified(UNIX_EPOCH + Duration::from_nanos(ns)),
        None => Ok(()),
    }
}

/// Lets two files change their names, so that none of both is ever gone. Returns whether they did: not where one has gone,
/// nor where the system or the file system has no such call.
fn swap(one: &OsPath, other: &OsPath) -> io::Result<bool> {
    match renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT | Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Gives a file its final name, over nothing, not even what was made a moment ago.
fn move_in(temporary: &OsPath, path: &OsPath) -> io::Result<()> {
    match fs::hard_link(temporary, path) {
        Ok(()) => fs::remove_file(temporary),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // This file system has no second names.
        Err(_) if look(path)?.is_none() => fs::rename(temporary, path),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    const NAME: &str = "f";

    /// Saves one content after the other, each by changing names with what is there, until it is told to stop. Returns those
    /// that it did not replace itself.
    fn save(dir: &OsPath, stop: &AtomicBool) -> BTreeSet<String> {
        let (path, new) = (dir.join("folder").join(NAME), dir.join("new"));
        let mut saved = BTreeSet::new();
        for number in 0.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let text = format!("mine {number}");
            fs::write(&new, &text).unwrap();
            if swap(&new, &path).unwrap() {
                saved.remove(&fs::read_to_string(&new).unwrap());
            } else if fs::hard_link(&new, &path).is_err() {
                continue;
            }
            fs::remove_file(&new).unwrap();
            saved.insert(text);
        }
        saved
    }

    #[test]
    fn what_is_saved_at_that_very_moment_is_seen() {
        for visible in [Visible::TempAndRename, Visible::UnlinkAndCreate, Visible::UnlinkThenRename] {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir(dir.path().join("folder")).unwrap();
            let mut real = Real::open(dir.path().join("folder"), 1 << 20).unwrap();
            let mut aside = Aside::open(dir.path().join("aside")).unwrap();
            let way = Way { visible, beside: None, modified_ns: None };
            let (stop, mut seen) = (AtomicBool::new(false), BTreeSet::new());
            let saved = thread::scope(|scope| {
                let saves = scope.spawn(|| save(dir.path(), &stop));
                for number in 0..3_000 {
                    let form = Form::File(Content::from(format!("theirs {number}")));
                    let outcome = if number % 3 == 2 {
                        real.remove(NAME, &mut aside)
                    } else {
                        real.put(NAME, &form, way, &mut aside)
                    };
                    match outcome {
                        Ok(Outcome::Unseen(content, stat)) => {
                            seen.insert(content.clone());
                            real.learn(NAME, Form::File(content), stat);
                        }
                        Ok(Outcome::Replaced(content, _)) => drop(seen.insert(content)),
                        Ok(Outcome::Done) | Err(_) => {}
                    }
                }
                stop.store(true, Ordering::Relaxed);
                saves.join().unwrap()
            });
            seen.extend(real.read(NAME).unwrap().map(|(content, _)| content));
            let seen: BTreeSet<_> = seen.iter().map(|content| content.bytes().to_vec()).collect();
            let lost: Vec<_> = saved.iter().filter(|text| !seen.contains(text.as_bytes())).collect();
            assert!(lost.is_empty(), "{visible:?}: {} of {} are lost: {lost:?}", lost.len(), saved.len());
            assert!(!saved.is_empty(), "{visible:?}: nothing was saved");
        }
    }
}
