//! How long something took, of many samples.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A distribution of durations in ms, exact: a value and how often it was seen.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Distribution {
    /// What it says, such as `back to one active`; empty if nobody asked for it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) words: String,
    pub(crate) samples: u64,
    pub(crate) p50_ms: Option<u64>,
    pub(crate) p90_ms: Option<u64>,
    pub(crate) p99_ms: Option<u64>,
    pub(crate) max_ms: Option<u64>,
    /// Each duration with how often it was seen, so that shards add up to the whole.
    pub(crate) seen: BTreeMap<u64, u64>,
}

impl Distribution {
    /// Of durations and how often each was seen.
    pub(crate) fn new(seen: BTreeMap<u64, u64>) -> Self {
        let samples = seen.values().sum();
        let mut distribution =
            Self { samples, max_ms: seen.keys().next_back().copied(), seen, ..Self::default() };
        distribution.p50_ms = distribution.percentile(50);
        distribution.p90_ms = distribution.percentile(90);
        distribution.p99_ms = distribution.percentile(99);
        distribution
    }

    /// Of durations as they came.
    pub(crate) fn of(samples: &[u64]) -> Self {
        let mut seen = BTreeMap::new();
        for sample in samples {
            *seen.entry(*sample).or_insert(0) += 1;
        }
        Self::new(seen)
    }

    /// Both together.
    pub(crate) fn with(mut self, other: &Self) -> Self {
        for (ms, times) in &other.seen {
            *self.seen.entry(*ms).or_insert(0) += times;
        }
        Self { words: self.words, ..Self::new(self.seen) }
    }

    /// The percentiles that so few or so many samples can tell: of each, at least five samples are longer.
    pub(crate) fn percentiles(&self) -> Vec<(u64, u64)> {
        let enough = |percent: &u64| self.samples * (100 - percent) >= 500;
        let known = [50, 90, 99].into_iter().filter(enough);
        known.filter_map(|percent| Some((percent, self.percentile(percent)?))).collect()
    }

    /// The shortest duration that at least `percent` of the samples do not exceed (nearest rank).
    pub(crate) fn percentile(&self, percent: u64) -> Option<u64> {
        let rank = (self.samples * percent).div_ceil(100).max(1);
        let mut below = 0;
        self.seen.iter().find_map(|(ms, times)| {
            below += times;
            (below >= rank).then_some(*ms)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_seen_values() {
        let distribution = Distribution::of(&[40, 10, 30, 20]);
        assert_eq!(
            (distribution.p50_ms, distribution.p90_ms, distribution.max_ms),
            (Some(20), Some(40), Some(40))
        );
        assert_eq!(Distribution::of(&[]).p50_ms, None);
        assert_eq!(Distribution::of(&[7]).p99_ms, Some(7));
    }

    #[test]
    fn a_percentile_is_told_where_five_samples_are_longer() {
        let told = |samples: u64| {
            let samples: Vec<u64> = (0..samples).collect();
            Distribution::of(&samples)
                .percentiles()
                .into_iter()
                .map(|(percent, _)| percent)
                .collect::<Vec<_>>()
        };
        assert_eq!([told(9), told(10), told(49), told(50)], [vec![], vec![50], vec![50], vec![50, 90]]);
        assert_eq!(told(500), [50, 90, 99]);
    }

    #[test]
    fn shards_add_up_to_the_whole() {
        let samples: Vec<u64> = (0..500).map(|n| n * 37 % 101).collect();
        let (left, right) = samples.split_at(123);
        assert_eq!(Distribution::of(left).with(&Distribution::of(right)), Distribution::of(&samples));
    }
}
