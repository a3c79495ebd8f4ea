//! Room for captures, and how fast it takes them.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Check, Health};

/// Written to find out how fast the disk is.
const TRIAL_BYTES: usize = 32 << 20;
/// A busy server makes some ten megabytes a second.
const LEAST_RATE: f64 = 50e6;
/// Below it a recording of minutes does not fit.
const LEAST_ROOM: u64 = 2 << 30;

/// Whether captures can be written to `folder`.
pub(super) fn check(folder: &Path, checks: &mut Vec<Check>) -> bool {
    const ID: &str = "disk";
    let rate = match trial(folder) {
        Ok(time) => TRIAL_BYTES as f64 / time.as_secs_f64().max(1e-6),
        Err(error) => {
            checks.push(Check::other(
                ID,
                Health::Bad,
                format!("{}: {error}", folder.display()),
                "write captures elsewhere: underspan record -o /path/with/room/cap.uspan",
            ));
            return false;
        }
    };
    let room = rustix::fs::statvfs(folder).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    let room = room.unwrap_or(u64::MAX);
    let found = format!(
        "{}: {:.1} GiB free, takes {:.0} MB/s",
        folder.display(),
        room as f64 / f64::from(1 << 30),
        rate / 1e6
    );
    let fix = if room < LEAST_ROOM {
        "make room, or bound recordings with --max-size"
    } else if rate < LEAST_RATE {
        "write captures to a local disk: a slow one loses records under load"
    } else {
        checks.push(Check::good(ID, found));
        return true;
    };
    checks.push(Check::other(ID, Health::Limited, found, fix));
    true
}

/// Writes something, waits until it is on the disk and removes it.
fn trial(folder: &Path) -> std::io::Result<Duration> {
    let path = folder.join(format!(".underspan-doctor-{}", std::process::id()));
    let block = vec![0x5a; 1 << 20];
    let began = Instant::now();
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        for _ in 0..TRIAL_BYTES >> 20 {
            file.write_all(&block)?;
        }
        file.sync_data()
    };
    let written = write();
    let took = began.elapsed();
    let removed = std::fs::remove_file(&path);
    written.and(removed).map(|()| took)
}
