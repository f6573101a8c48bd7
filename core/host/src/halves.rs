//! Whether a folder has another half beside it: two machines that make one folder at the same time have a client give one
//! of them another name, and each goes on in its own.

use std::fs;
use std::path::{Path, PathBuf};

use cloudchamber_core::kit::names::{Client, copy_of};

/// Directories that the systems make, by which two halves are known to be of one kind.
const MADE: [&str; 4] = ["devices", "replicas", "shared/machines", "notes"];

/// The directories beside a folder that are another half of it, by their names and by what was made in them.
#[must_use]
pub fn halves(folder: &Path) -> Vec<PathBuf> {
    let Some((parent, name)) = folder.parent().zip(folder.file_name().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    let made = |dir: &Path| MADE.iter().filter(|made| dir.join(made).is_dir()).copied().collect::<Vec<_>>();
    let own = made(folder);
    if own.is_empty() {
        return Vec::new();
    }
    let is_half = |other: &PathBuf| {
        let other_name = other.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let marks = [copy_of(other_name, name), copy_of(name, other_name)];
        let is_copy = marks.into_iter().flatten().any(|mark| {
            mark.certain
                || matches!(mark.by, Client::Case | Client::Dropbox | Client::GDrive | Client::ICloud)
        });
        is_copy && made(other).iter().any(|made| own.contains(made)) && !is_same(folder, other)
    };
    let beside = fs::read_dir(parent).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<_> = beside.filter(is_half).collect();
    found.sort();
    found
}

/// Where case does not count, two names may be of one directory.
fn is_same(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let number = |dir: &Path| dir.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()));
    number(one).is_some() && number(one) == number(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_is_told_from_another_folder() {
        let dir = tempfile::tempdir().unwrap();
        for made in
            ["team/devices", "team 2/devices", "team (1)/notes", "team 3", "teams/devices", "Team/devices"]
        {
            fs::create_dir_all(dir.path().join(made)).unwrap();
        }
        let of = |name: &str| -> Vec<String> {
            let found = halves(&dir.path().join(name)).into_iter();
            found.map(|half| half.file_name().unwrap().to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(of("team"), ["Team", "team 2"]);
        assert_eq!(of("team 2"), ["Team", "team"]);
        assert_eq!((of("team 3"), of("teams"), of("team (1)")), (vec![], vec![], vec![]));
    }
}
