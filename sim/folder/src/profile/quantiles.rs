//! Distributions of delays as tables of integers.
//!
//! Floats appear here only, and only while a table is built, with functions written in Rust (`libm`): every
//! platform builds the same table. Sampling one is integer interpolation.
#![allow(
    clippy::float_arithmetic,
    reason = "tables are built from lognormals; what is sampled and kept is integers"
)]

use std::sync::Arc;

use libm::{erfc, exp, log, sqrt};

/// A distribution of whole milliseconds, as values at equally spaced probabilities.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Quantiles {
    knots: Arc<[u64]>,
}

/// How many intervals a curved table has. A power of two, so that finding one is a multiplication.
const INTERVALS: u32 = 1_024;
/// How far into its last interval a table goes: the ends of a lognormal are at 0 and at infinity.
const END: f64 = 1.0 / 16_384.0;
/// The standard normal's 99th percentile.
const Z_99: f64 = 2.326_347_874_040_841;

impl Quantiles {
    /// Always the same.
    #[must_use]
    pub fn constant(ms: u64) -> Self {
        Self { knots: Arc::from([ms, ms]) }
    }

    /// Every value from `min_ms` to `max_ms`, both included, as likely as every other.
    #[must_use]
    pub fn uniform(min_ms: u64, max_ms: u64) -> Self {
        Self { knots: Arc::from([min_ms, max_ms.saturating_add(1)]) }
    }

    /// A lognormal with this median and 99th percentile.
    ///
    /// # Panics
    /// Where the 99th percentile is below the median, or the median is 0 and the 99th percentile is not.
    #[must_use]
    pub fn lognormal(median_ms: u64, p99_ms: u64) -> Self {
        Shape::of(median_ms, p99_ms).map_or_else(|| Self::constant(median_ms), |shape| shape.table())
    }

    /// The distribution of one of two independent delays, equal in kind, whose sum has this median and 99th
    /// percentile.
    ///
    /// The sum of two lognormals is none, so the shape is found by integrating: for a spread the sum's ratio
    /// of 99th percentile to median follows, and it grows with the spread.
    ///
    /// # Panics
    /// As [`Quantiles::lognormal`].
    #[must_use]
    pub fn half_of(median_ms: u64, p99_ms: u64) -> Self {
        let Some(whole) = Shape::of(median_ms, p99_ms) else { return Self::constant(median_ms / 2) };
        let ratio = exp(whole.sigma * Z_99);
        // A half is spread wider than the whole, by less than the square root of 2 and a little.
        let (mut low, mut high) = (whole.sigma, whole.sigma * 2.0);
        for _ in 0..20 {
            let sigma = (low + high) / 2.0;
            let reached = sum_quantile(sigma, 0.99) / sum_quantile(sigma, 0.5);
            if reached < ratio { low = sigma } else { high = sigma }
        }
        let sigma = (low + high) / 2.0;
        Shape { median: whole.median / sum_quantile(sigma, 0.5), sigma }.table()
    }

    /// The value at a probability of `random` in 2^64.
    #[must_use]
    pub fn at(&self, random: u64) -> u64 {
        let intervals = (self.knots.len() - 1) as u128;
        let scaled = u128::from(random) * intervals;
        let (from, part) = ((scaled >> 64) as usize, (scaled as u64) >> 32);
        let (low, high) = (self.knots[from], self.knots[from + 1]);
        low + ((u128::from(high - low) * u128::from(part)) >> 32) as u64
    }

    /// The value at `percent` in a hundred.
    ///
    /// # Panics
    /// Where `percent` is 100 or more.
    #[must_use]
    pub fn percentile(&self, percent: u8) -> u64 {
        assert!(percent < 100, "no distribution here ends at its {percent}th percentile");
        self.at(u64::MAX / 100 * u64::from(percent))
    }
}

/// A lognormal's parameters; the median in milliseconds.
struct Shape {
    median: f64,
    sigma: f64,
}

impl Shape {
    /// The lognormal with this median and 99th percentile; `None` if they are equal.
    fn of(median_ms: u64, p99_ms: u64) -> Option<Self> {
        assert!(
            p99_ms >= median_ms,
            "a 99th percentile of {p99_ms} ms lies below a median of {median_ms} ms"
        );
        if p99_ms == median_ms {
            return None;
        }
        assert!(median_ms > 0, "a lognormal's median is above 0 ms");
        let (median, p99) = (median_ms as f64, p99_ms as f64);
        Some(Self { median, sigma: log(p99 / median) / Z_99 })
    }

    fn table(&self) -> Quantiles {
        let intervals = f64::from(INTERVALS);
        let knot = |place: u32| {
            let place = f64::from(place).clamp(END * intervals, intervals - END * intervals);
            (self.median * exp(self.sigma * normal_quantile(place / intervals)) + 0.5) as u64
        };
        Quantiles { knots: (0..=INTERVALS).map(knot).collect() }
    }
}

/// The quantile of the sum of two independent lognormals of median 1.
///
/// Either both stay below half of the sum, or one does and the other lies between that and the rest: by this
/// symmetry the integral never enters a tail, and a few points are enough.
fn sum_quantile(sigma: f64, probability: f64) -> f64 {
    const POINTS: u32 = 48;
    let below = |most: f64| {
        let both = normal(log(most / 2.0) / sigma);
        let between = |place: u32| {
            let first = exp(sigma * normal_quantile(both * (f64::from(place) + 0.5) / f64::from(POINTS)));
            normal(log(most - first) / sigma) - both
        };
        both * both + 2.0 * both / f64::from(POINTS) * (0..POINTS).map(between).sum::<f64>()
    };
    let (mut low, mut high) = (0.0, 2.0 * exp(3.0 * sigma));
    for _ in 0..28 {
        let middle = (low + high) / 2.0;
        if below(middle) < probability { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

/// The standard normal's distribution function.
fn normal(z: f64) -> f64 {
    erfc(-z / sqrt(2.0)) / 2.0
}

/// The inverse of [`normal`], by Peter J. Acklam's rational approximation ("An algorithm for computing the
/// inverse normal cumulative distribution function", 2003; relative error below 1.15e-9).
fn normal_quantile(probability: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 5] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 4] =
        [7.784_695_709_041_462e-3, 3.224_671_290_700_398e-1, 2.445_134_137_142_996, 3.754_408_661_907_416];
    const TAIL: f64 = 0.024_25;
    let polynomial = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    let tail = |probability: f64| {
        let q = sqrt(-2.0 * log(probability));
        polynomial(&C, q) / (polynomial(&D, q) * q + 1.0)
    };
    if probability < TAIL {
        tail(probability)
    } else if probability > 1.0 - TAIL {
        -tail(1.0 - probability)
    } else {
        let q = probability - 0.5;
        let r = q * q;
        polynomial(&A, r) * q / (polynomial(&B, r) * r + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How far `got` is from `want`, in percent of `want`.
    fn off_percent(got: u64, want: u64) -> u64 {
        got.abs_diff(want) * 100 / want
    }

    #[test]
    fn the_inverse_normal_undoes_the_normal() {
        for place in 1..1_000 {
            let probability = f64::from(place) / 1_000.0;
            let back = normal(normal_quantile(probability));
            assert!((back - probability).abs() < 1e-8, "{probability} came back as {back}");
        }
        assert!((normal_quantile(0.99) - Z_99).abs() < 1e-8);
    }

    #[test]
    fn a_table_has_the_percentiles_it_was_made_from() {
        for (median, p99) in
            [(6_000, 60_000), (3_000, 20_000), (600_000, 43_200_000), (5, 19), (1_000, 1_001)]
        {
            let table = Quantiles::lognormal(median, p99);
            assert!(off_percent(table.percentile(50), median) <= 1, "median of {median}, {p99}");
            assert!(off_percent(table.percentile(99), p99) <= 1, "99th percentile of {median}, {p99}");
        }
    }

    #[test]
    fn two_halves_make_a_whole() {
        for (median, p99) in [(6_000, 60_000), (3_000, 20_000), (6_000, 180_000), (1_000, 5_000)] {
            let half = Quantiles::half_of(median, p99);
            let points: Vec<u64> =
                (0..1_000).map(|place| half.at(u64::MAX / 2_000 * (2 * place + 1))).collect();
            let mut sums: Vec<u64> =
                points.iter().flat_map(|up| points.iter().map(move |down| up + down)).collect();
            sums.sort_unstable();
            assert!(off_percent(sums[sums.len() / 2], median) <= 2, "median of {median}, {p99}");
            assert!(off_percent(sums[sums.len() / 100 * 99], p99) <= 3, "99th percentile of {median}, {p99}");
        }
    }

    #[test]
    fn a_range_reaches_both_ends_and_nothing_beyond() {
        let table = Quantiles::uniform(5, 7);
        assert_eq!((table.at(0), table.at(u64::MAX / 2), table.at(u64::MAX)), (5, 6, 7));
        assert_eq!(Quantiles::uniform(4, 4).at(u64::MAX), 4);
        assert_eq!(Quantiles::constant(9).at(u64::MAX), 9);
    }

    #[test]
    fn a_table_is_the_same_on_every_platform() {
        let table = Quantiles::lognormal(6_000, 60_000);
        let some: Vec<u64> = (0..8).map(|place| table.at(place << 61 | 0x1234)).collect();
        insta::assert_debug_snapshot!(some, @"[
    134,
    1922,
    3078,
    4377,
    6000,
    8225,
    11697,
    18734,
]");
    }
}
