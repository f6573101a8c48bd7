//! Names of conflict copies: one grammar for every sync client.
//!
//! Where two versions of a file meet, a client keeps one under the file's name and gives the other a name of its
//! own making. What a replica had written is then in a file that nobody asked for, so a reader has to find it by
//! its name alone.
//!
//! # Certain and possible
//! [`Mark::certain`] is true where only a sync client names files so: `a.sync-conflict-20240501-120000-ABCDEFG`.
//! It is false where a person may have chosen the name too: `chapter 2.txt`, `report (1).pdf`, `laptop-2`. A
//! caller that knows the names of its originals asks [`copy_of`], which takes the possible marks as well: behind
//! the name of a known file they are no accident. A caller that does not know them asks [`originals`] for all
//! names that this one may be a copy of, and decides.
//!
//! # Guarantees
//! - Every name that the world's providers make (`cloudchamber-folder`'s `Naming`) leads back to its original, for
//!   any stem, extension, person, host, count and date: a property test over producer and recogniser.
//! - A copy of a copy leads back to the first original too.
//! - Nothing panics, and no file system's name takes long: the search is bounded.
//!
//! # Where the forms come from
//! Each form below names its source. Wordings in other languages are from file names in public repositories and
//! from the lists that other programs keep. Clients speak more languages than are listed, so a bracket that ends
//! with a date is a possible copy whatever its words are.

use std::collections::{BTreeSet, VecDeque};

/// What made a name.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Client {
    /// A file system or client that ignores case wrote the name its own way: `Messages.jsonl`.
    Case,
    /// Dropbox, and the clients that name copies as it does: Maestral, Nextcloud, OpenCloud, Mergin, Nutstore.
    Dropbox,
    /// Google Drive, and every other program that counts in brackets: `a (1).txt`.
    GDrive,
    /// git-annex: `a.variant-c696.txt`.
    GitAnnex,
    /// iCloud Drive: `a 2.txt`.
    ICloud,
    /// OneDrive and the open clients for it: `a-HOST.txt`, `a-HOST-2.txt`, `a-HOST-safeBackup-0001.txt`,
    /// `a (host).txt`.
    OneDrive,
    /// ownCloud and Cozy: `a_conflict-ann-20180220-141213.txt`.
    OwnCloud,
    /// pCloud: `a [conflicted].txt`.
    PCloud,
    /// rclone bisync, which appends to the whole name: `a.txt.conflict1`, `a.txt..path1`.
    Rclone,
    /// Resilio: `a.Conflict`.
    Resilio,
    /// Seafile: `a (SFConflict ann@example.org 2024-05-01-12-00-00).txt`.
    Seafile,
    /// Synology Drive: `a_Andy-PC_Jan-03-0901-2013_CaseConflict_1.txt`.
    Synology,
    /// Syncthing: `a.sync-conflict-20240501-120000-ABCDEFG.txt`.
    Syncthing,
    /// Nobody known. The name is the original's with something between stem and extension, as a person or a
    /// backup program makes it: `a copy.txt`. Only [`copy_of`] answers this.
    Unknown,
}

/// How a name differs from its original's.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Mark {
    /// Whose form it is; for a copy of a copy, the form of the last one.
    pub by: Client,
    /// Whether only a sync client names files so.
    pub certain: bool,
}

/// A name that another one may be a copy of.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Original {
    /// The name.
    pub name: String,
    /// What the copy's name has more.
    pub mark: Mark,
}

/// Every name that `name` may be a copy of: certain ones first, then those with fewer marks taken away.
///
/// Empty if no client gives such a name.
#[must_use]
pub fn originals(name: &str) -> Vec<Original> {
    let mut found = Vec::new();
    search(name, &|_| true, &mut |original| {
        found.push(original);
        false
    });
    found.sort_by_key(|original| !original.mark.certain);
    found
}

/// Tells how `name` is a copy of the file or directory `original`; `None` if it is the original or another thing.
///
/// [`Client::Unknown`] stands for a name that has the original's stem and extension and no client's form between
/// them: a caller does well to tell of it, and must not rely on what it holds.
#[must_use]
pub fn copy_of(name: &str, original: &str) -> Option<Mark> {
    if name == original {
        return None;
    }
    if name.is_ascii() && original.is_ascii() {
        let begins = original.split('.').next().unwrap_or("");
        // As below, for most names that are no copy.
        if !name.get(..begins.len()).is_some_and(|first| first.eq_ignore_ascii_case(begins)) {
            return None;
        }
    }
    let (folded, wanted) = (name.to_lowercase(), original.to_lowercase());
    if folded == wanted {
        return Some(Mark { by: Client::Case, certain: false });
    }
    let (stem, ext) = split_extension(&wanted);
    // What every copy begins with. A mark may come before any of the dots: Syncthing takes all of a hidden file's
    // name for its extension, others `.tar.gz`.
    let begins = wanted.split('.').next().unwrap_or("");
    if !folded.starts_with(begins) {
        return None;
    }
    let mut mark = None;
    search(name, &|shorter| shorter.to_lowercase().starts_with(begins), &mut |found| {
        let same = found.name == original || found.name.to_lowercase() == wanted;
        mark = mark.or(same.then_some(found.mark));
        mark.is_some()
    });
    let between = || folded.strip_prefix(stem)?.strip_suffix(ext)?.chars().next();
    let unknown = || between().filter(|first| !first.is_alphanumeric());
    mark.or_else(|| unknown().map(|_| Mark { by: Client::Unknown, certain: false }))
}

/// Tells whether only a sync client can have given this name, and which; `None` if a person may have.
#[must_use]
pub fn certain_copy(name: &str) -> Option<Client> {
    originals(name).first().map(|original| original.mark).filter(|mark| mark.certain).map(|mark| mark.by)
}

/// The part before the last dot, and the rest with its dot. The rest is empty if there is no dot, or only the one
/// that a hidden file begins with.
#[must_use]
pub fn split_extension(file_name: &str) -> (&str, &str) {
    match file_name.rfind('.') {
        None | Some(0) => (file_name, ""),
        Some(dot) => file_name.split_at(dot),
    }
}

/// The alphabet of Syncthing's device ids (RFC 4648).
pub const BASE_32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// How the names begin that Windows gives to machines.
pub const HOST_PREFIXES: [&str; 3] = ["DESKTOP-", "LAPTOP-", "WIN-"];

/// What Dropbox's brackets say in each language, in lower case; the person, the date and a count stand around it.
const DROPBOX_WORDS: [&str; 18] = [
    // English: help.dropbox.com/syncing-uploads/conflicted-copy. Nextcloud and OpenCloud take the same words
    // (owncloud/client pull request 6417; opencloud-eu/docs, docs/user/desktop-client/conflict-files.md), and
    // Mergin "(conflicted copy, ann v10)".
    "conflicted copy",
    // Maestral, before 1.6: "(Sam's conflicting copy 2022-08-30)".
    "conflicting copy",
    // Two names in one folder that differ in case or in Unicode form: wincent/corpus issue 59,
    // open-source-uc/sincding issue 22 "(Unicode Encoding Conflict (23))", jrnl-org/jrnl issue 144.
    "case conflict",
    "unicode encoding conflict",
    "conflicto de mayúsculas y minúsculas",
    // Nextcloud: nextcloud/desktop issue 5099.
    "case clash",
    // French, Portuguese, Russian, Chinese: the list of markers in BloomBooks/BloomDesktop, TeamCollection.cs.
    "copie en conflit",
    "cópia em conflito",
    "cópia conflitante",
    "конфликтующая копия",
    "冲突副本",
    "衝突複本",
    // German, "(Anns in Konflikt stehende Kopie 2024-05-01)" and "(In Konflikt stehende Kopie von Ann 2024-05-01)",
    // Spanish, and Japanese with the older "上の問題のあるコピー": lists of clean-up scripts and file names in
    // public repositories.
    "in konflikt stehende kopie",
    "copia en conflicto",
    "copia conflictiva",
    "copia in conflitto",
    "競合コピー",
    "問題のあるコピー",
];

/// More of them: Korean, the older one from miguelmota/clean-dropbox-conflicted, lib/validators.js.
const DROPBOX_WORDS_KO: [&str; 2] = ["충돌된 사본", "무시된 항목 충돌"];

/// Longer names are no file names: 255 bytes or 255 UTF-16 units are the most that file systems take.
const NAME_MAX: usize = 1_024;
/// How many names a search takes marks away from.
const STEPS_MAX: usize = 50;
/// How many dots may begin the extension: `.tar.gz` has two.
const DOTS_MAX: usize = 3;

/// Takes marks away until none is left, nearest names first, and hands over each shorter name once. Goes on from
/// those that `keep` accepts, until `found` says stop.
fn search(name: &str, keep: &dyn Fn(&str) -> bool, found: &mut dyn FnMut(Original) -> bool) {
    if name.len() > NAME_MAX {
        return;
    }
    let mut seen = BTreeSet::from([name.to_owned()]);
    let mut next: VecDeque<(String, Option<Mark>)> = VecDeque::from([(name.to_owned(), None)]);
    for _ in 0..STEPS_MAX {
        let Some((name, outer)) = next.pop_front() else { return };
        for (shorter, mark) in one_step(&name) {
            if !seen.insert(shorter.clone()) {
                continue;
            }
            // Where the last copy's mark is a person's too, an earlier one may still be certain.
            let mark = match outer {
                Some(outer) => Mark { by: outer.by, certain: outer.certain || mark.certain },
                None => mark,
            };
            if found(Original { name: shorter.clone(), mark }) {
                return;
            }
            if keep(&shorter) {
                next.push_back((shorter, Some(mark)));
            }
        }
    }
}

/// The names that remain when one mark is taken away, certain ones first.
fn one_step(name: &str) -> Vec<(String, Mark)> {
    let mut found = Vec::new();
    behind_extension(name, &mut |original, mark| found.push((original.to_owned(), mark)));
    // A mark stands before the extension. A dot may belong to the mark, so each is tried, the last one first.
    let dots = name.rmatch_indices('.').map(|(at, _)| at).take(DOTS_MAX);
    for at in dots.chain([name.len()]) {
        let (body, ext) = name.split_at(at);
        before_extension(body, &mut |stem, mark| {
            if !stem.is_empty() || ext.len() > 1 {
                found.push((format!("{stem}{ext}"), mark));
            }
        });
    }
    found.sort_by_key(|(_, mark)| !mark.certain);
    found
}

/// Marks that follow the whole name: rclone bisync's (rclone.org/bisync, `--conflict-suffix` and the older
/// `..path1`).
fn behind_extension(name: &str, found: &mut dyn FnMut(&str, Mark)) {
    let unnumbered = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if unnumbered.len() == name.len() {
        return;
    }
    for suffix in [".conflict", "..path"] {
        if let Some(original) = unnumbered.strip_suffix(suffix).filter(|original| !original.is_empty()) {
            found(original, Mark { by: Client::Rclone, certain: true });
        }
    }
}

/// Marks that stand between the stem and the extension.
fn before_extension(body: &str, found: &mut dyn FnMut(&str, Mark)) {
    let certain = |by| Mark { by, certain: true };
    let possible = |by| Mark { by, certain: false };
    // Most names have none of these words, and one look for what they share costs less than one for each.
    if has(body, b"lict") {
        let forms = [
            (syncthing(body), Client::Syncthing),
            (own_cloud(body), Client::OwnCloud),
            (synology(body), Client::Synology),
        ];
        for (stem, client) in forms {
            if let Some(stem) = stem {
                found(stem, certain(client));
            }
        }
    }
    if has(body, b".variant-")
        && let Some((stem, key)) = body.rsplit_once(".variant-")
        && key.len() >= 4
        && key.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    {
        // git-annex.branchable.com/automatic_conflict_resolution
        found(stem, certain(Client::GitAnnex));
    }
    if let Some(stem) = body.strip_suffix(".Conflict") {
        // connect.resilio.com, "Filename Conflicts"
        found(stem, certain(Client::Resilio));
    }
    if let Some(stem) = body.strip_suffix(" [conflicted]") {
        // github.com/rcfa/pCloudSync-deconflict
        found(stem, certain(Client::PCloud));
    }
    bracket(body, found);
    if let Some((stem, number)) = body.rsplit_once(' ')
        && is_number(number, 2)
    {
        // Apple's text on `NSFileProviderTestingCollisionResolution`.
        found(stem, possible(Client::ICloud));
    }
    // OneDrive puts the computer's name behind a hyphen. The name may hold hyphens itself, so each is tried; the
    // longest name first, which leaves the shortest original.
    for (at, _) in body.match_indices('-') {
        let (stem, host) = (&body[..at], &body[at + 1..]);
        if !host.trim().is_empty() && !stem.is_empty() {
            found(stem, Mark { by: Client::OneDrive, certain: is_certain_host(host) });
        }
    }
}

/// Whether a word stands in a name; quick where its first letter does not.
fn has(name: &str, word: &[u8]) -> bool {
    let name = name.as_bytes();
    memchr::memchr_iter(word[0], name).any(|at| name[at..].starts_with(word))
}

/// `.sync-conflict-`, eight digits, six digits and the winner's short device id, which is empty where the device
/// is unknown (measured with 1.19.2; syncthing/syncthing, lib/model/folder_sendrecv.go).
fn syncthing(body: &str) -> Option<&str> {
    let (stem, rest) = body.rsplit_once(".sync-conflict-")?;
    let mut parts = rest.splitn(3, '-');
    let (date, time, device) = (parts.next()?, parts.next()?, parts.next()?);
    let sound = is_digits(date, 8)
        && is_digits(time, 6)
        && (device.is_empty()
            || device.len() == 7 && device.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    sound.then_some(stem)
}

/// `_conflict-20180220-141213`, with the user `_conflict-ann-20180220-141213` (owncloud/client issue 6365 and pull
/// request 6364), and `-conflict-2018-11-16T10_11_12.345Z` (cozy-labs/cozy-desktop pull request 1333).
fn own_cloud(body: &str) -> Option<&str> {
    if let Some((stem, rest)) = body.rsplit_once("_conflict-") {
        let (before, time) = rest.rsplit_once('-')?;
        let date = before.rsplit_once('-').map_or(before, |(_, date)| date);
        return (is_digits(date, 8) && is_digits(time, 6)).then_some(stem);
    }
    let (stem, rest) = body.rsplit_once("-conflict-")?;
    let (date, time) = rest.split_once('T')?;
    let rest = |c: char| c.is_ascii_digit() || matches!(c, '_' | ':' | '.' | '-');
    (is_date(date) && time.strip_suffix('Z').is_some_and(|time| time.chars().all(rest))).then_some(stem)
}

/// `_Andy-PC_Jan-03-0901-2013_CaseConflict_1` (kb.synology.com, "Why is there file conflict on Synology Drive").
fn synology(body: &str) -> Option<&str> {
    let body =
        body.rsplit_once('_').filter(|(_, number)| is_number(number, 1)).map_or(body, |(body, _)| body);
    let (before, _) = body.strip_suffix("Conflict")?.rsplit_once('_')?;
    let (before, time) = before.rsplit_once('_')?;
    let parts: Vec<_> = time.split('-').collect();
    let sound = matches!(parts[..], [month, day, clock, year]
        if month.len() == 3 && is_digits(day, 2) && is_digits(clock, 4) && is_digits(year, 4));
    before.rsplit_once('_').map(|(stem, _)| stem).filter(|_| sound)
}

/// Marks in round brackets. A person's name may hold brackets itself, so each one that opens is tried; those that
/// leave the brackets between it and the end in pairs come first.
fn bracket(body: &str, found: &mut dyn FnMut(&str, Mark)) {
    let Some(rest) = body.strip_suffix(')') else { return };
    for paired in [true, false] {
        for (at, _) in rest.rmatch_indices('(') {
            let inner = &rest[at + 1..];
            if in_pairs(inner) != paired {
                continue;
            }
            let before = &rest[..at];
            let stem = before.strip_suffix(' ').unwrap_or(before);
            if let Some(mark) = in_bracket(inner) {
                found(stem, mark);
            }
        }
    }
}

/// Whose bracket this is the inside of.
fn in_bracket(inner: &str) -> Option<Mark> {
    let certain = |by| Some(Mark { by, certain: true });
    let possible = |by| Some(Mark { by, certain: false });
    if is_number(inner, 1) {
        // rclone.org/drive, "Duplicated files"; iCloud for Windows has no space before it.
        return possible(Client::GDrive);
    }
    let folded = inner.to_lowercase();
    if DROPBOX_WORDS.iter().chain(&DROPBOX_WORDS_KO).any(|words| folded.contains(words)) {
        return certain(Client::Dropbox);
    }
    if inner.starts_with("SFConflict ") {
        // haiwen/seafile, common/merge.c
        return certain(Client::Seafile);
    }
    if folded == "conflicted" {
        return certain(Client::PCloud);
    }
    // Words of a language that is not listed: "(... 2024-05-01)", "(... 2024-05-01 (1))", "(... 2024-05-01 1)".
    let uncounted = inner
        .rsplit_once(' ')
        .filter(|(_, number)| is_number(number.trim_matches(['(', ')']), 1))
        .map_or(inner, |(before, _)| before);
    let dated = uncounted.rsplit_once(' ').is_some_and(|(words, date)| !words.is_empty() && is_date(date));
    if dated {
        return possible(Client::Dropbox);
    }
    // `a (host).txt`: xybu/onedrive-d-old issues 127 and 219.
    let plain = !inner.is_empty() && !inner.contains(['(', ')']);
    if plain { possible(Client::OneDrive) } else { None }
}

/// Whether this is a computer's name that nobody puts into a file name: one that Windows gives, or one with the
/// mark of the open client (abraunegg/onedrive, docs/client-architecture.md).
fn is_certain_host(host: &str) -> bool {
    if let Some((_, number)) = host.rsplit_once("-safeBackup-").or_else(|| host.split_once("safeBackup-")) {
        return is_digits(number, 4);
    }
    let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
    HOST_PREFIXES.iter().any(|prefix| {
        host.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(fits))
    })
}

fn in_pairs(text: &str) -> bool {
    let depth = text.bytes().try_fold(0_u32, |depth, byte| match byte {
        b'(' => Some(depth + 1),
        b')' => depth.checked_sub(1),
        _ => Some(depth),
    });
    depth == Some(0)
}

/// A number that a client counts copies with, and not less than `least`.
fn is_number(text: &str, least: u32) -> bool {
    let plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    plain && text.parse::<u32>().is_ok_and(|number| number >= least)
}

fn is_digits(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `2024-05-01`; years before 1000 and after 9999 have other lengths.
fn is_date(text: &str) -> bool {
    let mut parts = text.rsplitn(3, '-');
    let (day, month, year) = (parts.next(), parts.next(), parts.next());
    let year = year.map(|year| year.strip_prefix('-').unwrap_or(year));
    day.is_some_and(|day| is_digits(day, 2))
        && month.is_some_and(|month| is_digits(month, 2))
        && year.is_some_and(|year| year.len() >= 3 && year.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mark(by: Client, certain: bool) -> Option<Mark> {
        Some(Mark { by, certain })
    }

    #[test]
    fn every_form_leads_to_its_original() {
        use Client::*;
        for (name, by, certain) in [
            ("a 2.txt", ICloud, false),
            ("a 2 2.txt", ICloud, false),
            ("a (1).txt", GDrive, false),
            ("a(1)(2)(2).txt", GDrive, false),
            ("a (Ann's conflicted copy 2024-05-01).txt", Dropbox, true),
            ("a (Ann's conflicted copy 2024-05-01 (1)).txt", Dropbox, true),
            ("a (Ann (work)'s conflicted copy 2024-05-01).txt", Dropbox, true),
            ("a (Dr. Ann B. O'Neil's conflicted copy 2024-05-01).txt", Dropbox, true),
            ("a (conflicted copy 2024-05-01).txt", Dropbox, true),
            ("a (conflicted copy 2026-07-10 070952).txt", Dropbox, true),
            ("a (conflicted copy, ann v10).txt", Dropbox, true),
            ("a (Conflicted copy 2015-10-01 for jsmith).txt", Dropbox, true),
            ("a (Sam's conflicting copy 2022-08-30).txt", Dropbox, true),
            ("a (Copie en conflit de Ann 2024-05-01).txt", Dropbox, true),
            ("a (Anns in Konflikt stehende Kopie 2024-05-01).txt", Dropbox, true),
            ("a (In Konflikt stehende Kopie von Ann 2024-05-01).txt", Dropbox, true),
            ("a (Copia en conflicto de Ann 2024-05-01).txt", Dropbox, true),
            ("a (Copia conflictiva de Ann 2024-05-01).txt", Dropbox, true),
            ("a (Copia in conflitto di MBP-di-Ann.fritz.box 2026-10-08).txt", Dropbox, true),
            ("a (Cópia em conflito de Ann 2026-08-25 1).txt", Dropbox, true),
            ("a (Конфликтующая копия пользователя Ann 2022-02-14).txt", Dropbox, true),
            ("a (平川 の競合コピー 2023-10-29).txt", Dropbox, true),
            ("a (김의 충돌된 사본 2026-09-29).txt", Dropbox, true),
            ("a(Ann-Windows的冲突副本1_2026-06-26 02-11-37).txt", Dropbox, true),
            ("a (Case Conflict).txt", Dropbox, true),
            ("a (Case Conflict (1)).txt", Dropbox, true),
            ("a (Unicode Encoding Conflict (23)).txt", Dropbox, true),
            ("a (Unicode Encoding Conflict)(1).txt", Dropbox, true),
            ("a (Conflicterend exemplaar van Ann 2024-05-01).txt", Dropbox, false),
            ("a-DESKTOP-1.txt", OneDrive, true),
            ("a-DESKTOP-1-2.txt", OneDrive, true),
            ("a-laptop-safeBackup-0001.txt", OneDrive, true),
            ("a-pc-pc-pc.txt", OneDrive, false),
            ("a-MacBook Pro de Ann-2.txt", OneDrive, false),
            ("a-Ann’s MacBook Pro.txt", OneDrive, false),
            ("a-mac.local.txt", OneDrive, false),
            ("a (pc) (pc).txt", OneDrive, false),
            ("a.sync-conflict-20260120-150405-AH6IXB5.txt", Syncthing, true),
            ("a.sync-conflict-20260120-150405-.txt", Syncthing, true),
            (
                "a.sync-conflict-20260120-150405-AH6IXB5.sync-conflict-20260120-150405-AH6IXB5.txt",
                Syncthing,
                true,
            ),
            ("a_conflict-20180220-141213.txt", OwnCloud, true),
            ("a_conflict-ann-20180220-141213.txt", OwnCloud, true),
            ("a-conflict-2018-11-16T10_11_12.345Z.txt", OwnCloud, true),
            ("a (SFConflict ann@example.org 2024-05-01-12-00-00).txt", Seafile, true),
            ("a [conflicted].txt", PCloud, true),
            ("a (conflicted).txt", PCloud, true),
            ("a.variant-c696.txt", GitAnnex, true),
            ("a.txt.conflict1", Rclone, true),
            ("a.txt..path1", Rclone, true),
            ("a_Andy-PC_Jan-03-0901-2013_CaseConflict_1.txt", Synology, true),
            ("a_Andy-PC_Jan-03-0901-2013_Conflict.txt", Synology, true),
            ("a.Conflict.txt", Resilio, true),
            ("A.TXT", Case, false),
            ("a copy.txt", Unknown, false),
            ("a 1.txt", Unknown, false),
        ] {
            assert_eq!(copy_of(name, "a.txt"), mark(by, certain), "{name}");
            let leads = originals(name).iter().any(|original| original.name == "a.txt");
            assert_eq!(leads, !matches!(by, Case | Unknown), "{name}");
        }
    }

    #[test]
    fn files_without_an_extension_hidden_files_and_directories_have_copies_too() {
        for (name, original) in [
            ("main 2", "main"),
            ("laptop (1)", "laptop"),
            ("laptop (Ann's conflicted copy 2024-05-01)", "laptop"),
            ("laptop (mac.local's conflicted copy 2024-05-01 (2))", "laptop"),
            ("main.sync-conflict-20261120-113207-EWX4TBX", "main"),
            (".hidden 2", ".hidden"),
            (".sync-conflict-20261120-113207-EWX4TBX.hidden", ".hidden"),
            ("v1.2 2", "v1.2"),
            ("v1 2.2", "v1.2"),
            ("a 2.tar.gz", "a.tar.gz"),
        ] {
            assert!(copy_of(name, original).is_some_and(|mark| mark.by != Client::Unknown), "{name}");
        }
    }

    #[test]
    fn what_a_person_may_have_named_so_is_never_certain() {
        for name in [
            "client.json",
            "work_macbook.json",
            "notes-2.txt",
            "chapter 2.txt",
            "README.md",
            "a (draft).txt",
            "v 1.txt",
            "x.sync-conflict-2026-11.json",
            ".hidden",
            "",
            "2",
            " 2",
            "()",
            "a ().txt",
            "laptop-2",
            "a-b-c.json",
            "meta-FINAL.json",
            "E621E1F8-C36C-495A-93FC-AC247A3E6E5F.json",
            "DESKTOP-1.json",
            "minutes (board 2024-05-01).txt",
            "Romeo and Juliet (Conflicts between families).pdf",
            "Git handbook (Conflict resolution chapter).txt",
        ] {
            assert_eq!(certain_copy(name), None, "{name}");
        }
    }

    #[test]
    fn another_name_is_no_copy() {
        for name in [
            "messages.jsonl",
            "messagesx.jsonl",
            "messages2.jsonl",
            "other 2.jsonl",
            "messages 2.json",
            "",
            "m.jsonl",
        ] {
            assert_eq!(copy_of(name, "messages.jsonl"), None, "{name}");
        }
        assert_eq!(originals("laptop"), []);
        assert!(originals("laptop-2").iter().all(|original| !original.mark.certain));
    }

    #[test]
    fn a_name_full_of_marks_is_looked_at_in_bounded_time() {
        for unit in ["-a", " (1)", "(", " 2", ".sync-conflict-20261120-113207-EWX4TBX", ".", "-("] {
            for len in [NAME_MAX, 10 * NAME_MAX] {
                let name = unit.repeat(len / unit.len());
                assert!(originals(&name).len() <= STEPS_MAX * NAME_MAX, "{unit}");
                assert_eq!(copy_of(&name, "a.txt"), None);
            }
        }
    }

    proptest! {
        #[test]
        fn any_name_can_be_asked_about(name in ".{0,60}|[a( )-.0-9]{0,40}", original in ".{0,9}") {
            for found in originals(&name) {
                prop_assert!(found.name.len() < name.len());
                prop_assert!(!found.name.is_empty());
                // What leads to a name is a copy of it for those who know it.
                prop_assert!(copy_of(&name, &found.name).is_some(), "{} of {}", name, found.name);
            }
            let _ = copy_of(&name, &original);
            prop_assert_eq!(copy_of(&name, &name), None);
        }
    }
}
