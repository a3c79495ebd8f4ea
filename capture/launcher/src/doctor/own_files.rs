//! The collector's library and the Python hook.

use super::{Check, Health};
use crate::find_collector;

/// Whether the collector is there.
pub(super) fn check(checks: &mut Vec<Check>) -> bool {
    const ID: &str = "collector";
    match find_collector() {
        Ok(path) => {
            checks.push(Check::good(ID, format!("{}", path.display())));
            true
        }
        Err(error) => {
            let fix = "keep libunderspan_collector.so beside the program, or in ../lib/underspan";
            checks.push(Check::other(ID, Health::Bad, error.to_string(), fix));
            false
        }
    }
}
