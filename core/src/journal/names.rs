//! Names: machine ids, the files of a folder, and the copies that sync clients make of them.

use super::schema::Log;
use crate::Entry;
use crate::kit::names::{Client, Original, copy_of, originals};

/// Whether this is a machine id: 1 to 20 lower-case letters, digits and hyphens (upstream specification,
/// "Machine ID Stability", at e921f28). `all` means everybody and is none.
#[must_use]
pub fn is_machine_id(name: &str) -> bool {
    (1..=20).contains(&name.len())
        && name != "all"
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// What a file of a machine's directory is to a log.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Standing {
    /// The log's own file.
    Own,
    /// A conflict copy in the form of some sync client, or lines that a machine kept which gave up the id
    /// (`claims::keeper`). Its records count.
    Copy,
    /// A file that is called as no client calls a copy: `messages copy.jsonl`. Its records do not count.
    Unknown,
}

/// The log that a file of a machine's directory belongs to, and what it is to it; `None` if it belongs to none.
#[must_use]
pub fn log_of(file_name: &str) -> Option<(Log, Standing)> {
    if let Some(log) = Log::from_file_name(file_name) {
        return Some((log, Standing::Own));
    }
    Log::SHARED.into_iter().find_map(|log| {
        let standing = match copy_of(file_name, log.file_name())?.by {
            Client::Unknown => Standing::Unknown,
            _ => Standing::Copy,
        };
        Some((log, standing))
    })
}

/// Whether one of these directories is this machine's, or a copy of it.
#[must_use]
pub fn are_of(directories: &[Entry], id: &str) -> bool {
    directories.iter().any(|entry| machine_of(entry.name()).is_some_and(|(machine, _)| machine == id))
}

/// The machine whose directory this is, and whether the directory is a conflict copy; `None` if the name is
/// neither a machine id nor a copy of one.
///
/// OneDrive merges directories and makes no copies of them, so a name in its form counts only if no person would
/// choose it.
#[must_use]
pub fn machine_of(directory: &str) -> Option<(String, bool)> {
    if is_machine_id(directory) {
        return Some((directory.to_owned(), false));
    }
    let counts = |original: &Original| {
        is_machine_id(&original.name) && (original.mark.certain || original.mark.by != Client::OneDrive)
    };
    originals(directory).into_iter().find(counts).map(|original| (original.name, true))
}

/// What stands between the log and the machine in the name of a file of records that are said again.
const OF: &str = ".of-";

/// The name of the file in which a machine says records of another one's journal again.
#[must_use]
pub fn upheld_name(log: Log, machine: &str) -> String {
    log.file_name().replace(".jsonl", &format!("{OF}{machine}.jsonl"))
}

/// Which journal of which machine the records in a file of this name are of; `None` if they are not said again.
#[must_use]
pub fn upheld_of(file_name: &str) -> Option<(Log, &str)> {
    let (stem, machine) = file_name.strip_suffix(".jsonl")?.split_once(OF)?;
    let log = Log::SHARED.into_iter().find(|log| log.file_name().strip_suffix(".jsonl") == Some(stem))?;
    is_machine_id(machine).then_some((log, machine))
}

/// Whether a file of this name among the files of a folder is one in which somebody says records of another machine again.
pub(super) fn is_upheld(name: &str) -> bool {
    name.rsplit('/').next().and_then(upheld_of).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_lead_to_what_they_are_copies_of() {
        for name in [
            "messages 2.jsonl",
            "messages (1).jsonl",
            "messages (Ann's conflicted copy 2024-05-01).jsonl",
            "messages (Ann's conflicted copy 2024-05-01 (1)).jsonl",
            "messages (conflicted copy 2024-05-01).jsonl",
            "messages.sync-conflict-20261120-113332-EWX4TBX.jsonl",
            "messages-DESKTOP-1.jsonl",
            "Messages.jsonl",
        ] {
            assert_eq!(log_of(name), Some((Log::Messages, Standing::Copy)), "{name}");
        }
        assert_eq!(log_of("agent-state.jsonl"), Some((Log::AgentState, Standing::Own)));
        assert_eq!(log_of("agent-state-0000002a.jsonl"), Some((Log::AgentState, Standing::Copy)));
        let machine = |name: &str| machine_of(name);
        for copy in
            ["laptop 2", "laptop (1)", "laptop 2 2", "laptop (mac.local's conflicted copy 2024-05-01 (1))"]
        {
            assert_eq!(machine(copy), Some(("laptop".into(), true)), "{copy}");
        }
        assert_eq!(machine("laptop-2"), Some(("laptop-2".into(), false)));
        assert_eq!(machine("laptop-2 2"), Some(("laptop-2".into(), true)));
    }

    #[test]
    fn a_name_of_no_clients_form_is_unknown() {
        for name in ["messages 1.jsonl", "messages two.jsonl", "messages copy.jsonl", "messages- .jsonl"] {
            assert_eq!(log_of(name), Some((Log::Messages, Standing::Unknown)), "{name}");
        }
    }

    #[test]
    fn other_names_are_no_copies() {
        for name in ["messages.jsonl.tmp", "notes.jsonl", "messages2.jsonl"] {
            assert_eq!(log_of(name), None, "{name}");
        }
        for name in [
            "Laptop",
            "all",
            "",
            ".stfolder",
            "a-machine-id-that-is-too-long",
            "Laptop 2",
            "laptop (x)",
            "laptop-Old",
        ] {
            assert_eq!(machine_of(name), None, "{name}");
        }
    }

    #[test]
    fn a_name_says_whose_records_they_are() {
        for log in Log::SHARED {
            assert_eq!(upheld_of(&upheld_name(log, "gone-2")), Some((log, "gone-2")));
        }
        for other in ["messages.jsonl", "messages.of-.jsonl", "messages.of-A.jsonl", "notes.of-gone.jsonl"] {
            assert_eq!(upheld_of(other), None, "{other}");
        }
    }
}
