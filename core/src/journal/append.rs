//! One append: how upstream plans it, and what became of one of which an op failed.

use super::event::Event;
use super::identity::{Identity, identity};
use super::interface::{Settings, Told};
use super::layout::{checksums_path, identity_path, journal_path, shadow_path};
use super::refusal::Refusal;
use super::schema::Log;
use super::seal::Seal;
use super::{Checksums, Design};
use crate::{Content, Fs, FsError, FsOp, Now};

/// The ops of one append as upstream does it: the number first, truncated and written in place; then the line,
/// without a look at the end of the file; then everybody's checksums.
pub(super) fn published(fs: &dyn Fs, event: &Event, now: Now) -> Result<(Vec<FsOp>, Told), Refusal> {
    let own = identity(fs)?;
    let log = event.log().ok_or_else(|| Refusal::Event("the event is of no shared kind".to_owned()))?;
    let next = Identity { seq: own.seq + 1, ..own };
    let id = next.id.clone();
    let text = serde_json::to_string(&next).expect("plain fields");
    let line = event.clone().dated(now).published(&id, next.seq).line();
    let path = journal_path(&id, log);
    let before = fs.read(&path, 0).map(|content| content.bytes().to_vec()).unwrap_or_default();
    let after = [&before, line.as_bytes(), b"\n"].concat();
    let checksums = checksums_path(&Design::PUBLISHED, &id);
    let known = fs.read(&checksums, 0).ok();
    let mut all: serde_json::Map<String, serde_json::Value> =
        known.and_then(|content| serde_json::from_slice(content.bytes()).ok()).unwrap_or_default();
    let own = all.entry(id.as_str()).or_insert_with(|| serde_json::json!({}));
    if let Some(own) = own.as_object_mut() {
        let seal = Seal::of(&after, now.wall.0);
        let seal = serde_json::json!({ "sha256": seal.sha256, "lines": seal.lines, "mtime": seal.mtime });
        own.insert(log.file_name().to_owned(), seal);
    }
    let checksums_text = serde_json::to_string_pretty(&all).expect("it was JSON");
    let told = Told::Acknowledged { machine: id, seq: next.seq, line: line.clone(), path: path.clone() };
    let ops = vec![
        FsOp::Overwrite { path: identity_path(), content: Content::from(format!("{text}\n")) },
        FsOp::Flush { path: identity_path() },
        FsOp::Append { path: path.clone(), bytes: Content::from(format!("{line}\n")) },
        FsOp::Flush { path },
        FsOp::Overwrite { path: checksums, content: Content::from(format!("{checksums_text}\n")) },
    ];
    Ok((ops, told))
}

/// What became of an event of whose ops one failed.
pub(super) fn kept(settings: &Settings, op: u32, told: Told, fs: &dyn Fs) -> Told {
    let Told::Acknowledged { machine, seq, line, path } = told else { return told };
    if settings.design.checksums == Checksums::Shared {
        // Upstream keeps no shadow: the event may or may not be there.
        return Told::Unsure { seq };
    }
    // The first op appends to the shadow, and the second flushes it (`Writer::append`).
    let shadow = Log::from_file_name(path.file_name()).map(|log| shadow_path(&machine, log));
    let stands = shadow.map_or(Err(FsError::NotFound), |shadow| fs.read(&shadow, 0)).map(|content| {
        let whole = content.bytes().strip_suffix(b"\n").and_then(|text| text.strip_suffix(line.as_bytes()));
        whole.is_some_and(|before| before.is_empty() || before.ends_with(b"\n"))
    });
    match (op, stands) {
        (0 | 1, Ok(false) | Err(FsError::NotFound)) => Told::Failed,
        (0 | 1, _) => Told::Unsure { seq },
        _ => Told::Kept { machine, seq, line, path },
    }
}
