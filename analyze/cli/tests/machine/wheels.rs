//! `underspan doctor` with every release of the real libcupti, those included that crash or refuse
//! every call where there is no driver.

use std::path::Path;

use cupti_conformance::{InstalledToolkit, Toolkits, cache_dir};
use cupti_sys::Toolkit;
use serde_json::Value;

use crate::doctor::{checks, doctor, of};

/// Without a driver these answer nothing, and 13.2 crashes.
const SILENT_FROM: Toolkit = Toolkit::new(13, 2);

#[expect(clippy::print_stdout, reason = "a test that skips says so")]
fn toolkits() -> Vec<InstalledToolkit> {
    match Toolkits::installed(&cache_dir(env!("CARGO_TARGET_TMPDIR"))).expect("install wheels") {
        Toolkits::Installed(toolkits) => toolkits,
        Toolkits::Unreachable(why) => {
            println!("skipped: CUPTI wheels cannot be installed: {why}");
            Vec::new()
        }
    }
}

/// What the doctor says of one library.
fn said_of<'a>(checks: &'a [Value], library: &Path) -> &'a Value {
    let name = library.to_str().expect("text");
    let found = of(checks, "cupti");
    let found = found.into_iter().find(|c| c["found"].as_str().is_some_and(|t| t.contains(name)));
    found.unwrap_or_else(|| panic!("{name} in {checks:?}"))
}

#[test]
fn every_real_libcupti_gets_a_useful_line_and_none_ends_the_doctor() {
    let folder = tempfile::tempdir().expect("a folder");
    let has_driver = Path::new("/proc/driver/nvidia").exists();
    for toolkit in toolkits() {
        let path = toolkit.library.to_str().expect("text");
        let found = checks(folder.path(), &[("UNDERSPAN_CUPTI", path)]);
        let check = said_of(&found, &toolkit.library);
        let text = check["found"].as_str().expect("text");
        let is_silent = toolkit.toolkit.at_least(SILENT_FROM);
        match (has_driver, is_silent) {
            // With a driver it depends on the driver's age.
            (true, _) => {}
            (false, false) => assert_eq!(check["health"], "good", "{}: {check}", toolkit.version),
            (false, true) => {
                assert_eq!(check["health"], "absent", "{}: {check}", toolkit.version);
                assert!(check["fix"].is_string(), "{check}");
                let crashes = toolkit.toolkit == SILENT_FROM;
                let word = if crashes { "crashes" } else { "with a driver only" };
                assert!(text.contains(word), "{}: {text}", toolkit.version);
            }
        }
    }
}

#[test]
fn all_of_them_in_one_environment_make_one_page() {
    let toolkits = toolkits();
    if toolkits.is_empty() {
        return;
    }
    // As a Python environment with several of NVIDIA's packages in it.
    let folder = tempfile::tempdir().expect("a folder");
    let packages = folder.path().join("venv/lib/python3.11/site-packages/nvidia");
    let link = |toolkit: &InstalledToolkit| {
        let lib = packages.join(&toolkit.version).join("lib");
        std::fs::create_dir_all(&lib).expect("a folder");
        let link = lib.join(toolkit.library.file_name().expect("a name"));
        std::os::unix::fs::symlink(&toolkit.library, &link).expect("a link");
        link
    };
    let links: Vec<_> = toolkits.iter().map(link).collect();
    let venv = folder.path().join("venv");
    let variables = [("VIRTUAL_ENV", venv.to_str().expect("text"))];
    let (code, page) = doctor(folder.path(), &[], &variables);
    assert_eq!(code, 0, "{page}");
    for link in &links {
        assert!(page.contains(link.to_str().expect("text")), "{}: {page}", link.display());
    }
    for word in ["driver", "collector", "clock", "disk"] {
        assert!(page.contains(word), "{word}: {page}");
    }
}
