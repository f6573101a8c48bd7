//! Names: machine ids, the files of a folder, and the copies that sync clients make of them.

use super::schema::Log;
use crate::Entry;

/// Whether this is a machine id: 1 to 20 lower-case letters, digits and hyphens (upstream specification,
/// "Machine ID Stability", at e921f28). `all` means everybody and is none.
#[must_use]
pub fn is_machine_id(name: &str) -> bool {
    (1..=20).contains(&name.len())
        && name != "all"
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// The name that this one is a conflict copy of, in the naming of one of the sync clients; nothing for others.
///
/// The grammar is strict, so that nothing else is taken for a copy: `name 2` (iCloud), `name (1)` (Google Drive),
/// `name (Ann's conflicted copy 2024-05-01)` (Dropbox) and
/// `name.sync-conflict-20240501-120000-ABCDEFG` (Syncthing).
#[must_use]
pub fn copied(stem: &str) -> Option<&str> {
    if let Some((base, rest)) = stem.split_once(".sync-conflict-") {
        let parts: Vec<_> = rest.split('-').collect();
        let digits = |part: &str, len| part.len() == len && part.bytes().all(|byte| byte.is_ascii_digit());
        let sound = matches!(parts[..], [date, time, device]
            if digits(date, 8) && digits(time, 6) && device.len() == 7 && device.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        return Some(base).filter(|base| sound && !base.is_empty());
    }
    let (base, rest) = stem.rsplit_once(" (").map_or_else(
        || stem.rsplit_once(' ').map(|(base, rest)| (base, (rest, false))),
        |(base, rest)| rest.strip_suffix(')').map(|rest| (base, (rest, true))),
    )?;
    let counted = rest.0.parse::<u32>().is_ok_and(|count| if rest.1 { count >= 1 } else { count >= 2 });
    let named = rest.1 && rest.0.contains("conflicted copy");
    Some(base).filter(|base| !base.is_empty() && (counted || named))
}

/// The log that a file of a machine's directory holds, and whether the file is a conflict copy of it.
///
/// OneDrive puts the computer's name behind the file's (`messages-DESKTOP-1.jsonl`).
#[must_use]
pub fn log_of(file_name: &str) -> Option<(Log, bool)> {
    if let Some(log) = Log::from_file_name(file_name) {
        return Some((log, false));
    }
    let stem = file_name.strip_suffix(".jsonl")?;
    Log::SHARED.into_iter().find_map(|log| {
        let base = log.file_name().strip_suffix(".jsonl")?;
        let computer = stem.strip_prefix(base).and_then(|rest| rest.strip_prefix('-'));
        let named = computer.is_some_and(|name| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        });
        (named || copied(stem) == Some(base)).then_some((log, true))
    })
}

/// Whether one of these directories is this machine's, or a copy of it.
#[must_use]
pub fn are_of(directories: &[Entry], id: &str) -> bool {
    directories.iter().any(|entry| machine_of(entry.name()).is_some_and(|(machine, _)| machine == id))
}

/// The machine whose directory this is, and whether the directory is a conflict copy; nothing where the name is
/// neither a machine id nor a copy of one.
#[must_use]
pub fn machine_of(directory: &str) -> Option<(&str, bool)> {
    if is_machine_id(directory) {
        return Some((directory, false));
    }
    copied(directory).filter(|id| is_machine_id(id)).map(|id| (id, true))
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
            "messages (conflicted copy 2024-05-01).jsonl",
            "messages.sync-conflict-20261120-113332-EWX4TBX.jsonl",
            "messages-DESKTOP-1.jsonl",
        ] {
            assert_eq!(log_of(name), Some((Log::Messages, true)), "{name}");
        }
        assert_eq!(log_of("agent-state.jsonl"), Some((Log::AgentState, false)));
        assert_eq!(machine_of("laptop 2"), Some(("laptop", true)));
        assert_eq!(machine_of("laptop (1)"), Some(("laptop", true)));
        assert_eq!(machine_of("laptop-2"), Some(("laptop-2", false)));
    }

    #[test]
    fn other_names_are_no_copies() {
        for name in [
            "messages 1.jsonl",
            "messages two.jsonl",
            "messages.jsonl.tmp",
            "notes.jsonl",
            "messages- .jsonl",
        ] {
            assert_eq!(log_of(name), None, "{name}");
        }
        for name in
            ["Laptop", "all", "", ".stfolder", "a-machine-id-that-is-too-long", "Laptop 2", "laptop (x)"]
        {
            assert_eq!(machine_of(name), None, "{name}");
        }
    }
}
