//! The faults that are planted: read from `scenarios/mutants/*.toml`.

use std::path::Path;

use serde::Deserialize;

use crate::failure::Failure;
use crate::files;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    mutant: Vec<Mutant>,
}

/// A fault that can be planted.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mutant {
    /// Unique, and says the fault.
    pub(crate) name: String,
    /// What is wrong with the code then, in a sentence.
    pub(crate) about: String,
    /// Whose runs are to notice it.
    pub(crate) systems: Vec<String>,
    /// The source file, from the root of the sources.
    pub(crate) file: String,
    /// An expression, or whole statements: a text that stands there once.
    pub(crate) find: String,
    /// What stands there instead. Where [`CONDITION`] is in it, the whole new text, in which that word is true where the
    /// fault is in force.
    pub(crate) replace: String,
    /// Why nobody could be hurt; `None` if a property has to fall.
    #[serde(default)]
    pub(crate) harmless: Option<String>,
    /// Whether it is among the few that are tried quickly.
    #[serde(default)]
    pub(crate) quick: bool,
}

/// The word in a new text that is true where the fault is in force.
pub(super) const CONDITION: &str = "PLANTED";

/// Reads the faults below a directory of scenarios, file by file.
///
/// # Errors
/// Where a file is not a list of faults, or two have one name.
pub(crate) fn read(scenarios: &Path) -> Result<Vec<Mutant>, Failure> {
    let mut mutants: Vec<Mutant> = Vec::new();
    for path in files::toml_files(&scenarios.join("mutants"))? {
        let parsed: File =
            files::parse_toml(&path, &files::read(&path)?, "CONTRIBUTING.md says what a planted fault is")?;
        for mutant in parsed.mutant {
            if mutants.iter().any(|before| before.name == mutant.name) {
                let name = &mutant.name;
                return Err(Failure::new(format!(
                    "{}: there are two faults `{name}`; rename one",
                    path.display()
                )));
            }
            mutants.push(mutant);
        }
    }
    Ok(mutants)
}
