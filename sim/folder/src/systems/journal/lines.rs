//! What the line of an event says by itself.

use cloudchamber_core::journal::address::{Mention, Scope};
use cloudchamber_core::journal::clock::{AHEAD_MS_MAX, Hybrid, normal_ms};
use cloudchamber_core::journal::event::Event;
use cloudchamber_core::journal::schema::{Field, Kind};

/// What the line of an event says, as far as checkers ask again and again.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Says {
    pub(super) makes: Makes,
    /// What it gives another value, by the kind of the edit and the name: a message a body, or a question a status. `None`
    /// if it edits neither.
    pub(super) edits: Option<(Kind, String)>,
    /// Whether it takes away something that is to stay away.
    pub(super) removes: bool,
}

/// What the line of an event makes.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) enum Makes {
    /// A message of this name.
    Message(String),
    /// Nothing that can be read.
    Nothing,
    /// Something else.
    Other,
}

impl Says {
    pub(super) fn of(line: &str) -> Self {
        let Ok(event) = Event::parse(line) else {
            return Self { makes: Makes::Nothing, edits: None, removes: false };
        };
        let kind = event.kind();
        let edited = match kind {
            Kind::MessageUpdate => Some((Field::Body, Field::Id)),
            Kind::QuestionUpdate => Some((Field::Status, Field::Guid)),
            _ => None,
        };
        let name = |(value, name)| event.raw(value).and_then(|_| event.text(name)).map(String::from);
        Self {
            makes: match kind {
                Kind::Message => Makes::Message(event.text(Field::Id).map(String::from).unwrap_or_default()),
                _ => Makes::Other,
            },
            edits: edited.and_then(name).map(|name| (kind, name)),
            removes: matches!(
                kind,
                Kind::CursorClear
                    | Kind::FaveRemove
                    | Kind::MessageDelete
                    | Kind::RoleRelease
                    | Kind::ThreadDelete
                    | Kind::ThreadUnsubscribe
            ),
        }
    }
}

/// Whether a machine that wrote this line follows the clock of that one. It does not if that is over a day ahead of its
/// own wall clock: then that word is the later one until its own machine has written again, which is told
/// (`clock-ahead`). The line's stamp may itself be up to a day ahead of that wall clock, so it is asked for its time.
pub(super) fn follows(line: &str, of: &str) -> bool {
    let (Ok(line), Ok(of)) = (Event::parse(line), Event::parse(of)) else { return true };
    let stamp = |event: &Event| Hybrid::parse(event.raw(Field::Hlc)?);
    let (Some(own), Some(of)) = (stamp(&line), stamp(&of)) else {
        // Lines of the published design tell no clocks.
        return true;
    };
    let times = line.kind().times().iter().filter_map(|time| line.raw(*time)?.parse().ok());
    let wall_ms = times.map(normal_ms).next().map_or(own.ms, |time| time.min(own.ms));
    of.ms <= wall_ms.saturating_add(AHEAD_MS_MAX)
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
    fn an_edit_gives_a_message_a_body_or_a_question_a_status() {
        for (line, edits) in [
            (r#"{"type":"message_update","id":"m","body":"b"}"#, Some((Kind::MessageUpdate, "m"))),
            (r#"{"type":"message_update","id":"m","archived_at":1}"#, None),
            (r#"{"type":"question_update","guid":"q","status":"open"}"#, Some((Kind::QuestionUpdate, "q"))),
            (r#"{"type":"question_update","guid":"q","to":"ben"}"#, None),
            (r#"{"type":"question","guid":"q","status":"open"}"#, None),
        ] {
            assert_eq!(Says::of(line).edits, edits.map(|(kind, name)| (kind, name.to_owned())), "{line}");
        }
    }

    #[test]
    fn a_clock_is_followed_up_to_a_day_ahead() {
        let line = |ms: i64| format!(r#"{{"type":"message_update","id":"m","body":"b","hlc":[{ms},0]}}"#);
        let old = r#"{"type":"message_update","id":"m","body":"b"}"#;
        assert!(follows(&line(5), &line(5 + AHEAD_MS_MAX)));
        assert!(!follows(&line(5), &line(6 + AHEAD_MS_MAX)));
        assert!(follows(old, &line(6 + AHEAD_MS_MAX)) && follows(&line(5), old));
        let moved_at_5_s = r#"{"type":"message_move","message_guid":"m","moved_at":5,"hlc":[9000,0]}"#;
        assert!(follows(moved_at_5_s, &line(5_000 + AHEAD_MS_MAX)));
        assert!(!follows(moved_at_5_s, &line(9_000 + AHEAD_MS_MAX)));
    }
}
