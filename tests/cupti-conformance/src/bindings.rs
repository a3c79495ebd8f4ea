//! Generates full bindings from every toolkit's headers with `bindgen`, and compares them with the
//! minimal ABI: the long way round, for developers.
#![expect(clippy::print_stdout, reason = "a program that reports to its user")]

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use cupti_conformance::{InstalledToolkit, Toolkits, cache_dir, libclang};
use cupti_sys::CUDA_12_0;

fn main() -> Result<()> {
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let cache = cache_dir(&target.join("tmp").to_string_lossy());
    let toolkits = match Toolkits::installed(&cache)? {
        Toolkits::Installed(toolkits) => toolkits,
        Toolkits::Unreachable(why) => {
            println!("skipped: CUPTI wheels cannot be installed: {why}");
            return Ok(());
        }
    };
    let libclang = libclang(&cache)?;
    // The comparison names record structures that 11.8 does not have.
    for toolkit in toolkits.iter().filter(|toolkit| toolkit.toolkit.at_least(CUDA_12_0)) {
        compare(toolkit, &libclang, &target.join("bindgen"))?;
        println!("{}: generated bindings agree with the minimal ABI", toolkit.version);
    }
    Ok(())
}

fn compare(toolkit: &InstalledToolkit, libclang: &Path, target: &Path) -> Result<()> {
    let mut include_dirs = toolkit.include_dirs.clone();
    include_dirs.push(compiler_headers()?);
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["test", "--quiet", "-p", "cupti-sys", "--features", "bindgen", "--test", "bindings"])
        .arg("--target-dir")
        .arg(target)
        .env("LIBCLANG_PATH", libclang)
        .env("CUPTI_INCLUDE_DIR", env::join_paths(include_dirs)?)
        .output()
        .context("cargo")?;
    ensure!(
        output.status.success(),
        "{}:\n{}{}",
        toolkit.version,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// `stddef.h` and its like: the libclang wheel has none of its own.
fn compiler_headers() -> Result<PathBuf> {
    let output = Command::new("cc").arg("-print-file-name=include").output().context("cc")?;
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}
