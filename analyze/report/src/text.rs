//! A document for a terminal.

use std::fmt::Write;

use crate::document::{Align, Block, Document, ReportTable};

/// How text is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextStyle {
    /// Columns to fit into; the last left-aligned column of a table is cut to it.
    pub width: usize,
    /// Whether to use colour and bold (ANSI escapes).
    pub is_coloured: bool,
}

impl Default for TextStyle {
    fn default() -> Self {
        Self { width: 100, is_coloured: false }
    }
}

/// Renders `document` for a terminal.
pub fn to_text(document: &Document, style: TextStyle) -> String {
    let mut out = String::new();
    for (at, block) in document.blocks.iter().enumerate() {
        match block {
            Block::Heading(text) => {
                if at > 0 {
                    out.push('\n');
                }
                match style.is_coloured {
                    true => writeln!(out, "\x1b[1;36m{text}\x1b[0m"),
                    false => writeln!(out, "{text}"),
                }
                .ok();
            }
            Block::Paragraph(text) => wrap(&mut out, text, "  ", "  ", style.width),
            Block::List(items) => {
                for item in items {
                    wrap(&mut out, item, "  - ", "    ", style.width);
                }
            }
            Block::Table(table) => write_table(&mut out, table, style),
        }
    }
    out
}

fn wrap(out: &mut String, text: &str, first: &str, rest: &str, width: usize) {
    let mut line = first.to_owned();
    let mut is_empty = true;
    for word in text.split_whitespace() {
        if !is_empty && columns(&line) + 1 + columns(word) > width {
            out.push_str(line.trim_end());
            out.push('\n');
            line = rest.to_owned();
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    out.push_str(line.trim_end());
    out.push('\n');
}

fn write_table(out: &mut String, table: &ReportTable, style: TextStyle) {
    let mut widths: Vec<usize> = table.columns.iter().map(|c| columns(&c.title)).collect();
    for row in &table.rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(columns(cell));
        }
    }
    fit(&mut widths, table, style.width.saturating_sub(2));
    let titles: Vec<String> = table.columns.iter().map(|c| c.title.clone()).collect();
    let dim = if style.is_coloured { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
    let head = line_of(&titles, table, &widths);
    writeln!(out, "  {}{head}{}", dim.0, dim.1).ok();
    for row in &table.rows {
        writeln!(out, "  {}", line_of(row, table, &widths)).ok();
    }
}

/// Left-aligned columns are cut no narrower than this.
const NARROWEST: usize = 12;

/// Narrows the widest left-aligned columns until the table fits.
fn fit(widths: &mut [usize], table: &ReportTable, available: usize) {
    let total = widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
    for _ in available..total {
        let left = table.columns.iter().zip(widths.iter_mut());
        let left = left.filter(|(column, _)| column.align == Align::Left);
        let widest = left.map(|(_, width)| width).max_by_key(|width| **width);
        match widest.filter(|width| **width > NARROWEST) {
            Some(width) => *width -= 1,
            None => return,
        }
    }
}

fn line_of(cells: &[String], table: &ReportTable, widths: &[usize]) -> String {
    let mut line = String::new();
    for ((cell, column), &width) in cells.iter().zip(&table.columns).zip(widths) {
        if !line.is_empty() {
            line.push_str("  ");
        }
        let cell = cut(cell, width);
        let padding = " ".repeat(width.saturating_sub(columns(&cell)));
        match column.align {
            Align::Left => line.extend([cell.as_str(), padding.as_str()]),
            Align::Right => line.extend([padding.as_str(), cell.as_str()]),
        }
    }
    line.trim_end().to_owned()
}

/// Cuts in the middle, since kernel names differ at both ends.
fn cut(text: &str, width: usize) -> String {
    let length = columns(text);
    if length <= width {
        return text.to_owned();
    }
    let keep = width.saturating_sub(1);
    let (head, tail) = (keep.div_ceil(2), keep / 2);
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(length - tail).collect();
    format!("{start}…{end}")
}

fn columns(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn wide_columns_shrink_in_turn_and_never_to_nothing() {
        let mut table = ReportTable::new(&["count", "what<", "first seen<"]);
        table.row(["1", &"a".repeat(40), &"b".repeat(30)].map(String::from));
        let mut widths = [5, 40, 30];
        fit(&mut widths, &table, 200);
        assert_eq!(widths, [5, 40, 30]);
        fit(&mut widths, &table, 69);
        assert_eq!(widths, [5, 30, 30]);
        fit(&mut widths, &table, 49);
        assert_eq!(widths, [5, 20, 20]);
        fit(&mut widths, &table, 9);
        assert_eq!(widths, [5, NARROWEST, NARROWEST]);
    }

    #[test]
    fn tables_align_and_cut_the_widest_name() {
        let mut document = Document::default();
        document.heading("WHERE GPU TIME WENT");
        let mut table = ReportTable::new(&["share", "total", "kernel<"]);
        table.row(
            ["61.2 %", "12.0 ms", "flash_fwd_splitkv_kernel<128, 64, bf16>"].map(String::from),
        );
        table.row(["1.0 %", "196 µs", "memset"].map(String::from));
        document.table(table);
        document.list(vec!["one thing that needs more than a single line to be said".into()]);
        expect![[r#"
            WHERE GPU TIME WENT
               share    total  kernel
              61.2 %  12.0 ms  flash_fwd_s…, 64, bf16>
               1.0 %   196 µs  memset
              - one thing that needs more than a
                single line to be said
        "#]]
        .assert_eq(&to_text(&document, TextStyle { width: 42, is_coloured: false }));
    }
}
