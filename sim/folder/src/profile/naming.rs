//! What providers call conflict copies. [`names`](cloudchamber_core::kit::names) reads every form that this
//! module writes.

use cloudchamber_core::WallMs;
use cloudchamber_core::kit::names::{BASE_32, Client, HOST_PREFIXES, copy_of, split_extension};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// A provider's way to name the copy of a conflict.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Naming {
    /// `name 2.ext` (Apple's text on `NSFileProviderTestingCollisionResolution`).
    #[serde(rename = "icloud")]
    ICloud,
    /// `name (Ann's conflicted copy 2024-05-01).ext` (help.dropbox.com/syncing-uploads/conflicted-copy).
    Dropbox,
    /// `name (1).ext` (rclone's page on Drive, "Duplicated files").
    #[serde(rename = "gdrive")]
    GDrive,
    /// `name-DESKTOP-1.ext` (threads 265 and 338 of the skilion/onedrive client).
    #[serde(rename = "onedrive")]
    OneDrive,
    /// `name.sync-conflict-20261120-113207-AH6IXB5.ext`; the id is the winner's (measured: Syncthing 1.19.2).
    Syncthing,
    /// None: both edits end up in the file itself.
    Git,
    /// `name.ext.conflict1` (measured: rclone 1.75.2, `bisync --conflict-resolve newer`).
    Rclone,
}

impl Naming {
    /// Names the copy of `file_name`: the first free name, from the `n`th on (counted from 0) where the
    /// provider numbers its copies.
    ///
    /// `at` is when the conflict was found, on the finder's wall clock, taken as UTC. `editor` is the person
    /// or machine that the provider puts into the name: for Syncthing the winner, by device id or by any other
    /// name (an id is then made from it). git's answer is the name itself.
    #[must_use]
    pub fn conflict_name(
        &self,
        file_name: &str,
        at: WallMs,
        editor: &str,
        n: u32,
        taken: &dyn Fn(&str) -> bool,
    ) -> String {
        let (stem, ext) = match (self, file_name.strip_prefix('.')) {
            // It takes all of a hidden file's name for its extension (Go's `filepath.Ext`).
            (Self::Syncthing, Some(hidden)) if !hidden.contains('.') => ("", file_name),
            _ => split_extension(file_name),
        };
        let nth = |again: u32| match self {
            Self::ICloud => format!("{stem} {}{ext}", n.saturating_add(again).saturating_add(2)),
            Self::Dropbox => {
                let (year, month, day) = civil(at);
                let number = if again == 0 { String::new() } else { format!(" ({again})") };
                format!("{stem} ({editor}'s conflicted copy {year:04}-{month:02}-{day:02}{number}){ext}")
            }
            Self::GDrive => format!("{stem} ({}){ext}", n.saturating_add(again).saturating_add(1)),
            Self::OneDrive => {
                let number = if again == 0 { String::new() } else { format!("-{}", again + 1) };
                format!("{stem}-{}{number}{ext}", host_name(editor))
            }
            Self::Syncthing => {
                // Two copies found within a second: the later one claims a later second.
                let at = at.plus(i64::from(again) * 1_000);
                let (year, month, day) = civil(at);
                let second = at.0.div_euclid(1_000).rem_euclid(86_400);
                let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
                let id = short_device_id(editor);
                format!(
                    "{stem}.sync-conflict-{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}-{id}{ext}"
                )
            }
            Self::Git => file_name.to_owned(),
            Self::Rclone => format!("{file_name}.conflict{}", n.saturating_add(again).saturating_add(1)),
        };
        let tries = if *self == Self::Git { 0 } else { TRIES_MAX };
        (0..tries).map(nth).find(|name| !taken(name)).unwrap_or_else(|| nth(tries))
    }

    /// Whether `name` is what this provider calls a copy of `file_name`, or a copy of a copy.
    #[must_use]
    pub fn is_copy_of(self, name: &str, file_name: &str) -> bool {
        let client = match self {
            Self::ICloud => Client::ICloud,
            Self::Dropbox => Client::Dropbox,
            Self::GDrive => Client::GDrive,
            Self::OneDrive => Client::OneDrive,
            Self::Syncthing => Client::Syncthing,
            Self::Git => return false,
            Self::Rclone => Client::Rclone,
        };
        copy_of(name, file_name).is_some_and(|mark| mark.by == client)
    }
}

/// How many names are tried before one is given that may be taken: no folder holds so many copies of a file.
const TRIES_MAX: u32 = 100_000;

/// Year, month and day (UTC), by Howard Hinnant's `civil_from_days`
/// (howardhinnant.github.io/date_algorithms.html).
fn civil(at: WallMs) -> (i64, i64, i64) {
    let days = at.0.div_euclid(86_400_000) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The first seven characters of a device id; of one made from the name where the name is none.
fn short_device_id(editor: &str) -> String {
    match editor.as_bytes().get(..7) {
        Some(first) if first.iter().all(|byte| BASE_32.contains(byte)) => editor[..7].to_owned(),
        _ => {
            let digest = xxh3_64(editor.as_bytes());
            (0..7).map(|place| char::from(BASE_32[(digest >> (5 * place)) as usize & 31])).collect()
        }
    }
}

/// A machine's name as Windows gives it: at most 15 capitals, digits and hyphens.
fn host_name(editor: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '-' };
    let name: String = editor.chars().map(keep).take(15).collect();
    if HOST_PREFIXES.iter().any(|prefix| name.len() > prefix.len() && name.starts_with(prefix)) {
        return name;
    }
    let own: String = name.chars().take(7).collect();
    format!("DESKTOP-{}", if own.is_empty() { "0" } else { &own })
}

#[cfg(test)]
mod tests {
    use cloudchamber_core::kit::names::{certain_copy, originals};
    use proptest::prelude::*;

    use super::*;

    /// 2026-11-20 11:32:07 UTC.
    const AT: WallMs = WallMs(1_795_174_327_000);

    fn first(naming: Naming, file_name: &str, editor: &str) -> String {
        naming.conflict_name(file_name, AT, editor, 0, &|_| false)
    }

    #[test]
    fn every_provider_names_its_copy_as_seen_in_the_wild() {
        assert_eq!(first(Naming::ICloud, "a.txt", ""), "a 2.txt");
        assert_eq!(
            Naming::Dropbox.conflict_name("client.json", WallMs(1_714_521_600_000), "Alice", 0, &|_| false),
            "client (Alice's conflicted copy 2024-05-01).json"
        );
        assert_eq!(first(Naming::GDrive, "client.json", ""), "client (1).json");
        assert_eq!(first(Naming::OneDrive, "client.json", "desktop-1"), "client-DESKTOP-1.json");
        assert_eq!(
            first(Naming::Syncthing, "name.ext", "AH6IXB5-more"),
            "name.sync-conflict-20261120-113207-AH6IXB5.ext"
        );
        assert_eq!(
            first(Naming::Syncthing, "work@MacBook-Pro.local:-Users-me-client.json", "EWX4TBX"),
            "work@MacBook-Pro.local:-Users-me-client.sync-conflict-20261120-113207-EWX4TBX.json"
        );
        assert_eq!(first(Naming::Syncthing, "main", "EWX4TBX"), "main.sync-conflict-20261120-113207-EWX4TBX");
        assert_eq!(first(Naming::Git, "a.txt", "ann"), "a.txt");
        assert_eq!(first(Naming::Rclone, "a.txt", "ann"), "a.txt.conflict1");
    }

    #[test]
    fn a_taken_name_is_passed_over() {
        let taken = |name: &str| matches!(name, "a 2.txt" | "a (1).txt" | "a-DESKTOP-PC.txt");
        let next = |naming: Naming, editor: &str| naming.conflict_name("a.txt", AT, editor, 0, &taken);
        assert_eq!(next(Naming::ICloud, ""), "a 3.txt");
        assert_eq!(next(Naming::GDrive, ""), "a (2).txt");
        assert_eq!(next(Naming::OneDrive, "pc"), "a-DESKTOP-PC-2.txt");
        let once = first(Naming::Dropbox, "a.txt", "Ann");
        assert_eq!(
            Naming::Dropbox.conflict_name("a.txt", AT, "Ann", 0, &|name| name == once),
            "a (Ann's conflicted copy 2026-11-20 (1)).txt"
        );
        let once = first(Naming::Syncthing, "a.txt", "ann");
        assert_ne!(Naming::Syncthing.conflict_name("a.txt", AT, "ann", 0, &|name| name == once), once);
    }

    #[test]
    fn dates_are_right_around_leap_days_and_before_1970() {
        for (ms, date) in [
            (0, (1970, 1, 1)),
            (-1, (1969, 12, 31)),
            (951_782_400_000, (2000, 2, 29)),
            (951_868_800_000, (2000, 3, 1)),
            (1_709_251_199_999, (2024, 2, 29)),
            (4_107_542_400_000, (2100, 3, 1)),
            (-11_644_473_600_000, (1601, 1, 1)),
        ] {
            assert_eq!(civil(WallMs(ms)), date, "{ms}");
        }
    }

    #[test]
    fn a_hidden_file_has_copies_as_well() {
        assert_eq!(first(Naming::ICloud, ".v2", ""), ".v2 2");
        assert_eq!(first(Naming::Syncthing, ".v2", "EWX4TBX"), ".sync-conflict-20261120-113207-EWX4TBX.v2");
    }

    const PROVIDERS: [Naming; 5] =
        [Naming::ICloud, Naming::Dropbox, Naming::GDrive, Naming::OneDrive, Naming::Syncthing];

    proptest! {
        /// Files and directories, hidden or not, with and without an extension; persons and machines with spaces,
        /// dots, brackets and apostrophes; any date; any number of copies before; a copy of a copy.
        #[test]
        fn every_copy_leads_back_to_its_original(
            stem in "[.]?[a-z][a-z0-9._ ()'’ä-]{0,20}", ext in "([.][a-z0-9]{1,5})?",
            editor in "[a-zA-Z0-9 .'’äß_-]{0,20}|[a-z (.)']{0,12}",
            at in -4_000_000_000_000_i64..4_000_000_000_000, n in 0_u32..100, seen in 0_u32..3, again in any::<bool>(),
        ) {
            let original = format!("{stem}{ext}");
            for naming in PROVIDERS {
                let copy = |name: &str| {
                    let count = std::cell::Cell::new(seen);
                    let taken = |_: &str| count.replace(count.get().saturating_sub(1)) > 0;
                    naming.conflict_name(name, WallMs(at), &editor, n, &taken)
                };
                let mut name = copy(&original);
                if again {
                    name = copy(&name);
                }
                prop_assert!(naming.is_copy_of(&name, &original), "{}", name);
                let found = originals(&name);
                prop_assert!(found.iter().any(|found| found.name == original), "{}: {:?}", name, found);
                let certain = !matches!(naming, Naming::ICloud | Naming::GDrive);
                prop_assert!(!certain || certain_copy(&name).is_some(), "{}", name);
            }
        }

        #[test]
        fn any_name_can_be_copied(name in ".{0,60}", at in any::<i64>(), n in any::<u32>()) {
            prop_assert!(!Naming::Git.is_copy_of(&name, &name));
            for naming in PROVIDERS {
                let copy = naming.conflict_name(&name, WallMs(at), &name, n, &|_| false);
                prop_assert!(copy.len() > name.len());
                // Nothing of a name is lost, so two files never share a copy.
                let (stem, ext) = split_extension(&name);
                prop_assert!(copy.contains(stem) && copy.ends_with(ext));
            }
        }
    }
}
