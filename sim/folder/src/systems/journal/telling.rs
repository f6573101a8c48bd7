//! What a machine with journals tells, as people say it.

use cloudchamber_core::journal::protocol::Told;

use crate::telling::{Telling, words};

/// How much of a line is told.
const SHOWN: usize = 120;

/// What a machine told.
pub(super) fn telling(event: &Told) -> Telling {
    match event {
        Told::Acknowledged { seq, line, path, .. } => {
            let (glyph, name) = kind(line);
            Telling::marked(
                format!("has appended event {seq} to {}: {}", path.name(), shown(line)),
                glyph,
                name,
            )
        }
        Told::Kept { seq, line, path, .. } => {
            let text = format!("keeps event {seq} for {} until the next start: {}", path.name(), shown(line));
            Telling::marked(text, '+', "an append")
        }
        Told::Unsure { seq } => {
            Telling::marked(format!("cannot tell whether event {seq} will stay"), '!', "something went wrong")
        }
        Told::Failed => Telling::marked("could not append the event", '!', "something went wrong"),
        Told::Refused(why) => {
            Telling::marked(format!("refuses: {}", words(why)), '!', "something is refused")
        }
        Told::Repaired(what) => Telling::marked(format!("has repaired {what}"), '~', "a repair"),
        Told::Moved(why) => Telling::marked(format!("goes on under another id: {why}"), '!', "another id"),
        Told::Looked => Telling::plain(""),
    }
}

/// Whether a line says that something is there, or is not any more.
fn kind(line: &str) -> (char, &'static str) {
    let removes =
        ["_delete", "_deleted", "_remove", "_removed", "tombstone"].iter().any(|word| line.contains(word));
    if removes { ('\u{2212}', "a deletion") } else { ('+', "an append") }
}

fn shown(line: &str) -> String {
    match line.char_indices().nth(SHOWN) {
        None => line.to_owned(),
        Some((end, _)) => format!("{}\u{2026}", &line[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let line = "\u{e4}".repeat(200);
        assert_eq!(shown(&line).chars().count(), SHOWN + 1);
        assert_eq!(kind("{\"type\":\"message_delete\"}").1, "a deletion");
    }
}
