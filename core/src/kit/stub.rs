//! Stubs: what a client leaves of a file whose bytes it keeps elsewhere until they are asked for.
//!
//! A stub is a promise, neither a deletion nor an empty file: the file that it stands for is not here *yet*. Most
//! systems keep the file's own name and fetch it when it is read, which may block, fail, or succeed with nothing but
//! zeros where the client does not run. Some put a small file of another name in its place: those names are here.

/// Who leaves stubs of this form.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum StubBy {
    /// iCloud Drive up to macOS 13, and on iOS: `.name.icloud` (eclecticlight.co, "iCloud Drive changes in Sonoma").
    ICloud,
    /// The desktop client of Nextcloud, with virtual files on Linux: `name.nextcloud` (nextcloud/desktop,
    /// `src/common/vfs.cpp`).
    Nextcloud,
    /// The desktop client of ownCloud, with virtual files on Linux: `name.owncloud` (owncloud/client,
    /// `src/common/vfs.cpp`).
    OwnCloud,
}

impl StubBy {
    /// The client's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ICloud => "iCloud Drive",
            Self::Nextcloud => "Nextcloud",
            Self::OwnCloud => "ownCloud",
        }
    }

    /// The name of the stub that this client leaves of a file.
    #[must_use]
    pub fn stub(self, name: &str) -> String {
        match self {
            Self::ICloud => format!(".{name}.icloud"),
            Self::Nextcloud => format!("{name}.nextcloud"),
            Self::OwnCloud => format!("{name}.owncloud"),
        }
    }

    /// All of them.
    pub const ALL: [Self; 3] = [Self::ICloud, Self::Nextcloud, Self::OwnCloud];
}

/// The largest stub, in bytes. iCloud's have under 200 (eclecticlight.co, as above), the others one; whatever is larger
/// and is called so is a file of somebody's own.
pub const STUB_BYTES_MAX: u64 = 1_024;

/// The file that a file of this name and length in bytes is a stub of; `None` if it is none.
#[must_use]
pub fn stub_of(name: &str, len: u64) -> Option<(&str, StubBy)> {
    let (of, by) = if let Some(rest) = name.strip_suffix(".icloud") {
        (rest.strip_prefix('.')?, StubBy::ICloud)
    } else if let Some(rest) = name.strip_suffix(".nextcloud") {
        (rest, StubBy::Nextcloud)
    } else {
        (name.strip_suffix(".owncloud")?, StubBy::OwnCloud)
    };
    (len <= STUB_BYTES_MAX && !matches!(of, "" | "." | "..")).then_some((of, by))
}

/// Whether what a file system tells of a file says that its bytes are elsewhere: it has a length, and takes no room.
///
/// Files with holes alone look so too, and some network mounts tell no blocks of any file. So this is a reason to look
/// closer: of what is elsewhere a read gives zeros, if it gives anything.
#[must_use]
pub fn may_be_elsewhere(len: u64, blocks: u64) -> bool {
    len > 0 && blocks == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stub_leads_to_its_file_and_nothing_else_does() {
        for by in StubBy::ALL {
            for name in ["messages.jsonl", "a", ".hidden", "a.icloud", "b.nextcloud"] {
                assert_eq!(stub_of(&by.stub(name), 1), Some((name, by)), "{name}");
            }
        }
        for name in [
            "a.icloud",
            "icloud",
            ".icloud",
            "..icloud",
            "...icloud",
            ".nextcloud",
            "..owncloud",
            "a.txt",
            "",
        ] {
            assert_eq!(stub_of(name, 1), None, "{name}");
        }
        assert_eq!(stub_of("backup.owncloud", STUB_BYTES_MAX + 1), None);
        assert!(may_be_elsewhere(1, 0) && !may_be_elsewhere(0, 0) && !may_be_elsewhere(1, 1));
    }
}
