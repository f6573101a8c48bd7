//! Who a machine is: its id, its numbers, and what tells it from another that chose the same id.

use serde::{Deserialize, Serialize};

use super::layout::{MACHINES, SENTINEL, identity_copy_path, identity_path, shadow_path};
use super::names::is_machine_id;
use super::refusal::{Refusal, len};
use super::schema::Log;
use crate::kit::identity::Nonce;
use crate::kit::text::without_mark;
use crate::{Content, Fs, FsError, FsOp, Path};

/// Who this machine is, as `local:machine-id` holds it (upstream specification, "Machine ID Stability").
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Identity {
    /// The machine's id.
    pub id: String,
    /// The last sequence number it used, as far as this file knows.
    #[serde(default)]
    pub seq: i64,
    /// When it was made, in seconds since 1970.
    #[serde(default)]
    pub created_at: i64,
    /// What tells this machine from another that chose the same id; nothing in identities that were made before
    /// there were owners.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Nonce>,
    /// The number of the local directory that it was made in ([`Place::number`](crate::kit::identity::Place::number));
    /// None if that is not known. In a copy of the directory it is another's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
}

impl Identity {
    /// Its file's content.
    pub(super) fn content(&self) -> Content {
        Content::from(format!("{}\n", serde_json::to_string(self).expect("plain fields")))
    }

    /// The ops that make it this machine's, the copy first.
    pub(super) fn ops(&self) -> [FsOp; 2] {
        let content = self.content();
        [identity_copy_path(), identity_path()].map(|path| FsOp::Replace { path, content: content.clone() })
    }
}

/// Reads the identity.
///
/// # Errors
/// [`Refusal::NoIdentity`] where there is none, [`Refusal::Identity`] where neither copy can be used.
pub fn identity(fs: &dyn Fs) -> Result<Identity, Refusal> {
    let read = |path: &Path| match fs.read(path, 0) {
        Ok(content) => Ok(serde_json::from_slice::<Identity>(without_mark(content.bytes())).ok()),
        Err(FsError::NotFound) => Ok(None),
        Err(error) => Err(Refusal::Fs(path.clone(), error)),
    };
    let first = read(&identity_path())?;
    let found = match first {
        Some(identity) => identity,
        None => match read(&identity_copy_path())? {
            Some(identity) => identity,
            None if fs.read(&identity_path(), 0).is_err() => return Err(Refusal::NoIdentity),
            None => return Err(Refusal::Identity("it is torn and there is no copy".to_owned())),
        },
    };
    if is_machine_id(&found.id) {
        let owner = match found.owner {
            Some(owner) => Some(owner),
            // Upstream's programs write the first file without what they do not know.
            None => {
                read(&identity_copy_path())?.filter(|copy| copy.id == found.id).and_then(|copy| copy.owner)
            }
        };
        Ok(Identity { owner, ..found })
    } else {
        Err(Refusal::Identity(format!("`{}` is no machine id (1 to 20 of a-z, 0-9 and -)", found.id)))
    }
}

/// Whether events were written and none of the own journals is here, and nothing else says that the folder is: then it
/// has not arrived yet or is away, such as a mount that has gone and left an empty directory. Without a shadow there may
/// be numbers, too, that this machine does not know of.
pub(super) fn is_absent(fs: &dyn Fs, own: &Identity) -> Result<bool, Refusal> {
    if own.seq == 0 {
        return Ok(false);
    }
    let entries = fs.list(&Path::shared(MACHINES).join(&own.id)).unwrap_or_default();
    if entries.iter().any(|entry| Log::from_file_name(entry.name()).is_some()) {
        return Ok(false);
    }
    let machines = fs.list(&Path::shared(MACHINES)).unwrap_or_default();
    if machines.is_empty() && fs.read(&Path::shared(SENTINEL), 0).is_err() {
        return Ok(true);
    }
    for log in Log::SHARED {
        if len(fs, &shadow_path(&own.id, log))? > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}
