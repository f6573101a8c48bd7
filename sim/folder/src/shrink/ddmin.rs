//! Leaving out whatever is not needed, in parts that get smaller and smaller.

use std::ops::Range;

/// A list that fails, and from which things may be left out as long as it still does.
pub(super) trait Trial {
    /// How many things there are in it.
    fn len(&self) -> usize;

    /// Leaves out a part for good and returns true, if what remains still fails; otherwise changes nothing. It may
    /// leave out more of what stands behind the part's beginning, and nothing of what stands before it.
    fn leave_out(&mut self, part: Range<usize>) -> bool;

    /// Whether no more may be tried.
    fn is_spent(&self) -> bool;
}

/// Makes a list 1-minimal: without any single thing that is left it would no longer fail. Returns whether anything
/// was left out.
///
/// This is the `ddmin` of Zeller and Hildebrandt (Simplifying and Isolating Failure-Inducing Input, IEEE TSE 28(2),
/// 2002) with two changes. Only complements are tried, never a part alone: a part of a trace without what comes
/// before it is hardly ever a trace. And the parts are tried from the last to the first, within one granularity to
/// the end, because what comes early in a trace is there for what comes late, so that the late goes first.
pub(super) fn minimise(list: &mut impl Trial) -> bool {
    let length = list.len();
    let mut part = length.div_ceil(2).max(1);
    loop {
        let before = list.len();
        let mut end = before;
        while end > 0 && !list.is_spent() {
            let start = end.saturating_sub(part);
            list.leave_out(start..end);
            end = start.min(list.len());
        }
        if list.is_spent() || list.len() == 0 || (part == 1 && list.len() == before) {
            return list.len() < length;
        }
        part = part.min(list.len()).div_ceil(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that fail together where a predicate says so.
    struct Numbers<F> {
        kept: Vec<u32>,
        fails: F,
        tried: usize,
        most: usize,
    }

    impl<F: Fn(&[u32]) -> bool> Trial for Numbers<F> {
        fn len(&self) -> usize {
            self.kept.len()
        }

        fn leave_out(&mut self, part: Range<usize>) -> bool {
            self.tried += 1;
            let mut rest = self.kept.clone();
            rest.drain(part);
            let fails = (self.fails)(&rest);
            if fails {
                self.kept = rest;
            }
            fails
        }

        fn is_spent(&self) -> bool {
            self.tried >= self.most
        }
    }

    fn minimal(count: u32, most: usize, fails: impl Fn(&[u32]) -> bool) -> (Vec<u32>, usize) {
        let mut numbers = Numbers { kept: (0..count).collect(), fails, tried: 0, most };
        minimise(&mut numbers);
        (numbers.kept, numbers.tried)
    }

    #[test]
    fn what_is_needed_stays_and_nothing_else() {
        let needs = |wanted: &'static [u32]| move |list: &[u32]| wanted.iter().all(|one| list.contains(one));
        for wanted in [&[][..], &[0], &[99], &[3, 50, 97], &[10, 11, 12, 13]] {
            assert_eq!(minimal(100, usize::MAX, needs(wanted)).0, wanted);
        }
        let (kept, tried) = minimal(100_000, usize::MAX, needs(&[7, 70_000, 99_998]));
        assert_eq!(kept, [7, 70_000, 99_998]);
        assert!(tried < 150, "{tried} tries for three of a hundred thousand");
    }

    #[test]
    fn what_only_goes_in_a_certain_order_goes_too() {
        // Each number but the last needs the one behind it to be gone first: the worst for a sweep from the front.
        let fails =
            |list: &[u32]| list.windows(2).all(|pair| pair[0] + 1 == pair[1]) && list.first() == Some(&0);
        assert_eq!(minimal(33, usize::MAX, fails).0, [0]);
    }

    #[test]
    fn pairs_that_go_only_together_may_stay_but_single_ones_may_not() {
        let even = |list: &[u32]| list.len().is_multiple_of(2) && list.contains(&5);
        let (kept, _) = minimal(64, usize::MAX, even);
        for left_out in 0..kept.len() {
            let mut rest = kept.clone();
            rest.remove(left_out);
            assert!(!even(&rest), "{kept:?} without {left_out}");
        }
    }

    #[test]
    fn a_spent_budget_leaves_what_was_reached() {
        let (kept, tried) = minimal(1_000, 4, |list| list.contains(&500));
        assert!(tried <= 4 && kept.contains(&500) && kept.len() < 1_000, "{tried} {}", kept.len());
    }
}
