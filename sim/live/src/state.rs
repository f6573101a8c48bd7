//! What is kept beside the folders: every content that was ever seen in one, and what was done when, in order.
//!
//! The run follows from its first line and from what was done to it, so no more is kept. Whoever starts again does the
//! same once more, in memory, and knows then what every directory has to hold.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path as OsPath, PathBuf};

use cloudchamber_core::{Content, Path};
use cloudchamber_folder::ReplicaId;
use cloudchamber_folder::world::ChoiceOf;
use cloudchamber_host::Lock;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::LiveError;
use crate::real::Aside;
use crate::system::LiveSystem;

/// What the file is called that says what was done when.
const LOG: &str = "log.jsonl";

/// The version of the format that is written, and the only one that is read.
pub(crate) const VERSION: u32 = 1;

/// The file that says which directories the folders were.
const ROOTS: &str = "roots.json";

/// What a run is made of.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    pub(crate) cloudchamber_live: u32,
    /// The program that wrote it: another one may do otherwise.
    pub(crate) build: String,
    pub(crate) profile: String,
    pub(crate) seed: u64,
    pub(crate) hazards: bool,
    /// The directories, a, b, c and so on.
    pub(crate) folders: Vec<PathBuf>,
    /// By how much a wall clock at the start was ahead of the world's, ms.
    pub(crate) clock_offset_ms: i64,
}

/// One thing that was done. Times are ms of world time.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Line {
    /// A program saved a file, or removed it.
    Saw {
        ms: u64,
        replica: ReplicaId,
        path: Path,
        /// The content's name on the shelf; `None` if the file was removed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content: Option<String>,
        /// The file's modification time, µs since 1970.
        #[serde(default)]
        modified_us: i64,
    },
    /// Somebody gave an order.
    Order { ms: u64, choice: ChoiceOf<LiveSystem> },
    /// From now on nothing goes wrong.
    Soothe { ms: u64 },
    /// Everything happened that was due until then.
    To { ms: u64, hash: String },
    /// Something could not be put or removed there, so that the directory is not what it should be.
    Blocked { replica: ReplicaId, name: String },
}

/// The state directory of a run.
#[derive(Debug)]
pub(crate) struct State {
    dir: PathBuf,
    log: File,
    pub(crate) aside: Aside,
    _lock: Lock,
}

/// What an earlier life left: its head and its lines.
pub(crate) type Left = Option<(Head, Vec<Line>)>;

impl State {
    /// Opens the state directory, which is made, for this process alone. Returns also what an earlier life left in it.
    ///
    /// # Errors
    /// Where it cannot be used, another process uses it, or what is in it cannot be read.
    pub(crate) fn open(dir: &OsPath) -> Result<(Self, Left), LiveError> {
        let io = |what: &'static str| move |error: io::Error| LiveError::io(dir, what, &error);
        fs::create_dir_all(dir.join("contents")).map_err(io("cannot be made"))?;
        let lock = Lock::attempt(dir).map_err(io("cannot be locked"))?;
        let Some(lock) = lock else {
            let dir = dir.display();
            return Err(LiveError::new(format!(
                "{dir}: another `live` works with it; end that one, or give --state another directory"
            )));
        };
        let aside = Aside::open(dir.join("aside")).map_err(io("cannot be used"))?;
        let path = dir.join(LOG);
        let left = read_log(&path)?;
        let log = OpenOptions::new().append(true).create(true).open(&path);
        let log = log.map_err(|error| LiveError::io(&path, "cannot be opened", &error))?;
        Ok((Self { dir: dir.to_owned(), log, aside, _lock: lock }, left))
    }

    pub(crate) fn dir(&self) -> &OsPath {
        &self.dir
    }

    /// Writes the first line.
    pub(crate) fn begin(&mut self, head: &Head) -> Result<(), LiveError> {
        self.append(head)
    }

    /// Notes something, before it is done.
    pub(crate) fn note(&mut self, line: &Line) -> Result<(), LiveError> {
        self.append(line)
    }

    fn append(&mut self, value: &impl Serialize) -> Result<(), LiveError> {
        let mut text = serde_json::to_string(value).expect("names and numbers serialise");
        text.push('\n');
        self.log
            .write_all(text.as_bytes())
            .map_err(|error| LiveError::io(&self.dir.join(LOG), "cannot be written", &error))
    }

    /// Which directory each folder was when it was last looked at: device and number. `None` if nothing says it.
    ///
    /// # Errors
    /// Where that cannot be read.
    pub(crate) fn roots(&self) -> Result<Option<Vec<(u64, u64)>>, LiveError> {
        let path = self.dir.join(ROOTS);
        match fs::read(&path) {
            // It is written before anything that needs it. One that is torn says nothing.
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(LiveError::io(&path, "cannot be read", &error)),
        }
    }

    /// Notes which directory each folder is.
    ///
    /// # Errors
    /// Where that cannot be written.
    pub(crate) fn note_roots(&self, roots: &[(u64, u64)]) -> Result<(), LiveError> {
        let (path, new) = (self.dir.join(ROOTS), self.dir.join(format!("{ROOTS}.new")));
        let text = serde_json::to_string(roots).expect("numbers serialise");
        fs::write(&new, text)
            .and_then(|()| fs::rename(&new, &path))
            .map_err(|error| LiveError::io(&path, "cannot be written", &error))
    }

    /// Keeps a content, and returns the name that it has from now on.
    pub(crate) fn keep(&mut self, content: &Content) -> Result<String, LiveError> {
        let name = hex::encode(Sha256::digest(content.bytes()));
        let path = self.dir.join("contents").join(&name);
        let failed = |error: io::Error| LiveError::io(&path, "cannot be kept", &error);
        if !path.exists() {
            let new = self.dir.join("contents").join(format!("{name}.new"));
            fs::write(&new, content.bytes()).and_then(|()| fs::rename(&new, &path)).map_err(failed)?;
        }
        Ok(name)
    }

    /// A content that was kept.
    pub(crate) fn kept(&self, name: &str) -> Result<Content, LiveError> {
        let path = self.dir.join("contents").join(name);
        let bytes = fs::read(&path).map_err(|error| {
            LiveError::new(format!("{}: cannot be read: {error}; {}", path.display(), self.way_out()))
        })?;
        if hex::encode(Sha256::digest(&bytes)) != name {
            return Err(LiveError::new(format!(
                "{}: it is not what was kept; {}",
                path.display(),
                self.way_out()
            )));
        }
        Ok(Content::new(bytes))
    }

    /// That a line of the log cannot be done once more. `place` counts from 0, without the head.
    pub(crate) fn damaged(&self, place: usize, why: &str) -> LiveError {
        let line = place + 2;
        LiveError::new(format!("{}:{line}: {why}; {}", self.dir.join(LOG).display(), self.way_out()))
    }

    /// What to do where it cannot go on.
    pub(crate) fn way_out(&self) -> String {
        way_out(&self.dir)
    }
}

fn way_out(dir: &OsPath) -> String {
    format!(
        "it cannot be resumed. Nothing was changed; to begin anew with the folders as they are, move {} away and give --adopt",
        dir.display()
    )
}

/// Reads what an earlier life left. A last line that is not whole was never acted upon, and is cut off.
fn read_log(path: &OsPath) -> Result<Left, LiveError> {
    let failed = |error: io::Error| LiveError::io(path, "cannot be read", &error);
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    if whole < bytes.len() {
        let file = OpenOptions::new().write(true).open(path).map_err(failed)?;
        file.set_len(whole as u64).map_err(failed)?;
    }
    let dir = path.parent().unwrap_or(path);
    let broken = |line: usize, why: String| {
        LiveError::new(format!("{}:{}: {why}; {}", path.display(), line + 1, way_out(dir)))
    };
    let text = std::str::from_utf8(&bytes[..whole]).map_err(|error| broken(0, error.to_string()))?;
    let mut lines = text.lines().enumerate();
    let Some((_, first)) = lines.next() else { return Ok(None) };
    let head: Head = serde_json::from_str(first).map_err(|error| broken(0, error.to_string()))?;
    if head.cloudchamber_live != VERSION {
        return Err(broken(
            0,
            format!("it is of version {}, and this program reads {VERSION}", head.cloudchamber_live),
        ));
    }
    let parse = |(number, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| broken(number, error.to_string()))
    };
    Ok(Some((head, lines.map(parse).collect::<Result<_, _>>()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        Head {
            cloudchamber_live: VERSION,
            build: "test".into(),
            profile: "dropbox".into(),
            seed: 7,
            hazards: true,
            folders: vec!["/a".into(), "/b".into()],
            clock_offset_ms: 5,
        }
    }

    #[test]
    fn a_line_that_was_cut_off_was_never_acted_upon() {
        let dir = tempfile::tempdir().unwrap();
        let line = Line::Saw {
            ms: 1,
            replica: ReplicaId(1),
            path: Path::shared("x"),
            content: None,
            modified_us: 0,
        };
        let (mut state, left) = State::open(dir.path()).unwrap();
        assert!(left.is_none());
        state.begin(&head()).unwrap();
        state.note(&line).unwrap();
        drop(state);
        let log = dir.path().join(LOG);
        let whole = fs::read(&log).unwrap();
        fs::write(&log, [&whole[..], b"{\"to\":{\"ms\":12,\"ha"].concat()).unwrap();
        let (state, left) = State::open(dir.path()).unwrap();
        assert_eq!(left, Some((head(), vec![line])));
        assert_eq!(fs::read(&log).unwrap(), whole);
        assert!(State::open(dir.path()).unwrap_err().to_string().contains("another `live`"));
        drop(state);
        fs::write(&log, "{\"cloudchamber_live\":1}\n").unwrap();
        let why = State::open(dir.path()).unwrap_err().to_string();
        assert!(why.contains("log.jsonl:1: ") && why.contains("--adopt"), "{why}");
    }

    #[test]
    fn a_content_is_kept_once_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let (mut state, _) = State::open(dir.path()).unwrap();
        let content = Content::from("one");
        let name = state.keep(&content).unwrap();
        assert_eq!(state.keep(&content).unwrap(), name);
        assert_eq!(state.kept(&name).unwrap(), content);
        fs::write(dir.path().join("contents").join(&name), "two").unwrap();
        assert!(state.kept(&name).unwrap_err().to_string().contains("not what was kept"));
        fs::remove_file(dir.path().join("contents").join(&name)).unwrap();
        let why = state.kept(&name).unwrap_err().to_string();
        assert!(why.contains(&name) && why.contains("move ") && why.contains("--adopt"), "{why}");
    }
}
