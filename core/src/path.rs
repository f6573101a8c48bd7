//! Names of files, relative to one of two roots.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Which of the two roots a path is relative to.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Root {
    /// The folder that never leaves this machine.
    Local,
    /// The folder that the sync client copies.
    Shared,
}

/// A name within a root: parts separated by `/`, none of them empty, `.` or `..`. The root itself is empty.
///
/// Written `shared:devices/a.json` or `local:identity.json`.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(into = "String", try_from = "String")]
pub struct Path {
    root: Root,
    name: Arc<str>,
}

impl Path {
    /// A path in the shared folder.
    ///
    /// # Panics
    /// Where `name` is not made of parts as the type's documentation says: names from outside are parsed with
    /// [`Path::new`].
    #[must_use]
    pub fn shared(name: &str) -> Self {
        Self::new(Root::Shared, name).unwrap_or_else(|error| panic!("{error}"))
    }

    /// A path in the local folder.
    ///
    /// # Panics
    /// As [`Path::shared`].
    #[must_use]
    pub fn local(name: &str) -> Self {
        Self::new(Root::Local, name).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Checks a name and makes it a path.
    ///
    /// # Errors
    /// Where a part is empty, `.` or `..`, or holds a NUL.
    pub fn new(root: Root, name: &str) -> Result<Self, PathError> {
        if name.is_empty() || is_sound(name) {
            Ok(Self { root, name: name.into() })
        } else {
            Err(PathError(name.into()))
        }
    }

    /// Which root it is relative to.
    #[must_use]
    pub fn root(&self) -> Root {
        self.root
    }

    /// The name relative to the root, parts separated by `/`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The last part of the name.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or("")
    }

    /// The directory it lies in; `None` for the root itself.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.name.is_empty() {
            return None;
        }
        let name = self.name.rsplit_once('/').map_or("", |(dir, _)| dir);
        Some(Self { root: self.root, name: name.into() })
    }

    /// The path of `child` (one part or several) below this one.
    ///
    /// # Panics
    /// As [`Path::shared`].
    #[must_use]
    pub fn join(&self, child: &str) -> Self {
        // This path was checked when it was made.
        assert!(is_sound(child), "{}", PathError(child.into()));
        let name = match &*self.name {
            "" => child.into(),
            dir => [dir, child].join("/").into(),
        };
        Self { root: self.root, name }
    }

    /// What remains of this path below `dir`; `None` if it does not lie there.
    #[must_use]
    pub fn below(&self, dir: &Self) -> Option<&str> {
        if self.root != dir.root {
            return None;
        }
        if dir.name.is_empty() {
            return Some(&self.name).filter(|name| !name.is_empty()).map(AsRef::as_ref);
        }
        self.name.strip_prefix(&*dir.name)?.strip_prefix('/')
    }
}

/// What there is of a part so far.
const EMPTY: u8 = 0;
const DOT: u8 = 1;
const DOTS: u8 = 2;
const SOUND: u8 = 3;

/// Whether a name has no part that is empty, `.` or `..`, or holds a NUL.
fn is_sound(name: &str) -> bool {
    let mut part = 0;
    for &byte in name.as_bytes().iter().chain(b"/") {
        part = match (part, byte) {
            (_, 0) | (EMPTY | DOT | DOTS, b'/') => return false,
            (_, b'/') => EMPTY,
            (EMPTY, b'.') => DOT,
            (DOT, b'.') => DOTS,
            _ => SOUND,
        };
    }
    true
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = match self.root {
            Root::Local => "local",
            Root::Shared => "shared",
        };
        write!(f, "{root}:{}", self.name)
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        match text.split_once(':') {
            Some(("local", name)) => Self::new(Root::Local, name),
            Some(("shared", name)) => Self::new(Root::Shared, name),
            _ => Err(PathError(text.into())),
        }
    }
}

impl TryFrom<String> for Path {
    type Error = PathError;

    fn try_from(text: String) -> Result<Self, PathError> {
        text.parse()
    }
}

impl From<Path> for String {
    fn from(path: Path) -> Self {
        path.to_string()
    }
}

/// A name that is not a path.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{0}` is not a path; write `shared:devices/a.json` or `local:identity.json`, without empty parts, `.` and `..`"
)]
pub struct PathError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_survives_its_text() {
        for text in ["shared:state.json", "local:a/b", "shared:", "shared:work@host:-Users-me.json"] {
            assert_eq!(text.parse::<Path>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_path_cannot_leave_its_root() {
        for text in
            ["shared:../x", "shared:a//b", "shared:/a", "local:a/./b", "elsewhere:a", "a", "shared:a\0"]
        {
            assert!(text.parse::<Path>().is_err(), "{text}");
        }
    }

    #[test]
    fn families() {
        let path = Path::shared("devices/a.json");
        assert_eq!(path.file_name(), "a.json");
        assert_eq!(path.parent(), Some(Path::shared("devices")));
        assert_eq!(Path::shared("devices").parent(), Some(Path::shared("")));
        assert_eq!(Path::shared("").parent(), None);
        assert_eq!(Path::shared("devices").join("a.json"), path);
        assert_eq!(path.below(&Path::shared("devices")), Some("a.json"));
        assert_eq!(path.below(&Path::shared("")), Some("devices/a.json"));
        assert_eq!(path.below(&Path::shared("dev")), None);
        assert_eq!(path.below(&Path::local("devices")), None);
    }
}
