//! Every constant, offset, length and signature of the minimal ABI against every toolkit's headers.

use cupti_conformance::{Toolkits, cache_dir, headers};

#[test]
fn minimal_abi_agrees_with_the_headers_of_every_toolkit() {
    let cache = cache_dir(env!("CARGO_TARGET_TMPDIR"));
    let toolkits = match Toolkits::installed(&cache).expect("install wheels") {
        Toolkits::Installed(toolkits) => toolkits,
        Toolkits::Unreachable(why) => {
            println!("skipped: CUPTI wheels cannot be installed: {why}");
            return;
        }
    };
    let work_dir = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("cupti-facts");
    std::fs::create_dir_all(&work_dir).expect("create work directory");
    let mut mismatches = Vec::new();
    for toolkit in &toolkits {
        let comparison = headers::compare(toolkit, &work_dir).expect("compile the facts");
        println!(
            "{}: {} facts, {} mismatches",
            toolkit.version,
            comparison.n_facts,
            comparison.mismatches.len()
        );
        for line in &comparison.news {
            println!("news: {line}");
        }
        assert!(comparison.n_facts > 300, "{}: hardly anything was compared", toolkit.version);
        mismatches.extend(comparison.mismatches);
    }
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
}
