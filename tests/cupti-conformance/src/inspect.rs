//! Loads one libcupti and prints what it says about itself, one fact a line.
//!
//! A process of its own, because some releases crash when there is no driver.
#![expect(clippy::print_stdout, reason = "a program whose output is read by a test")]
#![expect(unsafe_code, reason = "loads a library given on the command line")]

use std::path::PathBuf;

use anyhow::{Context, Result};
use cupti_sys::SYMBOLS;
use underspan_cupti::{Api, Inspection, Library, Origin};

fn main() -> Result<()> {
    let path = PathBuf::from(std::env::args_os().nth(1).context("usage: cupti-inspect LIBRARY")?);
    // SAFETY: the caller names a libcupti to load; nothing else runs in this process.
    let library = unsafe { Library::open(&path, Origin::Environment) }?;
    // SAFETY: as above.
    let api = unsafe { Api::new(library) };
    let missing: Vec<_> = api.functions().missing().collect();
    for symbol in SYMBOLS {
        println!("symbol {} {}", symbol.name, !missing.contains(&symbol.name));
    }
    let inspection = Inspection::of(&api);
    match inspection.strides {
        Ok(strides) => strides.iter().for_each(|(kind, n)| println!("stride {} {n}", kind.0)),
        Err(error) => println!("uncalibrated {error}"),
    }
    match inspection.version {
        Ok(version) => println!("version {version}"),
        Err(error) => println!("no-version {error}"),
    }
    Ok(())
}
