//! Loads one libcupti and prints what it says about itself, one fact a line.
//!
//! A process of its own, because some releases crash when there is no driver.
#![expect(clippy::print_stdout, reason = "a program whose output is read by a test")]
#![expect(unsafe_code, reason = "loads a library given on the command line")]

use std::path::PathBuf;

use anyhow::{Context, Result};
use cupti_sys::{ActivityKind, SYMBOLS};
use underspan_cupti::{
    Api, Backend, BufferGrant, BufferSink, CallbackSink, CompletedBuffer, Error, Flush, Inspection,
    Library, Origin, ResourceEvent, Strides, Subscription, V1,
};

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
        Err(error) => tell("calibrate", Err(error)),
    }
    tell("version", inspection.version.map(|version| version.to_string()));
    tell("timestamp", inspection.timestamp_ns.map(|_| String::new()));
    // What a collector does when it arms, on a machine that has no driver.
    tell("subscribe", Subscription::hold::<Deaf>(&api).map(|_| String::new()));
    let backend = V1::new::<NoBuffers>(&api, &Strides::from_pairs([]));
    tell("register", backend.register().map(|()| String::new()));
    tell("enable", backend.enable(ActivityKind::MEMSET, false).map(|()| String::new()));
    tell("flush", backend.flush(Flush::Complete).map(|()| String::new()));
    Ok(())
}

/// Prints an answer, or the result code that came instead.
fn tell(what: &str, answer: Result<String, Error>) {
    match answer {
        Ok(answer) => println!("{}", format!("{what} ok {answer}").trim_end()),
        Err(error) => println!("{what} failed {}", error.result().map_or(0, |result| result.0)),
    }
}

/// Hears nothing.
#[derive(Debug)]
struct Deaf;

impl CallbackSink for Deaf {
    fn resource(_event: ResourceEvent<'_>) {}
}

/// Has no buffers.
#[derive(Debug)]
struct NoBuffers;

impl BufferSink for NoBuffers {
    fn requested() -> Option<BufferGrant> {
        None
    }

    fn completed(_buffer: CompletedBuffer) {}
}
