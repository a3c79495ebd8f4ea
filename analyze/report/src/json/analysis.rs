//! The object of `underspan analyze --format json`.
//!
//! The answer comes first: `verdict`, `top_cause`, `causes` and what they rest on (see
//! `json/verdict.rs`). `tokens` holds how soon tokens came, over all requests (see
//! `json/latency.rs`). `info` is the object of `underspan info`; `tables` holds every table of `underspan stats` under
//! its name, rows in the order of importance, times in nanoseconds; `longest_gaps` lists the
//! longest idle stretches per device with their parts by cause; `precision` is what the kernels
//! computed in and whether that is what was declared.

use serde_json::{Map, Value, json};
use underspan_engine::{Analysis, Gap, IdleClass};
use underspan_model::Timeline;

use super::latency::tokens_value;
use super::money::{cost_value, slo_value};
use super::verdict::{cohort, verdict_members};
use super::{info_value, object, precision_value, to_text};
use crate::Answers;
use crate::stats::StatsReport;

/// Version of the contract; rises when keys are added.
const SCHEMA_VERSION: u32 = 2;

/// `analysis` as one JSON object, the answers at its top.
pub fn analysis_json(timeline: &Timeline, analysis: &Analysis, answers: &Answers<'_>) -> String {
    let tables = StatsReport::ALL
        .iter()
        .map(|report| (report.name(), report.table(timeline, analysis).to_value()));
    let gaps = analysis.idle.iter().map(|device| {
        let label = timeline.dimensions.device_label(device.device);
        (label, device.longest.iter().map(gap).collect::<Value>())
    });
    let mut members = Map::new();
    members.insert("schema_version".to_owned(), json!(SCHEMA_VERSION));
    members.extend(answer_members(answers));
    let rest = json!({
        "info": info_value(timeline, &analysis.summary),
        "tables": object(tables),
        "precision": precision_value(timeline, &analysis.precision),
        "longest_gaps": object(gaps),
    });
    if let Value::Object(rest) = rest {
        members.extend(rest);
    }
    to_text(&Value::Object(members))
}

/// What an alert needs of `analysis` as one JSON object: `schema_version`, `inputs` and the keys of
/// the verdict, cost and objective that [`analysis_json`] has.
pub fn verdict_json(inputs: &[String], answers: &Answers<'_>) -> String {
    let mut members = Map::new();
    members.insert("schema_version".to_owned(), json!(SCHEMA_VERSION));
    members.insert("inputs".to_owned(), json!(inputs));
    members.extend(answer_members(answers));
    to_text(&Value::Object(members))
}

fn answer_members(answers: &Answers<'_>) -> Map<String, Value> {
    let mut members = answers.verdict.map(verdict_members).unwrap_or_default();
    members.insert("cohorts".to_owned(), answers.cohorts.iter().map(cohort).collect());
    members.extend(answers.tokens.map(|tokens| ("tokens".to_owned(), tokens_value(tokens))));
    members.extend(answers.cost.map(|cost| ("cost".to_owned(), cost_value(cost))));
    members.extend(answers.slo.map(|slo| ("slo".to_owned(), slo_value(slo))));
    members
}

fn gap(gap: &Gap) -> Value {
    let parts = IdleClass::ALL
        .into_iter()
        .map(|class| (class.as_str(), json!(gap.parts[class.index()].as_ns())));
    json!({
        "start_ns": gap.interval.start().as_ns(),
        "end_ns": gap.interval.end().as_ns(),
        "class": gap.class().as_str(),
        "parts_ns": object(parts),
    })
}
