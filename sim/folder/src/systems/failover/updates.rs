//! What becomes of updates: none is confirmed that was not handled, repetitions are counted, and what `state.json`
//! shows of them only grows.

use cloudchamber_core::failover::records::StateRecord;
use cloudchamber_core::{Path, Root};

use super::checks::Look;
use super::checks::name::{HANDLED, LAST_ID, ONCE};
use crate::ReplicaId;
use crate::checks::Findings;
use crate::world::Choice;

/// What is remembered for it.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Updates {
    /// The highest id that the server's `state.json` has shown.
    last_id: i64,
    /// The version that showed it.
    last_version: u32,
    /// Who wrote `state.json`, by when they last did.
    state_writers: Vec<ReplicaId>,
    /// Whose clients may bring a lower one, one bit a replica: what they send was written before what showed that id, or
    /// by somebody else, or in the hardened design by one whom that had not reached.
    state_earlier: u32,
    /// The id below which every update is known to have been confirmed.
    confirmed: i64,
}

impl Updates {
    /// Takes note of a choice.
    pub(super) fn after(&mut self, look: &Look<'_>, findings: &mut Findings) {
        self.state_file(look, findings);
        if matches!(look.choice, Choice::Serve { .. }) {
            self.confirmed(look, findings);
            Self::repeated(look, findings);
        }
    }

    /// What of it this checker needs.
    pub(super) fn only(self, checker: &str) -> Self {
        match checker {
            LAST_ID => Self { confirmed: 0, ..self },
            HANDLED => Self { confirmed: self.confirmed, ..Self::default() },
            _ => Self::default(),
        }
    }

    /// What the server's `state.json` shows. A client that was cut off may bring an earlier write late, and win the
    /// conflict: no replica wrote what was lower than what it could know of.
    fn state_file(&mut self, look: &Look<'_>, findings: &mut Findings) {
        let is_state = |path: &Path| path.root() == Root::Shared && path.name() == "state.json";
        let path = look.effects.touched.iter().find(|path| is_state(path));
        if let Some((me, path)) = look.choice.replica().zip(path) {
            // After a crash a client sends whatever it has not sent yet, written then or long before; one that has
            // forgotten what it synced, or finds files restored, sends what others wrote.
            match look.choice {
                Choice::Apply { .. } => {
                    self.state_writers.retain(|writer| *writer != me);
                    self.state_writers.push(me);
                    self.state_earlier &= !(1 << me.0);
                    self.state_earlier |= u32::from(!self.could_know(me, path, look)) << me.0;
                }
                Choice::Crash { .. } => {}
                _ => self.state_earlier |= 1 << me.0,
            }
        }
        for commit in look.effects.committed.iter().filter(|commit| is_state(&commit.path)) {
            let newest = look.world.cloud().file(&commit.path).map(|file| file.newest());
            let content = newest.and_then(|version| version.content.as_ref());
            let Some(id) = content.and_then(|content| {
                content.parsed(StateRecord::parse).as_ref().ok().map(|state| state.last_update_id)
            }) else {
                continue;
            };
            if id < self.last_id && self.state_earlier >> commit.author.0 & 1 == 0 {
                let before = self.last_id;
                findings.violated(LAST_ID, || {
                    let seen = format!("{} wrote {id} after {before} was there", commit.author);
                    look.violation(LAST_ID, vec![commit.author], "lastUpdateId only grows", seen)
                });
            }
            if id > self.last_id {
                self.last_id = id;
                self.last_version = commit.version;
                let earlier = self.state_writers.iter().take_while(|writer| **writer != commit.author);
                self.state_earlier = earlier.fold(0, |earlier, writer| earlier | 1 << writer.0);
            }
        }
    }

    /// Whether a replica that has just written `state.json` is to be asked for the highest id that it has shown. The
    /// published design goes by that file, so whoever writes it has to look first; the hardened one writes it for others,
    /// and one that is cut off goes on.
    fn could_know(&self, me: ReplicaId, path: &Path, look: &Look<'_>) -> bool {
        let seen = look.world.replica(me).disk().slot(path).map_or(0, |slot| slot.seen);
        !look.is_hardened(me) || seen >= self.last_version
    }

    /// Updates that left the queue.
    fn confirmed(&mut self, look: &Look<'_>, findings: &mut Findings) {
        let queue = look.world.service();
        let floor = queue.waiting().next().unwrap_or(queue.last_id() + 1);
        for id in self.confirmed + 1..floor {
            if queue.effect(id).is_none() {
                findings.violated(HANDLED, || {
                    let who = look.choice.replica().into_iter().collect();
                    let seen = format!("update {id} was confirmed to the service and never took effect");
                    look.violation(HANDLED, who, "an update takes effect before it is confirmed", seen)
                });
            }
        }
        self.confirmed = self.confirmed.max(floor - 1);
    }

    /// An update that took effect again with the call that was served.
    fn repeated(look: &Look<'_>, findings: &mut Findings) {
        let (queue, me) = (look.world.service(), look.choice.replica());
        let effect = me.and_then(|me| queue.effect(queue.handling(me)?));
        if effect.is_some_and(|effect| effect.times > 1) {
            findings.violated(ONCE, || {
                let seen = "it had taken effect before".into();
                look.violation(ONCE, me.into_iter().collect(), "an update takes effect once", seen)
            });
        }
    }
}
