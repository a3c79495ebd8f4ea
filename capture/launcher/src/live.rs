//! Where running recorders write, for whoever wants to watch.

use std::path::{Path, PathBuf};

use crate::attach::below;
use crate::{Fleet, LaunchError, Status, status};

/// The files of collectors that record now, ring folders for those that keep the last seconds:
/// of the process with the id `target` and all below it, or of the collector that listens on the
/// socket `target`.
///
/// # Errors
/// When there is no such collector, or none of them records.
pub fn live_files(target: &str) -> Result<Vec<PathBuf>, LaunchError> {
    let collectors: Vec<Status> = match target.parse() {
        Ok(pid) => of_process(pid)?,
        Err(_) => {
            let refused = |source| LaunchError::Collector { target: target.to_owned(), source };
            vec![status(Path::new(target)).map_err(refused)?]
        }
    };
    let recording = collectors.iter().filter(|status| status.is_armed);
    let files: Vec<PathBuf> =
        recording.map(|status| status.output.clone()).filter(|output| output.exists()).collect();
    if files.is_empty() {
        let modes: Vec<&str> = collectors.iter().map(|status| status.mode.as_str()).collect();
        let state = modes.join(", ");
        return Err(LaunchError::NothingRecorded { target: target.to_owned(), state });
    }
    Ok(files)
}

fn of_process(pid: u32) -> Result<Vec<Status>, LaunchError> {
    let found = below(pid);
    if found.is_empty() {
        return Err(LaunchError::NoCollectorInside { pid });
    }
    let pids: Vec<u32> = found.iter().map(|process| process.pid).collect();
    let sockets = found.into_iter().map(|process| (process.pid, process.socket));
    let mut fleet = Fleet::of(sockets.collect());
    fleet.refresh();
    Ok(pids.iter().filter_map(|pid| fleet.status_of(*pid).cloned()).collect())
}
