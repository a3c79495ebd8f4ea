//! The score as text that also is Markdown.

use std::fmt::Write;

use crate::plant::Plant;
use crate::score::{Score, Tally};

/// All tables.
pub fn render(score: &Score) -> String {
    let mut out = String::new();
    bars(score, &mut out);
    plants(score, &mut out);
    others(score, &mut out);
    out
}

fn bars(score: &Score, out: &mut String) {
    let _ = writeln!(out, "| what | measured | bar |\n|---|---|---|");
    let mut row = |what: &str, measured: String, bar: &str| {
        let _ = writeln!(out, "| {what} | {measured} | {bar} |");
    };
    for (severity, tally) in &score.by_severity {
        let bar = match severity {
            1 => "≥ 90 %",
            3 => "≥ 98 %",
            _ => "",
        };
        let what = format!("top cause right, severity {severity}×");
        row(&what, share(tally.n_right, tally.n), bar);
    }
    let (n, n_wrong) = score.faults();
    row("wrong layer with confidence", share(n_wrong, n), "≤ 1 %");
    let (n_clean, n_alarms) = score.clean_total();
    row("false alarms on clean servers", share(n_alarms, n_clean), "≤ 5 %");
    let worst = score.alarms.iter().max_by_key(|(_, n)| **n);
    if let Some((id, n)) = worst {
        let what = format!("false claims of the worst detector, {id}");
        row(&what, share(*n, n_clean), "≤ 2 %");
    }
    let damaged = &score.damaged;
    row("wrong layer on damaged captures", share(damaged.n_wrong_layer, damaged.n), "0");
    row("one of two causes named first", share(score.mixtures.n_right, score.mixtures.n), "");
    let errors = &score.counterfactual_errors;
    let close = errors.iter().filter(|error| **error <= 0.15).count();
    row("counterfactual p95 within 15 %", share(close, errors.len()), "≥ 80 %");
    row("its interval covers the truth", share(score.intervals.1, score.intervals.0), "≥ 85 %");
    let close = score.p95_errors.iter().filter(|error| **error <= 0.01).count();
    row("p95 itself within 1 %", share(close, score.p95_errors.len()), "");
    row("cases without an answer", score.failures.len().to_string(), "0");
}

fn plants(score: &Score, out: &mut String) {
    let _ = writeln!(
        out,
        "\n| planted | cases | right | named instead | wrong layer |\n|---|---|---|---|---|"
    );
    for (number, tally) in &score.by_plant {
        let id = Plant::ALL.get(number - 1).map_or(String::new(), |plant| plant.id());
        tally_row(&id, tally, out);
    }
    for (engine, tally) in &score.by_engine {
        tally_row(&format!("all on {engine}"), tally, out);
    }
    tally_row("two at once", &score.mixtures, out);
    tally_row("damaged captures", &score.damaged, out);
}

fn tally_row(what: &str, tally: &Tally, out: &mut String) {
    let mut named: Vec<(&String, &usize)> =
        tally.named.iter().filter(|(id, _)| id.as_str() != what).collect();
    named.sort_by_key(|(id, n)| (std::cmp::Reverse(**n), id.as_str()));
    let named: Vec<String> = named.iter().take(6).map(|(id, n)| format!("{id} {n}")).collect();
    let _ = writeln!(
        out,
        "| {what} | {} | {} | {} | {} |",
        tally.n,
        share(tally.n_right, tally.n),
        named.join(", "),
        tally.n_wrong_layer,
    );
}

fn others(score: &Score, out: &mut String) {
    let _ = writeln!(out, "\n| clean server | runs | alarms |\n|---|---|---|");
    for (trap, (n, alarms)) in &score.clean {
        let _ = writeln!(out, "| {trap} | {n} | {alarms} |");
    }
    let claims: Vec<String> = score.alarms.iter().map(|(id, n)| format!("{id} {n}")).collect();
    if !claims.is_empty() {
        let _ = writeln!(out, "\nClaims on clean servers: {}.", claims.join(", "));
    }
}

/// A share in per cent with its counts.
fn share(part: usize, whole: usize) -> String {
    if whole == 0 {
        return "no cases".to_owned();
    }
    format!("{:.1} % ({part} of {whole})", 100.0 * part as f64 / whole as f64)
}
