//! `underspan completions`.

use anyhow::Result;
use clap::CommandFactory;

use crate::args::{Args, CompletionsArgs};
use crate::exit::Outcome;
use crate::terminal;

pub(super) fn run(args: &CompletionsArgs) -> Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "underspan", &mut script);
    terminal::write_data(&String::from_utf8_lossy(&script), None)?;
    Ok(Outcome::Done)
}
