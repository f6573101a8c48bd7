//! A replica's own file: the one that decides, written by that replica alone and always as a whole.
//!
//! It keeps the keys of the published device file for people and other programs, and adds one object,
//! `coordination`. The last key, `check`, is the length and the digest of everything before it, so that a torn
//! file, NUL bytes and foreign bytes are told apart from a record.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::constants::Rules;
use crate::failover::device::file_name;
use crate::failover::records::Malformed;
use crate::kit::own_file::{self, Flaw};
use crate::{Content, Mono, WallMs};

/// The version of `coordination` that is written, and the only one that is read.
const FORMAT: u32 = 1;

/// How many beats may be missed before the next one's age is unknown.
pub(super) const PACES_MAX: usize = 8;

/// How far two beats of one life are apart at the most as far as anybody can tell: a beat says how long after the ones
/// before it was written, and no more than so many of them.
pub const BEATS_APART_MAX: u64 = PACES_MAX as u64 + 1;

/// Sees every value of a state or a record that grows for ever, and may change it.
///
/// Only differences between instants, and only the order of terms and of beats, matter to the protocol; so a model
/// can replace instants by ages and beats by ranks. A replica's own beats and the copies of them that others hold
/// have to be changed alike, and so have all terms.
///
/// Two beats of one life that are [`BEATS_APART_MAX`] or more apart are as good as any two that are. The next term is
/// one higher than the highest that is known, so terms can be moved all together and not apart.
pub trait Visit {
    /// An instant on the replica's own monotonic clock, whose distance from others matters; 0 where it stands for
    /// "never".
    fn instant(&mut self, instant: &mut Mono);
    /// An instant on the same clock of which only matters whether it is over, and when it will be. One at or before
    /// the replica's last step is over; 0 is as well.
    fn deadline(&mut self, instant: &mut Mono);
    /// The replica's last step, on the same clock.
    fn last(&mut self, instant: &mut Mono);
    /// A term; 0 stands for "none".
    fn term(&mut self, term: &mut u64);
    /// The number of a beat within this life of this replica; 0 stands for "none".
    fn beat(&mut self, whose: &Arc<str>, life: Life, beat: &mut u64);
}

/// A replica's own file.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The device id: `[name@]host:directory`. Two replicas may share it by accident.
    pub name: Arc<str>,
    /// The thread of the chat that it mirrors; `None` for all.
    pub thread_id: Option<i64>,
    /// When it last wrote this file, on its own wall clock. For people; nothing is decided by it.
    pub last_seen: WallMs,
    /// Its machine's host name.
    pub hostname: Arc<str>,
    /// The directory in which it works.
    pub directory: Arc<str>,
    /// Its process id on its own machine.
    #[serde(rename = "pid")]
    pub process_id: u32,
    /// What decides.
    pub coordination: Arc<Said>,
}

/// What a replica says about itself and the others.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Said {
    /// The version of this object.
    pub format: u32,
    /// The replica: its device id and a random part, so that no two replicas share it.
    pub id: Arc<str>,
    /// Which life of its process.
    pub life: Life,
    /// The number of this version within the life.
    pub beat: u64,
    /// What it is.
    pub role: Role,
    /// How long before this beat, and before each of those, it decided to write the one before, newest first, in
    /// ms. One that knows the latest time at which one of them was written knows it of this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paces: Vec<u64>,
    /// The term of its last claim; 0 where it never claimed.
    pub term: u64,
    /// How the others are to succeed it, where it leads, wants to, or did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead: Option<Lead>,
    /// It will end and is not to be counted on.
    #[serde(default, skip_serializing_if = "is_false")]
    pub leaving: bool,
    /// The highest update id up to which all are known to be handled.
    pub acked: i64,
    /// After which silence it would have the leader suspected, in ms.
    pub wants_ms: u64,
    /// Whom it was asked to have made active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nominate: Option<Nomination>,
    /// Whom it will make room for, if that one wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<Nomination>,
    /// The offer that it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<Accept>,
    /// The highest number of a nomination that is done with.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub obeyed: u64,
    /// The voters that it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voters: Option<Arc<Voters>>,
    /// Whom it supports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vote: Option<Vote>,
    /// Whom it supports as soon as the lease is over that the beat of its vote lent. It acknowledges no more beats in
    /// the term of that vote, unless this candidate gives the deferred one back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deferred: Option<Vote>,
    /// The settings that it runs by; `None` in files of versions that did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Rules>,
    /// What it last saw of the others: a second way for their beats.
    #[serde(default)]
    pub saw: BTreeMap<Arc<str>, Saw>,
}

/// One life of a process: which, and a random part, so that two copies of one identity differ.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Life {
    /// Counted from 1, one higher at each start.
    pub number: u64,
    /// Drawn at each start.
    pub nonce: u32,
}

/// What a replica is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It leads in its term.
    Active,
    /// It wants to lead in its term and waits for objections, or for votes.
    Candidate,
    /// It led in its term, has stopped, and asks to be succeeded.
    Released,
    /// None of these.
    Standby,
}

/// How a leader is to be succeeded. All replicas use what the leader last said, so they agree.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lead {
    /// After which silence it counts as gone, in ms.
    pub suspect_ms: u64,
    /// The distance of the slots, in ms.
    pub slot_ms: u64,
    /// Who may claim in which slot.
    pub successors: Arc<[Arc<str>]>,
    /// Of one that led and cannot say that it stopped in time: its last beat as a leader, from which the others go
    /// on counting as if it were silent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lapsed: Option<Lapsed>,
    /// How long this beat lets its sender act where a majority acknowledges it, in ms; `None` for as long as the
    /// settings say. It never ends sooner than that of an earlier beat of the same term.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_ms: Option<u64>,
}

/// The last beat of a leader before its lease was over.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Lapsed {
    /// In which life.
    pub life: Life,
    /// Which beat.
    pub beat: u64,
}

/// A wish to have somebody made active. The highest number counts.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Nomination {
    /// The replica.
    pub target: Arc<str>,
    /// One higher than all that were seen.
    pub number: u64,
}

/// That an offer is taken: of this leader's, not of one before, which may have been made to one that lived then.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Accept {
    /// The offer's number.
    pub number: u64,
    /// The term of the leader that made it.
    pub term: u64,
}

/// The voters. Of two sets the one of the later term counts, and within a term the later change.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Voters {
    /// The term of the leader that confirmed or changed it; 0 for the first set.
    pub term: u64,
    /// How often it was changed since the first.
    pub change: u64,
    /// Device ids, or replica ids.
    pub members: Vec<Arc<str>>,
}

/// Support for a candidate or leader: the acknowledgement of one of its beats.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Vote {
    /// In which term.
    pub term: u64,
    /// Of which replica.
    pub candidate: Arc<str>,
    /// In which life.
    pub life: Life,
    /// Which beat.
    pub beat: u64,
}

/// The newest that was seen of a replica.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Saw {
    /// Its life.
    pub life: Life,
    /// Its beat.
    pub beat: u64,
    /// Its term.
    pub term: u64,
}

/// What the bytes of a file in the devices' directory are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Found {
    /// A record of the hardened design, and the name of the file in which it belongs.
    Record(Record, Box<str>),
    /// A device file without `coordination`: of another design, and none of our business.
    Other,
    /// No record: perhaps not yet.
    Broken(Malformed),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands in references")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands in references")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl Said {
    /// What a replica says that has nothing to say yet.
    #[must_use]
    pub fn new(id: Arc<str>, life: Life) -> Self {
        Self {
            format: FORMAT,
            id,
            life,
            beat: 0,
            role: Role::Standby,
            paces: Vec::new(),
            term: 0,
            lead: None,
            leaving: false,
            acked: 0,
            wants_ms: 0,
            nominate: None,
            offer: None,
            accept: None,
            obeyed: 0,
            voters: None,
            vote: None,
            deferred: None,
            rules: None,
            saw: BTreeMap::new(),
        }
    }

    /// The other's settings and these, if they are known to differ.
    #[must_use]
    pub fn at_odds(&self, other: &Self) -> Option<(Rules, Rules)> {
        self.rules.zip(other.rules).map(|(own, theirs)| (theirs, own)).filter(|(theirs, own)| theirs != own)
    }

    /// The vote that counts from now on: the deferred one, where there is one.
    pub(super) fn standing(&self) -> Option<&Vote> {
        self.deferred.as_ref().or(self.vote.as_ref())
    }

    /// How long this beat lets its sender act where a majority acknowledges it, in ms; `None` for as long as the settings
    /// say.
    pub(super) fn lease_ms(&self) -> Option<u64> {
        self.lead.as_ref().and_then(|lead| lead.lease_ms)
    }

    /// Whether it leads or wants to.
    pub(super) fn wants(&self) -> bool {
        matches!(self.role, Role::Active | Role::Candidate)
    }

    /// Whether it says, in the life of this vote for it, that it leads no longer, or no longer wants to, in that term.
    pub(super) fn gives_up(&self, vote: &Vote) -> bool {
        self.life == vote.life && self.term >= vote.term && !self.wants()
    }

    /// How new it is: within one life by beat, and a later life is newer.
    #[must_use]
    pub fn age(&self) -> (Life, u64) {
        (self.life, self.beat)
    }
}

impl Vote {
    /// What it says beside the beat: in which term it supports which life of whom.
    pub(super) fn of(&self) -> (u64, &Arc<str>, Life) {
        (self.term, &self.candidate, self.life)
    }
}

impl Voters {
    /// How new it is.
    pub(super) fn stamp(&self) -> (u64, u64) {
        (self.term, self.change)
    }
}

impl Record {
    /// Reads a file of the devices' directory; never a panic.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Found {
        let text = match own_file::open(bytes) {
            Ok(text) => text,
            Err(Flaw::Empty) => return Found::Broken(Malformed::Empty),
            Err(Flaw::Nul) => return Found::Broken(Malformed::Nul),
            Err(Flaw::NotText) => return Found::Broken(Malformed::NotJson),
            Err(Flaw::Check) => {
                return match serde_json::from_slice::<serde_json::Value>(bytes) {
                    Ok(value) if value.get("coordination").is_none() => Found::Other,
                    Ok(_) => Found::Broken(Malformed::Check),
                    Err(_) => Found::Broken(Malformed::NotJson),
                };
            }
        };
        match serde_json::from_str::<Self>(&text) {
            Ok(record) if record.coordination.format == FORMAT => {
                let name = file_name(&record.coordination.id).into();
                Found::Record(record, name)
            }
            _ => Found::Broken(Malformed::Field),
        }
    }

    /// The bytes of the file.
    #[must_use]
    pub fn serialise(&self) -> Content {
        let text = serde_json::to_string_pretty(self).expect("records have text keys and no failing parts");
        Content::from(own_file::seal(&text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(beat: u64) -> Record {
        let life = Life { number: 2, nonce: 77 };
        let mut said = Said::new("h:/a#1f".into(), life);
        said.beat = beat;
        said.role = Role::Active;
        said.term = 4;
        said.acked = 12;
        said.wants_ms = 36_500;
        let successors = Arc::from([Arc::from("h:/b#2e")]);
        said.lead =
            Some(Lead { suspect_ms: 36_500, slot_ms: 39_000, successors, lapsed: None, lease_ms: None });
        said.saw.insert("h:/b#2e".into(), Saw { life, beat: 3, term: 0 });
        Record {
            name: "h:/a".into(),
            thread_id: None,
            last_seen: WallMs(5),
            hostname: "h".into(),
            directory: "/a".into(),
            process_id: 42,
            coordination: Arc::new(said),
        }
    }

    fn text(record: &Record) -> String {
        String::from_utf8(record.serialise().bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_person_can_read_it() {
        insta::assert_snapshot!(text(&record(9)), @r#"
        {
          "name": "h:/a",
          "threadId": null,
          "lastSeen": 5,
          "hostname": "h",
          "directory": "/a",
          "pid": 42,
          "coordination": {
            "format": 1,
            "id": "h:/a#1f",
            "life": {
              "number": 2,
              "nonce": 77
            },
            "beat": 9,
            "role": "active",
            "term": 4,
            "lead": {
              "suspectMs": 36500,
              "slotMs": 39000,
              "successors": [
                "h:/b#2e"
              ]
            },
            "acked": 12,
            "wantsMs": 36500,
            "saw": {
              "h:/b#2e": {
                "life": {
                  "number": 2,
                  "nonce": 77
                },
                "beat": 3,
                "term": 0
              }
            }
          },
          "check": "595-11669e498e2580a3"
        }
        "#);
    }

    #[test]
    fn it_is_still_a_device_file_of_the_published_design() {
        let content = record(9).serialise();
        let device = crate::failover::records::DeviceRecord::parse(content.bytes()).unwrap();
        assert_eq!((&*device.name, device.process_id), ("h:/a", Some(42)));
    }

    #[test]
    fn what_is_no_record_is_named() {
        let parse = |text: &str| Record::parse(text.as_bytes());
        let whole = text(&record(9));
        assert_eq!(parse(""), Found::Broken(Malformed::Empty));
        assert_eq!(parse("\0\0"), Found::Broken(Malformed::Nul));
        assert_eq!(parse("{\"name\": \"h"), Found::Broken(Malformed::NotJson));
        assert_eq!(parse("{\"name\": \"h:/a\", \"lastSeen\": 5}"), Found::Other);
        assert_eq!(parse(&whole.replace("\"term\": 4", "\"term\": 5")), Found::Broken(Malformed::Check));
        assert_eq!(Record::parse(b"\xff\xfe"), Found::Broken(Malformed::NotJson));
        let mut other = record(9);
        Arc::make_mut(&mut other.coordination).format = 2;
        assert_eq!(parse(&text(&other)), Found::Broken(Malformed::Field));
    }

    proptest! {
        #[test]
        fn a_record_survives_its_file(beat: u64, acked: i64, name in ".{0,12}") {
            let mut before = record(beat);
            before.name = name.into();
            Arc::make_mut(&mut before.coordination).acked = acked;
            let content = before.serialise();
            let found = Found::Record(before.clone(), file_name(&before.coordination.id).into());
            prop_assert_eq!(&Record::parse(content.bytes()), &found);
            // What is kept beside the bytes is what they say.
            prop_assert_eq!(&*content.parsed(Record::parse), &found);
        }

        #[test]
        fn a_prefix_or_a_flipped_byte_is_never_a_record(cut in 0_usize..2_000, bit in 0_u8..8) {
            let whole = record(9).serialise().bytes().to_vec();
            let at = cut % whole.len();
            prop_assert!(matches!(Record::parse(&whole[..at]), Found::Broken(_)));
            let mut flipped = whole;
            flipped[at] ^= 1 << bit;
            prop_assert!(!matches!(Record::parse(&flipped), Found::Record(..)));
        }

        /// A digest says that nobody cut the file, not that its writer was right.
        #[test]
        fn whatever_stands_above_a_valid_digest_is_a_record_that_survives_or_is_said_to_be_none(
            cut in 0_usize..2_000, len in 0_usize..12, with in "[0-9a-z\"\\\\,:{}\\[\\] .-]{0,12}",
        ) {
            let whole = record(9).serialise();
            let whole = std::str::from_utf8(whole.bytes()).expect("a record is text");
            let end = whole.rfind(",\n  \"check\"").expect("it ends in a digest");
            let mut body = whole[..end].to_owned();
            let at = cut % body.len();
            body.replace_range(at..(at + len).min(body.len()), &with);
            match Record::parse(own_file::seal(&format!("{body}\n}}")).as_bytes()) {
                Found::Record(record, name) => {
                    let again = Record::parse(record.serialise().bytes());
                    prop_assert_eq!(again, Found::Record(record, name));
                }
                found => prop_assert_eq!(found, Found::Broken(Malformed::Field)),
            }
        }
    }
}
