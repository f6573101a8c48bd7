//! What a device tells and believes, as people say it.

use cloudchamber_core::Path;
use cloudchamber_core::failover::{
    ActiveBecause, DroppedBecause, Event, Failover, GivenUpBecause, StandbyBecause,
};

use super::{FailoverSystem, acts};
use crate::ReplicaId;
use crate::telling::{Telling, seconds, words};
use crate::world::{Setup, World};

/// What a device told.
pub(super) fn telling(event: &Event) -> Telling {
    match event {
        Event::Started { fallback: false } => Telling::plain(""),
        Event::Started { fallback: true } => Telling::plain("works without the folder"),
        Event::FellBack { error } => {
            Telling::marked(format!("goes on without the folder: {error}"), '\u{2191}', "without the folder")
        }
        Event::Returned => Telling::plain("uses the folder again"),
        Event::Migrated { listed, .. } => {
            Telling::plain(format!("moves out of the old devices.json, which lists {listed}"))
        }
        Event::BecameActive { because } => {
            Telling::marked(format!("becomes active: {}", active(*because)), '\u{25b2}', "becomes active")
        }
        Event::BecameStandby { because } => {
            Telling::marked(format!("is standby now: {}", standby(*because)), '\u{25bd}', "steps back")
        }
        Event::Suspected { leader: Some(leader), silent_ms: Some(silent_ms) } => Telling::marked(
            format!("suspects {leader} after {} of silence", seconds(*silent_ms)),
            '?',
            "suspects",
        ),
        Event::Suspected { leader: Some(leader), silent_ms: None } => {
            Telling::marked(format!("suspects {leader}"), '?', "suspects")
        }
        Event::Suspected { leader: None, .. } => {
            Telling::marked("finds nobody named as the active one", '?', "suspects")
        }
        Event::ClaimStarted { jitter_ms } => {
            let wait = seconds(i64::try_from(*jitter_ms).unwrap_or(i64::MAX));
            Telling::plain(format!("will claim in {wait} unless it hears of somebody"))
        }
        Event::ClaimWritten => Telling::marked("claims to be the active one", '\u{25c6}', "claims"),
        Event::ClaimGivenUp { because } => {
            Telling::plain(format!("gives up claiming: {}", given_up(*because)))
        }
        Event::ClaimLost { to: Some(to) } => {
            Telling::marked(format!("finds its claim lost to {to}"), '\u{2717}', "a claim is lost")
        }
        Event::ClaimLost { to: None } => {
            Telling::marked("finds its claim gone", '\u{2717}', "a claim is lost")
        }
        Event::TermClaimed { term } => Telling::marked(format!("claims term {term}"), '\u{25c6}', "claims"),
        Event::HeartbeatWritten { path } => {
            Telling::plain(format!("has written its heartbeat to {}", file(path)))
        }
        Event::LastUpdateIdWritten { id, .. } => {
            Telling::plain(format!("has noted that updates are handled up to {id}"))
        }
        other => about_work(other),
    }
}

/// What it told of updates, of people's wishes and of files.
fn about_work(event: &Event) -> Telling {
    match event {
        Event::UpdateHandled { id, .. } => Telling::plain(format!("handles update {id}")),
        Event::UpdateDropped { id, because } => {
            let why = match because {
                DroppedBecause::SentBeforeActivation => "it was sent before this one became active",
                DroppedBecause::NotHandled => "it could not be handled",
            };
            Telling::marked(
                format!("passes update {id} over for good: {why}"),
                '\u{2717}',
                "an update is passed over",
            )
        }
        Event::PollRefused => Telling::marked(
            "is refused its updates, since another asks for them too",
            '!',
            "two ask for updates",
        ),
        Event::PollFailed => Telling::plain("gets no answer from the service"),
        Event::ActivationWritten { target } => {
            Telling::plain(format!("makes {target} the active one, as asked"))
        }
        Event::ActivationRefused { target, because } => {
            Telling::plain(format!("does not make {target} the active one: {}", words(because)))
        }
        Event::DeviceRemoved { path, .. } => {
            Telling::marked(format!("removes {}", file(path)), '\u{2212}', "a device is removed")
        }
        Event::RemovalRefused { device, because } => {
            Telling::plain(format!("does not remove {device}: {}", words(because)))
        }
        Event::Nominated { target } => Telling::plain(format!("notes that {target} is to be made active")),
        Event::IdentityCopied { path } => Telling::marked(
            format!("finds a copy of its identity in {} and goes on under another", file(path)),
            '!',
            "an identity is copied",
        ),
        Event::ProblemFound { path, kind } => Telling::marked(
            format!("finds {}: {}", file(path), words(kind)),
            '!',
            "something is wrong with a file",
        ),
        Event::ProcessKilled { process_id, .. } => Telling::marked(
            format!("ends process {process_id} of its own machine"),
            '\u{2020}',
            "ends a process",
        ),
        other => Telling::of(other),
    }
}

fn file(path: &Path) -> &str {
    path.name()
}

fn active(because: ActiveBecause) -> &'static str {
    match because {
        ActiveBecause::FoundItselfNamed => "it finds itself named",
        ActiveBecause::WonClaim => "it reads its own claim back, so it takes it for won",
        ActiveBecause::LocalOnly => "without the folder it asks nobody",
    }
}

fn standby(because: StandbyBecause) -> &'static str {
    match because {
        StandbyBecause::FoundAnotherNamed => "it finds another named",
        StandbyBecause::LostClaim => "its claim is lost or given up",
        StandbyBecause::StateUnreadable => "it cannot read who is active",
        StandbyBecause::FolderAway => "it cannot reach the folder",
        StandbyBecause::FolderBack => "the folder is back, and another may have acted",
        StandbyBecause::HandedOver => "it handed over",
        StandbyBecause::IdentityCopied => "a copy of its identity lives",
        StandbyBecause::LeaseOver => "its lease is over",
        StandbyBecause::Left => "it was asked to leave",
    }
}

fn given_up(because: GivenUpBecause) -> &'static str {
    match because {
        GivenUpBecause::NoLongerStale => "the active one has been heard of",
        GivenUpBecause::StateUnreadable => "it cannot read who is active",
        GivenUpBecause::StateUnwritten => "it cannot write the claim",
        GivenUpBecause::ClaimUnreadable => "it cannot read the claim back",
        GivenUpBecause::NoMajority => "too few voters answered",
        GivenUpBecause::OtherSettings => "another runs by other settings",
    }
}

/// What a device believes.
pub(super) fn beliefs(
    setup: &Setup<FailoverSystem>,
    world: &World<FailoverSystem>,
    replica: ReplicaId,
) -> Vec<String> {
    let Some(failover) = world.replica(replica).protocol() else { return vec![] };
    let mut beliefs = vec![whom(failover, acts(setup, world, replica))];
    if failover.term() > 0 {
        beliefs.push(format!("term {}", failover.term()));
    }
    if failover.is_local_only() {
        beliefs.push("works without the folder".to_owned());
    }
    beliefs
}

fn whom(failover: &Failover, acts: bool) -> String {
    match (acts, failover.leader()) {
        (true, _) => "believes that it is the active one".to_owned(),
        (false, Some(leader)) => format!("believes that {leader} is the active one"),
        (false, None) => "knows of no active one".to_owned(),
    }
}
