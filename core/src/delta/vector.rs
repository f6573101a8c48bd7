//! Who wrote what: replicas, dots and version vectors.
//!
//! A dot names one write: the replica that made it and the count of the writes it had made by then. A version vector
//! says, for each replica, up to which count its writes have been seen. A replica that a vector does not name has
//! the count 0 in it.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The id of a replica: the name it was given and what was drawn at its first start.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct ReplicaId(pub Arc<str>);

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for ReplicaId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ReplicaId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

/// One write. Written `count@replica`.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(into = "String", try_from = "String")]
pub struct Dot {
    /// Who wrote.
    pub replica: ReplicaId,
    /// How many writes that replica had made, this one included.
    pub count: u64,
}

impl fmt::Display for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.count, self.replica)
    }
}

impl FromStr for Dot {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "a write is named `count@replica`, such as `17@laptop-0000002a`";
        let (count, replica) = text.split_once('@').ok_or(wrong)?;
        let count = count.parse().ok().filter(|&count| count > 0).ok_or(wrong)?;
        if replica.is_empty() { Err(wrong) } else { Ok(Self { replica: replica.into(), count }) }
    }
}

impl From<Dot> for String {
    fn from(dot: Dot) -> Self {
        dot.to_string()
    }
}

impl TryFrom<String> for Dot {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// How two vectors stand to each other.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Causality {
    /// Each has seen something that the other has not.
    Concurrent,
    /// Both have seen the same.
    Equal,
    /// The first has seen all that the second has, and more.
    Greater,
    /// The second has seen all that the first has, and more.
    Less,
}

/// A version vector. Sorted by replica, without zeros.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Vector(Vec<(ReplicaId, u64)>);

impl Vector {
    /// A vector of entries in the order of their replicas; `None` if they are in another one, or one is zero.
    pub(super) fn sorted(entries: Vec<(ReplicaId, u64)>) -> Option<Self> {
        let is_sorted = entries.is_sorted_by(|(one, _), (two, _)| one < two);
        (is_sorted && entries.iter().all(|(_, count)| *count > 0)).then_some(Self(entries))
    }

    /// The count of a replica; 0 if nothing of it was seen.
    #[must_use]
    pub fn get(&self, replica: &str) -> u64 {
        self.at(replica).map_or(0, |at| self.0[at].1)
    }

    fn at(&self, replica: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (*known.0).cmp(replica))
    }

    /// Whether the write was seen.
    #[must_use]
    pub fn covers(&self, dot: &Dot) -> bool {
        dot.count <= self.get(&dot.replica.0)
    }

    /// Whether all that `other` has seen was seen.
    #[must_use]
    pub fn covers_all(&self, other: &Self) -> bool {
        matches!(self.compare(other), Causality::Equal | Causality::Greater)
    }

    /// Takes note of a write, and of all before it.
    pub fn see(&mut self, replica: &ReplicaId, count: u64) {
        match self.at(&replica.0) {
            Ok(at) => self.0[at].1 = self.0[at].1.max(count),
            Err(_) if count == 0 => {}
            Err(at) => self.0.insert(at, (replica.clone(), count)),
        }
    }

    /// Takes note of all that `other` has seen: the maximum of both, replica by replica.
    pub fn join(&mut self, other: &Self) {
        if self.0.is_empty() {
            self.0.clone_from(&other.0);
            return;
        }
        for (replica, count) in &other.0 {
            self.see(replica, *count);
        }
    }

    /// How this one stands to `other`.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Causality {
        let (mut more, mut less) = (false, false);
        let (mut one, mut two) = (self.0.iter().peekable(), other.0.iter().peekable());
        loop {
            match (one.peek(), two.peek()) {
                (None, None) => break,
                (Some(_), None) => {
                    more = true;
                    break;
                }
                (None, Some(_)) => {
                    less = true;
                    break;
                }
                (Some((left, mine)), Some((right, theirs))) => {
                    match if Arc::ptr_eq(&left.0, &right.0) { Ordering::Equal } else { left.cmp(right) } {
                        Ordering::Less => {
                            more = true;
                            one.next();
                        }
                        Ordering::Greater => {
                            less = true;
                            two.next();
                        }
                        Ordering::Equal => {
                            more |= mine > theirs;
                            less |= mine < theirs;
                            one.next();
                            two.next();
                        }
                    }
                }
            }
        }
        match (more, less) {
            (true, true) => Causality::Concurrent,
            (true, false) => Causality::Greater,
            (false, true) => Causality::Less,
            (false, false) => Causality::Equal,
        }
    }

    /// Replicas and counts, by replica.
    pub fn iter(&self) -> impl Iterator<Item = (&ReplicaId, u64)> {
        self.0.iter().map(|(replica, count)| (replica, *count))
    }

    /// Whether nothing was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The `size` entries that a clock of limited size keeps: those of `kept` replicas first, then larger counts, then
    /// smaller ids (super-productivity, `limitVectorClockSize`). Not used by either design: a vector that forgets an
    /// entry takes writes that were seen for new ones.
    #[must_use]
    pub fn limited(&self, size: usize, kept: &[ReplicaId]) -> Self {
        if self.0.len() <= size {
            return self.clone();
        }
        let mut entries: Vec<_> = self.0.iter().collect();
        // The first ones of the list that is kept are kept where that list itself is too long.
        let rank = |replica: &ReplicaId| kept.iter().position(|known| known == replica).unwrap_or(usize::MAX);
        entries.sort_by(|(one, mine), (two, theirs)| {
            rank(one).cmp(&rank(two)).then(theirs.cmp(mine)).then(one.cmp(two))
        });
        entries.into_iter().take(size).cloned().collect()
    }
}

impl FromIterator<(ReplicaId, u64)> for Vector {
    fn from_iter<T: IntoIterator<Item = (ReplicaId, u64)>>(entries: T) -> Self {
        let mut vector = Self::default();
        entries.into_iter().for_each(|(replica, count)| vector.see(&replica, count));
        vector
    }
}
