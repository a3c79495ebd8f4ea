//! The double serves any host: here a C program that knows nothing but its exported functions.

use std::path::{Path, PathBuf};
use std::process::Command;

use cupti_sys::{CUDA_12_4, CUDA_13_5, Toolkit};
use fake_cupti::script::{PROFILE_VARIABLE, SCRIPT_VARIABLE};
use fake_cupti::{Profile, Release, built_library};
use tempfile::TempDir;

/// Loads the library given, arms it, has it record five kernels, and tells what came back.
const PROGRAM: &str = r#"
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint64_t memory[1 << 16];
static size_t n_valid;

static void requested(uint8_t **buffer, size_t *size, size_t *max_records) {
  *buffer = (uint8_t *)memory;
  *size = sizeof memory;
  *max_records = 0;
}

static void completed(void *context, uint32_t stream, uint8_t *buffer, size_t size, size_t valid) {
  n_valid += valid;
}

int main(int argc, char **argv) {
  void *library = dlopen(argv[1], RTLD_NOW);
  if (!library) return puts(dlerror()), 1;
  int (*version)(uint32_t *) = dlsym(library, "cuptiGetVersion");
  int (*enable)(uint32_t) = dlsym(library, "cuptiActivityEnable");
  int (*callbacks)(void *, void *) = dlsym(library, "cuptiActivityRegisterCallbacks");
  int (*flush)(uint32_t) = dlsym(library, "cuptiActivityFlushAll");
  int (*emit)(const void *, size_t) = dlsym(library, "fake_cupti_emit");
  uint32_t number = 0;
  version(&number);
  printf("version %u\n", number);
  printf("new function %s\n", dlsym(library, "cuptiGetTimestamp_v2") ? "yes" : "no");
  callbacks(requested, completed);
  printf("enable %d\n", enable(10));
  printf("enable %d\n", enable(10));
  uint8_t record[512] = {0};
  record[0] = 10;
  for (int i = 0; i < 5; i++) emit(record, sizeof record);
  flush(0);
  printf("valid %zu\n", n_valid);
  return 0;
}
"#;

fn program(dir: &Path) -> PathBuf {
    let (source, program) = (dir.join("host.c"), dir.join("host"));
    std::fs::write(&source, PROGRAM).expect("write the program");
    let compiled = Command::new("cc")
        .arg("-w")
        .arg(&source)
        .arg("-o")
        .arg(&program)
        .arg("-ldl")
        .status()
        .expect("run cc");
    assert!(compiled.success());
    program
}

#[test]
fn a_c_program_can_use_the_library_of_each_release() {
    let dir = TempDir::new().expect("a folder");
    let host = program(dir.path());
    for (toolkit, expected) in [
        (Toolkit::new(11, 8), "version 18\nnew function no\nenable 0\nenable 0\nvalid 1000\n"),
        (CUDA_12_4, "version 22\nnew function no\nenable 0\nenable 0\nvalid 1040\n"),
        (CUDA_13_5, "version 130500\nnew function yes\nenable 0\nenable 0\nvalid 1240\n"),
    ] {
        let profile = Profile::of(toolkit).expect("the double plays it");
        let library = Release(profile).write(dir.path()).expect("a library");
        let output = Command::new(&host).arg(library).output().expect("run the program");
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "CUDA {toolkit}");
    }
}

#[test]
fn the_environment_chooses_release_and_faults() {
    let dir = TempDir::new().expect("a folder");
    let host = program(dir.path());
    let run = |script: &str| {
        let output = Command::new(&host)
            .arg(built_library().expect("the library is built"))
            .env(PROFILE_VARIABLE, "13.0")
            .env(SCRIPT_VARIABLE, script)
            .output()
            .expect("run the program");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(
        run("fail cuptiActivityEnable 15 times 1; order lifo"),
        (true, "version 130001\nnew function yes\nenable 15\nenable 0\nvalid 1080\n".to_owned())
    );
    let from_file = dir.path().join("script");
    std::fs::write(&from_file, "profile 12.0 # before the variable\n").expect("write");
    let (_, text) = run(&format!("@{}", from_file.display()));
    assert!(text.starts_with("version 18\n"), "{text}");
    assert!(!run("nonsense").0, "a script that is not understood must not pass unnoticed");
}
