//! `underspan verify`.

use anyhow::Result;
use underspan_model::{Bytes, ProblemKind, Severity};
use underspan_native::{Description, Finding, VerifyReport};
use underspan_report::{Document, ReportTable};

use crate::args::{Global, VerifyArgs};
use crate::exit::Outcome;
use crate::terminal;

pub(super) fn run(args: &VerifyArgs, global: &Global) -> Result<Outcome> {
    let report = underspan_native::verify(&args.path)?;
    let description = underspan_native::describe(&args.path)?;
    let document = document(args, &report, &description);
    let text = underspan_report::to_text(&document, terminal::text_style(global));
    terminal::write_data(&text, None)?;
    Ok(if is_intact(&report) { Outcome::Done } else { Outcome::Objection })
}

/// Whole: nothing that was written is damaged or missing. A file that its writer did not finish is
/// whole, as is one without an index.
fn is_intact(report: &VerifyReport) -> bool {
    let is_harmless = |finding: &Finding| {
        finding.kind.severity() < Severity::Loss || finding.kind == ProblemKind::UnfinishedFile
    };
    report.is_sound() && report.findings.iter().all(is_harmless)
}

fn document(args: &VerifyArgs, report: &VerifyReport, description: &Description) -> Document {
    let mut document = Document::default();
    document.heading(args.path.display().to_string());
    document.paragraph(format!(
        "version {} · {} · {} chunks · {} rows · {}{}",
        report.version,
        Bytes::new(report.bytes),
        report.chunks,
        report.rows,
        if report.is_finished { "finished" } else { "cut off while it was written" },
        if report.has_index { "" } else { " · no index" },
    ));
    let verdict = match (is_intact(report), report.is_finished) {
        (true, true) => "Intact: every chunk matches its checksum.",
        (true, false) => {
            "Every chunk is whole, but the writer did not finish the file; all of it is readable."
        }
        (false, _) => "Damaged: see the list. `underspan recover` saves every whole chunk.",
    };
    document.paragraph(verdict);
    document.table(findings(&report.findings));
    document.heading("TABLES");
    let mut tables = ReportTable::new(&["table<", "rows", "chunks", "size", "bytes/row"]);
    for table in &description.tables {
        tables.row([
            table.kind.map_or_else(|| format!("unknown ({})", table.code), |k| k.name().to_owned()),
            table.rows.to_string(),
            table.chunks.to_string(),
            Bytes::new(table.bytes).to_string(),
            format!("{:.2}", table.bytes as f64 / table.rows.max(1) as f64),
        ]);
    }
    document.table(tables);
    document
}

fn findings(findings: &[Finding]) -> ReportTable {
    let mut table = ReportTable::new(&["at byte", "severity<", "count", "what<", "detail<"]);
    for finding in findings {
        table.row([
            finding.offset.to_string(),
            finding.kind.severity().as_str().to_owned(),
            finding.count.to_string(),
            finding.kind.meaning().to_owned(),
            finding.detail.clone(),
        ]);
    }
    table
}
