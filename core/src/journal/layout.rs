//! Where things lie: in the shared folder, and in the local directory that never leaves the machine.

use super::schema::Log;
use super::{Checksums, Design};
use crate::Path;

/// Where the machines' directories lie.
pub const MACHINES: &str = "shared/machines";

/// The configuration that every machine reads.
pub const CONFIG: &str = "fray-config.json";

/// The empty file that says the folder has the layout with machines.
pub const SENTINEL: &str = "shared/.v2";

/// The files of the layout before machines; `agents.jsonl` holds shared and local records alike.
pub const LEGACY: [&str; 4] = ["messages.jsonl", "threads.jsonl", "questions.jsonl", "agents.jsonl"];

/// The path of the identity.
#[must_use]
pub fn identity_path() -> Path {
    Path::local("machine-id")
}

/// A second copy of the identity, written once: what is left when a crash empties the first.
#[must_use]
pub fn identity_copy_path() -> Path {
    Path::local("identity.json")
}

/// The path of the note that this machine has begun to migrate the folder: the id it does that under.
#[must_use]
pub fn migration_path() -> Path {
    Path::local("migration")
}

/// The path of the note of the largest clock that this machine has seen.
#[must_use]
pub fn clock_path() -> Path {
    Path::local("clock.json")
}

/// The path of a machine's journal.
#[must_use]
pub fn journal_path(machine: &str, log: Log) -> Path {
    Path::shared(MACHINES).join(machine).join(log.file_name())
}

/// The local directory of the shadows.
pub(super) const SHADOW: &str = "shadow";

/// The path of the shadow of an own journal.
#[must_use]
pub fn shadow_path(machine: &str, log: Log) -> Path {
    Path::local(SHADOW).join(machine).join(log.file_name())
}

/// The path of a machine's checksums, or of everybody's.
#[must_use]
pub fn checksums_path(design: &Design, machine: &str) -> Path {
    match design.checksums {
        Checksums::PerMachine => Path::shared(MACHINES).join(machine).join("checksums.json"),
        Checksums::Shared => Path::shared("shared/checksums.json"),
    }
}

/// The file of the names that a machine has given.
pub(super) const ALIASES: &str = "aliases.json";

/// The path of the names that a machine has given to others and to itself: old to new.
#[must_use]
pub fn aliases_path(machine: &str) -> Path {
    Path::shared(MACHINES).join(machine).join(ALIASES)
}
