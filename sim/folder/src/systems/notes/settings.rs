//! What a scenario file can say about notes.

use cloudchamber_core::Design;
use cloudchamber_core::notes::{Config, Form, Heeded, Kind};
use serde::{Deserialize, Serialize};

use crate::ReplicaId;

/// The `[settings]` of a scenario of notes.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How notes are read and written.
    pub design: Design,
    /// What is done otherwise than the design does it.
    #[serde(skip_serializing_if = "Switches::is_empty")]
    pub switch: Switches,
    /// What records hold: `records`, which stand for themselves, or `yjs` documents. Which records reach whom does not
    /// depend on it; `records` are quicker.
    pub kind: Kind,
    /// The instances' ids, in the order of the replicas; `instance-a`, `instance-b` and so on where the list is empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<String>,
    /// How published names its logs, in the order of the replicas: with `dots`, as since 2026, or with `underscores`; all
    /// with dots where the list is empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forms: Vec<Form>,
    /// How often an instance looks at the folder without being told, ms; the document's number where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scan_ms: Option<u64>,
    /// How often the hardened design reads every file again, ms; 10 minutes where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_scan_ms: Option<u64>,
    /// How long a note lies in the trash before it is deleted for good, ms; for ever where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trash_ms: Option<u64>,
    /// How many own records lie between two snapshots; none are written by themselves where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_records: Option<u32>,
    /// How many lines an activity log keeps; the document's number where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activity_lines_max: Option<u32>,
    /// Mean time between two things that people do, on all machines together, ms; they do nothing by themselves where
    /// it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edit_every_ms: Option<u64>,
    /// How many notes people make; 6 where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<u32>,
    /// How many machines are closed once for a quarter to a half of the run; none where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absences: Option<u32>,
    /// What people do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shares: Option<Shares>,
    /// Whether what is due in the end is looked for at every moment at which nothing moves any more, and not only
    /// when a run is over. Model checkers know no end of a run.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub at_rest: bool,
}

impl Default for Settings {
    /// Of the hardened design, with nothing happening by itself.
    fn default() -> Self {
        Self {
            design: Design::Hardened,
            switch: Switches::default(),
            kind: Kind::Records,
            instances: vec![],
            forms: vec![],
            scan_ms: None,
            full_scan_ms: None,
            trash_ms: None,
            snapshot_records: None,
            activity_lines_max: None,
            edit_every_ms: None,
            notes: None,
            absences: None,
            shares: None,
            at_rest: false,
        }
    }
}

/// Single behaviours of a design; `None` leaves each as it is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Where published looks for the deletions that its discovery heeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heeded: Option<Heeded>,
}

impl Switches {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Out of a hundred things that people do, how many are of a kind; the rest are words added at the end of a note.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Shares {
    /// Several words in a few seconds.
    pub bursts: u8,
    /// Words taken away from the front.
    pub cuts: u8,
    /// Notes put into the trash.
    pub trashed: u8,
    /// Notes taken out of it.
    pub restored: u8,
    /// Notes deleted for good.
    pub deleted: u8,
    /// Snapshots asked for.
    pub snapshots: u8,
}

impl Default for Shares {
    /// Mostly typing, and more deletions than people make, since merges have to work for them.
    fn default() -> Self {
        Self { bursts: 10, cuts: 8, trashed: 8, restored: 8, deleted: 3, snapshots: 5 }
    }
}

impl Settings {
    /// The configuration of one replica.
    ///
    /// # Errors
    /// Where it has no id, or a value does not fit.
    pub(super) fn config(&self, id: ReplicaId) -> Result<Config, String> {
        let instance = match self.instances.get(id.index()) {
            Some(instance) => instance.clone(),
            None if self.instances.is_empty() => format!("instance-{id}"),
            None => return Err(format!("`instances` has no id for replica {id}; list one for each replica")),
        };
        let mut config = Config::new(self.design, self.kind, "ann");
        config.instance = Some(instance.into());
        if !self.forms.is_empty() {
            let none = || format!("`forms` has none for replica {id}; list one for each replica");
            config.form = *self.forms.get(id.index()).ok_or_else(none)?;
        }
        config.heeded = self.switch.heeded.unwrap_or(config.heeded);
        config.snapshot_records = self.snapshot_records;
        config.activity_lines_max = self.activity_lines_max.unwrap_or(config.activity_lines_max);
        let timing = &mut config.timing;
        timing.scan_ms = self.scan_ms.unwrap_or(timing.scan_ms);
        timing.full_scan_ms = self.full_scan_ms.unwrap_or(timing.full_scan_ms).max(timing.scan_ms);
        timing.trash_ms = self.trash_ms;
        config.check().map_err(|error| error.to_string())?;
        Ok(config)
    }

    /// Whether the values fit together.
    ///
    /// # Errors
    /// A sentence that says which do not.
    pub(super) fn check(&self) -> Result<(), String> {
        let Shares { bursts, cuts, trashed, restored, deleted, snapshots } = self.shares();
        let sum: u32 = [bursts, cuts, trashed, restored, deleted, snapshots].into_iter().map(u32::from).sum();
        if sum > 100 {
            return Err(format!("the `shares` add up to {sum}; they are parts of 100 things that people do"));
        }
        if self.edit_every_ms == Some(0) {
            return Err("edit_every_ms must be 1 ms or more".to_owned());
        }
        if self.notes == Some(0) {
            return Err("notes must be 1 or more".to_owned());
        }
        Ok(())
    }

    pub(super) fn notes(&self) -> u32 {
        self.notes.unwrap_or(6)
    }

    pub(super) fn shares(&self) -> Shares {
        self.shares.unwrap_or_default()
    }
}
