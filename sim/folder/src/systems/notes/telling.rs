//! What an instance with notes tells, as people say it.

use cloudchamber_core::notes::{Done, Event};

use crate::telling::Telling;

/// What an instance told.
pub(super) fn telling(event: &Event) -> Telling {
    match event {
        Event::Started { .. } | Event::Woke => Telling::plain(""),
        Event::Moved { instance, why } => {
            Telling::marked(format!("goes on as {instance}: {why}"), '!', "another id")
        }
        Event::Written { done, note, seq, .. } => {
            let (did, glyph, name) = match done {
                Done::Created => ("made", '+', "a note is made"),
                Done::Edited => ("edited", '\u{2022}', "an edit"),
                Done::Trashed => ("put into the trash", '\u{2212}', "a deletion"),
                Done::Restored => ("taken out of the trash", '+', "a note is made"),
            };
            Telling::marked(format!("has {did} note {note}, its record {seq}"), glyph, name)
        }
        Event::Unchanged { note } => Telling::plain(format!("finds nothing to change in note {note}")),
        Event::Deleted { note } => {
            Telling::marked(format!("deletes note {note} for good"), '\u{2212}', "a deletion")
        }
        Event::Gone { note } => {
            Telling::marked(format!("learns that note {note} is deleted"), '\u{2212}', "a deletion")
        }
        Event::Loaded { note, up_to } => {
            let each = up_to.iter().map(|(instance, seq)| format!("{instance} up to {seq}"));
            Telling::plain(format!("has note {note}: {}", each.collect::<Vec<_>>().join(", ")))
        }
        Event::LoadFailed { note, why } => {
            Telling::marked(format!("cannot load note {note}: {why}"), '!', "something went wrong")
        }
        Event::SnapshotWritten { note } => Telling::plain(format!("has written a snapshot of note {note}")),
        Event::Stale { note, instance, seq } => Telling::marked(
            format!("gives up waiting for record {seq} of {instance} in note {note}"),
            '\u{2717}',
            "a record is given up",
        ),
        Event::Refused(why) => Telling::marked(format!("refuses: {why}"), '!', "something is refused"),
        Event::Failed => Telling::marked("has failed to write", '!', "something went wrong"),
        Event::Repaired(what) => Telling::marked(format!("has repaired {what}"), '~', "a repair"),
        Event::Away(why) => {
            Telling::marked(format!("cannot use the folder: {why}"), '!', "the folder is away")
        }
    }
}
