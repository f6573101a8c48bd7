//! Tables that a phone can show: there each row is a card, and each cell says what its column is called.

use maud::{Markup, html};

/// From how many rows on a table folds.
const FOLDS: usize = 14;

/// How many rows of a folded table are seen before it is opened.
const SEEN: usize = 8;

/// A table that is being written.
pub(super) struct Table {
    head: Vec<String>,
    rows: Vec<Row>,
    /// What the rows are, where the table folds.
    what: Option<String>,
}

struct Row {
    id: Option<String>,
    class: Option<&'static str>,
    cells: Vec<Cell>,
}

/// One cell.
pub(super) struct Cell {
    text: Markup,
    is_number: bool,
}

/// A cell with a text.
pub(super) fn text(text: impl maud::Render) -> Cell {
    Cell { text: html! { (text) }, is_number: false }
}

/// A cell with a number, at the right edge of its column.
pub(super) fn number(text: impl maud::Render) -> Cell {
    Cell { text: html! { (text) }, is_number: true }
}

impl Table {
    /// One without rows yet.
    pub(super) fn new<T: Into<String>>(head: impl IntoIterator<Item = T>) -> Self {
        Self { head: head.into_iter().map(Into::into).collect(), rows: vec![], what: None }
    }

    /// Folds it where it is long; `what` says what its rows are.
    pub(super) fn folding(mut self, what: impl Into<String>) -> Self {
        self.what = Some(what.into());
        self
    }

    /// One more row.
    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(Row { id: None, class: None, cells });
    }

    /// One more row, to which links lead.
    pub(super) fn named(&mut self, id: String, class: Option<&'static str>, cells: Vec<Cell>) {
        self.rows.push(Row { id: Some(id), class, cells });
    }

    /// The table; nothing where it has no rows.
    pub(super) fn markup(&self) -> Markup {
        let all = &self.rows[..];
        html! {
            @match &self.what {
                _ if all.is_empty() => {}
                Some(what) if all.len() >= FOLDS => {
                    (self.part(&all[..SEEN]))
                    details {
                        summary { (all.len() - SEEN) " more " (what) }
                        (self.part(&all[SEEN..]))
                    }
                }
                _ => { (self.part(all)) }
            }
        }
    }

    fn part(&self, rows: &[Row]) -> Markup {
        html! {
            table.cards {
                thead { tr { @for head in &self.head { th { (head) } } } }
                tbody {
                    @for row in rows {
                        tr id=[row.id.as_ref()] class=[row.class] {
                            @for (head, cell) in self.head.iter().zip(&row.cells) {
                                td.number[cell.is_number] data-head=(head) { (cell.text) }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: usize) -> String {
        let mut table = Table::new(["a", "b"]).folding("rows");
        for row in 0..rows {
            table.row(vec![text("x"), number(row)]);
        }
        table.markup().into_string()
    }

    #[test]
    fn a_long_table_folds_and_an_empty_one_is_not_there() {
        assert_eq!(table(0), "");
        assert!(!table(FOLDS - 1).contains("<details>"));
        let long = table(FOLDS);
        assert!(long.contains("<summary>6 more rows</summary>"), "{long}");
        assert_eq!(long.matches("<tr>").count(), FOLDS + 2);
        assert!(long.contains("data-head=\"b\""));
    }
}
