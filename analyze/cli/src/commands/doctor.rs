//! `underspan doctor`.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use underspan_launcher::{Examination, Health};

use crate::args::DoctorArgs;
use crate::exit::Outcome;
use crate::terminal;

pub(super) fn run(args: &DoctorArgs) -> Result<Outcome> {
    if let Some(what) = &args.probe {
        let Some(answer) = underspan_launcher::probe(what) else {
            bail!("nothing to probe: {what:?}")
        };
        terminal::write_data(&format!("{answer}\n"), None)?;
        return Ok(Outcome::Done);
    }
    let program = std::env::current_exe().context("cannot find this program")?;
    let examination = underspan_launcher::examine(&program, Path::new("."));
    let text = if args.json {
        serde_json::to_string_pretty(&examination)? + "\n"
    } else {
        page(&examination)
    };
    terminal::write_data(&text, None)?;
    Ok(Outcome::Done)
}

/// The page for a person.
fn page(examination: &Examination) -> String {
    let mut page = String::new();
    let yes_no = |yes| if yes { "yes" } else { "no" };
    let _ = writeln!(
        page,
        "GPU work can be recorded here             {}",
        yes_no(examination.records_gpu_work)
    );
    let _ = writeln!(
        page,
        "requests and engine steps can be recorded {}\n",
        yes_no(examination.records_requests)
    );
    let width = examination.checks.iter().map(|check| check.id.len()).max().unwrap_or(0);
    for check in &examination.checks {
        let mark = match check.health {
            Health::Good => "ok     ",
            Health::Absent => "absent ",
            Health::Limited => "limited",
            Health::Bad => "bad    ",
        };
        let _ = writeln!(page, "{mark}  {:width$}  {}", check.id, check.found);
        if let Some(fix) = &check.fix {
            let _ = writeln!(page, "{:7}  {:width$}    → {fix}", "", "");
        }
    }
    page
}
