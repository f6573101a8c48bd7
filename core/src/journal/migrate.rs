//! From the layout before machines, and from one name of a machine to another.

use std::collections::BTreeSet;

use super::address::Aliases;
use super::claims::{claim_of, claim_op};
use super::file::{File, Reading};
use super::folder::{Folder, own_aliases};
use super::identity::identity;
use super::init::found;
use super::layout::{
    CONFIG, LEGACY, MACHINES, SENTINEL, aliases_path, identity_path, journal_path, migration_path,
};
use super::names::{are_of, is_machine_id};
use super::owner::{leave, winner_over};
use super::refusal::{Refusal, migration_begun, refuse_legacy};
use super::schema::{Kind, Log};
use super::{Design, Renaming};
use crate::kit::identity::Nonce;
use crate::kit::portable::unportable;
use crate::kit::text::without_mark;
use crate::{Content, Fs, FsError, FsOp, Now, Path};

/// Whether the folder has the layout before machines, or this machine began to change that and did not finish.
#[must_use]
pub fn is_due(fs: &dyn Fs) -> bool {
    matches!(refuse_legacy(fs), Err(Refusal::Legacy(_)))
}

/// The ops that move the files of the layout before machines to a machine's directory. `agents.jsonl` is split:
/// what concerns everybody is shared, the rest stays local.
///
/// The old files are renamed last, to `*.v1-migrated`: until the new layout is complete the old one counts, and
/// from then on nothing writes to it.
///
/// *Crash:* a note in the local folder stays, with which the next call does everything that is left; until then
/// this machine appends nothing, so that no copy replaces what was appended.
///
/// # Errors
/// As [`init`](super::init::init), where an old file cannot be read, where the folder has the layout with machines
/// already, and where another name for this machine was given the first time.
pub fn migrate(fs: &dyn Fs, machine: &str, now: Now, owner: Option<Nonce>) -> Result<Vec<FsOp>, Refusal> {
    match migration_begun(fs)? {
        Some(known) if known != machine => {
            return Err(Refusal::Identity(format!(
                "a migration to `{known}` was interrupted: finish it under that name"
            )));
        }
        None if fs.read(&Path::shared(SENTINEL), 0).is_ok() => {
            return Err(Refusal::Identity("the folder was migrated already".to_owned()));
        }
        _ => {}
    }
    let mut copies = Vec::new();
    let mut renames = Vec::new();
    for name in LEGACY {
        let path = Path::shared(name);
        let content = match fs.read(&path, 0) {
            Ok(content) => content,
            Err(FsError::NotFound) => continue,
            Err(error) => return Err(Refusal::Fs(path, error)),
        };
        match Log::from_file_name(name) {
            Some(log) => copies.push(FsOp::Replace { path: journal_path(machine, log), content }),
            None => {
                let (shared, local) = split(&content);
                let path = journal_path(machine, Log::AgentState);
                copies.push(FsOp::Replace { path, content: shared });
                let path = Path::local(Log::Runtime.file_name());
                copies.push(FsOp::Replace { path, content: local });
            }
        }
        renames.push(FsOp::Rename { from: path, to: Path::shared(&format!("{name}.v1-migrated")) });
    }
    // The empty journal that a new machine starts with must not replace the one that was moved.
    let taken: BTreeSet<_> = copies.iter().map(|op| op.path().clone()).collect();
    let made = found(fs, machine, now, owner)?.into_iter().filter(|op| !taken.contains(op.path()));
    let note = FsOp::Replace { path: migration_path(), content: Content::from(format!("{machine}\n")) };
    let mut ops = vec![note];
    ops.extend(copies);
    ops.extend(made);
    ops.extend(renames);
    ops.push(FsOp::Remove { path: migration_path() });
    Ok(ops)
}

/// The lines about agents that concern everybody, and those that do not or that nobody understands.
fn split(content: &Content) -> (Content, Content) {
    let bytes = content.bytes();
    let file = File::read(bytes, Reading::Salvage);
    let shared_kind = |kind: Kind| kind.log() == Some(Log::AgentState);
    let shared_lines: BTreeSet<_> =
        file.records.iter().filter(|record| shared_kind(record.kind)).map(|record| record.number).collect();
    let (mut shared, mut local) = (Vec::new(), Vec::new());
    for (at, line) in bytes.split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        let number = u32::try_from(at + 1).expect("a file of less than 4 GiB has fewer lines");
        let side = if shared_lines.contains(&number) { &mut shared } else { &mut local };
        side.extend_from_slice(line);
        side.push(b'\n');
    }
    (Content::new(shared), Content::new(local))
}

/// The ops that give a machine another name.
///
/// Hardened: an alias, in a file that only the machine which gives it writes (and in everybody's configuration, for
/// upstream's readers); and this machine's own identity where it is the one. Its directory keeps the old name, and
/// the machine starts another one under the new name: a directory that is renamed while its machine sleeps comes
/// back with everything in it twice. What was interrupted is finished by asking again.
///
/// A machine that lost its id to another which chose it too gets the new name without an alias: the old one is not its
/// own to give away.
///
/// Published: an alias in the configuration, then the directory's files, then the own identity.
///
/// # Errors
/// [`Refusal::Identity`] where a name is malformed or unknown, or the new one is taken.
pub fn rename(fs: &dyn Fs, design: &Design, old: &str, new: &str) -> Result<Vec<FsOp>, Refusal> {
    let refuse = |what: String| Err(Refusal::Identity(what));
    for id in [old, new] {
        if !is_machine_id(id) {
            return refuse(format!("`{id}` is no machine id (1 to 20 of a-z, 0-9 and -)"));
        }
    }
    if let Some(why) = unportable(new) {
        return refuse(format!("`{new}` cannot be a machine's id: {why}"));
    }
    let own = identity(fs).ok();
    let is_own = own.as_ref().is_some_and(|own| own.id == old);
    if let Some((own, nonce)) = own.as_ref().filter(|_| is_own).and_then(|own| Some((own, own.owner?))) {
        let folder = Folder::find(fs, design, &mut |_, _| Err(FsError::NotFound));
        if let Some(winner) = winner_over(design, &folder, own, nonce) {
            return leave(fs, &folder, own, claim_of(own, nonce), winner, new).map(|leaving| leaving.ops);
        }
    }
    let machines = fs.list(&Path::shared(MACHINES)).unwrap_or_default();
    let known = |id: &str| are_of(&machines, id);
    let by_alias = design.renaming == Renaming::Alias;
    let mut config = object(fs, &Path::shared(CONFIG))?;
    let aliases = config.entry("machine_aliases").or_insert_with(|| serde_json::json!({}));
    let Some(aliases) = aliases.as_object_mut() else {
        return refuse(format!("{CONFIG}: `machine_aliases` is no object: repair it, then try again"));
    };
    let written = aliases.iter().map(|(old, new)| (old.clone(), new.as_str().map(str::to_owned)));
    let mut named = Aliases::new(written);
    if by_alias {
        named = named.agreed(&own_aliases(fs, &machines, &mut Vec::new()), known);
    }
    // What was interrupted is finished: the alias may be there already, and the identity not yet changed.
    let begun = by_alias && named.get(old) == Some(Some(new));
    if !begun && !known(old) && !is_own {
        return refuse(format!("no machine is called `{old}`"));
    }
    if !begun && (known(new) || named.get(new).is_some()) {
        return refuse(format!("`{new}` is taken"));
    }
    if !begun && named.get(old).is_some() {
        return refuse(format!("`{old}` has another name already: rename that"));
    }
    aliases.insert(old.to_owned(), new.into());
    let config_op = |content| match design.renaming {
        Renaming::Alias => FsOp::Replace { path: Path::shared(CONFIG), content },
        Renaming::Directory => FsOp::Overwrite { path: Path::shared(CONFIG), content },
    };
    let mut ops = vec![config_op(pretty(&config))];
    if let Some(own) = own.as_ref().filter(|_| by_alias) {
        let path = aliases_path(&own.id);
        let mut given = object(fs, &path)?;
        given.insert(old.to_owned(), new.into());
        // First, so that whoever reads the configuration's alias and misses this one reads it soon.
        ops.insert(0, FsOp::Replace { path, content: pretty(&given) });
    }
    if !by_alias {
        let from = Path::shared(MACHINES).join(old);
        let to = Path::shared(MACHINES).join(new);
        let files = fs.list(&from).unwrap_or_default();
        ops.extend(
            files.iter().map(|file| FsOp::Rename { from: file.path.clone(), to: to.join(file.name()) }),
        );
    }
    if let Some(mut own) = own.filter(|_| is_own) {
        own.id = new.to_owned();
        if by_alias {
            // The new name starts a directory of its own; the numbers go on.
            if let Some(nonce) = own.owner {
                ops.push(claim_op(claim_of(&own, nonce), new, None));
            }
            ops.push(FsOp::Replace { path: journal_path(new, Log::Messages), content: Content::new([]) });
            ops.extend(own.ops());
        } else {
            ops.push(FsOp::Overwrite { path: identity_path(), content: own.content() });
        }
    }
    Ok(ops)
}

/// A file that holds a JSON object; an empty one where there is no file.
fn object(fs: &dyn Fs, path: &Path) -> Result<serde_json::Map<String, serde_json::Value>, Refusal> {
    match fs.read(path, 0) {
        Ok(content) => serde_json::from_slice(without_mark(content.bytes())).map_err(|error| {
            Refusal::Identity(format!("{}: {error}: repair or remove it, then try again", path.name()))
        }),
        Err(FsError::NotFound) => Ok(serde_json::Map::new()),
        Err(error) => Err(Refusal::Fs(path.clone(), error)),
    }
}

fn pretty(object: &serde_json::Map<String, serde_json::Value>) -> Content {
    Content::from(format!("{}\n", serde_json::to_string_pretty(object).expect("it was JSON")))
}
