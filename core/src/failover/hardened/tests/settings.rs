//! Replicas of one folder that were given different settings.

use super::super::constants::{Policy, Provider};
use super::world::{Weather, World};
use crate::failover::Hardened;

/// Two replicas, the first made for a folder that is faster than this one.
fn hasty(weather: Weather, seed: u64) -> World {
    let mut world = World::new(Weather { replicas: 2, ..weather }, seed);
    world.configure_one(0, |config| config.hardened = Hardened::at(Provider::Perfect, weather.policy));
    world
}

#[test]
fn two_of_different_settings_never_act_side_by_side() {
    for seed in 0..8 {
        let mut world = hasty(Weather { delay_ms: [0, 15_000], ..Weather::calm(Policy::Available) }, seed);
        // The first leads before the other starts.
        world.crash(1, 120_000);
        world.until(120_000);
        assert_eq!(world.active(), [0], "{}", world.story());
        world.until(3_600_000);
        assert_eq!(
            (world.active(), world.active_max),
            (vec![0], 1),
            "who leads already goes on: {}",
            world.story()
        );
        assert!(world.told("other-settings") >= 2, "both say so: {}", world.story());
        // Without it, the other takes over by its own settings, and the first does not when it is back.
        world.crash(0, 600_000);
        world.until(4_200_000);
        assert_eq!(world.active(), [1], "{}", world.story());
        world.until(6_000_000);
        assert_eq!((world.active(), world.active_max), (vec![1], 1), "{}", world.story());
    }
}

#[test]
fn two_that_never_had_a_leader_wait_for_a_person() {
    let mut world = World::new(Weather { replicas: 2, ..Weather::calm(Policy::Available) }, 3);
    world.configure_one(0, |config| {
        let voters = config.hardened.voters.clone();
        config.hardened = Hardened { voters, ..Hardened::at(Provider::Syncthing, Policy::Majority) };
    });
    world.until(1_800_000);
    assert_eq!(world.active_max, 0, "{}", world.story());
    assert!(world.told("other-settings") >= 2, "{}", world.story());
}
