//! What was changed in a real directory since it was last looked at.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use cloudchamber_core::{Content, Path, Root};

use super::{OWN, Real, Stat, TICK_NS, is_absent, look, now_ns};

/// A name that is not what it was known to be.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) name: String,
    /// What it holds now; `None` if it is gone.
    pub(crate) now: Option<(Content, Stat)>,
}

/// What a walk through the directory saw.
#[derive(Default)]
struct Walk {
    files: BTreeMap<String, Stat>,
    /// Names that could not be looked at, or do not travel: what lies there or below is not known to be gone.
    blind: Vec<String>,
}

impl Walk {
    fn is_blind(&self, name: &str) -> bool {
        let below = |of: &String| {
            of.is_empty()
                || name.strip_prefix(&**of).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.blind.iter().any(below)
    }
}

impl Real {
    /// Finds what was changed since, removals first, each kind in order of names. `tell` is told once of each name that
    /// does not travel, and why.
    ///
    /// Nothing is taken for known by that: see [`Real::learn`] and [`Real::forget`].
    ///
    /// # Errors
    /// Where the directory itself cannot be listed.
    pub(crate) fn scan(&mut self, tell: &mut dyn FnMut(String)) -> io::Result<Vec<Found>> {
        let mut walk = Walk::default();
        let mut odd = Vec::new();
        self.walk("", &mut walk, &mut odd)?;
        let gone = self.known.keys().filter(|name| !walk.files.contains_key(*name) && !walk.is_blind(name));
        let mut found: Vec<Found> = gone.map(|name| Found { name: name.clone(), now: None }).collect();
        for (name, stat) in &walk.files {
            match self.changed(name, stat) {
                Ok(Some(now)) => found.push(Found { name: name.clone(), now: Some(now) }),
                Ok(None) => {}
                Err(error) => odd.push((name.clone(), format!("cannot be read: {error}"))),
            }
        }
        for (name, why) in odd {
            if self.told.insert(name.clone()) {
                tell(format!("{}: {why}; it stays here, and is not sent", self.path(&name).display()));
            }
        }
        Ok(found)
    }

    /// Takes a name for gone.
    pub(crate) fn forget(&mut self, name: &str) {
        self.known.remove(name);
    }

    /// The bytes of a file that are others than known; `None` if they are the same, or it is gone by now.
    fn changed(&mut self, name: &str, stat: &Stat) -> io::Result<Option<(Content, Stat)>> {
        if let Some(known) = self.known.get(name)
            && known.stat == *stat
            && known.compared_ns > stat.changed_ns + TICK_NS
        {
            return Ok(None);
        }
        let before_ns = now_ns();
        let Some((content, stat)) = self.read(name)? else { return Ok(None) };
        if let Some(known) = self.known.get_mut(name)
            && known.form.is(name, &content)
        {
            // A hole that was filled with zeros is a file, but nobody can tell by its bytes.
            (known.stat, known.compared_ns) = (stat, before_ns);
            return Ok(None);
        }
        Ok(Some((content, stat)))
    }

    /// Goes through one directory. The errors of those below it make them blind, not gone.
    fn walk(&self, dir: &str, walk: &mut Walk, odd: &mut Vec<(String, String)>) -> io::Result<()> {
        for entry in fs::read_dir(self.path(dir))? {
            let entry = entry?;
            let Ok(file_name) = entry.file_name().into_string() else {
                odd.push((join(dir, &entry.file_name().to_string_lossy()), "its name is not UTF-8".into()));
                continue;
            };
            if file_name.starts_with(OWN) {
                continue;
            }
            let name = join(dir, &file_name);
            let metadata = match look(&entry.path()) {
                Ok(Some(metadata)) => metadata,
                Ok(None) => continue,
                Err(error) => {
                    odd.push((name.clone(), format!("cannot be looked at: {error}")));
                    walk.blind.push(name);
                    continue;
                }
            };
            if metadata.is_dir() {
                match self.walk(&name, walk, odd) {
                    Err(error) if !is_absent(&error) => {
                        odd.push((name.clone(), format!("cannot be listed: {error}")));
                        walk.blind.push(name);
                    }
                    _ => {}
                }
            } else if !metadata.is_file() {
                let what =
                    if metadata.is_symlink() { "a symbolic link is not followed" } else { "it is no file" };
                odd.push((name.clone(), what.into()));
                walk.blind.push(name);
            } else if metadata.len() > self.bytes_max {
                let most = self.bytes_max;
                odd.push((
                    name.clone(),
                    format!("it has over {most} bytes, the most that --file-max lets travel"),
                ));
                walk.blind.push(name);
            } else if Path::new(Root::Shared, &name).is_ok() {
                walk.files.insert(name, Stat::of(&metadata));
            }
        }
        Ok(())
    }
}

fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") }
}
