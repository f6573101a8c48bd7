//! Mentions of agents on one machine, who takes them to be theirs, and what daemons hand over.
//!
//! On each machine a daemon hands every mention of its agents over once. It remembers by a watermark how far it is: in the
//! published design the time and the name of the last message that it handed over to an agent, and nothing before those
//! is asked for again (upstream's `debounce.go` and `GetMessagesWithMention`); in the hardened one each machine's numbers
//! (`kit::watermark`), so that what comes late is not taken for old.

use std::collections::{BTreeMap, BTreeSet};

use cloudchamber_core::journal::Ordering;
use cloudchamber_core::journal::address::Mention;
use cloudchamber_core::journal::event::Event;
use cloudchamber_core::journal::protocol::{Journal, Settings as Config};
use cloudchamber_core::journal::schema::Field;
use cloudchamber_core::kit::watermark::Numbers;

use super::claims::Claims;
use super::lines::mentions;
use super::seen::Seen;
use crate::ReplicaId;

/// A message that mentions somebody: its machine, its number, and the digest of its line.
pub(super) type Key = (String, i64, u64);

/// Who did something with a mention, each with whose claims were known there.
type Takers = BTreeMap<ReplicaId, BTreeSet<ReplicaId>>;

/// All messages that mention an agent on one machine, and the daemons.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Calls {
    messages: BTreeMap<Key, Message>,
    daemons: BTreeMap<ReplicaId, Daemon>,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Message {
    /// Its time as it is written, and its name: where it stands in upstream's order.
    place: (i64, String),
    /// Who its writer is beside the machine's id; empty in the published design.
    owner: String,
    mentions: Vec<Called>,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Called {
    mention: Mention,
    /// Who took it to be theirs when they had read it.
    takers: Takers,
    /// Whose daemon handed it over.
    handed: Takers,
}

/// What one machine's daemon remembers.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
struct Daemon {
    /// Published: by agent, the last message that was handed over.
    last: BTreeMap<String, (i64, String)>,
    /// Hardened: by machine and owner, the numbers of the messages that were.
    numbers: BTreeMap<(String, String), Numbers>,
}

impl Daemon {
    /// Whether its watermark says that a mention was handed over.
    fn has_handed(&self, config: &Config, (machine, seq, _): &Key, message: &Message, agent: &str) -> bool {
        match config.design.order {
            Ordering::AsWritten => self.last.get(agent).is_some_and(|last| message.place <= *last),
            Ordering::Causal => {
                let numbers = self.numbers.get(&(machine.clone(), message.owner.clone()));
                numbers.is_some_and(|numbers| u64::try_from(*seq).is_ok_and(|seq| numbers.contains(seq)))
            }
        }
    }

    fn note(&mut self, config: &Config, (machine, seq, _): &Key, message: &Message, agents: Vec<String>) {
        match config.design.order {
            Ordering::AsWritten => {
                self.last.extend(agents.into_iter().map(|agent| (agent, message.place.clone())));
            }
            Ordering::Causal => {
                let numbers = self.numbers.entry((machine.clone(), message.owner.clone())).or_default();
                numbers.insert(u64::try_from(*seq).unwrap_or(0));
            }
        }
    }
}

/// What may be wrong with a mention.
#[derive(Debug)]
pub(super) struct Amiss {
    pub(super) replicas: Vec<ReplicaId>,
    pub(super) seen: String,
}

impl Calls {
    /// Takes note of a message that was acknowledged, where it mentions somebody.
    pub(super) fn acknowledged(&mut self, key: Key, line: &str) {
        let mentions = mentions(line);
        if mentions.is_empty() {
            return;
        }
        let Ok(event) = Event::parse(line) else { return };
        let text = |field| event.text(field).unwrap_or_default().into_owned();
        let message = Message {
            place: (event.raw(Field::Ts).and_then(|raw| raw.parse().ok()).unwrap_or(0), text(Field::Id)),
            owner: text(Field::Owner),
            mentions: mentions
                .into_iter()
                .map(|mention| Called { mention, takers: Takers::new(), handed: Takers::new() })
                .collect(),
        };
        self.messages.entry(key).or_insert(message);
    }

    /// Notes which mentions of a message a machine that has just read it takes to be its own, and says of one that
    /// another machine takes too without an excuse.
    pub(super) fn read(
        &mut self,
        key: &Key,
        id: ReplicaId,
        (config, journal): (&Config, &Journal),
        known: &BTreeSet<ReplicaId>,
        claims: &Claims,
    ) -> Option<Amiss> {
        let mut amiss = None;
        for called in self.messages.get_mut(key).into_iter().flat_map(|message| &mut message.mentions) {
            if journal.is_meant(config, &called.mention) == Some(true) {
                amiss = amiss.or(unexcused(&called.takers, id, known, claims).map(|other| Amiss {
                    replicas: vec![other, id],
                    seen: format!(
                        "{other} and {id} take @{} of {} to be for them",
                        called.mention.stored(),
                        key.0
                    ),
                }));
                called.takers.insert(id, known.clone());
            }
        }
        amiss
    }

    /// Lets a machine's daemon look at what the machine has read, in upstream's order.
    pub(super) fn hand_over(
        &mut self,
        id: ReplicaId,
        (config, journal): (&Config, &Journal),
        seen: &Seen<'_>,
        known: impl Fn() -> BTreeSet<ReplicaId>,
    ) {
        let Self { messages, daemons } = self;
        let mut read: Vec<_> =
            messages.iter_mut().filter(|((.., digest), _)| seen.events.contains(digest)).collect();
        if read.is_empty() {
            return;
        }
        read.sort_by(|(_, one), (_, other)| one.place.cmp(&other.place));
        let daemon = daemons.entry(id).or_default();
        for (key, message) in read {
            let is_due = |called: &Called| {
                journal.is_meant(config, &called.mention) == Some(true)
                    && !daemon.has_handed(config, key, message, &called.mention.agent)
            };
            let due: Vec<_> = message.mentions.iter().map(is_due).collect();
            let mut agents = Vec::new();
            for called in
                message.mentions.iter_mut().zip(due).filter_map(|(called, due)| due.then_some(called))
            {
                called.handed.insert(id, known());
                agents.push(called.mention.agent.clone());
            }
            if !agents.is_empty() {
                daemon.note(config, key, message, agents);
            }
        }
    }

    /// The mentions, with the message of each and who wrote that.
    pub(super) fn mentions(&self) -> impl Iterator<Item = (&Key, &Mention)> {
        self.messages
            .iter()
            .flat_map(|(key, message)| message.mentions.iter().map(move |called| (key, &called.mention)))
    }

    /// What is wrong in the end with a mention that is for one machine, which has read it: no daemon has handed it over,
    /// or two have, without an excuse. `None` if nothing is.
    pub(super) fn amiss(
        &self,
        key: &Key,
        mention: &Mention,
        meant: ReplicaId,
        claims: &Claims,
    ) -> Option<Amiss> {
        let message = self.messages.get(key)?;
        let called = message.mentions.iter().find(|called| called.mention == *mention)?;
        let what = format!("@{} in message {} of {}", mention.stored(), message.place.1, key.0);
        if called.handed.is_empty() {
            return Some(Amiss { replicas: vec![meant], seen: format!("{what} was handed over by nobody") });
        }
        called.handed.iter().find_map(|(&id, known)| {
            let other = unexcused(&called.handed, id, known, claims)?;
            Some(Amiss {
                replicas: vec![other, id],
                seen: format!("{what} was handed over by {other} and by {id}"),
            })
        })
    }
}

/// Another one that did the same without an excuse: [`Claims::excuse`].
fn unexcused(
    takers: &Takers,
    id: ReplicaId,
    known: &BTreeSet<ReplicaId>,
    claims: &Claims,
) -> Option<ReplicaId> {
    let at_fault =
        |&(other, its): &(&ReplicaId, _)| *other != id && !claims.excuse((id, known), (*other, its));
    takers.iter().find(at_fault).map(|(other, _)| *other)
}
