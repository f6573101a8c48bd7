//! Where a replica lies, and what it is called.

use std::path::{Path as OsPath, PathBuf};

use anyhow::{Context, anyhow};
use cloudchamber_core::delta::Layout;
use cloudchamber_core::kit::identity::Place as Spot;
use serde::{Deserialize, Serialize};

use super::{DeltaError, Replica};
use crate::local::{self, Synced};
use crate::{Lock, place, small};

/// What a replica is opened with.
#[derive(Clone, Debug)]
pub struct Options {
    folder: PathBuf,
    local: Option<PathBuf>,
    name: Option<String>,
    layout: Option<Layout>,
}

/// Where a replica lies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// The shared folder.
    pub folder: PathBuf,
    /// The directory that never leaves this machine.
    pub local: PathBuf,
    /// What the replica is called. Its id begins so.
    pub name: String,
    /// How it lays out its files.
    pub layout: Layout,
    /// What is to be told about it, in words, such as that the folder was moved.
    pub said: Option<String>,
}

/// What is kept of a place in the local directory.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
struct Kept {
    name: String,
    layout: Layout,
    place: Option<Spot>,
}

impl Kept {
    fn file(local: &OsPath) -> PathBuf {
        local.join("delta/place.json")
    }

    fn read(local: &OsPath) -> anyhow::Result<Option<Self>> {
        let file = Self::file(local);
        match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).with_context(|| {
                format!(
                    "{}: it is not as it was written: remove it, and name the layout with --layout",
                    file.display()
                )
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("{}: make it readable", file.display())),
        }
    }
}

impl Options {
    /// The usual ones: a local directory of this folder's own among the user's data, the name of this computer, and
    /// the layout with a file for each entity.
    #[must_use]
    pub fn new(folder: impl AsRef<OsPath>) -> Self {
        Self { folder: folder.as_ref().to_owned(), local: None, name: None, layout: None }
    }

    /// With this local directory. It has to lie outside of the folder.
    #[must_use]
    pub fn local(mut self, local: impl Into<PathBuf>) -> Self {
        self.local = Some(local.into());
        self
    }

    /// Under this name, for several replicas on one machine. A replica that gets another name is another one.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// In this layout, which it then keeps.
    #[must_use]
    pub fn layout(mut self, layout: Layout) -> Self {
        self.layout = Some(layout);
        self
    }

    /// Opens the replica, and waits for other processes of this machine that have it open. A folder that is away, such as a
    /// disk that is not mounted, is no hindrance to a replica that has been there: what is written waits for it here.
    ///
    /// # Errors
    /// Where the folder is not there and never was, or the local directory lies inside of it or cannot be made or read.
    pub fn open(&self) -> Result<Replica, DeltaError> {
        let (place, lock) = self.prepare().map_err(DeltaError::Place)?;
        Replica::start(place, lock)
    }

    fn prepare(&self) -> anyhow::Result<(Place, Lock)> {
        let (folder, away) = self.folder()?;
        let local = local::make(&self.local_of(&folder)?, &folder, Synced::Everything)?;
        let lock = Lock::wait(&local)
            .with_context(|| format!("{}: give a local directory that can be written", local.display()))?;
        let said = match (&self.local, local.parent()) {
            _ if away.is_some() => away,
            (None, Some(of_folder)) => local::remember(of_folder, &folder, self.name.as_deref())?,
            _ => None,
        };
        let kept = Kept::read(&local)?;
        let place = self.place(folder, local, kept.as_ref(), said);
        let now = Kept { name: place.name.clone(), layout: place.layout, place: place::place(&place.local) };
        if kept.as_ref() != Some(&now) {
            let text = serde_json::to_vec_pretty(&now)?;
            let file = Kept::file(&place.local);
            small::put(&place.local, &file, &text)
                .with_context(|| format!("{}: give a local directory that can be written", file.display()))?;
        }
        Ok((place, lock))
    }

    /// Where the replica lies, for whoever only looks: nothing is made.
    ///
    /// # Errors
    /// Where the folder is not there and never was, or the local directory lies inside of it or was never made.
    pub fn find(&self) -> Result<Place, DeltaError> {
        let find = || {
            let (folder, away) = self.folder()?;
            let local = self.local_of(&folder)?;
            local::refuse_inside(&local, &folder, Synced::Everything)?;
            let kept = Kept::read(&local)?.ok_or_else(|| {
                anyhow!(
                    "{}: this machine has no replica there yet: run delta sync first, or give its directory with --local",
                    local.display()
                )
            })?;
            Ok(self.place(folder, local, Some(&kept), away))
        };
        find().map_err(DeltaError::Place)
    }

    /// The folder's real path. If it is away, the path that it had, and what is to be said of that.
    fn folder(&self) -> anyhow::Result<(PathBuf, Option<String>)> {
        let gone = match local::real(&self.folder) {
            Ok(folder) => return Ok((folder, None)),
            Err(error) => error,
        };
        let folder = local::future(&self.folder)?;
        match Kept::read(&self.local_of(&folder)?)? {
            Some(_) => {
                let said = "the folder is away; until it is back, this machine goes by what it knows";
                let said = format!("{}: {said}", folder.display());
                Ok((folder, Some(said)))
            }
            // Nobody has ever synced there.
            None => Err(gone),
        }
    }

    fn local_of(&self, folder: &OsPath) -> anyhow::Result<PathBuf> {
        match &self.local {
            Some(local) => Ok(local.clone()),
            // Beside what the other systems keep of the same folder.
            None => Ok(local::default(folder, self.name.as_deref())?.join("delta")),
        }
    }

    fn place(&self, folder: PathBuf, local: PathBuf, kept: Option<&Kept>, said: Option<String>) -> Place {
        let name = self.name.clone().unwrap_or_else(|| name(kept, place::place(&local), place::host()));
        let layout = self.layout.or(kept.map(|kept| kept.layout)).unwrap_or(Layout::Split);
        Place { folder, local, name, layout, said }
    }
}

/// What a replica is called that nobody gave a name: as it was, also if the computer is called otherwise by now. A copy
/// of a local directory is another replica, and gets another name.
fn name(kept: Option<&Kept>, here: Option<Spot>, host: String) -> String {
    let Some(kept) = kept else { return host };
    let same = match (&kept.place, &here) {
        (Some(then), Some(now)) => then.is(now),
        _ => true,
    };
    match same {
        true => kept.name.clone(),
        false if kept.name == host => format!("{host}-copy"),
        false => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_keeps_its_name_and_a_copy_of_it_gets_another() {
        let spot = |host: &str, directory: &str, number| {
            Some(Spot { host: host.to_owned(), directory: directory.to_owned(), number: Some(number) })
        };
        let kept = |name: &str| Kept {
            name: name.to_owned(),
            layout: Layout::Split,
            place: spot("mac", "/home/ann/state", 7),
        };
        for (there, host, named) in [
            (spot("mac", "/home/ann/state", 7), "mac", "mac"),
            (spot("mac-2", "/home/ann/state", 7), "mac-2", "mac"),
            (spot("mac", "/home/ann/copy", 8), "mac", "mac-copy"),
            (spot("desk", "/home/ann/copy", 8), "desk", "desk"),
        ] {
            assert_eq!(name(Some(&kept("mac")), there.clone(), host.to_owned()), named, "{there:?}");
        }
        assert_eq!(name(None, None, "mac".to_owned()), "mac");
    }
}
