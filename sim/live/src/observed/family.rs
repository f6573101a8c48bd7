//! Histories as the search goes through them: what each line asks the world to show, by files that have to do with each
//! other.

use std::collections::{BTreeMap, BTreeSet};

use cloudchamber_core::kit::clients::unfinished;
use cloudchamber_core::kit::names::{certain_copy, originals};
use cloudchamber_core::kit::stub::{StubBy, stub_of};
use cloudchamber_core::{Content, Path, Root, WallMs};
use cloudchamber_folder::ReplicaId;
use cloudchamber_folder::profile::Rules;
use cloudchamber_host::record::{By, History, Kind, Seen};

/// What a line asks a replica's disk to show under a path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Shows {
    /// Nothing, or a stub under a name of its own.
    Gone,
    /// A file with these bytes, or with what stands for them ([`large`]).
    File(Content),
    /// A file of nothing but NULs, too many to be in the history: what stands for them.
    Nul(Content),
    /// A placeholder of this length.
    Elsewhere(u64),
    /// A stub under a name of its own.
    Stub(StubBy),
    /// No stub any more.
    NoStub,
}

/// One line of a history.
#[derive(Clone, Debug)]
pub(super) struct Sight {
    pub(super) replica: ReplicaId,
    pub(super) line: usize,
    /// By the clock of its replica, in milliseconds since 1970.
    pub(super) at_ms: i64,
    pub(super) path: Path,
    pub(super) shows: Shows,
    /// Whether somebody on the replica's machine may have done it.
    pub(super) is_own: bool,
    /// Whether that is hard to believe: others write the path too, and had this content before, or it is gone.
    pub(super) is_doubtful: bool,
    pub(super) modified: WallMs,
    /// Whether what the path showed before comes again later, so that somebody may have kept it aside.
    pub(super) is_kept: bool,
    /// Whether the whole folder is empty after it and others like it.
    pub(super) is_emptied: bool,
}

/// Files of which one is called a copy of another, and what was seen of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Family {
    pub(super) paths: BTreeSet<Path>,
    /// What was there when the recorders began.
    pub(super) there: Vec<Sight>,
    /// What each replica saw later, in its order.
    pub(super) seen: Vec<Vec<Sight>>,
}

/// All that histories say, by families.
#[derive(Clone, Debug, Default)]
pub(super) struct Families {
    pub(super) families: Vec<Family>,
    /// How many lines are of files that a client or program was gathering, under names that only those have.
    pub(super) unfinished: u64,
    /// How many lines say that a file could not be read.
    pub(super) unread: u64,
}

impl Families {
    pub(super) fn of(histories: &[&History], rules: &Rules) -> Self {
        let mut all = Self::default();
        let mut sights: Vec<(Sight, bool)> = Vec::new();
        let mut paths = BTreeSet::new();
        for (replica, history) in ReplicaId::all(histories.len()).zip(histories) {
            let emptied = emptied(history);
            for (line, seen) in &history.seen {
                let name = seen.path.rsplit('/').next().unwrap_or_default();
                if unfinished(name).is_some() {
                    all.unfinished += 1;
                } else if seen.unread.is_some() {
                    all.unread += 1;
                } else if let Some((path, shows)) = asked(seen, rules) {
                    paths.insert(path.clone());
                    let sight = Sight {
                        replica,
                        line: *line,
                        at_ms: history.header.started_ms.saturating_add_unsigned(seen.ms),
                        path,
                        shows,
                        is_own: seen.by == Some(By::Here) && !is_made_by_a_client(seen, name),
                        is_doubtful: false,
                        modified: WallMs(seen.modified_ms.unwrap_or(seen.wall_ms)),
                        is_kept: false,
                        is_emptied: emptied.contains(line),
                    };
                    sights.push((sight, seen.seen == Kind::There));
                }
            }
        }
        let heads = heads(&paths, rules);
        let mut by_head: BTreeMap<Path, Family> = BTreeMap::new();
        for (sight, is_there) in sights {
            let family = by_head.entry(heads[&sight.path].clone()).or_default();
            family.seen.resize(histories.len(), Vec::new());
            family.paths.insert(sight.path.clone());
            match is_there {
                true => family.there.push(sight),
                false => family.seen[sight.replica.index()].push(sight),
            }
        }
        let writers = |path: &Path| {
            let is_own = |history: &&&History| history.header.own.iter().any(|own| own.is_match(path.name()));
            histories.iter().filter(is_own).count()
        };
        let families = by_head.into_values().map(|mut family| {
            let shared: BTreeSet<Path> =
                family.paths.iter().filter(|path| writers(path) > 1).cloned().collect();
            family.doubt(&shared);
            family.kept()
        });
        all.families = families.collect();
        all
    }
}

impl Family {
    /// Marks what may have been written here, and has come from elsewhere more likely.
    fn doubt(&mut self, shared: &BTreeSet<Path>) {
        let mut first: BTreeMap<(Path, Vec<u8>), (i64, ReplicaId)> = BTreeMap::new();
        let mut all: Vec<&Sight> = self.seen.iter().flatten().chain(&self.there).collect();
        all.sort_by_key(|sight| (sight.at_ms, sight.replica));
        for sight in all {
            if let Shows::File(content) = &sight.shows {
                let key = (sight.path.clone(), content.bytes().to_vec());
                first.entry(key).or_insert((sight.at_ms, sight.replica));
            }
        }
        for sight in
            self.seen.iter_mut().flatten().filter(|sight| sight.is_own && shared.contains(&sight.path))
        {
            sight.is_doubtful = match &sight.shows {
                Shows::File(content) => {
                    first[&(sight.path.clone(), content.bytes().to_vec())].1 != sight.replica
                }
                _ => true,
            };
        }
    }

    /// Marks the lines after which something comes again that was there before them.
    fn kept(mut self) -> Self {
        for (replica, sights) in self.seen.iter_mut().enumerate() {
            let mut before: BTreeMap<Path, Shows> = BTreeMap::new();
            let there = self.there.iter().filter(|sight| sight.replica.index() == replica);
            before.extend(there.map(|sight| (sight.path.clone(), sight.shows.clone())));
            for at in 0..sights.len() {
                let sight = &sights[at];
                let old = before.insert(sight.path.clone(), sight.shows.clone());
                let comes = |later: &Sight| later.path == sight.path && Some(&later.shows) == old.as_ref();
                let is_kept = matches!(old, Some(Shows::File(_))) && sights[at + 1..].iter().any(comes);
                sights[at].is_kept = is_kept;
            }
        }
        self
    }

    /// Whether another replica shows something later that may come of this content.
    pub(super) fn is_needed(&self, content: &Content, by: ReplicaId, at: &[usize]) -> bool {
        let others = self.seen.iter().enumerate().filter(|(replica, _)| *replica != by.index());
        let mut left = others.flat_map(|(replica, sights)| &sights[at[replica]..]);
        left.any(|sight| match &sight.shows {
            Shows::File(shown) => content.bytes().starts_with(shown.bytes()) || is_nul_of(shown, content),
            Shows::Nul(shown) => length(shown) == length(content),
            Shows::Elsewhere(len) => *len == length(content),
            Shows::Stub(_) => true,
            Shows::Gone | Shows::NoStub => false,
        })
    }
}

/// The lines that tell of files that went until none was left. A client that takes an empty directory for the folder removes
/// everything, and nothing comes in between.
fn emptied(history: &History) -> BTreeSet<usize> {
    let (mut here, mut went, mut emptied) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
    for (line, seen) in &history.seen {
        if seen.seen == Kind::Gone {
            here.remove(&seen.path);
            went.push(*line);
        } else {
            here.insert(&seen.path);
            went.clear();
        }
        if here.is_empty() {
            emptied.extend(went.drain(..));
        }
    }
    emptied
}

/// Whether a file came under a name that only sync clients give: whoever names a whole directory as this machine's own does
/// not say that it makes conflict copies. To change or remove one is another thing.
fn is_made_by_a_client(seen: &Seen, name: &str) -> bool {
    seen.seen == Kind::Appeared && certain_copy(name).is_some()
}

/// What a line asks for; `None` if it says nothing of any file.
fn asked(seen: &Seen, rules: &Rules) -> Option<(Path, Shows)> {
    let path = |name: &str| Path::new(Root::Shared, name).ok();
    let (dir, name) = match seen.path.rsplit_once('/') {
        Some((dir, name)) => (format!("{dir}/"), name),
        None => (String::new(), seen.path.as_str()),
    };
    if let Some((of, by)) = stub_of(name, seen.len.unwrap_or(0))
        && rules.placeholder.stub() == Some(by)
    {
        let shows = if seen.seen == Kind::Gone { Shows::NoStub } else { Shows::Stub(by) };
        return Some((path(&format!("{dir}{of}"))?, shows));
    }
    let path = path(&seen.path)?;
    let Some(len) = seen.len else { return Some((path, Shows::Gone)) };
    if seen.elsewhere {
        return Some((path, Shows::Elsewhere(len)));
    }
    Some(match (&seen.content, &seen.sha256) {
        (Some(content), _) => (path, Shows::File(Content::new(content.bytes().ok()?))),
        (None, Some(digest)) if seen.nul && seen.by.is_none() && seen.seen != Kind::There => {
            (path, Shows::Nul(large(digest, len)))
        }
        (None, Some(digest)) => (path, Shows::File(large(digest, len))),
        (None, None) => return None,
    })
}

/// How what stands for a large content begins: no text does.
const LARGE: &str = "\u{0}\u{1}large ";

/// What stands for a content that is known by its digest alone.
fn large(digest: &str, len: u64) -> Content {
    Content::from(format!("{LARGE}{digest} {len}"))
}

/// Whether a content stands for a larger one.
pub(super) fn is_large(content: &Content) -> bool {
    content.bytes().starts_with(LARGE.as_bytes())
}

/// The length of a content, or of that for which it stands.
pub(super) fn length(content: &Content) -> u64 {
    let text = || std::str::from_utf8(content.bytes()).ok()?.rsplit(' ').next()?.parse().ok();
    let len = content.len() as u64;
    if is_large(content) { text().unwrap_or(len) } else { len }
}

/// Whether the first is the second with every byte a NUL.
pub(super) fn is_nul_of(shown: &Content, of: &Content) -> bool {
    !shown.is_empty() && shown.len() as u64 == length(of) && shown.bytes().iter().all(|byte| *byte == 0)
}

/// For each path the one that its family is called by: whoever is called a copy of another belongs to it.
fn heads(paths: &BTreeSet<Path>, rules: &Rules) -> BTreeMap<Path, Path> {
    let mut head: BTreeMap<Path, Path> = paths.iter().map(|path| (path.clone(), path.clone())).collect();
    for path in paths {
        let Some(dir) = path.parent() else { continue };
        for original in originals(path.file_name()) {
            let is_copy = rules.conflict_naming.is_copy_of(path.file_name(), &original.name);
            let Ok(of) = Path::new(Root::Shared, &join(&dir, &original.name)) else { continue };
            if !is_copy || !paths.contains(&of) {
                continue;
            }
            let [one, other] = [&head[path], &head[&of]].map(Clone::clone);
            for to in head.values_mut().filter(|to| **to == one) {
                *to = other.clone();
            }
        }
    }
    head
}

fn join(dir: &Path, name: &str) -> String {
    if dir.name().is_empty() { name.to_owned() } else { format!("{}/{name}", dir.name()) }
}
