//! `underspan doctor` on this machine, and with libraries that do not behave.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

pub(crate) fn doctor(folder: &Path, words: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_underspan"))
        .arg("doctor")
        .args(words)
        .current_dir(folder)
        .env_remove("UNDERSPAN_NVML")
        .env_remove("UNDERSPAN_CUPTI")
        .env_remove("CUDA_INJECTION64_PATH")
        .envs(variables.iter().copied())
        .output()
        .expect("underspan starts");
    let text = String::from_utf8(output.stdout).expect("text");
    (output.status.code().expect("it ends by itself"), text)
}

pub(crate) fn checks(folder: &Path, variables: &[(&str, &str)]) -> Vec<Value> {
    let (code, text) = doctor(folder, &["--json"], variables);
    assert_eq!(code, 0, "{text}");
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(answer["schema"], 1);
    answer["checks"].as_array().expect("a list").clone()
}

pub(crate) fn of<'a>(checks: &'a [Value], id: &str) -> Vec<&'a Value> {
    checks.iter().filter(|check| check["id"] == id).collect()
}

#[test]
fn a_page_says_what_works_and_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, page) = doctor(folder.path(), &[], &[]);
    assert_eq!(code, 0, "{page}");
    for word in ["driver", "nvml", "cupti", "other_profilers", "clock", "disk"] {
        assert!(page.contains(word), "{word}: {page}");
    }
    for check in checks(folder.path(), &[]) {
        assert_ne!(check["found"], "", "{check}");
        assert!(check["health"] == "good" || check["fix"].is_string(), "{check}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0, "nothing stays");
}

#[test]
fn libraries_that_do_not_load_or_crash_are_survived() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = folder.path().join("libcupti.so.12");
    std::fs::write(&text, "not a library").expect("a file");
    let found = checks(folder.path(), &[("UNDERSPAN_CUPTI", text.to_str().expect("text"))]);
    let cupti = of(&found, "cupti");
    assert_eq!(cupti[0]["health"], "bad", "{cupti:?}");

    // One that crashes when it is loaded, as some do without a driver.
    let source = folder.path().join("crash.c");
    let crash = "#include <stdlib.h>\n__attribute__((constructor)) static void c(void){abort();}\n";
    std::fs::write(&source, crash).expect("a file");
    let library = folder.path().join("libcupti.so.13");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .status()
        .expect("a C compiler");
    assert!(built.success());
    let found = checks(folder.path(), &[("UNDERSPAN_CUPTI", library.to_str().expect("text"))]);
    let cupti = of(&found, "cupti");
    assert!(cupti[0]["found"].as_str().expect("text").contains("crashes"), "{cupti:?}");
}

#[test]
fn a_double_of_libcupti_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let newest = *fake_cupti::PROFILES.last().expect("a release");
    let double = fake_cupti::Release(newest).write(folder.path()).expect("a double");
    let found = checks(folder.path(), &[("UNDERSPAN_CUPTI", double.to_str().expect("text"))]);
    let cupti = of(&found, "cupti");
    assert_eq!(cupti[0]["health"], "good", "{cupti:?}");
}

#[test]
fn another_tool_and_a_folder_without_room_are_named() {
    let found = checks(Path::new("/proc"), &[("CUDA_INJECTION64_PATH", "/opt/nsys/inject.so")]);
    let tools = of(&found, "other_profilers");
    assert!(tools[0]["found"].as_str().expect("text").contains("/opt/nsys/inject.so"));
    assert_eq!(of(&found, "disk")[0]["health"], "bad");
}

#[test]
fn gpus_and_how_they_are_shared_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let library = crate::nvml::double(folder.path());
    let found = checks(folder.path(), &[("UNDERSPAN_NVML", library.to_str().expect("text"))]);
    let nvml = of(&found, "nvml");
    assert_eq!(nvml.len(), 2, "{found:?}");
    assert_eq!(nvml[0]["found"], "GPU 0: Double GPU, compute capability 9.0");
    assert_eq!(nvml[1]["health"], "limited");
    assert!(nvml[1]["found"].as_str().expect("text").contains("power.draw"));
    assert_eq!(of(&found, "mig").len(), 1);
    assert_eq!(of(&found, "vgpu").len(), 2);
}
