//! Which names a search matches.

use regex_lite::{Regex, RegexBuilder};
use underspan_model::tables::TableKind;

use crate::document::{Document, full_name};

/// The names of one table that match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NameMatch {
    pub(crate) table: TableKind,
    /// By the value of the table's name column.
    pub(crate) names: Vec<bool>,
}

/// The names that match a regular expression, and of kernels the roles too; upper and lower case alike. Tables without a match
/// are left out.
///
/// # Errors
/// In words, when it is no regular expression.
pub(crate) fn matching_names(document: &Document, pattern: &str) -> Result<Vec<NameMatch>, String> {
    let regex = pattern_regex(pattern)?;
    let timeline = document.timeline();
    let strings: Vec<bool> = timeline.strings.iter().map(|text| regex.is_match(text)).collect();
    let of_string = |id: u32| strings.get(id as usize).copied().unwrap_or(false);
    let shapes = timeline.shapes.as_slice();
    // A kernel is found by what it does too: many names of multiplies do not say so.
    let is_role = |shape: usize| regex.is_match(document.labels.role(shape as u32).as_str());
    let kernels = shapes
        .iter()
        .enumerate()
        .map(|(at, shape)| of_string(shape.name.raw()) || is_role(at))
        .collect();
    let mut matches = vec![NameMatch { table: TableKind::Kernel, names: kernels }];
    for table in [
        TableKind::ApiCall,
        TableKind::Annotation,
        TableKind::CpuOp,
        TableKind::Overhead,
        TableKind::Span,
        TableKind::Step,
    ] {
        matches.push(NameMatch { table, names: strings.clone() });
    }
    for table in [TableKind::Memcpy, TableKind::Memset, TableKind::Sync] {
        let names =
            (0..=20).map(|code| regex.is_match(&full_name(timeline, table, code))).collect();
        matches.push(NameMatch { table, names });
    }
    matches.retain(|of| of.names.contains(&true));
    Ok(matches)
}

/// A regular expression that takes upper and lower case alike.
///
/// # Errors
/// In words, when it is none.
pub(crate) fn pattern_regex(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .case_insensitive(true)
        .size_limit(1 << 20)
        .build()
        .map_err(|error| error.to_string())
}
