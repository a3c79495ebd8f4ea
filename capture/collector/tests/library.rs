//! The shared library as a file: what it exports and how large it is.

mod support;

use std::process::Command;

#[test]
fn only_the_entries_are_exported() {
    let library = support::built("libunderspan_collector.so");
    let Ok(output) = Command::new("nm").args(["-D", "--defined-only"]).arg(&library).output()
    else {
        println!("skipped: there is no nm");
        return;
    };
    assert!(output.status.success());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut names: Vec<_> = text.lines().filter_map(|line| line.split(' ').next_back()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "InitializeInjection",
            "InitializeInjectionNvtx2",
            "underspan_hook_abi_version",
            "underspan_members",
            "underspan_note",
            "underspan_request",
            "underspan_step_begin",
            "underspan_step_end",
        ]
    );
}
