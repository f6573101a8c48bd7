//! One that cannot tell yet who it is, because what it keeps on its own machine cannot be read.
//!
//! It waits. A file that cannot be read is no missing one: another identity would be another voter, and the one that was
//! would never vote again; without the log, updates that were handled would be handled once more.

use super::installation::{self, Installation};
use super::{Context, Replica, work};
use crate::failover::records::ProblemKind;
use crate::failover::{Command, Config, Event, Failover};
use crate::{FsError, Input, Mono, Path};

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(in crate::failover) struct Waiting {
    /// What cannot be read, and why.
    on: (Path, FsError),
    /// When it tries again.
    look: Mono,
    /// What people asked meanwhile.
    asked: Vec<Command>,
}

impl Waiting {
    /// The replica; or one that waits, where what it keeps cannot be read.
    pub(in crate::failover) fn open(config: &Config, cx: &mut Context<'_>) -> Result<Replica, Self> {
        Self::with(vec![], None, config, cx)
    }

    fn with(
        asked: Vec<Command>,
        before: Option<(Path, FsError)>,
        config: &Config,
        cx: &mut Context<'_>,
    ) -> Result<Replica, Self> {
        match unreadable(cx) {
            None => {
                let (kept, fresh) = Installation::read_or_draw(config, cx);
                Ok(Replica::open(&kept, fresh, asked, config, cx))
            }
            Some(on) => {
                if before.as_ref() != Some(&on) {
                    let (path, kind) = (on.0.clone(), ProblemKind::Unreadable(on.1));
                    cx.event(Event::ProblemFound { path, kind });
                }
                Err(Self { on, look: cx.now().mono.plus(config.hardened.look_ms), asked })
            }
        }
    }

    pub(in crate::failover) fn wake_at(&self) -> Mono {
        self.look
    }

    /// The replica, once everything can be read.
    pub(in crate::failover) fn step(
        &mut self,
        config: &Config,
        input: Input<Failover>,
        cx: &mut Context<'_>,
    ) -> Option<Replica> {
        if let Input::Command(command) = input {
            self.asked.push(command);
        }
        if cx.now().mono < self.look {
            return None;
        }
        let opened = Self::with(std::mem::take(&mut self.asked), Some(self.on.clone()), config, cx);
        opened.map_err(|waiting| *self = waiting).ok()
    }
}

/// What of what is kept here is there and cannot be read now; `None` if all can.
fn unreadable(cx: &Context<'_>) -> Option<(Path, FsError)> {
    [installation::path(), work::log_path()].into_iter().find_map(|path| match cx.read(&path) {
        Ok(_) | Err(FsError::NotFound) => None,
        Err(error) => Some((path, error)),
    })
}
