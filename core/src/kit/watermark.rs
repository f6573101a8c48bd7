//! Watermarks: which of a machine's numbers are here, without remembering each.
//!
//! A machine counts its records from 1 and uses each number once. Files arrive in any order, cut anywhere, and some
//! twice, so a reader keeps a set of numbers that is nearly always one range.
//!
//! # Guarantees
//! - [`Numbers::contiguous`] is the number up to which nothing is missing: what may be acknowledged.
//! - [`Numbers::missing`] names every gap: what has to be waited for.
//! - [`Watermarks::join`] is commutative, associative and idempotent: any exchange of watermarks converges.
//!
//! # Crash, elsewhere
//! A watermark is a summary of records and says nothing that they do not. If it is lost it is made again from them;
//! one of another machine says what that machine has, never what there is.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// A set of one machine's numbers, kept as ranges. Numbers begin with 1.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Numbers {
    /// First to last of each range; between two of them at least one number is missing.
    ranges: BTreeMap<u64, u64>,
}

impl Numbers {
    /// Every number up to and including `number`.
    #[must_use]
    pub fn up_to(number: u64) -> Self {
        let mut numbers = Self::default();
        numbers.add(1..=number);
        numbers
    }

    /// Adds a number; false if it is here already, or is 0.
    pub fn insert(&mut self, number: u64) -> bool {
        if number == 0 || self.contains(number) {
            return false;
        }
        self.add(number..=number);
        true
    }

    /// Whether the number is here.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        self.ranges.range(..=number).next_back().is_some_and(|(_, &last)| number <= last)
    }

    /// The number up to which every one is here; 0 if 1 is not.
    #[must_use]
    pub fn contiguous(&self) -> u64 {
        self.ranges.get(&1).copied().unwrap_or(0)
    }

    /// The largest number; 0 if there is none.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.ranges.last_key_value().map_or(0, |(_, &last)| last)
    }

    /// Each gap below the largest number.
    pub fn missing(&self) -> impl Iterator<Item = RangeInclusive<u64>> + '_ {
        let ends = std::iter::once(0).chain(self.ranges.values().copied());
        ends.zip(self.ranges.keys()).map(|(end, &first)| end + 1..=first - 1).filter(|gap| !gap.is_empty())
    }

    /// Takes over every number of another set.
    pub fn join(&mut self, other: &Self) {
        other.ranges.iter().for_each(|(&first, &last)| self.add(first..=last));
    }

    /// Whether every number of `other` is here.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let held = |first, last| self.ranges.range(..=first).next_back().is_some_and(|(_, &end)| last <= end);
        other.ranges.iter().all(|(&first, &last)| held(first, last))
    }

    /// Its ranges, in order; between two of them at least one number is missing.
    pub fn ranges(&self) -> impl Iterator<Item = RangeInclusive<u64>> + '_ {
        self.ranges.iter().map(|(&first, &last)| first..=last)
    }

    /// Adds every number of a range; 0 is none.
    pub fn add(&mut self, range: RangeInclusive<u64>) {
        let (mut first, mut last) = range.into_inner();
        first = first.max(1);
        if first > last {
            return;
        }
        // Ranges that touch become one.
        while let Some((&begin, &end)) = self.ranges.range(..=last.saturating_add(1)).next_back()
            && end.saturating_add(1) >= first
        {
            self.ranges.remove(&begin);
            (first, last) = (first.min(begin), last.max(end));
        }
        self.ranges.insert(first, last);
    }
}

/// The numbers of each machine that are here.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Watermarks<K: Ord>(BTreeMap<K, Numbers>);

impl<K: Ord> Default for Watermarks<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Clone + Ord> Watermarks<K> {
    /// The numbers of a machine; `None` if none is here.
    #[must_use]
    pub fn get(&self, machine: &K) -> Option<&Numbers> {
        self.0.get(machine)
    }

    /// Adds a machine's number; false if it is here already, or is 0.
    pub fn insert(&mut self, machine: &K, number: u64) -> bool {
        match self.0.get_mut(machine) {
            Some(numbers) => numbers.insert(number),
            None => number > 0 && self.0.entry(machine.clone()).or_default().insert(number),
        }
    }

    /// Adds every number of a range of a machine's.
    pub fn add(&mut self, machine: &K, range: RangeInclusive<u64>) {
        self.0.entry(machine.clone()).or_default().add(range);
    }

    /// Whether a machine's number is here.
    #[must_use]
    pub fn contains(&self, machine: &K, number: u64) -> bool {
        self.get(machine).is_some_and(|numbers| numbers.contains(number))
    }

    /// Takes over what another has.
    pub fn join(&mut self, other: &Self) {
        for (machine, numbers) in &other.0 {
            self.0.entry(machine.clone()).or_default().join(numbers);
        }
    }

    /// Whether everything that `other` has is here.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|(machine, numbers)| self.0.get(machine).is_some_and(|own| own.covers(numbers)))
    }

    /// Every machine and its numbers, in the order of machines.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &Numbers)> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_range_is_its_numbers() {
        let mut numbers = Numbers::default();
        numbers.add(0..=0);
        assert_eq!(numbers, Numbers::default());
        numbers.add(0..=3);
        numbers.add(7..=8);
        assert_eq!((numbers.contiguous(), numbers.max(), numbers.contains(0)), (3, 8, false));
        numbers.add(4..=6);
        assert_eq!(numbers, Numbers::up_to(8));
    }

    #[test]
    fn gaps_are_named_and_closed() {
        let mut numbers = Numbers::default();
        assert_eq!((numbers.contiguous(), numbers.max()), (0, 0));
        assert!([1, 2, 5, 9, 8].into_iter().all(|number| numbers.insert(number)));
        assert!(!numbers.insert(2) && !numbers.insert(0));
        assert_eq!((numbers.contiguous(), numbers.max()), (2, 9));
        assert_eq!(numbers.missing().collect::<Vec<_>>(), [3..=4, 6..=7]);
        numbers.join(&Numbers::up_to(7));
        assert_eq!(numbers, Numbers::up_to(9));
        assert!(numbers.insert(u64::MAX) && !numbers.insert(u64::MAX));
        assert_eq!(numbers.missing().collect::<Vec<_>>(), [10..=u64::MAX - 1]);
    }

    fn numbers() -> impl Strategy<Value = BTreeSet<u64>> {
        prop::collection::btree_set(1..40_u64, 0..30)
    }

    fn of(set: &BTreeSet<u64>) -> Numbers {
        let mut numbers = Numbers::default();
        set.iter().for_each(|&number| assert!(numbers.insert(number)));
        numbers
    }

    proptest! {
        #[test]
        fn it_is_a_set(set in numbers(), order in any::<prop::sample::Index>()) {
            let all = of(&set);
            let mut other = Numbers::default();
            let cut = order.index(set.len() + 1);
            set.iter().skip(cut).chain(set.iter().take(cut)).for_each(|&number| { other.insert(number); });
            prop_assert_eq!(&all, &other);
            for number in 0..42 {
                prop_assert_eq!(all.contains(number), set.contains(&number));
            }
            let missing: BTreeSet<_> = all.missing().flatten().collect();
            prop_assert_eq!(missing, (1..all.max()).filter(|number| !set.contains(number)).collect());
        }

        #[test]
        fn join_is_union(a in numbers(), b in numbers(), c in numbers()) {
            let (a, b, c) = (of(&a), of(&b), of(&c));
            let join = |one: &Numbers, other: &Numbers| { let mut all = one.clone(); all.join(other); all };
            prop_assert_eq!(join(&a, &b), join(&b, &a));
            prop_assert_eq!(join(&a, &join(&b, &c)), join(&join(&a, &b), &c));
            prop_assert_eq!(join(&a, &a), a.clone());
            prop_assert!(join(&a, &b).covers(&b));
            prop_assert_eq!(a.covers(&b), join(&a, &b) == a);
        }

        #[test]
        fn watermarks_join_by_machine(pairs in prop::collection::vec(("[ab]", 0..9_u64), 0..20), cut in any::<prop::sample::Index>()) {
            let of = |pairs: &[(String, u64)]| {
                let mut marks = Watermarks::default();
                for (machine, number) in pairs { marks.insert(machine, *number); }
                marks
            };
            let (left, right) = pairs.split_at(cut.index(pairs.len() + 1));
            let (mut one, mut other) = (of(left), of(right));
            other.join(&one);
            one.join(&of(right));
            prop_assert_eq!(&one, &other);
            prop_assert_eq!(&one, &of(&pairs));
            prop_assert!(one.covers(&of(left)));
        }
    }
}
