//! A document as GitHub-flavoured Markdown.

use std::fmt::Write;

use crate::document::{Align, Block, Document, ReportTable};

/// Renders `document` as Markdown.
pub fn to_markdown(document: &Document) -> String {
    let mut out = String::new();
    for block in &document.blocks {
        match block {
            Block::Heading(text) => writeln!(out, "## {}\n", escape(text)).ok(),
            Block::Paragraph(text) => writeln!(out, "{}\n", escape(text)).ok(),
            Block::List(items) => {
                for item in items {
                    writeln!(out, "- {}", escape(item)).ok();
                }
                writeln!(out).ok()
            }
            Block::Table(table) => {
                write_table(&mut out, table);
                writeln!(out).ok()
            }
        };
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn write_table(out: &mut String, table: &ReportTable) {
    let titles: Vec<String> = table.columns.iter().map(|c| escape(&c.title)).collect();
    writeln!(out, "| {} |", titles.join(" | ")).ok();
    let rules: Vec<&str> = table
        .columns
        .iter()
        .map(|column| match column.align {
            Align::Left => "---",
            Align::Right => "---:",
        })
        .collect();
    writeln!(out, "| {} |", rules.join(" | ")).ok();
    for row in &table.rows {
        let cells: Vec<String> = row.iter().map(|cell| escape(cell)).collect();
        writeln!(out, "| {} |", cells.join(" | ")).ok();
    }
}

/// Keeps names from strangers' files from becoming markup.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => out.push(' '),
            '|' | '<' | '>' | '*' | '_' | '`' | '\\' | '[' | ']' | '#' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn names_never_become_markup() {
        let mut document = Document::default();
        document.heading("Kernels");
        let mut table = ReportTable::new(&["share", "kernel<"]);
        table.row(["1 %", "void f<a | b>(x*)"].map(String::from));
        document.table(table);
        expect![[r"
            ## Kernels

            | share | kernel |
            | ---: | --- |
            | 1 % | void f\<a \| b\>(x\*) |
        "]]
        .assert_eq(&to_markdown(&document));
    }
}
