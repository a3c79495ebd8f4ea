//! What NVML tells of the GPUs.

use std::path::Path;

use serde_json::Value;

use super::child::{Answer, ask};
use super::{Check, Health};

/// The GPUs as a child was told of them; `None` when it was not.
pub(super) fn check(program: &Path, checks: &mut Vec<Check>) -> Option<Vec<Value>> {
    const ID: &str = "nvml";
    let missing = |found: String| {
        Check::other(
            ID,
            Health::Absent,
            format!("no clocks, power and throttle reasons: {found}"),
            "libnvidia-ml.so.1 comes with the driver; in a container, allow the capability \
             `utility` (NVIDIA_DRIVER_CAPABILITIES=compute,utility)",
        )
    };
    let answer = match ask(program, "nvml") {
        Answer::Told(answer) => answer,
        Answer::Silent(reason) => {
            checks.push(missing(format!("NVML {reason}")));
            return None;
        }
    };
    let Some(cards) = answer.get("cards").and_then(Value::as_array) else {
        let reason = answer.get("error").and_then(Value::as_str).unwrap_or("no answer");
        checks.push(missing(reason.to_owned()));
        return None;
    };
    for card in cards {
        let name = card.get("name").and_then(Value::as_str).unwrap_or("a GPU");
        let index = card.get("index").and_then(Value::as_u64).unwrap_or_default();
        let lacking: Vec<_> = card
            .get("missing")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let capability = card.get("compute_capability").and_then(Value::as_u64).unwrap_or(0);
        let found = format!(
            "GPU {index}: {name}, compute capability {}.{}",
            capability / 10,
            capability % 10
        );
        checks.push(if lacking.is_empty() {
            Check::good(ID, found)
        } else {
            Check::other(
                ID,
                Health::Limited,
                format!("{found}; not told: {}", lacking.join(", ")),
                "findings about clocks and power will say that their evidence is missing",
            )
        });
        // From Volta on; before, graph and concurrent kernel tracing are not dependable.
        if (1..70).contains(&capability) {
            checks.push(Check::other(
                "architecture",
                Health::Limited,
                format!("GPU {index} is older than Volta"),
                "newer toolkits (13.0 and later) do not know it; use a CUDA 12 libcupti",
            ));
        }
    }
    Some(cards.clone())
}
