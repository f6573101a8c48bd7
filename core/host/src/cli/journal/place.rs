//! The folder and the local directory of a command.

use std::path::{Path as OsPath, PathBuf};

use anyhow::bail;
use clap::Args;
use cloudchamber_core::journal::identity::identity;
use cloudchamber_core::journal::refusal::Refusal;
use cloudchamber_host::OsFs;
use cloudchamber_host::local::{self, Inner, Synced};

#[derive(Args)]
pub(super) struct Place {
    /// The shared folder: the one that holds `shared/machines`, or a project whose `.fray` does.
    #[arg(long, value_name = "DIR")]
    pub(super) folder: PathBuf,
    /// The directory that never leaves this machine. By default one of this folder's own among the user's data; never
    /// inside the folder, whose client would copy it.
    #[arg(long, value_name = "DIR")]
    pub(super) local: Option<PathBuf>,
    /// The client copies `shared` alone, as upstream's programs set it up: the local directory may lie beside it, and is
    /// `local` there by default, where upstream's is.
    #[arg(long)]
    pub(super) only_shared_is_synced: bool,
    /// Print one JSON document on standard output and nothing else there.
    #[arg(long)]
    pub(super) json: bool,
}

/// The folder and the local directory of a command.
pub(super) struct Roots {
    pub(super) fs: OsFs,
    pub(super) local: PathBuf,
    pub(super) folder: PathBuf,
    /// Whether the local directory is one that may be written.
    pub(super) writable: bool,
}

impl Roots {
    fn new(folder: PathBuf, local: PathBuf, writable: bool) -> Self {
        Self { fs: OsFs::new(&folder, &local), local, folder, writable }
    }

    /// Why this machine has no identity here, and the way out.
    pub(super) fn explain(&self, refusal: &Refusal) -> String {
        let upstream = self.folder.join("local");
        if *refusal == Refusal::NoIdentity && upstream.join("machine-id").is_file() && upstream != self.local
        {
            return format!(
                "this machine has no id in {}, and {} has one: say --only-shared-is-synced if the client copies nothing but \
                 `shared`, or run journal init --machine ID",
                self.local.display(),
                upstream.display()
            );
        }
        match refusal {
            Refusal::Fs(path, _) => match self.fs.explain(path) {
                Some(call) => format!("{refusal} ({call})"),
                None => refusal.to_string(),
            },
            refusal => refusal.to_string(),
        }
    }
}

impl Place {
    /// The folder that holds the journals.
    fn inner(&self) -> anyhow::Result<PathBuf> {
        let inner = self.folder.join(".fray");
        let folder = if inner.is_dir() { inner } else { self.folder.clone() };
        if !folder.is_dir() {
            bail!("{}: there is no such directory: give the shared folder with --folder", folder.display());
        }
        Ok(folder)
    }

    /// What the client copies, and which directory that is.
    fn synced(&self, folder: &OsPath) -> (Synced, PathBuf) {
        match self.only_shared_is_synced {
            true => (Synced::SharedAlone, folder.to_owned()),
            // A client that copies a project copies all of it.
            false => (Synced::Everything, self.folder.clone()),
        }
    }

    fn default(&self, folder: &OsPath) -> anyhow::Result<PathBuf> {
        match self.only_shared_is_synced {
            true => Ok(folder.join("local")),
            // Beside what `run` keeps of the same folder.
            false => Ok(local::default(folder, None)?.join("journal")),
        }
    }

    /// For a command that writes: a local directory that an earlier version left inside the folder is moved first, unless
    /// it is another machine's than this one is to be.
    pub(super) fn writing(&self, machine: Option<&str>) -> anyhow::Result<Roots> {
        let folder = self.inner()?;
        let (synced, copied) = self.synced(&folder);
        let local = self.local.clone().map_or_else(|| self.default(&folder), Ok)?;
        local::refuse_inside(&local, &copied, synced)?;
        if synced == Synced::Everything {
            let inner = folder.join("local");
            let (left, own) = (OsFs::new(&inner, &inner), OsFs::new(&folder, &local));
            if let (Some(machine), Ok(left), Err(_)) = (machine, identity(&left), identity(&own))
                && left.id != machine
                && local::is_ours(&inner)
            {
                bail!(
                    "{}: the local directory of `{}` lies inside the shared folder, whose client copies it: on that machine \
                     any command moves it away; if this is that machine, run journal init --machine {}; if not, have it \
                     moved there first, or say with --only-shared-is-synced that the client does not copy it",
                    inner.display(),
                    left.id,
                    left.id
                );
            }
            match local::move_out(&inner, &local)? {
                Inner::Absent => {}
                Inner::Moved(said) => eprintln!("moved: {said}"),
                Inner::Unused(why) => eprintln!("warning: {why}"),
            }
        }
        let local = local::make(&local, &copied, synced)?;
        if let (None, Synced::Everything, Some(of_folder)) = (&self.local, synced, local.parent())
            && let Some(said) = local::remember(of_folder, &folder, None)?
        {
            eprintln!("{said}");
        }
        Ok(Roots::new(folder, local, true))
    }

    /// For a command that only looks: nothing is made and nothing moved. Where this machine has no local directory, one
    /// inside the folder is read, such as upstream's programs have.
    pub(super) fn looking(&self) -> anyhow::Result<Roots> {
        let folder = self.inner()?;
        let (synced, copied) = self.synced(&folder);
        if let Some(local) = &self.local {
            local::refuse_inside(local, &copied, synced)?;
            return Ok(Roots::new(folder, local.clone(), true));
        }
        let inner = folder.join("local");
        let own = self
            .default(&folder)
            .ok()
            .filter(|own| !inner.is_dir() || *own == inner || identity(&OsFs::new(&folder, own)).is_ok());
        if let Some(own) = own {
            return Ok(Roots::new(folder, own, true));
        }
        if local::is_ours(&inner) {
            eprintln!(
                "warning: {}: it lies inside the shared folder, whose client copies it: the next command that writes moves it \
                 away",
                inner.display()
            );
        }
        Ok(Roots::new(folder, inner, false))
    }
}
