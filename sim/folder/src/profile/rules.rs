//! What a sync client does to files, as rules without times.
#![allow(missing_docs)]
use cloudchamber_core::WallMs;
use serde::{Deserialize, Serialize};
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrival { #[default] Whole, Prefix { percent: u8 }, Empty, Nul, Gap, Stub }
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum EditConflict { LoserInvisible, LaterSavedIsCopied, OlderMtimeIsCopied, MergeMarkers }
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum CreateConflict { NewIsRenamed, SameAsEdit }
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum DeleteConflict { EditWins, DeleteWins, NewerWins }
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Mtime { Kept { granularity_ms: u64 }, Arrival }
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Placeholder { None, Dataless, Stub }
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Naming { ICloud, Syncthing, Git }
impl Naming {
    pub fn conflict_name(&self, file_name: &str, _at: WallMs, _editor: &str, n: u32, _taken: &dyn Fn(&str) -> bool) -> String { format!("{file_name} {n}") }
}
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Rules { pub edit_conflict: EditConflict, pub create_conflict: CreateConflict, pub delete_conflict: DeleteConflict, pub conflict_naming: Naming, pub conflict_copies_max: Option<u32>, pub mtime: Mtime, pub mtime_set_late: bool, pub placeholder: Placeholder }
pub fn looks_like_conflict_copy(name: &str) -> Option<Naming> { name.contains(" ").then_some(Naming::ICloud) }
