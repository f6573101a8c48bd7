//! What may be wrong, what it means, and what to do.

use std::fmt;

/// How bad it is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// Worth knowing. Nothing has to be done.
    Note,
    /// Something is amiss, or will be on another system.
    Warning,
    /// Data is being lost, or will be.
    Danger,
}

impl Severity {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Danger => "danger",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Makes the kinds: a name, how bad it is, what it means, and the one thing to do.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $severity:ident $name:literal $means:literal $advice:literal;)*) => {
        /// What may be wrong with a folder.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The name, as reports and JSON print it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// How bad it is.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$kind => Severity::$severity,)* }
            }

            /// What it means.
            #[must_use]
            pub const fn means(self) -> &'static str {
                match self { $(Self::$kind => $means,)* }
            }

            /// The one thing to do.
            #[must_use]
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$kind => $advice,)* }
            }
        }
    };
}

kinds! {
    /// A local directory of ours inside the folder.
    StateInFolder Danger "state-in-folder"
        "what belongs to one machine alone is copied to all: they take one another's identity and numbers, and lose what they wrote"
        "run any command of its machine that writes, which moves it out; until then start nothing on the other machines";
    /// Two directories that should be one, both with files.
    HalfFolder Danger "half-folder"
        "two machines made one directory at the same time and each goes on in its own: programs that read one of them see half"
        "stop the programs on all machines, then move the files of the copy into the original, keeping both where names meet";
    /// A folder that has less than this machine saw in it.
    Smaller Danger "smaller-than-remembered"
        "files that this machine has seen are gone or shorter: removed by somebody, restored from an old state, or not downloaded yet"
        "do not write; see with the sync client whether it is still loading, and restore the files from its trash or another machine";
    /// Agents that run by different rules.
    OtherSettings Danger "different-settings"
        "machines that run by different rules do not take over from each other, or both act"
        "give all machines the same policy, provider and settings, and start them again";
    /// A file that holds only zeros.
    Nul Danger "nul-file"
        "a crash or a client that was interrupted left zeros in place of what was there; the client copies them to the others"
        "restore an earlier version of the file from the provider's history or another machine";
    /// What a system's own check says, where data is at stake.
    OwnCheckDanger Danger "damaged-system-file"
        "the check of the system that this file belongs to says that data is missing or in conflict"
        "do what the line says";
    /// A file that ends too early.
    Torn Warning "torn-file"
        "only its beginning is here: it is still being copied, or a crash cut it"
        "wait until the client is idle; if it stays, restore it from another machine or the provider's history";
    /// A text with zeros in it.
    NulWithin Warning "zeros-in-text"
        "a crash left zeros where text was or was about to be"
        "compare it with another machine's, and restore it if something is missing";
    /// A file that is not what its name says.
    Damaged Warning "damaged-file"
        "its bytes are not what its name says: bytes of two versions, or of another program"
        "open it with its program, and restore an earlier version if that cannot read it";
    /// The marks of a merge.
    Unmerged Warning "unmerged-text"
        "git could not merge two versions and has left both with its marks; programs read neither"
        "decide between the two at the marks, remove them, and commit";
    /// A file without bytes that should have some.
    Empty Warning "empty-file"
        "it has no bytes, and files of its kind have some: it is still being copied, or a crash emptied it"
        "wait until the client is idle; if it stays, restore it from another machine or the provider's history";
    /// A copy that a client made.
    ConflictCopy Warning "conflict-copy"
        "two machines changed one file, and the client kept the one version under this name: most programs never look at it"
        "bring what stands only there into the original, then remove the copy";
    /// A copy of a directory.
    DirectoryCopy Warning "directory-copy"
        "two machines made one directory at the same time, and the client gave one of them this name"
        "move what is in it into the original, keeping both where names meet, then remove it";
    /// What is not here yet.
    Placeholder Warning "placeholder"
        "the name is here and the bytes are with the provider: programs find the file missing, empty or slow"
        "have the client keep the folder on this device (iCloud: Keep Downloaded; OneDrive: Always keep; Dropbox: Available offline)";
    /// A read that did not come back.
    Blocked Warning "blocked-read"
        "a read of it did not come back in time: the client that should fetch it hangs, or the mount does"
        "start the sync client anew, then try again";
    /// A file that cannot be read.
    UnreadableFile Warning "unreadable-file"
        "the system does not let this user read it, so neither can programs"
        "give this user the right to read it";
    /// A directory that cannot be read.
    UnreadableDirectory Warning "unreadable-directory"
        "the system does not let this user look into it: nothing below it was looked at"
        "give this user the right to read it";
    /// A name that somebody does not carry.
    UnportableName Warning "unportable-name"
        "it stays on this machine, or arrives under another name: some clients then stop with all files"
        "give it a name without these, on one machine, while the client is idle";
    /// A name that is not UTF-8.
    NotUtf8 Warning "name-not-utf8"
        "most clients skip it without a word, and programs cannot name it"
        "give it another name";
    /// Names that differ in case alone.
    CaseClash Warning "case-clash"
        "on macOS, Windows and most providers these are one name: one of the two is renamed, hidden or overwritten"
        "give one of them another name";
    /// A time ahead.
    ClockAhead Warning "clock-ahead"
        "it was written under a clock that is far ahead: it wins every conflict that is decided by time, however old it is"
        "set the clock of the machine that wrote it, and save the file again";
    /// A file that changes all the time.
    TooOften Warning "changes-too-often"
        "clients that wait until a file rests send it late: Syncthing once in 70 s, iCloud after minutes"
        "have its program write less often, or keep it outside the folder";
    /// A link that leads out.
    LinkOut Warning "link-out"
        "clients copy the link and not what it leads to, or refuse it: on other machines it leads elsewhere or nowhere"
        "put what it leads to into the folder, or remove the link";
    /// Something that is no file.
    Special Warning "special-file"
        "it is a pipe, a socket or a device: no client copies it, and programs that open it wait for ever"
        "move it out of the folder";
    /// A database in the folder.
    Database Warning "database-in-folder"
        "a database writes several files that belong together; a client copies them at different times, and the copy is damaged or silently old"
        "keep the database outside the folder, and copy it in with its program's backup command";
    /// A git repository in another client's folder.
    Repository Warning "repository-in-folder"
        "git's files belong together; a client copies them in any order and makes copies of its references, and commits are lost"
        "move the repository out of the folder, and exchange it with git";
    /// Marks of two clients.
    SeveralClients Warning "several-clients"
        "more than one client copies this folder: each takes the other's writes for a person's, and conflicts multiply"
        "let one client copy the folder, and remove the others' marks";
    /// A mount that lacks something.
    Mount Warning "unsupported-mount"
        "programs rely on calls that this mount does not have, or that mean less there"
        "use the folder on a disk of this machine, and let the client copy it from there";
    /// A disk that is almost full.
    NearlyFull Warning "nearly-full"
        "the next files may arrive cut or empty, and nothing can be saved safely"
        "make room on the disk or in the account";
    /// What a system's own check says.
    OwnCheck Warning "system-check"
        "the check of the system that this file belongs to says so"
        "do what the line says";
    /// More than is looked at.
    NotAll Warning "not-all-looked-at"
        "there is more than this command looks at, and nothing is known of the rest"
        "give a smaller folder";
    /// A file that a client has not finished.
    Unfinished Note "unfinished-file"
        "a client or a program is writing it, or died while it did"
        "remove it if it is still there when the client is idle";
    /// A file that may be a copy of another.
    PossibleCopy Note "possible-copy"
        "its name and its lines are close to another file's: a person or a backup program may have copied it"
        "nothing, if it is meant to be there";
    /// A link within the folder.
    Link Note "link-within"
        "clients treat links in different ways: some copy what it leads to, some skip it"
        "nothing, if it is only of use on this machine";
    /// What a system's own check says, where nothing has to be done.
    OwnCheckNote Note "system-note"
        "the check of the system that this file belongs to says so"
        "nothing";
    /// A time of long ago.
    ClockBehind Note "clock-behind"
        "it was written under a clock that had not been set, as after an empty battery: it loses every conflict that is decided by time"
        "nothing, if it is old; else save it again";
}

impl Kind {
    /// Whether a system that says this of a file has said what a look at its name and bytes would.
    #[must_use]
    pub(super) fn covers(self, other: Self) -> bool {
        let own = matches!(self, Self::OwnCheckDanger | Self::OwnCheck | Self::OwnCheckNote);
        let of_bytes = matches!(
            other,
            Self::Torn | Self::NulWithin | Self::Damaged | Self::Empty | Self::UnreadableFile
        );
        self == other || own && of_bytes
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_says_what_it_is_and_what_to_do() {
        let names: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), Kind::ALL.len());
        for kind in Kind::ALL {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(kind.name().chars().all(plain), "{kind:?}");
            assert!(kind.means().len() > 20 && !kind.advice().is_empty(), "{kind:?}");
        }
        assert!(Severity::Note < Severity::Warning && Severity::Warning < Severity::Danger);
    }
}
