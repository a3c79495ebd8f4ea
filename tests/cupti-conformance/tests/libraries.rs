//! Calibration of the real libraries: the strides they answer are the lengths of the ledger.

use std::path::Path;
use std::process::Command;

use cupti_conformance::{Toolkits, cache_dir};
use cupti_sys::{ActivityKind, RECORDS, SYMBOLS, Toolkit, record_of};
use fake_cupti::script::SCRIPT_VARIABLE;
use fake_cupti::{Profile, Release};

/// Since this release libraries say nothing without a driver, and 13.2 crashes.
const SILENT_WITHOUT_DRIVER: Toolkit = Toolkit::new(13, 2);

fn toolkits() -> Toolkits {
    Toolkits::installed(&cache_dir(env!("CARGO_TARGET_TMPDIR"))).expect("install wheels")
}

/// Output of the inspector for one library, and whether it survived.
fn inspect(library: &Path) -> (Vec<String>, bool) {
    let output = Command::new(env!("CARGO_BIN_EXE_cupti-inspect"))
        .arg(library)
        .env(SCRIPT_VARIABLE, "driver absent")
        .output()
        .expect("run the inspector");
    let text = String::from_utf8(output.stdout).expect("inspector writes text");
    (text.lines().map(str::to_owned).collect(), output.status.success())
}

#[test]
fn calibrated_strides_are_the_lengths_of_the_ledger() {
    let toolkits = match toolkits() {
        Toolkits::Installed(toolkits) => toolkits,
        Toolkits::Unreachable(why) => {
            println!("skipped: CUPTI wheels cannot be installed: {why}");
            return;
        }
    };
    for toolkit in toolkits {
        let (lines, survived) = inspect(&toolkit.library);
        let strides: Vec<(u32, u16)> = lines
            .iter()
            .filter_map(|line| line.strip_prefix("stride ")?.split_once(' '))
            .map(|(kind, bytes)| (kind.parse().expect("kind"), bytes.parse().expect("bytes")))
            .collect();
        if toolkit.toolkit.at_least(SILENT_WITHOUT_DRIVER) && strides.is_empty() {
            let how = if survived { "answers nothing" } else { "crashes" };
            println!("{}: {how} without a driver", toolkit.version);
            continue;
        }
        assert!(survived, "{}: crashed", toolkit.version);
        assert!(strides.len() >= 30, "{}: {lines:?}", toolkit.version);
        let mut n_compared = 0;
        for record in RECORDS {
            for kind in record.kinds {
                let found = strides.iter().find(|(k, _)| *k == kind.0).map(|(_, bytes)| *bytes);
                let expected = record.size_in(toolkit.toolkit).map(|size| size.bytes);
                assert_eq!(found, expected, "{}: {kind}", toolkit.version);
                n_compared += 1;
            }
        }
        let newer: Vec<_> =
            strides.iter().filter(|(k, _)| *k > ActivityKind::GREEN_CONTEXT.0).collect();
        println!(
            "{}: {} kinds answer, {n_compared} compared, kinds beyond the ledger: {newer:?}",
            toolkit.version,
            strides.len()
        );
    }
}

#[test]
fn libraries_have_exactly_the_functions_of_their_release() {
    let toolkits = match toolkits() {
        Toolkits::Installed(toolkits) => toolkits,
        Toolkits::Unreachable(why) => {
            println!("skipped: CUPTI wheels cannot be installed: {why}");
            return;
        }
    };
    for toolkit in toolkits {
        let (lines, _) = inspect(&toolkit.library);
        for symbol in SYMBOLS {
            let expected =
                format!("symbol {} {}", symbol.name, toolkit.toolkit.at_least(symbol.since));
            assert!(lines.contains(&expected), "{}: not {expected:?}", toolkit.version);
        }
    }
}

#[test]
fn the_double_answers_like_the_library_it_plays_where_there_is_no_driver() {
    if Path::new("/proc/driver/nvidia").exists() {
        println!("skipped: this machine has a driver");
        return;
    }
    let toolkits = match toolkits() {
        Toolkits::Installed(toolkits) => toolkits,
        Toolkits::Unreachable(why) => {
            println!("skipped: CUPTI wheels cannot be installed: {why}");
            return;
        }
    };
    let dir = tempfile::TempDir::new().expect("a folder");
    for toolkit in toolkits.iter().filter(|toolkit| toolkit.compared) {
        let profile =
            Profile::of(toolkit.toolkit).expect("the double plays every compared release");
        let double = Release(profile).write(dir.path()).expect("a double");
        let ((real, real_survived), (played, played_survived)) =
            (inspect(&toolkit.library), inspect(&double));
        assert_eq!(real_survived, played_survived, "{}", toolkit.version);
        // Kinds that nobody reads are not played, all but a few.
        let comparable = |lines: Vec<String>| -> Vec<String> {
            lines.into_iter().filter(|line| !is_stride_of_unread_kind(line)).collect()
        };
        let (real, played) = (comparable(real), comparable(played));
        assert_eq!(real, played, "{}", toolkit.version);
        println!("{}: {} answers alike", toolkit.version, real.len());
    }
}

fn is_stride_of_unread_kind(line: &str) -> bool {
    line.strip_prefix("stride ")
        .and_then(|rest| rest.split(' ').next()?.parse().ok())
        .is_some_and(|kind| record_of(ActivityKind(kind)).is_none())
}
