//! What is not checked, and what is only assumed: the page of the documentation that says so, as data.

/// The page.
const TEXT: &str = include_str!("../../../docs/limits.md");

/// One part of it.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) title: String,
    /// What its list says, without marks.
    pub(crate) points: Vec<String>,
}

/// The parts that have a list.
pub(crate) fn parts() -> Vec<Part> {
    read(TEXT)
}

fn read(text: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut goes_on = false;
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            parts.push(Part { title: plain(title), points: vec![] });
            goes_on = false;
        } else if let (Some(part), Some(point)) = (parts.last_mut(), line.strip_prefix("- ")) {
            part.points.push(plain(point));
            goes_on = true;
        } else if let (true, Some(point)) =
            (goes_on && line.starts_with("  "), parts.last_mut().and_then(|part| part.points.last_mut()))
        {
            point.push(' ');
            point.push_str(&plain(line.trim()));
        } else {
            goes_on = false;
        }
    }
    parts.retain(|part| !part.points.is_empty());
    parts
}

/// A line without the marks of Markdown; of a link its words.
fn plain(line: &str) -> String {
    let mut text = line.replace(['`', '*'], "");
    while let Some(end) = text.find("](") {
        let Some(start) = text[..end].rfind('[') else { break };
        let Some(close) = text[end..].find(')') else { break };
        let words = text[start + 1..end].to_owned();
        text.replace_range(start..=end + close, &words);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_lose_their_marks_and_keep_their_words() {
        let text = "# Limits\n\n## One\n\nProse.\n\n- A `b` of\n  [c](d.md), *e*.\n- F.\n\n| t |\n\n## Two\n\nNothing.\n";
        let parts = read(text);
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].title, "One");
        assert_eq!(parts[0].points, ["A b of c, e.", "F."]);
    }

    #[test]
    fn the_page_has_what_a_report_shows() {
        let parts = parts();
        assert!(parts.iter().any(|part| part.title.starts_with("Providers")), "{parts:?}");
        assert!(parts.iter().flat_map(|part| &part.points).all(|point| !point.contains("](")), "{parts:?}");
    }
}
