//! The house is in order: floors, sizes, `unsafe`, names, manifests.

use underspan_tests::tidy::{
    LINE_LIMIT, LINE_WARNING, Manifest, Repository, crate_doc, forbidden_in_tests, machine_paths,
    misnamed_file, misplaced_dependencies, root, too_long, unsafe_code, untidy_manifest,
};

fn repository() -> Repository {
    let repository = Repository::read(&root()).expect("the repository can be read");
    assert!(repository.rust_files().count() > 50, "the whole repository is looked at");
    repository
}

#[track_caller]
fn nothing(problems: Vec<String>) {
    assert!(problems.is_empty(), "{} problem(s):\n{}", problems.len(), problems.join("\n"));
}

fn manifests(repository: &Repository) -> Vec<Manifest> {
    let manifests: Vec<_> = repository
        .manifests()
        .map(|(path, text)| {
            let manifest = Manifest::parse(text).unwrap_or_else(|error| panic!("{path}: {error}"));
            manifest.unwrap_or_else(|| panic!("{path}: the manifest of no crate"))
        })
        .collect();
    assert!(manifests.len() > 8, "every crate is looked at");
    manifests
}

#[test]
fn crates_depend_on_lower_floors_only() {
    nothing(manifests(&repository()).iter().flat_map(misplaced_dependencies).collect());
}

#[test]
fn manifests_say_what_they_must_and_no_versions() {
    nothing(manifests(&repository()).iter().flat_map(untidy_manifest).collect());
}

#[test]
fn files_are_short_enough_to_read() {
    let repository = repository();
    for (path, text) in repository.rust_files() {
        if let Some(warning) = too_long(path, text, LINE_WARNING) {
            println!("warning: {warning}; split it before it reaches {LINE_LIMIT}");
        }
    }
    let long = repository.rust_files().filter_map(|(path, text)| too_long(path, text, LINE_LIMIT));
    nothing(long.collect());
}

#[test]
fn unsafe_code_is_where_the_design_allows_it() {
    nothing(repository().rust_files().flat_map(|(path, text)| unsafe_code(path, text)).collect());
}

#[test]
fn every_crate_says_what_it_is() {
    let repository = repository();
    let roots = repository
        .rust_files()
        .filter(|(path, _)| path.ends_with("/src/lib.rs") || path.ends_with("/src/main.rs"));
    nothing(roots.filter_map(|(path, text)| crate_doc(path, text)).collect());
}

#[test]
fn every_test_runs_and_says_something() {
    let found =
        repository().rust_files().flat_map(|(path, text)| forbidden_in_tests(path, text)).collect();
    nothing(found);
}

#[test]
fn no_file_names_a_machine() {
    let repository = repository();
    let found = repository.files.iter().flat_map(|(path, text)| machine_paths(path, text));
    nothing(found.collect());
}

#[test]
fn files_are_named_for_what_they_hold() {
    nothing(repository().rust_files().filter_map(|(path, _)| misnamed_file(path)).collect());
}

#[test]
fn the_pages_a_reader_looks_for_are_there() {
    let repository = repository();
    let pages = [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        ".ci/run",
    ];
    nothing(pages.iter().filter(|page| !repository.has(page)).map(|p| (*p).to_owned()).collect());
}
