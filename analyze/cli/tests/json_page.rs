//! `docs/json.md` names every key that scripts get.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sample(name: &str) -> String {
    root().join("sample-traces").join(name).display().to_string()
}

/// The first JSON value that a command prints.
fn printed(args: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_underspan")).args(args).output();
    let output = output.expect("the command starts");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let mut values = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    values.next().expect("a value").expect("JSON")
}

/// Keys of an object and, where `below` asks, of the objects in its lists.
fn keys(value: &Value, below: bool, found: &mut Vec<String>) {
    let objects: Vec<&Value> = match value {
        Value::Array(list) => list.iter().collect(),
        other => vec![other],
    };
    for (key, value) in objects.into_iter().filter_map(Value::as_object).flatten() {
        found.push(key.clone());
        if below && value.is_array() {
            keys(value, false, found);
        }
    }
}

#[test]
fn every_key_is_on_the_page() {
    let page = std::fs::read_to_string(root().join("docs/json.md")).expect("the page");
    let (slow, healthy) = (sample("d02-batch-delay"), sample("healthy-triton"));
    let commands: [(&[&str], bool); 6] = [
        (&["analyze", &slow, "--gpu-price", "2/h", "--slo", "e2e=5s", "--format", "json"], true),
        (&["explain", &healthy, "--slowest", "1", "--format", "json"], true),
        (&["export", &healthy, "--to", "json", "--what", "members"], true),
        (&["info", &healthy, "--format", "json"], false),
        (&["classify", "ampere_sgemm_128x64_tn", "--format", "json"], false),
        (&["diff", &healthy, &healthy, "--format", "json"], false),
    ];
    let mut missing = Vec::new();
    for (args, below) in commands {
        let mut found = Vec::new();
        keys(&printed(args), below, &mut found);
        assert!(found.len() > 1, "{args:?} printed an object");
        found.retain(|key| !page.contains(&format!("`{key}`")));
        missing.extend(found.into_iter().map(|key| format!("{}: {key}", args[0])));
    }
    missing.dedup();
    assert!(missing.is_empty(), "{missing:#?}");
}
