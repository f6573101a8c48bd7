//! What a power cut may make of a file that was changed and not flushed.
//!
//! Names and bytes become durable apart from each other. A name may be back at what it stood for when it was
//! last safe, or stand for what it stands for now; and then the bytes may be behind the name: nothing, NUL
//! bytes, a part. Bytes that were flushed are never lost, wherever a rename took them; bytes at the end of an
//! older file are cut, never NUL; a rename is kept or undone as a whole, at both of its ends.

use cloudchamber_core::{Content, Path, WallMs};

use super::choice::Loss;
use super::disk::Body;
use crate::stable_hash::StableHasher;

/// After this long even unflushed data is on the disk: the system writes the whole file once its oldest change
/// is half a minute old. Measured: by 40 s on ext4 (data=ordered), by 50 s on xfs, kernel 6.18.
const WRITTEN_BACK_MS: u64 = 50_000;

/// What is at risk under one name.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Unflushed {
    /// What the name stood for when it was last safe, and its modification time.
    pub(super) before: Option<(Body, WallMs)>,
    /// How safe the bytes are that it stands for now.
    pub(super) data: Data,
    /// Names with the same number were renamed into each other: all keep what happened, or none does. 0 for a
    /// name on its own.
    pub(super) group: u64,
    /// World time of the first change since it was safe, in ms.
    pub(super) since: u64,
}

/// How safe the bytes of a file are.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Data {
    /// On the disk, or there are none.
    Safe,
    /// The first `kept` are on the disk.
    Appended {
        /// In bytes.
        kept: usize,
    },
    /// A new file: empty or whole.
    Created,
    /// Empty, NUL bytes, a part, or whole: a file that was truncated and written anew, or a new file that was
    /// renamed before it was flushed.
    Rewritten,
}

impl Unflushed {
    /// Whether anything is still at risk at world time `now`.
    pub(super) fn is_live(&self, now: u64) -> bool {
        now.saturating_sub(self.since) < WRITTEN_BACK_MS
    }

    /// What is left of the name, which stands for `now`.
    pub(super) fn after(
        &self,
        now: Option<(&Body, WallMs)>,
        loss: Loss,
        path: &Path,
    ) -> Option<(Body, WallMs)> {
        let undone = match (loss, self.group) {
            (Loss::Old, _) => true,
            (Loss::Empty | Loss::Kept | Loss::Nul, _) => false,
            (Loss::Mixed(seed), 0) => StableHasher::of(&(seed, path, "name")) & 1 == 0,
            (Loss::Mixed(seed), group) => StableHasher::of(&(seed, group)) & 1 == 0,
        };
        if undone {
            return self.before.clone();
        }
        let (body, modified) = now?;
        let content = self.data.after(&body.content, loss, path);
        Some((Body { content, presence: body.presence }, modified))
    }

    /// What stays at risk once the name itself is safe; `None` if the bytes are too.
    pub(super) fn with_safe_name(self, body: Option<&Body>, modified: WallMs) -> Option<Self> {
        let body = body?;
        let kept = match self.data {
            Data::Safe => return None,
            Data::Appended { kept } => kept,
            Data::Created | Data::Rewritten => 0,
        };
        let least = Body { content: body.content.prefix(kept), presence: body.presence };
        Some(Self { before: Some((least, modified)), group: 0, ..self })
    }
}

impl Data {
    /// The same bytes with more at their end; they were `len` long.
    pub(super) fn appended(self, len: usize) -> Self {
        match self {
            Self::Safe => Self::Appended { kept: len },
            Self::Created => Self::Appended { kept: 0 },
            other => other,
        }
    }

    /// The same bytes under another name.
    pub(super) fn renamed(self) -> Self {
        match self {
            // Measured on ext4: NUL bytes of the full length under the new name.
            Self::Created | Self::Appended { kept: 0 } => Self::Rewritten,
            other => other,
        }
    }

    fn after(self, content: &Content, loss: Loss, path: &Path) -> Content {
        let draw = |what: &str| match loss {
            Loss::Mixed(seed) => StableHasher::of(&(seed, path, what)),
            _ => 0,
        };
        // From `kept` bytes to all of them.
        let cut = |kept: usize| {
            let more = (content.len().saturating_sub(kept) as u64).saturating_add(1);
            let more = usize::try_from(draw("cut") % more).expect("less than a content's length");
            content.prefix(kept + more)
        };
        let (empty, nul) = (|| Content::new([]), || Content::new(vec![0; content.len()]));
        match (self, loss, draw("data") % 4) {
            (Self::Safe, ..) | (_, Loss::Kept, _) | (_, Loss::Mixed(_), 0) => content.clone(),
            (Self::Appended { kept }, ..) => cut(kept),
            (Self::Created, Loss::Mixed(_), 1) => content.clone(),
            (Self::Created, ..) => empty(),
            (Self::Rewritten, Loss::Nul, _) | (Self::Rewritten, Loss::Mixed(_), 1) => nul(),
            (Self::Rewritten, Loss::Mixed(_), 2) => cut(0),
            (Self::Rewritten, ..) => empty(),
        }
    }
}
