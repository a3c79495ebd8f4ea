//! The driver, and whether its devices may be opened.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::path::Path;

use super::child::entries;
use super::{Check, Health};

const VERSION_FILE: &str = "/proc/driver/nvidia/version";
/// The kernel's word for the module, loaded or not.
const MODULE: &str = "/sys/module/nvidia";

/// Whether CUDA can work here.
pub(super) fn check(checks: &mut Vec<Check>) -> bool {
    const ID: &str = "driver";
    let mut text = String::new();
    let read = File::open(VERSION_FILE).and_then(|file| file.take(4096).read_to_string(&mut text));
    // The windows subsystem for Linux has a driver without a module.
    let is_wsl = Path::new("/dev/dxg").exists();
    if read.is_err() && !is_wsl {
        let (found, fix) = if Path::new(MODULE).exists() {
            ("the module is loaded, and says nothing of itself", "look into dmesg for NVRM lines")
        } else {
            (
                "no NVIDIA driver: GPU work cannot be recorded here",
                "on a GPU machine, install the driver; in a container, start it with --gpus all \
                 or the NVIDIA runtime; without a GPU, `underspan demo` and all analysis work",
            )
        };
        checks.push(Check::other(ID, Health::Absent, found, fix));
        return false;
    }
    let version = version_in(&text).unwrap_or(if is_wsl { "of Windows" } else { "unknown" });
    let devices = entries(Path::new("/dev"), |name| {
        name == "nvidiactl"
            || name == "dxg"
            || name.strip_prefix("nvidia").is_some_and(|n| n.parse::<u32>().is_ok())
    });
    let refused = devices.iter().find_map(|path| {
        OpenOptions::new().read(true).write(true).open(path).err().map(|e| (path, e))
    });
    match refused {
        _ if devices.is_empty() => checks.push(Check::other(
            ID,
            Health::Bad,
            format!("driver {version}, and no device in /dev"),
            "in a container, pass the devices in (--gpus all); else run nvidia-modprobe",
        )),
        Some((path, error)) => checks.push(Check::other(
            ID,
            Health::Bad,
            format!("driver {version}; {}: {error}", path.display()),
            "give the server's user access to the device (group video or render)",
        )),
        None => {
            checks.push(Check::good(ID, format!("driver {version}")));
            return true;
        }
    }
    false
}

/// The number in `NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue …`.
fn version_in(text: &str) -> Option<&str> {
    text.lines().next()?.split_whitespace().find(|word| {
        word.contains('.') && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_either_wording() {
        for (text, version) in [
            ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5", "550.54.15"),
            (
                "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  575.57.08  Release Build",
                "575.57.08",
            ),
        ] {
            assert_eq!(version_in(text), Some(version));
        }
        assert_eq!(version_in(""), None);
    }
}
