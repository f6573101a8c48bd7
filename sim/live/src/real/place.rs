//! How a client puts a file into a real directory, or takes one away, without losing what it has not seen.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path as OsPath, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use cloudchamber_core::Content;
use cloudchamber_folder::profile::Visible;
use rustix::fs::OFlags;

use super::{Known, OWN, Real, Stat, look, now_ns, read};
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
        let bytes = form.bytes(name);
        let is_hole = matches!(form, Form::Hole(_));
        let held = metadata.as_ref().and_then(|_| self.hold(&path, way.visible, aside));
        let sets_time = |file: &File| match way.modified_ns.and_then(|ns| u64::try_from(ns).ok()) {
            Some(ns) => file.set_modified(UNIX_EPOCH + Duration::from_nanos(ns)),
            None => Ok(()),
        };
        match way.visible {
            Visible::InPlace if metadata.is_some() && !is_hole => {
                let flags = i32::try_from(OFlags::NOFOLLOW.bits()).expect("a flag of open(2)");
                let mut file = File::options().write(true).custom_flags(flags).open(&path)?;
                let opened = Stat::of(&file.metadata()?);
                if self.known.get(name).is_none_or(|known| known.stat != opened) {
                    // Somebody put another file in its place since it was looked at.
                    let changed =
                        || io::Error::new(io::ErrorKind::Interrupted, "it was changed at that moment");
                    return self.unseen(name, form)?.ok_or_else(changed);
                }
                file.set_len(0)?;
                write(&mut file, bytes.bytes())?;
                sets_time(&file)?;
            }
            Visible::InPlace | Visible::UnlinkAndCreate if !is_hole => {
                if metadata.is_some() {
                    fs::remove_file(&path)?;
                }
                let mut file = File::options().write(true).create_new(true).open(&path)?;
                write(&mut file, bytes.bytes())?;
                sets_time(&file)?;
            }
            visible => {
                let temporary = self.temporary(&path, way.beside, aside);
                let made = (|| {
                    let mut file = File::options().write(true).create_new(true).open(&temporary)?;
                    if is_hole {
                        file.set_len(bytes.len() as u64)?
                    } else {
                        write(&mut file, bytes.bytes())?
                    }
                    sets_time(&file)?;
                    move_in(&temporary, &path, metadata.is_some(), visible)
                })();
                if made.is_err() {
                    // It is ours, and what it holds is kept.
                    drop(fs::remove_file(&temporary));
                }
                made?;
            }
        }
        let before = self.known.get(name).cloned();
        let stat = look(&path)?.map(|metadata| Stat::of(&metadata));
        match stat {
            Some(stat) => self.learn(name, form.clone(), stat),
            // Somebody has removed it already: the next look says so.
            None => self.learn_gone(name, form),
        }
        Ok(self.let_go(held, before.as_ref(), name)?.unwrap_or(Outcome::Done))
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
        let mut outcome = Outcome::Done;
        if look(&path)?.is_some() {
            let held = self.hold(&path, Visible::TempAndRename, aside);
            fs::remove_file(&path)?;
            outcome = self.let_go(held, Some(&known), name)?.unwrap_or(Outcome::Done);
        }
        self.forget(name);
        Ok(outcome)
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

    /// Gives the file another name, outside the folder, so that it can be looked at once more when it was replaced;
    /// `None` if that cannot be had, or would change nothing.
    fn hold(&self, path: &OsPath, visible: Visible, aside: &mut Aside) -> Option<PathBuf> {
        if visible == Visible::InPlace || self.device() != aside.device {
            return None;
        }
        let held = aside.name("held");
        fs::hard_link(path, &held).is_ok().then_some(held)
    }

    /// Looks at what was replaced, and lets go of it if it is what was known.
    fn let_go(
        &self,
        held: Option<PathBuf>,
        known: Option<&Known>,
        name: &str,
    ) -> io::Result<Option<Outcome>> {
        let (Some(held), Some(known)) = (held, known) else { return Ok(None) };
        match read(&held, self.bytes_max)? {
            Some((content, stat)) if !known.form.is(name, &content) => {
                // It stays held: whoever still writes to it goes on.
                Ok(Some(Outcome::Replaced(content, stat)))
            }
            _ => {
                fs::remove_file(&held)?;
                Ok(None)
            }
        }
    }

    /// Where a file is made ready.
    fn temporary(&self, path: &OsPath, beside: Option<&str>, aside: &mut Aside) -> PathBuf {
        let beside = beside.map(|name| path.with_file_name(name)).filter(|beside| !beside.exists());
        match beside {
            Some(beside) => beside,
            None if self.device() == aside.device => aside.name("new"),
            None => {
                let number = aside.name("new");
                let number = number.file_name().unwrap_or_default().to_string_lossy().into_owned();
                path.with_file_name(format!("{OWN}{number}"))
            }
        }
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

/// Gives a file its final name.
fn move_in(temporary: &OsPath, path: &OsPath, replaces: bool, visible: Visible) -> io::Result<()> {
    if !replaces {
        // Over nothing, not even what was made a moment ago.
        return match fs::hard_link(temporary, path) {
            Ok(()) => fs::remove_file(temporary),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            // This file system has no second names.
            Err(_) if look(path)?.is_none() => fs::rename(temporary, path),
            Err(error) => Err(error),
        };
    }
    if visible == Visible::UnlinkThenRename {
        fs::remove_file(path)?;
    }
    fs::rename(temporary, path)
}

/// Writes as clients do, part by part.
fn write(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    bytes.chunks(PART).try_for_each(|part| file.write_all(part))
}
