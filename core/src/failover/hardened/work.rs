//! What being active is for: updates are handled one at a time, each written down before the service may forget it.

use std::sync::Arc;

use super::record::Visit;
use super::{Context, Replica};
use crate::failover::records::{Malformed, ProblemKind};
use crate::failover::{Call, Config, DroppedBecause, Event, Reply, Update};
use crate::{Content, FsError, FsOp, Mono, Path};

/// How often an update that was refused is handed out before it is passed over.
const TRIES_MAX: u8 = 3;

/// How soon a call that was never made is made again, ms.
const CALL_AGAIN_MS: u64 = 1_000;

/// After how many lines the log is written anew with the last one.
const LINES_MAX: u32 = 1_000;

/// Where the work stands. Nothing here decides who is active.
///
/// *Invariant:* one call is out at a time, and an update that took effect is in the log before the service is told
/// that it may forget it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Work {
    phase: Phase,
    /// How many lines the log has.
    lines: u32,
    /// Whether the last step called somebody: if one of its ops fails, the call was never made.
    called: bool,
    /// The highest acknowledged update that it knew of when it became active.
    floor: i64,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Phase {
    /// Nothing is out; the next call not before this.
    Pausing { until: Mono },
    /// A poll is out.
    Polling,
    /// An update is being handled.
    Handling { updates: Arc<[Update]>, next: usize, tries: u8 },
    /// That it was handled is being written down.
    Logging { updates: Arc<[Update]>, next: usize },
}

impl Default for Work {
    fn default() -> Self {
        Self { phase: Phase::Pausing { until: Mono(0) }, lines: 0, called: false, floor: 0 }
    }
}

pub(super) fn log_path() -> Path {
    Path::local("handled.log")
}

/// Reads the log of handled updates: the highest id, the number of lines, and what is wrong with it.
fn parse_log(bytes: &[u8]) -> (Option<i64>, u32, Option<Malformed>) {
    let (mut highest, mut lines, mut problem) = (None, 0, None);
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        lines += 1;
        // A line without its end may be the beginning of a longer number.
        let whole = line.strip_suffix(b"\n").and_then(|line| std::str::from_utf8(line).ok());
        match whole.and_then(|line| line.split(' ').next()).and_then(|id| id.parse::<i64>().ok()) {
            Some(id) => highest = highest.max(Some(id)),
            None if line.contains(&0) => problem = Some(Malformed::Nul),
            None => problem = Some(Malformed::Field),
        }
    }
    (highest, lines, problem)
}

impl Work {
    pub(super) fn visit(&mut self, visit: &mut dyn Visit) {
        if let Phase::Pausing { until } = &mut self.phase {
            visit.deadline(until);
        }
    }

    /// Notes that this step calls somebody.
    pub(super) fn note_call(&mut self) {
        self.called = true;
    }

    /// Whether the step before this one called somebody.
    pub(super) fn take_call(&mut self) -> bool {
        std::mem::take(&mut self.called)
    }

    /// Begins to act, where all up to `acked` are known to be handled.
    pub(super) fn begin(&mut self, acked: i64) {
        self.floor = acked;
    }

    /// Whether everybody who may succeed has seen what it knew of when it became active: what it writes for other
    /// programs then shows no lower number than was there.
    pub(super) fn is_known(&self, seen_by_all: i64) -> bool {
        seen_by_all >= self.floor
    }

    /// When it wants to go on by itself; `None` if it waits for an answer.
    pub(super) fn due(&self) -> Option<Mono> {
        match self.phase {
            Phase::Pausing { until } => Some(until),
            _ => None,
        }
    }

    /// Whether an answer is waited for: the world outside answers one thing at a time.
    pub(super) fn is_out(&self) -> bool {
        matches!(self.phase, Phase::Polling | Phase::Handling { .. })
    }

    /// Whether an effect is on its way that nobody else can know of yet.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self.phase, Phase::Handling { .. } | Phase::Logging { .. })
    }
}

impl Replica {
    /// Takes up what an earlier life had handled. Updates are handled in the order of their ids, each life from
    /// where all before were handled; so the highest id stands for all below.
    pub(super) fn read_log(&mut self, cx: &mut Context<'_>) {
        let path = log_path();
        let kind = match cx.read(&path) {
            Ok(content) => {
                let (highest, lines, problem) = parse_log(content.bytes());
                self.own.said.acked = self.own.said.acked.max(highest.unwrap_or(0));
                // A torn end would spoil the next line: the log is written anew with it.
                self.work.lines = if problem.is_some() { LINES_MAX } else { lines };
                problem.map(ProblemKind::Corrupt)
            }
            // Nobody asks while it cannot be read.
            Err(_) => None,
        };
        if let Some(kind) = kind {
            cx.event(Event::ProblemFound { path, kind });
        }
    }

    /// Begins the next piece of work, where it may and none is out.
    pub(super) fn go_on(&mut self, config: &Config, cx: &mut Context<'_>) {
        self.own.said.acked = self.evidence.acked_by_all(&self.own.said);
        let now = cx.now().mono;
        let Phase::Pausing { until } = self.work.phase else { return };
        if until > now || !self.has_time(config, cx) || self.requests.is_removing() || self.is_handing_over()
        {
            return;
        }
        let offset = self.own.said.acked.saturating_add(1);
        cx.call(Call::GetUpdates { offset, wait_ms: config.timing.poll_wait_ms });
        self.work.note_call();
        self.work.phase = Phase::Polling;
    }

    /// The call of the last step was never made.
    pub(super) fn take_call_back(&mut self, cx: &mut Context<'_>) {
        if self.work.is_out() {
            self.pause(CALL_AGAIN_MS, cx);
        } else {
            self.requests.take_kill_back();
        }
    }

    /// Whether enough of the lease is left to begin something.
    fn has_time(&self, config: &Config, cx: &Context<'_>) -> bool {
        let margin = cx.now().mono.plus(config.hardened.act_margin_ms);
        self.acting && self.act_until(cx.now()).is_some_and(|until| margin < until)
    }

    fn pause(&mut self, ms: u64, cx: &Context<'_>) {
        self.work.phase = Phase::Pausing { until: cx.now().mono.plus(ms) };
    }

    /// Goes on after an answer. One that nobody waits for is of an earlier life.
    pub(super) fn answered(&mut self, reply: Reply, config: &Config, cx: &mut Context<'_>) {
        match (&self.work.phase, reply) {
            (_, Reply::Killed { found }) => self.killed(found, cx),
            (Phase::Polling, Reply::Updates(updates)) => self.hand_out(updates, 0, 0, config, cx),
            (Phase::Polling, Reply::Conflict) => {
                // Somebody else polls: perhaps its claim is on its way.
                cx.event(Event::PollRefused);
                self.due.look = cx.now().mono;
                self.pause(config.timing.error_pause_ms, cx);
            }
            (Phase::Polling, Reply::Unreachable) => {
                cx.event(Event::PollFailed);
                self.pause(config.timing.error_pause_ms, cx);
            }
            (Phase::Handling { updates, next, .. }, Reply::Handled { id }) if updates[*next].id == id => {
                cx.event(Event::UpdateHandled { id, term: self.own.said.term });
                let (updates, next) = (updates.clone(), *next);
                self.log(updates, next, cx);
            }
            (Phase::Handling { updates, next, tries }, Reply::Refused { id }) if updates[*next].id == id => {
                let (updates, next, tries) = (updates.clone(), *next, tries + 1);
                if tries < TRIES_MAX {
                    return self.hand_out(updates, next, tries, config, cx);
                }
                cx.event(Event::UpdateDropped { id, because: DroppedBecause::NotHandled });
                self.log(updates, next, cx);
            }
            _ => {}
        }
    }

    /// Hands out the next update that nobody is known to have handled, if there is time for it.
    fn hand_out(
        &mut self,
        updates: Arc<[Update]>,
        from: usize,
        tries: u8,
        config: &Config,
        cx: &mut Context<'_>,
    ) {
        self.own.said.acked = self.evidence.acked_by_all(&self.own.said);
        let next = (from..updates.len()).find(|&at| updates[at].id > self.own.said.acked);
        match next {
            Some(next) if self.has_time(config, cx) && !self.is_handing_over() => {
                cx.call(Call::Handle { update: updates[next], term: self.own.said.term });
                self.work.note_call();
                let tries = if next == from { tries } else { 0 };
                self.work.phase = Phase::Handling { updates, next, tries };
            }
            _ => self.pause(config.timing.active_pause_ms, cx),
        }
    }

    /// Writes down that an update is done with, before anything tells the service.
    fn log(&mut self, updates: Arc<[Update]>, next: usize, cx: &mut Context<'_>) {
        let id = updates[next].id;
        let (path, bytes) = (log_path(), Content::from(format!("{id} {}\n", self.own.said.term)));
        if self.work.lines >= LINES_MAX {
            self.work.lines = 1;
            cx.op(FsOp::Replace { path, content: bytes });
        } else {
            self.work.lines += 1;
            cx.op(FsOp::Append { path: path.clone(), bytes });
            self.outbox.note_log(false);
            cx.op(FsOp::Flush { path });
        }
        self.outbox.note_log(true);
        self.work.phase = Phase::Logging { updates, next };
    }

    pub(super) fn logged(&mut self, last: bool, cx: &mut Context<'_>) {
        if let (true, Phase::Logging { updates, next }) = (last, &self.work.phase) {
            let id = updates[*next].id;
            cx.event(Event::LastUpdateIdWritten { id, path: log_path() });
            self.own.said.acked = self.own.said.acked.max(id);
            // Nothing is called from here: the step goes on with the turn, and the rest comes with the next poll.
            self.work.phase = Phase::Pausing { until: cx.now().mono };
        }
    }

    /// Without the log a crash before the next poll would forget that the update was handled. The log is written anew
    /// with the next one.
    pub(super) fn unlogged(&mut self, error: FsError, cx: &mut Context<'_>) {
        self.troubles.found(&log_path(), ProblemKind::Unwritten(error), cx);
        if let Phase::Logging { updates, next } = &self.work.phase {
            let id = updates[*next].id;
            self.own.said.acked = self.own.said.acked.max(id);
            self.work.lines = LINES_MAX;
            self.pause(1_000, cx);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_as_far_as_it_is_whole() {
        assert_eq!(parse_log(b"7 1\n8 1\n12 2\n"), (Some(12), 3, None));
        assert_eq!(parse_log(b"7 1\n8"), (Some(7), 2, Some(Malformed::Field)));
        assert_eq!(parse_log(b"7 1\n\0\0\0"), (Some(7), 2, Some(Malformed::Nul)));
        assert_eq!(parse_log(b""), (None, 0, None));
    }
}
