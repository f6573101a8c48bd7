//! How often a replica writes, and how long it leaves alone what it wrote, by what it is.

use super::constants::{Hardened, Policy};
use super::record::Role;
use crate::failover::Every;

impl Hardened {
    /// How often a replica in this role writes its file.
    pub(super) fn beat_in(&self, role: Role) -> Every {
        if self.leads_by(role) { self.beat } else { self.standby_beat }
    }

    /// Whether others go by the beats of a replica in this role: a candidate's are counted under votes.
    fn leads_by(&self, role: Role) -> bool {
        match self.policy {
            Policy::Available => role == Role::Active,
            Policy::Majority => matches!(role, Role::Active | Role::Candidate),
        }
    }

    /// Whether what a replica in this role writes decides something, so that its file is left alone until it has
    /// arrived. Under votes that is all of it; else a standby's file may be followed by its claim at once.
    pub(super) fn decides(&self, role: Role) -> bool {
        role != Role::Standby || self.policy == Policy::Majority
    }

    /// How long before a place has rested another may be written by one in this role, in ms; `None` if that does not
    /// matter.
    pub(super) fn room_before_beat_ms(&self, role: Role) -> Option<u64> {
        let matters = self.policy == Policy::Available && self.places > 1 && self.leads_by(role);
        matters.then(|| self.room_ms())
    }
}
