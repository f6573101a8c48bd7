//! How lines and columns are laid out on a terminal: nothing is wider than [`WIDTH`], except what people paste.

use std::io::IsTerminal as _;

use unicode_width::UnicodeWidthStr as _;

/// How many columns a terminal is taken to have.
pub(super) const WIDTH: usize = 100;

/// Between two columns.
const GAP: &str = "  ";

/// Below this a column of text is no longer read.
const TEXT_MIN: usize = 24;

/// How wide the names of a list are made at the most, so that what is said of them lines up.
const NAME_MAX: usize = 58;

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

/// How many columns a text takes; a colour takes none.
pub(super) fn width(text: &str) -> usize {
    text.replace("\u{1b}[32m", "").replace("\u{1b}[31m", "").replace("\u{1b}[0m", "").width()
}

/// A line. What does not fit goes below, two columns further in.
pub(super) fn put(text: &mut String, line: &str) {
    let indent = line.len() - line.trim_start_matches(' ').len();
    let (lead, rest) = line.split_at(indent);
    hang(text, lead, &" ".repeat(indent + 2), rest);
}

/// A line that begins with a label. What does not fit goes below, beside the label.
pub(super) fn labelled(text: &mut String, label: &str, line: &str) {
    hang(text, label, &" ".repeat(width(label)), line);
}

/// A command or a path that somebody will paste, behind a label. What does not fit goes below, behind a backslash, so
/// that a shell takes the lines for one. A word is left whole, however wide.
pub(super) fn pasted(text: &mut String, label: &str, what: &str) {
    const GOES_ON: &str = " \\";
    let below = " ".repeat(label.len() - label.trim_start_matches(' ').len() + 2);
    let mut line = label.to_owned();
    let mut has_word = false;
    for word in words(what) {
        if has_word && width(&line) + 1 + width(word) + GOES_ON.len() > WIDTH {
            text.push_str(&line);
            text.push_str(GOES_ON);
            text.push('\n');
            line.clone_from(&below);
            has_word = false;
        }
        if has_word {
            line.push(' ');
        }
        line.push_str(word);
        has_word = true;
    }
    text.push_str(&line);
    text.push('\n');
}

/// The words of a command line; what stands between single quotes is not cut.
fn words(line: &str) -> Vec<&str> {
    let (mut words, mut from, mut quoted) = (Vec::new(), 0, false);
    for (at, c) in line.char_indices() {
        quoted ^= c == '\'';
        if c == ' ' && !quoted {
            words.push(&line[from..at]);
            from = at + 1;
        }
    }
    words.push(&line[from..]);
    words
}

/// Writes `line` after `lead`, and what does not fit after as many `below` as it takes.
fn hang(text: &mut String, lead: &str, below: &str, line: &str) {
    let room = |before: &str| WIDTH.saturating_sub(width(before)).max(1);
    let mut before = lead;
    for part in wrap(line, room(lead), room(below)) {
        text.push_str(format!("{before}{part}").trim_end());
        text.push('\n');
        before = below;
    }
}

/// Cuts a text at spaces into lines, the first at most `first` columns wide and the others `others`. A word that is
/// wider than a line is cut wherever the line ends.
fn wrap(text: &str, first: usize, others: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let room = if lines.len() == 1 { first } else { others };
        let last = lines.last_mut().expect("there is one line at least");
        if last.is_empty() && width(word) <= room {
            last.push_str(word);
        } else if width(last) + 1 + width(word) <= room {
            last.push(' ');
            last.push_str(word);
        } else if width(word) <= others {
            lines.push(word.to_owned());
        } else {
            cut(word, others, &mut lines);
        }
    }
    lines
}

/// Cuts a word that is wider than a line.
fn cut(word: &str, room: usize, lines: &mut Vec<String>) {
    if lines.last().is_none_or(|last| !last.is_empty()) {
        lines.push(String::new());
    }
    for c in word.chars() {
        let last = lines.last_mut().expect("there is one line at least");
        if width(last) + width(c.encode_utf8(&mut [0; 4])) > room {
            lines.push(c.to_string());
        } else {
            last.push(c);
        }
    }
}

/// A list of names, each with a mark before it and with what is said of it: beside it where there is room, and
/// otherwise below.
pub(super) fn list(text: &mut String, entries: &[(String, String, String)]) {
    let wide =
        entries.iter().map(|(_, name, _)| width(name)).filter(|wide| *wide <= NAME_MAX).max().unwrap_or(0);
    for (mark, name, said) in entries {
        let lead = format!("{GAP}{mark}{GAP}{name}{}{GAP}", " ".repeat(wide.saturating_sub(width(name))));
        if width(&lead) + width(said) <= WIDTH {
            put(text, &format!("{lead}{said}"));
        } else {
            put(text, lead.trim_end());
            labelled(text, &" ".repeat(2 * GAP.len() + 6), said);
        }
    }
}

/// Rows under heads, each column as wide as it has to be.
///
/// Where that is too wide, heads are cut at spaces, then the widest column of text, and at last the table itself: its
/// other columns go below, each time beside the first `keys` columns.
pub(super) fn table(head: &[&str], keys: usize, rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|name| (*name).to_owned()).collect();
    let columns: Vec<usize> = (0..head.len()).collect();
    let cell = |column: usize| rows.iter().filter_map(move |row| row.get(column)).map(|cell| width(cell));
    let body = |column: usize| cell(column).max().unwrap_or(0);
    let longest = |column: usize| head[column].split(' ').map(width).max().unwrap_or(0);
    let whole: Vec<usize> = columns.iter().map(|column| body(*column).max(width(&head[*column]))).collect();
    let narrow: Vec<usize> = columns.iter().map(|column| body(*column).max(longest(*column))).collect();
    if total(&whole) <= WIDTH {
        return block(&head, rows, &columns, &whole);
    }
    if total(&narrow) <= WIDTH {
        return block(&head, rows, &columns, &narrow);
    }
    if let Some(widest) = columns.iter().copied().max_by_key(|column| narrow[*column]) {
        let others = total(&narrow) - narrow[widest];
        if others + TEXT_MIN <= WIDTH && narrow[widest] >= TEXT_MIN {
            let mut cut = narrow;
            cut[widest] = WIDTH - others;
            return block(&head, rows, &columns, &cut);
        }
    }
    let mut text = String::new();
    let mut rest = &columns[keys.min(columns.len())..];
    while !rest.is_empty() {
        let fits = |count: usize| {
            let chosen = columns[..keys].iter().chain(&rest[..count]).map(|column| narrow[*column]);
            total(&chosen.collect::<Vec<_>>()) <= WIDTH
        };
        let count = (1..=rest.len()).take_while(|count| fits(*count)).last().unwrap_or(1);
        let chosen: Vec<_> = columns[..keys].iter().chain(&rest[..count]).copied().collect();
        let room = WIDTH / chosen.len() - GAP.len();
        let mut widths = narrow.clone();
        if !fits(count) {
            widths.iter_mut().for_each(|wide| *wide = (*wide).min(room));
        }
        text.push_str(&block(&head, rows, &chosen, &widths));
        rest = &rest[count..];
    }
    text
}

/// How wide a row is.
fn total(widths: &[usize]) -> usize {
    widths.iter().map(|wide| GAP.len() + wide).sum()
}

/// Some columns of a table, each with its width; cells that are wider go on below themselves.
fn block(head: &[String], rows: &[Vec<String>], columns: &[usize], widths: &[usize]) -> String {
    let mut text = String::new();
    let heads = head.iter().any(|name| !name.is_empty()).then(|| head.to_vec());
    for row in heads.iter().chain(rows) {
        let cells: Vec<Vec<String>> = columns
            .iter()
            .map(|column| {
                let cell = row.get(*column).map_or("", |cell| cell);
                wrap(cell, widths[*column], widths[*column])
            })
            .collect();
        for line in 0..cells.iter().map(Vec::len).max().unwrap_or(0) {
            let mut whole = String::new();
            for (cell, column) in cells.iter().zip(columns) {
                let part = cell.get(line).map_or("", |part| part);
                whole += &format!("{GAP}{part}{}", " ".repeat(widths[*column].saturating_sub(width(part))));
            }
            text.push_str(whole.trim_end());
            text.push('\n');
        }
    }
    text
}

/// Rows without heads, each column as wide as its widest cell.
pub(super) fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    table(&vec![""; count], 1, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
        cells.map(str::to_owned).to_vec()
    }

    fn assert_fits(text: &str) {
        for line in text.lines() {
            assert!(width(line) <= WIDTH, "{} columns: {line}", width(line));
        }
    }

    #[test]
    fn a_command_that_does_not_fit_goes_on_behind_a_backslash() {
        let mut text = String::new();
        let command = format!("cloudchamber replay 'a b' {}", "--fault all=off ".repeat(8));
        pasted(&mut text, "  again: ", command.trim());
        assert_fits(&text);
        assert_eq!(text.lines().count(), 2);
        let joined = text.replace(" \\\n", " ").split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(joined, format!("again: {}", command.trim()));
        assert_eq!(words("a 'b c' d"), ["a", "'b c'", "d"]);
    }

    #[test]
    fn columns_line_up() {
        let rows = [row(["ok", "a", ""]), row(["FAIL", "bb", "c"])];
        insta::assert_snapshot!(columns(&rows), @r"
          ok    a
          FAIL  bb  c
        ");
    }

    #[test]
    fn a_wide_line_goes_on_below() {
        let mut text = String::new();
        put(&mut text, &format!("  {}", "words ".repeat(30)));
        labelled(&mut text, "    7  ", &"words ".repeat(20));
        insta::assert_snapshot!(text, @r"
          words words words words words words words words words words words words words words words words
            words words words words words words words words words words words words words words
            7  words words words words words words words words words words words words words words words
               words words words words words
        ");
        let mut text = String::new();
        put(&mut text, &format!("      {}", "wide/".repeat(60)));
        put(&mut text, &"\u{6f22}".repeat(70));
        assert_fits(&text);
        let kept: String = text.chars().filter(|c| *c == '\u{6f22}').collect();
        assert_eq!(kept.chars().count(), 70);
    }

    #[test]
    fn what_is_said_of_a_long_name_goes_below_it() {
        let entry = |name: &str, said: &str| ("ok  ".to_owned(), name.to_owned(), said.to_owned());
        let mut text = String::new();
        list(
            &mut text,
            &[entry("a.toml", "holds"), entry("bb.toml", "holds"), entry(&"c".repeat(90), "holds")],
        );
        insta::assert_snapshot!(text, @r"
          ok    a.toml   holds
          ok    bb.toml  holds
          ok    cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc
                  holds
        ");
    }

    #[test]
    fn a_wide_table_is_cut_into_parts_that_name_their_rows() {
        let head = ["name", "one long head", "two", "three", "four", "five"];
        let cell = |letter: &str| letter.repeat(20);
        let rows = [row(["x", &cell("a"), &cell("b"), &cell("c"), &cell("d"), &cell("e")])];
        let text = table(&head, 1, &rows);
        assert_fits(&text);
        insta::assert_snapshot!(text, @r"
          name  one long head         two                   three                 four
          x     aaaaaaaaaaaaaaaaaaaa  bbbbbbbbbbbbbbbbbbbb  cccccccccccccccccccc  dddddddddddddddddddd
          name  five
          x     eeeeeeeeeeeeeeeeeeee
        ");
    }

    #[test]
    fn a_wide_text_is_cut_within_its_column() {
        let rows = [row(["2", &"because ".repeat(20)])];
        insta::assert_snapshot!(table(&["standbys", "why"], 1, &rows), @r"
          standbys  why
          2         because because because because because because because because because because because
                    because because because because because because because because because
        ");
    }
}
