//! The text of `underspan analyze`: what happened first, then the tables behind it.

use underspan_detectors::{Attainment, Cohort, Cost, Verdict};
use underspan_engine::{Analysis, TokenLatencies};
use underspan_model::Timeline;

use crate::document::Document;
use crate::sections;
use crate::stats::StatsReport;

/// What a caller may choose about a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportOptions {
    /// Rows per table.
    pub top: usize,
}

impl Default for ReportOptions {
    fn default() -> Self {
        Self { top: 12 }
    }
}

/// What was asked about requests, and found.
#[derive(Debug, Clone, Copy, Default)]
pub struct Answers<'a> {
    /// Which layer is to blame.
    pub verdict: Option<&'a Verdict>,
    /// How soon requests had their tokens.
    pub tokens: Option<&'a TokenLatencies>,
    /// What requests cost.
    pub cost: Option<&'a Cost>,
    /// Whether they met their objectives.
    pub slo: Option<&'a Attainment>,
    /// Latency by what requests have in common.
    pub cohorts: &'a [Cohort],
}

/// `analysis` for a person, the answers first.
pub fn analysis_document(
    timeline: &Timeline,
    analysis: &Analysis,
    answers: &Answers<'_>,
    options: &ReportOptions,
) -> Document {
    let mut document = Document::default();
    sections::capture(&mut document, timeline, &analysis.summary);
    if let Some(verdict) = answers.verdict {
        sections::verdict(&mut document, verdict);
    }
    sections::cohorts(&mut document, answers.cohorts);
    if let Some(tokens) = answers.tokens {
        sections::tokens(&mut document, tokens);
    }
    if let Some(slo) = answers.slo {
        sections::slo(&mut document, slo);
    }
    if let Some(cost) = answers.cost {
        sections::cost(&mut document, cost);
    }
    sections::overview(&mut document, timeline, analysis);
    let tables = [
        ("ENGINE STEPS", StatsReport::Steps),
        ("WHERE GPU TIME WENT", StatsReport::Kernels),
        ("STREAMS", StatsReport::Streams),
        ("COPIES", StatsReport::Copies),
    ];
    for (heading, report) in tables {
        let mut table = report.table(timeline, analysis);
        let n_rows = table.rows.len();
        if n_rows == 0 {
            continue;
        }
        table.truncate(options.top);
        document.heading(heading);
        document.table(table.to_report_table());
        if n_rows > options.top {
            document.paragraph(format!(
                "{} more: underspan stats FILE --report {}",
                n_rows - options.top,
                report.name()
            ));
        }
    }
    sections::precision(&mut document, timeline, analysis, options.top);
    sections::idle(&mut document, timeline, analysis, options.top);
    sections::data_problems(&mut document, &analysis.summary);
    document
}
