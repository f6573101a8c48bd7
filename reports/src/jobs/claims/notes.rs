//! What the document on the sync of notes claims (drewcsillag/notecove, cross-instance sync).

use cloudchamber_core::Content;
use cloudchamber_core::notes::Kind;
use cloudchamber_core::notes::document::{Author, Deed, Parts};
use cloudchamber_core::notes::load::{Loaded, Snapshot};
use cloudchamber_core::notes::snapshot::{ClockEntry, sealed_snapshot, snapshot, status};
use cloudchamber_folder::systems::notes::{NotesSystem, name};

use super::shares::{Share, measure};
use crate::failure::Failure;
use crate::report::claims::{DocumentClaim, Value};

const SHARES: [Share; 5] = [
    Share {
        claim: "writers",
        said: "no multi-writer conflicts",
        measured_as: "runs in which two instances wrote or removed one shared file",
        checker: name::ONE_WRITER,
    },
    Share {
        claim: "permanent deletes",
        said: "propagate correctly",
        measured_as: "runs in which somebody still showed in the end a note whose deletion for good was acknowledged",
        checker: name::DELETION_REACHES,
    },
    Share {
        claim: "permanent deletes, and what comes later",
        said: "propagate correctly",
        measured_as: "runs in which somebody who had heard of a deletion for good showed the note again",
        checker: name::STAYS_DELETED,
    },
    Share {
        claim: "retries and discovery after a wake",
        said: "what the activity log missed is found",
        measured_as: "runs in which a record that had come to a disk was not in that instance's text in the end",
        checker: name::COME_IS_LOADED,
    },
    Share {
        claim: "edits",
        said: "the other instance shows them",
        measured_as: "runs in which an acknowledged record was not in everybody's text in the end",
        checker: name::REACHES_EVERYBODY,
    },
];

/// Measures the claims.
///
/// # Errors
/// If there is no such profile.
pub(crate) fn claims(profiles: &[String], seeds: u64, jobs: usize) -> Result<Vec<DocumentClaim>, Failure> {
    let mut claims = measure::<NotesSystem>(&SHARES, profiles, seeds, jobs)?;
    claims.push(partial_snapshots());
    Ok(claims)
}

/// Every way in which a snapshot can have come in part: as it is chosen by its status byte, and as hardened reads it.
fn partial_snapshots() -> DocumentClaim {
    let parts = Parts::default();
    let author = Author { instance: "instance", seq: 1, client: 7, now_ms: 1_764_374_400_000 };
    let deed = Deed::Create("note", "a few words of a note that somebody has written");
    let state = Kind::Yjs.record(&parts, &author, deed).ok().flatten().expect("a note can be made");
    let file = "profile.instance.1764374400000.crdtlog".to_owned();
    let clock = [ClockEntry { instance: "instance".into(), seq: 1, offset: 5, file }];
    let by_status = |bytes: &[u8]| status(bytes) == Ok(true);
    let loaded = |bytes: &[u8]| {
        let content = Content::new(bytes);
        let snapshot = Snapshot { name: "snapshot", content: &content, is_copy: false };
        let states = Loaded::of(Kind::Yjs, [], [snapshot]).parts.states;
        states.iter().map(|state| state.to_vec()).collect::<Vec<_>>()
    };
    let whole = loaded(&sealed_snapshot(&clock, &state));
    assert_eq!(whole.len(), 1, "a whole snapshot counts");
    // One that lacks no more than its seal is one of upstream's, with the whole state.
    let as_hardened = |bytes: &[u8]| {
        let states = loaded(bytes);
        !states.is_empty() && states != whole
    };
    let files = [
        ("published", snapshot(true, &clock, &state), &by_status as &dyn Fn(&[u8]) -> bool),
        ("hardened", sealed_snapshot(&clock, &state), &as_hardened),
    ];
    let mut values = Vec::new();
    for (design, bytes, chosen) in files {
        let value = |how: &str, of: &dyn Fn(usize) -> Vec<u8>| {
            let parts: Vec<_> = (0..bytes.len()).map(of).filter(|part| *part != bytes).collect();
            let count = parts.iter().filter(|part| chosen(part)).count();
            let text = format!("{count} of {}", parts.len());
            Value { profile: how.into(), design: design.into(), policy: None, text }
        };
        values.push(value("cut", &|at| bytes[..at].to_vec()));
        values.push(value("zeros at the end", &|at| {
            let mut part = bytes[..at].to_vec();
            part.resize(bytes.len(), 0);
            part
        }));
    }
    DocumentClaim {
        claim: "partially synced snapshots".into(),
        said: "ignored until fully synced".into(),
        measured_as: "of all ways in which a snapshot may have come in part, those in which it is chosen and lacks something; \
                      nothing of it depends on a provider"
            .into(),
        values,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_byte_lets_nearly_every_part_pass_and_a_seal_none() {
        let claim = partial_snapshots();
        let text = |design: &str, how: &str| {
            let found = claim.values.iter().find(|value| value.design == design && value.profile == how);
            found.map(|value| value.text.clone()).unwrap_or_default()
        };
        let all = |text: &str| text.split_once(" of ").map(|(_, all)| all.parse::<usize>().unwrap()).unwrap();
        // The header and the status byte have to be there.
        let cut = text("published", "cut");
        assert_eq!(cut, format!("{} of {}", all(&cut) - 6, all(&cut)));
        assert!(
            text("hardened", "cut").starts_with("0 of ")
                && text("hardened", "zeros at the end").starts_with("0 of ")
        );
    }
}
