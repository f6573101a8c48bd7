//! What the workspace depends on keeps the rules of `deny.toml`, and builds with the Rust version that is stated.
//!
//! `cargo deny check` looks deeper (licence texts, advisories), but is a tool of its own. This test needs nothing that
//! a build does not need, and reads the same lists, so they hold where cargo-deny is not installed.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde::Deserialize;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Clone, Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    /// `None` for a package of the workspace.
    source: Option<String>,
    /// The oldest Rust that it builds with; `None` if it does not say.
    rust_version: Option<String>,
}

#[derive(Deserialize)]
struct Deny {
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    package: String,
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    skip: Vec<Named>,
    deny: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    #[serde(rename = "crate")]
    package: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
    allow_git: Vec<String>,
}

fn deny() -> Deny {
    toml::from_str(include_str!("../../deny.toml")).expect("deny.toml has what this test reads")
}

/// Everything that is built on this machine, tests and build scripts included.
fn packages() -> Vec<Package> {
    let rustc = output(Command::new("rustc").arg("-vV"));
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host");
    let cargo = std::env::var("CARGO").expect("cargo runs its tests with CARGO set");
    // Some packages that metadata names are built nowhere, so on a fresh machine cargo has not fetched them yet.
    let metadata = output(
        Command::new(cargo)
            .args(["metadata", "--locked", "--format-version", "1", "--filter-platform", host])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")),
    );
    let metadata: Metadata = serde_json::from_str(&metadata).expect("cargo writes JSON");
    assert!(metadata.packages.len() > 50, "only {} packages were found", metadata.packages.len());
    metadata.packages
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("tools of Rust write UTF-8")
}

/// Whether an SPDX expression can be kept with the licences that `may` allows.
fn is_kept(expression: &str, may: &dyn Fn(&str) -> bool) -> bool {
    let expression = expression.trim();
    // The operator that binds least and stands outside all parentheses splits the expression.
    for (operator, all) in [(" OR ", false), ("/", false), (" AND ", true)] {
        let parts = split(expression, operator);
        if parts.len() > 1 {
            let mut kept = parts.iter().map(|part| is_kept(part, may));
            return if all { kept.all(|kept| kept) } else { kept.any(|kept| kept) };
        }
    }
    match expression.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        Some(inner) => is_kept(inner, may),
        None => may(expression),
    }
}

/// Splits at an operator wherever it stands outside parentheses.
fn split<'a>(expression: &'a str, operator: &str) -> Vec<&'a str> {
    let (mut parts, mut from, mut depth) = (Vec::new(), 0, 0);
    for (at, c) in expression.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 && at >= from && expression[at..].starts_with(operator) => {
                parts.push(&expression[from..at]);
                from = at + operator.len();
            }
            _ => {}
        }
    }
    parts.push(&expression[from..]);
    parts
}

/// A version as numbers: `1.90` is older than `1.100`.
fn version(text: &str) -> Vec<u32> {
    let part = |part: &str| part.parse().unwrap_or_else(|_| panic!("`{text}` is no version"));
    let mut parts: Vec<u32> = text.split('.').map(part).collect();
    // 1.90 and 1.90.0 are one version.
    parts.resize(3, 0);
    parts
}

/// Name and version as `deny.toml` has them: build metadata do not tell versions apart.
fn spelt(package: &Package) -> String {
    let version = package.version.split('+').next().expect("a text has a first part");
    format!("{}@{version}", package.name)
}

#[test]
fn licences_are_read_as_they_are_written() {
    let mit = |licence: &str| licence == "MIT";
    for kept in ["MIT", "MIT OR Apache-2.0", "Unlicense/MIT", "Apache-2.0 / MIT", "(MIT OR GPL-3.0) AND MIT"]
    {
        assert!(is_kept(kept, &mit), "{kept}");
    }
    for not in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND GPL-3.0", "MIT WITH something", ""] {
        assert!(!is_kept(not, &mit), "{not}");
    }
}

#[test]
fn every_licence_is_allowed() {
    let Licenses { allow, exceptions } = deny().licenses;
    for package in packages() {
        let own = exceptions.iter().find(|exception| exception.package == package.name);
        let may = |licence: &str| {
            allow.iter().chain(own.map_or(&[][..], |own| &own.allow)).any(|allowed| allowed == licence)
        };
        let licence = package.license.clone().unwrap_or_default();
        assert!(
            is_kept(&licence, &may),
            "{}: the licence `{licence}` is not in deny.toml; do without the package, or allow it there with a reason",
            spelt(&package)
        );
    }
}

#[test]
fn packages_come_from_where_they_may_and_none_is_banned() {
    let Deny { bans, sources, .. } = deny();
    for package in packages() {
        let Some(source) = &package.source else { continue };
        let allowed = sources.allow_registry.iter().map(|from| format!("registry+{from}"));
        let allowed: Vec<_> =
            allowed.chain(sources.allow_git.iter().map(|from| format!("git+{from}"))).collect();
        assert!(
            allowed.iter().any(|from| source.starts_with(from)),
            "{}: it comes from {source}",
            spelt(&package)
        );
        if let Some(banned) = bans.deny.iter().find(|banned| banned.package == package.name) {
            panic!("{}: banned in deny.toml: {}", spelt(&package), banned.reason);
        }
    }
}

#[test]
fn two_versions_of_a_package_have_a_reason() {
    let mut versions = BTreeMap::<String, BTreeSet<String>>::new();
    for package in packages() {
        versions.entry(package.name.clone()).or_default().insert(spelt(&package));
    }
    let skip = deny().bans.skip;
    assert!(skip.iter().all(|skipped| !skipped.reason.is_empty()), "an exception has a reason");
    let excused = |version: &String| skip.iter().any(|skipped| skipped.package == *version);
    for of_one in versions.values() {
        let rest: Vec<_> = of_one.iter().filter(|version| !excused(version)).collect();
        assert!(
            rest.len() <= 1,
            "{rest:?}: agree on one version, or name all but one under `skip` in deny.toml with the reason"
        );
    }
    for Named { package, .. } in &skip {
        let name = package.split('@').next().expect("a text has a first part");
        let there = versions.get(name).is_some_and(|of_one| of_one.len() > 1 && of_one.contains(package));
        assert!(there, "{package}: there is no second version any more; take it out of deny.toml");
    }
}

#[test]
fn the_stated_rust_version_is_enough_for_every_package() {
    let stated = version(env!("CARGO_PKG_RUST_VERSION"));
    for package in packages() {
        let Some(needed) = &package.rust_version else { continue };
        assert!(
            version(needed) <= stated,
            "{} needs Rust {needed}, the workspace says {}: use an older version of it, or raise `rust-version`",
            spelt(&package),
            env!("CARGO_PKG_RUST_VERSION")
        );
    }
    let rustc = output(Command::new("rustc").arg("-V"));
    let installed = rustc.split([' ', '-']).nth(1).expect("`rustc 1.95.0 (…)`");
    assert!(stated <= version(installed), "the workspace says {stated:?}, and {installed} is installed");
}
