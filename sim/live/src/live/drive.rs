//! The loop: what is due when, and what is waited for.

use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use cloudchamber_core::Root;
use cloudchamber_folder::ReplicaId;
use cloudchamber_folder::world::Choice;

use super::program::Program;
use super::{LOOK, Live};
use crate::control::Wake;
use crate::error::LiveError;

/// How fresh a look has to be before a client does something in a directory.
const FRESH: Duration = Duration::from_millis(20);

/// Changes come in heaps: so long is waited for more of them.
const HEAP: Duration = Duration::from_millis(2);

/// How often a program that is run is asked whether it has ended.
const ASK: Duration = Duration::from_millis(50);

/// How many differences a summary names.
pub(super) const NAMED_MAX: usize = 5;

impl Live<'_> {
    /// Goes on until the run is over. Returns what there is to say against the program that was run.
    pub(super) fn drive(&mut self, tell: &mut dyn FnMut(&str)) -> Result<Option<String>, LiveError> {
        let began = Instant::now();
        for id in self.replicas() {
            // First what an earlier life had not finished. What was saved since is no race with that: it is seen after it.
            self.show(id, tell)?;
            self.raced.retain(|raced| raced.is_replaced);
        }
        self.look(tell)?;
        self.settle(tell)?;
        // However this ends, the program ends with it.
        let program = Program::start(self.options, self.state.dir())?;
        let mut has_ended = program.is_none();
        loop {
            if self.looked.elapsed() >= LOOK {
                self.look(tell)?;
                self.try_again(tell)?;
            }
            self.run_script(tell)?;
            self.run_until(self.clock.now(), tell)?;
            self.serve_wishes(tell)?;
            self.answer_waiting();
            if let Some(program) = program.as_ref().filter(|_| !has_ended)
                && program.has_ended()?
            {
                has_ended = true;
                self.moved = Instant::now();
                self.look(tell)?;
            }
            let waits_for_quiet = self.options.until_quiet || !self.options.program.is_empty();
            let is_quiet = has_ended && self.is_quiet();
            let over = self.options.for_time.is_some_and(|most| began.elapsed() >= most);
            if self.ends || over || (waits_for_quiet && is_quiet && self.script.is_empty()) {
                break;
            }
            if waits_for_quiet && has_ended || !self.waiting.is_empty() {
                self.tell_waits(tell);
            }
            let mut most = self.rest().min(LOOK);
            if let Some(for_time) = self.options.for_time {
                most = most.min(for_time.saturating_sub(began.elapsed()));
            }
            if !has_ended {
                most = most.min(ASK);
            }
            if !self.wait(most, tell)? {
                break;
            }
        }
        let mut against = None;
        if let Some(mut program) = program {
            let status = program.end();
            let status = status
                .map_err(|error| LiveError::new(format!("the program cannot be waited for: {error}")))?;
            against = match status.success() {
                _ if !has_ended => Some("the program had not ended, and was ended".into()),
                true => None,
                false => Some(format!("the program ended with {status}")),
            };
        }
        self.look(tell)?;
        self.note_advance()?;
        Ok(against)
    }

    /// Lets everything happen that is due, moment by moment, and looks at the directories before each.
    fn run_until(&mut self, now: u64, tell: &mut dyn FnMut(&str)) -> Result<(), LiveError> {
        while self.stage.due().is_some_and(|due| due <= now) {
            if self.looked.elapsed() >= FRESH {
                self.look(tell)?;
            }
            let Some(due) = self.stage.due().filter(|due| *due <= now) else { break };
            let due = due.max(self.world().now());
            self.advance(due);
            self.advanced = Some(due);
            self.settle(tell)?;
        }
        Ok(())
    }

    /// How long nothing is due.
    fn rest(&self) -> Duration {
        let due = [self.stage.due(), self.script.front().map(|timed| timed.ms)];
        due.into_iter().flatten().min().map_or(LOOK, |due| self.clock.until(due))
    }

    /// Waits until something is due, has changed or is asked for. Returns whether the run goes on.
    fn wait(&mut self, most: Duration, tell: &mut dyn FnMut(&str)) -> Result<bool, LiveError> {
        let mut wake = match self.wakes.recv_timeout(most) {
            Ok(wake) => Some(wake),
            Err(RecvTimeoutError::Timeout) => return Ok(true),
            Err(RecvTimeoutError::Disconnected) => return Ok(false),
        };
        let mut changed = false;
        let until = Instant::now() + HEAP;
        while let Some(next) = wake {
            match next {
                Wake::Changed => changed = true,
                Wake::Asked(words, answer) => self.answer(&words, answer, tell)?,
                Wake::End => return Ok(false),
            }
            wake = self.wakes.recv_timeout(until.saturating_duration_since(Instant::now())).ok();
        }
        if changed {
            self.look(tell)?;
        }
        Ok(true)
    }

    /// Ends what a conflict was waited for with.
    fn serve_wishes(&mut self, tell: &mut dyn FnMut(&str)) -> Result<(), LiveError> {
        let apart = |(id, path): &(ReplicaId, cloudchamber_core::Path)| {
            let world = self.world();
            let slot = world.replica(*id).disk().slot(path);
            slot.is_some_and(|slot| slot.dirty && slot.seen < world.cloud().latest(path))
        };
        let (met, open) = self.wishes.iter().cloned().partition(apart);
        self.wishes = open;
        let met: Vec<(ReplicaId, cloudchamber_core::Path)> = met;
        for (replica, path) in met {
            tell(&format!("{} was changed at {replica} and elsewhere, and {replica} goes on", path.name()));
            self.order(Choice::Network { replica, online: true })?;
            self.settle(tell)?;
        }
        Ok(())
    }

    /// Why the directories do not all hold the same; empty if they do.
    pub(super) fn apart(&self) -> Vec<String> {
        let world = self.world();
        let mut apart = Vec::new();
        for (id, replica) in world.replicas() {
            let name = self.name(id);
            if !replica.machine().awake {
                apart.push(format!("{id} ({name}) sleeps"));
            } else if !replica.machine().online {
                apart.push(format!("{id} ({name}) is offline"));
            }
            let slots = || replica.disk().slots().filter(|(path, _)| path.root() == Root::Shared);
            let mut differs: Vec<&str> =
                slots().filter(|(_, slot)| slot.dirty).map(|(path, _)| path.name()).collect();
            let newest = |path| world.cloud().file(path).and_then(|file| file.newest().content.as_ref());
            let other = slots().filter(|(path, slot)| {
                !slot.dirty && slot.body.as_ref().map(|body| &body.content) != newest(path)
            });
            differs.extend(other.map(|(path, _)| path.name()));
            let lacks = world.cloud().files().filter(|(path, file)| {
                file.newest().content.is_some() && replica.disk().slot(path).is_none()
            });
            differs.extend(lacks.map(|(path, _)| path.name()));
            differs.sort_unstable();
            differs.dedup();
            if !differs.is_empty() {
                let count = differs.len();
                let s = if count == 1 { " is" } else { "s are" };
                differs.truncate(NAMED_MAX);
                apart.push(format!(
                    "{count} file{s} not at {id} ({name}) as on the server: {}",
                    differs.join(", ")
                ));
            }
        }
        let blocked = self.blocked.iter().take(NAMED_MAX);
        apart.extend(blocked.map(|((id, name), why)| format!("{name} at {id} {why}")));
        apart
    }
}
