//! What was lost, repaired or doubted.

use underspan_engine::CaptureSummary;
use underspan_model::Severity;

use crate::document::{Document, ReportTable};

/// Adds the list of problems, worst first; nothing when there are none.
pub(crate) fn data_problems(document: &mut Document, summary: &CaptureSummary) {
    if summary.problems.is_empty() {
        return;
    }
    document.heading("DATA PROBLEMS");
    let mut problems: Vec<_> = summary.problems.iter().collect();
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.kind.severity()));
    let mut table = ReportTable::new(&["severity<", "count", "what<", "first seen<"]);
    for problem in problems {
        table.row([
            match problem.kind.severity() {
                Severity::Note => "note",
                Severity::Warning => "warning",
                Severity::Loss => "LOSS",
                Severity::Damage => "DAMAGE",
            }
            .to_owned(),
            problem.count.to_string(),
            problem.kind.meaning().to_owned(),
            if problem.example.is_empty() {
                problem.source.clone()
            } else {
                format!("{}: {}", problem.source, problem.example)
            },
        ]);
    }
    document.table(table);
}
