//! What computes: each job takes an order, and gives a report.
//!
//! A job neither reads a command line nor prints a table. Where it leaves pages beside traces, it is handed what draws
//! them ([`out::Out`]).

mod benches;
pub(crate) mod catalogue;
pub(crate) mod check;
pub(crate) mod claims;
pub(crate) mod compare;
mod dispatch;
pub(crate) mod explain;
pub(crate) mod explore;
pub(crate) mod failover_times;
pub(crate) mod holds;
pub(crate) mod hunt;
pub(crate) mod journals;
mod journeys;
mod memory;
pub(crate) mod merge;
pub(crate) mod models;
pub(crate) mod moment;
pub(crate) mod mutants;
pub(crate) mod observed;
pub(crate) mod out;
mod progress;
pub(crate) mod replay;
pub(crate) mod reproduce;
pub(crate) mod run;
pub(crate) mod shrink;
pub(crate) mod skeleton;
pub(crate) mod specification;
mod story;
pub(crate) mod swarm;
pub(crate) mod throughput;
pub(crate) mod timeline;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many runs go on side by side: as many as asked for, or as there are cores.
pub(crate) fn workers(asked: Option<usize>) -> usize {
    asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Does the same to each of several things, `jobs` side by side; the results are in the order of the things.
pub(crate) fn side_by_side<T: Sync, R: Send>(
    jobs: usize,
    things: &[T],
    each: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, things.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(thing) = things.get(place) else { return };
                    let result = each(thing);
                    done.lock().expect("no worker panics while it files").push((place, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("all workers are done");
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

/// As [`side_by_side`], and what takes longest begins first, so that at the end nobody waits long for the last one.
pub(crate) fn longest_first<T: Sync, R: Send>(
    jobs: usize,
    things: Vec<T>,
    size: impl Fn(&T) -> u64,
    each: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let mut sorted: Vec<(usize, T)> = things.into_iter().enumerate().collect();
    sorted.sort_by_cached_key(|(place, thing)| (std::cmp::Reverse(size(thing)), *place));
    let mut done = side_by_side(jobs, &sorted, |(place, thing)| (*place, each(thing)));
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_things() {
        let things: Vec<u64> = (0..100).collect();
        for jobs in [1, 3, 200] {
            assert_eq!(side_by_side(jobs, &things, |n| n * 2), (0..100).map(|n| n * 2).collect::<Vec<_>>());
        }
        assert!(side_by_side(3, &[] as &[u64], |n| *n).is_empty());
        let order = Mutex::new(Vec::new());
        let each = |n: &u64| {
            order.lock().unwrap().push(*n);
            n * 2
        };
        assert_eq!(longest_first(1, vec![2, 7, 5], |n| *n, each), [4, 14, 10]);
        assert_eq!(order.into_inner().unwrap(), [7, 5, 2]);
    }
}
