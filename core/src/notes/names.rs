//! Names: ids, the files of a storage directory in all forms that upstream has written, and copies of them.
//!
//! | file | since 2026-01-01 | before | oldest |
//! |---|---|---|---|
//! | log | `{profile}.{instance}.{ms}.crdtlog` | `{profile}_{instance}_{ms}` | `{instance}_{ms}` |
//! | snapshot | `{instance}_{ms}.snapshot` | | |
//! | activity, deletions | `{profile}.{instance}.log` | `{profile}_{instance}` | `{instance}` |
//!
//! Ids are 22 characters of base64url, which may hold `_` themselves, UUIDs, or `ios-` and more
//! (drewcsillag/notecove at 2f4f888; the change of the delimiter is its 107fd9a).

use serde::{Deserialize, Serialize};

use crate::kit::names::{Client, originals};
use crate::{Path, Rng};

/// Where the notes' directories lie.
pub const NOTES: &str = "notes";
/// Where the activity logs lie.
pub const ACTIVITY: &str = "activity";
/// Where the deletion logs lie.
pub const DELETED: &str = "deleted";
/// Where upstream's discovery looks for deletion logs (note-discovery.ts), and nobody writes any.
pub const DELETIONS: &str = "deletions";
/// Where upstream's other shared documents lie: they make a directory a storage directory.
pub const FOLDERS: &str = "folders";
/// The file that names the storage directory.
pub const SD_ID: &str = "SD_ID";
/// The file that says which layout it has.
pub const SD_VERSION: &str = "SD_VERSION";

/// The longest id, in bytes.
const ID_MAX: usize = 64;

/// Whether this may be an id: letters, digits, `_` and `-`.
#[must_use]
pub fn is_id(id: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=ID_MAX).contains(&id.len()) && id.bytes().all(part)
}

/// Whether this is an id in a form that upstream makes.
#[must_use]
pub fn is_certain_id(id: &str) -> bool {
    is_id(id) && (id.len() == 22 || is_uuid(id) || id.starts_with("ios-"))
}

fn is_uuid(id: &str) -> bool {
    id.len() == 36
        && id.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Draws an id: a UUID (RFC 9562, version 4) in lower case, so that no two of them differ in case only.
#[must_use]
pub fn new_id(rng: &mut dyn Rng) -> String {
    let (high, low) = (rng.bits(), rng.bits());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        0x8000 | (low >> 50),
        low & 0xffff_ffff_ffff
    )
}

/// Whose file it is, as its name says.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Owner {
    /// The profile; `None` in the oldest form.
    pub profile: Option<String>,
    /// The instance.
    pub instance: String,
}

/// How the parts of a name are put together.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// With dots.
    Dots,
    /// With underscores, or an instance alone.
    Underscores,
}

/// What the name of a log or of a snapshot says.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Dated {
    /// Whose it is.
    pub owner: Owner,
    /// When it was begun, in ms since 1970, in the opinion of its writer.
    pub time_ms: u64,
    /// How the name is written.
    pub form: Form,
    /// Whether it is a conflict copy of the file that has this name.
    pub is_copy: bool,
}

/// What the name of an activity or deletion log says.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Plain {
    /// Whose it is.
    pub owner: Owner,
    /// Whether it is a conflict copy.
    pub is_copy: bool,
}

/// Reads the name of a log file; `None` if it is none.
#[must_use]
pub fn log_name(name: &str) -> Option<Dated> {
    dated(name, ".crdtlog", true)
}

/// Reads the name of a snapshot file; `None` if it is none.
#[must_use]
pub fn snapshot_name(name: &str) -> Option<Dated> {
    dated(name, ".snapshot", false)
}

/// Reads the name of an activity or deletion log; `None` if it is none.
#[must_use]
pub fn line_log_name(name: &str) -> Option<Plain> {
    let exact = |name: &str, certain: bool| {
        let owner = owner(name.strip_suffix(".log")?)?.0;
        let certain_ids = owner.profile.iter().chain([&owner.instance]).all(|id| is_certain_id(id));
        (!certain || certain_ids).then_some(owner)
    };
    if let Some(owner) = exact(name, true) {
        return Some(Plain { owner, is_copy: false });
    }
    // The copy of a name with certain ids has one more part, which may look like an id.
    let copy = originals(name).into_iter().find_map(|original| exact(&original.name, true));
    match copy {
        Some(owner) => Some(Plain { owner, is_copy: true }),
        None => exact(name, false).map(|owner| Plain { owner, is_copy: false }),
    }
}

/// The note whose directory this is, and whether the directory is a copy of it; `None` if it is no note's.
#[must_use]
pub fn note_of(directory: &str) -> Option<(String, bool)> {
    if is_id(directory) && !directory.starts_with('-') {
        return Some((directory.to_owned(), false));
    }
    let counts = |name: &str| is_id(name) && !name.starts_with('-');
    let mut found = originals(directory).into_iter();
    let original = found.find(|original| counts(&original.name) && original.mark.by != Client::OneDrive)?;
    Some((original.name, true))
}

fn dated(name: &str, extension: &str, profiles: bool) -> Option<Dated> {
    let exact = |name: &str| {
        let stem = name.strip_suffix(extension)?;
        let dot = stem.rfind('.').map_or(0, |at| at + 1);
        let (owner_text, time) = match stem[dot..].rsplit_once('_') {
            // Ids hold no dots: with one, the time stands behind the last.
            _ if dot > 0 => (&stem[..dot - 1], &stem[dot..]),
            Some((_, time)) => (&stem[..stem.len() - time.len() - 1], time),
            None => return None,
        };
        let time_ms = time.parse().ok().filter(|_| time.bytes().all(|byte| byte.is_ascii_digit()))?;
        let (owner, form) = if profiles || dot > 0 {
            owner(owner_text)?
        } else {
            (
                Owner { profile: None, instance: Some(owner_text).filter(|id| is_id(id))?.to_owned() },
                Form::Underscores,
            )
        };
        let form = if dot > 0 { Form::Dots } else { form };
        Some(Dated { owner, time_ms, form, is_copy: false })
    };
    exact(name).or_else(|| {
        let copy = originals(name).into_iter().find_map(|original| exact(&original.name))?;
        Some(Dated { is_copy: true, ..copy })
    })
}

/// Reads `profile.instance`, `profile_instance` or `instance`.
fn owner(text: &str) -> Option<(Owner, Form)> {
    let of = |profile: Option<&str>, instance: &str| Owner {
        profile: profile.map(str::to_owned),
        instance: instance.to_owned(),
    };
    if let Some((profile, instance)) = text.split_once('.') {
        return (is_id(profile) && is_id(instance)).then(|| (of(Some(profile), instance), Form::Dots));
    }
    if is_certain_id(text) && !text.starts_with("ios-") {
        return Some((of(None, text), Form::Underscores));
    }
    // Either id may hold an underscore. Where both parts have a form that upstream makes, that is the place.
    let places = || text.match_indices('_').map(|(at, _)| (&text[..at], &text[at + 1..]));
    let certain = places().find(|(profile, instance)| is_certain_id(profile) && is_certain_id(instance));
    if let Some((profile, instance)) = certain {
        return Some((of(Some(profile), instance), Form::Underscores));
    }
    if is_certain_id(text) {
        return Some((of(None, text), Form::Underscores));
    }
    match (places().next(), places().nth(1)) {
        (Some((profile, instance)), None) if is_id(profile) && is_id(instance) => {
            Some((of(Some(profile), instance), Form::Underscores))
        }
        _ => is_id(text).then(|| (of(None, text), Form::Underscores)),
    }
}

/// The directory of a note.
#[must_use]
pub fn note_dir(note: &str) -> Path {
    Path::shared(NOTES).join(note)
}

/// The directory of a note's logs.
#[must_use]
pub fn logs_dir(note: &str) -> Path {
    note_dir(note).join("logs")
}

/// The directory of a note's snapshots.
#[must_use]
pub fn snapshots_dir(note: &str) -> Path {
    note_dir(note).join("snapshots")
}

/// Where an instance keeps what it wrote, a directory for each note's logs.
#[must_use]
pub fn shadows(instance: &str) -> Path {
    Path::local("notes/shadow").join(instance)
}

/// The name of a log file in a form.
#[must_use]
pub fn log_file_name(form: Form, profile: &str, instance: &str, time_ms: u64) -> String {
    let between = if form == Form::Dots { '.' } else { '_' };
    format!("{profile}{between}{instance}{between}{time_ms}.crdtlog")
}

/// The name of a snapshot file.
#[must_use]
pub fn snapshot_file_name(instance: &str, time_ms: u64) -> String {
    format!("{instance}_{time_ms}.snapshot")
}

/// The name of an activity or deletion log.
#[must_use]
pub fn line_log_file_name(profile: &str, instance: &str) -> String {
    format!("{profile}.{instance}.log")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Draw;

    const P: &str = "PPPPPPPPPPPPPPPPPPPP_1";
    const I: &str = "AAAAAAAAAA_AAAAAAAAAA1";
    const U: &str = "550e8400-e29b-41d4-a716-446655440000";

    fn log(name: &str) -> (Option<String>, String, u64, bool) {
        let found = log_name(name).unwrap_or_else(|| panic!("{name} is a log"));
        (found.owner.profile, found.owner.instance, found.time_ms, found.is_copy)
    }

    #[test]
    fn every_form_of_a_log_is_read() {
        let with = |profile: &str, instance: &str| (Some(profile.to_owned()), instance.to_owned(), 17, false);
        assert_eq!(log(&format!("{P}.{I}.17.crdtlog")), with(P, I));
        assert_eq!(log(&format!("{P}_{I}_17.crdtlog")), with(P, I));
        assert_eq!(log(&format!("{P}_{U}_17.crdtlog")), with(P, U));
        assert_eq!(log(&format!("{P}_ios-ab_17.crdtlog")), with(P, "ios-ab"));
        assert_eq!(log("prof_inst_17.crdtlog"), with("prof", "inst"));
        for instance in [I, U, "ios-ab", "inst"] {
            assert_eq!(log(&format!("{instance}_17.crdtlog")), (None, instance.to_owned(), 17, false));
        }
        for name in [
            "17.crdtlog",
            "a.crdtlog",
            "a_b.crdtlog",
            "a.b.c.17.crdtlog",
            "a_17.log",
            "a_1x.crdtlog",
            "_17.crdtlog",
        ] {
            assert_eq!(log_name(name), None, "{name}");
        }
    }

    #[test]
    fn copies_lead_to_their_originals() {
        for copy in [
            format!("{P}.{I}.17 2.crdtlog"),
            format!("{P}.{I}.17 (1).crdtlog"),
            format!("{P}.{I}.17 (conflicted copy 2025-11-29).crdtlog"),
            format!("{P}.{I}.17.sync-conflict-20261120-113332-EWX4TBX.crdtlog"),
            format!("{P}.{I}.17-DESKTOP-1.crdtlog"),
        ] {
            assert_eq!(log(&copy), (Some(P.to_owned()), I.to_owned(), 17, true), "{copy}");
        }
        let snapshot = snapshot_name(&format!("{I}_17 2.snapshot")).unwrap();
        assert_eq!((&*snapshot.owner.instance, snapshot.is_copy), (I, true));
        for (name, is_copy) in [
            (format!("{P}.{I}.log"), false),
            (format!("{P}.{I} 2.log"), true),
            (format!("{P}.{I}-DESKTOP-1.log"), true),
            (format!("{P}.{I}.sync-conflict-20261120-113332-EWX4TBX.log"), true),
            (format!("{P}_{I}.log"), false),
        ] {
            let found = line_log_name(&name).unwrap();
            let owner = Owner { profile: Some(P.to_owned()), instance: I.to_owned() };
            assert_eq!(found, Plain { owner, is_copy }, "{name}");
        }
        assert_eq!(note_of(&format!("{I} 2")), Some((I.to_owned(), true)));
        assert_eq!(note_of(I), Some((I.to_owned(), false)));
        assert_eq!(note_of(".stfolder"), None);
    }

    #[test]
    fn drawn_ids_are_uuids_in_lower_case() {
        for seed in 0..50 {
            let id = new_id(&mut Draw::Seed(seed).rng());
            assert!(is_uuid(&id) && id == id.to_lowercase(), "{id}");
        }
    }

    proptest! {
        #[test]
        fn a_written_name_is_read(profile in "[A-Za-z0-9_-]{22}", instance in "[A-Za-z0-9_-]{22}", time_ms in any::<u64>()) {
            for form in [Form::Dots, Form::Underscores] {
                let found = log_name(&log_file_name(form, &profile, &instance, time_ms)).unwrap();
                prop_assert_eq!((found.form, found.time_ms, found.is_copy), (form, time_ms, false));
                prop_assert_eq!(found.owner, Owner { profile: Some(profile.clone()), instance: instance.clone() });
            }
            let found = snapshot_name(&snapshot_file_name(&instance, time_ms)).unwrap();
            prop_assert_eq!(found.owner.instance, instance.clone());
            let found = line_log_name(&line_log_file_name(&profile, &instance)).unwrap();
            prop_assert_eq!(found.owner, Owner { profile: Some(profile), instance });
        }

        #[test]
        fn any_name_is_read_without_harm(name in "\\PC{0,40}") {
            let _ = (log_name(&name), snapshot_name(&name), line_log_name(&name), note_of(&name));
            let _ = (log_name(&format!("{name}.crdtlog")), line_log_name(&format!("{name}.log")));
        }
    }
}
