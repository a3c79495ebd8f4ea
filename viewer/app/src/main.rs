//! The desktop viewer: a window around `underspan-viewer-core`.

mod args;
mod crash;
mod follow;
mod render;
mod settings;
mod window;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match &args.command {
        Some(Command::Render(args)) => render::run(args),
        None => {
            crash::report_panics();
            window::run(&args.view)
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crash::complain(&format!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}
