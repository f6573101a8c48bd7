//! Who a replica is, and what its file is called.

use std::fmt::Write as _;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::config::Colon;
use crate::kit::copies::copies_of_dir;
use crate::{Fs, Path};

/// What a device id is made of: `[name@]host:directory`.
///
/// Two machines with one host name and one path, or two processes in one directory, have the same id and both
/// take what is written about it for themselves.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Identity {
    /// A name that a person gave.
    pub name: Option<String>,
    /// The machine's host name.
    pub host: String,
    /// The directory in which the replica works.
    pub directory: String,
}

impl Identity {
    /// The device id.
    #[must_use]
    pub fn device_id(&self) -> Arc<str> {
        match &self.name {
            Some(name) => format!("{name}@{}:{}", self.host, self.directory).into(),
            None => format!("{}:{}", self.host, self.directory).into(),
        }
    }

    /// Whether `id` is this one's device id. Compares in place: every check of a standby asks.
    #[must_use]
    pub fn is(&self, id: &str) -> bool {
        let rest = match &self.name {
            Some(name) => id.strip_prefix(name.as_str()).and_then(|rest| rest.strip_prefix('@')),
            None => Some(id),
        };
        rest.and_then(|rest| rest.strip_prefix(self.host.as_str()))
            .and_then(|rest| rest.strip_prefix(':'))
            .is_some_and(|rest| rest == self.directory)
    }
}

/// The directory of all device files.
#[must_use]
pub fn devices_dir() -> Path {
    Path::shared("devices")
}

/// Copies that a client made of the directory of all device files: those of half of the devices may lie there.
#[must_use]
pub fn copies_of_devices(fs: &dyn Fs) -> Vec<Path> {
    copies_of_dir(fs, &Path::shared(""), devices_dir().name())
}

/// The published file name of a device: whatever is not a letter, a digit or one of `. _ @ -` (and the colon,
/// where it is kept) becomes `-`.
///
/// *Not injective*: `h:/a b`, `h:/a-b` and `h:/a/b` share a file (upstream opencode-telegram-mirror 085f00e).
/// With the colon kept, it is a name that Windows and OneDrive refuse.
#[must_use]
pub fn published_file_name(id: &str, colon: Colon) -> String {
    let kept = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '@' | '-') || (c == ':' && colon == Colon::Keep)
    };
    let mut name: String = id.chars().map(|c| if kept(c) { c } else { '-' }).collect();
    name.push_str(".json");
    name
}

/// The path of the file with [`published_file_name`].
#[must_use]
pub fn published_path(id: &str, colon: Colon) -> Path {
    devices_dir().join(&published_file_name(id, colon))
}

/// The longest escaped name that is used as it is, so that no file's name has more than
/// [`NAME_MAX`](crate::kit::portable::NAME_MAX) bytes.
const ESCAPED_MAX: usize = 112;

/// The safe file name of a device: injective, and the same file on every provider.
///
/// Lower-case letters, digits and dots stay; every other byte becomes `-` and two hexadecimal digits; `d-` stands
/// before. Ids whose name would be longer get `h-`, the beginning and 128 bits of XXH3 instead. Only
/// `[a-z0-9.-]` occurs, a letter comes first, and nothing depends on case.
#[must_use]
pub fn file_name(id: &str) -> String {
    let mut escaped = String::with_capacity(id.len() + 16);
    for byte in id.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'.' => escaped.push(char::from(byte)),
            _ => write!(escaped, "-{byte:02x}").expect("writing into a String cannot fail"),
        }
    }
    if escaped.len() <= ESCAPED_MAX {
        format!("d-{escaped}.json")
    } else {
        format!("h-{}-{:032x}.json", &escaped[..ESCAPED_MAX - 40], xxh3_128(id.as_bytes()))
    }
}

/// The device whose [`file_name`] this is; `None` for the names of long ids, conflict copies and anything else.
#[must_use]
pub fn id_of_file_name(name: &str) -> Option<String> {
    let escaped = name.strip_prefix("d-")?.strip_suffix(".json")?;
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'-' => {
                let digits = [rest.next()?, rest.next()?];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
            }
            _ => bytes.push(byte),
        }
    }
    let id = String::from_utf8(bytes).ok()?;
    // Only the one spelling that `file_name` writes counts.
    (file_name(&id) == name).then_some(id)
}

/// Whether a device of this id has, in some design, a file of this name. Conflict copies have not.
#[must_use]
pub fn may_be_called(id: &str, name: &str) -> bool {
    published_file_name(id, Colon::Keep) == name
        || published_file_name(id, Colon::Replace) == name
        || file_name(id) == name
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kit::portable::{NAME_MAX, unportable};

    fn identity(name: Option<&str>, host: &str, directory: &str) -> Identity {
        Identity { name: name.map(Into::into), host: host.into(), directory: directory.into() }
    }

    #[test]
    fn the_examples_of_the_document_come_out() {
        let plain = identity(None, "MacBook-Pro.local", "/Users/me/project/a").device_id();
        let named = identity(Some("work"), "MacBook-Pro.local", "/Users/me/client").device_id();
        assert_eq!(published_file_name(&plain, Colon::Keep), "MacBook-Pro.local:-Users-me-project-a.json");
        assert_eq!(published_file_name(&named, Colon::Keep), "work@MacBook-Pro.local:-Users-me-client.json");
        assert_eq!(
            published_file_name(&named, Colon::Replace),
            "work@MacBook-Pro.local--Users-me-client.json"
        );
        insta::assert_snapshot!(file_name(&named), @"d-work-40-4dac-42ook-2d-50ro.local-3a-2f-55sers-2fme-2fclient.json");
    }

    #[test]
    fn published_names_collide_and_safe_names_do_not() {
        let ids = ["h:/a b", "h:/a-b", "h:/a/b"];
        assert!(ids.iter().all(|id| published_file_name(id, Colon::Replace) == "h--a-b.json"));
        assert_eq!(file_name(ids[0]), "d-h-3a-2fa-20b.json");
        assert_eq!(file_name(ids[1]), "d-h-3a-2fa-2db.json");
        assert_eq!(file_name(ids[2]), "d-h-3a-2fa-2fb.json");
    }

    #[test]
    fn conflict_copies_belong_to_nobody() {
        let id = "imac.local:/a";
        assert!(may_be_called(id, &file_name(id)));
        for copy in [
            "d-imac.local-3a-2fa 2.json",
            "d-imac.local-3a-2fa (1).json",
            "d-imac.local-3a-2fa (Alice's conflicted copy 2024-05-01).json",
            "d-imac.local-3a-2fa.sync-conflict-20261120-113332-EWX4TBX.json",
            "d-imac.local-3a-2fa-DESKTOP.json",
        ] {
            assert_eq!(id_of_file_name(copy), None, "{copy}");
            assert!(!may_be_called(id, copy), "{copy}");
        }
    }

    #[test]
    fn names_of_long_ids_fit_encrypted_disks_and_what_clients_add() {
        for id in [
            "laptop@Annas-MacBook-Pro.local:/Users/Annalena/Library/Mobile Documents/com~apple~CloudDocs/Shared Team Folder#3f634f32",
            "laptop@Annas-MacBook-Pro.local:/Users/Annalena/Библиотека/команда#3f634f32",
        ] {
            let name = file_name(id);
            assert!(name.starts_with("h-") && name.len() <= NAME_MAX, "{name}");
        }
    }

    proptest! {
        #[test]
        fn every_name_can_be_carried_everywhere(id in "\\PC{0,200}|[a-z]{0,200}") {
            let name = file_name(&id);
            prop_assert_eq!(unportable(&name), None, "{}", name);
            prop_assert!(name.len() + ".beat9".len() - ".json".len() <= NAME_MAX);
        }

        #[test]
        fn a_safe_name_is_injective(id in "\\PC{0,60}|.{0,400}|[a-zA-Z0-9@:/._ -]{0,80}", other in "[aA-][:/ -][aA-]{0,2}") {
            let name = file_name(&id);
            if name.starts_with("d-") {
                prop_assert_eq!(id_of_file_name(&name), Some(id.clone()));
            } else {
                prop_assert_eq!(id_of_file_name(&name), None);
                let longer = format!("{id}{other}");
                prop_assert_ne!(file_name(&longer), name);
            }
        }

        #[test]
        fn a_safe_name_is_safe(id in ".{0,400}") {
            let name = file_name(&id);
            prop_assert!(name.len() <= 200);
            prop_assert!(name.starts_with(|c: char| c.is_ascii_lowercase()));
            let safe = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '.' | '-');
            prop_assert!(name.chars().all(safe), "{}", name);
            prop_assert!(devices_dir().join(&name).file_name() == name);
        }

        #[test]
        fn any_published_name_is_a_path(id in ".{0,60}") {
            for colon in [Colon::Keep, Colon::Replace] {
                prop_assert_eq!(published_path(&id, colon).parent(), Some(devices_dir()));
            }
        }

        #[test]
        fn is_agrees_with_the_id(
            name in proptest::option::of("[a@:]{0,3}"), host in "[a@:]{0,3}", directory in "[a@:/]{0,3}", other in "[a@:/]{0,9}",
        ) {
            let identity = Identity { name, host, directory };
            let id = identity.device_id();
            prop_assert!(identity.is(&id));
            prop_assert_eq!(identity.is(&other), *id == *other);
        }
    }
}
