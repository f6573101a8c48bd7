//! What people and agents write during a run.

use cloudchamber_core::Rng;
use cloudchamber_core::journal::event::Event;
use cloudchamber_core::journal::schema::{Field, Kind};

use super::JournalSystem;
use super::settings::Shares;
use crate::ReplicaId;
use crate::scenario::Scenario;
use crate::world::{Choice, ChoiceOf};

/// The stations of a question, in order (upstream specification, "Questions", at e921f28).
const STATIONS: [&str; 4] = ["unasked", "open", "answered", "closed"];

/// What was written so far, whoever has seen it.
#[derive(Default)]
struct Work {
    events: u64,
    messages: u64,
    /// At which station each question is.
    questions: Vec<usize>,
}

/// The events of a run, each with its time in ms and the machine it happens on.
pub(super) fn workload(
    scenario: &Scenario<JournalSystem>,
    rng: &mut dyn Rng,
) -> Vec<(u64, ChoiceOf<JournalSystem>)> {
    let Some(every_ms) = scenario.settings.append_every_ms else { return vec![] };
    let shares = scenario.settings.shares();
    let last = u64::try_from(scenario.replica.len() - 1).expect("1 to 26 replicas");
    let (mut work, mut deeds, mut at) = (Work::default(), Vec::new(), 0);
    loop {
        at += 1 + rng.up_to(every_ms.saturating_mul(2));
        if at >= scenario.run_ms {
            return deeds;
        }
        let replica = ReplicaId(u8::try_from(rng.up_to(last)).expect("one of 26"));
        let command = work.next(&shares, rng).into();
        deeds.push((at, Choice::Command { replica, command, draw: Default::default() }));
    }
}

impl Work {
    fn next(&mut self, shares: &Shares, rng: &mut dyn Rng) -> Event {
        self.events += 1;
        let mut dice = rng.up_to(99);
        let mut falls_to = |share: u8| {
            let share = u64::from(share);
            let hit = dice < share;
            dice = if hit { u64::MAX } else { dice - share };
            hit
        };
        // Each share is asked in turn, whether or not it can be served, so that one does not shift another.
        let edit = falls_to(shares.edits);
        let delete = !edit && falls_to(shares.deletions);
        let fave = !edit && !delete && falls_to(shares.faves);
        let question = !edit && !delete && !fave && falls_to(shares.questions);
        let react = !edit && !delete && !fave && !question && falls_to(shares.reactions);
        if question {
            return self.question(rng);
        }
        if self.messages == 0 || !(edit || delete || fave || react) {
            self.messages += 1;
            return Event::new(Kind::Message)
                .with_text(Field::Id, &guid(self.messages))
                .with_text(Field::FromAgent, "ann")
                .with_text(Field::Body, &format!("message {}", self.events));
        }
        let id = guid(1 + rng.up_to(self.messages - 1));
        if edit {
            let body = format!("edit {}", self.events);
            return Event::new(Kind::MessageUpdate).with_text(Field::Id, &id).with_text(Field::Body, &body);
        }
        if delete {
            return Event::new(Kind::MessageDelete).with_text(Field::Id, &id);
        }
        if react {
            return Event::new(Kind::Reaction)
                .with_text(Field::MessageGuid, &id)
                .with_text(Field::AgentId, "ben")
                .with_text(Field::Emoji, "+1");
        }
        let kind = if rng.up_to(2) == 0 { Kind::FaveRemove } else { Kind::AgentFave };
        Event::new(kind)
            .with_text(Field::AgentId, "ben")
            .with_text(Field::ItemType, "message")
            .with_text(Field::ItemGuid, &id)
    }

    fn question(&mut self, rng: &mut dyn Rng) -> Event {
        let count = u64::try_from(self.questions.len()).expect("as many as events");
        let chosen = usize::try_from(rng.up_to(count)).expect("one of the questions, or a new one");
        let name = format!("qstn-{chosen:08}");
        match self.questions.get_mut(chosen).filter(|station| **station + 1 < STATIONS.len()) {
            Some(station) => {
                *station += 1;
                Event::new(Kind::QuestionUpdate)
                    .with_text(Field::Guid, &name)
                    .with_text(Field::Status, STATIONS[*station])
            }
            None => {
                let name = format!("qstn-{:08}", self.questions.len());
                self.questions.push(0);
                Event::new(Kind::Question)
                    .with_text(Field::Guid, &name)
                    .with_text(Field::Re, "why")
                    .with_text(Field::FromAgent, "ann")
                    .with_text(Field::Status, STATIONS[0])
            }
        }
    }
}

fn guid(number: u64) -> String {
    format!("msg-{number:08}")
}
