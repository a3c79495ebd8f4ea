//! A report as one HTML file that needs nothing else: no script, no network, inline SVG, light and
//! dark by the reader's setting, fit to print.

mod figures;

use std::fmt::Write;

use underspan_engine::Requests;

use crate::document::{Align, Block, Document, ReportTable};
use figures::{decomposition, legend, waterfall};

/// Requests shown in the waterfall.
const SLOWEST: usize = 12;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--line:#d5dae0;--soft:#f4f6f8;--muted:#5a6572}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ed;--paper:#14171a;--line:#343b43;--soft:#1d2227;--muted:#9aa5b1}}
@media print{:root{--ink:#000;--paper:#fff;--line:#bbb;--soft:#fff;--muted:#444}}
body{margin:2rem auto;max-width:72rem;padding:0 1rem;background:var(--paper);color:var(--ink);\
font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.4rem}h2{font-size:1.05rem;margin:2rem 0 .5rem;border-bottom:1px solid var(--line)}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:13px}
th,td{padding:.2rem .6rem;border-bottom:1px solid var(--line);text-align:left;white-space:nowrap}
th{background:var(--soft)}td.r,th.r{text-align:right;font-variant-numeric:tabular-nums}
svg{width:100%;height:auto;break-inside:avoid}svg text{fill:var(--ink);font:11px system-ui,sans-serif}
svg .muted{fill:var(--muted)}.legend{font-size:12px;color:var(--muted)}
.legend span{display:inline-block;margin-right:1rem}
.legend i{display:inline-block;width:.8em;height:.8em;margin-right:.3em;vertical-align:-.05em}";

/// Renders `document` as HTML, with pictures of the slowest requests behind its first part.
pub fn to_html(title: &str, document: &Document, requests: &Requests) -> String {
    let mut out = String::new();
    let title = escape(title);
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>\n"
    )
    .ok();
    let mut pictures = Some(pictures(requests));
    let mut n_headings = 0;
    for block in &document.blocks {
        if let Block::Heading(text) = block {
            n_headings += 1;
            // Behind the answer, before the tables.
            let is_tables = text == "WHAT HAPPENED";
            if is_tables && let Some(pictures) = pictures.take() {
                out.push_str(&pictures);
            }
        }
        write_block(&mut out, block);
    }
    if n_headings > 0 {
        out.push_str(&pictures.unwrap_or_default());
    }
    out.push_str("</body></html>\n");
    out
}

fn pictures(requests: &Requests) -> String {
    let mut order: Vec<usize> = (0..requests.requests.len())
        .filter(|at| !requests.requests[*at].chain.is_empty())
        .collect();
    order.sort_by_key(|at| (std::cmp::Reverse(requests.requests[*at].duration()), *at));
    order.truncate(SLOWEST);
    if order.is_empty() {
        return String::new();
    }
    let slowest: Vec<_> = order.iter().map(|at| &requests.requests[*at]).collect();
    format!(
        "<h2>THE SLOWEST REQUESTS</h2>\n{}\n{}<h2>WHERE THEIR TIME WENT</h2>\n{}\n{}",
        waterfall(&slowest),
        legend::<figures::Stages>(&slowest),
        decomposition(&slowest),
        legend::<figures::Parts>(&slowest)
    )
}

fn write_block(out: &mut String, block: &Block) {
    match block {
        Block::Heading(text) => writeln!(out, "<h2>{}</h2>", escape(text)).ok(),
        Block::Paragraph(text) => writeln!(out, "<p>{}</p>", escape(text)).ok(),
        Block::List(items) => {
            out.push_str("<ul>\n");
            for item in items {
                writeln!(out, "<li>{}</li>", escape(item)).ok();
            }
            writeln!(out, "</ul>").ok()
        }
        Block::Table(table) => {
            write_table(out, table);
            Some(())
        }
    };
}

fn write_table(out: &mut String, table: &ReportTable) {
    let class = |at: usize| match table.columns.get(at).map(|column| column.align) {
        Some(Align::Right) => " class=\"r\"",
        _ => "",
    };
    out.push_str("<div class=\"scroll\"><table><thead><tr>");
    for (at, column) in table.columns.iter().enumerate() {
        write!(out, "<th{}>{}</th>", class(at), escape(&column.title)).ok();
    }
    out.push_str("</tr></thead><tbody>\n");
    for row in &table.rows {
        out.push_str("<tr>");
        for (at, cell) in row.iter().enumerate() {
            write!(out, "<td{}>{}</td>", class(at), escape(cell)).ok();
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
}

/// Keeps names from strangers' files from becoming markup.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_become_markup() {
        let mut document = Document::default();
        document.heading("<script>");
        document.list(vec!["a & b\u{7}".to_owned()]);
        let mut table = ReportTable::new(&["kernel<", "time"]);
        table.row(["void f<T>()".to_owned(), "5".to_owned()]);
        document.table(table);
        let empty = underspan_model::Timeline::new();
        let analysis = underspan_engine::Analysis::of(&empty, &Default::default());
        let requests = Requests::of(&empty, &analysis, &Default::default());
        let html = to_html("\"t\"", &document, &requests);
        assert!(html.contains("<h2>&lt;script&gt;</h2>"), "{html}");
        assert!(html.contains("<li>a &amp; b </li>"), "{html}");
        assert!(html.contains("<td>void f&lt;T&gt;()</td><td class=\"r\">5</td>"), "{html}");
        assert!(html.contains("<title>&quot;t&quot;</title>"), "{html}");
        assert!(!html.contains("http"), "nothing is fetched");
    }
}
