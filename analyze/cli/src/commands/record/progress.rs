//! One line on a terminal that says how far a recording is.

use std::io::{self, IsTerminal, Write};

use underspan_launcher::Totals;
use underspan_model::Bytes;

/// The line. It is written over itself, and not at all when standard error is no terminal.
#[derive(Debug)]
pub(crate) struct ProgressLine {
    is_terminal: bool,
    is_shown: bool,
}

impl ProgressLine {
    pub(crate) fn new() -> Self {
        Self { is_terminal: io::stderr().is_terminal(), is_shown: false }
    }

    /// Shows how far it is.
    pub(crate) fn show(&mut self, totals: &Totals) {
        if self.is_terminal {
            let _ = write!(io::stderr(), "\r\x1b[K{}", text(totals));
            self.is_shown = true;
        }
    }

    /// Removes the line, so that others can be written.
    pub(crate) fn clear(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn text(totals: &Totals) -> String {
    let seconds = totals.elapsed.as_secs_f64();
    let cost = 100.0 * totals.cost.as_secs_f64() / seconds.max(1e-3);
    let processes = if totals.n_processes == 1 { "process" } else { "processes" };
    format!(
        "underspan: {} of {} {processes} recording · {} rows · {} · {} lost · {cost:.1} % of a core · {seconds:.0} s",
        totals.n_armed,
        totals.n_processes,
        totals.n_rows,
        Bytes::new(totals.bytes_written),
        totals.n_lost,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_line_says_what_was_recorded_and_what_it_cost() {
        let totals = Totals {
            elapsed: Duration::from_secs(10),
            n_processes: 3,
            n_armed: 2,
            n_rows: 1_200_000,
            bytes_written: 8 << 20,
            n_lost: 0,
            cost: Duration::from_millis(80),
        };
        assert_eq!(
            text(&totals),
            "underspan: 2 of 3 processes recording · 1200000 rows · 8.00 MiB · 0 lost · 0.8 % of a core · 10 s"
        );
    }
}
