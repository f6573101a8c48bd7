//! What somebody can ask of a run while it goes on: with `ctl`, or at times that a script gives.

use std::path::{Path as OsPath, PathBuf};

use cloudchamber_core::{Path, Root};
use cloudchamber_folder::profile::Arrival;
use cloudchamber_folder::{ReplicaId, mistake};
use serde::{Deserialize, Serialize};

use crate::error::LiveError;

/// Something to do. A replica is named by its letter, or by what its directory is called.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// The newest version of a file, which is still on its way there, becomes visible now, in this state.
    Arrive {
        /// Where.
        replica: String,
        /// Which file.
        path: String,
        /// In what state.
        #[serde(default)]
        arrival: Arrival,
    },
    /// The client stands still until the file was changed there and elsewhere.
    Conflict {
        /// Whose client.
        replica: String,
        /// Which file.
        path: String,
    },
    /// The run ends.
    End,
    /// The bytes of a file leave the disk.
    Evict {
        /// Where.
        replica: String,
        /// Which file.
        path: String,
    },
    /// The bytes of an evicted file come back.
    Fetch {
        /// Where.
        replica: String,
        /// Which file.
        path: String,
    },
    /// The client forgets what it had synced.
    Forget {
        /// Whose client.
        replica: String,
    },
    /// The folder is kept aside as it is.
    Keep {
        /// Whose folder.
        replica: String,
    },
    /// Says how all stand.
    List,
    /// A file gets lost on the disk, and the client takes that for a removal.
    Lose {
        /// Where.
        replica: String,
        /// Which file.
        path: String,
    },
    /// The machine has no network any more.
    Offline {
        /// Whose machine.
        replica: String,
    },
    /// The version of a file before the newest comes back as a change.
    Older {
        /// Where.
        replica: String,
        /// Which file.
        path: String,
    },
    /// The machine has a network again.
    Online {
        /// Whose machine.
        replica: String,
    },
    /// From now on nothing goes wrong, what went wrong is mended, and all that is on its way arrives.
    Quiet,
    /// Machines are awake and online again, and evicted files are back. What the provider does wrong by itself goes on.
    Reset,
    /// What was kept aside comes back as a change.
    Restore {
        /// Whose folder.
        replica: String,
        /// Which file; `None` if it is the whole folder.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
    },
    /// The machine falls asleep: its client does nothing.
    Sleep {
        /// Whose machine.
        replica: String,
    },
    /// The machine wakes up.
    Wake {
        /// Whose machine.
        replica: String,
    },
}

/// Something that a script does, and when.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Timed {
    /// World time, ms.
    pub ms: u64,
    /// What.
    #[serde(flatten)]
    pub action: Action,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    at: Vec<Timed>,
}

/// The same tables once more, for where they stand and what is written in them.
#[derive(Deserialize)]
struct Written {
    at: Vec<toml::Spanned<toml::Table>>,
}

/// How much of a version can be there that is not there as a whole, percent.
const PERCENT_MAX: u8 = 99;

/// How the words of `ctl` are written.
const WORDS: &str = "offline B, online B, sleep B, wake B, conflict B/FILE, evict B/FILE, fetch B/FILE, lose B/FILE, \
                     older B/FILE, arrive B/FILE whole|empty|nul|gap|stub|PERCENT, keep B, restore B[/FILE], forget B, \
                     quiet, reset, list, end";

impl Action {
    /// Reads the words of a command line, such as `evict b notes/a.txt` or `evict b/notes/a.txt`.
    ///
    /// # Errors
    /// A sentence that says what can be written.
    pub fn of_words(words: &[String]) -> Result<Self, String> {
        let unknown = || format!("`{}` cannot be done; write one of: {WORDS}", words.join(" "));
        let Some((verb, rest)) = words.split_first() else { return Err(unknown()) };
        let (place, mut rest) = match rest.split_first() {
            None => (None, rest),
            Some((place, rest)) => (Some(place.as_str()), rest),
        };
        let (replica, path) = match place.map(|place| place.split_once('/').unwrap_or((place, ""))) {
            Some((replica, "")) => match (takes_a_path(verb), rest.split_first()) {
                (true, Some((path, more))) => {
                    rest = more;
                    (Some(replica), Some(path.as_str()))
                }
                _ => (Some(replica), None),
            },
            Some((replica, path)) => (Some(replica), Some(path)),
            None => (None, None),
        };
        let arrival = match (verb.as_str(), rest) {
            ("arrive", [state]) => Some(arrival(state).ok_or_else(unknown)?),
            ("arrive", []) => Some(Arrival::Whole),
            (_, []) => None,
            _ => return Err(unknown()),
        };
        let replica = replica.map(str::to_owned);
        let path = path.map(str::to_owned);
        Ok(match (verb.as_str(), replica, path) {
            ("arrive", Some(replica), Some(path)) => {
                Self::Arrive { replica, path, arrival: arrival.ok_or_else(unknown)? }
            }
            ("conflict", Some(replica), Some(path)) => Self::Conflict { replica, path },
            ("evict", Some(replica), Some(path)) => Self::Evict { replica, path },
            ("fetch", Some(replica), Some(path)) => Self::Fetch { replica, path },
            ("lose", Some(replica), Some(path)) => Self::Lose { replica, path },
            ("older", Some(replica), Some(path)) => Self::Older { replica, path },
            ("restore", Some(replica), path) => Self::Restore { replica, path },
            ("forget", Some(replica), None) => Self::Forget { replica },
            ("keep", Some(replica), None) => Self::Keep { replica },
            ("offline", Some(replica), None) => Self::Offline { replica },
            ("online", Some(replica), None) => Self::Online { replica },
            ("sleep", Some(replica), None) => Self::Sleep { replica },
            ("wake", Some(replica), None) => Self::Wake { replica },
            ("end", None, None) => Self::End,
            ("list", None, None) => Self::List,
            ("quiet", None, None) => Self::Quiet,
            ("reset", None, None) => Self::Reset,
            _ => return Err(unknown()),
        })
    }
}

fn takes_a_path(verb: &str) -> bool {
    matches!(verb, "arrive" | "conflict" | "evict" | "fetch" | "lose" | "older" | "restore")
}

fn arrival(word: &str) -> Option<Arrival> {
    Some(match word {
        "whole" => Arrival::Whole,
        "empty" => Arrival::Empty,
        "nul" => Arrival::Nul,
        "gap" => Arrival::Gap,
        "stub" => Arrival::Stub,
        number => Arrival::Prefix { percent: number.parse().ok().filter(|percent| *percent <= PERCENT_MAX)? },
    })
}

/// A file that somebody named, with or without the root that scenario files write.
pub(crate) fn path_of(name: &str) -> Result<Path, String> {
    let name = name.strip_prefix("shared:").unwrap_or(name);
    match Path::new(Root::Shared, name) {
        Ok(path) if !name.is_empty() => Ok(path),
        _ => Err(format!(
            "`{name}` is not the name of a file in a folder; write it relative to that, such as notes/a.txt"
        )),
    }
}

/// What cannot be meant of what a table says: the key that it stands under, and why not.
fn check(action: &Action, table: &toml::Table, folders: &[PathBuf]) -> Result<(), (String, String)> {
    let Ok(serde_json::Value::Object(taken)) = serde_json::to_value(action) else { return Ok(()) };
    if let Some(key) = table.keys().find(|key| *key != "ms" && !taken.contains_key(*key)) {
        return Err((key.clone(), format!("`{}` takes no `{key}`", taken["do"].as_str().unwrap_or(""))));
    }
    let at = |key: &'static str| move |why: String| (key.to_owned(), why);
    if let Some(name) = taken.get("replica").and_then(|name| name.as_str()) {
        let called: Vec<_> = ReplicaId::all(folders.len().min(ReplicaId::COUNT_MAX))
            .zip(folders)
            .map(|(id, dir)| (id, called(dir)))
            .collect();
        replica_of(name, &called).map_err(at("replica"))?;
    }
    if let Some(name) = taken.get("path").and_then(|name| name.as_str()) {
        path_of(name).map_err(at("path"))?;
    }
    if let Action::Arrive { arrival, .. } = action
        && let Arrival::Prefix { percent } | Arrival::Beside { percent, .. } | Arrival::Cut { percent } =
            arrival
        && *percent > PERCENT_MAX
    {
        return Err(at("percent")(format!("`percent` is {percent}, and the most is {PERCENT_MAX}")));
    }
    Ok(())
}

/// What a directory is called, links followed.
fn called(dir: &OsPath) -> String {
    let real = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    real.file_name().unwrap_or(real.as_os_str()).to_string_lossy().into_owned()
}

/// The replica of a letter, or of a directory's name. `all` are the replicas with what their directories are called.
///
/// # Errors
/// Where nobody, or more than one, is called so.
pub(crate) fn replica_of(name: &str, all: &[(ReplicaId, String)]) -> Result<ReplicaId, String> {
    let mut called = all.iter().filter(|(_, other)| other == name);
    match (called.next(), called.next()) {
        (Some((id, _)), None) => return Ok(*id),
        (Some(_), Some(_)) => {
            return Err(format!("several directories are called `{name}`; name one by its letter"));
        }
        _ => {}
    }
    let letter = name.to_ascii_lowercase();
    if let Some((id, _)) = all.iter().find(|(id, _)| id.to_string() == letter) {
        return Ok(*id);
    }
    let known: Vec<_> = all.iter().map(|(id, name)| format!("{id} ({name})")).collect();
    Err(format!("there is no machine `{name}`; there are {}", known.join(", ")))
}

/// Reads a script of a run over these directories: what is done at which times, in order of time.
///
/// # Errors
/// With file and line, where the text is not a script.
pub fn script(file: &OsPath, text: &str, folders: &[PathBuf]) -> Result<Vec<Timed>, LiveError> {
    let refused = |line: usize, why: String| {
        LiveError::new(format!(
            "{}:{line}: {why}; a script has tables `[[at]]` with `ms`, `do`, and what that takes: `replica`, `path`",
            file.display(),
        ))
    };
    let unread = |error: toml::de::Error| {
        let (line, why) = mistake::told(text, &error);
        refused(line.unwrap_or(1), why)
    };
    let mut script: Script = toml::from_str(text).map_err(unread)?;
    let written: Written = toml::from_str(text).map_err(unread)?;
    for (timed, table) in script.at.iter().zip(&written.at) {
        if let Err((key, why)) = check(&timed.action, table.get_ref(), folders) {
            let from = table.span().start;
            let place = text.get(from..).and_then(|rest| rest.find(&key)).unwrap_or(0);
            return Err(refused(mistake::line_of(text, from + place), why));
        }
    }
    // Stable: what is written first for a moment happens first.
    script.at.sort_by_key(|timed| timed.ms);
    Ok(script.at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Result<Action, String> {
        Action::of_words(&text.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn words_are_actions() {
        let (replica, path) = ("B".to_owned(), "x/y".to_owned());
        assert_eq!(words("offline B"), Ok(Action::Offline { replica: replica.clone() }));
        for text in ["evict B x/y", "evict B/x/y"] {
            assert_eq!(words(text), Ok(Action::Evict { replica: replica.clone(), path: path.clone() }));
        }
        let arrival = Arrival::Prefix { percent: 40 };
        assert_eq!(words("arrive B/x/y 40"), Ok(Action::Arrive { replica: replica.clone(), path, arrival }));
        assert_eq!(words("restore B"), Ok(Action::Restore { replica, path: None }));
        assert_eq!(words("quiet"), Ok(Action::Quiet));
        for bad in
            ["", "offline", "offline B C", "evict B", "offline B/x", "arrive B/x 100", "explode B", "list B"]
        {
            let why = words(bad).unwrap_err();
            assert!(why.contains("write one of: offline B"), "{bad}: {why}");
        }
    }

    #[test]
    fn a_script_is_in_order_of_time_and_a_mistake_has_a_line() {
        let dirs: [PathBuf; 2] = ["/at/all/A".into(), "/at/all/B".into()];
        let text = "[[at]]\nms = 9\ndo = 'quiet'\n[[at]]\nms = 5\ndo = 'offline'\nreplica = 'b'\n\
                    [[at]]\nms = 5\ndo = 'arrive'\nreplica = 'b'\npath = 'x'\narrival = { prefix = { percent = 40 } }\n";
        let timed = script("s.toml".as_ref(), text, &dirs).unwrap();
        assert_eq!(timed.iter().map(|timed| timed.ms).collect::<Vec<_>>(), [5, 5, 9]);
        assert_eq!(timed[0].action, Action::Offline { replica: "b".into() });
        for bad in
            ["at = 1", "[[at]]\nms = 1\n", "[[at]]\nms = 1\ndo = 'offline'\n", "[[at]]\nms = 1\ndo = 'fly'\n"]
        {
            let why = script("s.toml".as_ref(), bad, &dirs).unwrap_err().to_string();
            assert!(why.starts_with("s.toml:") && why.contains("[[at]]"), "{why}");
        }
        let second = |of: &str| format!("[[at]]\nms = 1\ndo = 'reset'\n\n[[at]]\nms = 2\n{of}\n");
        for (bad, line, why) in [
            ("do = 'quiet'\nreplica = 'b'", 8, "`quiet` takes no `replica`"),
            ("do = 'offline'\nreplica = 'c'", 8, "no machine `c`; there are a (A), b (B)"),
            ("do = 'lose'\nreplica = 'B'\npath = '../x'", 9, "`../x` is not the name"),
            (
                "do = 'arrive'\nreplica = 'b'\npath = 'x'\narrival = { prefix = { percent = 140 } }",
                10,
                "`percent` is 140, and the most is 99",
            ),
        ] {
            let said = script("s.toml".as_ref(), &second(bad), &dirs).unwrap_err().to_string();
            assert!(said.starts_with(&format!("s.toml:{line}: ")) && said.contains(why), "{said}");
        }
        assert!(path_of("../x").is_err() && path_of("").is_err() && path_of("shared:x").is_ok());
    }
}
