//! Where things lie, and what files are called.
//!
//! ```text
//! shared:replicas/<replica>/meta.json                  what this replica wrote and knows: a hint, by maximum
//!                          /entities/<kind>_<id>.json  split: each entity that it ever wrote
//!                          /data_<n>_<digest>.json     split-lite: all of them at its write n, never changed
//!                          /deltas/delta_<n>_<digest>.json   split-lite: those of one sync since
//! local:delta/store.log                                everything, the only place of what was not sent yet
//!            /base.json                                what the last sync had come to
//! ```
//! The names of entities are those of the plan (3.2), under a directory of their writer. An id may hold letters that a
//! file system refuses, folds or forms anew, so a name is only a name: which entity a file is about it says itself.

use std::fmt::Write as _;

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::entity::Key;
use super::vector::ReplicaId;
use crate::Path;
use crate::kit::identity::Nonce;

/// Where the replicas' directories lie.
#[must_use]
pub fn replicas() -> Path {
    Path::shared("replicas")
}

/// The directory of a replica.
#[must_use]
pub fn replica_dir(replica: &ReplicaId) -> Path {
    replicas().join(&replica.0)
}

/// The file in which a replica says what it wrote and knows.
#[must_use]
pub fn meta_path(dir: &Path) -> Path {
    dir.join("meta.json")
}

/// The directory of a replica's entities, in the split layout.
#[must_use]
pub fn entities_dir(dir: &Path) -> Path {
    dir.join("entities")
}

/// The directory of what a replica wrote since its snapshot, in the split-lite layout.
#[must_use]
pub fn deltas_dir(dir: &Path) -> Path {
    dir.join("deltas")
}

/// The local store.
#[must_use]
pub fn store_path() -> Path {
    Path::local("delta/store.log")
}

/// What the last sync had come to.
#[must_use]
pub fn base_path() -> Path {
    Path::local("delta/base.json")
}

/// The longest name that is used as it is; file systems end at 255 bytes, and conflict copies add to it.
const NAME_MAX: usize = 160;

/// The name of an entity's file: `<kind>_<id>.json`, where every byte other than lower-case letters, digits and
/// hyphens is `.` and two hexadecimal digits (and an underscore of the id stays). It is the same on every file system,
/// and no two entities share one.
#[must_use]
pub fn entity_file_name(key: &Key) -> String {
    let mut name = String::with_capacity(key.kind.len() + key.id.len() + 8);
    escape(&mut name, &key.kind, false);
    name.push('_');
    escape(&mut name, &key.id, true);
    if name.len() > NAME_MAX {
        let whole = xxh3_128(name.as_bytes());
        name.truncate(NAME_MAX - 40);
        write!(name, "..{whole:032x}").expect("a string takes any text");
    }
    name.push_str(".json");
    name
}

fn escape(out: &mut String, text: &str, underscore: bool) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' => out.push(char::from(byte)),
            b'_' if underscore => out.push('_'),
            _ => write!(out, ".{byte:02x}").expect("a string takes any text"),
        }
    }
}

/// Whether a name can be one that [`entity_file_name`] gives. Others are copies, or of somebody else.
#[must_use]
pub fn is_entity_file_name(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".json") else { return false };
    let Some((kind, _)) = stem.split_once('_') else { return false };
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    !kind.is_empty() && stem.len() <= NAME_MAX && stem.bytes().all(plain)
}

/// The name, below a replica's directory, of a file with many entities: what it holds up to which write, and a digest.
/// It is never written twice with other content.
#[must_use]
pub fn part_name(is_snapshot: bool, to: u64, bytes: &[u8]) -> String {
    let digest = xxh3_64(bytes);
    if is_snapshot {
        format!("data_{to}_{digest:016x}.json")
    } else {
        format!("deltas/delta_{to}_{digest:016x}.json")
    }
}

/// Whether a file of this name, of which [`part_to`] says something, holds all that its owner says.
#[must_use]
pub fn is_snapshot_name(name: &str) -> bool {
    name.starts_with("data_")
}

/// Up to which write a file of this name goes; `None` if [`part_name`] does not give such names.
#[must_use]
pub fn part_to(name: &str) -> Option<u64> {
    let (to, digest) = name
        .strip_prefix("data_")
        .or_else(|| name.strip_prefix("deltas/delta_"))?
        .strip_suffix(".json")?
        .split_once('_')?;
    let sound = digest.len() == 16 && digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    to.parse().ok().filter(|_| sound)
}

/// The id of a replica that was given a name: what every file system takes, and what was drawn.
#[must_use]
pub fn replica_id(name: &str, drawn: Nonce) -> ReplicaId {
    let mut id: String = name
        .chars()
        .take(40)
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect();
    if id.is_empty() {
        id.push_str("replica");
    }
    write!(id, "-{drawn}").expect("a string takes any text");
    ReplicaId(id.into())
}

/// Whether a directory can be a replica's: its name ends with what was drawn. Others are copies of one.
#[must_use]
pub fn is_replica_id(name: &str) -> bool {
    let plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-');
    let is_drawn = |text: &str| text.parse::<Nonce>().is_ok();
    name.chars().all(plain)
        && name.rsplit_once('-').is_some_and(|(stem, last)| !stem.is_empty() && is_drawn(last))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_plain_and_told_apart() {
        for (kind, id, name) in [
            ("task", "t1", "task_t1.json"),
            ("task", "V1St-x_a", "task_.561.53t-x_a.json"),
            ("task_a", "b", "task.5fa_b.json"),
            ("tag", "é", "tag_.c3.a9.json"),
        ] {
            let given = entity_file_name(&Key::new(kind, id));
            assert_eq!(given, name);
            assert!(is_entity_file_name(&given), "{given}");
        }
        let keys = [
            ("task_a", "b_c"),
            ("task", "a_b_c"),
            ("task_a_b", "c"),
            ("task", "A_b_c"),
            ("task", "e\u{301}"),
            ("task", "é"),
        ];
        let names: BTreeSet<_> =
            keys.map(|(kind, id)| entity_file_name(&Key::new(kind, id)).to_lowercase()).into();
        assert_eq!(names.len(), keys.len());
        let long = ["x", "y"].map(|end| entity_file_name(&Key::new("task", &("a".repeat(5_000) + end))));
        assert!(long[0] != long[1] && long.iter().all(|name| name.len() < 170 && is_entity_file_name(name)));
        for copy in
            ["task_t1 2.json", "task_t1 (1).json", "task_t1.json.conflict1", "Task_t1.json", "meta.json"]
        {
            assert!(!is_entity_file_name(copy), "{copy}");
        }
    }

    #[test]
    fn a_replica_is_told_from_its_copies() {
        let id = replica_id("Ann's Mac", Nonce(42));
        assert_eq!(&*id.0, "ann-s-mac-0000002a");
        assert!(is_replica_id(&id.0) && is_replica_id(&replica_id("", Nonce(1)).0));
        for copy in ["ann-s-mac-0000002a 2", "ann-s-mac-0000002a (1)", "ann-s-mac", "0000002a"] {
            assert!(!is_replica_id(copy), "{copy}");
        }
    }
}
