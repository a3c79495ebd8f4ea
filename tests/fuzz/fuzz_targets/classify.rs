//! Kernel names: any bytes get an answer.

#![no_main]

use libfuzzer_sys::fuzz_target;
use underspan_classifier::{KernelQuery, classify};

fuzz_target!(|name: &[u8]| {
    let class = classify(&KernelQuery::named(name));
    assert!(!class.role.value.as_str().is_empty());
});
