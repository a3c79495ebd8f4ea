//! Asks the built `underspan` binary about a case, as an operator would: a black box that reads
//! files and prints JSON.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

/// What the binary answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// An analysis.
    Verdict(Verdict),
    /// It refused the input, with this line.
    Refused(String),
    /// It failed in another way: a crash, no JSON, fields missing.
    Failed(String),
}

/// The part of the analysis that is judged.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Verdict {
    /// model, runtime, hardware, outside, mixed, inconclusive or none.
    pub verdict: String,
    /// Id of the detector whose cause is the largest.
    pub top_cause: Option<String>,
    /// Every cause that is claimed, with the ms of p95 and the confidence.
    pub causes: Vec<Cause>,
    /// p50, p95 and p99 of the outermost span, ms.
    pub percentiles_ms: [Option<f64>; 3],
    /// What p95 would be without the cause, ms, and its interval.
    pub counterfactual_ms: Option<f64>,
    /// Bounds of the counterfactual, ms.
    pub interval_ms: Option<(f64, f64)>,
    /// Why nothing is concluded.
    pub reasons: Vec<String>,
}

/// One cause that is claimed.
#[derive(Debug, Clone, PartialEq)]
pub struct Cause {
    /// Id of the detector.
    pub id: String,
    /// Effect on p95, ms.
    pub ms_p95: f64,
    /// Confidence, as printed.
    pub confidence: String,
}

/// Runs `underspan analyze` over the case in `folder`; it finds the `baseline` inside, if any.
///
/// # Errors
/// When the binary cannot be started.
pub fn ask(binary: &Path, folder: &Path) -> Result<Answer> {
    let mut command = Command::new(binary);
    command.arg("analyze").arg(folder).args(["--format", "json", "--threads", "1"]);
    let output = command.output().with_context(|| format!("cannot start {}", binary.display()))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    let first_line = complaint.lines().next().unwrap_or_default().to_owned();
    Ok(match output.status.code() {
        Some(0 | 1) => match serde_json::from_slice::<Value>(&output.stdout) {
            Ok(document) => read(&document),
            Err(error) => Answer::Failed(format!("no JSON: {error}")),
        },
        Some(2) => Answer::Refused(first_line),
        code => Answer::Failed(format!("exit {code:?}: {first_line}")),
    })
}

fn read(document: &Value) -> Answer {
    let Some(verdict) = document["verdict"].as_str() else {
        return Answer::Failed("the document has no verdict".to_owned());
    };
    let causes = document["causes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let counterfactual = &document["counterfactual_p95_ms"];
    let reasons = document["reasons"].as_array().map(Vec::as_slice).unwrap_or_default();
    Answer::Verdict(Verdict {
        verdict: verdict.to_owned(),
        top_cause: document["top_cause"].as_str().map(str::to_owned),
        causes: causes.iter().map(cause).collect(),
        percentiles_ms: ["p50_ms", "p95_ms", "p99_ms"].map(|key| document[key].as_f64()),
        counterfactual_ms: counterfactual.as_f64(),
        interval_ms: interval(document),
        reasons: reasons.iter().map(text).collect(),
    })
}

fn interval(document: &Value) -> Option<(f64, f64)> {
    let bounds = document["counterfactual_p95_interval_ms"].as_array()?;
    Some((bounds.first()?.as_f64()?, bounds.get(1)?.as_f64()?))
}

fn cause(value: &Value) -> Cause {
    Cause {
        id: value["id"].as_str().unwrap_or_default().to_owned(),
        ms_p95: value["ms_p95"].as_f64().unwrap_or(0.0),
        confidence: text(&value["confidence"]),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_analysis_is_read_and_its_absence_is_a_failure() {
        let document = json!({"verdict": "runtime", "top_cause": "D2", "p95_ms": 9.5,
            "causes": [{"id": "D2", "ms_p95": 5.0, "share": 0.7, "confidence": "high"}],
            "counterfactual_p95_ms": 4.5, "counterfactual_p95_interval_ms": [4.0, 5.0]});
        let Answer::Verdict(verdict) = read(&document) else { panic!("no verdict") };
        assert_eq!(verdict.top_cause.as_deref(), Some("D2"));
        assert_eq!(verdict.causes[0].ms_p95, 5.0);
        assert_eq!(verdict.percentiles_ms, [None, Some(9.5), None]);
        assert_eq!(verdict.interval_ms, Some((4.0, 5.0)));
        assert!(matches!(read(&json!({"kernels": 3})), Answer::Failed(_)));
    }
}
