//! Provider profiles: what a sync client does to files ([`Rules`]), when ([`Timing`]), and what goes wrong
//! with it ([`Hazards`]).
//!
//! A profile is a TOML file. Every value says where it comes from:
//! ```toml
//! [timing.delay]
//! median_ms = { value = 6000, tag = "assumed", source = "between two published single points, 4.3 s and 15 s" }
//! ```
//! and a tag says how far to trust it ([`Tag`]). The files of `scenarios/profiles` are part of the program
//! ([`Profile::named`]); others are read from a path ([`Profile::load`]) or a text ([`Profile::parse`]). Scenarios and
//! commands name either ([`Profile::find`]).

mod file;
mod hazards;
mod naming;
mod quantiles;
mod rules;
mod timing;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};

use crate::mistake;

pub use file::ProfileError;
pub use hazards::{Hazard, Hazards, MachineFault, Ratio, RatioError};
pub use naming::Naming;
pub use quantiles::Quantiles;
pub use rules::{
    Arrival, CreateConflict, DeleteConflict, EditConflict, Mtime, Placeholder, Rules, Temporary, Visible,
};
pub use timing::{BatchOrder, Debounce, Delay, Removals, Timing};

/// One provider.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Profile {
    /// What it is called, as in a scenario and on the command line.
    pub name: String,
    /// What it stands for, in one sentence.
    pub about: String,
    /// What it does to files.
    pub rules: Rules,
    /// When.
    pub timing: Timing,
    /// What goes wrong.
    pub hazards: Hazards,
    /// Every value of the file and where it comes from, in the file's order of names.
    pub facts: Vec<Fact>,
}

/// One value of a profile and where it comes from.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Fact {
    /// Its name in the file, such as `timing.delay.median_ms`.
    pub key: String,
    /// Its value, as TOML.
    pub value: String,
    /// How far to trust it.
    pub tag: Tag,
    /// Who says so.
    pub source: String,
}

/// How far a value can be trusted.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tag {
    /// Measured on real clients.
    Measured,
    /// Said by the vendor, the source code or a paper.
    Documented,
    /// Said by users in public.
    Reported,
    /// A judgement; the source says of what.
    Assumed,
}

/// The built-in profiles: name and text.
const FILES: [(&str, &str); 9] = [
    ("icloud", include_str!("../../../../scenarios/profiles/icloud.toml")),
    ("dropbox", include_str!("../../../../scenarios/profiles/dropbox.toml")),
    ("gdrive", include_str!("../../../../scenarios/profiles/gdrive.toml")),
    ("onedrive", include_str!("../../../../scenarios/profiles/onedrive.toml")),
    ("syncthing", include_str!("../../../../scenarios/profiles/syncthing.toml")),
    ("unison", include_str!("../../../../scenarios/profiles/unison.toml")),
    ("rclone", include_str!("../../../../scenarios/profiles/rclone.toml")),
    ("git", include_str!("../../../../scenarios/profiles/git.toml")),
    ("perfect", include_str!("../../../../scenarios/profiles/perfect.toml")),
];

/// The built-in profiles, parsed when first asked for: building a profile's tables takes milliseconds.
static PARSED: [OnceLock<Arc<Profile>>; FILES.len()] = [const { OnceLock::new() }; FILES.len()];

impl Profile {
    /// The names of the built-in profiles.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FILES.iter().map(|(name, _)| *name)
    }

    /// The built-in profile of this name; `None` if there is none.
    ///
    /// # Panics
    /// Where a built-in file is broken, which the tests rule out.
    #[must_use]
    pub fn named(name: &str) -> Option<Arc<Self>> {
        let place = FILES.iter().position(|(known, _)| *known == name)?;
        let parse = || {
            let file = format!("scenarios/profiles/{name}.toml");
            Arc::new(Self::parse(&file, FILES[place].1).unwrap_or_else(|error| panic!("{error}")))
        };
        Some(PARSED[place].get_or_init(parse).clone())
    }

    /// The profile that a scenario or a command names: a built-in one, or that of a file if the name ends with `.toml`. A
    /// file is read when it is first asked for, and what it said then counts for as long as the process lives.
    ///
    /// # Errors
    /// If there is neither, or the file is no profile: a sentence that says what there is, or where it is wrong.
    pub fn find(name: &str) -> Result<Arc<Self>, String> {
        static READ: Mutex<BTreeMap<String, Arc<Profile>>> = Mutex::new(BTreeMap::new());
        if let Some(profile) = Self::named(name) {
            return Ok(profile);
        }
        if !name.ends_with(".toml") {
            let there_is_none = mistake::unknown("profile", name, Self::names());
            return Err(format!("{there_is_none}, and files whose name ends with .toml"));
        }
        let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(profile) = read.get(name) {
            return Ok(Arc::clone(profile));
        }
        let profile = Arc::new(Self::load(name.as_ref()).map_err(|error| error.to_string())?);
        read.insert(name.to_owned(), Arc::clone(&profile));
        Ok(profile)
    }

    /// Reads a profile from a text; `file` is what problems call it.
    ///
    /// # Errors
    /// Where the text is not a whole profile: unknown, missing or contradictory values.
    pub fn parse(file: &str, text: &str) -> Result<Self, ProfileError> {
        file::parse(file, text)
    }

    /// Reads a profile from a file. For binaries, before anything runs.
    ///
    /// # Errors
    /// As [`Profile::parse`], or where the file cannot be read.
    pub fn load(path: &std::path::Path) -> Result<Self, ProfileError> {
        let file = path.display().to_string();
        #[expect(clippy::disallowed_methods, reason = "a profile is read before a run, never within one")]
        let text = std::fs::read_to_string(path).map_err(|error| ProfileError::unreadable(&file, &error))?;
        Self::parse(&file, &text)
    }
}
