//! What the multiplies computed in, and whether that is what was declared.

use underspan_classifier::short_name;
use underspan_engine::{Analysis, PrecisionCensus, PrecisionVerdict};
use underspan_model::{DurationNs, Timeline};

use super::percent;
use crate::document::{Document, ReportTable};

/// Adds the precision of the multiplies; nothing when there are none.
pub(crate) fn precision(
    document: &mut Document,
    timeline: &Timeline,
    analysis: &Analysis,
    top: usize,
) {
    let census = &analysis.precision;
    if census.matmul == DurationNs::ZERO {
        return;
    }
    document.heading("PRECISION");
    document.paragraph(verdict(census));
    let mut multiplies = ReportTable::new(&[
        "of multiplies",
        "time",
        "kernels",
        "role<",
        "computes in<",
        "tensor cores<",
    ]);
    for row in census.classes.iter().filter(|row| row.is_multiply).take(top) {
        multiplies.row([
            percent(census.share_of_matmul(row.total)),
            row.total.to_string(),
            row.count.to_string(),
            row.role.as_str().to_owned(),
            row.dtype.as_str().to_owned(),
            row.tensor_core.as_str().to_owned(),
        ]);
    }
    document.table(multiplies);
    let mut wide =
        ReportTable::new(&["of multiplies", "time", "kernels", "computes in<", "why<", "kernel<"]);
    for row in census.wide.iter().take(top) {
        wide.row([
            percent(census.share_of_matmul(row.total)),
            row.total.to_string(),
            row.count.to_string(),
            row.dtype.as_str().to_owned(),
            row.reason.meaning().to_owned(),
            short_name(timeline.strings.resolve_or_empty(row.name)),
        ]);
    }
    if !wide.rows.is_empty() {
        document.paragraph("Multiplies in a wide type:");
    }
    document.table(wide);
}

fn verdict(census: &PrecisionCensus) -> String {
    let wider = percent(census.share_of_matmul(census.wider_than_declared));
    let unknown = census.share_of_matmul(census.matmul_unknown);
    let unknown = match unknown > 0.0 {
        true => format!(" The type of {} of the multiplies' time is unknown.", percent(unknown)),
        false => String::new(),
    };
    let Some(declared) = &census.declared else {
        return format!(
            "Cannot tell whether this is what the model was meant to run in: no type is declared. \
             --declared bf16 (or a model's config.json) says what to compare with.{unknown}"
        );
    };
    let (dtype, origin) = (declared.dtype.as_str(), &declared.origin);
    match census.verdict {
        PrecisionVerdict::Fallback => format!(
            "FALLBACK: {wider} of the multiplies' time ({}) ran wider than the declared {dtype} \
             ({origin}).{unknown}",
            census.wider_than_declared
        ),
        PrecisionVerdict::AsDeclared => format!(
            "As declared: {wider} of the multiplies' time ran wider than {dtype} \
             ({origin}).{unknown}"
        ),
        PrecisionVerdict::CannotTell => format!(
            "Cannot tell: {wider} of the multiplies' time ran wider than the declared {dtype} \
             ({origin}), and too much is unknown.{unknown}"
        ),
    }
}
