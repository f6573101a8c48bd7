//! Where what never leaves this machine lies: outside the folder that a client copies.
//!
//! A local directory inside the shared folder would travel: several machines would have one identity, one lock and one
//! copy of what each of them appended, and the client's last word on each of these files would be everybody's. So one
//! inside is refused, and one that an earlier version left there is moved out ([`move_out`]).

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use cloudchamber_core::journal::identity::{Identity, identity};
use cloudchamber_core::journal::layout::clock_path;
use cloudchamber_core::kit::names::{Client, copy_of};
use xxhash_rust::xxh3::xxh3_64;

use crate::{Lock, OsFs, place};

/// What the client copies of a shared folder.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Synced {
    /// All of it.
    Everything,
    /// Its `shared` directory alone, as upstream's programs set it up.
    SharedAlone,
}

/// The shared folder's real path.
///
/// # Errors
/// Where it is not there.
pub fn real(folder: &Path) -> anyhow::Result<PathBuf> {
    folder.canonicalize().with_context(|| {
        format!("{}: there is no such directory: give the shared folder with --folder", folder.display())
    })
}

/// The local directory of a folder, and of a name where one machine has several: below the user's data. A folder that
/// was moved keeps the one it had; one that is away has the one that it had under this path.
///
/// # Errors
/// Where the user has no directory for data.
pub fn default(folder: &Path, name: Option<&str>) -> anyhow::Result<PathBuf> {
    let folder = future(folder)?;
    let data = dirs::state_dir().or_else(dirs::data_local_dir);
    let data = data.context("this user has no directory for data: give one with --local")?;
    // For people there is the folder's name; what counts is the number.
    let called = folder.file_name().unwrap_or_default().to_string_lossy();
    let whose = (folder.as_os_str().as_encoded_bytes(), name.unwrap_or_default().as_bytes());
    let number = xxh3_64(&[whose.0, b"\0", whose.1].concat());
    let all = data.join("cloudchamber");
    Ok(place::find(&all, &all.join(format!("{called}-{number:016x}")), &folder, name))
}

/// Notes in a folder's [`default`] local directory which folder it belongs to; says so if that has moved.
///
/// # Errors
/// Where the folder is not there, or the note cannot be written.
pub fn remember(local: &Path, folder: &Path, name: Option<&str>) -> anyhow::Result<Option<String>> {
    let folder = real(folder)?;
    let before = place::remember(local, &folder, name)
        .with_context(|| format!("{}: give a local directory that can be written", local.display()))?;
    Ok(before.map(|before| {
        format!(
            "{}: this folder was {}; its local directory stays {}",
            folder.display(),
            before.display(),
            local.display()
        )
    }))
}

/// Makes a local directory where there is none, and gives its real path.
///
/// # Errors
/// Where it would lie where the client copies it, or cannot be made.
pub fn make(local: &Path, folder: &Path, synced: Synced) -> anyhow::Result<PathBuf> {
    refuse_inside(local, folder, synced)?;
    fs::create_dir_all(local)
        .with_context(|| format!("{}: give a local directory that can be made", local.display()))?;
    let local = local.canonicalize()?;
    refuse_inside(&local, folder, synced)?;
    Ok(local)
}

/// Refuses a local directory that the client would copy.
///
/// # Errors
/// The reason, and the way out.
pub fn refuse_inside(local: &Path, folder: &Path, synced: Synced) -> anyhow::Result<()> {
    let copied = match synced {
        Synced::Everything => future(folder)?,
        Synced::SharedAlone => future(folder)?.join("shared"),
    };
    if !future(local)?.starts_with(&copied) {
        return Ok(());
    }
    let way_out = match synced {
        Synced::Everything => "give another one with --local",
        Synced::SharedAlone => "give one beside `shared` with --local",
    };
    bail!(
        "{}: it is inside the shared folder, whose client would copy it to the other machines: {way_out}",
        local.display()
    );
}

/// The real path that a directory has or will have.
///
/// # Errors
/// Where there is no current directory.
pub fn future(path: &Path) -> anyhow::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    for there in path.ancestors() {
        if let Ok(real) = there.canonicalize() {
            let rest = path.strip_prefix(there)?;
            return Ok(if rest.as_os_str().is_empty() { real } else { real.join(rest) });
        }
    }
    Ok(path)
}

/// What became of a local directory that an earlier version left inside the shared folder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Inner {
    /// There is none.
    Absent,
    /// It was moved: in words.
    Moved(String),
    /// It stays where it is, and is not used: why, in words.
    Unused(String),
}

/// Whether a directory is a local one of this program: upstream's programs keep one of theirs in the same place, with the
/// same identity, and that is left alone.
#[must_use]
pub fn is_ours(local: &Path) -> bool {
    let fs = OsFs::new(local, local);
    let owned = identity(&fs).is_ok_and(|own| own.owner.is_some());
    owned || local.join("shadow").is_dir() || fs.real(&clock_path()).is_file()
}

/// Moves a local directory out of the shared folder to where it belongs, with the locks of both held. Where a crash
/// interrupts it, the next call does what is left; two identities are never made one.
///
/// # Errors
/// Where a process works with it, several machines wrote it, or a file can be neither moved nor copied.
pub fn move_out(inner: &Path, local: &Path) -> anyhow::Result<Inner> {
    if !is_ours(inner) || future(inner)? == future(local)? {
        return Ok(Inner::Absent);
    }
    let who = |dir: &Path| identity(&OsFs::new(dir, dir)).ok();
    let found = who(inner);
    let name = found.as_ref().map_or("?", |own| own.id.as_str()).to_owned();
    if let Some(own) = who(local) {
        let same = |found: &Identity| (&found.id, found.owner) == (&own.id, own.owner);
        if found.as_ref().is_none_or(same) && has_shadows_of(local, inner) {
            // A crash came between the copy and this, or the client brought it back.
            fs::remove_dir_all(inner).with_context(|| format!("{}: it is left over", inner.display()))?;
            return Ok(Inner::Moved(moved(inner, local, &name)));
        }
        return Ok(Inner::Unused(format!(
            "{}: a local directory of the machine `{name}` lies where the client copies it; it is not used, this machine is \
             `{}` and keeps {}: have the machine `{name}` move it with a newer version, or remove it if there is none",
            inner.display(),
            own.id,
            local.display()
        )));
    }
    if let Some(copy) = conflict_copy(inner) {
        bail!(
            "{}: several machines wrote this local directory inside the shared folder, and it is open whose it is: \
             remove it once one of them, which alone keeps it, has it as its --local elsewhere; give the others an id of \
             their own with journal init --machine ID",
            copy.display()
        );
    }
    let Some(held) = Lock::attempt(inner)? else {
        bail!(
            "{}: a process works with this local directory inside the shared folder, whose client copies it: end it, \
             then try again, and the directory is moved",
            inner.display()
        );
    };
    let parent = local.parent().context("a local directory lies in a directory")?;
    fs::create_dir_all(parent)?;
    drop_empty(local)?;
    match fs::rename(inner, local) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            let mut aside = local.as_os_str().to_owned();
            aside.push("-moving");
            let aside = PathBuf::from(aside);
            if aside.exists() {
                fs::remove_dir_all(&aside)?;
            }
            copy(inner, &aside).with_context(|| format!("{}: it cannot be copied", inner.display()))?;
            fs::rename(&aside, local)?;
            fs::File::open(parent)?.sync_all()?;
            fs::remove_dir_all(inner)?;
        }
        Err(error) => return Err(error).with_context(|| format!("{}: it cannot be moved", inner.display())),
    }
    fs::File::open(parent)?.sync_all()?;
    fs::File::open(inner.parent().unwrap_or(parent))?.sync_all()?;
    drop(held);
    Ok(Inner::Moved(moved(inner, local, &name)))
}

fn moved(inner: &Path, local: &Path, name: &str) -> String {
    format!(
        "{}: the local directory of `{name}` was inside the shared folder, whose client copies it: moved to {}",
        inner.display(),
        local.display()
    )
}

/// Whether everything that a local directory's shadows tell stands in the other's.
fn has_shadows_of(local: &Path, inner: &Path) -> bool {
    let mut dirs = vec![PathBuf::from("shadow")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(inner.join(&dir)).into_iter().flatten().flatten() {
            let name = dir.join(entry.file_name());
            if entry.path().is_dir() {
                dirs.push(name);
                continue;
            }
            let (Ok(told), Ok(known)) = (fs::read(entry.path()), fs::read(local.join(&name))) else {
                return false;
            };
            if !known.starts_with(&told) {
                return false;
            }
        }
    }
    true
}

/// A copy that a client made of a file of a local directory, because two machines wrote it.
fn conflict_copy(inner: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(inner).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut copies = entries.filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let marks = ["machine-id", "identity.json", "clock.json", "lock"].map(|of| copy_of(name, of));
        marks.into_iter().flatten().any(|mark| !matches!(mark.by, Client::Case | Client::Unknown))
    });
    copies.next()
}

/// Removes a local directory in which nothing is but what every process makes.
fn drop_empty(local: &Path) -> anyhow::Result<()> {
    let Ok(entries) = fs::read_dir(local) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        let removed = match path.file_name().and_then(|name| name.to_str()) {
            Some("lock") => fs::remove_file(&path),
            Some("tmp") => fs::remove_dir_all(&path),
            _ => bail!(
                "{}: it is not empty, and a local directory is to be moved there: give an empty one with --local",
                local.display()
            ),
        };
        removed?;
    }
    fs::remove_dir(local).with_context(|| format!("{}: it cannot be replaced", local.display()))
}

/// Copies a directory with everything in it, flushed.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
            fs::File::open(&target)?.sync_all()?;
        }
    }
    fs::File::open(to)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder in which an earlier version left the local directory of `laptop`.
    fn left() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let (inner, local) = (dir.path().join("folder/local"), dir.path().join("state/team"));
        fs::create_dir_all(inner.join("shadow/laptop")).unwrap();
        let identity = r#"{"id":"laptop","seq":1,"created_at":5,"owner":"0000002a"}"#;
        for name in ["machine-id", "identity.json"] {
            fs::write(inner.join(name), identity).unwrap();
        }
        fs::write(inner.join("shadow/laptop/messages.jsonl"), "{}\n").unwrap();
        (dir, inner, local)
    }

    #[test]
    fn a_local_directory_where_a_client_copies_it_is_refused_and_not_made() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("folder");
        fs::create_dir_all(folder.join("shared")).unwrap();
        let inner = folder.join("local");
        for (local, synced) in
            [(&inner, Synced::Everything), (&folder.join("shared/local"), Synced::SharedAlone)]
        {
            let refused = make(local, &folder, synced).unwrap_err().to_string();
            assert!(refused.contains("it is inside the shared folder"), "{refused}");
            assert!(!local.exists());
        }
        make(&inner, &folder, Synced::SharedAlone).unwrap();
        make(&dir.path().join("local"), &folder, Synced::Everything).unwrap();
    }

    #[test]
    fn a_local_directory_that_was_left_inside_is_moved_once() {
        let (_dir, inner, local) = left();
        // A process that only asked has made this before.
        fs::create_dir_all(&local).unwrap();
        fs::write(local.join("lock"), "").unwrap();
        let Inner::Moved(said) = move_out(&inner, &local).unwrap() else { panic!("it was not moved") };
        assert!(said.contains("moved to"), "{said}");
        assert!(!inner.exists());
        assert_eq!(fs::read_to_string(local.join("shadow/laptop/messages.jsonl")).unwrap(), "{}\n");
        assert_eq!(move_out(&inner, &local).unwrap(), Inner::Absent);
    }

    #[test]
    fn what_an_interrupted_move_left_goes_and_what_is_news_stays() {
        let (_dir, inner, local) = left();
        fs::create_dir_all(local.parent().unwrap()).unwrap();
        copy(&inner, &local).unwrap();
        // It has gone on since.
        fs::write(local.join("shadow/laptop/messages.jsonl"), "{}\n{}\n").unwrap();
        fs::write(inner.join("shadow/laptop/threads.jsonl"), "{}\n").unwrap();
        assert!(
            matches!(move_out(&inner, &local).unwrap(), Inner::Unused(_)),
            "it tells more than the other"
        );
        assert!(inner.join("shadow/laptop/threads.jsonl").exists());
        fs::remove_file(inner.join("shadow/laptop/threads.jsonl")).unwrap();
        assert!(matches!(move_out(&inner, &local).unwrap(), Inner::Moved(_)));
        assert!(!inner.exists());
    }

    #[test]
    fn nothing_is_guessed_of_a_local_directory_that_may_be_another_machines() {
        let (_dir, inner, local) = left();
        let held = Lock::wait(&inner).unwrap();
        let busy = move_out(&inner, &local).unwrap_err().to_string();
        assert!(busy.contains("a process works with this local directory"), "{busy}");
        drop(held);
        fs::write(inner.join("machine-id.sync-conflict-20261120-113332-EWX4TBX"), "x").unwrap();
        let contested = move_out(&inner, &local).unwrap_err().to_string();
        assert!(contested.contains("several machines wrote"), "{contested}");
        fs::create_dir_all(&local).unwrap();
        fs::write(local.join("machine-id"), r#"{"id":"desk","seq":1}"#).unwrap();
        let Inner::Unused(said) = move_out(&inner, &local).unwrap() else { panic!("two became one") };
        assert!(said.contains("this machine is `desk`"), "{said}");
        assert!(inner.join("machine-id").exists());
    }

    #[test]
    fn what_upstream_keeps_there_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (inner, local) = (dir.path().join("local"), dir.path().join("state"));
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("machine-id"), r#"{"id":"laptop","seq":3}"#).unwrap();
        fs::write(inner.join("runtime.jsonl"), "").unwrap();
        assert_eq!(move_out(&inner, &local).unwrap(), Inner::Absent);
        assert!(inner.join("machine-id").exists() && !local.exists());
    }
}
