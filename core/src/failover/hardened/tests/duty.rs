//! What a leader owes: every update handled, nothing handled twice that a file could tell of, a place given up in
//! good order, voters changed one at a time, and files of the dead removed.

use super::super::constants::Policy;
use super::world::{Weather, World};
use crate::failover::{Command, VoterChange};

const BOTH: [Policy; 2] = [Policy::Available, Policy::Majority];

/// A world of three in which somebody leads.
fn led(policy: Policy) -> (World, usize) {
    let mut world = World::new(Weather::calm(policy), 11);
    world.until(300_000);
    let leader = world.only_active();
    (world, leader)
}

fn once(world: &World, count: i64) {
    for id in 1..=count {
        assert_eq!(world.effects.get(&id), Some(&1), "update {id}");
    }
}

#[test]
fn updates_between_a_death_and_the_takeover_are_handled_once() {
    for policy in BOTH {
        let (mut world, leader) = led(policy);
        world.write_update();
        world.until(310_000);
        world.crash(leader, u64::MAX / 2);
        for at in [311_000, 320_000, 330_000] {
            world.until(at);
            world.write_update();
        }
        assert_eq!(world.effects.len(), 1, "{policy:?}: nobody leads yet");
        world.until(600_000);
        assert_ne!(world.only_active(), leader);
        once(&world, 4);
    }
}

#[test]
fn what_a_leader_handled_is_not_handled_again_by_the_next_although_it_is_handed_out_again() {
    for policy in BOTH {
        let (mut world, leader) = led(policy);
        world.forgetful = true;
        world.write_update();
        world.write_update();
        // Long enough for a beat that tells of it to reach the others.
        world.until(360_000);
        once(&world, 2);
        world.crash(leader, u64::MAX / 2);
        world.until(700_000);
        once(&world, 2);
        assert_eq!(world.last_update_id(world.only_active()), 2);
    }
}

#[test]
fn an_effect_that_dies_with_its_record_is_repeated_and_not_lost() {
    for policy in BOTH {
        let (mut world, leader) = led(policy);
        world.write_update();
        while world.effects.is_empty() {
            world.until(world.now + 1);
        }
        // It took effect, and nothing was written down: nothing in a folder could tell the next one.
        world.crash(leader, u64::MAX / 2);
        world.until(700_000);
        assert_eq!(world.effects[&1], 2, "{policy:?}");
    }
}

#[test]
fn who_leaves_is_succeeded_sooner_than_who_dies() {
    for policy in BOTH {
        let time = |leaves: bool| {
            let (mut world, leader) = led(policy);
            match leaves {
                true => world.command(leader, Command::Leave),
                false => world.crash(leader, u64::MAX / 2),
            }
            assert!(world.active().is_empty(), "it stops at once");
            while world.active().is_empty() {
                world.until(world.now + 100);
                assert!(world.now < 900_000, "{policy:?}: nobody takes over");
            }
            world.until(world.now + 120_000);
            assert_ne!(world.only_active(), leader, "who leaves does not come back");
            assert_eq!(world.active_max, 1);
            world.now
        };
        let (left, died) = (time(true), time(false));
        assert!(left + 5_000 <= died, "{policy:?}: {left} and {died} ms");
    }
}

#[test]
fn a_leader_that_was_a_standby_before_is_missed_as_soon_as_the_first() {
    // It was silent for minutes then, as standbys are: that teaches nobody patience.
    let (mut world, first) = led(Policy::Available);
    let mut missed = |leader: usize| {
        let lost = world.now;
        world.crash(leader, lost + 200_000);
        while world.active().is_empty() {
            world.until(world.now + 100);
            assert!(world.now < lost + 200_000, "nobody takes over");
        }
        let time = world.now - lost;
        world.until(lost + 320_000);
        (time, world.only_active())
    };
    let (time, second) = missed(first);
    let (again, _) = missed(second);
    assert!(again <= time + 15_000, "{time} and {again} ms");
}

#[test]
fn voters_change_one_at_a_time() {
    let (mut world, leader) = led(Policy::Majority);
    let add = |replica: &str| Command::Voters { change: VoterChange::Add { replica: replica.into() } };
    let remove = |replica: &str| Command::Voters { change: VoterChange::Remove { replica: replica.into() } };
    world.command((leader + 1) % 3, add("h8:/x"));
    assert_eq!(
        (world.told("voters-written"), world.told("not-active")),
        (0, 1),
        "only who leads changes them"
    );
    let mut now = world.now;
    let mut ask = |world: &mut World, command: Command| {
        // A command that comes while it writes is put off.
        let asked = world.told("voters-written") + world.told("voters-refused");
        while world.told("voters-written") + world.told("voters-refused") == asked {
            world.command(leader, command.clone());
            now = world.now;
            world.until(now + 50);
        }
    };
    ask(&mut world, add("h9:/x"));
    ask(&mut world, add("h8:/x"));
    assert_eq!((world.told("voters-written"), world.told("change-pending")), (1, 1));
    world.until(world.now + 120_000);
    ask(&mut world, remove("h9:/x"));
    assert_eq!(world.told("voters-written"), 2, "a majority carries the set before");
    assert_eq!(world.only_active(), leader);
}

#[test]
fn the_files_of_the_dead_are_removed_when_somebody_asks_and_nobody_elses() {
    const HOUR_MS: u64 = 3_600_000;
    let mut world = World::new(Weather::calm(Policy::Available), 11);
    world.configure(|config| {
        config.timing.device_unseen_ms = HOUR_MS;
    });
    world.until(300_000);
    let dead = world.only_active();
    let others = [(dead + 1) % 3, (dead + 2) % 3];
    let of = |world: &World, at: usize, whose: usize| {
        // `h` and the number are plain in a file's name.
        world.files(at).iter().filter(|name| name.starts_with(&format!("d-h{whose}-"))).count()
    };
    // A leader has a file beside its device file.
    assert_eq!(of(&world, others[0], dead), 2);
    world.crash(dead, u64::MAX / 2);
    world.until(HOUR_MS);
    let leader = world.only_active();
    world.command(leader, Command::Cleanup);
    world.until(HOUR_MS + 60_000);
    assert_eq!(of(&world, others[0], dead), 2, "not before its time");
    // It may live, and be heard of again: nobody removes its files by itself.
    world.until(5 * HOUR_MS);
    assert_eq!(of(&world, others[0], dead), 2, "not unasked");
    assert!(world.only_active() == leader, "what it said long ago is no sign of life");
    world.command(leader, Command::Cleanup);
    world.until(5 * HOUR_MS + 60_000);
    for at in others {
        assert_eq!(of(&world, at, dead), 0, "{:?}", world.files(at));
        assert!(others.iter().all(|other| of(&world, at, *other) >= 1), "{:?}", world.files(at));
    }
    assert_eq!(world.told("device-removed"), 2);
}

#[test]
fn votes_that_were_spread_are_mended_at_once() {
    let mut longest = 0;
    for seed in 0..60 {
        let weather = Weather { replicas: 4, delay_ms: [500, 14_000], ..Weather::calm(Policy::Majority) };
        let mut world = World::new(weather, seed);
        world.until(300_000);
        let leader = world.only_active();
        // The two that are left wait for votes until they lose patience, and then come forward together, with those
        // who are back.
        let back = 500_000 + 3_000 * seed;
        world.crash(leader, back - world.now);
        world.crash((leader + 1) % 4, back - world.now);
        world.until(back);
        while world.active().is_empty() {
            world.until(world.now + 100);
            assert!(world.now < back + 900_000, "nobody is elected");
        }
        longest = longest.max(world.now - back);
    }
    // What those who are back may have promised in the life before, and two ways there and back.
    // What those who are back may have promised in the life before, and two ways there and back.
    assert!(longest <= 80_000 + 4 * 15_000, "{longest} ms");
}
