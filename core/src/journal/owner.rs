//! Whose a machine's directory is, where two machines chose one id before either had heard of the other.
//!
//! A machine draws a [`Nonce`] when it gets its id and keeps it in its local folder. In its directory it puts a
//! claim, a file of which only the name matters: `owner-<since>-<nonce>.json`, when the machine got its first id in
//! seconds since 1970, and the nonce in hexadecimal. Two owners never write one file, so no conflict
//! copy comes of a claim, and each sees the other's as soon as that has arrived, whole or not.
//!
//! # Who keeps the id
//! The eldest claim; within one second the one with the lower nonce. Everybody reads that from the names of the
//! files alone. The elder one is known to more machines and has more mentions under way, so a newcomer does not
//! displace a machine that has had its id for long; the lower nonce alone would do so every other time. `since` is
//! the identity's own `created_at`, which renames keep and upstream's programs write too, so a machine that claims
//! late is no younger for it. A newcomer whose clock is years behind does displace an elder one: the order is still
//! the same for everybody.
//!
//! Names that lead to one machine by aliases have one owner: otherwise a machine that renamed an id it was about to
//! lose would take the mentions of the other along.
//!
//! # What the other one does
//! It stops to take up mentions of the id and to append under it as soon as it has seen that it lost, puts a copy of
//! what it appended beside the winner's journals, in files whose names carry its nonce (readers merge them as
//! copies), and goes on under an id made of the old one and its nonce. No alias leads there: mentions of the old id
//! are the winner's. Its numbers begin anew.
//!
//! # Two events of one machine with one number
//! Until they have heard of each other both count from the same number. Each line says whose it is (`owner`), the
//! merge keeps both, and [`verify`](super::verify) takes two numbers for one only where the owner is the same.
//!
//! # A local directory that was copied
//! A local directory that was copied, or restored from a backup, has the same nonce there, and knows less than the
//! original may have written since. The identity tells the number of the directory that it was made in; one that is
//! found in another goes on under a new id with a new nonce, as if it had lost the old one, once the folder is here.
//! Where directories have no numbers, each claim tells the [`Place`] of its owner's local directory; a machine that
//! finds another place in its own claim stops, and says which. Until it has heard of that both are one owner, and
//! `verify` names the numbers that both used. Whoever removes a local directory loses the nonce with it; its id stays
//! taken, and `init` refuses it.

use std::fmt;

use super::claims::{claim_of, claim_op, claim_path, place_told};
use super::event::Event;
use super::folder::Folder;
use super::identity::{Identity, is_absent};
use super::layout::{MACHINES, journal_path, shadow_path};
use super::names::are_of;
use super::refusal::{Refusal, bytes, refuse_legacy};
use super::schema::{Field, Log};
use super::{Design, Owning};
use crate::kit::claims::Claim;
use crate::kit::identity::{Nonce, Place};
use crate::{Content, Fs, FsError, FsOp, Path};

/// Whether an id is this machine's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Settled {
    /// It is. The ops say so in the folder and in the local one; none where that is said.
    Owned(Vec<FsOp>),
    /// It is another's, and this machine goes on under another id.
    Moves(Move),
}

/// How a machine gives up an id that is another's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Move {
    /// The id it gives up.
    pub old: String,
    /// The id it goes on under.
    pub new: String,
    /// Why.
    pub because: Leaving,
    /// The claim that holds, as a file.
    pub winner: Path,
    /// What has to be done. *Crash:* whoever asks again gets what is left.
    pub ops: Vec<FsOp>,
}

/// Why a machine gives up its id.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Leaving {
    /// Another machine that chose it too is the elder.
    Lost,
    /// Its local directory is a copy, such as one that was restored from a backup: the original may have used numbers
    /// that the copy does not know of, or may still use them.
    Restored,
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { old, new, winner, because, .. } = self;
        match because {
            Leaving::Lost => {
                write!(f, "{}: `{old}` belongs to another machine that chose it too", winner.name())
            }
            Leaving::Restored => write!(
                f,
                "the local directory of `{old}` was copied or restored from a backup, and `{old}` may have written what \
                 it does not know of"
            ),
        }?;
        write!(
            f,
            ": this one is `{new}` from now on, and what it appended is kept; give it a better name with journal rename \
             {new} NAME"
        )
    }
}

/// The claim that holds instead of this machine's; nothing where its own does.
#[must_use]
pub fn winner_over(design: &Design, folder: &Folder, own: &Identity, nonce: Nonce) -> Option<Claim> {
    if design.owning == Owning::Assumed {
        return None;
    }
    let name = folder.aliases.resolve(&own.id, design.following);
    folder.owners.of(name).filter(|&winner| winner < claim_of(own, nonce))
}

/// Whether the local directory is a copy of the one in which the identity was made.
#[must_use]
pub fn is_restored(own: &Identity, place: Option<&Place>) -> bool {
    let here = place.and_then(|place| place.number);
    own.number.is_some() && here.is_some() && own.number != here
}

/// Finds out whether this machine's id is its own; to be asked before its files are opened. `drawn` becomes its
/// nonce where it has none yet, as in folders that were made before there were owners, and where it
/// [`is_restored`].
///
/// *Elsewhere:* others may see the claim later than what was appended.
///
/// # Errors
/// [`Refusal::Legacy`] as for every writer, [`Refusal::Fs`] where an own file cannot be looked at,
/// [`Refusal::Copied`] where the claim was made in another `place`, and [`Refusal::Lost`] where the id is another's and the one to go on under is taken.
pub fn settle(
    fs: &dyn Fs,
    design: &Design,
    folder: &Folder,
    own: &Identity,
    drawn: Nonce,
    place: Option<&Place>,
) -> Result<Settled, Refusal> {
    refuse_legacy(fs)?;
    // A folder that has not arrived says nothing about whose it is.
    if design.owning == Owning::Assumed || is_absent(fs, own)? {
        return Ok(Settled::Owned(Vec::new()));
    }
    let number = place.and_then(|place| place.number).or(own.number);
    if is_restored(own, place) {
        let new = fresh(&own.id, drawn);
        let named = Identity { owner: Some(drawn), number, ..own.clone() };
        let before = claim_of(own, own.owner.unwrap_or(drawn));
        let leaving = leave(fs, folder, &named, claim_of(&named, drawn), before, &new)?;
        return Ok(Settled::Moves(Move { because: Leaving::Restored, ..leaving }));
    }
    let nonce = own.owner.unwrap_or(drawn);
    let named = Identity { owner: Some(nonce), number, ..own.clone() };
    // Kept before it is shown, so that a crash does not leave a claim that nobody knows to be his.
    let mut ops = if named == *own { Vec::new() } else { named.ops().to_vec() };
    let claim = claim_of(&named, nonce);
    let told = fs.read(&claim_path(claim, &own.id), 0);
    let elsewhere = told.as_ref().ok().and_then(place_told);
    if let (Some(place), Some(other)) = (place, &elsewhere)
        && !place.is(other)
    {
        return Err(Refusal::Copied {
            file: claim_path(claim, &own.id).name().to_owned(),
            place: other.to_string(),
        });
    }
    let untold = place.is_some() && elsewhere.is_none() && told != Err(FsError::NotLocal);
    if untold || !folder.owners.has(&own.id, claim) {
        ops.push(claim_op(claim, &own.id, place));
    }
    let Some(winner) = winner_over(design, folder, &named, nonce) else { return Ok(Settled::Owned(ops)) };
    let new = fresh(&own.id, nonce);
    let mut leaving = leave(fs, folder, &named, claim, winner, &new)?;
    ops.append(&mut leaving.ops);
    Ok(Settled::Moves(Move { ops, ..leaving }))
}

/// The id that a machine goes on under when it lost another: as much of that as fits, and its nonce.
fn fresh(id: &str, nonce: Nonce) -> String {
    // An id has 20 letters at most, all ASCII.
    let base = id.get(..11).unwrap_or(id).trim_end_matches('-');
    format!("{base}-{nonce}")
}

/// Plans how this machine gives up its id for another one.
pub(super) fn leave(
    fs: &dyn Fs,
    folder: &Folder,
    own: &Identity,
    claim: Claim,
    winner: Claim,
    new: &str,
) -> Result<Move, Refusal> {
    let held = folder.owners.claims().find(|&(_, known, _)| known == winner);
    let winner = claim_path(winner, held.map_or(own.id.as_str(), |(_, _, id)| id));
    let machines = fs.list(&Path::shared(MACHINES)).unwrap_or_default();
    let known = are_of(&machines, new);
    if new == own.id || folder.aliases.get(new).is_some() || (known && !folder.owners.has(new, claim)) {
        return Err(Refusal::Lost {
            file: winner.name().to_owned(),
            old: own.id.clone(),
            new: new.to_owned(),
        });
    }
    let mut ops = Vec::new();
    for log in Log::SHARED {
        let shadow = bytes(fs, &shadow_path(&own.id, log), 0)?;
        let whole = memchr::memrchr(b'\n', shadow.bytes()).map_or(0, |at| at + 1);
        if whole > 0 {
            let path = kept_path(&own.id, log, claim.nonce);
            ops.push(FsOp::Replace { path, content: shadow.prefix(whole) });
        }
    }
    ops.push(claim_op(claim, new, None));
    let journal = journal_path(new, Log::Messages);
    if fs.read(&journal, 0) == Err(FsError::NotFound) {
        ops.push(FsOp::Replace { path: journal, content: Content::new([]) });
    }
    let named = Identity { id: new.to_owned(), seq: 0, ..own.clone() };
    ops.extend(named.ops());
    Ok(Move { old: own.id.clone(), new: new.to_owned(), because: Leaving::Lost, winner, ops })
}

/// Where a machine keeps what it appended under an id that it gave up: read as a copy of the id's journal.
fn kept_path(id: &str, log: Log, nonce: Nonce) -> Path {
    let name = log.file_name();
    let stem = name.strip_suffix(".jsonl").unwrap_or(name);
    Path::shared(MACHINES).join(id).join(&format!("{stem}-{nonce}.jsonl"))
}

/// Whether two lines may be of one owner: those of different owners are not, and old ones do not say.
#[must_use]
pub fn may_share_owner(one: &[u8], other: &[u8]) -> bool {
    let owner = |line| {
        let event = Event::parse(std::str::from_utf8(line).ok()?).ok()?;
        event.text(Field::Owner)?.parse::<Nonce>().ok()
    };
    match (owner(one), owner(other)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::super::claims::keeper;
    use super::*;

    #[test]
    fn the_id_to_go_on_under_can_be_one_and_tells_the_old_one() {
        for (id, expected) in [
            ("laptop", "laptop-0000002a"),
            ("a-machine-id-of-20-xx", "a-machine-i-0000002a"),
            ("a-machine--id", "a-machine-0000002a"),
            ("-", "-0000002a"),
        ] {
            let new = fresh(id, Nonce(42));
            assert_eq!(new, expected);
            assert!(super::super::names::is_machine_id(&new), "{new}");
            assert_eq!(keeper(&format!("agent-state-{}.jsonl", Nonce(42))), Some(Nonce(42)));
        }
        assert_eq!(keeper("messages.jsonl"), None);
        assert_eq!(keeper("messages-DESKTOP-1.jsonl"), None);
    }

    #[test]
    fn lines_of_two_owners_are_told_apart() {
        let line = |owner: &str| format!(r#"{{"type":"message","id":"msg-1","seq":1{owner}}}"#);
        let (one, other, old) = (line(r#","owner":"00000001""#), line(r#","owner":"00000002""#), line(""));
        assert!(!may_share_owner(one.as_bytes(), other.as_bytes()));
        assert!(may_share_owner(one.as_bytes(), one.as_bytes()));
        assert!(may_share_owner(one.as_bytes(), old.as_bytes()));
        assert!(may_share_owner(one.as_bytes(), b"torn"));
    }
}
