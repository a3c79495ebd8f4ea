//! A table as CSV (RFC 4180).

use crate::document::ReportTable;

/// Renders one table with a header line.
pub fn to_csv(table: &ReportTable) -> String {
    let titles = table.columns.iter().map(|column| column.title.as_str());
    let mut out = line(titles);
    for row in &table.rows {
        out.push_str(&line(row.iter().map(String::as_str)));
    }
    out
}

fn line<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells.map(quoted).collect();
    format!("{}\r\n", cells.join(","))
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_with_separators_are_quoted() {
        let mut table = ReportTable::new(&["name<", "n"]);
        table.row(["f<a, b>(\"x\")".to_owned(), "3".to_owned()]);
        assert_eq!(to_csv(&table), "name,n\r\n\"f<a, b>(\"\"x\"\")\",3\r\n");
    }
}
