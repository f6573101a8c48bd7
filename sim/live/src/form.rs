//! What the world wants a real directory to hold.

use std::collections::BTreeMap;

use cloudchamber_core::kit::stub::StubBy;
use cloudchamber_core::{Content, Path, Root, WallMs};
use cloudchamber_folder::world::{Disk, Presence};

/// What a name in a real directory is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Form {
    /// A file with these bytes.
    File(Content),
    /// A file of this length that takes no room: its bytes are elsewhere.
    Hole(u64),
    /// A small file that stands in for one whose bytes are elsewhere.
    Stub(StubBy),
}

impl Form {
    /// The bytes that a file of this form has.
    pub(crate) fn bytes(&self, name: &str) -> Content {
        match self {
            Self::File(content) => content.clone(),
            Self::Hole(len) => Content::new(vec![0; usize::try_from(*len).unwrap_or(0)]),
            Self::Stub(StubBy::ICloud) => {
                let of = name.rsplit('/').next().unwrap_or(name);
                let of = of.strip_prefix('.').and_then(|name| name.strip_suffix(".icloud")).unwrap_or(of);
                let of = of.replace('&', "&amp;").replace('<', "&lt;");
                // Its keys are those of the real ones (eclecticlight.co, "iCloud Drive changes in Sonoma").
                Content::from(format!(
                    "<plist version=\"1.0\"><dict><key>NSURLNameKey</key><string>{of}</string></dict></plist>\n"
                ))
            }
            Self::Stub(StubBy::Nextcloud | StubBy::OwnCloud) => Content::from(" "),
        }
    }

    /// Whether a file with these bytes is one of this form.
    pub(crate) fn is(&self, name: &str, content: &Content) -> bool {
        match self {
            Self::File(own) => own == content,
            Self::Hole(len) => content.len() as u64 == *len && content.bytes().iter().all(|byte| *byte == 0),
            Self::Stub(_) => self.bytes(name) == *content,
        }
    }
}

/// A name with the form that it has to have.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) form: Form,
    /// When its bytes were last changed, by the clock of who did it.
    pub(crate) modified: WallMs,
    /// The file of the world that it is of.
    pub(crate) path: Path,
}

/// The names that a real directory has to hold for a disk of the world, relative to it.
pub(crate) fn wanted(disk: &Disk) -> BTreeMap<String, Wanted> {
    let mut names = BTreeMap::new();
    for (path, slot) in disk.slots().filter(|(path, _)| path.root() == Root::Shared) {
        let Some(body) = &slot.body else { continue };
        let own = path.name().to_owned();
        let (name, form) = match body.presence {
            Presence::Here => (own, Form::File(body.content.clone())),
            Presence::Dataless => (own, Form::Hole(body.content.len() as u64)),
            Presence::Stub(by) => {
                let stub = by.stub(path.file_name());
                let name = match own.rsplit_once('/') {
                    Some((dir, _)) => format!("{dir}/{stub}"),
                    None => stub,
                };
                (name, Form::Stub(by))
            }
        };
        // Where a stub has the name of a file, the file is what is seen.
        if matches!(form, Form::Stub(_)) && names.contains_key(&name) {
            continue;
        }
        names.insert(name, Wanted { form, modified: slot.modified, path: path.clone() });
    }
    names
}
