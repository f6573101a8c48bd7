//! What holds under schedules drawn at random: at most one acts, all agree in the end, and no update is lost.

use proptest::prelude::*;

use super::super::constants::{Asleep, Policy};
use super::world::{Weather, World};

fn holds(weather: Weather, seed: u64) -> Result<(), TestCaseError> {
    let mut world = World::new(weather, seed);
    world.storm();
    prop_assert!(world.overlap.is_none(), "{}", world.story());
    let stop = world.now;
    world.weather.late_one_in = 0;
    world.settle();
    prop_assert!(world.overlap.is_none(), "{}", world.story());
    let active = world.active();
    prop_assert_eq!(active.len(), 1, "nobody {} ms after {}: {}", world.now - stop, stop, world.story());
    let leader = world.leader(active[0]);
    for at in 0..weather.replicas {
        prop_assert_eq!(world.leader(at), leader.clone(), "{}", world.story());
    }
    let growing = world.terms.windows(2).all(|pair| pair[0].1 <= pair[1].1);
    prop_assert!(growing || weather.policy == Policy::Available, "{:?}", world.terms);
    let lost: Vec<_> = world.confirmed.iter().filter(|id| !world.effects.contains_key(id)).collect();
    prop_assert!(lost.is_empty(), "{lost:?}\n{}", world.story());
    prop_assert_eq!(world.effects.len(), usize::try_from(world.last_id).unwrap(), "{}", world.story());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn at_most_one_acts_while_delays_stay_within_the_bound(seed: u64, every in 10_000_u64..200_000) {
        holds(Weather::stormy(Policy::Available, every), seed)?;
    }

    #[test]
    fn people_who_hand_over_harm_nobody(seed: u64, every in 10_000_u64..100_000) {
        holds(Weather { people: true, ..Weather::stormy(Policy::Available, every) }, seed)?;
        holds(Weather { people: true, ..Weather::stormy(Policy::Majority, every) }, seed)?;
    }

    #[test]
    fn clocks_that_stop_in_sleep_harm_nobody(seed: u64, every in 10_000_u64..200_000) {
        holds(Weather { asleep: Asleep::Missed, ..Weather::stormy(Policy::Available, every) }, seed)?;
        holds(Weather { asleep: Asleep::Missed, ..Weather::stormy(Policy::Majority, every) }, seed)?;
    }

    #[test]
    fn a_majority_never_has_two_whatever_the_delays(
        seed: u64, every in 10_000_u64..200_000, late in 2_u64..20, replicas in 2_usize..6,
    ) {
        let stormy = Weather::stormy(Policy::Majority, every);
        let weather = Weather { late_one_in: late, replicas, delay_ms: [0, 90_000], ..stormy };
        let mut world = World::new(weather, seed);
        world.storm();
        prop_assert!(world.overlap.is_none(), "{}", world.story());
        let growing = world.terms.windows(2).all(|pair| pair[0].1 <= pair[1].1);
        prop_assert!(growing, "{:?}", world.terms);
    }

    #[test]
    fn a_majority_agrees_once_files_arrive_in_time(seed: u64, late in 2_u64..20) {
        holds(Weather { late_one_in: late, ..Weather::stormy(Policy::Majority, 60_000) }, seed)?;
    }
}

/// Says on the terminal (with `--nocapture`) how long a lost leader is missed, and what it costs in writes.
#[test]
fn a_lost_leader_is_succeeded_in_bounded_time() {
    for policy in [Policy::Available, Policy::Majority] {
        let mut times: Vec<u64> = Vec::new();
        let mut writes = 0;
        for seed in 0..60 {
            let mut world = World::new(Weather { delay_ms: [5_000, 15_000], ..Weather::calm(policy) }, seed);
            world.until(300_000 + 331 * seed);
            let [one] = world.active()[..] else { panic!("{policy:?} {seed}: {}", world.story()) };
            writes += world.writes * 100_000 / world.now;
            let lost = world.now;
            world.crash(one, u64::MAX / 2);
            while world.active().is_empty() {
                world.until(world.now + 100);
                assert!(world.now < lost + 400_000, "{}", world.story());
            }
            times.push(world.now - lost);
            assert_eq!(world.active_max, 1, "{}", world.story());
        }
        times.sort_unstable();
        let [p50, p99] = [times[times.len() / 2], times[times.len() - 1]];
        println!("{policy:?}: p50 {p50} ms, longest {p99} ms, {} writes in 100 s", writes / 60);
        let bound = if policy == Policy::Available { [42_000, 56_000] } else { [60_000, 80_000] };
        assert!(p50 <= bound[0] && p99 <= bound[1], "{policy:?}: {p50} {p99}");
    }
}
