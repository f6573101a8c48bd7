//! How a machine gets an identity and a directory.

use super::claims::{claim_of, claim_op};
use super::identity::{Identity, identity};
use super::layout::{MACHINES, SENTINEL, journal_path};
use super::names::{are_of, is_machine_id};
use super::refusal::{Refusal, migration_begun, refuse_legacy};
use super::schema::Log;
use crate::kit::identity::Nonce;
use crate::kit::portable::unportable;
use crate::{Content, Fs, FsOp, Now, Path};

/// The ops that give this machine an identity and the folder the layout with machines. With an `owner`, drawn for
/// this, the directory tells whose it is.
///
/// # Errors
/// [`Refusal::Legacy`] where the folder has to be migrated first. [`Refusal::Identity`] where the id is malformed or taken as far as this replica can see, or this machine has
/// another already. *Elsewhere:* another machine may take the same id before either sees the other: then one of them
/// gives it up ([`settle`](super::owner::settle)).
pub fn init(fs: &dyn Fs, id: &str, now: Now, owner: Option<Nonce>) -> Result<Vec<FsOp>, Refusal> {
    refuse_legacy(fs)?;
    found(fs, id, now, owner)
}

/// As [`init`], also where the folder has the layout before machines.
pub(super) fn found(fs: &dyn Fs, id: &str, now: Now, owner: Option<Nonce>) -> Result<Vec<FsOp>, Refusal> {
    if !is_machine_id(id) {
        return Err(Refusal::Identity(format!(
            "`{id}` is no machine id (1 to 20 of a-z, 0-9 and -, not `all`)"
        )));
    }
    if let Some(why) = unportable(id) {
        return Err(Refusal::Identity(format!("`{id}` cannot be this machine's id: {why}")));
    }
    match identity(fs) {
        Ok(own) if own.id == id => return Ok(sentinel(fs)),
        Ok(own) => {
            return Err(Refusal::Identity(format!(
                "this machine is `{}` already; use journal rename {} {id}",
                own.id, own.id
            )));
        }
        Err(Refusal::NoIdentity | Refusal::Identity(_)) => {}
        Err(refusal) => return Err(refusal),
    }
    let machines = fs.list(&Path::shared(MACHINES)).unwrap_or_default();
    let begun = migration_begun(fs)?.is_some_and(|known| known == id);
    if !begun && are_of(&machines, id) {
        return Err(Refusal::Identity(format!("`{id}` is taken by another machine")));
    }
    let created_at = now.wall.0.div_euclid(1_000);
    let identity = Identity { id: id.to_owned(), seq: 0, created_at, owner, number: None };
    let [copy, named] = identity.ops();
    let mut ops = vec![copy];
    // Whoever has written there has a claim there.
    ops.extend(owner.map(|owner| claim_op(claim_of(&identity, owner), id, None)));
    ops.push(FsOp::Replace { path: journal_path(id, Log::Messages), content: Content::new([]) });
    ops.push(named);
    ops.extend(sentinel(fs));
    Ok(ops)
}

/// What says that the folder has the layout with machines, where nothing says so yet.
fn sentinel(fs: &dyn Fs) -> Vec<FsOp> {
    match fs.read(&Path::shared(SENTINEL), 0) {
        Ok(_) => Vec::new(),
        Err(_) => vec![FsOp::Replace { path: Path::shared(SENTINEL), content: Content::new([]) }],
    }
}
