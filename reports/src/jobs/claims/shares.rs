//! Claims that something always or never happens: in what share of a swarm's runs it was otherwise.

use std::collections::BTreeMap;

use cloudchamber_folder::System;
use cloudchamber_sim::Shape;

use crate::failure::Failure;
use crate::jobs::swarm::Order;
use crate::report::claims::{DocumentClaim, Value};
use crate::report::swarm::SwarmReport;

/// A claim, and the checker that is violated where it does not hold.
pub(super) struct Share {
    pub(super) claim: &'static str,
    /// What the document says, in a few words.
    pub(super) said: &'static str,
    /// What the runs are that are counted, in one sentence.
    pub(super) measured_as: &'static str,
    pub(super) checker: &'static str,
}

/// Runs a swarm of every design in each of some providers' folders, with all its faults, and reads the claims off it.
///
/// # Errors
/// If there is no such profile.
pub(super) fn measure<S: System>(
    shares: &[Share],
    profiles: &[String],
    seeds: u64,
    jobs: usize,
) -> Result<Vec<DocumentClaim>, Failure> {
    let mut swarms = Vec::new();
    for variant in S::DESIGNS {
        for profile in profiles {
            let order = Order {
                design: variant.design,
                policy: variant.policy.map(str::to_owned),
                profile: profile.clone(),
                faults: BTreeMap::new(),
                shape: Shape::default(),
                seeds: 0..seeds,
                jobs,
                keep_going: true,
                recheck_every: 0,
            };
            swarms.push(order.carry_out::<S>()?.1);
        }
    }
    let claim = |share: &Share| DocumentClaim {
        claim: share.claim.into(),
        said: share.said.into(),
        measured_as: share.measured_as.into(),
        values: swarms.iter().map(|swarm| value(share, swarm)).collect(),
    };
    Ok(shares.iter().map(claim).collect())
}

fn value(share: &Share, swarm: &SwarmReport) -> Value {
    let verdict = swarm.verdicts.iter().find(|verdict| verdict.checker == share.checker);
    Value {
        profile: swarm.profile.clone(),
        design: swarm.design.clone(),
        policy: swarm.policy.as_ref().map(|policy| format!("{}, {policy}", swarm.design)),
        text: verdict
            .map_or_else(|| "-".into(), |verdict| format!("{} of {}", verdict.violated, swarm.seeds.run)),
    }
}
