//! Reports: an analysis as data ([`Document`]), and how it is shown.
//!
//! Text, Markdown and CSV are for people and may change; the JSON objects are contracts.

mod analysis;
mod csv;
mod diff;
mod document;
mod explain;
mod html;
mod info;
mod json;
mod markdown;
mod sections;
mod stats;
mod text;

pub use analysis::{Answers, ReportOptions, analysis_document};
pub use csv::to_csv;
pub use diff::diff_document;
pub use document::{Align, Block, Column, Document, ReportTable};
pub use explain::{RequestSelector, Slowest, explain_document};
pub use html::to_html;
pub use info::info_document;
pub use json::{analysis_json, diff_json, explain_json, info_json, members_json, verdict_json};
pub use markdown::to_markdown;
pub use sections::trust_meaning;
pub use stats::{Cell, StatsColumn, StatsReport, StatsTable};
pub use text::{TextStyle, to_text};
