//! What the line of an event says by itself.

use cloudchamber_core::journal::address::{Mention, Scope};
use cloudchamber_core::journal::clock::{AHEAD_MS_MAX, Hybrid};
use cloudchamber_core::journal::event::Event;
use cloudchamber_core::journal::schema::{Field, Kind};

/// The message that an event of this line gives another body; nothing for other events.
pub(super) fn edited(line: &str) -> Option<String> {
    let event = Event::parse(line).ok().filter(|event| event.kind() == Kind::MessageUpdate)?;
    event.raw(Field::Body)?;
    event.text(Field::Id).map(Into::into)
}

/// Whether a machine that wrote this line follows the clock of that one. It does not if that is over a day ahead: then
/// that word is the later one until its own machine has written again, which is told (`clock-ahead`).
pub(super) fn follows(line: &str, of: &str) -> bool {
    let stamp = |line| Hybrid::parse(Event::parse(line).ok()?.raw(Field::Hlc)?);
    match (stamp(line), stamp(of)) {
        (Some(own), Some(of)) => of.ms <= own.ms.saturating_add(AHEAD_MS_MAX),
        // Lines of the published design tell no clocks.
        _ => true,
    }
}

/// What a line has in it that mentions somebody. Most have none, and reading them would take most of a run's time.
pub(super) const MENTIONS: &str = "\"mentions\"";

/// The mentions of one machine each that a message's line lists.
pub(super) fn mentions(line: &str) -> Vec<Mention> {
    if !line.contains(MENTIONS) {
        return vec![];
    }
    let Ok(event) = Event::parse(line) else { return vec![] };
    let listed: Vec<String> =
        event.raw(Field::Mentions).and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or_default();
    let read = |text: &String| {
        let (agent, machine) =
            text.trim_start_matches('@').split_once('@').filter(|(_, machine)| *machine != "all")?;
        Some(Mention { agent: agent.to_owned(), scope: Scope::Machine(machine.to_owned()) })
    };
    listed.iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_followed_up_to_a_day_ahead() {
        let line = |ms: i64| format!(r#"{{"type":"message_update","id":"m","body":"b","hlc":[{ms},0]}}"#);
        let old = r#"{"type":"message_update","id":"m","body":"b"}"#;
        assert!(follows(&line(5), &line(5 + AHEAD_MS_MAX)));
        assert!(!follows(&line(5), &line(6 + AHEAD_MS_MAX)));
        assert!(follows(old, &line(6 + AHEAD_MS_MAX)) && follows(&line(5), old));
    }
}
