//! What is wrong with a TOML file, and the name that was probably meant.

use strsim::damerau_levenshtein;

/// The known name that is nearest to one that is not known; `None` if none is near: a third of its letters may be wrong.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distances = known.into_iter().map(|known| (damerau_levenshtein(name, known), known));
    let near = distances.filter(|(distance, known)| *distance <= known.len().div_ceil(3));
    near.min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// That there is no such name, with the one that was probably meant and all that there are: "there is no profile `iclod`; did
/// you mean `icloud`? There are …".
#[must_use]
pub fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let all = known.join(", ");
    match nearest(name, known) {
        Some(near) => format!("there is no {what} `{name}`; did you mean `{near}`? There are {all}"),
        None => format!("there is no {what} `{name}`; there are {all}"),
    }
}

/// Where the fault is, as a line from 1, and what it is. Where a name is not known, the one that was probably meant is told,
/// and the line is that of the name.
#[must_use]
pub fn told(text: &str, error: &toml::de::Error) -> (Option<usize>, String) {
    let message = error.message().lines().collect::<Vec<_>>().join(" ");
    let from = error.span().map(|span| span.start);
    let is_unknown = ["unknown field", "unknown variant"].iter().any(|start| message.starts_with(start));
    let mut names = message.split('`').skip(1).step_by(2);
    let Some(name) = names.next().filter(|_| is_unknown) else {
        return (from.map(|from| line_of(text, from)), message);
    };
    // The place of a table of several forms is its beginning, if it is told at all.
    let from = from.unwrap_or(0);
    let line = Some(line_of(text, from + text[from..].find(name).unwrap_or(0)));
    let told = match nearest(name, names) {
        Some(near) => message.replacen(", expected", &format!("; did you mean `{near}`? Expected is"), 1),
        None => message.clone(),
    };
    (line, told)
}

/// The line, from 1, of a byte offset.
#[must_use]
pub fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|&byte| byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_near_where_a_third_of_it_is_wrong_at_most() {
        let known = ["icloud", "dropbox", "git"];
        for (name, near) in [
            ("iclod", Some("icloud")),
            ("drpobox", Some("dropbox")),
            ("gti", Some("git")),
            ("floppy", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known), near, "{name}");
        }
        assert_eq!(
            unknown("profile", "iclod", known),
            "there is no profile `iclod`; did you mean `icloud`? There are icloud, dropbox, git"
        );
    }

    #[test]
    fn a_name_that_is_not_known_is_told_with_its_own_line_and_the_one_that_was_meant() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
        enum Deed {
            Crash { after_ms: u64 },
        }
        let fault = |text: &str| told(text, &toml::from_str::<Deed>(text).unwrap_err());
        assert_eq!(
            fault("after_ms = 1\ndo = 'crsh'\n"),
            (Some(2), "unknown variant `crsh`; did you mean `crash`? Expected is `crash`".to_owned())
        );
        let (line, message) = fault("do = 'crash'\nafter_m = 1\n");
        assert_eq!(line, Some(2), "{message}");
        assert!(message.contains("`after_m`; did you mean `after_ms`?"), "{message}");
        let (_, message) = fault("do = 'explode'\n");
        assert!(!message.contains("did you mean"), "{message}");
        let crash = toml::from_str::<Deed>("do = 'crash'\nafter_ms = 1\n");
        assert!(matches!(crash, Ok(Deed::Crash { after_ms: 1 })));
    }
}
