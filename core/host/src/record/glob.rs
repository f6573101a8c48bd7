//! Patterns of paths.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A pattern of paths in a folder: `*` stands for any letters within one part, `?` for one of them, `**` for any number of
/// whole parts. `notes/**` is everything below `notes`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(into = "String", try_from = "String")]
pub struct Glob(String);

impl Glob {
    /// Whether a path is one of those.
    #[must_use]
    pub fn is_match(&self, path: &str) -> bool {
        let (pattern, path): (Vec<&str>, Vec<&str>) =
            (self.0.split('/').collect(), path.split('/').collect());
        parts(&pattern, &path)
    }
}

fn parts(pattern: &[&str], path: &[&str]) -> bool {
    match pattern.split_first() {
        None => path.is_empty(),
        // It has to stand for something at the end, or a directory's own name would be below it.
        Some((&"**", rest)) => {
            (usize::from(rest.is_empty())..=path.len()).any(|skip| parts(rest, &path[skip..]))
        }
        Some((first, rest)) => {
            path.split_first().is_some_and(|(part, more)| letters(first, part) && parts(rest, more))
        }
    }
}

/// One part, by trying again from the last star where a letter does not fit.
fn letters(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut of, mut star) = (0, 0, None);
    while of < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, of));
                at += 1;
            }
            Some(letter) if *letter == '?' || *letter == text[of] => (at, of) = (at + 1, of + 1),
            _ => {
                let Some((back, from)) = star else { return false };
                star = Some((back, from + 1));
                (at, of) = (back + 1, from + 1);
            }
        }
    }
    pattern[at..].iter().all(|letter| *letter == '*')
}

impl FromStr for Glob {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_part = |part: &str| !matches!(part, "" | "." | "..");
        if text.split('/').all(is_part) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "`{text}` is no pattern of paths: write one relative to the folder, such as notes/** or *.txt"
        ))
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
        glob.0
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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
        for bad in ["", "/a", "a//b", "../a", "a/"] {
            assert!(bad.parse::<Glob>().is_err(), "{bad}");
        }
    }
}
