//! How lines and columns are laid out on a terminal.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

/// Good or bad, in colour where standard output shows colours.
pub(super) fn mark(ok: bool) -> String {
    let text = if ok { "ok  " } else { "FAIL" };
    if !colours() {
        return text.into();
    }
    let colour = if ok { 32 } else { 31 };
    format!("\u{1b}[{colour}m{text}\u{1b}[0m")
}

/// Whether there is a terminal and nobody asked for it plain (no-color.org).
fn colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

pub(super) fn put(text: &mut String, line: &str) {
    writeln!(text, "{}", line.trim_end()).expect("writing to a string works");
}

/// Rows as indented columns, each as wide as its widest cell.
pub(super) fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |cell: &String| {
        // A colour takes no room.
        let plain = cell.replace("\u{1b}[32m", "").replace("\u{1b}[31m", "").replace("\u{1b}[0m", "");
        plain.chars().count()
    };
    let widths: Vec<_> = (0..count)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(width).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells =
            row.iter().zip(&widths).map(|(cell, wide)| format!("{cell}{}", " ".repeat(wide - width(cell))));
        put(&mut text, &format!("  {}", cells.collect::<Vec<_>>().join("  ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows =
            [vec!["ok".to_owned(), "a".to_owned()], vec!["FAIL".to_owned(), "bb".to_owned(), "c".to_owned()]];
        insta::assert_snapshot!(columns(&rows), @r"
          ok    a
          FAIL  bb  c
        ");
    }
}
