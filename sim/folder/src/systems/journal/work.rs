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

/// What was written so far, seen by others or not.
#[derive(Default)]
struct Work {
    events: u64,
    messages: u64,
    /// At which station each question is.
    questions: Vec<usize>,
}

/// The events of a run, each with its time in ms and the machine it happens on.
///
/// Three kinds of people are at work. Those who write, ask and answer draw first; what those draw who tidy up comes after
/// all that, and then those who call agents, so that none shifts another.
pub(super) fn workload(
    scenario: &Scenario<JournalSystem>,
    rng: &mut dyn Rng,
) -> Vec<(u64, ChoiceOf<JournalSystem>)> {
    let Some(every_ms) = scenario.settings.append_every_ms else { return vec![] };
    let shares = scenario.settings.shares();
    let mut work = Work::default();
    let mut events = moments(scenario, every_ms, rng, |_, rng| work.next(&shares, rng));
    let mut tidying = Tidying::of(&events);
    events.extend(moments(scenario, every_ms.saturating_mul(TIDYING_EVERY), rng, |at, rng| {
        tidying.next(at, rng)
    }));
    let mut calling = Calling::of(scenario);
    events.extend(moments(scenario, every_ms.saturating_mul(CALLING_EVERY), rng, |_, rng| calling.next(rng)));
    events.sort_by_key(|(at, _, _)| *at);
    let command = |(at, replica, event): (u64, ReplicaId, Event)| {
        (at, Choice::Command { replica, command: event.into(), draw: Default::default() })
    };
    events.into_iter().map(command).collect()
}

/// Draws when and where something happens, on average every so many ms, and asks each time what.
fn moments(
    scenario: &Scenario<JournalSystem>,
    every_ms: u64,
    rng: &mut dyn Rng,
    mut what: impl FnMut(u64, &mut dyn Rng) -> Event,
) -> Vec<(u64, ReplicaId, Event)> {
    let last = u64::try_from(scenario.replica.len() - 1).expect("1 to 256 replicas");
    let (mut events, mut at) = (Vec::new(), 0);
    loop {
        at += 1 + rng.up_to(every_ms.saturating_mul(2));
        if at >= scenario.run_ms {
            return events;
        }
        let replica = ReplicaId(u8::try_from(rng.up_to(last)).expect("one of 256"));
        events.push((at, replica, what(at, rng)));
    }
}

/// How many events there are to one of those who tidy up.
const TIDYING_EVERY: u64 = 3;

/// What those do who sort messages into threads, pin, mute and clear up: half of the time with a message that somebody
/// deletes in this run, soon or since, and of which they may not have heard.
struct Tidying {
    /// When each message was written, ms, in the order of their numbers.
    written_ms: Vec<u64>,
    /// The numbers of the messages that are deleted, sooner or later.
    deleted: Vec<u64>,
    /// How many threads were made.
    threads: u64,
    /// How many events there were.
    events: u64,
}

impl Tidying {
    fn of(events: &[(u64, ReplicaId, Event)]) -> Self {
        let of = |kind| events.iter().filter(move |(_, _, event)| event.kind() == kind);
        let written_ms: Vec<_> = of(Kind::Message).map(|(at, _, _)| *at).collect();
        let numbers = 1..=u64::try_from(written_ms.len()).expect("as many as events");
        let gone = |id: &str| {
            of(Kind::MessageDelete).any(|(_, _, event)| event.text(Field::Id).as_deref() == Some(id))
        };
        let deleted = numbers.filter(|number| gone(&guid(*number))).collect();
        Self { written_ms, deleted, threads: 0, events: 0 }
    }

    fn next(&mut self, at: u64, rng: &mut dyn Rng) -> Event {
        self.events += 1;
        let message = self.message(at, rng);
        let dice = rng.up_to(99);
        let thread = format!("thrd-{:08}", 1 + rng.up_to(self.threads.saturating_sub(1)));
        let about = |kind| Event::new(kind).with_text(Field::ThreadGuid, &thread);
        match (dice, &message) {
            (0..20, Some(id)) => Event::new(Kind::MessageMove)
                .with_text(Field::MessageGuid, id)
                .with_text(Field::NewHome, &format!("shelf {}", self.events)),
            (20..30, Some(id)) => Event::new(Kind::MessageUpdate)
                .with_text(Field::Id, id)
                .with_text(Field::Body, &format!("tidied {}", self.events)),
            (30..40, Some(id)) => Event::new(Kind::Reaction)
                .with_text(Field::MessageGuid, id)
                .with_text(Field::AgentId, "eve")
                .with_text(Field::Emoji, "+1"),
            _ if self.threads == 0 => self.thread(),
            (40..50, Some(id)) => about(Kind::MessagePin).with_text(Field::MessageGuid, id),
            (50..52, Some(id)) => about(Kind::MessageUnpin).with_text(Field::MessageGuid, id),
            (52..62, Some(id)) => about(Kind::ThreadMessage).with_text(Field::MessageGuid, id),
            (62..64, Some(id)) => about(Kind::ThreadMessageRemove).with_text(Field::MessageGuid, id),
            (64..72, _) => Event::new(Kind::ThreadDelete).with_text(Field::ThreadId, &thread),
            (72..78, _) => about(Kind::ThreadSubscribe).with_text(Field::AgentId, "eve"),
            // One who was let in, or one whom threads list from the start.
            (78..80, _) => {
                let who = if self.events.is_multiple_of(2) { "eve" } else { "ann" };
                about(Kind::ThreadUnsubscribe).with_text(Field::AgentId, who)
            }
            (80..86, _) => Event::new(Kind::ThreadUpdate)
                .with_text(Field::Guid, &thread)
                .with_text(Field::Name, &format!("name {}", self.events)),
            (86..88, _) => about(Kind::ThreadMute).with_text(Field::AgentId, "eve"),
            (88..90, _) => about(Kind::ThreadPin).with_text(Field::PinnedBy, "eve"),
            _ => self.thread(),
        }
    }

    /// The name of a message that was written before a time, ms; `None` if there was none.
    fn message(&self, at: u64, rng: &mut dyn Rng) -> Option<String> {
        let there = u64::try_from(self.written_ms.iter().filter(|written| **written < at).count())
            .expect("as many as events");
        let deleted: Vec<_> = self.deleted.iter().filter(|number| **number <= there).collect();
        // Both are drawn, so that one does not shift the other.
        let (any, one_of_those) = (rng.up_to(u64::MAX), rng.up_to(1) == 0);
        let pick = |count: u64| any % count;
        match (there, deleted.len()) {
            (0, _) => None,
            (_, 1..) if one_of_those => {
                let count = u64::try_from(deleted.len()).expect("as many as events");
                Some(guid(*deleted[usize::try_from(pick(count)).expect("below the count")]))
            }
            _ => Some(guid(1 + pick(there))),
        }
    }

    fn thread(&mut self) -> Event {
        self.threads += 1;
        Event::new(Kind::Thread)
            .with_text(Field::Guid, &format!("thrd-{:08}", self.threads))
            .with_text(Field::Name, &format!("thread {}", self.threads))
            .with_raw(Field::Subscribed.name(), r#"["ann"]"#)
    }
}

/// How many events there are to one of those who call agents.
const CALLING_EVERY: u64 = 6;

/// What those do who call agents on one machine, or on two at once, and who start threads below others' threads.
struct Calling {
    machines: Vec<String>,
    calls: u64,
    threads: u64,
}

impl Calling {
    fn of(scenario: &Scenario<JournalSystem>) -> Self {
        let ids = ReplicaId::all(scenario.replica.len());
        let machines = ids.filter_map(|id| scenario.settings.machine(id)).collect();
        Self { machines, calls: 0, threads: 0 }
    }

    fn next(&mut self, rng: &mut dyn Rng) -> Event {
        let below = rng.up_to(u64::MAX);
        if rng.up_to(3) == 0 {
            self.threads += 1;
            let name = |number: u64| format!("thrd-of-{number:06}");
            let thread = Event::new(Kind::Thread)
                .with_text(Field::Guid, &name(self.threads))
                .with_text(Field::Name, &format!("thread of thread {}", self.threads));
            return match self.threads {
                1 => thread,
                _ => thread.with_text(Field::ParentThread, &name(1 + below % (self.threads - 1))),
            };
        }
        self.calls += 1;
        let mut machine = || {
            let last = u64::try_from(self.machines.len() - 1).expect("1 to 256 replicas");
            &self.machines[usize::try_from(rng.up_to(last)).expect("one of the machines")]
        };
        let (one, other) = (machine(), machine());
        let mut mentions = vec![format!("opus@{one}")];
        if rng.up_to(3) == 0 && other != one {
            mentions.push(format!("opus@{other}"));
        }
        Event::new(Kind::Message)
            .with_text(Field::Id, &format!("call-{:08}", self.calls))
            .with_text(Field::FromAgent, "ann")
            .with_text(Field::Body, &format!("call {}", self.calls))
            .with_raw(Field::Mentions.name(), serde_json::json!(mentions).to_string())
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
