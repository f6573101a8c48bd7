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
//! # What is not told apart
//! A local folder that was copied or restored to a second machine has the same nonce there. Both are one owner then,
//! and both take up its mentions; `verify` names the numbers that both used. One of them has to be given a new id
//! by hand: remove its local folder and `init` anew. Whoever removes a local folder loses the nonce with it; its id
//! stays taken, and `init` refuses it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::folder::{Folder, MACHINES};
use super::names::are_of;
use super::problem::{Problem, ProblemKind};
use super::schema::{Field, Log};
use super::write::{Identity, Refusal, bytes, is_absent, journal_path, refuse_legacy, shadow_path};
use super::{Design, Owning};
use crate::{Content, Fs, FsError, FsOp, Path, Rng};

/// What tells two installations of one machine id apart: a number that was drawn, eight digits in hexadecimal.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(into = "String", try_from = "String")]
pub struct Nonce(pub u32);

impl Nonce {
    /// Draws one.
    pub fn draw(rng: &mut dyn Rng) -> Self {
        Self(u32::try_from(rng.up_to(u64::from(u32::MAX))).expect("no more than was asked for"))
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl FromStr for Nonce {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let sound = text.len() == 8 && text.bytes().all(digit);
        let number = u32::from_str_radix(text, 16).ok().filter(|_| sound);
        number.map(Self).ok_or("an owner is eight digits of 0-9 and a-f")
    }
}

impl From<Nonce> for String {
    fn from(nonce: Nonce) -> Self {
        nonce.to_string()
    }
}

impl TryFrom<String> for Nonce {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// That a machine's directory is one's own. The lesser one holds.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Claim {
    /// When its owner got its first id, in seconds since 1970; 0 where that was before or is not known.
    pub since: i64,
    /// Its owner.
    pub nonce: Nonce,
}

impl Claim {
    /// The claim of the machine with this identity.
    #[must_use]
    pub fn of(own: &Identity, nonce: Nonce) -> Self {
        Self { since: own.created_at.max(0), nonce }
    }

    /// The claim that a file of this name makes; nothing for other files, copies of claims among them.
    #[must_use]
    pub fn parse(file_name: &str) -> Option<Self> {
        let (since, nonce) = file_name.strip_prefix("owner-")?.strip_suffix(".json")?.split_once('-')?;
        let claim = Self { since: since.parse().ok()?, nonce: nonce.parse().ok()? };
        // One claim has one name.
        (claim.since >= 0 && claim.file_name() == file_name).then_some(claim)
    }

    /// The name of its file.
    #[must_use]
    pub fn file_name(self) -> String {
        format!("owner-{}-{}.json", self.since, self.nonce)
    }

    /// Its file, in the directory of a machine.
    #[must_use]
    pub fn path(self, machine: &str) -> Path {
        Path::shared(MACHINES).join(machine).join(&self.file_name())
    }

    /// What puts it there. The content is for people.
    pub(super) fn op(self, machine: &str) -> FsOp {
        let text =
            serde_json::json!({ "machine": machine, "owner": self.nonce.to_string(), "since": self.since });
        FsOp::Replace { path: self.path(machine), content: Content::from(format!("{text}\n")) }
    }
}

/// The claims of a folder: by the machine's present name, the eldest first, and the id they were made for.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Owners(BTreeSet<(String, Claim, String)>);

impl Owners {
    pub(super) fn add(&mut self, name: &str, claim: Claim, id: &str) {
        self.0.insert((name.to_owned(), claim, id.to_owned()));
    }

    /// The claim that holds for the machine of this present name.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<Claim> {
        self.0.iter().find(|(known, ..)| known == name).map(|&(_, claim, _)| claim)
    }

    /// Every claim, with the machine's present name and the id it was made for: machines by name, the claim that
    /// holds first.
    pub fn claims(&self) -> impl Iterator<Item = (&str, Claim, &str)> {
        self.0.iter().map(|(name, claim, id)| (name.as_str(), *claim, id.as_str()))
    }

    /// Whether the claim was made for this id.
    #[must_use]
    pub fn has(&self, id: &str, claim: Claim) -> bool {
        self.claims().any(|(_, known, its)| known == claim && its == id)
    }

    /// The claims that do not hold, each with the one that does and the id its owner goes on under, where it does.
    pub fn lost(&self) -> impl Iterator<Item = Lost<'_>> {
        self.claims().filter_map(|(name, claim, id)| {
            let winner = self.of(name).filter(|&winner| winner != claim)?;
            let moved =
                self.claims().find(|&(other, known, _)| known == claim && self.of(other) == Some(claim));
            Some(Lost { name, claim, id, winner, moved: moved.map(|(name, ..)| name) })
        })
    }

    /// The problems of claims that do not hold and whose owners have not heard of it yet.
    pub(super) fn problems(&self) -> impl Iterator<Item = Problem> {
        self.lost().filter(|lost| lost.moved.is_none()).map(|lost| Problem {
            file: lost.claim.path(lost.id).name().into(),
            line: 0,
            kind: ProblemKind::ContestedId,
            detail: format!(
                "`{}` belongs to {}, and {} chose it too",
                lost.name, lost.winner.nonce, lost.claim.nonce
            ),
        })
    }
}

/// A claim that does not hold.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Lost<'a> {
    /// The present name of the machine that is claimed.
    pub name: &'a str,
    /// The claim.
    pub claim: Claim,
    /// The id it was made for.
    pub id: &'a str,
    /// The claim that holds.
    pub winner: Claim,
    /// The present name that its owner goes on under.
    pub moved: Option<&'a str>,
}

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
    /// The claim that holds, as a file.
    pub winner: Path,
    /// What has to be done. *Crash:* whoever asks again gets what is left.
    pub ops: Vec<FsOp>,
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { old, new, winner, .. } = self;
        write!(
            f,
            "{}: `{old}` belongs to another machine that chose it too: this one is `{new}` from now on, and what it \
             appended is kept; give it a better name with journal rename {new} NAME",
            winner.name()
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
    folder.owners.of(name).filter(|&winner| winner < Claim::of(own, nonce))
}

/// Finds out whether this machine's id is its own; to be asked before its files are opened. `drawn` becomes its
/// nonce where it has none yet, as in folders that were made before there were owners.
///
/// *Elsewhere:* others may see the claim later than what was appended.
///
/// # Errors
/// [`Refusal::Legacy`] as for every writer, [`Refusal::Fs`] where an own file cannot be looked at, and
/// [`Refusal::Lost`] where the id is another's and the one to go on under is taken.
pub fn settle(
    fs: &dyn Fs,
    design: &Design,
    folder: &Folder,
    own: &Identity,
    drawn: Nonce,
) -> Result<Settled, Refusal> {
    refuse_legacy(fs)?;
    // A folder that has not arrived says nothing about whose it is.
    if design.owning == Owning::Assumed || is_absent(fs, own)? {
        return Ok(Settled::Owned(Vec::new()));
    }
    let nonce = own.owner.unwrap_or(drawn);
    let named = Identity { owner: Some(nonce), ..own.clone() };
    // Kept before it is shown, so that a crash does not leave a claim that nobody knows to be his.
    let mut ops = if own.owner.is_none() { named.ops().to_vec() } else { Vec::new() };
    let claim = Claim::of(&named, nonce);
    if !folder.owners.has(&own.id, claim) {
        ops.push(claim.op(&own.id));
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
    let winner = winner.path(held.map_or(own.id.as_str(), |(_, _, id)| id));
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
    ops.push(claim.op(new));
    let journal = journal_path(new, Log::Messages);
    if fs.read(&journal, 0) == Err(FsError::NotFound) {
        ops.push(FsOp::Replace { path: journal, content: Content::new([]) });
    }
    let named = Identity { id: new.to_owned(), seq: 0, ..own.clone() };
    ops.extend(named.ops());
    Ok(Move { old: own.id.clone(), new: new.to_owned(), winner, ops })
}

/// Where a machine keeps what it appended under an id that it gave up: read as a copy of the id's journal.
fn kept_path(id: &str, log: Log, nonce: Nonce) -> Path {
    let name = log.file_name();
    let stem = name.strip_suffix(".jsonl").unwrap_or(name);
    Path::shared(MACHINES).join(id).join(&format!("{stem}-{nonce}.jsonl"))
}

/// Whose lines a file holds that is named as those are which a machine keeps when it gives up an id.
#[must_use]
pub fn keeper(file_name: &str) -> Option<Nonce> {
    let stem = file_name.strip_suffix(".jsonl")?;
    Log::SHARED.into_iter().find_map(|log| {
        let rest = stem.strip_prefix(log.file_name().strip_suffix(".jsonl")?)?;
        rest.strip_prefix('-')?.parse().ok()
    })
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
    use super::*;

    fn claim(since: i64, nonce: u32) -> Claim {
        Claim { since, nonce: Nonce(nonce) }
    }

    #[test]
    fn the_elder_owner_keeps_the_id_and_within_a_second_the_lower_nonce() {
        let all = [claim(1_767_225_600, 1), claim(1_767_225_600, 7), claim(1_767_225_599, 0xffff_ffff)];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut owners = Owners::default();
            for (seen, at) in order.into_iter().enumerate() {
                owners.add("laptop", all[at], "laptop");
                let eldest = order[..=seen].iter().map(|&at| all[at]).min();
                assert_eq!(owners.of("laptop"), eldest, "{order:?}");
            }
            assert_eq!(owners.of("laptop"), Some(all[2]), "{order:?}");
            assert_eq!(owners.lost().count(), 2, "{order:?}");
        }
        // An elder of another machine changes nothing.
        let mut owners = Owners::default();
        owners.add("desk", all[2], "desk");
        owners.add("laptop", all[1], "laptop");
        assert_eq!((owners.of("laptop"), owners.lost().count()), (Some(all[1]), 0));
    }

    #[test]
    fn names_of_one_machine_have_one_owner() {
        let mut owners = Owners::default();
        // It was renamed: two directories, one owner.
        owners.add("desk", claim(5, 1), "laptop");
        owners.add("desk", claim(5, 1), "desk");
        assert_eq!(owners.lost().count(), 0);
        // Somebody else chose the old name too, and has not heard of it.
        owners.add("desk", claim(6, 2), "laptop");
        let lost: Vec<_> = owners.lost().collect();
        assert_eq!((lost.len(), lost[0].claim, lost[0].moved), (1, claim(6, 2), None));
        let told: Vec<_> = owners.problems().map(|problem| problem.to_string()).collect();
        insta::assert_snapshot!(told.join("\n"), @"shared/machines/laptop/owner-6-00000002.json: contested-id: `desk` belongs to 00000001, and 00000002 chose it too");
        // Then it goes on elsewhere, and nothing is wrong any more.
        owners.add("laptop-00000002", claim(6, 2), "laptop-00000002");
        assert_eq!(owners.lost().next().and_then(|lost| lost.moved), Some("laptop-00000002"));
        assert_eq!(owners.problems().count(), 0);
    }

    #[test]
    fn a_claim_is_known_by_its_name_alone_and_copies_are_none() {
        let name = claim(1_767_225_600, 0x3f2a).file_name();
        assert_eq!(name, "owner-1767225600-00003f2a.json");
        assert_eq!(Claim::parse(&name), Some(claim(1_767_225_600, 0x3f2a)));
        for other in [
            "owner-1767225600-00003f2a 2.json",
            "owner-1767225600-00003F2A.json",
            "owner-01-00003f2a.json",
            "owner--1-00003f2a.json",
            "owner-+1-00003f2a.json",
            "owner-1-3f2a.json",
            "owner-1.json",
        ] {
            assert_eq!(Claim::parse(other), None, "{other}");
        }
    }

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
