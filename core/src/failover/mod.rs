//! Failover: which of several replicas is active and does the work.
//!
//! Each replica writes one file of its own, `devices/<name>.json`; in the published design a shared `state.json`
//! says who is active, since when it was last heard, and which update was handled last. A standby looks at it
//! every few seconds. Where it finds nobody active, or a heartbeat too old, it waits a random moment, looks
//! again, writes itself in, waits half a second, and believes what its own disk then says.
//!
//! The work is a queue of updates: [`Call::GetUpdates`] asks for those from an offset on, and an offset that
//! passes an id confirms it. Each update is handed out with [`Call::Handle`].
//!
//! - [`config`]: constants and switches, with where the document and upstream's code differ,
//! - [`device`]: ids and file names,
//! - [`records`]: what the files hold,
//! - [`mod@status`]: what a person wants to know,
//! - `published`: the machine of the published design,
//! - [`hardened`]: the machine of the hardened design, which needs no shared file to decide.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Cx, FsError, Input, Mono, Now, Path, Protocol, WallMs};

pub mod config;
pub mod device;
pub mod hardened;
mod published;
pub mod records;
pub mod status;
#[cfg(test)]
mod testing;

pub use crate::Design;
pub use config::{
    Colon, Config, ConfigError, Every, OffsetKept, StaleTargets, TimersOnChange, Timing,
    UpdatesBeforeActivation,
};
pub use device::Identity;
pub use hardened::constants::{Asleep, Fallback, Hardened, Policy, Provider, Rules};
pub use hardened::{BEATS_APART_MAX, Canonical, Visit, kept_place};
pub use records::{Malformed, ProblemKind};
pub use status::{DeviceStatus, Status, status};

/// A replica that may be active.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Failover(Machine);

/// One machine a design.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Machine {
    // Boxed: far larger than the other, and cloned as often.
    Hardened(Box<hardened::Replica>),
    Published(published::Published),
    // Of the hardened design.
    Waiting(hardened::Waiting),
}

impl Failover {
    /// Whether this replica, by its own belief, is the one to poll, to handle updates and to write how far it
    /// got. In the published design that is what its last check said, however long ago that was; in the hardened
    /// design it ends with the lease, whether or not the replica has taken a step since.
    #[must_use]
    pub fn is_active(&self, now: Now) -> bool {
        match &self.0 {
            Machine::Hardened(machine) => machine.is_active(now),
            Machine::Published(machine) => machine.is_active(now),
            Machine::Waiting(_) => false,
        }
    }

    /// Until when it is active if it takes no further step, on its monotonic clock; `None` if it is not. In the
    /// published design, and without the shared folder, that is for ever.
    #[must_use]
    pub fn active_until(&self, now: Now) -> Option<Mono> {
        match &self.0 {
            Machine::Hardened(machine) => machine.act_until(now).filter(|until| now.mono < *until),
            Machine::Published(machine) => machine.is_active(now).then_some(Mono(u64::MAX)),
            Machine::Waiting(_) => None,
        }
    }

    /// Whether a hand-over that its target has taken waits only for the update that is being handled. The published
    /// design does not wait.
    #[must_use]
    pub fn is_handing_over(&self) -> bool {
        match &self.0 {
            Machine::Hardened(machine) => machine.is_handing_over(),
            Machine::Published(_) | Machine::Waiting(_) => false,
        }
    }

    /// The device id that this replica last saw named as active.
    #[must_use]
    pub fn leader(&self) -> Option<&str> {
        match &self.0 {
            Machine::Hardened(machine) => machine.leader(),
            Machine::Published(machine) => machine.leader(),
            Machine::Waiting(_) => None,
        }
    }

    /// Whether it works without the shared folder.
    #[must_use]
    pub fn is_local_only(&self) -> bool {
        match &self.0 {
            Machine::Hardened(machine) => machine.is_local_only(),
            Machine::Published(machine) => machine.is_local_only(),
            Machine::Waiting(_) => false,
        }
    }

    /// The id up to which this replica takes the updates for handled: its next poll asks for the one after.
    #[must_use]
    pub fn last_update_id(&self) -> i64 {
        match &self.0 {
            Machine::Hardened(machine) => machine.last_update_id(),
            Machine::Published(machine) => machine.last_update_id(),
            Machine::Waiting(_) => 0,
        }
    }
}

impl Failover {
    /// The id that no other replica shares; `None` in the published design, whose device ids may be shared, and while it
    /// cannot be read.
    #[must_use]
    pub fn id(&self) -> Option<&Arc<str>> {
        match &self.0 {
            Machine::Hardened(machine) => Some(machine.id()),
            Machine::Published(_) | Machine::Waiting(_) => None,
        }
    }

    /// Who votes, as far as this replica knows, by device id or replica id; `None` where votes decide nothing.
    #[must_use]
    pub fn voters(&self) -> Option<&[Arc<str>]> {
        match &self.0 {
            Machine::Hardened(machine) => machine.voters(),
            Machine::Published(_) | Machine::Waiting(_) => None,
        }
    }

    /// The term of its last claim, which only grows; 0 in the published design.
    #[must_use]
    pub fn term(&self) -> u64 {
        match &self.0 {
            Machine::Hardened(machine) => machine.term(),
            Machine::Published(_) | Machine::Waiting(_) => 0,
        }
    }
}

impl Protocol for Failover {
    type Config = Config;
    type Command = Command;
    type Event = Event;
    type Call = Call;
    type Reply = Reply;

    fn open(config: &Config, cx: &mut Cx<'_, Self>) -> Self {
        Self(match config.design {
            Design::Hardened => match hardened::Waiting::open(config, cx) {
                Ok(replica) => Machine::Hardened(Box::new(replica)),
                Err(waiting) => Machine::Waiting(waiting),
            },
            Design::Published => Machine::Published(published::Published::open(config, cx)),
        })
    }

    fn step(&mut self, config: &Config, input: Input<Self>, cx: &mut Cx<'_, Self>) {
        match &mut self.0 {
            Machine::Hardened(machine) => machine.step(config, input, cx),
            Machine::Published(machine) => machine.step(config, input, cx),
            Machine::Waiting(waiting) => {
                if let Some(replica) = waiting.step(config, input, cx) {
                    self.0 = Machine::Hardened(Box::new(replica));
                }
            }
        }
    }

    fn wake_at(&self) -> Option<Mono> {
        match &self.0 {
            Machine::Hardened(machine) => machine.wake_at(),
            Machine::Published(machine) => machine.wake_at(),
            Machine::Waiting(waiting) => Some(waiting.wake_at()),
        }
    }
}

/// What a person may ask of a replica.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Command {
    /// Take the folder as it is: it was emptied on purpose. Only who takes the folder to be away does anything about it;
    /// the published design never does.
    Accept,
    /// Make a device active. Any replica takes it; upstream's code gives it to the active one, which receives it
    /// as an update.
    ///
    /// *Crash:* `state.json` may be left empty or cut, and then stops everybody.
    /// *Elsewhere:* the old active one acts until the file has arrived and its next turn begins; the new one
    /// begins when the file has arrived and it is awake. Nobody asks whether it is.
    Activate {
        /// The device's id.
        device: String,
    },
    /// Remove the files of devices that were not seen for long, now. The hardened design does it for nothing else.
    ///
    /// *Elsewhere:* a device that lives and whose writes are late writes its file anew at its next heartbeat,
    /// without its thread.
    Cleanup,
    /// Stop being active and ask to be succeeded, since the process is about to end. The published design knows no
    /// such thing.
    Leave,
    /// End a device's process and remove its file. A device that lives on writes it anew.
    Remove {
        /// The device's id.
        device: String,
    },
    /// Change who votes, one at a time. Only the active replica of the hardened design can, under the policy
    /// `majority`.
    Voters {
        /// What to change.
        change: VoterChange,
    },
}

/// A change of the voters.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(tag = "how", rename_all = "kebab-case")]
pub enum VoterChange {
    /// One more.
    Add {
        /// Its device id, or the id that no other replica shares.
        replica: String,
    },
    /// One less.
    Remove {
        /// As it is listed.
        replica: String,
    },
}

/// One update of the queue.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Update {
    /// Its number, larger than those before.
    pub id: i64,
    /// When it was sent, on the service's clock.
    pub sent: WallMs,
}

/// What a replica asks of the world outside the folder. The published design asks one thing at a time.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Call {
    /// Asks for the updates from an id on and confirms all before it. Answered by [`Reply::Updates`],
    /// [`Reply::Conflict`] or [`Reply::Unreachable`].
    GetUpdates {
        /// The first id wanted.
        offset: i64,
        /// How long the service may wait for one, in ms.
        wait_ms: u64,
    },
    /// Does what an update asks. Answered by [`Reply::Handled`] or [`Reply::Refused`].
    Handle {
        /// The update.
        update: Update,
        /// The term in which it is handed out; 0 in the published design, which has none.
        term: u64,
    },
    /// Ends a process of *this* machine. Answered by [`Reply::Killed`].
    Kill {
        /// Its id.
        process_id: u32,
    },
}

/// What the world outside answers.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// The updates from the offset on, in the order of their ids; perhaps none.
    Updates(Arc<[Update]>),
    /// Another poll is open (HTTP 409).
    Conflict,
    /// The service did not answer.
    Unreachable,
    /// The update was handled.
    Handled {
        /// Its id.
        id: i64,
    },
    /// The update could not be handled, or was turned away because of its term.
    Refused {
        /// Its id.
        id: i64,
    },
    /// The process was asked to end.
    Killed {
        /// Whether there was one of that id.
        found: bool,
    },
}

/// What a replica tells about itself.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// It started.
    Started {
        /// Whether without the shared folder.
        fallback: bool,
    },
    /// It could not use the shared folder and goes on without. In the published design for good.
    FellBack {
        /// Why.
        error: FsError,
    },
    /// The shared folder came back and it uses it again. The published design never does.
    Returned,
    /// It found the single file of the old layout and no file of its own, and wrote the latter.
    Migrated {
        /// How many devices the old file lists; they are left to their owners, and so is the file.
        listed: u64,
        /// Whether it is one of them.
        found_itself: bool,
    },
    /// It is active from now on.
    BecameActive {
        /// Why.
        because: ActiveBecause,
    },
    /// It is standby from now on.
    BecameStandby {
        /// Why.
        because: StandbyBecause,
    },
    /// It takes the active one for gone.
    Suspected {
        /// Which one; `None` if nobody was named.
        leader: Option<Arc<str>>,
        /// The age of its heartbeat in ms; `None` if nobody was named.
        silent_ms: Option<i64>,
    },
    /// Of the published design: it will claim after a random moment.
    ClaimStarted {
        /// That moment, in ms.
        jitter_ms: u64,
    },
    /// It wrote itself in as active.
    ClaimWritten,
    /// It did not claim, or not to the end.
    ClaimGivenUp {
        /// Why.
        because: GivenUpBecause,
    },
    /// It claimed and then found another named.
    ClaimLost {
        /// Whom; `None` if nobody is named.
        to: Option<Arc<str>>,
    },
    /// It wrote that it lives.
    HeartbeatWritten {
        /// Into which file.
        path: Path,
    },
    /// It wrote how far the updates are handled.
    LastUpdateIdWritten {
        /// Up to which.
        id: i64,
        /// Into which file.
        path: Path,
    },
    /// An update was handled.
    UpdateHandled {
        /// Which.
        id: i64,
        /// In which term.
        term: u64,
    },
    /// An update was passed over for good.
    UpdateDropped {
        /// Which.
        id: i64,
        /// Why.
        because: DroppedBecause,
    },
    /// Another poll was open (HTTP 409); no updates came.
    PollRefused,
    /// The service did not answer the poll.
    PollFailed,
    /// It made a device active on somebody's word.
    ActivationWritten {
        /// Which.
        target: Arc<str>,
    },
    /// It was asked to make a device active and did not.
    ActivationRefused {
        /// Which.
        target: Arc<str>,
        /// Why.
        because: RefusedBecause,
    },
    /// It removed a file from the devices.
    DeviceRemoved {
        /// The file.
        path: Path,
        /// The device that it was removed for.
        device: Arc<str>,
    },
    /// It was asked to remove a device and did not.
    RemovalRefused {
        /// Which.
        device: Arc<str>,
        /// Why.
        because: RefusedBecause,
    },
    /// It wrote down whom it was asked to have made active, for the active one to see to.
    Nominated {
        /// Which.
        target: Arc<str>,
    },
    /// A copy of its identity lives elsewhere; it stopped acting and goes on under another.
    IdentityCopied {
        /// The file that both wrote.
        path: Path,
    },
    /// It changed who votes.
    VotersWritten {
        /// How often that has been done.
        change: u64,
    },
    /// It was asked to change who votes and did not.
    VotersRefused {
        /// Why.
        because: RefusedBecause,
    },
    /// It ended a process of its own machine.
    ProcessKilled {
        /// The process.
        process_id: u32,
        /// The machine on which the device's file says the process runs.
        listed_host: Arc<str>,
        /// The machine on which it was ended.
        own_host: Arc<str>,
    },
    /// Something is wrong with a file.
    ProblemFound {
        /// The file.
        path: Path,
        /// What.
        kind: ProblemKind,
    },
    /// It claims a term of its own: as the leader's successor, or as a candidate that waits for objections or votes.
    TermClaimed {
        /// Which.
        term: u64,
    },
}

/// Why a replica became active.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActiveBecause {
    /// It found itself named, through a person's word or since an earlier life.
    FoundItselfNamed,
    /// It claimed, and the claim stood.
    WonClaim,
    /// It works without the shared folder and asks nobody.
    LocalOnly,
}

/// Why a replica became standby.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StandbyBecause {
    /// It found another named.
    FoundAnotherNamed,
    /// It found nobody named, or another that is silent for too long, and lost or gave up the claim.
    LostClaim,
    /// It could not read who is.
    StateUnreadable,
    /// The folder cannot be reached.
    FolderAway,
    /// The folder is back, and with it a replica that may have acted meanwhile.
    FolderBack,
    /// It handed over to another on somebody's word.
    HandedOver,
    /// A copy of its identity lives.
    IdentityCopied,
    /// Its lease is over: it slept or stalled, its file could not be written, or a majority is silent.
    LeaseOver,
    /// It was asked to leave.
    Left,
}

/// Why a claim was given up.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GivenUpBecause {
    /// After the random moment the heartbeat was young again.
    NoLongerStale,
    /// The state could not be read before the claim.
    StateUnreadable,
    /// The claim could not be written.
    StateUnwritten,
    /// The state could not be read after the claim, which stays written.
    ClaimUnreadable,
    /// Not enough voters answered in time.
    NoMajority,
    /// Another that lives runs by other settings.
    OtherSettings,
}

/// Why an update was passed over.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DroppedBecause {
    /// It was sent before this replica became active.
    SentBeforeActivation,
    /// The service that handles updates could not.
    NotHandled,
}

/// Why a person's wish was refused.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusedBecause {
    /// No device file names it.
    Unknown,
    /// It was not seen for too long.
    Stale,
    /// This replica works without the shared folder.
    LocalOnly,
    /// `state.json` could not be read.
    StateUnreadable,
    /// `state.json` could not be written.
    StateUnwritten,
    /// It lives, and on another machine.
    Alive,
    /// The last change of the voters has not reached a majority yet.
    ChangePending,
    /// Fewer than two voters would be left.
    LastVoters,
    /// Only the active one can do it.
    NotActive,
    /// It runs by other settings than the active one.
    OtherSettings,
}
