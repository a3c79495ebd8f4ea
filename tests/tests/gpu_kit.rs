//! The GPU acceptance kit's own tests. Its cases run on the driver double in
//! `analyze/cli/tests/gpu_kit.rs`.

use std::path::Path;

use underspan_tests::python::unittests;

#[test]
fn the_kit_passes_its_tests() {
    unittests(&Path::new(env!("CARGO_MANIFEST_DIR")).join("gpu"), "test_kit");
}
