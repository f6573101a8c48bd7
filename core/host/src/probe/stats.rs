//! What a set of samples says: as much as it can say, and no more.

use serde::Serialize;

/// From how many samples on a 90th percentile has an upper end: below, with 95 % certainty, none may lie above it.
pub(super) const P90_FROM: usize = 36;
/// The same for a 99th percentile.
pub(super) const P99_FROM: usize = 368;

/// Some samples of a time, in microseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) n: usize,
    pub(super) min_us: i64,
    pub(super) median_us: i64,
    /// None where there are fewer than [`P90_FROM`].
    pub(super) p90_us: Option<i64>,
    /// None where there are fewer than [`P99_FROM`].
    pub(super) p99_us: Option<i64>,
    pub(super) max_us: i64,
}

impl Spread {
    /// None if there are none.
    pub(super) fn of(mut samples: Vec<i64>) -> Option<Self> {
        samples.sort_unstable();
        let n = samples.len();
        let (min_us, max_us) = (*samples.first()?, *samples.last()?);
        // The sample that so many of a hundred are not above.
        let rank = |percent: usize| samples[(n * percent).div_ceil(100).clamp(1, n) - 1];
        Some(Self {
            n,
            min_us,
            median_us: rank(50),
            p90_us: (n >= P90_FROM).then(|| rank(90)),
            p99_us: (n >= P99_FROM).then(|| rank(99)),
            max_us,
        })
    }
}

/// So many of so many, as a profile writes a chance.
pub(super) fn chance(times: u64, of: u64) -> String {
    if times == 0 { "0".to_owned() } else { format!("{}/{}", times.min(of), of.max(1)) }
}

/// Of all pairs of places in a series, the percentage that is the wrong way round.
pub(super) fn inverted_percent<T: Ord>(series: &[T]) -> u64 {
    let pairs = series.len() * series.len().saturating_sub(1) / 2;
    let later =
        series.iter().enumerate().map(|(at, one)| series[at + 1..].iter().filter(|other| *other < one));
    let wrong: usize = later.map(Iterator::count).sum();
    (wrong * 100).checked_div(pairs).map_or(0, |percent| u64::try_from(percent).unwrap_or(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_told_where_there_are_enough_samples_for_it() {
        assert_eq!(Spread::of(vec![]), None);
        let one = Spread::of(vec![5]).unwrap();
        assert_eq!((one.n, one.min_us, one.median_us, one.max_us, one.p90_us), (1, 5, 5, 5, None));
        let few = Spread::of((1..=36).collect()).unwrap();
        assert_eq!((few.median_us, few.p90_us, few.p99_us), (18, Some(33), None));
        let many = Spread::of((1..=1_000).rev().collect()).unwrap();
        assert_eq!((many.median_us, many.p90_us, many.p99_us), (500, Some(900), Some(990)));
    }

    #[test]
    fn a_chance_is_a_fraction_and_an_order_has_inverted_pairs() {
        assert_eq!((chance(0, 60), chance(15, 68), chance(3, 2)), ("0".into(), "15/68".into(), "2/2".into()));
        assert_eq!(inverted_percent(&[1, 2, 3, 4]), 0);
        assert_eq!(inverted_percent(&[4, 3, 2, 1]), 100);
        assert_eq!(inverted_percent(&[2, 1, 3]), 33);
        assert_eq!(inverted_percent::<u8>(&[]), 0);
    }
}
