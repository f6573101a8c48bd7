//! What providers call conflict copies.

use cloudchamber_core::WallMs;
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
        let (stem, ext) = split_extension(file_name);
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
        };
        let tries = if *self == Self::Git { 0 } else { TRIES_MAX };
        (0..tries).map(nth).find(|name| !taken(name)).unwrap_or_else(|| nth(tries))
    }
}

/// How many names are tried before one is given that may be taken: no folder holds so many copies of a file.
const TRIES_MAX: u32 = 100_000;

/// Tells whether a file's name is one that some provider gives to conflict copies, and whose.
///
/// For own files with names from a safe alphabet a yes is certain. A person may have chosen such a name for
/// theirs: `chapter 2.txt` is one. `name-HOST.ext` counts where the host has a name that Windows gives
/// (`DESKTOP-`, `LAPTOP-` or `WIN-` and more), or before the open client's `safeBackup` mark: after any other
/// host the name is like a person's.
#[must_use]
pub fn looks_like_conflict_copy(name: &str) -> Option<Naming> {
    if is_syncthing_copy(name) {
        return Some(Naming::Syncthing);
    }
    let (stem, _) = split_extension(name);
    if let Some((before, inner)) = stem.strip_suffix(')').and_then(|rest| rest.rsplit_once(" (")) {
        // A repeated Dropbox copy has a bracket within the bracket.
        let inner = if before.contains("'s conflicted copy ") { before } else { inner };
        if inner.contains("'s conflicted copy ") || inner.starts_with("conflicted copy ") {
            return Some(Naming::Dropbox);
        }
        if !before.is_empty() && is_number(inner, 1) {
            return Some(Naming::GDrive);
        }
    }
    if let Some((before, number)) = stem.rsplit_once(' ')
        && !before.is_empty()
        && is_number(number, 2)
    {
        return Some(Naming::ICloud);
    }
    is_onedrive_copy(stem).then_some(Naming::OneDrive)
}

fn is_number(text: &str, least: u32) -> bool {
    let plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    plain && text.parse::<u32>().is_ok_and(|number| number >= least)
}

/// `.sync-conflict-`, eight digits, six digits, seven characters of base 32, then an extension or nothing.
fn is_syncthing_copy(name: &str) -> bool {
    name.match_indices(".sync-conflict-").any(|(at, mark)| {
        let rest = &name.as_bytes()[at + mark.len()..];
        let digits = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_digit);
        rest.len() >= 23
            && digits(&rest[..8])
            && rest[8] == b'-'
            && digits(&rest[9..15])
            && rest[15] == b'-'
            && rest[16..23].iter().all(|byte| BASE_32.contains(byte))
            && matches!(rest.get(23), None | Some(b'.'))
    })
}

fn is_onedrive_copy(stem: &str) -> bool {
    if let Some((_, number)) = stem.rsplit_once("-safeBackup-") {
        return number.len() == 4 && number.bytes().all(|byte| byte.is_ascii_digit());
    }
    let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
    HOST_PREFIXES.iter().any(|prefix| {
        stem.rfind(prefix).is_some_and(|at| {
            let rest = &stem[at + prefix.len()..];
            at > 1 && stem[..at].ends_with('-') && !rest.is_empty() && rest.bytes().all(fits)
        })
    })
}

/// How the names begin that Windows gives to machines.
const HOST_PREFIXES: [&str; 3] = ["DESKTOP-", "LAPTOP-", "WIN-"];

/// The part before the last dot, and the rest with its dot. Where there is no dot the rest is empty.
fn split_extension(file_name: &str) -> (&str, &str) {
    file_name.rfind('.').map_or((file_name, ""), |dot| file_name.split_at(dot))
}

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

/// The alphabet of Syncthing's device ids (RFC 4648).
const BASE_32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

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
    fn names_of_own_files_are_not_taken_for_copies() {
        for name in [
            "client.json",
            "work_macbook.json",
            "notes-2.txt",
            "README.md",
            "a (draft).txt",
            "v 1.txt",
            "x.sync-conflict-2026-11.json",
            ".hidden",
            "",
            "2",
            " 2",
            "entities/task_1.json",
            "a-b-c.json",
            "meta-FINAL.json",
            "E621E1F8-C36C-495A-93FC-AC247A3E6E5F.json",
            "DESKTOP-1.json",
        ] {
            assert_eq!(looks_like_conflict_copy(name), None, "{name}");
        }
    }

    #[test]
    fn copies_made_by_others_are_recognised() {
        for (name, naming) in [
            ("f (conflicted copy 2024-05-01).json", Naming::Dropbox),
            ("f-laptop-safeBackup-0001.json", Naming::OneDrive),
            ("f 12.json", Naming::ICloud),
            ("refs 2", Naming::ICloud),
        ] {
            assert_eq!(looks_like_conflict_copy(name), Some(naming), "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_copy_is_recognised_whatever_it_is_a_copy_of(
            stem in "[a-z][a-z0-9._-]{0,20}", ext in "(\\.[a-z]{1,5})?", editor in "[a-zA-Z0-9 -]{0,20}",
            at in -4_000_000_000_000_i64..4_000_000_000_000, n in 0_u32..100, seen in 0_u32..3,
        ) {
            for naming in [Naming::ICloud, Naming::Dropbox, Naming::GDrive, Naming::OneDrive, Naming::Syncthing] {
                let count = std::cell::Cell::new(seen);
                let taken = |_: &str| count.replace(count.get().saturating_sub(1)) > 0;
                let name = naming.conflict_name(&format!("{stem}{ext}"), WallMs(at), &editor, n, &taken);
                prop_assert_eq!(looks_like_conflict_copy(&name), Some(naming), "{}", name);
            }
        }

        #[test]
        fn any_name_can_be_asked_about(name in ".{0,60}", at in any::<i64>(), n in any::<u32>()) {
            prop_assert_ne!(looks_like_conflict_copy(&name), Some(Naming::Git));
            for naming in [Naming::ICloud, Naming::Dropbox, Naming::GDrive, Naming::OneDrive, Naming::Syncthing] {
                let copy = naming.conflict_name(&name, WallMs(at), &name, n, &|_| false);
                prop_assert!(copy.len() > name.len());
                // Nothing of a name is lost, so two files never share a copy.
                prop_assert!(copy.starts_with(split_extension(&name).0));
            }
        }
    }
}
