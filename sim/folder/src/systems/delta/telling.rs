//! What a replica with entities tells, as people say it.

use cloudchamber_core::delta::{Event, Report};

use crate::telling::Telling;

/// What a replica told.
pub(super) fn telling(event: &Event) -> Telling {
    match event {
        Event::Acknowledged { key, .. } => Telling::marked(format!("has written {key} down"), '+', "an edit"),
        Event::Failed(why) => Telling::marked(format!("has failed: {why}"), '!', "something went wrong"),
        Event::Imported { found, new, .. } => {
            Telling::plain(format!("takes over {found} entities of others, {new} of them new"))
        }
        Event::NewIdentity { old, new } => {
            Telling::marked(format!("goes on as {new}, no longer as {old}"), '!', "another id")
        }
        Event::Rebuilt { dropped } => Telling::marked(
            format!("looks at everything anew and drops {dropped} entities"),
            '\u{2212}',
            "entities go",
        ),
        Event::Refused(why) => Telling::marked(format!("refuses: {why}"), '!', "something is refused"),
        Event::Synced(report) => synced(report),
        Event::DryRun { .. } => Telling::plain("says what a sync would do"),
        Event::Unchanged(key) => Telling::plain(format!("finds that {key} says so already")),
    }
}

fn synced(report: &Report) -> Telling {
    let list = |keys: &mut dyn Iterator<Item = String>| keys.collect::<Vec<_>>().join(", ");
    let mut parts = Vec::new();
    if !report.received.is_empty() {
        parts.push(format!("has {} from others", list(&mut report.received.iter().map(ToString::to_string))));
    }
    if !report.sent.is_empty() {
        parts.push(format!("shows {} to others", list(&mut report.sent.iter().map(ToString::to_string))));
    }
    if report.collected > 0 {
        parts.push(format!("drops {} tombstones that all have seen", report.collected));
    }
    if report.waiting > 0 {
        parts.push(format!("waits for {} files", report.waiting));
    }
    let text = parts.join(", ");
    match report.conflicts {
        0 => Telling::plain(text),
        count => {
            let text = if text.is_empty() { text } else { format!("{text}, ") };
            Telling::marked(format!("{text}finds {count} conflicts"), '\u{2717}', "an edit meets another")
        }
    }
}
