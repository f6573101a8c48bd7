//! Copies of directories: where two machines make one directory at the same time, a client gives one of them another name.
//!
//! Everything that one of the two writes from then on may lie below the copy, so a system that reads one of them sees
//! half. What a client calls such a copy is [`names`](super::names)'s.

use super::names::{Client, copy_of};
use crate::{EntryKind, Fs, Path};

/// The directories in `dir` that a client made of the one of this name, whether that is there or not. None if `dir` cannot
/// be listed.
///
/// A name that differs in case alone counts only if it is another directory: where case does not count, another way to
/// write the name is the directory itself. A name that nobody's client gives is no copy.
#[must_use]
pub fn copies_of_dir(fs: &dyn Fs, dir: &Path, name: &str) -> Vec<Path> {
    let entries = fs.list(dir).unwrap_or_default();
    // Where case does not count, a directory is found by any way to write it.
    let is_other = || entries.iter().any(|entry| entry.name() == name) || fs.list(&dir.join(name)).is_err();
    let directories = entries.iter().filter(|entry| entry.kind == EntryKind::Dir);
    let copies = directories.filter(|entry| match copy_of(entry.name(), name).map(|mark| mark.by) {
        None | Some(Client::Unknown) => false,
        Some(Client::Case) => is_other(),
        Some(_) => true,
    });
    copies.map(|entry| entry.path.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, Entry, FsError, MemoryFs};

    fn found(fs: &dyn Fs) -> Vec<String> {
        let copies = copies_of_dir(fs, &Path::shared(""), "devices");
        copies.iter().map(|copy| copy.name().to_owned()).collect()
    }

    #[test]
    fn copies_are_told_from_other_directories_and_files() {
        let fs = ["devices", "Devices", "devices (1)", "devices 2", "devices old", "device", "other 2"]
            .iter()
            .fold(MemoryFs::default(), |fs, name| fs.with(&format!("shared:{name}/a"), "a"))
            .with("shared:devices 3", "a file");
        assert_eq!(found(&fs), ["Devices", "devices (1)", "devices 2"]);
        assert_eq!(found(&MemoryFs::default()), [""; 0]);
    }

    /// A disk on which case does not count.
    struct Folding(MemoryFs);

    impl Fs for Folding {
        fn read(&self, path: &Path, from: u64) -> Result<Content, FsError> {
            self.0.read(path, from)
        }

        fn list(&self, dir: &Path) -> Result<Vec<Entry>, FsError> {
            let all = self.0.list(&Path::shared(""))?;
            let same = all.iter().find(|entry| entry.name().eq_ignore_ascii_case(dir.name()));
            self.0.list(same.map_or(dir, |entry| &entry.path))
        }
    }

    #[test]
    fn another_way_to_write_a_name_is_a_copy_only_where_case_counts() {
        let fs = MemoryFs::default().with("shared:Devices/a", "a");
        assert_eq!(found(&fs), ["Devices"], "a client has renamed it");
        assert_eq!(found(&Folding(fs)), [""; 0], "it is the directory itself");
    }
}
