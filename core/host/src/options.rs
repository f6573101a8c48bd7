//! A file in place of long lines: options of a command as TOML.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use anyhow::{Context, bail};
use toml::Value;

/// A command line with the options of a file in it, before the command's own arguments that follow `--`. What the line
/// gives counts over the file. `takes` says of an option whether this command has it, and `known` which options any
/// command has: one file serves several. `command` is the list that follows `--`, where `takes` says that there is one.
///
/// # Errors
/// If the file cannot be read, or has an option that no command knows or a value that is no option's, with file and line.
pub fn with_file(
    line: Vec<OsString>,
    file: &Path,
    takes: &dyn Fn(&str) -> bool,
    known: &dyn Fn() -> Vec<String>,
) -> anyhow::Result<Vec<OsString>> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{}: give a TOML file that can be read", file.display()))?;
    let text = text.trim_start_matches('\u{feff}');
    let table: toml::Table = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(1, |span| line_of(text, span.start));
        anyhow::anyhow!("{}:{at}: {}", file.display(), error.message())
    })?;
    let end = line.iter().position(|word| word == "--").unwrap_or(line.len());
    let (mut words, rest) = (line[..end].to_vec(), line[end..].to_vec());
    let mut command = Vec::new();
    for (key, value) in &table {
        let option = format!("--{}", key.replace('_', "-"));
        let name = &option[2..];
        let place = || format!("{}:{}", file.display(), line_of_key(text, key));
        if name == "config" || !known().iter().any(|known| known == name) && name != "command" {
            bail!("{}: `{key}` is no option: there are command, {}", place(), known().join(", "));
        }
        let values = texts(value)
            .with_context(|| format!("{}: `{key}` is a text, a number, true, or a list of texts", place()))?;
        let is_given = |word: &OsString| {
            let word = word.to_string_lossy();
            *word == *option || word.starts_with(&format!("{option}="))
        };
        if name == "command" {
            command = values.unwrap_or_default();
        } else if takes(name) && !line[..end].iter().any(is_given) {
            match values {
                None => words.push(option.into()),
                Some(values) => {
                    words.extend(values.into_iter().map(|value| OsString::from(format!("{option}={value}"))));
                }
            }
        }
    }
    if rest.is_empty() && takes("command") && !command.is_empty() {
        words.push("--".into());
        words.extend(command.into_iter().map(OsString::from));
    }
    words.extend(rest);
    Ok(words)
}

/// The file that a command line names with `--config`.
#[must_use]
pub fn named(line: &[OsString]) -> Option<OsString> {
    let mut words = line.iter().take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        if word == "--config" {
            return words.next().cloned();
        }
        if let Some(file) = word.to_str().and_then(|word| word.strip_prefix("--config=")) {
            return Some(OsStr::new(file).to_owned());
        }
    }
    None
}

/// The texts that a value stands for; no list if it is a switch that is on.
fn texts(value: &Value) -> anyhow::Result<Option<Vec<String>>> {
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        other => bail!("it is a {}", other.type_str()),
    };
    Ok(match value {
        Value::Boolean(true) => None,
        Value::Boolean(false) => Some(vec![]),
        Value::Array(values) => Some(values.iter().map(text).collect::<anyhow::Result<_>>()?),
        value => Some(vec![text(value)?]),
    })
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

fn line_of_key(text: &str, key: &str) -> usize {
    let sets = |line: &str| {
        line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    text.lines().position(sets).map_or(1, |line| line + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, line: &[&str], takes: &[&str]) -> Result<Vec<String>, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("agent.toml");
        std::fs::write(&file, text).unwrap();
        let line = line.iter().map(OsString::from).collect();
        let known = || ["folder", "grace", "json", "voter"].map(str::to_owned).to_vec();
        let read = with_file(line, &file, &|name| takes.contains(&name), &known);
        let words = read.map_err(|error| format!("{error:#}").replace(&*dir.path().to_string_lossy(), ""))?;
        Ok(words.into_iter().map(|word| word.into_string().unwrap()).collect())
    }

    const FILE: &str = "folder = '/sync'\ngrace = 9\njson = true\nvoter = ['a@h:/', 'b@h:/']\ncommand = ['./mirror', '-v']\n";

    #[test]
    fn the_line_counts_over_the_file_and_a_command_takes_what_it_knows() {
        let all = ["folder", "grace", "json", "voter", "command"];
        assert_eq!(
            read(FILE, &["agent", "run", "--grace", "3"], &all).unwrap(),
            [
                "agent",
                "run",
                "--grace",
                "3",
                "--folder=/sync",
                "--json",
                "--voter=a@h:/",
                "--voter=b@h:/",
                "--",
                "./mirror",
                "-v",
            ]
        );
        assert_eq!(
            read(FILE, &["agent", "status", "--folder=/other"], &["folder"]).unwrap(),
            ["agent", "status", "--folder=/other"]
        );
        assert_eq!(
            read(FILE, &["agent", "run", "--", "other"], &["folder", "command"]).unwrap(),
            ["agent", "run", "--folder=/sync", "--", "other"]
        );
    }

    #[test]
    fn what_no_command_knows_is_refused_with_its_line() {
        let refused = |text| read(text, &["agent", "run"], &["folder"]).unwrap_err();
        assert_eq!(
            refused("folder = '/x'\nfoldr = '/y'\n"),
            "/agent.toml:2: `foldr` is no option: there are command, folder, grace, json, voter"
        );
        assert_eq!(
            refused("\ngrace = 1.5\n"),
            "/agent.toml:2: `grace` is a text, a number, true, or a list of texts: it is a float"
        );
        assert!(refused("folder = \n").starts_with("/agent.toml:1: "), "{}", refused("folder = \n"));
    }

    #[test]
    fn the_file_is_named_before_the_command_begins() {
        let line = |words: &[&str]| named(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(line(&["agent", "run", "--config", "x"]), Some("x".into()));
        assert_eq!(line(&["agent", "--config=y", "run"]), Some("y".into()));
        assert_eq!(line(&["agent", "run", "--", "sh", "--config", "x"]), None);
    }
}
