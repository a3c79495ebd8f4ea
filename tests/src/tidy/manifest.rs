//! Rules for the `Cargo.toml` of a crate.

use toml::{Table, Value};

use super::floors::floor_of;

/// A crate's manifest as far as the rules look at it.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The crate's name.
    pub name: String,
    package: Table,
    whole: Table,
}

/// Who may use a crate from outside: the crates named, and every crate of the tests' floors.
const KEPT_APART: &[(&str, &[&str])] = &[
    ("clap", &["underspan", "underspan-viewer"]),
    ("clap_complete", &["underspan"]),
    ("clap_mangen", &["underspan"]),
    ("tokio", &["underspan-launcher", "underspan-receiver"]),
    ("egui", &["underspan-viewer-core", "underspan-viewer"]),
    ("egui_extras", &["underspan-viewer-core", "underspan-viewer"]),
    ("eframe", &["underspan-viewer"]),
    ("wgpu", &["underspan-viewer"]),
];
const TESTS_FLOOR: u8 = 5;

impl Manifest {
    /// Reads a manifest; `None` when it is that of no crate.
    ///
    /// # Errors
    /// When it is not TOML.
    pub fn parse(text: &str) -> Result<Option<Self>, toml::de::Error> {
        let whole: Table = text.parse()?;
        let Some(package) = whole.get("package").and_then(Value::as_table).cloned() else {
            return Ok(None);
        };
        let name = package.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Some(Self { name, package, whole }))
    }

    /// Dependencies of a kind (`dependencies`, `build-dependencies`, `dev-dependencies`), for
    /// every target: name of the crate and how it is written.
    fn dependencies(&self, kind: &str) -> Vec<(String, &Value)> {
        let targets = self.whole.get("target").and_then(Value::as_table);
        let per_target = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
        std::iter::once(&self.whole)
            .chain(per_target)
            .filter_map(|table| table.get(kind).and_then(Value::as_table))
            .flatten()
            .map(|(key, written)| {
                let renamed = written.get("package").and_then(Value::as_str);
                (renamed.unwrap_or(key).to_owned(), written)
            })
            .collect()
    }
}

/// Dependencies that lead up or sideways in the house, and outside crates in the wrong room.
/// Dependencies of tests may lead anywhere: Cargo forbids circles among the rest.
pub fn misplaced_dependencies(manifest: &Manifest) -> Vec<String> {
    let name = &manifest.name;
    let Some(floor) = floor_of(name) else {
        return vec![format!("{name}: stands on no floor; add it to FLOORS")];
    };
    let mut problems = Vec::new();
    for kind in ["dependencies", "build-dependencies"] {
        for (dependency, _) in manifest.dependencies(kind) {
            if let Some(other) = floor_of(&dependency)
                && other >= floor
            {
                problems.push(format!(
                    "{name} (floor {floor}) depends on {dependency} (floor {other}); \
                     only lower floors are allowed"
                ));
            }
            let rooms = KEPT_APART.iter().find(|(kept, _)| *kept == dependency);
            if let Some((kept, rooms)) = rooms
                && floor < TESTS_FLOOR
                && !rooms.contains(&name.as_str())
            {
                problems.push(format!("{name} uses {kept}, which is for {}", rooms.join(", ")));
            }
        }
    }
    problems
}

/// What a manifest lacks or says that belongs in the workspace's.
pub fn untidy_manifest(manifest: &Manifest) -> Vec<String> {
    let name = &manifest.name;
    let mut problems = Vec::new();
    let description = manifest.package.get("description").and_then(Value::as_str).unwrap_or("");
    if description.trim().is_empty() {
        problems.push(format!("{name}: no description"));
    }
    let lints = manifest.whole.get("lints").and_then(|lints| lints.get("workspace"));
    if lints.and_then(Value::as_bool) != Some(true) {
        problems.push(format!("{name}: does not take the workspace's lints"));
    }
    for kind in ["dependencies", "build-dependencies", "dev-dependencies"] {
        for (dependency, written) in manifest.dependencies(kind) {
            if written.is_str() || written.get("version").is_some() {
                problems.push(format!(
                    "{name}: the version of {dependency} belongs in [workspace.dependencies]"
                ));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(name: &str, rest: &str) -> Manifest {
        let text = format!(
            "[package]\nname = \"{name}\"\ndescription = \"x\"\n[lints]\nworkspace = true\n{rest}"
        );
        Manifest::parse(&text).expect("TOML").expect("a package")
    }

    #[test]
    fn a_dependency_on_the_same_or_a_higher_floor_is_found() {
        let good =
            manifest("underspan-import", "[dependencies]\nunderspan-native.workspace = true");
        assert_eq!(misplaced_dependencies(&good), Vec::<String>::new());
        for (name, rest) in [
            ("underspan-native", "[dependencies]\nunderspan-engine.workspace = true"),
            ("underspan-model", "[build-dependencies]\nunderspan-native.workspace = true"),
            ("underspan-model", "[target.'cfg(unix)'.dependencies]\nunderspan = { path = \"x\" }"),
            ("underspan-model", "[dependencies]\nm = { package = \"underspan\", path = \"x\" }"),
        ] {
            assert_eq!(misplaced_dependencies(&manifest(name, rest)).len(), 1, "{rest}");
        }
        let test = manifest("underspan-native", "[dev-dependencies]\nunderspan.workspace = true");
        assert_eq!(misplaced_dependencies(&test), Vec::<String>::new());
    }

    #[test]
    fn a_crate_without_a_floor_and_a_library_in_the_wrong_room_are_found() {
        assert_eq!(misplaced_dependencies(&manifest("newcomer", "")).len(), 1);
        let engine = manifest("underspan-engine", "[dependencies]\nclap.workspace = true");
        assert_eq!(misplaced_dependencies(&engine).len(), 1);
        let cli = manifest("underspan", "[dependencies]\nclap.workspace = true");
        assert_eq!(misplaced_dependencies(&cli), Vec::<String>::new());
        let report = manifest("underspan-report", "[dependencies]\negui.workspace = true");
        assert_eq!(misplaced_dependencies(&report).len(), 1);
        let double = manifest("fake-driver", "[dependencies]\nclap.workspace = true");
        assert_eq!(misplaced_dependencies(&double), Vec::<String>::new());
    }

    #[test]
    fn a_manifest_that_lacks_something_is_found() {
        assert_eq!(untidy_manifest(&manifest("a", "")), Vec::<String>::new());
        for text in [
            "[package]\nname = \"a\"\n[lints]\nworkspace = true",
            "[package]\nname = \"a\"\ndescription = \" \"\n[lints]\nworkspace = true",
            "[package]\nname = \"a\"\ndescription = \"x\"",
        ] {
            let manifest = Manifest::parse(text).expect("TOML").expect("a package");
            assert_eq!(untidy_manifest(&manifest).len(), 1, "{text}");
        }
        for rest in ["[dependencies]\nx = \"1\"", "[dev-dependencies]\nx = { version = \"1\" }"] {
            assert_eq!(untidy_manifest(&manifest("a", rest)).len(), 1, "{rest}");
        }
        assert_eq!(Manifest::parse("[workspace]").expect("TOML"), None);
        assert!(Manifest::parse("[").is_err());
    }
}
