//! What a file or a directory is, by what it holds: its name may be anybody's.
//!
//! A client, a person or a backup program may give a copy of a journal any name. Its lines say what they are: their kind
//! says which log, and their origin whose. A file beside the journals all of whose lines are records of the machine is a
//! further version of its journal; one that holds anything else is somebody's own, and is left alone.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::names::is_machine_id;
use super::schema::{Kind, Log};
use crate::kit::claims::Claim;
use crate::kit::clients::unfinished;
use crate::kit::names::copy_of;
use crate::kit::text::{plain, without_mark};
use crate::{Content, Entry, EntryKind, Fs, FsError, Path};

/// The longest file of a foreign name that is looked into, in bytes.
const LOOKED_MAX: u64 = 64 << 20;

/// What the lines of a file say.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Said {
    logs: BTreeSet<Log>,
    origins: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Line {
    r#type: String,
    origin: Option<String>,
    seq: Option<i64>,
}

impl Said {
    /// What they say, if all of them are numbered records of some machine; the last line may be cut.
    fn of(bytes: &[u8]) -> Option<Self> {
        let mut said = Self::default();
        let bytes = &*plain(bytes);
        let mut lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        let last = lines.next_back();
        for line in lines {
            said.take(line)?;
        }
        let is_cut = !bytes.ends_with(b"\n");
        if let Some(last) = last
            && said.take(last).is_none()
            && !is_cut
        {
            return None;
        }
        (!said.logs.is_empty()).then_some(said)
    }

    fn take(&mut self, line: &[u8]) -> Option<()> {
        let line: Line = serde_json::from_slice(line).ok()?;
        line.seq?;
        self.logs.insert(Kind::from_name(&line.r#type).log().filter(|log| *log != Log::Runtime)?);
        self.origins.insert(line.origin?);
        Some(())
    }
}

/// Whether a file beside the journals is one that its machine has there for something else.
pub(super) fn is_aside(name: &str) -> bool {
    let of = |original| name == original || copy_of(name, original).is_some();
    name.starts_with('.')
        || Claim::parse(name).is_some()
        || name.starts_with("owner-")
        || of("checksums.json")
        || of("aliases.json")
        || unfinished(name).is_some()
}

/// The log of a machine that a file of a foreign name is a further version of, by what it holds; None if it is
/// somebody's own. `is_of` says whether an origin is that machine.
///
/// # Errors
/// If it cannot be read, so that nobody knows.
pub(super) fn log_within(
    fs: &dyn Fs,
    file: &Entry,
    is_of: &dyn Fn(&str) -> bool,
) -> Result<Option<Log>, FsError> {
    if file.kind != EntryKind::File || file.len > LOOKED_MAX || is_aside(file.name()) {
        return Ok(None);
    }
    let Some(said) = Said::of(fs.read(&file.path, 0)?.bytes()) else { return Ok(None) };
    let mut logs = said.logs.iter();
    Ok(match (logs.next(), logs.next()) {
        (Some(log), None) if said.origins.iter().all(|origin| is_of(origin)) => Some(*log),
        _ => None,
    })
}

/// The machine whose claim this is, as its content says; None if that cannot be read.
fn claimed(content: &Content) -> Option<String> {
    #[derive(Deserialize)]
    struct Told {
        machine: String,
    }
    let told: Told = serde_json::from_slice(without_mark(content.bytes())).ok()?;
    Some(told.machine).filter(|machine| is_machine_id(machine))
}

/// The machine of which a directory is a copy under another name, by the claims that lie in it; None if it is no copy, or
/// nobody can tell.
///
/// A claim says for which id it was made. One that stands in another directory was copied there, with everything beside
/// it, if the directory has none of its own.
pub(super) fn machine_within(fs: &dyn Fs, dir: &Path, files: &[Entry]) -> Option<String> {
    let claims = files.iter().filter(|file| Claim::parse(file.name()).is_some());
    let machines: BTreeSet<_> = claims.filter_map(|file| claimed(&fs.read(&file.path, 0).ok()?)).collect();
    if machines.contains(dir.file_name()) {
        return None;
    }
    let mut machines = machines.into_iter();
    match (machines.next(), machines.next()) {
        (Some(machine), None) => Some(machine),
        _ => None,
    }
}

/// The machine whose records alone stand in a directory that is called like no machine; None if there is none.
pub(super) fn origin_within(fs: &dyn Fs, files: &[Entry]) -> Option<String> {
    let mut origins = BTreeSet::new();
    for file in files.iter().filter(|file| file.kind == EntryKind::File && file.len <= LOOKED_MAX) {
        if Log::from_file_name(file.name()).is_some_and(|log| log != Log::Runtime) {
            let said = Said::of(fs.read(&file.path, 0).ok()?.bytes());
            origins.extend(said.into_iter().flat_map(|said| said.origins));
        }
    }
    let mut origins = origins.into_iter().filter(|origin| is_machine_id(origin));
    match (origins.next(), origins.next()) {
        (Some(origin), None) => Some(origin),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryFs;

    const LINE: &str = "{\"type\":\"message\",\"id\":\"msg-a\",\"origin\":\"laptop\",\"seq\":1}\n";

    #[test]
    fn lines_say_whose_they_are_and_anything_else_says_nothing() {
        let said = |text: &str| Said::of(text.as_bytes());
        let whole = said(LINE).unwrap();
        assert_eq!(
            (whole.logs.into_iter().collect::<Vec<_>>(), whole.origins.into_iter().collect::<Vec<_>>()),
            (vec![Log::Messages], vec!["laptop".to_owned()])
        );
        assert!(said(&format!("{LINE}{{\"type\":\"mess")).is_some(), "its last line is cut");
        assert!(said(&format!("\u{feff}{}", LINE.replace('\n', "\r\n"))).is_some());
        for other in [
            "",
            "notes about messages.jsonl\n",
            "{\"type\":\"message\",\"id\":\"msg-a\"}\n",
            "{\"type\":\"recipe\",\"origin\":\"laptop\",\"seq\":1}\n",
        ] {
            assert_eq!(said(other), None, "{other:?}");
            assert_eq!(said(&format!("{other}{LINE}")).is_none(), !other.is_empty(), "{other:?}");
        }
    }

    #[test]
    fn a_file_of_any_name_is_a_version_if_its_lines_are_of_the_machine() {
        let find = |name: &str, text: &str| {
            let path = format!("shared:shared/machines/laptop/{name}");
            let fs = MemoryFs::default().with(&path, text);
            let files = fs.list(&Path::shared("shared/machines/laptop")).unwrap();
            log_within(&fs, &files[0], &|origin| origin == "laptop").unwrap()
        };
        for name in ["backup", "messages copy.jsonl", "Kopie von messages.jsonl", "messages.jsonl.bak"] {
            assert_eq!(find(name, LINE), Some(Log::Messages), "{name}");
            assert_eq!(find(name, &LINE.replace("laptop", "server")), None, "{name}");
            assert_eq!(find(name, "my own words"), None, "{name}");
        }
        assert_eq!(find(".syncthing.messages.jsonl.tmp", LINE), None);
    }
}
