//! Generates full bindings from installed CUPTI headers, with the feature `bindgen` only.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "bindgen")]
    generate::bindings();
}

#[cfg(feature = "bindgen")]
mod generate {
    use std::env;
    use std::path::{Path, PathBuf};

    /// Writes `bindings.rs` into the build's output directory.
    pub(super) fn bindings() {
        println!("cargo::rerun-if-env-changed=CUPTI_INCLUDE_DIR");
        println!("cargo::rerun-if-env-changed=CUDA_HOME");
        let include_dirs = include_dirs();
        let Some(header) = include_dirs.iter().map(|dir| dir.join("cupti.h")).find(|h| h.is_file())
        else {
            panic!(
                "feature `bindgen`: no cupti.h in {include_dirs:?}; set CUPTI_INCLUDE_DIR to the \
                 include directories of CUPTI and of the CUDA runtime, separated by ':', or \
                 CUDA_HOME to an installed toolkit"
            );
        };
        let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
        bindgen::Builder::default()
            .header(header.to_string_lossy())
            .clang_args(include_dirs.iter().map(|dir| format!("-I{}", dir.display())))
            .allowlist_function("cupti[A-Z].*")
            .allowlist_type("CU(pti|PTI).*")
            .allowlist_var("CUPTI_.*")
            // The driver writes these values: never a closed Rust enum.
            .default_enum_style(bindgen::EnumVariation::NewType {
                is_bitfield: false,
                is_global: false,
            })
            // Comments of the headers are not ours to redistribute, in documentation or elsewhere.
            .generate_comments(false)
            .layout_tests(false)
            .derive_debug(false)
            .generate()
            .unwrap_or_else(|error| panic!("feature `bindgen`: {}: {error}", header.display()))
            .write_to_file(out.join("bindings.rs"))
            .unwrap_or_else(|error| panic!("feature `bindgen`: {}: {error}", out.display()));
    }

    fn include_dirs() -> Vec<PathBuf> {
        if let Some(list) = env::var_os("CUPTI_INCLUDE_DIR") {
            return env::split_paths(&list).collect();
        }
        let home = env::var_os("CUDA_HOME")
            .map_or_else(|| PathBuf::from("/usr/local/cuda"), PathBuf::from);
        ["extras/CUPTI/include", "include", "targets/x86_64-linux/include"]
            .iter()
            .map(|dir| Path::new(&home).join(dir))
            .collect()
    }
}
