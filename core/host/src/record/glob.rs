//! Patterns of paths.

use std::fmt;
use std::str::FromStr;

use globset::{GlobBuilder, GlobMatcher};
use serde::{Deserialize, Serialize};

/// A pattern of paths in a folder: `*` stands for any letters within one part, `?` for one of them, `**` for any number of
/// whole parts, `[ab]` for one of these letters and `{a,b}` for either. `notes/**` is everything below `notes`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(into = "String", try_from = "String")]
pub struct Glob(GlobMatcher);

impl Glob {
    /// Whether a path is one of those.
    #[must_use]
    pub fn is_match(&self, path: &str) -> bool {
        self.0.is_match(path)
    }
}

impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.0.glob() == other.0.glob()
    }
}

impl Eq for Glob {}

impl FromStr for Glob {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = |why: &str| {
            format!(
                "`{text}` is no pattern of paths: {why}; write one relative to the folder, such as notes/** or *.txt"
            )
        };
        if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(refused("it has an empty part, or one of dots"));
        }
        let glob = GlobBuilder::new(text).literal_separator(true).build();
        glob.map(|glob| Self(glob.compile_matcher())).map_err(|error| refused(&error.kind().to_string()))
    }
}

impl TryFrom<String> for Glob {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Glob> for String {
    fn from(glob: Glob) -> Self {
        glob.0.glob().glob().to_owned()
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.glob().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_whole_paths() {
        for (pattern, yes, no) in [
            ("a.txt", &["a.txt"][..], &["b.txt", "d/a.txt", "a.txt/b"][..]),
            ("*.txt", &["a.txt", ".txt"], &["d/a.txt", "a.txt2"]),
            ("a*c*e", &["ace", "abcde", "accee"], &["abcd", "bace"]),
            ("?.txt", &["a.txt"], &[".txt", "ab.txt"]),
            ("notes/**", &["notes/a", "notes/b/c"], &["notes", "notes2/a"]),
            ("**/a", &["a", "b/a", "b/c/a"], &["b", "a/b"]),
            ("**", &["a", "a/b"], &[]),
            ("d/*/e", &["d/x/e"], &["d/e", "d/x/y/e"]),
        ] {
            let glob: Glob = pattern.parse().unwrap();
            yes.iter().for_each(|path| assert!(glob.is_match(path), "{pattern} {path}"));
            no.iter().for_each(|path| assert!(!glob.is_match(path), "{pattern} {path}"));
        }
        for bad in ["", "/a", "a//b", "../a", "a/", "[a"] {
            assert!(bad.parse::<Glob>().is_err(), "{bad}");
        }
    }
}
