//! Plants faults into a copy of the sources, all at once, each behind a switch: one build for all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::faults::{CONDITION, Mutant};
use crate::failure::Failure;
use crate::files;

/// The environment variable that says which fault is in force, by its number from 1.
pub(super) const VARIABLE: &str = "CLOUDCHAMBER_PLANTED";

/// The environment variable that names a file, into which a byte is written once the fault in force has been reached.
pub(super) const REACHED: &str = "CLOUDCHAMBER_PLANTED_REACHED";

/// What the planted command is called, so that it does not take the other one's place in the directory of builds.
pub(super) const COMMAND: &str = "cloudchamber-planted";

/// The module that asks which fault is in force; it exists in the copy only.
fn switch() -> String {
    format!(
        "//! Which planted fault is in force.\n\n\
         /// Whether it is this one.\n\
         pub fn is(number: u32) -> bool {{\n    \
         static IN_FORCE: std::sync::OnceLock<u32> = std::sync::OnceLock::new();\n    \
         static REACHED: std::sync::Once = std::sync::Once::new();\n    \
         let read = || std::env::var(\"{VARIABLE}\").ok().and_then(|n| n.parse().ok()).unwrap_or(0);\n    \
         let is = *IN_FORCE.get_or_init(read) == number;\n    \
         if is {{\n        \
         REACHED.call_once(|| {{\n            \
         if let Ok(file) = std::env::var(\"{REACHED}\") {{ let _ = std::fs::write(file, \"1\"); }}\n        \
         }});\n    \
         }}\n    \
         is\n\
         }}\n"
    )
}

/// Writes a copy of the sources below `root` to `copy`, with the faults in it. Files that are there already with the same
/// content are left alone, so that a second build is a short one.
///
/// # Errors
/// Where a fault's text is not there exactly once, two faults overlap, or a file cannot be read or written.
pub(super) fn plant(root: &Path, copy: &Path, mutants: &[Mutant]) -> Result<(), Failure> {
    let mut planted = planted(root, mutants)?;
    let lib = root.join("core/src/lib.rs");
    let whole = planted.remove(Path::new("core/src/lib.rs")).map_or_else(|| files::read(&lib), Ok)?;
    // A planted condition may be simpler than the compiler likes.
    planted.insert(
        "core/src/lib.rs".into(),
        format!("#![allow(warnings)]\n{whole}\n#[doc(hidden)]\npub mod planted;\n"),
    );
    planted.insert("core/src/planted.rs".into(), switch());
    let manifest = files::read(&root.join("reports/Cargo.toml"))?;
    planted.insert("reports/Cargo.toml".into(), renamed(&manifest)?);
    let mut there = BTreeSet::new();
    copy_below(root, copy, Path::new(""), &planted, &mut there)?;
    for (path, text) in &planted {
        write_changed(&copy.join(path), text.as_bytes())?;
        there.insert(copy.join(path));
    }
    remove_others(copy, &there)
}

/// The manifest of the command, with the command's other name.
fn renamed(manifest: &str) -> Result<String, Failure> {
    let plain = "[[bin]]\nname = \"cloudchamber\"";
    if !manifest.contains(plain) {
        return Err(Failure::new("reports/Cargo.toml: names no `[[bin]]` called `cloudchamber` first"));
    }
    Ok(manifest.replacen(plain, &format!("[[bin]]\nname = \"{COMMAND}\""), 1).replacen(
        "default-run = \"cloudchamber\"",
        &format!("default-run = \"{COMMAND}\""),
        1,
    ))
}

/// The sources that faults are planted in, with all of them.
fn planted(root: &Path, mutants: &[Mutant]) -> Result<BTreeMap<PathBuf, String>, Failure> {
    let mut by_file: BTreeMap<&str, Vec<Numbered<'_>>> = BTreeMap::new();
    for (number, mutant) in (1..).zip(mutants) {
        by_file.entry(&mutant.file).or_default().push((number, mutant));
    }
    let mut planted = BTreeMap::new();
    for (file, mutants) in by_file {
        let text = files::read(&root.join(file))?;
        let switch = if file.starts_with("core/src/") { "crate" } else { "cloudchamber_core" };
        planted.insert(PathBuf::from(file), edited(&text, &format!("{switch}::planted::is"), &mutants)?);
    }
    Ok(planted)
}

/// A fault with its number.
type Numbered<'a> = (u32, &'a Mutant);

/// A source with some faults in it.
fn edited(text: &str, is: &str, mutants: &[Numbered<'_>]) -> Result<String, Failure> {
    let mut places: Vec<(Range<usize>, Vec<Numbered<'_>>)> = Vec::new();
    for (number, mutant) in mutants {
        if !is_raw(mutant) && (is_torn(&mutant.find) || is_torn(&mutant.replace)) {
            return Err(Failure::new(format!(
                "{}: the fault `{}` has no whole expression or statement; take all of it, or write the whole new text \
                 with {CONDITION} in it",
                mutant.file, mutant.name
            )));
        }
        let place = place_of(text, mutant)?;
        match places.iter_mut().find(|(other, _)| other.start < place.end && place.start < other.end) {
            Some((same, there)) if *same == place && !there.iter().any(|(_, other)| is_raw(other)) => {
                there.push((*number, mutant));
            }
            Some((_, there)) => {
                let other = &there[0].1.name;
                return Err(Failure::new(format!(
                    "{}: the faults `{}` and `{other}` overlap; plant one of them elsewhere",
                    mutant.file, mutant.name
                )));
            }
            None => places.push((place, vec![(*number, *mutant)])),
        }
    }
    places.sort_by_key(|(place, _)| place.start);
    let mut edited = String::new();
    let mut from = 0;
    for (place, there) in places {
        edited.push_str(&text[from..place.start]);
        edited.push_str(&switched(&text[place.clone()], is, &there));
        from = place.end;
    }
    edited.push_str(&text[from..]);
    Ok(edited)
}

/// Where a fault's text is; it has to be there once, before the tests of the file.
fn place_of(text: &str, mutant: &Mutant) -> Result<Range<usize>, Failure> {
    let code = &text[..text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len())];
    let mut found = code.match_indices(&mutant.find);
    match (found.next(), found.next()) {
        (Some((start, found)), None) => Ok(start..start + found.len()),
        (first, _) => Err(Failure::new(format!(
            "{}: the text of the fault `{}` is {}; name a text that stands there once",
            mutant.file,
            mutant.name,
            if first.is_none() { "not there" } else { "there more than once" }
        ))),
    }
}

/// Whether a text cannot stand in a block of its own: brackets are open, or it goes on from what comes before, or into what
/// comes after.
fn is_torn(text: &str) -> bool {
    let is_open = |[open, close]: [char; 2]| text.matches(open).count() != text.matches(close).count();
    [['(', ')'], ['[', ']'], ['{', '}']].into_iter().any(is_open)
        || ["&&", "||", ".", ","].iter().any(|before| text.trim_start().starts_with(before))
        || ["&&", "||"].iter().any(|after| text.trim_end().ends_with(after))
}

fn is_raw(mutant: &Mutant) -> bool {
    mutant.replace.contains(CONDITION)
}

/// The text with its alternatives.
fn switched(find: &str, is: &str, there: &[Numbered<'_>]) -> String {
    if let [(number, mutant)] = there
        && is_raw(mutant)
    {
        return mutant.replace.replace(CONDITION, &format!("{is}({number})"));
    }
    let mut switched = String::new();
    for (number, mutant) in there {
        switched.push_str(&format!("if {is}({number}) {{ {} }} else ", mutant.replace));
    }
    switched.push_str(&format!("{{ {find} }}"));
    let is_statement = find.trim_end().ends_with([';', '}']);
    if is_statement { switched } else { format!("({switched})") }
}

/// Copies what cargo needs: everything but hidden files and builds.
fn copy_below(
    root: &Path,
    copy: &Path,
    below: &Path,
    planted: &BTreeMap<PathBuf, String>,
    there: &mut BTreeSet<PathBuf>,
) -> Result<(), Failure> {
    let dir = root.join(below);
    let failed = |error: std::io::Error| Failure::file(&dir, "cannot be listed", &error);
    for entry in std::fs::read_dir(&dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        let path = below.join(&name);
        if is_hidden || name == OsStr::new("target") || planted.contains_key(&path) {
            continue;
        }
        if entry.file_type().map_err(failed)?.is_dir() {
            copy_below(root, copy, &path, planted, there)?;
        } else {
            let from = root.join(&path);
            let bytes =
                std::fs::read(&from).map_err(|error| Failure::file(&from, "cannot be read", &error))?;
            write_changed(&copy.join(&path), &bytes)?;
            there.insert(copy.join(&path));
        }
    }
    Ok(())
}

/// Writes a file, unless it has that content.
fn write_changed(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if std::fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let failed = |error: std::io::Error| Failure::file(path, "cannot be written", &error);
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(failed)?;
    }
    std::fs::write(path, bytes).map_err(failed)
}

/// Removes the files of an earlier copy whose sources are gone.
fn remove_others(dir: &Path, there: &BTreeSet<PathBuf>) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::file(dir, "cannot be listed", &error);
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        if entry.file_type().map_err(failed)?.is_dir() {
            remove_others(&path, there)?;
        } else if !there.contains(&path) {
            std::fs::remove_file(&path).map_err(|error| Failure::file(&path, "cannot be removed", &error))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutant(name: &str, find: &str, replace: &str) -> Mutant {
        Mutant {
            name: name.into(),
            about: "A test.".into(),
            systems: vec![],
            file: "core/src/a.rs".into(),
            find: find.into(),
            replace: replace.into(),
            harmless: None,
            quick: false,
        }
    }

    fn plant_all(text: &str, mutants: &[Mutant]) -> Result<String, String> {
        let numbered: Vec<_> = (1..).zip(mutants).collect();
        edited(text, "is", &numbered).map_err(|failure| failure.to_string())
    }

    #[test]
    fn an_expression_gets_a_switch_in_its_place() {
        let told = plant_all("let a = b.max(c) + 1;", &[mutant("latest", "b.max(c)", "c")]).unwrap();
        assert_eq!(told, "let a = (if is(1) { c } else { b.max(c) }) + 1;");
    }

    #[test]
    fn a_statement_may_be_left_out() {
        let told = plant_all("flush(); next();", &[mutant("no-flush", "flush();", "")]).unwrap();
        assert_eq!(told, "if is(1) {  } else { flush(); } next();");
    }

    #[test]
    fn two_faults_may_have_one_place_and_one_may_say_its_condition() {
        let faults = [mutant("more", "x < y", "x <= y"), mutant("less", "x < y", "false")];
        let told = plant_all("if x < y {}", &faults).unwrap();
        assert_eq!(told, "if (if is(1) { x <= y } else if is(2) { false } else { x < y }) {}");
        let told = plant_all("Some(n) if n > 0 => n,", &[mutant("raw", "if n > 0", "if PLANTED || n > 0")]);
        assert_eq!(told.unwrap(), "Some(n) if is(1) || n > 0 => n,");
    }

    #[test]
    fn every_listed_fault_fits_the_sources() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let all = super::super::faults::read(&root.join("scenarios")).unwrap();
        assert!(all.len() >= 100, "{} faults", all.len());
        let planted = planted(&root, &all).unwrap();
        let switches: usize = planted.values().map(|text| text.matches("::planted::is(").count()).sum();
        assert_eq!(switches, all.len(), "each has one switch");
        let systems: BTreeSet<_> =
            all.iter().flat_map(|mutant| &mutant.systems).map(String::as_str).collect();
        assert_eq!(systems, BTreeSet::from(["delta", "failover", "journal", "notes"]));
    }

    #[test]
    fn what_cannot_be_planted_is_named() {
        let told = |text: &str, faults: &[Mutant]| plant_all(text, faults).unwrap_err();
        assert!(told("a(); a();", &[mutant("twice", "a();", "")]).contains("there more than once"));
        assert!(told("b();", &[mutant("gone", "a();", "")]).contains("`gone` is not there"));
        assert!(
            told("x\n#[cfg(test)]\nmod tests { a(); }", &[mutant("gone", "a();", "")]).contains("not there")
        );
        for (find, replace) in [("&& b", ""), ("f(a) &&", ""), ("f(", "g("), ("f(a)", "f(")] {
            assert!(told("f(a) && b", &[mutant("torn", find, replace)]).contains("`torn` has no whole"));
        }
        let overlapping = [mutant("one", "a + b", "a"), mutant("two", "b + c", "b")];
        assert!(told("a + b + c", &overlapping).contains("`two` and `one` overlap"));
    }
}
