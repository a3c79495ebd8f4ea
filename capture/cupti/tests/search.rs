//! The right libcupti is found wherever CUDA keeps it.

mod support;

use std::path::Path;

use support::touch;
use tempfile::TempDir;
use underspan_cupti::{Origin, Search};

/// Candidates as paths below `root`, with how they were found.
fn found(search: &Search, root: &Path) -> Vec<(String, Origin)> {
    let root = root.canonicalize().expect("a folder");
    search
        .candidates()
        .into_iter()
        .map(|candidate| {
            let path = candidate.path.strip_prefix(&root).expect("below the root").to_owned();
            (path.display().to_string(), candidate.origin)
        })
        .collect()
}

fn folder() -> (TempDir, std::path::PathBuf) {
    let dir = TempDir::new().expect("a folder");
    let root = dir.path().canonicalize().expect("a folder");
    (dir, root)
}

#[test]
fn wheels_of_cuda_12_keep_it_in_a_package_of_its_own() {
    let (_dir, root) = folder();
    let runtime = touch(&root, "nvidia/cuda_runtime/lib/libcudart.so.12");
    touch(&root, "nvidia/cuda_cupti/lib/libcupti.so.12");
    touch(&root, "nvidia/cuda_cupti/lib/libnvperf_host.so");
    let search = Search { runtime: Some(runtime), ..Search::default() };
    assert_eq!(
        found(&search, &root),
        [("nvidia/cuda_cupti/lib/libcupti.so.12".to_owned(), Origin::BesideRuntime)]
    );
}

#[test]
fn wheels_of_cuda_13_keep_all_libraries_together() {
    let (_dir, root) = folder();
    let runtime = touch(&root, "nvidia/cu13/lib/libcudart.so.13");
    touch(&root, "nvidia/cu13/lib/libcupti.so.13");
    let search = Search { runtime: Some(runtime), ..Search::default() };
    assert_eq!(
        found(&search, &root),
        [("nvidia/cu13/lib/libcupti.so.13".to_owned(), Origin::BesideRuntime)]
    );
}

#[test]
fn toolkits_keep_it_under_extras() {
    let (_dir, root) = folder();
    let runtime = touch(&root, "cuda-12.4/targets/x86_64-linux/lib/libcudart.so.12");
    touch(&root, "cuda-12.4/extras/CUPTI/lib64/libcupti.so.12");
    touch(&root, "cuda-11.8/extras/CUPTI/lib64/libcupti.so.11.8");
    let roots = [root.join("cuda-11.8"), root.join("cuda-12.4")];
    let search =
        Search { runtime: Some(runtime), toolkit_roots: roots.to_vec(), ..Search::default() };
    assert_eq!(
        found(&search, &root),
        [
            ("cuda-12.4/extras/CUPTI/lib64/libcupti.so.12".to_owned(), Origin::BesideRuntime),
            ("cuda-11.8/extras/CUPTI/lib64/libcupti.so.11.8".to_owned(), Origin::Toolkit),
        ]
    );
}

#[test]
fn the_release_of_the_process_comes_before_the_order_of_toolkits() {
    let (_dir, root) = folder();
    let runtime = touch(&root, "app/libcudart.so.12");
    touch(&root, "cuda-13.0/lib64/libcupti.so.13");
    touch(&root, "cuda-12.9/lib64/libcupti.so.12");
    let roots = [root.join("cuda-13.0"), root.join("cuda-12.9")];
    let search =
        Search { runtime: Some(runtime), toolkit_roots: roots.to_vec(), ..Search::default() };
    let paths: Vec<String> = found(&search, &root).into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["cuda-12.9/lib64/libcupti.so.12", "cuda-13.0/lib64/libcupti.so.13"]);
}

#[test]
fn what_the_driver_cannot_run_comes_last_unless_it_was_named() {
    let (_dir, root) = folder();
    let new = touch(&root, "cuda-13.0/lib64/libcupti.so.13");
    touch(&root, "cuda-12.9/lib64/libcupti.so.12");
    let roots = vec![root.join("cuda-13.0"), root.join("cuda-12.9")];
    let mut search = Search { toolkit_roots: roots, driver: Some(12_040), ..Search::default() };
    let first = |search: &Search| found(search, &root).remove(0);
    assert_eq!(first(&search).0, "cuda-12.9/lib64/libcupti.so.12");
    search.named = Some(new.into());
    assert_eq!(first(&search), ("cuda-13.0/lib64/libcupti.so.13".to_owned(), Origin::Environment));
    assert_eq!(found(&search, &root).len(), 2, "named and found in a toolkit is one library");
}

#[test]
fn a_named_folder_is_looked_into() {
    let (_dir, root) = folder();
    touch(&root, "mine/libcupti.so.12");
    touch(&root, "mine/libcupti.so.2025.1.0");
    let search = Search { named: Some(root.join("mine").into()), ..Search::default() };
    let paths: Vec<String> = found(&search, &root).into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["mine/libcupti.so.12", "mine/libcupti.so.2025.1.0"]);
}
