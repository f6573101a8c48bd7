//! What is known of the specification's states from elsewhere.

use super::config::{ActivityMode, Config};

/// What TLC, or a search of one's own that agrees with it, counted with given constants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Row {
    /// The constants.
    pub config: Config,
    /// How many states were generated, the first one included.
    pub generated: u64,
    /// How many distinct states there are.
    pub distinct: u64,
    /// How many states the longest of the shortest ways has.
    pub depth: u64,
    /// Whether it is counted in a few seconds.
    pub quick: bool,
}

impl Row {
    /// All rows, those of the first version of the specification before those with deletions.
    ///
    /// The third and the fourth stand in the README of the specification itself (NoteCove, commit 4519678). The others
    /// come from running that specification, and the one of commit 2f4f888, in TLC 2.15.
    pub const ALL: [Self; ROWS.len()] = {
        let mut all = [Self::new(ROWS[0]); ROWS.len()];
        let mut at = 0;
        while at < ROWS.len() {
            all[at] = Self::new(ROWS[at]);
            at += 1;
        }
        all
    };

    const fn new(row: Numbers) -> Self {
        let ([replicas, notes, updates_max, log_max], activity, deletions, [generated, distinct, depth]) =
            row;
        let config = Config { replicas, notes, updates_max, log_max, activity, deletions, ..Config::DEFAULT };
        Self { config, generated, distinct, depth, quick: distinct < 150_000 }
    }

    /// The row with these constants; `None` if there is none.
    #[must_use]
    pub fn of(config: &Config) -> Option<&'static Self> {
        let all: &'static [Self] = &Self::ALL;
        all.iter().find(|row| row.config == *config)
    }
}

/// Replicas, notes, updates and log; how an activity log is written; whether notes are deleted; states generated,
/// distinct states and depth.
type Numbers = ([u8; 4], ActivityMode, bool, [u64; 3]);

const ROWS: [Numbers; 21] = {
    use ActivityMode::{Append, Replace};
    [
        ([2, 1, 1, 5], Append, false, [769, 196, 10]),
        ([2, 1, 2, 5], Append, false, [27_157, 5_668, 15]),
        ([2, 1, 3, 5], Append, false, [538_557, 98_612, 19]),
        ([2, 1, 3, 2], Append, false, [552_557, 101_172, 19]),
        ([2, 1, 3, 1], Append, false, [823_229, 149_644, 20]),
        ([2, 1, 3, 5], Replace, false, [538_237, 98_612, 19]),
        ([2, 1, 3, 0], Replace, false, [1_574_481, 264_564, 21]),
        ([2, 1, 4, 3], Append, false, [7_438_405, 1_235_796, 23]),
        ([3, 1, 1, 5], Append, false, [13_537, 2_408, 14]),
        ([3, 1, 2, 5], Append, false, [2_969_569, 438_776, 20]),
        ([2, 1, 1, 5], Append, true, [23_029, 5_212, 16]),
        ([2, 2, 1, 5], Append, true, [46_045, 10_420, 16]),
        ([2, 3, 1, 5], Append, true, [69_061, 15_628, 16]),
        ([1, 1, 4, 3], Append, true, [7_847, 2_230, 18]),
        ([1, 2, 3, 2], Replace, true, [89_680, 24_190, 14]),
        ([2, 1, 2, 5], Append, true, [1_976_237, 359_020, 21]),
        ([2, 1, 2, 1], Append, true, [2_043_241, 372_268, 21]),
        ([2, 1, 2, 0], Replace, true, [5_710_657, 962_044, 23]),
        ([3, 1, 1, 5], Append, true, [8_410_297, 1_252_208, 23]),
        ([3, 2, 1, 5], Append, true, [16_820_557, 2_504_408, 23]),
        ([2, 1, 3, 5], Append, true, [40_103_733, 6_566_412, 25]),
    ]
};
