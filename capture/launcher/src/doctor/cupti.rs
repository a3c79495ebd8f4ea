//! Every libcupti that a server here could have.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use underspan_cupti::Search;

use super::child::{Answer, ask, entries};
use super::{Check, Health};

/// Libraries that are asked. A machine with more has the same ones several times.
const MOST: usize = 24;

/// Whether there is a libcupti that works.
pub(super) fn check(program: &Path, has_driver: bool, checks: &mut Vec<Check>) -> bool {
    const ID: &str = "cupti";
    let libraries = libraries();
    if libraries.is_empty() {
        checks.push(Check::other(
            ID,
            Health::Absent,
            "no libcupti in toolkits and Python packages here",
            "PyTorch and vLLM bring their own, which is found when they run; otherwise `pip \
             install nvidia-cuda-cupti`, or name one in UNDERSPAN_CUPTI",
        ));
        // A server may bring one from a place that is not looked at.
        return has_driver;
    }
    let mut works = false;
    for path in libraries.iter().take(MOST) {
        let check = one(ID, program, path, has_driver);
        works |= check.health == Health::Good;
        checks.push(check);
    }
    works
}

fn one(id: &'static str, program: &Path, path: &Path, has_driver: bool) -> Check {
    let name = path.display();
    let Some(text) = path.to_str() else {
        return Check::other(id, Health::Limited, format!("{name}: not UTF-8"), "rename it");
    };
    let answer = match ask(program, &format!("cupti={text}")) {
        Answer::Told(answer) => answer,
        Answer::Silent(reason) if !has_driver => {
            return Check::other(
                id,
                Health::Absent,
                format!("{name}: {reason}"),
                "some releases do that without a driver; nothing is wrong with the library",
            );
        }
        Answer::Silent(reason) => {
            let fix = "use the libcupti of another CUDA release (UNDERSPAN_CUPTI)";
            return Check::other(id, Health::Bad, format!("{name}: {reason}"), fix);
        }
    };
    if let Some(error) = answer.get("error").and_then(Value::as_str) {
        return Check::other(id, Health::Bad, format!("{name}: {error}"), "reinstall the package");
    }
    let version = answer.get("version").and_then(Value::as_u64);
    let version = version.map_or_else(String::new, |version| format!(", API {version}"));
    let refusal = |what: &str| answer.get(what).and_then(|value| value.get("error")?.as_str());
    match refusal("layout").or_else(|| refusal("clock")) {
        None => Check::good(id, format!("{name}{version}: its records can be read")),
        Some(_) if !has_driver => Check::other(
            id,
            Health::Absent,
            format!("{name}{version}: answers with a driver only"),
            "run `underspan doctor` again on a GPU machine",
        ),
        Some(error) => Check::other(
            id,
            Health::Bad,
            format!("{name}{version}: {error}"),
            "use a libcupti that is not newer than the driver, and no newer than CUDA 13",
        ),
    }
}

/// Libraries in toolkits, in the Python environment that is active, and in the system's.
fn libraries() -> Vec<PathBuf> {
    let toolkits = Search::of_this_process().candidates().into_iter().map(|found| found.path);
    let mut found: Vec<PathBuf> = toolkits.filter(|path| path.exists()).collect();
    for packages in python_packages() {
        for part in entries(&packages.join("nvidia"), |_| true) {
            found.extend(entries(&part.join("lib"), |name| name.starts_with("libcupti.so")));
        }
    }
    let mut seen = HashSet::new();
    found.retain(|path| seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())));
    found
}

fn python_packages() -> Vec<PathBuf> {
    let active = ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(std::env::var_os);
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let beside = std::env::split_paths(&on_path)
        .filter(|folder| folder.join("python3").exists())
        .filter_map(|folder| folder.parent().map(Path::to_owned))
        .collect::<Vec<_>>();
    let roots = active.map(PathBuf::from).chain(beside);
    roots
        .flat_map(|root| entries(&root.join("lib"), |name| name.starts_with("python3")))
        .flat_map(|python| ["site-packages", "dist-packages"].map(|name| python.join(name)))
        .filter(|packages| packages.is_dir())
        .collect()
}
