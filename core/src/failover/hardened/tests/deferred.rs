//! Votes that are given before a promise is over: what a voter says and keeps to, and when a successor acts by it. One
//! replica runs, `h:/a`; what the others say is written by hand.

use std::sync::Arc;

use super::super::constants::{Policy, Provider};
use super::super::places;
use super::super::record::{Found, Lead, Life, Record, Role, Said, Vote, Voters};
use crate::failover::testing::{Bench, Files, identity};
use crate::failover::{Config, Hardened};
use crate::{Path, WallMs};

const LEADER: &str = "h:/c#3";

/// How often the leader writes, ms.
const BEAT_MS: u64 = 27_500;

struct Folder {
    bench: Bench,
    leader: Said,
    other: Said,
}

fn config() -> Config {
    let voters = ["h:/a", "h:/b", "h:/c"].map(String::from).to_vec();
    let mut config = Config::hardened_at(identity("/a"), Provider::Syncthing, Policy::Majority);
    config.hardened = Hardened { voters, ..config.hardened };
    config
}

fn said(id: &str, config: &Config) -> Said {
    let members = config.hardened.voters.iter().map(|voter| voter.as_str().into()).collect();
    let voters = Some(Arc::new(Voters { term: 0, change: 0, members }));
    let life = Life { number: 1, nonce: 9 };
    Said { rules: Some(config.hardened.rules()), voters, ..Said::new(id.into(), life) }
}

fn vote(term: u64, whom: &Said) -> Vote {
    Vote { term, candidate: whom.id.clone(), life: whom.life, beat: whom.beat }
}

impl Folder {
    /// The leader has led for some minutes, and the last of its beats has just come.
    fn led(successors: impl Fn(&Arc<str>) -> Vec<Arc<str>>) -> Self {
        let config = config();
        let (mut leader, other) = (said(LEADER, &config), said("h:/b#2", &config));
        let bench = Bench::start(config.clone(), Files::default());
        (leader.role, leader.term) = (Role::Active, 1);
        let own: Arc<str> = bench.replica().id().unwrap().clone();
        leader.lead = Some(Lead {
            suspect_ms: config.hardened.suspect_ms_min,
            slot_ms: config.hardened.slot_ms,
            successors: successors(&own).into(),
            lapsed: None,
            lease_ms: None,
        });
        let mut folder = Self { bench, leader, other };
        for _ in 0..6 {
            folder.bench.pass(BEAT_MS);
            folder.beat();
        }
        folder
    }

    /// The leader's next beat comes, and then the other's acknowledgement.
    fn beat(&mut self) {
        self.leader.beat += 1;
        self.write(&self.leader.clone());
        self.bench.pass(1_000);
        self.other.beat += 1;
        self.other.vote = Some(vote(1, &self.leader));
        self.write(&self.other.clone());
        self.bench.pass(1_000);
    }

    fn write(&mut self, said: &Said) {
        let record = Record {
            name: said.id.split('#').next().unwrap().into(),
            thread_id: None,
            last_seen: WallMs(0),
            hostname: "h".into(),
            directory: "/".into(),
            process_id: 1,
            coordination: Arc::new(said.clone()),
        };
        self.bench.files.files.insert(places::path(&said.id, 0), record.serialise());
    }

    /// What the replica says.
    fn own(&self) -> Said {
        let id = self.bench.replica().id().unwrap();
        let said = |path: &Path| match Record::parse(self.bench.files.files.get(path)?.bytes()) {
            Found::Record(record, _) => Some(Said::clone(&record.coordination)),
            _ => None,
        };
        (0..2).filter_map(|place| said(&places::path(id, place))).max_by_key(Said::age).unwrap()
    }

    fn constants(&self) -> Hardened {
        self.bench.config.hardened.clone()
    }
}

fn first_is_the_other(own: &Arc<str>) -> Vec<Arc<str>> {
    vec!["h:/b#2".into(), own.clone()]
}

#[test]
fn a_voter_that_lost_patience_votes_at_once_and_acknowledges_no_more_until_the_vote_is_given_back() {
    let mut folder = Folder::led(first_is_the_other);
    let last = vote(1, &folder.leader);
    assert_eq!((folder.own().vote, folder.own().deferred), (Some(last.clone()), None));
    let hardened = folder.constants();
    folder.bench.pass(hardened.suspect_ms_min + 2_000);
    assert!(hardened.suspect_ms_min + 4_000 < hardened.promise_ms, "the promise still binds");
    let deferred = Some(vote(2, &folder.other));
    assert_eq!((folder.own().vote, folder.own().deferred), (Some(last.clone()), deferred.clone()));
    // The leader lives, and only this voter had lost sight of it.
    folder.beat();
    folder.bench.pass(20_000);
    assert_eq!((folder.own().vote, folder.own().deferred), (Some(last.clone()), deferred.clone()));
    // The process starts anew: what it said stands.
    folder.bench.restart();
    folder.bench.pass(2_000);
    assert_eq!((folder.own().vote, folder.own().deferred), (Some(last), deferred));
    // The other one acknowledged the leader, and gave the vote back with that.
    (folder.other.term, folder.other.beat) = (2, folder.other.beat + 1);
    folder.write(&folder.other.clone());
    for _ in 0..4 {
        folder.bench.pass(BEAT_MS);
        folder.beat();
    }
    folder.bench.pass(20_000);
    assert_eq!((folder.own().vote, folder.own().deferred), (Some(vote(1, &folder.leader)), None));
}

#[test]
fn no_leader_of_an_earlier_term_is_acknowledged_after_one_that_led_by_a_deferred_vote() {
    let mut folder = Folder::led(first_is_the_other);
    let hardened = folder.constants();
    folder.bench.pass(hardened.suspect_ms_min + 2_000);
    let deferred = vote(2, &folder.other);
    assert_eq!(folder.own().deferred, Some(deferred.clone()));
    // It led in term 2, as its set of voters tells, and has stopped.
    (folder.other.term, folder.other.beat) = (2, folder.other.beat + 1);
    Arc::make_mut(folder.other.voters.as_mut().unwrap()).term = 2;
    folder.write(&folder.other.clone());
    folder.beat();
    // Until it writes the next time.
    folder.bench.pass(140_000);
    assert_eq!((folder.own().vote, folder.own().deferred), (Some(deferred), None));
}

#[test]
fn a_voter_whose_own_client_is_held_up_votes_for_nobody() {
    let mut folder = Folder::led(first_is_the_other);
    folder.bench.pass(BEAT_MS);
    folder.leader.beat += 1;
    folder.write(&folder.leader.clone());
    let hardened = folder.constants();
    // Nothing of anybody has come since.
    folder.bench.pass(hardened.suspect_ms_min + 2_000);
    assert_eq!((folder.own().vote, folder.own().deferred), (Some(vote(1, &folder.leader)), None));
}

/// The time from the moment at which the leader's last beat was read until `h:/a` acts, ms, if the other voter defers 48 s
/// after that, by a beat that is so many later than that.
fn acts_after_ms(later: u64) -> u64 {
    let mut folder = Folder::led(|own| vec![own.clone(), "h:/b#2".into()]);
    folder.bench.pass(48_000);
    folder.leader.beat += later;
    folder.other.vote = Some(vote(1, &folder.leader));
    // It was read 2 s before that.
    let mut after_ms = 50_000;
    while !folder.bench.is_active() {
        // Whatever it says next is acknowledged.
        let deferred = Some(vote(2, &folder.own()));
        if folder.other.deferred != deferred {
            (folder.other.deferred, folder.other.beat) = (deferred, folder.other.beat + 1);
            folder.write(&folder.other.clone());
        }
        folder.bench.pass(100);
        after_ms += 100;
        assert!(after_ms < 200_000, "it never acts");
    }
    assert_eq!(folder.own().term, 2, "in the term in which it was asked");
    after_ms
}

#[test]
fn a_successor_acts_once_the_lease_is_over_that_a_deferred_vote_tells_of() {
    let promise_ms = config().hardened.promise_ms;
    let after_ms = acts_after_ms(0);
    assert!((promise_ms..promise_ms + 3_000).contains(&after_ms), "{after_ms} ms");
}

#[test]
fn a_beat_that_it_never_read_counts_from_when_it_heard_of_it() {
    let promise_ms = config().hardened.promise_ms;
    let after_ms = acts_after_ms(1);
    assert!(after_ms >= 50_000 + promise_ms, "{after_ms} ms");
}
