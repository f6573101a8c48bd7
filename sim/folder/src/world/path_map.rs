//! A map from paths to values that costs little to clone, to change and to hash: what a model checker does at
//! every step.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use cloudchamber_core::{Path, Root};

use crate::stable_hash::StableHasher;

/// Values by path, in order of their paths, with a running digest of all of them.
///
/// A clone shares everything. A change to a shared map copies one list of pointers and one value; a change to
/// a map of one's own copies nothing. A sorted list beats a tree for the dozens of files that folders under
/// test hold, and a search within it touches less memory.
pub(super) struct PathMap<V> {
    items: Arc<Vec<Place<V>>>,
    /// The wrapping sum of the items' digests.
    digest: u64,
}

/// An item and the digest of its path, by which it is found without a look at the item.
struct Place<V> {
    path_digest: u64,
    item: Arc<Item<V>>,
}

#[derive(Clone)]
struct Item<V> {
    path: Path,
    /// Of path and value.
    digest: u64,
    value: V,
}

/// Up to so many items, a look at all digests, which lie side by side, is faster than a binary search through
/// paths that are all over the memory.
const SCAN_MAX: usize = 512;

impl<V: Clone + Eq + Hash> PathMap<V> {
    /// The running digest.
    pub(super) fn digest(&self) -> u64 {
        self.digest
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Path, &V)> {
        self.items.iter().map(|place| (&place.item.path, &place.item.value))
    }

    pub(super) fn get(&self, path: &Path) -> Option<&V> {
        self.find(path).map(|at| &self.items[at].item.value)
    }

    /// The value of the path that has this root and name.
    pub(super) fn get_name(&self, root: Root, name: &str) -> Option<&V> {
        self.search(root, name).ok().map(|at| &self.items[at].item.value)
    }

    /// Looks up one path after another, each later than the one before.
    pub(super) fn in_order<'a>(&'a self) -> impl FnMut(&Path) -> Option<&'a V> {
        let mut rest = &self.items[..];
        move |path| {
            while let [place, more @ ..] = rest {
                match place.item.path.cmp(path) {
                    Ordering::Less => rest = more,
                    Ordering::Equal => return Some(&place.item.value),
                    Ordering::Greater => return None,
                }
            }
            None
        }
    }

    /// Everything below a directory: the path, the name within the directory, and the value.
    pub(super) fn below<'a>(&'a self, dir: &'a Path) -> impl Iterator<Item = (&'a Path, &'a str, &'a V)> {
        self.items[self.first_below(dir)..].iter().map_while(|place| {
            let Item { path, value, .. } = &*place.item;
            Some((path, path.below(dir)?, value))
        })
    }

    /// What lies in a directory: of each directory in it the first path below for which `is_it` holds.
    pub(super) fn within<'a>(
        &'a self,
        dir: &'a Path,
        is_it: impl Fn(&V) -> bool,
    ) -> impl Iterator<Item = (&'a Path, &'a str, &'a V)> {
        let mut at = self.first_below(dir);
        std::iter::from_fn(move || {
            loop {
                let Item { path, value, .. } = &*self.items.get(at)?.item;
                let name = path.below(dir)?;
                at += 1;
                if !is_it(value) {
                    continue;
                }
                if let Some((child, _)) = name.split_once('/') {
                    let is_in_child = |place: &Place<V>| {
                        let name = place.item.path.below(dir).and_then(|name| name.strip_prefix(child));
                        name.is_some_and(|rest| rest.starts_with('/'))
                    };
                    at += self.items[at..].partition_point(is_in_child);
                }
                return Some((path, name, value));
            }
        })
    }

    /// The digest of everything below a directory.
    pub(super) fn digest_below(&self, dir: &Path) -> u64 {
        let below = &self.items[self.first_below(dir)..];
        let end = below.partition_point(|place| place.item.path.below(dir).is_some());
        below[..end].iter().map(|place| place.item.digest).fold(0, u64::wrapping_add)
    }

    /// Where everything below a directory begins.
    fn first_below(&self, dir: &Path) -> usize {
        let before = |path: &Path| match path.root().cmp(&dir.root()) {
            Ordering::Equal => is_before_children(path.name(), dir.name()),
            order => order == Ordering::Less,
        };
        self.items.partition_point(|place| before(&place.item.path))
    }

    /// Sets a value, or removes it.
    pub(super) fn put(&mut self, path: &Path, value: Option<V>) {
        match (self.find(path), value) {
            (Some(at), Some(value)) => {
                let place = &mut Arc::make_mut(&mut self.items)[at];
                let digest = item_digest(place.path_digest, &value);
                self.digest = self.digest.wrapping_sub(place.item.digest).wrapping_add(digest);
                match Arc::get_mut(&mut place.item) {
                    Some(item) => (item.digest, item.value) = (digest, value),
                    None => place.item = Arc::new(Item { path: place.item.path.clone(), digest, value }),
                }
            }
            (Some(at), None) => {
                let place = Arc::make_mut(&mut self.items).remove(at);
                self.digest = self.digest.wrapping_sub(place.item.digest);
            }
            (None, Some(value)) => {
                let path_digest = StableHasher::of(path);
                let digest = item_digest(path_digest, &value);
                self.digest = self.digest.wrapping_add(digest);
                let item = Arc::new(Item { path: path.clone(), digest, value });
                let (Ok(at) | Err(at)) = self.search(path.root(), path.name());
                Arc::make_mut(&mut self.items).insert(at, Place { path_digest, item });
            }
            (None, None) => {}
        }
    }

    /// Changes the value of a path in place, and returns what `change` does; `None` if there is no value.
    pub(super) fn edit<T>(&mut self, path: &Path, change: impl FnOnce(&mut V) -> T) -> Option<T> {
        let at = self.find(path)?;
        let place = &mut Arc::make_mut(&mut self.items)[at];
        let item = Arc::make_mut(&mut place.item);
        let done = change(&mut item.value);
        let digest = item_digest(place.path_digest, &item.value);
        self.digest = self.digest.wrapping_sub(item.digest).wrapping_add(digest);
        item.digest = digest;
        Some(done)
    }

    fn find(&self, path: &Path) -> Option<usize> {
        if self.items.len() > SCAN_MAX {
            return self.search(path.root(), path.name()).ok();
        }
        let digest = StableHasher::of(path);
        let is_it = |place: &Place<V>| place.path_digest == digest && place.item.path == *path;
        self.items.iter().position(is_it)
    }

    fn search(&self, root: Root, name: &str) -> Result<usize, usize> {
        self.items.binary_search_by(|place| {
            let path = &place.item.path;
            path.root().cmp(&root).then_with(|| path.name().cmp(name))
        })
    }

    /// The digest, computed afresh.
    #[cfg(test)]
    pub(super) fn digest_afresh(&self) -> u64 {
        let digest = |(path, value): (&Path, &V)| item_digest(StableHasher::of(path), value);
        self.iter().map(digest).fold(0, u64::wrapping_add)
    }
}

/// Whether `name` sorts before everything below `dir`, that is before `dir/`.
fn is_before_children(name: &str, dir: &str) -> bool {
    let (name, dir) = (name.as_bytes(), dir.as_bytes());
    if dir.is_empty() {
        return false;
    }
    match name[..name.len().min(dir.len())].cmp(dir) {
        Ordering::Less => true,
        Ordering::Equal => name.get(dir.len()).is_none_or(|&next| next < b'/'),
        Ordering::Greater => false,
    }
}

fn item_digest<V: Hash>(path_digest: u64, value: &V) -> u64 {
    let mut hasher = StableHasher::default();
    hasher.write_u64(path_digest);
    value.hash(&mut hasher);
    hasher.finish()
}

impl<V> Clone for Place<V> {
    fn clone(&self) -> Self {
        Self { path_digest: self.path_digest, item: Arc::clone(&self.item) }
    }
}

impl<V> Clone for PathMap<V> {
    fn clone(&self) -> Self {
        Self { items: Arc::clone(&self.items), digest: self.digest }
    }
}

impl<V> Default for PathMap<V> {
    fn default() -> Self {
        Self { items: Arc::default(), digest: 0 }
    }
}

impl<V: Eq> PartialEq for PathMap<V> {
    fn eq(&self, other: &Self) -> bool {
        let same = |(mine, theirs): (&Place<V>, &Place<V>)| {
            let (mine, theirs) = (&mine.item, &theirs.item);
            Arc::ptr_eq(mine, theirs)
                || (mine.digest == theirs.digest && mine.path == theirs.path && mine.value == theirs.value)
        };
        self.digest == other.digest
            && (Arc::ptr_eq(&self.items, &other.items)
                || (self.items.len() == other.items.len()
                    && self.items.iter().zip(other.items.iter()).all(same)))
    }
}

impl<V: Eq> Eq for PathMap<V> {}

impl<V> Hash for PathMap<V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.digest);
    }
}

impl<V: fmt::Debug> fmt::Debug for PathMap<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.items.iter().map(|place| (&place.item.path, &place.item.value))).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn path() -> impl Strategy<Value = Path> {
        let name =
            proptest::sample::select(vec!["a", "a/b", "a/b/c", "a b", "a-", "a/", "a0", "b", "é", "a.x/y"]);
        (any::<bool>(), name).prop_map(|(local, name)| {
            let name = name.trim_end_matches('/');
            if local { Path::local(name) } else { Path::shared(name) }
        })
    }

    #[test]
    fn it_finds_what_it_holds_at_any_size() {
        let mut map = PathMap::default();
        let path = |number: usize| Path::shared(&format!("dir/{}", number * 7 % 1_009));
        for number in 0..SCAN_MAX + 100 {
            map.put(&path(number), Some(number));
            assert_eq!(map.iter().count(), number + 1);
            for old in [0, number / 3, number / 2, number] {
                assert_eq!(map.get(&path(old)), Some(&old));
            }
            assert_eq!(map.get(&path(number + 1)), None);
        }
        assert!(map.iter().is_sorted_by(|one, other| one.0 < other.0));
    }

    proptest! {
        #[test]
        fn it_is_a_sorted_map_with_a_true_digest(
            changes in proptest::collection::vec((path(), proptest::option::of(0_u8..4), any::<bool>()), 0..40),
        ) {
            let (mut map, mut model) = (PathMap::default(), BTreeMap::new());
            let mut kept = Vec::new();
            for (path, value, keep) in changes {
                if keep {
                    kept.push((map.clone(), model.clone()));
                }
                match value {
                    Some(3) => {
                        let edited = map.edit(&path, |value| *value = 9).is_some();
                        prop_assert_eq!(edited, model.get_mut(&path).map(|value| *value = 9).is_some());
                    }
                    Some(value) => {
                        map.put(&path, Some(value));
                        model.insert(path, value);
                    }
                    None => {
                        map.put(&path, None);
                        model.remove(&path);
                    }
                }
            }
            let all_paths = model.keys().cloned().chain(kept.iter().flat_map(|(_, model)| model.keys().cloned()));
            let all_paths: std::collections::BTreeSet<Path> = all_paths.collect();
            kept.push((map, model));
            for (map, model) in &kept {
                prop_assert!(map.iter().eq(model.iter()));
                prop_assert_eq!(map.digest(), map.digest_afresh());
                let mut in_order = map.in_order();
                for path in &all_paths {
                    prop_assert_eq!(in_order(path), model.get(path));
                }
                for dir in model.keys().flat_map(|path| [Some(path.clone()), path.parent()]).flatten() {
                    let below = model.iter().filter_map(|(path, value)| Some((path, path.below(&dir)?, value)));
                    prop_assert!(map.below(&dir).eq(below), "{dir}");
                    let digests = map.below(&dir).map(|(path, _, value)| item_digest(StableHasher::of(path), value));
                    prop_assert_eq!(map.digest_below(&dir), digests.fold(0, u64::wrapping_add));
                    let mut last = None;
                    let first = map.below(&dir).filter(|(.., value)| **value < 9).filter(|(_, name, _)| {
                        name.split_once('/').is_none_or(|(child, _)| last.replace(child) != Some(child))
                    });
                    prop_assert!(map.within(&dir, |value| *value < 9).eq(first), "{dir}");
                }
            }
            for (map, model) in &kept {
                for (other, other_model) in &kept {
                    prop_assert_eq!(map == other, model == other_model);
                }
            }
        }
    }
}
