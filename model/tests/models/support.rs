//! What the tests of all systems' models have in common.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests read the model files, say what each cost, and fail where they cannot"
)]

use std::path::{Path, PathBuf};

use cloudchamber_folder::System;
use cloudchamber_model::{Checked, ModelSpec, check};

/// Where the model files lie.
pub(crate) fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/models")
}

/// Reads a model file.
pub(crate) fn read<S: System>(file: &Path) -> ModelSpec<S> {
    ModelSpec::parse(file, &std::fs::read_to_string(file).unwrap()).unwrap_or_else(|error| panic!("{error}"))
}

/// The model file of a system with this name.
fn spec<S: System>(name: &str) -> ModelSpec<S> {
    read(&dir().join(format!("{}-{name}.toml", S::NAME)))
}

/// Finds the shortest way to a violation, which replays, and tells it.
pub(crate) fn counterexample<S: System>(name: &str) -> String {
    let checked = check(spec::<S>(name), 1, None);
    println!("{name}: {} states, {} steps, {:?}", checked.unique_states, checked.steps(), checked.elapsed);
    checked.judge().unwrap_or_else(|error| panic!("{name}: {error}"));
    replays(&checked);
    checked.story().join("\n")
}

/// A replay of the counterexample in the simulator's world ends with the same hash and the same violations.
pub(crate) fn replays<S: System>(checked: &Checked<S>) {
    let trace = checked.trace().expect("there is a counterexample");
    let property = &checked.spec().property;
    assert!(trace.end.violations.iter().any(|violation| violation.checker == *property));
    let outcome = trace.replay(|_| {}).unwrap();
    assert_eq!(format!("{:016x}", outcome.hash), trace.end.hash);
    assert_eq!(outcome.findings.violations, trace.end.violations);
}

/// The file's property holds, in as many states as the file says and not in vain; and so do others.
pub(crate) fn holds<S: System>(name: &str, others: &[&str]) {
    let spec = spec::<S>(name);
    let checked = check(spec.clone(), 1, None);
    println!(
        "{name}: {} states, {} generated, {:?}",
        checked.unique_states, checked.generated_states, checked.elapsed
    );
    checked.judge().unwrap_or_else(|error| panic!("{name}: {error}"));
    for &property in others {
        let other = ModelSpec { property: property.to_owned(), unique_states: None, ..spec.clone() };
        check(other, 1, None).judge().unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
