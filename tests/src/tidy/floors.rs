//! Which crate stands on which floor.

/// Every crate of the workspace and its floor. A crate may depend only on crates of lower floors;
/// a new crate gets its line here.
pub const FLOORS: &[(&str, u8)] = &[
    ("underspan-model", 0),
    ("underspan-wire", 0),
    ("underspan-classifier", 0),
    ("cupti-sys", 0),
    ("underspan-membership", 1),
    ("underspan-native", 1),
    ("underspan-cupti", 1),
    ("underspan-engine", 1),
    ("underspan-receiver", 1),
    ("underspan-import", 2),
    ("underspan-export", 2),
    ("underspan-collector", 2),
    ("underspan-launcher", 2),
    ("underspan-detectors", 2),
    ("underspan-report", 3),
    ("underspan-fleet", 3),
    ("underspan-viewer-core", 3),
    ("underspan", 4),
    ("underspan-viewer", 4),
    ("underspan-simulator", 5),
    ("fake-cupti", 5),
    ("fake-driver", 6),
    ("cupti-conformance", 5),
    ("gpu-workload", 7),
    ("underspan-tests", 7),
];

/// The floor of a crate of this workspace; `None` for every other crate.
pub fn floor_of(name: &str) -> Option<u8> {
    FLOORS.iter().find(|(known, _)| *known == name).map(|(_, floor)| *floor)
}
