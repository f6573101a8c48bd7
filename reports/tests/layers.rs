//! Who uses whom: no module knows itself in a circle, and the layers of the command point downwards only.
//!
//! [`Modules::read`] takes a directory of sources, so that any crate's modules can be looked at: add a root to
//! [`ROOTS`] as soon as it is clean. What a module says to its parents and children does not count: a parent gathers its
//! children, and they share what it holds. Neither do tests.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail it as the test itself may")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Directories below the workspace whose modules know each other without a circle, each with the path of its crate's
/// root.
const ROOTS: [(&str, &str); 4] = [
    ("core/src/journal", "core/src"),
    ("reports/src", "reports/src"),
    ("core/src/failover/hardened", "core/src"),
    ("model/src/notecove", "model/src"),
];

/// The layers of the command, the lowest first.
const LAYERS: [&str; 4] = ["report", "show", "jobs", "commands"];

/// The workspace, from which the roots are relative.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().into()
}

/// Modules of one directory, by the names of their files, with the modules that each one uses.
struct Modules(BTreeMap<String, BTreeSet<String>>);

impl Modules {
    /// Reads the modules below `dir`, which is the crate's root or lies below it.
    fn read(dir: &Path, root: &Path) -> Self {
        let mut files = BTreeMap::new();
        gather(dir, root, &mut files);
        let names: BTreeSet<_> = files.keys().cloned().collect();
        let uses = files.iter().map(|(name, text)| {
            let used = paths(&without_tests(text), name);
            let used = used.iter().filter_map(|path| owner(path, &names)).filter(|used| !related(name, used));
            (name.clone(), used.collect())
        });
        Self(uses.collect())
    }

    /// Groups of modules each of which uses every other, directly or by others.
    fn circles(&self) -> Vec<Vec<&str>> {
        let reach: BTreeMap<&str, BTreeSet<&str>> =
            self.0.keys().map(|name| (&**name, self.reach(name))).collect();
        let mut circles: Vec<Vec<&str>> = Vec::new();
        for (name, reached) in reach.iter().filter(|(name, reached)| reached.contains(*name)) {
            if circles.iter().any(|circle| circle.contains(name)) {
                continue;
            }
            circles.push(reached.iter().filter(|other| reach[*other].contains(name)).copied().collect());
        }
        circles
    }

    /// Every module that a module uses, directly or by others.
    fn reach(&self, name: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut open = vec![name];
        while let Some(next) = open.pop() {
            open.extend(self.0[next].iter().filter(|used| reached.insert(&***used)).map(|used| &**used));
        }
        reached
    }
}

/// Takes the texts of all files below `dir`, by their modules' paths in the crate.
fn gather(dir: &Path, root: &Path, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, root, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let name = path.strip_prefix(root).unwrap().with_extension("");
            let parts: Vec<_> = name.iter().map(|part| part.to_str().unwrap()).collect();
            let parts = match parts.split_last() {
                Some((&("mod" | "lib" | "main"), parents)) => parents,
                _ => &parts[..],
            };
            files.insert(parts.join("::"), fs::read_to_string(&path).unwrap());
        }
    }
}

/// The text without comments, and without what is only compiled for tests: from `#[cfg(test)]` to the end of the
/// item.
fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim_start().starts_with("#[cfg(test)]") {
            let indent = line.len() - line.trim_start().len();
            let end = format!("{}}}", " ".repeat(indent));
            let mut item = lines.by_ref().skip_while(|line| line.trim_start().starts_with("#["));
            let first = item.next().unwrap_or_default();
            if !first.ends_with(';') && !first.ends_with('}') {
                item.find(|line| *line == end);
            }
        } else {
            kept += line.split("//").next().unwrap_or_default();
            kept.push('\n');
        }
    }
    kept
}

/// Every path into the crate that a text names, in full, from the module `here`.
fn paths(text: &str, here: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let starts = text.match_indices("crate::").chain(text.match_indices("super::"));
    for (at, word) in starts {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let mut base: Vec<&str> = if word == "crate::" { vec![] } else { here.split("::").collect() };
        let mut rest = &text[at..];
        if let Some(after) = rest.strip_prefix("crate::") {
            rest = after;
        }
        while let Some(after) = rest.strip_prefix("super::") {
            base.pop();
            rest = after;
        }
        tree(rest, &base.join("::"), &mut found);
    }
    found
}

/// Takes one path, or a group of them in braces. Returns what follows.
fn tree<'a>(text: &'a str, base: &str, found: &mut BTreeSet<String>) -> &'a str {
    let join = |name: &str| if base.is_empty() { name.to_owned() } else { format!("{base}::{name}") };
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start();
            if rest.is_empty() {
                return rest;
            }
            if let Some(after) = rest.strip_prefix('}') {
                return after;
            }
            rest = rest.strip_prefix(',').unwrap_or_else(|| tree(rest, base, found));
        }
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        found.insert(base.to_owned());
        // A `*`, or something that is no path at all.
        return text.get(1..).unwrap_or_default();
    }
    match rest.strip_prefix("::") {
        Some(rest) => tree(rest, &join(name), found),
        None => {
            found.insert(join(name));
            // `as other` belongs to it.
            let end = rest.find([',', '}', ';']).filter(|_| rest.starts_with(" as ")).unwrap_or(0);
            &rest[end..]
        }
    }
}

/// The module that holds what a path names.
fn owner(path: &str, modules: &BTreeSet<String>) -> Option<String> {
    let mut parts: Vec<_> = path.split("::").collect();
    loop {
        let name = parts.join("::");
        if modules.contains(&name) {
            return Some(name);
        }
        parts.pop()?;
    }
}

/// Whether one module is the other, or lies somewhere below it.
fn related(one: &str, other: &str) -> bool {
    let below = |inner: &str, outer: &str| {
        outer.is_empty()
            || inner == outer
            || inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with("::"))
    };
    below(one, other) || below(other, one)
}

#[test]
fn no_module_knows_itself_in_a_circle() {
    for (dir, root) in ROOTS {
        let modules = Modules::read(&workspace().join(dir), &workspace().join(root));
        assert!(modules.0.len() > 5, "{dir}: {} modules", modules.0.len());
        assert!(modules.0.values().any(|used| !used.is_empty()), "{dir}: nobody uses anybody");
        assert_eq!(modules.circles(), Vec::<Vec<&str>>::new(), "{dir}");
    }
}

#[test]
fn the_layers_of_the_command_point_downwards() {
    let root = workspace().join("reports/src");
    let layer = |name: &str| LAYERS.iter().position(|layer| name.split("::").next() == Some(layer));
    let modules = Modules::read(&root, &root);
    for (name, used) in modules.0.iter().flat_map(|(name, all)| all.iter().map(move |used| (name, used))) {
        let (from, to) = (layer(name), layer(used));
        // What lies beside the layers, such as files and failures, is for all of them and knows none.
        assert!(from >= to, "{name} uses {used}");
        // What computes does not show, and what shows does not compute.
        let apart = [Some("jobs"), Some("show")];
        let names = [from, to].map(|layer| layer.map(|layer| LAYERS[layer]));
        assert!(names[0] == names[1] || !names.iter().all(|name| apart.contains(name)), "{name} uses {used}");
    }
    for name in LAYERS {
        assert!(modules.0.keys().any(|module| module.starts_with(name)), "there is no layer {name}");
    }
}

#[test]
fn a_circle_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("lib.rs", "mod a; mod b; mod c; use a::A;");
    write("a/mod.rs", "mod inner;\nuse crate::{b::B, c};\n");
    write(
        "a/inner.rs",
        "// crate::a::other\nuse super::A;\n#[cfg(test)]\nmod tests {\n    use crate::d::D;\n}\nfn f() -> crate::c::C {}\n",
    );
    write("b.rs", "use std::fmt;\nuse super::c::{self as see, C};\n");
    write("c.rs", "fn g(a: crate::a::inner::A) {}\n");
    write("d.rs", "use crate::a::inner::A;\n");
    let modules = Modules::read(dir.path(), dir.path());
    assert_eq!(modules.circles(), [["a::inner", "c"]]);
    assert_eq!(modules.0["a"], BTreeSet::from(["b".to_owned(), "c".to_owned()]));
    assert_eq!(modules.0["b"], BTreeSet::from(["c".to_owned()]));
    assert_eq!(modules.0["d"], BTreeSet::from(["a::inner".to_owned()]));
}
