//! Copies that clients have made of files and directories, and what stands only in them.

use cloudchamber_core::kit::clients::is_litter;
use cloudchamber_core::kit::condition::{Relation, relation};
use cloudchamber_core::kit::names::{Client, Mark, copy_of, originals};

use super::files::Contents;
use super::walk::{Item, Tree, What};
use super::{Finding, Kind};

/// Directories of which a copy is half of what a system has.
const SYSTEMS: [&str; 8] =
    ["shared", "machines", "devices", "replicas", "notes", "activity", "deleted", "entities"];

pub(super) fn look(tree: &Tree, contents: &Contents) -> Vec<Finding> {
    let mut found = Vec::new();
    for items in tree.dirs.values() {
        for item in items.iter().filter(|item| matches!(item.what, What::Dir | What::File)) {
            let Some((name, mark, original)) = original(item, items) else { continue };
            found.extend(match item.what {
                What::Dir => directory(tree, item, &name, original, mark),
                _ => file(contents, item, &name, original, mark),
            });
        }
    }
    found
}

/// What an entry is a copy of: the name, how certain that is, and the original if it is there.
fn original<'a>(item: &Item, beside: &'a [Item]) -> Option<(String, Mark, Option<&'a Item>)> {
    let name = item.name();
    if is_litter(name) {
        return None;
    }
    let same_kind = |other: &&Item| other.what == item.what && other.path != item.path;
    let known = originals(name);
    let there = known.iter().find_map(|original| {
        let other = beside.iter().filter(same_kind).find(|other| other.name() == original.name)?;
        Some((original.name.clone(), original.mark, Some(other)))
    });
    if there.is_some() {
        return there;
    }
    // Of files that differ in case alone the names are told, whatever they hold.
    let case = |other: &&Item| other.path > item.path && other.name().to_lowercase() == name.to_lowercase();
    if item.what == What::Dir
        && let Some(other) = beside.iter().filter(same_kind).find(case)
    {
        let mark = Mark { by: Client::Case, certain: false };
        return Some((other.name().to_owned(), mark, Some(other)));
    }
    if let Some(certain) = known.into_iter().find(|original| original.mark.certain) {
        return Some((certain.name, certain.mark, None));
    }
    // A name of nobody's form, beside one that it begins with: only its bytes can tell.
    let stem = name.split([' ', '-', '_', '(', '.']).next().filter(|stem| !stem.is_empty())?;
    let near = beside.iter().filter(same_kind).filter(|other| other.name().starts_with(stem));
    near.filter_map(|other| Some((other.name().to_owned(), copy_of(name, other.name())?, Some(other))))
        .find(|(_, mark, _)| mark.by == Client::Unknown)
}

fn maker(mark: Mark) -> &'static str {
    match mark.by {
        Client::Case => "a client that ignores case",
        Client::Dropbox => "Dropbox, Nextcloud or the like",
        Client::GDrive => "Google Drive, or a browser or a person",
        Client::GitAnnex => "git-annex",
        Client::ICloud => "iCloud Drive, or a person",
        Client::OneDrive => "OneDrive",
        Client::OwnCloud => "ownCloud",
        Client::PCloud => "pCloud",
        Client::Rclone => "rclone",
        Client::Resilio => "Resilio Sync",
        Client::Seafile => "Seafile",
        Client::Synology => "Synology Drive",
        Client::Syncthing => "Syncthing",
        Client::Unknown => "nobody known",
    }
}

fn file(contents: &Contents, item: &Item, of: &str, original: Option<&Item>, mark: Mark) -> Option<Finding> {
    let bytes = |item: &Item| {
        let here = !contents.absent.contains(&item.path);
        here.then(|| contents.bytes(item).ok().filter(|(_, whole)| *whole)).flatten()
    };
    let by = maker(mark);
    // A person may have named it so: then what it holds has to show that it was the same file.
    let is_doubtful = !mark.certain && matches!(mark.by, Client::OneDrive | Client::Unknown);
    let is_data = item.name().contains(".json");
    let kind = if is_doubtful && !is_data { Kind::PossibleCopy } else { Kind::ConflictCopy };
    let tell = |what: &str| Finding::of(kind, &item.path, format!("of {of}, by {by}: {what}"));
    let Some(original) = original else {
        return Some(tell("its original is not here, so what it holds may stand nowhere else"));
    };
    let (Some((copy, _)), Some((whole, _))) = (bytes(item), bytes(original)) else {
        let same = item.len == original.len;
        return (!is_doubtful)
            .then(|| tell(if same { "both have one length" } else { "their lengths differ" }));
    };
    let relation = relation(&copy, &whole);
    let all = lines(&copy);
    let related = match relation {
        Relation::Same | Relation::Contained => all > 0,
        Relation::More(more) if is_data => all >= 2 * more,
        Relation::More(more) => all >= 5 && all >= 5 * more,
        Relation::Other => false,
    };
    if is_doubtful && !related {
        return None;
    }
    Some(match relation {
        Relation::Same => tell("both hold the same"),
        Relation::Contained => tell("everything in it stands in the original too"),
        Relation::More(1) => tell("1 line stands only in it"),
        Relation::More(more) => tell(&format!("{more} lines stand only in it")),
        Relation::Other => tell("they hold different bytes"),
    })
}

fn lines(bytes: &[u8]) -> u32 {
    let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    u32::try_from(lines.count()).unwrap_or(u32::MAX)
}

fn directory(tree: &Tree, item: &Item, of: &str, original: Option<&Item>, mark: Mark) -> Option<Finding> {
    // A person's `photos-2023` beside `photos` is no copy.
    if !mark.certain && matches!(mark.by, Client::OneDrive | Client::Unknown) {
        return None;
    }
    let (own, others) = (tree.count_below(&item.path), original.map(|other| tree.count_below(&other.path)));
    let of_system = SYSTEMS.contains(&of.to_lowercase().as_str());
    // Names that differ in case alone are told as that.
    if mark.by == Client::Case && !of_system {
        return None;
    }
    let kind = if of_system && own > 0 { Kind::HalfFolder } else { Kind::DirectoryCopy };
    let said = match others {
        Some(others) => format!("{own} files here and {others} in {of}"),
        None => format!("{own} files here, and {of} is not there"),
    };
    Some(Finding::of(kind, &item.path, format!("of {of}, by {}: {said}", maker(mark))))
}
