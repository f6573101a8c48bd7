//! What a scenario file can say about journals.

use cloudchamber_core::Design as DesignName;
use cloudchamber_core::journal::address::Following;
use cloudchamber_core::journal::names::is_machine_id;
use cloudchamber_core::journal::protocol::{Joining, Settings as Config, Viewing};
use cloudchamber_core::journal::uphold::UPHOLD_MS;
use cloudchamber_core::journal::{
    Checksums, Copies, Deletions, Design, Duplicates, Keying, Ordering, Owning, Parents, Reading,
    Remembering, Renaming, Tombstones, Trigger,
};
use cloudchamber_core::kit::identity::Place;
use serde::{Deserialize, Serialize};

use crate::ReplicaId;

/// The `[settings]` of a journal scenario.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How journals are read, merged and written.
    pub design: DesignName,
    /// What is done otherwise than the design does it: one behaviour changed shows what it is there for.
    #[serde(skip_serializing_if = "Switches::is_empty")]
    pub switch: Switches,
    /// The machines' ids, in the order of the replicas; `machine-a`, `machine-b` and so on where the list is empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub machines: Vec<String>,
    /// The numbers that the file systems have given the machines' local directories, in the order of the replicas; none has
    /// one where the list is empty. A local directory that was made under another number was copied or restored.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<u64>,
    /// How often a machine looks at the folder without being told, ms; 10 s where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scan_ms: Option<u64>,
    /// How long something is kept of others' journals that those lack before it is said again, ms; an hour where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uphold_ms: Option<u64>,
    /// Mean time between two events that people and agents cause, on all machines together, ms; none happen by
    /// themselves where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub append_every_ms: Option<u64>,
    /// Whether what is due in the end is looked for at every moment at which nothing moves any more, and not only
    /// when a run is over. Model checkers know no end of a run.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub at_rest: bool,
    /// Which kinds of events these are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shares: Option<Shares>,
}

impl Default for Settings {
    /// Of the hardened design, with nothing happening by itself.
    fn default() -> Self {
        Self {
            design: DesignName::Hardened,
            switch: Switches::default(),
            machines: vec![],
            numbers: vec![],
            scan_ms: None,
            uphold_ms: None,
            append_every_ms: None,
            at_rest: false,
            shares: None,
        }
    }
}

macro_rules! switches {
    ($($field:ident: $type:ty),* $(,)?) => {
        /// Single behaviours of a design, each as the field of [`Design`] of that name has it; `None` leaves it as it is.
        #[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
        #[serde(default, deny_unknown_fields)]
        #[allow(missing_docs, reason = "each is explained where it belongs, in `Design`")]
        pub struct Switches {
            $(#[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<$type>,)*
        }

        impl Switches {
            /// The design with these behaviours changed.
            fn on(&self, design: Design) -> Design {
                // Every field is named, so that a switch which `Design` gets is missed here.
                Design { $($field: self.$field.unwrap_or(design.$field),)* }
            }
        }
    };
}

switches! {
    reading: Reading,
    order: Ordering,
    tombstones: Tombstones,
    deletions: Deletions,
    keying: Keying,
    copies: Copies,
    duplicates: Duplicates,
    parents: Parents,
    trigger: Trigger,
    checksums: Checksums,
    following: Following,
    renaming: Renaming,
    owning: Owning,
    remembering: Remembering,
}

impl Switches {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Out of a hundred events, how many are of a kind; the rest are new messages.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Shares {
    /// Edits of messages.
    pub edits: u8,
    /// Deletions of messages.
    pub deletions: u8,
    /// Faves, and removals of faves.
    pub faves: u8,
    /// Questions and their progress.
    pub questions: u8,
    /// Reactions.
    pub reactions: u8,
}

impl Default for Shares {
    /// The proportions of upstream's own journals (adamavenir/fray: 1614 messages, 306 edits, 29 reactions, 111
    /// questions), with more of what merges have to work for.
    fn default() -> Self {
        Self { edits: 20, deletions: 6, faves: 10, questions: 12, reactions: 6 }
    }
}

impl Settings {
    /// The configuration of one replica.
    ///
    /// # Errors
    /// Where it has no machine id, or none that can be one.
    pub(super) fn config(&self, id: ReplicaId) -> Result<Config, String> {
        let machine = self
            .machine(id)
            .ok_or_else(|| format!("`machines` has no id for replica {id}; list one for each replica"))?;
        if !is_machine_id(&machine) {
            return Err(format!("`{machine}` is no machine id; write 1 to 20 of a-z, 0-9 and -, not `all`"));
        }
        let design = match self.design {
            DesignName::Hardened => Design::HARDENED,
            DesignName::Published => Design::PUBLISHED,
        };
        Ok(Config {
            design: self.switch.on(design),
            joining: Joining::Under(machine),
            scan_ms: self.scan_ms(),
            uphold_ms: self.uphold_ms.unwrap_or(UPHOLD_MS),
            viewing: Viewing::Within,
            place: self.numbers.get(id.index()).map(|number| Place {
                host: format!("mac-{id}"),
                directory: "/home/ann/state".to_owned(),
                number: Some(*number),
            }),
        })
    }

    /// The id of a replica's machine; None if `machines` lists none for it.
    pub(super) fn machine(&self, id: ReplicaId) -> Option<String> {
        let listed = self.machines.get(id.index()).cloned();
        listed.or_else(|| self.machines.is_empty().then(|| format!("machine-{id}")))
    }

    /// Whether the values fit together.
    ///
    /// # Errors
    /// A sentence that says which do not.
    pub(super) fn check(&self) -> Result<(), String> {
        let Shares { edits, deletions, faves, questions, reactions } = self.shares();
        let sum: u32 = [edits, deletions, faves, questions, reactions].into_iter().map(u32::from).sum();
        if sum > 100 {
            return Err(format!("the `shares` add up to {sum}; they are parts of 100 events"));
        }
        if self.scan_ms == Some(0) || self.append_every_ms == Some(0) {
            return Err("scan_ms and append_every_ms must be 1 ms or more".to_owned());
        }
        Ok(())
    }

    pub(super) fn scan_ms(&self) -> u64 {
        self.scan_ms.unwrap_or(10_000)
    }

    pub(super) fn shares(&self) -> Shares {
        self.shares.unwrap_or_default()
    }
}
