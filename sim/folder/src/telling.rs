//! How people say what a run shows: words for values, and a mark for what deserves one on a drawing.

use std::fmt::Debug;

/// What a replica told, as people say it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Telling {
    /// What it did, without its subject: `suspects a after 124.9 s of silence`. Empty if it goes without saying.
    pub text: String,
    /// How it is marked on a drawing; `None` if it is not.
    pub mark: Option<Mark>,
}

/// A mark on a drawing.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Mark {
    /// How it is drawn.
    pub glyph: char,
    /// What it stands for.
    pub name: &'static str,
}

impl Telling {
    /// A value's debug form in words.
    #[must_use]
    pub fn of(value: &impl Debug) -> Self {
        Self::plain(words(value))
    }

    /// Something that is told and not marked.
    #[must_use]
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), mark: None }
    }

    /// Something that is told and marked.
    #[must_use]
    pub fn marked(text: impl Into<String>, glyph: char, name: &'static str) -> Self {
        Self { text: text.into(), mark: Some(Mark { glyph, name }) }
    }
}

/// Milliseconds as people say them: `124.9 s`.
#[must_use]
pub fn seconds(ms: i64) -> String {
    let tenths = ms.unsigned_abs().saturating_add(50) / 100;
    let sign = if ms < 0 { "-" } else { "" };
    format!("{sign}{}.{} s", tenths / 10, tenths % 10)
}

/// A value's debug form in words: `BecameActive { because: WonClaim }` is "became active (because: won claim)".
#[must_use]
pub fn words(value: &impl Debug) -> String {
    let mut text = String::new();
    let (mut quoted, mut last) = (false, ' ');
    for c in paths(&some(&format!("{value:?}"))).chars() {
        quoted ^= c == '"';
        match c {
            _ if quoted => text.push(c),
            '"' => text.push(c),
            '{' => text.push('('),
            '}' => text.push(')'),
            '_' => text.push(' '),
            _ if c.is_uppercase() => {
                if last.is_lowercase() {
                    text.push(' ');
                }
                text.extend(c.to_lowercase());
            }
            _ => text.push(c),
        }
        last = c;
    }
    text.replace("( ", "(").replace(" )", ")")
}

/// The same without the wrapping of values that might be absent.
fn some(debug: &str) -> String {
    let mut text = String::with_capacity(debug.len());
    let (mut quoted, mut escaped) = (false, false);
    // For each bracket that is open, whether it is left out.
    let mut open: Vec<bool> = Vec::new();
    for c in debug.chars() {
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && c == '\\' && !escaped;
        match c {
            '(' if !quoted => {
                let wraps = text.ends_with("Some");
                if wraps {
                    text.truncate(text.len() - "Some".len());
                } else {
                    text.push(c);
                }
                open.push(wraps);
            }
            ')' if !quoted => {
                if !open.pop().unwrap_or(false) {
                    text.push(c);
                }
            }
            _ => text.push(c),
        }
    }
    text
}

/// The same with paths as people write them.
fn paths(debug: &str) -> String {
    let shared = debug.replace("Path { root: Shared, name: \"", "\"");
    let both = shared.replace("Path { root: Local, name: \"", "\"local:");
    both.replace("\" }, ", "\", ").replace("\" } }", "\" }").replace("\" })", "\")")
}

#[cfg(test)]
mod tests {
    use cloudchamber_core::Path;
    use cloudchamber_core::failover::Event;

    use super::*;

    #[derive(Debug)]
    #[expect(dead_code, reason = "it is only shown")]
    enum Told {
        BecameActive { because: Why },
        Named { path: Option<&'static str>, some_ms: Option<u64> },
    }

    #[derive(Debug)]
    enum Why {
        WonClaim,
    }

    #[test]
    fn a_value_is_told_in_words() {
        assert_eq!(
            words(&Told::BecameActive { because: Why::WonClaim }),
            "became active (because: won claim)"
        );
        let named = Told::Named { path: Some("Mac-A (1):/x"), some_ms: Some(7) };
        assert_eq!(words(&named), "named (path: \"Mac-A (1):/x\", some ms: 7)");
        let written = Event::HeartbeatWritten { path: Path::shared("devices/A.json") };
        assert_eq!(words(&written), "heartbeat written (path: \"devices/A.json\")");
    }

    #[test]
    fn durations_are_rounded_to_tenths() {
        assert_eq!([124_940, 50, -1_500].map(seconds), ["124.9 s", "0.1 s", "-1.5 s"]);
    }
}
