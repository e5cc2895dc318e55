//! A table that fits: the least important columns are dropped first.

use super::page::{Page, styled};
use crate::render::shared::{columns, shortened, shortened_within};
use comfy_table::{CellAlignment, LineStyle, Table, presets};

/// Blanks between two columns.
const GAP: u16 = 2;

/// The part of the gap that comfy-table draws itself where the table has a rule.
const JUNCTION: u16 = 1;

/// One column of a table.
pub(in crate::render) struct Column {
    /// What stands above it.
    pub(in crate::render) title: &'static str,
    /// How soon it is given up: 0 never, the highest first.
    pub(in crate::render) rank: u8,
    /// How its cells are laid out.
    pub(in crate::render) kind: Kind,
    /// Its cells, from the top.
    pub(in crate::render) cells: Vec<String>,
}

/// How the cells of a column are laid out.
#[derive(Clone, Copy, PartialEq)]
pub(in crate::render) enum Kind {
    /// At the right.
    Number,
    /// At the left, cut where it is longer than this.
    Text(usize),
    /// At the left, taking what is left of the width, and worth showing from this many columns up.
    Rest(usize),
    /// The same for names whose end says as much as their start: cut in the middle, and before the other columns.
    Name(usize),
}

impl Column {
    fn natural_width(&self) -> usize {
        let cells = self.cells.iter().map(|cell| columns(cell)).max().unwrap_or(0);
        cells.max(columns(self.title))
    }

    /// The least width at which the column is worth its place.
    fn needed_width(&self) -> usize {
        match self.kind {
            Kind::Rest(least) | Kind::Name(least) => self.natural_width().min(least),
            _ => self.natural_width(),
        }
    }

    /// The width below which it is not cut, even where the table does not fit.
    fn least_width(&self) -> usize {
        match self.kind {
            Kind::Number => self.natural_width(),
            Kind::Text(_) => columns(self.title).max(8),
            Kind::Rest(least) | Kind::Name(least) => columns(self.title).max(least),
        }
    }

    fn cut(&mut self, limit: usize) {
        let shorten = if let Kind::Name(_) = self.kind { shortened_within } else { shortened };
        self.cells.iter_mut().for_each(|cell| *cell = shorten(cell, limit));
    }
}

/// Writes a table with a rule below its header; `marked` is the row to make stand out.
pub(in crate::render) fn write(page: &mut Page, indent: usize, columns: Vec<Column>, marked: Option<usize>) {
    write_with(page, indent, columns, marked, true);
}

/// Writes a table without the rule.
pub(in crate::render) fn write_plain(
    page: &mut Page,
    indent: usize,
    columns: Vec<Column>,
    marked: Option<usize>,
) {
    write_with(page, indent, columns, marked, false);
}

fn write_with(page: &mut Page, indent: usize, columns: Vec<Column>, marked: Option<usize>, ruled: bool) {
    let columns = fitted(columns, page.width() - indent);
    let mut table = Table::new();
    let rule = LineStyle::none().fill('─').junction('─');
    let (style, gap) = if ruled {
        (presets::NOTHING.header_separator(rule), GAP - JUNCTION)
    } else {
        (presets::NOTHING, GAP)
    };
    table.load_style(style);
    table.set_header(columns.iter().map(|column| column.title));
    let rows = columns.first().map_or(0, |column| column.cells.len());
    for row in 0..rows {
        table.add_row(columns.iter().map(|column| column.cells[row].as_str()));
    }
    let last = columns.len().saturating_sub(1);
    for (index, column) in columns.iter().enumerate() {
        if let Some(layout) = table.column_mut(index) {
            layout.set_padding((0, if index == last { 0 } else { gap }));
            if column.kind == Kind::Number {
                layout.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    for (index, line) in table.lines().enumerate() {
        let style = match index {
            0 => page.palette.strong,
            1 if ruled => page.palette.dim,
            _ if marked == Some(index - if ruled { 2 } else { 1 }) => page.palette.strong,
            _ => anstyle::Style::new(),
        };
        page.line(indent, &[styled(style, line.trim_end())]);
    }
}

/// The columns that fit into `width`, their cells safe and cut.
fn fitted(mut columns: Vec<Column>, width: usize) -> Vec<Column> {
    for column in &mut columns {
        let limit = if let Kind::Text(limit) = column.kind { limit } else { width };
        column.cut(limit);
    }
    // A column without a word in it says nothing.
    columns.retain(|column| column.cells.iter().any(|cell| !cell.is_empty()));
    while total(&columns, Column::needed_width) > width {
        let Some(rank) = columns.iter().map(|column| column.rank).max().filter(|rank| *rank > 0) else {
            break;
        };
        if let Some(victim) = columns.iter().rposition(|column| column.rank == rank) {
            columns.remove(victim);
        }
    }
    let mut excess = total(&columns, Column::natural_width).saturating_sub(width);
    let (names, others): (Vec<_>, Vec<_>) =
        columns.iter_mut().rev().partition(|column| matches!(column.kind, Kind::Name(_)));
    for column in names.into_iter().chain(others) {
        let natural = column.natural_width();
        let limit = natural.saturating_sub(excess).max(column.least_width());
        column.cut(limit);
        excess = excess.saturating_sub(natural.saturating_sub(limit));
    }
    columns
}

fn total(columns: &[Column], width: fn(&Column) -> usize) -> usize {
    let gaps = usize::from(GAP) * columns.len().saturating_sub(1);
    columns.iter().map(width).sum::<usize>() + gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(title: &'static str, rank: u8, kind: Kind, cell: &str) -> Column {
        Column { title, rank, kind, cells: vec![cell.to_owned()] }
    }

    fn example() -> Vec<Column> {
        vec![
            column("PID", 0, Kind::Number, "4242"),
            column("USER", 2, Kind::Text(8), "www-data"),
            column("SWAP", 3, Kind::Number, ""),
            column("NAME", 0, Kind::Text(15), "php-fpm"),
            column("COMMAND", 4, Kind::Rest(10), "/usr/sbin/php-fpm --nodaemonize"),
        ]
    }

    fn titles(width: usize) -> Vec<&'static str> {
        fitted(example(), width).iter().map(|column| column.title).collect()
    }

    #[test]
    fn what_matters_least_goes_first() {
        assert_eq!(titles(100), ["PID", "USER", "NAME", "COMMAND"]);
        assert_eq!(titles(35), ["PID", "USER", "NAME", "COMMAND"]);
        assert_eq!(titles(30), ["PID", "USER", "NAME"]);
        assert_eq!(titles(20), ["PID", "NAME"]);
    }

    #[test]
    fn names_are_cut_first_and_in_the_middle() {
        let columns = vec![
            column("FUNCTION", 0, Kind::Name(12), "std::vector<int>::push_back"),
            column("MODULE", 1, Kind::Text(24), "libstdc++.so.6"),
        ];
        let cells: Vec<String> =
            fitted(columns, 36).into_iter().map(|column| column.cells[0].clone()).collect();
        assert_eq!(cells, ["std::vecto…push_back", "libstdc++.so.6"][..].to_vec());
    }

    #[test]
    fn no_line_is_wider_than_the_page() {
        for width in 20..120 {
            let mut page = Page::new(width, false);
            write(&mut page, 2, example(), None);
            let text = page.into_text();
            assert!(text.lines().all(|line| columns(line) <= width), "{width}\n{text}");
            assert_eq!(text.lines().count(), 3, "{text}");
        }
    }
}
